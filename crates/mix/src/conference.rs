//! One conference: everyone hears all the others.

use std::time::Duration;

use units::Instant;

use audio::Limiter;
use audio::prompt::Player;

use crate::control::RTCP_BYTES_MAX;
use crate::heard;
use crate::message::{ConferenceKey, Epoch, PortId, Prompt, Refused, StreamSpec, TransportSpec};
use crate::mixed::Mixed;
use crate::seat::{Seat, next_of};
use crate::shard::{Farewell, Notices, Sink};
use crate::sources::{Cited, Contributors};
use crate::{ROUND_FRAMES, TICK};

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
    /// In which of the shard's ticks it is mixed.
    phase: usize,
    /// Ticks that have passed, mixed or left out; a round begins in those that are a multiple of [`ROUND_FRAMES`].
    ticks: u64,
    /// When the last round was due.
    mixed_at: Option<Instant>,
    /// Whether a packet waits for the tick that its last frame is of.
    has_held: bool,
    /// What all are told just now.
    prompt: Option<Player>,
    /// Of what those hear who are not heard themselves.
    limiter: Limiter,
    /// Of whom reports tell.
    cited: Cited,
    /// For tests: so many ticks until a fault strikes.
    fault_in_ticks: Option<u32>,
}

impl Conference {
    /// A conference without legs, of which at most `places` are heard at a time. It is mixed in those of the shard's ticks,
    /// of which so many have passed, that are of this phase.
    pub(crate) fn new(
        key: ConferenceKey,
        epoch: Epoch,
        places: usize,
        (phase, shard_ticks): (usize, u64),
    ) -> Self {
        Self {
            key,
            epoch,
            seats: Vec::new(),
            ports_count: 0,
            places,
            phase,
            ticks: (shard_ticks + phase as u64) % ROUND_TICKS,
            mixed_at: None,
            has_held: false,
            prompt: None,
            limiter: Limiter::new(),
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

    /// In which of the shard's ticks it is mixed.
    pub(crate) const fn phase(&self) -> usize {
        self.phase
    }

    /// When a packet came, of which the kernel says that it came at `at`. What was not read before a round could not be
    /// played in it: for the jitter buffer it came after that. Else it would starve again and again, and not know why.
    pub(crate) fn taken_at(&self, at: Instant) -> Instant {
        self.mixed_at.map_or(at, |mixed_at| at.max(mixed_at))
    }

    /// Changes a port; its packets begin with a round, if they are as long as one or more.
    pub(crate) fn update(
        &mut self,
        now: Instant,
        place: usize,
        transport: TransportSpec,
        stream: StreamSpec,
    ) -> Result<(), Refused> {
        let position = self.position();
        let port = &mut self.seat_mut(place).ok_or(Refused::NoSuchPort)?.port;
        let ptime_ms = port.specs().1.send.ptime_ms;
        port.update(now, transport, stream)?;
        if port.specs().1.send.ptime_ms != ptime_ms {
            port.align(position);
        }
        Ok(())
    }

    /// Puts a port in the first free place, and says which.
    pub(crate) fn add(&mut self, mut seat: Box<Seat>) -> usize {
        seat.port.align(self.position());
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
        let farewell = seat.farewell(now, (&self.cited, place));
        // RFC 3550 §7.3: the others are told of it with their next reports.
        self.cited.gone(now, place);
        Some((seat, farewell))
    }

    /// What all are to be told when the conference ends.
    pub(crate) fn farewells(&mut self, now: Instant) -> Vec<Farewell> {
        let Self { seats, cited, .. } = self;
        let seats = seats.iter_mut().enumerate();
        seats.filter_map(|(place, seat)| seat.as_mut()?.farewell(now, (&*cited, place))).collect()
    }

    /// Plays a prompt to all.
    pub(crate) const fn play(&mut self, prompt: Prompt) {
        self.prompt = Some(Player::new(prompt.tune()));
    }

    /// Plays a prompt to one.
    pub(crate) fn play_to(&mut self, place: usize, prompt: Prompt) {
        let Some(seat) = self.seats.get_mut(place).and_then(Option::as_mut) else { return };
        if !seat.was_heard() && seat.prompt.is_none() {
            // What he hears goes on as loud as it was.
            seat.limiter = self.limiter.clone();
        }
        seat.prompt = Some(Player::new(prompt.tune()));
    }

    /// Lets `ticks` times 10 ms pass before `due` in which nothing is mixed. If they are few, what the legs said in them is
    /// passed over: a shard that has too much to do would have the more to do if it had to shorten all of it bit by bit.
    pub(crate) fn skip(&mut self, due: Instant, ticks: u32) {
        let before = self.frames_begun();
        if ticks <= PASSED_OVER_MAX {
            for left in (1..=ticks).rev() {
                self.pass_over(due - TICK.saturating_mul(left));
            }
        } else {
            self.ticks += u64::from(ticks);
        }
        let frames = u32::try_from(self.frames_begun() - before).unwrap_or(u32::MAX);
        self.has_held = false;
        for seat in self.seats.iter_mut().flatten() {
            seat.port.skip(frames);
        }
    }

    /// Lets a tick pass that was due at `at`, and what is said in it.
    fn pass_over(&mut self, at: Instant) {
        if self.ticks.is_multiple_of(ROUND_TICKS) {
            self.seats.iter_mut().flatten().for_each(|seat| seat.port.pass_over(at));
        }
        self.ticks += 1;
    }

    /// Does what is due `now`: a round is mixed, or what the last one has left is sent and told.
    pub(crate) fn tick(&mut self, now: Instant, sink: &mut impl Sink, notices: &mut Notices<'_>) {
        if let Some(left) = &mut self.fault_in_ticks {
            *left = left.checked_sub(1).expect("a fault that was asked for");
        }
        if self.ticks.is_multiple_of(ROUND_TICKS) {
            self.mix(now, sink);
        } else {
            self.send_held(sink);
            self.report(now, sink);
            self.notice(now, notices);
        }
        self.ticks += 1;
    }

    /// Frames that are mixed or left out: of a round that has begun, all.
    const fn frames_begun(&self) -> u64 {
        self.ticks.next_multiple_of(ROUND_TICKS)
    }

    /// How many frames of a packet have passed, for a new leg.
    fn position(&self) -> u32 {
        u32::try_from(self.frames_begun() % POSITIONS).unwrap_or(0)
    }

    /// Mixes a round. Each leg is gone to twice, to listen and to speak: what a thousand of them have in memory is more than a
    /// core has at hand.
    fn mix(&mut self, now: Instant, sink: &mut impl Sink) {
        self.mixed_at = Some(now);
        for seat in self.seats.iter_mut().flatten() {
            seat.listen(now);
        }
        let mut round = std::array::from_fn(|frame| self.sum(now, frame));
        for (place, seat) in self.seats.iter_mut().enumerate() {
            if let Some(seat) = seat {
                self.has_held |= seat.speak(place, &mut round, sink);
            }
        }
    }

    /// Sums what those say who are heard in a frame of the round.
    fn sum(&mut self, now: Instant, frame: usize) -> Mixed {
        for seat in self.seats.iter_mut().flatten() {
            if seat.is_cut(now) || seat.is_apart() {
                seat.said[frame] = None;
            }
            seat.voice.listen(seat.said[frame].as_ref());
        }
        heard::choose(&mut self.seats, self.places, |seat| Some(&mut seat.as_mut()?.voice));
        let mut mixed = Mixed::new();
        for place in 0..self.seats.len() {
            self.contribute(now, place, (frame, &mut mixed));
        }
        if let Some(tone) = next_of(&mut self.prompt) {
            audio::mix::add(&mut mixed.total, &tone);
        }
        self.limiter.frame(&mixed.total, &mut mixed.everything.frame);
        mixed.csrcs = mixed.contributors.to(usize::MAX, None);
        mixed
    }

    /// Adds what one leg says to the sum, if it is heard.
    fn contribute(&mut self, now: Instant, place: usize, (frame, mixed): (usize, &mut Mixed)) {
        let Some(seat) = self.seats[place].as_mut() else { return };
        let was_heard = seat.own[(frame + ROUND_FRAMES - 1) % ROUND_FRAMES].is_some();
        seat.own[frame] = None;
        let Some(own) = seat.voice.contribution(seat.said[frame].as_ref()) else { return };
        if self.brings_back(place, &mixed.contributors) {
            let Some(seat) = self.seats[place].as_mut() else { return };
            seat.loops_until = Some(now + LOOP_CUT_FOR);
            seat.port.count_loop();
            return;
        }
        let Self { seats, cited, limiter, .. } = self;
        let Some(seat) = seats[place].as_mut() else { return };
        let control = seat.port.control();
        // RFC 3550 §7.4: of what was mixed before, those whose sound is in it; else the source itself.
        let whole = control.csrcs().is_empty().then(|| control.ssrc()).flatten();
        for ssrc in control.csrcs().iter().copied().chain(whole) {
            mixed.contributors.add(ssrc, place);
            if let Some(name) = control.name_of(ssrc) {
                cited.cite(now, (ssrc, place), name);
            }
        }
        audio::mix::add(&mut mixed.total, &own);
        seat.own[frame] = Some(own);
        if !was_heard {
            // What he hears goes on as loud as it was.
            seat.limiter = limiter.clone();
        }
    }

    /// Whether the peer's mix has in it what came from this conference: RFC 3550 §8.2. It is a mixer, and by its own
    /// word somebody is in it who is in here by himself, or whom another leg has brought already.
    fn brings_back(&self, place: usize, contributors: &Contributors) -> bool {
        let Some(seat) = &self.seats[place] else { return false };
        let csrcs = seat.port.control().csrcs();
        !csrcs.is_empty()
            && (csrcs.iter().any(|&csrc| contributors.is_of_other(csrc, place))
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

    /// Sends what was held.
    fn send_held(&mut self, sink: &mut impl Sink) {
        if !std::mem::take(&mut self.has_held) {
            return;
        }
        for seat in self.seats.iter_mut().flatten() {
            seat.send(sink);
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
        for seat in self.seats.iter_mut().flatten() {
            seat.notice(now, self.key, notices);
        }
    }
}

/// Ticks from one round to the next.
const ROUND_TICKS: u64 = ROUND_FRAMES as u64;

/// A multiple of every packet length in frames, 1 to 6, and of a round.
const POSITIONS: u64 = 60;

const _: () = assert!(POSITIONS.is_multiple_of(ROUND_TICKS));

/// Ticks left out at once whose sound is passed over; a machine that stood still for longer finds nothing to play anyway.
const PASSED_OVER_MAX: u32 = 10;

// What is held goes out in the one tick that follows.
const _: () = assert!(ROUND_FRAMES == 2);

/// So long a leg in a loop is muted until it is tried again: two reports, in which the peer says who is in it.
const LOOP_CUT_FOR: Duration = Duration::from_secs(10);
