//! Rigs under virtual time: one user agent against messages written by hand ([`Solo`]), and several
//! machines over a network that loses, doubles and reorders ([`World`]).

mod focus;
mod solo;
mod world;

use std::net::SocketAddr;

use sdp::{Codec, Direction, LocalMedia};
use sip::{FlowId, Source, Target, Transport, Uri};

use crate::config::UaConfig;
use crate::slots::MediaSlot;

pub(crate) use focus::Focus;
pub(crate) use solo::{Solo, accepted, reply};
pub(crate) use world::{Faults, Machine, Made, Seen, World};

/// The address of the user agent under test.
pub(crate) const ALICE: &str = "192.0.2.1:5060";
/// The address of its peer.
pub(crate) const BOB: &str = "192.0.2.2:5060";

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A place that was found for a name.
pub(crate) fn udp_at(remote: SocketAddr) -> Target {
    Target { transport: Transport::Udp, remote }
}

pub(crate) fn uri(text: &str) -> Uri {
    text.parse().expect("a URI")
}

pub(crate) fn path(local: &str, remote: &str) -> Source {
    Source {
        transport: Transport::Udp,
        local: addr(local),
        remote: addr(remote),
        flow: FlowId::NONE,
    }
}

pub(crate) fn config(user: &str, address: &str) -> UaConfig {
    UaConfig::new(user, addr(address))
}

/// PCMU and PCMA at `port`.
pub(crate) fn media(port: u16) -> LocalMedia {
    LocalMedia {
        address: addr(ALICE).ip(),
        port,
        codecs: vec![Codec::Pcmu, Codec::Pcma],
        direction: Direction::SendRecv,
        session_id: 1,
        version: 0,
        ptime_ms: 20,
        keys_payload_type: None,
    }
}

/// `count` media sockets at an address.
pub(crate) fn slots(address: &str, count: u16) -> Vec<MediaSlot> {
    let ip = addr(address).ip();
    (0..count)
        .map(|index| MediaSlot { advertised: SocketAddr::new(ip, 20_000 + 2 * index), keys: false })
        .collect()
}

/// A description that fits any offer or answer of ours.
pub(crate) const SDP: &str = "v=0\r\no=- 7 0 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\n\
                              t=0 0\r\nm=audio 30000 RTP/AVP 0\r\n";
