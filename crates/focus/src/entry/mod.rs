//! Who is let in, and how: by PIN, through the lobby, as what.
//!
//! - this file: how far in a leg is
//! - `door`: what the focus makes of keys, time and administrators
//! - `guesses`: how often PINs may be guessed
//! - `pin`: PINs, and what is kept of them
//! - `rules`: the rules, as they are asked for and as a conference has them
//! - `roles`: who may do what

mod door;
mod guesses;
mod pin;
mod roles;
mod rules;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Instant;

pub use self::door::{Key, Shut};
pub(crate) use self::guesses::Guesses;
pub use self::guesses::WrongPins;
pub(crate) use self::pin::Digits;
pub use self::pin::{BadPin, BadPrint, PIN_DIGITS_MAX, PIN_DIGITS_MIN, Pin, PinPrint, PinSalt};
pub use self::roles::{Deed, Role};
use self::rules::Verdict;
pub use self::rules::{EntryChange, EntryPolicy, EntryRules, SamePins};
use crate::{LegEnd, ParticipantState};

/// How far in a leg is.
///
/// ```text
/// AskedForPin ──right──> Waiting ──let in──> In
///      │  └──right, no lobby or a moderator───^
///      │ third wrong one        │ time is up, removed: BYE
///      v
/// TurnedAway ──the tones are over──> BYE
/// ```
/// Only who is in hears the others and is heard, counts as one who is there, and may see who else is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// He hears a tone, and keys digits.
    AskedForPin(Asking),
    /// In.
    In,
    /// He hears that it was wrong for the last time, and then goes.
    TurnedAway { at: Instant, cause: LegEnd },
    /// In the lobby. He hears a tone now and then.
    Waiting { until: Instant, tone_at: Instant },
}

/// A PIN that is being keyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    keyed: Digits,
    tries_left: u8,
    /// When the next digit must have come.
    until: Instant,
    /// Until when a `#` belongs to the PIN before, which was known to be wrong without it.
    ends_wrong_until: Option<Instant>,
}

impl Asking {
    fn new(now: Instant) -> Self {
        let until = now + KEY_WITHIN;
        Self { keyed: Digits::default(), tries_left: TRIES_MAX, until, ends_wrong_until: None }
    }

    fn again(&mut self, now: Instant) {
        self.keyed = Digits::default();
        self.until = now + KEY_WITHIN;
        self.ends_wrong_until = None;
    }

    /// Whether a `#` that comes now is the end of a PIN that was judged already. There is one to each.
    fn ended_before(&mut self, now: Instant) -> bool {
        let until = self.ends_wrong_until.take();
        self.keyed.len() == 0 && until.is_some_and(|until| now < until)
    }
}

impl Entry {
    fn waiting(now: Instant) -> Self {
        Self::Waiting { until: now + LOBBY_WAIT_MAX, tone_at: now + TONE_EVERY }
    }

    pub(crate) const fn is_in(&self) -> bool {
        match self {
            Self::In => true,
            Self::AskedForPin(_) | Self::TurnedAway { .. } | Self::Waiting { .. } => false,
        }
    }

    /// When something is due, once the call is acknowledged.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::AskedForPin(asking) => Some(asking.until),
            Self::In => None,
            Self::TurnedAway { at, .. } => Some(*at),
            Self::Waiting { until, tone_at } => Some(*until.min(tone_at)),
        }
    }

    /// His call is acknowledged: from now on he can hear and key.
    pub(crate) fn begin(&mut self, now: Instant) -> Option<Prompt> {
        match self {
            Self::AskedForPin(asking) => {
                asking.again(now);
                Some(Prompt::AskPin)
            }
            Self::Waiting { .. } => {
                *self = Self::waiting(now);
                Some(Prompt::Waiting)
            }
            Self::In | Self::TurnedAway { .. } => None,
        }
    }

    /// What the roster says of a leg whose call is acknowledged.
    pub(crate) const fn state(&self) -> ParticipantState {
        match self {
            Self::AskedForPin(_) => ParticipantState::AskedForPin,
            Self::In => ParticipantState::Joined,
            Self::TurnedAway { .. } => ParticipantState::Leaving,
            Self::Waiting { .. } => ParticipantState::Waiting,
        }
    }
}

/// [`Entry`] on its way to another node, where its times begin anew. What was keyed is keyed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntrySnapshot {
    AskedForPin {
        tries_left: u8,
    },
    #[default]
    In,
    TurnedAway {
        cause: LegEnd,
    },
    Waiting,
}

impl EntrySnapshot {
    pub(crate) const fn of(entry: &Entry) -> Self {
        match entry {
            Entry::AskedForPin(asking) => Self::AskedForPin { tries_left: asking.tries_left },
            Entry::In => Self::In,
            Entry::TurnedAway { cause, .. } => Self::TurnedAway { cause: *cause },
            Entry::Waiting { .. } => Self::Waiting,
        }
    }

    pub(crate) fn restore(self, now: Instant) -> Entry {
        match self {
            Self::AskedForPin { tries_left } => {
                Entry::AskedForPin(Asking { tries_left, ..Asking::new(now) })
            }
            Self::In => Entry::In,
            Self::TurnedAway { cause } => Entry::TurnedAway { at: now, cause },
            Self::Waiting => Entry::waiting(now),
        }
    }
}

/// What one leg is told by a few tones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Key your PIN.
    AskPin,
    /// That was wrong.
    Bad,
    /// You are in.
    Good,
    /// Somebody will let you in.
    Waiting,
}

/// Wrong PINs in one call.
const TRIES_MAX: u8 = 3;

/// How long the next digit may take.
const KEY_WITHIN: Duration = Duration::from_secs(30);

/// How soon after its last digit somebody keys the `#` that ends a PIN.
const HASH_WITHIN: Duration = Duration::from_secs(3);

/// How long the tones of the last wrong PIN take.
const BAD_TONES: Duration = Duration::from_millis(800);

/// How long somebody waits in the lobby: as long as one waits for a meeting to begin. Then BYE.
pub const LOBBY_WAIT_MAX: Duration = Duration::from_secs(30 * 60);

/// How often he hears that he still waits.
const TONE_EVERY: Duration = Duration::from_secs(10);

/// Legs of one conference that are not in yet: those asked for a PIN, and those in the lobby. Each has a seat and a port. One
/// more is refused (480, try again).
pub const NOT_IN_MAX: usize = 100;
