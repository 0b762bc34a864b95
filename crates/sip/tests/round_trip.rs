//! What is printed reads as what it was; bytes that nobody made on purpose do no harm.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]

use std::{fs, path::PathBuf};

use proptest::{collection::vec, option, prelude::*, sample::select};
use sip::{
    CSeq, Frame, HeaderName, Headers, Host, Message, Method, NameAddr, Request, Response, SipUri,
    StatusCode, StreamFramer, Uri, Via, parse_datagram, sipfrag,
};

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,12}"
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![Just("INVITE".to_owned()), Just("BYE".to_owned()), token()]
        .prop_map(|name| Method::parse(&name).expect("a token"))
}

fn host() -> impl Strategy<Value = Host> {
    let name = "[a-zA-Z0-9]([a-zA-Z0-9.-]{0,20}[a-zA-Z0-9])?"
        .prop_map(|name| name.parse().expect("a host name"));
    prop_oneof![
        name,
        any::<[u8; 4]>().prop_map(|ip| Host::from(std::net::IpAddr::from(ip))),
        any::<[u16; 8]>().prop_map(|ip| Host::from(std::net::IpAddr::from(ip))),
    ]
}

fn port() -> impl Strategy<Value = Option<u16>> {
    option::of(1..=u16::MAX)
}

/// Any SIP URI: users of any bytes, parameters with escapes and without values, headers.
fn sip_uri() -> impl Strategy<Value = SipUri> {
    let param = ("[a-zA-Z0-9_.!~*'()$+%&:/\\[\\]-]{1,8}", option::of("[a-zA-Z0-9_.:/%+-]{0,8}"));
    let header = ("[a-zA-Z-]{1,8}", "[a-zA-Z0-9?:+$/_%]{0,8}");
    let user = option::of(vec(any::<u8>(), 1..16));
    (any::<bool>(), user, host(), port(), vec(param, 0..4), vec(header, 0..3)).prop_map(
        |(secure, user, host, port, params, headers)| {
            let mut uri = SipUri::new(host, port);
            uri.secure = secure;
            if let Some(user) = user {
                uri = uri.with_user(user);
            }
            // A percent sign that begins no escape is no character of a URI.
            let escape = |text: String| text.replace('%', "%2a");
            for (name, value) in params {
                uri.params.push(&escape(name), value.map(escape).as_deref());
            }
            uri.headers = headers.into_iter().map(|(name, value)| (name, escape(value))).collect();
            uri
        },
    )
}

fn uri() -> impl Strategy<Value = Uri> {
    let other = ("[a-rt-zA-RT-Z][a-zA-Z0-9+.-]{0,8}", "[!#-;=?-~]{1,20}")
        .prop_map(|(scheme, rest)| Uri::Other { scheme, rest });
    prop_oneof![4 => sip_uri().prop_map(Uri::Sip), 1 => other]
}

/// Display names of any text that has no line break, quoted parameters.
fn name_addr() -> impl Strategy<Value = NameAddr> {
    let param = (token(), option::of(prop_oneof![token(), "\"[ !#-\\[\\]-~é]{0,8}\""]));
    (option::of("[^\r\n]{0,12}"), uri(), vec(param, 0..4)).prop_map(|(display, uri, params)| {
        let mut name_addr = NameAddr { display, ..NameAddr::new(uri) };
        params.iter().for_each(|(name, value)| name_addr.params.push(name, value.as_deref()));
        name_addr
    })
}

fn via() -> impl Strategy<Value = Via> {
    (token(), host(), port(), token(), any::<bool>()).prop_map(
        |(transport, host, port, branch, rport)| {
            let via = Via::new(&transport, host, port).with_branch(&branch);
            if rport { via.with_rport() } else { via }
        },
    )
}

/// Fields that we know nothing of: any bytes but line breaks.
fn unknown() -> impl Strategy<Value = (HeaderName, Vec<u8>)> {
    let byte = any::<u8>().prop_filter("no line break", |byte| !matches!(byte, b'\r' | b'\n'));
    ("X-[a-zA-Z]{1,8}".prop_map(HeaderName::Other), vec(byte, 0..24))
}

