//! No: with a reason that the caller's admin understands.

use std::fmt;

use sip::{HeaderName, Incoming, Response, StatusCode, Warning};
use units::Rng;

/// Why a caller does not get what he asked for. `Display` is the text of the Warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room for a new conference.
    PoolFull {
        /// Seats asked for.
        asked: u32,
        /// Seats that were to be had.
        free: u32,
        /// What there is too little of, in words; empty: it does not matter.
        short_of: &'static str,
    },
    /// Who pays for it has all that he may have.
    TenantFull {
        /// His name.
        tenant: String,
        /// Seats asked for.
        asked: u32,
        /// Seats that he has.
        has: u32,
        /// Seats that he may have.
        quota: u32,
    },
    /// Who pays for it makes conferences too fast.
    TenantRate {
        /// His name.
        tenant: String,
        /// Conferences that he may make in a minute.
        per_minute: u32,
    },
    /// The conference is reserved for a time to come.
    NotYet {
        /// Seconds until it may be joined.
        seconds: u64,
    },
    /// Too much for callers whose address is not proved.
    Unproved {
        /// Seats asked for.
        asked: u32,
        /// What all such callers together may hold.
        limit: u32,
    },
    /// This caller has had too many conferences on one Call-ID.
    SourceBusy,
    /// Too many answers to this address wait for their ACK.
    Unanswered {
        /// How many may.
        max: usize,
    },
    /// The conference has all the legs it may have.
    ConferenceFull {
        /// Its limit.
        legs_max: u32,
    },
    /// Somebody whom a conference shall call was called too often.
    CalledTooOften {
        /// How often he may be within a minute.
        max: u32,
    },
    /// The pool has no seat for one more leg.
    NoSeat,
    /// The node has no free media port.
    NoPort,
    /// A factory was told to bring somebody in.
    NoReferHere,
    /// A REFER came before anybody had joined.
    NobodyIn,
    /// Nobody gets in who is not called.
    Locked,
    /// As many wait to be let in as may.
    LobbyFull {
        /// How many.
        max: usize,
    },
    /// Too many wrong PINs came from there, or to this conference.
    TooManyPins {
        /// Seconds until one may try again.
        seconds: u64,
    },
    /// No such conference, whatever the reason.
    NotFound,
    /// We take no new conferences; those there are go on.
    Draining,
    /// We are shutting down.
    ShuttingDown,
    /// This answer form is not in this build.
    NotServed,
}

impl Refused {
    /// The answer on the wire. Never 6xx: that would end the search of a forking proxy everywhere.
    pub const fn status(&self) -> StatusCode {
        match self {
            // RFC 3261 §21.4.18. Not 503: that would keep a proxy from sending us anything at all,
            // joins of running conferences too (§21.5.4).
            Self::PoolFull { .. }
            | Self::Unproved { .. }
            | Self::SourceBusy
            | Self::Unanswered { .. }
            | Self::CalledTooOften { .. }
            | Self::NobodyIn
            | Self::NoSeat
            | Self::NotYet { .. }
            | Self::LobbyFull { .. }
            | Self::TooManyPins { .. }
            | Self::NoPort => StatusCode::TEMPORARILY_UNAVAILABLE,
            // His own limit: there may be room for others, and none for him wherever he asks.
            Self::ConferenceFull { .. } | Self::TenantFull { .. } | Self::TenantRate { .. } => {
                StatusCode::BUSY_HERE
            }
            Self::Locked | Self::NoReferHere => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Draining | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotServed => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// Whether the same request may well succeed in some seconds.
    const fn passes_soon(&self) -> bool {
        match self {
            Self::PoolFull { .. }
            | Self::Unproved { .. }
            | Self::SourceBusy
            | Self::Unanswered { .. }
            | Self::CalledTooOften { .. }
            | Self::TenantRate { .. }
            // For seconds, and no longer: joins come by the same address (RFC 3261 §21.5.4).
            | Self::Draining
            | Self::LobbyFull { .. }
            | Self::NoSeat
            | Self::NoPort => true,
            Self::ConferenceFull { .. }
            | Self::TenantFull { .. }
            | Self::NotYet { .. }
            | Self::TooManyPins { .. }
            | Self::Locked
            | Self::NoReferHere
            | Self::NobodyIn
            | Self::NotFound
            | Self::ShuttingDown
            | Self::NotServed => false,
        }
    }

    /// Whether the words may leave us: who tries conference URIs must not learn what was wrong.
    const fn is_explained(&self) -> bool {
        !matches!(self, Self::NotFound)
    }
}

/// By SIP: what to ask for stands in the URI.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words(f, "fewer with ;seats=N")
    }
}

/// A refusal in words for who asked by HTTP.
#[derive(Clone, Copy, Debug)]
pub struct OverHttp<'a>(&'a Refused);

