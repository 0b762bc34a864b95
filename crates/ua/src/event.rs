//! What a user agent hands to its owner.

use std::fmt;
use std::net::SocketAddr;

use sdp::Negotiated;
use sip::header::Reason;
use sip::subscription::Ended;
use sip::{Headers, NameAddr, Packet, StatusCode, Uri, Wanted};

use crate::roster::{DocumentError, Roster};

use crate::RegistrationNews;

/// Names one call of one [`crate::Ua`]; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Names one REFER that we sent; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferId(pub u64);

/// Names one REFER that was sent to us; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferralId(pub u64);

/// Names one subscription to a conference; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub u64);

/// Names one question for an address; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolveId(pub u64);

/// What the owner of a [`crate::Ua`] has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send these bytes from `path.local` to `path.remote`.
    Send(Packet),
    /// Something happened.
    Event(Event),
    /// Find out where a name leads, by a [`sip::Locator`], then call `resolved` with the same id. Without an answer the
    /// call or REFER waits until its own limit.
    Resolve {
        /// Goes back with the answer.
        id: ResolveId,
        /// A host name, never a number, and what the URI says of port and transport.
        wanted: Wanted,
    },
}

/// Something happened to a call or a reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The call was redirected and is being placed anew.
    Redirected {
        /// Whose.
        call: CallId,
        /// The Contact's URI, byte for byte.
        to: Uri,
        /// Whether that Contact says `isfocus` (RFC 3840 §9): `to` is a conference.
        conference: bool,
    },
    /// A provisional answer above 100 arrived.
    Ringing {
        /// Whose.
        call: CallId,
        /// 180 or 183, mostly.
        status: StatusCode,
    },
    /// The call is up and its media can flow.
    Established {
        /// Which.
        call: CallId,
        /// What was agreed.
        media: Negotiated,
        /// Where the peer's signalling comes from.
        peer: SocketAddr,
        /// The peer's Contact, if it says `isfocus`: the conference's URI (RFC 4579 §5.4).
        conference: Option<Uri>,
    },
    /// The peer changed the media by a re-INVITE.
    MediaChanged {
        /// Whose.
        call: CallId,
        /// What holds from now on.
        media: Negotiated,
    },
    /// A hold or resume of ours has come to its end. What of the media changed was told before.
    HoldEnded {
        /// Whose.
        call: CallId,
        /// Whether the peer is on hold from now on.
        on_hold: bool,
        /// Why it was not done: the session is as it was (RFC 3261 §14.1).
        refused: Option<Refusal>,
    },
    /// The call ended before it was established.
    CallFailed {
        /// Which.
        call: CallId,
        /// Why.
        why: CallFailure,
    },
    /// An established call ended.
    CallEnded {
        /// Which.
        call: CallId,
        /// Why.
        why: EndCause,
    },
    /// Somebody calls: `accept`, `ring` or `reject` it.
    IncomingCall {
        /// Which.
        call: CallId,
        /// The From header.
        from: NameAddr,
        /// Where the INVITE came from.
        source: SocketAddr,
        /// The established call whose place it takes: `accept` ends that one (RFC 3891 §3).
        replaces: Option<CallId>,
    },
    /// The peer took our REFER: a 2xx, or a NOTIFY that overtook it.
    ReferAccepted {
        /// Which.
        refer: ReferId,
    },
    /// The peer reports a provisional status of the call that it makes for us.
    ReferProgress {
        /// Which.
        refer: ReferId,
        /// Its status, 100 to 199.
        status: StatusCode,
    },
    /// The REFER has come to its end.
    ReferEnded {
        /// Which.
        refer: ReferId,
        /// How.
        outcome: ReferOutcome,
    },
    /// Somebody asks us to call `refer_to`: `accept_referral` or `reject_referral`.
    IncomingReferral {
        /// Which.
        referral: ReferralId,
        /// Who asks.
        referrer: Box<Referrer>,
        /// Whom to call.
        refer_to: Uri,
        /// The call in whose dialog the REFER came.
        inside: Option<CallId>,
    },
    /// The peer of a call that came up is a conference, and tells who is in it (RFC 4579 §3.4): `watch` it to know.
    Watchable {
        /// Which call.
        call: CallId,
        /// The conference's URI.
        conference: Uri,
    },
    /// Who is in a conference that we watch, from now on.
    RosterChanged {
        /// Which subscription.
        watch: WatchId,
        /// All that is known.
        roster: Box<Roster>,
    },
    /// A document of a conference cannot be read; its roster is as it was.
    RosterUnreadable {
        /// Which subscription.
        watch: WatchId,
        /// Why not.
        why: DocumentError,
    },
    /// A subscription is over.
    WatchEnded {
        /// Which.
        watch: WatchId,
        /// How.
        why: Ended,
    },
    /// The final NOTIFY of a referral was answered or given up: nothing is left of it.
    ReferralEnded {
        /// Which.
        referral: ReferralId,
    },
    /// Our registration has begun, failed or ended.
    Registration(RegistrationNews),
}

/// Who sent a REFER, as far as that can be known without authentication.
#[derive(Clone, Debug, PartialEq)]
pub struct Referrer {
    /// The From header.
    pub from: NameAddr,
    /// The Referred-By header's URI, if there was one.
    pub referred_by: Option<Uri>,
    /// Where the packet came from.
    pub source: SocketAddr,
    /// Whether a call with that very peer is established: inside its dialog, from its address, or with a
    /// Target-Dialog that names it.
    pub in_call: bool,
}

/// A final answer that refused something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase as it was sent.
    pub reason: String,
    /// The text of the first Warning header.
    pub warning: Option<String>,
    /// The Retry-After header, in seconds.
    pub retry_after_seconds: Option<u32>,
}

