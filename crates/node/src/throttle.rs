//! A flood of refusals is not a flood of lines.

use std::time::Duration;

use units::Instant;

/// Notices of refusals within a second. A person reads no more, and each is a line in a log; the others
/// are counted, by cause in the metrics and in number in [`crate::Notice::NotTold`].
pub(crate) const REFUSALS_TOLD_MAX: u32 = 10;

const WINDOW: Duration = Duration::from_secs(1);

/// Says which refusals are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Throttle {
    /// When the second that counts began.
    since: Option<Instant>,
    told: u32,
    not_told: u64,
}

/// Whether one more is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// It is, and so many before it were not.
    Told { before: u64 },
    /// It is not.
    NotTold,
}

impl Throttle {
    pub(crate) fn one_more(&mut self, now: Instant) -> Telling {
        if self.since.is_none_or(|since| now.since(since) >= WINDOW) {
            self.since = Some(now);
            self.told = 0;
        }
        if self.told >= REFUSALS_TOLD_MAX {
            self.not_told += 1;
            return Telling::NotTold;
        }
        self.told += 1;
        Telling::Told { before: std::mem::take(&mut self.not_told) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_some_are_told_and_the_next_second_tells_how_many_were_not() {
        let mut throttle = Throttle::default();
        let mut told = |millis| throttle.one_more(Instant::from_millis(millis));
        for n in 0..u64::from(REFUSALS_TOLD_MAX) {
            assert_eq!(told(n), Telling::Told { before: 0 });
        }
        for _ in 0..1_000 {
            assert_eq!(told(999), Telling::NotTold);
        }
        assert_eq!(told(1_000), Telling::Told { before: 1_000 });
        assert_eq!(told(1_001), Telling::Told { before: 0 });
    }
}
