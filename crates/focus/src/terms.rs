//! What a focus is told when it begins, and what it knows of media.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sdp::{Codec, Direction, RtcpWay};
use serde::{Deserialize, Serialize};
use sip::{Nat, SipUri};

use crate::{Creator, DialRules, EndPolicy, EntryPolicy};

/// What a focus must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FocusConfig {
    /// The conference URI: the Contact of everything this focus sends.
    pub conference_uri: SipUri,
    /// When it ends.
    pub end: EndPolicy,
    /// How long it may last; `None`: as long as somebody is in.
    #[serde(default)]
    pub max_time: Option<Duration>,
    /// Who is let in, and how.
    #[serde(default)]
    pub entry: EntryPolicy,
    /// Who asked for it.
    pub creator: Option<Creator>,
    /// What our tags begin with: node and shard.
    pub tag_prefix: String,
    /// Whom it may call on somebody's behalf.
    pub dial_out: DialRules,
    /// Whether a participant behind a NAT is reached the way he came.
    #[serde(default)]
    pub nat: Nat,
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
    /// Where it wants RTCP.
    #[serde(default)]
    pub rtcp: RtcpWay,
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
    /// Payload type under which keys may come (RFC 4733), if that was agreed on.
    #[serde(default)]
    pub keys_payload_type: Option<u8>,
    /// Whether nobody is to know who he is (RFC 3323).
    #[serde(default)]
    pub anonymous: bool,
    /// Whether he is not in yet: he hears nobody, and nobody hears him.
    #[serde(default)]
    pub apart: bool,
}
