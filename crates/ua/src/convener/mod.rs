//! The first terminal's whole job.

mod step;

use std::net::SocketAddr;
use std::time::Duration;

use sip::{Packet, Uri};
use units::{Instant, Rng};

use crate::config::UaConfig;
use crate::event::ResolveId;
use crate::slots::{MediaNotice, MediaSlot};

pub use step::{InviteeFailure, Outcome, Step};

/// Invitees of one convener. Each may need a call and a REFER of its own ([`crate::CALLS_MAX`]); the
/// conference takes one call.
pub const INVITEES_MAX: usize = crate::CALLS_MAX - 1;

/// How long a REFER outside a dialog may stay without any response or NOTIFY before the invitee is
/// called instead. The REFER's own transaction keeps its timers (RFC 3261 §17.1.2.2: 64*T1 = 32 s):
/// an answer that comes later than this is still taken.
pub const REFER_PATIENCE: Duration = Duration::from_secs(8);

/// How invitees are referred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferMode {
    /// Outside a dialog first (RFC 4579 §5.6); where that is refused, inside a call made for it.
    #[default]
    Auto,
    /// Outside a dialog only.
    Outside,
    /// Always call first, then REFER inside that call.
    Inside,
}

/// What the terminal is told at its start.
#[derive(Clone, Debug)]
pub struct ConvenerConfig {
    /// Who we are.
    pub ua: UaConfig,
    /// The address that makes conferences.
    pub factory: Uri,
    /// Whom to bring in, in this order; at most [`INVITEES_MAX`].
    pub invitees: Vec<Uri>,
    /// How they are referred.
    pub refer: ReferMode,
    /// How long to stay after joining; `None`: until `leave`.
    pub stay: Option<Duration>,
    /// Media sockets: the first serves the conference, the others the calls to invitees; invitees
    /// wait for a free one. With only one, calls to invitees are not possible.
    pub media: Vec<MediaSlot>,
}

/// Why a convener cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvenerError {
    /// The factory's URI cannot be called.
    #[error("the factory's address is not a sip: URI over UDP")]
    FactoryUri,
    /// An invitee's URI cannot be called.
    #[error("invitee {0} is not a sip: URI over UDP")]
    InviteeUri(usize),
    /// Too many invitees.
    #[error("{0} invitees, at most {INVITEES_MAX}")]
    TooManyInvitees(usize),
    /// Too few media sockets.
    #[error("{got} media sockets, at least {needed}")]
    MediaSlots {
        /// What was given.
        got: usize,
        /// What the refer mode needs.
        needed: usize,
    },
}

/// What the owner has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum ConvenerOutput {
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
    Step(Step),
}

/// The first terminal.
#[derive(Debug)]
pub struct Convener {}

impl Convener {
    /// Checks the configuration and calls the factory.
    ///
    /// # Errors
    ///
    /// A URI that cannot be called, too many invitees, too few media sockets.
    pub fn new(_now: Instant, _config: ConvenerConfig, _rng: Rng) -> Result<Self, ConvenerError> {
        todo!()
    }

    /// Leaves the conference and ends everything that is going on; [`Step::Finished`] follows.
    pub fn leave(&mut self, _now: Instant) {
        todo!()
    }

    /// Takes one datagram of the SIP socket.
    pub fn handle_packet(&mut self, _now: Instant, _packet: Packet) {
        todo!()
    }

    /// Answers [`ConvenerOutput::Resolve`]; `None`: the name has no address.
    pub fn resolved(&mut self, _now: Instant, _id: ResolveId, _address: Option<SocketAddr>) {
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
    pub fn poll_output(&mut self) -> Option<ConvenerOutput> {
        todo!()
    }
}
