//! A jitter buffer whose delay follows the jitter.
//!
//! The rules, in the order in which they act on a stream:
//!
//! 1. A packet is played when it has waited for as long as all but a few need to come (`depth`), at the
//!    caller's next tick; without jitter that is at once. From then on playout follows the caller's clock.
//! 2. A hole with later packets behind it is lost when its turn comes.
//! 3. When nothing is left, playout stands still ([`Frame::Starved`]); what the sender says it lost
//!    or left out in that time is not played again as a gap.
//! 4. After `IDLE_AFTER` of that, or when the sender says so, he is taken to pause: the next packet
//!    starts as in 1. So the delay is set anew in each pause.
//! 5. Between pauses the delay moves with what stands still, and clocks drift. [`JitterBuffer::surplus_ticks`]
//!    says by how much it is off; whoever decodes shortens or lengthens the sound by that. A great
//!    excess (a burst after a stall) is dropped at once.

use std::time::Duration;

use units::Instant;

use crate::sequence::{Extender, timestamp_distance};

use depth::Depth;
use grain::Grain;
pub use kinds::{Content, Counters, Frame, Inserted, JitterConfig, Packet};
use ring::{Ring, Waiting};

mod depth;
mod grain;
mod kinds;
mod ring;

/// Puts packets of one source back in order and gives them out when their time has come.
///
/// The caller plays what [`JitterBuffer::pop_frame`] gives, however long that is, and asks again
/// when it has run out: so 20 ms packets are consumed in two halves of 10 ms, 30 ms ones in three.
/// Nothing is allocated after `new`.
///
/// # Clocks
/// `now` and `at` are the caller's monotonic clock. `at` should be when the tick was due, not when it was
/// got round to: else a late tick looks like a long delay.
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    counters: Counters,
    ring: Ring,
    depth: Depth,
    state: State,
    extender: Extender,
    /// The number of the next packet to play.
    next: u64,
    /// Packets below were played or given up: what comes is late.
    floor: u64,
    /// Timestamp of the next sample if the sender makes no pause; `None`: take what comes.
    playhead: Option<u32>,
    /// Length of the last packet with sound.
    last_ticks: u32,
    grain: Grain,
    /// Ticks that playout stood still since the last packet was played.
    stood_still_ticks: u32,
    /// The number that would confirm a far jump.
    stray_next: Option<u16>,
    /// From arrival to playing, smoothed.
    delay_ticks: u32,
}

