//! Sound made a little shorter, unheard.
//!
//! A voiced sound is one vibration after another, each much like the last; one left out, with the seam
//! blended, is not missed (WSOLA: Verhelst and Roelands, 1993). In silence anything may be left out.
//! The other way round, [`crate::Concealment::lengthen`] says one vibration twice.

use crate::level;

/// Takes one stretch of at most `at_most` samples out of the front of `samples` (8 kHz): one vibration or
/// several, or as much silence. Gives how many are gone; those that are left stand at the front. 0 if
/// nothing can be left out without being heard.
///
/// Looks at no more than [`LOOKED_AT_SAMPLES`]. Allocates nothing.
pub fn shorten(samples: &mut [i16], at_most: usize) -> usize {
    let fits = samples.len().saturating_sub(BLENDED_SAMPLES);
    let most = at_most.min(fits).min(CUT_SAMPLES_MAX);
    let looked_at = &samples[..samples.len().min(LOOKED_AT_SAMPLES)];
    let cut = if level::dbov(looked_at) < QUIET_DBOV { most } else { likest(looked_at, most) };
    if cut < CUT_SAMPLES_MIN {
        return 0;
    }
    for n in 0..BLENDED_SAMPLES {
        let later = (n + 1) as f32 / (BLENDED_SAMPLES + 1) as f32;
        let (before, after) = (f32::from(samples[n]), f32::from(samples[n + cut]));
        samples[n] = rounded(before * (1.0 - later) + after * later);
    }
    samples.copy_within(BLENDED_SAMPLES + cut.., BLENDED_SAMPLES);
    cut
}

/// The distance at which the front is most like itself; 0 if it is like itself at none, or more so just
/// beyond what may be cut.
fn likest(samples: &[i16], most: usize) -> usize {
    let (mut best, mut best_likeness) = (0, LIKENESS_MIN);
    for distance in CUT_SAMPLES_MIN..=most + SLOPE_SAMPLES {
        let compared = samples.len().saturating_sub(distance).min(COMPARED_SAMPLES);
        let (front, back) =
            (&samples[..compared], samples.get(distance..distance + compared).unwrap_or_default());
        // 0 / 0 is not above the bound.
        let likeness = dot(front, back) / (dot(front, front) * dot(back, back)).sqrt();
        if likeness > best_likeness {
            (best, best_likeness) = (distance, likeness);
        }
    }
    if best <= most { best } else { 0 }
}

pub(crate) fn dot(a: &[i16], b: &[i16]) -> f32 {
    a.iter().zip(b).map(|(&a, &b)| f32::from(a) * f32::from(b)).sum()
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
            let cut = shorten(&mut after, 120);
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
            let cut = shorten(&mut voice(200.0, 400), at_most);
            assert!(cut <= at_most);
            assert!(cut == 0 || cut % 40 <= 1 || cut % 40 == 39, "{at_most}: {cut}");
            assert!(cut > 0 || at_most < 41, "{at_most}");
        }
    }

    #[test]
    fn of_silence_as_much_as_asked_for() {
        let mut quiet = tone(300.0, 8_000, -55.0, 200);
        assert_eq!(shorten(&mut quiet, 77), 77);
        assert_eq!(shorten(&mut [0; 60], 77), 20, "as far as there is any");
        assert_eq!(shorten(&mut [0; 50], 77), 0);
        assert_eq!(shorten(&mut [], 77), 0);
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
        assert_eq!(shorten(&mut click, 120), 0);
        assert_eq!(click, before);
    }
}
