use proptest::prelude::*;

use super::*;
use crate::Direction;

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn error(text: impl AsRef<[u8]>) -> SdpError {
    SessionDescription::parse(text.as_ref()).unwrap_err()
}

const WHOLE: &str = "v=0\r\n\
    o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\n\
    s=Call to John Smith\r\n\
    i=SDP Offer #1\r\n\
    u=http://www.jdoe.example.com/home.html\r\n\
    e=Jane Doe <jane@jdoe.example.com>\r\n\
    p=+1 617 555-6011\r\n\
    c=IN IP4 198.51.100.1\r\n\
    b=X-YZ:128\r\n\
    t=3724394400 3724398000\r\n\
    r=604800 3600 0 90000\r\n\
    k=prompt\r\n\
    a=recvonly\r\n\
    m=audio 49170/2 RTP/AVP 0 97\r\n\
    i=voice\r\n\
    c=IN IP6 2001:db8::2\r\n\
    b=AS:64\r\n\
    a=rtpmap:97 PCMA/8000/1\r\n\
    a=sendrecv\r\n\
    m=video 51372 RTP/AVP 99\r\n\
    a=rtpmap:99 h263-1998/90000\r\n";

/// RFC 8866 §5, its example with every kind of line added.
#[test]
fn whole_description_is_read_and_printed_as_it_was() {
    let read = parse(WHOLE);
    assert_eq!(read.to_string(), WHOLE);
    assert_eq!(read.origin.as_ref().unwrap().address, "IN IP4 198.51.100.1");
    assert_eq!(read.time, "3724394400 3724398000");
    let kinds = read.fields.iter().map(|field| field.kind).collect::<String>();
    assert_eq!(kinds, "iuepbrk");
    let [audio, video] = &read.media[..] else { panic!("two m-lines") };
    assert_eq!(
        (audio.port, audio.port_count, &audio.formats[..]),
        (49_170, Some(2), &["0".into(), "97".into()][..])
    );
    let ip = |media| read.connection_of(media).and_then(Connection::ip).unwrap().to_string();
    assert_eq!([ip(audio), ip(video)], ["2001:db8::2", "198.51.100.1"]);
    assert_eq!(read.direction_of(audio), Direction::SendRecv, "its own");
    assert_eq!(read.direction_of(video), Direction::RecvOnly, "the session's");
}

#[test]
fn what_phones_leave_out_or_add_is_taken() {
    let read = parse(
        "v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\n\nX=kept\nm=audio  4000  RTP/AVP  0 \na=sendonly \na=PTIME:30",
    );
    assert_eq!((&read.name[..], &read.time[..]), ("-", "0 0"));
    assert_eq!(read.fields, [Field { kind: 'X', value: "kept".into() }]);
    let audio = &read.media[0];
    assert_eq!((audio.port, audio.formats.len()), (4_000, 1));
    assert_eq!((audio.direction(), audio.ptime_ms()), (Some(Direction::SendOnly), Some(30)));
    let read = parse("v=0\r\r\ns=Andr\r\nm=audio 4000 RTP/AVP\r\nt=1 2\r\n");
    assert_eq!((read.origin, &read.time[..]), (None, "1 2"), "t= in the wrong place");
    assert!(read.media[0].formats.is_empty() && read.media[0].fields.is_empty());
    let read = SessionDescription::parse(b"v=0\r\ns=Andr\xE9\r\n").unwrap();
    assert_eq!(read.name, "Andr\u{FFFD}", "Latin-1");
    let odd = "v=0\r\ns=-\r\no=too few\r\nt=0 0\r\n";
    assert_eq!((parse(odd).origin, parse(odd).to_string()), (None, odd.into()));
}

#[test]
fn lines_out_of_order_are_printed_in_order() {
    let read = parse(
        "v=0\r\nt=0 0\r\na=x\r\nb=AS:1\r\ns=-\r\ni=info\r\nc=IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 0\r\na=y\r\nb=AS:2\r\n",
    );
    let printed = "v=0\r\ns=-\r\ni=info\r\nc=IN IP4 192.0.2.1\r\nb=AS:1\r\nt=0 0\r\na=x\r\nm=audio 1 RTP/AVP 0\r\nb=AS:2\r\na=y\r\n";
    assert_eq!(read.to_string(), printed);
    assert_eq!(parse(printed), read);
}

#[test]
fn what_is_no_description_is_refused() {
    for text in ["", "\r\n", "v=1\r\n", "o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n"] {
        assert_eq!(error(text), SdpError::Version, "{text:?}");
    }
    for text in ["v=0\r\nhello\r\n", "v=0\r\n\r\n =x", "v=0\r\n1=x"] {
        assert!(matches!(error(text), SdpError::NotALine { line: 2 | 3 }), "{text:?}");
    }
    for text in ["v=0\na=\0", "v=0\na=x\rm=audio 1 RTP/AVP 0\r\n"] {
        let what = "a control character";
        assert_eq!(error(text), SdpError::Malformed { line: 2, what }, "{text:?}");
    }
    for line in [
        "audio",
        "audio 1",
        "audio x RTP/AVP 0",
        "audio 65536 RTP/AVP 0",
        "audio -1 RTP/AVP 0",
        "audio 1/x RTP/AVP 0",
    ] {
        let got = error(format!("v=0\r\ns=-\r\nm={line}\r\n"));
        assert_eq!(got, SdpError::Malformed { line: 3, what: "m=" }, "{line}");
        assert_eq!(got.status(), 400);
    }
}

