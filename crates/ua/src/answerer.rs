//! The other terminal's job.

use sip::{NameAddr, Packet, Uri};
use units::{Instant, Rng};

use crate::config::UaConfig;
use crate::event::{CallFailure, CallId, EndCause, ResolveId};
use crate::slots::{MediaNotice, MediaSlot};
use crate::trust::TrustPolicy;

/// What the terminal is told at its start.
#[derive(Clone, Debug)]
pub struct AnswererConfig {
    /// Who we are.
    pub ua: UaConfig,
    /// Whose REFERs are followed.
    pub trust: TrustPolicy,
    /// Media sockets, one for each call at once. A call without one is answered 486. Two are the
    /// least: a convener may refer us inside a call.
    pub media: Vec<MediaSlot>,
    /// Whether to finish when the first calls have ended.
    pub once: bool,
}

/// What the owner has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswererOutput {
    /// Send these bytes.
    Send(Packet),
    /// Find an address, then call `resolved`.
    Resolve {
        /// Goes back with the answer.
        id: ResolveId,
        /// A host name.
        host: String,
        /// The port, if named.
        port: Option<u16>,
    },
    /// Start or stop a voice.
    Media(MediaNotice),
    /// Show it.
    Event(AnswererEvent),
}

/// What a person would want to see.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswererEvent {
    /// Somebody called and was answered.
    Answered {
        /// Which call.
        call: CallId,
        /// Who.
        from: NameAddr,
    },
    /// Somebody called and all media sockets are busy.
    Busy {
        /// Who.
        from: NameAddr,
    },
    /// A REFER is followed: we are calling `to`.
    Referred {
        /// The call that it makes.
        call: CallId,
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
    /// A call is up.
    Joined {
        /// Which.
        call: CallId,
        /// The conference's URI, if the peer is one.
        conference: Option<Uri>,
    },
    /// A call never came up.
    Failed {
        /// Which.
        call: CallId,
        /// Why.
        why: CallFailure,
    },
    /// A call ended.
    Ended {
        /// Which.
        call: CallId,
        /// Why.
        why: EndCause,
    },
    /// Nothing is left to do, after `hang_up_all` or with `once`.
    Finished,
}

/// The other terminal: answers calls, follows REFERs by policy.
#[derive(Debug)]
pub struct Answerer {}

impl Answerer {
    /// Waits for calls.
    pub fn new(_config: AnswererConfig, _rng: Rng) -> Self {
        todo!()
    }

    /// Ends all calls and takes no more; [`AnswererEvent::Finished`] follows.
    pub fn hang_up_all(&mut self, _now: Instant) {
        todo!()
    }

    /// Takes one datagram of the SIP socket.
    pub fn handle_packet(&mut self, _now: Instant, _packet: Packet) {
        todo!()
    }

    /// Answers [`AnswererOutput::Resolve`]; `None`: the name has no address.
    pub fn resolved(
        &mut self,
        _now: Instant,
        _id: ResolveId,
        _address: Option<std::net::SocketAddr>,
    ) {
        todo!()
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, _now: Instant) {
        todo!()
    }

    /// When something will be due.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<AnswererOutput> {
        todo!()
    }
}
