use crate::{
    CSeq, EventHeader, MediaType, Method, NameAddr, Params, RetryAfter, SubscriptionState, Via,
    Warning, header::ValueError,
};

fn name_addr(text: &str) -> NameAddr {
    text.parse().unwrap_or_else(|ValueError| panic!("{text}"))
}

fn via(text: &str) -> Via {
    text.parse().unwrap_or_else(|ValueError| panic!("{text}"))
}

#[test]
fn name_addrs_are_read_in_every_form() {
    let forms = [
        ("sip:a@x", None, "<sip:a@x>"),
        ("<sip:a@x>", None, "<sip:a@x>"),
        ("  <sip:a@x;lr>;tag=1", None, "<sip:a@x;lr>;tag=1"),
        ("sip:a@x;tag=1", None, "<sip:a@x>;tag=1"),
        ("sip:a@x ; tag = 1 ; x", None, "<sip:a@x>;tag=1;x"),
        ("Alice <sip:a@x>", Some("Alice"), "\"Alice\" <sip:a@x>"),
        ("A. G.\tBell<sip:a@x>", Some("A. G.\tBell"), "\"A. G.\\\tBell\" <sip:a@x>"),
        ("\"\" <sip:a@x>", Some(""), "\"\" <sip:a@x>"),
        (
            "\"a\\\"b\\\\c, <sip:no@x>\"<sip:a@x>",
            Some("a\"b\\c, <sip:no@x>"),
            "\"a\\\"b\\\\c, <sip:no@x>\" <sip:a@x>",
        ),
        ("José <sip:a@x>", Some("José"), "\"José\" <sip:a@x>"),
        ("<sip:a@x>;q=\"a;b\\\"c\";d", None, "<sip:a@x>;q=\"a;b\\\"c\";d"),
        ("<sip:a@x?Replaces=a%3Bto-tag%3Db>", None, "<sip:a@x?Replaces=a%3Bto-tag%3Db>"),
        ("tel:+1;phone-context=x", None, "<tel:+1>;phone-context=x"),
        ("<tel:+1;phone-context=x>", None, "<tel:+1;phone-context=x>"),
    ];
    for (text, display, printed) in forms {
        let read = name_addr(text);
        assert_eq!(read.display.as_deref(), display, "{text}");
        assert_eq!(read.to_string(), printed);
        assert_eq!(name_addr(printed), read);
    }
}

#[test]
fn malformed_name_addrs_are_refused() {
    let texts = [
        "",
        "*",
        "Alice",
        "\"Alice\"",
        "\"Alice <sip:a@x>",
        "Bell, Alice <sip:a@x>",
        "Alice \"Bell\" <sip:a@x>",
        "< sip:a@x >",
        "<sip:a@x",
        "<sip:a@x> x",
        "<sip:a@x>;",
        "<sip:a@x>;;tag=1",
        "<sip:a@x>;tag=",
        "<sip:a@x>;tag=\"1",
        "<sip:a@x>;=1",
        "<sip:a@x>;a b",
        "<sip:a@x>, <sip:b@x>",
        "sip:a@x?Subject=y",
        "sip:a@x,sip:b@x",
        "<<sip:a@x>>",
    ];
    for text in texts {
        assert_eq!(text.parse::<NameAddr>(), Err(ValueError), "{text}");
    }
}

/// Words that we or a peer choose cannot break out of the quotes, nor out of the line.
#[test]
fn display_names_are_quoted() {
    let evil = name_addr("<sip:a@x>").with_display("x\" <sip:b@y>\r\nVia: \\");
    let printed = evil.to_string();
    assert!(!printed.contains(['\r', '\n']));
    let read = name_addr(&printed);
    assert_eq!(read.uri, evil.uri);
    assert_eq!(read.display.as_deref(), Some("x\" <sip:b@y>  Via: \\"));
}

