//! `convoke watch`: who is in a conference, live.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use sip::StatusCode;
use sip::subscription::{Ended, Reason};
use terminal::wav::RecordRate;
use terminal::{Endpoint, Roster, Terminal, User, WatcherEvent};

use super::terminals::{greet, own_address, setup, show};
use super::{end_at_once, runtime};
use crate::cli::{TerminalArgs, WatchArgs};
use crate::output::{Printer, Tone, complain, harmless};
use crate::signals::Stop;
use crate::tap::Tap;

pub(crate) fn run(args: WatchArgs) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(watch(args))
}

async fn watch(args: WatchArgs) -> anyhow::Result<ExitCode> {
    let printer = Printer::new(args.common.json)?;
    let WatchArgs { conference, stay, sip, user, reach, common } = args;
    if reach.register.is_some() {
        bail!("--register is for those who can be called, and nobody calls who only watches");
    }
    // It says nothing, and there is nothing to hear.
    let record_rate = RecordRate::default();
    let args = TerminalArgs { sip, user, reach, play: None, keys: None, record: None, record_rate };
    let mut tap = Tap::new(&common, &args.user, &printer).keeping(common.pcap.as_deref())?;
    let bind = own_address(&args, Some(&conference)).await;
    let setup = setup(&args, tap.is_open(), bind, Some(&conference))?;
    let mut screen = Screen {
        is_redrawn: io::stdout().is_terminal() && !common.json && !tap.is_open(),
        height: 0,
        has_roster: false,
        verdict: ExitCode::FAILURE,
    };
    let mut terminal = Terminal::watch(setup, conference, stay)?;
    let mut stop = Stop::listen(common.with_parent)?;
    greet(&printer, &args.user, terminal.local(), "");
    let mut is_stopping = false;
    loop {
        tokio::select! {
            event = terminal.next_event() => match event {
                Some(event) => {
                    show(&printer, &mut tap, event, |printer, news| screen.news(printer, news));
                }
                None => break,
            },
            () = stop.told() => {
                if is_stopping {
                    end_at_once();
                }
                is_stopping = true;
                terminal.stop();
            }
        }
    }
    tap.finish(&printer);
    if terminal.finish().is_none() {
        complain("the terminal ended by a fault of its own; its last words are above");
        return Ok(ExitCode::FAILURE);
    }
    Ok(screen.verdict)
}

/// What is on the terminal.
struct Screen {
    /// Whether the roster is drawn over the one before.
    is_redrawn: bool,
    /// Lines of the roster that stand there.
    height: usize,
    has_roster: bool,
    verdict: ExitCode,
}

impl Screen {
    fn news(&mut self, printer: &Printer, news: WatcherEvent) {
        match news {
            WatcherEvent::Roster(roster) => {
                self.has_roster = true;
                self.roster(printer, &roster);
            }
            WatcherEvent::Unreadable(why) => {
                let why = why.to_string();
                self.line(printer, Tone::Bad, "unreadable", &why, json!({ "why": why }));
            }
            WatcherEvent::Waiting { why, again_in } => {
                let about = format!("{}: again in {} s", words(why), again_in.as_secs());
                let fields = json!({ "why": words(why), "again_in_seconds": again_in.as_secs() });
                self.line(printer, Tone::Plain, "waiting", &about, fields);
            }
            WatcherEvent::Ended(why) => {
                let is_good = match why {
                    Ended::Unsubscribed => true,
                    Ended::Terminated { reason: Some(Reason::NoResource), .. } => self.has_roster,
                    Ended::Terminated { .. }
                    | Ended::Refused { .. }
                    | Ended::Lost(_)
                    | Ended::Silent
                    | Ended::Expired => false,
                };
                let tone = if is_good { Tone::Quiet } else { Tone::Bad };
                let advice = advice(why).map_or_else(String::new, |advice| format!("; {advice}"));
                let about = format!("{}{advice}", words(why));
                self.line(printer, tone, "ended", &about, json!({ "why": words(why) }));
                if is_good {
                    self.verdict = ExitCode::SUCCESS;
                }
            }
            WatcherEvent::Finished => {}
        }
    }

