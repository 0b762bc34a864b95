//! Which conference a request means, and whether its sender receives where he sends from.

use std::net::IpAddr;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sip::Incoming;
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
    let essentials = &incoming.essentials;
    let mut mac = Labelled::new(key, "convoke stateless tag 1");
    mac.field(essentials.call_id.as_bytes());
    mac.field(essentials.from.tag().unwrap_or_default().as_bytes());
    mac.field(&essentials.cseq.number.to_be_bytes());
    mac.who(Who::Source(incoming.source.remote.ip()));
    let text: [u8; TAG_BYTES] = mac.cut();
    format!("{prefix}{}", BASE32_NOPAD.encode(&text).to_ascii_lowercase())
}

/// Whether the To tag of this ACK is the one we gave to the INVITE it belongs to: its sender
/// receives where he sends from. Constant time.
pub fn proves_source(key: &[u8; 32], prefix: &str, ack: &Incoming) -> bool {
    let expected = stateless_tag(key, prefix, ack);
    let got = ack.essentials.to.tag().unwrap_or_default();
    bool::from(got.as_bytes().ct_eq(expected.as_bytes()))
}

/// An HMAC-SHA-256 over fields, each with its length in front, so that no two lists of fields look
/// alike; the label keeps uses of one key apart.
struct Labelled(Hmac<Sha256>);

impl Labelled {
    fn new(key: &[u8; 32], label: &str) -> Self {
        let mac = Hmac::new_from_slice(key).expect("invariant: HMAC takes any key length");
        let mut labelled = Self(mac);
        labelled.field(label.as_bytes());
        labelled
    }

    fn field(&mut self, bytes: &[u8]) {
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

    fn cut<const N: usize>(self) -> [u8; N] {
        let mut cut = [0; N];
        cut.copy_from_slice(&self.0.finalize().into_bytes()[..N]);
        cut
    }
}

/// 80 bits, 16 characters: it must not be guessed by who sends one ACK per try.
const TAG_BYTES: usize = 10;
