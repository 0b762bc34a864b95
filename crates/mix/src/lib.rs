//! One conference's media for one tick: who may send here, who is heard, mix-minus, encode.
//!
//! # Shape
//!
//! A [`Shard`] owns conferences; a conference owns [`Port`]s; a port is a transport (where packets
//! come from and go to) with a stream ([`stream::Receiver`] and [`stream::Sender`]). [`message`]
//! holds what passes between a shard and whoever steers it. A terminal uses a [`Port`] by itself.
//!
//! # Order
//!
//! The shard is a root machine: one mutation ([`Shard::handle_command`], [`Shard::handle_packet`],
//! [`Shard::tick`], [`Shard::add_lent`]), then drain [`Shard::poll_event`],
//! [`Shard::poll_farewell`] and [`Shard::poll_released`] to `None`, then read [`Shard::deadline`] and wait.
//!
//! # Sound
//!
//! Every frame here is i16, mono, 8 kHz, [`FRAME_SAMPLES`] samples (10 ms: one tick).
//!
//! **Invariant:** [`Shard::tick`] and [`Shard::handle_packet`] neither allocate nor wait.
//! **Invariant:** nobody ever hears himself: a leg's own samples are subtracted exactly.
//! **Invariant:** SSRC, sequence and clock of a sender do not depend on who joins, leaves or is lost.

pub mod message;
pub mod stream;

mod conference;
mod control;
mod heard;
mod mixed;
mod port;
#[cfg(test)]
mod rig;
mod seat;
mod shard;
mod sources;
mod transport;

pub use control::RTCP_BYTES_MAX;
pub use port::{Outgoing, Port, Verdict};
pub use shard::{
    CATCH_UP_TICKS_MAX, CONFERENCES_MAX, Farewell, HEARD_DEFAULT, LATENESS_BOUNDS_US,
    LEGS_PER_CONFERENCE_MAX, Lateness, Leftovers, Shard, ShardConfig, Sink,
};
pub use sources::Csrcs;

/// Samples in one frame: 10 ms at 8 kHz, one tick.
pub const FRAME_SAMPLES: usize = 80;

/// Frames that a conference mixes at once, in every second tick.
///
/// Most packets hold 20 ms. Mixed by halves, the second half would wait for its tick after the first, and the packet to the
/// listeners for both: a voice is held for 10 ms and 5 more on average. Mixed at once it waits for its round, 10 ms on average,
/// and goes out with it.
pub const ROUND_FRAMES: usize = 2;

/// The time of one tick. 10 ms, because 30 ms packets do not fit into 20.
pub const TICK: std::time::Duration = std::time::Duration::from_millis(10);
