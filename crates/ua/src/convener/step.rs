//! The steps of a convened conference, as they are shown.

use sip::{StatusCode, Uri};

use crate::event::{CallFailure, EndCause, Refusal};

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
    /// An invitee was sent a REFER.
    InviteeAsked {
        /// Who.
        invitee: usize,
        /// Whether inside a call with him.
        inside: bool,
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
    /// Nothing is left: no call, no REFER, no transaction that anyone waits for.
    Finished,
}

/// Why an invitee does not come.
#[derive(Clone, Debug, PartialEq)]
pub enum InviteeFailure {
    /// He refused the REFER.
    Refused(Refusal),
    /// He took it, and his call to the conference failed with this.
    NotAdmitted {
        /// The status that he reported.
        status: StatusCode,
        /// Its reason phrase.
        reason: String,
    },
    /// He took it and never said what came of it.
    Unreported,
    /// No answer to the REFER.
    NoAnswer,
    /// The packets cannot be sent, or his host has no address.
    Unreachable,
    /// The call to him, made to REFER inside it, failed.
    CallFailed(CallFailure),
    /// The conference ended first.
    ConferenceEnded,
}

/// How the conference ended for us.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// We left, by `leave` or when the time to stay was over.
    Left,
    /// The conference ended under us.
    ConferenceEnded(EndCause),
    /// The factory or the conference did not take us.
    NotJoined(CallFailure),
    /// We are connected, but nobody named a conference URI: no 3xx and no `isfocus`.
    NotAConference,
}

impl Outcome {
    /// What a person can do about it, in one line; `None` where nothing is wrong.
    pub fn advice(&self) -> Option<String> {
        todo!()
    }
}
