//! One m-line and what stands under it.

use serde::{Deserialize, Serialize};

use crate::{Attribute, Codec, Connection, Direction, Field, RtpMap};

/// A media description: RFC 8866 §5.14.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// `c=` at media level; the first, if there are more.
    pub connection: Option<Connection>,
    /// Other lines except `a=`, in the order of RFC 8866 §5.
    pub fields: Vec<Field>,
    /// `a=`, in order.
    pub attributes: Vec<Attribute>,
}

impl MediaDescription {
    /// True for audio over plain RTP that is not refused: what we can take part in.
    pub fn is_plain_audio(&self) -> bool {
        self.kind.eq_ignore_ascii_case("audio")
            && self.proto.eq_ignore_ascii_case("RTP/AVP")
            && self.port != 0
    }

    /// The direction said here, if any.
    pub fn direction(&self) -> Option<Direction> {
        self.attributes.iter().find_map(Attribute::direction)
    }

    /// The values of an attribute, in order; names are compared without case, since phones err.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |attribute: &&Attribute| attribute.name.eq_ignore_ascii_case(name);
        self.attributes.iter().filter(named).filter_map(|attribute| attribute.value.as_deref())
    }

    /// What `a=rtpmap` says about a payload type.
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap> {
        self.rtpmaps().find(|map| map.payload_type == payload_type)
    }

    /// The payload types listed that mean a codec we speak, in order of preference.
    pub fn codecs(&self) -> impl Iterator<Item = (u8, Codec)> {
        // Read once: 128 formats and 512 attributes in one offer would make 65,536 readings.
        let maps: Vec<RtpMap> = self.rtpmaps().collect();
        self.formats.iter().filter_map(move |format| {
            let payload_type = format.parse().ok().filter(|&number: &u8| number < 128)?;
            let map = maps.iter().find(|map| map.payload_type == payload_type);
            Some((payload_type, Codec::of(payload_type, map)?))
        })
    }

    /// The payload type of telephone-event at 8 kHz, if it is listed (RFC 4733 §7.1.1): other clocks belong to
    /// codecs that we do not speak (§2.1).
    pub fn keys_payload_type(&self) -> Option<u8> {
        let is_key = |map: &RtpMap| {
            map.encoding.eq_ignore_ascii_case(KEYS_ENCODING) && map.clock_hz == KEYS_CLOCK_HZ
        };
        let listed = |number: &u8| self.formats.iter().any(|it| it.parse() == Ok(*number));
        self.rtpmaps().filter(is_key).map(|map| map.payload_type).find(listed)
    }

    /// Whether comfort noise at 8 kHz is listed (RFC 3389 §5.1).
    pub fn has_comfort_noise(&self) -> bool {
        self.formats.iter().any(|format| format.parse() == Ok(NOISE_PAYLOAD_TYPE))
    }

    fn rtpmaps(&self) -> impl Iterator<Item = RtpMap> {
        self.values("rtpmap").filter_map(|value| value.parse().ok())
    }

    /// The packet time that the author likes to receive, in ms: `a=ptime` if it is a number above 0,
    /// no more than `a=maxptime` (RFC 8866 §6.4).
    pub fn ptime_ms(&self) -> Option<u32> {
        let (ptime, maxptime) = (self.whole_ms("ptime"), self.whole_ms("maxptime"));
        match (ptime, maxptime) {
            (Some(ptime), Some(max)) => Some(ptime.min(max)),
            (ptime, _) => ptime,
        }
    }

    /// `a=maxptime` in ms, if it is a number above 0.
    pub fn maxptime_ms(&self) -> Option<u32> {
        self.whole_ms("maxptime")
    }

    /// Whether the author takes RTCP on the port of RTP: RFC 5761 §5.1.1.
    pub fn muxes_rtcp(&self) -> bool {
        let is_mux = |attribute: &Attribute| attribute.name.eq_ignore_ascii_case(RTCP_MUX);
        self.attributes.iter().any(is_mux)
    }

    /// What `a=rtcp` says of where RTCP goes: a port, and an address if it is another one than that of
    /// the media (RFC 3605 §2.1). What cannot be read is not there.
    pub fn rtcp(&self) -> Option<(u16, Option<Connection>)> {
        let value = self.values("rtcp").next()?.trim();
        let (port, address) = value.split_once(' ').unwrap_or((value, ""));
        let address = address.trim();
        let port = port.parse().ok().filter(|port| *port != 0)?;
        Some((port, (!address.is_empty()).then(|| Connection(address.to_owned()))))
    }

    /// The whole part of a number: RFC 8866 §9 allows a fraction.
    fn whole_ms(&self, name: &str) -> Option<u32> {
        let value = self.values(name).next()?.trim();
        let whole = value.split('.').next()?.parse().ok()?;
        (whole > 0).then_some(whole)
    }
}

/// RFC 4733 §7.1.1.
pub(crate) const KEYS_ENCODING: &str = "telephone-event";
pub(crate) const KEYS_CLOCK_HZ: u32 = 8_000;
/// Static: RFC 3551 §6, RFC 3389 §4.
pub(crate) const NOISE_PAYLOAD_TYPE: u8 = 13;
/// The attribute's name: RFC 5761 §5.1.1.
pub(crate) const RTCP_MUX: &str = "rtcp-mux";
