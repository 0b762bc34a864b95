use sip::{HeaderName, Message, Method, StatusCode, Transport};

use crate::event::{CallFailure, CommandError, EndCause, Event};
use crate::testing::{ALICE, BOB, SDP, Solo, accepted, media, path, reply, udp_at, uri};
use crate::{CALLS_MAX, CallOptions, FORKS_MAX};

fn call(solo: &mut Solo, target: &str) -> crate::CallId {
    let (target, options) = (uri(target), CallOptions::new(media(20_000)));
    solo.run(|ua, now| ua.call(now, &target, options)).expect("called")
}

/// RFC 3261 §8.1.1, §13.2.1.
#[test]
fn an_invite_has_what_an_invite_must_have() {
    let mut solo = Solo::new();
    call(&mut solo, "sip:bob@192.0.2.2:5070;x=y?Subject=lunch%20now");
    assert_eq!(solo.sent[0].1, "192.0.2.2:5070");
    let invite = solo.next_request(&Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:bob@192.0.2.2:5070;x=y");
    let text = |name| invite.headers.get(&name).map(|value| value.text().into_owned());
    assert_eq!(text(HeaderName::MaxForwards).as_deref(), Some("70"));
    assert_eq!(text(HeaderName::To).as_deref(), Some("<sip:bob@192.0.2.2:5070;x=y>"));
    assert_eq!(text(HeaderName::Contact).as_deref(), Some("<sip:alice@192.0.2.1:5060>"));
    assert_eq!(text(HeaderName::CSeq).as_deref(), Some("1 INVITE"));
    assert_eq!(text(HeaderName::Subject).as_deref(), Some("lunch now"));
    assert_eq!(text(HeaderName::AllowEvents).as_deref(), Some("refer"));
    assert!(text(HeaderName::Allow).expect("Allow").contains("REFER"));
    assert!(invite.headers.from_().expect("From").tag().is_some());
    assert!(String::from_utf8(invite.body).expect("text").contains("m=audio 20000"));
}

/// RFC 3261 §13.2.2.1, §13.2.2.4: 180, then 200, ACK in the dialog. A18: the ACK of a 2xx is a
/// request of its own, with a branch of its own, to the Contact.
#[test]
fn a_call_rings_and_is_established_and_its_200_acknowledged() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    solo.answer(&invite, 100);
    assert!(solo.take_events().is_empty());
    solo.answer(&invite, 180);
    assert_eq!(solo.event(), Event::Ringing { call: id, status: StatusCode::RINGING });
    solo.sent_nothing();
    let mut ok = accepted(&invite, "bob");
    ok.headers.set(HeaderName::Contact, "<sip:bob@192.0.2.2:5099>");
    solo.receive(ok.to_bytes());
    assert_eq!(solo.sent[0].1, "192.0.2.2:5099");
    let ack = solo.next_request(&Method::Ack);
    assert_eq!(ack.uri.to_string(), "sip:bob@192.0.2.2:5099");
    assert_eq!(ack.headers.cseq().expect("CSeq").number, 1);
    let branch = |request: &sip::Request| {
        request.headers.top_via().expect("Via").branch().expect("branch").to_owned()
    };
    assert_ne!(branch(&ack), branch(&invite));
    match solo.event() {
        Event::Established { call, media, conference: None, .. } => {
            assert_eq!(call, id);
            assert_eq!(media.remote.expect("remote").to_string(), "192.0.2.2:30000");
        }
        other => panic!("{other:?}"),
    }
}

/// A18 · RFC 3261 §17.1.1.3: the ACK to a failure has the INVITE's branch, URI and number.
#[test]
fn a_refused_invite_is_acknowledged_in_its_transaction() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    let refusal = reply(&invite, 480, "bob")
        .with_header(HeaderName::Warning, "399 pool \"9 seats are free, 10 asked\"")
        .with_header(HeaderName::RetryAfter, 7);
    solo.receive(refusal.to_bytes());
    let ack = solo.next_request(&Method::Ack);
    assert_eq!(ack.uri, invite.uri);
    let via = |request: &sip::Request| request.headers.top_via().expect("Via");
    assert_eq!(via(&ack).branch(), via(&invite).branch());
    match solo.event() {
        Event::CallFailed { call, why: CallFailure::Refused(refusal) } => {
            assert_eq!(call, id);
            assert_eq!(refusal.status.code(), 480);
            assert_eq!(refusal.warning.as_deref(), Some("9 seats are free, 10 asked"));
            assert_eq!(refusal.retry_after_seconds, Some(7));
        }
        other => panic!("{other:?}"),
    }
}

