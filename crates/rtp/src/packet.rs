//! The RTP packet: RFC 3550 §5.1.

use thiserror::Error;

/// The only version there is: RFC 3550 §5.1.
pub const VERSION: u8 = 2;

/// Bytes of the fixed header.
pub const HEADER_BYTES: usize = 12;

/// Contributing sources in one packet: what four bits count (RFC 3550 §5.1).
pub const CSRCS_MAX: usize = 15;

/// The fields of the fixed header that a sender chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What the profile says: for audio, the first packet after a silence (RFC 3551 §4.1).
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    /// One more for each packet sent; wraps.
    pub sequence: u16,
    /// Media clock of the first sample, in ticks; wraps.
    pub timestamp: u32,
    /// Names the source.
    pub ssrc: u32,
}

/// A received packet that passed all checks; borrows the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// The fixed header.
    pub header: Header,
    /// Contributing sources, 4 bytes each in network order: see [`RtpPacket::csrcs`].
    csrc_bytes: &'a [u8],
    /// The header extension, if there is one.
    pub extension: Option<Extension<'a>>,
    /// What the codec gets, without padding; may be empty.
    pub payload: &'a [u8],
}

/// A header extension: RFC 3550 §5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Says how the data is laid out (0xBEDE: RFC 8285 one-byte form).
    pub profile: u16,
    /// A multiple of 4 bytes, may be none.
    pub data: &'a [u8],
}

/// Why a datagram is not an RTP packet. All are malformed bytes from the peer: count and drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum RtpError {
    #[error("{got} bytes are too short for an RTP header")]
    TooShort { got: usize },
    #[error("RTP version {got} is not 2")]
    Version { got: u8 },
    #[error("{needed} bytes of CSRC list and extension do not fit a packet of {got} bytes")]
    Truncated { needed: usize, got: usize },
    #[error("padding of {padding} bytes does not fit {room} bytes")]
    Padding { padding: u8, room: usize },
}

/// Why a packet could not be written: the caller's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum WriteError {
    #[error("payload type {got} is above 127")]
    PayloadType { got: u8 },
    #[error("{got} contributing sources are more than 15")]
    Csrcs { got: usize },
    #[error("{needed} bytes do not fit a buffer of {got}")]
    NoRoom { needed: usize, got: usize },
}

