//! Bodies of several parts.

use sip::uas::{self, Capabilities};
use sip::{Essentials, FlowId, Incoming, Method, Request, Source, Transport, Uri};

use super::{SIP_WORDS, texts};
use crate::{Target, Trail};

/// [`Request::part`] and what [`uas::check_content`] says of the same body. The first byte chooses the type.
pub const MULTIPART: Target =
    Target { name: "multipart", run: multipart, seeds, words: SIP_WORDS, longest: 16_384 };

const TYPES: [&str; 4] = [
    "multipart/mixed;boundary=x",
    "multipart/alternative;boundary=\"x\"",
    "multipart/related;boundary=--x",
    "application/sdp",
];

const UNDERSTANDS: Capabilities = Capabilities {
    allow: &[Method::Invite],
    extensions: &[],
    accept: &["application/sdp", "message/sipfrag"],
    events: &[],
};

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "0--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--x\r\nContent-Type: application/isup\r\n\
         Content-Disposition: signal;handling=optional\r\n\r\n\u{1}\r\n--x--\r\n",
        "0before\r\n--x \r\nContent-Type: multipart/alternative;boundary=y\r\n\r\n--y\r\n\r\ntext\r\n--y\r\n\
         c: application/sdp\r\n\r\nv=0\r\n--y--\r\n--x--after",
        "1--x\r\nContent-Type: message/sipfrag\r\n\r\nSIP/2.0 200 OK\r\n--x\r\nContent-Type: application/sdp\r\n\r\n--x--",
        "2----x\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: binary\r\n\r\nv=0\r\n----x--",
        "3v=0\r\n",
    ])
}

/// The body as part of a request of this type.
fn incoming(kind: &str, body: &[u8]) -> Incoming {
    let uri: Uri = "sip:a@b".parse().expect("a URI");
    let request = Request::new(Method::Invite, uri)
        .with_header(sip::HeaderName::From, "<sip:a@b>;tag=1")
        .with_header(sip::HeaderName::To, "<sip:a@b>")
        .with_header(sip::HeaderName::CallId, "c")
        .with_header(sip::HeaderName::CSeq, "1 INVITE")
        .with_header(sip::HeaderName::Via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1")
        .with_body(kind, body);
    let essentials = Essentials::of(&request.headers).expect("ours");
    let address = ([192, 0, 2, 9], 5060).into();
    let (transport, flow) = (Transport::Udp, FlowId::NONE);
    Incoming {
        request,
        essentials,
        source: Source { transport, local: address, remote: address, flow },
    }
}

fn multipart(data: &[u8], trail: &mut Trail) {
    let Some((first, body)) = data.split_first() else { return };
    let incoming = incoming(TYPES[usize::from(*first) % TYPES.len()], body);
    let checked = uas::check_content(&incoming, &UNDERSTANDS).map_err(|refusal| refusal.status);
    trail.count("status", checked.err().map_or(200, |status| status.code().into()));
    if let Err(status) = checked {
        assert!([400, 415].contains(&status.code()), "{status}");
    }
    let request = &incoming.request;
    for (kind, subtype) in [("application", "sdp"), ("message", "sipfrag")] {
        let part = request.part(kind, subtype);
        trail.count(subtype, part.map_or(0, |part| part.len() + 1));
        let Some(part) = part else { continue };
        assert!(body.windows(part.len()).any(|window| window == part), "a piece of the body");
        // Alone in another body, it is found again, byte for byte, unless it has that one's boundary in it.
        let boundary = b"\r\n--another";
        if [b"\r\n", part].concat().windows(boundary.len()).any(|window| window == boundary) {
            continue;
        }
        let head = format!("--another\r\nContent-Type: {kind}/{subtype}\r\n\r\n");
        let whole = [head.as_bytes(), part, b"\r\n--another--"].concat();
        let again = self::incoming("multipart/mixed;boundary=another", &whole);
        assert_eq!(uas::check_content(&again, &UNDERSTANDS), Ok(()));
        assert_eq!(again.request.part(kind, subtype), Some(part).filter(|part| !part.is_empty()));
    }
}
