//! One conference: everyone hears all the others.

use std::net::SocketAddr;
use std::time::Duration;

use units::Instant;

use audio::Limiter;
use audio::prompt::Player;

use crate::FRAME_SAMPLES;
use crate::control::RTCP_BYTES_MAX;
use crate::heard::{self, Voice};
use crate::message::{Codec, ConferenceKey, Epoch, Event, PortId, Prompt};
use crate::port::Port;
use crate::shard::{Farewell, Notices, Sink};
use crate::sources::{Cited, Contributors, Csrcs};
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
    /// What all are told just now.
    prompt: Option<Player>,
    /// Everything that is heard in this tick.
    total: [i32; FRAME_SAMPLES],
    /// Of what those hear who are not heard themselves.
    limiter: Limiter,
    /// Whose sound is in this tick.
    contributors: Contributors,
    /// Of whom reports tell.
    cited: Cited,
    /// For tests: so many ticks until a fault strikes.
    fault_in_ticks: Option<u32>,
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
    /// What it alone is told just now.
    prompt: Option<Player>,
    /// The latch that was last told.
    latch_told: Option<SocketAddr>,
    /// Until when it is muted because it brings back what came from here.
    loops_until: Option<Instant>,
    /// Whether a report was made that was not told yet.
    was_measured: bool,
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
    const fn is_apart(&self) -> bool {
        self.port.specs().1.apart
    }

    /// Whether it is muted because of a loop.
    fn is_cut(&self, now: Instant) -> bool {
        self.loops_until.is_some_and(|until| now < until)
    }

    fn lent(&self) -> u32 {
        self.port.specs().0.lent
    }
}

impl Conference {
    /// A conference without legs, of which at most `places` are heard at a time.
    pub(crate) fn new(key: ConferenceKey, epoch: Epoch, places: usize) -> Self {
        Self {
            key,
            epoch,
            seats: Vec::new(),
            ports_count: 0,
            places,
            prompt: None,
            total: [0; FRAME_SAMPLES],
            limiter: Limiter::new(),
            contributors: Contributors::new(),
            cited: Cited::new(),
            fault_in_ticks: None,
        }
    }

