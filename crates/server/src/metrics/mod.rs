//! `GET /metrics`: what was counted, by cause, for Prometheus and whoever reads its text format.
//!
//! The parts of the server count in plain numbers of their own, without I/O; this only writes them down.
//! [docs/METRICS.md](../../../../docs/METRICS.md) says what each means and what to do about it.

mod text;

#[cfg(test)]
mod tests;

use media::ShardReport;
use node::{Figures, QualityFigures, TenantFigures};
use sip::{ConnectionCounters, MessageKind};
use transport::WireCounters;
use units::{Cause, Tally};

use crate::admin::HttpFigures;
use crate::records::RecordLost;
use crate::run::Reload;
use crate::webhooks::{HookFigures, WebhookFigures};

use self::text::Kind::{Counter, Gauge, Histogram};
use self::text::{Kind, Page};

/// The media type of the page.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is shown, read off at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) version: &'static str,
    /// Seconds since 1970.
    pub(crate) started: u64,
    pub(crate) node: Figures,
    pub(crate) wires: WireCounters,
    pub(crate) connections: ConnectionCounters,
    pub(crate) connections_open: usize,
    /// One per mixer.
    pub(crate) mixers: Vec<ShardReport>,
    pub(crate) events_lost: u64,
    /// Configurations read while the server ran.
    pub(crate) reloads: Tally<Reload>,
    /// Records written, and those lost.
    pub(crate) records: (u64, Tally<RecordLost>),
    pub(crate) http: HttpFigures,
    pub(crate) webhooks: WebhookFigures,
    /// Changes that the store took, and did not take.
    pub(crate) store: (u64, u64),
}

/// Writes the page.
pub(crate) fn render(snapshot: &Snapshot) -> String {
    let mut page = Page::default();
    page.family(Gauge, "build_info", "1, with the version of this server.")
        .sample(&[("version", snapshot.version)], 1_u64);
    let help = "When this server started, in seconds since 1970.";
    page.one(Gauge, "start_time_seconds", help, snapshot.started);
    messages(&mut page, &snapshot.node);
    sockets(&mut page, snapshot);
    relay(&mut page, &snapshot.node);
    pool(&mut page, &snapshot.node);
    conferences(&mut page, &snapshot.node);
    legs(&mut page, &snapshot.node);
    mixers(&mut page, &snapshot.mixers);
    http(&mut page, &snapshot.http);
    webhooks(&mut page, &snapshot.webhooks);
    store(&mut page, snapshot);
    tenants(&mut page, &snapshot.node);
    let help = "Events and messages that nobody took in time: only what is shown of them is lost.";
    page.one(Counter, "events_lost_total", help, snapshot.events_lost);
    let help = "Configurations that were read while the server ran.";
    let mut family = page.family(Counter, "config_reloads_total", help);
    for (result, count) in snapshot.reloads.iter() {
        family.sample(&[("result", result.label())], count);
    }
    let help = "Records of legs and conferences that were written.";
    page.one(Counter, "records_written_total", help, snapshot.records.0);
    let help = "Records of legs and conferences that are lost.";
    by_cause(&mut page, "records_lost_total", help, &snapshot.records.1);
    page.finish()
}

fn http(page: &mut Page, http: &HttpFigures) {
    let help = "Requests to the HTTP interface, by operation.";
    let mut requests = page.family(Counter, "http_requests_total", help);
    for (operation, count) in &http.requests {
        requests.sample(&[("operation", operation)], *count);
    }
    let help = "Requests to the HTTP interface that were refused.";
    by_cause(page, "http_requests_refused_total", help, &http.refused);
    page.one(Gauge, "http_event_readers", "Who reads events over HTTP.", http.readers);
    let help = "Readers of events that were too slow, and were let go.";
    page.one(Counter, "http_event_readers_dropped_total", help, http.readers_dropped);
}

