//! What a REFER to the conference asks for (RFC 4579 §5.5, §5.7, §5.10, §5.11), and what none of them may.

use sip::uas::{self, Capabilities};
use sip::{
    Contacts, HeaderName, HeaderValue, Incoming, Method, NameAddr, Response, SipUri, StatusCode,
    Warning,
};

use crate::Deed;
use crate::answers::CAPABILITIES;
use crate::dialling::Callee;
use crate::roster::shown;

/// What a REFER asks a focus to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Call somebody and let him in.
    Call(Box<Callee>),
    /// Tell somebody by REFER to call the conference himself.
    Refer(Box<Callee>),
    /// Let go whoever goes by this URI.
    Remove(SipUri),
}

impl Order {
    /// All that one can be.
    pub(crate) const DEEDS: [Deed; 3] = [Deed::Call, Deed::ReferOn, Deed::Remove];

    /// What it is to do this.
    pub(crate) const fn deed(&self) -> Deed {
        match self {
            Self::Call(_) => Deed::Call,
            Self::Refer(_) => Deed::ReferOn,
            Self::Remove(_) => Deed::Remove,
        }
    }
}

/// Whether whoever refers wants to hear what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reports {
    /// He does (RFC 3515 §2.4.4).
    Wanted,
    /// `Refer-Sub: false` (RFC 4488).
    Declined,
    /// `Require: nosub` (RFC 7614 §5).
    Forbidden,
}

/// Why a REFER is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("A REFER has one Refer-To, one Contact, and at most one Referred-By")]
    Malformed,
    #[error(
        "Only who asked for this conference or moderates it may bring others in or remove them, from his call to it or with a Target-Dialog that names it"
    )]
    NotYours,
    #[error("A conference calls SIP URIs only")]
    Scheme,
    #[error(
        "A conference is told to call by method=INVITE, to refer by method=REFER with Refer-To={{itself}}, and to remove by method=BYE"
    )]
    Method,
    #[error(
        "Of header fields in a Refer-To a conference takes over Replaces, to call, and its own address in Refer-To, to refer"
    )]
    EmbeddedHeader,
    #[error("The conference cannot join itself")]
    Itself,
    #[error("No rule of this server allows calls to this address: see allow under [dial_out]")]
    NoRule,
    #[error(
        "Too many REFERs to this conference within a minute: see refers_per_minute under [dial_out]"
    )]
    TooMany,
    #[error("This conference has as many legs as one can have")]
    Full,
    #[error("This conference is ending")]
    Ending,
}

impl OrderError {
    fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotYours
            | Self::Scheme
            | Self::Method
            | Self::EmbeddedHeader
            | Self::Itself
            | Self::NoRule => StatusCode::FORBIDDEN,
            Self::TooMany => StatusCode::TEMPORARILY_UNAVAILABLE,
            Self::Full => StatusCode::BUSY_HERE,
            Self::Ending => StatusCode::NOT_FOUND,
        }
    }

    /// The refusal: with a Warning, since most of these are matters of configuration.
    pub(crate) fn refusal(self, incoming: &Incoming, agent: &str) -> Response {
        let warning = Warning::new(399, agent, self.to_string());
        let response = Response::answering(&incoming.request, self.status())
            .with_header(HeaderName::Warning, warning.to_string());
        match self {
            Self::TooMany => response.with_header(HeaderName::RetryAfter, RETRY_AFTER_SECONDS),
            Self::Malformed
            | Self::NotYours
            | Self::Scheme
            | Self::Method
            | Self::EmbeddedHeader
            | Self::Itself
            | Self::NoRule
            | Self::Full
            | Self::Ending => response,
        }
    }
}

