//! The conferences of one thread.

mod commands;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use units::{Histogram, Instant, Rng};

use crate::conference::Conference;
use crate::message::{Channel, ConferenceKey, Epoch, Event, LentPort, PortId, PortReport};
use crate::{ROUND_FRAMES, TICK};

/// How many conferences and legs a shard has places for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardConfig {
    /// Slots for conferences, at most [`CONFERENCES_MAX`].
    pub conferences: u32,
    /// Ports in one conference, at most [`LEGS_PER_CONFERENCE_MAX`].
    pub legs_per_conference: u32,
    /// How many are heard at a time in a conference, at least one.
    pub heard: u32,
    /// For tests: in which conference, of those opened and counted from 1, a fault strikes after a second.
    pub fault_in: Option<u32>,
}

impl Default for ShardConfig {
    /// The most there can be, and [`HEARD_DEFAULT`].
    fn default() -> Self {
        Self {
            conferences: CONFERENCES_MAX,
            legs_per_conference: LEGS_PER_CONFERENCE_MAX,
            heard: HEARD_DEFAULT,
            fault_in: None,
        }
    }
}

/// Takes the packets of one tick.
pub trait Sink {
    /// Sends `bytes` to `to` from one of the two sockets lent as `lent`. Must not wait.
    fn send(&mut self, lent: u32, channel: Channel, to: SocketAddr, bytes: &[u8]);
}

/// The last packet to a peer whose leg has ended: BYE of RTCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// From this socket, which is released after.
    pub lent: u32,
    /// Which of the two.
    pub channel: Channel,
    /// Where to.
    pub to: SocketAddr,
    /// The packet.
    pub bytes: Vec<u8>,
}

/// What a shard still holds. All zero after the last conference was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Open conferences.
    pub conferences: usize,
    /// Ports in them.
    pub ports: usize,
}

/// What a shard counts that belongs to no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardCounters {
    /// Ticks mixed.
    pub ticks: u64,
    /// Ticks left out, because they were overdue by too much.
    pub ticks_skipped: u64,
    /// Datagrams that came to a socket without a port.
    pub stray_packets: u64,
    /// Conferences ended because of a fault of ours.
    pub conferences_failed: u64,
    /// How late ticks began, in microseconds.
    pub lateness_us: Lateness,
}

impl Default for ShardCounters {
    fn default() -> Self {
        Self {
            ticks: 0,
            ticks_skipped: 0,
            stray_packets: 0,
            conferences_failed: 0,
            lateness_us: Histogram::new(&LATENESS_BOUNDS_US),
        }
    }
}

/// How late ticks began, in microseconds.
pub type Lateness = Histogram<{ LATENESS_BOUNDS_US.len() }>;

/// From what a timer errs by to what is heard as a gap.
pub const LATENESS_BOUNDS_US: [u64; 9] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000];

/// The conferences of one thread; see the crate's documentation for the order of calls.
#[derive(Debug)]
pub struct Shard {
    rng: Rng,
    legs_per_conference: u32,
    /// Places of those who are heard, in each conference.
    places: usize,
    fault_in: Option<u32>,
    /// Conferences opened so far.
    opened: u32,
    slots: Vec<Slot>,
    /// Slots with an open conference, ascending.
    open: Vec<usize>,
    /// Every socket that is lent to us, with the port that uses it.
    lent: BTreeMap<u32, Lent>,
    /// Those that no port uses, over IPv4 and over IPv6.
    unused: [usize; 2],
    farewells: VecDeque<Farewell>,
    released: VecDeque<u32>,
    events: VecDeque<Event>,
    next_tick: Option<Instant>,
    ports_count: usize,
    /// What is mixed in even and in odd ticks.
    phases: [Load; PHASES],
    counters: ShardCounters,
    /// Ticks, and how late they were together in microseconds, when that was told last.
    pace_told: (u64, u64),
}

/// A place for one conference after another.
#[derive(Debug, Default)]
struct Slot {
    /// The highest generation and epoch that it was opened with.
    latest: Option<(u32, Epoch)>,
    conference: Option<Box<Conference>>,
}

/// A socket that is lent to us.
#[derive(Clone, Copy, Debug)]
struct Lent {
    family: usize,
    place: Option<Place>,
}

/// What is mixed in one of the phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    legs: usize,
    conferences: usize,
}

impl Load {
    /// In legs: those that are there, or those to be expected in conferences that were opened one after the other.
    fn weight(self) -> usize {
        self.legs.max(LEGS_EXPECTED * self.conferences)
    }
}

/// Where the port of a socket is.
#[derive(Clone, Copy, Debug)]
struct Place {
    slot: usize,
    seat: usize,
}

/// The events of a tick: no more than the queue holds without growing.
#[derive(Debug)]
pub(crate) struct Notices<'a>(&'a mut VecDeque<Event>);

