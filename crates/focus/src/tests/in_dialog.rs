//! Requests within a leg's dialog, and ours to the leg.

use sdp::Direction;
use sip::{HeaderName, Method};

use super::rig::{CONFERENCE, Caller, OFFER, Rig, header};
use crate::{LegEnd, LegId, Output, ParticipantState};

fn joined(names: &[&'static str]) -> (Rig, Vec<Caller>, Vec<LegId>) {
    let mut rig = Rig::new();
    let mut callers = vec![];
    let mut legs = vec![];
    for (name, last) in names.iter().zip(1..) {
        let mut caller = Caller::new(name, last);
        legs.push(rig.join(&mut caller));
        callers.push(caller);
    }
    (rig, callers, legs)
}

/// A33 · RFC 3261 §15.1.2
#[test]
fn bye_is_answered_and_frees_the_leg_at_once() {
    let (mut rig, mut callers, legs) = joined(&["alice", "bob"]);
    assert_eq!(rig.status(&callers[0].next("BYE", "")), 200);
    assert_eq!(rig.closed(), [legs[0]]);
    assert_eq!(rig.leg_ends(), [(legs[0], LegEnd::Left)]);
    assert_eq!((rig.focus.leg_count(), rig.ended()), (1, vec![]));
    // The dialog is gone with it.
    assert_eq!(rig.status(&callers[0].next("BYE", "")), 481);
    assert_eq!(rig.status(&callers[0].next("INVITE", OFFER)), 481);
}

/// A33 · RFC 3261 §15.1.2: not even an extension that we do not know keeps a leg in.
#[test]
fn bye_is_answered_whatever_else_it_carries() {
    let (mut rig, mut callers, _) = joined(&["alice", "bob"]);
    callers[0].more = "Require: unheard-of\nContent-Type: text/plain\n".to_owned();
    assert_eq!(rig.status(&callers[0].next("BYE", "bye bye")), 200);
}

/// A29, A33, T12 · RFC 3261 §12.2.2
#[test]
fn made_up_tags_get_481_and_lower_cseq_500_and_gaps_are_fine() {
    let (mut rig, mut callers, _) = joined(&["alice", "bob"]);
    let mut stranger = callers[0].clone();
    stranger.to_tag = Some("made-up".to_owned());
    assert_eq!(rig.status(&stranger.next("BYE", "")), 481);
    let mut stranger = callers[0].clone();
    stranger.tag = "made-up".to_owned();
    assert_eq!(rig.status(&stranger.next("BYE", "")), 481);
    assert_eq!(rig.focus.leg_count(), 2);

    callers[0].cseq = 100;
    assert_eq!(rig.status(&callers[0].next("INVITE", OFFER)), 200);
    rig.send(&callers[0].ack());
    let before = rig.log.len();
    // T12: an old BYE or re-INVITE replayed ends and changes nothing.
    assert_eq!(rig.status(&callers[0].request("BYE", 100, "")), 500);
    assert_eq!(rig.status(&callers[0].request("INVITE", 7, OFFER)), 500);
    assert_eq!(rig.log.len(), before + 2);
    assert_eq!(rig.focus.leg_count(), 2);
}

#[test]
fn methods_that_a_focus_does_not_serve() {
    let (mut rig, mut callers, _) = joined(&["alice"]);
    for (method, status) in [("INFO", 405), ("MESSAGE", 405), ("PUBLISH", 405), ("FOO", 501)] {
        let response = rig.send(&callers[0].next(method, "")).unwrap();
        assert_eq!(response.status.code(), status, "{method}");
        assert!(header(&response, &HeaderName::Allow).contains("INVITE"));
    }
    // C16: a package that is not served, in or out of the call.
    callers[0].more = "Event: presence\n".to_owned();
    let response = rig.send(&callers[0].next("SUBSCRIBE", "")).unwrap();
    assert_eq!(response.status.code(), 489);
    assert!(header(&response, &HeaderName::AllowEvents).contains("refer"));
    assert_eq!(rig.focus.roster()[0].state, ParticipantState::Joined);
}

/// B14, A30 · RFC 4579 §4.2; RFC 3261 §14.2
#[test]
fn reinvite_changes_direction_and_address_on_the_same_port() {
    let (mut rig, mut callers, legs) = joined(&["alice"]);
    let port = rig.media(legs[0]).port;
    let hold = OFFER.replace("4000", "4010") + "a=sendonly\r\n";
    let response = rig.send(&callers[0].next("INVITE", &hold)).unwrap();
    assert_eq!(header(&response, &HeaderName::Contact), format!("<{CONFERENCE}>;isfocus"));
    let media = rig.media(legs[0]);
    // On hold: its music is not for the others.
    assert_eq!((media.port, media.direction), (port, Direction::Inactive));
    assert_eq!(media.remote, Some("192.0.2.200:4010".parse().unwrap()));
    let body = String::from_utf8(response.body).unwrap();
    assert!(body.contains("m=audio 20002 ") && body.contains("a=recvonly"), "{body}");
    rig.send(&callers[0].ack());
    assert_eq!((rig.updates(), rig.focus.deadline()), (1, None));
}

/// RFC 3264 §8
#[test]
fn version_of_our_description_rises_with_a_change_and_only_then() {
    let (mut rig, mut callers, _) = joined(&["alice"]);
    let origin = |rig: &Rig| {
        let body = String::from_utf8(rig.last_response().body).unwrap();
        body.lines().find(|line| line.starts_with("o=")).unwrap().to_owned()
    };
    let mut origins = vec![origin(&rig)];
    for body in [OFFER.to_owned(), OFFER.to_owned() + "a=sendonly\r\n", OFFER.to_owned()] {
        rig.send(&callers[0].next("INVITE", &body));
        rig.send(&callers[0].ack());
        origins.push(origin(&rig));
    }
    assert_eq!(origins[0], origins[1]);
    let versions: Vec<u64> =
        origins.iter().map(|line| line.split(' ').nth(2).unwrap().parse().unwrap()).collect();
    assert_eq!([versions[2] - versions[1], versions[3] - versions[2]], [1, 1]);
}

/// T10, RFC 3261 §14.2
#[test]
fn refused_reinvite_leaves_the_leg_as_it_was() {
    let (mut rig, mut callers, legs) = joined(&["alice"]);
    let media = rig.media(legs[0]);
    let fax = OFFER.replace("m=audio 4000 RTP/AVP 0 8", "m=image 4000 udptl t38");
    let response = rig.send(&callers[0].next("INVITE", &fax)).unwrap();
    assert_eq!(response.status.code(), 488);
    assert_eq!(response.headers.count(&HeaderName::Warning), 1);
    assert_eq!(rig.status(&callers[0].next("INVITE", "v=0\r\nnonsense")), 400);
    assert_eq!((rig.media(legs[0]), rig.updates()), (media, 0));
    assert_eq!(rig.focus.deadline(), None);
    assert_eq!(rig.status(&callers[0].next("BYE", "")), 200);
}

/// T10
#[test]
fn reinvite_without_an_offer_is_offered_and_no_other_comes_between() {
    let (mut rig, mut callers, legs) = joined(&["alice"]);
    let response = rig.send(&callers[0].next("INVITE", "")).unwrap();
    assert!(!response.body.is_empty());
    let unanswered = callers[0].cseq;
    assert_eq!(rig.status(&callers[0].next("INVITE", OFFER)), 491);
    let answer = OFFER.replace("4000", "4020");
    rig.send(&callers[0].request("ACK", unanswered, &answer));
    assert_eq!(rig.media(legs[0]).remote, Some("192.0.2.200:4020".parse().unwrap()));
    assert_eq!(rig.status(&callers[0].next("INVITE", OFFER)), 200);
}

/// RFC 3261 §14.2: "If a UAS generates a 2xx response and never receives an ACK, it SHOULD generate a
/// BYE".
#[test]
fn reinvite_never_acknowledged_ends_the_leg() {
    let (mut rig, mut callers, legs) = joined(&["alice"]);
    rig.send(&callers[0].next("INVITE", OFFER));
    // The ACK to the first INVITE, late, is not the one.
    rig.send(&callers[0].request("ACK", 1, ""));
    rig.run_to_ms(40_000);
    assert_eq!(rig.sent(&Method::Bye), [(32_000, legs[0])]);
}

/// RFC 3261 §12.2.2: a target refresh.
#[test]
fn bye_goes_to_where_the_last_invite_said() {
    let (mut rig, mut callers, legs) = joined(&["alice"]);
    callers[0].more = "Contact: <sip:alice@192.0.2.99:5070>\n".to_owned();
    rig.send(&callers[0].next("INVITE", OFFER));
    rig.send(&callers[0].ack());
    rig.focus.media_failed(rig.now, legs[0]);
    rig.drain();
    let (bye, to) = rig.last_request();
    assert_eq!(bye.uri.to_string(), "sip:alice@192.0.2.99:5070");
    assert_eq!(to.remote, "192.0.2.99:5070".parse().unwrap());
    rig.answer(legs[0], &Method::Bye, 200);
    assert_eq!(rig.leg_ends(), [(legs[0], LegEnd::MediaFailed)]);
}

/// A NAT gave the phone another port; its Contact says an address that only it can reach.
#[test]
fn bye_goes_the_way_that_the_last_invite_of_a_phone_behind_a_nat_came() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.address = "10.0.0.5:5060".to_owned();
    alice.seen_as = Some("192.0.2.1:1024".to_owned());
    let leg = rig.join(&mut alice);
    alice.seen_as = Some("192.0.2.1:2048".to_owned());
    rig.send(&alice.next("INVITE", OFFER));
    rig.send(&alice.ack());
    assert_eq!(rig.media(leg).signalling, "192.0.2.1".parse::<std::net::IpAddr>().unwrap());
    rig.focus.end(rig.now, crate::End::Ordered);
    rig.drain();
    let (bye, to) = rig.last_request();
    assert_eq!(bye.uri.to_string(), "sip:alice@10.0.0.5:5060");
    assert_eq!(to.remote, "192.0.2.1:2048".parse().unwrap());
}

