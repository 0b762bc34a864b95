//! Writing compound packets.

use thiserror::Error;

use super::{
    BLOCKS_MAX, CNAME, DESCRIPTION, GOODBYE, HEADER_BYTES, RECEIVER_REPORT, ReportBlock,
    SENDER_REPORT, SenderInfo,
};
use crate::VERSION;

/// Puts a compound packet together. RFC 3550 §6.1: a report first, a CNAME in each.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

/// Why a packet could not be written: the caller's mistake. What was written before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum WriterError {
    #[error("{needed} bytes do not fit a buffer of {got}")]
    NoRoom { needed: usize, got: usize },
    #[error("{got} entries are more than one packet counts")]
    TooMany { got: usize },
    #[error("a text of {got} bytes is longer than an item")]
    TooLong { got: usize },
}

impl<'a> Writer<'a> {
    /// Starts an empty compound at the front of `out`.
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// What was written.
    pub fn finish(self) -> &'a [u8] {
        &self.out[..self.len]
    }

    /// Adds a report of `ssrc`: an SR with what it says of itself, else an RR.
    pub fn report(
        &mut self,
        ssrc: u32,
        sender: Option<&SenderInfo>,
        blocks: &[ReportBlock],
    ) -> Result<(), WriterError> {
        let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        self.packet(kind, blocks.len(), |body| {
            body.word(ssrc)?;
            if let Some(sender) = sender {
                body.bytes(&sender.ntp.0.to_be_bytes())?;
                body.word(sender.timestamp)?;
                body.word(sender.packets)?;
                body.word(sender.payload_bytes)?;
            }
            blocks.iter().try_for_each(|block| {
                body.word(block.ssrc)?;
                // Clamped, not wrapped: RFC 3550 §6.4.1.
                let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF).cast_unsigned() & 0x00FF_FFFF;
                body.word(u32::from(block.fraction_lost) << 24 | lost)?;
                body.word(block.highest_sequence)?;
                body.word(block.jitter_ticks)?;
                body.word(block.last_report)?;
                body.word(block.delay)
            })
        })
    }

    /// Adds a description: the canonical name of each source.
    pub fn names<'n>(
        &mut self,
        sources: impl ExactSizeIterator<Item = (u32, &'n [u8])>,
    ) -> Result<(), WriterError> {
        self.packet(DESCRIPTION, sources.len(), |body| {
            for (ssrc, cname) in sources {
                let length = u8::try_from(cname.len())
                    .map_err(|_| WriterError::TooLong { got: cname.len() })?;
                body.word(ssrc)?;
                body.bytes(&[CNAME, length])?;
                body.bytes(cname)?;
                body.bytes(&[0])?;
                body.align()?;
            }
            Ok(())
        })
    }

    /// Adds a BYE of these sources, without a reason.
    pub fn bye(&mut self, ssrcs: &[u32]) -> Result<(), WriterError> {
        self.packet(GOODBYE, ssrcs.len(), |body| ssrcs.iter().try_for_each(|ssrc| body.word(*ssrc)))
    }

    /// Writes one packet; nothing of it stays on an error.
    fn packet(
        &mut self,
        kind: u8,
        count: usize,
        fill: impl FnOnce(&mut Body<'_>) -> Result<(), WriterError>,
    ) -> Result<(), WriterError> {
        let too_many = WriterError::TooMany { got: count };
        let entries = u8::try_from(count).ok().filter(|_| count <= BLOCKS_MAX).ok_or(too_many)?;
        let mut body = Body { out: &mut self.out[self.len..], len: 0 };
        body.bytes(&[VERSION << 6 | entries, kind, 0, 0])?;
        fill(&mut body)?;
        let (len, out) = (body.len, body.out);
        // The buffer would have to hold 256 kB for more.
        let words = u16::try_from((len - HEADER_BYTES) / 4).map_err(|_| too_many)?;
        out[2..4].copy_from_slice(&words.to_be_bytes());
        self.len += len;
        Ok(())
    }
}

