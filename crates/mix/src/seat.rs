//! A leg's place in its conference.

use std::net::SocketAddr;

use audio::Limiter;
use audio::prompt::Player;
use units::Instant;

use crate::control::RTCP_BYTES_MAX;
use crate::heard::Voice;
use crate::message::{ConferenceKey, Event, PortId};
use crate::mixed::Mixed;
use crate::port::Port;
use crate::shard::{Farewell, Notices, Sink};
use crate::sources::{Cited, Csrcs};
use crate::{FRAME_SAMPLES, ROUND_FRAMES};

/// A port and its part in the current frame.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: PortId,
    pub(crate) port: Port,
    pub(crate) voice: Voice,
    /// What its peer says in each frame of this round.
    pub(crate) said: [Option<[i16; FRAME_SAMPLES]>; ROUND_FRAMES],
    /// What of it was added to the total of each, if it is heard.
    pub(crate) own: [Option<[i16; FRAME_SAMPLES]>; ROUND_FRAMES],
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
            said: [None; ROUND_FRAMES],
            own: [None; ROUND_FRAMES],
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

    /// Whether it was heard in the last frame that was mixed.
    pub(crate) const fn was_heard(&self) -> bool {
        self.own[ROUND_FRAMES - 1].is_some()
    }

    /// Takes what its peer says in a round.
    pub(crate) fn listen(&mut self, now: Instant) {
        for said in &mut self.said {
            *said = self.port.hear(now).copied();
        }
    }

    /// Gives its peer the sum without its own voice, for a round; whether a packet is held. One that is shorter than a round,
    /// or no whole number of them, is held for its own tick: two at once would look like jitter to the peer.
    pub(crate) fn speak(
        &mut self,
        place: usize,
        round: &mut [Mixed; ROUND_FRAMES],
        sink: &mut impl Sink,
    ) -> bool {
        let mut is_held = false;
        for (frame, mixed) in round.iter_mut().enumerate() {
            self.say(place, (frame, mixed));
            is_held = frame > 0 && !self.port.goes_by_rounds();
            if !is_held {
                self.send(sink);
            }
        }
        is_held
    }

    fn say(&mut self, place: usize, (frame, mixed): (usize, &mut Mixed)) {
        let his = self.port.control().ssrc();
        let tone = next_of(&mut self.prompt);
        match &self.own[frame] {
            _ if self.is_apart() => {
                self.port.say_mixed(&tone.unwrap_or([0; FRAME_SAMPLES]), &Csrcs::new());
            }
            own if own.is_some() || tone.is_some() => {
                let mut others = mixed.total;
                if let Some(own) = own {
                    audio::mix::subtract(&mut others, own);
                }
                if let Some(tone) = &tone {
                    audio::mix::add(&mut others, tone);
                }
                let mut limited = [0; FRAME_SAMPLES];
                self.limiter.frame(&others, &mut limited);
                self.port.say_mixed(&limited, &mixed.contributors.to(place, his));
            }
            _ => {
                let clashes = his.filter(|his| mixed.csrcs.contains(*his));
                let others = clashes.map(|_| mixed.contributors.to(place, clashes));
                let csrcs = others.as_ref().unwrap_or(&mixed.csrcs);
                let codec = self.port.codec();
                self.port.say_encoded(mixed.everything.encoded(codec), csrcs);
            }
        }
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

/// The next 10 ms of a prompt, if one plays; it is taken away when it is over.
pub(crate) fn next_of(prompt: &mut Option<Player>) -> Option<[i16; FRAME_SAMPLES]> {
    let player = prompt.as_mut()?;
    let mut tone = [0; FRAME_SAMPLES];
    if player.next(&mut tone) {
        return Some(tone);
    }
    *prompt = None;
    None
}
