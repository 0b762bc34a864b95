use sip::{HeaderName, Method, Request};

use crate::REFERS_MAX;
use crate::event::{CommandError, EndCause, Event, How, ReferId, ReferOutcome};
use crate::testing::{Solo, accepted, media, reply, udp_at, uri};

const CONFERENCE: &str = "sip:conf-k7%41q@192.0.2.3:5070;x=Y";

fn refer(solo: &mut Solo, how: How) -> (ReferId, Request) {
    let (bob, conference) = (uri("sip:bob@192.0.2.2"), uri(CONFERENCE));
    let refer = solo.run(|ua, now| ua.refer(now, &bob, &conference, how)).expect("referred");
    (refer, solo.next_request(&Method::Refer))
}

/// A NOTIFY for a REFER of ours outside a dialog.
fn notify(refer: &Request, tag: &str, cseq: u32, event: &str, state: &str, body: &str) -> String {
    let alice = refer.headers.from_().expect("From");
    let bob = refer.headers.to().expect("To");
    let to_bob = if bob.tag().is_some() { bob } else { bob.with_tag(tag) };
    let call_id = refer.headers.call_id().expect("Call-ID");
    format!(
        "NOTIFY sip:alice@192.0.2.1:5060 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKn{tag}{cseq}\nMax-Forwards: 70\n\
         From: {to_bob}\nTo: {alice}\nCall-ID: {call_id}\nCSeq: {cseq} NOTIFY\n\
         Contact: <sip:bob@192.0.2.2>\nEvent: {event}\nSubscription-State: {state}\n\
         Content-Type: message/sipfrag;version=2.0\n\n{body}"
    )
}

/// C01 · RFC 3515 §2.4.1: one Refer-To, which is byte for byte the URI in brackets; one Contact; a
/// Referred-By (RFC 3892 §2.1).
#[test]
fn a_refer_outside_a_dialog_has_what_it_must_have() {
    let mut solo = Solo::new();
    let (_, request) = refer(&mut solo, How::Outside);
    assert_eq!(request.uri.to_string(), "sip:bob@192.0.2.2");
    let all = |name| -> Vec<String> {
        request.headers.all(&name).map(|value| value.text().into_owned()).collect()
    };
    assert_eq!(all(HeaderName::ReferTo), [format!("<{CONFERENCE}>")]);
    assert_eq!(all(HeaderName::ReferredBy), ["<sip:alice@192.0.2.1:5060>"]);
    assert_eq!(all(HeaderName::Contact), ["<sip:alice@192.0.2.1:5060>"]);
    assert!(request.headers.to().expect("To").tag().is_none());
}

/// C03 · RFC 4538 §3: a call with him is named, both tags as he sees them, if he has said that he understands it.
#[test]
fn a_refer_outside_names_the_call_that_there_is_with_its_target() {
    for (supported, target, is_named) in [
        ("timer, tdialog", "sip:bob@192.0.2.2", true),
        ("timer, tdialog", "sip:carol@192.0.2.2", false),
        ("timer", "sip:bob@192.0.2.2", false),
    ] {
        let mut solo = Solo::new();
        let options = crate::CallOptions::new(media(20_000));
        let call = solo.run(|ua, now| ua.call(now, &uri("sip:bob@192.0.2.2"), options));
        let invite = solo.next_request(&Method::Invite);
        let ok = accepted(&invite, "tag-of-bob").with_header(HeaderName::Supported, supported);
        solo.receive(ok.to_bytes());
        solo.next_request(&Method::Ack);
        solo.run(|ua, now| ua.refer(now, &uri(target), &uri(CONFERENCE), How::Outside))
            .expect("referred");
        let refer = solo.next_request(&Method::Refer);
        let name = invite.headers.call_id().expect("Call-ID");
        let alice = invite.headers.from_().expect("From").tag().expect("a tag").to_owned();
        let text = |name| refer.headers.get(&name).map(|value| value.text().into_owned());
        let named = format!("{name};local-tag=tag-of-bob;remote-tag={alice}");
        assert_eq!(text(HeaderName::TargetDialog), is_named.then_some(named), "{target}");
        assert_eq!(text(HeaderName::Require), is_named.then(|| "tdialog".to_owned()));
        assert_ne!(refer.headers.call_id().expect("Call-ID"), name);
        assert!(call.is_ok());
    }
}

