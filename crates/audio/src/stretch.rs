//! Sound made a little shorter, unheard.
//!
//! A voiced sound is one vibration after another, each much like the last; one left out, with the seam
//! blended, is not missed (WSOLA: Verhelst and Roelands, 1993). In silence anything may be left out.
//! The other way round, [`crate::Concealment::lengthen`] says one vibration twice.

use crate::level;
use crate::likeness::Likeness;

/// Takes one stretch of at most `at_most` samples out of the front of `samples` (8 kHz): one vibration or
/// several, or as much silence. Gives how many are gone; those that are left stand at the front. 0 if
/// nothing can be left out with such a seam.
///
/// Looks at no more than [`LOOKED_AT_SAMPLES`]. Allocates nothing.
pub fn shorten(samples: &mut [i16], at_most: usize, seam: Seam) -> usize {
    let fits = samples.len().saturating_sub(BLENDED_SAMPLES);
    let most = at_most.min(fits).min(CUT_SAMPLES_MAX);
    let looked_at = &samples[..samples.len().min(LOOKED_AT_SAMPLES)];
    let (cut, likeness) = match level::dbov(looked_at) < QUIET_DBOV {
        true => (most, 1.0),
        false => likest(looked_at, most, seam),
    };
    if cut < CUT_SAMPLES_MIN {
        return 0;
    }
    for n in 0..BLENDED_SAMPLES {
        let later = (n + 1) as f32 / (BLENDED_SAMPLES + 1) as f32;
        let earlier = 1.0 - later;
        let (before, after) = (f32::from(samples[n]), f32::from(samples[n + cut]));
        // What is not alike adds up to less power than either has.
        let power = earlier * earlier + later * later + 2.0 * likeness * earlier * later;
        samples[n] = rounded((before * earlier + after * later) / power.sqrt());
    }
    samples.copy_within(BLENDED_SAMPLES + cut.., BLENDED_SAMPLES);
    cut
}

/// How a stretch that is left out may sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seam {
    /// Nobody hears it: there is silence, or a vibration that repeats itself.
    Unheard,
    /// The least that can be had. In noise it is not heard either; in a tone that changes, a little.
    Least,
}

