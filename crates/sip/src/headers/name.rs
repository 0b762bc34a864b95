//! Names of header fields.

use std::{fmt, str::FromStr};

use crate::scan;

/// Names a header field. Long form, compact form and any case read as the same name; we print the long form.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each variant is the header field of that name")]
pub enum HeaderName {
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    AlertInfo,
    Allow,
    AllowEvents,
    AuthenticationInfo,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLanguage,
    /// Never stored in [`Headers`](crate::Headers): the printer writes it from the body.
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Event,
    Expires,
    From,
    InReplyTo,
    Join,
    MaxForwards,
    MinExpires,
    MinSe,
    MimeVersion,
    Organization,
    Path,
    Priority,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    RSeq,
    Reason,
    RecordRoute,
    ReferSub,
    ReferTo,
    ReferredBy,
    Replaces,
    ReplyTo,
    Require,
    RetryAfter,
    Route,
    Server,
    SessionExpires,
    SessionId,
    Subject,
    SubscriptionState,
    Supported,
    TargetDialog,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    /// A field that we do not know. Holds a token in the spelling it came with.
    Other(String),
}

/// Longest name in [`HeaderName::parse`]'s table: `Proxy-Authorization`, `Authentication-Info`. A longer one is `Other`.
const KNOWN_NAME_BYTES_MAX: usize = 19;

