//! Sums of voices.
//!
//! A sum is kept in 32 bits and made to fit 16 once, at the end (RFC 3550 §7.1 leaves the how to the
//! mixer; [`crate::Limiter`] does it): so one's own voice comes out of it exactly, however loud the others
//! are. 65,536 full-scale voices fit.

/// Adds a voice to a sum, sample by sample; the shorter of the two decides the length.
pub fn add(total: &mut [i32], voice: &[i16]) {
    for (sum, &sample) in total.iter_mut().zip(voice) {
        *sum = sum.saturating_add(i32::from(sample));
    }
}

/// Takes a voice out of a sum again: what was added comes out exactly. Where `own` is shorter than the
/// sum, it counts as silent.
pub fn subtract(total: &mut [i32], own: &[i16]) {
    for (sum, &own) in total.iter_mut().zip(own) {
        *sum = sum.saturating_sub(i32::from(own));
    }
}

/// Writes the sum, saturated: for sums that are not expected to be too loud.
pub fn saturate(total: &[i32], out: &mut [i16]) {
    for (out, &sum) in out.iter_mut().zip(total) {
        *out = saturated(sum);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
pub(crate) fn saturated(sum: i32) -> i16 {
    sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sixteen_full_scale_voices_fit_and_never_wrap() {
        for voice in [i16::MAX, i16::MIN] {
            let mut total = [0; 80];
            (0..16).for_each(|_| add(&mut total, &[voice; 80]));
            assert_eq!(total, [16 * i32::from(voice); 80]);
            subtract(&mut total, &[voice; 80]);
            assert_eq!(total, [15 * i32::from(voice); 80]);
        }
    }

    #[test]
    fn alone_one_hears_nothing_even_when_loud() {
        let voice = [i16::MIN, i16::MAX, -1, 0, 12_345];
        let mut total = [0; 5];
        add(&mut total, &voice);
        subtract(&mut total, &voice);
        assert_eq!(total, [0; 5]);
    }

    #[test]
    fn own_voice_that_is_shorter_counts_as_silent() {
        let mut total = [5, 5, 5];
        subtract(&mut total, &[2]);
        assert_eq!(total, [3, 5, 5]);
    }

    proptest! {
        /// Each of three hears exactly the other two.
        #[test]
        fn everyone_hears_the_others(a: [i16; 8], b: [i16; 8], c: [i16; 8]) {
            let mut total = [0; 8];
            [a, b, c].iter().for_each(|voice| add(&mut total, voice));
            subtract(&mut total, &b);
            for ((out, a), c) in total.into_iter().zip(a).zip(c) {
                prop_assert_eq!(out, i32::from(a) + i32::from(c));
            }
        }
    }
}
