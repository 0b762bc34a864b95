use std::time::Duration;

use sip::subscription::{Ended, Reason};
use sip::{HeaderName, Method, Request, StatusCode};

use crate::WATCHES_MAX;
use crate::event::{CommandError, Event, How, WatchId};
use crate::roster::{DocumentError, Roster};
use crate::testing::{Solo, reply, udp_at, uri};

const CONFERENCE: &str = "sip:conf-k7q@192.0.2.2";

fn watch(solo: &mut Solo, how: How) -> (WatchId, Request) {
    let conference = uri(CONFERENCE);
    let id = solo.run(|ua, now| ua.watch(now, &conference, how)).expect("watched");
    (id, solo.next_request(&Method::Subscribe))
}

fn document(state: &str, version: u32, users: &str) -> String {
    format!(
        "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"{CONFERENCE}\" \
         state=\"{state}\" version=\"{version}\"><users state=\"{state}\">{users}</users></conference-info>"
    )
}

fn user(name: &str) -> String {
    format!("<user entity=\"{name}\"/>")
}

/// A NOTIFY in answer to a SUBSCRIBE of ours.
fn notify(subscribe: &Request, tag: &str, cseq: u32, state: &str, body: &str) -> String {
    let alice = subscribe.headers.from_().expect("From");
    let focus = subscribe.headers.to().expect("To");
    let focus = if focus.tag().is_some() { focus } else { focus.with_tag(tag) };
    let call_id = subscribe.headers.call_id().expect("Call-ID");
    format!(
        "NOTIFY sip:alice@192.0.2.1:5060 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKw{tag}{cseq}\nMax-Forwards: 70\n\
         From: {focus}\nTo: {alice}\nCall-ID: {call_id}\nCSeq: {cseq} NOTIFY\n\
         Contact: <{CONFERENCE}>;isfocus\nEvent: conference\nSubscription-State: {state}\n\
         Content-Type: application/conference-info+xml\n\n{body}"
    )
}

fn ok(solo: &mut Solo, subscribe: &Request, seconds: u32) {
    let response = reply(subscribe, 200, "focus")
        .with_header(HeaderName::Contact, format!("<{CONFERENCE}>;isfocus"))
        .with_header(HeaderName::Expires, seconds);
    solo.receive(response.to_bytes());
}

fn names(roster: &Roster) -> Vec<&str> {
    roster.users.keys().map(String::as_str).collect()
}

fn roster(solo: &mut Solo) -> Roster {
    match solo.event() {
        Event::RosterChanged { roster, .. } => *roster,
        other => panic!("{other:?}"),
    }
}

/// One that is live, with `a` in.
fn live(solo: &mut Solo) -> (WatchId, Request) {
    let (id, subscribe) = watch(solo, How::Outside);
    ok(solo, &subscribe, 3_600);
    let body = document("full", 1, &user("a"));
    solo.receive_text(&notify(&subscribe, "focus", 1, "active;expires=3600", &body));
    solo.next_response(200);
    assert_eq!(names(&roster(solo)), ["a"]);
    (id, subscribe)
}

/// RFC 6665 §4.1.2.1, RFC 4575 §3.1, §3.4
#[test]
fn a_subscribe_has_what_it_must_have() {
    let mut solo = Solo::new();
    let (_, subscribe) = watch(&mut solo, How::Outside);
    assert_eq!(subscribe.uri.to_string(), CONFERENCE);
    let text = |name| subscribe.headers.get(&name).expect("there").text().into_owned();
    assert_eq!(text(HeaderName::Event), "conference");
    assert_eq!(text(HeaderName::Expires), "3600");
    assert_eq!(text(HeaderName::Accept), "application/conference-info+xml");
    assert_eq!(text(HeaderName::Contact), "<sip:alice@192.0.2.1:5060>");
    assert_eq!(text(HeaderName::CSeq), "1 SUBSCRIBE");
}

/// C19 · RFC 6665 §4.1.2.4, §4.4.1: the NOTIFY may be first; it makes the dialog, and another fork's makes none.
#[test]
fn the_first_notify_makes_the_dialog_before_or_after_the_answer() {
    for is_first in [true, false] {
        let mut solo = Solo::new();
        let (_, subscribe) = watch(&mut solo, How::Outside);
        if !is_first {
            ok(&mut solo, &subscribe, 3_600);
        }
        let body = document("full", 1, &user("a"));
        solo.receive_text(&notify(&subscribe, "focus", 1, "active;expires=3600", &body));
        solo.next_response(200);
        if is_first {
            ok(&mut solo, &subscribe, 3_600);
        }
        assert_eq!(names(&roster(&mut solo)), ["a"]);
        solo.receive_text(&notify(&subscribe, "fork", 1, "active;expires=3600", &body));
        solo.next_response(481);
        // The refresh is in that dialog, and counts on.
        solo.run_until_ms(3_540_000);
        let refresh = solo.next_request(&Method::Subscribe);
        assert_eq!(refresh.headers.to().expect("To").tag(), Some("focus"));
        assert_eq!(refresh.headers.cseq().expect("CSeq").number, 2);
    }
}

