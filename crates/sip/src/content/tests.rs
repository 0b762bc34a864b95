//! RFC 5621 and RFC 2046 §5.1: what of a body is taken, ignored or refused.

use super::*;
use crate::{Method, Request, Uri};

const SDP: &str = "Content-Type: application/sdp\r\n\r\nv=0\r\n";
const ISUP: &str = "Content-Type: application/ISUP;version=nxv3\r\n";

/// A request whose body is of this type.
fn request(kind: &str, body: &str) -> Request {
    let uri: Uri = "sip:x@example.com".parse().expect("a URI");
    Request::new(Method::Invite, uri).with_body(kind, body)
}

/// A body of these parts, with `b` between them.
fn body(parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
    format!("{parts}--b--\r\n")
}

fn mixed(parts: &[&str]) -> Request {
    request("multipart/mixed;boundary=b", &body(parts))
}

/// What is taken of it as a session description, if it is not refused.
fn taken(request: &Request) -> Result<Option<String>, ContentError> {
    check(&request.headers, &request.body, |found| found.is("application", "sdp"))?;
    let part = request.part("application", "sdp");
    Ok(part.map(|part| String::from_utf8(part.to_vec()).expect("a text")))
}

fn v0() -> Result<Option<String>, ContentError> {
    Ok(Some("v=0\r\n".to_owned()))
}

/// RFC 5621 §4.2, RFC 3204 §3: what an operator's gateway sends.
#[test]
fn the_description_is_found_among_parts_that_may_be_ignored() {
    let isup = format!("{ISUP}Content-Disposition: signal;handling=optional\r\n\r\n\u{1}\u{10}");
    let location = "Content-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\n\
                    Content-Disposition: render; handling = \"optional\"\r\n\r\n<presence/>";
    for parts in [[SDP, &isup, location], [&isup, location, SDP]] {
        assert_eq!(taken(&mixed(&parts)), v0());
    }
    assert_eq!(taken(&mixed(&[&isup, location])), Ok(None), "an INVITE without an offer");
}

