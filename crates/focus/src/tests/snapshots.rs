//! A conference written down and made again.

use sip::Method;
use units::{Instant, Rng};

use super::rig::{CONFERENCE, Caller, OFFER, Rig};
use crate::{
    Creator, End, EndPolicy, FOCUS_SNAPSHOT_VERSION, Focus, FocusSnapshot, LegEnd, Output,
    ParticipantState, RestoreError,
};

/// Through its text, as it would be stored.
fn copied(snapshot: &FocusSnapshot) -> FocusSnapshot {
    serde_json::from_str(&serde_json::to_string(snapshot).unwrap()).unwrap()
}

fn restored(rig: &Rig, now: Instant) -> Rig {
    let snapshot = copied(&rig.focus.snapshot(rig.now));
    let mut copy = Rig::around(Focus::restore(now, snapshot, Rng::from_number(2)).unwrap());
    copy.now = now;
    copy
}

/// One leg that is in, one whose ACK is awaited, one with a re-INVITE not acknowledged.
fn conference() -> (Rig, [Caller; 3]) {
    let mut alice = Caller::new("alice", 1);
    let creator = Creator::of(&alice.clone().next("INVITE", ""));
    let mut rig = Rig::with(EndPolicy::CreatorLeaves, Some(creator));
    rig.join(&mut alice);
    let (mut bob, mut carol) = (Caller::new("bob", 2), Caller::new("carol", 3));
    rig.run_to_ms(10_000);
    rig.invite(&mut bob);
    rig.join(&mut carol);
    rig.send(&carol.next("INVITE", ""));
    (rig, [alice, bob, carol])
}

#[test]
fn snapshot_restored_is_the_same_conference_on_another_clock() {
    let (rig, _) = conference();
    let now = Instant::from_millis(77_000_000);
    let copy = restored(&rig, now);
    assert_eq!(copy.focus.snapshot(now), rig.focus.snapshot(rig.now));
    let shape = |rig: &Rig| {
        let roster = rig.focus.roster();
        let line = |line: crate::Participant| (line.leg, line.uri, line.state, line.creator);
        roster.into_iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(shape(&copy), shape(&rig));
    assert_eq!(now.since(copy.focus.roster()[0].since).as_secs(), 10);
}

#[test]
fn restored_conference_tells_its_legs_and_goes_on() {
    let (rig, [mut alice, bob, mut carol]) = conference();
    let mut copy = restored(&rig, Instant::from_millis(500_000));
    let started =
        copy.log.iter().filter(|(_, output)| matches!(output, Output::LegStarted { .. })).count();
    let opened: Vec<_> = copy
        .log
        .iter()
        .filter_map(|(_, output)| match output {
            Output::OpenMedia { leg, media } => Some((*leg, media.clone())),
            _ => None,
        })
        .collect();
    assert_eq!((started, opened.len(), copy.log.len()), (3, 3, 6));
    assert_eq!(opened[0].1, rig.media(opened[0].0));
    // Bob's 200 goes on being resent until his ACK; Carol's ACK must still answer our offer.
    copy.run_to_ms(500_600);
    assert_eq!(copy.resent_ms().len(), 2);
    copy.send(&bob.ack());
    copy.send(&carol.request("ACK", carol.cseq, OFFER));
    assert_eq!(copy.focus.deadline(), None);
    assert!(copy.focus.roster().iter().all(|line| line.state == ParticipantState::Joined));
    // The order of requests is remembered.
    assert_eq!(copy.status(&alice.request("BYE", 1, "")), 500);
    // New legs get new numbers; the creator is still the creator.
    let late = copy.join(&mut Caller::new("late", 4));
    assert_eq!(late.0, 3);
    assert_eq!(copy.status(&alice.next("BYE", "")), 200);
    assert_eq!(copy.sent(&Method::Bye).len(), 3);
    carol.next("BYE", "");
}

#[test]
fn bye_under_way_is_sent_again() {
    let (mut rig, _) = conference();
    rig.focus.end(rig.now, End::Ordered);
    rig.drain();
    let (first, _) = rig.last_request();
    let mut copy = restored(&rig, Instant::from_millis(1_000));
    // Only Alice's could go out; the others wait for their ACKs.
    let byes = copy.sent(&Method::Bye);
    assert_eq!(byes.len(), 1);
    let (second, _) = copy.last_request();
    assert_eq!(first.headers.cseq().unwrap().number + 1, second.headers.cseq().unwrap().number);
    let media = copy.log.iter().any(|(_, output)| matches!(output, Output::OpenMedia { .. }));
    assert!(!media, "those who go have none");
    copy.answer(byes[0].1, &Method::Bye, 481);
    assert_eq!(copy.leg_ends(), [(byes[0].1, LegEnd::ConferenceEnded)]);
    copy.run_to_ms(200_000);
    assert_eq!(copy.ended(), [End::Ordered]);
}

#[test]
fn other_version_or_damaged_answer_is_refused() {
    let (rig, _) = conference();
    let snapshot = rig.focus.snapshot(rig.now);
    let restore = |snapshot| Focus::restore(rig.now, snapshot, Rng::from_number(2)).unwrap_err();
    let mut newer = snapshot.clone();
    newer.version += 1;
    let expected = FOCUS_SNAPSHOT_VERSION;
    assert_eq!(restore(newer), RestoreError::Version { got: expected + 1, expected });
    let mut json = serde_json::to_value(&snapshot).unwrap();
    json["legs"][1]["state"]["Answered"]["unacked"]["response"] = vec![1, 2, 3].into();
    let damaged = serde_json::from_value(json).unwrap();
    assert_eq!(restore(damaged), RestoreError::Answer { leg: crate::LegId(1) });
    assert!(serde_json::to_string(&snapshot).unwrap().contains(CONFERENCE));
}
