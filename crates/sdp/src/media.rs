//! One m-line and what stands under it.

use crate::{Attribute, Connection, Direction, Field};

/// A media description: RFC 8866 §5.14.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription {
    /// `audio`, `video`, ...
    pub kind: String,
    /// 0 says that the stream is refused or gone.
    pub port: u16,
    /// Number of ports after the slash, if there was one.
    pub port_count: Option<u16>,
    /// `RTP/AVP`, ...
    pub proto: String,
    /// As they came; numbers for RTP.
    pub formats: Vec<String>,
    /// `c=` at media level.
    pub connection: Option<Connection>,
    /// Other lines except `a=`, in order.
    pub fields: Vec<Field>,
    /// `a=`, in order.
    pub attributes: Vec<Attribute>,
}

/// `a=rtpmap`: RFC 8866 §6.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// 0..=127.
    pub payload_type: u8,
    /// As it came; compare without case.
    pub encoding: String,
    /// Ticks per second.
    pub clock_hz: u32,
    /// 1 if not given.
    pub channels: u8,
}

impl MediaDescription {
    /// The direction said here, if any.
    pub fn direction(&self) -> Option<Direction> {
        todo!()
    }

    /// The rtpmap of a payload type: what is said, else the static one (RFC 3551 §6).
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap> {
        let _ = payload_type;
        todo!()
    }

    /// `a=ptime` in ms, if it is a number.
    pub fn ptime_ms(&self) -> Option<u32> {
        todo!()
    }
}
