use proptest::prelude::*;
use units::Rng;

use super::*;

const FIRST_SEQUENCE: u16 = 65_500;
const FIRST_TIMESTAMP: u32 = u32::MAX - 3_000;

/// A sender, a network and a player under virtual time. The player asks every 10 ms and plays what
/// it got; each payload carries when it was sent, so that the delay can be seen.
struct Rig {
    buffer: JitterBuffer,
    now_ms: u64,
    /// Samples that the player still has, 8 for each ms.
    fifo_ticks: u32,
    played: Vec<Played>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Played {
    /// The packet of this number, this long after it was sent.
    Packet {
        number: u32,
        delay_ms: i64,
    },
    Lost,
    Silence,
    Starved,
    Idle,
}

impl Rig {
    fn new() -> Self {
        let buffer = JitterBuffer::new(JitterConfig::default());
        Self { buffer, now_ms: 0, fifo_ticks: 0, played: vec![] }
    }

    /// Plays up to a moment, this one excluded.
    fn play_until(&mut self, ms: u64) {
        while self.now_ms < ms {
            if self.now_ms.is_multiple_of(10) {
                self.tick();
            }
            self.now_ms += 1;
        }
    }

    fn tick(&mut self) {
        let mut out = [0; 640];
        // Silence may be shorter than a tick.
        while self.fifo_ticks < 80 {
            let (what, ticks) = match self.buffer.pop_frame(self.now(), &mut out) {
                Frame::Payload { len } => {
                    let word = |at: usize| {
                        u32::from_be_bytes([out[at], out[at + 1], out[at + 2], out[at + 3]])
                    };
                    let delay_ms = self.now_ms.cast_signed() - i64::from(word(4));
                    let delay_ms = delay_ms + i64::from(self.fifo_ticks / 8);
                    (Played::Packet { number: word(0), delay_ms }, u32::try_from(len).unwrap())
                }
                Frame::Lost { ticks } => (Played::Lost, ticks),
                Frame::Silence { ticks } => (Played::Silence, ticks),
                Frame::Starved => (Played::Starved, 80),
                Frame::Idle => (Played::Idle, 80),
            };
            assert!(ticks > 0, "{what:?} takes time");
            self.played.push(what);
            self.fifo_ticks += ticks;
        }
        self.fifo_ticks -= 80;
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.now_ms)
    }

    /// Packet `number` of a steady stream of 20 ms packets arrives now; it was sent on time.
    fn arrive(&mut self, number: u32) -> Inserted {
        self.arrive_as(number, number * 20, 160)
    }

    /// A packet sent at `sent_ms`, with a timestamp to match.
    fn arrive_as(&mut self, number: u32, sent_ms: u32, len: usize) -> Inserted {
        let sequence = FIRST_SEQUENCE.wrapping_add(u16::try_from(number % 0x1_0000).unwrap());
        let timestamp = FIRST_TIMESTAMP.wrapping_add(sent_ms * 8);
        let mut payload = vec![0; len];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        payload[4..8].copy_from_slice(&sent_ms.to_be_bytes());
        self.buffer.insert(self.now(), sequence, timestamp, &payload)
    }

    /// Plays what a list of (arrival in ms, packet number) gives, then 200 ms more.
    fn run(&mut self, arrivals: impl IntoIterator<Item = (u64, u32)>) {
        let mut arrivals = arrivals.into_iter().collect::<Vec<_>>();
        arrivals.sort_by_key(|&(at_ms, _)| at_ms); // stable: the order given holds at one moment
        for (at_ms, number) in arrivals {
            self.play_until(at_ms);
            self.arrive(number);
        }
        self.play_until(self.now_ms + 200);
    }

    /// What was played, without the idling before and after.
    fn story(&self) -> Vec<Played> {
        let idle = |played: &&Played| **played == Played::Idle;
        let start = self.played.iter().take_while(idle).count();
        let end =
            self.played.iter().rev().take_while(|p| idle(p) || **p == Played::Starved).count();
        self.played[start..self.played.len() - end].to_vec()
    }

