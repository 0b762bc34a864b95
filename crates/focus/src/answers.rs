//! What all our answers have in common.

use sip::uas::{self, Capabilities};
use sip::{HeaderName, Incoming, Method, NameAddr, Response, SipUri, Uri, session_timer};

/// What a focus understands (RFC 3261 §8.2). Only what is served is shown (RFC 4579 §5.13 has
/// `replaces`, `join` and the event packages as examples).
pub const CAPABILITIES: Capabilities = Capabilities {
    allow: &[
        Method::Invite,
        Method::Ack,
        Method::Cancel,
        Method::Options,
        Method::Bye,
        Method::Update,
        Method::Prack,
    ],
    // 100rel (RFC 3262): every INVITE is answered by a final response at once, so there never is a
    // provisional one to be sent reliably, and any PRACK matches none (481).
    extensions: &["100rel", session_timer::TIMER],
    accept: &["application/sdp"],
    events: &[],
};

/// Answers OPTIONS to a conference URI, in a dialog or outside, joined or only held: the two are
/// alike (RFC 3261 §11.2) and both say `isfocus` (RFC 4579 §4.3).
pub fn options(conference_uri: &SipUri, incoming: &Incoming, tag: &str) -> Response {
    let contact = focus_contact(conference_uri, incoming).to_string();
    uas::options_answer(incoming, &CAPABILITIES)
        .with_to_tag(tag)
        .with_header(HeaderName::Contact, contact)
}

/// The Contact of everything a focus sends or answers: the conference URI and a bare `isfocus`
/// (RFC 4579 §5.1; RFC 3840 §9: the name without a prefix). Who asked by sips gets sips
/// (RFC 3261 §12.1.1).
pub(crate) fn focus_contact(conference_uri: &SipUri, incoming: &Incoming) -> NameAddr {
    let mut uri = conference_uri.clone();
    if incoming.request.uri.as_sip().is_some_and(|asked| asked.secure) {
        uri.secure = true;
    }
    NameAddr::new(Uri::Sip(uri)).with_isfocus()
}

/// Says in a 200 to INVITE what we can do (RFC 3261 §13.3.1.4, RFC 4579 §5.13). Allow-Events
/// is left out as long as there is nothing to list.
pub(crate) fn push_capabilities(response: &mut Response) {
    response.headers.push(HeaderName::Allow, uas::allow(&CAPABILITIES));
    response.headers.push(HeaderName::Accept, CAPABILITIES.accept.join(", "));
    response.headers.push(HeaderName::Supported, CAPABILITIES.extensions.join(", "));
    if !CAPABILITIES.events.is_empty() {
        response.headers.push(HeaderName::AllowEvents, CAPABILITIES.events.join(", "));
    }
}
