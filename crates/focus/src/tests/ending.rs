//! Who ends a conference, and how.

use sip::Method;
use units::Instant;

use super::rig::{Caller, OFFER, Rig};
use crate::{Creator, End, EndPolicy, LegEnd, Output, ParticipantState};

fn creator(of: &Caller) -> Option<Creator> {
    Some(Creator::of(&of.clone().next("INVITE", "")))
}

#[test]
fn the_last_one_ends_it_and_nothing_is_left() {
    let mut rig = Rig::new();
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    rig.join(&mut alice);
    rig.join(&mut bob);
    rig.send(&alice.next("BYE", ""));
    assert_eq!(rig.ended(), []);
    rig.send(&bob.next("BYE", ""));
    assert_eq!(rig.ended(), [End::LastLeft]);
    assert!(matches!(rig.log.last(), Some((_, Output::Ended { .. }))));
    assert_eq!((rig.focus.leg_count(), rig.focus.deadline()), (0, None));
    assert!(rig.focus.roster().is_empty() && rig.focus.by_dialog.is_empty());
}

#[test]
fn conference_that_ended_lets_nobody_in() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let leg = rig.join(&mut alice);
    rig.focus.end(rig.now, End::Ordered);
    rig.drain();
    let mut bob = Caller::new("bob", 2);
    assert_eq!(rig.try_invite(&bob.next("INVITE", OFFER)).unwrap_err().status.code(), 404);
    rig.answer(leg, &Method::Bye, 200);
    assert_eq!(rig.try_invite(&bob.next("INVITE", OFFER)).unwrap_err().status.code(), 404);
    rig.focus.end(rig.now, End::Ordered);
    rig.drain();
    assert_eq!(rig.ended(), [End::Ordered]);
}

/// RFC 4579 §5.12
#[test]
fn creator_who_leaves_ends_it_for_all() {
    let mut alice = Caller::new("alice", 1);
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator(&alice));
    let mut bob = Caller::new("bob", 2);
    let bob_leg = rig.join(&mut bob);
    rig.join(&mut alice);
    let is_creator: Vec<_> = rig.focus.roster().iter().map(|line| line.creator).collect();
    assert_eq!(is_creator, [false, true]);
    let joined: Vec<_> = rig
        .log
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Joined(line) => Some((line.uri.clone(), line.creator)),
            _ => None,
        })
        .collect();
    assert_eq!(joined[1], ("sip:alice@example.com".to_owned(), true));
    rig.send(&alice.next("BYE", ""));
    assert_eq!(rig.sent(&Method::Bye), [(0, bob_leg)]);
    assert_eq!(rig.closed().len(), 2);
    assert_eq!(rig.ended(), []);
    rig.answer(bob_leg, &Method::Bye, 200);
    assert_eq!(rig.leg_ends()[1], (bob_leg, LegEnd::ConferenceEnded));
    assert_eq!(rig.ended(), [End::CreatorLeft]);
}

/// B05 · RFC 4579 §5.4: a proxy that recurses on the 302 sends the same Call-ID, From tag and CSeq, under
/// a Via of its own: that is the creator, and he sees only the answers of the focus.
#[test]
fn recursing_proxy_brings_the_creator_in() {
    let mut alice = Caller::new("alice", 1);
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator(&alice));
    alice.seen_as = Some("192.0.2.99:5060".to_owned());
    alice.more = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKfirst\n".to_owned();
    let (_, response) = rig.invite(&mut alice);
    assert_eq!(response.headers.count(&sip::HeaderName::Via), 2);
    assert!(response.headers.contact().unwrap().unwrap().is_focus());
    assert!(rig.focus.roster()[0].creator);
}

#[test]
fn others_who_leave_do_not_end_the_creators_conference() {
    let mut alice = Caller::new("alice", 1);
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator(&alice));
    let mut bob = Caller::new("bob", 2);
    rig.join(&mut bob);
    rig.join(&mut alice);
    rig.send(&bob.next("BYE", ""));
    assert_eq!((rig.ended(), rig.focus.leg_count()), (vec![], 1));
    rig.send(&alice.next("BYE", ""));
    assert_eq!(rig.ended(), [End::CreatorLeft]);
}

