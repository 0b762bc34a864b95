//! Whom a focus may call on somebody's behalf. Nobody, until a rule says so: a conference server that
//! calls any number that it is told to is a telephone bill.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sip::{Host, SipUri};

use crate::Network;

/// What one may have called, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialRules {
    /// A target that none of these fits is refused.
    pub allow: Vec<DialRule>,
    /// REFERs that one conference takes within a minute.
    pub refers_per_minute: u32,
}

impl Default for DialRules {
    /// Nobody.
    fn default() -> Self {
        Self { allow: Vec::new(), refers_per_minute: REFERS_PER_MINUTE }
    }
}

impl DialRules {
    /// Whether this target may be called. A `maddr` sends the call elsewhere than the host says
    /// (RFC 3261 §19.1.1), so no rule fits such a URI.
    pub fn allows(&self, target: &SipUri) -> bool {
        target.param("maddr").is_none() && self.allow.iter().any(|rule| rule.fits(target))
    }
}

/// One rule: `sip:bob@example.com`, `sip:*@example.com`, `sip:+4930*@*.example.com:5060`,
/// `192.0.2.0/24`, `2001:db8::1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DialRule {
    /// A URI with wildcards. `sips` is let through wherever `sip` is.
    Uri {
        /// The user part, unescaped.
        user: Pattern,
        /// The host.
        host: HostPattern,
        /// The port that the target must name; `None`: any, or none.
        port: Option<u16>,
    },
    /// Whoever is called at an address, not a name, of this network.
    Network(Network),
}

/// A user part, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// This one.
    Exactly(String),
    /// Those that begin so; with nothing: all, and URIs without a user too.
    Begins(String),
}

/// A host name, or all names below one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostPattern {
    /// This host.
    Exactly(String),
    /// Those whose name ends so; written `*.example.com`, kept `.example.com`.
    Below(String),
}

/// Why a rule cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{rule:?} is not a rule for dialling out: write \"sip:*@example.com\", \"sip:+4930*@gw.example.com\", or a network such as \"192.0.2.0/24\""
)]
pub struct DialRuleError {
    rule: String,
}

impl DialRule {
    /// Whether the target is among those meant.
    pub fn fits(&self, target: &SipUri) -> bool {
        match self {
            Self::Uri { user, host, port } => {
                let called = target.user_unescaped().unwrap_or_default();
                user.fits(&called)
                    && host.fits(&target.host)
                    && port.is_none_or(|port| target.port.unwrap_or(SIP_PORT) == port)
            }
            Self::Network(network) => target.host.ip().is_some_and(|ip| network.contains(ip)),
        }
    }
}

impl Pattern {
    fn fits(&self, user: &[u8]) -> bool {
        match self {
            Self::Exactly(name) => user == name.as_bytes(),
            Self::Begins(start) => user.starts_with(start.as_bytes()),
        }
    }
}

impl HostPattern {
    fn fits(&self, host: &Host) -> bool {
        match self {
            Self::Exactly(name) => name.parse::<Host>().is_ok_and(|ours| ours.equivalent(host)),
            Self::Below(suffix) => {
                host.ip().is_none()
                    && host.as_str().to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase())
            }
        }
    }
}

impl FromStr for DialRule {
    type Err = DialRuleError;

    fn from_str(text: &str) -> Result<Self, DialRuleError> {
        let text = text.trim();
        let read = match text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:")) {
            Some(rest) => read_uri(rest),
            None => text.parse().ok().map(DialRule::Network),
        };
        read.ok_or_else(|| DialRuleError { rule: text.to_owned() })
    }
}

fn read_uri(rest: &str) -> Option<DialRule> {
    let (user, place) = rest.rsplit_once('@')?;
    let user = match user.strip_suffix('*') {
        Some(start) => Pattern::Begins(start.to_owned()),
        None => Pattern::Exactly(user.to_owned()),
    };
    let (user_text, below) = match &user {
        Pattern::Exactly(name) => (name, place.strip_prefix("*.")),
        Pattern::Begins(start) => (start, place.strip_prefix("*.")),
    };
    if user_text.contains('*') || matches!(&user, Pattern::Exactly(name) if name.is_empty()) {
        return None;
    }
    // With a user part that is sure to be one, what is left is host and port and nothing else.
    let place: SipUri = format!("sip:x@{}", below.unwrap_or(place)).parse().ok()?;
    if !place.params.is_empty() || !place.headers.is_empty() {
        return None;
    }
    let host = match below {
        Some(_) if place.host.ip().is_none() => {
            HostPattern::Below(format!(".{}", place.host.as_str()))
        }
        Some(_) => return None,
        None => HostPattern::Exactly(place.host.to_string()),
    };
    Some(DialRule::Uri { user, host, port: place.port })
}

