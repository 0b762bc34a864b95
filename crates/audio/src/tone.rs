//! Tones, made and measured: for tests, the simulation and announcements.

/// A sine of `hz` at `rate_hz`, its amplitude `dbfs` below full scale (0 or negative), that starts at
/// phase zero.
pub fn tone(hz: f64, rate_hz: u32, dbfs: f64, samples: usize) -> Vec<i16> {
    let _ = (hz, rate_hz, dbfs, samples);
    todo!()
}

/// How loud the sine at `hz` is in `samples`: its amplitude in dB below full scale, minus infinity
/// for none. A Hann window keeps other tones further than `2 * rate_hz / samples.len()` Hz away out of it.
pub fn goertzel(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
    let _ = (samples, rate_hz, hz);
    todo!()
}
