//! A jitter buffer with a fixed delay.
//!
//! The rules, in the order in which they act on a stream:
//!
//! 1. The first packet waits for `depth`; from then on playout follows the caller's clock.
//! 2. A hole with later packets behind it is lost when its turn comes.
//! 3. When nothing is left, playout stands still ([`Frame::Starved`]); what the sender says it lost
//!    or left out in that time is not played again as a gap.
//! 4. After `IDLE_AFTER` of that the sender is taken to pause: the next packet starts as in 1.
//! 5. Standing still adds delay, and clocks drift. A lasting excess or want is taken back one frame
//!    at a time (`drift`), a great excess (a burst after a stall) at once.

use std::time::Duration;

use units::Instant;

use crate::sequence::{self, Extender};

use drift::{Drift, DriftWatch};
pub use kinds::{Counters, Frame, Inserted, JitterConfig};
use pace::Pace;
use ring::Ring;

mod drift;
mod kinds;
mod pace;
mod ring;

/// Puts packets of one source back in order and gives them out with a fixed delay.
///
/// The caller plays what [`JitterBuffer::pop_frame`] gives, however long that is, and asks again
/// when it has run out: so 20 ms packets are consumed in two halves of 10 ms, 30 ms ones in three.
/// Nothing is allocated after `new`.
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    counters: Counters,
    ring: Ring,
    state: State,
    extender: Extender,
    /// The number of the next packet to play.
    next: u64,
    /// Packets below were played or given up: what comes is late.
    floor: u64,
    /// Timestamp of the next packet if the sender makes no pause; `None`: take what comes.
    next_timestamp: Option<u32>,
    pace: Pace,
    /// Ticks that playout stood still since the last packet was played.
    stood_still_ticks: u64,
    /// The next frame is to be a repetition, to gain delay.
    repeat_next: bool,
    /// The number that would confirm a far jump.
    stray_next: Option<u16>,
    drift: DriftWatch,
}

/// Where playout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing waits; the next packet starts playout.
    Idle,
    /// Packets wait since then for the depth to be reached.
    Priming { since: Instant },
    /// Packets are played.
    Playing,
    /// Playing, but nothing has been there since then.
    Starved { since: Instant },
}

impl JitterBuffer {
    /// Makes an empty buffer and allocates all that it will ever need.
    pub fn new(config: JitterConfig) -> Self {
        let config = JitterConfig {
            clock_hz: config.clock_hz.max(1),
            frame_ticks: config.frame_ticks.max(1),
            slots: config.slots.max(SLOTS_MIN),
            ..config
        };
        Self {
            ring: Ring::new(config.slots, config.payload_bytes_max),
            state: State::Idle,
            counters: Counters::default(),
            extender: Extender::new(),
            next: 0,
            floor: 0,
            next_timestamp: None,
            pace: Pace::new(config.frame_ticks),
            stood_still_ticks: 0,
            repeat_next: false,
            stray_next: None,
            drift: DriftWatch::new(),
            config,
        }
    }

    /// Takes a packet that came at `now`. An empty payload keeps its place in the sequence without
    /// sound (telephone-event, comfort noise): it comes out as [`Frame::Silence`].
    pub fn insert(
        &mut self,
        now: Instant,
        sequence: u16,
        timestamp: u32,
        payload: &[u8],
    ) -> Inserted {
        self.counters.received += 1;
        if payload.len() > self.config.payload_bytes_max {
            self.counters.refused += 1;
            return Inserted::TooLong;
        }
        if self.is_far(sequence) {
            if self.stray_next != Some(sequence) {
                self.stray_next = Some(sequence.wrapping_add(1));
                self.counters.refused += 1;
                return Inserted::Stray;
            }
            self.counters.resyncs += 1;
            self.reset();
            self.place(now, sequence, timestamp, payload);
            return Inserted::Resynced;
        }
        self.stray_next = None;
        self.place(now, sequence, timestamp, payload)
    }