/// A17 · RFC 3261 §17.1.1.2, §8.1.3.1: sent seven times, then it acts like a 408.
#[test]
fn an_unanswered_invite_is_sent_again_and_fails_after_64_t1() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    solo.run_until_ms(31_999);
    let times: Vec<u64> = solo.sent.iter().map(|(at, ..)| *at).collect();
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert!(solo.events.is_empty());
    solo.run_until_ms(32_000);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::NoAnswer });
    assert!(solo.ua.is_quiet());
}

/// A16 · RFC 3261 §13.2.2.4, RFC 6026 §7.2: each copy of a 2xx gets the same ACK again, for 64*T1.
#[test]
fn each_copy_of_the_200_is_acknowledged_again() {
    let mut solo = Solo::new();
    let (_, invite, first) = solo.established();
    for _ in 0..3 {
        solo.answer_ok(&invite, "bob");
        let again = solo.next_request(&Method::Ack);
        assert_eq!(again.headers.to(), first.headers.to());
        assert_eq!(again.headers.cseq(), first.headers.cseq());
    }
    assert!(solo.take_events().is_empty(), "one call, however many copies");
    solo.run_until_ms(32_001);
    solo.answer_ok(&invite, "bob");
    solo.sent_nothing();
    assert!(solo.ua.acknowledged.is_empty() && solo.ua.requests.is_empty(), "nothing is kept");
}

/// A16 · RFC 3261 §13.2.2.4: a fork that answers second is acknowledged and ended, also when the
/// call is over by then.
#[test]
fn a_second_fork_is_acknowledged_and_ended() {
    let mut solo = Solo::new();
    let (id, invite, _) = solo.established();
    solo.answer_ok(&invite, "carol");
    let ack = solo.next_request(&Method::Ack);
    assert_eq!(ack.headers.to().expect("To").tag(), Some("carol"));
    let bye = solo.next_request(&Method::Bye);
    assert_eq!(bye.headers.to().expect("To").tag(), Some("carol"));
    assert_eq!(bye.headers.cseq().expect("CSeq").number, 2);
    solo.answer_ok(&invite, "carol");
    solo.next_request(&Method::Ack);
    solo.sent_nothing();
    // Carol's own BYE crosses ours: only the tag tells her dialog from Bob's (RFC 3261 §12).
    let crossing = Solo::in_dialog(&invite, "BYE", 3, "\n").replace("tag=bob", "tag=carol");
    solo.receive_text(&crossing);
    solo.next_response(200);
    assert!(solo.take_events().is_empty(), "the call with Bob goes on");

    solo.run(|ua, now| ua.hangup(now, id));
    solo.next_request(&Method::Bye);
    solo.take_events();
    solo.answer_ok(&invite, "dave");
    solo.next_request(&Method::Ack);
    let bye = solo.next_request(&Method::Bye);
    assert_eq!(bye.headers.to().expect("To").tag(), Some("dave"));
}

#[test]
fn forks_beyond_the_bound_get_nothing() {
    let mut solo = Solo::new();
    let (_, invite, _) = solo.established();
    for fork in 0..FORKS_MAX {
        solo.answer_ok(&invite, &format!("fork{fork}"));
        solo.next_request(&Method::Ack);
        solo.next_request(&Method::Bye);
    }
    solo.answer_ok(&invite, "one-too-many");
    solo.sent_nothing();
}

/// RFC 3261 §9.1: no CANCEL before a 1xx; then CANCEL, 487, ACK.
#[test]
fn hanging_up_before_the_answer_cancels() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    solo.run(|ua, now| ua.hangup(now, id));
    solo.sent_nothing();
    solo.answer(&invite, 180);
    let cancel = solo.next_request(&Method::Cancel);
    assert_eq!(cancel.uri, invite.uri);
    assert!(solo.take_events().is_empty(), "it has no end yet");
    solo.answer(&cancel, 200);
    solo.answer(&invite, 487);
    solo.next_request(&Method::Ack);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });
    assert!(solo.ua.is_quiet());
}

