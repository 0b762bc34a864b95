//! Why a call of ours did not become a leg.

use std::fmt;

use sip::{Failure, Response, StatusCode};

/// Why nobody joined who was to be called.
#[derive(Clone, Debug, PartialEq)]
pub enum DialEnd {
    /// The answer was no session description that we can use.
    BadAnswer,
    /// It was called off.
    Cancelled,
    /// The conference ended first.
    ConferenceEnded,
    /// Interrupted by the loss of the node that called.
    Interrupted,
    /// It rang, and nobody answered.
    NoAnswer,
    /// There was no room for one more leg, in words.
    NoRoom(StatusCode, String),
    /// The callee, or who speaks for him, said no.
    Refused(Box<Response>),
    /// Somebody had him removed before he answered.
    Removed,
    /// Another call took its place (RFC 3891).
    Replaced,
    /// Nobody answered at all.
    Timeout,
    /// Nothing can be sent to him, in words.
    Unreachable(String),
}

impl DialEnd {
    /// What a request without an answer means (RFC 3261 §8.1.3.1).
    pub fn of(why: Failure) -> Self {
        match why {
            Failure::Timeout => Self::Timeout,
            Failure::Transport => {
                Self::Unreachable("nothing takes connections at that address".to_owned())
            }
            Failure::Overloaded => Self::Unreachable(
                "the server there is overloaded and asks for fewer calls (RFC 7339)".to_owned(),
            ),
            Failure::Silent => Self::Unreachable(
                "the server there has answered none of the last requests; it is tried again within a minute or so"
                    .to_owned(),
            ),
        }
    }

    /// What a report says (RFC 3515 §2.4.5).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadAnswer => StatusCode::NOT_ACCEPTABLE_HERE,
            Self::Cancelled | Self::ConferenceEnded | Self::Removed | Self::Replaced => {
                StatusCode::REQUEST_TERMINATED
            }
            Self::Interrupted => StatusCode::SERVER_INTERNAL_ERROR,
            Self::NoAnswer | Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom(status, _) => *status,
            Self::Refused(response) => response.status,
            Self::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for DialEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadAnswer => f.write_str("no usable session description in the answer"),
            Self::Cancelled => f.write_str("called off"),
            Self::ConferenceEnded => f.write_str("the conference ended"),
            Self::Interrupted => f.write_str("the server was restarted"),
            Self::NoAnswer => f.write_str("rang, and nobody answered"),
            Self::NoRoom(_, why) | Self::Unreachable(why) => f.write_str(why),
            Self::Refused(response) => {
                write!(f, "{} {}", response.status, crate::masked(&response.reason))
            }
            Self::Removed => f.write_str("removed before answering"),
            Self::Replaced => f.write_str("another call took its place"),
            Self::Timeout => f.write_str("nobody answered at that address"),
        }
    }
}