    fn numbers(&self) -> Vec<u32> {
        self.packets().map(|(number, _)| number).collect()
    }

    fn packets(&self) -> impl Iterator<Item = (u32, i64)> {
        self.played.iter().filter_map(|&played| match played {
            Played::Packet { number, delay_ms } => Some((number, delay_ms)),
            Played::Lost | Played::Silence | Played::Starved | Played::Idle => None,
        })
    }

    fn delays_from(&self, number: u32) -> (i64, i64) {
        let delays = self.packets().filter(|p| p.0 >= number).map(|p| p.1).collect::<Vec<_>>();
        (*delays.iter().min().unwrap(), *delays.iter().max().unwrap())
    }
}

fn on_time(numbers: std::ops::Range<u32>) -> impl Iterator<Item = (u64, u32)> {
    numbers.map(|number| (u64::from(number) * 20, number))
}

/// The first packet waits for the depth; both numbers wrap on the way.
#[test]
fn steady_stream_plays_in_order_with_the_depth_as_delay() {
    let mut rig = Rig::new();
    rig.run(on_time(0..500));
    assert_eq!(rig.numbers(), (0..500).collect::<Vec<_>>());
    assert_eq!(rig.delays_from(0), (40, 40));
    assert_eq!(rig.story().len(), 500, "nothing but packets");
    let expected = Counters { received: 500, starved: 1, ..Counters::default() };
    assert_eq!(*rig.buffer.counters(), expected);
}

#[test]
fn nothing_is_played_before_the_depth_is_reached() {
    let mut rig = Rig::new();
    rig.play_until(5);
    rig.arrive(0);
    rig.play_until(45);
    assert!(rig.played.iter().all(|played| *played == Played::Idle));
    rig.play_until(51);
    assert_eq!(rig.numbers(), [0]);
}

#[test]
fn packet_times_from_10_to_60_ms_play_without_a_gap() {
    for packet_ms in [10, 20, 30, 40, 60] {
        let mut rig = Rig::new();
        for number in 0..600 {
            let sent_ms = number * packet_ms;
            rig.play_until(u64::from(sent_ms));
            rig.arrive_as(number, sent_ms, packet_ms as usize * 8);
        }
        rig.play_until(rig.now_ms + 200);
        assert_eq!(rig.numbers(), (0..600).collect::<Vec<_>>(), "{packet_ms} ms");
        assert_eq!(rig.delays_from(0), (40, 40), "{packet_ms} ms");
        assert_eq!(rig.story().len(), 600, "{packet_ms} ms");
        assert_eq!(rig.buffer.frame_ticks(), packet_ms * 8);
    }
}

#[test]
fn packets_out_of_order_are_put_back() {
    let mut rig = Rig::new();
    let swapped = on_time(0..100).map(|(at, n)| if n % 10 == 4 { (at + 25, n) } else { (at, n) });
    rig.run(swapped);
    assert_eq!(rig.numbers(), (0..100).collect::<Vec<_>>());
    let counters = rig.buffer.counters();
    assert_eq!((counters.reordered, counters.lost, counters.late), (10, 0, 0));
}

#[test]
fn packet_that_overtook_the_first_is_played_after_it() {
    let mut rig = Rig::new();
    rig.run([(0, 1), (15, 0), (40, 2)]);
    assert_eq!(rig.numbers(), [0, 1, 2]);
}

#[test]
fn lost_packet_is_a_gap_of_its_length_in_its_place() {
    let mut rig = Rig::new();
    rig.run(on_time(0..10).filter(|&(_, number)| number != 5));
    let story = rig.story();
    assert_eq!(story[5], Played::Lost);
    assert_eq!(story.iter().filter(|p| **p == Played::Lost).count(), 1);
    assert_eq!(rig.delays_from(6), (40, 40));
    assert_eq!(rig.buffer.counters().lost, 1);
}