    /// A line that stays; the next roster stands below it.
    fn line(&mut self, printer: &Printer, tone: Tone, verb: &str, about: &str, fields: Value) {
        self.height = 0;
        printer.event(tone, verb, &harmless(about), verb, fields);
    }

    fn roster(&mut self, printer: &Printer, roster: &Roster) {
        if printer.is_json() || !self.is_redrawn {
            let about = one_line(roster);
            printer.event(Tone::Plain, "roster", &harmless(&about), "roster", fields(roster));
            return;
        }
        let lines = table(printer, roster);
        // Up over the lines that stand there, and away with them (ECMA-48 CUU, ED).
        let wipe = match self.height {
            0 => String::new(),
            height => format!("\x1b[{height}A\x1b[J"),
        };
        self.height = lines.len();
        printer.words(&format!("{wipe}{}", lines.join("\n")));
    }
}

/// How many are in, for people.
fn counted(roster: &Roster) -> String {
    let listed = roster.users.values().filter(|user| user.is_in()).count();
    let count = roster.user_count.map_or(listed, |count| usize::try_from(count).unwrap_or(listed));
    let most = roster.users_max.map_or_else(String::new, |most| format!(" of {most}"));
    let unlisted = count.saturating_sub(listed);
    let unlisted = if unlisted > 0 { format!(", {unlisted} not listed") } else { String::new() };
    format!("{count}{most} in{unlisted}")
}

pub(super) fn one_line(roster: &Roster) -> String {
    let who = roster.users.iter().flat_map(|(entity, user)| {
        let name = name(entity, user);
        user.endpoints.values().map(move |endpoint| format!("{name} {}", standing(endpoint)))
    });
    let who = who.collect::<Vec<_>>().join(", ");
    if who.is_empty() { counted(roster) } else { format!("{}: {who}", counted(roster)) }
}

fn table(printer: &Printer, roster: &Roster) -> Vec<String> {
    let paint = printer.paint();
    let mut lines = vec![paint.bold(&harmless(&format!("{}  {}", counted(roster), roster.entity)))];
    for (entity, user) in &roster.users {
        for endpoint in user.endpoints.values() {
            let tone = match endpoint.status.as_deref() {
                Some("connected") => Tone::Good,
                Some("disconnected" | "disconnecting") => Tone::Quiet,
                Some(_) | None => Tone::Plain,
            };
            let name = column(&harmless(&name(entity, user)), NAME_WIDTH);
            let standing = column(&harmless(&standing(endpoint)), STANDING_WIDTH);
            let uri = paint.dim(&harmless(entity));
            lines.push(format!("  {name}{}{uri}", paint.tone(tone, &standing)));
        }
    }
    lines
}

/// The widths of two columns of the table, in characters, with two blanks.
const NAME_WIDTH: usize = 24;
const STANDING_WIDTH: usize = 26;

/// Cut or filled to `width`.
fn column(text: &str, width: usize) -> String {
    let cut: String = text.chars().take(width - 2).collect();
    format!("{cut:width$}")
}

fn name(entity: &str, user: &User) -> String {
    let of_uri = || {
        let rest = entity.split_once(':').map_or(entity, |(_, rest)| rest);
        rest.split('@').next().unwrap_or(rest).to_owned()
    };
    user.display.clone().unwrap_or_else(of_uri)
}

fn standing(endpoint: &Endpoint) -> String {
    let status = endpoint.status.as_deref().unwrap_or("there");
    let is_muted = status == "connected"
        && endpoint.media.values().any(|media| media.status.as_deref() == Some("recvonly"));
    match &endpoint.disconnection_method {
        Some(method) => format!("{status} ({method})"),
        None if is_muted => format!("{status}, muted"),
        None => status.to_owned(),
    }
}

