//! Reads messages.

mod error;

pub use error::{ParseError, ParseFailure, Salvage};

use crate::{message::Message, status::StatusCode};

/// Reads one datagram by the rules of RFC 3261 §18.3.
pub fn parse_datagram(bytes: &[u8]) -> Result<Message, ParseFailure> {
    todo!("{}", bytes.len())
}

/// Reads a Status-Line without its CRLF.
pub(crate) fn status_line(line: &[u8]) -> Result<(StatusCode, String), ParseError> {
    todo!("{}", line.len())
}