impl fmt::Display for OverHttp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.words(f, "fewer seats")
    }
}

impl Refused {
    /// In the words of the HTTP interface, where seats are no parameter of a URI.
    pub const fn over_http(&self) -> OverHttp<'_> {
        OverHttp(self)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>, fewer: &str) -> fmt::Result {
        match self {
            Self::PoolFull { asked, free, short_of } => {
                write!(f, "No room for a conference of {asked}: {free} seats are free")?;
                if !short_of.is_empty() {
                    write!(f, ", there is too little of {short_of}")?;
                }
                write!(f, ". Try again shortly, or ask for {fewer}")
            }
            Self::TenantFull { tenant, asked, has, quota } => write!(
                f,
                "{tenant} has {has} of its {quota} seats and asked for {asked} more. This is its own limit, not the server's: end other conferences, or have its quota raised"
            ),
            Self::TenantRate { tenant, per_minute } => write!(
                f,
                "{tenant} may make {per_minute} conferences a minute and has made them. This is its own limit, not the server's: try again shortly"
            ),
            Self::NotYet { seconds } => write!(
                f,
                "This conference is reserved for later: it can be joined in {}",
                about(*seconds)
            ),
            Self::Unproved { asked, limit } => write!(
                f,
                "No room for a conference of {asked} to a caller not known yet: such callers share {limit} seats. Ask for {fewer}, or call over TCP"
            ),
            Self::SourceBusy => f.write_str(
                "Too many conferences asked for in one dialog. Call anew, with another Call-ID",
            ),
            Self::Unanswered { max } => write!(
                f,
                "{max} calls from this address were answered and not acknowledged yet. Try again shortly"
            ),
            Self::ConferenceFull { legs_max } => {
                write!(f, "This conference is full: its limit is {legs_max} participants")
            }
            Self::CalledTooOften { max } => write!(
                f,
                "The conferences of this server call nobody more than {max} times a minute. Try again later"
            ),
            Self::NoSeat => f.write_str(
                "This conference has outgrown the room held for it and the server is full. Try again shortly",
            ),
            Self::NoPort => {
                f.write_str("No media port is free on the server. Try again shortly")
            }
            Self::NoReferHere => f.write_str(
                "This address makes conferences: bring others in by a REFER to the conference itself, which is the Contact of its 302 or 200",
            ),
            Self::NobodyIn => f.write_str("Nobody has joined this conference yet: call it first"),
            Self::Locked => f.write_str(
                "This conference is locked: ask one who is in it, or who runs the server, to have you called",
            ),
            Self::LobbyFull { max } => write!(
                f,
                "{max} callers wait to be let into this conference already. Try again shortly"
            ),
            Self::TooManyPins { seconds } => write!(
                f,
                "Too many wrong PINs for this conference. Try again in {seconds} seconds"
            ),
            Self::NotFound => f.write_str("No such conference here"),
            Self::Draining => f.write_str(
                "This conference server takes no new conferences for now. Those there are go on",
            ),
            Self::ShuttingDown => f.write_str("The conference server is shutting down"),
            Self::NotServed => f.write_str(
                "This conference factory is set to relay calls, which this server cannot do yet",
            ),
        }
    }
}

/// Makes a refusal: status, To tag, Retry-After (2 to 10 s, at random so that the refused do not
/// come back all at once) where trying again helps, and a Warning 399 in words for the caller's
/// admin. `agent` is our host (RFC 3261 §20.43).
pub fn refusal(
    incoming: &Incoming,
    refused: &Refused,
    agent: &str,
    tag: &str,
    rng: &mut Rng,
) -> Response {
    let mut response = Response::answering(&incoming.request, refused.status()).with_to_tag(tag);
    if refused.passes_soon() {
        let seconds = RETRY_SECONDS_MIN + rng.below(RETRY_SECONDS_MAX - RETRY_SECONDS_MIN + 1);
        response.headers.push(HeaderName::RetryAfter, seconds.to_string());
    }
    if let Refused::NotYet { seconds } | Refused::TooManyPins { seconds } = refused {
        response.headers.push(HeaderName::RetryAfter, seconds.to_string());
    }
    if refused.is_explained() {
        let warning = Warning::new(399, agent, refused.to_string());
        response.headers.push(HeaderName::Warning, warning.to_string());
    }
    response
}

const RETRY_SECONDS_MIN: u64 = 2;
const RETRY_SECONDS_MAX: u64 = 10;

/// A time that a person need not reckon: in the largest unit of which it has two, rounded up.
fn about(seconds: u64) -> String {
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    let unit = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    let (length, name) = unit.unwrap_or((1, "seconds"));
    format!("{} {name}", seconds.div_ceil(length))
}
