//! Reading.

use thiserror::Error;

/// Why bytes are not a session description; all are the peer's mistake.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum SdpError {
    #[error("{got} bytes are more than {max}")]
    TooLong { got: usize, max: usize },
    #[error("line {line} is not UTF-8")]
    NotText { line: usize },
    #[error("line {line} does not begin with a letter and =")]
    NotALine { line: usize },
    #[error("the first line is not v=0")]
    Version,
    #[error("line {line}: {what} cannot be read")]
    Malformed { line: usize, what: &'static str },
    #[error("more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
}

impl SdpError {
    /// The answer on the wire.
    pub const fn status(&self) -> u16 {
        400
    }
}
