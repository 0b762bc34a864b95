//! What was promised to whom, with its sums and orders kept up to date.
//!
//! Only `Sums` touches itself, and is told of every entry that comes, changes and goes, so the two cannot part;
//! [`Pool`](crate::Pool) decides, the ledger only books.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use units::Instant;

use crate::cost::Cost;
use crate::{ConferenceId, Firmness, TenantId};

/// One conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) state: State,
    /// The shard that it takes its room from.
    pub(crate) shard: u16,
    pub(crate) tenant: TenantId,
    /// Seats promised; at least 1, unless a reservation has not got any yet.
    pub(crate) promised: u32,
    /// What each promised seat costs; a leg is charged no less, so that one which leaves always makes
    /// room for its seat to be held again.
    pub(crate) leg: Cost,
    /// What the conference costs beside its legs.
    pub(crate) base: Cost,
    /// Seats that legs take; may exceed the promise.
    pub(crate) used: u32,
    /// What these legs are charged.
    pub(crate) charged: Cost,
    pub(crate) legs_max: Option<u32>,
    /// How long the promise stands without anybody joining, and once more after the first join.
    pub(crate) hold: Duration,
    /// Held: when the promise ends. Active: from when on unused seats may be taken back.
    pub(crate) until: Instant,
    /// Whether it counts for the rate of its tenant.
    pub(crate) is_counted: bool,
    /// Age: order of holding, from the first join on order of activation.
    pub(crate) serial: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody has joined.
    Held(Firmness),
    /// Nobody is in, and a reservation stands.
    Reserved,
    /// Somebody has joined.
    Active,
}

impl Entry {
    /// Promised and not used.
    pub(crate) fn held(&self) -> u32 {
        self.promised.saturating_sub(self.used)
    }

    /// What the promised seats that nobody uses cost, and the conference while nobody is in.
    pub(crate) fn held_cost(&self) -> Cost {
        let base = if self.is_active() { Cost::ZERO } else { self.base };
        base.plus(self.leg.times(self.held()))
    }

    /// What the legs cost, and the conference with them.
    pub(crate) fn used_cost(&self) -> Cost {
        let base = if self.is_active() { self.base } else { Cost::ZERO };
        base.plus(self.charged)
    }

    /// Seats that it counts for.
    pub(crate) fn seats(&self) -> u32 {
        self.used + self.held()
    }

    /// What of an active conference could be taken back. One seat stays, so that every entry costs
    /// something and the capacity bounds their number.
    pub(crate) fn spare(&self) -> u32 {
        match self.state {
            State::Held(_) | State::Reserved => 0,
            State::Active => self.promised.saturating_sub(self.used.max(1)),
        }
    }

    /// Whether nobody joined in time.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        !self.is_active() && self.until <= now
    }

    pub(crate) const fn is_active(&self) -> bool {
        match self.state {
            State::Active => true,
            State::Held(_) | State::Reserved => false,
        }
    }

    /// The unproved source of a soft hold.
    pub(crate) fn soft_source(&self) -> Option<IpAddr> {
        match self.state {
            State::Held(Firmness::Soft { source }) => Some(source),
            State::Held(Firmness::Firm) | State::Reserved | State::Active => None,
        }
    }
}

/// What is taken of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) used: Cost,
    pub(crate) held: Cost,
}

/// All conferences of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Boxed: a map moves its values to make place for one, and takes a few hundred bytes for each that it could have.
    entries: BTreeMap<ConferenceId, Box<Entry>>,
    sums: Sums,
}

/// What all entries come to, and in which order they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    used: u32,
    held: u32,
    /// By shard; what is missing is zero.
    shards: BTreeMap<u16, Taken>,
    /// Seats by tenant, used and held; none that has none.
    tenants: BTreeMap<TenantId, u32>,
    soft_seats: u32,
    /// Soft holds, oldest first.
    soft: BTreeMap<u64, ConferenceId>,
    /// Soft holds of each source, oldest first.
    sources: BTreeMap<IpAddr, BTreeSet<u64>>,
    /// Holds by their end.
    due: BTreeSet<(Instant, ConferenceId)>,
    /// Active conferences with seats to spare, oldest first.
    spare: BTreeMap<u64, ConferenceId>,
}

impl Ledger {
    pub(crate) fn entry(&self, id: ConferenceId) -> Option<&Entry> {
        self.entries.get(&id).map(|entry| &**entry)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (ConferenceId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, &**entry))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn used(&self) -> u32 {
        self.sums.used
    }

    pub(crate) fn held(&self) -> u32 {
        self.sums.held
    }

    /// What is taken of one shard.
    pub(crate) fn taken(&self, shard: u16) -> Taken {
        self.sums.shards.get(&shard).copied().unwrap_or_default()
    }

    /// Seats of a tenant, used and held.
    pub(crate) fn seats_of(&self, tenant: TenantId) -> u32 {
        self.sums.tenants.get(&tenant).copied().unwrap_or(0)
    }

