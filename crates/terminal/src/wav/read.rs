//! What the terminal says.

use std::io::Read;
use std::path::Path;

use audio::Resampler;
use hound::{SampleFormat, WavReader};

use super::{RATE_HZ, WavError, WavFault};

/// The longest recording that is played, in seconds. It is held in memory whole (16 kB a second);
/// a longer one is refused with a hint how to cut it.
pub const PLAY_SECONDS_MAX: u32 = 600;

/// Reads a WAV file of 8, 16 or 48 kHz, mono or stereo, 16-bit PCM, as i16, mono, 8 kHz. Two
/// channels become their mean.
///
/// # Errors
/// What is wrong with the file, in one line.
pub fn read_wav(path: &Path) -> Result<Vec<i16>, WavError> {
    let reader = WavReader::open(path).map_err(|error| WavError::reading(path, &error))?;
    let fail = |fault| Err(WavError::new(path, fault));
    let spec = reader.spec();
    if spec.sample_format != SampleFormat::Int || spec.bits_per_sample != 16 {
        return fail(WavFault::Encoding);
    }
    if !(1..=2).contains(&spec.channels) {
        return fail(WavFault::Channels(spec.channels));
    }
    if ![8_000, 16_000, 48_000].contains(&spec.sample_rate) {
        return fail(WavFault::Rate(spec.sample_rate));
    }
    if reader.duration() > PLAY_SECONDS_MAX * spec.sample_rate {
        return fail(WavFault::TooLong { seconds_max: PLAY_SECONDS_MAX });
    }
    let samples = mono(reader).map_err(|error| WavError::reading(path, &error))?;
    if samples.is_empty() {
        return fail(WavFault::Empty);
    }
    Resampler::whole(&samples, spec.sample_rate, RATE_HZ)
        .map_err(|error| WavError::new(path, WavFault::Rate(error.from_hz)))
}

fn mono<R: Read>(mut reader: WavReader<R>) -> Result<Vec<i16>, hound::Error> {
    let channels = usize::from(reader.spec().channels);
    let samples = reader.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
    if channels == 1 {
        return Ok(samples);
    }
    Ok(samples.as_chunks::<2>().0.iter().map(|&[left, right]| left.midpoint(right)).collect())
}
