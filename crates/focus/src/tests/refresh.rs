//! Session timers, and the refreshes of both sides.

use sip::session_timer::{SessionExpires, session_expires};
use sip::{HeaderName, Method, Response};

use super::rig::{Caller, OFFER, Rig, header};
use crate::{LegEnd, LegId};

const ALLOW: &str = "Allow: INVITE, ACK, BYE, UPDATE\n";

/// Somebody who is in, with these header lines in the INVITE.
fn joined(more: &str) -> (Rig, Caller, LegId, Response) {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.more = more.to_owned();
    let (leg, response) = rig.invite(&mut alice);
    rig.send(&alice.ack());
    (rig, alice, leg, response)
}

fn says(response: &Response) -> Option<String> {
    session_expires(&response.headers).unwrap().as_ref().map(SessionExpires::to_string)
}

/// H02, H03 · RFC 4028 §9
#[test]
fn session_expires_of_a_phone_is_answered_and_a_small_one_gets_422() {
    let phone = "Supported: timer\nSession-Expires: 1800\n";
    let (_, _, _, response) = joined(phone);
    assert_eq!(says(&response).as_deref(), Some("1800;refresher=uac"));
    assert_eq!(header(&response, &HeaderName::Require), "timer");
    assert!(header(&response, &HeaderName::Supported).contains("timer"));

    let (_, _, _, response) = joined("Session-Expires: 1800\n");
    assert_eq!(says(&response).as_deref(), Some("1800;refresher=uas"));
    assert_eq!(header(&response, &HeaderName::Require), "");

    let (rig, _, _, response) = joined("");
    assert_eq!((says(&response), rig.focus.deadline()), (None, None));

    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.more = "Supported: timer\nSession-Expires: 60\n".to_owned();
    let invite = alice.next("INVITE", OFFER);
    let refused = rig.try_invite(&invite).unwrap_err();
    assert_eq!((refused.status.code(), header(&refused, &HeaderName::MinSe).as_str()), (422, "90"));
    assert_eq!(crate::check(&invite, &[sdp::Family::V4]).unwrap_err().status.code(), 422);
    alice.more = "Supported: timer\nSession-Expires: 90\nMin-SE: 90\n".to_owned();
    rig.try_invite(&alice.next("INVITE", OFFER)).unwrap();
    assert_eq!(says(&rig.last_response()).as_deref(), Some("90;refresher=uac"));
}

/// H05 · RFC 4028 §7.2, §7.4: by UPDATE without an offer, at half, again and again.
#[test]
fn peer_that_takes_update_is_refreshed_by_it_without_an_offer() {
    let more = format!("Supported: timer\nSession-Expires: 600;refresher=uas\n{ALLOW}");
    let (mut rig, _, leg, _) = joined(&more);
    for round in 1..=3_u64 {
        rig.run_to_ms(round * 300_000);
        assert_eq!(rig.sent(&Method::Update).last(), Some(&(round * 300_000, leg)));
        let (update, _) = rig.last_request();
        assert!(update.body.is_empty());
        let says = session_expires(&update.headers).unwrap().unwrap();
        assert_eq!(says.to_string(), "600;refresher=uac");
        assert!(update.headers.contact().unwrap().unwrap().is_focus());
        let more = "Session-Expires: 600;refresher=uac\nRequire: timer";
        rig.answer_last(leg, &Method::Update, (200, more), "");
    }
    assert_eq!(rig.sent(&Method::Update).len(), 3);
    assert_eq!(rig.closed(), []);
}

