use sip::{HeaderName, Method, StatusCode};

use crate::CALLS_MAX;
use crate::event::{CallFailure, CallId, CommandError, EndCause, Event};
use crate::testing::{SDP, Solo, media};

/// Bob's INVITE, with or without a description.
fn invite(branch: &str, call_id: &str, body: &str) -> String {
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    format!(
        "INVITE sip:alice@192.0.2.1 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch}\n\
         Record-Route: <sip:192.0.2.8;lr>\nRecord-Route: <sip:192.0.2.2;lr>\n\
         Max-Forwards: 70\nFrom: Bob <sip:bob@example.com>;tag=bob\n\
         To: <sip:alice@192.0.2.1>\nCall-ID: {call_id}\nCSeq: 10 INVITE\n\
         Contact: <sip:bob@192.0.2.2:5060>\n{content}\n{body}"
    )
    .replace("\r\n", "\n")
}

fn in_dialog(method: &str, cseq: u32, to_tag: &str, rest: &str) -> String {
    format!(
        "{method} sip:alice@192.0.2.1:5060 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{method}{cseq}\n\
         Max-Forwards: 70\nFrom: Bob <sip:bob@example.com>;tag=bob\n\
         To: <sip:alice@192.0.2.1>;tag={to_tag}\nCall-ID: c1\nCSeq: {cseq} {method}\n\
         Contact: <sip:bob@192.0.2.2:5060>\n{rest}"
    )
    .replace("\r\n", "\n")
}

fn rung(solo: &mut Solo, body: &str) -> CallId {
    solo.receive_text(&invite("1", "c1", body));
    solo.sent_nothing();
    match solo.event() {
        Event::IncomingCall { call, from, source, replaces: None } => {
            assert_eq!(from.display.as_deref(), Some("Bob"));
            assert_eq!(source.to_string(), "192.0.2.2:5060");
            call
        }
        other => panic!("{other:?}"),
    }
}

/// Accepts; the tag and the 200.
fn accept(solo: &mut Solo, call: CallId) -> (String, sip::Response) {
    solo.run(|ua, now| ua.accept(now, call, media(20_000))).expect("accepted");
    let ok = solo.next_response(200);
    (ok.headers.to().expect("To").tag().expect("tag").to_owned(), ok)
}

/// A25, A27 · RFC 3261 §8.2.6.2, §12.1.1: 180 and 200 with one tag, Record-Route copied in order,
/// one Contact, an answer in the 200.
#[test]
fn a_call_rings_and_is_answered() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    solo.run(|ua, now| ua.ring(now, id)).expect("rings");
    let ringing = solo.next_response(180);
    let (tag, ok) = accept(&mut solo, id);
    assert_eq!(ringing.headers.to().expect("To").tag(), Some(tag.as_str()));
    for response in [&ringing, &ok] {
        let routes: Vec<_> =
            response.headers.all(&HeaderName::RecordRoute).map(|route| route.text()).collect();
        assert_eq!(routes, ["<sip:192.0.2.8;lr>", "<sip:192.0.2.2;lr>"]);
        assert_eq!(response.headers.count(&HeaderName::Contact), 1);
        assert_eq!(response.headers.call_id(), Ok("c1"));
    }
    assert!(String::from_utf8(ok.body).expect("text").contains("m=audio 20000 RTP/AVP 0"));
    assert!(matches!(solo.event(), Event::Established { call, .. } if call == id));
    solo.receive_text(&in_dialog("ACK", 10, &tag, "\n"));
    solo.run_until_ms(40_000);
    solo.sent_nothing();
    // A28: our BYE goes by the route set, in the order in which it came.
    solo.run(|ua, now| ua.hangup(now, id));
    assert_eq!(solo.sent[0].1, "192.0.2.8:5060");
    let bye = solo.next_request(&Method::Bye);
    let routes: Vec<_> = bye.headers.all(&HeaderName::Route).map(|route| route.text()).collect();
    assert_eq!(routes, ["<sip:192.0.2.8;lr>", "<sip:192.0.2.2;lr>"]);
}