/// What playout stood still for is not played again as a gap.
#[test]
fn many_lost_in_a_row_do_not_add_delay() {
    for lost_count in 1..12 {
        let mut rig = Rig::new();
        let lost = 20..20 + lost_count;
        rig.run(on_time(0..80).filter(|(_, number)| !lost.contains(number)));
        assert_eq!(rig.numbers().len(), 80 - lost_count as usize);
        let (least, most) = rig.delays_from(21 + lost_count);
        assert!(least >= 30 && most <= 60, "{lost_count} lost: {least}..{most} ms");
        assert_eq!(rig.buffer.counters().lost, u64::from(lost_count));
        assert_eq!(rig.buffer.counters().late, 0);
    }
}

#[test]
fn packet_after_its_turn_is_late() {
    let mut rig = Rig::new();
    rig.run(on_time(0..10).filter(|&(_, number)| number != 3));
    // Packet 3 had its turn at 100 ms.
    assert_eq!(rig.arrive(3), Inserted::Late);
    let counters = rig.buffer.counters();
    assert_eq!((counters.late, counters.lost, counters.duplicate), (1, 1, 0));
}

#[test]
fn second_copy_is_a_duplicate_whether_played_or_not() {
    let mut rig = Rig::new();
    rig.run(on_time(0..10).flat_map(|(at, number)| [(at, number), (at + 3, number)]));
    assert_eq!(rig.arrive(9), Inserted::Duplicate);
    assert_eq!(rig.numbers(), (0..10).collect::<Vec<_>>());
    let counters = rig.buffer.counters();
    assert_eq!((counters.duplicate, counters.late, counters.lost), (11, 0, 0));
}

/// RFC 3550 Appendix A.1: two in sequence make a new run, one alone does not.
#[test]
fn far_jump_is_followed_when_confirmed() {
    let mut rig = Rig::new();
    rig.run(on_time(0..10));
    assert_eq!(rig.arrive(20_000), Inserted::Stray);
    assert_eq!(rig.arrive(30_000), Inserted::Stray);
    assert_eq!(rig.arrive(30_001), Inserted::Resynced);
    assert_eq!(rig.arrive(30_002), Inserted::Kept);
    rig.play_until(rig.now_ms + 100);
    assert_eq!(rig.numbers()[10..], [30_001, 30_002]);
    let counters = rig.buffer.counters();
    assert_eq!((counters.resyncs, counters.refused, counters.lost), (1, 2, 0));
}

#[test]
fn lone_stray_packet_does_not_disturb_the_stream() {
    let mut rig = Rig::new();
    rig.run(on_time(0..50).chain([(500, 40_000), (700, 10_000)]));
    assert_eq!(rig.numbers(), (0..50).collect::<Vec<_>>());
    assert_eq!(rig.delays_from(0), (40, 40));
    assert_eq!(rig.buffer.counters().refused, 2);
}

#[test]
fn stray_packets_with_a_good_one_between_are_no_new_run() {
    let mut rig = Rig::new();
    rig.run(on_time(0..10));
    assert_eq!(rig.arrive(20_000), Inserted::Stray);
    assert_eq!(rig.arrive(10), Inserted::Kept);
    assert_eq!(rig.arrive(20_001), Inserted::Stray);
    assert_eq!(rig.arrive(20_002), Inserted::Resynced);
}

/// A sender that starts its numbers anew a little lower would be late for long otherwise.
#[test]
fn step_back_of_more_than_a_hundred_is_a_jump() {
    let mut rig = Rig::new();
    rig.run(on_time(150..300));
    assert_eq!(rig.arrive(199), Inserted::Late, "100 back is of this run");
    assert_eq!(rig.arrive(198), Inserted::Stray);
    assert_eq!(rig.arrive(50), Inserted::Stray);
    assert_eq!(rig.arrive(51), Inserted::Resynced);
}

