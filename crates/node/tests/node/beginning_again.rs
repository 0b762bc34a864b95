//! One conference that ends and begins again under the same URI: what is left of the first has no effect on the second.

use std::collections::BTreeMap;
use std::time::Duration;

use focus::DialRules;
use mix::message::{Event, PortId};
use sip::{HeaderName, Method, Response, StatusCode};

use crate::restarting::DOWN;
use crate::rig::{Caller, Rig, Setting, requests};

fn setting() -> Setting {
    let allow = vec!["127.0.0.0/8".parse().expect("a rule")];
    Setting { dial_out: DialRules { allow, ..DialRules::default() }, ..Setting::default() }
}

/// A conference that ran before a restart, in which alice is again. Whoever leaves last leaves its URI to the others, who may
/// still come back.
fn come_back() -> (Rig, Caller, String) {
    let mut rig = Rig::with(setting()).with_disk(BTreeMap::new());
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut rig = rig.killed(DOWN, setting());
    let mut alice = Caller::new("alice", 1);
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    (rig, alice, uri)
}

fn legs(rig: &Rig) -> usize {
    rig.node.status(rig.now).conferences.first().map_or(0, |it| it.legs.len())
}

#[test]
fn a_probe_of_somebody_who_has_left_ends_nobody_elses_call() {
    let (mut rig, mut alice, uri) = come_back();
    let conference = rig.commands.last().expect("one").conference;
    rig.media(Event::Silent { conference, port: PortId(0), for_ms: 30_000 });
    rig.leave(&mut alice, &uri);
    let mut bob = Caller::new("bob", 22);
    assert_eq!(rig.join(&mut bob, &uri).status.code(), 200);
    let said = requests(rig.pass(Duration::from_secs(40)));
    assert!(said.iter().all(|request| request.method != Method::Bye), "{said:#?}");
    assert_eq!(legs(&rig), 1);
}

/// Bob rings in two places. Both answer, one of them after all had left and somebody else has come back.
#[test]
fn who_answers_late_is_hung_up_though_the_conference_goes_on_again() {
    let (mut rig, mut alice, uri) = come_back();
    alice.cseq += 1;
    alice.extra = "Refer-To: <sip:bob@127.0.0.1:6002>\r\n".to_owned();
    let got = rig.receive(alice.address, &alice.request("REFER", &uri));
    alice.extra.clear();
    let invite = requests(got).into_iter().find(|it| it.method == Method::Invite).expect("one");
    let bob = Caller::new("bob", 2);
    let answer = |tag: &str| {
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 16002 RTP/AVP 0 8\r\n";
        Response::answering(&invite, StatusCode::OK)
            .with_to_tag(tag)
            .with_header(HeaderName::Contact, format!("<sip:{tag}@127.0.0.1:6002>"))
            .with_body("application/sdp", sdp)
            .to_bytes()
    };
    rig.receive_bytes(bob.address, &answer("desk"));
    assert_eq!(legs(&rig), 2);
    // All leave, and both of those who were in come back, in the places that alice and bob had.
    let conference = rig.node.conferences(rig.now, None, 1).0[0].id;
    let (_, said) = rig.steer(|node, now| node.remove_participant(now, conference, 1));
    let bye = requests(said).into_iter().find(|it| it.method == Method::Bye).expect("one");
    rig.receive_bytes(bob.address, &Response::answering(&bye, StatusCode::OK).to_bytes());
    rig.leave(&mut alice, &uri);
    assert_eq!(legs(&rig), 0);
    for (name, number) in [("carol", 3), ("dave", 4)] {
        assert_eq!(rig.join(&mut Caller::new(name, number), &uri).status.code(), 200);
    }
    let said = requests(rig.receive_bytes(bob.address, &answer("home")));
    let methods: Vec<_> = said.iter().map(|request| request.method.clone()).collect();
    assert_eq!(methods, [Method::Ack, Method::Bye], "{said:#?}");
    assert!(said.iter().all(|request| request.uri.to_string().contains("home@")));
    assert_eq!(legs(&rig), 2);
}

/// The last NOTIFY of a subscription is answered 481 when somebody else has subscribed.
#[test]
fn what_is_answered_to_one_who_watched_ends_nobody_elses_subscription() {
    let (mut rig, mut alice, uri) = come_back();
    let watch = |rig: &mut Rig, number: u16| {
        let mut eve = Caller::new(&format!("eve{number}"), 30 + number);
        eve.extra = "Event: conference\r\nExpires: 3600\r\n".to_owned();
        let got = rig.receive(eve.address, &eve.request("SUBSCRIBE", &uri));
        let notify = requests(got).pop().expect("a NOTIFY");
        rig.receive_bytes(eve.address, &Response::answering(&notify, StatusCode::OK).to_bytes());
        eve
    };
    let first = watch(&mut rig, 1);
    let before = rig.sent.len();
    rig.leave(&mut alice, &uri);
    let last = requests(rig.sent_since(before)).pop().expect("it is told that all have left");
    rig.join(&mut Caller::new("bob", 22), &uri);
    let second = watch(&mut rig, 2);
    let late = Response::answering(&last, StatusCode::CALL_DOES_NOT_EXIST);
    rig.receive_bytes(first.address, &late.to_bytes());
    rig.join(&mut Caller::new("carol", 23), &uri);
    let told = requests(rig.pass(Duration::from_secs(6)));
    assert!(told.iter().any(|notify| notify.uri.to_string().contains(&second.name)), "{told:#?}");
}
