//! Loudness.

/// The root mean square as RFC 6464 §3 has it: 0 (overload point) to 127 (silence), in -dBov.
pub fn rfc6464(samples: &[i16]) -> u8 {
    let _ = samples;
    todo!()
}

/// The root mean square in dBov: 0 for a full-scale square wave, -3.01 for a full-scale sine,
/// minus infinity for digital silence.
pub fn dbov(samples: &[i16]) -> f64 {
    let _ = samples;
    todo!()
}
