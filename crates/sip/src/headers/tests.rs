use crate::{
    Contacts, HeaderError, HeaderName, Headers, Message, Method, NameAddr, Request, parse_datagram,
};

fn with(fields: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.push(name.parse().unwrap(), *value);
    }
    headers
}

fn printed(headers: &Headers) -> Vec<String> {
    headers.iter().map(|(name, value)| format!("{name}: {}", value.text())).collect()
}

/// A request with these lines after the mandatory ones.
fn request(lines: &str) -> Request {
    let text = format!(
        "REFER sip:a@x SIP/2.0\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nFrom: <sip:b@y>;tag=1\r\nTo: <sip:a@x>\r\n\
         Call-ID: c\r\nCSeq: 1 REFER\r\n{lines}\r\n"
    );
    match parse_datagram(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// RFC 3261 §7.3.1, §7.3.3; RFC 6665 §8.2, RFC 3515 §2.1, RFC 3892 §3, RFC 4028 §4 for the newer compact forms.
#[test]
fn names_read_in_any_case_and_compact_form() {
    let forms = [
        ("i", "Call-ID"),
        ("m", "Contact"),
        ("e", "Content-Encoding"),
        ("l", "Content-Length"),
        ("c", "Content-Type"),
        ("f", "From"),
        ("s", "Subject"),
        ("k", "Supported"),
        ("t", "To"),
        ("v", "Via"),
        ("o", "Event"),
        ("u", "Allow-Events"),
        ("r", "Refer-To"),
        ("b", "Referred-By"),
        ("x", "Session-Expires"),
        ("cSEQ", "CSeq"),
        ("max-FORWARDS", "Max-Forwards"),
        ("www-authenticate", "WWW-Authenticate"),
        ("PROXY-AUTHORIZATION", "Proxy-Authorization"),
    ];
    for (text, long) in forms {
        let name: HeaderName = text.parse().unwrap();
        assert_eq!(name.to_string(), long);
        assert_eq!(name, long.to_ascii_uppercase().parse().unwrap());
        assert!(!matches!(name, HeaderName::Other(_)), "{text}");
    }
    let unknown: HeaderName = "X-Foo".parse().unwrap();
    assert_eq!(unknown, HeaderName::Other("x-fOO".to_owned()));
    assert_eq!(unknown.to_string(), "X-Foo");
    for text in ["", "a b", "a:", "é", "a\r\n"] {
        assert!(text.parse::<HeaderName>().is_err(), "{text}");
    }
}

/// RFC 3261 §7.3.1: the four fields of authentication have commas inside and are never split or joined.
#[test]
fn credentials_are_neither_split_nor_joined() {
    let one =
        "Digest username=\"a,b\", realm=\"x\", nonce=\"1,2\", uri=\"sip:a@x\", response=\"0\"";
    let two = "Digest username=\"c\", realm=\"y\"";
    let names = [
        HeaderName::Authorization,
        HeaderName::ProxyAuthorization,
        HeaderName::WwwAuthenticate,
        HeaderName::ProxyAuthenticate,
    ];
    for name in names {
        let request = request(&format!("{name}: {one}\r\n{name}: {two}\r\n"));
        let values: Vec<&[u8]> = request.headers.all(&name).map(|value| value.as_bytes()).collect();
        assert_eq!(values, [one.as_bytes(), two.as_bytes()]);
        let text = String::from_utf8(request.to_bytes()).unwrap();
        assert!(text.contains(&format!("\r\n{name}: {one}\r\n{name}: {two}\r\n")), "{text}");
    }
}

/// RFC 3261 §7.3.1: one line with commas and several lines are the same list, in the same order.
#[test]
fn repeated_lines_are_comma_lists() {
    let joined = request(
        "Route: <sip:a,b@x;lr>,\"q, r\" <sip:c@y>;p=\"d,e\"\r\nAllow: INVITE,ACK , BYE\r\nContact: <sip:1@x>, <sip:2@x>\r\n\
         Supported: a,b,,c\r\nAccept: application/sdp, text/plain;q=0.5\r\n",
    );
    let apart = request(
        "route: <sip:a,b@x;lr>\r\nAllow: INVITE\r\nROUTE: \"q, r\" <sip:c@y>;p=\"d,e\"\r\nAllow: ACK\r\nm: <sip:1@x>\r\n\
         m: <sip:2@x>\r\nk: a\r\nk: b, c\r\nallow: BYE\r\nAccept: application/sdp\r\nAccept: text/plain;q=0.5\r\n",
    );
    let (joined, apart) = (&joined.headers, &apart.headers);
    assert_eq!(joined.routes().unwrap().len(), 2);
    assert_eq!(joined.routes(), apart.routes());
    assert_eq!(joined.allow(), Ok(Some(vec![Method::Invite, Method::Ack, Method::Bye])));
    assert_eq!(joined.allow(), apart.allow());
    assert_eq!(joined.contacts(), apart.contacts());
    assert_eq!(joined.contact().unwrap().unwrap().uri.to_string(), "sip:1@x");
    assert_eq!(joined.supported().unwrap(), ["a", "b", "c"]);
    assert_eq!(joined.supported(), apart.supported());
    assert_eq!(joined.accept(), apart.accept());
    assert_eq!(joined.accept().unwrap().unwrap().len(), 2);
}

/// RFC 3515 §2.4.1, §2.4.2: exactly one Refer-To.
#[test]
fn refer_to_is_there_once_or_it_is_an_error() {
    let refer_to =
        |lines: &str| request(lines).headers.refer_to().map(|refer_to| refer_to.uri.to_string());
    assert_eq!(
        refer_to("r: <sip:conf-1@Focus:05060;x>\r\n").as_deref(),
        Ok("sip:conf-1@Focus:05060;x")
    );
    assert_eq!(refer_to(""), Err(HeaderError::Missing(HeaderName::ReferTo)));
    let twice = "Refer-To: <sip:a@x>\r\nr: <sip:b@x>\r\n";
    assert_eq!(refer_to(twice), Err(HeaderError::Repeated(HeaderName::ReferTo)));
    let joined = "Refer-To: <sip:a@x>, <sip:b@x>\r\n";
    assert_eq!(refer_to(joined), Err(HeaderError::Malformed(HeaderName::ReferTo)));
    assert_eq!(HeaderError::Missing(HeaderName::ReferTo).status(), crate::StatusCode::BAD_REQUEST);
}

#[test]
fn fields_are_added_replaced_and_removed_in_place() {
    let mut headers = with(&[("To", "1"), ("Via", "2"), ("Y", "3"), ("Via", "4")]);
    headers.push_front(HeaderName::Via, "0");
    assert_eq!(printed(&headers), ["To: 1", "Via: 0", "Via: 2", "Y: 3", "Via: 4"]);
    headers.set_first(HeaderName::Via, "9");
    assert_eq!(printed(&headers), ["To: 1", "Via: 9", "Via: 2", "Y: 3", "Via: 4"]);
    headers.set(HeaderName::Via, "5");
    assert_eq!(printed(&headers), ["To: 1", "Via: 5", "Y: 3"]);
    headers.set(HeaderName::From, "6");
    assert_eq!(headers.remove_first(&HeaderName::Via).unwrap().as_bytes(), b"5");
    assert_eq!(headers.remove_first(&HeaderName::Via), None);
    assert_eq!(headers.remove(&HeaderName::Other("y".to_owned())), 1);
    assert_eq!(printed(&headers), ["To: 1", "From: 6"]);
    headers.push_front(HeaderName::Via, "7");
    headers.push_front(HeaderName::Route, "8");
    assert_eq!(printed(&headers), ["Via: 7", "To: 1", "From: 6", "Route: 8"]);
    headers.push(HeaderName::ContentLength, "99");
    assert_eq!(headers.len(), 4);
}

/// Whatever a value holds, it stays one field.
#[test]
fn a_value_cannot_start_another_field() {
    let request = Request::new(Method::Options, "sip:a@x".parse::<crate::Uri>().unwrap())
        .with_header(HeaderName::Subject, " a\r\nRoute: <sip:evil@x>\n");
    assert!(request.to_bytes().windows(3).all(|bytes| bytes != b"\nRo"));
    assert_eq!(printed(&request.headers), ["Subject: a  Route: <sip:evil@x>"]);
}

/// RFC 3261 §7.3.1 wants UTF-8; Latin-1 must come through all the same.
#[test]
fn latin_1_is_neither_lost_nor_refused() {
    let mut bytes =
        request("Subject: caf#\r\nContact: \"Jos#\" <sip:a@x>\r\nX-Y: #\r\n").to_bytes();
    bytes.iter_mut().filter(|byte| **byte == b'#').for_each(|byte| *byte = 0xe9);
    let Ok(Message::Request(request)) = parse_datagram(&bytes) else { panic!("refused") };
    let headers = &request.headers;
    assert_eq!(headers.get(&HeaderName::Subject).unwrap().as_bytes(), b"caf\xe9");
    assert_eq!(headers.get(&HeaderName::Subject).unwrap().as_str(), None);
    assert_eq!(headers.get(&HeaderName::Subject).unwrap().text(), "café");
    assert_eq!(headers.contact().unwrap().unwrap().display.as_deref(), Some("José"));
    assert_eq!(request.to_bytes(), bytes);
}

#[test]
fn absent_empty_and_malformed_are_told_apart() {
    let empty = with(&[("Accept", ""), ("Allow", ""), ("Supported", "")]);
    assert_eq!(empty.accept(), Ok(Some(vec![])));
    assert_eq!(empty.allow(), Ok(Some(vec![])));
    assert_eq!(empty.supported(), Ok(vec![]));
    let absent = Headers::new();
    assert_eq!(absent.accept(), Ok(None));
    assert_eq!(absent.allow(), Ok(None));
    assert_eq!((absent.max_forwards(), absent.expires()), (Ok(None), Ok(None)));
    assert_eq!(absent.contacts(), Ok(Contacts::List(vec![])));
    assert_eq!(absent.to(), Err(HeaderError::Missing(HeaderName::To)));
    let bad = with(&[
        ("Accept", "sdp"),
        ("Allow", "A B"),
        ("Max-Forwards", "-1"),
        ("Call-ID", "a b"),
        ("Event", ""),
    ]);
    assert_eq!(bad.accept(), Err(HeaderError::Malformed(HeaderName::Accept)));
    assert_eq!(bad.allow(), Err(HeaderError::Malformed(HeaderName::Allow)));
    assert_eq!(bad.max_forwards(), Err(HeaderError::Malformed(HeaderName::MaxForwards)));
    assert_eq!(bad.call_id(), Err(HeaderError::Malformed(HeaderName::CallId)));
    assert_eq!(bad.event(), Err(HeaderError::Malformed(HeaderName::Event)));
}

/// RFC 4475 §3.1.2.4: numbers out of range count as the largest.
#[test]
fn large_numbers_count_as_the_largest() {
    let large = with(&[("Max-Forwards", "300"), ("Expires", "100000000000000000000000000000000")]);
    assert_eq!(large.max_forwards(), Ok(Some(255)));
    assert_eq!(large.expires(), Ok(Some(u32::MAX)));
}

/// RFC 3261 §20.10: a star stands alone.
#[test]
fn a_star_contact_stands_alone() {
    assert_eq!(with(&[("Contact", "*")]).contacts(), Ok(Contacts::Star));
    assert_eq!(with(&[("Contact", "*")]).contact(), Ok(None));
    let mixed = with(&[("Contact", "*"), ("Contact", "<sip:a@x>")]);
    assert_eq!(mixed.contacts(), Err(HeaderError::Malformed(HeaderName::Contact)));
    let one: NameAddr = "<sip:a@x>".parse().unwrap();
    assert_eq!(with(&[("Contact", "<sip:a@x>")]).contacts(), Ok(Contacts::List(vec![one])));
}