/// By the receiver's place in the configuration, from 1: its URL may hold a secret.
fn webhooks(page: &mut Page, figures: &WebhookFigures) {
    type OfHook = (Kind, &'static str, &'static str, fn(&HookFigures) -> u64);
    const OF_HOOKS: [OfHook; 3] = [
        (Gauge, "webhook_events_waiting", "Events that a receiver does not have yet.", |it| {
            it.waiting
        }),
        (Counter, "webhook_events_delivered_total", "Events that a receiver took.", |it| {
            it.delivered
        }),
        (
            Gauge,
            "webhook_failures_in_a_row",
            "Attempts at a receiver that failed, one after another.",
            |it| it.failures.into(),
        ),
    ];
    let numbered = || (1_usize..).map(|n| n.to_string()).zip(&figures.hooks);
    for (kind, name, help, read) in OF_HOOKS {
        let mut family = page.family(kind, name, help);
        for (webhook, hook) in numbered() {
            family.sample(&[("webhook", &webhook)], read(hook));
        }
    }
    let help = "Attempts to deliver an event that failed; each is made again.";
    let mut family = page.family(Counter, "webhook_attempts_failed_total", help);
    for (webhook, hook) in numbered() {
        for (cause, count) in hook.failed.iter() {
            family.sample(&[("webhook", &webhook), ("cause", cause.label())], count);
        }
    }
    let help = "Events that a receiver never gets.";
    let mut family = page.family(Counter, "webhook_events_lost_total", help);
    for (webhook, hook) in numbered() {
        for (cause, count) in hook.lost.iter() {
            family.sample(&[("webhook", &webhook), ("cause", cause.label())], count);
        }
    }
    let help = "Events thrown away because their receiver was taken out of the configuration.";
    page.one(Counter, "webhook_events_removed_total", help, figures.removed);
}

fn store(page: &mut Page, snapshot: &Snapshot) {
    let node = &snapshot.node;
    page.one(Gauge, "reservations", "Reservations that are not over.", node.reservations);
    page.one(Gauge, "stored_conferences", "Conferences that the store keeps.", node.kept);
    page.one(Gauge, "idempotency_keys", "Idempotency keys that are remembered.", node.keys);
    let help = "Changes handed to the store.";
    let mut family = page.family(Counter, "store_changes_total", help);
    let (kept, failed) = snapshot.store;
    family.sample(&[("result", "kept")], kept);
    family.sample(&[("result", "failed")], failed);
}

/// As many as the configuration names, and one without a name for all others.
fn tenants(page: &mut Page, node: &Figures) {
    type OfTenant = (&'static str, &'static str, fn(&TenantFigures) -> Option<u32>);
    const OF_TENANTS: [OfTenant; 3] = [
        ("tenant_seats", "Seats that a tenant has, in use and held.", |it| Some(it.seats)),
        ("tenant_quota_seats", "Seats that a tenant may have at most.", |it| it.quota),
        ("tenant_reserved_seats", "Seats that nobody else gets.", |it| Some(it.reserved)),
    ];
    for (name, help, read) in OF_TENANTS {
        let mut family = page.family(Gauge, name, help);
        for tenant in &node.tenants {
            if let Some(seats) = read(tenant) {
                family.sample(&[("tenant", &tenant.name)], seats);
            }
        }
    }
}

fn messages(page: &mut Page, node: &Figures) {
    let kinds = [
        (
            "sip_requests_received_total",
            "SIP requests received that could be read, copies included.",
            "sip_responses_received_total",
            "SIP responses received that could be read, copies included.",
            &node.traffic.received,
        ),
        (
            "sip_requests_sent_total",
            "SIP requests sent, copies included.",
            "sip_responses_sent_total",
            "SIP responses sent, copies included.",
            &node.traffic.sent,
        ),
    ];
    for (requests, of_requests, responses, of_responses, tally) in kinds {
        by_kind(page, requests, of_requests, "method", tally, true);
        by_kind(page, responses, of_responses, "class", tally, false);
    }
    let help = "SIP requests refused: a final answer of 400 or more.";
    by_cause(page, "sip_requests_refused_total", help, &node.tallies.refusals);
    let help = "SIP messages that came in, or were to go out, and had no effect.";
    let mut dropped = page.family(Counter, "sip_messages_dropped_total", help);
    for (cause, count) in node.dropped.iter() {
        dropped.sample(&[("cause", cause.label())], count);
    }
    for (cause, count) in node.tallies.acks_ignored.iter() {
        dropped.sample(&[("cause", cause.label())], count);
    }
    let help = "Credentials whose password was wrong.";
    page.one(Counter, "sip_logins_failed_total", help, node.tallies.logins_failed);
    let help =
        "Requests of no use that got no answer, because their source had had enough of those.";
    page.one(Counter, "sip_requests_held_back_total", help, node.tallies.held_back);
    overload(page, node);
    let mut transactions = page.family(Gauge, "sip_transactions", "SIP transactions there are.");
    transactions.sample(&[("role", "server")], node.transactions.0);
    transactions.sample(&[("role", "client")], node.transactions.1);
    page.one(Gauge, "sip_dialogs", "SIP dialogs there are.", node.leftovers.dialogs);
}

