//! What outlives the process: reservations, which conferences ran, and which are over.
//!
//! The store is at the rim; here are only its messages. A reservation is answered when it is on the disk, and so is what an
//! administrator had made, changed or ended. That a conference of callers began or ended is told to the disk at once, and
//! nobody waits for it: what a cut takes away of that is what a URI itself can prove (see [`Node::recall`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use focus::Creator;
use pool::{Codec, ConferenceId, Reservation, Seats};
use serde::{Deserialize, Serialize};
use sip::{Incoming, SipUri, Uri};
use units::{Instant, UnixTime};

use crate::conference::{Asked, Record, State};
use crate::guessing::{StoredWrongPins, is_up};
use crate::inside::Inside;
use crate::node::{Node, Output, TOMBSTONE_FOR};
use crate::steering::{Policy, StoredKey};

/// One conference as it is kept. Fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredConference {
    /// Its identity.
    pub id: ConferenceId,
    /// The conference URI, as it was given out.
    pub uri: String,
    /// The factory that made it, as `sip:USER@HOST`.
    pub factory: String,
    /// Until when it may be activated, as its URI says.
    pub activate_by: UnixTime,
    /// Who asked for it.
    pub creator: Option<Creator>,
    /// The tenant's name; empty: nobody in particular.
    pub tenant: String,
    /// Where it stood.
    pub state: StoredState,
    /// What it goes by: the next process may have other factories, or the same with other rules. `None`: it is over.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// When it began, while it runs: its time counts from then, whatever happens in between.
    #[serde(default)]
    pub began: Option<UnixTime>,
    /// Wrong PINs that count.
    #[serde(default)]
    pub wrong_pins: Vec<StoredWrongPins>,
    /// Who is in, by print, while it is locked.
    #[serde(default)]
    pub inside: Vec<u64>,
}

/// Where a conference stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredState {
    /// It has room at a time, whether it runs or not.
    Reserved {
        /// How many are to come.
        legs: u32,
        /// Their codec.
        codec: Codec,
        /// Their packet time.
        ptime_ms: u32,
        /// When it begins.
        from: UnixTime,
        /// When it ends.
        until: UnixTime,
    },
    /// It ran; or an administrator had it made or changed, and nobody had joined yet.
    Running {
        /// Seats that it had.
        seats: u32,
    },
    /// It is over: its URI stays dead until its time is over too.
    Over,
}

/// A change to what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChange {
    /// Keep this in the place of what there was of that identity.
    Put(Box<StoredConference>),
    /// Forget that.
    Remove(ConferenceId),
    /// Keep a conference and the key that it was made under: after a cut neither is there without the other.
    PutMade(Box<StoredConference>, Box<StoredKey>),
    /// Forget that key.
    RemoveKey(ConferenceId),
}

impl StoreChange {
    /// The conference that it is about.
    pub const fn about(&self) -> ConferenceId {
        match self {
            Self::Put(stored) | Self::PutMade(stored, _) => stored.id,
            Self::Remove(id) | Self::RemoveKey(id) => *id,
        }
    }
}

/// What the node knows of its store.
#[derive(Debug)]
pub(crate) struct Keeping {
    next_ticket: u64,
    /// What is in the store, or on its way there. Bounded by records and reservations.
    kept: BTreeSet<ConferenceId>,
    /// Who waits for what to be on the disk. Bounded by reservations, and by the questions of administrators that go on.
    pub(crate) waiting: BTreeMap<u64, Waiting>,
    /// Until when a URI that was made before the start is believed.
    recall_until: Instant,
}

impl Keeping {
    /// The number of the last change that the store was told.
    pub(crate) const fn last_ticket(&self) -> u64 {
        self.next_ticket
    }

    /// Conferences in the store, or on their way there.
    pub(crate) fn count(&self) -> usize {
        self.kept.len()
    }
}

/// Who waits, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// A reservation is to be made.
    Reserve { ticket: u64, id: ConferenceId },
    /// One is to be given up.
    Cancel { ticket: u64, id: ConferenceId },
    /// An administrator had a conference made: if this fails it is not.
    Make { id: ConferenceId },
}

