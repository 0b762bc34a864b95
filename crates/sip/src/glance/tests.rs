use super::*;

const INVITE: &str = "INVITE sip:conference@127.0.0.1;seats=3 SIP/2.0\r\n\
    Via: SIP/2.0/UDP a.example;branch=z9hG4bK1;oc;oc-algo=\"loss,A\" , SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
    v: SIP/2.0/TCP c;branch=z9hG4bK3\r\nMax-Forwards: 70\r\nf: \"A\" <sip:a@b;x=1>;tag=one\r\n\
    TO : <sip:conference@127.0.0.1>\r\ni: call\r\nCSeq:  7 INVITE\r\nContact: <sip:a@b>\r\n\r\nbody";

fn glimpse(text: &str) -> Option<Glimpse<'_>> {
    match Glance::of(text.as_bytes()) {
        Glance::Request(request) => Some(request),
        Glance::Response | Glance::Unclear => None,
    }
}

#[test]
fn a_look_shows_what_the_parser_reads() {
    let seen = glimpse(INVITE).expect("plain enough");
    let shown = (seen.method, seen.uri, seen.call_id, seen.cseq, seen.from_tag, seen.to_tag);
    let uri = "sip:conference@127.0.0.1;seats=3";
    assert_eq!(shown, ("INVITE", uri, "call", 7, Some("one"), None));
    assert!(seen.is_forwarded && seen.has_oc);
    let via = seen.top_via().expect("it can be read");
    assert_eq!((via.host.as_str(), via.branch()), ("a.example", Some("z9hG4bK1")));
    let bye = INVITE.replace("7 INVITE", "8 BYE").replace("INVITE sip", "BYE sip");
    let bye =
        bye.replace("127.0.0.1>\r\n", "127.0.0.1>;x=y; TAG = two\r\n").replace(";oc;", ";ocean;");
    let seen = glimpse(&bye).expect("plain enough");
    assert_eq!((seen.method, seen.to_tag, seen.has_oc), ("BYE", Some("two"), false));
    assert_eq!(Glance::of(b"SIP/2.0 200 OK\r\n"), Glance::Response);
}

/// Whatever is not as usual is left to the parser, and nothing panics at any cut.
#[test]
fn what_is_odd_is_left_to_the_parser() {
    for (old, new) in [
        ("\r\nMax", "\r\n folded\r\nMax"),
        ("\r\nMax", "\nMax"),
        ("\r\nMax", "\rMax"),
        ("i: call", "i: call\r\nCall-ID: other"),
        ("i: call\r\n", ""),
        ("v: SIP", "v SIP"),
        ("i: call", "i: ca\nll"),
        ("7 INVITE", "7 BYE"),
        ("7 INVITE", "x INVITE"),
        ("INVITE sip:conference@127.0.0.1;seats=3 SIP/2.0", "INVITE  sip:x SIP/2.0"),
        ("INVITE sip:conference@127.0.0.1;seats=3 SIP/2.0", "INVITE sip:x SIP/3.0"),
    ] {
        assert_eq!(glimpse(&INVITE.replacen(old, new, 1)), None, "{old:?} {new:?}");
    }
    for end in 0..INVITE.len() {
        let is_whole = end >= INVITE.len() - "body".len();
        assert_eq!(glimpse(&INVITE[..end]).is_some(), is_whole, "{end}");
    }
}