fn sockets(page: &mut Page, snapshot: &Snapshot) {
    let help = "Datagrams and connections that did not get through a SIP socket.";
    by_cause(page, "sip_socket_losses_total", help, &snapshot.wires.by_cause());
    let (denied, closed) = snapshot.connections.by_cause();
    page.one(Gauge, "sip_connections", "TCP connections for SIP.", snapshot.connections_open);
    let mut opened = page.family(
        Counter,
        "sip_connections_opened_total",
        "TCP connections for SIP that were begun, by the peer or by us.",
    );
    opened.sample(&[("by", "peer")], snapshot.connections.accepted);
    opened.sample(&[("by", "us")], snapshot.connections.opened);
    let help = "TCP connections for SIP that were not let in, or not begun.";
    by_cause(page, "sip_connections_denied_total", help, &denied);
    let help = "TCP connections for SIP that were closed, or never came about.";
    by_cause(page, "sip_connections_closed_total", help, &closed);
    let help = "Keep-alives over TCP, each answered.";
    page.one(Counter, "sip_connection_keep_alives_total", help, snapshot.connections.pings);
}

fn relay(page: &mut Page, node: &Figures) {
    page.one(Gauge, "registrar_phones", "Phones registered with the lab registrar.", node.phones);
    let help = "Requests that the lab registrar sent on to phones.";
    page.one(Counter, "relay_requests_total", help, node.relayed.requests);
    let help = "Answers that the lab registrar sent back.";
    page.one(Counter, "relay_responses_total", help, node.relayed.answers);
    let help = "Messages that the lab registrar should have sent on and could not.";
    by_cause(page, "relay_dropped_total", help, &node.relayed.dropped());
}

fn pool(page: &mut Page, node: &Figures) {
    let room = node.room;
    let mut seats = page.family(Gauge, "pool_seats", "Seats of the pool, by what they are for.");
    for (state, count) in [("used", room.used), ("held", room.held), ("free", room.free)] {
        seats.sample(&[("state", state)], count);
    }
    let help = "1 if no new conferences are taken, and those there are go on.";
    page.one(Gauge, "draining", help, u64::from(node.is_draining));
    page.one(Gauge, "holds", "Conferences that are held and not joined.", node.leftovers.holds);
    let help = "Conferences that a factory held room for.";
    page.one(Counter, "holds_made_total", help, node.tallies.holds_made);
    let help = "Holds whose time was over, or which made room for others.";
    page.one(Counter, "holds_expired_total", help, node.tallies.holds_expired);
    page.one(Gauge, "media_ports", "RTP ports that legs use.", node.leftovers.ports);
    let help = "Commands to mixers that are not answered yet.";
    page.one(Gauge, "media_commands_pending", help, node.leftovers.media_commands);
}

fn conferences(page: &mut Page, node: &Figures) {
    page.one(Gauge, "conferences", "Conferences that run.", node.leftovers.conferences);
    let help = "Conferences that began: somebody joined.";
    page.one(Counter, "conferences_started_total", help, node.tallies.conferences_started);
    let help = "Conferences that ended.";
    by_cause(page, "conferences_ended_total", help, &node.tallies.conferences_ended);
}