impl HeaderName {
    /// Gives the canonical long form, or the spelling of a field that we do not know.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Accept => "Accept",
            Self::AcceptEncoding => "Accept-Encoding",
            Self::AcceptLanguage => "Accept-Language",
            Self::AlertInfo => "Alert-Info",
            Self::Allow => "Allow",
            Self::AllowEvents => "Allow-Events",
            Self::AuthenticationInfo => "Authentication-Info",
            Self::Authorization => "Authorization",
            Self::CallId => "Call-ID",
            Self::CallInfo => "Call-Info",
            Self::Contact => "Contact",
            Self::ContentDisposition => "Content-Disposition",
            Self::ContentEncoding => "Content-Encoding",
            Self::ContentLanguage => "Content-Language",
            Self::ContentLength => "Content-Length",
            Self::ContentType => "Content-Type",
            Self::CSeq => "CSeq",
            Self::Date => "Date",
            Self::Event => "Event",
            Self::Expires => "Expires",
            Self::From => "From",
            Self::InReplyTo => "In-Reply-To",
            Self::Join => "Join",
            Self::MaxForwards => "Max-Forwards",
            Self::MinExpires => "Min-Expires",
            Self::MinSe => "Min-SE",
            Self::MimeVersion => "MIME-Version",
            Self::Organization => "Organization",
            Self::Path => "Path",
            Self::Priority => "Priority",
            Self::ProxyAuthenticate => "Proxy-Authenticate",
            Self::ProxyAuthorization => "Proxy-Authorization",
            Self::ProxyRequire => "Proxy-Require",
            Self::RAck => "RAck",
            Self::RSeq => "RSeq",
            Self::Reason => "Reason",
            Self::RecordRoute => "Record-Route",
            Self::ReferSub => "Refer-Sub",
            Self::ReferTo => "Refer-To",
            Self::ReferredBy => "Referred-By",
            Self::Replaces => "Replaces",
            Self::ReplyTo => "Reply-To",
            Self::Require => "Require",
            Self::RetryAfter => "Retry-After",
            Self::Route => "Route",
            Self::Server => "Server",
            Self::SessionExpires => "Session-Expires",
            Self::SessionId => "Session-ID",
            Self::Subject => "Subject",
            Self::SubscriptionState => "Subscription-State",
            Self::Supported => "Supported",
            Self::TargetDialog => "Target-Dialog",
            Self::Timestamp => "Timestamp",
            Self::To => "To",
            Self::Unsupported => "Unsupported",
            Self::UserAgent => "User-Agent",
            Self::Via => "Via",
            Self::Warning => "Warning",
            Self::WwwAuthenticate => "WWW-Authenticate",
            Self::Other(name) => name,
        }
    }

    /// Reads a name: long or compact, in any case (RFC 3261 §7.3.1, §7.3.3). `None` when it is not a token.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text.as_bytes())
    }

    /// The same as it comes from the wire.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut lower = [0; KNOWN_NAME_BYTES_MAX];
        let known = lower.get_mut(..bytes.len()).and_then(|lower| {
            lower.copy_from_slice(bytes);
            lower.make_ascii_lowercase();
            Self::known(lower)
        });
        // What we know is a token.
        known.or_else(|| {
            let text = std::str::from_utf8(bytes).ok()?;
            scan::is_token(text).then(|| Self::Other(text.to_owned()))
        })
    }

    /// The field of this name in lower case, if we know it.
    fn known(lower: &[u8]) -> Option<Self> {
        Some(match lower {
            b"accept" => Self::Accept,
            b"accept-encoding" => Self::AcceptEncoding,
            b"accept-language" => Self::AcceptLanguage,
            b"alert-info" => Self::AlertInfo,
            b"allow" => Self::Allow,
            b"allow-events" | b"u" => Self::AllowEvents, // RFC 6665 §8.2.2
            b"authentication-info" => Self::AuthenticationInfo,
            b"authorization" => Self::Authorization,
            b"call-id" | b"i" => Self::CallId,
            b"call-info" => Self::CallInfo,
            b"contact" | b"m" => Self::Contact,
            b"content-disposition" => Self::ContentDisposition,
            b"content-encoding" | b"e" => Self::ContentEncoding,
            b"content-language" => Self::ContentLanguage,
            b"content-length" | b"l" => Self::ContentLength,
            b"content-type" | b"c" => Self::ContentType,
            b"cseq" => Self::CSeq,
            b"date" => Self::Date,
            b"event" | b"o" => Self::Event, // RFC 6665 §8.2.1
            b"expires" => Self::Expires,
            b"from" | b"f" => Self::From,
            b"in-reply-to" => Self::InReplyTo,
            b"join" => Self::Join,
            b"max-forwards" => Self::MaxForwards,
            b"min-expires" => Self::MinExpires,
            b"min-se" => Self::MinSe,
            b"mime-version" => Self::MimeVersion,
            b"organization" => Self::Organization,
            b"path" => Self::Path,
            b"priority" => Self::Priority,
            b"proxy-authenticate" => Self::ProxyAuthenticate,
            b"proxy-authorization" => Self::ProxyAuthorization,
            b"proxy-require" => Self::ProxyRequire,
            b"rack" => Self::RAck,
            b"rseq" => Self::RSeq,
            b"reason" => Self::Reason,
            b"record-route" => Self::RecordRoute,
            b"refer-sub" => Self::ReferSub,
            b"refer-to" | b"r" => Self::ReferTo, // RFC 3515 §2.1
            b"referred-by" | b"b" => Self::ReferredBy, // RFC 3892 §3
            b"replaces" => Self::Replaces,
            b"reply-to" => Self::ReplyTo,
            b"require" => Self::Require,
            b"retry-after" => Self::RetryAfter,
            b"route" => Self::Route,
            b"server" => Self::Server,
            b"session-expires" | b"x" => Self::SessionExpires, // RFC 4028 §4
            b"session-id" => Self::SessionId,
            b"subject" | b"s" => Self::Subject,
            b"subscription-state" => Self::SubscriptionState,
            b"supported" | b"k" => Self::Supported,
            b"target-dialog" => Self::TargetDialog,
            b"timestamp" => Self::Timestamp,
            b"to" | b"t" => Self::To,
            b"unsupported" => Self::Unsupported,
            b"user-agent" => Self::UserAgent,
            b"via" | b"v" => Self::Via,
            b"warning" => Self::Warning,
            b"www-authenticate" => Self::WwwAuthenticate,
            _ => return None,
        })
    }

    /// Says whether a line of this field may hold several values, which are then kept as one field each.
    /// Only those whose single values we address; other lists stay as they came and are split when read.
    pub(crate) const fn is_split(&self) -> bool {
        matches!(self, Self::Via | Self::Route | Self::RecordRoute | Self::Contact)
    }
}

impl PartialEq for HeaderName {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // RFC 3261 §7.3.1: names are compared without regard to case.
            (Self::Other(a), Self::Other(b)) => a.eq_ignore_ascii_case(b),
            (_, _) => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for HeaderName {}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a token, so it cannot name a header field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a header name")]
pub struct HeaderNameError;

impl FromStr for HeaderName {
    type Err = HeaderNameError;

    fn from_str(text: &str) -> Result<Self, HeaderNameError> {
        Self::parse(text).ok_or(HeaderNameError)
    }
}