/// D12 · RFC 4575 §4.6: what is old changes nothing, a gap is mended by asking for all of it.
#[test]
fn a_gap_is_mended_by_a_refresh() {
    let mut solo = Solo::new();
    let (_, subscribe) = live(&mut solo);
    let old = document("partial", 1, &user("z"));
    solo.receive_text(&notify(&subscribe, "focus", 2, "active;expires=3600", &old));
    solo.next_response(200);
    solo.run_until_ms(2_000);
    solo.sent_nothing();
    let third = document("partial", 3, &user("c"));
    solo.receive_text(&notify(&subscribe, "focus", 3, "active;expires=3600", &third));
    solo.next_response(200);
    assert_eq!(solo.take_events(), []);
    solo.run_until_ms(2_000);
    let refresh = solo.next_request(&Method::Subscribe);
    ok(&mut solo, &refresh, 3_600);
    let all = document("full", 4, &(user("a") + &user("b") + &user("c")));
    solo.receive_text(&notify(&subscribe, "focus", 4, "active;expires=3600", &all));
    solo.next_response(200);
    assert_eq!(names(&roster(&mut solo)), ["a", "b", "c"]);
}

/// T8: what cannot be read is refused, told, and changes nothing.
#[test]
fn a_document_that_cannot_be_read_is_refused() {
    let mut solo = Solo::new();
    let (id, subscribe) = live(&mut solo);
    solo.receive_text(&notify(&subscribe, "focus", 2, "active;expires=3600", "<conference-info"));
    solo.next_response(400);
    let why = DocumentError::Malformed;
    assert_eq!(solo.event(), Event::RosterUnreadable { watch: id, why });
    let next = document("partial", 2, &user("b"));
    solo.receive_text(&notify(&subscribe, "focus", 3, "active;expires=3600", &next));
    solo.next_response(200);
    assert_eq!(names(&roster(&mut solo)), ["a", "b"]);
}

/// D06 · RFC 4575 §3.3: the end of the conference ends it, and nothing is left.
#[test]
fn the_end_of_the_conference_ends_it() {
    let mut solo = Solo::new();
    let (id, subscribe) = live(&mut solo);
    let gone = document("deleted", 2, "");
    solo.receive_text(&notify(&subscribe, "focus", 2, "terminated;reason=noresource", &gone));
    solo.next_response(200);
    let why = Ended::Terminated { reason: Some(Reason::NoResource), retry_after: None };
    assert_eq!(solo.event(), Event::WatchEnded { watch: id, why });
    assert!(solo.ua.is_quiet());
    solo.receive_text(&notify(&subscribe, "focus", 3, "active;expires=60", ""));
    solo.next_response(481);
}

/// RFC 6665 §4.1.2.3
#[test]
fn unwatching_unsubscribes() {
    let mut solo = Solo::new();
    let (id, subscribe) = live(&mut solo);
    solo.run(|ua, now| ua.unwatch(now, id));
    let end = solo.next_request(&Method::Subscribe);
    assert_eq!(end.headers.get(&HeaderName::Expires).expect("Expires").text(), "0");
    ok(&mut solo, &end, 0);
    assert!(!solo.ua.is_quiet());
    solo.receive_text(&notify(&subscribe, "focus", 2, "terminated;reason=timeout", ""));
    solo.next_response(200);
    assert_eq!(solo.event(), Event::WatchEnded { watch: id, why: Ended::Unsubscribed });
    assert!(solo.ua.is_quiet());
}

/// RFC 6665 §4.1.2.1: refused, and not answered.
#[test]
fn a_subscription_that_is_refused_or_not_answered_ends() {
    let mut solo = Solo::new();
    let (id, subscribe) = watch(&mut solo, How::Outside);
    let busy = reply(&subscribe, 480, "focus").with_header(HeaderName::RetryAfter, 5);
    solo.receive(busy.to_bytes());
    let retry_after = Some(Duration::from_secs(5));
    let why = Ended::Refused { status: StatusCode::TEMPORARILY_UNAVAILABLE, retry_after };
    assert_eq!(solo.event(), Event::WatchEnded { watch: id, why });

    let mut solo = Solo::new();
    let (id, _) = watch(&mut solo, How::Outside);
    solo.run_until_ms(33_000);
    assert_eq!(solo.event(), Event::WatchEnded { watch: id, why: Ended::Silent });
    assert!(solo.ua.is_quiet());
}

