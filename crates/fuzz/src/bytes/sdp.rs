//! Session descriptions, as offers and as answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sdp::{Codec, Direction, LocalMedia, SessionDescription};

use super::texts;
use crate::{Target, Trail};

/// [`SessionDescription`], [`sdp::answer`] and [`sdp::accept_answer`].
pub const SDP: Target = Target { name: "sdp", run: sdp, seeds, words: WORDS, longest: 40_000 };

const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "v=0\r\n",
    "o=- 1 1 IN IP4 192.0.2.1\r\n",
    "s=-\r\n",
    "c=IN IP4 192.0.2.1\r\n",
    "c=IN IP4 0.0.0.0\r\n",
    "c=IN IP6 2001:db8::1\r\n",
    "c=IN IP4 224.2.1.1/127/3\r\n",
    "t=0 0\r\n",
    "m=audio 4000 RTP/AVP 0 8 101\r\n",
    "m=audio 0 RTP/AVP 0\r\n",
    "m=video 4002 RTP/AVP 31\r\n",
    "m=audio 4000/2 RTP/SAVPF 111 0\r\n",
    "m=image 4000 udptl t38\r\n",
    "a=rtpmap:0 PCMU/8000\r\n",
    "a=rtpmap:111 opus/48000/2\r\n",
    "a=rtpmap:96 PCMA/8000\r\n",
    "a=fmtp:97 x=1\r\n",
    "a=sendonly\r\n",
    "a=recvonly\r\n",
    "a=inactive\r\n",
    "a=sendrecv\r\n",
    "a=ptime:10\r\n",
    "a=maxptime:0\r\n",
    "a=rtcp-mux\r\n",
    "a=candidate:1 1 UDP 1 192.0.2.1 5 typ host\r\n",
    "b=AS:64\r\n",
    "k=clear:x\r\n",
    "a=",
    "m=",
    "0",
    "127",
    "128",
    "255",
    "65536",
    "-1",
    "99999999999",
    "RTP/AVP",
    " ",
    "\t",
    "\0",
    "\u{e9}",
];

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
        "v=0\no=a 3 2 IN IP4 host.example\nc=IN IP4 0.0.0.0\nm=video 4002 RTP/AVP 31\nm=audio 4000 RTP/AVP 96\na=rtpmap:96 PCMA/8000\na=inactive\n",
        "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=x\r\nt=1 2\r\nm=audio 4000 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\na=maxptime:30\r\n",
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\nm=audio 5 RTP/SAVP 0\r\nm=audio 6 RTP/AVP 0\r\n",
    ])
}

fn local(address: IpAddr) -> LocalMedia {
    LocalMedia {
        address,
        port: 20_000,
        codecs: vec![Codec::Pcmu, Codec::Pcma],
        direction: Direction::SendRecv,
        session_id: 7,
        version: 1,
        ptime_ms: 20,
        keys_payload_type: Some(101),
    }
}

fn sdp(data: &[u8], trail: &mut Trail) {
    let read = SessionDescription::parse(data);
    trail.outcome("parse", &read);
    let Ok(description) = read else { return };
    prints_as_what_it_was(&description, data.len());
    trail.count("media", description.media.len());
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let local = local(address);
        let answer = sdp::answer(&description, &local);
        trail.outcome("answer", &answer);
        if let Ok((answer, negotiated)) = answer {
            // RFC 3264 §6: as many lines, of the same kinds, and the same t=.
            assert_eq!(answer.media.len(), description.media.len());
            for (ours, theirs) in answer.media.iter().zip(&description.media) {
                assert!(ours.kind == theirs.kind && (ours.port == 0 || theirs.port != 0));
            }
            assert_eq!(answer.media.iter().filter(|media| media.port != 0).count(), 1);
            assert_eq!(answer.time, description.time);
            prints_as_what_it_was(&answer, usize::MAX);
            trail.mark("codec", negotiated.codec.encoding());
            trail.mark("direction", &format!("{:?}", negotiated.direction));
            let family = negotiated.remote.map(|remote| remote.is_ipv4());
            assert!(family.is_none_or(|is_ipv4| is_ipv4 == address.is_ipv4()), "two families");
        }
        let accepted = sdp::accept_answer(&sdp::offer(&local), &description);
        trail.outcome("accept", &accepted);
    }
}

/// What is printed reads the same, and is not much longer than what it was read from.
fn prints_as_what_it_was(description: &SessionDescription, read: usize) {
    let printed = description.to_string();
    assert!(printed.len() <= read.saturating_mul(4).saturating_add(256), "{} bytes", printed.len());
    if printed.len() <= sdp::SDP_BYTES_MAX {
        let again = SessionDescription::parse(printed.as_bytes());
        assert_eq!(again.as_ref(), Ok(description), "{printed}");
    }
}
