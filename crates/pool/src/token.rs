//! The user part of a conference URI.
//!
//! ```text
//! conf-  base32( key id 1 | node 2 | conference id 10 | deadline 3 | MAC 10 )   26 bytes, 42 characters
//! ```
//!
//! The MAC is HMAC-SHA-256 over the first 16 bytes, cut to 80 bits: what is guessed is checked
//! against our own memory one request at a time, so there is nothing to work on off-line.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use units::UnixTime;

use crate::ConferenceId;

/// One secret that signs tokens.
#[derive(Clone)]
pub struct Key {
    id: u8,
    secret: [u8; 32],
    /// Ready to be used: what HMAC does with the secret alone is done once.
    mac: Hmac<Sha256>,
}

impl Key {
    /// `id` tells the keys of a cluster apart; it is the token's first byte.
    pub fn new(id: u8, secret: [u8; 32]) -> Self {
        let mut mac = Hmac::new_from_slice(&secret).expect("invariant: HMAC takes any key length");
        // The label keeps a signature apart from all else that this secret may ever sign.
        mac.update(b"convoke conference token 1\0");
        Self { id, secret, mac }
    }

    /// What tells it from others.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// The secret.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.secret) == (other.id, other.secret)
    }
}

impl Eq for Key {}

/// The key that signs, and older ones whose tokens are still good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKeys {
    /// Signs and reads.
    pub current: Key,
    /// Only read.
    pub previous: Vec<Key>,
}

/// What a conference URI says about its conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The key that signed it.
    pub key_id: u8,
    /// The node that minted it.
    pub node: u16,
    /// The conference.
    pub id: ConferenceId,
    /// Until when the conference may be activated, in minutes since [`TOKEN_EPOCH`]; 24 bits.
    pub deadline_minutes: u32,
}

/// Why a user part is not a token of ours. On the wire all of them are 404: a caller must not learn
/// which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum TokenError {
    // Bytes: somebody's user part, but not of our making.
    #[error("does not begin with conf-")]
    Prefix,
    #[error("{got} characters after the prefix, not 42")]
    Length { got: usize },
    #[error("not base32, or not in its one spelling")]
    Alphabet,
    // Signature: made by a stranger, or by a key that we have forgotten.
    #[error("no key {id}")]
    UnknownKey { id: u8 },
    #[error("the signature does not fit")]
    Forged,
}

/// Writes the user part of a conference URI: `conf-` and 42 characters of lower-case base32.
/// The deadline is rounded up to a whole minute, and lies between [`TOKEN_EPOCH`] and 2056.
pub fn mint(keys: &TokenKeys, node: u16, id: ConferenceId, deadline: UnixTime) -> String {
    let mut bytes = [0; TOKEN_BYTES];
    bytes[0] = keys.current.id;
    bytes[1..3].copy_from_slice(&node.to_be_bytes());
    bytes[3..13].copy_from_slice(&id.0);
    bytes[13..SIGNED_BYTES].copy_from_slice(&minutes(deadline).to_be_bytes()[1..]);
    let signature = sign(&keys.current, &bytes[..SIGNED_BYTES]);
    bytes[SIGNED_BYTES..].copy_from_slice(&signature);
    let mut user = String::with_capacity(PREFIX.len() + TOKEN_CHARS);
    user.push_str(PREFIX);
    BASE32_NOPAD.encode_append(&bytes, &mut user);
    user.make_ascii_lowercase();
    user
}

/// Reads a user part (unescaped, any case).
///
/// # Errors
/// [`TokenError`]: it is none of ours. All of them are 404 on the wire.
pub fn read(keys: &TokenKeys, user: &str) -> Result<Token, TokenError> {
    // Case is folded although the user part of a SIP URI has case (RFC 3261 §19.1.4): people dictate
    // these, and some phones fold them.
    let folded = user.to_ascii_uppercase();
    let text = folded.strip_prefix(PREFIX_FOLDED).ok_or(TokenError::Prefix)?;
    let got = text.chars().count();
    if got != TOKEN_CHARS {
        return Err(TokenError::Length { got });
    }
    // The encoding refuses trailing bits that are not zero, so a token has one spelling but for case.
    let decoded = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| TokenError::Alphabet)?;
    let bytes: [u8; TOKEN_BYTES] = decoded.try_into().map_err(|_| TokenError::Alphabet)?;
    let key = keys.key(bytes[0]).ok_or(TokenError::UnknownKey { id: bytes[0] })?;
    let expected = sign(key, &bytes[..SIGNED_BYTES]);
    if !bool::from(bytes[SIGNED_BYTES..].ct_eq(&expected)) {
        return Err(TokenError::Forged);
    }
    let mut id = [0; 10];
    id.copy_from_slice(&bytes[3..13]);
    Ok(Token {
        key_id: bytes[0],
        node: u16::from_be_bytes([bytes[1], bytes[2]]),
        id: ConferenceId(id),
        deadline_minutes: u32::from_be_bytes([0, bytes[13], bytes[14], bytes[15]]),
    })
}

impl Token {
    /// Until when the conference may be activated.
    pub const fn deadline(&self) -> UnixTime {
        // 2^24 minutes fit 64 bits of seconds many times over.
        TOKEN_EPOCH.after(Duration::from_secs(self.deadline_minutes as u64 * 60))
    }
}

impl TokenKeys {
    /// The key of this id; the current one first, should a rotation have used an id twice.
    fn key(&self, id: u8) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.id == id)
    }
}

impl fmt::Debug for Key {
    /// Shows the id, never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whole minutes since the token epoch, rounded up, so that a token never promises less than the
/// hold; clipped to 24 bits.
fn minutes(deadline: UnixTime) -> u32 {
    let whole = deadline.0.saturating_sub(TOKEN_EPOCH.0).div_ceil(60);
    u32::try_from(whole).unwrap_or(u32::MAX).min(MINUTES_MAX)
}

fn sign(key: &Key, signed: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = key.mac.clone();
    mac.update(signed);
    let mut cut = [0; MAC_BYTES];
    cut.copy_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
    cut
}

/// 2025-01-01 00:00 UTC: 24 bits of minutes since 1970 would have ended in 2001; from here they
/// last until 2056.
pub const TOKEN_EPOCH: UnixTime = UnixTime(1_735_689_600);

const PREFIX: &str = "conf-";

/// The conference that a URI of our own making names. Nothing is checked: for what we wrote ourselves.
pub fn id_in(uri: &str) -> Option<ConferenceId> {
    let user = uri.split_once(':')?.1.split_once('@')?.0.to_ascii_uppercase();
    let bytes = BASE32_NOPAD.decode(user.strip_prefix(PREFIX_FOLDED)?.as_bytes()).ok()?;
    Some(ConferenceId(bytes.get(3..13)?.try_into().ok()?))
}

/// Whether a user part looks as if it were a token of ours, valid or not: nobody else may have it.
pub fn is_like_a_token(user: &str) -> bool {
    user.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
const PREFIX_FOLDED: &str = "CONF-";
const MAC_BYTES: usize = 10;
const SIGNED_BYTES: usize = 1 + 2 + 10 + 3;
const TOKEN_BYTES: usize = SIGNED_BYTES + MAC_BYTES;
/// 26 bytes at 5 bits a character: 41.6.
const TOKEN_CHARS: usize = 42;
const MINUTES_MAX: u32 = (1 << 24) - 1;

#[cfg(test)]
mod tests;