impl Notices<'_> {
    /// Queues an event; false if there is no place for it.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let place = self.0.len() < EVENTS_MAX;
        if place {
            self.0.push_back(event);
        }
        place
    }
}

impl Shard {
    /// Makes an idle shard. `rng` decides SSRCs, first sequence numbers and timestamps.
    pub fn new(config: ShardConfig, rng: Rng) -> Self {
        let slots = config.conferences.min(CONFERENCES_MAX);
        Self {
            rng,
            legs_per_conference: config.legs_per_conference.min(LEGS_PER_CONFERENCE_MAX),
            places: usize::try_from(config.heard.max(1)).unwrap_or(usize::MAX),
            fault_in: config.fault_in,
            opened: 0,
            slots: (0..slots).map(|_| Slot::default()).collect(),
            open: Vec::with_capacity(slots as usize),
            lent: BTreeMap::new(),
            unused: [0; 2],
            farewells: VecDeque::new(),
            released: VecDeque::new(),
            events: VecDeque::with_capacity(EVENTS_MAX),
            next_tick: None,
            ports_count: 0,
            phases: [Load::default(); PHASES],
            counters: ShardCounters::default(),
            pace_told: (0, 0),
        }
    }

    /// Takes a datagram that came at `at` from `from` to one of the two sockets lent as `lent`. Does not allocate.
    ///
    /// `at` may be before the last tick: then it was read too late for that.
    pub fn handle_packet(
        &mut self,
        at: Instant,
        (lent, channel): (u32, Channel),
        from: SocketAddr,
        bytes: &[u8],
    ) {
        let place = self.lent.get(&lent).and_then(|lent| lent.place);
        let seat = place.and_then(|place| {
            let conference = self.slots[place.slot].conference.as_mut()?;
            let at = conference.taken_at(at);
            conference.seat_mut(place.seat).map(|seat| (place, seat, at))
        });
        let Some((place, seat, at)) = seat else {
            self.counters.stray_packets += 1;
            return;
        };
        let taken =
            catch_unwind(AssertUnwindSafe(|| seat.port.handle_packet(at, channel, from, bytes)));
        if taken.is_err() {
            self.fail(place.slot);
        }
    }

    /// Does what is due in the next 10 ms if [`Shard::deadline`] has come; else does nothing. Does not allocate.
    ///
    /// Being late by less than [`CATCH_UP_TICKS_MAX`] ticks is made good by ticks that follow at once;
    /// what is overdue by more is left out: no burst leaves a machine that was frozen.
    pub fn tick(&mut self, now: Instant, sink: &mut impl Sink) {
        let Some(due) = self.next_tick.filter(|due| *due <= now) else { return };
        self.counters
            .lateness_us
            .count(u64::try_from(now.since(due).as_micros()).unwrap_or(u64::MAX));
        let late_ticks = now.since(due).as_nanos() / TICK.as_nanos();
        let late_ticks = u32::try_from(late_ticks).unwrap_or(u32::MAX);
        let skipped = if late_ticks < CATCH_UP_TICKS_MAX { 0 } else { late_ticks };
        // What is mixed is what is due, however late: so lateness of ours is no delay of the packets.
        let due = due + TICK.saturating_mul(skipped);
        self.next_tick = Some(due + TICK);
        self.counters.ticks_skipped += u64::from(skipped);
        let mut index = 0;
        while let Some(slot) = self.open.get(index).copied() {
            if self.tick_slot(due, slot, skipped, sink) {
                index += 1;
            } else {
                self.fail(slot); // takes it out of `open`
            }
        }
        self.counters.ticks += 1;
        self.tell_pace();
    }

    /// Tells once a second how late the ticks of that second were.
    fn tell_pace(&mut self) {
        let (ticks, late_us) = (self.counters.ticks, self.counters.lateness_us.sum());
        let (ticks_told, late_told_us) = self.pace_told;
        let passed = ticks - ticks_told;
        if passed >= PACE_TICKS && self.events.len() < EVENTS_MAX {
            self.pace_told = (ticks, late_us);
            let late_us = (late_us - late_told_us) / passed;
            self.events.push_back(Event::Paced { late_us });
        }
    }

    /// When the next tick is due; `None` while there is no port: an idle shard costs nothing.
    pub const fn deadline(&self) -> Option<Instant> {
        self.next_tick
    }

