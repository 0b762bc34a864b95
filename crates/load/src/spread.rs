//! How many durations there were of each length, in little memory.

use std::time::Duration;

/// Counts durations in buckets that grow with them: the error is below 1.6 %, whatever the length.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

/// Buckets for each doubling.
const STEPS: u64 = 64;

/// Microseconds up to 2^36, some 19 hours; what is longer counts as that.
const DOUBLINGS: u64 = 36;

impl Spread {
    pub(crate) fn new() -> Self {
        let buckets = usize::try_from(STEPS * DOUBLINGS).unwrap_or(usize::MAX);
        Self { counts: vec![0; buckets], total: 0, longest: Duration::ZERO }
    }

    pub(crate) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let last = self.counts.len() - 1;
        self.counts[bucket(micros).min(last)] += 1;
        self.total += 1;
        self.longest = self.longest.max(duration);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.total
    }

    pub(crate) const fn longest(&self) -> Duration {
        self.longest
    }

    /// The duration that `percent` of all do not exceed; `None` if there is none.
    pub(crate) fn percentile(&self, percent: u64) -> Option<Duration> {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let middle = Duration::from_micros(middle(u64::try_from(index).unwrap_or(0)));
                return Some(middle.min(self.longest));
            }
        }
        None
    }
}

/// The first `STEPS` microseconds have a bucket each; from there on each doubling has as many.
fn bucket(micros: u64) -> usize {
    let doubling = u64::from(micros.max(1).ilog2()).saturating_sub(u64::from(STEPS.ilog2()));
    let step = micros >> doubling;
    usize::try_from(doubling * STEPS + step).unwrap_or(usize::MAX)
}

/// A duration in the middle of a bucket.
const fn middle(bucket: u64) -> u64 {
    if bucket < 2 * STEPS {
        return bucket;
    }
    let doubling = bucket / STEPS - 1;
    ((bucket - doubling * STEPS) << doubling) + (1 << doubling) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_their_error() {
        let mut spread = Spread::new();
        for micros in 1..=100_000 {
            spread.add(Duration::from_micros(micros));
        }
        for (percent, micros) in [(1, 1_000.0), (50, 50_000.0), (90, 90_000.0), (99, 99_000.0)] {
            let got = spread.percentile(percent).unwrap().as_secs_f64() * 1e6;
            assert!((got - micros).abs() / micros < 0.016, "p{percent}: {got}");
        }
        assert_eq!(spread.count(), 100_000);
        assert_eq!(spread.longest(), Duration::from_micros(100_000));
    }

    #[test]
    fn nothing_has_no_percentile_and_one_is_its_own() {
        let mut spread = Spread::new();
        assert_eq!(spread.percentile(50), None);
        spread.add(Duration::from_micros(7));
        assert_eq!(spread.percentile(1), Some(Duration::from_micros(7)));
        assert_eq!(spread.percentile(99), Some(Duration::from_micros(7)));
    }

    #[test]
    fn the_longest_has_a_bucket() {
        let mut spread = Spread::new();
        spread.add(Duration::MAX);
        spread.add(Duration::ZERO);
        assert_eq!(spread.percentile(50), Some(Duration::ZERO));
        assert!(spread.percentile(99).unwrap() > Duration::from_secs(60_000));
    }
}
