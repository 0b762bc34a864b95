//! Tones, made and measured: for tests, the simulation and announcements.

use std::f64::consts::TAU;

/// A sine of `hz` at `rate_hz`, its amplitude `dbfs` below full scale (0 or negative), that starts at
/// phase zero.
#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
pub fn tone(hz: f64, rate_hz: u32, dbfs: f64, samples: usize) -> Vec<i16> {
    let amplitude = FULL_SCALE * 10_f64.powf(dbfs.min(0.0) / 20.0);
    let step = TAU * hz / f64::from(rate_hz);
    let sample = |n: usize| amplitude * (step * n as f64).sin();
    (0..samples).map(|n| sample(n).round().clamp(-FULL_SCALE, FULL_SCALE) as i16).collect()
}

/// How loud the sine at `hz` is in `samples`: its amplitude in dB below full scale, minus infinity
/// for none. A Hann window keeps out other tones further than `2 * rate_hz / samples.len()` Hz away.
pub fn goertzel(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
    let step = TAU * hz / f64::from(rate_hz);
    let turn = TAU / samples.len() as f64;
    let (mut last, mut before, mut weight) = (0.0, 0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (turn * n as f64).cos();
        weight += window;
        let next = f64::from(sample) * window + 2.0 * step.cos() * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - 2.0 * step.cos() * last * before;
    let amplitude = 2.0 * power.max(0.0).sqrt() / weight;
    if amplitude > 0.0 { 20.0 * (amplitude / FULL_SCALE).log10() } else { f64::NEG_INFINITY }
}

const FULL_SCALE: f64 = 32_767.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tone_is_measured_at_its_level() {
        for (hz, rate_hz) in [(440.0, 8_000), (1_004.0, 16_000), (7_000.0, 48_000)] {
            for dbfs in [0.0, -12.0, -40.0] {
                let level = goertzel(&tone(hz, rate_hz, dbfs, 4_000), rate_hz, hz);
                assert!((level - dbfs).abs() < 0.05, "{hz} Hz at {dbfs} dBFS: {level}");
            }
        }
    }

    #[test]
    fn other_tones_are_kept_out() {
        let samples = tone(440.0, 8_000, 0.0, 8_000);
        for hz in [400.0, 480.0, 880.0, 1_320.0, 3_000.0] {
            let level = goertzel(&samples, 8_000, hz);
            assert!(level < -80.0, "{hz} Hz: {level} dBFS");
        }
    }

    #[test]
    fn silence_and_nothing_have_no_tone() {
        assert_eq!(goertzel(&[0; 800], 8_000, 440.0), f64::NEG_INFINITY);
        assert_eq!(goertzel(&[], 8_000, 440.0), f64::NEG_INFINITY);
    }

    #[test]
    fn tone_begins_at_zero_and_stays_in_range() {
        let samples = tone(1_000.0, 8_000, 10.0, 8);
        assert_eq!(samples, [0, 23_170, 32_767, 23_170, 0, -23_170, -32_767, -23_170]);
    }
}
