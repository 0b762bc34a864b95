//! Reservations: promised now, held when their time comes.

use std::time::Duration;

use units::Instant;

use super::Pool;
use super::plan::Plan;
use crate::book::{Booked, RESERVATIONS_MAX, Reservation};
use crate::cost::Cost;
use crate::ledger::{Entry, State};
use crate::terms::{ConferenceId, Firmness, Output, Refusal, Seats, TenantId, ViewState};

impl Pool {
    /// Promises room at a time to come. Idempotent by id.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed.
    pub fn reserve(&mut self, now: Instant, asked: &Reservation) -> Result<(), Refusal> {
        if self.book.get(asked.id).is_some() {
            return Ok(());
        }
        let shard = self.shard_for(now, asked)?;
        self.write_down(asked, shard);
        self.turn_pages(now);
        self.top_up(now);
        Ok(())
    }

    /// Whether [`Self::reserve`] would promise this.
    ///
    /// # Errors
    /// The refusal that it would give.
    pub fn would_reserve(&self, now: Instant, asked: &Reservation) -> Result<(), Refusal> {
        if self.book.get(asked.id).is_some() {
            return Ok(());
        }
        self.shard_for(now, asked).map(|_| ())
    }

    /// Takes back what was promised before a restart. It is never refused: where there is less room than
    /// there was, each gets what there is.
    pub fn restore_reservation(&mut self, now: Instant, asked: &Reservation) {
        if asked.until <= now || self.book.get(asked.id).is_some() {
            return;
        }
        let peak = |shard: u16| {
            let booked = self.book.peak(shard, self.opens(asked), asked.until);
            booked.load_of(&self.capacity_of(shard))
        };
        let shard = self.shards().min_by_key(|shard| peak(*shard)).unwrap_or(0);
        self.write_down(asked, shard);
        self.turn_pages(now);
        self.top_up(now);
    }

    /// Gives a reservation up. What runs goes on without its promise.
    pub fn cancel(&mut self, now: Instant, id: ConferenceId) {
        if self.book.remove(id).is_none() {
            return;
        }
        match self.ledger.entry(id).map(|entry| entry.state) {
            Some(State::Reserved) => {
                self.ledger.remove(id);
            }
            Some(State::Active) => self.ledger.update(id, |entry| entry.until = now),
            Some(State::Held(_)) | None => {}
        }
        self.top_up(now);
    }

    /// Holds room for a conference that ran before a restart, as far as there is any: at least one seat
    /// for the first who comes back, whatever was promised since.
    pub fn restore_conference(
        &mut self,
        now: Instant,
        (id, seats, tenant): (ConferenceId, Seats, TenantId),
        hold: Duration,
    ) {
        if self.ledger.entry(id).is_some() {
            return;
        }
        let leg = self.config.costs.plain_leg();
        let base = self.config.costs.conference();
        let free = |shard: u16| {
            let free = self.shard_room(now, shard).free();
            if base.fits_into(&free) { free.minus(base).count_of(&leg) } else { 0 }
        };
        let Some(shard) = self.shards().max_by_key(|shard| free(*shard)) else { return };
        let promised = seats.0.min(free(shard));
        if promised == 0 {
            return;
        }
        let entry = Entry {
            state: State::Held(Firmness::Firm),
            shard,
            tenant,
            promised,
            leg,
            base,
            used: 0,
            charged: Cost::ZERO,
            legs_max: None,
            hold,
            until: now + hold,
            is_counted: true,
            serial: self.new_serial(),
        };
        self.ledger.insert(id, entry);
    }

    /// A conference in which nobody is any more is held again, with one seat for the first who comes. What it gives up goes to
    /// others, that seat does not.
    pub fn hold_again(&mut self, now: Instant, id: ConferenceId, hold: Duration) {
        let Some(entry) = self.ledger.remove(id) else { return };
        let entry = Entry {
            state: State::Held(Firmness::Firm),
            promised: 1,
            used: 0,
            charged: Cost::ZERO,
            hold,
            until: now + hold,
            serial: self.new_serial(),
            ..entry
        };
        self.ledger.insert(id, entry);
        self.top_up(now);
    }

    /// Promises a conference that was restored as many seats as it had, as far as nobody else is promised them.
    pub fn restore_seats(&mut self, now: Instant, id: ConferenceId, seats: Seats) {
        let Some(entry) = self.ledger.entry(id) else { return };
        let free = self.free_for(now, entry.shard, entry.tenant, &Plan::for_one(id));
        let more = seats.0.saturating_sub(entry.seats()).min(free.count_of(&entry.leg));
        self.ledger.update(id, |entry| entry.promised = entry.seats() + more);
    }

    /// One reservation.
    pub fn reservation(&self, id: ConferenceId) -> Option<Reservation> {
        self.book.get(id).map(|booked| booked.reservation)
    }

    /// All reservations that are not over.
    pub fn reservations(&self) -> impl Iterator<Item = Reservation> {
        self.book.iter().map(|booked| booked.reservation)
    }

