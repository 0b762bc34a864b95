//! Session timers (RFC 4028): when a session that nobody refreshes is over.
//!
//! [`agree`] is what a UAS makes of a request; [`SessionTimer`] is the clock that both sides run
//! afterwards, without I/O.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use units::{Instant, soonest};

use crate::{HeaderName, Headers, Incoming, Params, Response, StatusCode, header::ValueError};

/// The interval that is recommended, in seconds (RFC 4028 §4). We never agree on a longer one.
pub const SESSION_SECONDS: u32 = 1_800;

/// The shortest interval that may be asked for, in seconds (RFC 4028 §5).
pub const SESSION_SECONDS_MIN: u32 = 90;

/// Who refreshes, as seen from the request that it was agreed in (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

impl Refresher {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// A Session-Expires (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionExpires {
    /// The interval. A number above `u32::MAX` was read as that.
    pub seconds: u32,
    /// Who refreshes, if it says.
    pub refresher: Option<Refresher>,
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            Some(refresher) => write!(f, ";refresher={}", refresher.as_str()),
            None => Ok(()),
        }
    }
}

impl FromStr for SessionExpires {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (seconds, params) = delta_seconds(text)?;
        let refresher = match params.value("refresher") {
            Some(name) if name.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(name) if name.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(ValueError),
            None => None,
        };
        Ok(Self { seconds, refresher })
    }
}

fn delta_seconds(text: &str) -> Result<(u32, Params), ValueError> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let seconds = crate::scan::number(number).ok_or(ValueError)?;
    Ok((u32::try_from(seconds).unwrap_or(u32::MAX), Params::parse_header(rest)?))
}

/// Reads Session-Expires; `None` when it is absent.
///
/// # Errors
/// It cannot be read.
pub fn session_expires(headers: &Headers) -> Result<Option<SessionExpires>, ValueError> {
    headers.get(&HeaderName::SessionExpires).map(|value| value.text().parse()).transpose()
}

/// Reads Min-SE, in seconds; 90 when it is absent (RFC 4028 §5).
///
/// # Errors
/// It cannot be read.
pub fn min_se(headers: &Headers) -> Result<u32, ValueError> {
    let read = headers.get(&HeaderName::MinSe).map(|value| delta_seconds(&value.text()));
    Ok(read.transpose()?.map_or(SESSION_SECONDS_MIN, |(seconds, _)| seconds))
}

/// What holds for a session from the 2xx on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The interval.
    pub seconds: u32,
    /// Who refreshes.
    pub refresher: Refresher,
}

/// Why no terms can be agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// 422
    #[error("the session interval is below {SESSION_SECONDS_MIN} s")]
    TooSmall,
    /// 400
    #[error("Session-Expires or Min-SE cannot be read")]
    Malformed,
}

impl TermsError {
    /// The refusal, without a To tag.
    pub fn refusal(self, incoming: &Incoming) -> Response {
        match self {
            // RFC 4028 §9: with the smallest interval that we take.
            Self::TooSmall => {
                let status = StatusCode::SESSION_INTERVAL_TOO_SMALL;
                Response::answering(&incoming.request, status)
                    .with_header(HeaderName::MinSe, SESSION_SECONDS_MIN)
            }
            Self::Malformed => Response::answering(&incoming.request, StatusCode::BAD_REQUEST),
        }
    }
}

/// What a UAS agrees to (RFC 4028 §9 and its table 2). `now_refreshing` is who refreshes so far, as
/// seen from this request. `None`: no timer.
///
/// A peer that knows session timers gets one, and refreshes itself where nothing says otherwise: a
/// server has enough to do. For a peer that knows nothing of them there is one only if a proxy asked
/// for it.
///
/// # Errors
/// [`TermsError`]; the request is refused.
pub fn agree(
    headers: &Headers,
    now_refreshing: Option<Refresher>,
) -> Result<Option<Terms>, TermsError> {
    let asked = session_expires(headers).map_err(|_| TermsError::Malformed)?;
    let floor = min_se(headers).map_err(|_| TermsError::Malformed)?.max(SESSION_SECONDS_MIN);
    let supported = headers.supported().is_ok_and(|tags| has_timer(&tags))
        || headers.require().is_ok_and(|tags| has_timer(&tags));
    let seconds = match asked {
        None if supported => SESSION_SECONDS.max(floor),
        None => return Ok(None),
        Some(asked) if asked.seconds < SESSION_SECONDS_MIN && supported => {
            return Err(TermsError::TooSmall);
        }
        // RFC 4028 §9: 422 means nothing to it, and raising the interval is not for a UAS.
        Some(asked) if asked.seconds < SESSION_SECONDS_MIN => return Ok(None),
        // Never raised; lowered no further than Min-SE.
        Some(asked) => asked.seconds.min(SESSION_SECONDS.max(floor)),
    };
    let said = asked.and_then(|asked| asked.refresher);
    let refresher = match (supported, said) {
        // Table 2, first line: who does not know the extension cannot refresh.
        (false, _) => Refresher::Uas,
        (true, Some(said)) => said,
        (true, None) => now_refreshing.unwrap_or(Refresher::Uac),
    };
    Ok(Some(Terms { seconds, refresher }))
}

