//! The one place of this crate that reads a clock.

use std::time::{SystemTime, UNIX_EPOCH};

use units::{Instant, UnixTime};

/// Turns the system's monotonic clock into [`Instant`]s that count from the start of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: tokio::time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { epoch: tokio::time::Instant::now() }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// The moment of the system's clock at which `at` comes.
    pub(crate) fn system(self, at: Instant) -> tokio::time::Instant {
        self.epoch + at.since(Instant::ZERO)
    }
}

/// The wall clock: microseconds since 1970, for people who compare what several processes saw.
pub(crate) fn unix_micros() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the rim stamps what leaves the process")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The wall clock in whole seconds, for dates in conference URIs.
pub(crate) fn unix_time() -> UnixTime {
    UnixTime(unix_micros() / 1_000_000)
}
