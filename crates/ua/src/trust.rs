//! Whose REFER a terminal follows.

use std::net::IpAddr;

use crate::event::Referrer;

/// A REFER makes a phone call somebody, so it is followed only by policy (RFC 3515 §2.4.2, §5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct TrustPolicy {
    /// Accept from loopback addresses.
    pub loopback: bool,
    /// Accept from the peer of an established call.
    pub callers: bool,
    /// Accept what one of these matches.
    pub patterns: Vec<Pattern>,
}

impl Default for TrustPolicy {
    /// Loopback and the peers of established calls.
    fn default() -> Self {
        Self { loopback: true, callers: true, patterns: Vec::new() }
    }
}

impl TrustPolicy {
    /// Whether this referrer's REFER is followed.
    pub fn allows(&self, _referrer: &Referrer) -> bool {
        todo!()
    }
}

/// Who is trusted: `*`, `192.0.2.7`, `192.0.2.0/24`, `sip:alice@example.com`, `alice@*`,
/// `*@example.com`.
///
/// An address or network speaks of where the packet came from; a URI of the From header, which
/// nothing proves: use it where the network keeps strangers out.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// `*`.
    Anyone,
    /// A network; a single address is one with all bits set.
    Network {
        /// Its address.
        address: IpAddr,
        /// How many leading bits count.
        prefix_bits: u8,
    },
    /// `user@host`, where either may be `*`.
    Uri {
        /// The user part; `None` is any.
        user: Option<String>,
        /// The host; `None` is any.
        host: Option<String>,
    },
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Neither an address nor a URI.
    #[error("neither `*`, an address, a network (192.0.2.0/24) nor user@host")]
    Malformed,
    /// More bits than the address has.
    #[error("a prefix of {got} bits, at most {max}")]
    PrefixTooLong {
        /// What was given.
        got: u8,
        /// What the address has.
        max: u8,
    },
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(_text: &str) -> Result<Self, PatternError> {
        todo!()
    }
}