/// A new INVITE shows that the peer has the answer to the first; the ACK was lost.
#[test]
fn reinvite_before_the_ack_joins() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    rig.invite(&mut alice);
    assert_eq!(rig.status(&alice.next("INVITE", OFFER)), 200);
    assert_eq!(rig.focus.roster()[0].state, ParticipantState::Joined);
    rig.send(&alice.ack());
    assert_eq!(rig.focus.deadline(), None);
}

#[test]
fn silent_leg_is_probed_once_at_a_time_and_stays_if_it_answers() {
    for status in [200, 405, 501, 488] {
        let (mut rig, _, legs) = joined(&["alice", "bob"]);
        rig.focus.media_silent(rig.now, legs[0]);
        rig.focus.media_silent(rig.now, legs[0]);
        rig.drain();
        assert_eq!(rig.sent(&Method::Options), [(0, legs[0])]);
        let (probe, _) = rig.last_request();
        assert!(probe.headers.to().unwrap().tag().is_some(), "in the dialog");
        rig.answer(legs[0], &Method::Options, status);
        assert_eq!((rig.focus.leg_count(), rig.closed()), (2, vec![]));
        rig.focus.media_silent(rig.now, legs[0]);
        rig.drain();
        assert_eq!(rig.sent(&Method::Options).len(), 2);
    }
}

