//! Keeps a sum of voices within 16 bits.

use crate::mix::saturated;

/// Turns the gain down before a peak and slowly up after it, frame by frame.
///
/// It looks ahead to the end of the frame that it is given, and no further: looking ahead must not cost
/// delay. A sum that fits passes unchanged, bit by bit.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// 0..=1.
    gain: f32,
}

impl Limiter {
    /// Nothing has been too loud yet.
    pub const fn new() -> Self {
        Self { gain: 1.0 }
    }

    /// Writes `sum` to `out`, as loud as fits; the shorter of the two decides the length.
    pub fn frame(&mut self, sum: &[i32], out: &mut [i16]) {
        let peak = sum.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        let fits = peak <= CEILING;
        if fits && self.gain >= 1.0 {
            for (out, &sample) in out.iter_mut().zip(sum) {
                *out = saturated(sample);
            }
            return;
        }
        let needed = if fits { 1.0 } else { CEILING as f32 / peak as f32 };
        if needed < self.gain {
            self.attack(needed, sum, out);
        } else {
            let end = (self.gain * RELEASE).min(needed);
            let length = sum.len();
            self.ramp(end, length, sum, out);
        }
    }

    /// The gain is down by the time of the first sample that needs it.
    fn attack(&mut self, needed: f32, sum: &[i32], out: &mut [i16]) {
        let before = self.gain;
        let too_loud = |sample: &i32| sample.unsigned_abs() as f32 * before > CEILING as f32;
        let first = sum.iter().position(too_loud).unwrap_or(0);
        self.ramp(needed, first.max(ATTACK_SAMPLES_MIN), sum, out);
    }

    /// Moves the gain to `end` within `samples`, and holds it there.
    fn ramp(&mut self, end: f32, samples: usize, sum: &[i32], out: &mut [i16]) {
        let step = (end - self.gain) / samples.max(1) as f32;
        for (n, (out, &sample)) in out.iter_mut().zip(sum).enumerate() {
            let gain = if n < samples { self.gain + step * (n + 1) as f32 } else { end };
            // Only the few samples of the shortest attack are ever cut.
            *out = rounded(sample as f32 * gain);
        }
        self.gain = end;
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
fn rounded(sample: f32) -> i16 {
    sample.round() as i16
}

/// Full scale: what G.711 can still say.
const CEILING: u32 = 32_767;

/// 10 dB in a second, as a factor for each frame of 10 ms: too slow to be heard as breathing.
const RELEASE: f32 = 1.011_58;

/// 1 ms: a faster fall of the gain is a click.
const ATTACK_SAMPLES_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{goertzel, tone};

    const FRAME: usize = 80;

    /// `voices` equal tones, limited.
    fn limited(limiter: &mut Limiter, hz: f64, dbfs: f64, voices: i32, frames: usize) -> Vec<i16> {
        let one = tone(hz, 8_000, dbfs, FRAME * frames);
        let sum: Vec<i32> = one.iter().map(|&sample| i32::from(sample) * voices).collect();
        let mut out = vec![0; sum.len()];
        for (sum, out) in sum.chunks(FRAME).zip(out.chunks_mut(FRAME)) {
            limiter.frame(sum, out);
        }
        out
    }

    #[test]
    fn what_fits_passes_bit_by_bit() {
        let clean = tone(440.0, 8_000, 0.0, 800);
        assert_eq!(limited(&mut Limiter::new(), 440.0, 0.0, 1, 10), clean);
    }

    /// F26: sixteen full-scale sines keep their form, which saturation would not.
    #[test]
    fn sixteen_full_scale_sines_stay_sines() {
        for hz in [100.0, 250.0, 440.0, 1_000.0, 3_000.0] {
            let out = limited(&mut Limiter::new(), hz, 0.0, 16, 300);
            let steady = &out[FRAME * 100..];
            let (base, third) = (goertzel(steady, 8_000, hz), goertzel(steady, 8_000, 3.0 * hz));
            assert!((-1.0..0.1).contains(&base), "{hz} Hz: {base} dB");
            if 3.0 * hz < 4_000.0 {
                assert!(third < base - 40.0, "{hz} Hz: third harmonic at {third} dB");
            }
        }
    }

    /// F26: the level of a steady sum is steady.
    #[test]
    fn a_steady_sum_does_not_pump() {
        let out = limited(&mut Limiter::new(), 170.0, -3.0, 8, 500);
        let peaks = out[FRAME * 50..].chunks(FRAME * 2);
        let peaks: Vec<u16> =
            peaks.map(|it| it.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0)).collect();
        let (low, high) = (peaks.iter().min().unwrap(), peaks.iter().max().unwrap());
        // 0.5 dB.
        assert!(f64::from(*low) > f64::from(*high) * 0.944, "{low}..{high}");
    }

    #[test]
    fn after_a_peak_the_gain_comes_back_slowly_and_whole() {
        let mut limiter = Limiter::new();
        limited(&mut limiter, 440.0, 0.0, 4, 20); // 12 dB too loud
        let soft = limited(&mut limiter, 440.0, -20.0, 1, 200);
        let level =
            |frame: usize| goertzel(&soft[FRAME * frame..FRAME * (frame + 10)], 8_000, 440.0);
        assert!((level(0) + 31.5).abs() < 1.0, "still down: {}", level(0));
        assert!((level(55) + 26.0).abs() < 1.0, "half way after 0.6 s: {}", level(55));
        assert_eq!(soft[FRAME * 150..], tone(440.0, 8_000, -20.0, FRAME * 200)[FRAME * 150..]);
    }

    #[test]
    fn a_sudden_peak_is_met_in_time() {
        let mut limiter = Limiter::new();
        let mut sum = [1_000_i32; FRAME];
        sum[40..].fill(100_000);
        let mut out = [0; FRAME];
        limiter.frame(&sum, &mut out);
        assert!(out[40..].iter().all(|&sample| sample == 32_767), "not one cut, all at the limit");
        assert!(out[..40].windows(2).all(|pair| pair[1] <= pair[0]), "down without a step");
        assert!(out[0] > 950);
    }

    #[test]
    fn silence_and_nothing_are_taken() {
        let mut out = [7; FRAME];
        Limiter::new().frame(&[0; FRAME], &mut out);
        assert_eq!(out, [0; FRAME]);
        Limiter::new().frame(&[i32::MIN, i32::MAX], &mut out);
        Limiter::new().frame(&[], &mut []);
    }
}