/// Reads what a REFER asks for. A function of the request: whether the target may be called is not
/// looked at.
pub(crate) fn read(incoming: &Incoming, conference_uri: &SipUri) -> Result<Order, OrderError> {
    let headers = &incoming.request.headers;
    // RFC 3515 §2.4.2, RFC 3892 §2.1.
    let refer_to = headers.refer_to().map_err(|_| OrderError::Malformed)?;
    headers.referred_by().map_err(|_| OrderError::Malformed)?;
    let target = refer_to.uri.as_sip().ok_or(OrderError::Scheme)?;
    let method = match target.param("method") {
        // RFC 3261 §19.1.1
        None | Some(None) => Method::Invite,
        Some(Some(name)) => name.parse().map_err(|_| OrderError::Method)?,
    };
    let embedded = embedded(target)?;
    let uri = target.as_request_uri();
    let is_us = is_conference(&uri, conference_uri);
    let (_, display) = shown(&refer_to);
    let referred_by = headers.get(&HeaderName::ReferredBy).cloned();
    let callee = |replaces| Box::new(Callee { uri: uri.clone(), display, referred_by, replaces });
    match (method, embedded) {
        (Method::Invite | Method::Refer, _) if is_us => Err(OrderError::Itself),
        (Method::Invite, Embedded::Nothing) => Ok(Order::Call(callee(None))),
        (Method::Invite, Embedded::Replaces(value)) => Ok(Order::Call(callee(Some(value)))),
        (Method::Refer, Embedded::ReferTo(to))
            if to.uri.as_sip().is_some_and(|to| is_conference(to, conference_uri)) =>
        {
            Ok(Order::Refer(callee(None)))
        }
        (Method::Bye, Embedded::Nothing) => Ok(Order::Remove(uri)),
        (Method::Invite | Method::Refer | Method::Bye, _) => Err(OrderError::EmbeddedHeader),
        (_, _) => Err(OrderError::Method),
    }
}

/// The header fields that a Refer-To brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Embedded {
    Nothing,
    Replaces(HeaderValue),
    ReferTo(NameAddr),
}

/// Anything else would be a stranger's words in our request (RFC 3261 §19.1.5).
fn embedded(target: &SipUri) -> Result<Embedded, OrderError> {
    let mut embedded = Embedded::Nothing;
    for (name, value) in target.headers_unescaped() {
        let name = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
        let is_clean = !value.is_empty() && !value.iter().any(u8::is_ascii_control);
        embedded = match (embedded, name) {
            (Embedded::Nothing, Some(HeaderName::Replaces)) if is_clean => {
                Embedded::Replaces(HeaderValue::from(value.into_owned()))
            }
            (Embedded::Nothing, Some(HeaderName::ReferTo)) if is_clean => {
                let to = String::from_utf8_lossy(&value).parse();
                Embedded::ReferTo(to.map_err(|_| OrderError::EmbeddedHeader)?)
            }
            (_, _) => return Err(OrderError::EmbeddedHeader),
        };
    }
    Ok(embedded)
}

/// Whether a URI means this conference: the user part does, whatever host it comes to us by.
pub(crate) fn is_conference(uri: &SipUri, conference_uri: &SipUri) -> bool {
    uri.user_unescaped() == conference_uri.user_unescaped()
}

/// What every REFER must be, whoever sends it.
pub(crate) fn check(incoming: &Incoming) -> Result<(), Response> {
    uas::check(incoming, &REFER_CAPABILITIES)
}

/// RFC 3515 §2.2: exactly one Contact. Inside a dialog, whose target is known, some phones leave it out.
pub(crate) fn check_contact(incoming: &Incoming, inside: bool) -> Result<(), OrderError> {
    match incoming.request.headers.contacts() {
        Ok(Contacts::List(contacts)) if contacts.len() == 1 => Ok(()),
        Ok(Contacts::List(contacts)) if contacts.is_empty() && inside => Ok(()),
        Ok(Contacts::List(_) | Contacts::Star) | Err(_) => Err(OrderError::Malformed),
    }
}

/// Whether reports are wanted.
pub(crate) fn reports(incoming: &Incoming) -> Reports {
    let headers = &incoming.request.headers;
    let requires = |tag: &str| {
        headers.require().is_ok_and(|tags| tags.iter().any(|found| found.eq_ignore_ascii_case(tag)))
    };
    // RFC 4488 §4: parameters of it are none that we know.
    let value = headers.get(&HeaderName::ReferSub).map(|value| value.text().into_owned());
    let says_false = value.is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("false")
    });
    if requires(NO_SUBSCRIPTION) {
        Reports::Forbidden
    } else if says_false {
        Reports::Declined
    } else {
        Reports::Wanted
    }
}

/// RFC 7614 §6: the tag means something in a REFER only.
pub(crate) const NO_SUBSCRIPTION: &str = "nosub";

/// What a focus understands in a REFER: one more extension than elsewhere. `multiple-refer` (RFC 5368) is
/// not among them, so a list of targets is refused with 420.
const REFER_CAPABILITIES: Capabilities = Capabilities { extensions: &with_nosub(), ..CAPABILITIES };

const fn with_nosub() -> [&'static str; CAPABILITIES.extensions.len() + 1] {
    let mut tags = [NO_SUBSCRIPTION; CAPABILITIES.extensions.len() + 1];
    let mut at = 0;
    while at < CAPABILITIES.extensions.len() {
        tags[at] = CAPABILITIES.extensions[at];
        at += 1;
    }
    tags
}

const RETRY_AFTER_SECONDS: u32 = 30;
