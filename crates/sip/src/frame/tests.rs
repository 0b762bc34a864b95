use crate::{
    Frame, HeaderError, HeaderName, MESSAGE_BYTES_MAX, ParseError, StatusCode, StreamFramer,
};

/// A message with a body of this many bytes.
fn message(body: usize) -> Vec<u8> {
    let head = "OPTIONS sip:a@x SIP/2.0\r\nv: SIP/2.0/TCP y;branch=z9hG4bK1\r\nf: <sip:b@y>;tag=1\r\nt: <sip:a@x>\r\n\
                i: c\r\nCSeq: 1 OPTIONS\r\n";
    let mut bytes = format!("{head}Content-Length: {body}\r\n\r\n").into_bytes();
    bytes.extend(std::iter::repeat_n(b'\n', body));
    bytes
}

/// Feeds the pieces, and gives what came out and whether something is pending.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Result<Frame, ParseError>>, bool) {
    let mut framer = StreamFramer::new();
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(piece);
        out.extend(framer.by_ref().map(|frame| frame.map_err(|error| error.failure.error)));
    }
    (out, framer.is_partial())
}

/// RFC 3261 §18.3, §7.5, RFC 5626 §3.5.1: the same frames however the stream is cut.
#[test]
fn a_stream_cut_anywhere_gives_the_same_messages() {
    let stream =
        [&b"\r\n"[..], &message(5), b"\r\n\r\n\r\n", &message(0), &message(9), b"\r\n\r\n"]
            .concat();
    let expected = vec![
        Ok(Frame::Message(message(5))),
        Ok(Frame::KeepAlive),
        Ok(Frame::Message(message(0))),
        Ok(Frame::Message(message(9))),
        Ok(Frame::KeepAlive),
    ];
    assert_eq!(feed([&stream[..]]), (expected.clone(), false));
    assert_eq!(feed(stream.chunks(1)), (expected.clone(), false));
    for cut in 0..stream.len() {
        let (left, right) = stream.split_at(cut);
        assert_eq!(feed([left, right]).0, expected, "cut at {cut}");
    }
}

/// RFC 5626 §3.5.1: the ping is a double CRLF; one alone is nothing.
#[test]
fn only_a_double_line_break_is_a_keep_alive() {
    assert_eq!(feed([&b"\r\n"[..]]), (vec![], false));
    assert_eq!(feed([&b"\r\n\r"[..]]), (vec![], false));
    assert_eq!(feed([&b"\r\n"[..], b"\r\n"]), (vec![Ok(Frame::KeepAlive)], false));
    assert_eq!(feed([&b"\r\n\r\n\r\n\r\n"[..]]).0.len(), 2);
    let single = [&message(0)[..], b"\r\n", &message(0)].concat();
    assert_eq!(
        feed([&single[..]]).0,
        [Ok(Frame::Message(message(0))), Ok(Frame::Message(message(0)))]
    );
}

/// T05 · RFC 3261 §18.3, RFC 4475 §3.1.2.3, §3.3.9: without a good Content-Length there is no next message.
#[test]
fn a_bad_content_length_ends_the_stream() {
    let good = String::from_utf8(message(0)).unwrap();
    let malformed = ParseError::Header(HeaderError::Malformed(HeaderName::ContentLength));
    let cases = [
        (
            "Content-Length: 0\r\n",
            "",
            ParseError::Header(HeaderError::Missing(HeaderName::ContentLength)),
        ),
        ("Content-Length: 0", "Content-Length: -1", malformed.clone()),
        ("Content-Length: 0", "Content-Length: x", malformed),
        (
            "Length: 0",
            "Length: 0\r\nl: 0",
            ParseError::Header(HeaderError::Repeated(HeaderName::ContentLength)),
        ),
        ("Content-Length: 0", "X: y\nContent-Length: 0", ParseError::LineBreak),
        ("Content-Length: 0", "no colon\r\nX: y\nContent-Length: 0", ParseError::LineBreak),
        (
            "Length: 0",
            "Length: 65535",
            ParseError::TooLong { got: good.len() + 65_539, max: MESSAGE_BYTES_MAX },
        ),
    ];
    for (from, to, error) in cases {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        let stream = [bad.as_bytes(), &message(0)].concat();
        assert_eq!(feed([&stream[..]]), (vec![Err(error)], false), "{to}");
    }
}

/// The error that ends a stream says what to answer before closing.
#[test]
fn a_framing_error_can_be_answered() {
    let mut framer = StreamFramer::new();
    framer.push(
        &String::from_utf8(message(0)).unwrap().replace("Length: 0", "Length: -1").into_bytes(),
    );
    let answer = framer.next().unwrap().unwrap_err().failure.answer().unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers.call_id(), Ok("c"));
    framer.push(&message(0));
    assert_eq!(framer.next(), None); // never again
}

/// What is malformed but well framed is the parser's to refuse; the stream goes on.
#[test]
fn a_malformed_message_in_a_good_frame_does_not_end_the_stream() {
    let bad = b"nonsense\r\nmore of it\r\nl: 1\r\n\r\nx";
    let stream = [&bad[..], &message(0)].concat();
    let expected = vec![Ok(Frame::Message(bad.to_vec())), Ok(Frame::Message(message(0)))];
    assert_eq!(feed([&stream[..]]), (expected, false));
}

#[test]
fn what_is_not_whole_is_pending() {
    let whole = message(3);
    assert_eq!(feed([&whole[..whole.len() - 1]]), (vec![], true));
    assert_eq!(feed([&b"O"[..]]), (vec![], true));
    assert_eq!(feed([&b"\r"[..]]), (vec![], false));
}

/// Nothing that a peer sends makes the buffer grow beyond its bound.
#[test]
fn a_stream_that_is_too_long_ends() {
    let largest = message(MESSAGE_BYTES_MAX - message(0).len() - 4);
    assert_eq!(largest.len(), MESSAGE_BYTES_MAX);
    assert_eq!(feed(largest.chunks(1_000)).0, [Ok(Frame::Message(largest.clone()))]);

    let endless = vec![b'x'; 4 * MESSAGE_BYTES_MAX];
    for size in [1_000, 60_000, endless.len()] {
        let (out, pending) = feed(endless.chunks(size));
        assert!(
            matches!(out[..], [Err(ParseError::TooLong { max: MESSAGE_BYTES_MAX, .. })]),
            "{out:?}"
        );
        assert!(!pending);
    }
    // More in one piece than is kept: what is whole comes out, then it ends.
    let flood = message(1_000).repeat(200);
    let (out, _) = feed([&flood[..]]);
    assert!(out.len() > 100);
    assert!(out[..out.len() - 1].iter().all(|frame| *frame == Ok(Frame::Message(message(1_000)))));
    assert!(matches!(out.last(), Some(Err(ParseError::TooLong { .. }))));
    // The same in pieces loses nothing.
    assert_eq!(
        feed(flood.chunks(MESSAGE_BYTES_MAX)).0,
        vec![Ok(Frame::Message(message(1_000))); 200]
    );
}
