//! INVITEs that are wrong in one place, thousands of them, in the classes of the PROTOS c07-sip suite: too long, format
//! strings, bytes that are no UTF-8, numbers out of range, delimiters too many, fields missing or repeated.
//!
//! After each one a good OPTIONS of somebody else is answered. In the end nothing is left.

use std::time::Duration;

use node::Leftovers;
use sip::Transport;

use crate::rig::{Caller, Rig};

/// An INVITE with a place for each value that can be wrong: `{name}`.
const INVITE: &str = "{method} {scheme}:{user}@{host}:{port} {version}\r\n\
    Via: {via-version}/{via-transport} {via-host}:{via-port};branch={branch};{via-param}\r\n\
    From: {from-display} <{from-uri}>;tag={from-tag}\r\n\
    To: {to-display} <{to-uri}>{to-param}\r\n\
    Call-ID: {call-id}\r\n\
    CSeq: {cseq} {cseq-method}\r\n\
    Contact: {contact-display} <{contact-uri}>;expires={contact-expires};q={q}\r\n\
    Max-Forwards: {max-forwards}\r\n\
    Expires: {expires}\r\n\
    Supported: {supported}\r\n\
    Session-Expires: {session-expires}\r\n\
    Subject: {subject}\r\n\
    Content-Type: {content-type}\r\n\
    Content-Length: {content-length}\r\n\r\n";

const BODY: &str = "v={v}\r\no={o-user} {o-id} {o-version} {o-net} {o-kind} {o-address}\r\ns={s}\r\n\
    c={c-net} {c-kind} {c-address}\r\nt={t}\r\nm={media} {m-port} {profile} {formats}\r\n\
    a=rtpmap:{pt} {codec}/{rate}\r\na=ptime:{ptime}\r\n";

/// What stands there when all is well; `{n}` is the number of the case.
const GOOD: &[(&str, &str)] = &[
    ("method", "INVITE"),
    ("scheme", "sip"),
    ("user", "conference"),
    ("host", "127.0.0.1"),
    ("port", "5060"),
    ("version", "SIP/2.0"),
    ("via-version", "SIP/2.0"),
    ("via-transport", "UDP"),
    ("via-host", "127.0.0.66"),
    ("via-port", "6000"),
    ("branch", "z9hG4bK{n}"),
    ("via-param", "rport"),
    ("from-display", "\"m\""),
    ("from-uri", "sip:m@example.com"),
    ("from-tag", "t{n}"),
    ("to-display", ""),
    ("to-uri", "sip:conference@127.0.0.1"),
    ("to-param", ";x=y"),
    ("call-id", "call{n}"),
    ("cseq", "1"),
    ("cseq-method", "INVITE"),
    ("contact-display", "c"),
    ("contact-uri", "sip:m@127.0.0.66:6000"),
    ("contact-expires", "60"),
    ("q", "0.5"),
    ("max-forwards", "70"),
    ("expires", "60"),
    ("supported", "timer, 100rel"),
    ("session-expires", "1800;refresher=uac"),
    ("subject", "s"),
    ("content-type", "application/sdp"),
    ("v", "0"),
    ("o-user", "-"),
    ("o-id", "1"),
    ("o-version", "1"),
    ("o-net", "IN"),
    ("o-kind", "IP4"),
    ("o-address", "127.0.0.66"),
    ("s", "-"),
    ("c-net", "IN"),
    ("c-kind", "IP4"),
    ("c-address", "127.0.0.66"),
    ("t", "0 0"),
    ("media", "audio"),
    ("m-port", "20000"),
    ("profile", "RTP/AVP"),
    ("formats", "0 8"),
    ("pt", "0"),
    ("codec", "PCMU"),
    ("rate", "8000"),
    ("ptime", "20"),
];

/// So many letters.
const LENGTHS: &[usize] = &[
    1, 2, 8, 16, 32, 63, 64, 127, 128, 255, 256, 511, 512, 1_023, 1_024, 2_048, 4_096, 8_192,
    16_384, 60_000,
];

/// These, so many times.
const PIECES: &[(&str, usize)] = &[
    ("%s", 1),
    ("%s", 64),
    ("%n%n%d%x", 16),
    ("%00", 8),
    ("%", 3),
    ("\\", 5),
    ("\"", 1),
    ("\"", 3),
    ("<", 1),
    ("<", 64),
    (">", 2),
    ("<>", 1),
    (";", 1),
    (";", 300),
    (",", 300),
    ("@", 2),
    (":", 9),
    ("=", 3),
    ("[", 1),
    ("[::]", 2),
    ("[::1", 1),
    ("(", 200),
    ("()", 100),
    ("/", 9),
    ("*", 1),
    (" ", 1),
    (" ", 200),
    ("\t", 9),
    ("\r\n ", 1),
    ("\r\n ", 100),
    ("\r\n", 1),
    ("\n", 1),
    ("\r", 1),
    ("a=b;", 400),
    ("\r\nVia: SIP/2.0/UDP x", 70),
    (" SIP/2.0", 2),
    ("../", 20),
    ("sip:", 30),
];