/// A gap of many packets within the run: the stream goes on with the depth as delay.
#[test]
fn outage_of_two_seconds_leaves_no_delay_behind() {
    let mut rig = Rig::new();
    rig.run(on_time(0..50).chain(on_time(150..250)));
    assert_eq!(rig.delays_from(150), (40, 40));
    assert_eq!(rig.numbers().len(), 150);
    assert_eq!(rig.buffer.counters().lost, 100);
}

#[test]
fn reset_forgets_the_old_source() {
    let mut rig = Rig::new();
    rig.run(on_time(0..10));
    rig.play_until(1_000);
    rig.arrive(10);
    rig.buffer.reset();
    assert_eq!(rig.buffer.waiting_count(), 0);
    assert_eq!(rig.arrive_as(40_000, 7, 160), Inserted::Kept, "no stray: numbers begin anew");
    rig.play_until(1_100);
    assert_eq!(rig.numbers()[10..], [40_000]);
    assert_eq!(rig.buffer.counters().received, 12, "counters go on");
}

/// RFC 3551 §4.1: in a pause the numbers go on, the timestamps jump.
#[test]
fn sender_pause_of_any_length_is_neither_loss_nor_delay() {
    for pause_ms in [20, 40, 60, 80, 100, 120, 140, 160, 200, 500, 5_000, 600_000] {
        let mut rig = Rig::new();
        for number in 0..100 {
            let sent_ms = number * 20 + if number < 50 { 0 } else { pause_ms };
            rig.play_until(u64::from(sent_ms));
            rig.arrive_as(number, sent_ms, 160);
        }
        rig.play_until(rig.now_ms + 200);
        assert_eq!(rig.numbers(), (0..100).collect::<Vec<_>>(), "pause of {pause_ms} ms");
        let (least, most) = rig.delays_from(50);
        assert!(least >= 40 && most <= 50, "pause of {pause_ms} ms: {least}..{most} ms");
        let counters = rig.buffer.counters();
        assert_eq!((counters.lost, counters.dropped, counters.late), (0, 0, 0));
    }
}

#[test]
fn timestamps_that_jump_without_a_pause_do_not_stop_playout() {
    for jump_ms in [1_000_000_u32, 3_000, 0_u32.wrapping_sub(90_000)] {
        let mut rig = Rig::new();
        for number in 0..100_u32 {
            rig.play_until(u64::from(number) * 20);
            let jump = if number < 50 { 0 } else { jump_ms };
            let sequence = FIRST_SEQUENCE.wrapping_add(u16::try_from(number).unwrap());
            let timestamp = (number * 20).wrapping_add(jump).wrapping_mul(8);
            let mut payload = [0; 160];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            rig.buffer.insert(rig.now(), sequence, timestamp, &payload);
        }
        rig.play_until(2_200);
        assert_eq!(rig.numbers(), (0..100).collect::<Vec<_>>());
        assert_eq!(rig.story().len(), 100, "no gap");
    }
}

/// RFC 4733 §2.2: the packets of an event share one timestamp, its end is sent three times.
#[test]
fn packets_without_sound_are_silence_not_loss() {
    let mut rig = Rig::new();
    for number in 0..100_u32 {
        rig.play_until(u64::from(number) * 20);
        if (40..50).contains(&number) {
            let sequence = FIRST_SEQUENCE.wrapping_add(u16::try_from(number).unwrap());
            let onset = FIRST_TIMESTAMP.wrapping_add(40 * 160);
            assert_eq!(rig.buffer.insert(rig.now(), sequence, onset, &[]), Inserted::Kept);
        } else {
            rig.arrive(number);
        }
    }
    rig.play_until(2_200);
    assert_eq!(rig.numbers().len(), 90);
    assert_eq!(rig.story().iter().filter(|p| **p == Played::Silence).count(), 10);
    assert_eq!(rig.delays_from(50), (40, 40));
    assert_eq!(rig.buffer.counters().lost, 0);
}