impl fmt::Display for Refusal {
    /// As in `480 Temporarily Unavailable (no seat is free), try again in 7 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.reason)?;
        if let Some(warning) = &self.warning {
            write!(f, " ({warning})")?;
        }
        if let Some(seconds) = self.retry_after_seconds {
            write!(f, ", try again in {seconds} s")?;
        }
        Ok(())
    }
}

/// Why a call was never established.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallFailure {
    /// The peer refused it.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Redirected back to where we have been already, or to nothing that we can call.
    #[error("redirected to nowhere new: {0}")]
    RedirectExhausted(Refusal),
    /// Redirected more than [`crate::REDIRECTS_MAX`] times.
    #[error("redirected more than {} times", crate::REDIRECTS_MAX)]
    TooManyRedirects,
    /// No answer came in 64*T1, or it rang for too long. Acts like 408.
    #[error("no answer")]
    NoAnswer,
    /// The packets cannot be sent. Acts like 503.
    #[error("cannot be reached")]
    Unreachable,
    /// Not even asked, because the server there is overloaded and has asked us for fewer calls (RFC 7339 §5.10). Acts like 503.
    #[error("not called: the server there is overloaded and has asked us for fewer calls")]
    Overloaded,
    /// Not even asked, because the server there has answered none of our last requests (RFC 7339 §5.9). Acts like 503.
    #[error("not called: the server there has answered none of our last requests")]
    Silent,
    /// The host has no address.
    #[error("the host {host} has no address")]
    Unresolved {
        /// Its name.
        host: String,
    },
    /// The peer's session description is of no use; its dialog was ended by BYE.
    #[error("the peer's session description cannot be used")]
    BadDescription,
    /// The peer's answer makes no dialog (no Contact or no To tag).
    #[error("the peer's answer makes no dialog")]
    BadAnswer,
    /// Given up by CANCEL or BYE before it was established.
    #[error("cancelled")]
    Cancelled,
    /// We refused the peer's call.
    #[error("refused by us with {0}")]
    Rejected(StatusCode),
}

impl CallFailure {
    /// The status by which this failure is reported to whoever referred us.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) | Self::RedirectExhausted(refusal) => refusal.status,
            Self::TooManyRedirects => StatusCode::LOOP_DETECTED,
            // RFC 3261 §8.1.3.1: a timeout acts like 408, a transport error like 503.
            Self::NoAnswer => StatusCode::REQUEST_TIMEOUT,
            Self::Unreachable | Self::Overloaded | Self::Silent | Self::Unresolved { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::BadDescription => StatusCode::NOT_ACCEPTABLE_HERE,
            Self::BadAnswer => StatusCode::BAD_GATEWAY,
            Self::Cancelled => StatusCode::REQUEST_TERMINATED,
            Self::Rejected(status) => *status,
        }
    }
}

/// Why an established call ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndCause {
    /// We hung up.
    #[error("we hung up")]
    Local,
    /// The peer hung up.
    #[error("the peer hung up{}", because(reason.as_deref()))]
    Remote {
        /// Why, in the words of its Reason field (RFC 3326); at most 200 characters.
        reason: Option<String>,
    },
    /// The peer never acknowledged our 200 (RFC 3261 §13.3.1.4).
    #[error("the answer was never acknowledged")]
    NoAck,
    /// The peer does not know the dialog any more, or did not answer in it (RFC 3261 §12.2.1.2).
    #[error("the peer has forgotten the call")]
    DialogLost,
    /// No media came for long, and the peer did not answer the question whether it is there.
    #[error("the peer is not there any more")]
    Silent,
    /// Nobody refreshed the session in time (RFC 4028 §10).
    #[error("the session was not refreshed")]
    Expired,
    /// Another call of the peer's took its place (RFC 3891 §3).
    #[error("replaced by another call")]
    Replaced,
    /// The answer in the ACK cannot be used.
    #[error("the peer's session description cannot be used")]
    BadDescription,
}

impl EndCause {
    /// A BYE of the peer's, with these fields.
    pub(crate) fn remote(headers: &Headers) -> Self {
        let reasons = headers.reasons();
        let said = reasons.iter().find_map(Reason::text);
        let numbered = || {
            let first = reasons.first()?;
            Some(format!("{} cause {}", first.protocol, first.cause()?))
        };
        let shown = |text: String| text.chars().take(REASON_CHARS_MAX).collect();
        Self::Remote { reason: said.or_else(numbered).map(shown) }
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

/// Longest reason that is shown. A peer writes what he likes; one line of it is enough.
const REASON_CHARS_MAX: usize = 200;

/// How a REFER goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Outside any dialog.
    Outside,
    /// In the dialog of this established call.
    Inside(CallId),
}

/// What came of a REFER that we sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferOutcome {
    /// The peer reported that its call is up.
    Succeeded,
    /// The peer took the REFER, and reported that its call was refused with this.
    NotReached(Refusal),
    /// The REFER itself was refused.
    Refused(Refusal),
    /// The REFER had no final answer in 64*T1 and no NOTIFY.
    NoAnswer,
    /// The packets cannot be sent, or the host has no address.
    Unreachable,
    /// Accepted, but the subscription ended or ran out without a final status.
    Unreported,
}

/// Why a command could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The URI's scheme or transport is not one that we can call.
    #[error("only sip: URIs over UDP and TCP can be called")]
    UnsupportedUri,
    /// No such call or referral, or not in a state in which this can be done.
    #[error("not possible in this state")]
    WrongState,
    /// The offer and our media have nothing in common; the call was refused with 488.
    #[error("no common codec")]
    NoCommonCodec,
    /// Nothing left of a bounded table.
    #[error("too many at once")]
    Full,
}
