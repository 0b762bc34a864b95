//! Time and randomness as arguments, and counts by cause and by range.
//!
//! Everything without I/O takes `now` and a [`Rng`] from outside, so that a test or the simulation
//! decides both. Three clocks are told apart by type and name:
//!
//! - [`Instant`]: monotonic, for every timer and deadline.
//! - [`UnixTime`]: wall clock, only where a date leaves the process (a token, a log line).
//! - the media clock: RTP timestamps, in samples; they live in `rtp` and `mix`.
//!
//! **Invariant:** nothing here reads a clock or the operating system's randomness.

mod histogram;
mod rng;
mod tally;
mod time;

pub use histogram::Histogram;
pub use rng::Rng;
pub use tally::{Cause, Tally};
pub use time::{Instant, UnixTime, soonest};
