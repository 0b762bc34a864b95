//! Media shards: one thread each, with the sockets that it lends and the tick that it keeps.
//!
//! An [`Engine`] gives every [`mix::Shard`] what a machine without I/O lacks: a clock, UDP sockets,
//! and sleep. Commands go in through a bounded channel, events come out through a function that the
//! caller gives; no async runtime is involved.
//!
//! **Invariant:** a shard's thread waits in `epoll_wait` and nowhere else: on no lock, no channel, no
//! socket. Without a port it has no timer either, so an idle server is not woken at all.

mod calibrate;
mod clock;
mod engine;
mod report;
mod rest;
mod sockets;
mod stats;
mod thread;

pub use calibrate::{Measured, Trial, cores, measure};
pub use engine::{
    CommandError, DSCP_EF, Engine, EngineConfig, MediaBind, REST, SHARDS_MAX, StartError,
    files_for, raise_file_limit,
};
pub use report::{Delivery, EngineReport, ShardDropped, ShardReport};