/// RFC 3261 §9.1, §15: the 200 crossed the CANCEL: ACK and BYE.
#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    solo.answer(&invite, 180);
    solo.take_events();
    solo.run(|ua, now| ua.hangup(now, id));
    solo.next_request(&Method::Cancel);
    solo.answer_ok(&invite, "bob");
    solo.next_request(&Method::Ack);
    let bye = solo.next_request(&Method::Bye);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });
    assert!(!solo.ua.is_quiet(), "the BYE has no answer");
    solo.answer(&bye, 200);
    assert!(solo.ua.is_quiet());
}

/// A 200 that names no Contact makes no dialog; a call that was cancelled is over all the same.
#[test]
fn a_200_without_contact_that_crosses_the_cancel_ends_the_call() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    solo.run(|ua, now| ua.hangup(now, id));
    let mut ok = accepted(&invite, "bob");
    ok.headers.remove(&HeaderName::Contact);
    solo.receive(ok.to_bytes());
    solo.sent_nothing();
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });
    assert!(solo.ua.is_quiet());
}

#[test]
fn a_call_that_rings_for_ever_is_cancelled_after_180_s() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    solo.answer(&invite, 180);
    solo.take_events();
    solo.run_until_ms(179_999);
    solo.sent_nothing();
    solo.run_until_ms(180_000);
    solo.next_request(&Method::Cancel);
    // RFC 3261 §9.1: nobody answers; the transaction is destroyed 64*T1 later.
    solo.run_until_ms(213_000);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::NoAnswer });
    assert!(solo.ua.is_quiet());
}

/// RFC 3261 §13.2.2.4: the 2xx is acknowledged, and then ended.
#[test]
fn a_200_without_a_usable_description_is_acknowledged_and_ended() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    let mut ok = accepted(&invite, "bob");
    ok.body = b"v=0".to_vec();
    solo.receive(ok.to_bytes());
    solo.next_request(&Method::Ack);
    solo.next_request(&Method::Bye);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::BadDescription });
}

#[test]
fn a_200_without_contact_makes_no_call() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    let mut ok = accepted(&invite, "bob");
    ok.headers.remove(&HeaderName::Contact);
    solo.receive(ok.to_bytes());
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::BadAnswer });
    solo.sent_nothing();
}

/// RFC 3261 §15.1.1: BYE in the dialog; done when it is answered.
#[test]
fn hanging_up_says_bye() {
    let mut solo = Solo::new();
    let (id, _, ack) = solo.established();
    solo.run(|ua, now| ua.hangup(now, id));
    let bye = solo.next_request(&Method::Bye);
    assert_eq!(bye.headers.cseq().expect("CSeq").number, 2);
    assert_eq!(bye.headers.to(), ack.headers.to());
    assert_eq!(solo.event(), Event::CallEnded { call: id, why: EndCause::Local });
    assert!(!solo.ua.is_quiet());
    solo.answer(&bye, 481);
    assert!(solo.ua.is_quiet(), "whatever the answer is");
    assert_eq!(solo.ua.dialogs.count(), 0);
}

/// A28 · RFC 3261 §12.2.1.1: requests in the dialog carry the route set of the 2xx, reversed.
#[test]
fn requests_in_the_dialog_go_by_the_route_set() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@192.0.2.2");
    let invite = solo.next_request(&Method::Invite);
    let ok = accepted(&invite, "bob")
        .with_header(HeaderName::RecordRoute, "<sip:192.0.2.8;lr>")
        .with_header(HeaderName::RecordRoute, "<sip:192.0.2.9;lr>");
    solo.receive(ok.to_bytes());
    assert_eq!(solo.sent[0].1, "192.0.2.9:5060");
    let ack = solo.next_request(&Method::Ack);
    let routes: Vec<_> = ack.headers.all(&HeaderName::Route).map(|route| route.text()).collect();
    assert_eq!(routes, ["<sip:192.0.2.9;lr>", "<sip:192.0.2.8;lr>"]);
    solo.run(|ua, now| ua.hangup(now, id));
    let bye = solo.next_request(&Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.2:5060");
    assert_eq!(bye.headers.count(&HeaderName::Route), 2);
}

