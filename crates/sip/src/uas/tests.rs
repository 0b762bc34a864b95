//! RFC 3261 §8.2, check by check.

use super::*;
use crate::{Essentials, FlowId, Message, Source, Transport, parse_datagram};

const FOCUS: Capabilities = Capabilities {
    allow: &[Method::Invite, Method::Ack, Method::Cancel, Method::Bye, Method::Options],
    extensions: &["replaces", "join"],
    accept: &["application/sdp"],
    events: &["conference", "refer"],
};

/// A request with these header lines and body.
fn incoming(method: &str, uri: &str, lines: &str, body: &str) -> Incoming {
    let length = body.len();
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-1\r\n\
         From: <sip:a@example.com>;tag=a\r\nTo: <tel:+1-202-555-0199>\r\nCall-ID: c\r\n\
         CSeq: 1 {method}\r\nContact: <sip:a@192.0.2.9>\r\nMax-Forwards: 70\r\n\
         {lines}Content-Length: {length}\r\n\r\n{body}"
    );
    let Ok(Message::Request(request)) = parse_datagram(text.as_bytes()) else { panic!("{text}") };
    let essentials = Essentials::of(&request.headers).expect("parsed");
    let address = "192.0.2.9:5060".parse().expect("an address");
    let (transport, flow) = (Transport::Udp, FlowId::NONE);
    let source = Source { transport, local: address, remote: address, flow };
    Incoming { request, essentials, source }
}

fn invite(lines: &str, body: &str) -> Incoming {
    incoming("INVITE", "sip:x@example.com", lines, body)
}

/// Status and one header field of the refusal.
fn refusal(incoming: &Incoming, name: &HeaderName) -> (u16, Option<String>) {
    let response = check(incoming, &FOCUS).expect_err("refused");
    let value = response.headers.get(name).map(|value| value.text().into_owned());
    (response.status.code(), value)
}

const SDP: &str = "Content-Type: application/sdp\r\n";

#[test]
fn good_invite_passes() {
    assert_eq!(check(&invite(SDP, "v=0\r\n"), &FOCUS), Ok(()));
    assert_eq!(check(&invite("", ""), &FOCUS), Ok(()));
}

/// A20 · RFC 3261 §8.2.1, §21.5.2
#[test]
fn method_is_501_if_unknown_and_405_if_not_allowed() {
    let allow = Some("INVITE, ACK, CANCEL, BYE, OPTIONS".to_owned());
    let uri = "sip:x@example.com";
    for (method, status) in
        [("REGISTER", 405), ("MESSAGE", 405), ("NEWMETHOD", 501), ("invite", 501)]
    {
        let found = refusal(&incoming(method, uri, "", ""), &HeaderName::Allow);
        assert_eq!(found, (status, allow.clone()), "{method}");
    }
    let from = incoming("REGISTER", uri, "", "").request;
    let response = check_method(&incoming("REGISTER", uri, "", ""), &FOCUS).expect_err("405");
    assert_eq!(response.headers.get(&HeaderName::Via), from.headers.get(&HeaderName::Via));
}

/// A21 · RFC 3261 §8.2.2.1: the Request-URI's scheme counts, that of To (here tel) does not.
#[test]
fn scheme_of_the_request_uri_is_416_if_not_sip() {
    for uri in
        ["nobodyKnowsThisScheme:totallyopaquecontent", "soap.beep://192.0.2.103:3002", "tel:1"]
    {
        assert_eq!(refusal(&incoming("OPTIONS", uri, "", ""), &HeaderName::Allow), (416, None));
    }
    for uri in ["sip:x@example.com", "sips:x@example.com", "SIP:x@example.com"] {
        assert_eq!(check(&incoming("OPTIONS", uri, "", ""), &FOCUS), Ok(()));
    }
}

/// A23 · RFC 3261 §8.2.2.3
#[test]
fn unknown_require_is_420_with_what_is_unknown() {
    let lines = "Require: join, nobodyHas1\r\nRequire: REPLACES,nobodyHas2\r\n";
    let unsupported = Some("nobodyHas1, nobodyHas2".to_owned());
    assert_eq!(refusal(&invite(lines, ""), &HeaderName::Unsupported), (420, unsupported));
    assert_eq!(check(&invite("Require: join\r\nSupported: x\r\n", ""), &FOCUS), Ok(()));
    // Proxy-Require is for proxies.
    assert_eq!(check(&invite("Proxy-Require: nobodyHas\r\n", ""), &FOCUS), Ok(()));
    for method in ["ACK", "CANCEL"] {
        let request = incoming(method, "sip:x@example.com", "Require: nobodyHas\r\n", "");
        assert_eq!(check(&request, &FOCUS), Ok(()), "{method}");
    }
}