impl fmt::Display for DialRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri { user, host, port } => {
                match user {
                    Pattern::Exactly(name) => write!(f, "sip:{name}@")?,
                    Pattern::Begins(start) => write!(f, "sip:{start}*@")?,
                }
                match host {
                    HostPattern::Exactly(name) => f.write_str(name)?,
                    HostPattern::Below(suffix) => write!(f, "*{suffix}")?,
                }
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// RFC 3261 §19.1.2
const SIP_PORT: u16 = 5_060;

/// Enough to bring a conference of usual size together by pressing one button a second.
const REFERS_PER_MINUTE: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rules: &[&str], target: &str) -> bool {
        let allow = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        DialRules { allow, ..DialRules::default() }.allows(&target.parse().unwrap())
    }

    /// T31: toll fraud needs a rule first.
    #[test]
    fn without_a_rule_nobody_is_called() {
        assert!(!allows(&[], "sip:bob@192.0.2.1"));
        assert!(!DialRules::default().allows(&"sip:+19005551234@gw.example.com".parse().unwrap()));
    }

    #[test]
    fn rules_fit_users_hosts_ports_and_networks() {
        for (rule, fits, not) in [
            ("sip:bob@example.com", "sip:bob@EXAMPLE.com", "sip:bobby@example.com"),
            ("sip:bob@example.com", "sips:bob@example.com:5061", "sip:example.com"),
            ("sip:*@example.com", "sip:example.com", "sip:bob@sub.example.com"),
            ("sip:*@*.example.com", "sip:bob@a.b.example.com", "sip:bob@badexample.com"),
            ("sip:+4930*@gw.example.com", "sip:+49301@gw.example.com", "sip:+4940@gw.example.com"),
            ("sip:*@gw.example.com:5060", "sip:1@gw.example.com", "sip:1@gw.example.com:5070"),
            ("sip:*@[2001:db8::1]", "sip:1@[2001:db8:0::1]:9", "sip:1@[2001:db8::2]"),
            ("192.0.2.0/24", "sip:anybody@192.0.2.77:9", "sip:anybody@192.0.3.1"),
            ("192.0.2.7", "sip:192.0.2.7", "sip:192.0.2.8"),
            ("2001:db8::/32", "sip:a@[2001:db8:1::1]", "sip:a@[2001:db9::1]"),
            ("0.0.0.0/0", "sip:a@203.0.113.1", "sip:a@example.com"),
        ] {
            assert!(allows(&[rule], fits), "{rule} {fits}");
            assert!(!allows(&[rule], not), "{rule} {not}");
            let read: DialRule = rule.parse().unwrap();
            assert_eq!(read.to_string().parse(), Ok(read), "{rule}");
        }
    }

    /// T31 · RFC 3261 §19.1.1: `maddr` overrides the host.
    #[test]
    fn maddr_fits_no_rule() {
        assert!(!allows(&["192.0.2.0/24"], "sip:bob@192.0.2.1;maddr=203.0.113.9"));
        assert!(!allows(&["sip:*@example.com"], "sip:bob@example.com;MADDR=203.0.113.9"));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_would_be_one() {
        for rule in [
            "",
            "*",
            "example.com",
            "sip:example.com",
            "sip:@example.com",
            "sip:b*b@example.com",
            "sip:bob@",
            "sip:bob@*",
            "sip:bob@*.192.0.2.1",
            "sip:bob@example.com;maddr=x",
            "192.0.2.0/33",
            "192.0.2.0/x",
            "tel:+49",
        ] {
            let error = rule.parse::<DialRule>().unwrap_err();
            assert!(error.to_string().contains("192.0.2.0/24"), "{rule}");
        }
    }
}