/// RFC 3261 §13.3.1.4 (A15): the 200 again and again until the ACK.
#[test]
fn the_200_is_sent_again_until_it_is_acknowledged() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    let (tag, _) = accept(&mut solo, id);
    solo.run_until_ms(4_000);
    let times: Vec<u64> = solo.sent.iter().map(|(at, ..)| *at).collect();
    assert_eq!(times, [500, 1_500, 3_500]);
    solo.sent.clear();
    solo.receive_text(&in_dialog("ACK", 9, &tag, "\n"));
    solo.run_until_ms(8_000);
    assert_eq!(solo.sent.len(), 1, "an ACK with another number acknowledges something else");
    solo.sent.clear();
    solo.receive_text(&in_dialog("ACK", 10, &tag, "\n"));
    solo.run_until_ms(60_000);
    solo.sent_nothing();
}

/// RFC 3261 §13.3.1.4 (A15): no ACK in 64*T1: BYE.
#[test]
fn a_200_that_is_never_acknowledged_ends_in_bye() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    accept(&mut solo, id);
    solo.take_events();
    solo.run_until_ms(31_999);
    assert!(solo.events.is_empty());
    solo.sent.clear();
    solo.run_until_ms(32_000);
    solo.next_request(&Method::Bye);
    assert_eq!(solo.event(), Event::CallEnded { call: id, why: EndCause::NoAck });
}

/// RFC 3261 §15: who answered says no BYE before the ACK.
#[test]
fn our_bye_waits_for_the_ack() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    let (tag, _) = accept(&mut solo, id);
    solo.take_events();
    solo.run(|ua, now| ua.hangup(now, id));
    solo.sent_nothing();
    assert!(solo.take_events().is_empty());
    solo.receive_text(&in_dialog("ACK", 10, &tag, "\n"));
    solo.next_request(&Method::Bye);
    assert_eq!(solo.event(), Event::CallEnded { call: id, why: EndCause::Local });
}

/// RFC 3261 §13.2.1: an INVITE without an offer gets ours in the 200; the ACK brings the answer.
#[test]
fn an_invite_without_an_offer_is_up_with_the_ack() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, "");
    let (tag, ok) = accept(&mut solo, id);
    assert!(String::from_utf8(ok.body).expect("text").contains("m=audio 20000 RTP/AVP 0 8"));
    assert!(solo.take_events().is_empty(), "nothing is agreed yet");
    let content = format!("Content-Type: application/sdp\n\n{SDP}");
    solo.receive_text(&in_dialog("ACK", 10, &tag, &content));
    assert!(matches!(solo.event(), Event::Established { call, .. } if call == id));
}

#[test]
fn an_ack_without_the_answer_ends_the_call() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, "");
    let (tag, _) = accept(&mut solo, id);
    solo.receive_text(&in_dialog("ACK", 10, &tag, "\n"));
    solo.next_request(&Method::Bye);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::BadDescription });
}

/// A26 · RFC 3261 §9.2: 200 to the CANCEL, 487 to the INVITE; after the final answer no effect.
#[test]
fn the_caller_may_cancel() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    let cancel = invite("1", "c1", "").replace("INVITE", "CANCEL");
    solo.receive_text(&cancel);
    solo.next_response(200);
    solo.next_response(487);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });
    assert_eq!(solo.ua.dialogs.count(), 0);

    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    accept(&mut solo, id);
    solo.take_events();
    solo.receive_text(&cancel);
    solo.next_response(200);
    solo.sent_nothing();
    assert!(solo.take_events().is_empty());
}

/// RFC 3261 §15.1.2: a BYE may end an early dialog; the INVITE then gets its 487.
#[test]
fn a_bye_before_the_answer_ends_the_call() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    solo.run(|ua, now| ua.ring(now, id)).expect("rings");
    let tag = solo.next_response(180).headers.to().expect("To").tag().expect("tag").to_owned();
    solo.receive_text(&in_dialog("BYE", 11, &tag, "\n"));
    solo.next_response(200);
    solo.next_response(487);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why: CallFailure::Cancelled });
}

#[test]
fn a_call_nobody_decides_on_is_refused_after_180_s() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    solo.run_until_ms(179_999);
    assert!(solo.events.is_empty());
    solo.run_until_ms(180_000);
    let why = CallFailure::Rejected(StatusCode::TEMPORARILY_UNAVAILABLE);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why });
}

#[test]
fn a_refusal_is_sent_and_told() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, SDP);
    solo.run(|ua, now| ua.reject(now, id, StatusCode::BUSY_HERE)).expect("rejected");
    let busy = solo.next_response(486);
    assert!(busy.headers.to().expect("To").tag().is_some());
    let why = CallFailure::Rejected(StatusCode::BUSY_HERE);
    assert_eq!(solo.event(), Event::CallFailed { call: id, why });
    let again = solo.run(|ua, now| ua.accept(now, id, media(1)));
    assert_eq!(again, Err(CommandError::WrongState));
}

