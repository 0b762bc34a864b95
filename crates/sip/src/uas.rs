//! What every UAS core checks in a request before it looks at the method's own matter
//! (RFC 3261 §8.2), and the answer to OPTIONS.
//!
//! Everything here is a function of the request: no state, so any of the answers may go out
//! statelessly.

use crate::content::{self, ContentError};
use crate::{HeaderName, Incoming, MediaType, Method, Response, StatusCode, Uri, Warning};

/// What a UAS core can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The methods it serves, in the order in which they are listed.
    pub allow: &'static [Method],
    /// The option tags it understands.
    pub extensions: &'static [&'static str],
    /// The body types it understands, `type/subtype`; in an INVITE also those that it makes.
    pub accept: &'static [&'static str],
    /// The event packages it knows.
    pub events: &'static [&'static str],
}

/// Makes all the checks in the order of RFC 3261 §8.2; the first that fails decides.
///
/// # Errors
/// The answer to send, without a To tag. An ACK is never answered, so it always passes.
pub fn check(incoming: &Incoming, capabilities: &Capabilities) -> Result<(), Response> {
    check_method(incoming, capabilities)?;
    check_scheme(incoming)?;
    check_require(incoming, capabilities)?;
    check_content(incoming, capabilities)
}

/// Checks the method: 501 if nobody knows it, 405 if it is not served here, both with Allow
/// (RFC 3261 §8.2.1, §21.5.2).
///
/// # Errors
/// The answer to send, without a To tag.
pub fn check_method(incoming: &Incoming, capabilities: &Capabilities) -> Result<(), Response> {
    let method = &incoming.request.method;
    if *method == Method::Ack || capabilities.allow.contains(method) {
        return Ok(());
    }
    let known = method.is_known();
    let status = if known { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_IMPLEMENTED };
    Err(Response::answering(&incoming.request, status)
        .with_header(HeaderName::Allow, allow(capabilities)))
}

/// Checks the scheme of the Request-URI: 416 if it is neither `sip` nor `sips` (RFC 3261 §8.2.2.1).
/// To is not looked at.
///
/// # Errors
/// The answer to send, without a To tag.
pub fn check_scheme(incoming: &Incoming) -> Result<(), Response> {
    match (&incoming.request.uri, &incoming.request.method) {
        (Uri::Sip(_), _) | (_, Method::Ack) => Ok(()),
        (Uri::Other { .. }, _) => {
            Err(Response::answering(&incoming.request, StatusCode::UNSUPPORTED_URI_SCHEME))
        }
    }
}

/// Checks Require: 420 with Unsupported for what is not understood (RFC 3261 §8.2.2.3).
///
/// # Errors
/// The answer to send, without a To tag.
pub fn check_require(incoming: &Incoming, capabilities: &Capabilities) -> Result<(), Response> {
    let request = &incoming.request;
    // RFC 3261 §8.2.2.3: ignored in these.
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return Ok(());
    }
    let Ok(required) = request.headers.require() else {
        return Err(Response::answering(request, StatusCode::BAD_REQUEST));
    };
    let understood =
        |tag: &String| capabilities.extensions.iter().any(|ours| ours.eq_ignore_ascii_case(tag));
    let unknown: Vec<_> = required.into_iter().filter(|tag| !understood(tag)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Response::answering(request, StatusCode::BAD_EXTENSION)
        .with_header(HeaderName::Unsupported, unknown.join(", ")))
}

/// Checks the body (415 with Accept: RFC 3261 §8.2.3, RFC 5621 §8.4; 400 if it cannot be taken apart) and, where we would answer with a body, what the
/// peer accepts (406: RFC 3261 §21.4.7).
///
/// The body of an ACK, a CANCEL or a BYE is not looked at: the first is never answered, and the other
/// two have their effect whatever they carry.
///
/// # Errors
/// The answer to send, without a To tag.
pub fn check_content(incoming: &Incoming, capabilities: &Capabilities) -> Result<(), Response> {
    match incoming.request.method {
        Method::Ack | Method::Cancel | Method::Bye => Ok(()),
        // RFC 3261 §11.2: OPTIONS is answered as an INVITE would be.
        Method::Invite | Method::Options => {
            check_body(incoming, capabilities)?;
            check_accept(incoming, capabilities)
        }
        _ => check_body(incoming, capabilities),
    }
}

/// Makes the 200 to an OPTIONS: what the core can do (RFC 3261 §11.2, RFC 4579 §4.3). Without Contact,
/// and without a To tag.
pub fn options_answer(incoming: &Incoming, capabilities: &Capabilities) -> Response {
    let mut response = Response::answering(&incoming.request, StatusCode::OK)
        .with_header(HeaderName::Allow, allow(capabilities))
        .with_header(HeaderName::Accept, accept(capabilities))
        .with_header(HeaderName::AcceptEncoding, "identity")
        .with_header(HeaderName::AcceptLanguage, "en")
        .with_header(HeaderName::Supported, capabilities.extensions.join(", "));
    if !capabilities.events.is_empty() {
        response.headers.push(HeaderName::AllowEvents, capabilities.events.join(", "));
    }
    response
}

/// The value of Allow.
pub fn allow(capabilities: &Capabilities) -> String {
    capabilities.allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

fn check_body(incoming: &Incoming, capabilities: &Capabilities) -> Result<(), Response> {
    let request = &incoming.request;
    let is_known = |found: &MediaType| ranges(capabilities).any(|(kind, sub)| found.is(kind, sub));
    let Err(error) = content::check(&request.headers, &request.body, is_known) else {
        return Ok(());
    };
    let refusal = Response::answering(request, error.status());
    Err(match error {
        ContentError::Type => refusal.with_header(HeaderName::Accept, accept(capabilities)),
        ContentError::Encoding => refusal.with_header(HeaderName::AcceptEncoding, "identity"),
        ContentError::Malformed | ContentError::Unterminated | ContentError::TooMuch => {
            let warning = Warning::new(399, "uas", error.to_string());
            refusal.with_header(HeaderName::Warning, warning.to_string())
        }
    })
}

/// The value of Accept. RFC 5621 §4.2: multipart bodies are understood, whatever is in them.
pub fn accept(capabilities: &Capabilities) -> String {
    [capabilities.accept, &content::MULTIPART].concat().join(", ")
}

fn check_accept(incoming: &Incoming, capabilities: &Capabilities) -> Result<(), Response> {
    let request = &incoming.request;
    // RFC 3261 §20.1: without the header field, application/sdp is accepted.
    let accepts = |ranges_theirs: &[MediaType]| {
        ranges(capabilities)
            .any(|(kind, sub)| ranges_theirs.iter().any(|range| range.accepts(kind, sub)))
    };
    match request.headers.accept() {
        Ok(None) => Ok(()),
        Ok(Some(theirs)) if accepts(&theirs) => Ok(()),
        Ok(Some(_)) => {
            let text = format!("only {} can be sent", capabilities.accept.join(", "));
            let warning = Warning::new(399, "uas", text);
            Err(Response::answering(request, StatusCode::NOT_ACCEPTABLE)
                .with_header(HeaderName::Warning, warning.to_string()))
        }
        Err(_) => Err(Response::answering(request, StatusCode::BAD_REQUEST)),
    }
}

/// The body types of a core, split.
fn ranges(capabilities: &Capabilities) -> impl Iterator<Item = (&'static str, &'static str)> {
    capabilities.accept.iter().filter_map(|range| range.split_once('/'))
}

#[cfg(test)]
mod tests;
