//! What every page must be: rules as `promtool check metrics` has them, every cause, and the docs.

use std::collections::{BTreeMap, BTreeSet};

use focus::{End, LegEnd};
use mix::message::PacketDropped;
use node::{AckIgnored, Refusal, RelayDropped, Shed};
use sip::{ConnectionClosed, ConnectionDenied, MessageDropped, RequestUnsent};
use transport::WireLoss;

use super::*;
use crate::webhooks::{HookFailure, HookLost};

/// A page on which nothing has happened yet.
fn page() -> String {
    render(&Snapshot {
        version: "0.1.0",
        started: 1_790_000_000,
        node: Figures {
            tallies: node::Tallies::default(),
            traffic: sip::Traffic::default(),
            dropped: Tally::default(),
            unsent: Tally::default(),
            overload: node::OverloadFigures::default(),
            room: node::RoomStatus { capacity: 4, used: 1, held: 1, free: 2 },
            leftovers: node::Leftovers::default(),
            transactions: (1, 2),
            legs: 1,
            relayed: node::RelayCounters::default(),
            phones: 0,
            is_draining: false,
            tenants: vec![TenantFigures {
                name: "acme".to_owned(),
                seats: 3,
                quota: Some(9),
                reserved: 0,
            }],
            reservations: 1,
            kept: 2,
            keys: 3,
        },
        wires: WireCounters::default(),
        connections: ConnectionCounters::default(),
        connections_open: 0,
        mixers: vec![ShardReport::default()],
        events_lost: 0,
        reloads: Tally::default(),
        records: (0, Tally::default()),
        http: HttpFigures { requests: [("getStatus", 1)].into(), ..HttpFigures::default() },
        webhooks: WebhookFigures { hooks: vec![HookFigures::default()], removed: 0 },
        store: (0, 0),
    })
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    begins && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The families in their order, each with its type and its samples.
fn families(page: &str) -> Vec<(String, String, Vec<String>)> {
    let mut families: Vec<(String, String, Vec<String>)> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a name and a help");
            assert!(help.len() > 8 && help.ends_with('.'), "{line}");
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let (of, kind) = kind.and_then(|kind| kind.split_once(' ')).expect("HELP, then TYPE");
            assert_eq!(of, name);
            families.push((name.to_owned(), kind.to_owned(), Vec::new()));
        } else {
            let family = families.last_mut().expect("HELP and TYPE before the first sample");
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let name =
                series.split('{').next().and_then(|name| name.strip_prefix(family.0.as_str()));
            match (family.1.as_str(), name.expect("in its family")) {
                ("histogram", "_sum") => drop(value.parse::<f64>().expect("a number")),
                ("histogram", "_bucket" | "_count") | ("counter" | "gauge", "") => {
                    value.parse::<u64>().expect("a whole number");
                }
                (kind, suffix) => panic!("{suffix} in a {kind}"),
            }
            family.2.push(series.to_owned());
        }
    }
    families
}

#[test]
fn the_page_keeps_the_rules_of_prometheus() {
    let page = page();
    assert!(page.ends_with('\n'));
    let (mut names, mut all_series) = (BTreeSet::new(), BTreeSet::new());
    for (name, kind, samples) in families(&page) {
        assert!(is_name(&name) && name.starts_with("convoke_"), "{name}");
        assert!(names.insert(name.clone()), "{name} twice");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        for unit in ["_ms", "_millis", "_micros", "_minutes", "_kb", "counter", "gauge"] {
            assert!(!name.contains(unit), "{name}: base units, and no types in names");
        }
        for series in samples {
            let labels = series.split_once('{').map_or("", |(_, labels)| labels);
            for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once('=').expect("label=value");
                assert!(
                    is_name(label) && value.starts_with('"') && value.ends_with('"'),
                    "{series}"
                );
            }
            assert!(all_series.insert(series.clone()), "{series} twice");
        }
    }
}

/// Every cause of an enum has a series of its own.
fn walk<C: Cause>(page: &str, family: &str, mixer: &str) {
    let mut labels = BTreeSet::new();
    for cause in C::ALL {
        let label = cause.label();
        assert!(is_name(label), "{label}");
        assert!(labels.insert(label), "{label} twice");
        let series = format!("\nconvoke_{family}{{{mixer}cause=\"{label}\"}} 0\n");
        assert!(page.contains(&series), "no {series} in {page}");
    }
    assert!(!labels.is_empty());
}

#[test]
fn every_cause_of_every_enum_has_its_label() {
    let page = page();
    walk::<Refusal>(&page, "sip_requests_refused_total", "");
    walk::<Shed>(&page, "sip_requests_shed_total", "");
    walk::<MessageDropped>(&page, "sip_messages_dropped_total", "");
    walk::<RequestUnsent>(&page, "sip_requests_unsent_total", "");
    walk::<AckIgnored>(&page, "sip_messages_dropped_total", "");
    walk::<RelayDropped>(&page, "relay_dropped_total", "");
    walk::<WireLoss>(&page, "sip_socket_losses_total", "");
    walk::<ConnectionDenied>(&page, "sip_connections_denied_total", "");
    walk::<ConnectionClosed>(&page, "sip_connections_closed_total", "");
    walk::<RecordLost>(&page, "records_lost_total", "");
    walk::<LegEnd>(&page, "legs_ended_total", "");
    walk::<End>(&page, "conferences_ended_total", "");
    walk::<PacketDropped>(&page, "leg_packets_dropped_total", "");
    walk::<media::ShardDropped>(&page, "mixer_packets_dropped_total", "mixer=\"0\",");
    walk::<HookFailure>(&page, "webhook_attempts_failed_total", "webhook=\"1\",");
    walk::<HookLost>(&page, "webhook_events_lost_total", "webhook=\"1\",");
    for kind in MessageKind::ALL {
        let label = if kind.is_request() { "method" } else { "class" };
        let series = format!("{label}=\"{}\"}} 0\n", kind.label());
        assert_eq!(page.matches(&series).count(), 2, "{series} received and sent");
    }
}

/// `docs/METRICS.md` has a row for each, and none for another.
#[test]
fn the_docs_say_of_every_metric_what_it_means_and_what_to_do() {
    let docs = include_str!("../../../../docs/METRICS.md");
    let mut rows = BTreeMap::new();
    for row in docs.lines().filter(|line| line.starts_with("| `convoke_")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, meaning, what_to_do] = cells[..] else { panic!("three cells: {row}") };
        assert!(!meaning.is_empty() && !what_to_do.is_empty(), "{row}");
        let before = rows.insert(name.trim_matches('`').to_owned(), meaning);
        assert_eq!(before, None, "{name} twice");
    }
    let told: BTreeSet<String> = rows.into_keys().collect();
    let shown: BTreeSet<String> = families(&page()).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(
        shown.difference(&told).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not in the docs"
    );
    assert_eq!(
        told.difference(&shown).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not on the page"
    );
}
