//! One leg: a transport with a stream.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use rtp::RtpPacket;
use rtp::rtcp::Compound;
use units::{Instant, Rng};

use crate::control::{Clash, Control, Ours, RTCP_BYTES_MAX};
use crate::message::{
    Channel, Codec, Format, Key, LABEL_BYTES_MAX, PTIME_MS_MAX, PortReport, RECEIVE_FORMATS_MAX,
    Refused, StreamSpec, TransportSpec,
};
use crate::sources::{Cited, Csrcs};
use crate::stream::{self, Keying, Press, Receiver, Said, Sender};
use crate::transport::{Destination, Judgement, Origin, Transport};
use crate::{FRAME_SAMPLES, ROUND_FRAMES, TICK};

/// One RTP leg. Used by a shard's conferences, and by a terminal for its own voice.
///
/// # Order
/// Packets whenever they come; [`Port::hear`] and then [`Port::say`] once per tick, or for each frame of a round.
#[derive(Debug)]
pub struct Port {
    transport: Transport,
    stream: StreamSpec,
    receiver: Receiver,
    sender: Sender,
    /// Where what was said last goes to; its time is paid for if it goes there blindly.
    to: Option<SocketAddr>,
    keying: Keying,
    control: Control,
    budget: Budget,
    counts: PortReport,
    /// Decides a new SSRC.
    rng: Rng,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken: it will be heard, or was late or a duplicate.
    Received,
    /// RTCP, taken.
    Rtcp,
    /// Dropped and counted.
    Dropped,
}

/// A packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// From which of the two sockets.
    pub channel: Channel,
    /// Where to.
    pub to: SocketAddr,
    /// The packet.
    pub bytes: &'a [u8],
}

impl Port {
    /// Makes a port that is heard `round_frames` at once, see [`Receiver::new`]; all its memory is allocated here.
    ///
    /// # Errors
    /// Those of [`Refused`] that concern the two specs.
    pub fn new(
        now: Instant,
        transport: TransportSpec,
        stream: StreamSpec,
        round_frames: usize,
        rng: &mut Rng,
    ) -> Result<Self, Refused> {
        check(&stream)?;
        let mut control = Control::new(now, rng);
        control.hide_name(stream.anonymous);
        Ok(Self {
            transport: Transport::new(now, transport)?,
            receiver: Receiver::new(stream.receive.clone(), stream.keys, round_frames),
            sender: Sender::new(stream.send, rng),
            to: None,
            keying: Keying::default(),
            control,
            budget: Budget::new(now),
            stream,
            counts: PortReport::default(),
            rng: rng.fork(),
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
        let before = (self.transport.spec().remote, self.stream.direction);
        self.transport.update(now, transport)?;
        if before != (self.transport.spec().remote, stream.direction) {
            self.to = None;
        }
        if !stream.direction.receives() {
            self.receiver.reset();
        }
        self.receiver.set_formats(stream.receive.clone(), stream.keys);
        self.sender.set_format(stream.send);
        self.control.hide_name(stream.anonymous);
        self.stream = stream;
        Ok(())
    }

    /// Takes one datagram that came to one of the two sockets, whatever is in it. Does not allocate.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Verdict {
        let (verdict, counter) = match self.budget.spend(now) {
            Spent::Yes => self.take(now, channel, from, bytes),
            Spent::TooMuch => (Verdict::Dropped, &mut self.counts.dropped_flood),
        };
        *counter += 1;
        match verdict {
            Verdict::Received => self.counts.received_bytes += bytes.len() as u64,
            Verdict::Rtcp | Verdict::Dropped => {}
        }
        verdict
    }

    /// The next 10 ms of what the peer says, or `None` if nothing is to be heard. Call it once per
    /// tick, or for each frame of a round at its beginning; `at` is when the tick was due, however late it is. Does not
    /// allocate.
    pub fn hear(&mut self, at: Instant) -> Option<&[i16; FRAME_SAMPLES]> {
        if self.stream.direction.receives() { self.receiver.pull(at) } else { None }
    }

    /// Gives the peer the next 10 ms; a packet comes out when its packet time is full and there is
    /// an address to send it to. Call it once per tick. Does not allocate.
    pub fn say(&mut self, frame: &[i16; FRAME_SAMPLES]) -> Option<Outgoing<'_>> {
        let said = self.stream.keys.map(|keys| (keys, self.keying.tick(self.sender.timestamp())));
        let Some((keys, said)) = said else { return self.say_voice(frame) };
        match said {
            Said::Voice => self.say_voice(frame),
            Said::Pause => {
                self.sender.skip(1);
                None
            }
            Said::Event { is_first, timestamp, payload } => {
                if !self.goes_somewhere() {
                    return None;
                }
                let to = self.to?;
                let bytes = self.sender.push_event((keys, is_first, timestamp), payload)?;
                Some(counted(&mut self.counts, &mut self.control, to, bytes))
            }
        }
    }