/// C02 · RFC 7647 §5: 202 is taken as 200. C05, C06 · RFC 3515 §2.4.5, §2.4.7.
#[test]
fn accepted_then_trying_then_ok() {
    for code in [200, 202] {
        let mut solo = Solo::new();
        let (id, request) = refer(&mut solo, How::Outside);
        solo.answer(&request, code);
        assert_eq!(solo.event(), Event::ReferAccepted { refer: id });
        let trying = "SIP/2.0 100 Trying\n";
        solo.receive_text(&notify(&request, "bob", 1, "refer", "active;expires=60", trying));
        solo.next_response(200);
        let event = solo.event();
        assert!(matches!(event, Event::ReferProgress { refer, .. } if refer == id));
        let state = "terminated;reason=noresource";
        solo.receive_text(&notify(&request, "bob", 2, "refer", state, "SIP/2.0 200 OK\n"));
        solo.next_response(200);
        let outcome = ReferOutcome::Succeeded;
        assert_eq!(solo.event(), Event::ReferEnded { refer: id, outcome });
        assert!(solo.ua.is_quiet());
        solo.run_until_ms(100_000);
        assert!(solo.take_events().is_empty());
        assert!(solo.ua.refers.is_empty());
    }
}

/// C04 · RFC 3515 §2.4.4: the NOTIFY overtakes the 202; then the 202 changes nothing.
#[test]
fn a_notify_may_overtake_the_answer() {
    let mut solo = Solo::new();
    let (id, request) = refer(&mut solo, How::Outside);
    let trying = "SIP/2.0 100 Trying\n";
    solo.receive_text(&notify(&request, "bob", 1, "refer", "active;expires=60", trying));
    solo.next_response(200);
    let events = solo.take_events();
    assert_eq!(events[0], Event::ReferAccepted { refer: id });
    assert_eq!(events.len(), 2);
    solo.answer(&request, 202);
    assert!(solo.take_events().is_empty());
    let state = "terminated;reason=noresource";
    solo.receive_text(&notify(&request, "bob", 2, "refer", state, "SIP/2.0 200 OK\n"));
    assert!(matches!(solo.event(), Event::ReferEnded { .. }));
}

/// C04: even the last NOTIFY may.
#[test]
fn the_last_notify_may_overtake_the_answer() {
    let mut solo = Solo::new();
    let (id, request) = refer(&mut solo, How::Outside);
    let state = "terminated;reason=noresource";
    solo.receive_text(&notify(&request, "bob", 1, "refer", state, "SIP/2.0 200 OK\n"));
    solo.next_response(200);
    let events = solo.take_events();
    let outcome = ReferOutcome::Succeeded;
    assert_eq!(events[1], Event::ReferEnded { refer: id, outcome });
    solo.answer(&request, 202);
    assert!(solo.take_events().is_empty());
}

/// C05 · RFC 3515 §2.4.5: a refusal is reported by its status line; headers below it may say more.
#[test]
fn a_failure_is_reported_with_its_reason() {
    let mut solo = Solo::new();
    let (id, request) = refer(&mut solo, How::Outside);
    solo.answer(&request, 202);
    solo.take_events();
    let body = "SIP/2.0 486 Busy Here\nWarning: 399 focus \"10 of 10 seats are taken\"\n\
                Retry-After: 30\n";
    // Seen from JsSIP and others: the reason with its own name in it.
    let state = "terminated;reason=reason=noresource";
    solo.receive_text(&notify(&request, "bob", 1, "refer", state, body));
    solo.next_response(200);
    match solo.event() {
        Event::ReferEnded { refer, outcome: ReferOutcome::NotReached(refusal) } => {
            assert_eq!((refer, refusal.status.code()), (id, 486));
            assert_eq!(refusal.warning.as_deref(), Some("10 of 10 seats are taken"));
            assert_eq!(refusal.retry_after_seconds, Some(30));
        }
        other => panic!("{other:?}"),
    }
}

/// A final status in a NOTIFY that is not the last: it is the outcome, and what follows is answered.
#[test]
fn a_final_status_in_an_active_notify_counts() {
    let mut solo = Solo::new();
    let (id, request) = refer(&mut solo, How::Outside);
    solo.answer(&request, 202);
    solo.take_events();
    let ok = "SIP/2.0 200 OK\n";
    solo.receive_text(&notify(&request, "bob", 1, "refer", "active;expires=60", ok));
    solo.next_response(200);
    let outcome = ReferOutcome::Succeeded;
    assert_eq!(solo.event(), Event::ReferEnded { refer: id, outcome });
    let state = "terminated;reason=timeout";
    solo.receive_text(&notify(&request, "bob", 2, "refer", state, ok));
    solo.next_response(200);
    assert!(solo.take_events().is_empty());
}

