//! What is refused or dropped is counted by cause, and told of a flood only in part.

use crate::rig::{Caller, FACTORY, Rig, Setting, header};
use node::{AckIgnored, Notice, Refusal};
use sip::{HeaderName, MessageKind};
use std::time::Duration;
use units::Cause as _;

fn count(rig: &Rig, cause: Refusal) -> u64 {
    rig.node.figures().tallies.refusals.of(cause)
}

#[test]
fn every_refusal_is_counted_once_under_its_cause() {
    let mut rig = Rig::with(Setting { seats: 4, ..Setting::default() });
    let alice = Caller::new("alice", 1);
    let asked = [
        (alice.request("NEWMETHOD", FACTORY), Refusal::Method),
        (alice.request("OPTIONS", "http://127.0.0.1/"), Refusal::UriScheme),
        (alice.request("OPTIONS", "sip:nobody@127.0.0.1"), Refusal::NotFound),
        (alice.request("BYE", FACTORY), Refusal::NoDialog),
        (alice.with_body("INVITE", FACTORY, "text/x", "x"), Refusal::MediaType),
        (alice.invite("sip:conference@127.0.0.1;seats=9"), Refusal::PoolFull),
        (alice.request("CANCEL", FACTORY), Refusal::StrayCancel),
        (
            alice.request("OPTIONS", FACTORY).replace("Max-Forwards: 70", "Max-Forwards: x"),
            Refusal::Malformed,
        ),
    ];
    for (number, (text, cause)) in asked.iter().enumerate() {
        // Another transaction each.
        let text = text.replace("branch=", &format!("branch=z9hG4bK{number}"));
        assert_eq!(count(&rig, *cause), 0, "{cause:?}");
        let status = rig.ask(alice.address, &text).status;
        assert!(status.code() >= 400, "{status}");
        assert_eq!(count(&rig, *cause), 1, "{text}");
    }
    let figures = rig.node.figures();
    let all: u64 = Refusal::ALL.iter().map(|cause| count(&rig, *cause)).sum();
    assert_eq!(all, asked.len().try_into().expect("few"), "and none under another");
    let refused = figures.traffic.sent.of(MessageKind::RequestFailure)
        + figures.traffic.sent.of(MessageKind::ServerFailure);
    assert_eq!(refused, all);
}

#[test]
fn an_in_dialog_refusal_and_an_ack_for_nobody_are_counted_too() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let joined = rig.join(&mut alice, &uri);
    alice.to_tag = crate::rig::to_tag(&joined);
    alice.cseq = 1; // below the one that made the dialog
    alice.rebranch();
    let late = rig.ask(alice.address, &alice.request("OPTIONS", &uri));
    assert_eq!(late.status.code(), 500);
    assert_eq!(count(&rig, Refusal::OutOfOrder), 1);
    alice.rebranch();
    rig.receive(alice.address, &alice.request("ACK", &uri));
    assert_eq!(rig.node.figures().tallies.acks_ignored.of(AckIgnored::Copy), 1);
    let stranger = Caller::new("mallory", 7);
    rig.receive(stranger.address, &stranger.request("ACK", FACTORY));
    assert_eq!(rig.node.figures().tallies.acks_ignored.of(AckIgnored::Stray), 1);
    assert!(header(&joined, &HeaderName::Contact).is_some());
}

#[test]
fn a_flood_of_refusals_is_no_flood_of_notices() {
    let mut rig = Rig::new();
    rig.shutdown();
    let refuse = |rig: &mut Rig, number: u16| {
        let caller = Caller::new("alice", number);
        assert_eq!(rig.ask(caller.address, &caller.invite(FACTORY)).status.code(), 503);
    };
    (1..=500).for_each(|number| refuse(&mut rig, number));
    let told = |rig: &Rig| {
        rig.notices.iter().filter(|notice| matches!(notice, Notice::Refused { .. })).count()
    };
    let at_once = told(&rig);
    assert!((1..=20).contains(&at_once), "{at_once}");
    rig.pass(Duration::from_secs(1));
    refuse(&mut rig, 501);
    assert_eq!(told(&rig), at_once + 1);
    let left_out = rig.notices.iter().find_map(|notice| match notice {
        Notice::NotTold { refusals } => Some(*refusals),
        _ => None,
    });
    assert_eq!(left_out, Some(500 - u64::try_from(at_once).expect("few")));
    assert_eq!(count(&rig, Refusal::ShuttingDown), 501, "and all are counted");
}