/// RFC 3840 §9, RFC 4579 §5.1: read in any case, bare or as TRUE; written bare, without prefix.
#[test]
fn isfocus_is_recognised_in_every_form_and_written_bare() {
    let is_focus = |params: &str| name_addr(&format!("<sip:c@x>{params}")).is_focus();
    for yes in [
        ";isfocus",
        ";IsFocus",
        ";a=b;ISFOCUS;c",
        ";isfocus=\"TRUE\"",
        ";isfocus=\"true\"",
        ";isfocus=TRUE",
    ] {
        assert!(is_focus(yes), "{yes}");
    }
    for no in [
        "",
        ";isfocus=\"FALSE\"",
        ";isfocus=\"!TRUE\"",
        ";+isfocus",
        ";sip.isfocus",
        ";+sip.isfocus",
        ";x=isfocus",
    ] {
        assert!(!is_focus(no), "{no}");
    }
    assert!(!name_addr("<sip:c@x;isfocus>").is_focus()); // that one is the URI's
    assert_eq!(name_addr("sip:c@x").with_isfocus().to_string(), "<sip:c@x>;isfocus");
}

#[test]
fn params_are_found_without_regard_to_case() {
    let mut params = name_addr("<sip:a@x>;Tag=1;x;q=\"a b\"").params;
    assert_eq!(params.value("tAG"), Some("1"));
    assert_eq!((params.get("X"), params.value("x")), (Some(None), None));
    assert_eq!(params.unquoted("q").as_deref(), Some("a b"));
    assert_eq!(params.get("y"), None);
    params.set("TAG", Some("2"));
    params.set("new", None);
    assert_eq!(params.to_string(), ";Tag=2;x;q=\"a b\";new");
    assert!(params.remove("X") && !params.remove("X"));
    assert_eq!(params.len(), 3);
}

/// More parameters than any honest value has are refused, and the limit is exact.
#[test]
fn header_parameters_are_bounded() {
    let with = |count: usize| format!("<sip:a@x>{}", ";p".repeat(count)).parse::<NameAddr>();
    assert!(with(Params::COUNT_MAX).is_ok());
    assert_eq!(with(Params::COUNT_MAX + 1), Err(ValueError));
}

#[test]
fn vias_are_read_with_any_white_space() {
    let read = via(
        "sip / 2.0 /\tUDP   first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1",
    );
    assert_eq!(
        (read.host.as_str(), read.port, read.sent_by_port()),
        ("first.example.com", Some(4000), 4000)
    );
    assert_eq!(read.unique_branch(), Some("z9hG4bKa7c6a8dlze.1"));
    assert_eq!(
        read.to_string(),
        "sip/2.0/UDP first.example.com:4000;ttl=16;maddr=224.2.0.1;branch=z9hG4bKa7c6a8dlze.1"
    );
    assert_eq!(via("SIP/2.0/TLS [2001:db8::1] ;x").sent_by_port(), 5061);
    assert_eq!(via("SIP/2.0/TCP x : 5070").port, Some(5070));
}

#[test]
fn malformed_vias_are_refused() {
    let texts = [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 UDP x",
        "SIP/2.0/UDPx",
        "SIP/2.0/UDP x:",
        "SIP/2.0/UDP x:0",
        "SIP/2.0/UDP x:70000",
        "SIP/2.0/UDP x:5060y",
        "SIP/2.0/UDP x y",
        "SIP/2.0/UDP x;;branch=a",
        "SIP/2.0/UDP x;branch=",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP x, SIP/2.0/UDP y",
    ];
    for text in texts {
        assert_eq!(text.parse::<Via>(), Err(ValueError), "{text}");
    }
}

/// RFC 3581 §3, §4; RFC 3261 §18.2.1.
#[test]
fn rport_and_received_are_asked_for_and_read() {
    let asked =
        Via::new("UDP", "192.0.2.1".parse().unwrap(), None).with_rport().with_branch("z9hG4bK1");
    assert_eq!(asked.to_string(), "SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1");
    assert!(asked.wants_rport());
    assert_eq!((asked.rport(), asked.received()), (None, None));
    let filled = via("SIP/2.0/UDP 10.0.0.1;rport=4711;received=192.0.2.9");
    assert!(!filled.wants_rport());
    assert_eq!((filled.rport(), filled.received()), (Some(4711), Some([192, 0, 2, 9].into())));
    let bad = via("SIP/2.0/UDP 10.0.0.1;rport=x;received=y");
    assert_eq!((bad.wants_rport(), bad.rport(), bad.received()), (false, None, None));
}

