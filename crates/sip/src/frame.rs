//! Cuts a byte stream into messages (RFC 3261 §18.3).

use crate::parse::ParseFailure;

/// Longest message that we take, on a stream as in a datagram: what a UDP length field can say. A longer one is refused
/// with 513 and the connection closed.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// What a stream carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The bytes of one message, for [`parse_datagram`](crate::parse_datagram).
    Message(Vec<u8>),
    /// A double CRLF between messages. Answer with one CRLF (RFC 5626 §3.5.1).
    KeepAlive,
}

/// Why a stream cannot be cut any further: close the connection, after the answer if there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct FrameError {
    /// What is wrong, and what an answer needs.
    pub failure: ParseFailure,
}

/// Cuts one stream into messages.
#[derive(Clone, Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
}

impl StreamFramer {
    /// Begins a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the stream. Drain [`StreamFramer::next`] after each call.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
}

impl Iterator for StreamFramer {
    type Item = Result<Frame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}
