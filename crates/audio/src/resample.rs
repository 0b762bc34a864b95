//! Change of the sample rate.

use std::f64::consts::PI;

use thiserror::Error;

/// Why there is no resampler for a pair of rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cannot resample {from_hz} Hz to {to_hz} Hz: only 8000, 16000 and 48000")]
pub struct RateError {
    /// Asked input rate.
    pub from_hz: u32,
    /// Asked output rate.
    pub to_hz: u32,
}

/// Changes a stream from one rate to another: 8, 16 and 48 kHz, i16 mono, any block length.
///
/// A linear-phase FIR low-pass in polyphase form: flat within 0.1 dB up to 0.85 of the lower rate's
/// half (3.4 kHz at 8 kHz), and what would fold back is 60 dB down.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// How many samples of the higher rate make one of the lower.
    ratio: usize,
    way: Way,
    /// The filter at the higher rate; for each phase its own taps when going up.
    taps: Vec<Vec<f32>>,
    /// Input that the next output needs, the oldest first.
    history: Vec<f32>,
}

/// What one step makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Input is output.
    Same,
    /// One input makes `ratio` outputs.
    Up,
    /// `ratio` inputs make one output; so many are still to come before the next.
    Down { skip: usize },
}

impl Resampler {
    /// Makes a resampler that has heard silence so far. Equal rates pass through.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, RateError> {
        let supported = [8_000, 16_000, 48_000];
        if !supported.contains(&from_hz) || !supported.contains(&to_hz) {
            return Err(RateError { from_hz, to_hz });
        }
        let ratio = from_hz.max(to_hz) / from_hz.min(to_hz); // whole for all pairs
        let ratio = usize::try_from(ratio).expect("invariant: at most 6");
        let filter = low_pass(ratio);
        let (way, taps, gain) = if ratio == 1 {
            (Way::Same, vec![], 1.0)
        } else if from_hz < to_hz {
            let phase = |phase| filter.iter().copied().skip(phase).step_by(ratio).collect();
            // Between two inputs stand `ratio - 1` zeros: the gain makes up for them.
            (Way::Up, (0..ratio).map(phase).collect(), ratio as f64)
        } else {
            (Way::Down { skip: 0 }, vec![filter], 1.0)
        };
        let taps =
            taps.into_iter().map(|phase: Vec<f64>| reversed(&phase, gain)).collect::<Vec<_>>();
        let history = vec![0.0; taps.iter().map(Vec::len).max().unwrap_or(1) - 1];
        Ok(Self { ratio, way, taps, history })
    }

    /// Takes the next samples and appends what they give to `out`: going up `ratio` for each, going
    /// down one for each `ratio`, the first at once.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.way == Way::Same {
            return out.extend_from_slice(input);
        }
        for &sample in input {
            self.history.push(f32::from(sample));
            match &mut self.way {
                Way::Same => {}
                Way::Up => {
                    for taps in &self.taps {
                        out.push(convolved(&self.history, taps));
                    }
                }
                Way::Down { skip: 0 } => {
                    self.way = Way::Down { skip: self.ratio - 1 };
                    out.push(convolved(&self.history, &self.taps[0]));
                }
                Way::Down { skip } => *skip -= 1,
            }
            self.forget();
        }
    }

    /// How much later a sound comes out, in samples of the output.
    pub const fn delay_samples(&self) -> usize {
        match self.way {
            Way::Same => 0,
            Way::Up => HALF_LENGTH * self.ratio,
            Way::Down { .. } => HALF_LENGTH,
        }
    }

    /// Resamples a whole recording: the delay is taken off, the end is complete, and the length is
    /// that of the input times the ratio, rounded up.
    pub fn whole(samples: &[i16], from_hz: u32, to_hz: u32) -> Result<Vec<i16>, RateError> {
        let mut resampler = Self::new(from_hz, to_hz)?;
        let mut out = Vec::new();
        resampler.process(samples, &mut out);
        let (len, delay) = (out.len(), resampler.delay_samples());
        resampler.process(&vec![0; delay * resampler.ratio], &mut out);
        out.drain(..delay);
        out.truncate(len);
        Ok(out)
    }

    /// Drops the input that no later output needs, now and then rather than for each sample.
    fn forget(&mut self) {
        let needed = self.taps.iter().map(Vec::len).max().unwrap_or(1) - 1;
        if self.history.len() >= needed + FORGET_SAMPLES {
            self.history.drain(..self.history.len() - needed);
        }
    }
}

