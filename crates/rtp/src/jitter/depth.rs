//! How long packets should wait, from how late they come.
//!
//! The *transit* of a packet is when it came less its timestamp, both in ticks of the media clock. It
//! means nothing by itself, since the sender's clock begins at random; but the difference of two is how
//! much later the one came than the other. Of transits a histogram is kept, in which old ones weigh
//! less and less. The depth is where all but the latest few have come.

use crate::sequence::timestamp_distance;

/// Transits, and what follows from them.
#[derive(Clone, Debug)]
pub(super) struct Depth {
    /// Ticks in a bin: 0.25 ms.
    bin_ticks: u32,
    /// Transit at the beginning of the first bin.
    origin: u32,
    /// Weights. One packet weighs `unit` when it comes; that grows, instead of all else being made less.
    bins: [f32; BINS],
    unit: f32,
    /// Of all bins.
    total: f32,
    /// The bin below which all but the latest few are.
    target: usize,
    /// When the last packet came, and its transit.
    last: Option<(u32, u32)>,
}

impl Depth {
    /// Knows nothing yet.
    pub(super) fn new(clock_hz: u32) -> Self {
        Self {
            bin_ticks: (clock_hz / 4_000).max(1),
            origin: 0,
            bins: [0.0; BINS],
            unit: 1.0,
            total: 0.0,
            target: 0,
            last: None,
        }
    }

    /// Whether a transit is so far from the others that the sender must have set his clock anew.
    pub(super) fn is_far(&self, transit: u32) -> bool {
        let limit = i64::from(self.bin_ticks) * FAR_BINS;
        self.last.is_some()
            && !(-limit..limit).contains(&i64::from(timestamp_distance(self.origin, transit)))
    }

    /// Takes the transit of a packet of `ticks` that came at `arrival`.
    pub(super) fn learn(&mut self, arrival: u32, transit: u32, ticks: u32) {
        let is_first = self.last.is_none();
        if is_first {
            self.origin = transit;
        }
        // What comes in a burst, each less late than the one before, was held up by one cause, not by many.
        let in_burst = self.last.is_some_and(|(before, its_transit)| {
            arrival.wrapping_sub(before) < ticks / 2 && timestamp_distance(its_transit, transit) < 0
        });
        self.last = Some((arrival, transit));
        let bin = self.bin_of(transit);
        let weight = if in_burst { self.unit * BURST_WEIGHT } else { self.unit };
        self.bins[bin] += weight;
        self.total += weight;
        self.aim();
        self.unit *= GROWTH;
        if self.unit > UNIT_MAX {
            self.scale_down();
        }
    }

    /// The transit at which a packet should be played, at the earliest: later than this come but few.
    pub(super) fn target(&self) -> u32 {
        self.origin.wrapping_add(self.ticks_of(self.target))
    }

    /// The same with all that the bin holds: who has waited for so long has waited enough.
    pub(super) fn enough(&self) -> u32 {
        self.target().wrapping_add(self.bin_ticks)
    }

    /// The transit of the last packet.
    pub(super) fn last_transit(&self) -> u32 {
        self.last.map_or(self.origin, |(_, transit)| transit)
    }

    /// Ticks between the earliest and the [target](Self::enough): what is waited for the sake of others.
    pub(super) fn ticks(&self) -> u32 {
        self.ticks_of(self.target + 1 - self.first().min(self.target))
    }

    fn ticks_of(&self, bins: usize) -> u32 {
        u32::try_from(bins).unwrap_or(u32::MAX).saturating_mul(self.bin_ticks)
    }

    /// The bin of a transit; the bins move if it lies before them.
    fn bin_of(&mut self, transit: u32) -> usize {
        let offset = timestamp_distance(self.origin, transit);
        if offset >= 0 {
            let bin = offset.unsigned_abs() / self.bin_ticks;
            return usize::try_from(bin).unwrap_or(usize::MAX).min(BINS - 1);
        }
        let by = offset.unsigned_abs().div_ceil(self.bin_ticks);
        self.origin = self.origin.wrapping_sub(by * self.bin_ticks);
        let by = usize::try_from(by).unwrap_or(usize::MAX).min(BINS - 1);
        // What does not fit any more is as late as can be.
        let folded: f32 = self.bins[BINS - by..].iter().sum();
        self.bins.copy_within(..BINS - by, by);
        self.bins[..by].fill(0.0);
        self.bins[BINS - 1] += folded;
        0
    }

    /// Finds the target, and moves the bins if the first are of no more use.
    fn aim(&mut self) {
        let empty = self.first_beyond(self.unit * FORGOTTEN);
        if empty >= SLIDE_BINS {
            self.bins.copy_within(empty.., 0);
            self.bins[BINS - empty..].fill(0.0);
            self.total = self.bins.iter().sum();
            self.origin = self.origin.wrapping_add(self.ticks_of(empty));
        }
        let first = self.first();
        let late = LATE_WEIGHT * self.unit;
        let mut beyond = self.total - self.bins[..=first].iter().sum::<f32>();
        let mut bin = first;
        while beyond > late && bin < first + DEPTH_BINS_MAX && bin + 1 < BINS {
            bin += 1;
            beyond -= self.bins[bin];
        }
        self.target = bin;
    }

    /// The first bin before which there are but few.
    fn first(&self) -> usize {
        self.first_beyond(self.total * EARLY_SHARE)
    }

    /// The bin in which the sum from the first on passes a weight.
    fn first_beyond(&self, limit: f32) -> usize {
        let mut sum = 0.0;
        let mut is_beyond = |weight: &f32| {
            sum += *weight;
            sum > limit
        };
        self.bins.iter().position(&mut is_beyond).unwrap_or(0)
    }

