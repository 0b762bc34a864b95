//! Packets of sound.

use rtp::RtpPacket;

use crate::{Target, Trail};

/// [`RtpPacket`].
pub const RTP: Target = Target {
    name: "rtp",
    run: rtp,
    seeds,
    words: &["\0\0\0\0", "\u{7f}\0", "xxxx"],
    longest: 2_048,
};

fn seeds() -> Vec<Vec<u8>> {
    let packet = |first: u8, rest: &[u8]| {
        let header = [first, 0x80, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4];
        [&header, rest].concat()
    };
    vec![
        packet(0x80, &[0xff; 160]),
        packet(0x82, &[0; 48]),
        packet(0x90, &[0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0, 1, 2, 3]),
        packet(0xa0, &[1, 2, 3, 0, 0, 3]),
        packet(0xbf, &[0; 100]),
        vec![0x80, 0xc8, 0, 6],
    ]
}

fn rtp(data: &[u8], trail: &mut Trail) {
    let parsed = RtpPacket::parse(data);
    trail.outcome("parse", &parsed);
    trail.mark("rtcp", if rtp::is_rtcp(data) { "yes" } else { "no" });
    let Ok(packet) = parsed else { return };
    trail.count("csrcs", packet.csrcs().len());
    trail.mark("extension", if packet.extension.is_some() { "some" } else { "none" });
    assert!(packet.csrcs().len() <= 15 && packet.payload.len() + 12 <= data.len());
    let mut out = vec![0; packet.payload.len() + 12];
    let written = rtp::write(&packet.header, packet.payload, &mut out);
    assert_eq!(written, Ok(out.len()));
    let again = RtpPacket::parse(&out).expect("what we write can be read");
    assert_eq!((again.header, again.payload), (packet.header, packet.payload));
    out.pop();
    let refused = rtp::write(&packet.header, packet.payload, &mut out);
    assert!(refused.is_err(), "a byte too few");
}
