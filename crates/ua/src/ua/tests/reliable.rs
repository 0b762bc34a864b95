//! Reliable provisional responses, and INVITEs without an offer.

use sip::{HeaderName, Method, Request, Response};

use crate::event::{CallFailure, Event};
use crate::testing::{SDP, Solo, accepted, media, reply, uri};
use crate::{CallId, CallOptions};

fn called(solo: &mut Solo, offers: bool) -> (CallId, Request) {
    let options = CallOptions { offers, ..CallOptions::new(media(20_000)) };
    let target = uri("sip:bob@192.0.2.2");
    let call = solo.run(|ua, now| ua.call(now, &target, options)).expect("called");
    (call, solo.next_request(&Method::Invite))
}

fn progress(invite: &Request, rseq: u32, body: &str) -> Response {
    let response = reply(invite, 183, "bob")
        .with_header(HeaderName::Contact, "<sip:bob@192.0.2.2:5060>")
        .with_header(HeaderName::Require, "100rel")
        .with_header(HeaderName::RSeq, rseq);
    if body.is_empty() { response } else { response.with_body("application/sdp", body) }
}

fn cseq(request: &Request) -> u32 {
    request.headers.cseq().expect("CSeq").number
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).expect("text")
}

/// H10 · RFC 3262 §4: 7, 9, 8, 8, and the dialog's numbers go on with those of the PRACKs.
#[test]
fn reliable_responses_are_acknowledged_in_order_and_gaps_and_copies_dropped() {
    let mut solo = Solo::new();
    let (call, invite) = called(&mut solo, true);
    assert!(invite.headers.supported().expect("read").contains(&"100rel".to_owned()));
    for (rseq, taken) in [(7, true), (9, false), (8, true), (8, false)] {
        solo.receive(progress(&invite, rseq, "").to_bytes());
        if taken {
            let prack = solo.next_request(&Method::Prack);
            let rack = prack.headers.get(&HeaderName::RAck).expect("RAck").text().into_owned();
            assert_eq!(rack, format!("{rseq} {} INVITE", cseq(&invite)));
            assert_eq!(prack.headers.to().expect("To").tag(), Some("bob"));
            assert!(matches!(solo.event(), Event::Ringing { .. }));
            solo.answer(&prack, 200);
        }
        solo.sent_nothing();
        assert_eq!(solo.take_events(), []);
    }
    solo.answer_ok(&invite, "bob");
    let ack = solo.next_request(&Method::Ack);
    assert_eq!(cseq(&ack), cseq(&invite));
    assert!(matches!(solo.event(), Event::Established { .. }));
    solo.run(|ua, now| ua.hangup(now, call));
    let bye = solo.next_request(&Method::Bye);
    assert_eq!(cseq(&bye), cseq(&invite) + 3, "after two PRACKs");
    solo.answer(&bye, 200);
    solo.run_until_ms(64_000);
    assert_eq!(solo.ua.dialog_count(), 0, "nothing is left");
}

/// H10 · RFC 3262 §4: what makes no dialog cannot be acknowledged, and 100 never is.
#[test]
fn what_cannot_be_acknowledged_is_not_taken() {
    let mut solo = Solo::new();
    let (_, invite) = called(&mut solo, true);
    let mut without = progress(&invite, 1, "");
    without.headers.remove(&HeaderName::Contact);
    solo.receive(without.to_bytes());
    let mut trying = progress(&invite, 1, "");
    trying.status = sip::StatusCode::TRYING;
    solo.receive(trying.to_bytes());
    solo.sent_nothing();
    assert_eq!(solo.take_events(), []);
    // An early dialog of a call that fails goes with it.
    solo.receive(progress(&invite, 1, "").to_bytes());
    let prack = solo.next_request(&Method::Prack);
    solo.answer(&prack, 481);
    solo.answer(&invite, 486);
    solo.next_request(&Method::Ack);
    solo.run_until_ms(64_000);
    assert_eq!(solo.ua.dialog_count(), 0);
}

