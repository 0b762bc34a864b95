//! Time at the rim: the machines' clock and the wall's, and what an event loop waits for.

use std::future::pending;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use tokio::time::sleep_until;
use units::{Instant, UnixTime};

/// Turns the system's monotonic clock into [`Instant`]s that count from the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: tokio::time::Instant,
}

impl Clock {
    /// A clock that says [`Instant::ZERO`] now.
    pub fn start() -> Self {
        Self { epoch: tokio::time::Instant::now() }
    }

    /// What the machines are told.
    pub fn now(self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// The moment of the system's clock at which `at` comes.
    pub fn system(self, at: Instant) -> tokio::time::Instant {
        self.epoch + at.since(Instant::ZERO)
    }
}

/// Waits until a moment of the system's clock; for ever if there is none.
pub async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Waits until told to stop. A handle that is gone wants its loop gone too.
pub async fn told(stop: &mut Option<oneshot::Receiver<()>>) {
    match stop {
        Some(stop) => drop(stop.await),
        None => pending().await,
    }
}

/// The wall clock: microseconds since 1970, for people who compare what several processes saw.
pub fn unix_micros() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the rim stamps what leaves the process")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The wall clock in whole seconds, for dates in conference URIs.
pub fn unix_time() -> UnixTime {
    UnixTime(unix_micros() / 1_000_000)
}
