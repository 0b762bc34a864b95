//! Offer and answer: RFC 3264.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::media::{KEYS_CLOCK_HZ, KEYS_ENCODING, NOISE_PAYLOAD_TYPE, RTCP_MUX};
use crate::{
    Attribute, Codec, Connection, Direction, LocalMedia, MediaDescription, Negotiated, Origin,
    RtcpWay, SessionDescription,
};

/// Why there is no agreement. Each is the peer's wish or mistake; ordered by how far it got.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum AnswerError {
    #[error("the answer has {got} m-lines, the offer {expected}")]
    LineCount { got: usize, expected: usize },
    #[error("no audio m-line with RTP/AVP and a port")]
    NoAudio,
    #[error("no codec in common: only PCMU and PCMA are spoken")]
    NoCommonCodec,
    #[error("the audio stream has no numeric unicast address of a family that is spoken here")]
    NoAddress,
}

impl AnswerError {
    /// The answer on the wire, as a SIP status code.
    pub const fn status(&self) -> u16 {
        match self {
            Self::LineCount { .. } => 400,
            // RFC 3261 §21.4.26
            Self::NoAudio | Self::NoCommonCodec | Self::NoAddress => 488,
        }
    }
}

/// Makes an offer of one audio stream.
pub fn offer(local: &LocalMedia) -> SessionDescription {
    let codecs = local.codecs.iter().map(|&codec| (codec.static_payload_type(), codec));
    let formats = Formats {
        codecs: codecs.collect(),
        keys_payload_type: local.keys_payload_type,
        // Whoever falls silent of himself is understood; nobody is asked to.
        comfort_noise: false,
    };
    // RFC 5761 §5.1.1: an offer says that we could; what comes of it the answer says.
    let media = our_media(local, &formats, local.direction, Mux::Yes);
    our_description(local, "0 0".to_owned(), vec![media])
}

/// Makes an offer in the middle of a session: the lines of what we `said` last stay, our audio in its
/// place (RFC 3264 §8: the lines of a session never become fewer).
pub fn offer_again(local: &LocalMedia, said: &SessionDescription) -> SessionDescription {
    let mut description = offer(local);
    if let Some(at) = said.media.iter().position(MediaDescription::is_plain_audio) {
        let ours = std::mem::replace(&mut description.media, said.media.clone());
        description.media.splice(at..=at, ours);
    }
    description
}

/// Answers an offer with one audio stream, all others refused: RFC 3264 §6.
///
/// The first audio m-line that we can serve is taken, with the first codec in it that we speak.
pub fn answer(
    offer: &SessionDescription,
    local: &LocalMedia,
) -> Result<(SessionDescription, Negotiated), AnswerError> {
    let mut taken = None;
    let mut refusal = AnswerError::NoAudio;
    let mut media = Vec::with_capacity(offer.media.len());
    for offered in &offer.media {
        // RFC 3264 §6: "the same number of m= lines", refused ones with port 0.
        let refused = refused_media(offered);
        let agreed = if taken.is_some() { None } else { agree(offer, offered, local).transpose() };
        match agreed {
            Some(Ok(negotiated)) => {
                let formats = Formats {
                    codecs: vec![(negotiated.send_payload_type, negotiated.codec)],
                    keys_payload_type: negotiated.keys_payload_type,
                    comfort_noise: offered.has_comfort_noise(),
                };
                // RFC 3264 §6.1
                let direction = local.direction.answering(offer.direction_of(offered));
                let mux = match negotiated.rtcp {
                    RtcpWay::Muxed => Mux::Yes,
                    RtcpWay::Apart(_) => Mux::No,
                };
                let mut ours = our_media(local, &formats, direction, mux);
                ours.kind.clone_from(&offered.kind);
                media.push(ours);
                taken = Some(negotiated);
            }
            Some(Err(why)) => {
                refusal = refusal.max(why);
                media.push(refused);
            }
            None => media.push(refused),
        }
    }
    let negotiated = taken.ok_or(refusal)?;
    // RFC 3264 §6: "The t= line in the answer MUST equal that of the offer."
    Ok((our_description(local, offer.time.clone(), media), negotiated))
}

