//! Our Via in a relayed request: all that is needed to send the answer on, and proof that it is ours.
//!
//! So nothing is kept of a request that was sent on (RFC 3261 §16.11), and nobody can have an answer that we
//! did not ask for sent anywhere.

use std::net::{IpAddr, SocketAddr};

use data_encoding::HEXLOWER;
use focus::factory::Labelled;
use sip::digest::same;
use sip::{BRANCH_COOKIE, Essentials, FlowId, Source, Transport, Via};

/// 80 bits: nobody guesses one in the life of a process.
const MAC_BYTES: usize = 10;

/// The parameter that says where the answer goes.
const BACK: &str = "convoke-back";

/// What a request and its answers have in common: the same for a copy of it, for its CANCEL and for the
/// ACK to its refusal (RFC 3261 §16.11), another for any other request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common<'a> {
    /// The Via of whom we had it from.
    pub(super) via: &'a Via,
    pub(super) essentials: &'a Essentials,
}

/// Makes our Vias and knows them again.
#[derive(Clone)]
pub(super) struct WayBack {
    mac: Labelled,
    /// What our branches begin with; those of transactions have no `-` after the node's prefix.
    prefix: String,
}

impl std::fmt::Debug for WayBack {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WayBack")
    }
}

impl WayBack {
    pub(super) fn new(key: [u8; 32], tag_prefix: &str) -> Self {
        Self {
            mac: Labelled::new(&key, "convoke relay 1"),
            prefix: format!("{BRANCH_COOKIE}{tag_prefix}relay-"),
        }
    }

    /// Puts branch and way into a Via of ours.
    pub(super) fn mark(&self, via: Via, common: Common<'_>, source: Source) -> Via {
        let back = written(source);
        let branch = format!("{}{}", self.prefix, self.mac(common, &back));
        let mut via = via.with_branch(&branch);
        via.params.set(BACK, Some(&back));
        via
    }

    /// Whether a Via is of a request that we relayed.
    pub(super) fn is_ours(&self, via: &Via) -> bool {
        via.branch().is_some_and(|branch| branch.starts_with(&self.prefix))
    }

    /// Where the answer with this Via of ours goes; `None`: we never sent its request on.
    pub(super) fn read(&self, ours: &Via, common: Common<'_>) -> Option<Source> {
        let mac = ours.branch()?.strip_prefix(&self.prefix)?;
        let back = ours.params.value(BACK)?;
        same(&self.mac(common, back), mac).then(|| read(back)).flatten()
    }

    fn mac(&self, common: Common<'_>, back: &str) -> String {
        let mut mac = self.mac.clone();
        let Common { via, essentials } = common;
        let number = essentials.cseq.number.to_string();
        let port = via.sent_by_port().to_string();
        let fields = [
            via.branch().unwrap_or_default(),
            via.host.as_str(),
            &port,
            &essentials.call_id,
            essentials.from.tag().unwrap_or_default(),
            &number,
            back,
        ];
        for field in fields {
            mac.field(field.as_bytes());
        }
        HEXLOWER.encode(&mac.cut::<MAC_BYTES>())
    }
}

/// A path as a token: transport, connection, then both addresses in hex.
fn written(path: Source) -> String {
    let Source { transport, local, remote, flow } = path;
    let transport = transport.via_token();
    format!("{transport}.{:x}.{}.{}", flow.0, address(local), address(remote))
}

fn address(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) => HEXLOWER.encode(&ip.octets()),
        IpAddr::V6(ip) => HEXLOWER.encode(&ip.octets()),
    };
    format!("{ip}-{:x}", address.port())
}

/// Only what we wrote ourselves comes here.
fn read(text: &str) -> Option<Source> {
    let mut fields = text.split('.');
    let transport = Transport::from_uri_param(fields.next()?)?;
    let flow = FlowId(u64::from_str_radix(fields.next()?, 16).ok()?);
    let (local, remote) = (read_address(fields.next()?)?, read_address(fields.next()?)?);
    Some(Source { transport, local, remote, flow })
}

fn read_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once('-')?;
    let bytes = HEXLOWER.decode(ip.as_bytes()).ok()?;
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(v4) => IpAddr::from(v4),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_was_written() {
        for (transport, local, remote) in [
            (Transport::Udp, "127.0.0.1:5060", "192.0.2.7:65535"),
            (Transport::Tcp, "[2001:db8::1]:5060", "[::1]:1"),
        ] {
            let (local, remote) = (local.parse().expect("one"), remote.parse().expect("one"));
            let path = Source { transport, local, remote, flow: FlowId(77) };
            let text = written(path);
            assert!(
                text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b)),
                "{text}"
            );
            assert_eq!(read(&text), Some(path));
        }
        for wrong in ["", "UDP", "UDP.0.7f000001-1", "X.0.7f000001-1.7f000001-1", "UDP.0.7f-1.7f-1"]
        {
            assert_eq!(read(wrong), None);
        }
    }
}