    /// What to play at `now`; a payload is written to the front of `out`, which holds
    /// `payload_bytes_max` bytes.
    pub fn pop_frame(&mut self, now: Instant, out: &mut [u8]) -> Frame {
        match self.state {
            State::Idle => return Frame::Idle,
            State::Priming { since } => {
                let full = self.fill_ticks() > self.depth_ticks() + self.margin_ticks();
                if now.since(since) < self.config.depth && !full {
                    return Frame::Idle;
                }
                self.settle_floor();
                self.state = State::Playing;
                if full {
                    self.drop_excess();
                }
            }
            State::Playing => {}
            State::Starved { since } if self.next > self.newest() => {
                if now.since(since) < IDLE_AFTER {
                    return Frame::Starved;
                }
                self.state = State::Idle;
                return Frame::Idle;
            }
            State::Starved { since } => {
                self.stood_still_ticks = self.ticks(now.since(since));
                self.drift = DriftWatch::new();
                self.state = State::Playing;
            }
        }
        self.play(now, out)
    }

    /// Forgets all packets and the place in the sequence: for a new SSRC or a new remote address.
    pub fn reset(&mut self) {
        self.ring.clear();
        self.state = State::Idle;
        self.extender = Extender::new();
        (self.next, self.floor) = (0, 0);
        self.next_timestamp = None;
        self.pace = Pace::new(self.config.frame_ticks);
        self.stood_still_ticks = 0;
        self.repeat_next = false;
        self.stray_next = None;
        self.drift = DriftWatch::new();
    }

    /// What it has seen so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Ticks in a packet, as the stream has shown.
    pub const fn frame_ticks(&self) -> u32 {
        self.pace.ticks()
    }

    /// Packets between the next to play and the newest, holes included.
    pub fn waiting_count(&self) -> u64 {
        match self.state {
            State::Idle => 0,
            State::Priming { .. } | State::Playing | State::Starved { .. } => {
                (self.newest() + 1).saturating_sub(self.next)
            }
        }
    }

    /// The highest number that has come.
    fn newest(&self) -> u64 {
        self.extender.highest().unwrap_or(0)
    }

    /// True if a number is too far from the newest to be of the same run: RFC 3550 Appendix A.1.
    fn is_far(&self, sequence: u16) -> bool {
        self.extender.highest().is_some_and(|newest| {
            let ahead = i64::try_from(self.extender.peek(sequence)).unwrap_or(i64::MAX)
                - i64::try_from(newest).unwrap_or(i64::MAX);
            !(-MISORDER_MAX..DROPOUT_MAX).contains(&ahead)
        })
    }

    /// Puts a packet of this run in its place.
    fn place(&mut self, now: Instant, sequence: u16, timestamp: u32, payload: &[u8]) -> Inserted {
        let place = self.extender.extend(sequence);
        let newest = self.newest();
        if self.ring.knows(place) {
            self.counters.duplicate += 1;
            return Inserted::Duplicate;
        }
        if place < self.floor || newest - place >= self.ring.len() {
            self.counters.late += 1;
            return Inserted::Late;
        }
        if place < newest {
            self.counters.reordered += 1;
        }
        match self.state {
            State::Idle => {
                self.next = place;
                self.next_timestamp = None;
                self.drift = DriftWatch::new();
                self.stood_still_ticks = 0;
                self.state = State::Priming { since: now };
            }
            // One that overtook the first is played before it.
            State::Priming { .. } => self.next = self.next.min(place),
            State::Playing | State::Starved { .. } => {}
        }
        // No room: the oldest goes, so that what is played is fresh.
        self.give_up_before((newest + 1).saturating_sub(self.ring.len()));
        self.ring.put(place, timestamp, payload);
        if let Some(before) = self.ring.timestamp_with_sound(place - 1)
            && !payload.is_empty()
        {
            self.pace.learn(timestamp.wrapping_sub(before), self.ticks(FRAME_MAX));
        }
        Inserted::Kept
    }