/// H10 · RFC 3262 §5; RFC 3261 §13.2.1: an answer in a reliable response is the answer, with or without
/// another in the 200.
#[test]
fn an_answer_in_a_reliable_response_counts() {
    let mut solo = Solo::new();
    let (_, invite) = called(&mut solo, true);
    solo.receive(progress(&invite, 1, SDP).to_bytes());
    let prack = solo.next_request(&Method::Prack);
    assert!(prack.body.is_empty());
    solo.answer(&prack, 200);
    solo.take_events();
    // A30 · RFC 3311 §5.2: changed before the call is up.
    let moved = SDP.replace("30000", "30010").replace("\r\n", "\n");
    let offer = format!("Content-Type: application/sdp\n\n{moved}");
    solo.receive_text(&Solo::in_dialog(&invite, "UPDATE", 5, &offer));
    assert!(text(&solo.next_response(200).body).contains("m=audio 20000"));
    assert_eq!(solo.take_events(), []);
    let mut ok = accepted(&invite, "bob");
    ok.set_body("application/sdp", "");
    ok.headers.remove(&HeaderName::ContentType);
    solo.receive(ok.to_bytes());
    solo.next_request(&Method::Ack);
    let Event::Established { media, .. } = solo.event() else { panic!("not up") };
    assert_eq!(media.remote.map(|remote| remote.port()), Some(30_010));
}

/// F05 · RFC 3311 §5.2: not while our offer is open.
#[test]
fn an_early_update_waits_for_the_answer_to_our_offer() {
    let mut solo = Solo::new();
    let (_, invite) = called(&mut solo, true);
    solo.receive(progress(&invite, 1, "").to_bytes());
    let prack = solo.next_request(&Method::Prack);
    solo.answer(&prack, 200);
    let offer = format!("Content-Type: application/sdp\n\n{}", SDP.replace("\r\n", "\n"));
    solo.receive_text(&Solo::in_dialog(&invite, "UPDATE", 5, &offer));
    solo.next_response(491);
    solo.receive_text(&Solo::in_dialog(&invite, "UPDATE", 6, "\n"));
    solo.next_response(200);
}

/// F06 · RFC 3261 §13.2.1: the offer in the 200, the answer in the ACK.
#[test]
fn without_an_offer_of_ours_the_ack_answers_that_of_the_200() {
    let mut solo = Solo::new();
    let (_, invite) = called(&mut solo, false);
    assert!(invite.body.is_empty());
    assert!(invite.headers.get(&HeaderName::ContentType).is_none());
    solo.answer_ok(&invite, "bob");
    let ack = solo.next_request(&Method::Ack);
    assert!(text(&ack.body).contains("m=audio 20000 RTP/AVP 0"));
    assert!(matches!(solo.event(), Event::Established { .. }));
    // Copies get the same.
    solo.answer_ok(&invite, "bob");
    assert_eq!(solo.next_request(&Method::Ack).body, ack.body);
}

/// F06 · RFC 3262 §5: the offer in the first reliable response, the answer in the PRACK.
#[test]
fn without_an_offer_of_ours_the_prack_answers_that_of_a_reliable_response() {
    let mut solo = Solo::new();
    let (_, invite) = called(&mut solo, false);
    solo.receive(progress(&invite, 1, SDP).to_bytes());
    let prack = solo.next_request(&Method::Prack);
    assert!(text(&prack.body).contains("m=audio 20000 RTP/AVP 0"));
    solo.answer(&prack, 200);
    solo.take_events();
    solo.answer_ok(&invite, "bob");
    assert!(solo.next_request(&Method::Ack).body.is_empty(), "answered already");
    assert!(matches!(solo.event(), Event::Established { .. }));
}

/// F06: an offer of no use ends the call, wherever it comes.
#[test]
fn an_offer_of_no_use_ends_the_call() {
    let useless = SDP.replace("RTP/AVP 0", "RTP/AVP 99");
    let mut solo = Solo::new();
    let (call, invite) = called(&mut solo, false);
    solo.receive(
        accepted(&invite, "bob").with_body("application/sdp", useless.as_str()).to_bytes(),
    );
    solo.next_request(&Method::Ack);
    solo.next_request(&Method::Bye);
    assert_eq!(solo.event(), Event::CallFailed { call, why: CallFailure::BadDescription });

    let mut solo = Solo::new();
    let (call, invite) = called(&mut solo, false);
    solo.receive(progress(&invite, 1, &useless).to_bytes());
    let prack = solo.next_request(&Method::Prack);
    assert!(prack.body.is_empty());
    let cancel = solo.next_request(&Method::Cancel);
    solo.answer(&cancel, 200);
    solo.take_events();
    solo.answer(&invite, 487);
    assert_eq!(solo.event(), Event::CallFailed { call, why: CallFailure::BadDescription });
}

/// Bob's INVITE that wants reliable responses.
fn invite(more: &str, body: &str) -> String {
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    format!(
        "INVITE sip:alice@192.0.2.1 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\n\
         Max-Forwards: 70\nFrom: <sip:bob@192.0.2.2>;tag=bob\nTo: <sip:alice@192.0.2.1>\n\
         Call-ID: c1\nCSeq: 10 INVITE\nContact: <sip:bob@192.0.2.2:5060>\n{more}{content}\n{}",
        body.replace("\r\n", "\n")
    )
}

