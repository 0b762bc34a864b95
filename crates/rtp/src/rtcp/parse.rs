//! Reading compound packets.

use thiserror::Error;

use super::{
    BLOCK_BYTES, CNAME, DESCRIPTION, GOODBYE, HEADER_BYTES, NtpTime, RECEIVER_REPORT, ReportBlock,
    SENDER_INFO_BYTES, SENDER_REPORT, SenderInfo,
};
use crate::VERSION;

/// A datagram of RTCP that is well formed from end to end; borrows it.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// SR: RFC 3550 §6.4.1.
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// What he says of himself.
        sender: SenderInfo,
        /// What he says of others.
        blocks: Blocks<'a>,
    },
    /// RR: RFC 3550 §6.4.2.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What he says of others.
        blocks: Blocks<'a>,
    },
    /// SDES: RFC 3550 §6.5.
    Description(Chunks<'a>),
    /// BYE: RFC 3550 §6.6.
    Bye(Bye<'a>),
    /// APP, feedback and what came later: well framed, nothing to us.
    Other,
}

/// Report blocks.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a>(&'a [u8]);

/// Chunks of a description.
#[derive(Clone, Copy, Debug)]
pub struct Chunks<'a>(&'a [u8]);

/// What is said of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The source.
    pub ssrc: u32,
    /// Its canonical name; any bytes.
    pub cname: Option<&'a [u8]>,
}

/// Sources that leave.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    ssrcs: &'a [u8],
    /// Why; any bytes, may be empty.
    pub reason: &'a [u8],
}

/// Why a datagram is not RTCP. All are malformed bytes from the peer: count and drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum RtcpError {
    #[error("RTCP version {got} is not 2")]
    Version { got: u8 },
    #[error("a compound packet begins with a report, not with type {got}")]
    NoReport { got: u8 },
    #[error("a packet of {needed} bytes does not fit into {got}")]
    Truncated { needed: usize, got: usize },
    #[error("padding is for the last packet only, and a multiple of four")]
    Padding,
    #[error("{count} entries do not fit into {got} bytes")]
    Entries { count: u8, got: usize },
}

impl<'a> Compound<'a> {
    /// Checks a datagram: RFC 3550 Appendix A.2, and that every packet of a type we read holds what it
    /// says it holds.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtcpError> {
        let mut rest = bytes;
        loop {
            let (header, body, after) = split(rest)?;
            let is_first = rest.len() == bytes.len();
            if is_first && !matches!(header.kind, SENDER_REPORT | RECEIVER_REPORT) {
                return Err(RtcpError::NoReport { got: header.kind });
            }
            if header.is_padded && !after.is_empty() {
                return Err(RtcpError::Padding);
            }
            read(header, unpadded(header, body)?)?;
            if after.is_empty() {
                return Ok(Self { bytes });
            }
            rest = after;
        }
    }

    /// Its packets, in their order.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'a>> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            // All of this went well before, in `parse`.
            let (header, body, after) = split(rest).ok()?;
            rest = after;
            unpadded(header, body).and_then(|body| read(header, body)).ok()
        })
    }
}

impl Blocks<'_> {
    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReportBlock> {
        self.0.chunks_exact(BLOCK_BYTES).map(|block| {
            let lost = word(block, 1) & 0x00FF_FFFF;
            ReportBlock {
                ssrc: word(block, 0),
                fraction_lost: block[4],
                // 24 bits with a sign.
                lost: (lost << 8).cast_signed() >> 8,
                highest_sequence: word(block, 2),
                jitter_ticks: word(block, 3),
                last_report: word(block, 4),
                delay: word(block, 5),
            }
        })
    }
}

impl<'a> Chunks<'a> {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (chunk, after) = split_chunk(rest)?;
            rest = after;
            Some(chunk)
        })
    }
}

impl Bye<'_> {
    /// Who leaves.
    pub fn ssrcs(&self) -> impl ExactSizeIterator<Item = u32> {
        self.ssrcs.chunks_exact(4).map(|ssrc| word(ssrc, 0))
    }
}

#[derive(Clone, Copy)]
struct Header {
    is_padded: bool,
    /// Report blocks, chunks or sources.
    count: u8,
    kind: u8,
}

