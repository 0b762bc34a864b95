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
    /// Whether what it plays is made longer when it has too little delay.
    lengthens: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Played {
    /// The packet of this number, this long after it was sent.
    Packet {
        number: u32,
        delay_ms: i64,
    },
    Lost,
    Noise,
    Starved,
    Idle,
}

impl Rig {
    fn new() -> Self {
        let buffer = JitterBuffer::new(JitterConfig::default());
        Self { buffer, now_ms: 0, fifo_ticks: 0, played: vec![], lengthens: false }
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
        let mut out = [0; 1_600];
        // Silence may be shorter than a tick.
        while self.fifo_ticks < 80 {
            if self.lengthens && self.buffer.surplus_ticks(self.now(), self.fifo_ticks) < 0 {
                self.fifo_ticks += 40;
            }
            let (what, ticks) = match self.buffer.pop_frame(self.now(), self.fifo_ticks, &mut out) {
                Frame::Payload { len } => {
                    let word = |at: usize| {
                        u32::from_be_bytes([out[at], out[at + 1], out[at + 2], out[at + 3]])
                    };
                    let delay_ms = self.now_ms.cast_signed() - i64::from(word(4));
                    let delay_ms = delay_ms + i64::from(self.fifo_ticks / 8);
                    (Played::Packet { number: word(0), delay_ms }, u32::try_from(len).unwrap())
                }
                Frame::Lost { ticks } => (Played::Lost, ticks),
                Frame::Noise { .. } => (Played::Noise, 0),
                Frame::Starved => (Played::Starved, 80),
                Frame::Idle => (Played::Idle, 80),
            };
            assert!(ticks > 0 || what == Played::Noise, "{what:?} takes time");
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
        self.insert(sequence, timestamp, &payload)
    }

    fn insert(&mut self, sequence: u16, timestamp: u32, payload: &[u8]) -> Inserted {
        let content = match u32::try_from(payload.len()).unwrap() {
            0 => Content::Nothing,
            ticks => Content::Sound { ticks },
        };
        self.buffer.insert(self.now(), &Packet { sequence, timestamp, content, payload })
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
            Played::Lost | Played::Noise | Played::Starved | Played::Idle => None,
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

/// Without jitter a packet is played in the tick in which it has come; both numbers wrap on the way.
#[test]
fn steady_stream_plays_in_order_and_at_once() {
    let mut rig = Rig::new();
    rig.run(on_time(0..500));
    assert_eq!(rig.numbers(), (0..500).collect::<Vec<_>>());
    assert_eq!(rig.delays_from(0), (0, 0));
    assert_eq!(rig.story().len(), 500, "nothing but packets");
    let expected = Counters { received: 500, starved: 1, ..Counters::default() };
    assert_eq!(*rig.buffer.counters(), expected);
    assert_eq!(rig.buffer.depth(), Duration::from_micros(250));
}

#[test]
fn a_packet_between_two_ticks_waits_for_the_next_and_no_longer() {
    for phase in 1..10 {
        let mut rig = Rig::new();
        rig.run(on_time(0..100).map(|(at, number)| (at + phase, number)));
        let wait = 10 - i64::try_from(phase).unwrap();
        assert_eq!(rig.buffer.delay().as_millis(), wait.unsigned_abs().into(), "{phase} ms");
        assert_eq!(rig.story().len(), 100);
    }
}

/// RFC 3551 §4.2: 0 to 200 ms.
#[test]
fn packet_times_from_5_to_200_ms_play_without_a_gap() {
    for packet_ms in [5, 10, 20, 30, 40, 60, 120, 200] {
        let mut rig = Rig::new();
        for number in 0..600 {
            let sent_ms = number * packet_ms;
            rig.play_until(u64::from(sent_ms));
            rig.arrive_as(number, sent_ms, packet_ms as usize * 8);
        }
        rig.play_until(rig.now_ms + 300);
        assert_eq!(rig.numbers(), (0..600).collect::<Vec<_>>(), "{packet_ms} ms");
        // A packet of 5 ms that begins between two ticks is waited for.
        let most = if packet_ms == 5 { 10 } else { 0 };
        assert!(rig.delays_from(0).1 <= most, "{packet_ms} ms: {:?}", rig.delays_from(0));
        let gaps = rig.story().iter().filter(|p| !matches!(p, Played::Packet { .. })).count();
        assert!(gaps <= 1, "{packet_ms} ms: {gaps} gaps");
    }
}

#[test]
fn a_packet_time_that_changes_midway_leaves_no_gap() {
    let mut rig = Rig::new();
    let mut sent_ms = 0;
    for (number, ms) in (0..400).zip([20, 20, 60, 10, 40, 30, 10].into_iter().cycle()) {
        rig.play_until(u64::from(sent_ms) + 60); // as fast as the longest allows
        rig.arrive_as(number, sent_ms, ms as usize * 8);
        sent_ms += ms;
    }
    rig.play_until(rig.now_ms + 200);
    assert_eq!(rig.numbers(), (0..400).collect::<Vec<_>>());
    assert_eq!(rig.story().len(), 400, "nothing but packets");
}

/// Those that overtake others teach how long to wait for those.
#[test]
fn packets_out_of_order_are_put_back() {
    let mut rig = Rig { lengthens: true, ..Rig::new() };
    let swapped = on_time(0..500).map(|(at, n)| if n % 10 == 4 { (at + 25, n) } else { (at, n) });
    rig.run(swapped);
    let counters = *rig.buffer.counters();
    assert_eq!(counters.reordered + counters.late, 50);
    assert!(counters.late <= 5, "{counters:?}");
    assert_eq!(rig.buffer.depth(), Duration::from_micros(25_250));
    let late = rig.numbers().iter().filter(|number| **number >= 150).count();
    assert_eq!(late, 350, "all of them");
    assert!(rig.numbers().is_sorted());
}

#[test]
fn packet_that_overtook_the_first_within_a_tick_is_played_after_it() {
    let mut rig = Rig::new();
    rig.run([(1, 1), (2, 0), (40, 2)]);
    assert_eq!(rig.numbers(), [0, 1, 2]);
}

#[test]
fn lost_packet_is_a_gap_of_its_length_in_its_place() {
    let mut rig = Rig::new();
    // The depth is known to be 30 ms, so that others wait behind the hole.
    for late in [0, 240, 240, 240, 240] {
        rig.buffer.depth.learn(late, late.wrapping_sub(FIRST_TIMESTAMP), 0);
    }
    rig.run(on_time(0..10).filter(|&(_, number)| number != 5));
    let story = rig.story();
    assert_eq!(story[5], Played::Lost);
    assert_eq!(story.iter().filter(|p| **p == Played::Lost).count(), 1);
    assert_eq!(rig.delays_from(6), rig.delays_from(0));
    assert_eq!(rig.buffer.counters().lost, 1);
    assert_eq!(rig.arrive(5), Inserted::Late);
    let counters = rig.buffer.counters();
    assert_eq!((counters.late, counters.lost, counters.duplicate), (1, 1, 0));
}

/// What playout stood still for is not played again as a gap.
#[test]
fn many_lost_in_a_row_do_not_add_delay() {
    for lost_count in 1..12 {
        let mut rig = Rig::new();
        let lost = 20..20 + lost_count;
        rig.run(on_time(0..80).filter(|(_, number)| !lost.contains(number)));
        assert_eq!(rig.numbers().len(), 80 - lost_count as usize);
        assert_eq!(rig.delays_from(21 + lost_count), (0, 0), "{lost_count} lost");
        assert_eq!(rig.buffer.counters().lost, u64::from(lost_count));
        assert_eq!(rig.buffer.counters().late, 0);
    }
}

#[test]
fn lone_stray_packet_does_not_disturb_the_stream() {
    let mut rig = Rig::new();
    rig.run(on_time(0..50).chain([(500, 40_000), (700, 10_000)]));
    assert_eq!(rig.numbers(), (0..50).collect::<Vec<_>>());
    assert_eq!(rig.delays_from(0), (0, 0));
    assert_eq!(rig.buffer.counters().refused, 2);
}

/// A gap of many packets within the run: the stream goes on as before.
#[test]
fn outage_of_two_seconds_leaves_no_delay_behind() {
    let mut rig = Rig::new();
    rig.run(on_time(0..50).chain(on_time(150..250)));
    assert_eq!(rig.delays_from(150), (0, 0));
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
        assert_eq!(rig.delays_from(50), (0, 0), "pause of {pause_ms} ms");
        let counters = rig.buffer.counters();
        assert_eq!((counters.lost, counters.dropped, counters.late), (0, 0, 0));
    }
}

/// The timestamp as the phone has it that sets its clock anew, or stops it while it is mute.
#[test]
fn timestamps_that_jump_do_not_stop_playout() {
    for (jump_ms, pause_ms) in [
        (1_000_000_u32, 0),
        (3_000, 0),
        (0_u32.wrapping_sub(90_000), 0),
        (0, 10_000),
        (0, 700),
        (0_u32.wrapping_sub(400), 0),
        (400, 0),
    ] {
        let mut rig = Rig::new();
        for number in 0..100_u32 {
            let pause = if number < 50 { 0 } else { pause_ms };
            rig.play_until(u64::from(number) * 20 + pause);
            let jump = if number < 50 { 0 } else { jump_ms };
            let sequence = FIRST_SEQUENCE.wrapping_add(u16::try_from(number).unwrap());
            let timestamp = (number * 20).wrapping_add(jump).wrapping_mul(8);
            let mut payload = [0; 160];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            payload[4..8].copy_from_slice(&u32::try_from(rig.now_ms).unwrap().to_be_bytes());
            rig.insert(sequence, timestamp, &payload);
        }
        rig.play_until(rig.now_ms + 600);
        let case = (jump_ms.cast_signed(), pause_ms);
        assert_eq!(rig.numbers(), (0..100).collect::<Vec<_>>(), "{case:?}");
        let (least, most) = rig.delays_from(60);
        // A jump ahead of less than a second may be a pause: it is waited for, until all comes so early.
        assert!(least >= 0 && most <= 400, "{case:?}: {least}..{most} ms");
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
            assert_eq!(rig.insert(sequence, onset, &[]), Inserted::Kept);
        } else {
            rig.arrive(number);
        }
    }
    rig.play_until(2_000);
    assert_eq!(rig.numbers().len(), 90);
    assert!(!rig.played.contains(&Played::Lost) && !rig.played.contains(&Played::Starved));
    assert_eq!(rig.delays_from(50), (0, 0));
    assert_eq!(rig.buffer.counters().lost, 0);
}

/// RFC 3389: after comfort noise nothing is missing until the next sound.
#[test]
fn after_comfort_noise_the_sender_is_silent_on_purpose() {
    let mut rig = Rig::new();
    for number in 0..100_u32 {
        let sent_ms = number * 20 + if number > 50 { 900 } else { 0 };
        rig.play_until(u64::from(sent_ms));
        if number == 50 {
            let sequence = FIRST_SEQUENCE.wrapping_add(50);
            let timestamp = FIRST_TIMESTAMP.wrapping_add(50 * 160);
            let (content, payload) = (Content::Noise, &[60][..]);
            rig.buffer.insert(rig.now(), &Packet { sequence, timestamp, content, payload });
        } else {
            rig.arrive_as(number, sent_ms, 160);
        }
    }
    rig.play_until(2_890);
    assert_eq!(rig.played.iter().filter(|p| **p == Played::Noise).count(), 1);
    assert!(!rig.played.contains(&Played::Lost) && !rig.played.contains(&Played::Starved));
    assert_eq!((rig.numbers().len(), rig.delays_from(51)), (99, (0, 0)));
    assert_eq!((rig.buffer.counters().lost, rig.buffer.counters().starved), (0, 0));
}

/// What is more than 100 ms too much goes at once, and no delay is learnt from one stall.
#[test]
fn stall_and_burst_leave_no_lasting_delay() {
    for stall_ms in [200, 300, 500, 900] {
        let mut rig = Rig::new();
        let stalled = 1_000..1_000 + stall_ms;
        rig.run(on_time(0..400).map(|(at, number)| {
            if stalled.contains(&at) { (stalled.end, number) } else { (at, number) }
        }));
        let first = u32::try_from((1_000 + stall_ms) / 20).unwrap();
        let (least, most) = rig.delays_from(first + 1);
        let limit = if stall_ms <= 500 { 110 } else { 250 };
        assert!(least >= 0 && most <= limit, "stall of {stall_ms} ms: {least}..{most} ms");
        let counters = *rig.buffer.counters();
        assert_eq!((counters.lost, counters.late), (0, 0), "all came, none after its turn");
        let dropped_ms = counters.dropped * 20;
        assert!(dropped_ms <= stall_ms, "stall of {stall_ms} ms: {dropped_ms} ms dropped");
        if stall_ms <= 500 {
            assert_eq!(rig.buffer.depth(), Duration::from_micros(250), "{stall_ms} ms");
        }
    }
}

/// A queue in the network empties: when it is clear that it stays so, what is too much goes at once.
#[test]
fn great_excess_is_dropped_when_it_is_known_for_one() {
    let mut rig = Rig::new();
    rig.run(on_time(0..2_000).map(|(at, number)| {
        if number < 100 { (at + 300, number) } else { (at.max(2_300), number) }
    }));
    let (_, slow) = rig.packets().find(|p| p.0 == 114).unwrap();
    assert!(slow >= 300 - 10, "{slow} ms");
    let (least, most) = rig.delays_from(1_500);
    assert!(least >= 0 && most <= 110, "after 30 s: {least}..{most} ms");
    assert!(rig.buffer.counters().dropped >= 9, "{:?}", rig.buffer.counters());
}

/// The network becomes slower by 60 ms, once: what comes from then on is neither late nor in excess.
#[test]
fn slower_path_is_followed() {
    let mut rig = Rig::new();
    rig.run(
        on_time(0..600)
            .map(|(at, number)| if number >= 300 { (at + 60, number) } else { (at, number) }),
    );
    assert_eq!(rig.delays_from(310), (60, 60));
    let counters = rig.buffer.counters();
    assert_eq!((counters.lost, counters.late, counters.dropped), (0, 0, 0));
    assert_eq!(rig.buffer.delay(), Duration::ZERO, "they do not wait here");
}

/// Once it is known how late packets come, none comes too late.
#[test]
fn jitter_costs_a_little_at_first_and_then_next_to_nothing() {
    for seed in 0..20 {
        let mut rng = Rng::from_number(seed);
        let mut rig = Rig::new();
        rig.run(on_time(0..3_000).map(|(at, number)| (at + rng.below(40), number)));
        let counters = *rig.buffer.counters();
        assert!(counters.late <= 20, "seed {seed}: {counters:?}");
        let (_, most) = rig.delays_from(200);
        // This rig does not shorten anything: what stood still at first stays.
        assert!(most <= 80, "seed {seed}: {most} ms");
    }
}

#[test]
fn surplus_says_how_much_longer_than_needed_is_waited() {
    let mut rig = Rig::new();
    rig.play_until(5);
    rig.arrive(0);
    let surplus = |rig: &Rig| rig.buffer.surplus_ticks(rig.now(), rig.fifo_ticks);
    rig.play_until(10);
    assert_eq!(surplus(&rig), 0, "nothing plays yet");
    rig.play_until(20);
    // It was played 5 ms after it came, of which 0.25 are needed.
    assert_eq!((rig.fifo_ticks, surplus(&rig)), (80, 38));
    rig.play_until(30);
    rig.play_until(40);
    assert_eq!(surplus(&rig), 0, "nothing plays any more");
}

#[test]
fn payload_above_the_bound_is_refused() {
    let mut rig = Rig::new();
    assert_eq!(rig.arrive_as(0, 0, 1_601), Inserted::TooLong);
    assert_eq!(rig.arrive_as(0, 0, 1_600), Inserted::Kept);
    assert_eq!(rig.buffer.counters().refused, 1);
}

proptest! {
    /// Any packets at any times: no panic, never more than the slots, never back in sequence
    /// without a resync, and every packet is accounted for.
    #[test]
    fn any_input_keeps_the_invariants(
        steps in proptest::collection::vec((0_u64..120, 0_u16..6, any::<u16>(), any::<u32>(), 0_usize..1_700), 1..300),
    ) {
        let mut buffer = JitterBuffer::new(JitterConfig::default());
        let (mut now, mut sequence, mut out) = (Instant::ZERO, 0_u16, [0; 1_600]);
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
            let content = match kind {
                1 => Content::Noise,
                2 => Content::Nothing,
                _ => Content::Sound { ticks: u32::try_from(len).unwrap().max(1) },
            };
            let payload = &vec![0; len];
            match buffer.insert(now, &Packet { sequence, timestamp, content, payload }) {
                Inserted::Kept => kept += 1,
                Inserted::Resynced => (kept, played) = (1, 0),
                Inserted::Late | Inserted::Duplicate | Inserted::Stray | Inserted::TooLong => {}
            }
            prop_assert!(buffer.waiting_count() <= 64);
            for _ in 0..kind {
                match buffer.pop_frame(now, u32::from(word % 300), &mut out) {
                    Frame::Payload { len } => { prop_assert!(len <= 1_600); played += 1 }
                    Frame::Lost { ticks } => prop_assert!(ticks > 0),
                    Frame::Noise { .. } => played += 1,
                    Frame::Starved | Frame::Idle => {}
                }
            }
            prop_assert!(played <= kept);
        }
        let seen = buffer.counters();
        prop_assert!(seen.late + seen.duplicate + seen.refused + seen.dropped <= seen.received);
    }
}