    /// Gives the next frame of a stream that plays.
    fn play(&mut self, now: Instant, out: &mut [u8]) -> Frame {
        self.skip_holes_stood_through();
        if self.fill_ticks() > self.depth_ticks() + self.ticks(EXCESS_MAX) {
            self.drop_excess();
        }
        let fill_ticks = self.fill_ticks();
        if fill_ticks > 0 && std::mem::take(&mut self.repeat_next) {
            self.counters.repeated += 1;
            return Frame::Lost { ticks: self.frame_ticks() };
        }
        // Ends: each turn gives a frame or takes one place of at most `slots`.
        while self.next <= self.newest() {
            let frame = if self.ring.waiting(self.next).is_some() {
                Some(self.gap_before_next().unwrap_or_else(|| self.play_next(out)))
            } else {
                self.lose_next()
            };
            if let Some(frame) = frame {
                self.follow_clock(fill_ticks);
                return frame;
            }
        }
        self.counters.starved += 1;
        self.state = State::Starved { since: now };
        Frame::Starved
    }

    /// The pause that the sender made before the next packet, less what playout stood still anyway.
    fn gap_before_next(&mut self) -> Option<Frame> {
        let expected = self.next_timestamp?;
        let timestamp = self.ring.waiting(self.next)?.timestamp;
        // A step back, or too far to be a pause: the sender's clock was set anew. Just play.
        let gap = u32::try_from(sequence::timestamp_distance(expected, timestamp)).ok()?;
        if u64::from(gap) > self.ticks(PAUSE_MAX) {
            return None;
        }
        let gap = gap.saturating_sub(self.take_stood_still(gap));
        if gap == 0 {
            return None;
        }
        let ticks = gap.min(self.frame_ticks());
        self.next_timestamp = Some(timestamp.wrapping_sub(gap).wrapping_add(ticks));
        Some(Frame::Silence { ticks })
    }

    /// Gives out the packet that waits in `next`.
    fn play_next(&mut self, out: &mut [u8]) -> Frame {
        let expected = self.next_timestamp;
        let Some(packet) = self.ring.waiting(self.next) else { return Frame::Starved };
        let (timestamp, len) = (packet.timestamp, packet.payload.len().min(out.len()));
        debug_assert_eq!(len, packet.payload.len(), "out holds payload_bytes_max");
        out[..len].copy_from_slice(&packet.payload[..len]);
        let silent = packet.payload.is_empty();
        self.ring.take(self.next);
        self.advance();
        self.stood_still_ticks = 0;
        // RFC 4733 §2.2: all packets of an event carry the timestamp of its beginning, so time goes
        // on without it.
        let begin = if silent { expected.unwrap_or(timestamp) } else { timestamp };
        self.next_timestamp = self.pace.known().map(|ticks| begin.wrapping_add(ticks));
        if silent { Frame::Silence { ticks: self.frame_ticks() } } else { Frame::Payload { len } }
    }

    /// Gives up what is missing first, as far as playout stood still for it: it is no delay.
    fn skip_holes_stood_through(&mut self) {
        while self.stood_still_ticks >= u64::from(self.frame_ticks())
            && self.next < self.newest()
            && self.ring.waiting(self.next).is_none()
        {
            let none = self.lose_next();
            debug_assert_eq!(none, None, "all of it was stood through");
        }
    }

    /// Gives up the missing packet in `next`; no frame if playout stood still as long anyway.
    fn lose_next(&mut self) -> Option<Frame> {
        self.counters.lost += 1;
        self.advance();
        self.next_timestamp = self.next_timestamp.map(|t| t.wrapping_add(self.frame_ticks()));
        let ticks = self.frame_ticks() - self.take_stood_still(self.frame_ticks());
        (ticks > 0).then_some(Frame::Lost { ticks })
    }

