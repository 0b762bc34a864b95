//! When a shard works, and when it does not.

use std::net::SocketAddr;
use std::time::Duration;

use units::Instant;

use crate::message::{Action, Channel, ConferenceKey, Direction, Epoch, Event, Format, PortId};
use crate::rig::{CONFERENCE, PCMU, Rig, stream};
use crate::{Leftovers, Sink, TICK};

#[test]
fn an_idle_shard_has_no_deadline() {
    let mut rig = Rig::new();
    assert_eq!(rig.shard.deadline(), None);
    rig.command(Action::OpenConference).expect("opened");
    assert_eq!(rig.shard.deadline(), None, "a conference without a port has nothing to do");
    let leg = rig.join_tone(300.0);
    assert_eq!(rig.shard.deadline(), Some(rig.now + TICK));
    rig.run_ms(100);
    assert_eq!(rig.shard.deadline(), Some(rig.now + TICK));
    rig.leave(leg);
    assert_eq!(rig.shard.deadline(), None);
    let ticks = rig.shard.counters().ticks;
    rig.run_ms(100);
    assert_eq!(rig.shard.counters().ticks, ticks);
}

#[test]
fn a_tick_before_its_time_does_nothing() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.run_ms(100);
    let ticks = rig.shard.counters().ticks;
    rig.freeze(Duration::from_millis(9));
    rig.tick_now();
    assert_eq!(rig.shard.counters().ticks, ticks);
    rig.freeze(Duration::from_millis(1));
    rig.tick_now();
    rig.tick_now();
    assert_eq!(rig.shard.counters().ticks, ticks + 1);
}

#[test]
fn conferences_are_spread_over_both_phases_and_keep_theirs() {
    let mut rig = Rig::new();
    let key = |slot| ConferenceKey { slot, generation: 1 };
    let open = |rig: &mut Rig, slot| {
        rig.command_as(key(slot), Epoch(1), Action::OpenConference).expect("opened");
    };
    let join = |rig: &mut Rig, slot, legs: usize| {
        (0..legs).for_each(|_| {
            rig.join_conference(key(slot), None, stream(Direction::SendRecv, PCMU));
        });
    };
    // The first two are empty when the next is opened: they are spread by their number.
    (0..2).for_each(|slot| open(&mut rig, slot));
    join(&mut rig, 0, 4);
    join(&mut rig, 1, 1);
    // The third goes where there are fewer legs.
    open(&mut rig, 2);
    join(&mut rig, 2, 2);
    rig.run_ms(1_000);
    let phase = |rig: &Rig, index: usize| rig.peers[index].ticks[0] % 2;
    let phases: Vec<u64> = (0..7).map(|index| phase(&rig, index)).collect();
    let (first, other) = (phases[0], 1 - phases[0]);
    assert_eq!(phases, [first, first, first, first, other, other, other]);
    // What is gone makes room.
    rig.command_as(key(0), Epoch(1), Action::CloseConference).expect("closed");
    open(&mut rig, 3);
    join(&mut rig, 3, 1);
    rig.run_ms(1_000);
    assert_eq!(phase(&rig, 7), first);
    // Many at once, before anybody is in them.
    let slots = 4..44;
    slots.clone().for_each(|slot| open(&mut rig, slot));
    slots.for_each(|slot| join(&mut rig, slot, 1));
    rig.run_ms(1_000);
    let of_first = (8..48).filter(|&index| phase(&rig, index) == first).count();
    assert!((18..=22).contains(&of_first), "{of_first} of 40");
    for peer in &rig.peers {
        assert!(
            peer.ticks.windows(2).all(|pair| pair[1] - pair[0] == 2),
            "every 20 ms, never moved"
        );
    }
}

/// Packets of 10, 30 or 50 ms do not fit into a round. They are sent in time all the same, and none together with another.
#[test]
fn packets_that_are_no_whole_number_of_rounds_go_out_one_by_one() {
    for ptime_ms in [10, 20, 30, 40, 50, 60] {
        for ticks_before in 0..2 {
            let mut rig = Rig::with_conference();
            rig.join_tone(300.0);
            rig.run_ms(10 * ticks_before);
            let leg = rig.join(None, stream(Direction::SendRecv, Format { ptime_ms, ..PCMU }));
            rig.run_ms(3_000);
            let peer = &rig.peers[leg];
            let ticks = u64::from(ptime_ms) / 10;
            let runs_on = |pair: &[rtp::Header]| {
                pair[1].sequence == pair[0].sequence.wrapping_add(1)
                    && pair[1].timestamp == pair[0].timestamp.wrapping_add(ptime_ms * 8)
            };
            assert!(peer.headers.windows(2).all(runs_on), "{ptime_ms} ms: {:?}", peer.headers);
            assert!(
                peer.ticks.windows(2).all(|pair| pair[1] - pair[0] == ticks),
                "{ptime_ms} ms: {:?}",
                peer.ticks
            );
            assert!(peer.headers.len() as u64 >= 300 / ticks - 2, "{ptime_ms} ms");
            assert!(peer.level(300.0, 1_000) > -22.0, "{ptime_ms} ms");
        }
    }
}

