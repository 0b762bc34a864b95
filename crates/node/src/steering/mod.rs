//! What administrators see and do, without SIP: the same conferences, the same rules.
//!
//! - this file: what can be asked, and why it cannot be done
//! - `conferences`: making, changing and ending them
//! - `participants`: calling, muting and removing them
//! - `entry`: letting them in, and making moderators of them
//! - `view`: what is shown
//!
//! A conference is named by its [`ConferenceId`] here. Its URI lets whoever holds it in; its id does not, since
//! the MAC of the URI cannot be made from it.

mod conferences;
mod entry;
mod participants;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use focus::factory::{Factory, Refused};
use focus::{CallRefused, EndPolicy, EntryPolicy, LegId, Pin, PinPrint, PinSalt, SamePins};
use pool::ConferenceId;
use serde::{Deserialize, Serialize};
use units::{Instant, UnixTime};

pub use self::view::{ConferenceView, ParticipantView, Stage};
use crate::keeping::{StoreChange, Waiting};
use crate::node::Node;

/// A conference that somebody wants made. What is `None` is as the factory has it. As it is kept it has the prints of its
/// PINs in their place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewConference<P = Pin> {
    /// A user part of the factory whose rules it goes by; `None`: the first one's.
    pub factory: Option<String>,
    /// Who pays: a tenant's name; `None`: whoever the configuration says for that factory.
    pub tenant: Option<String>,
    /// Legs that are expected: room for so many is held.
    pub seats: Option<u32>,
    /// Legs that there may be at most.
    pub max: Option<u32>,
    /// How long it may last, from when somebody joins.
    pub max_time: Option<Duration>,
    /// What guests have to key.
    pub pin: Option<P>,
    /// What makes a moderator of whoever keys it.
    pub moderator_pin: Option<P>,
    /// Whether guests wait until they are let in.
    pub lobby: Option<bool>,
    /// A name for people, at most [`TITLE_CHARS_MAX`] characters.
    pub title: Option<String>,
    /// When it ends.
    pub end: Option<EndPolicy>,
    /// Whether only those get in who are called.
    pub locked: bool,
}

impl<P> Default for NewConference<P> {
    fn default() -> Self {
        Self {
            factory: None,
            tenant: None,
            seats: None,
            max: None,
            max_time: None,
            pin: None,
            moderator_pin: None,
            lobby: None,
            title: None,
            end: None,
            locked: false,
        }
    }
}

impl NewConference {
    /// The same as it is kept. With the same salt the same gives the same.
    fn kept(&self, key: &[u8; 32], salt: PinSalt) -> NewConference<PinPrint> {
        let Self {
            factory,
            tenant,
            seats,
            max,
            max_time,
            pin,
            moderator_pin,
            lobby,
            title,
            end,
            locked,
        } = self.clone();
        let print = |pin: Option<Pin>| pin.map(|pin| pin.print(key, salt));
        let (pin, moderator_pin) = (print(pin), print(moderator_pin));
        NewConference {
            factory,
            tenant,
            seats,
            max,
            max_time,
            pin,
            moderator_pin,
            lobby,
            title,
            end,
            locked,
        }
    }
}

/// Who wants it, and by which key he would ask for the same one again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The name that he goes by, for people.
    pub name: String,
    /// His key (draft-ietf-httpapi-idempotency-key-header); `None`: each time he asks it is another one.
    pub key: Option<String>,
}

/// What is to be different. `None` stays as it is; `Some(None)` takes it away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The name for people.
    pub title: Option<Option<String>>,
    /// Whether only those get in who are called.
    pub locked: Option<bool>,
    /// Legs that there may be at most; those who are in stay.
    pub max: Option<Option<u32>>,
    /// How long it may last, from when somebody joined: if that is over, it ends.
    pub max_time: Option<Option<Duration>>,
    /// What guests have to key; those who are in stay.
    pub pin: Option<Option<Pin>>,
    /// What makes a moderator of whoever keys it.
    pub moderator_pin: Option<Option<Pin>>,
    /// Whether guests wait until they are let in.
    pub lobby: Option<bool>,
    /// When it ends.
    pub end: Option<EndPolicy>,
}

