//! Prompts: a few short tones that tell a caller what is asked of him, made as they are heard. No file, no memory.

use std::f64::consts::TAU;

/// One tone of a prompt, or a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beep {
    /// Its pitch; 0: a pause.
    pub hz: u32,
    /// How long it lasts, in milliseconds.
    pub ms: u32,
}

/// Tones one after the other.
pub type Tune = &'static [Beep];

/// Key your PIN: one long tone, as an answering machine makes before it listens.
pub const ASK_PIN: Tune = &[beep(880, 500)];

/// That was right: two tones that rise.
pub const GOOD: Tune = &[beep(660, 120), beep(0, 60), beep(990, 200)];

/// That was wrong: three low tones.
pub const BAD: Tune = &[beep(330, 180), beep(0, 80), beep(330, 180), beep(0, 80), beep(330, 180)];

/// Somebody will let you in: two soft tones that fall.
pub const WAITING: Tune = &[beep(587, 200), beep(0, 50), beep(440, 300)];

/// The conference ends soon: four short high tones.
pub const ENDS_SOON: Tune = &[
    beep(1_320, 100),
    beep(0, 100),
    beep(1_320, 100),
    beep(0, 100),
    beep(1_320, 100),
    beep(0, 100),
    beep(1_320, 100),
];

/// A tune that is being played, sample by sample, without allocating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Player {
    tune: Tune,
    /// Samples that have been played.
    at: u32,
}

impl Player {
    /// A tune from its beginning.
    pub const fn new(tune: Tune) -> Self {
        Self { tune, at: 0 }
    }

    /// The next samples, at [`RATE_HZ`]: silence behind the end. False: it was over before.
    pub fn next(&mut self, frame: &mut [i16]) -> bool {
        let length: u32 = self.tune.iter().map(|beep| samples(beep.ms)).sum();
        if self.at >= length {
            return false;
        }
        for sample in frame {
            *sample = self.sample();
            self.at += 1;
        }
        true
    }

    #[expect(clippy::cast_possible_truncation, reason = "the amplitude is a tenth of full scale")]
    fn sample(&self) -> i16 {
        let mut begin = 0;
        for beep in self.tune {
            let end = begin + samples(beep.ms);
            if self.at >= end {
                begin = end;
                continue;
            }
            // Faded in and out, so that nothing clicks.
            let edge = (self.at - begin).min(end - 1 - self.at).min(FADE_SAMPLES);
            let gain = f64::from(edge) / f64::from(FADE_SAMPLES);
            let phase = TAU * f64::from(beep.hz) * f64::from(self.at - begin) / f64::from(RATE_HZ);
            return (AMPLITUDE * gain * phase.sin()).round() as i16;
        }
        0
    }
}

const fn beep(hz: u32, ms: u32) -> Beep {
    Beep { hz, ms }
}

const fn samples(ms: u32) -> u32 {
    ms * (RATE_HZ / 1_000)
}

/// Samples a second.
pub const RATE_HZ: u32 = 8_000;

/// 20 dB below full scale: clear, and no louder than somebody who speaks.
const AMPLITUDE: f64 = 3_277.0;

/// 5 ms.
const FADE_SAMPLES: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goertzel;

    fn played(tune: Tune) -> Vec<i16> {
        let (mut player, mut all, mut frame) = (Player::new(tune), Vec::new(), [1; 80]);
        while player.next(&mut frame) {
            all.extend_from_slice(&frame);
        }
        all
    }

    #[test]
    fn each_prompt_has_its_tones_and_ends() {
        for tune in [ASK_PIN, GOOD, BAD, WAITING, ENDS_SOON] {
            let all = played(tune);
            let ms: u32 = tune.iter().map(|beep| beep.ms).sum();
            assert!((500..1_000).contains(&ms) || tune == GOOD, "{ms} ms");
            assert_eq!(all.len(), usize::try_from(samples(ms)).unwrap().next_multiple_of(80));
            let mut at = 0;
            for beep in tune {
                let end = at + usize::try_from(samples(beep.ms)).unwrap();
                let part = &all[at..end];
                if beep.hz == 0 {
                    assert!(part.iter().all(|sample| *sample == 0));
                } else {
                    let dbfs = goertzel(part, RATE_HZ, beep.hz.into());
                    assert!((-22.0..-19.0).contains(&dbfs), "{} Hz: {dbfs}", beep.hz);
                }
                at = end;
            }
        }
    }

    #[test]
    fn nothing_clicks() {
        for tune in [ASK_PIN, GOOD, BAD, WAITING, ENDS_SOON] {
            let all = played(tune);
            assert_eq!((all[0], *all.last().unwrap()), (0, 0));
            // The steepest that a sine of that pitch and level can be.
            let steepest = all.windows(2).map(|two| (two[1] - two[0]).unsigned_abs()).max();
            assert!(steepest.unwrap() < 3_400, "{steepest:?}");
        }
    }

    #[test]
    fn behind_the_end_there_is_silence() {
        let mut player = Player::new(&[Beep { hz: 1_000, ms: 1 }]);
        let mut frame = [7; 80];
        assert!(player.next(&mut frame));
        assert!(frame[8..].iter().all(|sample| *sample == 0), "{frame:?}");
        assert!(!player.next(&mut frame), "it is over");
    }
}
