//! RTP and RTCP packets, sequence arithmetic, jitter buffer.
//!
//! Nothing here allocates per packet, reads a clock or knows a codec: a payload is bytes, time is
//! the caller's `now` and the packet's timestamp in ticks of the payload's media clock.
//!
//! - [`RtpPacket::parse`] and [`write()`]: packets in borrowed buffers (RFC 3550 §5.1).
//! - [`is_rtcp`]: tells RTCP from RTP on one port (RFC 5761 §4).
//! - [`rtcp`]: reports, names and goodbyes, and when they are due (RFC 3550 §6).
//! - [`Path`]: a mean opinion score from delay and loss (ITU-T G.107).
//! - [`sequence`]: arithmetic on numbers that wrap.
//! - [`JitterBuffer`]: puts packets back in order and gives them out one packet time at a time,
//!   with as much delay as the jitter asks for.

mod jitter;
mod packet;
mod quality;
pub mod rtcp;
pub mod sequence;

pub use jitter::{Content, Counters, Frame, Inserted, JitterBuffer, JitterConfig, Packet};
pub use packet::{
    CSRCS_MAX, Extension, HEADER_BYTES, Header, RtpError, RtpPacket, VERSION, WriteError, is_rtcp,
    write, write_header,
};
pub use quality::Path;