#[test]
fn stall_and_burst_leave_no_lasting_delay() {
    for stall_ms in [60, 80, 100, 120, 200, 500, 900] {
        let mut rig = Rig::new();
        let stalled = 1_000..1_000 + stall_ms;
        rig.run(on_time(0..400).map(|(at, number)| {
            if stalled.contains(&at) { (stalled.end, number) } else { (at, number) }
        }));
        let (least, most) = rig.delays_from(250);
        assert!(least >= 20 && most <= 70, "stall of {stall_ms} ms: {least}..{most} ms");
        let counters = rig.buffer.counters();
        assert_eq!((counters.lost, counters.late), (0, 0), "all came, none after its turn");
        let dropped_ms = counters.dropped * 20;
        assert!(dropped_ms <= stall_ms, "stall of {stall_ms} ms: {dropped_ms} ms dropped");
        // Fresh after the burst, and at once if it was long.
        if stall_ms >= 200 {
            let (_, most) = rig.delays_from(u32::try_from((1_000 + stall_ms) / 20).unwrap());
            assert!(most <= 70, "stall of {stall_ms} ms: {most} ms");
        }
    }
}

/// The network becomes slower by 60 ms and fast again.
#[test]
fn slower_path_is_followed_and_faster_path_wins_the_delay_back() {
    let mut rig = Rig::new();
    rig.run(on_time(0..900).map(|(at, number)| {
        if (300..600).contains(&number) { (at + 60, number) } else { (at, number) }
    }));
    let slow = rig.packets().filter(|p| (400..600).contains(&p.0)).map(|p| p.1).max().unwrap();
    assert!((80..=130).contains(&slow), "{slow} ms");
    let (least, most) = rig.delays_from(750);
    assert!(least >= 20 && most <= 70, "{least}..{most} ms");
    assert_eq!(rig.buffer.counters().lost, 0);
    assert_eq!(rig.buffer.counters().late, 0);
}

/// A queue in the network empties: what is too much goes at once.
#[test]
fn great_excess_is_dropped_at_once() {
    let mut rig = Rig::new();
    rig.run(on_time(0..200).map(|(at, number)| {
        let queued = (at + 300).min(2_300);
        if number < 100 { (queued, number) } else { (at.max(2_300), number) }
    }));
    let slow = rig.packets().find(|p| p.0 == 90).unwrap().1;
    assert!(slow >= 300, "{slow} ms");
    let (least, most) = rig.delays_from(120);
    assert!(least >= 20 && most <= 70, "{least}..{most} ms");
}

#[test]
fn burst_at_the_start_is_cut_to_the_depth() {
    let mut rig = Rig::new();
    rig.run((0..6).map(|number| (100, number)).chain(on_time(6..20)));
    assert_eq!(rig.numbers()[0], 4, "the newest 40 ms");
    let (least, most) = rig.delays_from(4);
    assert!(least >= 20 && most <= 40, "{least}..{most} ms");
    assert_eq!(rig.buffer.counters().dropped, 4);
}

/// Two clocks apart by 500 ppm for ten minutes: 300 ms, 15 frames.
#[test]
fn clock_drift_is_followed_one_frame_at_a_time() {
    for (ppm, name) in [(500_i64, "sender slow"), (-500, "sender fast")] {
        let mut rig = Rig::new();
        let mut worst = (i64::MAX, i64::MIN);
        let count = 30_000_u32;
        for number in 0..count {
            let at_us = i64::from(number) * 20_000 * (1_000_000 + ppm) / 1_000_000;
            rig.play_until(u64::try_from(at_us / 1_000).unwrap());
            let sent_ms = u32::try_from(rig.now_ms).unwrap();
            // The timestamp follows the sender's clock, the payload says when it was really sent.
            let sequence = FIRST_SEQUENCE.wrapping_add(u16::try_from(number % 0x1_0000).unwrap());
            let mut payload = [0; 160];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            payload[4..8].copy_from_slice(&sent_ms.to_be_bytes());
            rig.buffer.insert(rig.now(), sequence, number * 160, &payload);
        }
        rig.play_until(rig.now_ms + 200);
        for (_, delay_ms) in rig.packets() {
            worst = (worst.0.min(delay_ms), worst.1.max(delay_ms));
        }
        assert!(worst.0 >= 0 && worst.1 <= 80, "{name}: {worst:?} ms");
        let counters = *rig.buffer.counters();
        let (fed, starved) = (counters.dropped + counters.repeated, counters.starved);
        assert!((13..=17).contains(&fed), "{name}: {counters:?}");
        assert!(starved <= 1, "{name}: {counters:?}");
        assert_eq!((counters.lost, counters.late), (0, 0), "{name}");
        assert_eq!(counters.dropped == 0, ppm > 0, "{name}");
    }
}