/// Header, body and what follows.
fn split(bytes: &[u8]) -> Result<(Header, &[u8], &[u8]), RtcpError> {
    let got = bytes.len();
    let Some((&[first, kind, high, low], rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(RtcpError::Truncated { needed: HEADER_BYTES, got });
    };
    if first >> 6 != VERSION {
        return Err(RtcpError::Version { got: first >> 6 });
    }
    let body_bytes = 4 * usize::from(u16::from_be_bytes([high, low]));
    let (body, after) = rest
        .split_at_checked(body_bytes)
        .ok_or(RtcpError::Truncated { needed: HEADER_BYTES + body_bytes, got })?;
    Ok((Header { is_padded: first & 0x20 != 0, count: first & 0x1F, kind }, body, after))
}

fn unpadded(header: Header, body: &[u8]) -> Result<&[u8], RtcpError> {
    if !header.is_padded {
        return Ok(body);
    }
    let padding = body.last().copied().map_or(0, usize::from);
    if padding == 0 || padding % 4 != 0 || padding > body.len() {
        return Err(RtcpError::Padding);
    }
    Ok(&body[..body.len() - padding])
}

fn read(header: Header, body: &[u8]) -> Result<Packet<'_>, RtcpError> {
    let count = usize::from(header.count);
    let short = RtcpError::Entries { count: header.count, got: body.len() };
    match header.kind {
        SENDER_REPORT => {
            let begin = 4 + SENDER_INFO_BYTES;
            let blocks = body.get(begin..begin + count * BLOCK_BYTES).ok_or(short)?;
            let sender = SenderInfo {
                ntp: NtpTime(u64::from(word(body, 1)) << 32 | u64::from(word(body, 2))),
                timestamp: word(body, 3),
                packets: word(body, 4),
                payload_bytes: word(body, 5),
            };
            Ok(Packet::SenderReport { ssrc: word(body, 0), sender, blocks: Blocks(blocks) })
        }
        RECEIVER_REPORT => {
            let blocks = body.get(4..4 + count * BLOCK_BYTES).ok_or(short)?;
            Ok(Packet::ReceiverReport { ssrc: word(body, 0), blocks: Blocks(blocks) })
        }
        DESCRIPTION => {
            let mut rest = body;
            for _ in 0..count {
                rest = split_chunk(rest).ok_or(short)?.1;
            }
            // What is behind the last chunk is not read.
            Ok(Packet::Description(Chunks(&body[..body.len() - rest.len()])))
        }
        GOODBYE => {
            let (ssrcs, rest) = body.split_at_checked(4 * count).ok_or(short)?;
            let reason = match rest.split_first() {
                Some((&length, text)) => text.get(..usize::from(length)).ok_or(short)?,
                None => &[],
            };
            Ok(Packet::Bye(Bye { ssrcs, reason }))
        }
        _ => Ok(Packet::Other),
    }
}

/// A chunk and what follows: RFC 3550 §6.5. Its items end with a zero, and it with a word.
fn split_chunk(bytes: &[u8]) -> Option<(Chunk<'_>, &[u8])> {
    let (_, mut items) = bytes.split_at_checked(4)?;
    let mut cname = None;
    loop {
        let (&kind, rest) = items.split_first()?;
        if kind == 0 {
            let used = bytes.len() - rest.len();
            let after = bytes.get(used.next_multiple_of(4)..)?;
            return Some((Chunk { ssrc: word(bytes, 0), cname }, after));
        }
        let (&length, rest) = rest.split_first()?;
        let (text, rest) = rest.split_at_checked(usize::from(length))?;
        if kind == CNAME {
            cname.get_or_insert(text);
        }
        items = rest;
    }
}

