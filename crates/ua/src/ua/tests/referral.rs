use sip::{HeaderName, Message, Method, Request, StatusCode};

use crate::REFERRALS_MAX;
use crate::event::{CallFailure, CallId, CommandError, Event, ReferralId};
use crate::testing::{Solo, media, reply};

/// Bob's REFER outside a dialog; `headers` in place of the usual Refer-To.
fn refer(call_id: &str, headers: &str) -> String {
    format!(
        "REFER sip:alice@192.0.2.1 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{call_id}\nMax-Forwards: 70\n\
         From: <sip:bob@example.com>;tag=bob\nTo: <sip:alice@192.0.2.1>\n\
         Call-ID: {call_id}\nCSeq: 7 REFER\nContact: <sip:bob@192.0.2.2:5060>\n{headers}\n"
    )
}

const TO_FOCUS: &str = "Refer-To: <sip:conf-k7%41q@192.0.2.3:5070;x=Y>\n\
                        Referred-By: \"Bob B.\" <sip:bob@example.com>;cid=\"1@2\"\n";

fn referred(solo: &mut Solo) -> ReferralId {
    match solo.event() {
        Event::IncomingReferral { referral, .. } => referral,
        other => panic!("{other:?}"),
    }
}

/// Takes a REFER and follows it; the call, the NOTIFY and the INVITE.
fn follow(solo: &mut Solo, refer: &str) -> (CallId, Request, Request) {
    solo.receive_text(refer);
    solo.sent_nothing();
    let referral = referred(solo);
    let call =
        solo.run(|ua, now| ua.accept_referral(now, referral, media(20_000))).expect("followed");
    solo.next_response(200);
    let notify = solo.next_request(&Method::Notify);
    (call, notify, solo.next_request(&Method::Invite))
}

fn text(request: &Request, name: &HeaderName) -> String {
    request.headers.get(name).map(|value| value.text().into_owned()).unwrap_or_default()
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.clone()).expect("text")
}

/// C02 · RFC 7647 §5: 200 and not 202. C04, C05 · RFC 3515 §2.4.4, §2.4.5: NOTIFY 100 at once. The
/// INVITE goes where the REFER said, with Referred-By as it came (RFC 3892 §2.2).
#[test]
fn a_refer_is_answered_200_notified_100_and_followed() {
    let mut solo = Solo::new();
    let (_, notify, invite) = follow(&mut solo, &refer("r1", TO_FOCUS));
    assert_eq!(text(&notify, &HeaderName::Event), "refer");
    assert_eq!(text(&notify, &HeaderName::SubscriptionState), "active;expires=300");
    assert!(text(&notify, &HeaderName::ContentType).starts_with("message/sipfrag"));
    assert_eq!(body(&notify), "SIP/2.0 100 Trying\r\n");
    assert_eq!(notify.uri.to_string(), "sip:bob@192.0.2.2:5060");
    assert_eq!(notify.headers.to().expect("To").tag(), Some("bob"));
    assert_eq!(notify.headers.count(&HeaderName::Contact), 1);
    assert_eq!(invite.uri.to_string(), "sip:conf-k7%41q@192.0.2.3:5070;x=Y");
    let referred_by = "\"Bob B.\" <sip:bob@example.com>;cid=\"1@2\"";
    assert_eq!(text(&invite, &HeaderName::ReferredBy), referred_by);
    assert_ne!(invite.headers.call_id(), notify.headers.call_id());
}

/// C06 · RFC 3515 §2.4.7: the last NOTIFY; it waits for the answer to the first, so that they
/// arrive in order.
#[test]
fn success_is_reported_when_the_first_report_has_arrived() {
    let mut solo = Solo::new();
    let (call, notify, invite) = follow(&mut solo, &refer("r1", TO_FOCUS));
    solo.answer_ok(&invite, "focus");
    solo.next_request(&Method::Ack);
    solo.sent_nothing();
    assert!(matches!(solo.event(), Event::Established { call: up, .. } if up == call));
    solo.answer(&notify, 200);
    let last = solo.next_request(&Method::Notify);
    assert_eq!(body(&last), "SIP/2.0 200 OK\r\n");
    assert_eq!(text(&last, &HeaderName::SubscriptionState), "terminated;reason=noresource");
    let number = |request: &Request| request.headers.cseq().expect("CSeq").number;
    assert_eq!(number(&last), number(&notify) + 1);
    solo.answer(&last, 200);
    assert!(matches!(solo.event(), Event::ReferralEnded { .. }));
    solo.run(|ua, now| ua.hangup(now, call));
    let bye = solo.next_request(&Method::Bye);
    solo.answer(&bye, 200);
    assert!(solo.ua.is_quiet());
    assert_eq!(solo.ua.dialogs.count(), 0);
}