    /// How many there are.
    pub fn reservation_count(&self) -> usize {
        self.book.len()
    }

    /// Seats of a reservation that has begun and that were not to be had.
    pub fn missing_seats(&self, now: Instant, id: ConferenceId) -> Seats {
        let booked = self.book.get(id).filter(|booked| booked.opens <= now);
        Seats(booked.map_or(0, |booked| self.missing(booked).0))
    }

    fn opens(&self, asked: &Reservation) -> Instant {
        asked.from - self.config.ahead
    }

    fn write_down(&mut self, asked: &Reservation, shard: u16) {
        let (opens, cost) = (self.opens(asked), self.cost_of(asked.seats.0, asked.leg));
        self.book.insert(Booked { reservation: *asked, shard, opens, cost });
    }

    /// The shard that has least booked for that time, if it has the room.
    fn shard_for(&self, now: Instant, asked: &Reservation) -> Result<u16, Refusal> {
        if asked.until <= asked.from || asked.until <= now {
            return Err(Refusal::OutOfTime);
        }
        if self.book.len() >= RESERVATIONS_MAX {
            return Err(Refusal::TooManyReservations { max: RESERVATIONS_MAX });
        }
        let opens = self.opens(asked).max(now);
        if let Some(quota) = self.terms(asked.tenant).and_then(|terms| terms.quota) {
            let booked = self.book.peak_seats(asked.tenant, opens, asked.until);
            // It begins at once: what the tenant has beside its reservations counts with them.
            let beside = if opens <= now { self.seats_beside(now, asked.tenant) } else { 0 };
            let claimed = booked.saturating_add(beside);
            let keep = quota.saturating_sub(asked.seats.0);
            let has = if opens <= now {
                self.plan_quota(asked.tenant, claimed, keep, &mut Plan::default())
            } else {
                claimed
            };
            if has.saturating_add(asked.seats.0) > quota {
                let (tenant, has, quota) = (asked.tenant, Seats(has), Seats(quota));
                return Err(Refusal::TenantFull { tenant, asked: asked.seats, has, quota });
            }
        }
        let cost = self.cost_of(asked.seats.0, asked.leg);
        let (mut best, mut free_most) = (None, 0);
        for shard in self.shards() {
            let bookable = self.capacity_of(shard).percent(self.config.bookable_percent);
            let booked = self.book.peak(shard, opens, asked.until);
            // What others have reserved for good cannot be booked away.
            let kept = self.kept_by_others(asked.tenant);
            let mut free = bookable.min(self.capacity_of(shard).minus(kept)).minus(booked);
            if opens <= now {
                // It begins at once: what is taken now is not to be had, but for what would give way.
                let mut plan = Plan::default();
                self.plan_overdue(now, &mut plan);
                self.plan_room(now, shard, &cost, asked.tenant, &mut plan);
                free = free.min(self.free_for(now, shard, asked.tenant, &plan));
            }
            free_most = free_most.max(free.count_of(&asked.leg));
            if cost.fits_into(&free) {
                let load = booked.load_of(&bookable);
                if best.is_none_or(|(least, _)| load < least) {
                    best = Some((load, shard));
                }
            }
        }
        let free = Seats(free_most.min(asked.seats.0.saturating_sub(1)));
        best.map(|(_, shard)| shard).ok_or(Refusal::PoolFull { asked: asked.seats, free })
    }

    /// What tenants other than this one have reserved for good, used or not.
    fn kept_by_others(&self, tenant: TenantId) -> Cost {
        let all = (0_u16..).map(TenantId).zip(&self.config.tenants);
        let others = all.filter(|(other, _)| *other != tenant).map(|(_, terms)| terms.reserved);
        self.config.costs.plain_leg().times(others.fold(0, u32::saturating_add))
    }

    /// Opens the reservations whose time has come, and closes those whose time is over.
    pub(super) fn turn_pages(&mut self, now: Instant) {
        while let Some(booked) = self.book.open_next(now) {
            let Reservation { id, tenant, leg, until, .. } = booked.reservation;
            if self.ledger.entry(id).is_some() {
                // It runs, or is held since before a restart.
                self.ledger.update(id, |entry| {
                    if !entry.is_active() {
                        entry.state = State::Reserved;
                    }
                    entry.until = until;
                });
                continue;
            }
            let entry = Entry {
                state: State::Reserved,
                shard: booked.shard,
                tenant,
                promised: 0,
                leg,
                base: Cost::ZERO,
                used: 0,
                charged: Cost::ZERO,
                legs_max: None,
                hold: Duration::ZERO,
                until,
                is_counted: true,
                serial: self.new_serial(),
            };
            self.ledger.insert(id, entry);
        }
        while let Some(booked) = self.book.close_next(now) {
            self.outputs.push_back(Output::ReservationOver { id: booked.reservation.id });
        }
    }