/// RFC 3840 §9, RFC 4579 §5.4: `isfocus` in any spelling makes the Contact a conference's URI.
#[test]
fn isfocus_is_known_in_any_case() {
    for feature in ["isfocus", "ISFOCUS", "isFocus=\"TRUE\""] {
        let mut solo = Solo::new();
        call(&mut solo, "sip:conference@192.0.2.2");
        let invite = solo.next_request(&Method::Invite);
        let mut ok = accepted(&invite, "focus");
        let contact = format!("<sip:conf-a%41@192.0.2.2;q=1>;{feature}");
        ok.headers.set(HeaderName::Contact, contact);
        solo.receive(ok.to_bytes());
        match solo.event() {
            Event::Established { conference: Some(conference), .. } => {
                assert_eq!(conference.to_string(), "sip:conf-a%41@192.0.2.2;q=1");
            }
            other => panic!("{feature}: {other:?}"),
        }
    }
}

/// RFC 3261 §19.1.1, RFC 3263 §4: maddr is where it goes, whatever the host; then host and port.
#[test]
fn the_next_hop_is_maddr_or_host_and_port() {
    for (target, hop) in [
        ("sip:bob@192.0.2.2", "192.0.2.2:5060"),
        ("sip:bob@192.0.2.2:5099;transport=UDP", "192.0.2.2:5099"),
        ("sip:bob@example.com;maddr=192.0.2.55", "192.0.2.55:5060"),
        ("sip:bob@[2001:db8::2]:5061", "[2001:db8::2]:5061"),
    ] {
        let mut solo = Solo::new();
        call(&mut solo, target);
        assert!(solo.lookups.is_empty());
        assert_eq!(solo.sent[0].1, hop);
        assert_eq!(solo.next_request(&Method::Invite).uri.to_string(), target);
    }
    let mut solo = Solo::new();
    call(&mut solo, "sip:bob@192.0.2.2;maddr=mixer.example.com");
    assert_eq!(solo.lookups[0].1, "mixer.example.com");
}

#[test]
fn a_host_name_is_asked_for_and_its_absence_is_a_failure() {
    let mut solo = Solo::new();
    let first = call(&mut solo, "sip:bob@example.com");
    call(&mut solo, "sip:bob@example.com:5070");
    solo.sent_nothing();
    let lookups = std::mem::take(&mut solo.lookups);
    let asked: Vec<_> = lookups.iter().map(|(_, host, port)| (host.as_str(), *port)).collect();
    assert_eq!(asked, [("example.com", None), ("example.com", Some(5070))]);
    solo.run(|ua, now| ua.resolved(now, lookups[0].0, &[]));
    let why = CallFailure::Unresolved { host: "example.com".to_owned() };
    assert_eq!(solo.event(), Event::CallFailed { call: first, why });
    let address = crate::testing::addr("192.0.2.77:5070");
    solo.run(|ua, now| ua.resolved(now, lookups[1].0, &[udp_at(address)]));
    assert_eq!(solo.sent[0].1, "192.0.2.77:5070");
    let invite = solo.next_request(&Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:bob@example.com:5070");
    solo.run(|ua, now| ua.resolved(now, lookups[1].0, &[udp_at(address)]));
    solo.sent_nothing();
}

#[test]
fn hanging_up_while_the_address_is_asked_for_ends_the_call() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@example.com");
    solo.run(|ua, now| ua.hangup(now, id));
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });
    let (lookup, ..) = solo.lookups.remove(0);
    let address = crate::testing::addr("192.0.2.77:5070");
    solo.run(|ua, now| ua.resolved(now, lookup, &[udp_at(address)]));
    solo.sent_nothing();
    assert!(solo.ua.is_quiet());
}