/// T31: linphone follows the 302 with a Call-ID of its own: From and the very port that it sends from tell. Who is behind
/// the same NAT and takes his name has another, and ends nothing by leaving.
#[test]
fn creator_with_a_new_call_id_is_known_by_name_and_place() {
    let mut alice = Caller::new("alice", 1);
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator(&alice));
    alice.call_id = "another".to_owned();
    alice.tag = "another".to_owned();
    rig.join(&mut alice);
    assert!(rig.focus.roster()[0].creator);
    let mut alice = Caller::new("alice", 1);
    for seen_as in ["192.0.2.9:5060", "192.0.2.1:5061"] {
        let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator(&alice));
        rig.join(&mut Caller::new("bob", 2));
        let mut impostor = Caller::new("alice", 1);
        (impostor.call_id, impostor.seen_as) = ("third".to_owned(), Some(seen_as.to_owned()));
        rig.join(&mut impostor);
        assert!(!rig.focus.roster()[1].creator, "same name, from {seen_as}");
        rig.send(&impostor.next("BYE", ""));
        assert_eq!((rig.focus.leg_count(), rig.ended()), (1, vec![]));
    }
    // Behind one proxy all have its address and port.
    alice.more = "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa\n".to_owned();
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator(&alice));
    let mut impostor = alice.clone();
    impostor.call_id = "third".to_owned();
    rig.join(&mut impostor);
    assert!(!rig.focus.roster()[0].creator, "by the same proxy");
    rig.join(&mut alice);
    assert!(rig.focus.roster()[1].creator, "the same call");
}

#[test]
fn same_dialog_identifiers_are_better_than_same_name() {
    let mut alice = Caller::new("alice", 1);
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator(&alice));
    let mut second_phone = Caller::new("alice", 1);
    second_phone.call_id = "another".to_owned();
    rig.join(&mut second_phone);
    rig.join(&mut alice);
    let is_creator: Vec<_> = rig.focus.roster().iter().map(|line| line.creator).collect();
    assert_eq!(is_creator, [false, true]);
    rig.send(&second_phone.next("BYE", ""));
    assert_eq!(rig.focus.leg_count(), 1);
    assert_eq!(rig.ended(), []);
}

#[test]
fn without_a_known_creator_the_last_one_ends_it() {
    let alice = Caller::new("alice", 1);
    let (mut bob, mut carol) = (Caller::new("bob", 2), Caller::new("carol", 3));
    for creator in [None, creator(&alice)] {
        let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator);
        for caller in [&mut bob, &mut carol] {
            caller.to_tag = None;
            rig.join(caller);
        }
        rig.send(&bob.next("BYE", ""));
        assert_eq!((rig.ended(), rig.focus.leg_count()), (vec![], 1));
        rig.send(&carol.next("BYE", ""));
        assert_eq!(rig.ended(), [End::LastLeft]);
    }
}

#[test]
fn creator_who_vanishes_has_left() {
    let mut alice = Caller::new("alice", 1);
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, creator(&alice));
    let leg = rig.join(&mut alice);
    let bob = rig.join(&mut Caller::new("bob", 2));
    rig.focus.media_silent(rig.now, leg);
    rig.focus.request_failed(rig.now, leg, &Method::Options, sip::Failure::Timeout);
    rig.drain();
    assert_eq!(rig.sent(&Method::Bye), [(0, leg), (0, bob)]);
}