const NUMBERS: &[&str] = &[
    "-1",
    "00",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "-2147483649",
    "1e9",
    "0x7f",
    "1.5",
    "99999999999999999999999999",
];

/// What is no text, or hides in one.
const BYTES: &[&[u8]] = &[
    b"",
    b"\0",
    b"a\0b",
    b"\x01\x1b[2J",
    b"\x7f",
    b"\x80",
    b"\xff\xfe",
    b"\xc0\xaf",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xfc\x80\x80\x80\x80\xaf",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
];

/// What stands there instead.
fn anomalies() -> Vec<Vec<u8>> {
    let lengths = LENGTHS.iter().map(|len| vec![b'a'; *len]);
    let pieces = PIECES.iter().map(|(piece, times)| piece.repeat(*times).into_bytes());
    let numbers = NUMBERS.iter().map(|number| number.as_bytes().to_vec());
    let bytes = BYTES.iter().map(|bytes| bytes.to_vec());
    lengths.chain(pieces).chain(numbers).chain(bytes).collect()
}

/// One message: every place good but one.
fn message(number: usize, wrong: Option<(&str, &[u8])>) -> Vec<u8> {
    let number = number.to_string();
    let value = |name: &str, length: usize| -> Vec<u8> {
        if let Some((_, bytes)) = wrong.filter(|(place, _)| *place == name) {
            return bytes.to_vec();
        }
        if name == "content-length" {
            return length.to_string().into_bytes();
        }
        let good = GOOD.iter().find(|(place, _)| *place == name).expect("a place");
        good.1.replace("{n}", &number).into_bytes()
    };
    let body = filled(BODY, |name| value(name, 0));
    let mut bytes = filled(INVITE, |name| value(name, body.len()));
    bytes.extend(body);
    bytes
}

fn filled(template: &str, value: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in template.split(['{', '}']).enumerate() {
        if index % 2 == 0 { bytes.extend(part.as_bytes()) } else { bytes.extend(value(part)) }
    }
    bytes
}

/// A good message whose lines are missing, or stand there too often.
fn crooked(number: &mut usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let count = message(0, None).split(|byte| *byte == b'\n').count();
    for line in 0..count {
        for times in [0, 2, 3, 20, 400] {
            *number += 1;
            let whole = message(*number, None);
            let lines = whole.split_inclusive(|byte| *byte == b'\n').enumerate();
            let repeated = lines.map(|(at, text)| text.repeat(if at == line { times } else { 1 }));
            let bytes: Vec<u8> = repeated.flatten().collect();
            // Longer is nothing that UDP carries.
            all.push(bytes[..bytes.len().min(65_507)].to_vec());
        }
    }
    all
}

/// T03, T05, T06
#[test]
fn after_each_of_thousands_of_broken_invites_others_are_answered() {
    let mut number = 0;
    let mut cases = crooked(&mut number);
    let places = GOOD.iter().map(|(name, _)| *name).chain(["content-length"]);
    let anomalies = anomalies();
    for place in places {
        for anomaly in &anomalies {
            number += 1;
            cases.push(message(number, Some((place, anomaly))));
        }
    }
    assert!(cases.len() >= 4_500, "{} cases", cases.len());
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.address.set_ip([127, 0, 0, 2].into());
    let mut granted = 0;
    for (index, case) in cases.iter().enumerate() {
        rig.transport = if index % 2 == 0 { Transport::Udp } else { Transport::Tcp };
        let statuses = rig.statuses(([127, 0, 0, 66], 6_000).into(), case);
        assert!(statuses.len() <= 1, "{statuses:?} to {}", case.escape_ascii());
        granted += usize::from(statuses == [302]);
        alice.rebranch();
        rig.transport = Transport::Udp;
        // To the host: the factory would say that the pool is full, of what was granted to mutants.
        let options = rig.ask(alice.address, &alice.request("OPTIONS", "sip:127.0.0.1:5060"));
        assert_eq!(options.status.code(), 200, "after {}", case.escape_ascii());
        rig.pass(Duration::from_millis(200));
    }
    println!("mutants: {} cases, {granted} of them redirected", cases.len());
    assert!(granted > 100, "most places do not matter to a factory: {granted}");
    rig.pass(Duration::from_secs(200));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}
