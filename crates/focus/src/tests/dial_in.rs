//! An INVITE to the conference URI.

use sip::{HeaderName, Method};
use units::Instant;

use super::rig::{CONFERENCE, Caller, OFFER, Rig, header, incoming};
use crate::{FocusConfig, LEGS_MAX, LegEnd, MediaPort, Output, ParticipantState, check, options};

/// B17 · RFC 4579 §5.1
#[test]
fn three_dial_in_and_each_has_its_own_port_and_place_in_the_roster() {
    let mut rig = Rig::new();
    let mut legs = vec![];
    for (name, last) in [("alice", 1), ("bob", 2), ("carol", 3)] {
        legs.push(rig.join(&mut Caller::new(name, last)));
    }
    let roster = rig.focus.roster();
    assert!(roster.iter().all(|line| line.state == ParticipantState::Joined));
    let uris: Vec<_> = roster.iter().map(|line| line.uri.as_str()).collect();
    assert_eq!(uris, ["sip:alice@example.com", "sip:bob@example.com", "sip:carol@example.com"]);
    assert_eq!(roster[0].display.as_deref(), Some("alice"));
    let ports: Vec<_> = legs.iter().map(|leg| rig.media(*leg).port).collect();
    assert_eq!(ports, [MediaPort(1), MediaPort(2), MediaPort(3)]);
    assert_eq!(rig.media(legs[1]).remote, Some("192.0.2.200:4000".parse().unwrap()));
    assert_eq!(rig.media(legs[1]).signalling, "192.0.2.2".parse::<std::net::IpAddr>().unwrap());
}

/// B04, B14, B15, B16 · RFC 4579 §5.1, §5.13
#[test]
fn the_200_has_the_conference_uri_a_bare_isfocus_and_what_the_focus_can_do() {
    let mut rig = Rig::new();
    let (_, response) = rig.invite(&mut Caller::new("alice", 1));
    assert_eq!(header(&response, &HeaderName::Contact), format!("<{CONFERENCE}>;isfocus"));
    assert_eq!(
        header(&response, &HeaderName::Allow),
        "INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, PRACK, REFER, SUBSCRIBE"
    );
    assert_eq!(
        header(&response, &HeaderName::Accept),
        "application/sdp, multipart/mixed, multipart/alternative"
    );
    assert!(header(&response, &HeaderName::AllowEvents).contains("conference"));
    assert_eq!(response.headers.count(&HeaderName::Supported), 1);
    assert_eq!(header(&response, &HeaderName::ContentType), "application/sdp");
    let body = String::from_utf8(response.body).unwrap();
    assert!(body.contains("m=audio 20002 ") && body.contains("198.51.100.9"), "{body}");
}

/// B14, B16, A34 · RFC 4579 §4.3, §5.13; RFC 3261 §11.2
#[test]
fn options_in_and_out_of_a_dialog_say_the_same_and_isfocus() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let outside = options(&CONFERENCE.parse().unwrap(), &alice.next("OPTIONS", ""), "t1");
    rig.join(&mut alice);
    let inside = rig.send(&alice.next("OPTIONS", "")).unwrap();
    for response in [&outside, &inside] {
        assert_eq!(response.status.code(), 200);
        assert_eq!(header(response, &HeaderName::Contact), format!("<{CONFERENCE}>;isfocus"));
    }
    for name in [
        HeaderName::Allow,
        HeaderName::Accept,
        HeaderName::AllowEvents,
        HeaderName::AcceptEncoding,
        HeaderName::AcceptLanguage,
        HeaderName::Supported,
    ] {
        assert_eq!(inside.headers.count(&name), 1, "{name:?}");
        assert_eq!(header(&outside, &name), header(&inside, &name));
    }
    assert_eq!(outside.headers.to().unwrap().tag(), Some("t1"));
    assert_eq!(rig.focus.leg_count(), 1);
}

/// A25 · RFC 3261 §8.2.6.2
#[test]
fn answers_copy_what_they_must_and_keep_one_to_tag() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.more = "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKbehind\n".to_owned();
    let invite = alice.next("INVITE", OFFER);
    rig.try_invite(&invite).unwrap();
    let response = rig.last_response();
    let copied = [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq];
    for name in copied {
        let texts = |headers: &sip::Headers| {
            headers.all(&name).map(|value| value.text().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&response.headers), texts(&invite.request.headers), "{name:?}");
    }
    assert_eq!(response.headers.count(&HeaderName::Via), 2);
    alice.heard(&response);
    let tag = alice.to_tag.clone().unwrap();
    assert!(tag.starts_with("n1s0") && tag.len() == 20, "{tag}");
    rig.run_to_ms(600);
    let Some((500, Output::ResendSuccess { response: copy, .. })) = rig.log.last() else {
        panic!("no copy of the 200: {:?}", rig.log)
    };
    assert_eq!(copy, &response);
    rig.send(&alice.ack());
    let again = rig.send(&alice.next("INVITE", OFFER)).unwrap();
    assert_eq!(again.headers.to().unwrap().tag(), Some(tag.as_str()));
}

