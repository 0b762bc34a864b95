//! Session timers at the terminal (RFC 4028).

use sip::session_timer::{SessionExpires, session_expires};
use sip::{HeaderName, Headers, Method, Request};

use crate::event::{CallFailure, EndCause, Event};
use crate::testing::{SDP, Solo, accepted, media, reply, uri};
use crate::{CallId, CallOptions};

fn says(headers: &Headers) -> Option<String> {
    session_expires(headers).expect("can be read").as_ref().map(SessionExpires::to_string)
}

fn called(solo: &mut Solo) -> (CallId, Request) {
    let options = CallOptions::new(media(20_000));
    let target = uri("sip:bob@192.0.2.2");
    let call = solo.run(|ua, now| ua.call(now, &target, options)).expect("called");
    (call, solo.next_request(&Method::Invite))
}

/// A call whose 200 has these header fields; the INVITE.
fn established(solo: &mut Solo, allow: &str, session: &str) -> (CallId, Request) {
    let (call, invite) = called(solo);
    let mut ok = accepted(&invite, "bob").with_header(HeaderName::Allow, allow);
    if !session.is_empty() {
        ok.headers.push(HeaderName::SessionExpires, session);
    }
    solo.receive(ok.to_bytes());
    solo.next_request(&Method::Ack);
    assert!(matches!(solo.event(), Event::Established { .. }));
    (call, invite)
}

/// H01, H02 · RFC 4028 §4, §7.1
#[test]
fn every_request_but_ack_says_timer_and_the_invite_asks_for_1800() {
    let mut solo = Solo::new();
    let (call, invite, ack) = solo.established();
    assert_eq!(says(&invite.headers).as_deref(), Some("1800"));
    assert!(ack.headers.get(&HeaderName::Supported).is_none());
    solo.run(|ua, now| ua.media_silent(now, call));
    solo.run(|ua, now| ua.hold(now, call, true)).expect("established");
    solo.run(|ua, now| ua.hangup(now, call));
    for method in [Method::Options, Method::Invite, Method::Bye] {
        let request = solo.next_request(&method);
        assert!(request.headers.supported().expect("read").contains(&"timer".to_owned()));
    }
}

/// H05 · RFC 4028 §7.2, §7.4
#[test]
fn what_we_refresh_is_refreshed_by_update_at_half() {
    let mut solo = Solo::new();
    let (_, _) = established(&mut solo, "INVITE, ACK, BYE, UPDATE", "600;refresher=uac");
    for round in 1..=3_u64 {
        solo.run_until_ms(round * 300_000);
        assert_eq!(solo.sent[0].0, round * 300_000);
        let update = solo.next_request(&Method::Update);
        assert!(update.body.is_empty());
        assert_eq!(says(&update.headers).as_deref(), Some("600;refresher=uac"));
        let ok = reply(&update, 200, "bob")
            .with_header(HeaderName::SessionExpires, "600;refresher=uac")
            .with_header(HeaderName::Require, "timer");
        solo.receive(ok.to_bytes());
    }
    assert_eq!(solo.take_events(), []);
}

/// H05 · RFC 4028 §7.4; F03 · RFC 3264 §8: with the description as it stands.
#[test]
fn a_peer_without_update_is_refreshed_by_a_reinvite_with_the_same_description() {
    for allow in ["INVITE, ACK, BYE", "INVITE, ACK, BYE, UPDATE"] {
        let mut solo = Solo::new();
        let (_, invite) = established(&mut solo, allow, "600;refresher=uac");
        solo.run_until_ms(300_000);
        if allow.contains("UPDATE") {
            // It says that it takes it, and does not.
            let update = solo.next_request(&Method::Update);
            solo.answer(&update, 405);
        }
        let reinvite = solo.next_request(&Method::Invite);
        assert_eq!(reinvite.body, invite.body);
        solo.answer_ok(&reinvite, "bob");
        solo.next_request(&Method::Ack);
        assert!(matches!(solo.event(), Event::MediaChanged { .. }));
        // The peer said nothing of a timer: it goes on being ours.
        solo.run_until_ms(600_000);
        solo.next_request(&Method::Invite);
    }
}

/// H06 · RFC 4028 §10: 32 s before the end, or a third.
#[test]
fn a_session_that_the_peer_does_not_refresh_ends_a_little_before_expiry() {
    for (seconds, at_ms) in [(1_800, 1_768_000), (90, 60_000)] {
        let mut solo = Solo::new();
        let session = format!("{seconds};refresher=uas");
        let (call, _) = established(&mut solo, "INVITE, ACK, BYE, UPDATE", &session);
        solo.run_until_ms(at_ms - 1);
        solo.sent_nothing();
        solo.run_until_ms(at_ms);
        solo.next_request(&Method::Bye);
        assert_eq!(solo.event(), Event::CallEnded { call, why: EndCause::Expired });
    }
}

/// H05, H06 · RFC 4028 §7.2: without Session-Expires in the 200 there is no timer.
#[test]
fn a_peer_that_knows_no_timers_gets_none() {
    let mut solo = Solo::new();
    let _ = established(&mut solo, "INVITE, ACK, BYE, UPDATE", "");
    solo.run_until_ms(100_000);
    assert_eq!(solo.ua.deadline(), None);
    solo.sent_nothing();
}

