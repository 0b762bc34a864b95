//! Who is heard: the few who talk, each to the end of his word.

use audio::Activity;

use crate::FRAME_SAMPLES;

/// One leg's part in the choice.
///
/// For each frame: [`Voice::listen`], then [`choose`] over all legs, then [`Voice::contribution`].
#[derive(Debug)]
pub(crate) struct Voice {
    activity: Activity,
    /// Whether he has one of the places.
    is_heard: bool,
    /// Whether he may not have one.
    is_muted: bool,
    /// Whether any of his last frame was in the mix: where the next one is faded from.
    was_in_mix: bool,
    /// Whether he was talking when that was last told.
    told: bool,
}

impl Voice {
    pub(crate) const fn new() -> Self {
        Self {
            activity: Activity::new(),
            is_heard: false,
            is_muted: false,
            was_in_mix: false,
            told: false,
        }
    }

    /// From the next tick on he is not heard, whatever he says, or may be again. The first frame fades out.
    pub(crate) const fn mute(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
    }

    /// Takes what he says in this frame. Of who is muted nobody is told that he talks.
    pub(crate) fn listen(&mut self, frame: Option<&[i16; FRAME_SAMPLES]>) {
        let noted = frame.filter(|_| !self.is_muted);
        self.activity.frame(noted.map(<[i16; FRAME_SAMPLES]>::as_slice));
        self.is_heard &= !self.is_muted;
    }

    /// What he adds to the mix of what he says in this frame, faded in or out if he has just got or lost his place.
    pub(crate) fn contribution(
        &mut self,
        frame: Option<&[i16; FRAME_SAMPLES]>,
    ) -> Option<[i16; FRAME_SAMPLES]> {
        let is_in_mix = self.is_heard && frame.is_some();
        let was_in_mix = std::mem::replace(&mut self.was_in_mix, is_in_mix);
        let mut frame = *frame.filter(|_| was_in_mix || is_in_mix)?;
        if !was_in_mix {
            fade(frame.iter_mut());
        } else if !is_in_mix {
            fade(frame.iter_mut().rev());
        }
        Some(frame)
    }

    /// Whether he talks, if that was not told yet.
    pub(crate) fn news(&self) -> Option<bool> {
        let is_talking = self.activity.is_talking();
        (is_talking != self.told).then_some(is_talking)
    }

    /// Marks that as told.
    pub(crate) const fn told(&mut self) {
        self.told = self.activity.is_talking();
    }

    /// Whether he says something and has no place.
    fn is_waiting(&self) -> bool {
        let talks = self.activity.is_talking() && !self.is_between_words();
        talks && !self.is_heard && !self.is_muted
    }

    fn is_between_words(&self) -> bool {
        self.activity.quiet_frames() >= BETWEEN_WORDS_FRAMES
    }

    /// Whether he may lose his place to somebody who waits: he is between two words, or has made one
    /// sound for so long that it is none, and the other one is clearly louder.
    fn yields_to(&self, louder_db: f32) -> bool {
        self.is_between_words()
            || (self.activity.loud_frames() >= NO_WORD_FRAMES && louder_db > HYSTERESIS_DB)
    }
}

/// Gives the places, at most `places`, to those who talk. Whoever has one keeps it until he has stopped
/// talking, or yields while others wait. Free places go to the loudest.
pub(crate) fn choose<T>(legs: &mut [T], places: usize, voice: fn(&mut T) -> Option<&mut Voice>) {
    let mut taken = 0;
    for voice in legs.iter_mut().filter_map(voice) {
        voice.is_heard &= voice.activity.is_talking();
        taken += usize::from(voice.is_heard);
    }
    // Each turn gives one place; nobody gets a second one, so there is no use in more turns.
    for _ in 0..places {
        let waiting = legs.iter_mut().enumerate().filter_map(|(index, leg)| {
            let voice = voice(leg)?;
            voice.is_waiting().then(|| (index, voice.activity.loudness_db()))
        });
        let Some((index, loudness)) = waiting.max_by(|a, b| a.1.total_cmp(&b.1)) else { return };
        if taken < places {
            taken += 1;
        } else {
            let yielding = legs.iter_mut().filter_map(voice).filter(|voice| {
                voice.is_heard && voice.yields_to(loudness - voice.activity.loudness_db())
            });
            let quietest = yielding
                .min_by(|a, b| a.activity.loudness_db().total_cmp(&b.activity.loudness_db()));
            let Some(quietest) = quietest else { return };
            quietest.is_heard = false;
        }
        if let Some(voice) = voice(&mut legs[index]) {
            voice.is_heard = true;
        }
    }
}

/// Up from nothing over the first 5 ms; given backwards, down to nothing over the last.
fn fade<'a>(samples: impl Iterator<Item = &'a mut i16>) {
    for (n, sample) in (1..FADE_SAMPLES).zip(samples) {
        // Less than the sample: fits.
        *sample = i16::try_from(i32::from(*sample) * n / FADE_SAMPLES).unwrap_or(*sample);
    }
}

/// 5 ms.
const FADE_SAMPLES: i32 = 40;

/// 150 ms: longer than a plosive holds its breath within a word.
const BETWEEN_WORDS_FRAMES: u32 = 15;

/// 8 s without the shortest pause: music, a tone, a vacuum cleaner.
const NO_WORD_FRAMES: u32 = 800;

/// Twice as loud, near enough.
const HYSTERESIS_DB: f32 = 6.0;

#[cfg(test)]
mod tests;