/// A33 · RFC 3261 §15
#[test]
fn bye_waits_for_the_ack_of_a_leg_that_has_only_the_200() {
    let mut rig = Rig::new();
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let alice_leg = rig.join(&mut alice);
    let (bob_leg, _) = rig.invite(&mut bob);
    rig.focus.end(rig.now, End::Ordered);
    rig.drain();
    assert_eq!(rig.sent(&Method::Bye), [(0, alice_leg)]);
    assert_eq!(rig.closed(), [alice_leg, bob_leg], "no media for either");
    assert_eq!(rig.focus.roster()[1].state, ParticipantState::Leaving);
    rig.run_to_ms(1_600);
    assert_eq!(rig.resent_ms(), [500, 1_500], "the 200 is still resent: its ACK is wanted");
    assert_eq!(rig.sent(&Method::Bye).len(), 1);
    rig.send(&bob.ack());
    assert_eq!(rig.sent(&Method::Bye)[1], (1_600, bob_leg));
    rig.answer(alice_leg, &Method::Bye, 200);
    assert_eq!(rig.ended(), []);
    rig.answer(bob_leg, &Method::Bye, 200);
    assert_eq!(rig.ended(), [End::Ordered]);
}

/// A33 · RFC 3261 §15
#[test]
fn bye_goes_out_when_the_200_has_timed_out_without_an_ack() {
    let mut rig = Rig::new();
    let (leg, _) = rig.invite(&mut Caller::new("alice", 1));
    rig.focus.end(rig.now, End::Ordered);
    rig.run_to_ms(31_999);
    assert_eq!(rig.sent(&Method::Bye), []);
    rig.run_to_ms(32_000);
    assert_eq!(rig.sent(&Method::Bye), [(32_000, leg)]);
}

/// A33 · RFC 3261 §15: a re-INVITE that waits for its ACK holds our BYE back as well.
#[test]
fn bye_waits_for_the_ack_of_a_reinvite() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let leg = rig.join(&mut alice);
    rig.send(&alice.next("INVITE", OFFER));
    rig.focus.end(rig.now, End::Ordered);
    rig.drain();
    assert_eq!((rig.sent(&Method::Bye), rig.closed()), (vec![], vec![leg]));
    assert_eq!(rig.status(&alice.next("INVITE", OFFER)), 481, "the session is over");
    alice.cseq -= 1;
    rig.send(&alice.ack());
    assert_eq!(rig.sent(&Method::Bye), [(0, leg)]);
}

/// Whoever lost our BYE's transaction need not tell us.
#[test]
fn bye_whose_fate_nobody_tells_does_not_keep_the_leg() {
    let mut rig = Rig::new();
    let leg = rig.join(&mut Caller::new("alice", 1));
    rig.focus.end(rig.now, End::Ordered);
    rig.run_to_ms(35_999);
    assert_eq!(rig.leg_ends(), []);
    rig.run_to_ms(36_000);
    assert_eq!(rig.leg_ends(), [(leg, LegEnd::ConferenceEnded)]);
    assert_eq!(rig.ended(), [End::Ordered]);
}

/// RFC 3261 §15.1.1: any final answer to a BYE ends the session.
#[test]
fn bye_refused_ends_the_leg_all_the_same() {
    for status in [200, 401, 404, 408, 481, 500, 503] {
        let mut rig = Rig::new();
        let leg = rig.join(&mut Caller::new("alice", 1));
        rig.focus.end(rig.now, End::Ordered);
        rig.drain();
        rig.answer(leg, &Method::Bye, status);
        assert_eq!(rig.ended(), [End::Ordered], "{status}");
    }
}

#[test]
fn conference_ended_before_anybody_came_is_over_at_once() {
    let mut rig = Rig::new();
    rig.focus.end(Instant::ZERO, End::MediaFailed);
    rig.drain();
    assert_eq!(rig.ended(), [End::MediaFailed]);
}

#[test]
fn causes_are_words_for_people() {
    for words in [
        End::CreatorLeft.to_string(),
        End::LastLeft.to_string(),
        End::MediaFailed.to_string(),
        End::Ordered.to_string(),
        LegEnd::Left.to_string(),
        LegEnd::Silent.to_string(),
    ] {
        assert!(!words.is_empty() && words.starts_with(char::is_lowercase), "{words}");
    }
}
