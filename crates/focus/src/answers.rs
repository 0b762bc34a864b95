//! What all our answers have in common.

use sip::uas::{self, Capabilities};
use sip::{
    CSeq, HeaderName, Headers, Incoming, MAX_FORWARDS, Method, NameAddr, Request, Response, SipUri,
    StatusCode, Uri, session_timer,
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

/// A request of a focus outside any dialog, the `cseq`-th of its Call-ID: to where it goes and to whom, from the
/// conference, with its Contact (RFC 4579 §5.2) and what it can do (RFC 3261 §8.1.1).
pub(crate) fn focus_request(
    cseq: CSeq,
    target: &SipUri,
    to: &SipUri,
    (conference_uri, call_id, tag): (&SipUri, &str, &str),
) -> Request {
    let mut ours = conference_uri.clone();
    ours.secure = target.secure;
    let ours = Uri::Sip(ours);
    let mut request = Request::new(cseq.method.clone(), target.clone());
    let headers = &mut request.headers;
    headers.push(HeaderName::MaxForwards, MAX_FORWARDS);
    headers.push(HeaderName::From, NameAddr::new(ours.clone()).with_tag(tag).to_string());
    headers.push(HeaderName::To, NameAddr::new(to.clone()).to_string());
    headers.push(HeaderName::CallId, call_id);
    headers.push(HeaderName::CSeq, cseq.to_string());
    headers.push(HeaderName::Contact, NameAddr::new(ours).with_isfocus().to_string());
    push_capabilities(headers);
    request
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
    headers.push(HeaderName::Accept, uas::accept(&CAPABILITIES));
    headers.push(HeaderName::Supported, CAPABILITIES.extensions.join(", "));
    headers.push(HeaderName::AllowEvents, CAPABILITIES.events.join(", "));
}