/// Why something is not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SteerError {
    /// There is no such conference, or it is over.
    #[error("there is no such conference, or it has ended: list those there are")]
    NoConference,
    /// There is no such participant, or he is on his way out.
    #[error("no such participant is in this conference, or he is leaving: list those there are")]
    NoParticipant,
    /// No factory goes by this name.
    #[error("no factory has the user {0:?}: name one that the status shows, or none for the first")]
    NoFactory(String),
    /// No tenant of that name.
    #[error(
        "there is no tenant {0:?}: name one of [tenants] in the configuration, or none, and whoever pays for the factory does"
    )]
    NoTenant(String),
    /// A number that cannot be.
    #[error("{what} must be {least} to {most}, found {found}")]
    OutOfRange {
        /// Which.
        what: &'static str,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
        /// What was asked.
        found: u32,
    },
    /// A time that cannot be.
    #[error("a conference lasts {least} to {most} seconds, found {found}")]
    BadTime {
        /// The shortest, in seconds.
        least: u64,
        /// The longest.
        most: u64,
        /// What was asked.
        found: u64,
    },
    /// PINs that cannot be told apart.
    #[error(transparent)]
    SamePins(#[from] SamePins),
    /// More are expected than there may be.
    #[error(
        "{seats} seats are more than the {max} legs that this conference may have: ask for fewer, or for a higher max"
    )]
    SeatsAboveMax {
        /// Expected.
        seats: u32,
        /// Allowed.
        max: u32,
    },
    /// A title that is too long.
    #[error("a title has at most {TITLE_CHARS_MAX} characters")]
    TitleTooLong,
    /// The key was used for something else.
    #[error(
        "this idempotency key made another conference: repeat that request as it was, or take a new key"
    )]
    KeyUsed,
    /// No room, no port, too often: what SIP would have been refused for too.
    #[error("{}", .0.over_http())]
    Refused(Refused),
    /// Whom to call is no SIP URI, or says more than whom.
    #[error(
        "{0:?} cannot be called: write a SIP URI without header fields and method, as in sip:bob@192.0.2.7"
    )]
    BadTarget(String),
    /// The conference does not call him.
    #[error("{0}")]
    NotCalled(CallRefused),
    /// He is being called, and has no sound yet.
    #[error("this participant is still being called: do it once he has answered")]
    NotInYet,
}

/// What an administrator may set of a conference, each kept with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub(crate) title: Option<String>,
    pub(crate) end: EndPolicy,
    pub(crate) legs_max: Option<u32>,
    pub(crate) max_time: Option<Duration>,
    pub(crate) entry: EntryPolicy,
    pub(crate) is_locked: bool,
}

impl Policy {
    fn of(factory: &Factory, key: &[u8; 32]) -> Self {
        let config = factory.config();
        let salt = || PinSalt::of_factory(key, factory.canonical_uri());
        Self {
            title: None,
            end: config.end,
            legs_max: config.legs_max,
            max_time: config.max_time,
            entry: config.entry.policy(key, salt),
            is_locked: false,
        }
    }
}

/// What was made under which key.
#[derive(Debug, Default)]
pub(crate) struct KeysUsed(BTreeMap<ConferenceId, Used>);

/// The same as it is kept, so that a request that is repeated after a restart is the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// The identity of asker and key.
    pub id: ConferenceId,
    /// When it was used.
    pub at: UnixTime,
    /// For what.
    pub asked: NewConference<PinPrint>,
    /// What was answered.
    pub made: ConferenceView,
}

#[derive(Debug)]
struct Used {
    at: UnixTime,
    asked: NewConference<PinPrint>,
    made: ConferenceView,
}

impl Used {
    /// A restart does not stop this clock.
    fn is_alive(&self, wall: UnixTime) -> bool {
        wall.0.saturating_sub(self.at.0) < KEY_FOR.as_secs()
    }
}

impl KeysUsed {
    fn get(&self, wall: UnixTime, id: ConferenceId) -> Option<&Used> {
        self.0.get(&id).filter(|used| used.is_alive(wall))
    }

