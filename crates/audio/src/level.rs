//! Loudness.

/// The root mean square as RFC 6464 §3 has it: 0 (overload point) to 127 (silence), in -dBov.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=127")]
pub fn rfc6464(samples: &[i16]) -> u8 {
    (-dbov(samples)).round().clamp(0.0, 127.0) as u8
}

/// The root mean square in dBov: 0 for a full-scale square wave, -3.01 for a full-scale sine,
/// minus infinity for digital silence and for no samples.
pub fn dbov(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return f64::NEG_INFINITY;
    }
    // Fits: a square is at most 2^30, and 2^34 of them would make a `u64` full. Unchecked, so that four are added at a time.
    let energy = samples.iter().fold(0_u64, |sum, sample| {
        let amplitude = u32::from(sample.unsigned_abs());
        sum.wrapping_add(u64::from(amplitude.wrapping_mul(amplitude)))
    });
    let mean_square = energy as f64 / samples.len() as f64;
    10.0 * (mean_square / OVERLOAD.powi(2)).log10()
}

/// RFC 6464 §3: "the highest-intensity signal encodable".
const OVERLOAD: f64 = 32_767.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    /// RFC 6464 §3.
    #[test]
    fn tones_have_the_level_that_the_formula_says() {
        for dbfs in [0.0, -6.0, -20.0, -40.0, -60.0] {
            let samples = tone(1_000.0, 8_000, dbfs, 8_000);
            let level = dbov(&samples);
            assert!((level - (dbfs - 3.01)).abs() < 0.1, "{dbfs} dBFS: {level} dBov");
        }
        assert_eq!(rfc6464(&tone(1_000.0, 8_000, -20.0, 8_000)), 23);
    }

    #[test]
    fn ends_of_the_scale() {
        assert_eq!(rfc6464(&[i16::MAX, i16::MIN, i16::MAX]), 0);
        assert_eq!(rfc6464(&[0; 160]), 127);
        assert_eq!(rfc6464(&[]), 127);
        // The quietest sound there is: -90.3 dBov.
        assert_eq!(rfc6464(&[1, -1, 1, -1]), 90);
    }
}
