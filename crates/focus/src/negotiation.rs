//! A leg's session descriptions: the peer's offers answered with the port lent to the leg.

use std::net::SocketAddr;

use sdp::{
    AnswerError, Codec, Direction, Family, LocalMedia, Negotiated, RtcpWay, SdpError,
    SessionDescription,
};
use serde::{Deserialize, Serialize};
use sip::{HeaderName, Incoming, Request, Response, Source, StatusCode, Warning};

use crate::{LegMedia, MediaSeat};

/// Our side of a leg's session: what we said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    seat: MediaSeat,
    session_id: u64,
    version: u64,
    /// Our description as last sent; empty before the first.
    text: String,
    /// Whether nobody is to know who the peer is.
    #[serde(default)]
    is_anonymous: bool,
}

/// Why an offer cannot be answered, or an answer not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NegotiationError {
    #[error("the session description cannot be read: {0}")]
    Unreadable(SdpError),
    #[error("{0}")]
    NoAgreement(AnswerError),
    #[error("no session description where one is needed")]
    Missing,
    #[error("{got} m-lines, where there were {had}")]
    FewerLines { got: usize, had: usize },
}

impl NegotiationError {
    fn status(&self) -> StatusCode {
        let code = match self {
            Self::Unreadable(error) => error.status(),
            Self::NoAgreement(error) => error.status(),
            Self::Missing => 400,
            Self::FewerLines { .. } => 488,
        };
        StatusCode::new(code).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)
    }

    /// The refusal: RFC 3261 §13.3.1.3, §14.2 want a Warning with it.
    pub(crate) fn refusal(&self, incoming: &Incoming, agent: &str) -> Response {
        // RFC 3261 §20.43
        let code = match self {
            Self::NoAgreement(AnswerError::NoAudio) => 304,
            Self::NoAgreement(AnswerError::NoCommonCodec) => 305,
            Self::NoAgreement(AnswerError::NoAddress) => 301,
            Self::NoAgreement(_)
            | Self::Unreadable(_)
            | Self::Missing
            | Self::FewerLines { .. } => 399,
        };
        let warning = Warning::new(code, agent, self.to_string());
        Response::answering(&incoming.request, self.status())
            .with_header(HeaderName::Warning, warning.to_string())
    }
}

impl Session {
    pub(crate) fn new(seat: MediaSeat, session_id: u64) -> Self {
        Self { seat, session_id, version: 0, text: String::new(), is_anonymous: false }
    }

    /// The peer has asked for privacy, or not.
    pub(crate) const fn hide(&mut self, is_anonymous: bool) {
        self.is_anonymous = is_anonymous;
    }

    pub(crate) fn seat(&self) -> MediaSeat {
        self.seat
    }

    /// Our description as last sent.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Answers an offer. On an error nothing has changed.
    pub(crate) fn answer(
        &mut self,
        offer: &SessionDescription,
    ) -> Result<Negotiated, NegotiationError> {
        // RFC 3264 §8: the lines of a session never become fewer.
        let (got, had) = (offer.media.len(), self.said().map_or(0, |said| said.media.len()));
        if got < had {
            return Err(NegotiationError::FewerLines { got, had });
        }
        let make = |local: &LocalMedia| sdp::answer(offer, local);
        let (description, negotiated) =
            make(&self.local()).map_err(NegotiationError::NoAgreement)?;
        if !self.says(&description) {
            self.version += 1;
            // Only the version differs, so it succeeds again.
            if let Ok((description, _)) = make(&self.local()) {
                self.text = description.to_string();
            }
        }
        Ok(negotiated)
    }

    /// Makes an offer, for an INVITE without one (RFC 3261 §13.3.1.4).
    pub(crate) fn offer(&mut self) -> SessionDescription {
        let mut description = self.offered();
        if !self.says(&description) {
            self.version += 1;
            description = self.offered();
            self.text = description.to_string();
        }
        description
    }

    /// What we would offer now: the lines that there were stay, ours in its place (RFC 3264 §8).
    fn offered(&self) -> SessionDescription {
        match self.said() {
            Some(said) => sdp::offer_again(&self.local(), &said),
            None => sdp::offer(&self.local()),
        }
    }

    /// Our description as last sent, read.
    pub(crate) fn said(&self) -> Option<SessionDescription> {
        SessionDescription::parse(self.text.as_bytes()).ok()
    }

    /// RFC 3264 §8: the version rises by one with every change, and only then.
    fn says(&self, description: &SessionDescription) -> bool {
        self.text == description.to_string()
    }