/// RFC 3261 §17.2.3: the cookie in any case, and something after it.
#[test]
fn only_the_cookie_makes_a_branch_unique() {
    let branch = |text: &str| {
        via(&format!("SIP/2.0/UDP x;branch={text}")).unique_branch().map(str::to_owned)
    };
    assert_eq!(branch("z9hG4bKa").as_deref(), Some("z9hG4bKa"));
    assert_eq!(branch("Z9HG4BKa").as_deref(), Some("Z9HG4BKa"));
    for none in ["z9hG4bK", "z9hG4b", "1", "x-z9hG4bKa", "ééééé"] {
        assert_eq!(branch(none), None, "{none}");
    }
}

/// RFC 3261 §8.1.1.5: below 2^31.
#[test]
fn cseq_numbers_are_bounded() {
    let read = |text: &str| text.parse::<CSeq>();
    assert_eq!(read("0009 \t INVITE"), Ok(CSeq::new(9, Method::Invite)));
    assert_eq!(
        read("2147483647 invite"),
        Ok(CSeq::new(2_147_483_647, Method::Other("invite".to_owned())))
    );
    for text in [
        "",
        "1",
        "INVITE",
        "1INVITE",
        "-1 INVITE",
        "+1 INVITE",
        "2147483648 BYE",
        "4294967297 BYE",
        "1 B YE",
        "1 ",
    ] {
        assert_eq!(read(text), Err(ValueError), "{text}");
    }
    assert_eq!(CSeq::new(7, Method::Bye).to_string(), "7 BYE");
}

#[test]
fn media_types_and_ranges() {
    let read = |text: &str| text.parse::<MediaType>().unwrap();
    let kind = read("Application / SDP ; charset = \"utf-8\"");
    assert!(kind.is("application", "sdp"));
    assert_eq!(kind.to_string(), "Application/SDP;charset=\"utf-8\"");
    assert!(read("*/*").accepts("application", "sdp"));
    assert!(read("application/*;q=0.1").accepts("application", "sdp"));
    assert!(!read("application/*;q=0.0").accepts("application", "sdp"));
    assert!(!read("text/*").accepts("application", "sdp"));
    for text in ["", "application", "/sdp", "a/", "a b/c", "a/b;"] {
        assert_eq!(text.parse::<MediaType>(), Err(ValueError), "{text}");
    }
}

#[test]
fn events_and_subscription_states() {
    let event: EventHeader = "refer;ID=93809824 ;x=y".parse().unwrap();
    assert_eq!((event.package.as_str(), event.id.as_deref()), ("refer", Some("93809824")));
    assert_eq!(event.to_string(), "refer;id=93809824;x=y");
    assert_eq!(EventHeader::new("conference").to_string(), "conference");
    let state: SubscriptionState = "Terminated;reason=noresource".parse().unwrap();
    assert!(state.is_terminated());
    assert_eq!(state.params.value("reason"), Some("noresource"));
    assert_eq!(SubscriptionState::active(60).to_string(), "active;expires=60");
    assert_eq!(
        SubscriptionState::terminated("noresource").to_string(),
        "terminated;reason=noresource"
    );
    assert_eq!("".parse::<EventHeader>(), Err(ValueError));
    assert_eq!(";id=1".parse::<SubscriptionState>(), Err(ValueError));
}

#[test]
fn warnings_and_retry_after() {
    let warning: Warning = "399 192.0.2.1:5060 \"room \\\"A\\\" is full\"".parse().unwrap();
    assert_eq!(warning, Warning::new(399, "192.0.2.1:5060", "room \"A\" is full"));
    assert_eq!(warning.to_string(), "399 192.0.2.1:5060 \"room \\\"A\\\" is full\"");
    for text in ["1812 x \"y\"", "399 x y", "399 \"y\"", "399 x \"y", "399 x \"y\" z", ""] {
        assert_eq!(text.parse::<Warning>(), Err(ValueError), "{text}");
    }
    let retry: RetryAfter = "18000 (in \\) a (meeting)) ;duration=3600".parse().unwrap();
    assert_eq!((retry.seconds, retry.params.value("duration")), (18_000, Some("3600")));
    assert_eq!(RetryAfter::new(5).to_string(), "5");
    assert_eq!("949302838503028349304023988".parse::<RetryAfter>(), Ok(RetryAfter::new(u32::MAX)));
    for text in ["", "x", "-1", "5 (", "5 )", "5 x"] {
        assert_eq!(text.parse::<RetryAfter>(), Err(ValueError), "{text}");
    }
}
