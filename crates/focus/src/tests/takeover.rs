//! Legs in the place of others.

use sip::{DialogId, Method, StatusCode};

use super::callee::answer;
use super::rig::{Caller, OFFER, Rig};
use crate::{Creator, EndPolicy, LegEnd, LegId, Named, Output, ParticipantState};

/// The dialog of a caller, as the focus knows it.
fn dialog_of(caller: &Caller) -> DialogId {
    DialogId {
        call_id: caller.call_id.clone(),
        local_tag: caller.to_tag.clone().unwrap(),
        remote_tag: caller.tag.clone(),
    }
}

fn desk() -> Caller {
    let mut desk = Caller::new("alice", 8);
    desk.call_id = "call-of-desk".to_owned();
    desk.tag = "tag-of-desk".to_owned();
    desk
}

/// B27 · RFC 4579 §5.9; RFC 3891 §3: the new leg is in before the old one is let go, and the creator stays the creator.
#[test]
fn a_second_device_takes_the_place_of_the_first() {
    let mut alice = Caller::new("alice", 1);
    let creator = Creator::of(&alice.clone().next("INVITE", ""));
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, Some(creator));
    let old = rig.join(&mut alice);
    rig.join(&mut Caller::new("bob", 2));
    let mut desk = desk();
    assert_eq!(rig.focus.named(&dialog_of(&alice)), Named::Leg(old));
    assert_eq!(rig.focus.replaced(&dialog_of(&alice), false, None), Ok(old));
    let (new, _) = rig.invite(&mut desk);
    rig.focus.replace(rig.now, new, old);
    rig.drain();
    assert_eq!(rig.sent(&Method::Bye), [], "not before the new one is sure");
    rig.send(&desk.ack());
    assert_eq!(rig.sent(&Method::Bye), [(0, old)]);
    assert_eq!(rig.focus.named(&dialog_of(&alice)), Named::Ended);
    rig.answer(old, &Method::Bye, 200);
    assert_eq!(rig.leg_ends(), [(old, LegEnd::Replaced)]);
    let roster = rig.focus.roster();
    let lines: Vec<_> = roster.iter().map(|line| (line.uri.as_str(), line.creator)).collect();
    assert_eq!(lines, [("sip:bob@example.com", false), ("sip:alice@example.com", true)]);
    assert_eq!(rig.ended(), []);
    assert_eq!(rig.focus.named(&dialog_of(&alice)), Named::Nothing);
}

/// B28 · RFC 3891 §3: a failure leaves the old leg alone.
#[test]
fn who_is_not_acknowledged_takes_nobodys_place() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let old = rig.join(&mut alice);
    let (new, _) = rig.invite(&mut desk());
    rig.focus.replace(rig.now, new, old);
    rig.drain();
    rig.run_to_ms(32_000);
    rig.answer(new, &Method::Bye, 481);
    assert_eq!(rig.leg_ends(), [(new, LegEnd::NoAck)]);
    assert_eq!(rig.focus.named(&dialog_of(&alice)), Named::Leg(old));
}

/// T31 · a participant of a locked conference who gives his dialog's name to others brings in one of them, and goes himself.
#[test]
fn one_place_is_taken_by_one() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let old = rig.join(&mut alice);
    rig.join(&mut Caller::new("bob", 2));
    let names = ["carol", "dave", "erin"].into_iter().zip(3..);
    let mut others: Vec<Caller> = names.map(|(name, n)| Caller::new(name, n)).collect();
    // Each names alice, but the last: he names the one before him.
    let mut named = dialog_of(&alice);
    for (number, friend) in others.iter_mut().enumerate() {
        let taken = rig.focus.replaced(&named, false, None);
        assert_eq!(taken, Ok(old), "{number}");
        let (new, _) = rig.invite(friend);
        rig.focus.replace(rig.now, new, old);
        rig.drain();
        if number == 1 {
            named = dialog_of(friend);
        }
    }
    for friend in &others {
        rig.send(&friend.ack());
    }
    let byes = rig.sent(&Method::Bye);
    assert_eq!(byes.len(), 3, "{byes:?}");
    let roster = rig.focus.roster();
    let staying = roster.iter().filter(|line| line.state == ParticipantState::Joined);
    let staying: Vec<_> = staying.map(|line| line.uri.as_str()).collect();
    assert_eq!(staying, ["sip:bob@example.com", "sip:erin@example.com"]);
}

