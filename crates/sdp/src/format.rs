//! Payload types and what they stand for.

use std::fmt;
use std::str::FromStr;

use crate::Codec;

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

/// Text that is no rtpmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an rtpmap")]
pub struct RtpMapError;

impl FromStr for RtpMap {
    type Err = RtpMapError;

    /// Reads what stands behind `a=rtpmap:`, such as `97 PCMU/8000`.
    fn from_str(text: &str) -> Result<Self, RtpMapError> {
        let (payload_type, rest) =
            text.trim().split_once(char::is_whitespace).ok_or(RtpMapError)?;
        let mut parts = rest.trim().split('/');
        let encoding = parts.next().unwrap_or_default().to_owned();
        let clock_hz = parts.next().and_then(|clock| clock.trim().parse().ok());
        let channels = parts.next().map_or(Ok(1), |channels| channels.trim().parse());
        match (payload_type.parse(), clock_hz, channels) {
            (Ok(payload_type @ 0..=127), Some(clock_hz), Ok(channels)) => {
                Ok(Self { payload_type, encoding, clock_hz, channels })
            }
            (Ok(_) | Err(_), _, _) => Err(RtpMapError),
        }
    }
}

impl fmt::Display for RtpMap {
    /// Prints what stands behind `a=rtpmap:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_hz)?;
        if self.channels == 1 { Ok(()) } else { write!(f, "/{}", self.channels) }
    }
}

impl Codec {
    /// The codec that a payload type stands for, with what its rtpmap says.
    pub(crate) fn of(payload_type: u8, rtpmap: Option<&RtpMap>) -> Option<Self> {
        let fixed = [Self::Pcmu, Self::Pcma]
            .into_iter()
            .find(|codec| codec.static_payload_type() == payload_type);
        let Some(map) = rtpmap else { return fixed };
        let mapped = [Self::Pcmu, Self::Pcma].into_iter().find(|codec| {
            map.encoding.eq_ignore_ascii_case(codec.encoding())
                && map.clock_hz == codec.clock_hz()
                && map.channels == 1
        });
        // RFC 3551 §6: a static number means what it means; one that is redefined is not understood.
        if fixed.is_some() && mapped != fixed { None } else { mapped }
    }

    /// The number that needs no rtpmap: RFC 3551 §6.
    pub const fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The name in rtpmap.
    pub const fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// Ticks of the media clock in one second.
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// The rtpmap that gives this codec a number.
    pub(crate) fn rtpmap(self, payload_type: u8) -> RtpMap {
        let encoding = self.encoding().to_owned();
        RtpMap { payload_type, encoding, clock_hz: self.clock_hz(), channels: 1 }
    }
}