#[test]
fn jitter_below_the_depth_costs_nothing() {
    for seed in 0..20 {
        let mut rng = Rng::from_number(seed);
        let mut rig = Rig::new();
        rig.run(on_time(0..2_000).map(|(at, number)| {
            // The first is on time: a late first one only adds delay, see below.
            (at + if number == 0 { 0 } else { rng.below(40) }, number)
        }));
        assert_eq!(rig.numbers(), (0..2_000).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(rig.delays_from(0), (40, 40), "seed {seed}");
        assert_eq!(rig.story().len(), 2_000, "seed {seed}");
    }
}

#[test]
fn slow_first_packet_does_not_add_delay_for_long() {
    let mut rig = Rig::new();
    rig.run(on_time(0..300).map(|(at, number)| (if number == 0 { 90 } else { at }, number)));
    let (least, most) = rig.delays_from(150);
    assert!(least >= 20 && most <= 70, "{least}..{most} ms");
}

#[test]
fn payload_above_the_bound_is_refused() {
    let mut rig = Rig::new();
    assert_eq!(rig.arrive_as(0, 0, 641), Inserted::TooLong);
    assert_eq!(rig.arrive_as(0, 0, 640), Inserted::Kept);
    assert_eq!(rig.buffer.counters().refused, 1);
}

proptest! {
    /// Any packets at any times: no panic, never more than the slots, never back in sequence
    /// without a resync, and every packet is accounted for.
    #[test]
    fn any_input_keeps_the_invariants(
        steps in proptest::collection::vec((0_u64..120, 0_u16..6, any::<u16>(), any::<u32>(), 0_usize..700), 1..300),
    ) {
        let mut buffer = JitterBuffer::new(JitterConfig::default());
        let (mut now, mut sequence, mut out) = (Instant::ZERO, 0_u16, [0; 640]);
        let (mut kept, mut played) = (0, 0);
        for (wait_ms, kind, word, timestamp, len) in steps {
            now += Duration::from_millis(wait_ms);
            sequence = match kind {
                0 => word,
                1 => sequence.wrapping_sub(word % 40),
                2 => sequence.wrapping_add(word % 60),
                _ => sequence.wrapping_add(1),
            };
            let timestamp = if kind < 4 { timestamp } else { u32::from(sequence) * 160 };
            match buffer.insert(now, sequence, timestamp, &vec![0; len]) {
                Inserted::Kept => kept += 1,
                Inserted::Resynced => (kept, played) = (1, 0),
                Inserted::Late | Inserted::Duplicate | Inserted::Stray | Inserted::TooLong => {}
            }
            prop_assert!(buffer.waiting_count() <= 32);
            for _ in 0..kind {
                match buffer.pop_frame(now, &mut out) {
                    Frame::Payload { len } => { prop_assert!(len <= 640); played += 1 }
                    Frame::Lost { ticks } | Frame::Silence { ticks } => prop_assert!(ticks > 0),
                    Frame::Starved | Frame::Idle => {}
                }
            }
            prop_assert!(played <= kept);
        }
        let seen = buffer.counters();
        prop_assert!(seen.late + seen.duplicate + seen.refused + seen.dropped <= seen.received);
    }
}
