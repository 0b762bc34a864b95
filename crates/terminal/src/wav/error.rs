//! What is wrong with a WAV file, in one line.

use std::io;
use std::path::{Path, PathBuf};

/// A file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct WavError {
    /// The file as the user named it.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: WavFault,
}

/// What is wrong with a WAV file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum WavFault {
    #[error("there is no such file: give the path of a WAV file")]
    Missing,
    #[error("there is no such folder: make it first, or name another")]
    MissingFolder,
    #[error("cannot be opened: {0}")]
    Io(io::ErrorKind),
    #[error("is no WAV file: convert it with `sox IN -r 16000 -c 1 -b 16 OUT.wav`")]
    NotWav,
    #[error(
        "has {0} Hz; 8000, 16000 and 48000 are understood: convert it with `sox IN -r 16000 OUT.wav`"
    )]
    Rate(u32),
    #[error("has {0} channels; one or two are understood: convert it with `sox IN -c 1 OUT.wav`")]
    Channels(u16),
    #[error("is not 16-bit PCM: convert it with `sox IN -b 16 -e signed OUT.wav`")]
    Encoding,
    #[error("holds no sound")]
    Empty,
    #[error(
        "is longer than {seconds_max} seconds: cut it with `sox IN OUT.wav trim 0 {seconds_max}`"
    )]
    TooLong { seconds_max: u32 },
}

impl WavError {
    pub(super) fn new(path: &Path, fault: WavFault) -> Self {
        Self { path: path.to_owned(), fault }
    }

    /// Sorts what `hound` found by what the user can do about it.
    pub(super) fn reading(path: &Path, error: &hound::Error) -> Self {
        let fault = match error {
            hound::Error::IoError(io) => match io.kind() {
                io::ErrorKind::NotFound => WavFault::Missing,
                // hound's own: a header or data that ends too early.
                io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => WavFault::NotWav,
                kind => WavFault::Io(kind),
            },
            hound::Error::FormatError(_) => WavFault::NotWav,
            hound::Error::TooWide
            | hound::Error::Unsupported
            | hound::Error::InvalidSampleFormat => WavFault::Encoding,
            hound::Error::UnfinishedSample => WavFault::NotWav,
        };
        Self::new(path, fault)
    }

    /// The same for a file that we write.
    pub(super) fn writing(path: &Path, error: &hound::Error) -> Self {
        let fault = match error {
            hound::Error::IoError(io) => match io.kind() {
                io::ErrorKind::NotFound => WavFault::MissingFolder,
                kind => WavFault::Io(kind),
            },
            hound::Error::FormatError(_)
            | hound::Error::TooWide
            | hound::Error::Unsupported
            | hound::Error::InvalidSampleFormat
            | hound::Error::UnfinishedSample => WavFault::Encoding,
        };
        Self::new(path, fault)
    }
}
