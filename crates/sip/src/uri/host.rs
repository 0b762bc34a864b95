//! Hosts: names and addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// Names a machine: a host name, an IPv4 address or an IPv6 address in brackets. Keeps its spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Gives the spelling it came with; IPv6 addresses have their brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the address, if it is one and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0.strip_prefix('[') {
            Some(rest) => ipv6(rest.strip_suffix(']')?).map(IpAddr::V6),
            None => self.0.parse().ok().map(IpAddr::V4),
        }
    }

    /// Says whether both name the same: addresses as numbers, names without regard to case (RFC 3261 §19.1.4).
    /// A name never equals the address that it resolves to.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self.ip(), other.ip()) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.0.eq_ignore_ascii_case(&other.0),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// Reads the inside of an IPv6 reference. Three colons in a row come from a bug in the grammar of RFC 3261 and
/// must be tolerated (RFC 5118 §4.10).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| text.replacen(":::", "::", 1).parse().ok())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self(ip.to_string()),
            IpAddr::V6(ip) => Self(format!("[{ip}]")),
        }
    }
}

/// The text names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name, IPv4 address or IPv6 address in brackets")]
pub struct HostError;

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let valid = match text.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').and_then(ipv6).is_some(),
            // An underscore is no letter of a host name, but names in use have it.
            None => {
                !text.is_empty()
                    && text.bytes().all(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
                    })
            }
        };
        if valid { Ok(Self(text.to_owned())) } else { Err(HostError) }
    }
}

crate::text_form::serde_as_text!(Host);
