//! One conference (RFC 4353 §3): a leg per dialog, the roster, the end.

use std::net::{IpAddr, SocketAddr};

use sdp::{Codec, Direction};
use serde::{Deserialize, Serialize};
use sip::uas::Capabilities;
use sip::{DialogId, Incoming, Method, Request, Response, ServerTxnId, SipUri, Source, StatusCode};
use units::{Instant, Rng};

/// What a focus understands (RFC 3261 §8.2).
pub const CAPABILITIES: Capabilities = Capabilities {
    allow: &[Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Options],
    extensions: &[],
    accept: &["application/sdp"],
    events: &[],
};

/// When a conference ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndPolicy {
    /// When the last leg leaves.
    #[default]
    LastLeaves,
    /// When the creator's leg leaves; without a known creator as [`EndPolicy::LastLeaves`].
    CreatorLeaves,
}

/// How the creator is known again when he joins: Call-ID and From tag, else From URI and source
/// (a terminal may follow the 302 with a new Call-ID).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creator {
    /// Call-ID of the request to the factory.
    pub call_id: String,
    /// Its From tag.
    pub from_tag: String,
    /// Its From URI.
    pub from_uri: String,
    /// Where it came from.
    pub source: IpAddr,
}

impl Creator {
    /// The creator, from his request to the factory.
    pub fn of(_incoming: &Incoming) -> Self {
        todo!()
    }
}

/// What a focus must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FocusConfig {
    /// The conference URI: the Contact of everything this focus sends.
    pub conference_uri: SipUri,
    /// When it ends.
    pub end: EndPolicy,
    /// Who asked for it.
    pub creator: Option<Creator>,
    /// What our tags begin with: node and shard.
    pub tag_prefix: String,
}

/// Numbers a leg within its conference; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegId(pub u32);

/// The node's number of a lent media port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MediaPort(pub u32);

/// A lent media port, for one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSeat {
    /// Its number.
    pub port: MediaPort,
    /// What the leg's SDP says: the advertised address.
    pub address: SocketAddr,
}

/// A leg's negotiated media; plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegMedia {
    /// The lent port.
    pub port: MediaPort,
    /// Where the peer's SDP wants media; `None`: nowhere (held at 0.0.0.0, or not said yet).
    pub remote: Option<SocketAddr>,
    /// Where its signalling comes from: latching may trust it.
    pub signalling: IpAddr,
    /// Both ways.
    pub codec: Codec,
    /// Payload type of what we send.
    pub send_payload_type: u8,
    /// Payload types that we may receive.
    pub receive_payload_types: Vec<u8>,
    /// Ours.
    pub direction: Direction,
    /// Packet time of what we send, in ms.
    pub ptime_ms: u32,
}

/// Why a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegEnd {
    /// The participant sent BYE.
    Left,
    /// The conference ended.
    ConferenceEnded,
    /// Our 2xx was never acknowledged (RFC 3261 §13.3.1.4).
    NoAck,
    /// Silent, and no answer to our OPTIONS (or 408, 481).
    Silent,
    /// The ACK did not answer our offer, or not so that we understand it.
    BadAnswer,
}

/// Why a conference ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The last leg left.
    LastLeft,
    /// The creator left.
    CreatorLeft,
    /// The node said so: shutdown, an administrator.
    Ordered,
}

/// A line of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// The leg.
    pub leg: LegId,
    /// From URI; control characters masked.
    pub uri: String,
    /// Display name; control characters masked.
    pub display: Option<String>,
    /// Where the leg stands.
    pub state: ParticipantState,
    /// When the leg was made.
    pub since: Instant,
    /// Whether he asked for the conference.
    pub creator: bool,
}

/// Where a participant's leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParticipantState {
    /// Answered; the ACK is awaited.
    Joining,
    /// In.
    Joined,
    /// Being let go.
    Leaving,
}

