//! Hold, resume, UPDATE and the question whether somebody is still there.

use sip::{HeaderName, Method, Request};

use crate::CallId;
use crate::event::{CommandError, EndCause, Event};
use crate::testing::{SDP, Solo, accepted, reply};

fn hold(solo: &mut Solo, call: CallId, hold: bool) {
    solo.run(|ua, now| ua.hold(now, call, hold)).expect("an established call");
}

/// Bob's 200 to a re-INVITE with this direction, and our ACK.
fn agree(solo: &mut Solo, reinvite: &Request, direction: &str) {
    let sdp = format!("{SDP}a={direction}\r\n");
    let ok = accepted(reinvite, "bob").with_body("application/sdp", sdp);
    solo.receive(ok.to_bytes());
    let ack = solo.next_request(&Method::Ack);
    let number = |request: &Request| request.headers.cseq().expect("CSeq").number;
    assert_eq!(number(&ack), number(reinvite));
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.clone()).expect("text")
}

fn line(request: &Request, begin: &str) -> String {
    let body = body(request);
    let line = body.lines().find(|line| line.starts_with(begin));
    line.unwrap_or_else(|| panic!("no {begin} in {body}")).to_owned()
}

fn hold_ended(event: &Event) -> Option<(bool, Option<u16>)> {
    match event {
        Event::HoldEnded { on_hold, refused, .. } => {
            Some((*on_hold, refused.as_ref().map(|refused| refused.status.code())))
        }
        _ => None,
    }
}

/// The direction that was told, then how the hold ended.
fn told(solo: &mut Solo) -> (sdp::Direction, bool) {
    let events = solo.take_events();
    let Event::MediaChanged { media, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(events.len(), 2, "{events:?}");
    let (on_hold, refused) = hold_ended(&events[1]).expect("the end of a hold");
    assert_eq!(refused, None);
    (media.direction, on_hold)
}

/// F03, F04 · RFC 3264 §8, §8.4; A30 · RFC 3261 §12.2.1.2
#[test]
fn hold_offers_sendonly_and_resume_sendrecv_with_one_version_more_each() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let origin = line(&invite, "o=");
    hold(&mut solo, call, true);
    let first = solo.next_request(&Method::Invite);
    assert_eq!(line(&first, "a=send"), "a=sendonly");
    assert_eq!(line(&first, "o="), origin.replace(" 0 IN", " 1 IN"));
    assert_eq!(line(&first, "m="), line(&invite, "m="));
    assert!(first.headers.contact().expect("Contact").is_some());
    agree(&mut solo, &first, "recvonly");
    assert_eq!(told(&mut solo), (sdp::Direction::SendOnly, true));
    // A copy of the 200 gets its ACK again, and nothing else happens.
    solo.receive(accepted(&first, "bob").to_bytes());
    solo.next_request(&Method::Ack);
    assert_eq!(solo.take_events(), []);

    hold(&mut solo, call, false);
    let second = solo.next_request(&Method::Invite);
    assert_eq!(line(&second, "a=send"), "a=sendrecv");
    assert_eq!(line(&second, "o="), origin.replace(" 0 IN", " 2 IN"));
    let moved = accepted(&second, "bob");
    let mut moved = moved.with_body("application/sdp", SDP);
    moved.headers.set(HeaderName::Contact, "<sip:bob@192.0.2.2:5099>");
    solo.receive(moved.to_bytes());
    solo.next_request(&Method::Ack);
    assert_eq!(told(&mut solo), (sdp::Direction::SendRecv, false));
    solo.run(|ua, now| ua.hangup(now, call));
    assert_eq!(solo.sent[0].1, "192.0.2.2:5099", "the new target");
}

/// F04 · RFC 3264 §8.4: whoever is held himself offers inactive; and the peer's hold is answered without a
/// hold of ours.
#[test]
fn the_peers_hold_is_answered_and_both_may_hold() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let offer = format!("Content-Type: application/sdp\n\n{SDP}a=sendonly\r\n");
    solo.receive_text(&Solo::in_dialog(&invite, "INVITE", 5, &offer).replace('\r', ""));
    let ok = solo.next_response(200);
    assert!(String::from_utf8(ok.body).expect("text").contains("a=recvonly"));
    assert!(
        matches!(solo.event(), Event::MediaChanged { media, .. } if media.direction == sdp::Direction::RecvOnly)
    );
    hold(&mut solo, call, true);
    solo.sent_nothing(); // RFC 3264 §4: his INVITE is not acknowledged yet
    solo.receive_text(&Solo::in_dialog(&invite, "ACK", 5, "\n"));
    let reinvite = solo.next_request(&Method::Invite);
    assert!(body(&reinvite).contains("a=inactive"));
    agree(&mut solo, &reinvite, "inactive");
    assert_eq!(told(&mut solo), (sdp::Direction::Inactive, true));
}

