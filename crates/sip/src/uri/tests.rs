use crate::{Host, Params, SipUri, Uri, UriError, uri::unescape};

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn sip(text: &str) -> SipUri {
    uri(text).as_sip().unwrap().clone()
}

/// Says whether both are equivalent, and that the order does not matter.
fn same(a: &str, b: &str) -> bool {
    let there = uri(a).equivalent(&uri(b));
    assert_eq!(there, uri(b).equivalent(&uri(a)), "{a} and {b}");
    there
}

/// A36 · RFC 3261 §19.1.4: the examples of that section, and more of each rule.
#[test]
fn equivalent_uris() {
    let pairs = [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("SIP:alice@atlanta.com", "sip:alice@atlanta.com"),
        ("sip:a%2Db@x", "sip:a-b@x"),
        ("sip:a%2fb@x", "sip:a%2Fb@x"),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0::1]"),
        ("sip:a@x:05060", "sip:a@x:5060"),
        ("sip:a@x;%6Cr", "sip:a@x;LR"),
        ("sip:a@x;p=;p", "sip:a@x;p=;p"),
        ("sip:a:secret@x", "sip:a:secre%74@x"),
        ("tel:+1-201-555-0123", "TEL:+1-201-555-0123"),
    ];
    for (a, b) in pairs {
        assert!(same(a, b), "{a} and {b}");
        assert!(same(a, a) && same(b, b));
    }
}

/// A36 · RFC 3261 §19.1.4: the examples of that section, and more of each rule.
#[test]
fn unequal_uris() {
    let pairs = [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@x", "sips:a@x"),
        ("sip:x", "sip:a@x"),
        ("sip:a@x", "sip:a:pw@x"),
        ("sip:a:pw@x", "sip:a:PW@x"),
        ("sip:a@x", "sip:a@x;user=phone"),
        ("sip:a@x", "sip:a@x;ttl=1"),
        ("sip:a@x", "sip:a@x;method=INVITE"),
        ("sip:a@x", "sip:a@x;maddr=192.0.2.1"),
        ("sip:a@x;lr", "sip:a@x;lr=on"),
        // "/" is reserved: escaped it is another character (RFC 2396 §2.2).
        ("sip:a%2Fb@x", "sip:a/b@x"),
        ("sip:a%2541@x", "sip:a%41@x"),
        ("sip:a%00@x", "sip:a@x"),
        ("sip:a@x?a=1&a=1&b=2", "sip:a@x?a=1&b=2&b=2"),
        ("tel:+12015550123", "sip:+12015550123@x"),
        ("tel:1", "tel:2"),
    ];
    for (a, b) in pairs {
        assert!(!same(a, b), "{a} and {b}");
    }
}

/// What we pass on (a Refer-To, a Contact) is byte for byte what we got.
#[test]
fn uris_print_as_they_came() {
    let texts = [
        "sip:alice@atlanta.com",
        "SIP:Alice@ATLANTA.com:05060;LR;Transport=TCP",
        "sips:conf-k7q@[2001:DB8::1]:5061;x=",
        "sip:a%40b:p%3a@x?Subject=a%20b&empty=",
        "sip:*21#@x",
        "sip:josé@x",
        "sip:x_y.example.",
        "sip:a@x;lr=;LR",
        "tel:+1-201-555-0123;ext=7",
        "HTTP://example.com/?a=b;c",
    ];
    for text in texts {
        assert_eq!(uri(text).to_string(), text);
        assert_eq!(uri(&uri(text).to_string()), uri(text));
    }
}

/// A spelling that no longer fits the fields is dropped.
#[test]
fn a_changed_uri_prints_what_its_fields_say() {
    let mut changed = sip("SIP:a@x:05060");
    changed.port = Some(5070);
    assert_eq!(changed.to_string(), "SIP:a@x:5070");
    changed.secure = true;
    assert_eq!(changed.to_string(), "sips:a@x:5070");
    changed.port = None;
    assert_eq!(changed.to_string(), "sips:a@x");
}