#[test]
fn a_subscription_that_ends_without_a_final_status_has_no_report() {
    for body in ["", "SIP/2.0 100 Trying\n", "garbage"] {
        let mut solo = Solo::new();
        let (id, request) = refer(&mut solo, How::Outside);
        solo.answer(&request, 202);
        solo.take_events();
        let state = "terminated;reason=noresource";
        solo.receive_text(&notify(&request, "bob", 1, "refer", state, body));
        solo.next_response(200);
        let outcome = ReferOutcome::Unreported;
        assert_eq!(solo.event(), Event::ReferEnded { refer: id, outcome }, "{body:?}");
    }
}

/// RFC 6665 §4.1.2.4, timer N: no NOTIFY in 64*T1.
#[test]
fn an_accepted_refer_without_any_notify_times_out() {
    let mut solo = Solo::new();
    let (id, request) = refer(&mut solo, How::Outside);
    solo.answer(&request, 202);
    solo.take_events();
    solo.run_until_ms(31_999);
    assert!(solo.events.is_empty());
    solo.run_until_ms(32_000);
    let outcome = ReferOutcome::Unreported;
    assert_eq!(solo.event(), Event::ReferEnded { refer: id, outcome });
    assert!(solo.ua.is_quiet());
}

/// RFC 6665 §4.1.3: the notifier's time counts, within our bound.
#[test]
fn a_subscription_times_out_when_the_notifier_said() {
    for (state, seconds) in
        [("active;expires=60", 60), ("active", 180), ("pending;expires=4000000000", 600)]
    {
        let mut solo = Solo::new();
        let (id, request) = refer(&mut solo, How::Outside);
        solo.answer(&request, 202);
        solo.receive_text(&notify(&request, "bob", 1, "refer", state, "SIP/2.0 100 Trying\n"));
        solo.take_events();
        solo.run_until_ms(seconds * 1_000 - 1);
        assert!(solo.events.is_empty(), "{state}");
        solo.run_until_ms(seconds * 1_000);
        let outcome = ReferOutcome::Unreported;
        assert_eq!(solo.event(), Event::ReferEnded { refer: id, outcome });
    }
}

#[test]
fn a_refused_refer_says_why() {
    let mut solo = Solo::new();
    let (id, request) = refer(&mut solo, How::Outside);
    let refusal = reply(&request, 603, "bob")
        .with_header(HeaderName::Warning, "399 bob \"strangers are not followed\"");
    solo.receive(refusal.to_bytes());
    match solo.event() {
        Event::ReferEnded { refer, outcome: ReferOutcome::Refused(refusal) } => {
            assert_eq!((refer, refusal.status.code()), (id, 603));
            assert_eq!(refusal.warning.as_deref(), Some("strangers are not followed"));
        }
        other => panic!("{other:?}"),
    }
    assert!(solo.ua.is_quiet());
}