/// The newest inputs through one phase of the filter.
#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
fn convolved(history: &[f32], taps: &[f32]) -> i16 {
    let recent = &history[history.len() - taps.len()..];
    let sum: f32 = recent.iter().zip(taps).map(|(&sample, &tap)| sample * tap).sum();
    sum.round() as i16
}

/// A Kaiser-windowed sinc of `2 * HALF_LENGTH * ratio + 1` taps at the higher rate, gain 1.
fn low_pass(ratio: usize) -> Vec<f64> {
    let half = HALF_LENGTH * ratio;
    let cutoff = CUTOFF / ratio as f64; // in cycles per sample of the higher rate
    let tap = |n: usize| {
        let x = n as f64 - half as f64;
        let sinc = if n == half { 2.0 * cutoff } else { (2.0 * PI * cutoff * x).sin() / (PI * x) };
        let edge = x / (half as f64 + 1.0);
        sinc * bessel_i0(KAISER_BETA * (1.0 - edge * edge).sqrt()) / bessel_i0(KAISER_BETA)
    };
    let taps = (0..=2 * half).map(tap).collect::<Vec<_>>();
    let gain: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / gain).collect()
}

/// The modified Bessel function of order zero, as its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

/// Oldest input first, as the history lies.
#[expect(clippy::cast_possible_truncation, reason = "24 bits are 50 dB finer than a sample")]
fn reversed(taps: &[f64], gain: f64) -> Vec<f32> {
    taps.iter().rev().map(|&tap| (tap * gain) as f32).collect()
}

