//! Cuts a byte stream into messages (RFC 3261 §18.3).

#[cfg(test)]
mod tests;

use crate::{
    headers::{HeaderError, HeaderName},
    parse::{self, Head, ParseError, ParseFailure},
};

/// Longest message that we take, on a stream as in a datagram: what a UDP length field can say. A longer one is refused
/// with 513 and the connection closed.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Most bytes that wait in a framer: one message that is not whole yet, and as much again that was read along with its
/// end. Beyond it the stream fails as too long.
const BUFFERED_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// What ends a head: the CRLF of the last field and the empty line.
const HEAD_END: &[u8] = b"\r\n\r\n";

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
///
/// # Order
/// After each [`StreamFramer::push`], take frames until `None`. After an error there is nothing more to take, ever.
#[derive(Clone, Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// Where the bytes begin that were not given out.
    start: usize,
    state: State,
    /// More was pushed than we keep.
    overrun: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Between messages, after so many CRLFs that are not reported yet.
    Between { breaks: u8 },
    /// In a head. No end of a head begins before `scanned`.
    Head { scanned: usize },
    /// The head is whole; the message has this many bytes.
    Message { len: usize },
    /// The place of the next message is lost.
    Failed,
}

impl Default for State {
    fn default() -> Self {
        Self::Between { breaks: 0 }
    }
}

impl StreamFramer {
    /// Begins a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = BUFFERED_BYTES_MAX - self.buffer.len().min(BUFFERED_BYTES_MAX);
        self.overrun |= bytes.len() > room;
        self.buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Says whether a message has begun and is not whole. It may not stay so for long: close the connection after a time.
    pub const fn is_partial(&self) -> bool {
        match self.state {
            State::Head { .. } | State::Message { .. } => true,
            State::Between { .. } | State::Failed => false,
        }
    }

    fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Skips line breaks before a message (RFC 3261 §7.5) and reports two in a row.
    fn between(&mut self, breaks: u8) -> Step {
        match self.pending() {
            [] | [b'\r'] => Step::Wait,
            [b'\r', b'\n', ..] => {
                self.start += 2;
                // RFC 5626 §3.5.1: the ping is a double CRLF.
                let is_ping = breaks == 1;
                self.state = State::Between { breaks: u8::from(!is_ping) };
                if is_ping { Step::Give(Frame::KeepAlive) } else { Step::Again }
            }
            [..] => {
                self.state = State::Head { scanned: self.start };
                Step::Again
            }
        }
    }

    fn head(&mut self, scanned: usize) -> Step {
        let found =
            self.buffer[scanned..].windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END);
        let Some(at) = found else {
            if self.pending().len() > MESSAGE_BYTES_MAX {
                return self.fail(too_long(self.pending().len()));
            }
            let scanned = self.buffer.len().saturating_sub(HEAD_END.len() - 1).max(scanned);
            self.state = State::Head { scanned };
            return Step::Wait;
        };
        let head_len = scanned + at + HEAD_END.len() - self.start;
        let head = Head::read(&self.pending()[..head_len]);
        // RFC 3261 §18.3: on a stream Content-Length must be there. If it cannot be read, neither can the place where the
        // next message begins (RFC 4475 §3.1.2.3, §3.3.9); with a line break alone, readers differ in what the fields are.
        let body_len = match (&head.error, &head.content_length) {
            (Some(ParseError::LineBreak), _) => Err(ParseError::LineBreak),
            (Some(error @ ParseError::TooManyHeaders { .. }), _) => Err(error.clone()),
            (_, Some(Ok(len))) => Ok(*len),
            (_, Some(Err(error))) => Err(ParseError::Header(error.clone())),
            (_, None) => Err(ParseError::Header(HeaderError::Missing(HeaderName::ContentLength))),
        };
        match body_len.map(|body_len| head_len.saturating_add(body_len)) {
            Ok(len) if len > MESSAGE_BYTES_MAX => self.fail(too_long(len)),
            Ok(len) => {
                self.state = State::Message { len };
                Step::Again
            }
            Err(error) => self.fail(error),
        }
    }

    fn message(&mut self, len: usize) -> Step {
        let Some(message) = self.pending().get(..len).map(<[u8]>::to_vec) else {
            return Step::Wait;
        };
        self.start += len;
        self.state = State::default();
        Step::Give(Frame::Message(message))
    }

    fn fail(&mut self, error: ParseError) -> Step {
        let failure = parse::failure(&Head::read(self.pending()), error);
        *self = Self { state: State::Failed, ..Self::default() };
        Step::Fail(FrameError { failure })
    }
}

enum Step {
    /// Something was taken; look again.
    Again,
    /// More bytes are needed.
    Wait,
    Give(Frame),
    Fail(FrameError),
}

const fn too_long(got: usize) -> ParseError {
    ParseError::TooLong { got, max: MESSAGE_BYTES_MAX }
}

impl Iterator for StreamFramer {
    type Item = Result<Frame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let step = match self.state {
                State::Between { breaks } => self.between(breaks),
                State::Head { scanned } => self.head(scanned),
                State::Message { len } => self.message(len),
                State::Failed => {
                    self.buffer.clear();
                    return None;
                }
            };
            match step {
                Step::Again => {}
                Step::Give(frame) => return Some(Ok(frame)),
                Step::Fail(error) => return Some(Err(error)),
                Step::Wait if self.overrun => {
                    let Step::Fail(error) = self.fail(too_long(BUFFERED_BYTES_MAX)) else {
                        return None;
                    };
                    return Some(Err(error));
                }
                Step::Wait => {
                    // Only here do bytes move: once for all frames that one push has brought.
                    self.buffer.drain(..self.start);
                    if let State::Head { scanned } = &mut self.state {
                        *scanned -= self.start;
                    }
                    self.start = 0;
                    return None;
                }
            }
        }
    }
}
