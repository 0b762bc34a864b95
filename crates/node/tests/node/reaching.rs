//! Where the requests of a focus go: to the address that a phone names, or the way that it came.

use std::net::SocketAddr;

use sip::{FlowId, Message, Nat, Source, Transport};

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
    let is_bye = |message: &Message| matches!(message, Message::Request(it) if it.method == sip::Method::Bye);
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
