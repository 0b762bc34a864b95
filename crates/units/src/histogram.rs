//! Counts by range.

/// How often a number fell into each of a few ranges, which are fixed: it never grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    /// The highest number of each range, ascending.
    bounds: &'static [u64; N],
    counts: [u64; N],
    /// Those above every bound.
    above: u64,
    sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// Empty, with these bounds: each the highest number of its range, ascending.
    pub const fn new(bounds: &'static [u64; N]) -> Self {
        Self { bounds, counts: [0; N], above: 0, sum: 0 }
    }

    /// One that has counted so much: for each range, and above all, with their sum.
    pub const fn of(bounds: &'static [u64; N], counts: [u64; N], above: u64, sum: u64) -> Self {
        Self { bounds, counts, above, sum }
    }

    /// Counts a number.
    pub fn count(&mut self, number: u64) {
        let range = self.bounds.iter().position(|&bound| number <= bound);
        *range.map_or(&mut self.above, |range| &mut self.counts[range]) += 1;
        self.sum = self.sum.saturating_add(number);
    }

    /// Each bound with how many were no higher.
    pub fn cumulated(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let ranges = self.bounds.iter().zip(self.counts);
        ranges.scan(0, |sum, (&bound, count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }

    /// For each range, how many fell into it.
    pub const fn counts(&self) -> [u64; N] {
        self.counts
    }

    /// How many were above every bound.
    pub const fn above(&self) -> u64 {
        self.above
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.above
    }

    /// All numbers together.
    pub const fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fall_into_their_ranges_bounds_included() {
        let mut histogram = Histogram::new(&[10, 20]);
        [0, 10, 11, 20, 21, 1_000].into_iter().for_each(|number| histogram.count(number));
        assert_eq!(histogram.cumulated().collect::<Vec<_>>(), [(10, 2), (20, 4)]);
        assert_eq!((histogram.total(), histogram.above(), histogram.sum()), (6, 2, 1_062));
        let same = Histogram::of(&[10, 20], histogram.counts(), histogram.above(), histogram.sum());
        assert_eq!(same, histogram);
    }
}
