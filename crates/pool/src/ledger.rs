//! What was promised to whom, with its sums and orders kept up to date.
//!
//! Only [`Ledger::insert`] and [`Ledger::remove`] touch the sums and the indexes, so they cannot
//! part from the entries; [`Pool`](crate::Pool) decides, the ledger only books.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use units::Instant;

use crate::{ConferenceId, Firmness};

/// One conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) state: State,
    /// Seats promised; at least 1.
    pub(crate) promised: u32,
    /// Seats that legs take; may exceed the promise.
    pub(crate) used: u32,
    pub(crate) legs_max: Option<u32>,
    /// How long the promise stands without anybody joining, and once more after the first join.
    pub(crate) hold: Duration,
    /// Held: when the promise ends. Active: from when on unused seats may be taken back.
    pub(crate) until: Instant,
    /// Age: order of holding, from the first join on order of activation.
    pub(crate) serial: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody has joined.
    Held(Firmness),
    /// Somebody has.
    Active,
}

impl Entry {
    /// Promised and not used.
    pub(crate) fn held(&self) -> u32 {
        self.promised.saturating_sub(self.used)
    }

    /// What of an active conference could be taken back. One seat stays, so that every entry costs
    /// something and the capacity bounds their number.
    pub(crate) fn spare(&self) -> u32 {
        match self.state {
            State::Held(_) => 0,
            State::Active => self.promised.saturating_sub(self.used.max(1)),
        }
    }

    /// Whether nobody joined in time.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        matches!(self.state, State::Held(_)) && self.until <= now
    }

    /// The unproved source of a soft hold.
    pub(crate) fn soft_source(&self) -> Option<IpAddr> {
        match self.state {
            State::Held(Firmness::Soft { source }) => Some(source),
            State::Held(Firmness::Firm) | State::Active => None,
        }
    }
}

/// All conferences of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    entries: BTreeMap<ConferenceId, Entry>,
    used: u32,
    held: u32,
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
        self.entries.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    pub(crate) fn held(&self) -> u32 {
        self.held
    }

    /// Seats of all soft holds.
    pub(crate) fn soft_seats(&self) -> u32 {
        self.soft_seats
    }

    pub(crate) fn soft_count_of(&self, source: IpAddr) -> usize {
        self.sources.get(&source).map_or(0, BTreeSet::len)
    }

    /// Soft holds of one source, the oldest first.
    pub(crate) fn soft_of(&self, source: IpAddr) -> impl Iterator<Item = (ConferenceId, &Entry)> {
        let serials = self.sources.get(&source).into_iter().flatten();
        let ids = serials.filter_map(|serial| self.soft.get(serial));
        ids.filter_map(|id| Some((*id, self.entries.get(id)?)))
    }

    /// Holds that nobody has joined.
    pub(crate) fn hold_count(&self) -> usize {
        self.due.len()
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(until, _)| *until)
    }

    /// Holds that have ended, the earliest first.
    pub(crate) fn overdue(&self, now: Instant) -> impl Iterator<Item = ConferenceId> {
        self.due.iter().take_while(move |(until, _)| *until <= now).map(|(_, id)| *id)
    }

    /// Soft holds, the oldest first.
    pub(crate) fn soft_by_age(&self) -> impl Iterator<Item = (ConferenceId, &Entry)> {
        self.soft.values().filter_map(|id| Some((*id, self.entries.get(id)?)))
    }

    /// Active conferences with seats to spare, the oldest first.
    pub(crate) fn spare_by_age(&self) -> impl Iterator<Item = (ConferenceId, &Entry)> {
        self.spare.values().filter_map(|id| Some((*id, self.entries.get(id)?)))
    }

    /// Books an entry; there is none of this id.
    pub(crate) fn insert(&mut self, id: ConferenceId, entry: Entry) {
        self.used += entry.used;
        self.held += entry.held();
        if let State::Held(_) = entry.state {
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
        let former = self.entries.insert(id, entry);
        assert!(former.is_none(), "invariant: an entry is removed before it is replaced");
    }

    /// Strikes an entry out.
    pub(crate) fn remove(&mut self, id: ConferenceId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.used -= entry.used;
        self.held -= entry.held();
        if let State::Held(_) = entry.state {
            self.due.remove(&(entry.until, id));
        }
        if let Some(source) = entry.soft_source() {
            self.soft_seats -= entry.held();
            self.soft.remove(&entry.serial);
            if let Some(serials) = self.sources.get_mut(&source) {
                serials.remove(&entry.serial);
                if serials.is_empty() {
                    self.sources.remove(&source);
                }
            }
        }
        self.spare.remove(&entry.serial);
        Some(entry)
    }

    /// Changes an entry, if there is one.
    pub(crate) fn update(&mut self, id: ConferenceId, change: impl FnOnce(&mut Entry)) {
        if let Some(mut entry) = self.remove(id) {
            change(&mut entry);
            self.insert(id, entry);
        }
    }
}