/// One packet while it is written.
struct Body<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Body<'_> {
    fn word(&mut self, word: u32) -> Result<(), WriterError> {
        self.bytes(&word.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), WriterError> {
        let (needed, got) = (self.len + bytes.len(), self.out.len());
        let place =
            self.out.get_mut(self.len..needed).ok_or(WriterError::NoRoom { needed, got })?;
        place.copy_from_slice(bytes);
        self.len = needed;
        Ok(())
    }

    /// Zeros up to the next word.
    fn align(&mut self) -> Result<(), WriterError> {
        let zeros = self.len.next_multiple_of(4) - self.len;
        self.bytes(&[0; 4][..zeros])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Compound, NtpTime, Packet};
    use super::*;

    const SENDER: SenderInfo = SenderInfo {
        ntp: NtpTime(0x0102_0304_0506_0708),
        timestamp: 0x0A0B_0C0D,
        packets: 50,
        payload_bytes: 8_000,
    };

    /// F16 · RFC 3550 §6.1: the report first, then the name.
    #[test]
    fn a_compound_has_the_bytes_of_the_rfc() {
        let mut out = [0xAA; 64];
        let mut writer = Writer::new(&mut out);
        writer.report(7, Some(&SENDER), &[]).expect("room");
        writer.names([(7, &b"me"[..])].into_iter()).expect("room");
        writer.bye(&[7]).expect("room");
        let expected = [
            &[0x80, 200, 0, 6, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0x0A, 0x0B, 0x0C, 0x0D][..],
            &[0, 0, 0, 50, 0, 0, 0x1F, 0x40],
            &[0x81, 202, 0, 3, 0, 0, 0, 7, 1, 2, b'm', b'e', 0, 0, 0, 0],
            &[0x81, 203, 0, 1, 0, 0, 0, 7],
        ]
        .concat();
        assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn what_does_not_fit_is_not_begun() {
        let mut out = [0; 12];
        let mut writer = Writer::new(&mut out);
        writer.report(7, None, &[]).expect("room");
        let error = writer.names([(7, &b"me"[..])].into_iter());
        assert_eq!(error, Err(WriterError::NoRoom { needed: 8, got: 4 }));
        assert_eq!(writer.finish(), [0x80, 201, 0, 1, 0, 0, 0, 7]);
        let blocks = [ReportBlock::default(); BLOCKS_MAX + 1];
        let mut out = [0; 1_000];
        let error = Writer::new(&mut out).report(7, None, &blocks);
        assert_eq!(error, Err(WriterError::TooMany { got: 32 }));
        let long = [b'a'; 256];
        let error = Writer::new(&mut out).names([(7, &long[..])].into_iter());
        assert_eq!(error, Err(WriterError::TooLong { got: 256 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ssrc: u32, fraction_lost: u8, lost in -0x80_0000_i32..0x80_0000,
            words: [u32; 4], cname in proptest::collection::vec(any::<u8>(), 0..256), sends: bool) {
            let [highest_sequence, jitter_ticks, last_report, delay] = words;
            let block = ReportBlock { ssrc: 9, fraction_lost, lost, highest_sequence, jitter_ticks,
                last_report, delay };
            let mut out = [0; 512];
            let mut writer = Writer::new(&mut out);
            writer.report(ssrc, sends.then_some(&SENDER), &[block]).unwrap();
            writer.names([(ssrc, &cname[..])].into_iter()).unwrap();
            writer.bye(&[ssrc, 3]).unwrap();
            let compound = Compound::parse(writer.finish()).unwrap();
            let mut packets = compound.packets();
            match packets.next().unwrap() {
                Packet::SenderReport { ssrc: got, sender, blocks } if sends => {
                    prop_assert_eq!((got, sender), (ssrc, SENDER));
                    prop_assert_eq!(blocks.iter().collect::<Vec<_>>(), vec![block]);
                }
                Packet::ReceiverReport { ssrc: got, blocks } if !sends => {
                    prop_assert_eq!(got, ssrc);
                    prop_assert_eq!(blocks.iter().collect::<Vec<_>>(), vec![block]);
                }
                other => prop_assert!(false, "{:?}", other),
            }
            let Some(Packet::Description(chunks)) = packets.next() else { panic!("names") };
            prop_assert_eq!(chunks.iter().next().unwrap().cname, Some(&cname[..]));
            let Some(Packet::Bye(bye)) = packets.next() else { panic!("a BYE") };
            prop_assert_eq!(bye.ssrcs().collect::<Vec<_>>(), vec![ssrc, 3]);
        }
    }
}
