//! What all our answers have in common.

use sip::uas::{self, Capabilities};
use sip::{
    HeaderName, Headers, Incoming, Method, NameAddr, Response, SipUri, StatusCode, Uri,
    session_timer,
};

use crate::event::PACKAGE;

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
        Method::Refer,
        Method::Subscribe,
    ],
    // 100rel (RFC 3262): every INVITE is answered by a final response at once, so there never is a
    // provisional one to be sent reliably, and any PRACK matches none (481).
    extensions: &["100rel", session_timer::TIMER, "norefersub", "tdialog", "replaces", "join"],
    accept: &["application/sdp"],
    events: &["refer", PACKAGE],
};

/// Answers OPTIONS to a conference URI, in a dialog or outside, joined or only held: the two are
/// alike (RFC 3261 §11.2) and both say `isfocus` (RFC 4579 §4.3).
pub fn options(conference_uri: &SipUri, incoming: &Incoming, tag: &str) -> Response {
    let contact = focus_contact(conference_uri, incoming).to_string();
    uas::options_answer(incoming, &CAPABILITIES)
        .with_to_tag(tag)
        .with_header(HeaderName::Contact, contact)
}

/// Refuses a SUBSCRIBE to a package that is not served here (RFC 6665 §4.2.1.1). To `refer` nobody
/// subscribes from outside: its subscriptions are made by REFER (RFC 3515 §2.4.4).
pub fn bad_event(incoming: &Incoming) -> Response {
    Response::answering(&incoming.request, StatusCode::BAD_EVENT)
        .with_header(HeaderName::AllowEvents, CAPABILITIES.events.join(", "))
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

/// Says in an INVITE and in a 200 to one what we can do (RFC 3261 §13.2.1, §13.3.1.4; RFC 4579 §5.13).
pub(crate) fn push_capabilities(headers: &mut Headers) {
    headers.push(HeaderName::Allow, uas::allow(&CAPABILITIES));
    headers.push(HeaderName::Accept, CAPABILITIES.accept.join(", "));
    headers.push(HeaderName::Supported, CAPABILITIES.extensions.join(", "));
    headers.push(HeaderName::AllowEvents, CAPABILITIES.events.join(", "));
}