/// Whoever is removed does not stay by a call that was to take the place of the one that he is removed from.
#[test]
fn who_is_removed_is_so_with_the_call_that_was_to_replace_his() {
    let mut rig = Rig::new();
    let old = rig.join(&mut Caller::new("alice", 1));
    rig.join(&mut Caller::new("bob", 2));
    let mut desk = desk();
    let (new, _) = rig.invite(&mut desk);
    rig.focus.replace(rig.now, new, old);
    rig.focus.remove_leg(rig.now, old).unwrap();
    rig.drain();
    rig.send(&desk.ack());
    assert_eq!(rig.sent(&Method::Bye), [(0, old), (0, new)]);
    rig.answer(old, &Method::Bye, 200);
    rig.answer(new, &Method::Bye, 200);
    assert_eq!(rig.leg_ends(), [(old, LegEnd::Removed), (new, LegEnd::Removed)]);
}

/// From the first packet on, not from his ACK on, which he can keep back.
#[test]
fn who_is_muted_is_so_in_his_next_call_before_he_acknowledges_it() {
    let mut rig = Rig::new();
    let old = rig.join(&mut Caller::new("alice", 1));
    rig.focus.mute(rig.now, old, true).unwrap();
    let (new, _) = rig.invite(&mut desk());
    rig.focus.replace(rig.now, new, old);
    rig.drain();
    let muted =
        |it: &Output| matches!(it, Output::MuteMedia { leg, is_muted: true } if *leg == new);
    assert!(rig.log.iter().any(|(_, output)| muted(output)));
}

/// B28 · RFC 3891 §3
#[test]
fn whose_place_cannot_be_taken() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let leg = rig.join(&mut alice);
    rig.join(&mut Caller::new("bob", 2));
    let dialog = dialog_of(&alice);
    let replaced = |rig: &Rig, early_only, user| rig.focus.replaced(&dialog, early_only, user);
    assert_eq!(replaced(&rig, true, None), Err(StatusCode::BUSY_HERE));
    let unknown = DialogId { call_id: "x".to_owned(), ..dialog.clone() };
    let nobody = rig.focus.replaced(&unknown, false, None);
    assert_eq!(nobody, Err(StatusCode::CALL_DOES_NOT_EXIST));
    // Who has proved who he is is replaced by nobody else.
    rig.focus.identify(rig.now, leg, "alice");
    for (user, expected) in [
        (None, Err(StatusCode::FORBIDDEN)),
        (Some("bob"), Err(StatusCode::FORBIDDEN)),
        (Some("alice"), Ok(leg)),
    ] {
        assert_eq!(replaced(&rig, false, user), expected, "{user:?}");
    }
    rig.focus.media_failed(rig.now, leg);
    rig.drain();
    assert_eq!(replaced(&rig, false, Some("alice")), Err(StatusCode::DECLINE));
}

/// RFC 3891 §3: an early dialog that we have made is taken over by calling off the call.
#[test]
fn whoever_answers_elsewhere_stops_the_ringing() {
    let mut rig = Rig::new();
    let (ringing, invite) = rig.call_bob();
    rig.callee_answers(ringing, &answer(&invite, 180, "b", ""));
    let dialog = DialogId {
        call_id: invite.headers.call_id().unwrap().to_owned(),
        local_tag: invite.headers.from_().unwrap().tag().unwrap().to_owned(),
        remote_tag: "b".to_owned(),
    };
    assert_eq!(rig.focus.named(&dialog), Named::Ringing(ringing));
    assert_eq!(rig.focus.replaced(&dialog, true, None), Ok(ringing));
    let (new, _) = rig.invite(&mut desk());
    rig.focus.replace(rig.now, new, ringing);
    rig.drain();
    assert_eq!(rig.cancels(), [ringing]);
    rig.callee_answers(ringing, &answer(&invite, 487, "b", ""));
    assert_eq!(rig.dial_ends().len(), 1);
    assert_eq!(rig.focus.named(&dialog), Named::Nothing);
}

/// A place that is being taken is written down.
#[test]
fn a_place_that_is_being_taken_survives_a_snapshot() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let old = rig.join(&mut alice);
    let mut desk = desk();
    let new = rig.try_invite(&desk.next("INVITE", OFFER)).unwrap();
    desk.heard(&rig.last_response());
    rig.focus.replace(rig.now, new, old);
    rig.drain();
    let text = serde_json::to_string(&rig.focus.snapshot(rig.now)).unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    let focus = crate::Focus::restore(rig.now, snapshot, units::Rng::from_number(3)).unwrap();
    let mut copy = Rig::around(focus);
    copy.send(&desk.ack());
    let byes = copy.log.iter().filter_map(|(_, output)| match output {
        Output::Request { leg, request, .. } if request.method == Method::Bye => Some(*leg),
        _ => None,
    });
    assert_eq!(byes.collect::<Vec<_>>(), [LegId(0)]);
}
