//! The other side: a terminal with its machine, its media sockets and a tone for a voice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sip::{Arrival, FlowId, Packet, Source, Transport};
use ua::{
    Answerer, AnswererEvent, AnswererOutput, Channel, Convener, ConvenerOutput, FRAME_SAMPLES,
    MediaNotice, Phone, PhoneCommand, PhoneNews, PhoneOutput, Purpose, SlotId, Step, Voice,
};
use units::{Instant, Rng, soonest};

use crate::network::{Datagram, Kind};

/// The kinds of terminals.
#[derive(Debug)]
pub(crate) enum Machine {
    Convener(Box<Convener>),
    Answerer(Box<Answerer>),
    Phone(Box<Phone>),
}

/// What a machine wanted, all kinds alike.
enum Wanted {
    Send(Packet),
    Media(MediaNotice),
    Step(Step),
    Event(AnswererEvent),
    News(PhoneNews),
    Resolve,
}

/// A call's voice, and for what it is.
#[derive(Debug)]
struct Talk {
    voice: Voice,
    purpose: Purpose,
}

/// A terminal and what it has heard.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) name: &'static str,
    /// The pitch of its voice.
    pub(crate) tone_hz: f64,
    pub(crate) sip: SocketAddr,
    /// Its media sockets, by slot.
    pub(crate) slots: Vec<SocketAddr>,
    machine: Machine,
    talks: BTreeMap<SlotId, Talk>,
    /// When the next 10 ms of sound are due, while there is a talk.
    tick_at: Option<Instant>,
    played: u64,
    /// Whether it neither speaks nor listens: where many are in, and nobody asks what they hear.
    pub(crate) is_soundless: bool,
    /// What it heard in the conference while `listening`: i16, mono, 8 kHz.
    pub(crate) heard: Vec<i16>,
    pub(crate) listening: bool,
    pub(crate) steps: Vec<(Instant, Step)>,
    pub(crate) events: Vec<(Instant, AnswererEvent)>,
    pub(crate) news: Vec<(Instant, PhoneNews)>,
    pub(crate) out: Vec<(Kind, Datagram)>,
    rng: Rng,
}

impl Terminal {
    pub(crate) fn new(
        (name, tone_hz): (&'static str, f64),
        sip: SocketAddr,
        slots: Vec<SocketAddr>,
        machine: Machine,
        rng: Rng,
    ) -> Self {
        Self {
            name,
            tone_hz,
            sip,
            slots,
            machine,
            talks: BTreeMap::new(),
            tick_at: None,
            played: 0,
            is_soundless: false,
            heard: Vec::new(),
            listening: false,
            steps: Vec::new(),
            events: Vec::new(),
            news: Vec::new(),
            out: Vec::new(),
            rng,
        }
    }

    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        self.sip.ip() == address.ip()
    }

    /// Whether a call to the conference is up.
    pub(crate) fn is_in_conference(&self) -> bool {
        self.talks.values().any(|talk| talk.purpose == Purpose::Conference)
    }

    /// The conference that it is in.
    pub(crate) fn conference(&self) -> Option<sip::Uri> {
        self.steps.iter().find_map(|(_, step)| match step {
            Step::Joined { conference } => Some(conference.clone()),
            _ => None,
        })
    }

    /// What it was told last of who is in.
    pub(crate) fn roster(&self) -> Option<&ua::Roster> {
        self.steps.iter().rev().find_map(|(_, step)| match step {
            Step::Roster(roster) => Some(&**roster),
            _ => None,
        })
    }

    /// Whether nothing is left of any call.
    pub(crate) fn is_finished(&self) -> bool {
        let finished = match &self.machine {
            Machine::Convener(_) => {
                self.steps.iter().any(|(_, step)| matches!(step, Step::Finished))
            }
            Machine::Answerer(_) => {
                self.events.iter().any(|(_, event)| matches!(event, AnswererEvent::Finished))
            }
            Machine::Phone(_) => {
                self.news.iter().any(|(_, news)| matches!(news, PhoneNews::Finished))
            }
        };
        finished && self.talks.is_empty()
    }

    pub(crate) fn leave(&mut self, now: Instant) {
        match &mut self.machine {
            Machine::Convener(convener) => convener.leave(now),
            Machine::Answerer(answerer) => answerer.hang_up_all(now),
            Machine::Phone(phone) => phone.stop(now),
        }
        self.settle(now);
    }

    /// What a person wants of a phone; other terminals take no commands.
    pub(crate) fn command(&mut self, now: Instant, command: PhoneCommand) {
        match &mut self.machine {
            Machine::Phone(phone) => phone.command(now, command),
            Machine::Convener(_) | Machine::Answerer(_) => {}
        }
        self.settle(now);
    }

    /// How many calls are up.
    pub(crate) fn talks(&self) -> usize {
        self.talks.len()
    }

