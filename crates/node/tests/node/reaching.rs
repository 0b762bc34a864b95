//! Where the requests of a focus go: to the address that a phone names, or the way that it came.

use std::net::SocketAddr;

use std::time::Duration;

use focus::DialRules;
use node::{Input, Leftovers, LookupId, Notice};
use sip::{FlowId, Message, Method, Nat, Source, Target, Transport};

use crate::rig::{Caller, NODE, Rig, Setting, to_tag};

/// Where the NAT sends from.
fn outside(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], port))
}

/// A phone that knows only its own address.
fn inside() -> Caller {
    let mut caller = Caller::new("alice", 1);
    caller.address.set_ip([10, 0, 0, 5].into());
    caller
}

/// Joins a conference of its own, its messages coming from this address.
fn join_from(rig: &mut Rig, caller: &mut Caller, from: SocketAddr) -> String {
    let uri = rig.conference(&Caller::new("maker", 9));
    caller.cseq += 1;
    let response = rig.ask(from, &caller.invite(&uri));
    assert_eq!(response.status.code(), 200, "{response:?}");
    caller.to_tag = to_tag(&response);
    assert_eq!(rig.receive(from, &caller.request("ACK", &uri)), []);
    uri
}

/// Where the BYE goes that ends the conference.
fn bye_path(rig: &mut Rig) -> Source {
    let before = rig.sent.len();
    let sent = rig.shutdown();
    let is_bye =
        |message: &Message| matches!(message, Message::Request(it) if it.method == Method::Bye);
    let at = sent.iter().position(is_bye).expect("a BYE");
    rig.sent[before + at].1.path
}

/// Architecture §4, `nat = auto` · RFC 3581 §4
#[test]
fn a_phone_behind_a_nat_is_reached_the_way_it_came() {
    let mut rig = Rig::new();
    let mut alice = inside();
    join_from(&mut rig, &mut alice, outside(40_000));
    assert_eq!(bye_path(&mut rig).remote, outside(40_000));
}

/// The NAT forgot the phone, and gave it another port with its next request.
#[test]
fn a_phone_that_a_nat_has_moved_is_followed() {
    let mut rig = Rig::new();
    let mut alice = inside();
    let uri = join_from(&mut rig, &mut alice, outside(40_000));
    alice.cseq += 1;
    let options = rig.ask(outside(40_001), &alice.request("OPTIONS", &uri));
    assert_eq!(options.status.code(), 200);
    // Nobody else moves it: the dialog is not his.
    let mut mallory = alice.clone();
    mallory.from_tag = "guessed".to_owned();
    mallory.cseq += 1;
    assert_eq!(rig.ask(outside(666), &mallory.request("OPTIONS", &uri)).status.code(), 481);
    assert_eq!(bye_path(&mut rig).remote, outside(40_001));
}

/// Architecture §4: `nat = off` believes Contact, and a proxy that stands between knows better than we.
#[test]
fn where_nat_is_off_or_a_proxy_stands_between_the_named_address_is_taken() {
    let mut rig = Rig::with(Setting { nat: Nat::Off, ..Setting::default() });
    let mut alice = inside();
    join_from(&mut rig, &mut alice, outside(40_000));
    assert_eq!(bye_path(&mut rig).remote, alice.address);

    let mut rig = Rig::new();
    let mut alice = inside();
    alice.extra = "Record-Route: <sip:198.51.100.9:5070;lr>\r\n".to_owned();
    join_from(&mut rig, &mut alice, outside(40_000));
    assert_eq!(bye_path(&mut rig).remote.to_string(), "198.51.100.9:5070");
}

/// RFC 3261 §18.1.1, §18.2.2: connection reuse; the rig names every connection 7.
#[test]
fn a_phone_that_came_by_a_connection_is_reached_by_it() {
    let mut rig = Rig::new();
    rig.transport = Transport::Tcp;
    let mut alice = Caller::new("alice", 1);
    let own = SocketAddr::new(NODE.ip(), 40_000);
    join_from(&mut rig, &mut alice, own);
    let path = bye_path(&mut rig);
    assert_eq!((path.transport, path.flow), (Transport::Tcp, FlowId(7)));
    // If that is gone, a new one goes where the phone listens, not to where it came from.
    assert_eq!(path.remote, alice.address);
}