/// RFC 3261 §12.2.1.2
#[test]
fn silent_leg_that_is_not_there_ends() {
    for status in [Some(481), Some(408), None] {
        let (mut rig, _, legs) = joined(&["alice", "bob"]);
        rig.focus.media_silent(rig.now, legs[0]);
        rig.drain();
        match status {
            Some(status) => rig.answer(legs[0], &Method::Options, status),
            None => {
                rig.focus.request_failed(rig.now, legs[0], &Method::Options, sip::Failure::Timeout)
            }
        }
        rig.drain();
        assert_eq!(rig.closed(), [legs[0]]);
        assert_eq!(rig.sent(&Method::Bye), [(0, legs[0])]);
        rig.focus.request_failed(rig.now, legs[0], &Method::Bye, sip::Failure::Timeout);
        rig.drain();
        assert_eq!(rig.leg_ends(), [(legs[0], LegEnd::Silent)]);
        assert_eq!((rig.focus.leg_count(), rig.ended()), (1, vec![]));
    }
}

#[test]
fn provisional_answer_to_a_probe_says_nothing_and_a_leg_not_yet_in_is_not_probed() {
    let (mut rig, _, legs) = joined(&["alice"]);
    rig.focus.media_silent(rig.now, legs[0]);
    rig.drain();
    rig.answer(legs[0], &Method::Options, 100);
    rig.focus.media_silent(rig.now, legs[0]);
    let (bob, _) = rig.invite(&mut Caller::new("bob", 2));
    rig.focus.media_silent(rig.now, bob);
    rig.focus.media_silent(rig.now, LegId(99));
    rig.drain();
    assert_eq!(rig.sent(&Method::Options).len(), 1);
}

#[test]
fn both_hang_up_at_once() {
    let (mut rig, mut callers, legs) = joined(&["alice"]);
    rig.focus.end(rig.now, crate::End::Ordered);
    rig.drain();
    assert_eq!(rig.status(&callers[0].next("BYE", "")), 200);
    assert_eq!(rig.leg_ends(), [(legs[0], LegEnd::ConferenceEnded)]);
    assert_eq!(rig.ended(), [crate::End::Ordered]);
    // The answer to our own BYE comes late.
    rig.answer(legs[0], &Method::Bye, 200);
    assert_eq!((rig.leg_ends().len(), rig.ended().len()), (1, 1));
}

/// T11
#[test]
fn stray_ack_and_answers_for_nobody_change_nothing() {
    let (mut rig, callers, _) = joined(&["alice"]);
    let before = rig.log.len();
    let mut stranger = callers[0].clone();
    stranger.to_tag = Some("made-up".to_owned());
    rig.send(&stranger.ack());
    rig.answer(LegId(7), &Method::Bye, 200);
    rig.focus.request_failed(rig.now, LegId(7), &Method::Options, sip::Failure::Timeout);
    rig.focus.media_failed(rig.now, LegId(7));
    rig.drain();
    assert_eq!(rig.log.len(), before);
    assert!(!rig.log.iter().any(|(_, output)| matches!(output, Output::LegEnded { .. })));
}
