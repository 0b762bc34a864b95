//! Where the requests of a dialog go: to the address that its peer names, or the way that the peer came.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Dialog;
use crate::{FlowId, Incoming, NameAddr, SipUri, Source, Transport, Via};

/// How requests reach the peer when no proxy stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Where its Contact says.
    Target,
    /// The way its last request came: it stands behind a NAT, and its Contact does not know.
    Path,
    /// Where its Contact says, by [`Nat::Off`].
    TargetOnly,
}

/// Whether a peer that does not know its own address is reached the way it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// Yes, if its Via shows so and no proxy stands between.
    #[default]
    Auto,
    /// No: where Contact says.
    Off,
}

impl Reach {
    pub(super) fn of(route_set: &[NameAddr], via: &Via, source: &Source) -> Self {
        if route_set.is_empty() && is_behind_nat(via, source) { Self::Path } else { Self::Target }
    }
}

impl Dialog {
    /// The same dialog, under this rule for peers behind a NAT.
    #[must_use]
    pub fn under(self, nat: Nat) -> Self {
        match nat {
            Nat::Auto => self,
            Nat::Off => Self { reach: Reach::TargetOnly, ..self },
        }
    }

    /// A request of the peer has come in this dialog: that is the way to it from now on. A NAT may have given it another
    /// port, or its connection may be a new one.
    pub fn came_by(&mut self, incoming: &Incoming) {
        self.path = incoming.source;
        self.reach = match self.reach {
            Reach::Target | Reach::Path => {
                Reach::of(&self.route_set, &incoming.essentials.via, &incoming.source)
            }
            Reach::TargetOnly => Reach::TargetOnly,
        };
    }

    /// Where the next request goes: the next hop if that is an address, else the path that the dialog
    /// came by.
    ///
    /// A name is not looked up here. A peer behind a NAT, whose own address does not say where it is,
    /// is reached by that path as well.
    pub fn destination(&self) -> Source {
        match (self.reach, numeric(self.next_hop())) {
            (Reach::Target | Reach::TargetOnly, Some((named, remote))) => {
                let same_host = remote.ip() == self.path.remote.ip().to_canonical();
                // Whoever came by a stream and names no transport can be met there, with more than fits
                // into a datagram too.
                let kept = self.path.transport.is_reliable() && same_host;
                let usual = if kept { self.path.transport } else { Transport::Udp };
                let transport = named.unwrap_or(usual);
                // The far end of a connection that came in has a port of its own: Contact says where
                // the peer listens, and is tried when that connection is gone (RFC 3261 §18.2.2).
                let known = match transport.is_reliable() {
                    true => transport == self.path.transport && same_host,
                    false => transport == self.path.transport && remote == self.path.remote,
                };
                let flow = if known { self.path.flow } else { FlowId::NONE };
                Source { transport, local: self.path.local, remote, flow }
            }
            (Reach::Path, _) | (Reach::Target | Reach::TargetOnly, None) => self.path,
        }
    }
}

/// Whether the Via shows that the sender does not know its own address, as behind a NAT. A name in it
/// shows nothing.
fn is_behind_nat(via: &Via, source: &Source) -> bool {
    let moved = via.host.ip().is_some_and(|ip| ip != source.remote.ip().to_canonical());
    // Over a stream the port is that of the connection: it says nothing.
    let renumbered = !source.transport.is_reliable()
        && via.rport().is_some_and(|port| port != via.sent_by_port());
    moved || renumbered
}

/// Where a URI points without a look-up (RFC 3263 §4.1, §4.2): the transport that it names, an address,
/// the port or 5060. `None` for a name, or for a transport that we do not speak.
fn numeric(uri: &SipUri) -> Option<(Option<Transport>, SocketAddr)> {
    let ip = uri.host.ip()?;
    if uri.secure {
        return None; // TLS
    }
    let named = uri.param("transport").flatten();
    let transport = match named {
        Some(named) => Some(Transport::from_uri_param(named)?),
        None => None,
    };
    Some((transport, SocketAddr::new(ip, uri.port.unwrap_or(5060))))
}
