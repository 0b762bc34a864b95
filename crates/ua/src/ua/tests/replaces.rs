//! A call in the place of another (RFC 3891), and what our REFER says of it.

use sip::{Method, Uri};

use crate::event::{EndCause, Event};
use crate::testing::{SDP, Solo, media};

/// Carol's INVITE with these Replaces.
fn invite(call_id: &str, replaces: &[String]) -> String {
    let replaces: String = replaces.iter().map(|value| format!("Replaces: {value}\n")).collect();
    format!(
        "INVITE sip:alice@192.0.2.1 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{call_id}\n\
         Max-Forwards: 70\nFrom: <sip:carol@192.0.2.3>;tag=carol\nTo: <sip:alice@192.0.2.1>\n\
         Call-ID: {call_id}\nCSeq: 1 INVITE\nContact: <sip:carol@192.0.2.2:5060>\n\
         {replaces}Content-Type: application/sdp\n\n{}",
        SDP.replace("\r\n", "\n")
    )
}

/// The call with bob as carol names it to us.
fn named(call: &sip::Request) -> String {
    let tag = call.headers.from_().expect("From").tag().expect("tag").to_owned();
    let call_id = call.headers.call_id().expect("Call-ID");
    format!("{call_id};to-tag={tag};from-tag=bob")
}

/// B27 · RFC 3891 §3: accepted, the call that it names is ended by BYE.
#[test]
fn a_call_takes_the_place_of_the_one_it_names_when_it_is_accepted() {
    let mut solo = Solo::new();
    let (old, first, _) = solo.established();
    solo.receive_text(&invite("c2", &[named(&first)]));
    let Event::IncomingCall { call, replaces, .. } = solo.event() else { panic!("no call") };
    assert_eq!(replaces, Some(old));
    solo.sent_nothing();
    solo.run(|ua, now| ua.accept(now, call, media(20_002))).expect("accepted");
    solo.next_response(200);
    let bye = solo.next_request(&Method::Bye);
    assert_eq!(bye.headers.to().expect("To").tag(), Some("bob"));
    let events = solo.take_events();
    assert!(matches!(events[0], Event::Established { call: up, .. } if up == call));
    assert_eq!(events[1], Event::CallEnded { call: old, why: EndCause::Replaced });
}

/// B28 · RFC 3891 §3: a failure leaves the call alone.
#[test]
fn what_names_no_call_of_ours_is_refused_and_changes_nothing() {
    let mut solo = Solo::new();
    let (old, first, _) = solo.established();
    let named = named(&first);
    let cases = [
        (vec!["c9;to-tag=1;from-tag=2".to_owned()], 481),
        (vec![named.replace("bob", "bo")], 481),
        (vec![format!("{named};early-only")], 486),
        (vec![named.clone(), named.clone()], 400),
        (vec!["x".to_owned()], 400),
    ];
    for (number, (replaces, code)) in cases.into_iter().enumerate() {
        solo.receive_text(&invite(&format!("d{number}"), &replaces));
        solo.next_response(code);
        solo.sent.clear();
        assert_eq!(solo.take_events(), []);
    }
    // Refused by its person: the call goes on, too.
    solo.receive_text(&invite("c2", &[named]));
    let Event::IncomingCall { call, .. } = solo.event() else { panic!("no call") };
    solo.run(|ua, now| ua.reject(now, call, sip::StatusCode::DECLINE)).expect("refused");
    solo.next_response(603);
    solo.sent.clear();
    solo.run(|ua, now| ua.hangup(now, old));
    solo.next_request(&Method::Bye);
}

/// B29 · RFC 4579 §5.10: unescaped, it is the peer's own view of the dialog.
#[test]
fn the_peer_is_named_with_a_replaces_for_our_call() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let (found_at, replacing) = solo.ua.peer_of(call).expect("a peer");
    assert_eq!(found_at.to_string(), "sip:bob@192.0.2.2:5060");
    let Uri::Sip(uri) = &replacing else { panic!("{replacing}") };
    let (name, value) = uri.headers_unescaped().next().expect("a header");
    let local = invite.headers.from_().expect("From").tag().expect("tag").to_owned();
    let call_id = invite.headers.call_id().expect("Call-ID");
    assert_eq!(&*name, b"Replaces");
    let expected = format!("{call_id};to-tag=bob;from-tag={local}");
    assert_eq!(String::from_utf8_lossy(&value), expected);
    assert!(
        !replacing.to_string()["sip:bob@192.0.2.2:5060?Replaces=".len()..].contains([';', '='])
    );
    assert_eq!(replacing.to_string().parse::<Uri>().expect("a URI"), replacing);
}