/// Reads what the peer made of our offer: RFC 3264 §7.
pub fn accept_answer(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<Negotiated, AnswerError> {
    let (got, expected) = (answer.media.len(), offer.media.len());
    if got != expected {
        return Err(AnswerError::LineCount { got, expected });
    }
    let mut pairs = offer.media.iter().zip(&answer.media);
    let (ours, theirs) = pairs
        .find(|(ours, theirs)| ours.is_plain_audio() && theirs.is_plain_audio())
        .ok_or(AnswerError::NoAudio)?;
    let spoken = |codec| ours.codecs().any(|(_, offered)| offered == codec);
    let (send_payload_type, codec) =
        theirs.codecs().find(|&(_, codec)| spoken(codec)).ok_or(AnswerError::NoCommonCodec)?;
    // RFC 3264 §6.1: the peer must send with the numbers that we gave; some send with their own.
    let mut receive_payload_types =
        ours.codecs().filter(|&(_, offered)| offered == codec).map(|(n, _)| n).collect::<Vec<_>>();
    if !receive_payload_types.contains(&send_payload_type) {
        receive_payload_types.push(send_payload_type);
    }
    let said = answer.direction_of(theirs);
    let ipv4 = local_is_ipv4(offer, ours);
    let remote = remote_of(answer, theirs, ipv4)?;
    Ok(Negotiated {
        remote,
        rtcp: rtcp_of(theirs, remote, ours.muxes_rtcp() && can_mux(send_payload_type)),
        codec,
        send_payload_type,
        receive_payload_types,
        direction: held(offer.direction_of(ours).answering(said), remote),
        ptime_ms: wished_ptime_ms(theirs),
        // RFC 3264 §6.1: with the number that we gave, if he takes part.
        keys_payload_type: ours
            .keys_payload_type()
            .filter(|_| theirs.keys_payload_type().is_some()),
    })
}

/// What one offered m-line and we agree on; `None` if it is not for us.
fn agree(
    offer: &SessionDescription,
    offered: &MediaDescription,
    local: &LocalMedia,
) -> Result<Option<Negotiated>, AnswerError> {
    if !offered.is_plain_audio() {
        return Ok(None);
    }
    let (payload_type, codec) = offered
        .codecs()
        .find(|(_, codec)| local.codecs.contains(codec))
        .ok_or(AnswerError::NoCommonCodec)?;
    let remote = remote_of(offer, offered, local.address.is_ipv4())?;
    Ok(Some(Negotiated {
        remote,
        rtcp: rtcp_of(offered, remote, can_mux(payload_type)),
        codec,
        // RFC 3264 §6.1: the offer's number, which the answer repeats, so it holds both ways.
        send_payload_type: payload_type,
        receive_payload_types: vec![payload_type],
        direction: held(local.direction.answering(offer.direction_of(offered)), remote),
        ptime_ms: wished_ptime_ms(offered),
        keys_payload_type: local.keys_payload_type.and_then(|_| offered.keys_payload_type()),
    }))
}

/// Where the peer wants media; `None` if nowhere.
fn remote_of(
    description: &SessionDescription,
    media: &MediaDescription,
    ipv4: bool,
) -> Result<Option<SocketAddr>, AnswerError> {
    // A name would have to be looked up, and leads wherever its owner likes.
    let ip = description.connection_of(media).and_then(Connection::ip);
    match ip.filter(|&ip| ip.is_ipv4() == ipv4 && is_unicast(ip)) {
        // RFC 3264 §8.4: "neither RTP nor RTCP should be sent to the peer".
        Some(ip) if ip.is_unspecified() => Ok(None),
        Some(ip) => Ok(Some(SocketAddr::new(ip, media.port))),
        None => Err(AnswerError::NoAddress),
    }
}

/// Where the peer wants RTCP, if `we_mux` should it say so: RFC 5761 §5.1.1, RFC 3605 §2.1.
fn rtcp_of(media: &MediaDescription, remote: Option<SocketAddr>, we_mux: bool) -> RtcpWay {
    if we_mux && media.muxes_rtcp() {
        return RtcpWay::Muxed;
    }
    let Some(remote) = remote else { return RtcpWay::Apart(None) };
    let next_port = || remote.port().checked_add(1).map(|port| SocketAddr::new(remote.ip(), port));
    RtcpWay::Apart(match media.rtcp() {
        None => next_port(),
        Some((port, None)) => Some(SocketAddr::new(remote.ip(), port)),
        Some((port, Some(connection))) => connection
            .ip()
            .filter(|ip| {
                ip.is_ipv4() == remote.is_ipv4() && is_unicast(*ip) && !ip.is_unspecified()
            })
            .map(|ip| SocketAddr::new(ip, port)),
    })
}

/// RFC 5761 §4: with the marker these would be taken for RTCP.
fn can_mux(payload_type: u8) -> bool {
    !(64..=95).contains(&payload_type)
}

fn is_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_multicast(),
    }
}

