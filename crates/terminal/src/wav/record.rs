//! What the terminal hears.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use audio::Resampler;
use hound::{SampleFormat, WavSpec, WavWriter};

use super::{RATE_HZ, WavError, WavFault};

/// The longest recording in seconds: an hour, 58 MB at 8 kHz. What is heard later is not written,
/// so that a forgotten terminal cannot fill a disk.
pub const RECORD_SECONDS_MAX: u32 = 3_600;

/// The rate of the file that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordRate {
    /// 8 kHz: what G.711 carries.
    #[default]
    Hz8000,
    /// 16 kHz.
    Hz16000,
    /// 48 kHz.
    Hz48000,
}

impl RecordRate {
    /// Samples per second.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz48000 => 48_000,
        }
    }
}

impl FromStr for RecordRate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "8000" => Ok(Self::Hz8000),
            "16000" => Ok(Self::Hz16000),
            "48000" => Ok(Self::Hz48000),
            _ => Err("write 8000, 16000 or 48000"),
        }
    }
}

/// Writes what is heard to a WAV file, i16 mono.
///
/// The header is put right once a second, so that the file is a valid WAV file at any time: after
/// Ctrl-C, and but for the last second even after the process was killed.
pub struct Recorder {
    path: PathBuf,
    writer: WavWriter<BufWriter<File>>,
    resampler: Resampler,
    resampled: Vec<i16>,
    samples_heard: u64,
    samples_until_flush: usize,
}

impl Recorder {
    /// Makes the file; one that is there already is written over.
    ///
    /// # Errors
    /// What is wrong with the path, in one line.
    pub fn create(path: &Path, rate: RecordRate) -> Result<Self, WavError> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: rate.hz(),
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let failed = |error| WavError::writing(path, &error);
        let mut writer = WavWriter::create(path, spec).map_err(failed)?;
        writer.flush().map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            writer,
            resampler: Resampler::new(RATE_HZ, rate.hz())
                .map_err(|error| WavError::new(path, WavFault::Rate(error.to_hz)))?,
            resampled: Vec::new(),
            samples_heard: 0,
            samples_until_flush: RATE_HZ as usize,
        })
    }

    /// Writes what was heard next: i16, mono, 8 kHz. Beyond [`RECORD_SECONDS_MAX`] nothing is
    /// written.
    ///
    /// # Errors
    /// The file cannot be written to any more; what was written before stays.
    pub fn push(&mut self, heard: &[i16]) -> Result<(), WavError> {
        if self.samples_heard >= u64::from(RECORD_SECONDS_MAX) * u64::from(RATE_HZ) {
            return Ok(());
        }
        self.samples_heard += heard.len() as u64;
        self.resampled.clear();
        self.resampler.process(heard, &mut self.resampled);
        let failed = |error| WavError::writing(&self.path, &error);
        for sample in &self.resampled {
            self.writer.write_sample(*sample).map_err(failed)?;
        }
        self.samples_until_flush = self.samples_until_flush.saturating_sub(heard.len());
        if self.samples_until_flush == 0 {
            self.samples_until_flush = RATE_HZ as usize;
            self.writer.flush().map_err(failed)?;
        }
        Ok(())
    }

    /// How much was written, in samples of 8 kHz.
    pub const fn samples_heard(&self) -> u64 {
        self.samples_heard
    }

    /// Closes the file.
    ///
    /// # Errors
    /// The last of it could not be written.
    pub fn finish(self) -> Result<(), WavError> {
        self.writer.finalize().map_err(|error| WavError::writing(&self.path, &error))
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("path", &self.path).finish_non_exhaustive()
    }
}
