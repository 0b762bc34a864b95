//! What silence sounds like.

use crate::stretch::rounded;

/// Comfort noise at the level that a sender told (RFC 3389), white: the spectrum that he may tell too is
/// not followed. Heard or not is a matter of the level; the colour of so little is not.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    /// Of a uniform noise, 0..=32767.
    amplitude: f32,
    /// The same, as it is told.
    wanted: f32,
    seed: u32,
}

impl ComfortNoise {
    /// Silence.
    pub const fn new() -> Self {
        Self { amplitude: 0.0, wanted: 0.0, seed: 1 }
    }

    /// Takes a payload: its first byte is the level, 0 to 127 below the overload point (RFC 3389 §3.1). An
    /// empty one is taken for silence.
    pub fn describe(&mut self, payload: &[u8]) {
        let below = payload.first().map_or(127, |level| level & 0x7f);
        let rms = OVERLOAD * 10_f32.powf(-f32::from(below) / 20.0);
        // The mean square of what is uniform up to A is A²/3.
        self.wanted = (rms * 3_f32.sqrt()).min(AMPLITUDE_MAX);
    }

    /// Fills `out`. Another level is gone to within some 20 ms, so that there is no click.
    pub fn frame(&mut self, out: &mut [i16]) {
        for sample in out {
            self.amplitude += (self.wanted - self.amplitude) * GLIDE;
            // Numerical Recipes' generator: its upper half is random enough to be heard.
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [_, _, low, high] = self.seed.to_le_bytes();
            let uniform = f32::from(i16::from_le_bytes([low, high])) / 32_768.0;
            *sample = rounded(uniform * self.amplitude);
        }
    }
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self::new()
    }
}

/// RFC 6464 §3, RFC 3389 §3.1.
const OVERLOAD: f32 = 32_767.0;
/// Louder is no comfort: -30 dBov. Whoever tells more is not believed.
const AMPLITUDE_MAX: f32 = 1_795.0;
/// A time constant of 100 samples.
const GLIDE: f32 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level;

    #[test]
    fn noise_is_as_loud_as_told() {
        let mut noise = ComfortNoise::new();
        for told in [30, 45, 50, 60, 70] {
            noise.describe(&[told, 100, 130]);
            let mut out = [0; 8_800];
            noise.frame(&mut out);
            let level = level::dbov(&out[800..]);
            assert!((level + f64::from(told)).abs() < 0.7, "{told}: {level} dBov");
        }
    }

    #[test]
    fn what_is_too_loud_or_says_nothing_is_not_followed() {
        let mut noise = ComfortNoise::new();
        noise.describe(&[0]);
        let mut out = [0; 8_800];
        noise.frame(&mut out);
        assert!((level::dbov(&out[800..]) + 30.0).abs() < 0.7);
        noise.describe(&[]);
        noise.frame(&mut out);
        assert_eq!(level::rfc6464(&out[8_000..]), 127);
    }
}
