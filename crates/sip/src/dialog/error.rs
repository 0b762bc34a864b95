//! Why a dialog cannot be made, or refuses a request.

use crate::{HeaderError, StatusCode};

/// Why a message makes no dialog, or does not fit into one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum DialogError {
    // The peer broke a rule.
    #[error("{0}")]
    Header(HeaderError),
    #[error("{got} Contact values where one is needed")]
    ContactCount { got: usize },
    #[error("Contact is no SIP or SIPS URI")]
    ContactScheme,
    #[error("CSeq {got} is not above {last}")]
    StaleCseq { got: u32, last: u32 },
    #[error("the request is of another dialog")]
    OtherDialog,
}

impl DialogError {
    /// The answer on the wire. No `_` arm: a new variant must choose its code.
    pub const fn status(&self) -> StatusCode {
        match self {
            // RFC 3261 §8.1.1.8: exactly one Contact, with a SIP or SIPS URI.
            Self::Header(_) | Self::ContactCount { .. } | Self::ContactScheme => {
                StatusCode::BAD_REQUEST
            }
            Self::StaleCseq { .. } => StatusCode::SERVER_INTERNAL_ERROR, // RFC 3261 §12.2.2
            Self::OtherDialog => StatusCode::CALL_DOES_NOT_EXIST,        // RFC 3261 §12.2.2
        }
    }
}

impl From<HeaderError> for DialogError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}