pub(super) fn fields(roster: &Roster) -> Value {
    let users = roster.users.iter().map(|(entity, user)| {
        let endpoints = user.endpoints.iter().map(|(entity, endpoint)| {
            let media = endpoint.media.iter().map(|(id, media)| {
                json!({ "id": id, "type": media.kind, "status": media.status, "ssrc": media.source })
            });
            json!({
                "entity": entity,
                "status": endpoint.status,
                "joining_method": endpoint.joining_method,
                "joined": endpoint.joined,
                "referred_by": endpoint.referred_by,
                "disconnection_method": endpoint.disconnection_method,
                "reason": endpoint.disconnection_reason,
                "media": media.collect::<Vec<_>>(),
            })
        });
        let endpoints: Vec<_> = endpoints.collect();
        json!({ "entity": entity, "display": user.display, "roles": user.roles, "endpoints": endpoints })
    });
    json!({
        "conference": roster.entity,
        "version": roster.version(),
        "user_count": roster.user_count,
        "users_max": roster.users_max,
        "active": roster.is_active,
        "locked": roster.is_locked,
        "users": users.collect::<Vec<_>>(),
    })
}

/// How a subscription ended, for people.
fn words(why: Ended) -> String {
    let later = |after: Option<Duration>| {
        after.map_or_else(String::new, |after| format!(", try again in {} s", after.as_secs()))
    };
    match why {
        Ended::Refused { status, retry_after } => {
            format!("refused: {} {}{}", status.code(), status.reason(), later(retry_after))
        }
        Ended::Lost(status) => {
            format!("the server has forgotten us: {} {}", status.code(), status.reason())
        }
        Ended::Silent => "no answer".to_owned(),
        Ended::Expired => "the subscription ran out".to_owned(),
        Ended::Terminated { reason: Some(Reason::NoResource), .. } => {
            "the conference is over".to_owned()
        }
        Ended::Terminated { reason, .. } => {
            format!("ended by the server: {}", reason.map_or("no reason", Reason::as_str))
        }
        Ended::Unsubscribed => "unsubscribed".to_owned(),
    }
}

/// What a person can do about it.
fn advice(why: Ended) -> Option<&'static str> {
    let Ended::Refused { status, .. } = why else {
        return (why == Ended::Silent)
            .then_some("is the server running, and is its address right?");
    };
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Some(
            "nobody has this address: is it the conference's own, and is the conference still on?",
        ),
        StatusCode::BAD_EVENT => Some("this is no conference, or one that does not tell who is in"),
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Some("the server wants to know who you are")
        }
        StatusCode::FORBIDDEN => Some("the server does not tell you: ask its operator"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster() -> Roster {
        let text = "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:c@h\" version=\"1\">\
            <conference-state><user-count>3</user-count></conference-state>\
            <users><user entity=\"sip:bob@h\"><display-text>Bob&#10;Evil</display-text>\
            <endpoint entity=\"1\"><status>connected</status><media id=\"1\"><status>recvonly</status></media></endpoint>\
            <endpoint entity=\"2\"><status>disconnected</status>\
            <disconnection-method>departed</disconnection-method></endpoint></user></users></conference-info>";
        let mut roster = Roster::new();
        roster.apply(text.as_bytes()).unwrap();
        roster
    }

    #[test]
    fn a_roster_is_one_line_where_nothing_is_redrawn() {
        assert_eq!(
            one_line(&roster()),
            "3 in, 2 not listed: Bob\nEvil connected, muted, Bob\nEvil disconnected (departed)"
        );
        assert_eq!(one_line(&Roster::new()), "0 in");
    }

    #[test]
    fn a_name_fits_its_column() {
        assert_eq!(column("Zoë", 6), "Zoë   ");
        assert_eq!(column("a long name", 6), "a lo  ");
        assert_eq!(name("sip:carol@example.com", &User::default()), "carol");
    }
}
