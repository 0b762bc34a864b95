//! IP networks, as a configuration names them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IP network, as in `10.0.0.0/8`; a bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in this network. An IPv4 address never lies in an IPv6 network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                masked(address.to_canonical(), self.prefix) == masked(self.address, self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::NotANetwork)?;
        let widest = bits(address);
        let prefix = match prefix {
            None => widest,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= widest)
                .ok_or(NetworkError::BadPrefix { widest })?,
        };
        let network = masked(address, prefix);
        if network != address {
            return Err(NetworkError::HostBits { network, prefix });
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum NetworkError {
    #[error("is no network: write 10.0.0.0/8 or 192.0.2.7")]
    NotANetwork,
    #[error("has a bad prefix length: write a number up to {widest}")]
    BadPrefix { widest: u8 },
    #[error("names a host inside a network: write {network}/{prefix}")]
    HostBits { network: IpAddr, prefix: u8 },
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// `address` with everything after the first `prefix` bits set to zero.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let keep = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & keep).into())
        }
        IpAddr::V6(v6) => {
            let keep = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & keep).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a good network")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("a good address")
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let ten = network("10.0.0.0/8");
        assert!(ten.contains(ip("10.255.1.2")));
        assert!(!ten.contains(ip("11.0.0.1")));
        assert!(!ten.contains(ip("a00::1")));
        assert!(network("0.0.0.0/0").contains(ip("203.0.113.9")));
        assert!(network("192.0.2.7").contains(ip("192.0.2.7")));
        assert!(!network("192.0.2.7").contains(ip("192.0.2.6")));
        assert!(network("2001:db8::/32").contains(ip("2001:db8:1::2")));
        assert!(!network("2001:db8::/32").contains(ip("2001:db9::2")));
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_still_an_ipv4_address() {
        assert!(network("10.0.0.0/8").contains(ip("::ffff:10.1.2.3")));
    }

    #[test]
    fn bad_networks_say_what_to_write() {
        let bad = |text: &str| text.parse::<Network>().unwrap_err();
        assert_eq!(bad("ten"), NetworkError::NotANetwork);
        assert_eq!(bad(""), NetworkError::NotANetwork);
        assert_eq!(bad("10.0.0.0/33"), NetworkError::BadPrefix { widest: 32 });
        assert_eq!(bad("10.0.0.0/"), NetworkError::BadPrefix { widest: 32 });
        assert_eq!(bad("10.0.0.0/-1"), NetworkError::BadPrefix { widest: 32 });
        let host = NetworkError::HostBits { network: ip("10.0.0.0"), prefix: 8 };
        assert_eq!(bad("10.0.0.1/8"), host);
        assert_eq!(host.to_string(), "names a host inside a network: write 10.0.0.0/8");
    }
}
