//! What a shard does when it is told to.

use units::Instant;

use super::{Lent, Place, Shard};
use crate::conference::Conference;
use crate::message::{
    Action, Command, ConferenceKey, Done, Epoch, Event, Listeners, PortId, Prompt, Refused,
    StreamSpec, TransportSpec,
};
use crate::port::Port;
use crate::seat::Seat;
use crate::{ROUND_FRAMES, TICK};

/// What a key leads to.
#[derive(Clone, Copy, Debug)]
enum Found {
    /// A conference that was opened before and has ended.
    Ended,
    /// A generation that was never opened.
    New,
    /// An open conference.
    Open,
}

impl Shard {
    /// Does what a command asks and queues its one reply.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        let Command { id, conference, epoch, action } = command;
        let outcome = self.act(now, conference, epoch, action);
        self.events.push_back(Event::Reply { id, conference, epoch, outcome });
    }

    fn act(
        &mut self,
        now: Instant,
        key: ConferenceKey,
        epoch: Epoch,
        action: Action,
    ) -> Result<Done, Refused> {
        let (slot, found) = self.find(key, epoch)?;
        match (action, found) {
            (Action::OpenConference, Found::New) => self.open(slot, key, epoch),
            (Action::OpenConference, Found::Open) => Ok(Done::ConferenceOpened),
            (Action::CloseConference, Found::Open) => {
                if let Some(conference) = &mut self.slots[slot].conference {
                    self.farewells.extend(conference.farewells(now));
                }
                let ports = self.close(slot).map_or(0, |conference| conference.ports_count());
                Ok(Done::ConferenceClosed { ports: u32::try_from(ports).unwrap_or(u32::MAX) })
            }
            (Action::CloseConference, Found::Ended) => Ok(Done::ConferenceClosed { ports: 0 }),
            (Action::AddPort { port, transport, stream }, Found::Open) => {
                self.add_port(now, slot, port, transport, stream)
            }
            (Action::UpdatePort { port, transport, stream }, Found::Open) => {
                self.update_port(now, slot, port, transport, stream)
            }
            (Action::MutePort { port, is_muted }, Found::Open) => {
                self.mute_port(slot, port, is_muted)
            }
            (Action::Play { to, prompt }, Found::Open) => self.play(slot, to, prompt),
            (Action::RemovePort { port }, Found::Open) => Ok(self.remove_port(now, slot, port)),
            (
                Action::OpenConference
                | Action::AddPort { .. }
                | Action::MutePort { .. }
                | Action::Play { .. }
                | Action::UpdatePort { .. }
                | Action::RemovePort { .. },
                Found::Ended,
            ) => Err(self.stale_generation(slot, key)),
            (
                Action::CloseConference
                | Action::AddPort { .. }
                | Action::MutePort { .. }
                | Action::Play { .. }
                | Action::UpdatePort { .. }
                | Action::RemovePort { .. },
                Found::New,
            ) => Err(Refused::NotOpen),
        }
    }

    /// Checks generation and epoch. A higher epoch is taken over.
    fn find(&mut self, key: ConferenceKey, epoch: Epoch) -> Result<(usize, Found), Refused> {
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let no_such_slot = Refused::NoSuchSlot { got: key.slot, slots };
        let index = usize::try_from(key.slot).map_err(|_| no_such_slot.clone())?;
        let slot = self.slots.get_mut(index).ok_or(no_such_slot)?;
        let Some((generation, current)) = &mut slot.latest else {
            return Ok((index, Found::New));
        };
        if key.generation < *generation {
            return Err(Refused::StaleGeneration { got: key.generation, current: *generation });
        }
        if key.generation > *generation {
            return Ok((index, Found::New));
        }
        if epoch < *current {
            return Err(Refused::StaleEpoch { got: epoch, current: *current });
        }
        *current = epoch;
        match &mut slot.conference {
            Some(conference) => {
                conference.epoch = epoch;
                Ok((index, Found::Open))
            }
            None => Ok((index, Found::Ended)),
        }
    }

    fn open(&mut self, slot: usize, key: ConferenceKey, epoch: Epoch) -> Result<Done, Refused> {
        let ticks = self.ticks_passed();
        let entry = &mut self.slots[slot];
        if let Some(conference) = &entry.conference {
            return Err(Refused::SlotInUse { current: conference.key.generation });
        }
        entry.latest = Some((key.generation, epoch));
        // A conference keeps its phase; a new one goes where there is less.
        let phase = usize::from(self.phases[1].weight() < self.phases[0].weight());
        self.phases[phase].conferences += 1;
        let mut conference = Conference::new(key, epoch, self.places, (phase, ticks));
        self.opened = self.opened.saturating_add(1);
        if self.fault_in == Some(self.opened) {
            conference.fail_after(FAULT_AFTER_TICKS);
        }
        entry.conference = Some(Box::new(conference));
        if let Err(index) = self.open.binary_search(&slot) {
            self.open.insert(index, slot);
        }
        Ok(Done::ConferenceOpened)
    }

    fn add_port(
        &mut self,
        now: Instant,
        slot: usize,
        id: PortId,
        transport: TransportSpec,
        stream: StreamSpec,
    ) -> Result<Done, Refused> {
        let Some(conference) = &mut self.slots[slot].conference else {
            return Err(Refused::NotOpen);
        };
        if let Some(seat) = conference.find(id).and_then(|place| conference.seat_mut(place)) {
            let same = seat.port.specs() == (&transport, &stream);
            return if same { Ok(Done::PortAdded) } else { Err(Refused::PortExists) };
        }
        let max = self.legs_per_conference;
        if conference.ports_count() >= max as usize {
            return Err(Refused::ConferenceFull { max });
        }
        let lent = transport.lent;
        let Some(socket @ Lent { place: None, .. }) = self.lent.get_mut(&lent) else {
            return Err(Refused::NotLent { lent });
        };
        let port = Port::new(now, transport, stream, ROUND_FRAMES, &mut self.rng)?;
        let seat = conference.add(Box::new(Seat::new(id, port)));
        socket.place = Some(Place { slot, seat });
        self.unused[socket.family] -= 1;
        self.phases[conference.phase()].legs += 1;
        self.ports_count += 1;
        self.next_tick.get_or_insert(now + TICK);
        Ok(Done::PortAdded)
    }

    fn update_port(
        &mut self,
        now: Instant,
        slot: usize,
        id: PortId,
        transport: TransportSpec,
        stream: StreamSpec,
    ) -> Result<Done, Refused> {
        let conference = self.slots[slot].conference.as_mut().ok_or(Refused::NoSuchPort)?;
        let place = conference.find(id).ok_or(Refused::NoSuchPort)?;
        conference.update(now, place, transport, stream)?;
        Ok(Done::PortUpdated)
    }

    fn mute_port(&mut self, slot: usize, id: PortId, is_muted: bool) -> Result<Done, Refused> {
        let conference = self.slots[slot].conference.as_mut();
        let seat = conference.and_then(|it| it.find(id).and_then(|place| it.seat_mut(place)));
        seat.ok_or(Refused::NoSuchPort)?.mute(is_muted);
        Ok(Done::PortMuted)
    }

    fn play(&mut self, slot: usize, to: Listeners, prompt: Prompt) -> Result<Done, Refused> {
        let conference = self.slots[slot].conference.as_mut().ok_or(Refused::NotOpen)?;
        match to {
            Listeners::Everybody => conference.play(prompt),
            Listeners::Port(port) => {
                let place = conference.find(port).ok_or(Refused::NoSuchPort)?;
                conference.play_to(place, prompt);
            }
        }
        Ok(Done::Prompted)
    }

    fn remove_port(&mut self, now: Instant, slot: usize, id: PortId) -> Done {
        let conference = self.slots[slot].conference.as_mut();
        let seat = conference.and_then(|it| {
            let place = it.find(id)?;
            it.remove(now, place).map(|seat| (seat, it.phase()))
        });
        let Some(((seat, farewell), phase)) = seat else { return Done::PortAbsent };
        self.farewells.extend(farewell);
        self.forget(seat.port.specs().0.lent, phase);
        Done::PortRemoved(Box::new(seat.port.report()))
    }

    /// Ticks since the start, mixed or left out: what the phases go by.
    const fn ticks_passed(&self) -> u64 {
        self.counters.ticks + self.counters.ticks_skipped
    }

    fn stale_generation(&self, slot: usize, key: ConferenceKey) -> Refused {
        let current = self.slots[slot].latest.map_or(key.generation, |(generation, _)| generation);
        Refused::StaleGeneration { got: key.generation, current }
    }
}

/// When the fault strikes that tests ask for: a second after the first leg, so that all of it was there.
const FAULT_AFTER_TICKS: u32 = 100;