    /// Announces a bound socket, which becomes part of an [`Event::Lent`]. One that was announced
    /// before is left as it is.
    pub fn add_lent(&mut self, port: LentPort) {
        if self.lent.contains_key(&port.id) {
            return;
        }
        let family = family_of(port.address);
        self.lent.insert(port.id, Lent { family, place: None });
        self.unused[family] += 1;
        if let Some(Event::Lent { ports }) = self.events.back_mut() {
            ports.push(port);
        } else {
            self.events.push_back(Event::Lent { ports: vec![port] });
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next packet to a peer whose leg has ended. Drain these before [`Self::poll_released`].
    pub fn poll_farewell(&mut self) -> Option<Farewell> {
        self.farewells.pop_front()
    }

    /// The next socket (by [`LentPort::id`]) that is not needed any more: whoever bound it closes it.
    pub fn poll_released(&mut self) -> Option<u32> {
        self.released.pop_front()
    }

    /// Sockets that are lent to us and used by no port.
    pub const fn unused_lent(&self) -> usize {
        self.unused[0] + self.unused[1]
    }

    /// Of these, those whose address is of the same family as this one.
    pub fn unused_lent_like(&self, address: SocketAddr) -> usize {
        self.unused[family_of(address)]
    }

    /// What is still open.
    pub const fn leftovers(&self) -> Leftovers {
        Leftovers { conferences: self.open.len(), ports: self.ports_count }
    }

    /// What has passed through a port so far.
    pub fn report_of(&self, key: ConferenceKey, port: PortId) -> Option<PortReport> {
        let slot = self.slots.get(usize::try_from(key.slot).ok()?)?;
        let conference = slot.conference.as_ref().filter(|conference| conference.key == key)?;
        conference.seats().find(|seat| seat.id == port).map(|seat| seat.port.report())
    }

    /// What belongs to no port.
    pub const fn counters(&self) -> &ShardCounters {
        &self.counters
    }

    /// Mixes one conference; false if a fault of ours struck.
    fn tick_slot(&mut self, due: Instant, slot: usize, skipped: u32, sink: &mut impl Sink) -> bool {
        let Some(conference) = self.slots[slot].conference.as_mut() else { return true };
        let mut notices = Notices(&mut self.events);
        // A fault in one conference must not touch another. What it leaves half done goes with it.
        catch_unwind(AssertUnwindSafe(|| {
            if skipped > 0 {
                conference.skip(due, skipped);
            }
            conference.tick(due, sink, &mut notices);
        }))
        .is_ok()
    }

    /// Ends a conference in which a fault of ours struck.
    fn fail(&mut self, slot: usize) {
        if let Some(conference) = self.close(slot) {
            self.counters.conferences_failed += 1;
            let Conference { key, epoch, .. } = *conference;
            self.events.push_back(Event::Failed { conference: key, epoch });
        }
    }

    /// Takes a conference out, and gives back its sockets.
    fn close(&mut self, slot: usize) -> Option<Box<Conference>> {
        let conference = self.slots[slot].conference.take()?;
        if let Ok(index) = self.open.binary_search(&slot) {
            self.open.remove(index);
        }
        let phase = conference.phase();
        self.phases[phase].conferences -= 1;
        for seat in conference.seats() {
            self.forget(seat.port.specs().0.lent, phase);
        }
        Some(conference)
    }

    /// Gives back what a port had of the shard.
    fn forget(&mut self, lent: u32, phase: usize) {
        self.lent.remove(&lent);
        self.released.push_back(lent);
        self.phases[phase].legs -= 1;
        self.ports_count -= 1;
        if self.ports_count == 0 {
            self.next_tick = None;
            // Without ticks it cannot be late, and would not say so.
            self.pace_told = (self.counters.ticks, self.counters.lateness_us.sum());
            self.events.push_back(Event::Paced { late_us: 0 });
        }
    }
}

/// Where [`Shard::unused`] counts a socket.
fn family_of(address: SocketAddr) -> usize {
    usize::from(address.is_ipv6())
}

/// Most conferences on one shard: 4,096 of three legs are ten times what one core mixes. A command for
/// a higher slot is refused.
pub const CONFERENCES_MAX: u32 = 4_096;

/// Most ports in one conference: twice what one core can send to, and the sum of so many full-scale
/// samples stays far inside an i32. One more is refused.
pub const LEGS_PER_CONFERENCE_MAX: u32 = 4_096;

/// More voices at a time are a din, in which nobody is understood.
pub const HEARD_DEFAULT: u32 = 3;

/// So late a tick may be and still be made good. Three times 10 ms are what a busy machine steals now
/// and then, and what a listener's jitter buffer takes; more would be a burst.
pub const CATCH_UP_TICKS_MAX: u32 = 3;

/// Tick phases that conferences are spread over: one is mixed in every second tick.
const PHASES: usize = ROUND_FRAMES;

/// As few make a conference.
const LEGS_EXPECTED: usize = 3;

/// A second of ticks.
const PACE_TICKS: u64 = 100;

/// Events of ticks that wait to be polled. When full, a latch or a silence is told in a later tick.
const EVENTS_MAX: usize = 1_024;
