//! The clock that work goes by.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use units::Instant;

/// The monotonic clock: nanoseconds since the machine was started.
pub(crate) fn now() -> Instant {
    // It fails only for a clock that does not exist.
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(Instant::ZERO, |time| Instant::ZERO + Duration::from(time))
}