/// A17 · RFC 3261 §17.1.2.2: resent with the cap T2; then it acts like a 408.
#[test]
fn an_unanswered_refer_fails_after_64_t1() {
    let mut solo = Solo::new();
    let (bob, conference) = (uri("sip:bob@192.0.2.2"), uri(CONFERENCE));
    let id = solo.run(|ua, now| ua.refer(now, &bob, &conference, How::Outside)).expect("sent");
    solo.run_until_ms(31_999);
    let times: Vec<u64> = solo.sent.iter().map(|(at, ..)| *at).collect();
    let expected = [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(times, expected);
    assert!(solo.events.is_empty());
    solo.run_until_ms(32_000);
    let outcome = ReferOutcome::NoAnswer;
    assert_eq!(solo.event(), Event::ReferEnded { refer: id, outcome });
}

/// C19 · RFC 6665 §4.1.3: a NOTIFY for nothing gets 481, another package 489, none or no state 400.
#[test]
fn notifies_that_fit_nothing_are_refused() {
    let mut solo = Solo::new();
    let (_, request) = refer(&mut solo, How::Outside);
    let good = notify(&request, "bob", 1, "refer", "active", "SIP/2.0 100 Trying\n");
    let call_id = request.headers.call_id().expect("Call-ID");
    let cases = [
        (good.replace(call_id, "another"), 481),
        (good.replace("Event: refer", "Event: presence"), 489),
        (good.replace("Event: refer\n", ""), 400),
        (good.replace("Subscription-State: active\n", ""), 400),
        (good.replace("message/sipfrag;version=2.0", "text/plain"), 415),
    ];
    for (number, (text, code)) in cases.into_iter().enumerate() {
        solo.receive_text(&text.replace("branch=z9hG4bK", &format!("branch=z9hG4bK{number}")));
        solo.next_response(code);
    }
    assert!(solo.take_events().is_empty());
}

/// RFC 6665 §4.4.1: whoever notifies first is the notifier; another fork of the REFER is not.
#[test]
fn a_second_notifier_is_refused() {
    let mut solo = Solo::new();
    let (_, request) = refer(&mut solo, How::Outside);
    let trying = "SIP/2.0 100 Trying\n";
    solo.receive_text(&notify(&request, "bob", 5, "refer", "active", trying));
    solo.next_response(200);
    solo.take_events();
    let ok = "SIP/2.0 200 OK\n";
    solo.receive_text(&notify(&request, "carol", 1, "refer", "terminated", ok));
    solo.next_response(481);
    assert!(solo.take_events().is_empty());
}

/// A29 · RFC 3261 §12.2.2: an old number is out of order, and so is the last one once more.
#[test]
fn notifies_out_of_order_are_refused() {
    let mut solo = Solo::new();
    let (_, request) = refer(&mut solo, How::Outside);
    let text = |cseq, branch: &str| {
        let trying = "SIP/2.0 100 Trying\n";
        notify(&request, "bob", cseq, "refer", "active", trying).replace("z9hG4bKn", branch)
    };
    for (cseq, branch, code) in
        [(5, "z9hG4bKa", 200), (7, "z9hG4bKb", 200), (6, "z9hG4bKc", 500), (7, "z9hG4bKd", 500)]
    {
        solo.receive_text(&text(cseq, branch));
        solo.next_response(code);
    }
    assert_eq!(solo.take_events().len(), 3, "accepted, and twice in progress");
}

/// RFC 3515 §2.4.4: the REFER and its NOTIFYs share the call's dialog.
#[test]
fn a_refer_inside_a_dialog_is_reported_in_it() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let (id, request) = refer(&mut solo, How::Inside(call));
    assert_eq!(request.headers.call_id(), invite.headers.call_id());
    assert_eq!(request.headers.to().expect("To").tag(), Some("bob"));
    assert_eq!(request.headers.cseq().expect("CSeq").number, 2);
    assert_eq!(request.headers.count(&HeaderName::Contact), 1);
    solo.answer(&request, 202);
    assert_eq!(solo.event(), Event::ReferAccepted { refer: id });
    let ok = "SIP/2.0 200 OK\n";
    // baresip names even the first one (RFC 3515 §2.4.6 allows it).
    solo.receive_text(&notify(&request, "bob", 1, "refer;id=2", "terminated", ok));
    solo.next_response(200);
    let outcome = ReferOutcome::Succeeded;
    assert_eq!(solo.event(), Event::ReferEnded { refer: id, outcome });
}

/// C07 · RFC 3515 §2.4.6: two REFERs of one dialog are told apart by their CSeq numbers.
#[test]
fn two_refers_in_a_dialog_are_told_apart() {
    let mut solo = Solo::new();
    let (call, ..) = solo.established();
    let (first, one) = refer(&mut solo, How::Inside(call));
    let (second, two) = refer(&mut solo, How::Inside(call));
    solo.answer(&one, 202);
    solo.answer(&two, 202);
    solo.take_events();
    let busy = "SIP/2.0 486 Busy Here\n";
    solo.receive_text(&notify(&two, "bob", 1, "refer;id=3", "terminated", busy));
    let event = solo.event();
    assert!(matches!(event, Event::ReferEnded { refer, .. } if refer == second), "{event:?}");
    solo.receive_text(&notify(&one, "bob", 2, "refer", "terminated", busy));
    let event = solo.event();
    assert!(matches!(event, Event::ReferEnded { refer, .. } if refer == first), "{event:?}");
    solo.receive_text(&notify(&one, "bob", 3, "refer;id=77", "terminated", busy));
    solo.sent.drain(..2);
    solo.next_response(481);
}

