//! SIP messages, read and written.

use std::hint::black_box;

use sip::parse_datagram;

/// As a desk phone writes it.
pub(crate) const INVITE: &str = "\
INVITE sip:conference@127.0.0.1:5060 SIP/2.0\r
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK-524287-1---6e1d3b0f2a9c4d85;rport\r
Max-Forwards: 70\r
Contact: <sip:alice@192.0.2.7:5060;transport=udp>\r
To: <sip:conference@127.0.0.1:5060>\r
From: \"Alice\" <sip:alice@example.com>;tag=3f8a1c52\r
Call-ID: Y2FsbC1pZC1vZi1hLWJlbmNobWFyaw@192.0.2.7\r
CSeq: 1 INVITE\r
Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE, UPDATE, PRACK\r
Supported: replaces, norefersub, extended-refer, timer, 100rel\r
Session-Expires: 1800\r
User-Agent: Desk Phone 4.2.1\r
Allow-Events: conference, dialog, message-summary\r
Content-Type: application/sdp\r
Content-Length: 262\r
\r
v=0\r
o=- 3977700000 1 IN IP4 192.0.2.7\r
s=call\r
c=IN IP4 192.0.2.7\r
t=0 0\r
m=audio 4000 RTP/AVP 0 8 9 101\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:9 G722/8000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-16\r
a=ptime:20\r
a=sendrecv\r
a=rtcp:4001\r
";

const FOUND: &str = "\
SIP/2.0 302 Moved Temporarily\r
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK-524287-1---6e1d3b0f2a9c4d85;rport=5060;received=192.0.2.7\r
From: \"Alice\" <sip:alice@example.com>;tag=3f8a1c52\r
To: <sip:conference@127.0.0.1:5060>;tag=b7k2m5q4x3z6\r
Call-ID: Y2FsbC1pZC1vZi1hLWJlbmNobWFyaw@192.0.2.7\r
CSeq: 1 INVITE\r
Contact: <sip:conf-k7abcdefghijklmnopqrstuvwxyz234567abcdefgh@127.0.0.1:5060>;isfocus\r
Content-Length: 0\r
\r
";

const OK: &str = "\
SIP/2.0 200 OK\r
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK-524287-1---6e1d3b0f2a9c4d85;rport=5060;received=192.0.2.7\r
From: \"Alice\" <sip:alice@example.com>;tag=3f8a1c52\r
To: <sip:conference@127.0.0.1:5060>;tag=b7k2m5q4x3z6\r
Call-ID: Y2FsbC1pZC1vZi1hLWJlbmNobWFyaw@192.0.2.7\r
CSeq: 2 INVITE\r
Contact: <sip:conf-k7abcdefghijklmnopqrstuvwxyz234567abcdefgh@127.0.0.1:5060>;isfocus\r
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, REFER, SUBSCRIBE\r
Supported: timer, replaces, join\r
Session-Expires: 1800;refresher=uas\r
Content-Type: application/sdp\r
Content-Length: 151\r
\r
v=0\r
o=- 123456789012345678 0 IN IP4 127.0.0.1\r
s=-\r
c=IN IP4 127.0.0.1\r
t=0 0\r
m=audio 20000 RTP/AVP 0\r
a=rtpmap:0 PCMU/8000\r
a=ptime:20\r
a=sendrecv\r
";

pub(crate) fn parse_invite(times: u32) {
    parse(INVITE, times);
}

pub(crate) fn parse_200(times: u32) {
    parse(OK, times);
}

pub(crate) fn print_302(times: u32) {
    print(FOUND, times);
}

pub(crate) fn print_200(times: u32) {
    print(OK, times);
}

fn parse(text: &str, times: u32) {
    for _ in 0..times {
        let message = parse_datagram(black_box(text.as_bytes()));
        black_box(message).expect("invariant: a good message");
    }
}

fn print(text: &str, times: u32) {
    let message = parse_datagram(text.as_bytes()).expect("invariant: a good message");
    for _ in 0..times {
        black_box(black_box(&message).to_bytes());
    }
}