#[test]
fn malformed_uris_name_the_fault() {
    let texts = [
        ("alice", UriError::Scheme),
        ("<sip:a@x>", UriError::Scheme),
        (":a@x", UriError::Scheme),
        ("1sip:a@x", UriError::Scheme),
        ("sip:", UriError::Host),
        ("sip:a@", UriError::Host),
        ("sip:a@b@c", UriError::Host),
        ("sip:a b@x", UriError::UserInfo),
        ("sip:@x", UriError::UserInfo),
        ("sip::pw@x", UriError::UserInfo),
        ("sip:a\"b@x", UriError::UserInfo),
        ("sip:a@x y", UriError::Host),
        ("sip:a%4@x", UriError::Character),
        ("sip:a%zz@x", UriError::Character),
        ("sip:a@x%", UriError::Character),
        ("sip:2001:db8::10", UriError::Port),
        ("sip:a@[2001:db8::10", UriError::Host),
        ("sip:a@[x]", UriError::Host),
        ("sip:a@[::1]x", UriError::Host),
        ("sip:a@x:", UriError::Port),
        ("sip:a@x:0", UriError::Port),
        ("sip:a@x:65536", UriError::Port),
        ("sip:a@x:99999999999999999999999", UriError::Port),
        ("sip:a@x:+5060", UriError::Port),
        ("sip:a@x;", UriError::Param),
        ("sip:a@x;;lr", UriError::Param),
        ("sip:a@x; lr", UriError::Param),
        ("sip:a@x;=1", UriError::Param),
        ("sip:a@x;a=\"b\"", UriError::Param),
        ("sip:a@x?", UriError::Header),
        ("sip:a@x?a", UriError::Header),
        ("sip:a@x?a=b=c", UriError::Header),
        ("tel:", UriError::Character),
        ("tel:1 2", UriError::Character),
        ("tel:<1>", UriError::Character),
    ];
    for (text, error) in texts {
        assert_eq!(text.parse::<Uri>(), Err(error), "{text}");
    }
}

/// RFC 3261 §19.1.1, table 1.
#[test]
fn a_request_uri_has_no_headers_and_no_method() {
    let full = sip("sip:a:pw@x:5070;lr;METHOD=INVITE;transport=tcp;x=y?Subject=z");
    assert_eq!(full.as_request_uri().to_string(), "sip:a:pw@x:5070;lr;transport=tcp;x=y");
    assert_eq!(sip("sip:a@x;m%65thod=BYE").as_request_uri().to_string(), "sip:a@x");
}

#[test]
fn users_are_escaped_when_made_and_unescaped_once() {
    let made = SipUri::new(sip("sip:x").host, Some(5062)).with_user("a b@c%41;d=é");
    assert_eq!(made.to_string(), "sip:a%20b%40c%2541;d=%C3%A9@x:5062");
    assert_eq!(made.user_unescaped().as_deref(), Some("a b@c%41;d=é".as_bytes()));
    assert_eq!(sip(&made.to_string()), made);
    assert_eq!(&*unescape("%4"), b"%4"); // a broken escape stays
}

/// More parameters than any honest URI has are refused, and the limit is exact.
#[test]
fn parameters_are_bounded() {
    let with = |count: usize| format!("sip:a@x{}", ";p".repeat(count)).parse::<Uri>();
    assert!(with(Params::COUNT_MAX).is_ok());
    assert_eq!(with(Params::COUNT_MAX + 1), Err(UriError::Param));
}

#[test]
fn hosts_know_whether_they_are_addresses() {
    let host = |text: &str| text.parse::<Host>().unwrap();
    assert_eq!(host("192.0.2.1").ip(), Some([192, 0, 2, 1].into()));
    assert_eq!(host("[::1]").ip(), Some([0u16, 0, 0, 0, 0, 0, 0, 1].into()));
    assert_eq!(host("example.com").ip(), None);
    assert_eq!(host("192.0.2.256").ip(), None);
    assert_eq!(Host::from(host("[::0:1]").ip().unwrap()).as_str(), "[::1]");
    for text in ["", "::1", "[::1", "[::1]]", "a b", "a:1", "a/b", "[:::1:::]", "[::1%25eth0]"] {
        assert!(text.parse::<Host>().is_err(), "{text}");
    }
}

/// Snapshots hold URIs as text, and what is read from one is checked like what comes from the wire.
#[test]
fn uris_serialise_as_text() {
    let json = serde_json::to_string(&uri("SIP:a@x:05060")).unwrap();
    assert_eq!(json, "\"SIP:a@x:05060\"");
    assert_eq!(serde_json::from_str::<Uri>(&json).unwrap(), uri("SIP:a@x:05060"));
    assert!(serde_json::from_str::<Uri>("\"sip:a b@x\"").is_err());
}
