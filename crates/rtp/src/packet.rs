//! The RTP packet: RFC 3550 §5.1.

use thiserror::Error;

/// The only version there is: RFC 3550 §5.1.
pub const VERSION: u8 = 2;

/// Bytes of the fixed header.
pub const HEADER_BYTES: usize = 12;

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
    #[error("{needed} bytes do not fit a buffer of {got}")]
    NoRoom { needed: usize, got: usize },
}

impl<'a> RtpPacket<'a> {
    /// Checks and splits a datagram: RFC 3550 Appendix A.1. Payload type and SSRC are the caller's
    /// to judge.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let _ = bytes;
        todo!()
    }

    /// The contributing sources, at most 15.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.csrc_bytes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }
}

/// Writes a packet without CSRCs, extension or padding to the front of `out`; gives its length in
/// bytes. Nothing is written on an error.
pub fn write(header: &Header, payload: &[u8], out: &mut [u8]) -> Result<usize, WriteError> {
    let _ = (header, payload, out);
    todo!()
}

/// Tells RTCP from RTP on one port by the second byte, 192..=223: RFC 5761 §4. False for what is
/// neither (STUN, DTLS, nothing).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    let _ = bytes;
    todo!()
}