/// Where playout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The sender says nothing; the next packet with sound waits for its time.
    Idle,
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
            step_ticks: config.step_ticks.max(1),
            slots: config.slots.max(SLOTS_MIN),
            bytes: config.bytes.max(config.payload_bytes_max).max(1),
            ..config
        };
        Self {
            ring: Ring::new(config.slots, config.bytes),
            depth: Depth::new(config.clock_hz),
            state: State::Idle,
            counters: Counters::default(),
            extender: Extender::new(),
            next: 0,
            floor: 0,
            playhead: None,
            last_ticks: config.clock_hz / PACKETS_PER_SECOND,
            grain: Grain::new(config.step_ticks),
            stood_still_ticks: 0,
            stray_next: None,
            delay_ticks: 0,
            config,
        }
    }

    /// Takes a packet that came at `now`.
    pub fn insert(&mut self, now: Instant, packet: &Packet<'_>) -> Inserted {
        self.counters.received += 1;
        if packet.payload.len() > self.config.payload_bytes_max {
            self.counters.refused += 1;
            return Inserted::TooLong;
        }
        let arrival = self.clock(now);
        let sequence = packet.sequence;
        let (newest, number) = (self.extender.highest(), self.extender.peek(sequence));
        let is_newer = newest.is_some_and(|newest| number > newest);
        if self.is_far(sequence) || is_newer && self.has_other_clock(arrival, packet) {
            let in_sequence = newest == Some(number.wrapping_sub(1));
            if self.stray_next != Some(sequence) && !in_sequence {
                self.stray_next = Some(sequence.wrapping_add(1));
                self.counters.refused += 1;
                return Inserted::Stray;
            }
            self.counters.resyncs += 1;
            self.reset();
            self.place(arrival, packet);
            return Inserted::Resynced;
        }
        self.stray_next = None;
        self.place(arrival, packet)
    }

    /// What to play at `at`, after `held_ticks` that the caller still has to play; a payload is written
    /// to the front of `out`, which holds `payload_bytes_max` bytes.
    pub fn pop_frame(&mut self, at: Instant, held_ticks: u32, out: &mut [u8]) -> Frame {
        // Each turn but the last takes a place or leaves a state.
        for _ in 0..2 * self.ring.len() {
            let frame = match self.state {
                State::Idle => self.wait(at, held_ticks, out),
                State::Playing => self.play(at, held_ticks, out),
                State::Starved { since } => self.stand_still(at, since),
            };
            if let Some(frame) = frame {
                return frame;
            }
        }
        Frame::Idle
    }

    /// How much longer than it must the next packet will have waited when it is needed, in ticks: in the step
    /// in which `held_ticks`, counted from `at`, run out. Below 0: so much too short. 0 while nothing is
    /// played.
    pub fn surplus_ticks(&self, at: Instant, held_ticks: u32) -> i32 {
        let (State::Playing, Some(playhead)) = (self.state, self.playhead) else { return 0 };
        self.surplus(self.needed(at, held_ticks), playhead)
    }

    /// How much could be left out of what is held and waits, in ticks, so that no packet is needed before it has waited
    /// for as long as it must, and `kept_ticks` more: whole steps, and what is held beyond them.
    ///
    /// A packet is needed for one step or for the next, not in between. One that is no whole number of steps long begins now
    /// at the beginning of a step, now within it, and is needed the sooner for that; then it goes by what is common to both.
    pub fn spare_ticks(&self, at: Instant, held_ticks: u32, kept_ticks: u32) -> u32 {
        let Ok(surplus) = u32::try_from(self.surplus_ticks(at, held_ticks)) else { return 0 };
        if self.state != State::Playing {
            return 0;
        }
        let grain = self.grain.ticks;
        let odd = held_ticks % grain;
        let sooner = self.sooner() + odd - held_ticks % self.config.step_ticks;
        let whole = surplus.saturating_sub(sooner).saturating_sub(kept_ticks) / grain * grain;
        whole + odd
    }

    /// Whether the sound goes on without a gap with a packet that is here.
    pub fn goes_on(&self) -> bool {
        let next = self.ring.waiting(self.next).filter(|_| self.state == State::Playing);
        next.zip(self.playhead).is_some_and(|(next, playhead)| {
            matches!(next.content, Content::Sound { .. })
                && timestamp_distance(playhead, next.timestamp) <= 0
        })
    }

    /// Forgets all packets, the place in the sequence and the depth: for a new SSRC or a new remote address.
    pub fn reset(&mut self) {
        self.ring.clear();
        self.depth = Depth::new(self.config.clock_hz);
        self.grain = Grain::new(self.config.step_ticks);
        self.state = State::Idle;
        self.extender = Extender::new();
        (self.next, self.floor) = (0, 0);
        self.playhead = None;
        self.stood_still_ticks = 0;
        self.stray_next = None;
    }

    /// What it has seen so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How long packets wait here before they are played, smoothed over some 16.
    pub fn delay(&self) -> Duration {
        self.time(self.delay_ticks)
    }

    /// How much of that is for the sake of those that come late.
    pub fn depth(&self) -> Duration {
        self.time(self.depth_ticks())
    }

    /// The same in ticks: how much later than the earliest packets all but the latest few come.
    pub fn depth_ticks(&self) -> u32 {
        self.depth.ticks()
    }

    /// Packets between the next to play and the newest, holes included.
    pub fn waiting_count(&self) -> u64 {
        self.extender.highest().map_or(0, |newest| (newest + 1).saturating_sub(self.next))
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

    /// True if a timestamp does not fit to when the others came: the sender has begun anew, or has let
    /// his clock stand still while he said nothing.
    fn has_other_clock(&self, arrival: u32, packet: &Packet<'_>) -> bool {
        match packet.content {
            Content::Sound { .. } => self.depth.is_far(arrival.wrapping_sub(packet.timestamp)),
            Content::Noise | Content::Nothing => false,
        }
    }

    /// Puts a packet of this run in its place.
    fn place(&mut self, arrival: u32, packet: &Packet<'_>) -> Inserted {
        let &Packet { timestamp, content, payload, .. } = packet;
        let none_waited = self.waiting_count() == 0;
        let place = self.extender.extend(packet.sequence);
        let newest = self.newest();
        if self.ring.knows(place) {
            self.counters.duplicate += 1;
            return Inserted::Duplicate;
        }
        if let Content::Sound { ticks } = content {
            self.depth.learn(arrival, arrival.wrapping_sub(timestamp), ticks);
            self.grain.fit(self.config.step_ticks, ticks);
        }
        if place < self.floor || newest - place >= self.ring.len() {
            self.counters.late += 1;
            return Inserted::Late;
        }
        if place < newest {
            self.counters.reordered += 1;
        }
        match self.state {
            State::Idle if none_waited => self.next = place,
            // One that overtook the first is played after it.
            State::Idle => self.next = self.next.min(place),
            State::Playing | State::Starved { .. } => {}
        }
        // No room: the oldest goes, so that what is played is fresh.
        self.give_up_before((newest + 1).saturating_sub(self.ring.len()));
        self.ring.put(place, &Waiting { timestamp, arrival, content, payload });
        Inserted::Kept
    }

    /// Lets the first packet wait for its time.
    fn wait(&mut self, at: Instant, held_ticks: u32, out: &mut [u8]) -> Option<Frame> {
        let Some((place, first)) = self.first_waiting() else { return Some(Frame::Idle) };
        match first.content {
            Content::Sound { .. } => {
                let timestamp = first.timestamp;
                // One of those that follow may be needed as much sooner, see `spare_ticks`.
                let sooner = self.sooner() + held_ticks % self.grain.ticks;
                let target = self.depth.target().wrapping_add(sooner);
                let begins = self.clock(at).wrapping_add(held_ticks);
                if timestamp_distance(target, begins.wrapping_sub(timestamp)) < 0 {
                    return Some(Frame::Idle);
                }
                self.skip_to(place);
                self.playhead = Some(timestamp);
                self.stood_still_ticks = 0;
                self.state = State::Playing;
                None
            }
            Content::Noise | Content::Nothing => {
                self.skip_to(place);
                self.take_silent(out)
            }
        }
    }

    /// Gives the next frame of a stream that plays; `None`: ask again.
    fn play(&mut self, at: Instant, held_ticks: u32, out: &mut [u8]) -> Option<Frame> {
        let clock = self.needed(at, held_ticks);
        if let Some(playhead) = self.playhead
            && self.surplus(clock, playhead) > self.ticks_i32(EXCESS_MAX)
            && self.drop_excess(clock)
        {
            // A few milliseconds made up hide the seam.
            return Some(Frame::Lost { ticks: self.ticks(SEAM) });
        }
        if self.next > self.newest() {
            self.counters.starved += 1;
            self.state = State::Starved { since: at };
            return Some(Frame::Starved);
        }
        let Some(packet) = self.ring.waiting(self.next) else { return self.lose_next() };
        match packet.content {
            Content::Noise | Content::Nothing => self.take_silent(out),
            Content::Sound { ticks } => {
                let timestamp = packet.timestamp;
                let gap =
                    self.playhead.map_or(0, |playhead| timestamp_distance(playhead, timestamp));
                if gap > self.ticks_i32(PAUSE_MIN) {
                    self.state = State::Idle;
                    return None;
                }
                let begins = self.clock(at).wrapping_add(held_ticks);
                let waited = timestamp_distance(packet.arrival, begins).max(0).cast_unsigned();
                self.delay_ticks = if self.delay_ticks == 0 {
                    waited
                } else {
                    (self.delay_ticks * 15 + waited) / 16
                };
                let len = self.give(out);
                self.stood_still_ticks = 0;
                self.last_ticks = ticks;
                self.playhead = Some(timestamp.wrapping_add(ticks));
                Some(Frame::Payload { len })
            }
        }
    }

    /// Nothing is here; `None` if that is over.
    fn stand_still(&mut self, at: Instant, since: Instant) -> Option<Frame> {
        let stood_still = at.since(since);
        if self.next <= self.newest() {
            self.stood_still_ticks = self.ticks(stood_still);
            self.state = State::Playing;
            return None;
        }
        if stood_still < IDLE_AFTER {
            return Some(Frame::Starved);
        }
        self.state = State::Idle;
        None
    }

    /// Takes the packet in `next`, which has no sound. Whoever sends one does not speak.
    fn take_silent(&mut self, out: &mut [u8]) -> Option<Frame> {
        let content = self.ring.waiting(self.next)?.content;
        let len = self.give(out);
        if content == Content::Noise || self.next > self.newest() {
            self.state = State::Idle;
        }
        (content == Content::Noise).then_some(Frame::Noise { len })
    }

    /// Writes out the packet that waits in `next`, and moves on; how many bytes it has.
    fn give(&mut self, out: &mut [u8]) -> usize {
        let Some(packet) = self.ring.waiting(self.next) else { return 0 };
        let len = packet.payload.len().min(out.len());
        debug_assert_eq!(len, packet.payload.len(), "out holds payload_bytes_max");
        out[..len].copy_from_slice(&packet.payload[..len]);
        self.ring.take(self.next);
        self.advance();
        len
    }

    /// Gives up the missing packet in `next`; no frame if playout stood still as long anyway.
    fn lose_next(&mut self) -> Option<Frame> {
        let length = self.length_of_missing();
        // It may have come, and been written over since.
        if self.ring.take(self.next) {
            self.counters.dropped += 1;
        } else {
            self.counters.lost += 1;
        }
        self.advance();
        self.playhead = self.playhead.map(|playhead| playhead.wrapping_add(length));
        let stood_still = self.stood_still_ticks.min(length);
        self.stood_still_ticks -= stood_still;
        let ticks = length - stood_still;
        (ticks > 0).then_some(Frame::Lost { ticks })
    }

    /// Ticks of the missing packet in `next`: its part of the gap before the one that waits, and no more
    /// than the last one had.
    fn length_of_missing(&self) -> u32 {
        let Some(((place, next), playhead)) = self.first_waiting().zip(self.playhead) else {
            return self.last_ticks;
        };
        let missing = u32::try_from(place - self.next).unwrap_or(u32::MAX).max(1);
        match next.content {
            Content::Sound { .. } => {
                let gap = timestamp_distance(playhead, next.timestamp).max(0).cast_unsigned();
                (gap / missing).min(self.last_ticks)
            }
            Content::Noise | Content::Nothing => self.last_ticks,
        }
    }

    /// The first packet that waits, from `next` on.
    fn first_waiting(&self) -> Option<(u64, Waiting<'_>)> {
        let newest = self.extender.highest()?;
        // What lies further back than the ring is long cannot wait.
        let from = self.next.max((newest + 1).saturating_sub(self.ring.len()));
        (from..=newest).find_map(|place| Some((place, self.ring.waiting(place)?)))
    }

    /// Excess over what the newest needs too: when the way has become longer, nothing is gained by haste.
    fn surplus(&self, clock: u32, timestamp: u32) -> i32 {
        let waited = clock.wrapping_sub(timestamp);
        let surplus = timestamp_distance(self.depth.enough(), waited);
        if surplus < 0 {
            surplus
        } else {
            surplus.min(timestamp_distance(self.depth.last_transit(), waited)).max(0)
        }
    }

    /// Goes on with the last packet that has waited enough; false if that is the next.
    fn drop_excess(&mut self, clock: u32) -> bool {
        let from = self.next.max((self.newest() + 1).saturating_sub(self.ring.len()));
        let enough = (from..=self.newest()).rev().find(|place| {
            self.ring.waiting(*place).is_some_and(|packet| {
                matches!(packet.content, Content::Sound { .. })
                    && self.surplus(clock, packet.timestamp) >= 0
            })
        });
        let Some(place) = enough.filter(|place| *place > self.next) else { return false };
        self.give_up_before(place);
        self.playhead = None;
        true
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
        self.playhead = None;
    }

    /// Moves on to `place`, before which nothing can be played.
    fn skip_to(&mut self, place: u64) {
        self.give_up_before(place);
        self.settle_floor();
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

    /// The media clock, as it would be if it had begun with the caller's.
    #[expect(clippy::cast_possible_truncation, reason = "it wraps, as RTP's does")]
    fn clock(&self, now: Instant) -> u32 {
        (u128::from(now.as_nanos()) * u128::from(self.config.clock_hz) / 1_000_000_000) as u32
    }

    /// When the packet is needed that is played after `held_ticks`: at the beginning of that step.
    fn needed(&self, at: Instant, held_ticks: u32) -> u32 {
        let whole = held_ticks - held_ticks % self.config.step_ticks;
        self.clock(at).wrapping_add(whole)
    }

    /// How much before it is played a packet may be needed, because it begins within a step.
    const fn sooner(&self) -> u32 {
        self.config.step_ticks - self.grain.ticks
    }

    fn ticks(&self, time: Duration) -> u32 {
        let ticks = time.as_nanos() * u128::from(self.config.clock_hz) / 1_000_000_000;
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    fn ticks_i32(&self, time: Duration) -> i32 {
        i32::try_from(self.ticks(time)).unwrap_or(i32::MAX)
    }

    fn time(&self, ticks: u32) -> Duration {
        Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(self.config.clock_hz))
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
/// A longer step of the timestamp without a missing number is a pause, a shorter one is carelessness.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// More delay than needed by so much is dropped at once: it is heard in a conversation.
const EXCESS_MAX: Duration = Duration::from_millis(100);
/// What is made up where something was dropped.
const SEAM: Duration = Duration::from_millis(5);
/// Until the stream has shown its own packet time: 20 ms (RFC 3551 §4.2).
const PACKETS_PER_SECOND: u32 = 50;

#[cfg(test)]
mod tests;
