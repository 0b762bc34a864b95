//! A binding of our address at a registrar, kept fresh (RFC 3261 §10.2): when to ask, and what an
//! answer means. It sends nothing itself.

use std::fmt;
use std::time::Duration;

use sip::{Contacts, HeaderName, NameAddr, Response, StatusCode, TRANSACTION_TIMEOUT, Uri};
use units::{Instant, Rng};

use crate::event::Refusal;

use super::requests::refusal;

/// How long a binding is asked for: long enough that refreshing is no load, short enough that a
/// terminal which vanished is soon not called any more.
const EXPIRES_SECONDS: u32 = 300;

/// Longest that a registrar may talk us up to by 423: a day. More would be its way to say never.
const EXPIRES_SECONDS_MAX: u32 = 86_400;

/// RFC 5626 §4.5: the wait after the first failure; doubled with each further one.
const RETRY_BASE: Duration = Duration::from_secs(30);

/// RFC 5626 §4.5: no wait is longer. Retry-After is believed as far.
const RETRY_MAX: Duration = Duration::from_secs(1_800);

/// Shortest binding that is refreshed as it comes: a registrar that gives less must not have us send
/// without pause.
const REFRESH_MIN: Duration = Duration::from_secs(5);

/// How long the end waits for the registrar: without an answer the binding runs out by itself.
const FAREWELL: Duration = Duration::from_secs(3);

/// Longest that a REGISTER is under way: a transaction with all the challenges that are answered. Beyond
/// it the registrar's name was never found.
const ASKED_MAX: Duration = Duration::from_secs(180);

/// Where to register, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterConfig {
    /// The registrar's domain, as in `sip:example.com`.
    pub registrar: Uri,
    /// The address that others call us by, as in `sip:alice@example.com`.
    pub aor: Uri,
}

/// Something to tell about a registration.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistrationNews {
    /// Others reach us by the address from now on. Refreshes are not told.
    Up {
        /// The address.
        aor: Uri,
        /// How long the registrar keeps it without a refresh.
        seconds: u32,
    },
    /// The registrar did not take us.
    Failed {
        /// Why.
        why: RegisterFailure,
        /// When it will be tried again.
        again_in: Duration,
    },
    /// We took ourselves out, or gave up waiting for that.
    Gone,
}

/// Why a registrar did not take us.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegisterFailure {
    /// It refused.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It wants longer bindings than we ask for, or does not say how long.
    #[error("the registrar names no time that it would take")]
    NoInterval,
    /// No answer.
    #[error("no answer")]
    NoAnswer,
    /// The packets cannot be sent, or its host has no address.
    #[error("cannot be reached")]
    Unreachable,
}

impl RegisterFailure {
    /// What whoever runs the terminal can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => match refusal.status {
                StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    "give this user's password, and its name if that is another"
                }
                StatusCode::FORBIDDEN => "this user may not register that address",
                StatusCode::NOT_FOUND => "the registrar does not serve that address",
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                    "this is no registrar: name another"
                }
                _ => "ask whoever runs the registrar",
            },
            Self::NoInterval => "ask whoever runs the registrar",
            Self::NoAnswer | Self::Unreachable => "is the registrar's address right?",
        }
    }
}

/// What came of a REGISTER.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Came<'a> {
    Response(&'a Response),
    NoAnswer,
    Unreachable,
}

/// A binding and what is done for it.
#[derive(Debug)]
pub(crate) struct Registration {
    config: RegisterConfig,
    state: State,
    /// Seconds to ask for: raised by 423.
    expires: u32,
    /// Failures since the last success.
    failures: u32,
    /// Whether the registrar has us, as far as we know.
    is_up: bool,
    /// Until when the registrar may have us, if nothing takes us out: also after a refresh that failed.
    bound_until: Instant,
    /// Whether it is to end, and until when that may take.
    ends: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next REGISTER goes out then.
    Waiting { at: Instant },
    /// One is under way, for so many seconds (0: to be taken out). RFC 3261 §10.2: no other before its
    /// answer.
    Asking { expires: u32, until: Instant },
    /// Not registered, and that is how it stays.
    Off,
}