    /// What a reservation that has begun has not got: seats, and what they and the conference cost.
    fn missing(&self, booked: &Booked) -> (u32, Cost) {
        let Reservation { id, seats, leg, .. } = booked.reservation;
        let Some(entry) = self.ledger.entry(id) else { return (seats.0, booked.cost) };
        let missing = seats.0.saturating_sub(entry.seats());
        let base = self.config.costs.conference().minus(entry.base);
        (missing, leg.times(missing).plus(base))
    }

    /// Seats of a tenant that are in use, held, or owed to its reservations that have begun.
    pub(super) fn claimed_by(&self, now: Instant, tenant: TenantId) -> u32 {
        let owed = self.begun_of(now, tenant).map(|booked| self.missing(booked).0);
        self.ledger.seats_of(tenant).saturating_add(owed.fold(0, u32::saturating_add))
    }

    /// The same without this conference.
    pub(super) fn claimed_by_others(
        &self,
        now: Instant,
        id: ConferenceId,
        tenant: TenantId,
    ) -> u32 {
        let own = self.ledger.entry(id).map_or(0, Entry::seats);
        let owed = self.begun_of(now, tenant).find(|it| it.reservation.id == id);
        let owed = owed.map_or(0, |booked| self.missing(booked).0);
        self.claimed_by(now, tenant).saturating_sub(own.saturating_add(owed))
    }

    /// Seats of a tenant, in use and held, that no reservation of its own accounts for.
    fn seats_beside(&self, now: Instant, tenant: TenantId) -> u32 {
        let promised = self.begun_of(now, tenant).map(|booked| {
            let has = self.ledger.entry(booked.reservation.id).map_or(0, Entry::seats);
            has.min(booked.reservation.seats.0)
        });
        self.ledger.seats_of(tenant).saturating_sub(promised.fold(0, u32::saturating_add))
    }

    fn begun_of(&self, now: Instant, tenant: TenantId) -> impl Iterator<Item = &Booked> {
        self.book.begun(now).filter(move |it| it.reservation.tenant == tenant)
    }

    /// What is kept free on a shard for reservations that have begun and have not got all yet.
    pub(super) fn owed(&self, now: Instant, shard: u16) -> Cost {
        let begun = self.book.begun(now).filter(|booked| self.shard_of(booked) == shard);
        begun.fold(Cost::ZERO, |sum, booked| sum.plus(self.missing(booked).1))
    }

    /// The part of that which is for one conference.
    pub(super) fn owed_to(&self, now: Instant, id: ConferenceId) -> Cost {
        let booked = self.book.get(id).filter(|it| it.opens <= now && it.reservation.until > now);
        booked.map_or(Cost::ZERO, |booked| self.missing(booked).1)
    }

    fn shard_of(&self, booked: &Booked) -> u16 {
        self.ledger.entry(booked.reservation.id).map_or(booked.shard, |entry| entry.shard)
    }

    /// Gives reservations that have begun what has become free, the one that began first before the
    /// others.
    pub(super) fn top_up(&mut self, now: Instant) {
        self.again = None;
        let mut wanting: Vec<Booked> =
            self.book.begun(now).filter(|it| self.missing(it).1 != Cost::ZERO).copied().collect();
        wanting.sort_by_key(|it| (it.opens, it.reservation.id));
        for booked in wanting {
            self.give(now, &booked);
            if self.missing(&booked).1 != Cost::ZERO {
                self.again = Some(now + AGAIN);
            }
        }
    }

    fn give(&mut self, now: Instant, booked: &Booked) {
        let Reservation { id, tenant, leg, .. } = booked.reservation;
        let Some(entry) = self.ledger.entry(id) else { return };
        let (shard, promised) = (entry.shard, entry.promised.max(entry.used));
        let (seats, cost) = self.missing(booked);
        let mut plan = Plan::for_one(id);
        self.plan_room(now, shard, &cost, tenant, &mut plan);
        let free = self.free_for(now, shard, tenant, &plan);
        let base = self.config.costs.conference();
        let lacks = base.minus(entry.base);
        if !lacks.fits_into(&free) {
            return;
        }
        // A tenant's quota is for what it reserved and for what it took meanwhile together: who is in stays, and the
        // rest of the reservation is missing until somebody leaves.
        let quota = self.terms(tenant).and_then(|terms| terms.quota).unwrap_or(u32::MAX);
        let taken = self.ledger.seats_of(tenant);
        let keep = quota.saturating_sub(seats);
        let within = quota.saturating_sub(self.plan_quota(tenant, taken, keep, &mut plan));
        let given = free.minus(lacks).count_of(&leg).min(seats).min(within);
        self.carry_out(plan, None);
        self.ledger.update(id, |entry| {
            entry.base = base;
            entry.promised = promised + given;
        });
    }

    /// Whether a conference's room is reserved and nobody is in it.
    pub fn is_reserved(&self, id: ConferenceId) -> bool {
        self.conference(id).is_some_and(|view| view.state == ViewState::Reserved)
    }
}

/// How soon a reservation that did not get all its room looks for more, besides whenever somebody leaves:
/// what active conferences do not use becomes free by time alone.
const AGAIN: Duration = Duration::from_secs(5);