/// B36 · RFC 4579 §3.4: inside a call the dialog is shared, and outlives the call (RFC 5057).
#[test]
fn a_subscription_may_share_the_dialog_of_a_call() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let (_, subscribe) = watch(&mut solo, How::Inside(call));
    assert_eq!(subscribe.headers.call_id(), invite.headers.call_id());
    assert_eq!(subscribe.headers.cseq().expect("CSeq").number, 2);
    ok(&mut solo, &subscribe, 3_600);
    solo.run(|ua, now| ua.hangup(now, call));
    let bye = solo.next_request(&Method::Bye);
    solo.answer(&bye, 200);
    solo.take_events();
    let body = document("full", 1, &user("a"));
    solo.receive_text(&notify(&subscribe, "bob", 1, "active;expires=3600", &body));
    solo.next_response(200);
    assert_eq!(names(&roster(&mut solo)), ["a"]);
    assert_eq!(
        solo.run(|ua, now| ua.watch(now, &uri(CONFERENCE), How::Inside(call))),
        Err(CommandError::WrongState)
    );
}

/// B36 · RFC 4579 §3.4: who has no password subscribes where he has shown that he may be; told once, not for other
/// refusals, and not without the call.
#[test]
fn where_a_proof_is_wanted_the_call_is_the_proof() {
    for (status, is_up, goes_in) in [
        (401, true, true),
        (407, true, true),
        (403, true, true),
        (489, true, false),
        (401, false, false),
    ] {
        let mut solo = Solo::new();
        let (call, invite, _) = solo.established();
        let conference = uri(CONFERENCE);
        let id = solo.run(|ua, now| ua.watch_from_call(now, &conference, call)).expect("watched");
        let outside = solo.next_request(&Method::Subscribe);
        assert_ne!(outside.headers.call_id(), invite.headers.call_id());
        if !is_up {
            solo.run(|ua, now| ua.hangup(now, call));
            let bye = solo.next_request(&Method::Bye);
            solo.answer(&bye, 200);
            solo.take_events();
        }
        solo.answer(&outside, status);
        if !goes_in {
            solo.sent_nothing();
            assert!(matches!(solo.event(), Event::WatchEnded { watch, .. } if watch == id));
            continue;
        }
        assert_eq!(solo.take_events(), []);
        let inside = solo.next_request(&Method::Subscribe);
        assert_eq!(inside.headers.call_id(), invite.headers.call_id());
        solo.answer(&inside, status);
        solo.sent_nothing();
        assert!(matches!(solo.event(), Event::WatchEnded { watch, .. } if watch == id));
    }
}

/// B36 · RFC 4579 §3.4: a focus that lists the package can be watched; anybody else cannot.
#[test]
fn a_call_to_a_focus_that_tells_can_be_watched() {
    for (contact, events, expected) in [
        (";isfocus", "refer, conference", true),
        (";isfocus", "refer", false),
        ("", "conference", false),
    ] {
        let mut solo = Solo::new();
        let options = crate::CallOptions::new(crate::testing::media(20_000));
        let call = solo.run(|ua, now| ua.call(now, &uri(CONFERENCE), options)).expect("called");
        let invite = solo.next_request(&Method::Invite);
        let response = reply(&invite, 200, "bob")
            .with_header(HeaderName::Contact, format!("<{CONFERENCE}>{contact}"))
            .with_header(HeaderName::AllowEvents, events)
            .with_body("application/sdp", crate::testing::SDP);
        solo.receive(response.to_bytes());
        let conference = uri(CONFERENCE);
        let watchable = Event::Watchable { call, conference };
        assert_eq!(solo.take_events().contains(&watchable), expected, "{contact} {events}");
    }
}

#[test]
fn there_are_no_more_subscriptions_than_the_limit() {
    let mut solo = Solo::new();
    for _ in 0..WATCHES_MAX {
        watch(&mut solo, How::Outside);
    }
    let conference = uri(CONFERENCE);
    let one_more = solo.run(|ua, now| ua.watch(now, &conference, How::Outside));
    assert_eq!(one_more, Err(CommandError::Full));
}

/// A name is asked for first; one without an address ends it.
#[test]
fn the_host_is_looked_up() {
    let mut solo = Solo::new();
    let conference = uri("sip:conf-k7q@mix.example.com:5070");
    let id = solo.run(|ua, now| ua.watch(now, &conference, How::Outside)).expect("watched");
    let (lookup, host, port) = solo.lookups.pop().expect("asked");
    assert_eq!((host.as_str(), port), ("mix.example.com", Some(5070)));
    solo.run(|ua, now| ua.resolved(now, lookup, &[udp_at("192.0.2.2:5070".parse().expect("one"))]));
    assert_eq!(solo.sent[0].1, "192.0.2.2:5070");

    let other = solo.run(|ua, now| ua.watch(now, &conference, How::Outside)).expect("watched");
    let (lookup, ..) = solo.lookups.pop().expect("asked");
    solo.run(|ua, now| ua.resolved(now, lookup, &[]));
    assert_ne!(id, other);
    assert_eq!(solo.event(), Event::WatchEnded { watch: other, why: Ended::Silent });
}
