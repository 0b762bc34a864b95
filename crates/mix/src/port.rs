//! One leg: a transport with a stream.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use rtp::RtpPacket;
use units::{Instant, Rng};

use crate::message::{
    Codec, Format, LABEL_BYTES_MAX, PTIME_MS_MAX, PortReport, RECEIVE_FORMATS_MAX, Refused,
    StreamSpec, TransportSpec,
};
use crate::stream::{Press, Receiver, Sender};
use crate::transport::{Destination, Judgement, Origin, Transport};
use crate::{FRAME_SAMPLES, TICK};

/// One RTP leg. Used by a shard's conferences, and by a terminal for its own voice.
///
/// # Order
/// Packets whenever they come; [`Port::hear`] and then [`Port::say`] once per tick.
#[derive(Debug)]
pub struct Port {
    transport: Transport,
    stream: StreamSpec,
    receiver: Receiver,
    sender: Sender,
    counts: PortReport,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken: it will be heard, or was late or a duplicate.
    Received,
    /// RTCP, a sign of life.
    Rtcp,
    /// Dropped and counted.
    Dropped,
}

/// A packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// The RTP packet.
    pub bytes: &'a [u8],
}

impl Port {
    /// Makes a port; all its memory is allocated here.
    ///
    /// # Errors
    /// Those of [`Refused`] that concern the two specs.
    pub fn new(
        now: Instant,
        transport: TransportSpec,
        stream: StreamSpec,
        rng: &mut Rng,
    ) -> Result<Self, Refused> {
        check(&stream)?;
        Ok(Self {
            transport: Transport::new(now, transport)?,
            receiver: Receiver::new(stream.receive.clone(), stream.keys),
            sender: Sender::new(stream.send, rng),
            stream,
            counts: PortReport::default(),
        })
    }

    /// Changes a port after a new offer and answer; see [`crate::message::Action::UpdatePort`].
    ///
    /// # Errors
    /// As [`Port::new`]; then nothing has changed.
    pub fn update(
        &mut self,
        now: Instant,
        transport: TransportSpec,
        stream: StreamSpec,
    ) -> Result<(), Refused> {
        check(&stream)?;
        self.transport.update(now, transport)?;
        if !stream.direction.receives() {
            self.receiver.reset();
        }
        self.receiver.set_formats(stream.receive.clone(), stream.keys);
        self.sender.set_format(stream.send);
        self.stream = stream;
        Ok(())
    }

    /// Takes one datagram, whatever is in it. Does not allocate.
    pub fn handle_packet(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> Verdict {
        let (verdict, counter) = self.take(now, from, bytes);
        *counter += 1;
        match verdict {
            Verdict::Received => self.counts.received_bytes += bytes.len() as u64,
            Verdict::Rtcp | Verdict::Dropped => {}
        }
        verdict
    }

    /// The next 10 ms of what the peer says, or `None` if nothing is to be heard. Call it once per
    /// tick; `at` is when the tick was due, however late it is. Does not allocate.
    pub fn hear(&mut self, at: Instant) -> Option<&[i16; FRAME_SAMPLES]> {
        if self.stream.direction.receives() { self.receiver.pull(at) } else { None }
    }

    /// Gives the peer the next 10 ms; a packet comes out when its packet time is full and there is
    /// an address to send it to. Call it once per tick. Does not allocate.
    pub fn say(&mut self, frame: &[i16; FRAME_SAMPLES]) -> Option<Outgoing<'_>> {
        let to = self.to()?;
        let bytes = self.sender.push(frame)?;
        self.counts.sent += 1;
        self.counts.sent_bytes += bytes.len() as u64;
        Some(Outgoing { to, bytes })
    }

