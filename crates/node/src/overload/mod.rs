//! More comes than can be done: who comes first, who is refused, and who gets no answer.
//!
//! What the sockets have is put in by [`Node::queue`], which takes a look at it and no more, and waits in one of six
//! lanes until [`Node::handle_waiting`] serves it. What is in a dialog (a BYE before all else, when much waits there), and then
//! about a conference that there is: first, and never refused; what has waited too long there is left to its copy, which its sender has sent meanwhile. What only says that it belongs to something: behind. What wants something new has to be admitted
//! ([`admission`]), by how long others had waited before it; whoever has proved his address comes before strangers
//! ([`proved`]), and of these who comes again for want of an answer ([`returning`]). The others get 503 without having been
//! read, and nothing is kept of them; and where even that would take more time than there is, no answer.
//!
//! **Invariant:** what belongs to a dialog that there is, is never refused here.
//! **Invariant:** nothing waits here for 400 ms while others wait behind it, but answers and what came by a connection, if they belong
//! to something: nobody sends those again. How many of them wait is bounded ([`lanes::LANE_MAX`]).

mod admission;
mod episode;
mod lanes;
mod proved;
mod returning;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::{
    Arrival, DialogId, Glance, Glimpse, MessageKind, OverloadControl, Packet, StatusCode, T1,
};
use units::{Histogram, Instant, Tally, causes};

use self::admission::Admission;
use self::episode::{Episode, Turn, TurnedAway};
use self::lanes::{KNOWN_STANDING_MIN, Lane, Lanes, Waiting};
use self::proved::{Proved, Standing};
use self::returning::{Copied, Returning};
use crate::Notice;
use crate::figures::Refusal;
use crate::node::Node;

/// When fewer new requests are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadConfig {
    /// How long a new request may wait before it is served.
    pub target: Duration,
    /// The most new requests a second, whatever could be done; `None`: as many as can be done.
    pub per_second: Option<u32>,
}

impl Default for OverloadConfig {
    /// 10 ms, and as many as can be done.
    fn default() -> Self {
        Self { target: Duration::from_millis(10), per_second: None }
    }
}

/// How long something may have waited while others wait behind it. Its sender sends it again after 500 ms
/// (RFC 3261 §17.1.1.2): what is answered later is answered twice.
pub const WAIT_MAX: Duration = Duration::from_millis(300);

/// How many must wait for what has waited so long to be given up: alone it costs nobody anything.
const STANDING_MIN: usize = 16;

/// How long it may have waited, in targets, while requests are refused: then a long queue only makes those late who are
/// served.
const WAIT_TARGETS: u32 = 5;

causes! {
    /// Why a request was not served, and got no answer either.
    pub enum Shed {
        /// More new requests came than could be refused one by one.
        Refusals => "refusals",
        /// It could not be told what it was.
        Unclear => "unclear",
        /// Its lane was full, or it had waited too long there, and it was none that can be refused, or had been sent again.
        Late => "late",
    }
}

/// What became of what came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadFigures {
    /// New requests a second that are admitted; `None`: as many as come.
    pub per_second: Option<u32>,
    /// Whether more came lately than could be done.
    pub is_limiting: bool,
    /// How often limiting has begun; within a minute of its end it is the same.
    pub episodes: u64,
    /// Percent of their requests that clients which speak RFC 7339 are asked to keep back.
    pub loss: u8,
    /// How many wait now.
    pub waiting: usize,
    /// How long new requests had waited when they were served, in microseconds.
    pub wait_us: Histogram<8>,
}

impl Default for OverloadFigures {
    /// Nothing has come yet.
    fn default() -> Self {
        let wait_us = Histogram::new(&WAIT_US);
        Self { per_second: None, is_limiting: false, episodes: 0, loss: 0, waiting: 0, wait_us }
    }
}

/// The same for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverloadStatus {
    /// Whether more came lately than could be done.
    pub limiting: bool,
    /// New requests a second that are admitted; `None`: as many as come.
    pub per_second: Option<u32>,
    /// How long new requests had waited of late, on average, in microseconds.
    pub wait_us: u64,
    /// How long they may, in microseconds.
    pub target_us: u64,
}

/// Bounds of [`OverloadFigures::wait_us`].
const WAIT_US: [u64; 8] = [100, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 300_000];

/// What waits, and who is admitted.
#[derive(Debug)]
pub(crate) struct Overload {
    lanes: Lanes,
    admission: Admission,
    proved: Proved,
    returning: Returning,
    shed: Tally<Shed>,
    wait_us: Histogram<8>,
    told: OverloadControl,
    episode: Episode,
    /// How many there were.
    episodes: u64,
}