#[test]
fn bounds_hold_to_the_item() {
    let with = |line: &str, count| format!("v=0\r\n{}", line.repeat(count));
    for (line, what, max) in [
        ("m=audio 1 RTP/AVP 0\r\n", "m-lines", MEDIA_MAX),
        ("a=x\r\n", "a-lines", ATTRIBUTES_MAX),
        ("b=x\r\n", "lines", ATTRIBUTES_MAX),
    ] {
        assert!(SessionDescription::parse(with(line, max).as_bytes()).is_ok(), "{what}");
        assert_eq!(error(with(line, max + 1)), SdpError::TooMany { what, max });
    }
    let formats = |count| format!("v=0\r\nm=audio 1 RTP/AVP{}\r\n", " 0".repeat(count));
    assert_eq!(parse(&formats(FORMATS_MAX)).media[0].formats.len(), FORMATS_MAX);
    assert_eq!(
        error(formats(FORMATS_MAX + 1)),
        SdpError::TooMany { what: "formats", max: FORMATS_MAX }
    );
    let long = |len: usize| format!("v=0\r\ni={}", "x".repeat(len - 7));
    assert!(SessionDescription::parse(long(SDP_BYTES_MAX).as_bytes()).is_ok());
    let got = error(long(SDP_BYTES_MAX + 1));
    assert_eq!(got, SdpError::TooLong { got: SDP_BYTES_MAX + 1, max: SDP_BYTES_MAX });
    assert_eq!(got.status(), 413);
}

#[test]
fn addresses_are_read_with_ttl_and_of_both_families() {
    for (text, expected) in [
        ("IN IP4 192.0.2.1", Some("192.0.2.1")),
        ("IN  IP4 233.252.0.1/127/3 ", Some("233.252.0.1")),
        ("IN IP6 2001:db8::1", Some("2001:db8::1")),
        ("IN IP6 ff15::101/3", Some("ff15::101")),
        ("IN IP4 phone.example.com", None),
        ("IN IP4 192.0.2.1.", None),
        ("IN IP4", None),
        ("TN RFC2543 +1-201-406-4090", None),
        ("", None),
    ] {
        let ip = Connection(text.into()).ip().map(|ip| ip.to_string());
        assert_eq!(ip.as_deref(), expected, "{text}");
    }
}

#[test]
fn rtpmaps_are_read_or_ignored() {
    let audio = &parse(
        "v=0\nm=audio 1 RTP/AVP 97 98 99 100 101\na=rtpmap:97  pcmu/8000/1 \na=rtpmap:98 opus/48000/2\n\
         a=rtpmap:99\na=rtpmap:100 G7221\na=rtpmap:128 x/8000\na=rtpmap:101 telephone-event/8000\n",
    )
    .media[0];
    let map = |number| audio.rtpmap(number).map(|map| map.to_string());
    assert_eq!(map(97).as_deref(), Some("97 pcmu/8000"));
    assert_eq!(map(98).as_deref(), Some("98 opus/48000/2"));
    assert_eq!(map(101).as_deref(), Some("101 telephone-event/8000"));
    assert_eq!([map(99), map(100), map(128)], [None, None, None]);
}

/// Lines as a phone, a browser or an attacker may put them.
fn any_line() -> impl Strategy<Value = String> {
    let text = "[ -~]{0,20}";
    prop_oneof![
        (proptest::char::range('a', 'z'), text).prop_map(|(kind, value)| format!("{kind}={value}")),
        text.prop_map(|value| format!("a={value}")),
        ("[a-z]{1,8}", 0_u32..70_000, "[A-Z/]{1,8}", "[ 0-9]{0,12}")
            .prop_map(|(kind, port, proto, formats)| format!("m={kind} {port} {proto} {formats}")),
        (0_u8..128, "(PCMU|pcma|opus|telephone-event)", "(8000|48000|x)", "(/1|/2|)").prop_map(
            |(number, name, clock, channels)| format!("a=rtpmap:{number} {name}/{clock}{channels}")
        ),
        "(sendrecv|sendonly|recvonly|inactive|ptime:[0-9]{1,3})"
            .prop_map(|name| format!("a={name}")),
        "(IN IP4 192\\.0\\.2\\.1|IN IP6 ::1|IN IP4 0\\.0\\.0\\.0)"
            .prop_map(|value| format!("c={value}")),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = SessionDescription::parse(&bytes);
        let _ = SessionDescription::parse(&[b"v=0\n", &bytes[..]].concat());
    }

    /// What is read, printed and read again is the same; and no line was lost on the way.
    #[test]
    fn printing_keeps_all(lines in proptest::collection::vec(any_line(), 0..40), end in "(\r\n|\n)") {
        let text = format!("v=0{end}{}", lines.iter().map(|line| format!("{line}{end}")).collect::<String>());
        if let Ok(read) = SessionDescription::parse(text.as_bytes()) {
            let printed = read.to_string();
            prop_assert_eq!(&SessionDescription::parse(printed.as_bytes()), &Ok(read));
            for line in lines.iter().filter(|line| !line.starts_with(['o', 'm'])) {
                prop_assert!(printed.lines().any(|kept| kept == line), "{:?} in {:?}", line, printed);
            }
        }
    }
}
