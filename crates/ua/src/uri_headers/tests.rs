use sip::Method;

use super::*;
use crate::testing::uri;

fn applied(headers: &str) -> Request {
    let target = uri(&format!("sip:a@h?{headers}"));
    let sip_uri = target.as_sip().expect("a SIP URI");
    let mut request = Request::new(Method::Invite, sip_uri.as_request_uri())
        .with_header(HeaderName::From, "<sip:alice@h>;tag=1")
        .with_header(HeaderName::Subject, "ours")
        .with_header(HeaderName::CallInfo, "<http://ours>")
        .with_body("application/sdp", "v=0");
    apply(sip_uri, &mut request);
    request
}

fn all(request: &Request, name: &HeaderName) -> Vec<String> {
    request.headers.all(name).map(|value| value.text().into_owned()).collect()
}

/// RFC 3261 §8.1.3.4: one is overwritten, a list grows.
#[test]
fn single_headers_are_overwritten_and_lists_grow() {
    let request = applied("Subject=theirs%20now&Call-Info=%3Chttp://theirs%3E&X-Key=7&x-KEY=8");
    assert_eq!(all(&request, &HeaderName::Subject), ["theirs now"]);
    assert_eq!(all(&request, &HeaderName::CallInfo), ["<http://ours>", "<http://theirs>"]);
    assert_eq!(all(&request, &HeaderName::Other("X-Key".to_owned())), ["8"]);
}

/// T31 · RFC 3261 §19.1.5, by name and in any spelling.
#[test]
fn dangerous_headers_are_left_out() {
    for name in [
        "From",
        "f",
        "Call-ID",
        "i",
        "CSeq",
        "Via",
        "v",
        "Record-Route",
        "Route",
        "%52oute",
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Allow",
        "Contact",
        "m",
        "Organization",
        "Supported",
        "k",
        "User-Agent",
        "Content-Type",
        "Content-Length",
        "Content-Disposition",
        "Date",
        "To",
        "t",
        "Max-Forwards",
        "Require",
        "Proxy-Require",
        "Authorization",
        "Referred-By",
        "Refer-To",
        "P-Asserted-Identity",
        "body",
        "Event",
        "Server",
        "x-",
    ] {
        let before = applied("Subject=ours");
        assert_eq!(applied(&format!("{name}=evil")), before, "{name}");
    }
}

/// A value that would start another header, or a name that is none.
#[test]
fn nothing_breaks_out() {
    let before = applied("Subject=ours");
    for headers in
        ["Subject=a%0D%0AEvil:%20b", "Priority=%00", "X-A%0d%0aB=c", "X-%20A=b", "X-%FF=b"]
    {
        assert_eq!(applied(headers), before, "{headers}");
    }
}

#[test]
fn headers_of_a_uri_are_bounded() {
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}=1")).collect();
    let request = applied(&many.join("&"));
    let ours = applied("Subject=ours").headers.len();
    assert_eq!(request.headers.len(), ours + URI_HEADERS_MAX);
}