    /// How many are remembered.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Notes one; gives those that are forgotten for it.
    fn note(&mut self, wall: UnixTime, id: ConferenceId, used: Used) -> Vec<ConferenceId> {
        let mut forgotten = Vec::new();
        if self.0.len() >= KEYS_MAX {
            let old = self.0.iter().filter(|(_, used)| !used.is_alive(wall));
            forgotten.extend(old.map(|(id, _)| *id));
        }
        if self.0.len() >= KEYS_MAX && forgotten.is_empty() {
            let oldest = self.0.iter().min_by_key(|(_, used)| used.at);
            forgotten.extend(oldest.map(|(id, _)| *id));
        }
        forgotten.iter().for_each(|id| drop(self.0.remove(id)));
        self.0.insert(id, used);
        forgotten
    }
}

impl Node {
    /// What the conferences of a factory go by.
    pub(crate) fn usual(&self, factory: usize) -> Policy {
        Policy::of(&self.factories[factory], &self.keys.identity)
    }

    /// The same node, which had kept these keys. Those whose time is over are forgotten.
    #[must_use]
    pub fn with_keys(mut self, now: Instant, kept: Vec<StoredKey>) -> Self {
        let wall = self.wall(now);
        for StoredKey { id, at, asked, made } in kept {
            let used = Used { at, asked, made };
            let forgotten = match used.is_alive(wall) {
                true => self.keys_used.note(wall, id, used),
                false => vec![id],
            };
            self.forget_keys(forgotten);
        }
        self
    }

    fn note_key(
        &mut self,
        now: Instant,
        id: ConferenceId,
        new: &NewConference,
        made: ConferenceView,
    ) {
        let at = self.wall(now);
        let asked = new.kept(&self.keys.identity, PinSalt(id.0));
        let stored = StoredKey { id, at, asked: asked.clone(), made: made.clone() };
        let forgotten = self.keys_used.note(at, id, Used { at, asked, made });
        self.forget_keys(forgotten);
        if let Some(conference) = self.to_store(id, self.running(id)) {
            self.store(StoreChange::PutMade(Box::new(conference), Box::new(stored)));
        }
    }

    /// Whoever has this made is told of it when the disk has taken all that it was told of it since `before`; what it does not
    /// take is not made.
    fn made_when_kept(&mut self, id: ConferenceId, before: u64) {
        let tickets = self.tickets_about(id).filter(|ticket| *ticket > before);
        let waiting: Vec<_> = tickets.map(|ticket| (ticket, Waiting::Make { id })).collect();
        if let Some(keeping) = &mut self.keeping {
            keeping.waiting.extend(waiting);
        }
    }

    /// The disk has not taken it: the same request may come again, and makes it anew.
    pub(crate) fn unmake(&mut self, now: Instant, id: ConferenceId) {
        if self.keys_used.0.remove(&id).is_some() {
            self.forget_keys(vec![id]);
        }
        self.take_back(now, id);
        if self.records.get(&id).is_some_and(|record| record.is_alive()) {
            // Who was quick is in already.
            let _ = self.end_conference(now, id);
        }
    }

    fn forget_keys(&mut self, ids: Vec<ConferenceId>) {
        for id in ids {
            self.store(StoreChange::RemoveKey(id));
        }
    }

    /// Every mutation of an administrator begins so: a hold whose time is over is no conference, whether or not
    /// its deadline was handled.
    fn begin_steering(&mut self, now: Instant) {
        if self.pool.deadline().is_some_and(|at| at <= now) {
            self.pool.handle_deadline(now);
            self.settle(now);
        }
    }

    /// And ends so.
    fn end_steering(&mut self, now: Instant, id: ConferenceId) {
        self.drain_focus(now, id);
        self.settle(now);
    }
}

fn named(leg: u32) -> LegId {
    LegId(leg)
}

/// How long a key names what it made: as long as anybody's retries go on.
pub const KEY_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Keys that are remembered, at some 500 bytes each; one more takes the place of the oldest.
pub const KEYS_MAX: usize = 10_000;

/// Longest title. It is for people, who read no more in a list.
pub const TITLE_CHARS_MAX: usize = 100;

/// Shortest and longest time that a conference can be given: below a second nobody gets in, and what lasts longer than a
/// week is no conference.
pub const MAX_TIME_ASKED: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3_600));

/// Fewest and most legs that can be asked for. There are no more ports for any conference.
pub const SEATS_ASKED: (u32, u32) = (1, 30_000);