/// Writes the terms into the 2xx.
pub fn write_terms(terms: Terms, headers: &mut Headers) {
    let Terms { seconds, refresher } = terms;
    let value = SessionExpires { seconds, refresher: Some(refresher) };
    headers.set(HeaderName::SessionExpires, value.to_string());
    // RFC 4028 §9: the peer must know that it is on it.
    if refresher == Refresher::Uac {
        headers.push(HeaderName::Require, TIMER);
    }
}

/// Writes into a request of ours that refreshes: we go on refreshing (RFC 4028 §7.4).
pub fn write_refresh(seconds: u32, min_se: u32, headers: &mut Headers) {
    let value = SessionExpires { seconds, refresher: Some(Refresher::Uac) };
    headers.set(HeaderName::SessionExpires, value.to_string());
    // RFC 4028 §7.3: the highest Min-SE that a 422 named.
    if min_se > SESSION_SECONDS_MIN {
        headers.set(HeaderName::MinSe, min_se);
    }
}

/// The option tag.
pub const TIMER: &str = "timer";

fn has_timer(tags: &[String]) -> bool {
    tags.iter().any(|tag| tag.eq_ignore_ascii_case(TIMER))
}

/// What a [`SessionTimer`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAction {
    /// Not yet.
    Nothing,
    /// Send a refresh: we are the refresher.
    Refresh,
    /// Nobody refreshed: send a BYE.
    End,
}

/// The clock of one session. A leaf: made anew with every refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    terms: Terms,
    we: Refresher,
    refresh_at: Option<Instant>,
    end_at: Instant,
}

impl SessionTimer {
    /// Starts when the 2xx goes out or comes in. `we` is who we were in that request.
    pub fn new(now: Instant, terms: Terms, we: Refresher) -> Self {
        let interval = Duration::from_secs(u64::from(terms.seconds));
        // RFC 4028 §10: a little before expiry, the smaller of 32 s and a third.
        let margin = END_BEFORE.min(interval / 3);
        Self {
            terms,
            we,
            // RFC 4028 §10: at half of it.
            refresh_at: (terms.refresher == we).then(|| now + interval / 2),
            end_at: now + (interval - margin),
        }
    }

    /// Goes on with one that was written down: what is left until the refresh of ours, if one is
    /// due, and until the end.
    pub fn resumed(
        now: Instant,
        (terms, we): (Terms, Refresher),
        refresh_in: Option<Duration>,
        end_in: Duration,
    ) -> Self {
        Self { terms, we, refresh_at: refresh_in.map(|after| now + after), end_at: now + end_in }
    }

    /// Who we were in the request that it was agreed in.
    pub const fn we(&self) -> Refresher {
        self.we
    }

    /// Whether it is on us to refresh.
    pub fn we_refresh(&self) -> bool {
        self.terms.refresher == self.we
    }

    /// What was agreed.
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// When the session is over.
    pub const fn end_at(&self) -> Instant {
        self.end_at
    }

    /// When a refresh is due, if one of ours is.
    pub const fn refresh_at(&self) -> Option<Instant> {
        self.refresh_at
    }

    /// Puts the next refresh off, or on again: after one that failed.
    pub const fn refresh_again_at(&mut self, at: Instant) {
        self.refresh_at = Some(at);
    }

    /// When to call [`Self::handle_deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        soonest(self.refresh_at, Some(self.end_at))
    }

    /// Says what is due. A refresh is named once, until [`Self::refresh_again_at`].
    pub fn handle_deadline(&mut self, now: Instant) -> SessionAction {
        if now >= self.end_at {
            return SessionAction::End;
        }
        match self.refresh_at {
            Some(at) if now >= at => {
                self.refresh_at = None;
                SessionAction::Refresh
            }
            Some(_) | None => SessionAction::Nothing,
        }
    }
}

/// RFC 4028 §10
const END_BEFORE: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests;
