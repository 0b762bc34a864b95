//! Who is in a conference, as its focus tells it (RFC 4575): documents in, a roster out. Without I/O.
//!
//! - this file: the roster, and what is in it
//! - `element`: a document as a tree, read within bounds
//! - `merge`: a document into the roster (RFC 4575 §4.6)

mod element;
mod merge;

use std::collections::BTreeMap;

pub use self::element::{BODY_BYTES_MAX, DEPTH_MAX, DocumentError, USERS_MAX};
pub use self::merge::Applied;

/// Who is in a conference, and how: what the documents of one subscription have come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Of the last document; `None` before the first.
    version: Option<u32>,
    /// The conference URI.
    pub entity: String,
    /// How many users the focus counts: it need not list them all (RFC 4575 §5.5.1).
    pub user_count: Option<u32>,
    /// How many there may be.
    pub users_max: Option<u32>,
    /// Whether one can join it.
    pub is_active: Option<bool>,
    /// Whether it is locked.
    pub is_locked: Option<bool>,
    /// By entity, compared byte by byte (RFC 4575 §4.5).
    pub users: BTreeMap<String, User>,
}

/// One participant (RFC 4575 §5.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name to show; chosen by him.
    pub display: Option<String>,
    /// What he is in the conference, in words.
    pub roles: Vec<String>,
    /// His devices, by entity.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// One of his devices (RFC 4575 §5.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it stands: `connected`, `on-hold`, … (RFC 4575 §5.7.3); words that we do not know are kept.
    pub status: Option<String>,
    /// `dialed-in`, `dialed-out`, `focus-owner`.
    pub joining_method: Option<String>,
    /// Since when, as it was written.
    pub joined: Option<String>,
    /// Who had it join.
    pub referred_by: Option<String>,
    /// How it left: `departed`, `booted`, `failed`, `busy`.
    pub disconnection_method: Option<String>,
    /// Why it left.
    pub disconnection_reason: Option<String>,
    /// Its streams, by id.
    pub media: BTreeMap<String, Media>,
}

/// One stream of a device (RFC 4575 §5.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// `audio`, …
    pub kind: Option<String>,
    /// The stream of the conference that it is of.
    pub label: Option<String>,
    /// Its SSRC, in words.
    pub source: Option<String>,
    /// From the participant's side: `sendrecv`, `recvonly`, …
    pub status: Option<String>,
}

impl Roster {
    /// One that nothing is known of.
    pub fn new() -> Self {
        Self::default()
    }

    /// The version of the last document (RFC 4575 §5.2); `None` before the first.
    pub const fn version(&self) -> Option<u32> {
        self.version
    }

    /// Whether the two differ in their versions at most.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        Self { version: other.version, ..self.clone() } == *other
    }
}

impl User {
    /// Whether he is in, with one of his devices at least.
    pub fn is_in(&self) -> bool {
        self.endpoints.values().any(|endpoint| endpoint.status.as_deref() != Some("disconnected"))
    }
}

#[cfg(test)]
mod tests;