/// H01 · RFC 4028 §7.1; H05 · RFC 4028 §7.4; F03 · RFC 3264 §8: the description as it was, and the ACK to
/// each copy of the 2xx (RFC 3261 §13.2.2.4).
#[test]
fn peer_without_update_is_refreshed_by_a_reinvite_with_the_same_description() {
    let (mut rig, _, leg, first) = joined("Session-Expires: 600\nAllow: INVITE, ACK, BYE\n");
    rig.run_to_ms(300_000);
    let (invite, _) = rig.last_request();
    assert_eq!((&invite.method, &invite.body), (&Method::Invite, &first.body));
    assert!(invite.headers.supported().unwrap().contains(&"timer".to_owned()));
    rig.answer_last(leg, &Method::Invite, (200, ""), OFFER);
    rig.answer_last(leg, &Method::Invite, (200, ""), OFFER);
    let acks = rig.log.iter().filter_map(|(_, output)| match output {
        crate::Output::Acknowledge { request, .. } => Some(request.headers.cseq().unwrap()),
        _ => None,
    });
    let number = invite.headers.cseq().unwrap().number;
    assert_eq!(acks.map(|cseq| cseq.number).collect::<Vec<_>>(), [number, number]);
    assert_eq!((rig.updates(), rig.closed()), (0, vec![]));
    // The peer says nothing of a timer: it goes on being ours.
    rig.run_to_ms(600_000);
    assert_eq!(rig.sent(&Method::Invite).len(), 2);
    rig.focus.end(rig.now, crate::End::Ordered);
    rig.drain();
    let (bye, _) = rig.last_request();
    assert_eq!(bye.method, Method::Bye);
    assert!(bye.headers.supported().unwrap().contains(&"timer".to_owned()));
}

/// H06 · RFC 4028 §10: 32 s before the end, or a third.
#[test]
fn leg_that_is_not_refreshed_is_let_go_a_little_before_expiry() {
    for (seconds, at_ms) in [(1_800, 1_768_000), (90, 60_000)] {
        let more = format!("Supported: timer\nSession-Expires: {seconds};refresher=uac\n");
        let (mut rig, _, leg, _) = joined(&more);
        rig.run_to_ms(at_ms - 1);
        assert_eq!(rig.sent(&Method::Bye), []);
        rig.run_to_ms(at_ms);
        assert_eq!(rig.sent(&Method::Bye), [(at_ms, leg)]);
        assert_eq!(rig.closed(), [leg]);
        rig.answer_last(leg, &Method::Bye, (481, ""), "");
        assert_eq!(rig.leg_ends(), [(leg, LegEnd::Expired)]);
        assert_eq!(rig.focus.leg_count(), 0);
    }
}

/// H06 · RFC 4028 §10; A30 · RFC 3311 §5.1: a refresh of the peer's starts the time anew, and moves its target.
#[test]
fn update_or_reinvite_of_the_peer_starts_the_time_anew() {
    let more = "Supported: timer\nSession-Expires: 90;refresher=uac\n";
    let (mut rig, mut alice, leg, _) = joined(more);
    rig.run_to_ms(50_000);
    alice.more = format!("{more}Contact: <sip:alice@192.0.2.99:5070>\n");
    let response = rig.send(&alice.next("UPDATE", "")).unwrap();
    assert_eq!((response.status.code(), response.body.len()), (200, 0));
    assert_eq!(says(&response).as_deref(), Some("90;refresher=uac"));
    assert_eq!(header(&response, &HeaderName::Require), "timer");
    rig.run_to_ms(100_000);
    rig.send(&alice.next("INVITE", OFFER));
    rig.send(&alice.ack());
    rig.run_to_ms(159_999);
    assert_eq!(rig.closed(), []);
    rig.run_to_ms(160_000);
    assert_eq!(rig.sent(&Method::Bye), [(160_000, leg)]);
    assert_eq!(rig.last_request().0.uri.to_string(), "sip:alice@192.0.2.99:5070");
}