    fn scale_down(&mut self) {
        for weight in &mut self.bins {
            *weight /= self.unit;
        }
        self.total = self.bins.iter().sum();
        self.unit = 1.0;
    }
}

/// 210 ms in steps of 0.25 ms: the depth at most, and a margin for clocks that drift.
const BINS: usize = 840;
/// 200 ms: a greater depth is a delay in which nobody can talk; what comes later still is lost.
const DEPTH_BINS_MAX: usize = 800;
/// The bins follow when the earliest packets come so much later than they did.
const SLIDE_BINS: usize = 32;
/// 1 s: longer than any network holds a packet back before it loses it.
const FAR_BINS: i64 = 4_000;
/// Each packet makes the earlier ones weigh less, as if the last 300 (6 s of 20 ms) were remembered:
/// long enough to know a hundredth, short enough to follow clocks that drift by 500 ppm.
const GROWTH: f32 = 1.003_333;
/// Those that may come after their time: 3 of 300, 1 %.
const LATE_WEIGHT: f32 = 3.0;
/// As many may have come earlier than what counts as early.
const EARLY_SHARE: f32 = 0.01;
/// So a stall of 500 ms (25 packets of 20 ms in one burst) weighs 1 + 24/16 = 2.5: it is no reason to wait
/// longer. Stalls that come again are.
const BURST_WEIGHT: f32 = 0.062_5;
/// What is left of a packet after a thousand more.
const FORGOTTEN: f32 = 0.03;
/// Far from where an f32 would lose a packet in the sum.
const UNIT_MAX: f32 = 1_000.0;

#[cfg(test)]
mod tests {
    use units::Rng;

    use super::*;

    /// Packets of 20 ms at 8 kHz, so late.
    fn learned(late_ms: impl IntoIterator<Item = f64>) -> Depth {
        let mut depth = Depth::new(8_000);
        after(&mut depth, 0, late_ms);
        depth
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    fn after(depth: &mut Depth, from: u32, late_ms: impl IntoIterator<Item = f64>) {
        for (number, late) in (from..).zip(late_ms) {
            let transit = 77_u32.wrapping_add((late * 8.0) as u32);
            depth.learn(transit.wrapping_add(number * 160), transit, 160);
        }
    }

    fn uniform(seed: u64, max_ms: u64) -> impl Iterator<Item = f64> {
        let mut rng = Rng::from_number(seed);
        std::iter::repeat_with(move || rng.below(max_ms * 8) as f64 / 8.0)
    }

    fn ms(depth: &Depth) -> u32 {
        depth.ticks().div_ceil(8)
    }

    #[test]
    fn without_jitter_there_is_hardly_any_depth() {
        assert_eq!(ms(&learned([5.0; 100])), 1);
        assert_eq!(ms(&learned([5.0])), 1);
    }

    #[test]
    fn depth_is_where_all_but_one_of_a_hundred_have_come() {
        for max_ms in [10, 30, 60, 150] {
            let got = ms(&learned(uniform(1, max_ms).take(2_000)));
            let expected = u32::try_from(max_ms).unwrap();
            assert!((expected * 95 / 100..=expected + 1).contains(&got), "{max_ms} ms: {got}");
        }
    }

    #[test]
    fn it_is_found_within_a_second_and_forgotten_within_a_minute() {
        let mut depth = learned(uniform(2, 40).take(50));
        assert!(ms(&depth) >= 25, "{}", ms(&depth));
        after(&mut depth, 50, uniform(3, 40).take(2_000));
        assert!(ms(&depth) >= 37);
        after(&mut depth, 2_050, [0.0; 3_000]);
        assert_eq!(ms(&depth), 1);
    }

    #[test]
    fn one_stall_is_no_reason_to_wait_and_one_a_second_is() {
        let stall = |period: usize, length_ms: usize| {
            (0..3_000).map(move |n: usize| (length_ms as f64 - (n % period) as f64 * 20.0).max(0.0))
        };
        assert_eq!(ms(&learned(stall(3_000, 500))), 1);
        let again = ms(&learned(stall(50, 100)));
        assert!(again >= 80, "{again}");
    }

    #[test]
    fn it_is_never_more_than_the_most() {
        let most = u32::try_from(DEPTH_BINS_MAX).unwrap() / 4 + 1;
        let got = ms(&learned(uniform(4, 900).take(2_000)));
        assert!((150..=most).contains(&got), "{got}");
    }

    /// 500 ppm either way for an hour: the transit goes over all bins, and over the clock's wrap.
    #[test]
    fn drift_is_followed() {
        for step in [4.0_f64, -4.0] {
            let mut depth = Depth::new(8_000);
            let mut jitter = uniform(5, 10);
            for number in 0..180_000_u32 {
                #[expect(clippy::cast_possible_truncation, reason = "small")]
                let drift = (f64::from(number) * step / 50.0) as i32;
                #[expect(clippy::cast_possible_truncation, reason = "small")]
                let late = (jitter.next().unwrap() * 8.0) as i32;
                let transit = (drift + late).cast_unsigned();
                assert!(!depth.is_far(transit), "{number}");
                depth.learn(transit.wrapping_add(number.wrapping_mul(160)), transit, 160);
            }
            assert!((9..=30).contains(&ms(&depth)), "{step}: {}", ms(&depth));
        }
    }

    #[test]
    fn another_clock_is_far() {
        let depth = learned([5.0; 100]);
        assert!(!depth.is_far(77 + 7_000));
        assert!(depth.is_far(77 + 9_000) && depth.is_far(77_u32.wrapping_sub(9_000)));
        assert!(!Depth::new(8_000).is_far(1 << 30), "nothing is far from nothing");
    }
}