impl Overload {
    /// `secret` is random.
    pub(crate) fn new(config: OverloadConfig, secret: u64) -> Self {
        Self {
            lanes: Lanes::default(),
            admission: Admission::new(config),
            proved: Proved::default(),
            returning: Returning::new(secret),
            shed: Tally::default(),
            wait_us: Histogram::new(&WAIT_US),
            told: OverloadControl::default(),
            episode: Episode::default(),
            episodes: 0,
        }
    }

    /// Another target or limit from now on.
    pub(crate) const fn configure(&mut self, config: OverloadConfig) {
        self.admission.configure(config);
    }

    /// Somebody has acknowledged what only its receiver can.
    pub(crate) fn prove(&mut self, now: Instant, ip: IpAddr) {
        self.proved.prove(now, ip);
    }

    pub(crate) const fn shed(&self) -> &Tally<Shed> {
        &self.shed
    }

    /// When a new request was turned away last.
    pub(crate) const fn refused_at(&self) -> Option<Instant> {
        self.admission.refused_at()
    }

    /// When to look at it though nothing comes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.episode.deadline()
    }

    pub(crate) fn figures(&self) -> OverloadFigures {
        OverloadFigures {
            per_second: self.admission.per_second(),
            is_limiting: self.admission.is_limiting(),
            episodes: self.episodes,
            loss: self.admission.loss(),
            waiting: self.lanes.total(),
            wait_us: self.wait_us,
        }
    }

    pub(crate) fn status(&self) -> OverloadStatus {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        OverloadStatus {
            limiting: self.admission.is_limiting(),
            per_second: self.admission.per_second(),
            wait_us: micros(self.admission.last_window().wait),
            target_us: micros(self.admission.config().target),
        }
    }

    /// Where something new belongs, and whether it is let in.
    fn admits(
        &mut self,
        (now, arrived): (Instant, Instant),
        packet: &Packet,
        request: Option<&Glimpse<'_>>,
    ) -> (Lane, bool) {
        // Where nobody is refused, nobody has to be known.
        let Some(per_second) = self.admission.per_second() else {
            return (Lane::Fresh, self.admission.admit(now, Standing::Stranger, true));
        };
        let ip = packet.path.remote.ip();
        if packet.path.transport.is_reliable() {
            self.proved.prove(now, ip);
        }
        let is_proved = self.proved.is_served_first(now, ip, per_second);
        let (lane, standing) = match request.map(|request| copied(packet, request)) {
            _ if is_proved => (Lane::Proved, Standing::Proved),
            Some(copied) if self.returning.has(now, copied) => (Lane::Fresh, Standing::Returning),
            Some(_) | None => (Lane::Fresh, Standing::Stranger),
        };
        // In the socket too: what has waited there has others behind it.
        let nobody_waits = self.lanes.len(Lane::Fresh) + self.lanes.len(Lane::Proved) == 0
            && now.since(arrived) <= self.admission.config().target;
        (lane, self.admission.admit(now, standing, nobody_waits))
    }

    /// What piled up in the sockets while the process stood still has not waited here: it is served, unless it is seen by now
    /// that more came than can be done.
    fn is_too_late(&self, now: Instant, lane: Lane, waiting: &Waiting) -> bool {
        let (here, in_all) = (now.since(waiting.queued), now.since(waiting.arrived));
        let is_late = |limiting: Duration| match self.admission.is_limiting() {
            true => limiting > WAIT_MAX.min(self.admission.config().target * WAIT_TARGETS),
            false => here > WAIT_MAX && self.lanes.total() >= STANDING_MIN,
        };
        match lane {
            Lane::Ending => false,
            Lane::Known | Lane::Conference => {
                let stands = self.lanes.len(lane) >= KNOWN_STANDING_MIN;
                here > WAIT_MAX && stands && waiting.comes_again()
            }
            Lane::Loose => is_late(here),
            Lane::Proved | Lane::Fresh => is_late(in_all),
        }
    }
}

