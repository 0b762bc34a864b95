//! Offer and answer: RFC 3264.

use thiserror::Error;

use crate::{LocalMedia, Negotiated, SessionDescription};

/// Why there is no agreement.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum AnswerError {
    #[error("the answer has {got} m-lines, the offer {expected}")]
    LineCount { got: usize, expected: usize },
    #[error("no audio m-line with RTP/AVP and a port")]
    NoAudio,
    #[error("no codec in common")]
    NoCommonCodec,
    #[error("the audio stream has no IPv4 address")]
    NoIpv4Address,
}

impl AnswerError {
    /// The answer on the wire, and for the warning header the code of RFC 3261 §20.43.
    pub const fn status(&self) -> u16 {
        match self {
            Self::LineCount { .. } => 400,
            Self::NoAudio | Self::NoCommonCodec | Self::NoIpv4Address => 488,
        }
    }
}

/// Makes an offer of one audio stream.
pub fn offer(local: &LocalMedia) -> SessionDescription {
    let _ = local;
    todo!()
}

/// Answers an offer with one audio stream, all others refused: RFC 3264 §6.
pub fn answer(
    offer: &SessionDescription,
    local: &LocalMedia,
) -> Result<(SessionDescription, Negotiated), AnswerError> {
    let _ = (offer, local);
    todo!()
}

/// Reads what the peer made of our offer: RFC 3264 §7.
pub fn accept_answer(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<Negotiated, AnswerError> {
    let _ = (offer, answer);
    todo!()
}