/// A32 · RFC 3261 §14.1
#[test]
fn a_hold_that_is_refused_leaves_the_call_as_it_was() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    hold(&mut solo, call, true);
    let reinvite = solo.next_request(&Method::Invite);
    solo.answer(&reinvite, 488);
    solo.next_request(&Method::Ack);
    assert_eq!(hold_ended(&solo.event()), Some((false, Some(488))));
    // The next offer is of the version that was refused: nobody has taken it.
    hold(&mut solo, call, true);
    let again = solo.next_request(&Method::Invite);
    assert_eq!(body(&again), body(&reinvite));
    // An answer of no use leaves the media as it was, too.
    solo.receive(reply(&again, 200, "bob").to_bytes());
    solo.next_request(&Method::Ack);
    assert_eq!(hold_ended(&solo.event()), Some((false, Some(488))));
    // The peer still gets what it had.
    let offer = format!("Content-Type: application/sdp\n\n{SDP}");
    solo.receive_text(&Solo::in_dialog(&invite, "INVITE", 5, &offer).replace('\r', ""));
    assert!(String::from_utf8(solo.next_response(200).body).expect("text").contains("sendrecv"));
}

/// A32 · RFC 3261 §12.2.1.2
#[test]
fn a_hold_that_finds_nobody_ends_the_call() {
    for code in [481, 408] {
        let mut solo = Solo::new();
        let (call, _, _) = solo.established();
        hold(&mut solo, call, true);
        let reinvite = solo.next_request(&Method::Invite);
        solo.answer(&reinvite, code);
        solo.next_request(&Method::Ack);
        let bye = solo.next_request(&Method::Bye);
        assert_eq!(solo.event(), Event::CallEnded { call, why: EndCause::DialogLost });
        solo.answer(&bye, 481);
        solo.run_until_ms(40_000);
        assert!(solo.ua.is_quiet());
        assert_eq!(solo.run(|ua, now| ua.hold(now, call, true)), Err(CommandError::WrongState));
    }
}

/// A31 · RFC 3261 §14.1: 2.1 to 4 s for who has made the Call-ID, else 0 to 2 s; and 491 to a re-INVITE that
/// meets ours (§14.2).
#[test]
fn glare_of_two_reinvites_is_491_both_ways_and_tried_again_later() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let mut waits = vec![];
    for round in 0..6_u32 {
        let (start, cseq) = (solo.now.as_millis(), 5 + round);
        hold(&mut solo, call, round % 2 == 0);
        let reinvite = solo.next_request(&Method::Invite);
        let offer = format!("Content-Type: application/sdp\n\n{SDP}");
        solo.receive_text(&Solo::in_dialog(&invite, "INVITE", cseq, &offer).replace('\r', ""));
        solo.next_response(491);
        let ack = Solo::in_dialog(&invite, "ACK", cseq, "\n");
        solo.receive_text(&ack.replace("bK-ACK", "bK-INVITE"));
        solo.answer(&reinvite, 491);
        solo.next_request(&Method::Ack);
        assert_eq!(solo.take_events(), []);
        solo.run_until_ms(start + 2_099);
        solo.sent_nothing();
        solo.run_until_ms(start + 4_000);
        waits.push(solo.sent[0].0 - start);
        let again = solo.next_request(&Method::Invite);
        solo.sent.clear(); // its copies
        assert_eq!(body(&again), body(&reinvite));
        agree(&mut solo, &again, if round % 2 == 0 { "recvonly" } else { "sendrecv" });
        assert_eq!(told(&mut solo).1, round % 2 == 0);
    }
    assert!(waits.iter().all(|wait| (2_100..=4_000).contains(wait) && wait % 10 == 0), "{waits:?}");
    assert!(waits.iter().any(|wait| wait != &waits[0]), "they are random: {waits:?}");
}

/// A31 · RFC 3261 §14.1: what was taken back meanwhile is not sent.
#[test]
fn a_wish_that_changes_while_it_waits_is_the_last_one_that_counts() {
    let mut solo = Solo::new();
    let (call, _, _) = solo.established();
    hold(&mut solo, call, true);
    let reinvite = solo.next_request(&Method::Invite);
    hold(&mut solo, call, false);
    solo.sent_nothing(); // one at a time
    solo.answer(&reinvite, 491);
    solo.next_request(&Method::Ack);
    solo.run_until_ms(4_000);
    solo.sent_nothing();
    assert_eq!(hold_ended(&solo.event()), Some((false, None)));
}

/// A30 · RFC 3311 §5.2: UPDATE moves the target and may change the media.
#[test]
fn an_update_is_answered_with_and_without_an_offer() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let plain = Solo::in_dialog(&invite, "UPDATE", 5, "\n").replace(":5060>", ":5098>");
    solo.receive_text(&plain);
    let ok = solo.next_response(200);
    assert!(ok.body.is_empty());
    assert_eq!(solo.take_events(), []);
    let offer = format!("Content-Type: application/sdp\n\n{SDP}a=inactive\r\n");
    let with = Solo::in_dialog(&invite, "UPDATE", 6, &offer).replace('\r', "");
    solo.receive_text(&with.replace(":5060>", ":5099>"));
    let ok = solo.next_response(200);
    assert!(String::from_utf8(ok.body).expect("text").contains("a=inactive"));
    assert!(matches!(solo.event(), Event::MediaChanged { .. }));
    // F05: while an offer of ours is open.
    hold(&mut solo, call, true);
    assert_eq!(solo.sent[0].1, "192.0.2.2:5099");
    solo.next_request(&Method::Invite);
    solo.receive_text(&Solo::in_dialog(&invite, "UPDATE", 7, &offer).replace('\r', ""));
    solo.next_response(491);
    solo.receive_text(&Solo::in_dialog(&invite, "UPDATE", 8, "\n"));
    solo.next_response(200);
}