fn legs(page: &mut Page, node: &Figures) {
    let help = "Calls that conferences have placed.";
    page.one(Counter, "dial_outs_total", help, node.tallies.dial_outs);
    let help = "Calls of conferences that reached nobody, or could not be placed.";
    page.one(Counter, "dial_outs_failed_total", help, node.tallies.dial_outs_failed);
    page.one(Gauge, "legs", "Legs in conferences.", node.legs);
    let help = "Legs that acknowledged our answer.";
    page.one(Counter, "legs_joined_total", help, node.tallies.legs_joined);
    let help = "Legs that ended, joined or not.";
    by_cause(page, "legs_ended_total", help, &node.tallies.legs_ended);
    let media = &node.tallies.media;
    let counts = [
        (
            "leg_packets_received_total",
            "RTP packets taken from legs that have ended.",
            media.received,
        ),
        ("leg_packets_sent_total", "RTP packets sent to legs that have ended.", media.sent),
        (
            "leg_packets_lost_total",
            "RTP packets of legs that have ended which never came in time.",
            media.lost,
        ),
        (
            "leg_packets_late_total",
            "RTP packets of legs that have ended which came after their time.",
            media.late,
        ),
        (
            "leg_packets_duplicate_total",
            "RTP packets of legs that have ended which came twice.",
            media.duplicate,
        ),
        (
            "leg_samples_concealed_total",
            "Samples (8 kHz) of legs that have ended which were made up for want of packets.",
            media.concealed_samples,
        ),
        (
            "leg_samples_lengthened_total",
            "Samples of legs that have ended which were said twice, to have more delay.",
            media.lengthened_samples,
        ),
        (
            "leg_samples_shortened_total",
            "Samples of legs that have ended which were left out, to have less delay.",
            media.shortened_samples,
        ),
        (
            "keys_pressed_total",
            "Keys that those in conferences have pressed (telephone-event).",
            node.tallies.keys_pressed,
        ),
    ];
    for (name, help, count) in counts {
        page.one(Counter, name, help, count);
    }
    let help = "RTP packets dropped that came for legs which have ended.";
    by_cause(page, "leg_packets_dropped_total", help, &media.dropped());
    let help = "How often legs took another SSRC, because their peer had the same.";
    page.one(Counter, "leg_ssrc_collisions_total", help, media.collisions);
    let help =
        "How often legs were muted because they brought back what came from their conference.";
    page.one(Counter, "leg_loops_total", help, media.loops);
    quality(page, &node.tallies.quality);
}

/// Of all legs, at each of their reports.
fn quality(page: &mut Page, quality: &QualityFigures) {
    let help = "Round trips of legs by RTCP, at each report.";
    let mut family = page.family(Histogram, "leg_round_trip_seconds", help);
    family.histogram(&[], &quality.round_trip_us, MICROS);
    let ways = [("from_peer", &quality.from_peers), ("to_peer", &quality.to_peers)];
    let help = "Packets of legs that were lost or late between two reports, of those expected.";
    let mut family = page.family(Histogram, "leg_loss_ratio", help);
    for (way, figures) in ways {
        family.histogram(&[("way", way)], &figures.loss_e4, 10_000);
    }
    let help = "Jitter of legs, at each report.";
    let mut family = page.family(Histogram, "leg_jitter_seconds", help);
    for (way, figures) in ways {
        family.histogram(&[("way", way)], &figures.jitter_us, MICROS);
    }
    let help =
        "Mean opinion scores, 1 to 4.41, that loss and delay of legs let expect, at each report.";
    let mut family = page.family(Histogram, "leg_mos", help);
    for (way, figures) in ways {
        family.histogram(&[("way", way)], &figures.mos_e2, 100);
    }
}

const MICROS: u32 = 1_000_000;

/// A number of a mixer, and how it is shown.
type OfMixer = (Kind, &'static str, &'static str, fn(&ShardReport) -> u64);