    /// Presses keys, one after the other, in the place of what is [said](Self::say) meanwhile (RFC 4733). False: the peer
    /// takes none.
    pub fn press(&mut self, keys: impl IntoIterator<Item = Key>) -> bool {
        if self.stream.keys.is_some() {
            self.keying.press(keys);
        }
        self.stream.keys.is_some()
    }

    fn say_voice(&mut self, frame: &[i16; FRAME_SAMPLES]) -> Option<Outgoing<'_>> {
        self.say_mixed(frame, &Csrcs::new());
        self.packet()
    }

    /// Takes the next 10 ms for the peer, to which others have contributed; then ask for [`Port::packet`].
    pub(crate) fn say_mixed(&mut self, frame: &[i16; FRAME_SAMPLES], csrcs: &Csrcs) {
        if self.goes_somewhere() {
            self.sender.gather(&stream::encoded(self.codec(), frame), csrcs);
        }
    }

    /// The same with a frame that is encoded already, in the codec that the port [sends](Self::codec):
    /// many hear the same.
    pub(crate) fn say_encoded(&mut self, frame: &[u8; FRAME_SAMPLES], csrcs: &Csrcs) {
        if self.goes_somewhere() {
            self.sender.gather(frame, csrcs);
        }
    }

    /// Whether the next 10 ms go anywhere. If not they pass unsaid, so that the clock stays true.
    fn goes_somewhere(&mut self) -> bool {
        self.to = self.destination();
        if self.to.is_none() {
            self.sender.skip(1);
        }
        self.to.is_some()
    }

    /// The packet that is full with what was said last, unless it was meant for an address that has changed since.
    pub(crate) fn packet(&mut self) -> Option<Outgoing<'_>> {
        if !self.sender.is_full() {
            return None;
        }
        let to = self.to?;
        let bytes = self.sender.packet()?;
        Some(counted(&mut self.counts, &mut self.control, to, bytes))
    }

    /// Whether its packets are a whole number of rounds, and go out with them.
    pub(crate) fn goes_by_rounds(&self) -> bool {
        self.sender.goes_by_rounds()
    }

    /// Whether a report is due: ask once a tick, after [`Port::say`].
    pub fn reports(&self, now: Instant) -> bool {
        self.control.is_due(now)
    }

    /// The report that is due, if there is an address to send it to (RFC 3550 §6.3). Does not allocate.
    pub fn report_rtcp<'o>(
        &mut self,
        now: Instant,
        out: &'o mut [u8; RTCP_BYTES_MAX],
    ) -> Option<Outgoing<'o>> {
        self.report_citing(now, None, out)
    }

    /// The same with what a conference tells of others; `cited` comes with the place of this leg.
    pub(crate) fn report_citing<'o>(
        &mut self,
        now: Instant,
        cited: Option<(&Cited, usize)>,
        out: &'o mut [u8; RTCP_BYTES_MAX],
    ) -> Option<Outgoing<'o>> {
        let ours = self.ours();
        let bytes = self.control.report(now, &ours, cited, out);
        let (channel, to) = self.transport.rtcp_destination()?;
        self.counts.rtcp_sent += 1;
        Some(Outgoing { channel, to, bytes })
    }

    /// What to send when the leg ends: the last report, with BYE (RFC 3550 §6.3.7).
    pub fn goodbye<'o>(
        &mut self,
        now: Instant,
        out: &'o mut [u8; RTCP_BYTES_MAX],
    ) -> Option<Outgoing<'o>> {
        self.goodbye_citing(now, None, out)
    }

    /// The same with what a conference tells of others.
    pub(crate) fn goodbye_citing<'o>(
        &mut self,
        now: Instant,
        cited: Option<(&Cited, usize)>,
        out: &'o mut [u8; RTCP_BYTES_MAX],
    ) -> Option<Outgoing<'o>> {
        let ours = self.ours();
        let (channel, to) = self.transport.rtcp_destination()?;
        let bytes = self.control.goodbye(now, &ours, cited, out)?;
        self.counts.rtcp_sent += 1;
        Some(Outgoing { channel, to, bytes })
    }

    /// The SSRC that it sends under.
    pub(crate) const fn ssrc(&self) -> u32 {
        self.sender.ssrc()
    }

    /// Its RTCP.
    pub(crate) const fn control(&self) -> &Control {
        &self.control
    }

    /// Whether a source of the peer has gone since this was asked last.
    pub(crate) const fn source_has_left(&mut self) -> bool {
        self.control.has_left()
    }

    /// Counts that the leg was muted because of a loop.
    pub(crate) const fn count_loop(&mut self) {
        self.counts.loops += 1;
    }

    fn ours(&self) -> Ours {
        Ours {
            ssrc: self.sender.ssrc(),
            timestamp: self.sender.timestamp(),
            late: self.receiver.counters().late,
            buffered: self.receiver.delay() + PACKET,
        }
    }

    /// What it sends.
    pub(crate) const fn codec(&self) -> Codec {
        self.sender.format().codec
    }

    /// Where the next 10 ms go to.
    fn destination(&mut self) -> Option<SocketAddr> {
        let destination = match self.stream.direction.sends() {
            true => self.transport.destination(),
            false => Destination::Nowhere,
        };
        match destination {
            Destination::To(to) => Some(to),
            Destination::Nowhere => None,
            Destination::Withheld => {
                self.counts.withheld_frames += 1;
                None
            }
        }
    }

    /// Passes over what the peer says in a round that is not mixed.
    pub(crate) fn pass_over(&mut self, at: Instant) {
        for _ in 0..ROUND_FRAMES {
            self.hear(at);
        }
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
        report.quality = *self.control.quality();
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
    fn take(
        &mut self,
        now: Instant,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    ) -> (Verdict, &mut u64) {
        // RFC 5761 §4. Where the two are apart, RTP may have payload types that look like RTCP.
        let looks_like_rtcp = rtp::is_rtcp(bytes) && !self.receiver.takes(bytes[1] & 0x7F);
        if channel == Channel::Rtcp || looks_like_rtcp {
            return self.take_rtcp(now, channel, from, bytes);
        }
        let counts = &mut self.counts;
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
        if packet.header.ssrc == self.sender.ssrc() {
            match self.control.clash(now, from, self.sender.ssrc()) {
                Clash::Collision => {
                    counts.collisions += 1;
                    self.sender.rename(&mut self.rng);
                }
                Clash::Loop => return (Verdict::Dropped, &mut counts.dropped_looped),
            }
        }
        self.control.received(now, &packet);
        if !self.stream.direction.receives() {
            return (Verdict::Dropped, &mut counts.dropped_held);
        }
        // What the jitter buffer makes of it is in its own counters.
        let _ = self.receiver.insert(now, &packet);
        (Verdict::Received, &mut counts.received)
    }

    fn take_rtcp(
        &mut self,
        now: Instant,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    ) -> (Verdict, &mut u64) {
        let Ok(compound) = Compound::parse(bytes) else {
            return (Verdict::Dropped, &mut self.counts.dropped_malformed);
        };
        match self.transport.note_rtcp(now, channel, from) {
            Origin::Peer => {}
            Origin::Stranger => return (Verdict::Dropped, &mut self.counts.dropped_foreign),
        }
        let ours = self.ours();
        let told = self.control.handle(now, bytes.len(), &compound, &ours);
        if told.has_our_ssrc {
            match self.control.clash(now, from, ours.ssrc) {
                Clash::Collision => {
                    self.counts.collisions += 1;
                    self.sender.rename(&mut self.rng);
                }
                Clash::Loop => return (Verdict::Dropped, &mut self.counts.dropped_looped),
            }
        }
        (Verdict::Rtcp, &mut self.counts.rtcp)
    }
}

