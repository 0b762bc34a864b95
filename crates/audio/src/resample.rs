//! Change of the sample rate.

use thiserror::Error;

/// Why there is no resampler for a pair of rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cannot resample {from_hz} Hz to {to_hz} Hz: only 8000, 16000 and 48000")]
pub struct RateError {
    /// Asked input rate.
    pub from_hz: u32,
    /// Asked output rate.
    pub to_hz: u32,
}

/// Changes a stream from one rate to another: 8, 16 and 48 kHz, i16 mono, any block length.
#[derive(Clone, Debug)]
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
}

impl Resampler {
    /// Makes a resampler that has heard silence so far. Equal rates pass through.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, RateError> {
        Ok(Self { from_hz, to_hz })
    }

    /// Takes the next samples and appends what they give to `out`: over a stream exactly
    /// `to_hz / from_hz` times as many.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        let _ = (input, out, self.from_hz, self.to_hz);
        todo!()
    }

    /// How much later a sound comes out, in samples of the output.
    pub fn delay_samples(&self) -> usize {
        todo!()
    }

    /// Resamples a whole recording: the delay is taken off, the length is exact.
    pub fn whole(samples: &[i16], from_hz: u32, to_hz: u32) -> Result<Vec<i16>, RateError> {
        let _ = (samples, from_hz, to_hz);
        todo!()
    }
}
