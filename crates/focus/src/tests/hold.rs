//! Offers in the middle of a session: hold, resume, more lines, fewer lines.

use sdp::Direction;
use sip::Response;

use super::rig::{Caller, OFFER, Rig};
use crate::LegId;

fn joined(offer: &str) -> (Rig, Caller, LegId, Response) {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let leg = rig.try_invite(&alice.next("INVITE", offer)).unwrap();
    let response = rig.last_response();
    alice.heard(&response);
    rig.send(&alice.ack());
    (rig, alice, leg, response)
}

fn body(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

fn origin(response: &Response) -> String {
    body(response).lines().find(|line| line.starts_with("o=")).unwrap().to_owned()
}

/// Sends an offer in an INVITE or an UPDATE.
fn offer(rig: &mut Rig, alice: &mut Caller, method: &str, offer: &str) -> Response {
    let response = rig.send(&alice.next(method, offer)).unwrap();
    if method == "INVITE" && response.status.is_success() {
        rig.send(&alice.ack());
    }
    response
}

/// F04 · RFC 3264 §8.4, §5.1; RFC 3311 §5.2: every way of holding, by both methods; no hold in the answer
/// by itself.
#[test]
fn held_leg_is_silent_both_ways_and_resumes() {
    for method in ["INVITE", "UPDATE"] {
        let zero = OFFER.replace("c=IN IP4 192.0.2.200", "c=IN IP4 0.0.0.0");
        let holds = [
            (OFFER.to_owned() + "a=sendonly\r\n", "a=recvonly"),
            (OFFER.to_owned() + "a=inactive\r\n", "a=inactive"),
            (zero, "m=audio"),
        ];
        for (hold, answer) in holds {
            let (mut rig, mut alice, leg, _) = joined(OFFER);
            let port = rig.media(leg).port;
            let response = offer(&mut rig, &mut alice, method, &hold);
            assert!(body(&response).contains(answer), "{}", body(&response));
            assert_eq!(rig.media(leg).direction, Direction::Inactive, "{hold}");
            // A refresh of the hold holds.
            offer(&mut rig, &mut alice, method, &hold);
            assert_eq!((rig.media(leg).direction, rig.updates()), (Direction::Inactive, 1));
            let response = offer(&mut rig, &mut alice, method, OFFER);
            assert!(!body(&response).contains("a=recvonly"), "{}", body(&response));
            let media = rig.media(leg);
            assert_eq!((media.port, media.direction), (port, Direction::SendRecv));
            assert_eq!(rig.closed(), []);
        }
    }
}

/// F04 · RFC 3264 §5.1: who only ever sends is heard.
#[test]
fn leg_that_only_sends_from_the_start_is_heard() {
    let source = OFFER.to_owned() + "a=sendonly\r\n";
    let (mut rig, mut alice, leg, _) = joined(&source);
    assert_eq!(rig.media(leg).direction, Direction::RecvOnly);
    offer(&mut rig, &mut alice, "UPDATE", &source);
    assert_eq!(rig.media(leg).direction, Direction::RecvOnly);
}

/// F03 · RFC 3264 §8: ten changes and ten repetitions, by both methods.
#[test]
fn version_rises_by_one_with_each_change_and_only_then() {
    let (mut rig, mut alice, _, first) = joined(OFFER);
    let version = |response: &Response| -> u64 {
        origin(response).split(' ').nth(2).unwrap().parse().unwrap()
    };
    let mut known = version(&first);
    for round in 0..10 {
        let method = ["INVITE", "UPDATE"][round % 2];
        let wanted = OFFER.to_owned() + ["a=sendonly\r\n", "a=inactive\r\n"][round / 2 % 2];
        let wanted = if round % 3 == 2 { OFFER.to_owned() } else { wanted };
        let before = body(&rig.last_response());
        let changed = offer(&mut rig, &mut alice, method, &wanted);
        let rise = u64::from(body(&changed) != before);
        assert_eq!(version(&changed), known + rise, "{round}");
        known = version(&changed);
        let repeated = offer(&mut rig, &mut alice, method, &wanted);
        assert_eq!(body(&repeated), body(&changed));
    }
    assert!(known > version(&first));
}

/// T10 · F03 · RFC 3264 §8: more lines are answered, fewer are not taken, and the leg stays as it was; an
/// offer of ours has as many.
#[test]
fn lines_may_become_more_and_never_fewer() {
    let (mut rig, mut alice, leg, _) = joined(OFFER);
    let many = OFFER.to_owned() + &"m=video 5000 RTP/AVP 96\r\n".repeat(20);
    let response = offer(&mut rig, &mut alice, "INVITE", &many);
    assert_eq!(response.status.code(), 200);
    assert_eq!(body(&response).matches("m=video 0 ").count(), 20);
    let media = rig.media(leg);
    for method in ["INVITE", "UPDATE"] {
        assert_eq!(offer(&mut rig, &mut alice, method, OFFER).status.code(), 488);
        assert_eq!((rig.media(leg), rig.focus.leg_count()), (media.clone(), 1));
    }
    let response = rig.send(&alice.next("INVITE", "")).unwrap();
    assert_eq!(body(&response).matches("m=").count(), 21);
    assert_eq!(rig.status(&alice.next("UPDATE", &many)), 491);
    rig.send(&alice.request("ACK", alice.cseq - 1, &many));
    assert_eq!(rig.focus.leg_count(), 1);
    assert_eq!(offer(&mut rig, &mut alice, "UPDATE", &many).status.code(), 200);
}

/// A30, F05, F06 · RFC 3311 §5.2: before the ACK, and while an offer of ours is open.
#[test]
fn update_before_the_ack_and_with_an_offer_open() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let (leg, _) = rig.invite(&mut alice);
    let moved = OFFER.replace("4000", "4010");
    assert_eq!(rig.status(&alice.next("UPDATE", &moved)), 200);
    assert_eq!(rig.media(leg).remote, Some("192.0.2.200:4010".parse().unwrap()));
    rig.send(&alice.request("ACK", 1, ""));
    rig.send(&alice.next("INVITE", ""));
    assert_eq!(rig.status(&alice.next("UPDATE", OFFER)), 491);
    assert_eq!(rig.status(&alice.next("UPDATE", "")), 200);
    // F06: no answer where one is needed ends the call.
    rig.send(&alice.request("ACK", alice.cseq - 2, ""));
    assert_eq!(rig.closed(), [leg]);
}

/// RFC 3311 §5.2: outside any dialog.
#[test]
fn update_for_nobody_gets_481() {
    let (mut rig, alice, _, _) = joined(OFFER);
    let mut stranger = alice.clone();
    stranger.to_tag = Some("made-up".to_owned());
    assert_eq!(rig.status(&stranger.next("UPDATE", OFFER)), 481);
}
