//! What runs goes on, nothing new begins, and at the deadline all is over.

use std::collections::BTreeMap;
use std::time::Duration;

use focus::factory::AnswerForm;
use node::{
    Asker, ExplainQuery, Leftovers, NewConference, NotReadyCause, Notice, Refusal, ReserveError,
};
use pool::Codec;
use sip::HeaderName;

use crate::reserving::{later, reserve};
use crate::rig::{Caller, FACTORY, Rig, Setting, requests};

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn drain(rig: &mut Rig, within: Option<Duration>) -> Vec<sip::Message> {
    rig.steer(|node, now| node.drain(now, within)).1
}

fn asks(rig: &mut Rig, caller: &Caller) -> sip::Response {
    rig.ask(caller.address, &caller.invite(FACTORY))
}

/// RFC 3261 §21.5.4
#[test]
fn a_draining_node_takes_no_new_conference_and_says_when_to_ask_again() {
    for answer in [AnswerForm::Redirect, AnswerForm::Deliver] {
        let mut setting = Setting::default();
        setting.factory.answer = answer;
        let mut rig = Rig::with(setting);
        assert_eq!(drain(&mut rig, None), []);
        let alice = Caller::new("alice", 1);
        let response = asks(&mut rig, &alice);
        assert_eq!(response.status.code(), 503);
        assert!(response.headers.retry_after().expect("well formed").is_some());
        assert!(!response.headers.warnings().expect("well formed").is_empty());
        assert_eq!(rig.used_and_held(), (0, 0), "nothing is held");
        assert_eq!(rig.node.figures().tallies.refusals.of(Refusal::Draining), 1);
        assert_eq!(rig.node.leftovers(), Leftovers::default());
        // Who asks whether he could have one hears the same.
        let options = rig.ask(alice.address, &alice.request("OPTIONS", FACTORY));
        assert_eq!(options.status.code(), 503);
        let made = |node: &mut node::Node, now| {
            let asker = Asker { name: "ops".to_owned(), key: None };
            node.create_conference(now, &NewConference::default(), &asker)
        };
        assert!(rig.steer(made).0.is_err());

        assert!(rig.steer(|node, _| node.undrain()).0);
        let taken = asks(&mut rig, &Caller::new("alice", 2)).status.code();
        assert!([200, 302].contains(&taken), "{taken}");
        assert!(!rig.steer(|node, _| node.undrain()).0, "it did not drain");
    }
}

#[test]
fn what_was_promised_before_is_kept_and_others_may_join_it() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    drain(&mut rig, Some(TEN_MINUTES));
    assert_eq!(rig.conference(&alice), uri, "a copy of the question gets the answer that it got");
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &uri).status.code(), 200);
    assert!(!rig.node.is_drained());
    let status = rig.node.status(rig.now).draining.expect("it drains");
    assert_eq!((status.conferences, status.ends_in), (1, Some(600)));
    assert!(rig.node.figures().is_draining);
}

/// RFC 3326 §2
#[test]
fn at_the_deadline_what_still_runs_ends_by_bye_with_a_reason_and_holds_are_dead() {
    let mut rig = Rig::new();
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    rig.join(&mut bob, &uri);
    rig.pass(Duration::from_secs(1));
    drain(&mut rig, Some(Duration::from_secs(30)));
    assert!(requests(rig.pass(Duration::from_secs(29))).is_empty(), "not before");
    let held = Caller::new("carol", 3);
    assert_eq!(asks(&mut rig, &held).status.code(), 503);
    let byes = requests(rig.pass(Duration::from_secs(2)));
    let reason = HeaderName::parse("Reason").expect("a name");
    let mut called = Vec::new();
    for bye in byes.iter().filter(|request| request.method == sip::Method::Bye) {
        assert!(bye.headers.get(&reason).is_some());
        called.push(bye.uri.to_string());
    }
    called.sort();
    called.dedup();
    assert_eq!(called.len(), 2, "{called:?}");
    assert_eq!(rig.join(&mut Caller::new("dora", 4), &uri).status.code(), 404);
    rig.pass(Duration::from_secs(40));
    assert!(rig.node.is_drained());
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    let status = rig.node.status(rig.now).draining.expect("it still drains");
    assert_eq!((status.conferences, status.ends_in), (0, None));
    assert_eq!(asks(&mut rig, &held).status.code(), 503, "and takes nothing new");
}

#[test]
fn a_hold_that_nobody_joined_is_dead_at_the_deadline_and_without_one_ends_by_itself() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    drain(&mut rig, Some(Duration::from_secs(5)));
    rig.pass(Duration::from_secs(6));
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &uri).status.code(), 404);
    assert!(rig.node.is_drained());

    let mut rig = Rig::new();
    rig.conference(&alice);
    drain(&mut rig, None);
    rig.pass(Duration::from_secs(30));
    assert!(!rig.node.is_drained());
    rig.pass(Duration::from_secs(31));
    assert!(rig.node.is_drained());
}