fn local_is_ipv4(offer: &SessionDescription, ours: &MediaDescription) -> bool {
    offer.connection_of(ours).and_then(Connection::ip).is_none_or(|ip| ip.is_ipv4())
}

/// To a peer without an address nothing is sent.
const fn held(direction: Direction, remote: Option<SocketAddr>) -> Direction {
    Direction::of(direction.sends() && remote.is_some(), direction.receives())
}

/// The packet time to send with: the wish, in steps of the mixer's 10 ms, within what it makes.
fn wished_ptime_ms(media: &MediaDescription) -> u32 {
    let max = media.maxptime_ms().unwrap_or(PTIME_MS_MAX);
    // RFC 3551 §4.2: 20 ms if nothing is said.
    let wish = media.ptime_ms().unwrap_or(PTIME_MS_DEFAULT).min(max);
    (wish / PTIME_MS_MIN * PTIME_MS_MIN).clamp(PTIME_MS_MIN, PTIME_MS_MAX)
}

/// Whether our description says `a=rtcp-mux`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mux {
    Yes,
    No,
}

/// RFC 3264 §6: port 0; the formats do not matter but must be there.
fn refused_media(offered: &MediaDescription) -> MediaDescription {
    let mut formats = offered.formats.clone();
    if formats.is_empty() {
        formats.push("0".to_owned());
    }
    MediaDescription {
        kind: offered.kind.clone(),
        port: 0,
        port_count: None,
        proto: offered.proto.clone(),
        formats,
        connection: None,
        fields: vec![],
        attributes: vec![],
    }
}

/// What one m-line of ours lists.
struct Formats {
    codecs: Vec<(u8, Codec)>,
    keys_payload_type: Option<u8>,
    comfort_noise: bool,
}

fn our_media(
    local: &LocalMedia,
    formats: &Formats,
    direction: Direction,
    mux: Mux,
) -> MediaDescription {
    let mut numbers: Vec<u8> = formats.codecs.iter().map(|(number, _)| *number).collect();
    // RFC 3264 §5.1, §6.1: mappings for static numbers too.
    let rtpmap = |&(number, codec): &(u8, Codec)| Attribute::new("rtpmap", codec.rtpmap(number));
    let mut attributes = formats.codecs.iter().map(rtpmap).collect::<Vec<_>>();
    if formats.comfort_noise {
        numbers.push(NOISE_PAYLOAD_TYPE);
        attributes.push(Attribute::new("rtpmap", format!("{NOISE_PAYLOAD_TYPE} CN/8000")));
    }
    if let Some(number) = formats.keys_payload_type {
        numbers.push(number);
        let map = format!("{number} {KEYS_ENCODING}/{KEYS_CLOCK_HZ}");
        attributes.push(Attribute::new("rtpmap", map));
        // RFC 4733 §2.5.2.1: with the events that we can process, those of a telephone's keys.
        attributes.push(Attribute::new("fmtp", format!("{number} 0-15")));
    }
    attributes.push(Attribute::new("ptime", local.ptime_ms));
    attributes.push(Attribute::flag(direction.as_str()));
    match mux {
        Mux::Yes => attributes.push(Attribute::flag(RTCP_MUX)),
        Mux::No => {}
    }
    MediaDescription {
        kind: "audio".to_owned(),
        port: local.port,
        port_count: None,
        proto: "RTP/AVP".to_owned(),
        formats: numbers.iter().map(u8::to_string).collect(),
        connection: None,
        fields: vec![],
        attributes,
    }
}

fn our_description(
    local: &LocalMedia,
    time: String,
    media: Vec<MediaDescription>,
) -> SessionDescription {
    let connection = Connection::from(local.address);
    SessionDescription {
        origin: Some(Origin {
            username: "-".to_owned(),
            session_id: local.session_id.to_string(),
            version: local.version.to_string(),
            address: connection.0.clone(),
        }),
        name: "-".to_owned(),
        connection: Some(connection),
        time,
        fields: vec![],
        attributes: vec![],
        media,
    }
}

const PTIME_MS_DEFAULT: u32 = 20;
const PTIME_MS_MIN: u32 = 10;
/// The longest packet that `mix` makes: 480 samples.
const PTIME_MS_MAX: u32 = 60;

#[cfg(test)]
mod tests;