/// The word at `index`; the caller has looked that it is there.
fn word(bytes: &[u8], index: usize) -> u32 {
    let at = 4 * index;
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An empty receiver report of source 7.
    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];

    fn with(after: &[u8]) -> Vec<u8> {
        [&REPORT[..], after].concat()
    }

    fn error(bytes: &[u8]) -> RtcpError {
        Compound::parse(bytes).expect_err("malformed")
    }

    /// F18 · RFC 3550 Appendix A.2.
    #[test]
    fn headers_must_be_sane_to_the_last_packet() {
        assert!(Compound::parse(&REPORT).is_ok());
        assert_eq!(error(&[]), RtcpError::Truncated { needed: 4, got: 0 });
        assert_eq!(error(&REPORT[..6]), RtcpError::Truncated { needed: 8, got: 6 });
        assert_eq!(error(&[0x40, 201, 0, 0]), RtcpError::Version { got: 1 });
        assert_eq!(error(&[0x80, 203, 0, 0]), RtcpError::NoReport { got: 203 });
        assert_eq!(error(&with(&[0x00, 204, 0, 0])), RtcpError::Version { got: 0 });
        assert_eq!(error(&with(&[0x80, 204, 0])), RtcpError::Truncated { needed: 4, got: 3 });
        assert!(Compound::parse(&with(&[0x80, 204, 0, 0])).is_ok(), "APP is skipped");
    }

    #[test]
    fn what_is_counted_must_be_there() {
        assert_eq!(error(&[0x81, 201, 0, 1, 0, 0, 0, 7]), RtcpError::Entries { count: 1, got: 4 });
        assert_eq!(error(&[0x80, 200, 0, 1, 0, 0, 0, 7]), RtcpError::Entries { count: 0, got: 4 });
        assert_eq!(error(&with(&[0x81, 203, 0, 0])), RtcpError::Entries { count: 1, got: 0 });
        let lying_reason = with(&[0x80, 203, 0, 1, 9, b'a', b'b', b'c']);
        assert_eq!(error(&lying_reason), RtcpError::Entries { count: 0, got: 4 });
        let endless_item = with(&[0x81, 202, 0, 2, 0, 0, 0, 7, 1, 200, b'a', b'b']);
        assert_eq!(error(&endless_item), RtcpError::Entries { count: 1, got: 8 });
        let no_end = with(&[0x81, 202, 0, 2, 0, 0, 0, 7, 1, 2, b'a', b'b']);
        assert_eq!(error(&no_end), RtcpError::Entries { count: 1, got: 8 });
    }

    /// RFC 3550 §6.4.1: only on the last packet.
    #[test]
    fn padding_is_taken_off_the_last_packet_only() {
        let padded = with(&[0xA0, 204, 0, 2, 9, 9, 9, 9, 0, 0, 0, 4]);
        assert!(Compound::parse(&padded).is_ok());
        assert_eq!(error(&[&padded[..], &REPORT[..]].concat()), RtcpError::Padding);
        for bad in [0, 3, 8] {
            assert_eq!(error(&with(&[0xA0, 204, 0, 1, 0, 0, 0, bad])), RtcpError::Padding, "{bad}");
        }
    }

    #[test]
    fn losses_have_a_sign() {
        let mut bytes = vec![0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 9, 0x40, 0xFF, 0xFF, 0xFE];
        bytes.extend([0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
        let compound = Compound::parse(&bytes).expect("well formed");
        let Some(Packet::ReceiverReport { ssrc: 7, blocks }) = compound.packets().next() else {
            panic!("a receiver report");
        };
        let block = blocks.iter().next().expect("a block");
        assert_eq!((block.ssrc, block.fraction_lost, block.lost), (9, 0x40, -2));
        assert_eq!((block.highest_sequence, block.jitter_ticks), (0x1_0002, 3));
        assert_eq!((block.last_report, block.delay), (4, 5));
    }

    #[test]
    fn descriptions_and_goodbyes_are_read() {
        let description = [
            0x82, 202, 0, 6, 0, 0, 0, 7, 2, 1, b'x', 1, 2, b'm', b'e', 0, 0, 0, 0, 8, 1, 1, b'y',
            0, 0, 0, 0, 0,
        ];
        let goodbye = [0x82, 203, 0, 3, 0, 0, 0, 7, 0, 0, 0, 8, 3, b'b', b'y', b'e'];
        let bytes = [&REPORT[..], &description[..], &goodbye[..]].concat();
        let compound = Compound::parse(&bytes).expect("well formed");
        let mut packets = compound.packets().skip(1);
        let Some(Packet::Description(chunks)) = packets.next() else { panic!("a description") };
        let chunks: Vec<_> = chunks.iter().collect();
        assert_eq!(chunks[0], Chunk { ssrc: 7, cname: Some(b"me") });
        assert_eq!(chunks[1], Chunk { ssrc: 8, cname: Some(b"y") });
        let Some(Packet::Bye(bye)) = packets.next() else { panic!("a BYE") };
        assert_eq!((bye.ssrcs().collect::<Vec<_>>(), bye.reason), (vec![7, 8], &b"bye"[..]));
        assert!(packets.next().is_none());
    }

    proptest! {
        /// F18 · RFC 3550 Appendix A.2.
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 200_u8..205) {
            let bytes = [&[0x80, kind][..], &bytes[..]].concat();
            if let Ok(compound) = Compound::parse(&bytes) {
                for packet in compound.packets() {
                    match packet {
                        Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } => {
                            prop_assert!(blocks.iter().len() <= super::super::BLOCKS_MAX);
                        }
                        Packet::Description(chunks) => prop_assert!(chunks.iter().count() <= 31),
                        Packet::Bye(bye) => prop_assert!(bye.ssrcs().len() <= 31),
                        Packet::Other => {}
                    }
                }
            }
        }
    }
}
