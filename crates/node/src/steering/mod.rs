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

use focus::factory::{FactoryConfig, Refused};
use focus::{CallRefused, EndPolicy, EntryRules, LegId, Pin, SamePins};
use pool::ConferenceId;
use serde::{Deserialize, Serialize};
use units::{Instant, UnixTime};

pub use self::view::{ConferenceView, ParticipantView, Stage};
use crate::node::Node;

/// A conference that somebody wants made. What is `None` is as the factory has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewConference {
    /// A user part of the factory whose rules it goes by; `None`: the first one's.
    pub factory: Option<String>,
    /// Legs that are expected: room for so many is held.
    pub seats: Option<u32>,
    /// Legs that there may be at most.
    pub max: Option<u32>,
    /// How long it may last, from when somebody joins.
    pub max_time: Option<Duration>,
    /// What guests have to key.
    pub pin: Option<Pin>,
    /// What makes a moderator of whoever keys it.
    pub moderator_pin: Option<Pin>,
    /// Whether guests wait until they are let in.
    pub lobby: Option<bool>,
    /// A name for people, at most [`TITLE_CHARS_MAX`] characters.
    pub title: Option<String>,
    /// When it ends.
    pub end: Option<EndPolicy>,
    /// Whether only those get in who are called.
    pub locked: bool,
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
    #[error("{0}")]
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
    pub(crate) entry: EntryRules,
    pub(crate) is_locked: bool,
}

impl Policy {
    /// As the factory has it.
    pub(crate) fn of(factory: &FactoryConfig) -> Self {
        Self {
            title: None,
            end: factory.end,
            legs_max: factory.legs_max,
            max_time: factory.max_time,
            entry: factory.entry,
            is_locked: false,
        }
    }
}

/// What was made under which key.
#[derive(Debug, Default)]
pub(crate) struct KeysUsed(BTreeMap<ConferenceId, Used>);

#[derive(Debug)]
struct Used {
    at: Instant,
    asked: NewConference,
    made: ConferenceView,
}

impl KeysUsed {
    fn get(&self, now: Instant, id: ConferenceId) -> Option<&Used> {
        self.0.get(&id).filter(|used| now.since(used.at) < KEY_FOR)
    }

    fn note(&mut self, now: Instant, id: ConferenceId, asked: NewConference, made: ConferenceView) {
        if self.0.len() >= KEYS_MAX {
            self.0.retain(|_, used| now.since(used.at) < KEY_FOR);
        }
        if self.0.len() >= KEYS_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, used)| used.at).map(|(id, _)| *id)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(id, Used { at: now, asked, made });
    }
}

impl Node {
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

    /// The wall clock at another moment than now.
    fn wall_at(&self, now: Instant, at: Instant) -> UnixTime {
        let wall = self.wall(now);
        if at >= now {
            wall.after(at.since(now))
        } else {
            UnixTime(wall.0.saturating_sub(now.since(at).as_secs()))
        }
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
