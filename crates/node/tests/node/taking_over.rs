//! INVITEs that name another dialog: Replaces and Join.

use std::time::Duration;

use node::Leftovers;
use sip::{Message, Method, Response};

use crate::rig::{Caller, FACTORY, Rig, contact, requests};

/// A conference with alice in it.
fn conference() -> (Rig, Caller, String) {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    (rig, alice, uri)
}

/// The dialog of a caller, named for the conference.
pub(crate) fn naming(header: &str, caller: &Caller) -> String {
    let Caller { call_id, from_tag, to_tag, .. } = caller;
    let to_tag = to_tag.as_deref().unwrap_or("0");
    format!("{header}: {call_id};to-tag={to_tag};from-tag={from_tag}\r\n")
}

fn ask(rig: &mut Rig, caller: &mut Caller, uri: &str, extra: &str) -> Response {
    caller.cseq += 1;
    caller.extra = extra.to_owned();
    let response = rig.ask(caller.address, &caller.invite(uri));
    caller.extra.clear();
    response
}

fn status(rig: &mut Rig, caller: &mut Caller, uri: &str, extra: &str) -> u16 {
    ask(rig, caller, uri, extra).status.code()
}

/// B27 · RFC 4579 §5.9: in one step, and the seat goes back.
#[test]
fn a_second_device_takes_over_and_the_first_is_hung_up() {
    let (mut rig, alice, uri) = conference();
    let mut desk = Caller::new("alice", 3);
    desk.extra = naming("Replaces", &alice);
    desk.cseq += 1;
    let response = rig.ask(desk.address, &desk.invite(&uri));
    assert_eq!(response.status.code(), 200);
    desk.to_tag = response.headers.to().expect("To").tag().map(str::to_owned);
    desk.extra.clear();
    assert_eq!(rig.used_and_held().0, 2, "both, until the new one is sure");
    let got = requests(rig.receive(desk.address, &desk.request("ACK", &uri)));
    assert_eq!(got.iter().map(|request| request.method.clone()).collect::<Vec<_>>(), [Method::Bye]);
    let ok = Response::answering(&got[0], sip::StatusCode::OK);
    assert_eq!(rig.receive_bytes(alice.address, &ok.to_bytes()), []);
    assert_eq!(rig.used_and_held().0, 1);
    assert_eq!(rig.node.status(rig.now).conferences[0].legs.len(), 1);
    // Whoever names the dialog of the old one now comes too late.
    let mut third = Caller::new("carol", 4);
    let named = naming("Replaces", &alice);
    assert_eq!(status(&mut rig, &mut third, &uri, &named), 603);
    rig.pass(Duration::from_secs(40));
    assert_eq!(status(&mut rig, &mut third, &uri, &named), 481);
    rig.leave(&mut desk, &uri);
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// B28, B31 · RFC 3891 §3, RFC 3911 §4
#[test]
fn what_contradicts_itself_or_names_nothing_is_refused() {
    let (mut rig, alice, uri) = conference();
    let (replaces, join) = (naming("Replaces", &alice), naming("Join", &alice));
    let nobody = |header: &str| format!("{header}: nobody;to-tag=1;from-tag=2\r\n");
    let mut bob = Caller::new("bob", 2);
    let before = rig.node.leftovers();
    for (to, extra, expected) in [
        (uri.as_str(), format!("{replaces}{replaces}"), 400),
        (&uri, format!("{join}{join}"), 400),
        (&uri, format!("{replaces}{join}"), 400),
        (&uri, "Replaces: without-tags\r\n".to_owned(), 400),
        (&uri, nobody("Replaces"), 481),
        (FACTORY, nobody("Replaces"), 481),
        (FACTORY, nobody("Join"), 481),
        (&uri, format!("{};early-only\r\n", replaces.trim_end()), 486),
    ] {
        assert_eq!(status(&mut rig, &mut bob, to, &extra), expected, "{to} {extra}");
    }
    // In anything but an INVITE, in a dialog or outside.
    for method in ["OPTIONS", "REFER", "UPDATE"] {
        bob.cseq += 1;
        bob.extra.clone_from(&replaces);
        let refused = rig.ask(bob.address, &bob.request(method, &uri));
        assert_eq!(refused.status.code(), 400, "{method}");
    }
    let mut inside = alice.clone();
    inside.cseq += 1;
    inside.extra = join;
    assert_eq!(rig.ask(inside.address, &inside.request("OPTIONS", &uri)).status.code(), 400);
    assert_eq!(rig.node.leftovers(), before, "no refusal keeps anything");
    assert_eq!(rig.node.status(rig.now).conferences[0].legs.len(), 1);
}

/// B30, B31 · RFC 4579 §5.8; RFC 3911 §4
#[test]
fn join_leads_into_the_conference_of_the_dialog_that_it_names() {
    let (mut rig, alice, uri) = conference();
    let join = naming("Join", &alice);
    // To the conference itself; without a match it is as if it were not there.
    let mut bob = Caller::new("bob", 2);
    assert_eq!(status(&mut rig, &mut bob, &uri, &join), 200);
    let mut carol = Caller::new("carol", 3);
    let nobody = "Join: nobody;to-tag=1;from-tag=2\r\n";
    assert_eq!(status(&mut rig, &mut carol, &uri, nobody), 200);
    // To the factory: sent on to that conference, not to a new one.
    let mut dave = Caller::new("dave", 4);
    let redirected = ask(&mut rig, &mut dave, FACTORY, &join);
    assert_eq!((redirected.status.code(), contact(&redirected)), (302, uri.clone()));
    let status = rig.node.status(rig.now);
    assert_eq!((status.conferences.len(), status.conferences[0].legs.len()), (1, 3));
}

/// B31 · RFC 3911 §4
#[test]
fn join_to_who_has_just_left_is_declined() {
    let (mut rig, mut alice, uri) = conference();
    let mut bob = Caller::new("bob", 2);
    rig.join(&mut bob, &uri);
    let join = naming("Join", &alice);
    alice.cseq += 1;
    let got = rig.receive(alice.address, &alice.request("BYE", &uri));
    assert!(matches!(&got[0], Message::Response(response) if response.status.code() == 200));
    let mut carol = Caller::new("carol", 3);
    assert_eq!(status(&mut rig, &mut carol, FACTORY, &join), 603);
}