#[test]
fn a_little_late_is_made_good_tick_by_tick() {
    let mut rig = Rig::with_conference();
    let leg = rig.join_tone(300.0);
    rig.run_ms(100);
    let ticks = rig.shard.counters().ticks;
    rig.freeze(Duration::from_millis(35)); // due 25 ms ago
    for _ in 0..10 {
        rig.tick_now();
    }
    assert_eq!(rig.shard.counters().ticks, ticks + 3);
    assert_eq!(rig.shard.counters().ticks_skipped, 0);
    rig.freeze(Duration::from_millis(5));
    rig.run_ms(100);
    let headers = &rig.peers[leg].headers;
    assert!(headers.windows(2).all(|p| p[1].timestamp == p[0].timestamp.wrapping_add(160)));
}

/// A thread with too much to do leaves rounds out, now these, now those: it must not have more to do for it.
#[test]
fn what_is_said_in_rounds_that_are_left_out_is_passed_over() {
    let mut rig = Rig::with_conference();
    let legs = [300.0, 500.0].map(|hz| rig.join_tone(hz));
    rig.run_ms(1_000);
    let delay_us = legs.map(|leg| rig.measured_now(leg).delay_us);
    for round in 0..20 {
        rig.busy_ms(40 + 10 * (round % 3));
        rig.run_ms(200);
    }
    assert!(rig.shard.counters().ticks_skipped >= 3 * 20, "else nothing is tested");
    for (leg, delay_us) in legs.into_iter().zip(delay_us) {
        let report = rig.measured_now(leg);
        assert_eq!((report.shortened_samples, report.concealed_samples), (0, 0));
        assert!(report.delay_us.abs_diff(delay_us) <= 1_000, "{} {delay_us}", report.delay_us);
        assert!(rig.peers[leg].level(if leg == 0 { 500.0 } else { 300.0 }, 100) > -22.0);
    }
}

/// A frozen machine sends one tick's packets when it thaws, and no more.
#[test]
fn after_a_freeze_one_tick_is_sent_and_the_clock_has_gone_on() {
    let mut rig = Rig::with_conference();
    for hz in [300.0, 500.0] {
        rig.join_tone(hz);
    }
    rig.run_ms(1_000);
    let before: Vec<_> = rig
        .peers
        .iter()
        .map(|peer| (peer.headers.len(), *peer.headers.last().expect("sent")))
        .collect();
    let ticks = rig.shard.counters().ticks;
    rig.freeze(Duration::from_secs(10));
    for _ in 0..100 {
        rig.tick_now();
    }
    assert_eq!(rig.shard.counters().ticks, ticks + 1);
    // Due since 9.99 s: those 999 are left out, and the one that is due now is mixed.
    assert_eq!(rig.shard.counters().ticks_skipped, 999);
    let sent: usize =
        rig.peers.iter().zip(&before).map(|(peer, (n, _))| peer.headers.len() - n).sum();
    assert!(sent <= 2, "one packet for each leg at most: {sent}");
    rig.run_ms(40);
    for (peer, (count, last)) in rig.peers.iter().zip(&before) {
        let next = peer.headers[*count];
        assert_eq!(next.sequence, last.sequence.wrapping_add(1));
        let passed_ms = next.timestamp.wrapping_sub(last.timestamp) / 8;
        assert!((10_000..=10_040).contains(&passed_ms), "{passed_ms} ms");
    }
}

#[test]
fn after_a_freeze_the_phases_still_mean_the_same() {
    for more_ms in [0, 10, 20, 30] {
        let mut rig = Rig::with_conference();
        let old = rig.join_tone(300.0);
        let short = Format { ptime_ms: 10, ..PCMU };
        let before = rig.join(None, stream(Direction::SendRecv, short));
        rig.run_ms(100 + more_ms);
        rig.freeze(Duration::from_millis(10_010));
        rig.run_ms(100);
        assert_eq!(rig.shard.counters().ticks_skipped % 2, 1, "else nothing is tested");
        let other = ConferenceKey { slot: 1, generation: 1 };
        rig.command_as(other, Epoch(1), Action::OpenConference).expect("opened");
        let new = rig.join_conference(other, None, stream(Direction::SendRecv, PCMU));
        let held = rig.join(None, stream(Direction::SendRecv, short));
        rig.run_ms(1_000);
        let last = |index: usize| *rig.peers[index].ticks.last().expect("sent");
        assert_ne!(last(old) % 2, last(new) % 2, "the new one took the other phase");
        for (index, ticks) in [(new, 2), (held, 1)] {
            let sent = &rig.peers[index].ticks;
            assert!(sent.windows(2).all(|pair| pair[1] - pair[0] == ticks), "{sent:?}");
        }
        let headers = &rig.peers[before].headers;
        assert!(headers.len() >= 110);
        let in_sequence =
            |pair: &[rtp::Header]| pair[1].sequence == pair[0].sequence.wrapping_add(1);
        assert!(
            headers.windows(2).all(in_sequence),
            "what was held when all stood still took no number"
        );
        let after = rig.peers[old].ticks.iter().filter(|tick| **tick > 20).collect::<Vec<_>>();
        assert!(after.windows(2).all(|pair| pair[1] - pair[0] == 2), "{after:?}");
    }
}

