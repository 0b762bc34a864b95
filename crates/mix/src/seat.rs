//! A leg's place in its conference.

use std::net::SocketAddr;

use audio::Limiter;
use audio::prompt::Player;
use units::Instant;

use crate::FRAME_SAMPLES;
use crate::control::RTCP_BYTES_MAX;
use crate::heard::Voice;
use crate::message::{ConferenceKey, Event, PortId};
use crate::port::Port;
use crate::shard::{Farewell, Notices, Sink};
use crate::sources::Cited;

/// A port and its part in the current frame.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: PortId,
    pub(crate) port: Port,
    pub(crate) voice: Voice,
    /// What it added to the total, if it is heard.
    pub(crate) own: Option<[i16; FRAME_SAMPLES]>,
    /// Of what it hears while it is heard itself.
    pub(crate) limiter: Limiter,
    /// What it alone is told just now.
    pub(crate) prompt: Option<Player>,
    /// The latch that was last told.
    pub(crate) latch_told: Option<SocketAddr>,
    /// Until when it is muted because it brings back what came from here.
    pub(crate) loops_until: Option<Instant>,
    /// Whether a report was made that was not told yet.
    pub(crate) was_measured: bool,
}

impl Seat {
    pub(crate) const fn new(id: PortId, port: Port) -> Self {
        Self {
            id,
            port,
            voice: Voice::new(),
            own: None,
            limiter: Limiter::new(),
            prompt: None,
            latch_told: None,
            loops_until: None,
            was_measured: false,
        }
    }

    /// See [`crate::message::Action::MutePort`].
    pub(crate) const fn mute(&mut self, is_muted: bool) {
        self.voice.mute(is_muted);
    }

    /// See [`crate::message::StreamSpec::apart`].
    pub(crate) const fn is_apart(&self) -> bool {
        self.port.specs().1.apart
    }

    /// Whether it is muted because of a loop.
    pub(crate) fn is_cut(&self, now: Instant) -> bool {
        self.loops_until.is_some_and(|until| now < until)
    }

    pub(crate) fn lent(&self) -> u32 {
        self.port.specs().0.lent
    }

    /// Sends the packet that is full, if there is one.
    pub(crate) fn send(&mut self, sink: &mut impl Sink) {
        let lent = self.lent();
        if let Some(packet) = self.port.packet() {
            sink.send(lent, packet.channel, packet.to, packet.bytes);
        }
    }

    /// What its peer is told when the leg ends.
    pub(crate) fn farewell(&mut self, now: Instant, cited: (&Cited, usize)) -> Option<Farewell> {
        let mut out = [0; RTCP_BYTES_MAX];
        let lent = self.lent();
        let cited = (!self.is_apart()).then_some(cited);
        let packet = self.port.goodbye_citing(now, cited, &mut out)?;
        let (channel, to, bytes) = (packet.channel, packet.to, packet.bytes.to_vec());
        Some(Farewell { lent, channel, to, bytes })
    }

    /// Tells what has come to pass at it. What finds no place is told in a later tick.
    pub(crate) fn notice(
        &mut self,
        now: Instant,
        conference: ConferenceKey,
        notices: &mut Notices<'_>,
    ) {
        let port = self.id;
        let latched = self.port.latched();
        if let Some(remote) = latched
            && latched != self.latch_told
            && notices.push(Event::Latched { conference, port, remote })
        {
            self.latch_told = latched;
        }
        if self.was_measured
            && notices.push(Event::Measured { conference, port, report: self.port.report() })
        {
            self.was_measured = false;
        }
        if let Some(is_talking) = self.voice.news()
            && notices.push(Event::Talking { conference, port, is_talking })
        {
            self.voice.told();
        }
        if let Some(press) = self.port.key()
            && notices.push(Event::KeyPressed {
                conference,
                port,
                key: press.key,
                for_ms: press.for_ms,
            })
        {
            self.port.key_told();
        }
        if let Some(for_ms) = self.port.silent_for_ms(now)
            && notices.push(Event::Silent { conference, port, for_ms })
        {
            self.port.silence_told(now);
        }
    }
}
