//! Headers that a URI brings along: `sip:bob@host?Subject=lunch` (RFC 3261 §19.1.5).
//!
//! Such a URI comes from a redirection or a Refer-To, so from somebody who thereby writes into our
//! request. What may harm us or others is left out: the RFC names From, Call-ID, CSeq, Via,
//! Record-Route, Route and what speaks of our location and capabilities. Instead of that list we keep
//! the short one of what is of use.

use sip::{HeaderName, Request, SipUri};

/// Headers taken over from one URI; further ones are left out. The longest real ones (an attended
/// transfer with Replaces and Require) have two.
const URI_HEADERS_MAX: usize = 8;

/// What becomes of a header in a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// Takes the place of ours.
    Overwrite,
    /// Is added to ours: a list (RFC 3261 §8.1.3.4).
    Append,
    /// Left out.
    Ignore,
}

/// Puts the headers of `uri` into a request that is formed from it.
pub(crate) fn apply(uri: &SipUri, request: &mut Request) {
    for (name, value) in uri.headers_unescaped().take(URI_HEADERS_MAX) {
        // `body` is no header but the message's body (RFC 3261 §19.1.1). Ours stays: it falls under
        // the names that are left out.
        let name = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
        let Some(name) = name.filter(|_| !breaks_out(&value)) else { continue };
        let value = value.into_owned();
        match treatment(&name) {
            Treatment::Overwrite => request.headers.set(name, value),
            Treatment::Append => request.headers.push(name, value),
            Treatment::Ignore => {}
        }
    }
}

fn treatment(name: &HeaderName) -> Treatment {
    match name {
        HeaderName::Subject
        | HeaderName::Priority
        | HeaderName::Replaces
        | HeaderName::Join
        | HeaderName::TargetDialog => Treatment::Overwrite,
        HeaderName::AlertInfo
        | HeaderName::CallInfo
        | HeaderName::InReplyTo
        | HeaderName::Reason => Treatment::Append,
        HeaderName::Other(name) if name.len() > 2 && name[..2].eq_ignore_ascii_case("x-") => {
            Treatment::Overwrite
        }
        _ => Treatment::Ignore,
    }
}

/// Whether a value would be more than one header, or end the message.
fn breaks_out(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_control)
}

#[cfg(test)]
mod tests;