#[test]
fn after_a_freeze_everyone_is_heard_again() {
    let mut rig = Rig::with_conference();
    let (a, b) = (rig.join_tone(300.0), rig.join_tone(500.0));
    rig.run_ms(1_000);
    rig.freeze(Duration::from_secs(10));
    rig.run_ms(2_000);
    assert!(rig.peers[a].level(500.0, 1_000) > -22.0);
    assert!(rig.peers[b].level(300.0, 1_000) > -22.0);
}

#[test]
fn a_silent_leg_is_told_every_30_s_until_it_speaks() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.join_tone(500.0);
    rig.run_ms(1_000);
    rig.events.clear();
    let talker = rig.peers[1].talker.take();
    rig.run_ms(29_900);
    assert_eq!(rig.events_but_talking(), []);
    rig.run_ms(60_000);
    // Told in every second tick.
    let silences = |rig: &Rig| -> Vec<u64> {
        let told = rig.events_but_talking().into_iter().map(|event| match event {
            Event::Silent { conference: CONFERENCE, port: PortId(2), for_ms } => for_ms / 20 * 20,
            other => panic!("{other:?}"),
        });
        told.collect()
    };
    assert_eq!(silences(&rig), [30_000, 60_000]);
    rig.events.clear();
    rig.peers[1].talker = talker;
    rig.run_ms(1_000);
    rig.peers[1].talker = None;
    rig.run_ms(40_000);
    assert_eq!(silences(&rig), [30_000]);
}

/// Fails for one leg's packets, as a fault of ours would.
struct Faulty(u32);

impl Sink for Faulty {
    fn send(&mut self, lent: u32, _channel: Channel, _to: SocketAddr, _bytes: &[u8]) {
        assert_ne!(lent, self.0, "this panic is part of the test");
    }
}

#[test]
fn a_panic_ends_its_conference_and_no_other() {
    let mut rig = Rig::with_conference();
    let second = ConferenceKey { slot: 1, generation: 4 };
    rig.command_as(second, Epoch(1), Action::OpenConference).expect("opened");
    rig.join_tone(300.0);
    rig.join_tone(500.0);
    let talker = None;
    rig.join_conference(second, talker, stream(Direction::SendRecv, PCMU));
    for _ in 0..4 {
        rig.now += TICK;
        rig.shard.tick(rig.now, &mut Faulty(2));
    }
    let failed = Event::Failed { conference: CONFERENCE, epoch: Epoch(1) };
    assert_eq!(rig.shard.poll_event(), Some(failed));
    assert_eq!(rig.shard.poll_event(), None);
    assert_eq!(rig.shard.leftovers(), Leftovers { conferences: 1, ports: 1 });
    assert_eq!(rig.shard.counters().conferences_failed, 1);
    rig.run_ms(1_000);
    assert_eq!(rig.released, [1, 2]);
    assert!(rig.peers[2].headers.len() >= 49, "the other conference goes on");
    assert!(rig.peers[0].headers.is_empty());
}

#[test]
fn a_leg_added_at_the_end_of_time_does_not_overflow() {
    let mut rig = Rig::with_conference();
    rig.now = Instant::from_nanos(u64::MAX - 1);
    rig.join_tone(300.0);
    rig.tick_now();
}

/// A second of ticks is told together: 15 ms late every time, as on a core that does something else.
#[test]
fn how_late_ticks_begin_is_counted_and_told_once_a_second() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.run_ms(1_000);
    assert_eq!(rig.figures.pop(), Some(Event::Paced { late_us: 0 }));
    for _ in 0..100 {
        rig.now = rig.shard.deadline().expect("a leg is in") + Duration::from_millis(15);
        rig.tick_now();
    }
    let paced = rig.figures.iter().rev().find(|event| matches!(event, Event::Paced { .. }));
    assert_eq!(paced, Some(&Event::Paced { late_us: 15_000 }));
    let lateness = rig.shard.counters().lateness_us;
    assert_eq!((lateness.total(), lateness.sum()), (200, 1_500_000));
    assert!(lateness.cumulated().any(|range| range == (10_000, 100)), "half of them in time");
    assert!(lateness.cumulated().any(|range| range == (20_000, 200)));
    // Without legs there are no ticks: it is not late any more, and says so.
    rig.figures.clear();
    rig.leave(0);
    assert_eq!(rig.figures, [Event::Paced { late_us: 0 }]);
}
