//! Where a message came from and where one goes.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ParseFailure;

/// A transport protocol, as the Via header field names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// One message per datagram; transactions resend.
    Udp,
    /// A stream; transactions send once.
    Tcp,
}

impl Transport {
    /// Whether the transport itself resends what is lost (RFC 3261 §17: "reliable").
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp => true,
        }
    }

    /// Whether the transport is TLS, as the secure flag of a dialog needs (RFC 3261 §12.1.1).
    pub const fn is_secure(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => false,
        }
    }

    /// The transport's name in Via.
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// The value of a `transport` URI parameter (RFC 3261 §19.1.1).
    pub const fn uri_param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// Reads the value of a `transport` URI parameter; any case.
    pub const fn from_uri_param(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("udp") {
            Some(Self::Udp)
        } else if value.eq_ignore_ascii_case("tcp") {
            Some(Self::Tcp)
        } else {
            None
        }
    }
}

/// Names one connection or one bound socket of this process.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct FlowId(pub u64);

impl FlowId {
    /// No flow is known: the sender picks a socket by the local address, or opens a connection.
    pub const NONE: Self = Self(0);
}

/// A path between this process and a peer: where a packet came from, or where one must go.
///
/// Going out over a reliable transport, `flow` decides; only if that connection is gone is a new one
/// opened to `remote` (RFC 3261 §18.2.2). Over UDP the packet leaves from `local`, always: an answer
/// from another port does not get through a NAT (RFC 3581 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The protocol.
    pub transport: Transport,
    /// Our address: the one bound, not the one advertised.
    pub local: SocketAddr,
    /// The peer's address, as seen from here.
    pub remote: SocketAddr,
    /// The connection or socket.
    pub flow: FlowId,
}

/// One message on its way: a datagram, or a message framed out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it came from, or where it goes.
    pub path: Source,
    /// The message as on the wire.
    pub bytes: Vec<u8>,
}

/// What the transport layer has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A message came.
    Packet(Packet),
    /// A stream carried something after which no message can be found. Its answer is still sent, then
    /// the connection is closed (RFC 3261 §18.3).
    Malformed {
        /// Where it came from.
        path: Source,
        /// What is wrong with it.
        failure: ParseFailure,
    },
    /// Nothing that was sent by this path arrives any more (RFC 3261 §18.4).
    Failed(Source),
    /// A connection of ours never came about: nobody takes one there (RFC 3261 §18.1.1).
    Refused(Source),
}