    /// For tests: after so many ticks there is a fault.
    pub(crate) const fn fail_after(&mut self, ticks: u32) {
        self.fault_in_ticks = Some(ticks);
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

    /// Takes a port out, and says what its peer is to be told at the end (RFC 3550 §6.3.7).
    pub(crate) fn remove(
        &mut self,
        now: Instant,
        place: usize,
    ) -> Option<(Box<Seat>, Option<Farewell>)> {
        let mut seat = self.seats.get_mut(place)?.take()?;
        self.ports_count -= 1;
        let farewell = farewell(now, &mut seat, (&self.cited, place));
        // RFC 3550 §7.3: the others are told of it with their next reports.
        self.cited.gone(now, place);
        Some((seat, farewell))
    }

    /// What all are to be told when the conference ends.
    pub(crate) fn farewells(&mut self, now: Instant) -> Vec<Farewell> {
        let Self { seats, cited, .. } = self;
        let seats = seats.iter_mut().enumerate();
        seats.filter_map(|(place, seat)| farewell(now, seat.as_mut()?, (&*cited, place))).collect()
    }

    /// Plays a prompt to all.
    pub(crate) const fn play(&mut self, prompt: Prompt) {
        self.prompt = Some(Player::new(prompt.tune()));
    }

    /// Plays a prompt to one.
    pub(crate) fn play_to(&mut self, place: usize, prompt: Prompt) {
        let Some(seat) = self.seats.get_mut(place).and_then(Option::as_mut) else { return };
        if seat.own.is_none() && seat.prompt.is_none() {
            // What he hears goes on as loud as it was.
            seat.limiter = self.limiter.clone();
        }
        seat.prompt = Some(Player::new(prompt.tune()));
    }

    /// Lets `ticks` times 10 ms pass in which nothing was mixed.
    pub(crate) fn skip(&mut self, ticks: u32) {
        for seat in self.seats.iter_mut().flatten() {
            seat.port.skip(ticks);
        }
    }

    /// Mixes the 10 ms that are due `now`.
    pub(crate) fn tick(&mut self, now: Instant, sink: &mut impl Sink, notices: &mut Notices<'_>) {
        if let Some(left) = &mut self.fault_in_ticks {
            *left = left.checked_sub(1).expect("a fault that was asked for");
        }
        self.listen(now);
        self.speak(sink);
        self.report(now, sink);
        self.notice(now, notices);
    }

    /// Sums what those say who are heard.
    fn listen(&mut self, now: Instant) {
        for seat in self.seats.iter_mut().flatten() {
            let is_kept_out = seat.is_cut(now) || seat.is_apart();
            let frame = seat.port.hear(now);
            seat.voice.listen(frame.filter(|_| !is_kept_out));
        }
        heard::choose(&mut self.seats, self.places, |seat| Some(&mut seat.as_mut()?.voice));
        self.total.fill(0);
        self.contributors = Contributors::new();
        for place in 0..self.seats.len() {
            self.contribute(now, place);
        }
        let mut tone = [0; FRAME_SAMPLES];
        if next_of(&mut self.prompt, &mut tone) {
            audio::mix::add(&mut self.total, &tone);
        }
    }

    /// Adds what one leg says to the sum, if it is heard.
    fn contribute(&mut self, now: Instant, place: usize) {
        let Some(seat) = self.seats[place].as_mut() else { return };
        let was_heard = seat.own.is_some();
        seat.own = seat.voice.contribution().copied();
        if seat.own.is_none() {
            return;
        }
        if self.brings_back(place) {
            let Some(seat) = self.seats[place].as_mut() else { return };
            seat.own = None;
            seat.loops_until = Some(now + LOOP_CUT_FOR);
            seat.port.count_loop();
            return;
        }
        let Self { seats, contributors, cited, total, limiter, .. } = self;
        let Some(seat) = seats[place].as_mut() else { return };
        let control = seat.port.control();
        // RFC 3550 §7.4: of what was mixed before, those whose sound is in it; else the source itself.
        let whole = control.csrcs().is_empty().then(|| control.ssrc()).flatten();
        for ssrc in control.csrcs().iter().copied().chain(whole) {
            contributors.add(ssrc, place);
            if let Some(name) = control.name_of(ssrc) {
                cited.cite(now, (ssrc, place), name);
            }
        }
        if let Some(own) = &seat.own {
            audio::mix::add(total, own);
            if !was_heard {
                // What he hears goes on as loud as it was.
                seat.limiter = limiter.clone();
            }
        }
    }

    /// Whether the peer's mix has in it what came from this conference: RFC 3550 §8.2. It is a mixer, and by its own
    /// word somebody is in it who is in here by himself, or whom another leg has brought already.
    fn brings_back(&self, place: usize) -> bool {
        let Some(seat) = &self.seats[place] else { return false };
        let csrcs = seat.port.control().csrcs();
        !csrcs.is_empty()
            && (csrcs.iter().any(|&csrc| self.contributors.is_of_other(csrc, place))
                || self.seats.iter().flatten().any(|other| {
                    csrcs.contains(&other.port.ssrc())
                        || (other.id != seat.id
                            && other.port.control().csrcs().is_empty()
                            && other
                                .port
                                .control()
                                .ssrc()
                                .is_some_and(|ssrc| csrcs.contains(&ssrc)))
                }))
    }

    /// Gives everyone the sum without his own voice.
    fn speak(&mut self, sink: &mut impl Sink) {
        let mut frame = [0; FRAME_SAMPLES];
        self.limiter.frame(&self.total, &mut frame);
        let mut everything = Everything { frame, pcma: None, pcmu: None };
        let all = self.contributors.to(usize::MAX, None);
        for (place, seat) in self.seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            let lent = seat.lent();
            let his = seat.port.control().ssrc();
            let mut tone = [0; FRAME_SAMPLES];
            let is_told = next_of(&mut seat.prompt, &mut tone);
            let packet = match &seat.own {
                _ if seat.is_apart() => seat.port.say_mixed(&tone, &Csrcs::new()),
                own if own.is_some() || is_told => {
                    let mut others = self.total;
                    if let Some(own) = own {
                        audio::mix::subtract(&mut others, own);
                    }
                    audio::mix::add(&mut others, &tone);
                    seat.limiter.frame(&others, &mut frame);
                    seat.port.say_mixed(&frame, &self.contributors.to(place, his))
                }
                _ => {
                    let clashes = his.filter(|his| all.contains(*his));
                    let others = clashes.map(|_| self.contributors.to(place, clashes));
                    let csrcs = others.as_ref().unwrap_or(&all);
                    seat.port.say_encoded(everything.encoded(seat.port.codec()), csrcs)
                }
            };
            if let Some(packet) = packet {
                sink.send(lent, packet.channel, packet.to, packet.bytes);
            }
        }
    }

    /// Sends the reports that are due.
    fn report(&mut self, now: Instant, sink: &mut impl Sink) {
        let mut out = [0; RTCP_BYTES_MAX];
        for (place, seat) in self.seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            if seat.port.source_has_left() {
                self.cited.gone(now, place);
            }
            if !seat.port.reports(now) {
                continue;
            }
            let lent = seat.lent();
            let cited = (!seat.is_apart()).then_some((&self.cited, place));
            if let Some(packet) = seat.port.report_citing(now, cited, &mut out) {
                sink.send(lent, packet.channel, packet.to, packet.bytes);
            }
            seat.was_measured = true;
        }
        self.cited.tidy(now);
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
            if seat.was_measured
                && notices.push(Event::Measured { conference, port, report: seat.port.report() })
            {
                seat.was_measured = false;
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

/// The next 10 ms of a prompt, if one plays; it is taken away when it is over.
fn next_of(prompt: &mut Option<Player>, tone: &mut [i16; FRAME_SAMPLES]) -> bool {
    let plays = prompt.as_mut().is_some_and(|player| player.next(tone));
    if !plays {
        *prompt = None;
    }
    plays
}

/// What a peer is told when his leg ends.
fn farewell(now: Instant, seat: &mut Seat, cited: (&Cited, usize)) -> Option<Farewell> {
    let mut out = [0; RTCP_BYTES_MAX];
    let lent = seat.lent();
    let cited = (!seat.is_apart()).then_some(cited);
    let packet = seat.port.goodbye_citing(now, cited, &mut out)?;
    let (channel, to, bytes) = (packet.channel, packet.to, packet.bytes.to_vec());
    Some(Farewell { lent, channel, to, bytes })
}

/// So long a leg in a loop is muted until it is tried again: two reports, in which the peer says who is in it.
const LOOP_CUT_FOR: Duration = Duration::from_secs(10);

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