#[test]
fn the_newest_deadline_counts_and_taking_it_back_ends_nobody() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    drain(&mut rig, Some(Duration::from_secs(5)));
    drain(&mut rig, Some(TEN_MINUTES));
    let deadlines = |rig: &Rig| {
        let draining = |notice: &Notice| match notice {
            Notice::Draining { seconds, conferences } => Some((*seconds, *conferences)),
            _ => None,
        };
        rig.notices.iter().filter_map(draining).collect::<Vec<_>>()
    };
    assert_eq!(deadlines(&rig), [(Some(5), 1), (Some(600), 1)]);
    rig.pass(Duration::from_secs(6));
    rig.steer(|node, _| node.undrain());
    rig.pass(TEN_MINUTES);
    assert_eq!(rig.node.leftovers().conferences, 1);
    // At once.
    let byes = requests(drain(&mut rig, Some(Duration::ZERO)));
    assert!(byes.iter().any(|request| request.method == sip::Method::Bye));
    // From the end of the process there is no way back.
    rig.shutdown();
    assert!(!rig.steer(|node, _| node.undrain()).0);
    assert_eq!(asks(&mut rig, &Caller::new("bob", 2)).status.code(), 503);
}

#[test]
fn what_would_be_decided_says_so() {
    let mut rig = Rig::new();
    let words = |rig: &Rig| {
        let codec = Codec::Pcmu;
        let ptime = Duration::from_millis(20);
        let query = ExplainQuery::WhatIf { legs: 4, codec, ptime, tenant: None };
        rig.node.explain(rig.now, &query).expect("explained").decisions.remove(0).words
    };
    let before = words(&rig);
    drain(&mut rig, None);
    assert!(words(&rig).contains("takes no new conferences"), "{}", words(&rig));
    assert!(words(&rig).ends_with(&before));
}

fn causes(rig: &Rig) -> Vec<NotReadyCause> {
    let readiness = rig.node.readiness(rig.now);
    assert_eq!(readiness.ready, readiness.why.is_empty());
    assert!(readiness.why.iter().all(|why| !why.words.is_empty()));
    readiness.why.into_iter().map(|why| why.cause).collect()
}

#[test]
fn it_is_ready_while_a_caller_would_get_a_conference_of_the_expected_size() {
    let mut rig = Rig::with(Setting { seats: 7, ..Setting::default() });
    assert_eq!(causes(&rig), []);
    let alice = Caller::new("alice", 1);
    rig.transport = sip::Transport::Tcp;
    rig.conference(&alice);
    assert_eq!(causes(&rig), [NotReadyCause::NoRoom], "three seats are no conference of four");
    drain(&mut rig, None);
    assert_eq!(causes(&rig), [NotReadyCause::Draining, NotReadyCause::NoRoom]);
    rig.pass(Duration::from_secs(61));
    assert_eq!(causes(&rig), [NotReadyCause::Draining]);
    rig.shutdown();
    assert_eq!(causes(&rig), [NotReadyCause::ShuttingDown]);
}

/// A reservation is kept for when the node takes new conferences again: none is promised meanwhile, none begins, and what
/// began before goes on until all have left.
#[test]
fn no_reservation_is_made_and_none_begins_while_the_node_drains() {
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let uri = reserve(&mut rig, later(5)).expect("room");
    let mut running = Caller::new("erin", 5);
    let other = reserve(&mut rig, later(3)).expect("room");
    rig.pass(Duration::from_secs(3_600));
    assert_eq!(rig.join(&mut running, &other).status.code(), 200);
    drain(&mut rig, None);
    assert_eq!(reserve(&mut rig, later(2)), Err(ReserveError::Draining));
    assert_eq!(rig.disk.len(), 2, "and nothing of it is kept");
    let mut alice = Caller::new("alice", 1);
    let refused = rig.join(&mut alice, &uri);
    assert_eq!(refused.status.code(), 503);
    assert!(refused.headers.retry_after().expect("well formed").is_some());
    let options = rig.ask(alice.address, &alice.request("OPTIONS", &uri));
    assert_eq!(options.status.code(), 503);
    assert_eq!(rig.join(&mut Caller::new("fred", 6), &other).status.code(), 200, "it runs");
    assert_eq!(rig.node.reservations(rig.now).len(), 2);
    rig.steer(|node, _| node.undrain());
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);

    // The next process has it, whether or not this one was taken back.
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let uri = reserve(&mut rig, later(5)).expect("room");
    drain(&mut rig, Some(Duration::ZERO));
    assert!(rig.node.is_drained());
    let mut rig = rig.killed(Duration::from_secs(3_600), Setting::default());
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &uri).status.code(), 200);
}