/// H03 · RFC 4028 §9, H06 · §10: the other way round, and a refresh of the peer's starts the time anew.
#[test]
fn a_caller_gets_the_timer_he_asks_for_and_his_refresh_counts() {
    let mut solo = Solo::new();
    let invite = |branch: &str, more: &str| {
        format!(
            "INVITE sip:alice@192.0.2.1 SIP/2.0\n\
             Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch}\n\
             Max-Forwards: 70\nFrom: <sip:bob@192.0.2.2>;tag=bob\nTo: <sip:alice@192.0.2.1>\n\
             Call-ID: c{branch}\nCSeq: 10 INVITE\nContact: <sip:bob@192.0.2.2:5060>\n\
             {more}Content-Type: application/sdp\n\n{}",
            SDP.replace("\r\n", "\n")
        )
    };
    solo.receive_text(&invite("1", "Supported: timer\nSession-Expires: 60\n"));
    let refused = solo.next_response(422);
    assert_eq!(refused.headers.get(&HeaderName::MinSe).expect("Min-SE").text(), "90");
    assert_eq!(solo.take_events(), []);
    let tag = refused.headers.to().expect("To").tag().expect("a tag").to_owned();
    solo.receive_text(&format!(
        "ACK sip:alice@192.0.2.1 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\n\
         Max-Forwards: 70\nFrom: <sip:bob@192.0.2.2>;tag=bob\n\
         To: <sip:alice@192.0.2.1>;tag={tag}\nCall-ID: c1\nCSeq: 10 ACK\n\n"
    ));
    solo.receive_text(&invite("2", "Supported: timer\nSession-Expires: 90\nMin-SE: 90\n"));
    let Event::IncomingCall { call, .. } = solo.event() else { panic!("a call") };
    solo.run(|ua, now| ua.accept(now, call, media(20_000))).expect("accepted");
    let ok = solo.next_response(200);
    assert_eq!(says(&ok.headers).as_deref(), Some("90;refresher=uac"));
    assert!(ok.headers.require().expect("read").contains(&"timer".to_owned()));
    let tag = ok.headers.to().expect("To").tag().expect("a tag").to_owned();
    let request = |method: &str, cseq: u32, more: &str| {
        format!(
            "{method} sip:alice@192.0.2.1:5060 SIP/2.0\n\
             Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{method}{cseq}\n\
             Max-Forwards: 70\nFrom: <sip:bob@192.0.2.2>;tag=bob\n\
             To: <sip:alice@192.0.2.1>;tag={tag}\nCall-ID: c2\nCSeq: {cseq} {method}\n\
             Contact: <sip:bob@192.0.2.2:5060>\n{more}\n"
        )
    };
    solo.receive_text(&request("ACK", 10, ""));
    solo.run_until_ms(45_000);
    let more = "Supported: timer\nSession-Expires: 90;refresher=uac\n";
    solo.receive_text(&request("UPDATE", 11, more));
    let ok = solo.next_response(200);
    assert_eq!(says(&ok.headers).as_deref(), Some("90;refresher=uac"));
    solo.run_until_ms(104_999);
    solo.sent_nothing();
    solo.run_until_ms(105_000);
    solo.next_request(&Method::Bye);
}

/// H04 · RFC 4028 §7.3: the same Call-ID, the highest Min-SE seen; bounded.
#[test]
fn an_invite_that_gets_422_is_sent_again_with_the_highest_min_se() {
    let mut solo = Solo::new();
    let (call, first) = called(&mut solo);
    let mut invite = first.clone();
    for (round, (asked, min_se, says_now)) in
        [("3600", "3600", "3600"), ("120", "3600", "3600"), ("7200", "7200", "7200")]
            .into_iter()
            .enumerate()
    {
        let refusal = reply(&invite, 422, "bob").with_header(HeaderName::MinSe, asked);
        solo.receive(refusal.to_bytes());
        solo.next_request(&Method::Ack);
        invite = solo.next_request(&Method::Invite);
        assert_eq!(invite.headers.call_id(), first.headers.call_id());
        let number = invite.headers.cseq().expect("CSeq").number;
        assert_eq!(number as usize, round + 2);
        assert_eq!(invite.headers.get(&HeaderName::MinSe).expect("Min-SE").text(), min_se);
        assert_eq!(says(&invite.headers).as_deref(), Some(says_now));
        assert_eq!(invite.body, first.body);
    }
    for last in [false, true] {
        let refusal = reply(&invite, 422, "bob").with_header(HeaderName::MinSe, "7200");
        solo.receive(refusal.to_bytes());
        solo.next_request(&Method::Ack);
        if last {
            solo.sent_nothing();
        } else {
            invite = solo.next_request(&Method::Invite);
        }
    }
    let Event::CallFailed { call: failed, why: CallFailure::Refused(refusal) } = solo.event()
    else {
        panic!("not refused")
    };
    assert_eq!((failed, refusal.status.code()), (call, 422));
}
