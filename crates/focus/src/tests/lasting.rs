//! How long a conference may last.

use std::time::Duration;

use sip::{HeaderName, Method};
use units::{Instant, Rng};

use super::rig::{Caller, Rig};
use crate::{End, Focus, LegEnd, Output};

fn told(rig: &Rig) -> Vec<(u64, u64)> {
    let told = rig.log.iter().filter_map(|(ms, output)| match output {
        Output::EndsSoon { left } => Some((*ms, left.as_secs())),
        _ => None,
    });
    told.collect()
}

fn limited(seconds: u64) -> Rig {
    let mut rig = Rig::new();
    rig.focus.set_max_time(rig.now, Some(Duration::from_secs(seconds)));
    rig.drain();
    rig
}

#[test]
fn it_is_told_a_minute_before_and_all_get_bye_with_a_reason() {
    let mut rig = limited(600);
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let legs = [rig.join(&mut alice), rig.join(&mut bob)];
    rig.run_to_ms(539_999);
    assert_eq!((told(&rig), rig.focus.ends_at()), (vec![], Some(Instant::from_millis(600_000))));
    rig.run_to_ms(599_999);
    assert_eq!((told(&rig), rig.sent(&Method::Bye)), (vec![(540_000, 60)], vec![]));
    rig.run_to_ms(600_000);
    assert_eq!(rig.sent(&Method::Bye), legs.map(|leg| (600_000, leg)));
    let (bye, _) = rig.last_request();
    let reason = bye.headers.get(&HeaderName::Reason).unwrap().text().into_owned();
    assert_eq!(reason, "Q.850;cause=16;text=\"The time of the conference is up\"");
    for leg in legs {
        rig.answer(leg, &Method::Bye, 200);
    }
    assert_eq!(rig.leg_ends(), legs.map(|leg| (leg, LegEnd::TimeUp)));
    assert_eq!((rig.ended(), rig.focus.deadline()), (vec![End::TimeUp], None));
}

/// RFC 3261 §15: whoever has not acknowledged the 200 gets his BYE when he has, or when it timed out.
#[test]
fn who_has_not_acknowledged_goes_when_he_may() {
    let mut rig = limited(10);
    rig.run_to_ms(9_500);
    let mut alice = Caller::new("alice", 1);
    rig.invite(&mut alice);
    rig.run_to_ms(10_500);
    assert_eq!((rig.sent(&Method::Bye), told(&rig)), (vec![], vec![(5_000, 5)]));
    rig.send(&alice.ack());
    assert_eq!(rig.sent(&Method::Bye).len(), 1);
    assert_eq!(
        rig.try_invite(&Caller::new("bob", 2).next("INVITE", "")).unwrap_err().status.code(),
        404
    );
}

#[test]
fn the_time_can_be_changed_and_counts_from_the_beginning() {
    let mut rig = limited(600);
    rig.join(&mut Caller::new("alice", 1));
    rig.run_to_ms(550_000);
    // More time: told again, a minute before the new end.
    rig.focus.set_max_time(rig.now, Some(Duration::from_secs(900)));
    rig.run_to_ms(850_000);
    assert_eq!(told(&rig), [(540_000, 60), (840_000, 60)]);
    // The same again changes nothing, none takes it away.
    rig.focus.set_max_time(rig.now, Some(Duration::from_secs(900)));
    rig.focus.set_max_time(rig.now, None);
    rig.run_to_ms(1_000_000);
    assert_eq!((told(&rig).len(), rig.ended(), rig.focus.ends_at()), (2, vec![], None));
    // Less than a minute is left: told at once. None is left: it ends.
    rig.focus.set_max_time(rig.now, Some(Duration::from_secs(1_030)));
    rig.drain();
    assert_eq!(told(&rig)[2], (1_000_000, 30));
    rig.focus.set_max_time(rig.now, Some(Duration::from_secs(20)));
    rig.drain();
    assert_eq!(rig.sent(&Method::Bye).len(), 1);
}

#[test]
fn the_time_goes_on_where_the_conference_goes() {
    let mut rig = limited(100);
    rig.join(&mut Caller::new("alice", 1));
    rig.run_to_ms(60_000);
    assert_eq!(told(&rig), [(50_000, 50)]);
    let snapshot = rig.focus.snapshot(rig.now);
    let there = Instant::from_millis(1_000_000);
    let focus = Focus::restore(there, snapshot, Rng::from_number(2)).unwrap();
    assert_eq!(focus.ends_at(), Some(Instant::from_millis(1_040_000)));
    let mut copy = Rig::around(focus);
    copy.now = there;
    copy.run_to_ms(1_040_000);
    assert_eq!((told(&copy), copy.sent(&Method::Bye).len()), (vec![], 1));
}

/// A clock that has just begun to run is younger than the conference.
#[test]
fn what_it_lasted_before_counts_on_any_clock() {
    let mut rig = limited(100);
    rig.join(&mut Caller::new("alice", 1));
    rig.run_to_ms(60_000);
    let snapshot = rig.focus.snapshot(rig.now);
    let there = Instant::from_millis(1_000);
    let focus = Focus::restore(there, snapshot, Rng::from_number(2)).unwrap();
    assert_eq!(focus.ends_at(), Some(Instant::from_millis(41_000)));
    // Not told yet: at once, since the time for it is over.
    let mut rig = limited(100);
    rig.focus = rig.focus.lasting_since(Duration::from_secs(70));
    rig.join(&mut Caller::new("alice", 1));
    rig.run_to_ms(30_000);
    assert_eq!(told(&rig), [(0, 30)]);
    assert_eq!(rig.sent(&Method::Bye).len(), 1);
}
