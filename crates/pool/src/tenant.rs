//! Who shares the room, and how.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Instant;

/// What one tenant may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantTerms {
    /// What it is called; empty: whoever belongs to no other.
    pub name: String,
    /// Seats at most, in use and held; `None`: as many as there are.
    pub quota: Option<u32>,
    /// Seats that nobody else gets, used or not.
    pub reserved: u32,
    /// Conferences made in a minute at most; `None`: as many as it likes.
    pub per_minute: Option<u32>,
}

/// How fast a tenant has made conferences lately: the moment by which all that were made would be paid for at
/// its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace(Instant);

impl Default for Pace {
    fn default() -> Self {
        Self(Instant::ZERO)
    }
}

impl Pace {
    /// The pace after one more, if it may be made: a minute's worth at once, then one after the other.
    pub(crate) fn one_more(self, now: Instant, per_minute: u32) -> Option<Self> {
        let paid = self.paid(now, per_minute);
        (per_minute > 0 && paid.since(now) <= MINUTE).then_some(Self(paid))
    }

    /// The pace after one that was made, whether it might be or not: what was asked for within the rate and proved beyond
    /// it keeps the next ones waiting, but for no more than a minute.
    pub(crate) fn with_one(self, now: Instant, per_minute: u32) -> Self {
        Self(self.paid(now, per_minute).min(now + MINUTE))
    }

    fn paid(self, now: Instant, per_minute: u32) -> Instant {
        self.0.max(now) + MINUTE / per_minute.max(1)
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Tenants that a configuration may name: each costs a look at every allocation.
pub const TENANTS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_one_by_one() {
        let mut pace = Pace::default();
        let at = |seconds: u64| Instant::from_millis(seconds * 1_000);
        for _ in 0..3 {
            pace = pace.one_more(at(100), 3).expect("within the minute");
        }
        assert_eq!(pace.one_more(at(119), 3), None);
        pace = pace.one_more(at(120), 3).expect("one has been paid for");
        assert_eq!(pace.one_more(at(120), 3), None);
        assert_eq!(pace.one_more(at(1_000), 0), None, "none at all");
        let many = (0..50).fold(pace, |pace, _| pace.with_one(at(120), 3));
        assert_eq!(many.one_more(at(139), 3), None);
        assert!(many.one_more(at(140), 3).is_some(), "too many at once are soon forgiven");
    }
}
