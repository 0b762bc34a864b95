//! One conference: everyone hears all the others.

use std::net::SocketAddr;

use units::Instant;

use audio::Limiter;

use crate::FRAME_SAMPLES;
use crate::heard::{self, Voice};
use crate::message::{Codec, ConferenceKey, Epoch, Event, PortId};
use crate::port::Port;
use crate::shard::{Notices, Sink};
use crate::stream;

/// The ports of one conference, and their sum.
#[derive(Debug)]
pub(crate) struct Conference {
    pub(crate) key: ConferenceKey,
    pub(crate) epoch: Epoch,
    /// By place; a place stays the same while its port is in, and is used again after.
    seats: Vec<Option<Box<Seat>>>,
    ports_count: usize,
    /// How many are heard at a time.
    places: usize,
    /// Everything that is heard in this tick.
    total: [i32; FRAME_SAMPLES],
    /// Of what those hear who are not heard themselves.
    limiter: Limiter,
}

/// A port and its part in the current tick.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: PortId,
    pub(crate) port: Port,
    /// Which of the shard's tick phases its packets are sent in.
    pub(crate) phase: usize,
    voice: Voice,
    /// What it added to the total, if it is heard.
    own: Option<[i16; FRAME_SAMPLES]>,
    /// Of what it hears while it is heard itself.
    limiter: Limiter,
    /// The latch that was last told.
    latch_told: Option<SocketAddr>,
}

impl Seat {
    pub(crate) const fn new(id: PortId, port: Port, phase: usize) -> Self {
        Self {
            id,
            port,
            phase,
            voice: Voice::new(),
            own: None,
            limiter: Limiter::new(),
            latch_told: None,
        }
    }

    /// See [`crate::message::Action::MutePort`].
    pub(crate) const fn mute(&mut self, is_muted: bool) {
        self.voice.mute(is_muted);
    }

    fn lent(&self) -> u32 {
        self.port.specs().0.lent
    }
}

impl Conference {
    /// A conference without legs, of which at most `places` are heard at a time.
    pub(crate) const fn new(key: ConferenceKey, epoch: Epoch, places: usize) -> Self {
        Self {
            key,
            epoch,
            seats: Vec::new(),
            ports_count: 0,
            places,
            total: [0; FRAME_SAMPLES],
            limiter: Limiter::new(),
        }
    }

    pub(crate) const fn ports_count(&self) -> usize {
        self.ports_count
    }

    /// The place of a port.
    pub(crate) fn find(&self, id: PortId) -> Option<usize> {
        self.seats.iter().position(|seat| seat.as_ref().is_some_and(|seat| seat.id == id))
    }

    pub(crate) fn seat_mut(&mut self, place: usize) -> Option<&mut Seat> {
        self.seats.get_mut(place)?.as_deref_mut()
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().flatten().map(Box::as_ref)
    }

    /// Puts a port in the first free place, and says which.
    pub(crate) fn add(&mut self, seat: Box<Seat>) -> usize {
        self.ports_count += 1;
        if let Some(place) = self.seats.iter().position(Option::is_none) {
            self.seats[place] = Some(seat);
            return place;
        }
        self.seats.push(Some(seat));
        self.seats.len() - 1
    }

    pub(crate) fn remove(&mut self, place: usize) -> Option<Box<Seat>> {
        let seat = self.seats.get_mut(place)?.take()?;
        self.ports_count -= 1;
        Some(seat)
    }

    /// Lets `ticks` times 10 ms pass in which nothing was mixed.
    pub(crate) fn skip(&mut self, ticks: u32) {
        for seat in self.seats.iter_mut().flatten() {
            seat.port.skip(ticks);
        }
    }

    /// Mixes the 10 ms that are due `now`.
    pub(crate) fn tick(&mut self, now: Instant, sink: &mut impl Sink, notices: &mut Notices<'_>) {
        self.listen(now);
        self.speak(sink);
        self.notice(now, notices);
    }

    /// Sums what those say who are heard.
    fn listen(&mut self, now: Instant) {
        for seat in self.seats.iter_mut().flatten() {
            seat.voice.listen(seat.port.hear(now));
        }
        heard::choose(&mut self.seats, self.places, |seat| Some(&mut seat.as_mut()?.voice));
        self.total.fill(0);
        for seat in self.seats.iter_mut().flatten() {
            let was_heard = seat.own.is_some();
            seat.own = seat.voice.contribution().copied();
            if let Some(own) = &seat.own {
                audio::mix::add(&mut self.total, own);
                if !was_heard {
                    // What he hears goes on as loud as it was.
                    seat.limiter = self.limiter.clone();
                }
            }
        }
    }

    /// Gives everyone the sum without his own voice.
    fn speak(&mut self, sink: &mut impl Sink) {
        let mut frame = [0; FRAME_SAMPLES];
        self.limiter.frame(&self.total, &mut frame);
        let mut everything = Everything { frame, pcma: None, pcmu: None };
        for seat in self.seats.iter_mut().flatten() {
            let lent = seat.lent();
            let packet = match &seat.own {
                Some(own) => {
                    let mut others = self.total;
                    audio::mix::subtract(&mut others, own);
                    seat.limiter.frame(&others, &mut frame);
                    seat.port.say(&frame)
                }
                None => seat.port.say_encoded(everything.encoded(seat.port.codec())),
            };
            if let Some(packet) = packet {
                sink.send(lent, packet.to, packet.bytes);
            }
        }
    }

    /// Tells what has come to pass. What finds no place is told in a later tick.
    fn notice(&mut self, now: Instant, notices: &mut Notices<'_>) {
        let conference = self.key;
        for seat in self.seats.iter_mut().flatten() {
            let port = seat.id;
            let latched = seat.port.latched();
            if let Some(remote) = latched
                && latched != seat.latch_told
                && notices.push(Event::Latched { conference, port, remote })
            {
                seat.latch_told = latched;
            }
            if let Some(is_talking) = seat.voice.news()
                && notices.push(Event::Talking { conference, port, is_talking })
            {
                seat.voice.told();
            }
            if let Some(press) = seat.port.key()
                && notices.push(Event::KeyPressed {
                    conference,
                    port,
                    key: press.key,
                    for_ms: press.for_ms,
                })
            {
                seat.port.key_told();
            }
            if let Some(for_ms) = seat.port.silent_for_ms(now)
                && notices.push(Event::Silent { conference, port, for_ms })
            {
                seat.port.silence_told(now);
            }
        }
    }
}

/// What all those hear who are not heard themselves, encoded once for each codec.
struct Everything {
    frame: [i16; FRAME_SAMPLES],
    pcma: Option<[u8; FRAME_SAMPLES]>,
    pcmu: Option<[u8; FRAME_SAMPLES]>,
}

impl Everything {
    fn encoded(&mut self, codec: Codec) -> &[u8; FRAME_SAMPLES] {
        let place = match codec {
            Codec::Pcma => &mut self.pcma,
            Codec::Pcmu => &mut self.pcmu,
        };
        place.get_or_insert_with(|| stream::encoded(codec, &self.frame))
    }
}
