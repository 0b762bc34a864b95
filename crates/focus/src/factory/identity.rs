//! Which conference a request means, and whether its sender receives where he sends from.

use std::net::IpAddr;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sip::{Identifiers, Incoming};
use subtle::ConstantTimeEq;

/// Who asks, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// A digest user or a certificate.
    Authenticated(&'a str),
    /// Only an address; the port is left out, NATs change it.
    Source(IpAddr),
}

/// Names the conference that a request to a factory means: the same request again (other branch,
/// other CSeq, other transport, after a 401, after a restart) gives the same ten bytes. `generation`
/// rises when that conference was joined, has ended or has lost its owner.
pub fn identity(
    key: &[u8; 32],
    factory_uri: &str,
    call_id: &str,
    from_tag: &str,
    who: Who<'_>,
    generation: u32,
) -> [u8; 10] {
    let mut mac = Labelled::new(key, "convoke conference id 1");
    mac.field(factory_uri.as_bytes());
    mac.field(call_id.as_bytes());
    mac.field(from_tag.as_bytes());
    mac.who(who);
    mac.field(&generation.to_be_bytes());
    mac.cut()
}

/// The To tag of a stateless answer: `prefix` and an HMAC of Call-ID, From tag, CSeq number and
/// source address. Who echoes it in the ACK receives at that address (RFC 3261 §8.2.7 asks for the
/// same tag on every copy; the rest is ours).
pub fn stateless_tag(key: &[u8; 32], prefix: &str, incoming: &Incoming) -> String {
    let source = incoming.source.remote.ip();
    tag_of(key, prefix, incoming.essentials.identifiers(), source)
}

/// Whether the To tag of this ACK is the one we gave to the INVITE it belongs to: its sender
/// receives where he sends from. Constant time.
pub fn proves_source(key: &[u8; 32], prefix: &str, ack: &Incoming) -> bool {
    let to_tag = ack.essentials.to.tag().unwrap_or_default();
    is_tag_of(key, prefix, (ack.essentials.identifiers(), to_tag), ack.source.remote.ip())
}

/// The same of an ACK from `source` that was only looked at, by the tag in its To.
pub fn is_tag_of(
    key: &[u8; 32],
    prefix: &str,
    (ack, to_tag): (Identifiers<'_>, &str),
    source: IpAddr,
) -> bool {
    // The prefix is no secret: whoever has another one was not answered here.
    to_tag.starts_with(prefix)
        && bool::from(to_tag.as_bytes().ct_eq(tag_of(key, prefix, ack, source).as_bytes()))
}

fn tag_of(key: &[u8; 32], prefix: &str, request: Identifiers<'_>, source: IpAddr) -> String {
    let mut mac = Labelled::new(key, "convoke stateless tag 1");
    mac.field(request.call_id.as_bytes());
    mac.field(request.from_tag.unwrap_or_default().as_bytes());
    mac.field(&request.cseq.to_be_bytes());
    mac.who(Who::Source(source));
    let text: [u8; TAG_BYTES] = mac.cut();
    format!("{prefix}{}", BASE32_NOPAD.encode(&text).to_ascii_lowercase())
}

/// An HMAC-SHA-256 over fields, each with its length in front, so that no two lists of fields look
/// alike; the label keeps uses of one key apart.
pub(crate) struct Labelled(Hmac<Sha256>);

impl Labelled {
    pub(crate) fn new(key: &[u8; 32], label: &str) -> Self {
        let mac = Hmac::new_from_slice(key).expect("invariant: HMAC takes any key length");
        let mut labelled = Self(mac);
        labelled.field(label.as_bytes());
        labelled
    }

    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn who(&mut self, who: Who<'_>) {
        match who {
            Who::Authenticated(name) => {
                self.field(b"name");
                self.field(name.as_bytes());
            }
            // The same host may come as IPv4 or as mapped IPv6, by the socket it came in on.
            Who::Source(address) => {
                self.field(b"address");
                self.field(address.to_canonical().to_string().as_bytes());
            }
        }
    }

    pub(crate) fn cut<const N: usize>(self) -> [u8; N] {
        let mut cut = [0; N];
        cut.copy_from_slice(&self.0.finalize().into_bytes()[..N]);
        cut
    }
}

/// 80 bits, 16 characters: it must not be guessed by who sends one ACK per try.
const TAG_BYTES: usize = 10;