/// C05, C06: a refusal, with what it says to a person.
#[test]
fn a_refusal_is_reported_with_its_words() {
    let mut solo = Solo::new();
    let (_, notify, invite) = follow(&mut solo, &refer("r1", TO_FOCUS));
    solo.answer(&notify, 200);
    let busy = reply(&invite, 486, "focus")
        .with_header(HeaderName::Warning, "399 focus \"10 of 10 seats are taken\"")
        .with_header(HeaderName::RetryAfter, 30);
    solo.receive(busy.to_bytes());
    let last = loop {
        if let Message::Request(request) = solo.next()
            && request.method == Method::Notify
        {
            break request;
        }
    };
    let expected = "SIP/2.0 486 Busy Here\r\nWarning: 399 convoke \"10 of 10 seats are taken\"\r\n\
                    Retry-After: 30\r\n";
    assert_eq!(body(&last), expected);
    assert_eq!(text(&last, &HeaderName::SubscriptionState), "terminated;reason=noresource");
    assert!(matches!(solo.event(), Event::CallFailed { why: CallFailure::Refused(_), .. }));
}

/// C06: nobody answers the INVITE: 408 (RFC 3261 §8.1.3.1).
#[test]
fn a_timeout_is_reported_as_408() {
    let mut solo = Solo::new();
    let (_, notify, _) = follow(&mut solo, &refer("r1", TO_FOCUS));
    solo.answer(&notify, 200);
    solo.run_until_ms(31_999);
    solo.sent.clear();
    solo.run_until_ms(32_000);
    let last = solo.next_request(&Method::Notify);
    assert_eq!(body(&last), "SIP/2.0 408 Request Timeout\r\n");
    assert_eq!(text(&last, &HeaderName::SubscriptionState), "terminated;reason=noresource");
}

/// B09: a redirection on the way is followed; only the end is reported.
#[test]
fn a_referred_call_follows_redirections() {
    let mut solo = Solo::new();
    let (_, notify, invite) = follow(&mut solo, &refer("r1", TO_FOCUS));
    solo.answer(&notify, 200);
    let moved = reply(&invite, 302, "x").with_header(HeaderName::Contact, "<sip:c@192.0.2.4>");
    solo.receive(moved.to_bytes());
    solo.next_request(&Method::Ack);
    let second = solo.next_request(&Method::Invite);
    assert!(text(&second, &HeaderName::ReferredBy).starts_with("\"Bob B.\""));
    solo.sent_nothing();
    solo.answer_ok(&second, "focus");
    solo.next_request(&Method::Ack);
    assert_eq!(body(&solo.next_request(&Method::Notify)), "SIP/2.0 200 OK\r\n");
}

/// C01 · RFC 3515 §2.4.2: zero or two Refer-To, no Contact or two: 400. C10: what is no INVITE to a
/// SIP URI is declined.
#[test]
fn refers_that_cannot_be_followed_are_refused() {
    let focus = "Refer-To: <sip:conf@192.0.2.3>\n";
    let plain = refer("r", focus);
    let cases = [
        (refer("a", ""), 400),
        (refer("b", &focus.repeat(2)), 400),
        (refer("c", "Refer-To: <sip:a@192.0.2.3>, <sip:b@192.0.2.3>\n"), 400),
        (refer("d", &format!("{focus}Referred-By: <sip:a@b>\nReferred-By: <sip:c@d>\n")), 400),
        (plain.replace("Contact: <sip:bob@192.0.2.2:5060>\n", ""), 400),
        (plain.replace("Contact: <", "Contact: <sip:x@192.0.2.2>, <"), 400),
        (refer("e", "Refer-To: <http://example.com/>\n"), 603),
        (refer("f", "Refer-To: <tel:+4930123>\n"), 603),
        (refer("g", "Refer-To: <sip:conf@192.0.2.3;method=BYE>\n"), 603),
        (refer("h", "Refer-To: <sip:conf@192.0.2.3;method=FROB>\n"), 603),
        (refer("i", "Refer-To: <sips:conf@192.0.2.3>\n"), 603),
    ];
    for (text, code) in cases {
        let mut solo = Solo::new();
        solo.receive_text(&text);
        solo.next_response(code);
        assert!(solo.take_events().is_empty(), "{text}");
        assert!(solo.ua.is_quiet());
        assert_eq!(solo.ua.dialogs.count(), 0);
    }
}

