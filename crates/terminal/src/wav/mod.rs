//! WAV files: what the terminal says, and what it hears.

mod error;
mod read;
mod record;

#[cfg(test)]
mod tests;

pub use error::{WavError, WavFault};
pub use read::{PLAY_SECONDS_MAX, read_wav};
pub use record::{RECORD_SECONDS_MAX, RecordRate, Recorder};

/// The rate of everything inside the terminal: what G.711 carries.
pub const RATE_HZ: u32 = 8_000;
