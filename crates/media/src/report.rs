//! What goes out of an engine.

use mix::message::Event;
use mix::{LATENESS_BOUNDS_US, Lateness};
use units::{Tally, causes};

/// What became of an event that was handed to the caller's function.
#[expect(clippy::large_enum_variant, reason = "handed over at once, and only a full one is kept")]
#[derive(Debug)]
pub enum Delivery {
    /// It is the caller's now.
    Taken,
    /// There is no place for it; the shard keeps it, takes no more commands, and tries again after
    /// 10 ms.
    Full(Event),
}

/// What the shards have done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineReport {
    /// One per shard.
    pub shards: Vec<ShardReport>,
}

/// What one shard has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardReport {
    /// How often the thread woke up.
    pub wakeups: u64,
    /// Ticks mixed.
    pub ticks: u64,
    /// Of these, begun more than a tick late.
    pub ticks_late: u64,
    /// Ticks left out, because they were overdue by too much.
    pub ticks_skipped: u64,
    /// Datagrams received on lent sockets.
    pub received: u64,
    /// Of these, on sockets that no leg uses.
    pub stray: u64,
    /// Of these, on sockets that rest after a leg.
    pub late: u64,
    /// How often a socket had more than its turn, and was not read for the time of a tick.
    pub pauses: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that the operating system did not take.
    pub send_errors: u64,
    /// Times that the operating system gave an error instead of a datagram.
    pub receive_errors: u64,
    /// Sockets open now.
    pub sockets: u64,
    /// Ports that rest after a leg, until nothing comes to them any more.
    pub resting: u64,
    /// How often a port of the range could not be bound when its turn came.
    pub bind_failures: u64,
    /// 1 if the thread could not be pinned to its core.
    pub pin_failures: u64,
    /// Conferences open now, or when the engine was stopped.
    pub conferences: u64,
    /// Legs open now, or when the engine was stopped.
    pub legs: u64,
    /// Conferences ended because of a fault of ours.
    pub conferences_failed: u64,
    /// How late ticks began, in microseconds.
    pub lateness_us: Lateness,
}

impl Default for ShardReport {
    /// Nothing yet.
    fn default() -> Self {
        Self {
            wakeups: 0,
            ticks: 0,
            ticks_late: 0,
            ticks_skipped: 0,
            received: 0,
            stray: 0,
            late: 0,
            pauses: 0,
            sent: 0,
            send_errors: 0,
            receive_errors: 0,
            sockets: 0,
            resting: 0,
            bind_failures: 0,
            pin_failures: 0,
            conferences: 0,
            legs: 0,
            conferences_failed: 0,
            lateness_us: Lateness::new(&LATENESS_BOUNDS_US),
        }
    }
}

causes! {
    /// Why a datagram got nowhere.
    pub enum ShardDropped {
        /// It came to a socket that no leg uses.
        Stray => "stray",
        /// It came to a socket that rests after a leg.
        Late => "late",
        /// The operating system did not take it.
        SendError => "send_error",
        /// The operating system gave an error instead of it.
        ReceiveError => "receive_error",
    }
}

impl ShardReport {
    /// Datagrams that got nowhere, by cause. What a leg's port drops is in the leg's own report.
    pub fn dropped(&self) -> Tally<ShardDropped> {
        let dropped = [
            (ShardDropped::Stray, self.stray),
            (ShardDropped::Late, self.late),
            (ShardDropped::SendError, self.send_errors),
            (ShardDropped::ReceiveError, self.receive_errors),
        ];
        dropped.into_iter().collect()
    }
}