    /// Tenants that have anything.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = TenantId> {
        self.sums.tenants.keys().copied()
    }

    /// Seats of all soft holds.
    pub(crate) fn soft_seats(&self) -> u32 {
        self.sums.soft_seats
    }

    pub(crate) fn soft_count_of(&self, source: IpAddr) -> usize {
        self.sums.sources.get(&source).map_or(0, BTreeSet::len)
    }

    /// Soft holds of one source, the oldest first.
    pub(crate) fn soft_of(&self, source: IpAddr) -> impl Iterator<Item = (ConferenceId, &Entry)> {
        let serials = self.sums.sources.get(&source).into_iter().flatten();
        let ids = serials.filter_map(|serial| self.sums.soft.get(serial));
        ids.filter_map(|id| Some((*id, self.entry(*id)?)))
    }

    /// Holds that nobody has joined.
    pub(crate) fn hold_count(&self) -> usize {
        self.sums.due.len()
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.sums.due.first().map(|(until, _)| *until)
    }

    /// Holds that have ended, the earliest first.
    pub(crate) fn overdue(&self, now: Instant) -> impl Iterator<Item = ConferenceId> {
        self.sums.due.iter().take_while(move |(until, _)| *until <= now).map(|(_, id)| *id)
    }

    /// Soft holds, the oldest first.
    pub(crate) fn soft_by_age(&self) -> impl Iterator<Item = (ConferenceId, &Entry)> {
        self.sums.soft.values().filter_map(|id| Some((*id, self.entry(*id)?)))
    }

    /// Active conferences with seats to spare, the oldest first.
    pub(crate) fn spare_by_age(&self) -> impl Iterator<Item = (ConferenceId, &Entry)> {
        self.sums.spare.values().filter_map(|id| Some((*id, self.entry(*id)?)))
    }

    /// Books an entry; there is none of this id.
    pub(crate) fn insert(&mut self, id: ConferenceId, entry: Entry) {
        self.sums.count(id, &entry);
        let former = self.entries.insert(id, Box::new(entry));
        assert!(former.is_none(), "invariant: an entry is removed before it is replaced");
    }

    /// Strikes an entry out.
    pub(crate) fn remove(&mut self, id: ConferenceId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.sums.discount(id, &entry);
        Some(*entry)
    }

    /// Changes an entry, if there is one.
    pub(crate) fn update(&mut self, id: ConferenceId, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        self.sums.discount(id, entry);
        change(entry);
        self.sums.count(id, entry);
    }

    /// Makes a soft hold firm; any other entry stays as it is. Nearly every hold comes here.
    pub(crate) fn harden(&mut self, id: ConferenceId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(source) = entry.soft_source() else { return };
        entry.state = State::Held(Firmness::Firm);
        let (serial, seats) = (entry.serial, entry.held());
        self.sums.discount_soft(source, serial, seats);
    }

    /// Who pays for an entry that did not count for his rate, and from now on does.
    pub(crate) fn newly_counted(&mut self, id: ConferenceId) -> Option<TenantId> {
        let entry = self.entries.get_mut(&id).filter(|entry| !entry.is_counted)?;
        entry.is_counted = true;
        Some(entry.tenant)
    }
}

impl Sums {
    fn count(&mut self, id: ConferenceId, entry: &Entry) {
        self.used += entry.used;
        self.held += entry.held();
        let taken = self.shards.entry(entry.shard).or_default();
        taken.used = taken.used.plus(entry.used_cost());
        taken.held = taken.held.plus(entry.held_cost());
        if entry.seats() > 0 {
            *self.tenants.entry(entry.tenant).or_default() += entry.seats();
        }
        if !entry.is_active() {
            self.due.insert((entry.until, id));
        }
        if let Some(source) = entry.soft_source() {
            self.soft_seats += entry.held();
            self.soft.insert(entry.serial, id);
            self.sources.entry(source).or_default().insert(entry.serial);
        }
        if entry.spare() > 0 {
            self.spare.insert(entry.serial, id);
        }
    }

    fn discount(&mut self, id: ConferenceId, entry: &Entry) {
        self.used -= entry.used;
        self.held -= entry.held();
        if let Some(taken) = self.shards.get_mut(&entry.shard) {
            taken.used = taken.used.minus(entry.used_cost());
            taken.held = taken.held.minus(entry.held_cost());
            if *taken == Taken::default() {
                self.shards.remove(&entry.shard);
            }
        }
        if let Some(seats) = self.tenants.get_mut(&entry.tenant) {
            *seats -= entry.seats();
            if *seats == 0 {
                self.tenants.remove(&entry.tenant);
            }
        }
        if !entry.is_active() {
            self.due.remove(&(entry.until, id));
        }
        if let Some(source) = entry.soft_source() {
            self.discount_soft(source, entry.serial, entry.held());
        }
        if entry.spare() > 0 {
            self.spare.remove(&entry.serial);
        }
    }

    fn discount_soft(&mut self, source: IpAddr, serial: u64, seats: u32) {
        self.soft_seats -= seats;
        self.soft.remove(&serial);
        if let Some(serials) = self.sources.get_mut(&source) {
            serials.remove(&serial);
            if serials.is_empty() {
                self.sources.remove(&source);
            }
        }
    }
}
