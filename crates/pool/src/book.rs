//! Reservations: room at a time to come.

use std::collections::{BTreeMap, BTreeSet};

use units::Instant;

use crate::cost::Cost;
use crate::terms::{ConferenceId, Seats, TenantId};

/// Room for a conference at a time to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The conference.
    pub id: ConferenceId,
    /// Who pays.
    pub tenant: TenantId,
    /// How many are to come; at least 1.
    pub seats: Seats,
    /// What each of them is expected to cost.
    pub leg: Cost,
    /// When it begins. Its room is kept free a little before, and its conference may be joined from then on.
    pub from: Instant,
    /// When it ends. A conference that goes on keeps the legs it has, not the promise.
    pub until: Instant,
}

/// A reservation and the shard that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) reservation: Reservation,
    pub(crate) shard: u16,
    /// From when on its room is kept free.
    pub(crate) opens: Instant,
    /// Its room and that of its conference.
    pub(crate) cost: Cost,
}

/// All reservations that are not over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Book {
    booked: BTreeMap<ConferenceId, Booked>,
    /// Those that are to open, by when.
    opening: BTreeSet<(Instant, ConferenceId)>,
    /// Those that have opened, by when they end.
    closing: BTreeSet<(Instant, ConferenceId)>,
}

impl Book {
    pub(crate) fn len(&self) -> usize {
        self.booked.len()
    }

    pub(crate) fn get(&self, id: ConferenceId) -> Option<&Booked> {
        self.booked.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Booked> {
        self.booked.values()
    }

    pub(crate) fn insert(&mut self, booked: Booked) {
        let id = booked.reservation.id;
        self.remove(id);
        self.opening.insert((booked.opens, id));
        self.booked.insert(id, booked);
    }

    pub(crate) fn remove(&mut self, id: ConferenceId) -> Option<Booked> {
        let booked = self.booked.remove(&id)?;
        self.opening.remove(&(booked.opens, id));
        self.closing.remove(&(booked.reservation.until, id));
        Some(booked)
    }

    /// Takes the next one that is to open by now.
    pub(crate) fn open_next(&mut self, now: Instant) -> Option<Booked> {
        let (opens, id) = self.opening.first().copied().filter(|(opens, _)| *opens <= now)?;
        self.opening.remove(&(opens, id));
        let booked = self.booked.get(&id).copied()?;
        self.closing.insert((booked.reservation.until, id));
        Some(booked)
    }

    /// Takes out the next one that is over by now.
    pub(crate) fn close_next(&mut self, now: Instant) -> Option<Booked> {
        let (_, id) = self.closing.first().copied().filter(|(until, _)| *until <= now)?;
        self.remove(id)
    }

    /// Those that have opened, or should have.
    pub(crate) fn begun(&self, now: Instant) -> impl Iterator<Item = &Booked> {
        let late = self.opening.iter().take_while(move |(opens, _)| *opens <= now);
        let ids = self.closing.iter().chain(late).map(|(_, id)| id);
        ids.filter_map(|id| self.booked.get(id)).filter(move |it| it.reservation.until > now)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let first = |set: &BTreeSet<(Instant, ConferenceId)>| set.first().map(|(at, _)| *at);
        units::soonest(first(&self.opening), first(&self.closing))
    }

    /// The most that is booked of a shard at any moment of a time.
    pub(crate) fn peak(&self, shard: u16, from: Instant, until: Instant) -> Cost {
        self.peak_of((from, until), |it| it.shard == shard).0
    }

    /// Seats that a tenant has booked at most at any moment of a time.
    pub(crate) fn peak_seats(&self, tenant: TenantId, from: Instant, until: Instant) -> u32 {
        self.peak_of((from, until), |it| it.reservation.tenant == tenant).1
    }

    fn peak_of(
        &self,
        (from, until): (Instant, Instant),
        which: impl Fn(&Booked) -> bool,
    ) -> (Cost, u32) {
        let overlaps = |it: &&Booked| it.opens < until && it.reservation.until > from && which(it);
        // At one moment what ends goes before what begins.
        let mut changes: Vec<(Instant, bool, Cost, u32)> = Vec::new();
        for it in self.iter().filter(overlaps) {
            let seats = it.reservation.seats.0;
            changes.push((it.opens.max(from), true, it.cost, seats));
            changes.push((it.reservation.until, false, it.cost, seats));
        }
        changes.sort_by_key(|(at, begins, ..)| (*at, *begins));
        let (mut now, mut peak) = ((Cost::ZERO, 0_u32), (Cost::ZERO, 0_u32));
        for (_, begins, cost, seats) in changes {
            now = match begins {
                true => (now.0.plus(cost), now.1.saturating_add(seats)),
                false => (now.0.minus(cost), now.1.saturating_sub(seats)),
            };
            peak = (peak.0.max(now.0), peak.1.max(now.1));
        }
        peak
    }
}

/// Reservations at a time: at one look each for a new one, and a line in the store.
pub const RESERVATIONS_MAX: usize = 10_000;