#[test]
fn a_host_name_that_is_never_answered_ends_the_call() {
    let mut solo = Solo::new();
    let id = call(&mut solo, "sip:bob@example.com");
    solo.run_until_ms(180_000);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::NoAnswer });
    assert!(solo.ua.lookups.is_empty());
}

#[test]
fn what_cannot_be_called_is_refused_before_anything_is_sent() {
    let mut solo = Solo::new();
    for target in ["tel:+4930123", "sips:bob@192.0.2.2", "sip:bob@192.0.2.2;transport=sctp"] {
        let (target, options) = (uri(target), CallOptions::new(media(20_000)));
        let refused = solo.run(|ua, now| ua.call(now, &target, options));
        assert_eq!(refused, Err(CommandError::UnsupportedUri));
    }
    solo.sent_nothing();
    assert!(solo.ua.is_quiet());
}

/// A35 · RFC 3263 §4.1: the transport that the URI names.
#[test]
fn who_is_named_with_tcp_is_called_over_tcp() {
    let mut solo = Solo::new();
    call(&mut solo, "sip:bob@192.0.2.2;transport=TCP");
    let [(_, _, Message::Request(invite))] = solo.sent.as_slice() else { panic!("one request") };
    let via = invite.headers.get(&HeaderName::Via).expect("a Via").text().into_owned();
    assert!(via.starts_with("SIP/2.0/TCP "), "{via}");
    // RFC 3261 §8.1.1.8: and the peer is to come back the same way.
    let contact = invite.headers.get(&HeaderName::Contact).expect("a Contact").text().into_owned();
    assert_eq!(contact, "<sip:alice@192.0.2.1:5060;transport=tcp>");
}

/// RFC 3261 §8.1.1.8: also in what answers a call that came over TCP, and in all later requests of its dialog; not
/// over UDP.
#[test]
fn who_calls_over_tcp_is_told_to_come_back_by_tcp() {
    for (transport, contact) in [
        (Transport::Tcp, "<sip:alice@192.0.2.1:5060;transport=tcp>"),
        (Transport::Udp, "<sip:alice@192.0.2.1:5060>"),
    ] {
        let mut solo = Solo::new();
        let text = format!(
            "INVITE sip:alice@192.0.2.1 SIP/2.0\nVia: SIP/2.0/{} 192.0.2.2:5060;branch=z9hG4bK1\n\
             Max-Forwards: 70\nFrom: <sip:bob@192.0.2.2>;tag=b\nTo: <sip:alice@192.0.2.1>\n\
             Call-ID: c\nCSeq: 1 INVITE\nContact: <sip:bob@192.0.2.2>\n\
             Content-Type: application/sdp\nContent-Length: {}\n\n{SDP}",
            transport.via_token(),
            SDP.len()
        );
        let (head, body) = text.split_once("\n\n").expect("a body");
        let bytes = format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")).into_bytes();
        let path = sip::Source { transport, ..path(ALICE, BOB) };
        solo.run(|ua, now| ua.handle_packet(now, sip::Packet { path, bytes }));
        let Event::IncomingCall { call, .. } = solo.event() else { panic!("a call") };
        solo.run(|ua, now| ua.accept(now, call, media(20_000))).expect("accepted");
        let ok = solo.next_response(200);
        let said = |headers: &sip::Headers| {
            headers.get(&HeaderName::Contact).expect("a Contact").text().into_owned()
        };
        assert_eq!(said(&ok.headers), contact);
    }
}

#[test]
fn calls_are_bounded() {
    let mut solo = Solo::new();
    for _ in 0..CALLS_MAX {
        call(&mut solo, "sip:bob@192.0.2.2");
    }
    let options = CallOptions::new(media(20_000));
    let refused = solo.run(|ua, now| ua.call(now, &uri("sip:bob@192.0.2.2"), options));
    assert_eq!(refused, Err(CommandError::Full));
    assert_eq!(solo.sent.len(), CALLS_MAX);
}