/// Some phones leave out the angle brackets; then the parameters are the header's (RFC 3261 §20).
#[test]
fn refer_to_without_brackets_and_with_method_invite_is_understood() {
    for refer_to in [
        "Refer-To: sip:conf@192.0.2.3\n",
        "r: <sip:conf@192.0.2.3;method=INVITE>\n",
        "REFER-TO:  \"The conference\" <sip:conf@192.0.2.3>;a=b\n",
    ] {
        let mut solo = Solo::new();
        let (_, _, invite) = follow(&mut solo, &refer("r1", refer_to));
        assert_eq!(invite.uri.to_string(), "sip:conf@192.0.2.3");
    }
}

/// T31 · RFC 3261 §19.1.5, RFC 3891 §3: Replaces is what such headers are for; a Route is not followed.
#[test]
fn embedded_headers_are_taken_only_where_that_is_safe() {
    let mut solo = Solo::new();
    let refer_to = "Refer-To: <sip:conf@192.0.2.3?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2\
                    &Route=%3Csip:192.0.2.66%3Blr%3E&Contact=%3Csip:evil%40x%3E>\n";
    let (_, _, invite) = follow(&mut solo, &refer("r1", refer_to));
    assert_eq!(text(&invite, &HeaderName::Replaces), "a@b;to-tag=1;from-tag=2");
    assert_eq!(invite.headers.count(&HeaderName::Route), 0);
    assert_eq!(text(&invite, &HeaderName::Contact), "<sip:alice@192.0.2.1:5060>");
    assert_eq!(invite.uri.to_string(), "sip:conf@192.0.2.3");
}

#[test]
fn a_refer_may_be_declined_and_is_when_nobody_decides() {
    let mut solo = Solo::new();
    solo.receive_text(&refer("r1", TO_FOCUS));
    let referral = referred(&mut solo);
    let decline = StatusCode::DECLINE;
    solo.run(|ua, now| ua.reject_referral(now, referral, decline)).expect("declined");
    let declined = solo.next_response(603);
    assert!(declined.headers.to().expect("To").tag().is_some());
    let again = solo.run(|ua, now| ua.accept_referral(now, referral, media(1)));
    assert_eq!(again, Err(CommandError::WrongState));

    solo.receive_text(&refer("r2", TO_FOCUS));
    referred(&mut solo);
    solo.run_until_ms(9_999);
    solo.sent_nothing();
    solo.run_until_ms(10_000);
    solo.next_response(603);
    assert!(solo.ua.is_quiet());
    assert_eq!(solo.ua.dialogs.count(), 0);
}

/// RFC 3515 §2.4.6 (C07): in a dialog the first NOTIFY has no id, later REFERs are named.
#[test]
fn refers_inside_a_dialog_are_reported_in_it() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let refer = |cseq| Solo::in_dialog(&invite, "REFER", cseq, TO_FOCUS) + "\n";
    solo.receive_text(&refer(30));
    match solo.event() {
        Event::IncomingReferral { referral, referrer, inside, refer_to } => {
            assert_eq!(inside, Some(call));
            assert!(referrer.in_call);
            assert_eq!(refer_to.to_string(), "sip:conf-k7%41q@192.0.2.3:5070;x=Y");
            solo.run(|ua, now| ua.accept_referral(now, referral, media(1))).expect("followed");
        }
        other => panic!("{other:?}"),
    }
    solo.next_response(200);
    let first = solo.next_request(&Method::Notify);
    assert_eq!(text(&first, &HeaderName::Event), "refer");
    assert_eq!(first.headers.call_id(), invite.headers.call_id());
    solo.next_request(&Method::Invite);

    solo.receive_text(&refer(31));
    let referral = referred(&mut solo);
    solo.run(|ua, now| ua.accept_referral(now, referral, media(1))).expect("followed");
    solo.next_response(200);
    let second = solo.next_request(&Method::Notify);
    assert_eq!(text(&second, &HeaderName::Event), "refer;id=31");
    let number = |request: &Request| request.headers.cseq().expect("CSeq").number;
    assert_eq!(number(&second), number(&first) + 1);
}

/// RFC 5057 §2: the referrer may hang up at once, and still gets its report.
#[test]
fn the_report_comes_after_the_referrer_hung_up() {
    let mut solo = Solo::new();
    let (_, first, _) = solo.established();
    let (_, notify, invite) =
        follow(&mut solo, &(Solo::in_dialog(&first, "REFER", 30, TO_FOCUS) + "\n"));
    solo.receive_text(&Solo::in_dialog(&first, "BYE", 31, "\n"));
    solo.next_response(200);
    solo.take_events();
    solo.answer(&notify, 200);
    solo.answer_ok(&invite, "focus");
    solo.next_request(&Method::Ack);
    let last = solo.next_request(&Method::Notify);
    assert_eq!(last.headers.call_id(), first.headers.call_id());
    assert_eq!(body(&last), "SIP/2.0 200 OK\r\n");
}