/// A27 · RFC 3261 §12.1.1
#[test]
fn record_routes_are_copied_and_sips_in_gives_sips_out() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.uri = CONFERENCE.replace("sip:", "sips:");
    alice.more = "Record-Route: <sip:192.0.2.50;lr>\nRecord-Route: <sip:192.0.2.51;lr>\n\
                  Contact: <sips:alice@192.0.2.1>\n"
        .to_owned();
    let (_, response) = rig.invite(&mut alice);
    let routes: Vec<_> =
        response.headers.all(&HeaderName::RecordRoute).map(|value| value.text()).collect();
    assert_eq!(routes, ["<sip:192.0.2.50;lr>", "<sip:192.0.2.51;lr>"]);
    assert_eq!(response.headers.count(&HeaderName::Contact), 1);
    let contact = header(&response, &HeaderName::Contact);
    assert_eq!(contact, format!("<{}>;isfocus", CONFERENCE.replace("sip:", "sips:")));
    // And our own requests go the way back.
    alice.more.clear();
    rig.send(&alice.ack());
    rig.focus.end(rig.now, crate::End::Ordered);
    rig.drain();
    let (bye, to) = rig.last_request();
    assert_eq!(bye.headers.routes().unwrap().len(), 2);
    assert_eq!(to.remote, "192.0.2.50:5060".parse().unwrap());
}

/// A15 · RFC 3261 §13.3.1.4
#[test]
fn the_200_is_resent_until_the_ack_and_not_after() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    rig.invite(&mut alice);
    rig.run_to_ms(3_400);
    assert_eq!(rig.resent_ms(), [500, 1_500]);
    assert_eq!(rig.focus.roster()[0].state, ParticipantState::Joining);
    rig.send(&alice.ack());
    assert_eq!(rig.focus.deadline(), None);
    assert_eq!(rig.focus.roster()[0].state, ParticipantState::Joined);
    // A second ACK (the 200 was resent before the first came) is nothing new: it is counted.
    let before = rig.log.len();
    rig.send(&alice.ack());
    assert!(matches!(&rig.log[before..], [(_, Output::AckIgnored { .. })]));
}

/// A15 · RFC 3261 §13.3.1.4
#[test]
fn without_an_ack_the_leg_ends_with_a_bye_after_64_t1() {
    let mut rig = Rig::new();
    let (leg, _) = rig.invite(&mut Caller::new("alice", 1));
    rig.run_to_ms(31_999);
    assert_eq!((rig.resent_ms().len(), rig.sent(&Method::Bye), rig.closed()), (10, vec![], vec![]));
    rig.run_to_ms(32_000);
    assert_eq!(rig.sent(&Method::Bye), [(32_000, leg)]);
    assert_eq!(rig.closed(), [leg]);
    assert_eq!(rig.leg_ends(), []);
    rig.answer(leg, &Method::Bye, 481);
    assert_eq!(rig.leg_ends(), [(leg, LegEnd::NoAck)]);
    assert_eq!((rig.focus.leg_count(), rig.focus.deadline()), (0, None));
    assert_eq!(rig.ended(), [crate::End::LastLeft]);
}

/// RFC 3261 §13.3.1.4, §13.2.2.4: no offer in the INVITE, so ours is in the 200 and the answer in the
/// ACK.
#[test]
fn invite_without_an_offer_is_offered_and_answered_in_the_ack() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let leg = rig.try_invite(&alice.next("INVITE", "")).unwrap();
    let response = rig.last_response();
    alice.heard(&response);
    let offer = String::from_utf8(response.body).unwrap();
    assert!(offer.contains("m=audio 20002 RTP/AVP 0 8"), "{offer}");
    assert_eq!((rig.media(leg).remote, rig.media(leg).direction), (None, sdp::Direction::RecvOnly));
    rig.send(&alice.request("ACK", 1, OFFER));
    assert_eq!(rig.media(leg).remote, Some("192.0.2.200:4000".parse().unwrap()));
    assert_eq!(rig.media(leg).direction, sdp::Direction::SendRecv);
    assert_eq!(rig.focus.roster()[0].state, ParticipantState::Joined);
}

#[test]
fn ack_that_does_not_answer_our_offer_ends_the_leg() {
    for body in ["", "v=0\r\nnonsense"] {
        let mut rig = Rig::new();
        let mut alice = Caller::new("alice", 1);
        let leg = rig.try_invite(&alice.next("INVITE", "")).unwrap();
        alice.heard(&rig.last_response());
        rig.send(&alice.request("ACK", 1, body));
        assert_eq!(rig.sent(&Method::Bye), [(0, leg)]);
        rig.answer(leg, &Method::Bye, 200);
        assert_eq!(rig.leg_ends(), [(leg, LegEnd::BadAnswer)]);
    }
}

