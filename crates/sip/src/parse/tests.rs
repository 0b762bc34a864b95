use crate::{
    HeaderError, HeaderName, Message, Method, ParseError, ParseFailure, Request, Response,
    StatusCode, parse::head, parse_datagram,
};

const REQUEST: &str = "OPTIONS sip:a@x SIP/2.0\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nFrom: <sip:b@y>;tag=1\r\n\
                       To: <sip:a@x>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

const RESPONSE: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nFrom: <sip:b@y>;tag=1\r\n\
                        To: <sip:a@x>;tag=2\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

fn request(text: impl AsRef<[u8]>) -> Request {
    match parse_datagram(text.as_ref()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn failure(text: impl AsRef<[u8]>) -> ParseFailure {
    match parse_datagram(text.as_ref()) {
        Ok(message) => panic!("accepted: {message:?}"),
        Err(failure) => failure,
    }
}

/// RFC 3261 §18.3: over UDP what follows the body is thrown away; without Content-Length the body goes to the end.
#[test]
fn content_length_decides_what_the_body_is() {
    assert_eq!(request(format!("{REQUEST}Content-Length: 3\r\n\r\nabcdef")).body, b"abc");
    assert_eq!(request(format!("{REQUEST}L:0003\r\n\r\nabc")).body, b"abc");
    assert_eq!(request(format!("{REQUEST}\r\nabcdef")).body, b"abcdef");
    assert_eq!(request(format!("{REQUEST}\r\n")).body, b"");
    assert_eq!(request(format!("{REQUEST}Content-Length: 0\r\n\r\nabc")).body, b"");
}

/// RFC 3261 §18.3: a body that is too short: 400 for a request, silence for a response.
#[test]
fn a_short_body_is_refused() {
    let short = failure(format!("{REQUEST}Content-Length: 4\r\n\r\nabc"));
    assert_eq!(short.error, ParseError::ShortBody { expected: 4, got: 3 });
    assert_eq!(short.answer().unwrap().status, StatusCode::BAD_REQUEST);
    let short = failure(format!("{RESPONSE}Content-Length: 4\r\n\r\nabc"));
    assert_eq!(short.error, ParseError::ShortBody { expected: 4, got: 3 });
    assert_eq!((short.is_response, short.answer()), (true, None));
}

#[test]
fn a_bad_content_length_is_refused() {
    for value in ["-1", "+1", "1 1", "0x1", "", "1,1", "\u{661}"] {
        let error = failure(format!("{REQUEST}Content-Length: {value}\r\n\r\na")).error;
        assert_eq!(
            error,
            ParseError::Header(HeaderError::Malformed(HeaderName::ContentLength)),
            "{value}"
        );
    }
    let huge = failure(format!("{REQUEST}Content-Length: 99999999999999999999999\r\n\r\na")).error;
    assert_eq!(huge, ParseError::ShortBody { expected: usize::MAX, got: 1 });
    let twice = failure(format!("{REQUEST}l: 1\r\nContent-Length: 1\r\n\r\na")).error;
    assert_eq!(twice, ParseError::Header(HeaderError::Repeated(HeaderName::ContentLength)));
}

/// RFC 3261 §7.5: line breaks before a message mean nothing; alone they keep a binding open.
#[test]
fn line_breaks_in_front_are_skipped() {
    assert_eq!(request(format!("\r\n\r\n{REQUEST}\r\n")), request(format!("{REQUEST}\r\n")));
    for text in ["", "\r\n", "\r\n\r\n"] {
        let empty = failure(text);
        assert_eq!((empty.error.clone(), empty.answer()), (ParseError::Empty, None));
    }
}

/// A reader that takes a bare LF for a line end sees other fields than one that does not: nobody may.
#[test]
fn line_breaks_alone_are_refused() {
    for text in [
        format!("{REQUEST}X: a\nRoute: <sip:b@y>\r\n\r\n"),
        format!("{REQUEST}X: a\rRoute: <sip:b@y>\r\n\r\n"),
        format!("{REQUEST}X: a\r\r\n\r\n"),
        format!("{REQUEST}X: a\r\n\n"),
        REQUEST.replace("\r\n", "\n") + "\n",
        format!("{REQUEST}X: \"\\\r\" a\r\n\r\n"),
    ] {
        let refused = failure(&text);
        assert_eq!(refused.error, ParseError::LineBreak, "{text:?}");
        assert_eq!(refused.answer().unwrap().headers.call_id(), Ok("c"));
    }
}

/// RFC 3261 §7.3.1: a fold, with the white space around it, is one space.
#[test]
fn folds_become_one_space() {
    let folded = request(format!("{REQUEST}Y: a  \r\n \t b\r\n\t\r\n c \r\n\r\n"));
    assert_eq!(
        folded.headers.get(&HeaderName::Other("Y".to_owned())).unwrap().as_bytes(),
        b"a b c"
    );
    let error = failure(format!("OPTIONS sip:a@x SIP/2.0\r\n folded\r\n{}", &REQUEST[25..])).error;
    assert_eq!(error, ParseError::StartLine);
}

#[test]
fn header_lines_need_a_name_and_a_colon() {
    for line in ["no colon", ": no name", "two words: x", "é: x", "<a>: x"] {
        assert_eq!(
            failure(format!("{REQUEST}{line}\r\n\r\n")).error,
            ParseError::HeaderLine,
            "{line}"
        );
    }
    assert_eq!(failure(REQUEST).error, ParseError::HeadersOpen);
    assert_eq!(failure(format!("{REQUEST}X: y")).error, ParseError::HeadersOpen);
}

/// RFC 3261 §7.1: three parts, one space between them.
#[test]
fn request_lines() {
    let with = |line: &str| parse_datagram(format!("{line}{}\r\n", &REQUEST[23..]).as_bytes());
    let error = |line: &str| with(line).unwrap_err().error;
    assert!(with("OPTIONS sip:a@x SIP/2.0").is_ok());
    assert!(with("OPTIONS sip:a@x sip/2.0").is_ok());
    for line in [
        "OPTIONS",
        "OPTIONS sip:a@x",
        "OPTIONS sip:a@x SIP/2",
        "OPTIONS sip:a@x HTTP/1.1",
        "OPT(IONS sip:a@x SIP/2.0",
    ] {
        assert_eq!(error(line), ParseError::StartLine, "{line}");
    }
    for line in
        ["OPTIONS sip:a@x SIP/3.0", "OPTIONS sip:a@x SIP/2.1", "OPTIONS whatever this is SIP/12.34"]
    {
        assert_eq!(error(line), ParseError::Version, "{line}");
    }
    assert!(matches!(error("OPTIONS sip:a@x: SIP/2.0"), ParseError::RequestUri(_)));
    assert!(matches!(error("OPTIONS x SIP/2.0"), ParseError::RequestUri(_)));
}

/// RFC 3261 §7.2. A response is never answered, whatever is wrong with it.
#[test]
fn status_lines() {
    let with = |line: &str| parse_datagram(format!("{line}{}\r\n", &RESPONSE[14..]).as_bytes());
    let read = |line: &str| match with(line) {
        Ok(Message::Response(Response { status, reason, .. })) => (status.code(), reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(read("SIP/2.0 200 OK"), (200, "OK".to_owned()));
    assert_eq!(read("sip/2.0 699 a  b "), (699, "a  b ".to_owned()));
    assert_eq!(read("SIP/2.0 100 "), (100, String::new()));
    assert_eq!(read("SIP/2.0 486"), (486, String::new()));
    for line in [
        "SIP/2.0 099 x",
        "SIP/2.0 700 x",
        "SIP/2.0 20 x",
        "SIP/2.0 2000 x",
        "SIP/2.0 +20 x",
        "SIP/2.0  200 x",
    ] {
        let refused = with(line).unwrap_err();
        assert_eq!(
            (refused.error.clone(), refused.answer()),
            (ParseError::StatusCode, None),
            "{line}"
        );
    }
    let refused = with("SIP/3.0 200 OK").unwrap_err();
    assert_eq!((refused.error.clone(), refused.answer()), (ParseError::Version, None));
}

/// RFC 3261 §8.1.1: what every message must have, once.
#[test]
fn mandatory_fields_are_there_once() {
    for name in
        [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
    {
        let without: Vec<&str> = REQUEST
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with(name.as_str()))
            .collect();
        let missing = failure(without.concat() + "\r\n");
        assert_eq!(missing.error, ParseError::Header(HeaderError::Missing(name.clone())));
        assert_eq!(missing.answer().is_some(), name != HeaderName::Via, "{name}");
        let line =
            REQUEST.split_inclusive("\r\n").find(|line| line.starts_with(name.as_str())).unwrap();
        let twice = parse_datagram(format!("{REQUEST}{line}\r\n").as_bytes());
        assert_eq!(twice.is_ok(), name == HeaderName::Via, "{name}");
    }
    for line in ["Max-Forwards: 70\r\n", "Content-Type: text/plain\r\n"] {
        assert!(parse_datagram(format!("{REQUEST}{line}\r\n").as_bytes()).is_ok());
        let twice = failure(format!("{REQUEST}{line}{line}\r\n"));
        assert!(matches!(twice.error, ParseError::Header(HeaderError::Repeated(_))));
    }
}

/// What a request promises can be read later, is read now.
#[test]
fn fields_that_are_there_must_be_readable() {
    for line in [
        "Max-Forwards: many",
        "Content-Type: sdp",
        "Contact: sip:",
        "Contact:",
        "Contact: <sip:a@x>,,<sip:b@x>",
        "Contact: <sip:a@x>, \"b",
        "Contact: *, <sip:a@x>",
        "Route: a",
        "Record-Route: <sip:a@x",
        "Via: SIP/2.0/UDP z,",
    ] {
        let refused = failure(format!("{REQUEST}{line}\r\n\r\n"));
        assert!(matches!(refused.error, ParseError::Header(HeaderError::Malformed(_))), "{line}");
        assert_eq!(refused.answer().unwrap().status, StatusCode::BAD_REQUEST, "{line}");
    }
    // Those that only others need are let through.
    for line in ["Date: now", "Expires: soon", "Subject:", "Warning: x", "Via: whatever this is"] {
        assert!(parse_datagram(format!("{REQUEST}{line}\r\n\r\n").as_bytes()).is_ok(), "{line}");
    }
}

/// RFC 3261 §17: an ACK is never answered.
#[test]
fn a_malformed_ack_meets_silence() {
    let ack = REQUEST.replace("OPTIONS", "ACK");
    assert_eq!(failure(format!("{ack}l: 9\r\n\r\n")).answer(), None);
    assert_eq!(request(format!("{ack}\r\n")).method, Method::Ack);
}

/// Something that is no SIP at all is not answered.
#[test]
fn noise_meets_silence() {
    for text in [
        "\0\0\0\0",
        "x",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r",
        "\n",
        "SIP/",
        "OPTIONS sip:a@x SIP/2.0\r\n",
    ] {
        assert_eq!(failure(text).answer(), None, "{text:?}");
    }
}

/// The answer has the request's Via list, From, To, Call-ID and CSeq, and no more.
#[test]
fn an_answer_goes_back_the_way_the_request_came() {
    let text = format!(
        "{REQUEST}Via: SIP/2.0/TCP z;branch=1, junk, SIP/2.0/SCTP w\r\nContact: ;\r\nX: y\r\n\r\n"
    );
    let answer = failure(text).answer().unwrap().with_to_tag("t");
    let text = String::from_utf8(answer.to_bytes()).unwrap();
    assert_eq!(
        text,
        "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP z;branch=1\r\n\
         Via: SIP/2.0/SCTP w\r\nFrom: <sip:b@y>;tag=1\r\nTo: <sip:a@x>;tag=t\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

/// T05 · Sizes at which a careless parser becomes slow or large: each is taken or refused by a number with a name.
#[test]
fn large_messages_are_bounded() {
    let small: String = "a:\r\n".repeat(13_000);
    let error = failure(format!("{REQUEST}{small}\r\n")).error;
    assert_eq!(error, ParseError::TooManyHeaders { max: head::HEADER_FIELDS_MAX });
    let room = head::HEADER_FIELDS_MAX - 5;
    assert_eq!(
        request(format!("{REQUEST}{}\r\n", "a:\r\n".repeat(room))).headers.len(),
        head::HEADER_FIELDS_MAX
    );
    assert!(
        parse_datagram(format!("{REQUEST}{}\r\n", "a:\r\n".repeat(room + 1)).as_bytes()).is_err()
    );

    let vias = "v: SIP/2.0/UDP z;branch=2\r\n".repeat(1_000);
    assert_eq!(request(format!("{REQUEST}{vias}\r\n")).headers.vias().unwrap().len(), 1_001);
    let error = failure(format!("{REQUEST}v: {}\r\n\r\n", "a,".repeat(30_000))).error;
    assert_eq!(error, ParseError::TooManyHeaders { max: head::HEADER_FIELDS_MAX });

    for filler in ["x", " ", ";", ",", "\"", "\\", "(", "<", "%41", "\r\n ", ";a", "a="] {
        for field in ["X", "Via", "Contact", "To", "Accept", "Supported"] {
            let value = filler.repeat(60_000 / filler.len());
            let _ = parse_datagram(format!("{REQUEST}{field}: {value}\r\n\r\n").as_bytes());
        }
    }
    let long = vec![b'x'; crate::MESSAGE_BYTES_MAX + 1];
    let error = ParseError::TooLong { got: long.len(), max: crate::MESSAGE_BYTES_MAX };
    assert_eq!(failure(long).error, error);
}

/// T20: whoever forges a source address gains little by what we make of his bytes.
#[test]
fn malformed_request_with_more_vias_than_hops_gets_no_answer() {
    let with_vias = |count: usize| {
        let vias = "V:SIP/2.0/UDP h\n".repeat(count);
        let text = format!("OPTIONS sip:h SIP/2.0\n{vias}CSeq: none\n\n");
        parse_datagram(text.as_bytes()).expect_err("no CSeq").answer()
    };
    assert!(with_vias(70).is_some());
    assert!(with_vias(71).is_none());
}
