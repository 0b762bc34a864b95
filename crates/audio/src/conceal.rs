//! What is played where a packet is missing.
//!
//! A frame repeated as it is clicks where its end meets its beginning. So what is repeated is the
//! last whole number of vibrations that fits 20 ms (the idea of G.711 Appendix I, without its
//! delay), and real sound is blended in when it comes back.

use crate::likeness::Likeness;
use crate::stretch::rounded;

/// Repeats up to the last 20 ms of what was heard and fades it to silence within 60 ms (8 kHz).
///
/// Allocates nothing.
#[derive(Clone, Debug)]
pub struct Concealment {
    /// What was heard last, the newest at the end.
    history: [i16; HISTORY_SAMPLES],
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Real sound came last.
    Hearing,
    /// The last `period` samples of the history are repeated since `done` samples.
    Concealing { period: usize, done: usize },
}

impl Concealment {
    /// Starts with silence to repeat.
    pub const fn new() -> Self {
        Self { history: [0; HISTORY_SAMPLES], state: State::Hearing }
    }

    /// Takes what was decoded, any number of samples. After a concealed stretch its first
    /// milliseconds are blended with the repetition, in place, so that there is no click.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if let State::Concealing { period, done } = self.state {
            let blended = samples.len().min(BLEND_SAMPLES);
            for (n, sample) in samples[..blended].iter_mut().enumerate() {
                let fresh = (n + 1) as f32 / (blended + 1) as f32;
                let stale = f32::from(self.repeated(period, done + n));
                *sample = rounded(f32::from(*sample) * fresh + stale * (1.0 - fresh));
            }
            self.remember_repeated(period, done);
            self.state = State::Hearing;
        }
        self.remember(samples);
    }

    /// Fills `out` with what stands in for lost sound; call again for more.
    pub fn conceal(&mut self, out: &mut [i16]) {
        let (period, done) = match self.state {
            State::Hearing => (self.period(), 0),
            State::Concealing { period, done } => (period, done),
        };
        for (n, sample) in out.iter_mut().enumerate() {
            *sample = self.repeated(period, done + n);
        }
        self.state = State::Concealing { period, done: done.saturating_add(out.len()) };
    }

    /// Says the last vibrations once more, to gain time: as many as make `at_least` samples. Gives how many
    /// samples that is, less than `at_least` and [`LENGTHENED_SAMPLES_MAX`] together, written to the front of
    /// `out`.
    pub fn lengthen(&mut self, at_least: usize, out: &mut [i16]) -> usize {
        let period = self.period();
        let added = (at_least.max(1).div_ceil(period) * period).min(out.len());
        self.conceal(&mut out[..added]);
        added
    }

    /// Takes a pause of `samples` that the sender made on purpose: it is heard, as silence.
    pub fn silence(&mut self, samples: usize) {
        if let State::Concealing { period, done } = self.state {
            self.remember_repeated(period, done);
            self.state = State::Hearing;
        }
        self.remember(&[0; HISTORY_SAMPLES][..samples.min(HISTORY_SAMPLES)]);
    }

    /// Sample `n` of the repetition, faded.
    fn repeated(&self, period: usize, n: usize) -> i16 {
        let left = (HELD_SAMPLES + FADED_SAMPLES).saturating_sub(n).min(FADED_SAMPLES);
        let sample = self.history[HISTORY_SAMPLES - period + n % period];
        rounded(f32::from(sample) * (left as f32 / FADED_SAMPLES as f32))
    }

    /// How many of the last samples make whole vibrations: the distance at which the sound is most
    /// like itself, 20 ms if it is like itself at none.
    fn period(&self) -> usize {
        let ready = Likeness::new(&self.history);
        let recent = HISTORY_SAMPLES - COMPARED_SAMPLES;
        let (mut best, mut best_likeness) = (PERIOD_SAMPLES_MAX, LIKENESS_MIN);
        for period in PERIOD_SAMPLES_MIN..=PERIOD_SAMPLES_MAX {
            // Silence is not above the bound.
            let likeness = ready.between(recent, recent - period, COMPARED_SAMPLES);
            if likeness > best_likeness {
                (best, best_likeness) = (period, likeness);
            }
        }
        best
    }

    fn remember(&mut self, samples: &[i16]) {
        let fresh = samples.len().min(HISTORY_SAMPLES);
        self.history.copy_within(fresh.., 0);
        self.history[HISTORY_SAMPLES - fresh..].copy_from_slice(&samples[samples.len() - fresh..]);
    }

    /// Makes the repetition part of the history, so that the next one does not cross a seam.
    fn remember_repeated(&mut self, period: usize, done: usize) {
        let mut repeated = [0; HISTORY_SAMPLES];
        let fresh = done.min(HISTORY_SAMPLES);
        for (n, sample) in repeated[..fresh].iter_mut().enumerate() {
            *sample = self.repeated(period, done - fresh + n);
        }
        self.remember(&repeated[..fresh]);
    }
}

impl Default for Concealment {
    fn default() -> Self {
        Self::new()
    }
}