/// How many packets a leg may bring: as many as a phone with the shortest packets and a queue behind it. What is
/// above costs a look at the clock, no more.
#[derive(Debug)]
struct Budget {
    /// Packets that it may bring now, in thousandths.
    millis: u64,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spent {
    Yes,
    TooMuch,
}

impl Budget {
    const fn new(now: Instant) -> Self {
        Self { millis: PACKETS_AT_ONCE_MAX * 1_000, at: now }
    }

    fn spend(&mut self, now: Instant) -> Spent {
        let micros = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        let earned = micros.saturating_mul(PACKETS_PER_SECOND_MAX) / 1_000;
        if earned > 0 {
            self.at = now;
            self.millis = self.millis.saturating_add(earned).min(PACKETS_AT_ONCE_MAX * 1_000);
        }
        match self.millis.checked_sub(1_000) {
            Some(left) => {
                self.millis = left;
                Spent::Yes
            }
            None => Spent::TooMuch,
        }
    }
}

/// A packet of sound on its way, counted where that is told.
fn counted<'b>(
    counts: &mut PortReport,
    control: &mut Control,
    to: SocketAddr,
    bytes: &'b [u8],
) -> Outgoing<'b> {
    counts.sent += 1;
    counts.sent_bytes += bytes.len() as u64;
    control.sent(payload_bytes(bytes));
    Outgoing { channel: Channel::Rtp, to, bytes }
}

/// Bytes behind the header of a packet of ours.
fn payload_bytes(packet: &[u8]) -> usize {
    let csrcs = packet.first().map_or(0, |first| usize::from(first & 0x0F));
    packet.len().saturating_sub(rtp::HEADER_BYTES + 4 * csrcs)
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

/// What a leg may bring for long: packets of 10 ms, events and RTCP beside them, and a clock that runs away.
const PACKETS_PER_SECOND_MAX: u64 = 300;

/// What it may bring at once: packets of 10 ms after a second in which the network stood still.
const PACKETS_AT_ONCE_MAX: u64 = 128;

/// What a packet waits for until it is full; most have 20 ms.
const PACKET: std::time::Duration = std::time::Duration::from_millis(20);