/// A24 · RFC 5621 §4.2: an offer among other parts is an offer; where all that there is may be ignored, there is none.
#[test]
fn an_offer_may_come_among_other_parts() {
    let isup = "--b\r\nContent-Type: application/isup\r\n\
                Content-Disposition: signal;handling=optional\r\n\r\n\u{1}\r\n";
    let offer = format!("{isup}--b\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--b--\r\n");
    for (body, has_offer) in [(offer, true), (format!("{isup}--b--\r\n"), false)] {
        let mut rig = Rig::new();
        let mut invite = Caller::new("alice", 1).next("INVITE", "");
        invite.request.set_body("multipart/mixed;boundary=b", body);
        assert!(check(&invite, &[sdp::Family::V4]).is_ok());
        let leg = rig.try_invite(&invite).expect("let in");
        assert_eq!(rig.media(leg).remote.is_some(), has_offer);
    }
}

#[test]
fn what_cannot_be_served_is_refused_by_its_own_code_and_nothing_is_kept() {
    let no_codec = OFFER.replace("RTP/AVP 0 8", "RTP/AVP 18");
    let no_audio = OFFER.replace("m=audio", "m=video");
    for (more, body, status, warned) in [
        ("Require: unheard-of\n", OFFER, 420, false),
        ("Content-Type: text/plain\n", OFFER, 415, false),
        ("Accept: text/plain\n", OFFER, 406, true),
        ("", "v=0\r\nnonsense", 400, true),
        ("", no_codec.as_str(), 488, true),
        ("", no_audio.as_str(), 488, true),
        ("Contact: <tel:+15551234>\n", OFFER, 400, false),
        ("Contact: <sip:a@192.0.2.1>\nContact: <sip:a@192.0.2.2>\n", OFFER, 400, false),
    ] {
        let mut rig = Rig::new();
        let mut alice = Caller::new("alice", 1);
        alice.more = more.to_owned();
        let invite = alice.next("INVITE", body);
        let before = rig.focus.snapshot(Instant::ZERO);
        let checked = check(&invite, &[sdp::Family::V4]).unwrap_err();
        let refused = rig.try_invite(&invite).unwrap_err();
        assert_eq!(refused.status.code(), status, "{more} {body}");
        assert_eq!(checked.status, refused.status);
        assert_eq!(refused.headers.count(&HeaderName::Warning) > 0, warned, "{more} {body}");
        assert!(refused.headers.to().unwrap().tag().is_some());
        assert_eq!(rig.focus.snapshot(Instant::ZERO), before);
        assert_eq!((rig.log.len(), rig.focus.leg_count(), rig.focus.deadline()), (0, 0, None));
    }
}

#[test]
fn what_check_lets_pass_the_focus_takes() {
    let mut alice = Caller::new("alice", 1);
    for body in [OFFER, ""] {
        let invite = alice.next("INVITE", body);
        let wanted = check(&invite, &[sdp::Family::V4]).unwrap();
        assert_eq!((wanted.family, wanted.ptime_ms), (sdp::Family::V4, 20));
        assert!(Rig::new().try_invite(&invite).is_ok());
    }
}

#[test]
fn full_conference_answers_486() {
    let mut rig = Rig::new();
    for number in 0..LEGS_MAX {
        let mut caller = Caller::new("alice", 1);
        caller.call_id = format!("call-{number}");
        rig.invite(&mut caller);
    }
    let refused = rig.try_invite(&Caller::new("late", 2).next("INVITE", OFFER)).unwrap_err();
    assert_eq!(refused.status.code(), 486);
    assert_eq!(rig.focus.leg_count(), LEGS_MAX);
}

/// T36: what a peer calls himself must not steer our terminal or log.
#[test]
fn names_in_the_roster_are_masked() {
    let mut rig = Rig::new();
    let invite = incoming(
        &format!(
            "INVITE {CONFERENCE} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\n\
             From: \"\u{202E}ecila \u{1b}[2J\" <sip:a@example.com>;tag=1\nTo: <{CONFERENCE}>\n\
             Call-ID: 1\nCSeq: 1 INVITE\nMax-Forwards: 70\nContact: <sip:a@192.0.2.1>"
        ),
        "192.0.2.1:5060",
    );
    rig.try_invite(&invite).unwrap();
    let shown = rig.focus.roster()[0].display.clone().unwrap();
    assert_eq!(shown, "\u{FFFD}ecila \u{FFFD}[2J");
}

/// The node makes the focus for the first INVITE; if that is refused nobody was ever there.
#[test]
fn focus_without_legs_does_not_end_by_itself() {
    let mut rig = Rig::new();
    rig.run_to_ms(3_600_000);
    assert_eq!(rig.ended(), []);
    let config = FocusConfig { ..rig.focus.config.clone() };
    assert_eq!(config.conference_uri.to_string(), CONFERENCE);
    assert_eq!(rig.focus.conference_uri(), &config.conference_uri);
}