/// 20 ms: what is repeated if nothing shorter repeats itself.
const PERIOD_SAMPLES_MAX: usize = 160;
/// The most that [`Concealment::lengthen`] adds to what is asked for: 20 ms.
pub const LENGTHENED_SAMPLES_MAX: usize = PERIOD_SAMPLES_MAX;
/// 5 ms, 200 Hz: a higher voice is repeated several vibrations at a time.
const PERIOD_SAMPLES_MIN: usize = 40;
/// 10 ms: one vibration of a low voice.
const COMPARED_SAMPLES: usize = 80;
const HISTORY_SAMPLES: usize = PERIOD_SAMPLES_MAX + COMPARED_SAMPLES;
/// Below, the sound is taken for noise, which a short repetition would turn into a hum.
const LIKENESS_MIN: f32 = 0.5;
/// 10 ms as loud as it was, then down to nothing within 50: longer repetitions are heard as a tone
/// (G.711 Appendix I §2.4.4).
const HELD_SAMPLES: usize = 80;
const FADED_SAMPLES: usize = 400;
/// 4 ms.
const BLEND_SAMPLES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{level, tone};

    fn after(samples: &[i16]) -> Concealment {
        let mut concealment = Concealment::new();
        samples.chunks(80).for_each(|chunk| concealment.heard(&mut chunk.to_vec()));
        concealment
    }

    fn conceal(concealment: &mut Concealment, samples: usize) -> Vec<i16> {
        let mut out = vec![0; samples];
        out.chunks_mut(80).for_each(|chunk| concealment.conceal(chunk));
        out
    }

    /// The greatest step from one sample to the next.
    fn step_max(samples: &[i16]) -> i32 {
        samples.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap()
    }

    #[test]
    fn fades_from_full_to_silence_in_60_ms() {
        let mut concealment = after(&tone(500.0, 8_000, -6.0, 800));
        let out = conceal(&mut concealment, 640);
        let levels = out.chunks(80).map(level::dbov).collect::<Vec<_>>();
        assert!(levels[0] > -11.0, "{levels:?}");
        assert!(
            levels.windows(2).skip(1).all(|w| w[1] < w[0] || w[1] == f64::NEG_INFINITY),
            "{levels:?}"
        );
        assert!(out[480..].iter().all(|&sample| sample == 0), "silent after 60 ms");
        assert!(out[400..480].iter().any(|&sample| sample != 0), "not before");
    }

    /// The seams, into the repetition, inside it and out of it, step no wider than the tone does.
    #[test]
    fn does_not_click() {
        for hz in [110.0, 203.0, 317.0, 440.0, 1_004.0] {
            let whole = tone(hz, 8_000, -6.0, 1_600);
            let mut concealment = after(&whole[..800]);
            let mut heard = whole[..800].to_vec();
            heard.extend(conceal(&mut concealment, 160));
            let mut rest = whole[960..].to_vec();
            concealment.heard(&mut rest);
            heard.extend(&rest);
            let (clean, concealed) = (step_max(&whole), step_max(&heard));
            assert!(concealed < clean * 3 / 2 + 400, "{hz} Hz: {concealed} against {clean}");
            assert_eq!(
                rest[BLEND_SAMPLES..],
                whole[960 + BLEND_SAMPLES..],
                "only the start is blended"
            );
        }
    }

    /// One vibration more, and the sound goes on as if nothing had been put in.
    #[test]
    fn lengthening_says_a_vibration_twice() {
        let whole = tone(200.0, 8_000, -6.0, 1_600);
        let mut concealment = after(&whole[..800]);
        let mut more = [0; LENGTHENED_SAMPLES_MAX];
        let added = concealment.lengthen(1, &mut more);
        assert!(added >= 40 && added.is_multiple_of(40), "{added}");
        let mut rest = whole[800..].to_vec();
        concealment.heard(&mut rest);
        let heard = [&whole[..800], &more[..added], &rest].concat();
        assert!(step_max(&heard) <= step_max(&whole) * 11 / 10, "no seam");
    }

    #[test]
    fn noise_is_repeated_as_a_whole_frame() {
        let mut state = 1_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i16::from_ne_bytes([state.to_le_bytes()[2], state.to_le_bytes()[3]]) / 4
        });
        let noise = noise.take(800).collect::<Vec<_>>();
        let out = conceal(&mut after(&noise), 320);
        assert_eq!(out[0], noise[640], "begins with the last 20 ms");
        for n in 0..160 {
            let expected = f32::from(noise[640 + n]) * (320 - n) as f32 / 400.0;
            assert!((f32::from(out[160 + n]) - expected).abs() <= 1.0, "repeats all of it");
        }
    }

    #[test]
    fn nothing_heard_gives_silence() {
        assert_eq!(conceal(&mut Concealment::new(), 160), [0; 160]);
        let mut concealment = after(&tone(500.0, 8_000, -6.0, 800));
        concealment.silence(160);
        assert_eq!(conceal(&mut concealment, 160), [0; 160]);
    }

    #[test]
    fn block_length_does_not_matter() {
        let samples = tone(317.0, 8_000, -6.0, 803);
        let (mut small, mut large) = (Concealment::new(), Concealment::new());
        samples.chunks(7).for_each(|chunk| small.heard(&mut chunk.to_vec()));
        large.heard(&mut samples.clone());
        let mut out = vec![0; 300];
        out.chunks_mut(11).for_each(|chunk| small.conceal(chunk));
        let mut expected = vec![0; 300];
        large.conceal(&mut expected);
        assert_eq!(out, expected);
    }
}