/// H02, H04 · RFC 4028 §7.3, §7.4: the highest Min-SE that was named.
#[test]
fn refresh_that_gets_422_is_tried_again_with_the_highest_min_se() {
    let more = format!("Session-Expires: 90\n{ALLOW}");
    let (mut rig, _, leg, _) = joined(&more);
    for (floor, highest) in [(300, 300), (120, 300)] {
        rig.run_to_ms(rig.now.as_millis() + 46_000 * u64::from(rig.now.as_millis() == 0) + 1_000);
        rig.answer_last(leg, &Method::Update, (422, &format!("Min-SE: {floor}")), "");
        rig.run_to_ms(rig.now.as_millis() + 1_000);
        let (update, _) = rig.last_request();
        assert_eq!(sip::session_timer::min_se(&update.headers), Ok(highest));
        let says = session_expires(&update.headers).unwrap().unwrap();
        assert_eq!(says.to_string(), format!("{highest};refresher=uac"));
    }
}

/// A31 · RFC 3261 §14.1, §14.2: 491 both ways, and again within 2 s since the Call-ID is the peer's.
#[test]
fn glare_of_two_reinvites_is_491_both_ways() {
    let (mut rig, mut alice, leg, _) = joined("Session-Expires: 600\n");
    alice.more = String::new();
    rig.run_to_ms(300_000);
    assert_eq!(rig.sent(&Method::Invite), [(300_000, leg)]);
    assert_eq!(rig.status(&alice.next("INVITE", OFFER)), 491);
    assert_eq!(rig.status(&alice.next("UPDATE", OFFER)), 491);
    rig.answer_last(leg, &Method::Invite, (491, ""), "");
    rig.run_to_ms(302_000);
    let sent = rig.sent(&Method::Invite);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(rig.closed(), []);
}

/// A32 · RFC 3261 §14.1, §12.2.1.2
#[test]
fn refused_reinvite_of_ours_leaves_the_session_and_481_or_nothing_ends_it() {
    let (mut rig, _, leg, _) = joined("Session-Expires: 600\n");
    rig.run_to_ms(300_000);
    rig.answer_last(leg, &Method::Invite, (488, ""), "");
    assert_eq!((rig.updates(), rig.closed()), (0, vec![]));
    rig.run_to_ms(500_000);
    assert_eq!(rig.sent(&Method::Invite).len(), 2, "tried again before the end");
    rig.answer_last(leg, &Method::Invite, (200, ""), OFFER);
    assert_eq!(rig.closed(), []);

    for status in [Some(481), Some(408), None] {
        let (mut rig, _, leg, _) = joined("Session-Expires: 600\n");
        rig.run_to_ms(300_000);
        match status {
            Some(status) => rig.answer_last(leg, &Method::Invite, (status, ""), ""),
            None => rig.focus.request_failed(rig.now, leg, &Method::Invite, sip::Failure::Timeout),
        }
        rig.drain();
        assert_eq!(rig.closed(), [leg]);
        assert_eq!(rig.sent(&Method::Bye), [(300_000, leg)]);
    }
}

/// H05 · RFC 3311 §5.1: who said that it takes UPDATE and does not.
#[test]
fn update_that_is_not_taken_becomes_a_reinvite() {
    let (mut rig, _, leg, _) = joined(&format!("Session-Expires: 600\n{ALLOW}"));
    rig.run_to_ms(300_000);
    rig.answer_last(leg, &Method::Update, (405, ""), "");
    assert_eq!(rig.sent(&Method::Invite), [(300_000, leg)]);
}

/// H07 · RFC 3262 §3: no provisional response is ever sent, so none has to be reliable; a PRACK matches
/// none.
#[test]
fn require_100rel_is_met_by_the_final_answer_at_once() {
    let (mut rig, mut alice, _, response) = joined("Require: 100rel, timer\n");
    assert_eq!(
        (response.status.code(), response.headers.count(&HeaderName::Other("RSeq".into()))),
        (200, 0)
    );
    assert!(header(&response, &HeaderName::Supported).contains("100rel"));
    alice.more = "RAck: 1 1 INVITE\n".to_owned();
    assert_eq!(rig.status(&alice.next("PRACK", "")), 481);
    assert_eq!(rig.focus.leg_count(), 1);
}
