//! Values that are written as text: durations, port ranges, advertised addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use sip::Host;

/// What others are told instead of the bound address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertise {
    /// A name or an address; `None`: the bound address.
    pub host: Option<Host>,
    /// `None`: the bound port.
    pub port: Option<u16>,
}

impl Advertise {
    /// Host and port for a socket that was bound to `bound`.
    pub fn over(&self, bound: SocketAddr) -> (Host, u16) {
        let host = self.host.clone().unwrap_or_else(|| Host::from(bound.ip()));
        (host, self.port.unwrap_or(bound.port()))
    }
}

impl FromStr for Advertise {
    type Err = ValueError;

    /// Reads `host` or `host:port`; an IPv6 address stands in brackets before a port.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Ok(ip) = text.parse::<Ipv6Addr>() {
            return Ok(Self { host: Some(Host::from(IpAddr::V6(ip))), port: None });
        }
        let after_host = text.find(']').map_or(0, |at| at + 1);
        let colon = text[after_host..].find(':').map(|at| after_host + at);
        let (host, port) = match colon.map(|at| (&text[..at], &text[at + 1..])) {
            Some((host, port)) => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (host, Some(port.ok_or(ValueError::NotAHost)?))
            }
            None => (text, None),
        };
        let host = host.parse().map_err(|_| ValueError::NotAHost)?;
        Ok(Self { host: Some(host), port })
    }
}

/// UDP ports, both ends included; `0` alone means that the system picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// How many ports there are.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// How many legs they are enough for: each takes an even port for RTP and the next for RTCP (RFC 3550 §11).
    pub fn legs(self) -> u32 {
        u32::from(self.last).div_ceil(2)
            - u32::from(self.first).div_ceil(2).min(u32::from(self.last).div_ceil(2))
    }
}

impl FromStr for PortRange {
    type Err = ValueError;

    /// Reads `20000-29999`.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (first, last) = text.split_once('-').ok_or(ValueError::NotPorts)?;
        let port = |digits: &str| digits.trim().parse().map_err(|_| ValueError::NotPorts);
        let range = Self { first: port(first)?, last: port(last)? };
        if range.first == 0 || range.first > range.last {
            return Err(ValueError::NotPorts);
        }
        Ok(range)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Reads `500ms`, `20s`, `5m` or `2h`: a whole number and its unit.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| ValueError::NotADuration)?;
    let millis_per_unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(ValueError::NotADuration),
    };
    let millis = number.checked_mul(millis_per_unit).ok_or(ValueError::NotADuration)?;
    Ok(Duration::from_millis(millis))
}

/// Why a text is not the value it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum ValueError {
    #[error("is no duration: write a number and ms, s, m or h, as in 60s")]
    NotADuration,
    #[error("is no port range: write two ports, the lower first, as in 20000-29999")]
    NotPorts,
    #[error("is no address with a port: write 127.0.0.1:5060")]
    NotASocketAddress,
    #[error("is no address: write 127.0.0.1")]
    NotAnAddress,
    #[error("is no host: write example.com, without a port")]
    NotAHostAlone,
    #[error("is no host or host:port: write mix.example.com or 203.0.113.5:5060")]
    NotAHost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_hosts_may_be_ipv6() {
        let read = |text: &str| {
            let Advertise { host, port } = text.parse()?;
            Ok::<_, ValueError>((host.map(|host| host.to_string()), port))
        };
        let host = |text: &str| Some(text.to_owned());
        assert_eq!(read("mix.example.com"), Ok((host("mix.example.com"), None)));
        assert_eq!(read("203.0.113.5:5061"), Ok((host("203.0.113.5"), Some(5061))));
        assert_eq!(read("2001:db8::1"), Ok((host("[2001:db8::1]"), None)));
        assert_eq!(read("[2001:db8::1]"), Ok((host("[2001:db8::1]"), None)));
        assert_eq!(read("[2001:db8::1]:5070"), Ok((host("[2001:db8::1]"), Some(5070))));
        for bad in ["", ":5060", "[::1", "::1]", "[::1]5060", "h:0", "h:x", "2001:db8::1:"] {
            assert_eq!(read(bad), Err(ValueError::NotAHost), "{bad}");
        }
    }
}