const fn copied<'a>(packet: &Packet, request: &Glimpse<'a>) -> Copied<'a> {
    Copied { source: packet.path.remote.ip(), call_id: request.call_id, cseq: request.cseq }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Node {
    /// The same node, with another target for how long new requests wait.
    #[must_use]
    pub fn with_overload(mut self, config: OverloadConfig) -> Self {
        self.overload.configure(config);
        self
    }

    /// Takes what came to a socket at `arrived`, by the clock of `now` and maybe long before it was read, and puts it where it
    /// waits for its turn; or refuses it, or drops it. Then drain [`Node::poll_output`].
    pub fn queue(&mut self, now: Instant, arrived: Instant, arrival: Arrival) {
        let nobody_waits = self.overload.lanes.total() == 0;
        self.overload.admission.came(now, arrived, nobody_waits);
        let lane = match &arrival {
            Arrival::Packet(packet) => self.look((now, arrived), packet),
            Arrival::Malformed { .. } | Arrival::Failed(_) | Arrival::Refused(_) => {
                Some(Lane::Known)
            }
        };
        if let Some(lane) = lane {
            let waiting = Waiting { arrived, queued: now, arrival };
            if let Some(waiting) = self.overload.lanes.push(lane, waiting) {
                self.turn_away(now, lane, &waiting);
            }
        }
        self.tell_of_overload(now);
    }

    /// Serves whose turn it is, or gives it up if that comes too late; `false`: nobody waits. Then drain
    /// [`Node::poll_output`].
    pub fn handle_waiting(&mut self, now: Instant) -> bool {
        let Some((lane, waiting)) = self.overload.lanes.pop() else { return false };
        let waited = now.since(waiting.arrived);
        if self.overload.is_too_late(now, lane, &waiting) {
            // What is left to its copy, or belongs to nothing, says nothing of what was admitted.
            if matches!(lane, Lane::Proved | Lane::Fresh) {
                self.overload.admission.given_up(now, lane, waited);
            }
            self.turn_away(now, lane, &waiting);
        } else {
            if matches!(lane, Lane::Proved | Lane::Fresh) {
                let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
                self.overload.wait_us.count(micros);
            }
            self.overload.admission.served(now, lane, waited);
            self.handle_input(now, crate::Input::Arrival(waiting.arrival));
        }
        self.tell_of_overload(now);
        true
    }

    /// Whether something waits for [`Node::handle_waiting`].
    pub fn has_waiting(&self) -> bool {
        self.overload.lanes.total() > 0
    }

    /// Where something belongs; `None`: it was not let in.
    fn look(&mut self, (now, arrived): (Instant, Instant), packet: &Packet) -> Option<Lane> {
        match Glance::of(&packet.bytes) {
            Glance::Response => Some(Lane::Known),
            Glance::Request(request) => {
                if request.has_oc {
                    self.overload.admission.count_helping();
                }
                let lane = self.lane_of(&request);
                if lane.is_none() && request.method == "CANCEL" {
                    return self.look_at_cancel((now, arrived), packet, &request);
                }
                let source = packet.path.remote.ip();
                // Whoever has a thousand calls on one connection sends as many of these as he is refused.
                if lane == Some(Lane::Loose) && self.stack.acknowledges_refusal(&request, source) {
                    self.stack.count_unread(MessageKind::Ack);
                    self.overload.prove(now, source);
                    return None;
                }
                if lane.is_some() {
                    return lane;
                }
                let (lane, is_admitted) =
                    self.overload.admits((now, arrived), packet, Some(&request));
                if !is_admitted {
                    self.refuse_new(now, packet, &request);
                }
                is_admitted.then_some(lane)
            }
            Glance::Unclear => {
                let (lane, is_admitted) = self.overload.admits((now, arrived), packet, None);
                if !is_admitted {
                    self.overload.shed.count(Shed::Unclear);
                }
                is_admitted.then_some(lane)
            }
        }
    }

    /// A CANCEL stays behind its INVITE (RFC 3261 §9.2), and is let in as one is: with what can be made up of them nobody else
    /// is to be kept out. It needs no answer, since its INVITE has one at once.
    fn look_at_cancel(
        &mut self,
        times: (Instant, Instant),
        packet: &Packet,
        cancel: &Glimpse<'_>,
    ) -> Option<Lane> {
        if self.overload.admission.is_limiting()
            && !self.overload.admits(times, packet, Some(cancel)).1
        {
            self.overload.shed.count(Shed::Refusals);
            return None;
        }
        Some(Lane::Fresh)
    }

    /// Where a request belongs that belongs to something; `None`: it wants something new.
    fn lane_of(&self, request: &Glimpse<'_>) -> Option<Lane> {
        if let Some(tag) = request.to_tag {
            let dialog = DialogId {
                call_id: request.call_id.to_owned(),
                local_tag: tag.to_owned(),
                remote_tag: request.from_tag.unwrap_or_default().to_owned(),
            };
            let is_known = self.dialogs.contains_key(&dialog);
            // Where little waits, it does not overtake what was sent before it.
            let stands = || self.overload.lanes.len(Lane::Known) >= KNOWN_STANDING_MIN;
            return Some(match (is_known, request.method) {
                (true, "BYE") if stands() => Lane::Ending,
                (true, _) => Lane::Known,
                (false, _) => Lane::Loose,
            });
        }
        // Ten bytes of an HMAC: nobody hits upon those of a conference that there is.
        let record = self.records.get(&pool::id_in(request.uri)?)?;
        record.is_alive().then_some(Lane::Conference)
    }

    /// It waits in vain.
    fn turn_away(&mut self, now: Instant, lane: Lane, waiting: &Waiting) {
        let is_new = matches!(lane, Lane::Proved | Lane::Fresh);
        // RFC 3261 §17.1.1.2
        let has_come_again = now.since(waiting.arrived) > T1 && waiting.comes_again();
        match &waiting.arrival {
            Arrival::Packet(packet) if is_new => match Glance::of(&packet.bytes) {
                // A 503 would end what its copy, in the socket behind it or on its way, can still have.
                Glance::Request(request) if request.method != "CANCEL" && has_come_again => {
                    self.overload.returning.unanswered(now, copied(packet, &request));
                    self.overload.shed.count(Shed::Late);
                }
                Glance::Request(request) if request.method != "CANCEL" => {
                    self.refuse_new(now, packet, &request);
                }
                Glance::Request(_) | Glance::Response => self.overload.shed.count(Shed::Late),
                Glance::Unclear => self.overload.shed.count(Shed::Unclear),
            },
            Arrival::Packet(_)
            | Arrival::Malformed { .. }
            | Arrival::Failed(_)
            | Arrival::Refused(_) => self.overload.shed.count(Shed::Late),
        }
    }

    /// Refuses a request for something new, if there is time even for that.
    fn refuse_new(&mut self, now: Instant, packet: &Packet, request: &Glimpse<'_>) {
        // Who came by a stream does not send it again (RFC 3261 §17.1.1.2).
        let must = packet.path.transport.is_reliable();
        if !self.overload.admission.refuse(now, (request.has_oc, must)) {
            self.overload.returning.unanswered(now, copied(packet, request));
            self.overload.shed.count(Shed::Refusals);
        } else if self.stack.refuse_unread(request, packet) {
            self.count_refusal(StatusCode::SERVICE_UNAVAILABLE, Refusal::Overload);
            self.settle(now);
        } else {
            self.overload.shed.count(Shed::Unclear);
        }
    }

    /// Looks again at what is limited, though nothing comes.
    pub(crate) fn overload_deadline(&mut self, now: Instant) {
        if self.overload.episode.deadline().is_some_and(|at| at <= now) {
            self.overload.admission.look(now);
            self.tell_of_overload(now);
        }
    }

    /// Tells people when limiting begins and when it is over, and lets the answers say what clients that speak RFC 7339 are
    /// asked for.
    fn tell_of_overload(&mut self, now: Instant) {
        self.tell_people(now);
        let loss = self.overload.admission.loss();
        if loss != self.overload.told.loss {
            let (wall, at) = self.wall_read();
            let since_1970 = wall.0.saturating_mul(1_000).saturating_add(millis(now.since(at)));
            // Never back, whatever becomes of the wall clock.
            let decided = since_1970.max(self.overload.told.decided + 1);
            self.overload.told = OverloadControl { loss, decided };
            self.stack.set_overload(self.overload.told);
        }
    }

    fn tell_people(&mut self, now: Instant) {
        let is_limiting = self.overload.admission.has_limited(now);
        if let (Episode::None, false) = (&self.overload.episode, is_limiting) {
            return;
        }
        let shed = &self.overload.shed;
        let turned_away = TurnedAway {
            refused: self.tallies.refusals.of(Refusal::Overload),
            unanswered: shed.of(Shed::Refusals) + shed.of(Shed::Unclear) + shed.of(Shed::Late),
        };
        match self.overload.episode.look(now, is_limiting, turned_away) {
            None => {}
            Some(Turn::Begins) => {
                self.overload.episodes += 1;
                let status = self.overload.status();
                self.notice(Notice::Overloaded {
                    per_second: status.per_second,
                    wait_ms: status.wait_us / 1_000,
                    target_ms: status.target_us / 1_000,
                });
            }
            Some(Turn::Ends(lasted, TurnedAway { refused, unanswered })) => {
                let seconds = lasted.as_secs();
                self.notice(Notice::OverloadOver { seconds, refused, unanswered });
            }
        }
    }
}
