//! Keys that we press: telephone-event (RFC 4733).

use std::collections::VecDeque;

use crate::message::Key;

/// Presses keys one after the other, each for 100 ms. While one is held, and as long after it, nothing else is said.
#[derive(Debug, Default)]
pub(crate) struct Keying {
    /// At most [`KEYS_MAX`].
    waiting: VecDeque<Key>,
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    key: Key,
    /// Media clock of its beginning: that of all its packets (§2.2).
    timestamp: u32,
    /// Ticks that have passed since.
    ticks: u32,
}

/// What is said in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// No key: whatever else there is.
    Voice,
    /// Nothing.
    Pause,
    /// This packet of an event.
    Event {
        /// Whether it is the first one of its key.
        is_first: bool,
        timestamp: u32,
        /// §2.3
        payload: [u8; 4],
    },
}

impl Keying {
    /// Presses these too. Those for which there is no room are dropped.
    pub(crate) fn press(&mut self, keys: impl IntoIterator<Item = Key>) {
        let room = KEYS_MAX.saturating_sub(self.waiting.len());
        self.waiting.extend(keys.into_iter().take(room));
    }

    /// Goes on by one tick, in which `timestamp` is that of the first sample.
    pub(crate) fn tick(&mut self, timestamp: u32) -> Said {
        if self.held.is_none() {
            let next = self.waiting.pop_front();
            self.held = next.map(|key| Held { key, timestamp, ticks: 0 });
        }
        let Some(held) = &mut self.held else { return Said::Voice };
        held.ticks += 1;
        let Held { key, timestamp, ticks } = *held;
        if ticks == LAST_TICK {
            self.held = None;
        }
        // §2.5.1.2: updates while it lasts; §2.5.1.4: its end three times.
        let is_end = ticks >= HELD_TICKS;
        let is_told = ticks % 2 == 0 && !is_end || (HELD_TICKS..HELD_TICKS + ENDS).contains(&ticks);
        if !is_told {
            return Said::Pause;
        }
        let duration = ticks.min(HELD_TICKS) * TICK_SAMPLES;
        let [high, low] = u16::try_from(duration).unwrap_or(u16::MAX).to_be_bytes();
        let flags = if is_end { END | VOLUME } else { VOLUME };
        Said::Event { is_first: ticks == 2, timestamp, payload: [key.code(), flags, high, low] }
    }
}

/// Keys that wait to be pressed: longer is no number that anybody dials. More are dropped.
const KEYS_MAX: usize = 64;

/// As long as a person presses, and more than the 40 ms that every receiver takes for one.
const HELD_TICKS: u32 = 10;

/// How often the end is told.
const ENDS: u32 = 3;

/// Then as long a pause.
const LAST_TICK: u32 = 20;

/// At 8 kHz.
const TICK_SAMPLES: u32 = 80;

/// The E bit.
const END: u8 = 0x80;

/// -10 dBm0.
const VOLUME: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_told_while_it_is_held_and_its_end_three_times() {
        let mut keying = Keying::default();
        assert_eq!(keying.tick(0), Said::Voice);
        keying.press([Key::Four, Key::Hash]);
        let mut told = Vec::new();
        for tick in 1..=40_u32 {
            match keying.tick(tick * 80) {
                Said::Event { is_first, timestamp, payload } => {
                    told.push((tick, is_first, timestamp, payload));
                }
                Said::Pause => {}
                Said::Voice => panic!("{tick}"),
            }
        }
        assert_eq!(keying.tick(4_000), Said::Voice);
        assert_eq!(told.len(), 14);
        assert_eq!(told[0], (2, true, 80, [4, 10, 0, 160]));
        assert_eq!(told[3], (8, false, 80, [4, 10, 2, 128]));
        let ends = [10, 11, 12].map(|tick| (tick, false, 80, [4, 0x8A, 3, 32]));
        assert_eq!(told[4..7], ends);
        assert_eq!(told[7], (22, true, 1_680, [11, 10, 0, 160]));
    }

    #[test]
    fn only_so_many_keys_wait() {
        let mut keying = Keying::default();
        keying.press([Key::One; 1_000]);
        assert_eq!(keying.waiting.len(), KEYS_MAX);
    }
}