impl Registration {
    /// One whose first REGISTER is due at once.
    pub(crate) fn new(config: RegisterConfig) -> Self {
        let state = State::Waiting { at: Instant::ZERO };
        Self {
            config,
            state,
            expires: EXPIRES_SECONDS,
            failures: 0,
            is_up: false,
            bound_until: Instant::ZERO,
            ends: None,
        }
    }

    pub(crate) const fn config(&self) -> &RegisterConfig {
        &self.config
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { at } => Some(at),
            State::Asking { until, .. } => Some(self.ends.map_or(until, |ends| ends.min(until))),
            State::Off => None,
        }
    }

    /// Whether nobody has to wait for it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ends.is_none() || self.state == State::Off
    }

    /// The seconds that a REGISTER is to be sent for now, if one is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<u32> {
        match self.state {
            State::Waiting { at } if at <= now => {
                let expires = if self.ends.is_some() { 0 } else { self.expires };
                self.state = State::Asking { expires, until: now + ASKED_MAX };
                Some(expires)
            }
            State::Waiting { .. } | State::Asking { .. } | State::Off => None,
        }
    }

    /// The seconds that the REGISTER under way is for.
    pub(crate) const fn asking(&self) -> Option<u32> {
        match self.state {
            State::Asking { expires, .. } => Some(expires),
            State::Waiting { .. } | State::Off => None,
        }
    }

    /// Gives up waiting for the registrar, when it is time to.
    pub(crate) fn overdue(&mut self, now: Instant, rng: &mut Rng) -> Option<RegistrationNews> {
        match self.state {
            State::Off => None,
            _ if self.ends.is_some_and(|at| at <= now) => Some(self.off()),
            State::Asking { until, .. } if until <= now => {
                self.failed(now, RegisterFailure::NoAnswer, None, rng)
            }
            State::Asking { .. } | State::Waiting { .. } => None,
        }
    }

    /// Takes us out. What is under way is waited for (RFC 3261 §10.2).
    pub(crate) fn end(&mut self, now: Instant) -> Option<RegistrationNews> {
        if self.ends.is_some() || self.state == State::Off {
            return None;
        }
        self.ends = Some(now + FAREWELL);
        match self.state {
            State::Waiting { .. } if now < self.bound_until => {
                self.state = State::Waiting { at: now };
                None
            }
            State::Waiting { .. } => {
                // There is nothing to take out.
                self.state = State::Off;
                None
            }
            State::Asking { .. } | State::Off => None,
        }
    }

    /// What came of the REGISTER that was under way. `contact` is what we registered.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        came: &Came<'_>,
        contact: Option<&Uri>,
        rng: &mut Rng,
    ) -> Option<RegistrationNews> {
        let State::Asking { expires, .. } = self.state else { return None };
        if expires == 0 {
            return Some(self.off());
        }
        match came {
            Came::Response(response) if response.status.is_success() => {
                self.accepted(now, response, expires, contact)
            }
            Came::Response(response) if response.status == StatusCode::INTERVAL_TOO_BRIEF => {
                match min_expires(response).filter(|&least| least > expires) {
                    // RFC 3261 §10.2.8. Asked for with more each time, so this ends.
                    Some(least) if least <= EXPIRES_SECONDS_MAX => {
                        self.expires = least;
                        self.state = State::Waiting { at: now };
                        None
                    }
                    Some(_) | None => self.failed(now, RegisterFailure::NoInterval, None, rng),
                }
            }
            Came::Response(response) => {
                let refusal = refusal(response);
                let wait = refusal.retry_after_seconds;
                self.failed(now, RegisterFailure::Refused(refusal), wait, rng)
            }
            Came::NoAnswer => self.failed(now, RegisterFailure::NoAnswer, None, rng),
            Came::Unreachable => self.failed(now, RegisterFailure::Unreachable, None, rng),
        }
    }

    fn accepted(
        &mut self,
        now: Instant,
        response: &Response,
        asked: u32,
        contact: Option<&Uri>,
    ) -> Option<RegistrationNews> {
        let seconds = granted(response, contact).unwrap_or(asked);
        let was_up = std::mem::replace(&mut self.is_up, true);
        self.bound_until = now + Duration::from_secs(seconds.into());
        self.failures = 0;
        // Told to end meanwhile: out again, at once.
        let at = if self.ends.is_some() { now } else { now + refresh_after(seconds) };
        self.state = State::Waiting { at };
        (!was_up).then(|| RegistrationNews::Up { aor: self.config.aor.clone(), seconds })
    }

    fn failed(
        &mut self,
        now: Instant,
        why: RegisterFailure,
        retry_after: Option<u32>,
        rng: &mut Rng,
    ) -> Option<RegistrationNews> {
        if self.ends.is_some() && now >= self.bound_until {
            return Some(self.off());
        }
        let again_in = self.back_off(retry_after, rng);
        self.failures = self.failures.saturating_add(1);
        // An earlier binding may last some time yet; to be told so early does no harm.
        self.is_up = false;
        let at = if self.ends.is_some() { now } else { now + again_in };
        self.state = State::Waiting { at };
        Some(RegistrationNews::Failed { why, again_in })
    }

    /// RFC 5626 §4.5: doubling, and somewhere between half of it and the whole, so that not all
    /// terminals come back at once after a registrar was away.
    fn back_off(&self, retry_after: Option<u32>, rng: &mut Rng) -> Duration {
        let doubled = RETRY_BASE.saturating_mul(1 << self.failures.min(10)).min(RETRY_MAX);
        let half = u64::try_from(doubled.as_millis() / 2).unwrap_or(u64::MAX);
        let wait = Duration::from_millis(half + rng.below(half + 1));
        let asked = Duration::from_secs(retry_after.unwrap_or(0).into()).min(RETRY_MAX);
        wait.max(asked)
    }

    fn off(&mut self) -> RegistrationNews {
        self.state = State::Off;
        self.is_up = false;
        RegistrationNews::Gone
    }
}