/// A node that may call whoever is at `pbx.example`, and a conference whose creator has just told it to call bob there.
fn calling_bob() -> (Rig, Caller, String, LookupId) {
    let allow = vec!["sip:*@pbx.example".parse().expect("a rule")];
    let dial_out = DialRules { allow, ..DialRules::default() };
    let mut rig = Rig::with(Setting { dial_out, ..Setting::default() });
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    alice.cseq += 1;
    alice.extra = "Refer-To: <sip:bob@pbx.example>\r\n".to_owned();
    let refer = alice.request("REFER", &uri);
    alice.extra.clear();
    assert!(
        invites(&rig.receive(alice.address, &refer)).is_empty(),
        "not before it is known where"
    );
    let (id, wanted) = rig.lookups.pop().expect("a question");
    assert_eq!((wanted.host.as_str(), wanted.port, wanted.transport), ("pbx.example", None, None));
    (rig, alice, uri, id)
}

fn invites(messages: &[Message]) -> Vec<&Message> {
    let is_invite =
        |message: &&Message| matches!(message, Message::Request(it) if it.method == Method::Invite);
    messages.iter().filter(is_invite).collect()
}

fn found(rig: &mut Rig, id: LookupId, places: &[(Transport, &str)]) -> usize {
    let before = rig.sent.len();
    let target = |(transport, remote): &(_, &str)| Target {
        transport: *transport,
        remote: remote.parse().expect("an address"),
    };
    let targets = places.iter().map(target).collect();
    rig.feed(Input::Resolved { id, targets });
    before
}

/// Lets the creator out, and everything that is left run out.
fn nothing_is_left(mut rig: Rig, mut alice: Caller, uri: &str) {
    rig.leave(&mut alice, uri);
    rig.pass(Duration::from_secs(120));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// A35 · RFC 3263 §4.3: a focus calls the second place when the first is dead; what has no way from here is passed over.
#[test]
fn a_focus_calls_a_name_at_the_place_that_answers() {
    let (mut rig, alice, uri, id) = calling_bob();
    let places = [
        (Transport::Udp, "[2001:db8::1]:5060"),
        (Transport::Udp, "127.0.0.1:6011"),
        (Transport::Tcp, "127.0.0.1:6012"),
    ];
    let before = found(&mut rig, id, &places);
    let first = rig.sent[before].1.path;
    assert_eq!(
        (first.transport, first.remote.to_string()),
        (Transport::Udp, "127.0.0.1:6011".to_owned())
    );
    assert_eq!(invites(&rig.sent_since(before)).len(), 1);
    rig.pass(Duration::from_secs(32));
    let mut paths: Vec<_> =
        rig.sent[before..].iter().map(|(_, packet)| packet.path.remote.port()).collect();
    paths.retain(|port| *port > 6_010);
    paths.dedup();
    assert_eq!(paths, [6_011, 6_012]);
    nothing_is_left(rig, alice, &uri);
}

/// T18: a name that leads nowhere, and name servers that say nothing: the report says so, seat and port go back.
#[test]
fn a_name_that_leads_nowhere_is_reported() {
    for silent in [false, true] {
        let (mut rig, alice, uri, id) = calling_bob();
        assert_eq!(rig.used_and_held().0, 2);
        if silent {
            rig.pass(Duration::from_secs(10));
        } else {
            found(&mut rig, id, &[]);
        }
        assert_eq!(rig.used_and_held().0, 1);
        let told = |notice: &Notice| matches!(notice, Notice::NotReached { why, .. } if why.contains("pbx.example"));
        assert!(rig.notices.iter().any(told), "{:?}", rig.notices);
        // Too late: nobody waits any more.
        let before = found(&mut rig, id, &[(Transport::Udp, "127.0.0.1:6011")]);
        assert!(invites(&rig.sent_since(before)).is_empty());
        nothing_is_left(rig, alice, &uri);
    }
}