impl<'a> RtpPacket<'a> {
    /// Checks and splits a datagram: RFC 3550 Appendix A.1. Payload type and SSRC are the caller's
    /// to judge.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let got = bytes.len();
        let Some((fixed, mut rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(RtpError::TooShort { got });
        };
        let version = fixed[0] >> 6;
        if version != VERSION {
            return Err(RtpError::Version { got: version });
        }
        let csrc_bytes_count = 4 * usize::from(fixed[0] & 0x0F);
        let Some((csrc_bytes, after)) = rest.split_at_checked(csrc_bytes_count) else {
            return Err(RtpError::Truncated { needed: HEADER_BYTES + csrc_bytes_count, got });
        };
        rest = after;
        let mut extension = None;
        if fixed[0] & EXTENSION_BIT != 0 {
            let taken = got - rest.len();
            let (found, after) = split_extension(rest)
                .map_err(|needed| RtpError::Truncated { needed: taken + needed, got })?;
            (extension, rest) = (Some(found), after);
        }
        if fixed[0] & PADDING_BIT != 0 {
            // RFC 3550 Appendix A.1: the count is at least 1 (itself) and less than what follows the
            // header. So a packet of padding alone is refused too.
            let room = rest.len();
            let padding = rest.last().copied().unwrap_or(0);
            if padding == 0 || usize::from(padding) >= room {
                return Err(RtpError::Padding { padding, room });
            }
            rest = &rest[..room - usize::from(padding)];
        }
        let header = Header {
            marker: fixed[1] & MARKER_BIT != 0,
            payload_type: fixed[1] & !MARKER_BIT,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        Ok(Self { header, csrc_bytes, extension, payload: rest })
    }

    /// The contributing sources, at most 15.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.csrc_bytes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }
}

/// Writes a packet without CSRCs, extension or padding to the front of `out`; gives its length in
/// bytes. Nothing is written on an error.
pub fn write(header: &Header, payload: &[u8], out: &mut [u8]) -> Result<usize, WriteError> {
    let (needed, got) = (HEADER_BYTES + payload.len(), out.len());
    let Some(out) = out.get_mut(..needed) else {
        return Err(WriteError::NoRoom { needed, got });
    };
    write_header(header, &[], out)?;
    out[HEADER_BYTES..].copy_from_slice(payload);
    Ok(needed)
}

/// Writes the header of a packet with these contributing sources to the front of `out`, before a payload that
/// stands there already; gives its length in bytes. Nothing is written on an error.
pub fn write_header(header: &Header, csrcs: &[u32], out: &mut [u8]) -> Result<usize, WriteError> {
    if header.payload_type & MARKER_BIT != 0 {
        return Err(WriteError::PayloadType { got: header.payload_type });
    }
    let too_many = WriteError::Csrcs { got: csrcs.len() };
    let count = u8::try_from(csrcs.len()).ok().filter(|_| csrcs.len() <= CSRCS_MAX);
    let count = count.ok_or(too_many)?;
    let (needed, got) = (HEADER_BYTES + 4 * csrcs.len(), out.len());
    let Some((out, list)) =
        out.get_mut(..needed).and_then(<[u8]>::split_first_chunk_mut::<HEADER_BYTES>)
    else {
        return Err(WriteError::NoRoom { needed, got });
    };
    for (place, csrc) in list.chunks_exact_mut(4).zip(csrcs) {
        place.copy_from_slice(&csrc.to_be_bytes());
    }
    out[0] = VERSION << 6 | count;
    out[1] = header.payload_type | if header.marker { MARKER_BIT } else { 0 };
    out[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    out[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&header.ssrc.to_be_bytes());
    Ok(needed)
}

/// Tells RTCP from RTP on one port by the second byte, 192..=223: RFC 5761 §4. False for what is
/// neither (STUN, DTLS, nothing).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes, [first, 192..=223, ..] if first >> 6 == VERSION)
}

/// RFC 3550 §5.3.1: 16 bits for the profile, 16 bits for the length in words, the data. On an error
/// gives the bytes that would have been needed.
fn split_extension(bytes: &[u8]) -> Result<(Extension<'_>, &[u8]), usize> {
    let Some((&[a, b, c, d], rest)) = bytes.split_first_chunk::<4>() else { return Err(4) };
    let data_bytes_count = 4 * usize::from(u16::from_be_bytes([c, d]));
    let (data, rest) = rest.split_at_checked(data_bytes_count).ok_or(4 + data_bytes_count)?;
    Ok((Extension { profile: u16::from_be_bytes([a, b]), data }, rest))
}

/// P in the first byte.
const PADDING_BIT: u8 = 0x20;
/// X in the first byte.
const EXTENSION_BIT: u8 = 0x10;
/// M in the second byte.
const MARKER_BIT: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header =
        Header { marker: true, payload_type: 8, sequence: 0xFFFE, timestamp: 0xDEAD_BEEF, ssrc: 7 };

