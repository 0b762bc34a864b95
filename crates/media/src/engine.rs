//! The threads, seen from outside.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use mix::message::{Command, Event};

/// What an [`Engine`] is made of.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The address that media sockets are bound to (not what is advertised).
    pub ip: IpAddr,
    /// The ports to bind; only even ones are used, one per leg. Shards share them out.
    pub ports: RangeInclusive<u16>,
    /// How many shards, at least one.
    pub shards: u16,
    /// The core of each shard's thread, by index; a shard beyond the list is not pinned. A core that
    /// cannot be had is counted, and the thread runs unpinned.
    pub cores: Vec<usize>,
    /// Decides SSRCs and the like: from the operating system's randomness.
    pub seed: [u8; 32],
}

/// What became of an event that was handed to the caller's function.
#[derive(Debug)]
pub enum Delivery {
    /// It is the caller's now.
    Taken,
    /// There is no place for it; the shard keeps it, takes no more commands, and tries again after
    /// 10 ms.
    Full(Event),
}

/// Why an engine did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum StartError {
    #[error("an engine has 1 to {max} shards, not {got}")]
    ShardCount { got: u16, max: u16 },
    #[error("ports {first}-{last} hold no even port for each of {shards} shards")]
    NoPorts { first: u16, last: u16, shards: u16 },
    #[error("cannot bind any of the ports {first}-{last} on {ip}: {errno}")]
    Bind { ip: IpAddr, first: u16, last: u16, errno: i32 },
    #[error("the operating system refused {what}: {errno}")]
    System { what: &'static str, errno: i32 },
}

/// Why a command was not taken; it comes back where it can be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum CommandError {
    #[error("there is no shard {got}")]
    NoSuchShard { got: u16 },
    #[error("the shard has not yet taken the commands before")]
    Full(Box<Command>),
    #[error("the shard's thread has ended")]
    Stopped,
}

/// What the shards have done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineReport {
    /// One per shard.
    pub shards: Vec<ShardReport>,
}

/// What one shard has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardReport {
    /// How often the thread woke up.
    pub wakeups: u64,
    /// Ticks mixed.
    pub ticks: u64,
    /// Of these, begun more than a tick late.
    pub ticks_late: u64,
    /// Datagrams received on lent sockets.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that the operating system did not take.
    pub send_errors: u64,
    /// Sockets open now.
    pub sockets: u64,
    /// Ports of the range that could not be bound when their turn came.
    pub bind_failures: u64,
    /// 1 if the thread could not be pinned to its core.
    pub pin_failures: u64,
    /// Conferences open now.
    pub conferences: u64,
    /// Legs open now.
    pub legs: u64,
}

/// The media shards of a node.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// Binds the first sockets and starts the threads. `deliver` gets every event with the number of
    /// its shard, on that shard's thread: it must not wait.
    ///
    /// # Errors
    /// See [`StartError`]. Then no thread runs and no socket is bound.
    pub fn start(
        _config: &EngineConfig,
        _deliver: impl Fn(u16, Event) -> Delivery + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        todo!()
    }

    /// Hands a command to a shard. Does not wait.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn command(&self, _shard: u16, _command: Command) -> Result<(), CommandError> {
        todo!()
    }

    /// What the shards have done so far.
    pub fn report(&self) -> EngineReport {
        todo!()
    }

    /// Ends the threads and closes every socket; waits for both. What the report still shows as open
    /// was left over by the caller.
    pub fn stop(self) -> EngineReport {
        todo!()
    }
}