/// What the focus wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Answer a request.
    Respond {
        /// The transaction that [`Focus::invite`] or [`Focus::request`] was given.
        txn: ServerTxnId,
        /// With its To tag.
        response: Response,
    },
    /// Send a 2xx to INVITE once more, outside its transaction (RFC 3261 §13.3.1.4).
    ResendSuccess {
        /// The leg.
        leg: LegId,
        /// The same 2xx.
        response: Response,
        /// Where its INVITE came from.
        to: Source,
    },
    /// Send a request within a leg's dialog; its end comes back by [`Focus::response`] or
    /// [`Focus::request_failed`].
    Request {
        /// The leg.
        leg: LegId,
        /// BYE or OPTIONS.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// A leg was made: in-dialog requests of this dialog are this focus's.
    LegStarted {
        /// The leg.
        leg: LegId,
        /// Its dialog.
        dialog: DialogId,
    },
    /// The ACK came: the participant is in.
    Joined(Participant),
    /// A leg is gone: its dialog, its seat. (Its media went with [`Output::CloseMedia`].)
    LegEnded {
        /// The leg.
        leg: LegId,
        /// Its dialog.
        dialog: DialogId,
        /// Why.
        cause: LegEnd,
    },
    /// Start a leg's media.
    OpenMedia {
        /// The leg.
        leg: LegId,
        /// All of it.
        media: LegMedia,
    },
    /// Change a leg's media.
    UpdateMedia {
        /// The leg.
        leg: LegId,
        /// All of it.
        media: LegMedia,
    },
    /// Stop a leg's media and give its port back.
    CloseMedia {
        /// The leg.
        leg: LegId,
        /// The lent port.
        port: MediaPort,
    },
    /// The conference is over and the last leg is gone; the last output.
    Ended {
        /// Why.
        cause: End,
    },
}

/// One conference. A root machine: one mutation, then drain [`Focus::poll_output`] to `None`, then
/// read [`Focus::deadline`].
#[derive(Debug)]
pub struct Focus {
    config: FocusConfig,
}

impl Focus {
    /// A conference without legs.
    pub fn new(_now: Instant, config: FocusConfig, _rng: Rng) -> Self {
        Self { config }
    }

    /// Takes a leg in: an INVITE to the conference URI without a To tag (RFC 4579 §5.1). The 200
    /// goes out as [`Output::Respond`].
    ///
    /// # Errors
    /// The refusal to send (420, 415, 488, 400, 404 when the conference is ending, 486); nothing
    /// was kept.
    pub fn invite(
        &mut self,
        _now: Instant,
        _txn: ServerTxnId,
        _incoming: &Incoming,
        _seat: MediaSeat,
    ) -> Result<LegId, Response> {
        todo!()
    }

    /// Takes a request of a leg's dialog. `txn` is `None` for ACK only.
    pub fn request(&mut self, _now: Instant, _txn: Option<ServerTxnId>, _incoming: &Incoming) {
        todo!()
    }

    /// Takes a final response to a request that we sent.
    pub fn response(&mut self, _now: Instant, _leg: LegId, _method: &Method, _status: StatusCode) {
        todo!()
    }

    /// A request that we sent got no answer, or could not be sent.
    pub fn request_failed(&mut self, _now: Instant, _leg: LegId, _method: &Method) {
        todo!()
    }

    /// A leg sent no RTP and no RTCP for 30 s: ask it by OPTIONS whether it is there.
    pub fn media_silent(&mut self, _now: Instant, _leg: LegId) {
        todo!()
    }

    /// Ends the conference: BYE to all. A leg whose 2xx is not acknowledged waits for the ACK or
    /// for the 2xx to time out (RFC 3261 §15).
    pub fn end(&mut self, _now: Instant, _cause: End) {
        todo!()
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, _now: Instant) {
        todo!()
    }

    /// When something is due next.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// What the focus wants done, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }

    /// The conference URI.
    pub fn conference_uri(&self) -> &SipUri {
        &self.config.conference_uri
    }

    /// Who is in, by leg.
    pub fn roster(&self) -> Vec<Participant> {
        todo!()
    }

    /// Legs there are, those on their way out included.
    pub fn leg_count(&self) -> usize {
        todo!()
    }
}

/// Answers OPTIONS to a conference URI outside a dialog, joined or only held (RFC 4579 §5.13).
pub fn options(_conference_uri: &SipUri, _incoming: &Incoming, _tag: &str) -> Response {
    todo!()
}