/// F03 · RFC 3264 §8: the lines of a session stay, and never become fewer.
#[test]
fn lines_that_the_peer_offered_stay_in_our_offers() {
    let mut solo = Solo::new();
    let (call, invite, _) = solo.established();
    let offer = format!("Content-Type: application/sdp\n\n{SDP}m=video 5000 RTP/AVP 96\r\n");
    solo.receive_text(&Solo::in_dialog(&invite, "INVITE", 5, &offer).replace('\r', ""));
    solo.next_response(200);
    solo.receive_text(&Solo::in_dialog(&invite, "ACK", 5, "\n"));
    let fewer = format!("Content-Type: application/sdp\n\n{SDP}");
    solo.receive_text(&Solo::in_dialog(&invite, "INVITE", 6, &fewer).replace('\r', ""));
    solo.next_response(488);
    solo.receive_text(&Solo::in_dialog(&invite, "ACK", 6, "\n"));
    hold(&mut solo, call, true);
    let reinvite = solo.next_request(&Method::Invite);
    let media: Vec<_> =
        body(&reinvite).lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect();
    assert_eq!(media.len(), 2);
    assert!(media[1].starts_with("m=video 0 "), "{media:?}");
}

/// RFC 3261 §12.2.1.2: nobody there, or nobody who knows of the call; any other answer is a sign of life.
#[test]
fn a_silent_peer_is_asked_once_and_the_call_ends_if_it_is_gone() {
    let mut solo = Solo::new();
    let (call, _, _) = solo.established();
    for code in [200, 405, 486] {
        solo.run(|ua, now| ua.media_silent(now, call));
        solo.run(|ua, now| ua.media_silent(now, call));
        let options = solo.next_request(&Method::Options);
        assert_eq!(options.headers.to().expect("To").tag(), Some("bob"), "in the dialog");
        solo.sent_nothing();
        solo.answer(&options, code);
        assert_eq!(solo.take_events(), []);
    }
    solo.run(|ua, now| ua.media_silent(now, call));
    let options = solo.next_request(&Method::Options);
    solo.answer(&options, 481);
    solo.next_request(&Method::Bye);
    assert_eq!(solo.event(), Event::CallEnded { call, why: EndCause::DialogLost });

    let mut solo = Solo::new();
    let (call, _, _) = solo.established();
    solo.run(|ua, now| ua.media_silent(now, call));
    solo.run_until_ms(32_000);
    assert_eq!(solo.event(), Event::CallEnded { call, why: EndCause::Silent });
    solo.run(|ua, now| ua.media_silent(now, call)); // a call that is gone: nothing
}

/// A31 · RFC 3261 §14.1: whose Call-ID it is not waits 0 to 2 s.
#[test]
fn who_was_called_waits_less_after_491() {
    let mut solo = Solo::new();
    solo.receive_text(&format!(
        "INVITE sip:alice@192.0.2.1 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\n\
         Max-Forwards: 70\nFrom: <sip:bob@192.0.2.2>;tag=bob\nTo: <sip:alice@192.0.2.1>\n\
         Call-ID: c1\nCSeq: 10 INVITE\nContact: <sip:bob@192.0.2.2:5060>\n\
         Content-Type: application/sdp\n\n{}",
        SDP.replace("\r\n", "\n")
    ));
    let Event::IncomingCall { call, .. } = solo.event() else { panic!("no call") };
    let media = crate::testing::media(20_000);
    solo.run(|ua, now| ua.accept(now, call, media)).expect("accepted");
    let ok = solo.next_response(200);
    let tag = ok.headers.to().expect("To").tag().expect("a tag").to_owned();
    solo.take_events();
    hold(&mut solo, call, true);
    solo.sent_nothing(); // the call is not acknowledged yet
    solo.receive_text(&format!(
        "ACK sip:alice@192.0.2.1:5060 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK2\n\
         Max-Forwards: 70\nFrom: <sip:bob@192.0.2.2>;tag=bob\n\
         To: <sip:alice@192.0.2.1>;tag={tag}\nCall-ID: c1\nCSeq: 10 ACK\n\n"
    ));
    let mut waits = vec![];
    let mut reinvite = solo.next_request(&Method::Invite);
    for _ in 0..4 {
        let start = solo.now.as_millis();
        solo.answer(&reinvite, 491);
        solo.next_request(&Method::Ack);
        solo.run_until_ms(start + 2_000);
        waits.push(solo.sent[0].0 - start);
        reinvite = solo.next_request(&Method::Invite);
        solo.sent.clear(); // its copies
    }
    assert!(waits.iter().all(|wait| *wait <= 2_000 && wait % 10 == 0), "{waits:?}");
}
