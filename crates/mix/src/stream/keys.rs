//! Keys that a peer presses: telephone-event (RFC 4733).

use std::collections::VecDeque;
use std::time::Duration;

use units::Instant;

use crate::message::Key;

/// Makes one press of the many packets that tell of it.
///
/// A key is told in every packet while it is held, and its end three times (§2.5.1.4); all of these have the
/// timestamp of its beginning (§2.2). So a press is known by that timestamp, and over with the first end, with
/// another press, or when nothing more comes.
#[derive(Debug)]
pub(super) struct Keys {
    held: Option<Held>,
    /// Timestamp of the last press that is over: what is told of it, or of an earlier one, is old.
    over: Option<u32>,
    ready: VecDeque<Press>,
}

/// A key that was pressed and let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// Which.
    pub key: Key,
    /// For how long it was held, in milliseconds, as far as it was told.
    pub for_ms: u32,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    key: Key,
    timestamp: u32,
    /// Ticks of the segments before this one.
    earlier_ticks: u32,
    ticks: u32,
    told_at: Instant,
}

/// One event in a packet: RFC 4733 §2.3.
#[derive(Clone, Copy, Debug)]
struct Told {
    code: u8,
    is_end: bool,
    ticks: u32,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { held: None, over: None, ready: VecDeque::with_capacity(READY_MAX) }
    }

    /// Takes a packet's payload. What is no key of a telephone (flash, tones) is not looked at.
    pub(super) fn take(&mut self, now: Instant, timestamp: u32, payload: &[u8]) {
        let mut timestamp = timestamp;
        // RFC 4733 §2.5.2.4: each event begins where the one before ends.
        for bytes in payload.chunks_exact(4).take(EVENTS_PER_PACKET_MAX) {
            let told = Told {
                code: bytes[0],
                is_end: bytes[1] & 0x80 != 0,
                ticks: u32::from(u16::from_be_bytes([bytes[2], bytes[3]])),
            };
            self.take_one(now, timestamp, told);
            timestamp = timestamp.wrapping_add(told.ticks);
        }
    }

    /// Ends a press of which nothing more is told.
    pub(super) fn pass(&mut self, now: Instant) {
        if self.held.is_some_and(|held| now.since(held.told_at) >= LOST_AFTER) {
            self.finish();
        }
    }

    /// Another source: what was told before is no measure for it.
    pub(super) fn reset(&mut self) {
        self.finish();
        self.over = None;
    }

    /// The next press that is over; it stays until it is [taken](Self::told).
    pub(super) fn next(&self) -> Option<Press> {
        self.ready.front().copied()
    }

    /// Takes that press out.
    pub(super) fn told(&mut self) {
        self.ready.pop_front();
    }

    fn take_one(&mut self, now: Instant, timestamp: u32, told: Told) {
        let Some(key) = Key::of_code(told.code) else { return };
        if self.is_old(timestamp) {
            return;
        }
        let earlier_ticks = match self.held {
            Some(held) if held.timestamp == timestamp => held.earlier_ticks,
            // RFC 4733 §2.5.2.3: the next segment of a press too long for one.
            Some(held)
                if held.key == key && held.timestamp.wrapping_add(SEGMENT_TICKS) == timestamp =>
            {
                held.earlier_ticks + SEGMENT_TICKS
            }
            Some(_) => {
                self.finish();
                0
            }
            None => 0,
        };
        let before =
            self.held.filter(|held| held.timestamp == timestamp).map_or(0, |held| held.ticks);
        let ticks = before.max(told.ticks);
        self.held = Some(Held { key, timestamp, earlier_ticks, ticks, told_at: now });
        if told.is_end {
            self.finish();
        }
    }

    /// Whether a press of this timestamp is over already.
    fn is_old(&self, timestamp: u32) -> bool {
        let latest = self.held.map(|held| held.timestamp).or(self.over);
        let before = |latest: u32| latest.wrapping_sub(timestamp);
        // What lies further back is no late packet but a clock set anew.
        self.over == Some(timestamp)
            || latest.is_some_and(|it| (1..OLD_TICKS).contains(&before(it)))
    }

    fn finish(&mut self) {
        let Some(held) = self.held.take() else { return };
        self.over = Some(held.timestamp);
        if self.ready.len() < READY_MAX {
            let for_ms = (held.earlier_ticks + held.ticks) / TICKS_PER_MS;
            self.ready.push_back(Press { key: held.key, for_ms });
        }
    }
}

/// Presses that wait to be told, of one leg: more than fingers can do in a tick. More are not told.
const READY_MAX: usize = 4;

/// Events looked at in one packet.
const EVENTS_PER_PACKET_MAX: usize = 4;

/// A key whose end does not come is let go: RFC 4733 §2.5.2.2 has three intervals of 50 ms.
const LOST_AFTER: Duration = Duration::from_millis(150);

/// The longest duration that a packet can tell: RFC 4733 §2.5.1.3.
const SEGMENT_TICKS: u32 = 0xffff;

/// 8 kHz.
const TICKS_PER_MS: u32 = 8;

