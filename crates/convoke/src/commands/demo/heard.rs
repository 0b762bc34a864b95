//! Who heard whom, told from the recordings alone.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;

use anyhow::Context as _;
use audio::correlate::{Match, correlate};

use super::Who;
use crate::output::{Paint, Tone};

/// What one listener's recording holds.
pub(super) struct Heard {
    listener: Who,
    /// One for each of [`Who::SPEAKERS`].
    voices: Vec<Match>,
}

impl Heard {
    /// Looks for each speaker's words in the recording.
    pub(super) fn listen(listener: Who, recording: &Path) -> anyhow::Result<Self> {
        let recording = terminal::wav::read_wav(recording)?;
        let speeches = Who::SPEAKERS.into_iter().map(speech).collect::<anyhow::Result<Vec<_>>>()?;
        let references: Vec<&[i16]> = speeches.iter().map(Vec::as_slice).collect();
        Ok(Self { listener, voices: correlate(&recording, &references) })
    }

    /// All the others and not himself.
    pub(super) fn is_right(&self) -> bool {
        self.voices.len() == Who::SPEAKERS.len()
            && Who::SPEAKERS
                .iter()
                .zip(&self.voices)
                .all(|(speaker, voice)| voice.is_heard() == (*speaker != self.listener))
    }
}

/// The table: a row for each listener, a column for each speaker.
pub(super) fn table(heard: &[Heard], paint: Paint) -> String {
    const WIDTH: usize = 14;
    let mut out = format!("{}\n", paint.bold("Who heard whom, told from the recordings"));
    let head: String =
        Who::SPEAKERS.iter().map(|speaker| format!("{:<WIDTH$}", speaker.name())).collect();
    let _ = writeln!(out, "  {:<WIDTH$}{}", "", head.trim_end());
    for row in heard {
        let _ = write!(out, "  {:<WIDTH$}", format!("{} heard", row.listener.name()));
        for (speaker, voice) in Who::SPEAKERS.iter().zip(&row.voices) {
            let expected = *speaker != row.listener;
            let word = if voice.is_heard() { "yes" } else { "no" };
            let tone = if voice.is_heard() == expected { Tone::Good } else { Tone::Bad };
            // A score of a voice that is not there is noise around zero.
            let cell = format!("{:<WIDTH$}", format!("{word:<3}  {:.2}", voice.score.max(0.0)));
            out.push_str(&paint.tone(if expected { tone } else { mild(tone) }, &cell));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// A voice that is rightly absent is no success to shout about.
const fn mild(tone: Tone) -> Tone {
    match tone {
        Tone::Good => Tone::Quiet,
        other => other,
    }
}

fn speech(who: Who) -> anyhow::Result<Vec<i16>> {
    let mut reader = hound::WavReader::new(Cursor::new(who.speech()))
        .with_context(|| format!("{}'s speech is no WAV file", who.name()))?;
    Ok(reader.samples::<i16>().collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: Who, scores: [f64; 3]) -> Heard {
        let voices = scores.map(|score| Match { score, lag_samples: 0 }).to_vec();
        Heard { listener, voices }
    }

    #[test]
    fn only_all_the_others_and_not_oneself_is_right() {
        assert!(heard(Who::Bob, [0.6, 0.0, 0.6]).is_right());
        assert!(!heard(Who::Bob, [0.6, 0.5, 0.6]).is_right(), "he heard himself");
        assert!(!heard(Who::Bob, [0.6, 0.0, 0.1]).is_right(), "he missed carol");
        assert!(!heard(Who::Alice, [0.0, 0.0, 0.0]).is_right(), "silence");
        let nothing = Heard { listener: Who::Alice, voices: vec![] };
        assert!(!nothing.is_right(), "no recording");
    }

    #[test]
    fn the_three_speeches_are_told_apart_and_found_in_a_mix() {
        let speeches: Vec<Vec<i16>> =
            Who::SPEAKERS.into_iter().map(|who| speech(who).expect("a WAV file")).collect();
        let references: Vec<&[i16]> = speeches.iter().map(Vec::as_slice).collect();
        for (index, own) in speeches.iter().enumerate() {
            let mut mix = vec![0_i32; 8_000 * 8];
            for speech in speeches.iter().filter(|speech| *speech != own) {
                audio::mix::add(&mut mix[4_000..], speech);
            }
            let mut recording = vec![0_i16; mix.len()];
            audio::mix::saturate(&mix, &mut recording);
            let found: Vec<bool> =
                correlate(&recording, &references).iter().map(Match::is_heard).collect();
            let others: Vec<bool> = (0..3).map(|speaker| speaker != index).collect();
            assert_eq!(found, others);
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_listener() {
        let rows = [heard(Who::Alice, [-0.01, 0.71, 0.65]), heard(Who::Bob, [0.7, 0.0, 0.1])];
        assert_eq!(
            table(&rows, Paint::plain()),
            "Who heard whom, told from the recordings\n\
             \x20               alice         bob           carol\n\
             \x20 alice heard   no   0.00     yes  0.71     yes  0.65\n\
             \x20 bob heard     yes  0.70     no   0.00     no   0.10\n"
        );
    }
}