/// RFC 5621 §8.1, §8.4: handling is required unless a part says otherwise.
#[test]
fn a_part_that_must_be_understood_and_is_not_refuses_all() {
    let gzip = SDP.replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n");
    let base64 = SDP.replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    let early = SDP.replace("\r\n\r\n", "\r\nContent-Disposition: early-session\r\n\r\n");
    for (part, error) in [
        (format!("{ISUP}\r\nx"), ContentError::Type),
        (
            format!("{ISUP}Content-Disposition: signal;handling=required\r\n\r\nx"),
            ContentError::Type,
        ),
        ("\r\nplain text, since it says nothing".to_owned(), ContentError::Type),
        (early, ContentError::Type),
        (gzip, ContentError::Encoding),
        (base64, ContentError::Encoding),
    ] {
        assert_eq!(taken(&mixed(&[SDP, &part])), Err(error), "{part}");
        assert_eq!(error.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        // Of an answer nothing can be refused: what can be used is.
        let found = mixed(&[&part, SDP]).part("application", "sdp").map(<[u8]>::to_vec);
        assert_eq!(found.as_deref(), Some(&b"v=0\r\n"[..]), "{part}");
        // RFC 5621 §8.2: in what may be ignored as a whole, nothing must be understood.
        let whole = mixed(&[SDP, &part]);
        let optional = "session;handling=optional";
        let whole = whole.with_header(HeaderName::ContentDisposition, optional);
        assert_eq!(taken(&whole), v0(), "{part}");
    }
}

/// RFC 5621 §6.1, §8.3: the last that is understood; what its parts say of handling does not count.
#[test]
fn of_alternatives_the_last_that_is_understood_is_taken() {
    let new = "Content-Type: application/newer\r\n\r\nx";
    let other = SDP.replace("v=0", "v=1");
    let alternative = |parts: &[&str]| request("Multipart/Alternative;boundary=b", &body(parts));
    assert_eq!(taken(&alternative(&[SDP, new])), v0());
    assert_eq!(taken(&alternative(&[&other, SDP, new])), v0());
    assert_eq!(taken(&alternative(&[new, new])), Err(ContentError::Type));
}

/// RFC 5621 §4.1, §4.2, §7.3: parts have parts; an unknown kind of multipart is read as mixed.
#[test]
fn nested_parts_are_parts_and_unknown_kinds_are_mixed() {
    let inner = format!(
        "Content-Type: multipart/alternative;boundary=\"in side\"\r\n\r\n--in side\r\n{SDP}\r\n--in side--"
    );
    assert_eq!(taken(&mixed(&[&inner])), v0());
    for kind in ["multipart/related;boundary=b", "multipart/unheard-of; boundary=\"b\""] {
        assert_eq!(taken(&request(kind, &body(&[SDP]))), v0(), "{kind}");
    }
}

/// RFC 2046 §5.1.1: what stands before and behind is nobody's, white space may follow a boundary, and only a whole line is one.
#[test]
fn boundaries_are_whole_lines() {
    let odd = format!("preamble\r\n--bb\r\n--b  \r\n{SDP}--bx\r\n b\r\n--b-- \t\r\nepilogue");
    let found = taken(&request("multipart/mixed;boundary=b", &odd));
    assert_eq!(found, Ok(Some("v=0\r\n--bx\r\n b".to_owned())));
    // Empty parts, and heads without a body, mean nothing.
    let kind = "multipart/mixed;boundary=b";
    let empty = format!("--b\r\n--b\r\n\r\n--b\r\n{ISUP}--b\r\n{SDP}\r\n--b--");
    assert_eq!(taken(&request(kind, &empty)), v0());
}

/// T08: no boundary, no end, unreadable heads, too many, too deep: refused, and what is just not too much is not.
#[test]
fn what_cannot_be_taken_apart_is_400() {
    let kind = "multipart/mixed;boundary=b";
    let long = format!("multipart/mixed;boundary={}", "b".repeat(71));
    for (kind, text, error) in [
        ("multipart/mixed", body(&[SDP]), ContentError::Malformed),
        ("multipart/mixed;boundary=\"\"", body(&[SDP]), ContentError::Malformed),
        (&long, body(&[SDP]), ContentError::Malformed),
        (kind, body(&["no colon\r\n\r\nx"]), ContentError::Malformed),
        (kind, body(&["Content-Type: a/b\n\nx"]), ContentError::Malformed),
        (kind, format!("--b\r\n{SDP}\r\n"), ContentError::Unterminated),
        ("multipart/mixed;boundary=c", body(&[SDP]), ContentError::Unterminated),
        (kind, body(&[SDP; CONTENT_PARTS_MAX + 1]), ContentError::TooMuch),
        (kind, deep(CONTENT_DEPTH_MAX + 1), ContentError::TooMuch),
    ] {
        let request = request(kind, &text);
        assert_eq!(taken(&request), Err(error), "{kind} {text}");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        assert_eq!(request.part("application", "sdp"), None);
    }
    assert_eq!(taken(&request(kind, &body(&[SDP; CONTENT_PARTS_MAX]))), v0());
    assert_eq!(taken(&request(kind, &deep(CONTENT_DEPTH_MAX))), v0());
}

/// A body in which the description is so deep.
fn deep(depth: usize) -> String {
    let inner = (2..=depth).rev().fold(SDP.to_owned(), |inside, level| {
        format!(
            "Content-Type: multipart/mixed;boundary=n{level}\r\n\r\n--n{level}\r\n{inside}\r\n--n{level}--"
        )
    });
    body(&[&inner])
}

/// Some telephones forget to say what they answer with. A request without a type is refused: RFC 3261 §20.15.
#[test]
fn an_answer_without_a_type_is_what_is_looked_for() {
    let mut response = crate::Response::new(StatusCode::OK);
    assert_eq!(response.part("application", "sdp"), None);
    response.body = b"v=0\r\n".to_vec();
    assert_eq!(response.part("application", "sdp"), Some(&b"v=0\r\n"[..]));
    let mut untyped = request("application/sdp", "v=0\r\n");
    assert_eq!(taken(&untyped), v0());
    untyped.headers.remove(&HeaderName::ContentType);
    assert_eq!(taken(&untyped), Err(ContentError::Type));
    assert_eq!(untyped.part("application", "sdp"), None);
}