const OF_MIXERS: [OfMixer; 14] = [
    (Counter, "mixer_wakeups_total", "How often the mixer's thread woke up.", |it| it.wakeups),
    (Counter, "mixer_ticks_total", "Ticks of 10 ms that were mixed.", |it| it.ticks),
    (Counter, "mixer_ticks_late_total", "Of these, begun more than a tick late.", |it| {
        it.ticks_late
    }),
    (Counter, "mixer_ticks_skipped_total", "Ticks left out, because they were overdue.", |it| {
        it.ticks_skipped
    }),
    (Counter, "mixer_packets_received_total", "Datagrams received on media sockets.", |it| {
        it.received
    }),
    (Counter, "mixer_packets_sent_total", "Datagrams sent from media sockets.", |it| it.sent),
    (Gauge, "mixer_sockets", "Media sockets that are open: in use, or bound ahead.", |it| {
        it.sockets
    }),
    (
        Gauge,
        "mixer_ports_resting",
        "Ports that rest after a leg until nothing comes to them.",
        |it| it.resting,
    ),
    (
        Counter,
        "mixer_socket_pauses_total",
        "How often a media socket had more than its turn and was not read for a tick.",
        |it| it.pauses,
    ),
    (Gauge, "mixer_conferences", "Conferences that the mixer mixes.", |it| it.conferences),
    (Gauge, "mixer_legs", "Legs that the mixer mixes.", |it| it.legs),
    (
        Counter,
        "mixer_conferences_failed_total",
        "Conferences ended by a fault of Convoke in the mixer.",
        |it| it.conferences_failed,
    ),
    (
        Counter,
        "mixer_bind_failures_total",
        "How often a port of the range could not be bound when its turn came.",
        |it| it.bind_failures,
    ),
    (Gauge, "mixer_unpinned", "1 if the mixer's thread has no core of its own.", |it| {
        it.pin_failures
    }),
];

fn mixers(page: &mut Page, reports: &[ShardReport]) {
    let numbered = || reports.iter().enumerate().map(|(n, report)| (n.to_string(), report));
    for (kind, name, help, read) in OF_MIXERS {
        let mut family = page.family(kind, name, help);
        for (mixer, report) in numbered() {
            family.sample(&[("mixer", &mixer)], read(report));
        }
    }
    let help = "How late the mixer's ticks began.";
    let mut family = page.family(Histogram, "mixer_tick_lateness_seconds", help);
    for (mixer, report) in numbered() {
        family.histogram(&[("mixer", &mixer)], &report.lateness_us, MICROS);
    }
    let help = "Datagrams that came to or left a mixer and got nowhere.";
    let mut family = page.family(Counter, "mixer_packets_dropped_total", help);
    for (mixer, report) in numbered() {
        for (cause, count) in report.dropped().iter() {
            family.sample(&[("mixer", &mixer), ("cause", cause.label())], count);
        }
    }
}

fn overload(page: &mut Page, node: &Figures) {
    let help = "Requests that could not be served in time, and got no answer.";
    by_cause(page, "sip_requests_shed_total", help, &node.tallies.shed);
    let help = "Requests of ours that were not sent to a place.";
    by_cause(page, "sip_requests_unsent_total", help, &node.unsent);
    let overload = &node.overload;
    let help = "1 if more came lately than can be done.";
    page.one(Gauge, "overload", help, u64::from(overload.is_limiting));
    let help = "How often limiting began; again within a minute of its end, it is the same.";
    page.one(Counter, "overload_begun_total", help, overload.episodes);
    let help = "New requests a second that are admitted; 0: as many as come.";
    page.one(Gauge, "overload_admitted_per_second", help, overload.per_second.unwrap_or(0));
    let help =
        "Percent of their requests that clients which speak RFC 7339 are asked to keep back.";
    page.one(Gauge, "overload_loss_percent", help, u64::from(overload.loss));
    page.one(Gauge, "sip_requests_waiting", "Messages that wait for their turn.", overload.waiting);
    let help = "How long new requests had waited when they were served.";
    let mut family = page.family(Histogram, "sip_request_wait_seconds", help);
    family.histogram(&[], &overload.wait_us, MICROS);
}

fn by_cause<C: Cause>(page: &mut Page, name: &'static str, help: &'static str, tally: &Tally<C>) {
    let mut family = page.family(Counter, name, help);
    for (cause, count) in tally.iter() {
        family.sample(&[("cause", cause.label())], count);
    }
}

fn by_kind(
    page: &mut Page,
    name: &'static str,
    help: &'static str,
    label: &str,
    tally: &Tally<MessageKind>,
    requests: bool,
) {
    let mut family = page.family(Counter, name, help);
    for (kind, count) in tally.iter().filter(|(kind, _)| kind.is_request() == requests) {
        family.sample(&[(label, kind.label())], count);
    }
}
