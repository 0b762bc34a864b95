//! The user part of a conference URI.

use units::UnixTime;

use crate::ConferenceId;

/// One secret that signs tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Tells the keys of a cluster apart; it is the token's first byte.
    pub id: u8,
    /// The secret.
    pub secret: [u8; 32],
}

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
    #[error("does not begin with conf-")]
    Prefix,
    #[error("{got} characters after the prefix, not 42")]
    Length { got: usize },
    #[error("not base32")]
    Alphabet,
    #[error("no key {id}")]
    UnknownKey { id: u8 },
    #[error("the signature does not fit")]
    Forged,
}

impl std::fmt::Debug for Key {
    /// Shows the id, never the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Writes the user part of a conference URI: `conf-` and 42 characters of lower-case base32.
/// The deadline is rounded up to a whole minute.
pub fn mint(_keys: &TokenKeys, _node: u16, _id: ConferenceId, _deadline: UnixTime) -> String {
    todo!()
}

/// Reads a user part (unescaped, any case).
///
/// # Errors
/// [`TokenError`]: it is none of ours. All of them are 404 on the wire.
pub fn read(_keys: &TokenKeys, _user: &str) -> Result<Token, TokenError> {
    todo!()
}

/// 2025-01-01 00:00 UTC: 24 bits of minutes since 1970 would have ended in 2001; from here they
/// last until 2056.
pub const TOKEN_EPOCH: UnixTime = UnixTime(1_735_689_600);
