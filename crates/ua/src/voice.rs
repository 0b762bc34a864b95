//! One call's RTP at the terminal.

use std::net::{IpAddr, SocketAddr};

use mix::Port;
use mix::message::{
    Codec, Direction, Format, Kind, PTIME_MS_MAX, RtcpPath, StreamSpec, TransportSpec,
};
use sdp::{Negotiated, RtcpWay};
use units::{Instant, Rng};

pub use mix::FRAME_SAMPLES;
pub use mix::message::{Channel, Key, PortReport, Refused};

/// One call's RTP and RTCP: encodes what is played, decodes what is heard. 8 kHz, mono, i16.
///
/// It is one [`mix::Port`], the same that carries a leg in the mixer: own SSRC, steady clock, jitter
/// buffer, and symmetric RTP, since the address in a session description often is not where the
/// packets come from.
#[derive(Debug)]
pub struct Voice {
    port: Port,
    signalling: IpAddr,
}

impl Voice {
    /// Starts with what the session descriptions agreed on. `signalling` is the peer's SIP address.
    ///
    /// # Errors
    ///
    /// [`Refused`] for what `sdp` never negotiates: no payload type to receive, or one above 127.
    pub fn new(
        now: Instant,
        media: &Negotiated,
        signalling: SocketAddr,
        mut rng: Rng,
    ) -> Result<Self, Refused> {
        let signalling = signalling.ip();
        let port = Port::new(now, transport(media, signalling), stream(media), 1, &mut rng)?;
        Ok(Self { port, signalling })
    }

    /// Takes over a new agreement; SSRC, sequence and clock go on.
    ///
    /// # Errors
    ///
    /// As [`Voice::new`]; then nothing has changed.
    pub fn update(&mut self, now: Instant, media: &Negotiated) -> Result<(), Refused> {
        self.port.update(now, transport(media, self.signalling), stream(media))
    }

    /// Takes one datagram of one of the two media sockets, whatever is in it.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        self.port.handle_packet(now, channel, from, bytes);
    }

    /// Goes on by 10 ms. `play` is our next frame (`None`: silence), `heard` is overwritten with the
    /// peer's next frame, `send` gets the packets that are due, if any.
    ///
    /// # Order
    ///
    /// Call it every 10 ms, whether or not something is played: the clock of the stream is the
    /// number of calls.
    pub fn tick(
        &mut self,
        now: Instant,
        play: Option<&[i16; FRAME_SAMPLES]>,
        heard: &mut [i16; FRAME_SAMPLES],
        send: &mut dyn FnMut(Channel, SocketAddr, &[u8]),
    ) {
        match self.port.hear(now) {
            Some(frame) => heard.copy_from_slice(frame),
            None => heard.fill(0),
        }
        if let Some(packet) = self.port.say(play.unwrap_or(&[0; FRAME_SAMPLES])) {
            send(packet.channel, packet.to, packet.bytes);
        }
        if self.port.reports(now) {
            let mut out = [0; mix::RTCP_BYTES_MAX];
            if let Some(packet) = self.port.report_rtcp(now, &mut out) {
                send(packet.channel, packet.to, packet.bytes);
            }
        }
    }

    /// Presses keys one after the other (RFC 4733). False: the peer takes none.
    pub fn press(&mut self, keys: &[Key]) -> bool {
        self.port.press(keys.iter().copied())
    }

    /// The call is over: says so to the peer (RFC 3550 §6.3.7).
    pub fn goodbye(&mut self, now: Instant, send: &mut dyn FnMut(Channel, SocketAddr, &[u8])) {
        let mut out = [0; mix::RTCP_BYTES_MAX];
        if let Some(packet) = self.port.goodbye(now, &mut out) {
            send(packet.channel, packet.to, packet.bytes);
        }
    }

    /// How much has come from the peer so far, of whatever kind: while it grows, somebody is there.
    pub fn signs_of_life(&self) -> u64 {
        let report = self.port.report();
        report.received + report.rtcp + report.dropped_held + report.dropped_payload_type
    }

    /// What has passed through so far.
    pub fn report(&self) -> PortReport {
        self.port.report()
    }
}

fn transport(media: &Negotiated, signalling: IpAddr) -> TransportSpec {
    // A terminal's sockets are each voice's own, so there is nothing to number.
    let rtcp = match media.rtcp {
        RtcpWay::Apart(to) => RtcpPath::Apart(to),
        RtcpWay::Muxed => RtcpPath::Muxed,
    };
    TransportSpec { lent: 0, remote: media.remote, rtcp, signalling }
}

fn stream(media: &Negotiated) -> StreamSpec {
    let codec = match media.codec {
        sdp::Codec::Pcmu => Codec::Pcmu,
        sdp::Codec::Pcma => Codec::Pcma,
    };
    let direction = match media.direction {
        sdp::Direction::SendRecv => Direction::SendRecv,
        sdp::Direction::SendOnly => Direction::SendOnly,
        sdp::Direction::RecvOnly => Direction::RecvOnly,
        sdp::Direction::Inactive => Direction::Inactive,
    };
    // The tick is 10 ms; a wish between two multiples gets the shorter packets.
    let ptime_ms = (media.ptime_ms / 10 * 10).clamp(10, PTIME_MS_MAX);
    let format = |payload_type| Format { codec, payload_type, ptime_ms };
    StreamSpec {
        kind: Kind::Audio,
        direction,
        send: format(media.send_payload_type),
        receive: media.receive_payload_types.iter().copied().map(format).collect(),
        keys: media.keys_payload_type,
        anonymous: false,
        apart: false,
        label: String::new(),
    }
}

#[cfg(test)]
mod tests;
