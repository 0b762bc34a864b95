//! The server's nonces: made without keeping anything, known again by any node that has the key.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use units::UnixTime;

/// How long a nonce may be used. A call through factory and focus takes seconds; later requests of a
/// long call find theirs stale and pay one round trip. Shorter, and a re-INVITE always does; longer,
/// and what was overheard can be tried at other nodes for longer.
pub const NONCE_LIFE: Duration = Duration::from_secs(300);

const TIME_BYTES: usize = 5;
const NODE_BYTES: usize = 2;
const SALT_BYTES: usize = 5;
/// 96 bits: nobody guesses one in the life of the key.
const MAC_BYTES: usize = 12;
const BODY_BYTES: usize = TIME_BYTES + NODE_BYTES + SALT_BYTES;
const NONCE_BYTES: usize = BODY_BYTES + MAC_BYTES;

/// Makes and reads nonces: an HMAC over time, node, salt and the address that is challenged.
///
/// With the address in it, whoever answers has received the challenge there. So a forged source can
/// neither get in nor make failures count against somebody else; and a nonce overheard is of no use
/// from another address.
#[derive(Clone)]
pub struct NonceKey([u8; 32]);

/// A nonce that was ours: when, by which node and for whom it was made is not in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce {
    at: u64,
    node: u16,
    salt: [u8; SALT_BYTES],
}

impl NonceKey {
    /// Takes the key that all nodes of a pool share.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Makes the nonce for a challenge. `seed` is what a copy of the challenged request has in common
    /// with it: both get the same nonce within the same second (RFC 3261 §8.2.7).
    pub fn mint(&self, node: u16, at: UnixTime, source: IpAddr, seed: &[&[u8]]) -> String {
        let mut salt = self.mac("convoke digest salt 1");
        for part in seed {
            update(&mut salt, part);
        }
        let mut nonce = Nonce { at: at.0, node, salt: [0; SALT_BYTES] };
        nonce.salt.copy_from_slice(&salt.finalize().into_bytes()[..SALT_BYTES]);
        let body = nonce.body();
        HEXLOWER.encode(&[&body[..], &self.seal(&body, source)[..]].concat())
    }

    /// Reads a nonce; `None` unless it was made with this key for this address.
    pub fn read(&self, text: &str, source: IpAddr) -> Option<Nonce> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        let bytes: [u8; NONCE_BYTES] = bytes.try_into().ok()?;
        let (body, mac) = bytes.split_at(BODY_BYTES);
        let body: [u8; BODY_BYTES] = body.try_into().ok()?;
        if !bool::from(self.seal(&body, source)[..].ct_eq(mac)) {
            return None;
        }
        let mut at = [0; 8];
        at[8 - TIME_BYTES..].copy_from_slice(&body[..TIME_BYTES]);
        let [node_high, node_low] = [body[TIME_BYTES], body[TIME_BYTES + 1]];
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&body[TIME_BYTES + NODE_BYTES..]);
        let node = u16::from_be_bytes([node_high, node_low]);
        Some(Nonce { at: u64::from_be_bytes(at), node, salt })
    }

    fn seal(&self, body: &[u8; BODY_BYTES], source: IpAddr) -> [u8; MAC_BYTES] {
        let mut mac = self.mac("convoke digest nonce 1");
        update(&mut mac, body);
        // The same host may come as IPv4 or as mapped IPv6, by the socket it came in on.
        update(&mut mac, source.to_canonical().to_string().as_bytes());
        let mut cut = [0; MAC_BYTES];
        cut.copy_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
        cut
    }

    /// The label keeps uses of one key apart.
    fn mac(&self, label: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.0).expect("invariant: HMAC takes any key length");
        update(&mut mac, label.as_bytes());
        mac
    }
}

impl Nonce {
    /// Whether it may still be used at `now`. One from the future is of a node whose clock is ahead,
    /// or our own was set back: as far as that goes the rule is the same.
    pub fn is_fresh(&self, now: UnixTime) -> bool {
        now.0.abs_diff(self.at) <= NONCE_LIFE.as_secs()
    }

    /// When it was made.
    pub const fn made_at(&self) -> UnixTime {
        UnixTime(self.at)
    }

    fn body(&self) -> [u8; BODY_BYTES] {
        let mut body = [0; BODY_BYTES];
        body[..TIME_BYTES].copy_from_slice(&self.at.to_be_bytes()[8 - TIME_BYTES..]);
        body[TIME_BYTES..TIME_BYTES + NODE_BYTES].copy_from_slice(&self.node.to_be_bytes());
        body[TIME_BYTES + NODE_BYTES..].copy_from_slice(&self.salt);
        body
    }
}

impl fmt::Debug for NonceKey {
    /// Shows nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey")
    }
}

/// Each field with its length in front, so that no two lists of fields look alike.
fn update(mac: &mut Hmac<Sha256>, field: &[u8]) {
    mac.update(&(field.len() as u64).to_be_bytes());
    mac.update(field);
}

#[cfg(test)]
impl Nonce {
    /// One of `at` that nobody minted.
    pub(super) fn drawn(at: UnixTime, rng: &mut units::Rng) -> Self {
        Self { at: at.0, node: 1, salt: rng.bytes() }
    }
}