#[test]
fn no_common_codec_is_488() {
    let mut solo = Solo::new();
    let id = rung(&mut solo, &SDP.replace("RTP/AVP 0", "RTP/AVP 18"));
    let refused = solo.run(|ua, now| ua.accept(now, id, media(20_000)));
    assert_eq!(refused, Err(CommandError::NoCommonCodec));
    solo.next_response(488);
    assert!(matches!(solo.event(), Event::CallFailed { .. }));
    assert!(solo.ua.is_quiet());
}

/// RFC 3261 §14.2: a re-INVITE is answered with the same media; a target refresh moves the BYE.
#[test]
fn a_reinvite_is_answered_with_the_same_media() {
    let mut solo = Solo::new();
    let (id, first, _) = solo.established();
    let held = SDP.replace("m=audio 30000", "a=sendonly\r\nm=audio 30002");
    let content = format!("Content-Type: application/sdp\n\n{held}").replace("\r\n", "\n");
    let reinvite = Solo::in_dialog(&first, "INVITE", 20, &content)
        .replace("Contact: <sip:bob@192.0.2.2:5060>", "Contact: <sip:bob@192.0.2.2:5088>");
    solo.receive_text(&reinvite);
    let ok = solo.next_response(200);
    let answer = String::from_utf8(ok.body).expect("text");
    assert!(answer.contains("m=audio 20000") && answer.contains("a=recvonly"), "{answer}");
    match solo.event() {
        Event::MediaChanged { call, media } => {
            assert_eq!(call, id);
            assert_eq!(media.remote.expect("remote").port(), 30_002);
            assert!(!media.direction.sends());
        }
        other => panic!("{other:?}"),
    }
    solo.run_until_ms(600);
    assert_eq!(solo.sent.len(), 1, "the 200 again, as there was no ACK");
    solo.sent.clear();
    solo.receive_text(&Solo::in_dialog(&first, "ACK", 20, "\n"));
    solo.run(|ua, now| ua.hangup(now, id));
    assert_eq!(solo.sent[0].1, "192.0.2.2:5088");
    solo.next_request(&Method::Bye);
}

/// RFC 3264 §8: the version in `o=` goes up by one with each change, and stays without.
#[test]
fn the_version_of_our_description_counts_its_changes() {
    let mut solo = Solo::new();
    let (_, first, _) = solo.established();
    let origin = |body: &[u8]| {
        let text = String::from_utf8(body.to_vec()).expect("text");
        text.lines().find(|line| line.starts_with("o=")).expect("o=").to_owned()
    };
    assert!(origin(&first.body).contains(" 1 0 IN IP4"), "{}", origin(&first.body));
    let held = SDP.replace("m=audio", "a=sendonly\r\nm=audio");
    // The answer names one codec, the offer named two: a change. Then none, then the hold.
    for (cseq, description, version) in [(20, SDP, 1), (21, SDP, 1), (22, held.as_str(), 2)] {
        let content = format!("Content-Type: application/sdp\n\n{description}");
        let reinvite = Solo::in_dialog(&first, "INVITE", cseq, &content).replace("\r\n", "\n");
        solo.receive_text(&reinvite);
        let answer = origin(&solo.next_response(200).body);
        assert!(answer.contains(&format!(" 1 {version} IN IP4")), "{cseq}: {answer}");
        solo.receive_text(&Solo::in_dialog(&first, "ACK", cseq, "\n"));
    }
}

/// A32, T10 · RFC 3261 §14.2: a re-INVITE that cannot be granted leaves the call as it was.
#[test]
fn a_reinvite_without_a_common_codec_leaves_the_call() {
    let mut solo = Solo::new();
    let (id, first, _) = solo.established();
    let body = SDP.replace("RTP/AVP 0", "RTP/AVP 18").replace("\r\n", "\n");
    let content = format!("Content-Type: application/sdp\n\n{body}");
    solo.receive_text(&Solo::in_dialog(&first, "INVITE", 20, &content));
    solo.next_response(488);
    assert!(solo.take_events().is_empty());
    solo.run(|ua, now| ua.hangup(now, id));
    assert_eq!(solo.event(), Event::CallEnded { call: id, why: EndCause::Local });
}