/// RFC 3261 §10.2.4: before it runs out, with time for a whole transaction; a short one at its half.
fn refresh_after(seconds: u32) -> Duration {
    let granted = Duration::from_secs(seconds.into());
    let early = TRANSACTION_TIMEOUT + Duration::from_secs(8);
    granted.saturating_sub(early).max(granted / 2).max(REFRESH_MIN)
}

/// RFC 3261 §10.2.4: how long our own binding lasts, among all that are listed.
fn granted(response: &Response, contact: Option<&Uri>) -> Option<u32> {
    let listed = match response.headers.contacts() {
        Ok(Contacts::List(listed)) => listed,
        Ok(Contacts::Star) | Err(_) => Vec::new(),
    };
    let ours = contact.and_then(|ours| listed.iter().find(|listed| listed.uri.equivalent(ours)));
    let of_ours = |ours: &NameAddr| ours.params.value("expires").and_then(|text| text.parse().ok());
    ours.and_then(of_ours).or_else(|| response.headers.expires().ok().flatten())
}

fn min_expires(response: &Response) -> Option<u32> {
    response.headers.get(&HeaderName::MinExpires)?.as_str()?.trim().parse().ok()
}

impl fmt::Display for RegistrationNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { aor, .. } => write!(f, "as {aor}"),
            Self::Failed { why, again_in } => {
                let seconds = again_in.as_secs();
                write!(f, "{why}: {}; once more in {seconds} s", why.advice())
            }
            Self::Gone => f.write_str("not registered any more"),
        }
    }
}
