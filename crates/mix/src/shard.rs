//! The conferences of one thread.

use std::net::SocketAddr;

use units::{Instant, Rng};

use crate::message::{Command, Event, LentPort};

/// How many conferences and legs a shard has places for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardConfig {
    /// Slots for conferences, at most [`CONFERENCES_MAX`].
    pub conferences: u32,
    /// Ports in one conference, at most [`LEGS_PER_CONFERENCE_MAX`].
    pub legs_per_conference: u32,
}

impl Default for ShardConfig {
    /// The most there can be.
    fn default() -> Self {
        Self { conferences: CONFERENCES_MAX, legs_per_conference: LEGS_PER_CONFERENCE_MAX }
    }
}

/// Takes the packets of one tick.
pub trait Sink {
    /// Sends `bytes` to `to` from the socket lent as `lent`. Must not wait.
    fn send(&mut self, lent: u32, to: SocketAddr, bytes: &[u8]);
}

/// What a shard still holds. All zero after the last conference was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Open conferences.
    pub conferences: usize,
    /// Ports in them.
    pub ports: usize,
}

/// The conferences of one thread; see the crate's documentation for the order of calls.
#[derive(Debug)]
pub struct Shard {}

impl Shard {
    /// Makes an idle shard. `rng` decides SSRCs, first sequence numbers and timestamps.
    pub fn new(_config: ShardConfig, _rng: Rng) -> Self {
        todo!()
    }

    /// Does what a command asks and queues its one reply.
    pub fn handle_command(&mut self, _now: Instant, _command: Command) {
        todo!()
    }

    /// Takes a datagram that came from `from` to the socket lent as `lent`. Does not allocate.
    pub fn handle_packet(&mut self, _now: Instant, _lent: u32, _from: SocketAddr, _bytes: &[u8]) {
        todo!()
    }

    /// Mixes the next 10 ms if [`Shard::deadline`] has come; else does nothing. Does not allocate.
    pub fn tick(&mut self, _now: Instant, _sink: &mut impl Sink) {
        todo!()
    }

    /// When the next tick is due; `None` while there is no port: an idle shard costs nothing.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// Announces a bound socket, which becomes part of an [`Event::Lent`].
    pub fn add_lent(&mut self, _port: LentPort) {
        todo!()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }

    /// The next socket (by [`LentPort::id`]) that is not needed any more: whoever bound it closes it.
    pub fn poll_released(&mut self) -> Option<u32> {
        todo!()
    }

    /// What is still open.
    pub fn leftovers(&self) -> Leftovers {
        todo!()
    }
}

/// Most conferences on one shard: 4,096 of three legs are ten times what one core mixes. A command for
/// a higher slot is refused.
pub const CONFERENCES_MAX: u32 = 4_096;

/// Most ports in one conference: twice what one core can send to, and the sum of so many full-scale
/// samples stays far inside an i32. One more is refused.
pub const LEGS_PER_CONFERENCE_MAX: u32 = 4_096;
