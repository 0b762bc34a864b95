//! For how long a subscription is granted.

use crate::{HeaderName, Incoming, Response, StatusCode};

/// What a notifier grants, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Granted when the SUBSCRIBE does not say: the package's default.
    pub default: u32,
    /// The shortest that is granted. At most 3600 has an effect (RFC 6665 §4.2.1.1).
    pub floor: u32,
    /// The longest that is granted.
    pub longest: u32,
}

/// Why no time can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum IntervalError {
    #[error("a subscription of less than {floor} s is too short")]
    TooBrief { floor: u32 },
    #[error("Expires cannot be read")]
    Malformed,
}

impl IntervalError {
    /// The refusal, without a To tag.
    pub fn refusal(self, incoming: &Incoming) -> Response {
        match self {
            // RFC 6665 §4.2.1.1: with the shortest that we grant.
            Self::TooBrief { floor } => {
                Response::answering(&incoming.request, StatusCode::INTERVAL_TOO_BRIEF)
                    .with_header(HeaderName::MinExpires, floor)
            }
            Self::Malformed => Response::answering(&incoming.request, StatusCode::BAD_REQUEST),
        }
    }
}

impl Interval {
    /// The seconds to grant to a SUBSCRIBE, for its `Expires`: never more than it asks for (RFC 6665 §4.2.1.1). 0: it
    /// ends the subscription, or asks once.
    ///
    /// # Errors
    /// [`IntervalError`]; the SUBSCRIBE is refused.
    pub fn agree(&self, incoming: &Incoming) -> Result<u32, IntervalError> {
        let asked = incoming.request.headers.expires().map_err(|_| IntervalError::Malformed)?;
        match asked {
            None => Ok(self.default.min(self.longest)),
            Some(0) => Ok(0),
            // RFC 6665 §4.2.1.1: an hour is never too brief.
            Some(seconds) if seconds < self.floor.min(ONE_HOUR) => {
                Err(IntervalError::TooBrief { floor: self.floor.min(ONE_HOUR) })
            }
            Some(seconds) => Ok(seconds.min(self.longest)),
        }
    }
}

/// RFC 6665 §4.2.1.1
const ONE_HOUR: u32 = 3_600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Essentials, FlowId, Method, Request, Source, Transport, Uri};

    const INTERVAL: Interval = Interval { default: 3_600, floor: 30, longest: 7_200 };

    fn subscribe(expires: Option<&str>) -> Incoming {
        let uri: Uri = "sip:c@h".parse().unwrap();
        let mut request = Request::new(Method::Subscribe, uri)
            .with_header(HeaderName::Via, "SIP/2.0/UDP y;branch=z9hG4bK1")
            .with_header(HeaderName::From, "<sip:b@y>;tag=1")
            .with_header(HeaderName::To, "<sip:c@h>")
            .with_header(HeaderName::CallId, "c")
            .with_header(HeaderName::CSeq, "1 SUBSCRIBE");
        if let Some(expires) = expires {
            request = request.with_header(HeaderName::Expires, expires);
        }
        let essentials = Essentials::of(&request.headers).unwrap();
        let address = "192.0.2.1:5060".parse().unwrap();
        let source = Source {
            transport: Transport::Udp,
            local: address,
            remote: address,
            flow: FlowId::NONE,
        };
        Incoming { request, essentials, source }
    }

    /// C15 · RFC 6665 §4.2.1.1
    #[test]
    fn never_more_is_granted_than_was_asked_for() {
        let granted = |expires| INTERVAL.agree(&subscribe(expires));
        assert_eq!(granted(Some("60")), Ok(60));
        assert_eq!(granted(Some("3600")), Ok(3_600));
        assert_eq!(granted(Some("1000000000")), Ok(7_200));
        assert_eq!(granted(None), Ok(3_600));
        assert_eq!(granted(Some("0")), Ok(0));
        assert_eq!(granted(Some("soon")), Err(IntervalError::Malformed));
    }

    /// C16 · RFC 6665 §4.2.1.1: an hour is never too brief, whatever the floor.
    #[test]
    fn too_brief_is_refused_with_the_floor_and_an_hour_never_is() {
        let incoming = subscribe(Some("1"));
        let refusal = INTERVAL.agree(&incoming).unwrap_err().refusal(&incoming);
        assert_eq!(refusal.status, StatusCode::INTERVAL_TOO_BRIEF);
        assert_eq!(refusal.headers.get(&HeaderName::MinExpires).unwrap().text(), "30");
        assert_eq!(INTERVAL.agree(&subscribe(Some("30"))), Ok(30));
        let strict = Interval { floor: 9_999, ..INTERVAL };
        assert_eq!(strict.agree(&subscribe(Some("3600"))), Ok(3_600));
        assert!(strict.agree(&subscribe(Some("3599"))).is_err());
    }
}