/// Samples of the lower rate on each side of the filter's middle. With the window below the way
/// from pass to stop is 0.075 of the lower rate: 3.4 to 4.0 kHz at 8 kHz.
const HALF_LENGTH: usize = 32;
/// The middle of that way, in cycles per sample of the lower rate.
const CUTOFF: f64 = 0.4625;
/// 70 dB of stop: J. F. Kaiser, 0.1102 * (70 - 8.7).
const KAISER_BETA: f64 = 6.76;
/// The history is cut when it is so much too long: the cost of moving it is spread.
const FORGET_SAMPLES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{goertzel, level, tone};

    const PAIRS: [(u32, u32); 6] = [
        (8_000, 16_000),
        (8_000, 48_000),
        (16_000, 48_000),
        (16_000, 8_000),
        (48_000, 8_000),
        (48_000, 16_000),
    ];

    fn second(hz: f64, rate_hz: u32) -> Vec<i16> {
        tone(hz, rate_hz, -1.0, rate_hz as usize)
    }

    /// The level of `hz` in the middle of what comes out.
    fn level_at(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
        let edge = samples.len() / 10;
        goertzel(&samples[edge..samples.len() - edge], rate_hz, hz)
    }

    #[test]
    fn passband_is_flat_within_a_tenth_of_a_decibel() {
        for (from_hz, to_hz) in PAIRS {
            let top = f64::from(from_hz.min(to_hz)) * 0.425;
            for share in [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0] {
                let hz = (top * share).round();
                let out = Resampler::whole(&second(hz, from_hz), from_hz, to_hz).unwrap();
                let gain = level_at(&out, to_hz, hz) + 1.0;
                assert!(gain.abs() < 0.1, "{from_hz} to {to_hz}, {hz} Hz: {gain:.3} dB");
            }
        }
    }

    /// Going down, a tone above the new half rate would come out as another tone.
    #[test]
    fn aliases_are_60_db_down() {
        for (from_hz, to_hz) in PAIRS.into_iter().filter(|(from, to)| from > to) {
            let half = f64::from(to_hz) / 2.0;
            for hz in [half * 1.001, half * 1.05, half * 1.3, half * 1.7, half * 1.95] {
                let out = Resampler::whole(&second(hz, from_hz), from_hz, to_hz).unwrap();
                let edge = out.len() / 10;
                let left = level::dbov(&out[edge..out.len() - edge]) + 1.0 + 3.01;
                assert!(left < -60.0, "{from_hz} to {to_hz}, {hz} Hz: {left:.1} dB");
            }
        }
    }

    /// Going up, a tone would be mirrored about the old half rate.
    #[test]
    fn images_are_60_db_down() {
        for (from_hz, to_hz) in PAIRS.into_iter().filter(|(from, to)| from < to) {
            for hz in [300.0, f64::from(from_hz) * 0.3, f64::from(from_hz) * 0.425] {
                let out = Resampler::whole(&second(hz, from_hz), from_hz, to_hz).unwrap();
                let mut image = f64::from(from_hz) - hz;
                while image < f64::from(to_hz) / 2.0 {
                    let level = level_at(&out, to_hz, image) + 1.0;
                    assert!(level < -60.0, "{from_hz} to {to_hz}, {hz} Hz at {image}: {level:.1}");
                    image += f64::from(from_hz);
                }
            }
        }
    }

    #[test]
    fn there_and_back_is_the_same_sound() {
        for (from_hz, to_hz) in PAIRS.into_iter().filter(|(from, to)| from < to) {
            let samples = second(700.0, from_hz);
            let there = Resampler::whole(&samples, from_hz, to_hz).unwrap();
            assert_eq!(there.len(), samples.len() * (to_hz / from_hz) as usize);
            let back = Resampler::whole(&there, to_hz, from_hz).unwrap();
            assert_eq!(back.len(), samples.len());
            let error = samples.iter().zip(&back).skip(100).take(samples.len() - 200);
            let error = error.map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs()).max();
            // Both filters together ripple by less than 0.01 dB of 29,204 and round twice.
            assert!(error.unwrap() < 40, "{from_hz} to {to_hz}: {error:?}");
        }
    }

    #[test]
    fn block_lengths_do_not_matter() {
        for (from_hz, to_hz) in PAIRS {
            let samples = second(900.0, from_hz);
            let mut whole = Vec::new();
            Resampler::new(from_hz, to_hz).unwrap().process(&samples, &mut whole);
            let (mut pieces, mut resampler) = (Vec::new(), Resampler::new(from_hz, to_hz).unwrap());
            for piece in samples.chunks(37) {
                resampler.process(piece, &mut pieces);
            }
            assert_eq!(whole, pieces);
            assert_eq!(
                whole.len() as u64 * u64::from(from_hz),
                samples.len() as u64 * u64::from(to_hz)
            );
        }
    }

    #[test]
    fn full_scale_saturates_and_equal_rates_pass_through() {
        let square = [[i16::MAX; 40], [i16::MIN; 40]].concat().repeat(50);
        let out = Resampler::whole(&square, 8_000, 48_000).unwrap();
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN), "overshoot is cut");
        let steps = out.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs());
        assert!(steps.max().unwrap() < 30_000, "no wrap");
        assert_eq!(Resampler::whole(&square, 16_000, 16_000), Ok(square));
    }

    #[test]
    fn other_rates_are_refused() {
        let refused = RateError { from_hz: 44_100, to_hz: 8_000 };
        assert_eq!(Resampler::new(44_100, 8_000).err(), Some(refused));
        assert!(Resampler::new(8_000, 0).is_err());
    }
}
