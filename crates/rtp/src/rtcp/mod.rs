//! RTCP: RFC 3550 §6.
//!
//! - [`Compound::parse`] checks a datagram as a whole, then [`Compound::packets`] gives its parts.
//! - [`Writer`] puts a compound packet together in a borrowed buffer.
//! - [`Reception`] counts what comes from one source and makes its report block.
//! - [`Schedule`] says when the next report is due.
//! - [`NtpTime`] is the clock of sender reports.
//!
//! Nothing here allocates after `new`.

mod interval;
mod ntp;
mod parse;
mod reception;
mod write;

pub use interval::Schedule;
pub use ntp::NtpTime;
pub use parse::{Bye, Chunk, Compound, Packet, RtcpError};
pub use reception::{Reception, round_trip};
pub use write::{Writer, WriterError};

/// What a receiver says of one source: RFC 3550 §6.4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source that is reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256 of what was expected.
    pub fraction_lost: u8,
    /// Lost since the beginning, -2^23..2^23; negative if copies came.
    pub lost: i32,
    /// The highest sequence number, with the count of its wraps in the high half.
    pub highest_sequence: u32,
    /// Mean deviation of the time between arrivals, in ticks of the media clock.
    pub jitter_ticks: u32,
    /// The middle half of the NTP time in the last sender report; 0: there was none.
    pub last_report: u32,
    /// Time since that report came, in 1/65,536 s.
    pub delay: u32,
}

/// What a sender says of itself: RFC 3550 §6.4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was made.
    pub ntp: NtpTime,
    /// The same moment on the sender's media clock.
    pub timestamp: u32,
    /// Packets sent so far; wraps.
    pub packets: u32,
    /// Bytes of payload sent so far; wraps.
    pub payload_bytes: u32,
}

/// Report blocks in one packet: what five bits count (RFC 3550 §6.4).
pub const BLOCKS_MAX: usize = 31;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// The one item of a description that must be there: RFC 3550 §6.5.1.
const CNAME: u8 = 1;

const HEADER_BYTES: usize = 4;
const BLOCK_BYTES: usize = 24;
const SENDER_INFO_BYTES: usize = 20;