fn prack(tag: &str, cseq: u32, rack: &str) -> String {
    format!(
        "PRACK sip:alice@192.0.2.1:5060 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKprack{cseq}\n\
         Max-Forwards: 70\nFrom: <sip:bob@192.0.2.2>;tag=bob\n\
         To: <sip:alice@192.0.2.1>;tag={tag}\nCall-ID: c1\nCSeq: {cseq} PRACK\nRAck: {rack}\n\n"
    )
}

fn rung(solo: &mut Solo, more: &str, body: &str) -> CallId {
    solo.receive_text(&invite(more, body));
    let Event::IncomingCall { call, .. } = solo.event() else { panic!("no call") };
    solo.run(|ua, now| ua.ring(now, call)).expect("rings");
    call
}

/// The To tag and the RSeq of our 180.
fn ringing(solo: &mut Solo) -> (String, u32) {
    let ringing = solo.next_response(180);
    assert!(ringing.headers.require().expect("read").contains(&"100rel".to_owned()));
    let rseq = ringing.headers.get(&HeaderName::RSeq).expect("RSeq").text().parse();
    let tag = ringing.headers.to().expect("To").tag().expect("tag").to_owned();
    (tag, rseq.expect("a number"))
}

/// H07, H08 · RFC 3262 §3
#[test]
fn a_caller_who_requires_100rel_gets_a_180_that_is_sent_again_until_its_prack() {
    let mut solo = Solo::new();
    let call = rung(&mut solo, "Require: 100rel\n", SDP);
    let (tag, rseq) = ringing(&mut solo);
    solo.run(|ua, now| ua.ring(now, call)).expect("rings already");
    solo.sent_nothing();
    solo.run_until_ms(1_600);
    assert_eq!(ringing(&mut solo), (tag.clone(), rseq));
    assert_eq!(ringing(&mut solo), (tag.clone(), rseq));
    for (cseq, rack) in [(11, format!("{} 10 INVITE", rseq + 1)), (12, format!("{rseq} 9 INVITE"))]
    {
        solo.receive_text(&prack(&tag, cseq, &rack));
        solo.next_response(481);
    }
    solo.receive_text(&prack(&tag, 13, &format!("{rseq} 10 INVITE")));
    solo.next_response(200);
    solo.receive_text(&prack(&tag, 14, &format!("{rseq} 10 INVITE")));
    solo.next_response(481);
    solo.run_until_ms(100_000);
    solo.sent_nothing();
    solo.run(|ua, now| ua.accept(now, call, media(20_000))).expect("accepted");
    solo.next_response(200);
}

/// H08 · RFC 3262 §3
#[test]
fn a_180_without_prack_ends_the_call_with_504() {
    let mut solo = Solo::new();
    let call = rung(&mut solo, "Require: 100rel\n", SDP);
    solo.run_until_ms(31_999);
    solo.sent.clear();
    solo.run_until_ms(32_000);
    solo.next_response(504);
    let why = CallFailure::Rejected(sip::StatusCode::SERVER_TIMEOUT);
    assert_eq!(solo.event(), Event::CallFailed { call, why });
}

/// H08, H09 · RFC 3262 §3: our 180 carries no description, so a 200 need not wait; the PRACK that comes
/// later is answered.
#[test]
fn the_200_does_not_wait_for_the_prack_of_a_plain_180() {
    let mut solo = Solo::new();
    let call = rung(&mut solo, "Require: 100rel\n", SDP);
    let (tag, rseq) = ringing(&mut solo);
    solo.run(|ua, now| ua.accept(now, call, media(20_000))).expect("accepted");
    solo.next_response(200);
    solo.receive_text(&prack(&tag, 11, &format!("{rseq} 10 INVITE")));
    solo.next_response(200);
    solo.run_until_ms(400);
    solo.sent_nothing();
}

/// H07 · RFC 3262 §3, §5: the other combinations.
#[test]
fn a_180_is_plain_where_nobody_requires_more_and_missing_where_it_needs_an_offer() {
    for more in ["", "Supported: 100rel\n"] {
        let mut solo = Solo::new();
        rung(&mut solo, more, SDP);
        assert!(solo.next_response(180).headers.get(&HeaderName::RSeq).is_none());
    }
    let mut solo = Solo::new();
    let call = rung(&mut solo, "Require: 100rel\n", "");
    solo.sent_nothing();
    solo.run(|ua, now| ua.accept(now, call, media(20_000))).expect("accepted");
    assert!(text(&solo.next_response(200).body).contains("m=audio"));
}