/// RFC 3261 §14.2: a re-INVITE without an offer gets our description; the ACK's answer counts.
#[test]
fn a_reinvite_without_an_offer_is_answered_by_the_ack() {
    let mut solo = Solo::new();
    let (id, first, _) = solo.established();
    solo.receive_text(&Solo::in_dialog(&first, "INVITE", 20, "\n"));
    let ok = solo.next_response(200);
    assert!(String::from_utf8(ok.body).expect("text").contains("m=audio 20000"));
    assert!(solo.take_events().is_empty());
    // An offer of ours is open: 491.
    solo.receive_text(&Solo::in_dialog(&first, "INVITE", 21, "\n"));
    solo.next_response(491);
    let moved = SDP.replace("30000", "30004").replace("\r\n", "\n");
    let content = format!("Content-Type: application/sdp\n\n{moved}");
    solo.receive_text(&Solo::in_dialog(&first, "ACK", 20, &content));
    match solo.event() {
        Event::MediaChanged { call, media } => {
            assert_eq!((call, media.remote.expect("remote").port()), (id, 30_004));
        }
        other => panic!("{other:?}"),
    }
}

/// A22 · RFC 3261 §8.2.2.2.
#[test]
fn the_same_invite_by_two_ways_is_one_call() {
    let mut solo = Solo::new();
    rung(&mut solo, SDP);
    solo.receive_text(&invite("2", "c1", SDP));
    solo.next_response(482);
    assert!(solo.take_events().is_empty());
}

/// RFC 3261 §8.2: the checks that every server makes.
#[test]
fn what_we_do_not_serve_is_refused() {
    let plain = invite("1", "c1", SDP);
    let among = |others: &str, description: &str| {
        let body = format!(
            "--b\r\nContent-Type: application/pidf+xml\r\n{others}\r\n<x/>\r\n--b\r\n\
             Content-Type: application/sdp\r\n\r\n{description}\r\n--b--"
        );
        invite("1", "c1", &body).replacen("application/sdp\n", "multipart/mixed;boundary=b\n", 1)
    };
    let optional = "Content-Disposition: render;handling=optional\r\n";
    let mut solo = Solo::new();
    solo.receive_text(&among(optional, SDP));
    assert!(!solo.take_events().is_empty(), "RFC 5621 §4.2");
    let cases = [
        (among("", SDP), 415),
        (among(optional, "nonsense"), 400),
        (plain.replace("INVITE", "FROBNICATE"), 501),
        (plain.replace("INVITE", "REGISTER"), 405),
        (plain.replace("sip:alice@192.0.2.1 SIP", "unknown:alice SIP"), 416),
        (plain.replace("Max-Forwards: 70", "Max-Forwards: 70\nRequire: foo"), 420),
        (plain.replace("application/sdp", "text/plain"), 415),
        (plain.replace("Contact: <sip:bob@192.0.2.2:5060>\n", ""), 400),
        (plain.replace("m=audio", "nonsense"), 400),
        (invite("1", "c1", "").replace("INVITE", "NOTIFY"), 481),
        (invite("1", "c1", "").replace("INVITE", "BYE"), 481),
    ];
    for (request, code) in cases {
        let mut solo = Solo::new();
        solo.receive_text(&request);
        solo.next_response(code);
        assert!(solo.take_events().is_empty(), "{code}");
        assert!(solo.ua.is_quiet());
    }
}

#[test]
fn options_outside_a_dialog_is_answered() {
    let mut solo = Solo::new();
    solo.receive_text(&invite("1", "c1", "").replace("INVITE", "OPTIONS"));
    let ok = solo.next_response(200);
    assert!(ok.headers.get(&HeaderName::Accept).expect("Accept").text().contains("sdp"));
    assert!(ok.headers.to().expect("To").tag().is_some());
    assert!(solo.ua.is_quiet());
}

#[test]
fn calls_to_us_are_bounded() {
    let mut solo = Solo::new();
    for number in 0..CALLS_MAX {
        solo.receive_text(&invite(&format!("x{number}"), &format!("x{number}"), SDP));
    }
    assert_eq!(solo.take_events().len(), CALLS_MAX);
    solo.receive_text(&invite("last", "last", SDP));
    solo.next_response(486);
    assert!(solo.take_events().is_empty());
}