    pub(crate) fn receive(&mut self, now: Instant, datagram: Datagram) {
        if datagram.to == self.sip {
            let path = Source {
                transport: Transport::Udp,
                local: self.sip,
                remote: datagram.from,
                flow: FlowId::NONE,
            };
            let packet = Packet { path, bytes: datagram.bytes };
            match &mut self.machine {
                Machine::Convener(convener) => convener.handle_packet(now, packet),
                Machine::Answerer(answerer) => answerer.handle_packet(now, packet),
                Machine::Phone(phone) => phone.handle_packet(now, packet),
            }
            self.settle(now);
        } else if let Some(slot) = self.slots.iter().position(|&slot| slot == datagram.to)
            && let Some(talk) = self.talks.get_mut(&SlotId(slot))
        {
            talk.voice.handle_packet(now, Channel::Rtp, datagram.from, &datagram.bytes);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let machine = match &self.machine {
            Machine::Convener(convener) => convener.deadline(),
            Machine::Answerer(answerer) => answerer.deadline(),
            Machine::Phone(phone) => phone.deadline(),
        };
        soonest(machine, self.tick_at)
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) {
        match &mut self.machine {
            Machine::Convener(convener) => convener.handle_deadline(now),
            Machine::Answerer(answerer) => answerer.handle_deadline(now),
            Machine::Phone(phone) => phone.handle_deadline(now),
        }
        self.settle(now);
        if self.tick_at.is_some_and(|at| at <= now) {
            self.tick(now);
        }
    }

    fn tick(&mut self, now: Instant) {
        let frame = self.play();
        for (slot, talk) in &mut self.talks {
            let mut heard = [0; FRAME_SAMPLES];
            let from = self.slots[slot.0];
            let out = &mut self.out;
            talk.voice.tick(now, Some(&frame), &mut heard, &mut |_, to, bytes| {
                out.push((Kind::Media, Datagram { from, to, bytes: bytes.to_vec() }));
            });
            if self.listening && talk.purpose == Purpose::Conference {
                self.heard.extend_from_slice(&heard);
            }
        }
        self.tick_at = (!self.talks.is_empty()).then(|| now + Duration::from_millis(10));
    }

    /// The next 10 ms of this terminal's tone, at -12 dBFS: sixteen of them do not clip.
    fn play(&mut self) -> [i16; FRAME_SAMPLES] {
        std::array::from_fn(|_| {
            self.played += 1;
            let turns = self.played as f64 * self.tone_hz / 8_000.0;
            let sample = (turns * std::f64::consts::TAU).sin() * 8_231.0;
            #[expect(clippy::cast_possible_truncation, reason = "at most 8231")]
            let sample = sample as i16;
            sample
        })
    }

    fn wanted(&mut self) -> Option<Wanted> {
        match &mut self.machine {
            Machine::Convener(convener) => convener.poll_output().map(|output| match output {
                ConvenerOutput::Send(packet) => Wanted::Send(packet),
                ConvenerOutput::Media(notice) => Wanted::Media(notice),
                ConvenerOutput::Step(step) => Wanted::Step(step),
                ConvenerOutput::Resolve { .. } => Wanted::Resolve,
            }),
            Machine::Answerer(answerer) => answerer.poll_output().map(|output| match output {
                AnswererOutput::Send(packet) => Wanted::Send(packet),
                AnswererOutput::Media(notice) => Wanted::Media(notice),
                AnswererOutput::Event(event) => Wanted::Event(event),
                AnswererOutput::Resolve { .. } => Wanted::Resolve,
            }),
            Machine::Phone(phone) => phone.poll_output().map(|output| match output {
                PhoneOutput::Send(packet) => Wanted::Send(packet),
                PhoneOutput::Media(notice) => Wanted::Media(notice),
                PhoneOutput::News(news) => Wanted::News(news),
                PhoneOutput::Resolve { .. } => Wanted::Resolve,
            }),
        }
    }

    /// Does what the machine wants until it wants nothing more.
    pub(crate) fn settle(&mut self, now: Instant) {
        while let Some(wanted) = self.wanted() {
            match wanted {
                // There are no connections in this world: whoever asks for one has no luck.
                Wanted::Send(packet) if packet.path.transport.is_reliable() => {
                    let refused = Arrival::Refused(packet.path);
                    match &mut self.machine {
                        Machine::Convener(convener) => convener.handle_arrival(now, refused),
                        Machine::Answerer(answerer) => answerer.handle_arrival(now, refused),
                        Machine::Phone(phone) => phone.handle_arrival(now, refused),
                    }
                }
                Wanted::Send(packet) => {
                    let (from, to) = (packet.path.local, packet.path.remote);
                    self.out.push((Kind::Signalling, Datagram { from, to, bytes: packet.bytes }));
                }
                Wanted::Media(notice) => self.media(now, notice),
                Wanted::Step(step) => self.steps.push((now, step)),
                Wanted::Event(event) => self.events.push((now, event)),
                Wanted::News(news) => self.news.push((now, news)),
                // All hosts of this world are numbers.
                Wanted::Resolve => {}
            }
        }
    }

    fn media(&mut self, now: Instant, notice: MediaNotice) {
        match notice {
            MediaNotice::Started { slot, media, signalling, purpose } => {
                let voice = Voice::new(now, &media, signalling, self.rng.fork())
                    .expect("invariant: what was negotiated can be played");
                self.talks.insert(slot, Talk { voice, purpose });
                self.tick_at = self.tick_at.or((!self.is_soundless).then_some(now));
            }
            MediaNotice::Changed { slot, media } => {
                if let Some(talk) = self.talks.get_mut(&slot) {
                    talk.voice
                        .update(now, &media)
                        .expect("invariant: what was negotiated can be played");
                }
            }
            // Who mutes himself is not listened for here.
            MediaNotice::Muted { .. } => {}
            MediaNotice::Stopped { slot } => {
                if let Some(mut talk) = self.talks.remove(&slot) {
                    let (from, out) = (self.slots[slot.0], &mut self.out);
                    talk.voice.goodbye(now, &mut |_, to, bytes| {
                        out.push((Kind::Media, Datagram { from, to, bytes: bytes.to_vec() }));
                    });
                }
                if self.talks.is_empty() {
                    self.tick_at = None;
                }
            }
        }
    }
}