    fn local(&self) -> LocalMedia {
        LocalMedia {
            address: self.seat.address.ip(),
            port: self.seat.address.port(),
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            direction: Direction::SendRecv,
            session_id: self.session_id,
            version: self.version,
            ptime_ms: PTIME_MS,
            keys_payload_type: Some(KEYS_PAYLOAD_TYPE),
        }
    }

    pub(crate) fn media(&self, negotiated: Negotiated, path: Source) -> LegMedia {
        LegMedia {
            port: self.seat.port,
            remote: negotiated.remote,
            rtcp: negotiated.rtcp,
            signalling: path.remote.ip(),
            codec: negotiated.codec,
            send_payload_type: negotiated.send_payload_type,
            receive_payload_types: negotiated.receive_payload_types,
            direction: negotiated.direction,
            ptime_ms: negotiated.ptime_ms,
            keys_payload_type: negotiated.keys_payload_type,
            anonymous: self.is_anonymous,
            apart: false,
        }
    }

    /// The media of a leg that has our offer and has not answered it: it may send already
    /// (RFC 3264 §5.1), and is sent nothing.
    pub(crate) fn media_offered(&self, incoming: &Incoming) -> LegMedia {
        LegMedia {
            port: self.seat.port,
            remote: None,
            rtcp: RtcpWay::default(),
            signalling: incoming.source.remote.ip(),
            codec: Codec::Pcmu,
            send_payload_type: PCMU_PAYLOAD_TYPE,
            receive_payload_types: vec![PCMU_PAYLOAD_TYPE],
            direction: Direction::RecvOnly,
            ptime_ms: PTIME_MS,
            keys_payload_type: Some(KEYS_PAYLOAD_TYPE),
            anonymous: self.is_anonymous,
            apart: false,
        }
    }
}

/// What the media of a leg will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The address family of its port.
    pub family: Family,
    /// The time in each packet that it is sent, in ms.
    pub ptime_ms: u32,
}

/// What this offer can be answered with, in a family that there are ports of: whatever port is lent. Without
/// an offer, the family of the signalling if it may be.
pub(crate) fn check_offer(
    incoming: &Incoming,
    families: &[Family],
) -> Result<Wanted, NegotiationError> {
    let signalling = Family::of(incoming.source.remote.ip());
    let no_port = || NegotiationError::NoAgreement(AnswerError::NoAddress);
    let Some(offer) = read_description(&incoming.request)? else {
        let same = families.iter().find(|family| **family == signalling);
        let family = same.or(families.first()).copied().ok_or_else(no_port)?;
        return Ok(Wanted { family, ptime_ms: PTIME_MS });
    };
    // RFC 8866 §5.7: each line may have an address of its own. Of two that could be had, the one that is used already.
    let mut wished = vec![signalling];
    wished.extend(families.iter().filter(|family| **family != signalling));
    wished.retain(|family| families.contains(family));
    let mut refusal = None;
    for family in wished {
        let seat = MediaSeat { port: crate::MediaPort(0), address: sample(family) };
        match Session::new(seat, 0).answer(&offer) {
            Ok(negotiated) => return Ok(Wanted { family, ptime_ms: negotiated.ptime_ms }),
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal.unwrap_or_else(no_port))
}

/// An address to try an offer with (RFC 5737, RFC 3849).
fn sample(family: Family) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from(([192, 0, 2, 1], 40_000)),
        Family::V6 => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 40_000)),
    }
}

/// The session description of a request, if it carries one, alone or among others (RFC 5621 §5). What is of another type
/// and got this far is what may be ignored (RFC 3261 §20.11).
pub(crate) fn read_description(
    request: &Request,
) -> Result<Option<SessionDescription>, NegotiationError> {
    let part = request.part("application", "sdp");
    part.map(SessionDescription::parse).transpose().map_err(NegotiationError::Unreadable)
}

/// The session description in an answer to us, if it can be read.
pub(crate) fn description_in(response: &Response) -> Option<SessionDescription> {
    SessionDescription::parse(response.part("application", "sdp")?).ok()
}

/// What we like to receive, and send before a wish is known.
const PTIME_MS: u32 = 20;

/// Telephone-event in our offers: the number that most phones use.
const KEYS_PAYLOAD_TYPE: u8 = 101;
/// RFC 3551 §6
const PCMU_PAYLOAD_TYPE: u8 = 0;
