//! A server that has too much to do says so, and is left alone.

use sip::{HeaderName, Method, Request, Response};

use crate::event::{CallFailure, Event};
use crate::testing::{Solo, media, reply, uri};
use crate::{CallOptions, Outcome};

/// A37 · RFC 3261 §21.5.4: after a 503 nothing more goes there by itself; whoever called is told how long to wait.
#[test]
fn a_503_is_told_with_its_time_and_nothing_is_tried_again() {
    let mut solo = Solo::new();
    let (target, options) = (uri("sip:conference@192.0.2.2"), CallOptions::new(media(20_000)));
    solo.run(|ua, now| ua.call(now, &target, options)).expect("called");
    let invite = solo.next_request(&Method::Invite);
    let refusal = reply(&invite, 503, "server").with_header(HeaderName::RetryAfter, 30);
    solo.receive(refusal.to_bytes());
    solo.next_request(&Method::Ack);
    match solo.event() {
        Event::CallFailed { why: CallFailure::Refused(refusal), .. } => {
            assert_eq!((refusal.status.code(), refusal.retry_after_seconds), (503, Some(30)));
        }
        other => panic!("{other:?}"),
    }
    let sent = solo.sent.len();
    solo.run_until_ms(120_000);
    assert_eq!(solo.sent.len(), sent, "it is for a person to try again");
}

/// Calls the conference; the INVITE, if one was sent.
fn call(solo: &mut Solo) -> Option<Request> {
    let (target, options) = (uri("sip:conference@192.0.2.2"), CallOptions::new(media(20_000)));
    solo.run(|ua, now| ua.call(now, &target, options)).expect("called");
    (!solo.sent.is_empty()).then(|| solo.next_request(&Method::Invite))
}

/// The answer of a server that asks for nothing new at all, for 5 s.
fn overloaded(request: &Request) -> Response {
    let mut refusal = reply(request, 503, "server");
    let mut via = refusal.headers.top_via().expect("a Via");
    let asked = (via.params.get("oc"), via.params.value("oc-algo"));
    assert_eq!(asked, (Some(None), Some("\"loss\"")), "RFC 7339 §4.1, §4.2");
    for (name, value) in [("oc", "100"), ("oc-validity", "5000"), ("oc-seq", "1.5")] {
        via.params.set(name, Some(value));
    }
    refusal.headers.set_top_via(&via);
    refusal
}

/// A37, T25 · RFC 7339 §5.5, §5.10.1: a server tells a terminal to send less. For as long as it said no new call goes there, and the person
/// hears at once why and what to do; the call that there is can be ended; then it is called as ever.
#[test]
fn whoever_is_told_to_send_less_does_and_says_so() {
    let mut solo = Solo::new();
    let (up, ..) = solo.established();
    let invite = call(&mut solo).expect("nobody has asked for less");
    solo.receive(overloaded(&invite).to_bytes());
    solo.next_request(&Method::Ack);
    assert!(matches!(solo.event(), Event::CallFailed { why: CallFailure::Refused(_), .. }));

    for ms in [0, 4_999] {
        solo.run_until_ms(ms);
        assert_eq!(call(&mut solo), None, "{ms}");
        let Event::CallFailed { why, .. } = solo.event() else { panic!("it failed") };
        assert_eq!((&why, why.status().code()), (&CallFailure::Overloaded, 503));
        assert!(why.to_string().contains("overloaded and has asked us for fewer calls"), "{why}");
        let advice = Outcome::NotJoined(why).advice().expect("advice");
        assert!(advice.contains("try again in a few seconds"), "{advice}");
    }
    solo.run(|ua, now| ua.hangup(now, up));
    let bye = solo.next_request(&Method::Bye);
    solo.answer(&bye, 200);
    solo.take_events();
    solo.run_until_ms(5_000);
    assert!(call(&mut solo).is_some(), "its time is over");
}

/// A37 · RFC 7339 §5.9: a server that has not answered three calls in a row is not sent the next one, and the person need not wait 32 s to
/// hear it; some seconds later it is tried again.
#[test]
fn whoever_does_not_answer_is_not_called_at_once_again() {
    let mut solo = Solo::new();
    for n in 1..=3_u64 {
        assert!(call(&mut solo).is_some(), "{n}");
        solo.run_until_ms(n * 32_000);
        solo.sent.clear();
        assert!(matches!(solo.event(), Event::CallFailed { why: CallFailure::NoAnswer, .. }));
    }
    assert_eq!(call(&mut solo), None);
    let Event::CallFailed { why, .. } = solo.event() else { panic!("it failed") };
    assert_eq!((&why, why.status().code()), (&CallFailure::Silent, 503));
    assert!(why.to_string().contains("answered none of our last requests"), "{why}");
    let advice = Outcome::NotJoined(why).advice().expect("advice");
    assert!(advice.contains("is the server running"), "{advice}");
    solo.run_until_ms(3 * 32_000 + 4_000);
    let invite = call(&mut solo).expect("it is tried");
    solo.answer(&invite, 486);
    solo.next_request(&Method::Ack);
    assert!(call(&mut solo).is_some(), "somebody is there");
}