    /// The same with a frame that is encoded already, in the codec that the port [sends](Self::codec):
    /// many hear the same.
    pub(crate) fn say_encoded(&mut self, frame: &[u8; FRAME_SAMPLES]) -> Option<Outgoing<'_>> {
        let to = self.to()?;
        let bytes = self.sender.push_encoded(frame)?;
        self.counts.sent += 1;
        self.counts.sent_bytes += bytes.len() as u64;
        Some(Outgoing { to, bytes })
    }

    /// What it sends.
    pub(crate) const fn codec(&self) -> Codec {
        self.sender.format().codec
    }

    /// Where the next 10 ms go to. If nowhere, they pass unsaid, so that the clock stays true.
    fn to(&mut self) -> Option<SocketAddr> {
        let destination = match self.stream.direction.sends() {
            true => self.transport.destination(),
            false => Destination::Nowhere,
        };
        match destination {
            Destination::To(to) => return Some(to),
            Destination::Nowhere => {}
            Destination::Withheld => self.counts.withheld_frames += 1,
        }
        self.sender.skip(1);
        None
    }

    /// Lets `ticks` times 10 ms pass in which nothing was said, so that the clock stays true.
    pub(crate) fn skip(&mut self, ticks: u32) {
        self.sender.skip(ticks);
    }

    /// Moves the packet boundary: `position` frames of a packet (modulo its length) count as past.
    /// So a shard spreads its legs over the ticks.
    pub(crate) fn align(&mut self, position: u32) {
        self.sender.align(position);
    }

    /// Where the peer's media is known to come from.
    pub const fn latched(&self) -> Option<SocketAddr> {
        self.transport.latched()
    }

    /// What the port was made of, or last updated to.
    pub(crate) const fn specs(&self) -> (&TransportSpec, &StreamSpec) {
        (self.transport.spec(), &self.stream)
    }

    /// How many milliseconds neither RTP nor RTCP has come, once that is
    /// [`crate::message::SILENT_AFTER_MS`], and once more whenever that much has passed since it was
    /// told.
    pub(crate) fn silent_for_ms(&self, now: Instant) -> Option<u64> {
        self.transport.silent_for_ms(now)
    }

    /// Marks this silence as told for now.
    pub(crate) const fn silence_told(&mut self, now: Instant) {
        self.transport.silence_told(now);
    }

    /// What has passed through so far.
    pub fn report(&self) -> PortReport {
        let mut report = self.counts;
        self.receiver.report(&mut report);
        report
    }

    /// A key that the peer has pressed, until it is [told](Self::key_told).
    pub fn key(&self) -> Option<Press> {
        self.receiver.key()
    }

    /// Marks that press as told.
    pub fn key_told(&mut self) {
        self.counts.keys += 1;
        self.receiver.key_told();
    }

    /// Takes a datagram and says where to count it.
    fn take(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> (Verdict, &mut u64) {
        let counts = &mut self.counts;
        if rtp::is_rtcp(bytes) {
            // RFC 3550 §6.4: the least there is to RTCP are the header and an SSRC.
            if bytes.len() < RTCP_BYTES_MIN || bytes[0] >> 6 != rtp::VERSION {
                return (Verdict::Dropped, &mut counts.dropped_malformed);
            }
            return match self.transport.note(now, from) {
                Origin::Peer => (Verdict::Rtcp, &mut counts.rtcp),
                Origin::Stranger => (Verdict::Dropped, &mut counts.dropped_foreign),
            };
        }
        let packet = match RtpPacket::parse(bytes) {
            Ok(packet) if Receiver::fits(&packet) => packet,
            Ok(_) | Err(_) => return (Verdict::Dropped, &mut counts.dropped_malformed),
        };
        if !self.receiver.takes(packet.header.payload_type) {
            return match self.transport.note(now, from) {
                Origin::Peer => (Verdict::Dropped, &mut counts.dropped_payload_type),
                Origin::Stranger => (Verdict::Dropped, &mut counts.dropped_foreign),
            };
        }
        let before = self.transport.latched();
        match self.transport.judge(now, from, &packet.header) {
            Judgement::Foreign => return (Verdict::Dropped, &mut counts.dropped_foreign),
            Judgement::Unproved => return (Verdict::Dropped, &mut counts.dropped_unproved),
            Judgement::Accepted => {}
            Judgement::Restarted => {
                self.receiver.reset();
                if before.is_some() {
                    counts.restarts += 1;
                }
            }
        }
        if !self.stream.direction.receives() {
            return (Verdict::Dropped, &mut counts.dropped_held);
        }
        // What the jitter buffer makes of it is in its own counters.
        let _ = self.receiver.insert(now, &packet);
        (Verdict::Received, &mut counts.received)
    }
}

fn check(stream: &StreamSpec) -> Result<(), Refused> {
    let got = stream.receive.len();
    if got == 0 || got > RECEIVE_FORMATS_MAX {
        return Err(Refused::BadFormatCount { got, max: RECEIVE_FORMATS_MAX });
    }
    if stream.label.len() > LABEL_BYTES_MAX {
        return Err(Refused::LabelTooLong { got: stream.label.len(), max: LABEL_BYTES_MAX });
    }
    let Format { ptime_ms, .. } = stream.send;
    let frames = u128::from(ptime_ms) / TICK.as_millis();
    if frames * TICK.as_millis() != u128::from(ptime_ms) || frames == 0 || ptime_ms > PTIME_MS_MAX {
        return Err(Refused::BadPacketTime { got: ptime_ms });
    }
    let formats = stream.receive.iter().chain([&stream.send]);
    let payload_types = formats.map(|format| format.payload_type).chain(stream.keys);
    match payload_types.into_iter().find(|payload_type| *payload_type > 127) {
        Some(got) => Err(Refused::BadPayloadType { got }),
        None => Ok(()),
    }
}

/// Least length of an RTCP packet, in bytes.
const RTCP_BYTES_MIN: usize = 8;
