//! Everything that reads bytes which a stranger wrote.

mod dialog_ref;
mod digest;
mod framing;
mod headers;
mod message;
mod multipart;
mod roster;
mod rtp;
mod sdp;
mod sipfrag;
mod token;
mod uri;

pub use self::dialog_ref::DIALOG_REF;
pub use self::digest::DIGEST;
pub use self::framing::FRAMING;
pub use self::headers::HEADERS;
pub use self::message::MESSAGE;
pub use self::multipart::MULTIPART;
pub use self::roster::ROSTER;
pub use self::rtp::RTP;
pub use self::sdp::SDP;
pub use self::sipfrag::SIPFRAG;
pub use self::token::TOKEN;
pub use self::uri::URI;

use crate::{Target, Trail};

/// Pieces of SIP, for the dictionaries.
const SIP_WORDS: &[&str] = &[
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "UPDATE",
    "PRACK",
    "SIP/2.0",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\r\n ",
    "\r\n\t",
    ": ",
    " : ",
    ";",
    ",",
    "\"",
    "<",
    ">",
    "\\",
    "\\\"",
    "=",
    "%",
    "%00",
    "%41",
    "[",
    "]",
    "@",
    "?",
    "*",
    "(",
    ")",
    "sip:",
    "sips:",
    "tel:",
    "Via: SIP/2.0/UDP ",
    "v: ",
    "SIP/2.0/TCP",
    ";branch=z9hG4bK",
    ";rport",
    ";received=",
    ";maddr=",
    "From: ",
    "f: ",
    "To: ",
    "t: ",
    ";tag=",
    "Call-ID: ",
    "i: ",
    "CSeq: ",
    "1 INVITE",
    "Contact: ",
    "m: *",
    "Content-Length: ",
    "l: 0",
    "Content-Type: ",
    "application/sdp",
    "multipart/mixed;boundary=x",
    "--x\r\n",
    "--x--",
    "Route: ",
    "Record-Route: ",
    ";lr",
    "Max-Forwards: ",
    "Require: ",
    "k: 100rel",
    "Expires: ",
    ";expires=",
    ";q=0.5",
    ";isfocus",
    "Retry-After: ",
    "Warning: 399 h \"t\"",
    "Event: refer",
    "Subscription-State: active",
    "Refer-To: ",
    "Replaces: ",
    "Join: ",
    "Session-Expires: 90;refresher=uas",
    "0",
    "-1",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "99999999999999999999",
    "[::1]",
    "[2001:db8::1]",
    "192.0.2.1",
    "\u{e9}",
    "\u{202e}",
    "\0",
    "\u{feff}",
];

/// The torture messages of RFC 4475 and RFC 5118, whole.
fn torture() -> Vec<Vec<u8>> {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../sip/tests/corpus");
    let folders = ["valid", "invalid"].map(|folder| format!("{corpus}/{folder}"));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    // The order of a folder is the file system's; a seed must mean the same run everywhere.
    files.sort();
    files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Reads text, prints it, reads that: it must be the same, and print the same. Gives what was read.
fn fixpoint<T>(text: &str, place: &str, trail: &mut Trail) -> Option<T>
where
    T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Display + std::fmt::Debug + PartialEq,
{
    let read = text.parse::<T>();
    trail.outcome(place, &read);
    let value = read.ok()?;
    let printed = value.to_string();
    assert!(!printed.contains(['\r', '\n']), "{place}: prints a line break: {printed:?}");
    match printed.parse::<T>() {
        Ok(again) => {
            assert_eq!(again, value, "{place}: {printed:?} reads otherwise");
            assert_eq!(again.to_string(), printed, "{place}: prints otherwise the second time");
        }
        Err(error) => panic!("{place}: {printed:?} was printed and cannot be read: {error:?}"),
    }
    Some(value)
}

/// Proof that an engine finds what is there: a reader with a planted fault, five bytes deep. A run of it that finds nothing
/// is a failure of the engine.
pub const CANARY: Target = Target {
    name: "canary",
    run: canary,
    seeds: || texts(&["Via: SIP/2.0/UDP host;branch=x"]),
    words: SIP_WORDS,
    longest: 256,
};

fn canary(data: &[u8], trail: &mut Trail) {
    let fault = b"rport";
    let deep = data
        .windows(fault.len())
        .map(|found| found.iter().zip(fault).take_while(|(got, wanted)| got == wanted).count());
    let deepest = deep.max().unwrap_or(0);
    trail.count("canary", 1 << deepest);
    assert!(deepest < fault.len(), "the planted fault");
}