/// The distance at which the front is most like itself, and how much, at most 1; 0 if it is like itself at none that this seam
/// allows, or more so just beyond what may be cut.
fn likest(samples: &[i16], most: usize, seam: Seam) -> (usize, f32) {
    let (farthest, least) = match seam {
        Seam::Unheard => (most + SLOPE_SAMPLES, LIKENESS_MIN),
        Seam::Least => (most, -1.0),
    };
    let ready = Likeness::new(samples);
    let (mut best, mut best_likeness) = (0, least);
    for distance in CUT_SAMPLES_MIN..=farthest.min(samples.len()) {
        let compared = (samples.len() - distance).min(COMPARED_SAMPLES);
        // Silence is not above the bound.
        let likeness = ready.between(0, distance, compared);
        if likeness > best_likeness {
            (best, best_likeness) = (distance, likeness);
        }
    }
    if best <= most { (best, best_likeness.clamp(0.0, 1.0)) } else { (0, 0.0) }
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
pub(crate) fn rounded(sample: f32) -> i16 {
    sample.round() as i16
}

/// What [`shorten`] wants to see in order to find any vibration there is: 25 ms.
pub const LOOKED_AT_SAMPLES: usize = CUT_SAMPLES_MAX + COMPARED_SAMPLES;

/// 2.5 ms, 400 Hz: less is not worth a seam.
const CUT_SAMPLES_MIN: usize = 20;
/// 15 ms, 67 Hz: a low man's voice.
const CUT_SAMPLES_MAX: usize = 120;
/// 10 ms: the longest stretch over which likeness is asked for.
const COMPARED_SAMPLES: usize = 80;
/// Half as wide as the top of a vibration of 400 Hz.
const SLOPE_SAMPLES: usize = 5;
/// 5 ms.
const BLENDED_SAMPLES: usize = 40;
/// Below, a cut is heard.
const LIKENESS_MIN: f32 = 0.75;
/// An office between words: no more than what a listener takes for silence.
const QUIET_DBOV: f64 = -50.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{goertzel, tone};

    /// A voice of `hz`: its vibration is a decaying burst.
    fn voice(hz: f64, samples: usize) -> Vec<i16> {
        let all: Vec<Vec<i16>> = (1..=8)
            .map(|n| tone(hz * f64::from(n), 8_000, -20.0 - 3.0 * f64::from(n), samples))
            .collect();
        (0..samples).map(|at| all.iter().map(|one| one[at]).sum()).collect()
    }

    fn step_max(samples: &[i16]) -> i32 {
        samples.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap()
    }

    #[test]
    fn whole_vibrations_are_left_out_and_no_seam_is_heard() {
        for hz in [80.0, 110.0, 160.0, 220.0, 300.0] {
            let before = voice(hz, 400);
            let mut after = before.clone();
            let cut = shorten(&mut after, 120, Seam::Unheard);
            let vibrations = cut as f64 * hz / 8_000.0;
            assert!(cut > 0 && (vibrations - vibrations.round()).abs() < 0.06, "{hz} Hz: {cut}");
            let after = &after[..400 - cut];
            assert!(step_max(after) <= step_max(&before) * 11 / 10 + 20, "{hz} Hz");
            let (was, is) = (goertzel(&before, 8_000, hz), goertzel(after, 8_000, hz));
            assert!((was - is).abs() < 1.5, "{hz} Hz: {was} dB, then {is} dB");
        }
    }

    #[test]
    fn no_more_is_left_out_than_asked_for() {
        for at_most in 0..140 {
            let cut = shorten(&mut voice(200.0, 400), at_most, Seam::Unheard);
            assert!(cut <= at_most);
            assert!(cut == 0 || cut % 40 <= 1 || cut % 40 == 39, "{at_most}: {cut}");
            assert!(cut > 0 || at_most < 41, "{at_most}");
        }
    }

    #[test]
    fn of_silence_as_much_as_asked_for() {
        let mut quiet = tone(300.0, 8_000, -55.0, 200);
        assert_eq!(shorten(&mut quiet, 77, Seam::Unheard), 77);
        assert_eq!(shorten(&mut [0; 60], 77, Seam::Unheard), 20, "as far as there is any");
        assert_eq!(shorten(&mut [0; 50], 77, Seam::Unheard), 0);
        assert_eq!(shorten(&mut [], 77, Seam::Unheard), 0);
    }

    #[test]
    fn what_does_not_repeat_itself_is_left_whole() {
        let mut state = 1_u32;
        let mut click = [0_i16; 200];
        for sample in &mut click {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = i16::from_ne_bytes([state.to_le_bytes()[2], state.to_le_bytes()[3]]) / 4;
        }
        let before = click;
        assert_eq!(shorten(&mut click, 120, Seam::Unheard), 0);
        assert_eq!(click, before);
    }

    #[test]
    fn noise_is_shortened_where_the_least_seam_will_do_and_is_as_loud_as_before() {
        let (mut was, mut is) = (0.0, 0.0);
        for seed in 1..=200 {
            let mut rng = units::Rng::from_number(seed);
            let mut noise = [0_i16; 400];
            for sample in &mut noise {
                *sample = i16::try_from(rng.below(8_000)).unwrap() - 4_000;
            }
            let power =
                |samples: &[i16]| samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
            was += power(&noise[..BLENDED_SAMPLES]);
            let cut = shorten(&mut noise, 80, Seam::Least);
            assert!((CUT_SAMPLES_MIN..=80).contains(&cut), "{cut}");
            is += power(&noise[..BLENDED_SAMPLES]);
        }
        let change_db = 10.0 * (is / was).log10();
        assert!(change_db.abs() < 0.5, "{change_db} dB");
    }
}
