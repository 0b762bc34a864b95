//! Sums of voices.

/// Adds a voice to a sum, sample by sample; the shorter of the two decides the length.
pub fn add(total: &mut [i32], voice: &[i16]) {
    for (sum, &sample) in total.iter_mut().zip(voice) {
        *sum = sum.saturating_add(i32::from(sample));
    }
}

/// Writes the sum without one's own voice, saturated: `own` must be what was added. Where `own` is
/// shorter than the sum, it counts as silent.
pub fn mix_minus(total: &[i32], own: &[i16], out: &mut [i16]) {
    let _ = (total, own, out);
    todo!()
}

/// Writes the sum, saturated: for those who added nothing to it.
pub fn saturate(total: &[i32], out: &mut [i16]) {
    let _ = (total, out);
    todo!()
}
