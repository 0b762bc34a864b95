//! What two sides agree on.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Who sends, as seen from the description's author: RFC 3264 §5.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Both ways; what holds when nothing is said (RFC 8866 §6.7).
    #[default]
    SendRecv,
    /// The author sends only.
    SendOnly,
    /// The author receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// An address family, as a `c=` line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    /// `IN IP4`.
    V4,
    /// `IN IP6`.
    V6,
}

impl Family {
    /// The family of an address; an IPv4 address in the clothes of IPv6 is one.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// Which way RTCP goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RtcpWay {
    /// On a port of its own: there; `None`: nowhere.
    Apart(Option<SocketAddr>),
    /// On the port of RTP, since both sides said so (RFC 5761 §5.1.1).
    Muxed,
}

impl Default for RtcpWay {
    /// Nowhere.
    fn default() -> Self {
        Self::Apart(None)
    }
}

/// The audio codecs that Convoke speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 mu-law, 8 kHz, static payload type 0.
    Pcmu,
    /// G.711 A-law, 8 kHz, static payload type 8.
    Pcma,
}

/// Our side of an audio stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalMedia {
    /// Advertised address.
    pub address: IpAddr,
    /// Advertised RTP port.
    pub port: u16,
    /// What we speak, best first.
    pub codecs: Vec<Codec>,
    /// What we want.
    pub direction: Direction,
    /// The number in `o=` that names the session.
    pub session_id: u64,
    /// The version in `o=`.
    pub version: u64,
    /// The packet time that we like to receive, in ms.
    pub ptime_ms: u32,
    /// The number that telephone-event has in our offers; `None`: we take no keys.
    pub keys_payload_type: Option<u8>,
}

/// What was agreed on, from our side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// Where the peer wants media; `None` if it is held with 0.0.0.0 (RFC 3264 §8.4).
    pub remote: Option<SocketAddr>,
    /// Where it wants RTCP.
    pub rtcp: RtcpWay,
    /// What we send, and expect.
    pub codec: Codec,
    /// The number that the peer gave this codec (RFC 3264 §5.1).
    pub send_payload_type: u8,
    /// The numbers on which this codec may come in.
    pub receive_payload_types: Vec<u8>,
    /// Ours: what we may send and should expect.
    pub direction: Direction,
    /// Packet time the peer wishes, in ms, 10..=60.
    pub ptime_ms: u32,
    /// The number under which keys may come in (RFC 4733), if the peer has them.
    pub keys_payload_type: Option<u8>,
}

impl Direction {
    /// The attribute's name: RFC 8866 §6.7.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Reads an attribute's name: phones err in case and put blanks behind it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| name.trim_end().eq_ignore_ascii_case(direction.as_str()))
    }

    /// True if the author sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// True if the author receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The direction that sends and receives as said.
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The same stream seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// The answer's direction to an offer of `offered` when we want `self`: RFC 3264 §6.1.
    #[must_use]
    pub const fn answering(self, offered: Self) -> Self {
        Self::of(self.sends() && offered.receives(), self.receives() && offered.sends())
    }
}
