//! `convoke status`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use server::{
    ConferenceState, ConferenceStatus, OverloadStatus, PortQuality, RegistrarStatus, StatusPage,
    WayQuality, WebhookStatus,
};

use super::admin;
use super::table::counted;
use crate::cli::StatusArgs;
use crate::output::{Paint, harmless, say};

/// Causes on one line.
const CAUSES_SHOWN: usize = 5;

pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let text = admin::get(&args.ask, "/v1/status", &[])?;
    if args.ask.json {
        say(text.trim_end());
    } else {
        let page = read(&text)?;
        say(show(&page, Paint::of_stdout()).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads what the server said.
pub(super) fn read(text: &str) -> anyhow::Result<StatusPage> {
    serde_json::from_str(text).context("this is no Convoke server, or one of another version")
}

fn show(page: &StatusPage, paint: Paint) -> String {
    let mut out = String::new();
    let room = page.node.room;
    let factories = page.factories.join(", ");
    let up = clock(page.uptime_seconds);
    let _ = writeln!(out, "Convoke {}  up {up}  {}", page.version, paint.bold(&factories));
    let _ = writeln!(
        out,
        "Room for {} legs: {} in use, {} held, {} free",
        room.capacity, room.used, room.held, room.free
    );
    if let Some(draining) = &page.node.draining {
        let _ = writeln!(out, "{}", paint.bold(&super::drain::words(draining)));
    }
    if let Some(line) = overload(&page.node.overload) {
        let _ = writeln!(out, "{}", paint.bold(&line));
    }
    for (what, counts) in [("Refused", &page.node.refusals), ("Dropped", &page.node.dropped)] {
        if let Some(line) = causes(counts) {
            let _ = writeln!(out, "{what} {line}");
        }
    }
    if let Some(registrar) = &page.node.registrar {
        out.push_str(&show_phones(registrar));
    }
    for webhook in &page.webhooks {
        out.push_str(&show_webhook(webhook));
    }
    if page.node.conferences.is_empty() {
        let _ = writeln!(out, "\nNo conference.");
    }
    for conference in &page.node.conferences {
        out.push('\n');
        out.push_str(&show_conference(conference, paint));
    }
    out
}

/// Who is admitted, if not everybody is.
fn overload(overload: &OverloadStatus) -> Option<String> {
    let per_second = overload.per_second.filter(|_| overload.limiting)?;
    Some(format!(
        "Overload: {per_second} new requests a second are admitted, which wait {} ms (target {} ms); others are refused",
        overload.wait_us / 1_000,
        overload.target_us / 1_000
    ))
}

/// `17: 12 not found, 5 pool full`, the most frequent first. `None`: nothing has struck.
fn causes(counts: &BTreeMap<String, u64>) -> Option<String> {
    let sum: u64 = counts.values().sum();
    let mut causes: Vec<(&String, &u64)> = counts.iter().collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut told: Vec<String> = causes
        .iter()
        .take(CAUSES_SHOWN)
        .map(|(cause, count)| format!("{count} {}", harmless(&cause.replace('_', " "))))
        .collect();
    if causes.len() > CAUSES_SHOWN {
        told.push("others: see /metrics".to_owned());
    }
    (sum > 0).then(|| format!("{sum}: {}", told.join(", ")))
}

/// A receiver of events, and what it does not have yet.
fn show_webhook(webhook: &WebhookStatus) -> String {
    let WebhookStatus { url, waiting, waiting_seconds, delivered, lost, failures, why } = webhook;
    let mut line = format!("Webhook {}: {delivered} delivered", harmless(url));
    if *waiting > 0 {
        let _ = write!(line, ", {waiting} waiting for {}", clock(*waiting_seconds));
    }
    if *lost > 0 {
        let _ = write!(line, ", {lost} lost");
    }
    if let Some(why) = why {
        let why = harmless(why);
        let _ = match failures {
            0 => write!(line, "; {why}"),
            1 => write!(line, "; failed once: {why}"),
            _ => write!(line, "; failed {failures} times, at last: {why}"),
        };
    }
    line.push('\n');
    line
}

/// Who is registered, and where.
fn show_phones(registrar: &RegistrarStatus) -> String {
    let mut out = String::from("\nRegistered here, for trying things out:\n");
    let width = registrar.phones.iter().map(|phone| phone.user.chars().count()).max();
    for phone in &registrar.phones {
        let user = format!("{:width$}", harmless(&phone.user), width = width.unwrap_or(0));
        let (contact, left) = (harmless(&phone.contact), clock(phone.seconds_left));
        let _ = writeln!(out, "  {user}  {contact}  from {}  {left} left", phone.path);
    }
    if registrar.phones.is_empty() {
        out.push_str("  nobody\n");
    }
    out
}

/// A conference and its roster.
pub(super) fn show_conference(conference: &ConferenceStatus, paint: Paint) -> String {
    let mut out = String::new();
    let (seats, time) = (counted(conference.seats.into(), "seat"), clock(conference.seconds));
    let state = match conference.state {
        ConferenceState::Held => format!("held, nobody has joined yet for {time}"),
        ConferenceState::Reserved => "reserved, nobody is in (when: convoke holds)".to_owned(),
        ConferenceState::Active => format!("active for {time}"),
    };
    let uri = paint.bold(&harmless(&conference.uri));
    let _ = writeln!(out, "{uri}\n  {state}, {seats}");
    let width = conference.legs.iter().map(|leg| leg.participant.chars().count()).max();
    for leg in &conference.legs {
        let who = format!("{:width$}", harmless(&leg.participant), width = width.unwrap_or(0));
        let role = if leg.creator { "  asked for it" } else { "" };
        let media = leg.media.as_ref().map(|media| quality(&media.quality)).unwrap_or_default();
        let _ = writeln!(out, "  leg {}  {who}  {}{media}{role}", leg.leg, clock(leg.seconds));
    }
    out
}

/// `  loss 0.5 % in, 0 % out  jitter 3 ms  round trip 21 ms  MOS 4.3`: what is known of it.
fn quality(quality: &PortQuality) -> String {
    let mut out = String::new();
    let percent = |way: &WayQuality| f64::from(way.loss_e4) / 100.0;
    match (&quality.from_peer, &quality.to_peer) {
        (Some(from), Some(to)) => {
            let _ = write!(out, "  loss {} % in, {} % out", percent(from), percent(to));
        }
        (Some(from), None) => {
            let _ = write!(out, "  loss {} % in", percent(from));
        }
        (None, Some(to)) => {
            let _ = write!(out, "  loss {} % out", percent(to));
        }
        (None, None) => {}
    }
    if let Some(from) = &quality.from_peer {
        let _ = write!(out, "  jitter {} ms", from.jitter_us.div_ceil(1_000));
    }
    if let Some(trip) = quality.round_trip_us {
        let _ = write!(out, "  round trip {} ms", trip.div_ceil(1_000));
    }
    let ways = [&quality.from_peer, &quality.to_peer];
    // A call is as good as the worse half of it.
    if let Some(mos) = ways.into_iter().flatten().map(|way| way.mos_e2).min() {
        let _ = write!(out, "  MOS {:.1}", f64::from(mos) / 100.0);
    }
    out
}

/// `0:42`, `1:02:03`.
pub(super) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use server::PortReport;

    use super::*;

    fn page() -> StatusPage {
        let from =
            WayQuality { lost: 3, loss_e4: 50, jitter_us: 2_100, mos_e2: 428, mos_e2_min: 402 };
        let to = WayQuality { loss_e4: 0, mos_e2: 438, ..from };
        let quality =
            PortQuality { round_trip_us: Some(20_400), from_peer: Some(from), to_peer: Some(to) };
        let media = PortReport { quality, ..PortReport::default() };
        let page = json!({
            "version": "0.1.0", "uptime_seconds": 3_723,
            "factories": ["sip:conference@127.0.0.1:5060"],
            "conferences": [{
                "uri": "sip:conf-a@127.0.0.1:5060", "state": "active", "seconds": 42, "seats": 4,
                "legs": [
                    {"leg": 1, "participant": "sip:alice@127.0.0.1:1", "display": null,
                     "creator": true, "seconds": 42, "media": media},
                    {"leg": 2, "participant": "sip:b\u{1b}[2J@h", "display": null,
                     "creator": false, "seconds": 5},
                ],
            }],
            "room": {"capacity": 500, "used": 2, "held": 2, "free": 496},
            "leftovers": {"ports": 2, "holds": 0, "conferences": 1, "dialogs": 2,
                          "transactions": 0, "timers": 0, "media_commands": 0},
            "counters": sip::Counters::default(), "refused": {"401": 3},
            "refusals": {"not_found": 12, "pool_full": 17},
            "rim": {"received": 1, "denied": 0, "sent": 1, "send_errors": 0, "events_lost": 0},
            "mixers": [],
        });
        read(&page.to_string()).expect("a status")
    }

    #[test]
    fn the_status_shows_room_conferences_and_legs_in_columns() {
        let shown = show(&page(), Paint::plain());
        assert_eq!(
            shown,
            "Convoke 0.1.0  up 1:02:03  sip:conference@127.0.0.1:5060\n\
             Room for 500 legs: 2 in use, 2 held, 496 free\n\
             Refused 29: 17 pool full, 12 not found\n\n\
             sip:conf-a@127.0.0.1:5060\n  active for 0:42, 4 seats\n  \
             leg 1  sip:alice@127.0.0.1:1  0:42  loss 0.5 % in, 0 % out  jitter 3 ms  round trip 21 ms  MOS 4.3  \
             asked for it\n  \
             leg 2  sip:b?[2J@h            0:05\n"
        );
    }

    #[test]
    fn registered_phones_are_shown_in_columns() {
        let mut page = page();
        let phone = |user: &str, port: u16, seconds_left| server::PhoneStatus {
            user: user.to_owned(),
            contact: format!("sip:{user}@127.0.0.1:{port}"),
            path: format!("udp 127.0.0.1:{port}"),
            seconds_left,
        };
        let phones = vec![phone("al", 5071, 300), phone("b\u{1b}b", 5072, 9)];
        page.node.registrar = Some(RegistrarStatus { phones, ..RegistrarStatus::default() });
        assert!(show(&page, Paint::plain()).contains(
            "\nRegistered here, for trying things out:\n  \
             al   sip:al@127.0.0.1:5071  from udp 127.0.0.1:5071  5:00 left\n  \
             b?b  sip:b?b@127.0.0.1:5072  from udp 127.0.0.1:5072  0:09 left\n"
        ));
        page.node.registrar = Some(RegistrarStatus::default());
        assert!(show(&page, Paint::plain()).contains("trying things out:\n  nobody\n"));
    }

    /// Who says 410 has failed at nothing, and gets nothing all the same.
    #[test]
    fn a_receiver_of_events_is_shown_with_what_it_lacks_and_why() {
        let shown = |failures, waiting, lost| {
            show_webhook(&WebhookStatus {
                url: "http://h/".to_owned(),
                waiting,
                waiting_seconds: 81,
                delivered: 5,
                lost,
                failures,
                why: Some("it does not".to_owned()),
            })
        };
        assert_eq!(shown(0, 0, 9), "Webhook http://h/: 5 delivered, 9 lost; it does not\n");
        let once = "Webhook http://h/: 5 delivered, 2 waiting for 1:21; failed once: it does not\n";
        assert_eq!(shown(1, 2, 0), once);
        assert!(shown(3, 2, 0).ends_with("; failed 3 times, at last: it does not\n"));
    }

    #[test]
    fn an_idle_server_says_so() {
        let mut page = page();
        page.node.conferences.clear();
        assert!(show(&page, Paint::plain()).ends_with("\nNo conference.\n"));
    }
}
