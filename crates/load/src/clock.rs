//! Two clocks: the monotonic one that work goes by, and the wall clock that the kernel stamps packets with.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use units::Instant;

/// The monotonic clock: nanoseconds since the machine was started.
pub(crate) fn now() -> Instant {
    read(ClockId::CLOCK_MONOTONIC)
}

/// The clock of receive timestamps: nanoseconds since 1970. Only differences of two of these mean anything here.
pub(crate) fn stamp() -> Instant {
    read(ClockId::CLOCK_REALTIME)
}

fn read(clock: ClockId) -> Instant {
    // It fails only for a clock that does not exist.
    clock_gettime(clock).map_or(Instant::ZERO, |time| Instant::ZERO + Duration::from(time))
}