/// C18 · RFC 6665 §4.2.2: a subscriber that is gone gets no more; the call goes on
/// (RFC 3515 §2.4.4).
#[test]
fn a_481_to_the_notify_ends_the_reports_and_not_the_call() {
    let mut solo = Solo::new();
    let (call, notify, invite) = follow(&mut solo, &refer("r1", TO_FOCUS));
    solo.answer(&notify, 481);
    assert!(matches!(solo.event(), Event::ReferralEnded { .. }));
    solo.answer_ok(&invite, "focus");
    solo.next_request(&Method::Ack);
    solo.sent_nothing();
    assert!(matches!(solo.event(), Event::Established { call: up, .. } if up == call));
}

#[test]
fn a_subscriber_that_never_answers_is_given_up() {
    let mut solo = Solo::new();
    let (_, _, invite) = follow(&mut solo, &refer("r1", TO_FOCUS));
    solo.answer_ok(&invite, "focus");
    solo.take_events();
    solo.run_until_ms(31_999);
    assert!(solo.events.is_empty());
    solo.run_until_ms(32_000);
    assert!(matches!(solo.event(), Event::ReferralEnded { .. }));
}

/// The referrer is known by its address too, while a call with it is up.
#[test]
fn a_refer_outside_from_the_peer_of_a_call_is_known() {
    for (remote, known) in [("192.0.2.2:5060", true), ("192.0.2.2:5061", false)] {
        let mut solo = Solo::new();
        solo.established();
        let bytes = refer("r1", TO_FOCUS).replace('\n', "\r\n").into_bytes();
        solo.receive_from(remote, bytes);
        match solo.event() {
            Event::IncomingReferral { referrer, inside: None, .. } => {
                assert_eq!(referrer.in_call, known);
                assert_eq!(referrer.source.to_string(), remote);
                let referred_by = referrer.referred_by.expect("Referred-By").to_string();
                assert_eq!(referred_by, "sip:bob@example.com");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// C03 · RFC 4538 §4: and by the name of the call, from wherever he sends; not by half of it.
#[test]
fn a_refer_outside_that_names_a_call_is_known() {
    for (ours, known) in [(true, true), (false, false)] {
        let mut solo = Solo::new();
        let (_, invite, _) = solo.established();
        let alice = invite.headers.from_().expect("From").tag().expect("a tag").to_owned();
        let tag = if ours { alice.as_str() } else { "guessed" };
        let call_id = invite.headers.call_id().expect("Call-ID");
        let named = format!("Target-Dialog: {call_id};local-tag={tag};remote-tag=bob\n");
        let more = format!("{TO_FOCUS}Require: tdialog\n{named}");
        let bytes = refer("r1", &more).replace('\n', "\r\n").into_bytes();
        solo.receive_from("192.0.2.2:5061", bytes);
        let event = solo.event();
        let Event::IncomingReferral { referrer, .. } = event else { panic!("{event:?}") };
        assert_eq!(referrer.in_call, known);
    }
}

#[test]
fn referrals_are_bounded() {
    let mut solo = Solo::new();
    for number in 0..REFERRALS_MAX {
        solo.receive_text(&refer(&format!("r{number}"), TO_FOCUS));
    }
    assert_eq!(solo.take_events().len(), REFERRALS_MAX);
    solo.receive_text(&refer("last", TO_FOCUS));
    solo.next_response(480);
    assert!(solo.take_events().is_empty());
}

/// The call cannot be placed: the REFER was accepted, so the referrer is told.
#[test]
fn a_call_that_cannot_be_placed_is_reported_as_503() {
    let mut solo = Solo::new();
    for _ in 0..crate::CALLS_MAX {
        let options = crate::CallOptions::new(media(1));
        let target = crate::testing::uri("sip:bob@192.0.2.2");
        solo.run(|ua, now| ua.call(now, &target, options)).expect("called");
    }
    solo.sent.clear();
    solo.receive_text(&refer("r1", TO_FOCUS));
    let referral = referred(&mut solo);
    let full = solo.run(|ua, now| ua.accept_referral(now, referral, media(1)));
    assert_eq!(full, Err(CommandError::Full));
    solo.next_response(200);
    let first = solo.next_request(&Method::Notify);
    solo.answer(&first, 200);
    let last = solo.next_request(&Method::Notify);
    assert_eq!(body(&last), "SIP/2.0 503 Service Unavailable\r\n");
}
