//! Where a sound is like itself: how vibrations are found.

/// A piece of sound whose parts are compared with each other, in every pair: so it is made ready once.
pub(crate) struct Likeness {
    samples: [f32; LIKENESS_SAMPLES_MAX],
    /// The energy of all samples before each, so that any part's is one subtraction.
    energy_before: [f64; LIKENESS_SAMPLES_MAX + 1],
}

impl Likeness {
    /// Makes the first [`LIKENESS_SAMPLES_MAX`] samples ready.
    pub(crate) fn new(samples: &[i16]) -> Self {
        let mut ready = Self {
            samples: [0.0; LIKENESS_SAMPLES_MAX],
            energy_before: [0.0; LIKENESS_SAMPLES_MAX + 1],
        };
        let mut energy = 0.0;
        for (n, &sample) in samples.iter().take(LIKENESS_SAMPLES_MAX).enumerate() {
            ready.samples[n] = f32::from(sample);
            // Whole numbers below 2^53: exact, and so is every difference.
            energy += f64::from(sample) * f64::from(sample);
            ready.energy_before[n + 1] = energy;
        }
        ready
    }

    /// How like the `length` samples from `one` on are to those from `other` on: -1 to 1, 1 for the same shape. Not a number
    /// where one of them is silent. Neither part may end beyond [`LIKENESS_SAMPLES_MAX`].
    #[expect(clippy::cast_possible_truncation, reason = "less exact, and no more is needed")]
    pub(crate) fn between(&self, one: usize, other: usize, length: usize) -> f32 {
        let energy = |from: usize| self.energy_before[from + length] - self.energy_before[from];
        let product = dot(&self.samples[one..one + length], &self.samples[other..other + length]);
        product / (energy(one) * energy(other)).sqrt() as f32
    }
}

/// In lanes, one sum each, as a processor adds them.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

const LANES: usize = 8;

/// 30 ms: the longest piece that is looked at.
pub(crate) const LIKENESS_SAMPLES_MAX: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    #[test]
    fn a_tone_is_like_itself_a_vibration_later_and_opposite_half_a_vibration_later() {
        let likeness = Likeness::new(&tone(200.0, 8_000, -10.0, 240));
        for (distance, expected) in [(0, 1.0), (40, 1.0), (20, -1.0), (10, 0.0)] {
            let found = likeness.between(0, distance, 80);
            assert!((found - expected).abs() < 0.01, "{distance}: {found}");
        }
        // Of a length that fills no whole number of lanes.
        assert!((likeness.between(3, 43, 77) - 1.0).abs() < 0.01);
    }

    #[test]
    fn silence_is_like_nothing() {
        let mut samples = tone(200.0, 8_000, -10.0, 240);
        samples[..80].fill(0);
        assert!(Likeness::new(&samples).between(0, 120, 80).is_nan());
    }
}
