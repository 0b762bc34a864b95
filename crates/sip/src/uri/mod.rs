//! URIs: SIP and SIPS in full, others as opaque text.

mod compare;
mod escape;
mod host;
mod sip_uri;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

pub use escape::{escape_header, escape_user, unescape};
pub use host::{Host, HostError};
pub use sip_uri::SipUri;
pub(crate) use sip_uri::parse_port;

/// Names a resource. Prints byte for byte what was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uri {
    /// A `sip:` or `sips:` URI.
    Sip(SipUri),
    /// Any other URI: known by its scheme only.
    Other {
        /// What stands before the colon, as it came.
        scheme: String,
        /// What stands after the colon, as it came.
        rest: String,
    },
}

impl Uri {
    /// Gives the SIP or SIPS URI.
    pub const fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Other { .. } => None,
        }
    }

    /// Says whether two URIs are the same: SIP URIs by RFC 3261 §19.1.4, others byte by byte but for the scheme's case.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.equivalent(b),
            (Self::Other { scheme: a, rest: x }, Self::Other { scheme: b, rest: y }) => {
                a.eq_ignore_ascii_case(b) && x == y
            }
            (Self::Sip(_), Self::Other { .. }) | (Self::Other { .. }, Self::Sip(_)) => false,
        }
    }

    /// The same as `to_string`, but its memory is taken at once.
    pub fn text(&self) -> String {
        match self {
            Self::Sip(uri) => uri.text(),
            Self::Other { scheme, rest } => [scheme, ":", rest].concat(),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.put(f),
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

/// Why a text is no URI. All of these are the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum UriError {
    #[error("no scheme before a colon")]
    Scheme,
    #[error("a character that must be escaped, or a broken escape")]
    Character,
    #[error("user or password is malformed")]
    UserInfo,
    #[error("host is malformed")]
    Host,
    #[error("port is not a number from 1 to 65535")]
    Port,
    #[error("a parameter is malformed")]
    Param,
    #[error("a header component is malformed")]
    Header,
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let mut bytes = scheme.bytes();
        // RFC 3261 §25.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
        if !bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
            || !bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        {
            return Err(UriError::Scheme);
        }
        if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") {
            return text.parse().map(Self::Sip);
        }
        // Anything that would break a Request-Line or a bracketed URI is out; the rest belongs to the scheme.
        if rest.is_empty()
            || rest.bytes().any(|byte| byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 0x7f))
        {
            return Err(UriError::Character);
        }
        Ok(Self::Other { scheme: scheme.to_owned(), rest: rest.to_owned() })
    }
}

crate::text_form::serde_as_text!(Uri, SipUri);