/// RFC 5057 §2: the dialog outlives the call while the REFER's subscription lasts.
#[test]
fn the_peer_may_hang_up_before_it_reports() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let (id, request) = refer(&mut solo, How::Inside(call));
    solo.answer(&request, 202);
    solo.take_events();
    solo.receive_text(&Solo::in_dialog(&invite, "BYE", 5, "\n"));
    solo.next_response(200);
    assert_eq!(solo.event(), Event::CallEnded { call, why: EndCause::Remote { reason: None } });
    assert!(!solo.ua.is_quiet());
    let ok = "SIP/2.0 200 OK\n";
    solo.receive_text(&notify(&request, "bob", 6, "refer", "terminated", ok));
    solo.next_response(200);
    assert!(matches!(solo.event(), Event::ReferEnded { refer, .. } if refer == id));
    solo.run_until_ms(40_000);
    assert_eq!(solo.ua.dialogs.count(), 0);
}

/// T33 · RFC 3261 §12.2.1.2: 481 to a request in a dialog ends it.
#[test]
fn a_481_to_a_refer_inside_ends_the_call() {
    let mut solo = Solo::new();
    let (call, ..) = solo.established();
    let (id, request) = refer(&mut solo, How::Inside(call));
    solo.answer(&request, 481);
    let events = solo.take_events();
    assert!(matches!(&events[0], Event::ReferEnded { refer, .. } if *refer == id), "{events:?}");
    assert_eq!(events[1], Event::CallEnded { call, why: EndCause::DialogLost });
    solo.next_request(&Method::Bye);
    let gone = solo
        .run(|ua, now| ua.refer(now, &uri("sip:b@192.0.2.2"), &uri(CONFERENCE), How::Inside(call)));
    assert_eq!(gone, Err(CommandError::WrongState));
}

/// RFC 3261 §12.2.1.2: so does no answer at all.
#[test]
fn an_unanswered_refer_inside_ends_the_call() {
    let mut solo = Solo::new();
    let (call, ..) = solo.established();
    let (id, _) = refer(&mut solo, How::Inside(call));
    solo.run_until_ms(32_000);
    let outcome = ReferOutcome::NoAnswer;
    let expected = [
        Event::ReferEnded { refer: id, outcome },
        Event::CallEnded { call, why: EndCause::DialogLost },
    ];
    assert_eq!(solo.take_events(), expected);
}

#[test]
fn a_refer_to_a_name_asks_for_its_address() {
    let mut solo = Solo::new();
    let (bob, conference) = (uri("sip:bob@example.com"), uri(CONFERENCE));
    let mut send = || solo.run(|ua, now| ua.refer(now, &bob, &conference, How::Outside));
    let (found, missing, slow) = (send(), send(), send());
    let (found, missing, slow) = (found.expect("ok"), missing.expect("ok"), slow.expect("ok"));
    solo.sent_nothing();
    let lookups = std::mem::take(&mut solo.lookups);
    let address = crate::testing::addr("192.0.2.2:5060");
    solo.run(|ua, now| ua.resolved(now, lookups[0].0, &[udp_at(address)]));
    let request = solo.next_request(&Method::Refer);
    solo.answer(&request, 202);
    assert_eq!(solo.event(), Event::ReferAccepted { refer: found });
    solo.run(|ua, now| ua.resolved(now, lookups[1].0, &[]));
    let outcome = ReferOutcome::Unreachable;
    let event = Event::ReferEnded { refer: missing, outcome: outcome.clone() };
    assert_eq!(solo.event(), event);
    solo.run_until_ms(32_000);
    assert!(solo.take_events().contains(&Event::ReferEnded { refer: slow, outcome }));
}

#[test]
fn refers_are_bounded_and_the_disregarded_do_not_count() {
    let mut solo = Solo::new();
    let sent: Vec<_> = (0..REFERS_MAX).map(|_| refer(&mut solo, How::Outside)).collect();
    let (bob, conference) = (uri("sip:bob@192.0.2.2"), uri(CONFERENCE));
    let full = solo.run(|ua, now| ua.refer(now, &bob, &conference, How::Outside));
    assert_eq!(full, Err(CommandError::Full));
    for (id, _) in &sent {
        solo.run(|ua, now| ua.disregard(now, *id));
    }
    assert_eq!(solo.take_events().len(), REFERS_MAX);
    assert!(solo.ua.is_quiet());
    for _ in 0..2 * REFERS_MAX {
        let (id, _) = refer(&mut solo, How::Outside);
        solo.run(|ua, now| ua.disregard(now, id));
    }
    assert!(solo.ua.refers.len() <= 2 * REFERS_MAX);
}
