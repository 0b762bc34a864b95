//! Sums of voices.
//!
//! A sum is kept in 32 bits and cut to 16 once, at the end (RFC 3550 §7.1 leaves the how to the
//! mixer): so one's own voice comes out of it exactly, however loud the others are. 65,536 full-scale
//! voices fit.

/// Adds a voice to a sum, sample by sample; the shorter of the two decides the length.
pub fn add(total: &mut [i32], voice: &[i16]) {
    for (sum, &sample) in total.iter_mut().zip(voice) {
        *sum = sum.saturating_add(i32::from(sample));
    }
}

/// Writes the sum without one's own voice, saturated: `own` must be what was added. Where `own` is
/// shorter than the sum, it counts as silent.
pub fn mix_minus(total: &[i32], own: &[i16], out: &mut [i16]) {
    let own = own.iter().copied().chain(std::iter::repeat(0));
    for ((out, &sum), own) in out.iter_mut().zip(total).zip(own) {
        *out = saturated(sum.saturating_sub(i32::from(own)));
    }
}

/// Writes the sum, saturated: for those who added nothing to it.
pub fn saturate(total: &[i32], out: &mut [i16]) {
    for (out, &sum) in out.iter_mut().zip(total) {
        *out = saturated(sum);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
fn saturated(sum: i32) -> i16 {
    sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sixteen_full_scale_voices_saturate_and_never_wrap() {
        for (voice, others) in [(i16::MAX, i16::MAX), (i16::MIN, i16::MIN)] {
            let mut total = [0; 80];
            (0..16).for_each(|_| add(&mut total, &[voice; 80]));
            let mut out = [0; 80];
            mix_minus(&total, &[voice; 80], &mut out);
            assert_eq!(out, [others; 80]);
            saturate(&total, &mut out);
            assert_eq!(out, [others; 80]);
        }
    }

    #[test]
    fn alone_one_hears_nothing_even_when_loud() {
        let voice = [i16::MIN, i16::MAX, -1, 0, 12_345];
        let (mut total, mut out) = ([0; 5], [7; 5]);
        add(&mut total, &voice);
        mix_minus(&total, &voice, &mut out);
        assert_eq!(out, [0; 5]);
    }

    #[test]
    fn own_voice_that_is_shorter_counts_as_silent() {
        let mut out = [0; 3];
        mix_minus(&[5, 5, 5], &[2], &mut out);
        assert_eq!(out, [3, 5, 5]);
    }

    proptest! {
        /// Each of three hears exactly the other two, cut to 16 bits.
        #[test]
        fn everyone_hears_the_others(a: [i16; 8], b: [i16; 8], c: [i16; 8]) {
            let mut total = [0; 8];
            [a, b, c].iter().for_each(|voice| add(&mut total, voice));
            let mut out = [0; 8];
            mix_minus(&total, &b, &mut out);
            for ((out, a), c) in out.into_iter().zip(a).zip(c) {
                prop_assert_eq!(out, a.saturating_add(c));
            }
        }
    }
}