/// 10 s: longer than any network holds a packet.
const OLD_TICKS: u32 = 80_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A phone that presses keys; what is told of them.
    struct Rig {
        keys: Keys,
        now: Instant,
        presses: Vec<Press>,
    }

    impl Rig {
        fn new() -> Self {
            Self { keys: Keys::new(), now: Instant::from_millis(1), presses: vec![] }
        }

        fn tell(&mut self, timestamp: u32, code: u8, end: bool, ticks: u16) {
            let [high, low] = ticks.to_be_bytes();
            self.keys.take(self.now, timestamp, &[code, if end { 0x8a } else { 0x0a }, high, low]);
            self.collect();
        }

        fn collect(&mut self) {
            while let Some(press) = self.keys.next() {
                self.keys.told();
                self.presses.push(press);
            }
        }

        fn wait(&mut self, ms: u64) {
            for _ in 0..ms / 10 {
                self.now += crate::TICK;
                self.keys.pass(self.now);
                self.collect();
            }
        }

        /// A press of 100 ms in packets of 20 ms; `lost` says which of its eight do not come.
        fn press(&mut self, timestamp: u32, code: u8, lost: &[usize]) {
            let told = [160, 320, 480, 640, 800, 800, 800, 800];
            for (n, ticks) in told.into_iter().enumerate() {
                if !lost.contains(&n) {
                    self.tell(timestamp, code, n > 4, ticks);
                }
                self.wait(20);
            }
        }
    }

    const FIVE: Press = Press { key: Key::Five, for_ms: 100 };

    /// F10 · RFC 4733 §2.5.1.4, §2.5.2
    #[test]
    fn a_press_is_told_once_whatever_is_lost_of_its_end() {
        for lost in
            [&[][..], &[5], &[6], &[7], &[5, 6], &[5, 7], &[6, 7], &[0], &[0, 1, 2, 3, 4, 5, 6]]
        {
            let mut rig = Rig::new();
            rig.press(70_000, 5, lost);
            rig.wait(1_000);
            assert_eq!(rig.presses, [FIVE], "lost: {lost:?}");
        }
    }

    #[test]
    fn without_any_end_it_is_over_with_the_next_press_or_after_a_while() {
        let mut rig = Rig::new();
        rig.press(70_000, 5, &[5, 6, 7]);
        rig.wait(100);
        assert_eq!(rig.presses, [FIVE]);
        rig.tell(90_000, 11, false, 160);
        rig.tell(92_000, 11, false, 160);
        let hash = Press { key: Key::Hash, for_ms: 20 };
        assert_eq!(rig.presses, [FIVE, hash], "the same key twice");
        rig.tell(92_000, 11, true, 400);
        assert_eq!(rig.presses.last(), Some(&Press { key: Key::Hash, for_ms: 50 }));
    }

    #[test]
    fn what_comes_late_or_twice_is_no_press() {
        let mut rig = Rig::new();
        rig.press(70_000, 5, &[]);
        rig.tell(70_000, 5, false, 800);
        rig.tell(70_000, 5, true, 800);
        rig.press(80_000, 5, &[]);
        rig.tell(70_000, 5, false, 640);
        rig.wait(1_000);
        assert_eq!(rig.presses, [FIVE, FIVE]);
        rig.keys.reset();
        rig.tell(70_000, 5, true, 800);
        assert_eq!(rig.presses.len(), 3, "another source");
    }

    /// RFC 4733 §2.5.1.3
    #[test]
    fn a_key_held_for_long_is_one_press() {
        let mut rig = Rig::new();
        rig.tell(1_000, 1, false, 0xffff);
        rig.tell(1_000 + 0xffff, 1, false, 0x8000);
        rig.tell(1_000 + 0xffff, 1, true, 0xffff);
        assert_eq!(rig.presses, [Press { key: Key::One, for_ms: 2 * 0xffff / 8 }]);
    }

    /// RFC 4733 §2.5.2.4
    #[test]
    fn events_of_one_packet_follow_one_another() {
        let mut rig = Rig::new();
        rig.keys.take(rig.now, 1_000, &[1, 0x8a, 0, 160, 2, 0x8a, 0, 160, 3, 0x0a, 0, 80]);
        rig.collect();
        rig.wait(200);
        let keys: Vec<Key> = rig.presses.iter().map(|press| press.key).collect();
        assert_eq!(keys, [Key::One, Key::Two, Key::Three]);
    }

    #[test]
    fn what_is_no_key_or_no_event_is_not_told() {
        let mut rig = Rig::new();
        rig.tell(1_000, 16, true, 800); // flash
        rig.tell(2_000, 255, true, 800);
        rig.keys.take(rig.now, 3_000, &[1, 0x8a, 1]);
        rig.wait(1_000);
        assert_eq!(rig.presses, []);
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut keys = Keys::new();
        for n in 0..1_000 {
            keys.take(Instant::ZERO, n * 1_000, &[1, 0x80, 1, 0]);
        }
        assert_eq!(keys.ready.len(), READY_MAX);
    }
}