fn headers(method: Method) -> impl Strategy<Value = Headers> {
    let essentials = (vec(via(), 1..4), name_addr(), name_addr(), "[!-~]{1,20}", 0..1u32 << 31);
    let lists = (vec(name_addr(), 0..3), vec(name_addr(), 0..3), vec(unknown(), 0..4));
    (essentials, lists).prop_map(
        move |((vias, from, to, call_id, number), (contacts, routes, others))| {
            let mut headers = Headers::new();
            let mut push = |name: &HeaderName, value: String| headers.push(name.clone(), value);
            vias.iter().for_each(|via| push(&HeaderName::Via, via.to_string()));
            push(&HeaderName::From, from.to_string());
            routes.iter().for_each(|route| push(&HeaderName::Route, route.to_string()));
            push(&HeaderName::To, to.to_string());
            push(&HeaderName::CSeq, CSeq::new(number, method.clone()).to_string());
            push(&HeaderName::CallId, call_id);
            contacts.iter().for_each(|contact| push(&HeaderName::Contact, contact.to_string()));
            others.into_iter().for_each(|(name, value)| headers.push(name, value));
            headers
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let body = || vec(any::<u8>(), 0..64);
    let request = (method(), uri()).prop_flat_map(move |(method, uri)| {
        (Just(method.clone()), Just(uri), headers(method), body()).prop_map(
            |(method, uri, headers, body)| {
                let uri = match uri {
                    Uri::Sip(mut uri) => {
                        uri.headers.clear();
                        Uri::Sip(uri)
                    }
                    other @ Uri::Other { .. } => other,
                };
                Message::Request(Request { method, uri, headers, body })
            },
        )
    });
    let status = (100..700u16).prop_map(|code| StatusCode::new(code).expect("in range"));
    let response = (status, "[^\r\n]{0,20}", method().prop_flat_map(headers), body()).prop_map(
        |(status, reason, headers, body)| {
            Message::Response(Response { status, reason, headers, body })
        },
    );
    prop_oneof![request, response]
}

fn torture() -> Vec<Vec<u8>> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> = ["valid", "invalid"]
        .iter()
        .flat_map(|dir| fs::read_dir(corpus.join(dir)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Everything that reads bytes reads these, and what it takes it prints so that it reads the same.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let read = parse_datagram(bytes);
    if let Ok(message) = &read {
        let again = parse_datagram(&message.to_bytes());
        prop_assert_eq!(again.as_ref(), Ok(message));
        let headers = message.headers();
        let _ = (
            headers.vias(),
            headers.accept(),
            headers.allow(),
            headers.refer_to(),
            headers.warnings(),
        );
        let _ = (
            headers.event(),
            headers.subscription_state(),
            headers.retry_after(),
            headers.supported(),
        );
    }
    if let Err(failure) = &read {
        // No answer is larger than what it answers, but for the status line and our own Content-Length.
        let answer = failure.answer().map_or(0, |answer| answer.to_bytes().len());
        prop_assert!(answer <= bytes.len() + 128);
    }
    let _ = sipfrag::parse(bytes);
    let mut framer = StreamFramer::new();
    framer.push(bytes);
    let whole: Vec<_> = framer.by_ref().collect();
    let mut pieces = StreamFramer::new();
    let mut single = Vec::new();
    for piece in bytes.chunks(7) {
        pieces.push(piece);
        single.extend(pieces.by_ref());
    }
    // The messages are the same however the bytes arrive. An error may have had more or less to salvage an answer from.
    let frames = |out: Vec<Result<Frame, _>>| out.into_iter().map(Result::ok).collect::<Vec<_>>();
    prop_assert_eq!(frames(whole), frames(single));
    Ok(())
}

proptest! {
    #[test]
    fn a_message_prints_as_what_reads_the_same(message in message()) {
        let bytes = message.to_bytes();
        let read = parse_datagram(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&message), "{}", String::from_utf8_lossy(&bytes));
        let mut framer = StreamFramer::new();
        framer.push(&bytes);
        prop_assert_eq!(framer.next(), Some(Ok(Frame::Message(bytes))));
        prop_assert_eq!(framer.next(), None);
    }

    #[test]
    fn a_uri_prints_as_what_reads_the_same(uri in uri()) {
        let text = uri.to_string();
        let read: Uri = text.parse().unwrap();
        prop_assert_eq!(&read, &uri);
        prop_assert_eq!(read.to_string(), text);
        prop_assert!(uri.equivalent(&read));
    }

    #[test]
    fn a_name_addr_prints_as_what_reads_the_same(name_addr in name_addr()) {
        prop_assert_eq!(name_addr.to_string().parse(), Ok(name_addr));
    }

    /// What reads as a URI prints byte for byte as it was.
    #[test]
    fn a_uri_that_was_read_prints_as_it_was(text in "(sip|SIPS|tel|x):[a-z0-9:@;?&=%\\[\\]/+. -]{0,24}") {
        if let Ok(uri) = text.parse::<Uri>() {
            prop_assert_eq!(uri.to_string(), text);
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..512)) {
        check(&bytes)?;
    }

    /// Pieces that look like SIP, in any order.
    #[test]
    fn any_pieces_do_no_harm(pieces in vec(select(vec![
        "INVITE", " ", "sip:a@x", "SIP/2.0", "\r\n", "\r\n", "\n", "\r", ":", ";", ",", "\"", "<", ">", "\\", "=", "%", "[", "]", "@", "?",
        "Via:", "v", "SIP/2.0/UDP x", "From:", "<sip:b@y>", "To:", "Call-ID:", "CSeq:", "1 INVITE", "l: 3", "Contact: *", "tag=1", "200", "é",
    ]), 0..60)) {
        check(pieces.concat().as_bytes())?;
    }

    /// A torture message with a few bytes changed, left out or put in.
    #[test]
    fn damaged_messages_do_no_harm(
        mut bytes in select(torture()),
        damage in vec((any::<prop::sample::Index>(), select(b"\r\n \t:;,\"<>\\=%[]@?/0a\xe9\0".to_vec()), 0..3u8), 1..6),
    ) {
        for (at, byte, kind) in damage {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        check(&bytes)?;
    }
}