/// A10 · RFC 3261 §17.1.1.2: a stray answer is nobody's.
#[test]
fn a_stray_200_is_not_acknowledged() {
    let mut solo = Solo::new();
    let (_, mut invite, _) = solo.established();
    invite.headers.set(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKmadeup");
    solo.answer_ok(&invite, "mallory");
    solo.sent_nothing();
    assert!(solo.take_events().is_empty());
}

/// RFC 3326 §2: why the peer hung up is told as it says it.
#[test]
fn the_reason_of_the_peers_bye_is_told() {
    let long = "x".repeat(300);
    for (fields, shown) in [
        ("Reason: SIP;cause=403;text=\"Wrong PIN\"\n", ": Wrong PIN"),
        ("Reason: Q.850;cause=16\nReason: SIP;cause=200;text=\"Elsewhere\"\n", ": Elsewhere"),
        ("Reason: Q.850;cause=16\n", ": Q.850 cause 16"),
        ("Reason: ;;\n", ""),
        (&format!("Reason: SIP;text=\"{long}\"\n"), &format!(": {}", &long[..200])),
    ] {
        let mut solo = Solo::new();
        let (id, invite, _) = solo.established();
        solo.receive_text(&Solo::in_dialog(&invite, "BYE", 5, &format!("{fields}\n")));
        solo.next_response(200);
        let Event::CallEnded { call, why } = solo.event() else { panic!("not ended") };
        assert_eq!((call, why.to_string()), (id, format!("the peer hung up{shown}")));
    }
}

/// RFC 3261 §15.1.2: the peer's BYE is answered, and the call over; a copy finds no dialog.
#[test]
fn the_peers_bye_ends_the_call() {
    let mut solo = Solo::new();
    let (id, invite, _) = solo.established();
    solo.receive_text(&Solo::in_dialog(&invite, "BYE", 5, "\n"));
    solo.next_response(200);
    let why = EndCause::Remote { reason: None };
    assert_eq!(why.to_string(), "the peer hung up");
    assert_eq!(solo.event(), Event::CallEnded { call: id, why });
    assert!(solo.ua.is_quiet());
    assert_eq!(solo.ua.dialogs.count(), 0);
    // A29 · RFC 3261 §12.2.2
    solo.receive_text(&Solo::in_dialog(&invite, "BYE", 6, "\n"));
    solo.next_response(481);
}

/// A29 · RFC 3261 §12.2.2: a lower number gets 500, a gap is fine, another tag 481.
#[test]
fn cseq_and_tags_are_checked_in_a_dialog() {
    let mut solo = Solo::new();
    let (_, invite, _) = solo.established();
    solo.receive_text(&Solo::in_dialog(&invite, "OPTIONS", 700, "\n"));
    solo.next_response(200);
    solo.receive_text(&Solo::in_dialog(&invite, "OPTIONS", 650, "\n"));
    solo.next_response(500);
    let forged = Solo::in_dialog(&invite, "BYE", 701, "\n").replace("tag=bob", "tag=eve");
    solo.receive_text(&forged);
    solo.next_response(481);
    assert!(solo.take_events().is_empty());
}

/// A BYE that crosses ours is answered like any other (RFC 3261 §15.1.2).
#[test]
fn byes_may_cross() {
    let mut solo = Solo::new();
    let (id, invite, _) = solo.established();
    solo.run(|ua, now| ua.hangup(now, id));
    let ours = solo.next_request(&Method::Bye);
    solo.take_events();
    solo.receive_text(&Solo::in_dialog(&invite, "BYE", 5, "\n"));
    solo.next_response(200);
    solo.answer(&ours, 481);
    assert!(solo.take_events().is_empty());
    assert!(solo.ua.is_quiet());
}

/// A25 · RFC 3261 §8.2.6.2: an answer copies what came, and adds nothing to a To that has a tag.
#[test]
fn options_in_a_dialog_says_what_we_can() {
    let mut solo = Solo::new();
    let (_, invite, _) = solo.established();
    solo.receive_text(&Solo::in_dialog(&invite, "OPTIONS", 2, "\n"));
    let Message::Response(ok) = solo.next() else { panic!("a response") };
    assert_eq!(ok.headers.to().expect("To").tag(), invite.headers.from_().expect("From").tag());
    assert!(ok.headers.get(&HeaderName::Allow).expect("Allow").text().contains("REFER"));
    assert_eq!(ok.headers.count(&HeaderName::Contact), 1);
}