impl Node {
    /// The same node with a store, which had kept this. What ran gets room again and waits for its callers;
    /// reservations stand.
    #[must_use]
    pub fn with_store(mut self, now: Instant, kept: Vec<StoredConference>) -> Self {
        let holds = self.factories.iter().map(|factory| factory.config().hold);
        let recall = holds.max().unwrap_or_default() + RECALL_MORE;
        self.keeping = Some(Keeping {
            next_ticket: 0,
            kept: kept.iter().map(|it| it.id).collect(),
            waiting: BTreeMap::new(),
            recall_until: now + recall,
        });
        // Those who were talking come first, with a seat for each conference; then what is reserved, which others may have
        // been talking in. What else a conference had may have been taken back since it was written down.
        let (running, others): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|it| matches!(it.state, StoredState::Running { .. }));
        for it in running.iter().chain(&others) {
            self.take_up(now, it);
        }
        for it in running {
            if let StoredState::Running { seats } = it.state {
                self.pool.restore_seats(now, it.id, Seats(seats));
            }
        }
        self
    }

    fn take_up(&mut self, now: Instant, it: &StoredConference) {
        let Ok(Uri::Sip(uri)) = it.uri.parse() else { return self.keep_none(it.id) };
        let wall = self.wall(now);
        let is_its = |(index, factory): (usize, &focus::factory::Factory)| {
            (factory.canonical_uri() == it.factory).then_some(index)
        };
        let factory = self.factories.iter().enumerate().find_map(is_its).unwrap_or(0);
        // A tenant that is no more pays no more.
        let tenant = self.pool.tenant(&it.tenant).unwrap_or_default();
        let mut state = State::Held;
        let policy = it.policy.clone().unwrap_or_else(|| self.usual(factory));
        // Nobody had joined it: it has what its factory holds, as long as its URI says it may begin.
        let only_held = it.began.is_none();
        let stood = match it.state {
            StoredState::Running { .. } if is_up(wall, it.began, &policy) => StoredState::Over,
            StoredState::Running { .. } if only_held && it.activate_by <= wall => StoredState::Over,
            stood => stood,
        };
        let hold = if only_held { self.factories[factory].config().hold } else { REJOIN_WITHIN };
        match stood {
            StoredState::Reserved { legs, codec, ptime_ms, from, until } => {
                let leg = self.pool.config().costs.leg(codec, millis(ptime_ms));
                let (from, until) = (self.moment(now, from), self.moment(now, until));
                let seats = Seats(legs);
                let reservation = Reservation { id: it.id, tenant, seats, leg, from, until };
                self.pool.restore_reservation(now, &reservation);
                if self.pool.reservation(it.id).is_none() {
                    return self.keep_none(it.id);
                }
            }
            StoredState::Running { .. } => {
                self.pool.restore_conference(now, (it.id, Seats(1), tenant), hold);
                if self.pool.conference(it.id).is_none() {
                    return self.keep_none(it.id);
                }
            }
            StoredState::Over if it.activate_by <= wall => return self.keep_none(it.id),
            StoredState::Over => {
                let left = Duration::from_secs(it.activate_by.0.saturating_sub(wall.0));
                self.tombstones.set(it.id, Some(now + left + TOMBSTONE_FOR));
                state = State::Ended;
            }
        }
        let record = Record::unasked(now, uri, (factory, policy), it.activate_by);
        let asked = Asked::before(now);
        let reserved = matches!(it.state, StoredState::Reserved { .. }).then_some(it.state);
        let (creator, began, wrong_pins) = (it.creator.clone(), it.began, it.wrong_pins.clone());
        let ran = !only_held && matches!(stood, StoredState::Running { .. });
        let rejoin_until = ran.then(|| now + REJOIN_WITHIN);
        let until = now + REJOIN_WITHIN;
        let inside =
            (!it.inside.is_empty()).then(|| Box::new(Inside { prints: it.inside.clone(), until }));
        let came_back = Record { creator, asked, reserved, rejoin_until, inside, ..record };
        let known = Record { state, began, wrong_pins, ..came_back };
        self.records.insert(it.id, Box::new(known));
        if stood != it.state {
            self.keep_end(it.id);
        }
    }

    /// A conference begins, or what is kept of it has changed: a restart must not undo that.
    pub(crate) fn keep_now(&mut self, id: ConferenceId) {
        if self.pool.reservation(id).is_none() {
            return self.keep(id, self.running(id));
        }
        // One that is being given up stays so.
        let is_kept = self.keeping.as_ref().is_some_and(|keeping| keeping.kept.contains(&id));
        if let Some(state) = self.records.get(&id).and_then(|record| record.reserved)
            && is_kept
        {
            self.keep(id, state);
        }
    }

    /// Where one stands that has no reservation, and the seats that it has.
    pub(crate) fn running(&self, id: ConferenceId) -> StoredState {
        let seats = self.pool.conference(id).map_or(1, |view| view.seats.0.max(view.used.0));
        StoredState::Running { seats }
    }

    /// A conference that ran before a restart waits for its callers again.
    pub(crate) fn keep_running(&mut self, id: ConferenceId) {
        self.keep(id, StoredState::Running { seats: 1 });
    }

    /// A conference is over.
    pub(crate) fn keep_end(&mut self, id: ConferenceId) {
        match self.pool.reservation(id) {
            None => self.keep(id, StoredState::Over),
            Some(_) => self.keep_now(id),
        }
    }

    /// Nothing of a conference need be kept.
    pub(crate) fn keep_none(&mut self, id: ConferenceId) {
        if self.keeping.as_mut().is_some_and(|keeping| keeping.kept.remove(&id)) {
            self.store(StoreChange::Remove(id));
        }
    }

    /// A reservation is over.
    pub(crate) fn reservation_over(&mut self, id: ConferenceId) {
        match self.records.get(&id).map(|record| &record.state) {
            Some(State::Active(_)) => self.keep_now(id),
            Some(State::Held) => {
                self.keep_none(id);
                self.records.remove(&id);
            }
            Some(State::Ended) | None => self.keep_none(id),
        }
    }

    fn keep(&mut self, id: ConferenceId, state: StoredState) {
        if let Some(stored) = self.to_store(id, state) {
            self.store(StoreChange::Put(Box::new(stored)));
        }
    }

    /// What is to be kept of a conference; `None`: nothing is, or it is not known.
    pub(crate) fn to_store(
        &self,
        id: ConferenceId,
        state: StoredState,
    ) -> Option<StoredConference> {
        self.keeping.as_ref()?;
        let record = self.records.get(&id)?;
        let tenant = self
            .pool
            .reservation(id)
            .map(|it| it.tenant)
            .or_else(|| self.pool.conference(id).map(|view| view.tenant));
        Some(StoredConference {
            id,
            uri: record.uri.to_string(),
            factory: self.factories[record.factory].canonical_uri().to_owned(),
            activate_by: record.activate_by,
            creator: record.creator.clone(),
            tenant: tenant.map(|tenant| self.tenant_name(tenant)).unwrap_or_default(),
            state,
            policy: (state != StoredState::Over).then(|| record.policy.clone()),
            began: record.began,
            wrong_pins: record.wrong_pins.clone(),
            inside: self.prints_inside(id),
        })
    }

    /// Tells the store; gives the number that its answer comes with.
    pub(crate) fn store(&mut self, change: StoreChange) -> Option<u64> {
        let keeping = self.keeping.as_mut()?;
        keeping.next_ticket += 1;
        let ticket = keeping.next_ticket;
        match &change {
            StoreChange::Put(stored) | StoreChange::PutMade(stored, _) => {
                keeping.kept.insert(stored.id)
            }
            StoreChange::Remove(id) => keeping.kept.remove(id),
            StoreChange::RemoveKey(_) => false,
        };
        self.output(Output::Store { ticket, change });
        Some(ticket)
    }

    /// Until when a conference may be activated, as its URI says. Where a restart is to make the same URI of the
    /// same request, copies of which come within half a minute, it is a whole hour: then it does not
    /// matter when the copy came, but for one in a hundred; and to that one leads the other.
    pub(crate) fn activate_by(&self, until: UnixTime) -> UnixTime {
        match self.keeping {
            Some(_) => UnixTime(until.0.div_ceil(3_600) * 3_600),
            None => until,
        }
    }

    /// Takes up a conference whose URI was made before a restart and that nobody had joined: its hold went with the
    /// process. The URI proves that it was made here and that its time is not over; that it ended
    /// before, the store would know. Only for so long after the start as a hold may last.
    pub(crate) fn recall(&mut self, now: Instant, incoming: &Incoming) {
        let Some(keeping) = &self.keeping else { return };
        if now >= keeping.recall_until {
            return;
        }
        // The URI does not say which factory made it. Where they let people in in different ways, it could be one that
        // asks for a PIN: then whoever made it has to ask for it again.
        let mut entries = self.factories.iter().map(|factory| factory.config().entry);
        let first = entries.next();
        if entries.any(|entry| Some(entry) != first) {
            return;
        }
        let Some(uri) = incoming.request.uri.as_sip() else { return };
        let Some(user) = uri.user_unescaped() else { return };
        let user = String::from_utf8_lossy(&user).to_ascii_lowercase();
        let Ok(token) = pool::read(&self.keys.token, &user) else { return };
        let is_over = token.deadline() < self.wall(now);
        if is_over || token.node != self.number || self.records.contains_key(&token.id) {
            return;
        }
        let config = self.factories[0].config();
        let (seats, hold) = (Seats(config.expect), config.hold);
        self.pool.restore_conference(now, (token.id, seats, pool::TenantId::NOBODYS), hold);
        if self.pool.conference(token.id).is_none() {
            return;
        }
        let (host, port) = self.listen_for(incoming).advertise.clone();
        let uri = SipUri::new(host, Some(port)).with_user(&user);
        let policy = self.usual(0);
        let record = Record::unasked(now, uri, (0, policy), token.deadline());
        let asked = Asked::before(now);
        self.records.insert(token.id, Box::new(Record { asked, ..record }));
    }

    /// The moment of our clock that is this one of the wall's; now if it is over.
    pub(crate) fn moment(&self, now: Instant, wall: UnixTime) -> Instant {
        now + Duration::from_secs(wall.0.saturating_sub(self.wall(now).0))
    }
}

pub(crate) fn millis(ptime_ms: u32) -> Duration {
    Duration::from_millis(ptime_ms.into())
}

/// How long a conference that ran when the process died has its room kept: as long as people try to get back in.
const REJOIN_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Beyond a hold: a URI says its time in whole minutes, and clocks differ.
const RECALL_MORE: Duration = Duration::from_secs(60);
