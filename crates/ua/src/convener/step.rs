//! The steps of a convened conference, as they are shown.

use sip::{StatusCode, Uri};

use crate::RegistrationNews;
use crate::event::{CallFailure, EndCause, Refusal};
use crate::roster::Roster;

/// One step. `invitee` is an index into the configured list.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The factory is being called.
    Calling {
        /// Its URI.
        factory: Uri,
    },
    /// The factory (or a proxy before it) sent us on.
    Redirected {
        /// Where to, byte for byte.
        to: Uri,
    },
    /// The factory or the conference rings.
    Ringing {
        /// 180 or 183, mostly.
        status: StatusCode,
    },
    /// We are in.
    Joined {
        /// The URI that the others get, byte for byte.
        conference: Uri,
    },
    /// Who is in the conference now, as it tells us (RFC 4575).
    Roster(Box<Roster>),
    /// An invitee was sent a REFER.
    InviteeAsked {
        /// Who.
        invitee: usize,
        /// Whether inside a call with him.
        inside: bool,
    },
    /// The conference was told to call an invitee.
    FocusAsked {
        /// Whom.
        invitee: usize,
    },
    /// The conference is calling an invitee.
    FocusCalling {
        /// Whom.
        invitee: usize,
    },
    /// A REFER outside a dialog was refused or not answered; the invitee is called instead.
    InviteeCalled {
        /// Who.
        invitee: usize,
        /// What the REFER outside a dialog came to; `None`: it was never tried.
        after: Option<InviteeFailure>,
    },
    /// The invitee's terminal rings, in our call to him or by his report.
    InviteeRinging {
        /// Who.
        invitee: usize,
        /// 180 or 183, mostly.
        status: StatusCode,
    },
    /// The invitee took the REFER and is calling the conference.
    InviteeCalling {
        /// Who.
        invitee: usize,
    },
    /// The invitee reported that he is in.
    InviteeJoined {
        /// Who.
        invitee: usize,
    },
    /// The invitee does not come.
    InviteeRefused {
        /// Who.
        invitee: usize,
        /// Why.
        why: InviteeFailure,
    },
    /// We are out, or never came in; what is still going on is being ended.
    Ended {
        /// How.
        outcome: Outcome,
    },
    /// Our registration has begun, failed or ended.
    Registration(RegistrationNews),
    /// Nothing is left: no call, no REFER, no transaction that anyone waits for.
    Finished,
}

/// Why an invitee does not come.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InviteeFailure {
    /// He refused the REFER.
    #[error("refused to be referred: {0}")]
    Refused(Refusal),
    /// He took it, and his call to the conference failed with this.
    #[error("was not admitted: {0}")]
    NotAdmitted(Refusal),
    /// He took it and never said what came of it.
    #[error("never said whether he joined")]
    Unreported,
    /// The conference does not call him.
    #[error("the conference would not call: {0}")]
    NotCalled(Refusal),
    /// The conference called him, and he did not join.
    #[error("did not join: {0}")]
    NotJoined(Refusal),
    /// No answer to the REFER.
    #[error("no answer")]
    NoAnswer,
    /// The packets cannot be sent, or his host has no address.
    #[error("cannot be reached")]
    Unreachable,
    /// The call to him, made to REFER inside it, failed.
    #[error("could not be called: {0}")]
    CallFailed(CallFailure),
    /// We left, or the conference ended, before he was in.
    #[error("was not in when it ended")]
    Abandoned,
}

/// How the conference ended for us.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Outcome {
    /// We left, by `leave` or when the time to stay was over.
    #[error("left")]
    Left,
    /// The conference ended under us.
    #[error("the conference ended: {0}")]
    ConferenceEnded(EndCause),
    /// The factory or the conference did not take us.
    #[error("not joined: {0}")]
    NotJoined(CallFailure),
    /// We are connected, but nobody named a conference URI: no 3xx and no `isfocus`.
    #[error("the peer answered, but is no conference")]
    NotAConference,
}

impl Outcome {
    /// What a person can do about it, in one line; `None` where nothing is wrong or nothing helps.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Left | Self::ConferenceEnded(_) => None,
            Self::NotJoined(why) => advice_on(why),
            Self::NotAConference => {
                Some("check the address: a conference factory is meant to be called".to_owned())
            }
        }
    }
}

fn advice_on(why: &CallFailure) -> Option<String> {
    let advice = match why {
        CallFailure::Refused(refusal) => return advice_on_refusal(refusal),
        CallFailure::RedirectExhausted(_) | CallFailure::TooManyRedirects => {
            "the redirections lead nowhere: check the factory's address"
        }
        CallFailure::NoAnswer | CallFailure::Unreachable => {
            "is the server running, and is its address right?"
        }
        CallFailure::Overloaded => {
            "try again in a few seconds; if that lasts, its operator has to know that it is overloaded"
        }
        CallFailure::Silent => {
            "is the server running, and is its address right? It is tried again within a minute or so"
        }
        CallFailure::Unresolved { .. } => "check the host name, or write its address as a number",
        CallFailure::BadDescription | CallFailure::BadAnswer => {
            "the server does not speak SIP as we do: show its operator this line"
        }
        CallFailure::Cancelled | CallFailure::Rejected(_) => return None,
    };
    Some(advice.to_owned())
}

fn advice_on_refusal(refusal: &Refusal) -> Option<String> {
    let wait = match refusal.retry_after_seconds {
        Some(seconds) => format!("try again in {seconds} s"),
        None => "try again later".to_owned(),
    };
    match refusal.status {
        StatusCode::TEMPORARILY_UNAVAILABLE => {
            Some(format!("no room is left for a conference of this size: {wait}, or ask for fewer"))
        }
        StatusCode::BUSY_HERE => {
            Some("the conference is full: somebody has to leave first".to_owned())
        }
        // RFC 3261 §21.5.4: until then nothing else may be sent there either.
        StatusCode::SERVICE_UNAVAILABLE => {
            Some(format!("the server takes no new conferences now: {wait}"))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => Some(
            "nobody has this address: is it spelled right, has the conference ended?".to_owned(),
        ),
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Some(
            "the server wants to know who you are: give the right --user and a password".to_owned(),
        ),
        StatusCode::FORBIDDEN => {
            Some("the server knows who you are and says no: ask its operator".to_owned())
        }
        StatusCode::NOT_ACCEPTABLE_HERE => {
            Some("no codec in common: PCMU or PCMA is needed".to_owned())
        }
        _ => refusal.retry_after_seconds.map(|_| wait),
    }
}
