//! What a phone tells its person.

use std::fmt;

use sip::{NameAddr, StatusCode, Uri};

use crate::RegistrationNews;
use crate::event::{CallFailure, CommandError, EndCause, ReferOutcome, Refusal};
use crate::slots::SlotId;

/// Names one call of a phone: 1, 2, 3 in the order in which they began; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u32);

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something happened that a person would want to see.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneNews {
    /// We call somebody.
    Calling {
        /// Which call.
        line: LineId,
        /// Whom.
        to: Uri,
    },
    /// Somebody calls and waits for `answer`.
    Incoming {
        /// Which call.
        line: LineId,
        /// Who.
        from: NameAddr,
    },
    /// Somebody called and all lines are busy.
    Busy {
        /// Who.
        from: NameAddr,
    },
    /// A REFER is followed: we call `to`.
    Referred {
        /// The call that it makes.
        line: LineId,
        /// Who asked.
        by: NameAddr,
        /// Whom we call.
        to: Uri,
    },
    /// A REFER was refused.
    ReferralRefused {
        /// Who asked.
        by: NameAddr,
        /// Whom to call.
        to: Uri,
    },
    /// A call of ours was sent on.
    Redirected {
        /// Which.
        line: LineId,
        /// Where to.
        to: Uri,
    },
    /// A call of ours rings.
    Ringing {
        /// Which.
        line: LineId,
        /// 180 or 183, mostly.
        status: StatusCode,
    },
    /// A call is up.
    Up {
        /// Which.
        line: LineId,
        /// The socket of its media.
        slot: SlotId,
        /// The conference's URI, if the peer is one.
        conference: Option<Uri>,
    },
    /// The peer put us on hold, or took us back.
    HeldByPeer {
        /// Which call.
        line: LineId,
        /// Whether it holds us.
        held: bool,
    },
    /// A hold or resume of ours has come to its end.
    Hold {
        /// Which call.
        line: LineId,
        /// Whether the peer is on hold now.
        on_hold: bool,
        /// Why it was not done.
        refused: Option<Refusal>,
    },
    /// What we say is heard by nobody, or again by all.
    Muted {
        /// Which of the two.
        muted: bool,
    },
    /// A call never came up.
    Failed {
        /// Which.
        line: LineId,
        /// Why.
        why: CallFailure,
    },
    /// A call ended.
    Ended {
        /// Which.
        line: LineId,
        /// Why.
        why: EndCause,
    },
    /// The peer of a call was asked to call somebody.
    Refer {
        /// Which call.
        line: LineId,
        /// Whom it is to call.
        to: Uri,
        /// How far that is.
        step: ReferStep,
    },
    /// A merge goes on.
    Merge(MergeStep),
    /// Whether we can be reached by our own name.
    Registration(RegistrationNews),
    /// Who is in the conference of this call, as it says: their URIs.
    Roster {
        /// Which call.
        line: LineId,
        /// All that it lists, ourselves too.
        users: Vec<String>,
    },
    /// A command could not be done.
    Denied {
        /// Why.
        why: PhoneError,
    },
    /// Nothing is left, after `stop`.
    Finished,
}

/// How far a REFER is.
#[derive(Clone, Debug, PartialEq)]
pub enum ReferStep {
    /// It was sent.
    Asked,
    /// The peer takes it.
    Accepted,
    /// What the peer calls says so.
    Progress(StatusCode),
    /// It is over.
    Ended(ReferOutcome),
}

/// How a party of a merge is asked into the conference, in the order in which that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A REFER to him in our call, with the conference's URI (RFC 4579 §5.6): he calls it.
    Himself,
    /// A REFER to the focus, with a Replaces for our call: the focus calls him in its place
    /// (RFC 4579 §5.10).
    Replacing,
    /// A REFER to the focus: it calls him beside our call (RFC 4579 §5.5).
    DialledOut,
}

impl Way {
    /// What is tried when this was refused.
    pub(super) const fn next(self) -> Option<Self> {
        match self {
            Self::Himself => Some(Self::Replacing),
            Self::Replacing => Some(Self::DialledOut),
            Self::DialledOut => None,
        }
    }
}

/// A step of a merge: several calls become one conference.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeStep {
    /// The factory is called, if we are in no conference yet.
    Begun {
        /// Who is to come.
        lines: Vec<LineId>,
    },
    /// We are in.
    Joined {
        /// Our call to the conference.
        line: LineId,
        /// Its URI.
        conference: Uri,
    },
    /// A party was asked, or the focus was asked to fetch him.
    Asked {
        /// Who.
        line: LineId,
        /// How.
        way: Way,
    },
    /// That way did not work.
    Refused {
        /// Who.
        line: LineId,
        /// Which.
        way: Way,
        /// Why.
        why: ReferOutcome,
    },
    /// He is in the conference; our call with him is ended if he has not done that.
    Moved {
        /// Who.
        line: LineId,
        /// How.
        way: Way,
    },
    /// No way worked: our call with him stays as it is, if he has not ended it.
    Kept {
        /// Who.
        line: LineId,
    },
    /// The merge is over.
    Ended(MergeOutcome),
}

/// How a merge ended.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeOutcome {
    /// Everybody asked has got his answer: so many came, so many stay in a call of their own.
    Done {
        /// Who are in.
        moved: usize,
        /// Who are not.
        kept: usize,
    },
    /// There is no conference; all calls are as they were.
    NoConference(CallFailure),
    /// What answered is no conference; all calls are as they were.
    NotAConference,
    /// The conference ended meanwhile.
    ConferenceEnded(EndCause),
}

/// Why a command cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// No call has this number.
    #[error("there is no call {0}")]
    NoSuchLine(LineId),
    /// None of the calls is in a state for it.
    #[error("there is no call that can be {0}")]
    Nothing(&'static str),
    /// The call is not in a state for it.
    #[error("call {0} cannot be {1} now")]
    NotNow(LineId, &'static str),
    /// All media sockets are taken.
    #[error("all lines are busy: hang up one first")]
    Busy,
    /// A merge needs a conference.
    #[error("nobody makes conferences for us: name one by --factory")]
    NoFactory,
    /// A merge needs calls.
    #[error("there are no calls to merge: call somebody first")]
    NothingToMerge,
    /// One at a time.
    #[error("a merge is going on")]
    Merging,
    /// The user agent cannot.
    #[error(transparent)]
    Ua(#[from] CommandError),
}
