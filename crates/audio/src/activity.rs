//! Whether somebody talks.

use crate::level;

/// Tells speech from pauses and from the noise of a room, by the energy of frames of 10 ms.
///
/// A frame is loud if it stands out of the noise by `MARGIN_DB`. Talking begins with one that is loud beyond
/// doubt or with two that are just loud, and goes on through pauses up to `HANGOVER_FRAMES`: so that no word
/// is cut, and who breathes has not stopped.
///
/// The noise follows the quietest that is heard, down at once and up slowly, but never above `NOISE_MAX_DB`:
/// a tone or music that never pauses is still something to be heard.
#[derive(Clone, Debug)]
pub struct Activity {
    /// dBov, smoothed over some 50 ms.
    loudness: f32,
    /// dBov.
    noise: f32,
    /// Loud frames in a row.
    loud_frames: u32,
    /// Frames since the last loud one.
    quiet_frames: u32,
    /// Frames since talking began; `None`: he does not talk.
    talking_frames: Option<u32>,
}

impl Activity {
    /// Nobody talks, and nothing is known of the noise.
    pub const fn new() -> Self {
        Self {
            loudness: SILENCE_DB,
            noise: NOISE_START_DB,
            loud_frames: 0,
            quiet_frames: u32::MAX,
            talking_frames: None,
        }
    }

    /// Takes the next 10 ms. Without samples, nothing was heard at all.
    pub fn frame(&mut self, samples: Option<&[i16]>) {
        let energy = samples.map_or(SILENCE_DB, energy_db);
        self.loudness += (energy - self.loudness) * SMOOTHING;
        let threshold = (self.noise + MARGIN_DB).max(LOUD_MIN_DB);
        if energy > threshold {
            self.loud_frames = self.loud_frames.saturating_add(1);
            self.quiet_frames = 0;
        } else {
            self.loud_frames = 0;
            self.quiet_frames = self.quiet_frames.saturating_add(1);
        }
        // Digital silence is no noise to learn from: a muted phone's room is not quieter for it.
        if samples.is_some() && energy > SILENCE_DB {
            self.learn(energy);
        }
        self.talking_frames = match self.talking_frames {
            Some(_) if self.quiet_frames > HANGOVER_FRAMES => None,
            Some(frames) => Some(frames.saturating_add(1)),
            None if self.loud_frames >= 2 || energy > threshold + MARGIN_DB => Some(0),
            None => None,
        };
    }

    /// Whether he talks, short pauses included.
    pub const fn is_talking(&self) -> bool {
        self.talking_frames.is_some()
    }

    /// Frames of 10 ms since he began to talk, pauses included.
    pub const fn talking_frames(&self) -> u32 {
        match self.talking_frames {
            Some(frames) => frames,
            None => 0,
        }
    }

    /// Frames of 10 ms since his last loud one.
    pub const fn quiet_frames(&self) -> u32 {
        self.quiet_frames
    }

    /// Loud frames of 10 ms without a single pause.
    pub const fn loud_frames(&self) -> u32 {
        self.loud_frames
    }

    /// How loud he was in the last 50 ms, dBov.
    pub const fn loudness_db(&self) -> f32 {
        self.loudness
    }

    fn learn(&mut self, energy: f32) {
        if energy < self.noise {
            self.noise += (energy - self.noise) * NOISE_FALL;
        } else {
            self.noise += NOISE_RISE_DB;
        }
        self.noise = self.noise.clamp(NOISE_MIN_DB, NOISE_MAX_DB);
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a level needs no more than 24 bits")]
fn energy_db(samples: &[i16]) -> f32 {
    (level::dbov(samples) as f32).max(SILENCE_DB)
}

/// As low as RFC 6464 goes.
const SILENCE_DB: f32 = -127.0;

/// Until something is known of it: a quiet office on a desk phone.
const NOISE_START_DB: f32 = -60.0;
const NOISE_MIN_DB: f32 = -75.0;
/// A car. What is louder than this and [`MARGIN_DB`] is heard, whatever it is.
const NOISE_MAX_DB: f32 = -45.0;
/// 3 dB in a second: a fan that is switched on is noise after ten.
const NOISE_RISE_DB: f32 = 0.03;
const NOISE_FALL: f32 = 0.3;

/// Twice the noise's amplitude.
const MARGIN_DB: f32 = 6.0;
/// Whispering at arm's length; below is breath and line noise, however quiet the room.
const LOUD_MIN_DB: f32 = -55.0;

/// 400 ms: longer than the pauses between words and before plosives, shorter than a turn.
const HANGOVER_FRAMES: u32 = 40;

/// A time constant of some 50 ms: a syllable's loudness, not a vibration's.
const SMOOTHING: f32 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    const FRAME: usize = 80;

    fn sound(dbov: f64, frames: usize) -> Vec<i16> {
        tone(400.0, 8_000, dbov + 3.01, FRAME * frames)
    }

    /// Plays it and says in which frame talking began and ended.
    fn played(activity: &mut Activity, samples: &[i16]) -> Vec<(usize, bool)> {
        let mut changes = vec![];
        for (index, frame) in samples.chunks(FRAME).enumerate() {
            let before = activity.is_talking();
            activity.frame(Some(frame));
            if activity.is_talking() != before {
                changes.push((index, activity.is_talking()));
            }
        }
        changes
    }

    #[test]
    fn a_loud_word_is_talking_in_its_first_frame_and_a_quiet_one_in_its_second() {
        assert_eq!(played(&mut Activity::new(), &sound(-20.0, 10)), [(0, true)]);
        assert_eq!(played(&mut Activity::new(), &sound(-51.0, 10)), [(1, true)]);
        assert_eq!(played(&mut Activity::new(), &sound(-57.0, 1_000)), [], "below any voice");
    }

    #[test]
    fn pauses_up_to_400_ms_do_not_end_it() {
        let mut activity = Activity::new();
        let pause = |frames| vec![0_i16; FRAME * frames];
        let speech = [sound(-25.0, 30), pause(40), sound(-25.0, 30), pause(60)].concat();
        assert_eq!(played(&mut activity, &speech), [(0, true), (140, false)]);
        assert_eq!(activity.quiet_frames(), 60);
    }

    #[test]
    fn noise_that_stays_is_not_talking_and_a_voice_above_it_is() {
        let mut activity = Activity::new();
        let changes = played(&mut activity, &sound(-48.0, 2_000));
        assert_eq!(changes.first(), Some(&(1, true)), "at first nobody knows");
        assert!(!activity.is_talking(), "then it is the room: {changes:?}");
        assert_eq!(played(&mut activity, &sound(-30.0, 5)), [(0, true)]);
    }

    #[test]
    fn a_tone_that_never_pauses_is_heard_for_ever() {
        let mut activity = Activity::new();
        assert_eq!(played(&mut activity, &sound(-30.0, 10_000)), [(0, true)]);
        assert_eq!((activity.loud_frames(), activity.talking_frames()), (10_000, 9_999));
    }

    #[test]
    fn nothing_heard_is_silence_and_teaches_nothing() {
        let mut activity = Activity::new();
        (0..1_000).for_each(|_| activity.frame(None));
        assert!(!activity.is_talking() && activity.loudness_db() < -120.0);
        assert_eq!(played(&mut activity, &sound(-57.0, 10)), [], "the threshold is where it was");
    }
}