/// A24 · RFC 3261 §8.2.3, §20.11, §20.15
#[test]
fn body_that_is_not_understood_is_415_unless_optional() {
    let accept = Some("application/sdp, multipart/mixed, multipart/alternative".to_owned());
    let unknown = "Content-Type: application/unknownformat\r\n";
    assert_eq!(refusal(&invite(unknown, "<x/>"), &HeaderName::Accept), (415, accept.clone()));
    assert_eq!(refusal(&invite("", "v=0\r\n"), &HeaderName::Accept), (415, accept));
    let encoded = format!("{SDP}Content-Encoding: gzip\r\n");
    let identity = Some("identity".to_owned());
    assert_eq!(refusal(&invite(&encoded, "zip"), &HeaderName::AcceptEncoding), (415, identity));

    let passes = [
        format!("{unknown}Content-Disposition: session;handling=optional\r\n"),
        format!("{unknown}Content-Disposition: x ; Handling = Optional ;y=z\r\n"),
        format!("{SDP}Content-Encoding: IDENTITY\r\n"),
        "Content-Type: Application/SDP;charset=utf-8\r\n".to_owned(),
    ];
    for lines in passes {
        assert_eq!(check(&invite(&lines, "v=0\r\n"), &FOCUS), Ok(()), "{lines}");
    }
    let required = format!("{unknown}Content-Disposition: session;handling=required\r\n");
    assert_eq!(refusal(&invite(&required, "x"), &HeaderName::Allow).0, 415);
    // No body, no matter what its type would be.
    assert_eq!(check(&invite(unknown, ""), &FOCUS), Ok(()));
    // A33: a BYE has its effect whatever it carries.
    assert_eq!(check(&incoming("BYE", "sip:x@example.com", unknown, "x"), &FOCUS), Ok(()));
}

/// A24 · RFC 3261 §20.1, §21.4.7, §11.2
#[test]
fn accept_that_excludes_all_we_make_is_406() {
    for lines in ["Accept: text/nobodyKnowsThis\r\n", "Accept:\r\n", "Accept: text/*\r\n"] {
        for method in ["INVITE", "OPTIONS"] {
            let request = incoming(method, "sip:x@example.com", lines, "");
            let (status, warning) = refusal(&request, &HeaderName::Warning);
            assert_eq!(status, 406, "{lines}");
            assert!(warning.is_some_and(|warning| warning.starts_with("399 ")));
        }
    }
    for lines in [
        "Accept: application/sdp\r\n",
        "Accept: text/plain, application/*;q=0.1\r\n",
        "Accept: */*\r\n",
    ] {
        assert_eq!(check(&invite(lines, ""), &FOCUS), Ok(()), "{lines}");
    }
    let bye = incoming("BYE", "sip:x@example.com", "Accept: text/plain\r\n", "");
    assert_eq!(check(&bye, &FOCUS), Ok(()), "its answer has no body");
}

/// A20, A21, A23 · RFC 3261 §8.2: the first check that fails decides.
#[test]
fn checks_are_made_in_order() {
    let lines = "Require: nobodyHas\r\nContent-Type: x/y\r\n";
    assert_eq!(refusal(&incoming("REGISTER", "tel:1", lines, "x"), &HeaderName::Via).0, 405);
    assert_eq!(refusal(&incoming("INVITE", "tel:1", lines, "x"), &HeaderName::Via).0, 416);
    assert_eq!(refusal(&invite(lines, "x"), &HeaderName::Via).0, 420);
    // RFC 3261 §17: nothing in an ACK can be answered.
    let ack = incoming("ACK", "tel:1", lines, "x");
    assert_eq!(check(&ack, &Capabilities { allow: &[], ..FOCUS }), Ok(()));
}

/// A34, B16 · RFC 3261 §11.2
#[test]
fn options_answer_says_what_we_can_do() {
    let request = incoming("OPTIONS", "sip:example.com", "", "");
    let answer = options_answer(&request, &FOCUS);
    assert_eq!(answer.status, StatusCode::OK);
    let expected = [
        (HeaderName::Allow, "INVITE, ACK, CANCEL, BYE, OPTIONS"),
        (HeaderName::Accept, "application/sdp, multipart/mixed, multipart/alternative"),
        (HeaderName::AcceptEncoding, "identity"),
        (HeaderName::AcceptLanguage, "en"),
        (HeaderName::Supported, "replaces, join"),
        (HeaderName::AllowEvents, "conference, refer"),
    ];
    for (name, value) in expected {
        assert_eq!(
            answer.headers.get(&name).map(|found| found.text().into_owned()).as_deref(),
            Some(value)
        );
    }
    let silent = options_answer(&request, &Capabilities { events: &[], ..FOCUS });
    assert_eq!(silent.headers.get(&HeaderName::AllowEvents), None);
}
