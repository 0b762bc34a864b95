//! Whose REFER a terminal follows.

use std::net::IpAddr;
use std::str::FromStr;

use sip::Uri;

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
    pub fn allows(&self, referrer: &Referrer) -> bool {
        (self.loopback && referrer.source.ip().is_loopback())
            || (self.callers && referrer.in_call)
            || self.patterns.iter().any(|pattern| pattern.matches(referrer))
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

impl Pattern {
    fn matches(&self, referrer: &Referrer) -> bool {
        match self {
            Self::Anyone => true,
            Self::Network { address, prefix_bits } => {
                in_network(referrer.source.ip(), *address, *prefix_bits)
            }
            // The From header, not Referred-By: the first is who speaks, the second what he says
            // of himself (RFC 3892 §2.2), and neither is proved.
            Self::Uri { user, host } => match &referrer.from.uri {
                Uri::Sip(uri) => {
                    // RFC 3261 §19.1.4: the user part's case counts, the host's does not.
                    let user_fits = user.is_none() || *user == uri.user;
                    let host_fits = host
                        .as_ref()
                        .is_none_or(|host| host.eq_ignore_ascii_case(uri.host.as_str()));
                    user_fits && host_fits
                }
                Uri::Other { .. } => false,
            },
        }
    }
}

fn in_network(ip: IpAddr, network: IpAddr, prefix_bits: u8) -> bool {
    let (ip, network, bits) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (u128::from(ip.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits(), network.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let ignored = bits - u32::from(prefix_bits).min(bits);
    // A shift by all bits is not defined; a prefix of 0 bits fits everything.
    ignored == 128 || ip >> ignored == network >> ignored
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Anyone);
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            let max = if address.is_ipv4() { 32 } else { 128 };
            let prefix_bits = match prefix {
                Some(prefix) => prefix.parse().map_err(|_| PatternError::Malformed)?,
                None => max,
            };
            if prefix_bits > max {
                return Err(PatternError::PrefixTooLong { got: prefix_bits, max });
            }
            return Ok(Self::Network { address, prefix_bits });
        }
        let rest = text.strip_prefix("sip:").unwrap_or(text);
        let (user, host) = rest.split_once('@').ok_or(PatternError::Malformed)?;
        let malformed = |part: &str| part.is_empty() || part.contains([' ', '@', '/', '<', '>']);
        if malformed(user) || malformed(host) {
            return Err(PatternError::Malformed);
        }
        let part = |part: &str| (part != "*").then(|| part.to_owned());
        Ok(Self::Uri { user: part(user), host: part(host) })
    }
}

#[cfg(test)]
mod tests;
