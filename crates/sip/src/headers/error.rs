//! What can be wrong with a header field.

use crate::{headers::HeaderName, status::StatusCode};

/// Why a header field cannot be read. All of these are the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum HeaderError {
    #[error("{0} is missing")]
    Missing(HeaderName),
    #[error("{0} stands there more than once")]
    Repeated(HeaderName),
    #[error("{0} is malformed")]
    Malformed(HeaderName),
}

impl HeaderError {
    /// The answer to a request that has this error.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Missing(_) | Self::Repeated(_) | Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// Names the field.
    pub const fn name(&self) -> &HeaderName {
        match self {
            Self::Missing(name) | Self::Repeated(name) | Self::Malformed(name) => name,
        }
    }
}
