//! What can be wrong with a challenge or with credentials.

use crate::StatusCode;

/// Why a challenge or credentials cannot be used. All of these are the sender's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum DigestError {
    #[error("the scheme is {0:?}, not Digest")]
    OtherScheme(String),
    #[error("not a list of parameters")]
    Malformed,
    #[error("more than {max} parameters")]
    TooManyParams { max: usize },
    #[error("{0} stands there twice")]
    Repeated(&'static str),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is malformed")]
    BadParam(&'static str),
    #[error("username and username* exclude each other")]
    TwoNames,
    #[error("the algorithm {0:?} is not known")]
    UnknownAlgorithm(String),
    #[error("no quality of protection that we know: {0:?}")]
    UnknownQop(String),
}

impl DigestError {
    /// The answer to credentials that are like this. What belongs to another scheme, or to an
    /// algorithm that we did not offer, is as good as no credentials (RFC 3261 §22.2); what is
    /// improper gets a 400 (RFC 7616 §3.4).
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::OtherScheme(_) | Self::UnknownAlgorithm(_) | Self::UnknownQop(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Malformed
            | Self::TooManyParams { .. }
            | Self::Repeated(_)
            | Self::Missing(_)
            | Self::BadParam(_)
            | Self::TwoNames => StatusCode::BAD_REQUEST,
        }
    }
}