    /// Version 2, these flags and CSRC count, then `rest` after the fixed header.
    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80 | first, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend_from_slice(rest);
        bytes
    }

    /// RFC 3550 §5.1.
    #[test]
    fn written_packet_has_the_bytes_of_the_rfc_and_reads_back() {
        let mut out = [0xAA; 20];
        assert_eq!(write(&HEADER, b"abc", &mut out), Ok(15));
        assert_eq!(out[..12], [0x80, 0x88, 0xFF, 0xFE, 0xDE, 0xAD, 0xBE, 0xEF, 0, 0, 0, 7]);
        assert_eq!(out[15..], [0xAA; 5], "nothing behind the packet is touched");
        let read = RtpPacket::parse(&out[..15]).unwrap();
        assert_eq!((read.header, read.payload), (HEADER, &b"abc"[..]));
        assert_eq!((read.csrcs().len(), read.extension), (0, None));
    }

    /// F12 · RFC 3550 §5.1.
    #[test]
    fn contributing_sources_are_written_and_read_and_are_no_more_than_fifteen() {
        let mut out = [0xAA; 80];
        let csrcs: Vec<u32> = (1..=15).collect();
        assert_eq!(write_header(&HEADER, &csrcs, &mut out), Ok(72));
        let read = RtpPacket::parse(&out[..72]).unwrap();
        assert_eq!((read.header, read.csrcs().collect::<Vec<_>>()), (HEADER, csrcs));
        assert_eq!(write_header(&HEADER, &[0; 16], &mut out), Err(WriteError::Csrcs { got: 16 }));
        let no_room = Err(WriteError::NoRoom { needed: 16, got: 15 });
        assert_eq!(write_header(&HEADER, &[0], &mut out[..15]), no_room);
    }

    #[test]
    fn refused_writes_touch_nothing() {
        let mut out = [0xAA; 14];
        let no_room = Err(WriteError::NoRoom { needed: 15, got: 14 });
        assert_eq!(write(&HEADER, b"abc", &mut out), no_room);
        let bad = Header { payload_type: 128, ..HEADER };
        assert_eq!(write(&bad, b"", &mut out), Err(WriteError::PayloadType { got: 128 }));
        assert_eq!(out, [0xAA; 14]);
    }

    /// RFC 3550 Appendix A.1.
    #[test]
    fn short_packets_and_other_versions_are_refused() {
        assert_eq!(RtpPacket::parse(&[]), Err(RtpError::TooShort { got: 0 }));
        assert_eq!(RtpPacket::parse(&packet(0, &[])[..11]), Err(RtpError::TooShort { got: 11 }));
        for version in [0, 1, 3] {
            let mut bytes = packet(0, &[]);
            bytes[0] = version << 6;
            assert_eq!(RtpPacket::parse(&bytes), Err(RtpError::Version { got: version }));
        }
        assert!(RtpPacket::parse(&packet(0, &[])).unwrap().payload.is_empty());
    }

    #[test]
    fn csrcs_must_fit() {
        let bytes = packet(2, &[0, 0, 0, 9, 0, 0, 1, 0, 0x55]);
        let read = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(read.csrcs().collect::<Vec<_>>(), [9, 256]);
        assert_eq!(read.payload, [0x55]);
        let cut = RtpPacket::parse(&bytes[..19]);
        assert_eq!(cut, Err(RtpError::Truncated { needed: 20, got: 19 }));
    }

    #[test]
    fn extension_must_fit() {
        let bytes = packet(0x10, &[0xBE, 0xDE, 0, 1, 0x10, 0x55, 0, 0, 0x77]);
        let read = RtpPacket::parse(&bytes).unwrap();
        let extension = Extension { profile: 0xBEDE, data: &[0x10, 0x55, 0, 0] };
        assert_eq!((read.extension, read.payload), (Some(extension), &[0x77][..]));
        let truncated = |needed, got| Err(RtpError::Truncated { needed, got });
        assert_eq!(RtpPacket::parse(&bytes[..19]), truncated(20, 19));
        assert_eq!(RtpPacket::parse(&bytes[..15]), truncated(16, 15));
        let lying = packet(0x11, &[0, 0, 0, 9, 0xBE, 0xDE, 0xFF, 0xFF]);
        assert_eq!(RtpPacket::parse(&lying), truncated(12 + 4 + 4 + 4 * 0xFFFF, 20));
    }

    /// RFC 3550 Appendix A.1: the count is "less than the total packet length minus the header".
    #[test]
    fn padding_is_taken_off_and_must_be_sane() {
        let read = |rest: Vec<u8>| RtpPacket::parse(&rest).map(|packet| packet.payload.len());
        assert_eq!(read(packet(0x20, &[1, 2, 3, 0, 2])), Ok(3));
        assert_eq!(read(packet(0x20, &[1, 1])), Ok(1));
        let refused = |padding, room| Err(RtpError::Padding { padding, room });
        assert_eq!(read(packet(0x20, &[1, 2, 0])), refused(0, 3));
        assert_eq!(read(packet(0x20, &[1, 2, 3])), refused(3, 3));
        assert_eq!(read(packet(0x20, &[1, 2, 200])), refused(200, 3));
        assert_eq!(read(packet(0x20, &[])), refused(0, 0));
        // What the padding may use begins behind CSRCs and extension.
        assert_eq!(read(packet(0x31, &[0, 0, 0, 9, 0, 0, 0, 0, 8, 2])), refused(2, 2));
    }

    /// RFC 5761 §4.
    #[test]
    fn rtcp_is_told_by_its_second_byte() {
        assert!([192, 200, 204, 223].iter().all(|&kind| is_rtcp(&[0x80, kind, 0, 0])));
        assert!([0, 8, 101, 0x80, 0x88, 191, 224].iter().all(|&kind| !is_rtcp(&[0x80, kind])));
        assert!(!is_rtcp(&[0x00, 200]) && !is_rtcp(&[0x80]) && !is_rtcp(&[]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_parts_lie_inside(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(read) = RtpPacket::parse(&bytes) {
                let extension = read.extension.map_or(0, |extension| 4 + extension.data.len());
                let parts = HEADER_BYTES + 4 * read.csrcs().len() + extension + read.payload.len();
                prop_assert!(parts <= bytes.len());
                prop_assert!(parts == bytes.len() || bytes[0] & PADDING_BIT != 0);
            }
            let _ = is_rtcp(&bytes);
        }

        #[test]
        fn what_is_written_is_read(marker: bool, payload_type in 0_u8..128, sequence: u16,
            timestamp: u32, ssrc: u32, payload in proptest::collection::vec(any::<u8>(), 0..500)) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let mut out = [0; 512];
            let len = write(&header, &payload, &mut out).unwrap();
            let read = RtpPacket::parse(&out[..len]).unwrap();
            prop_assert_eq!((read.header, read.payload), (header, &payload[..]));
        }
    }
}