    /// Drops frames or repeats one when the window says so; `fill_ticks` waited before this frame.
    fn follow_clock(&mut self, fill_ticks: u64) {
        match self.drift.measure(fill_ticks, self.depth_ticks(), self.margin_ticks()) {
            Drift::None => {}
            Drift::TooFull { excess_ticks } => {
                self.give_up_before(
                    self.next + excess_ticks.div_ceil(u64::from(self.frame_ticks())),
                );
            }
            Drift::TooEmpty => self.repeat_next = true,
        }
    }

    /// Brings the delay down to the depth at once.
    fn drop_excess(&mut self) {
        let keep = self.depth_ticks().div_ceil(u64::from(self.frame_ticks())).max(1);
        self.give_up_before((self.newest() + 1).saturating_sub(keep));
        self.drift = DriftWatch::new();
    }

    /// Moves on to `place` if it is ahead; what waits before it is dropped, what is missing is lost.
    fn give_up_before(&mut self, place: u64) {
        if place <= self.next {
            return;
        }
        self.settle_floor();
        // What lies further back than the ring is long cannot wait.
        let waiting_from = self.next.max(place.saturating_sub(self.ring.len()));
        let mut dropped = 0;
        for gone in waiting_from..place {
            dropped += u64::from(self.ring.take(gone));
        }
        self.counters.dropped += dropped;
        self.counters.lost += place - self.next - dropped;
        self.next = place;
        self.floor = place;
        self.next_timestamp = None;
    }

    /// Gives up what is missing between the last packet played and the first that waits.
    fn settle_floor(&mut self) {
        if self.floor > 0 {
            self.counters.lost += self.next.saturating_sub(self.floor);
        }
        self.floor = self.next;
    }

    const fn advance(&mut self) {
        self.next += 1;
        self.floor = self.next;
    }

    /// Takes up to `ticks` from the time that playout stood still.
    fn take_stood_still(&mut self, ticks: u32) -> u32 {
        let taken = u32::try_from(self.stood_still_ticks).unwrap_or(u32::MAX).min(ticks);
        self.stood_still_ticks -= u64::from(taken);
        taken
    }

    fn fill_ticks(&self) -> u64 {
        self.waiting_count() * u64::from(self.frame_ticks())
    }

    fn depth_ticks(&self) -> u64 {
        self.ticks(self.config.depth)
    }

    /// How far the fill may leave the depth for long: a frame, but no less than [`MARGIN_MIN`].
    fn margin_ticks(&self) -> u64 {
        u64::from(self.frame_ticks()).max(self.ticks(MARGIN_MIN))
    }

    fn ticks(&self, time: Duration) -> u64 {
        let ticks = time.as_nanos() * u128::from(self.config.clock_hz) / 1_000_000_000;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

/// A jump forward of so many numbers or more is not loss: RFC 3550 Appendix A.1, `MAX_DROPOUT`.
const DROPOUT_MAX: i64 = 3_000;
/// A step back of more is not reordering: RFC 3550 Appendix A.1, `MAX_MISORDER`.
const MISORDER_MAX: i64 = 100;
/// Below this many slots a burst would fill the ring before the excess rule sees it.
const SLOTS_MIN: usize = 8;
/// Longer than a stall that is worth stretching, shorter than a pause in speech.
const IDLE_AFTER: Duration = Duration::from_millis(100);
/// The longest pause that is played as such: playout would be idle by then, had it stood still.
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// More than the depth by so much is dropped at once: a delay that is heard in a conversation.
const EXCESS_MAX: Duration = Duration::from_millis(100);
/// With 10 ms packets a margin of one frame would follow mere jitter.
const MARGIN_MIN: Duration = Duration::from_millis(20);
/// Longest packet time believed: no audio profile sends longer ones (RFC 7587 §4.2: 120 ms).
const FRAME_MAX: Duration = Duration::from_millis(120);

#[cfg(test)]
mod tests;
