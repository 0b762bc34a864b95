//! Who is let in, and how: by PIN, through the lobby, as what.
//!
//! - this file: the rules, and how far in a leg is
//! - `door`: what the focus makes of keys, time and administrators
//! - `pin`: PINs, and how often they may be guessed
//! - `roles`: who may do what

mod door;
mod pin;
mod roles;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Instant;

pub use self::door::{Key, Shut};
pub use self::pin::{BadPin, PIN_DIGITS_MAX, PIN_DIGITS_MIN, Pin};
pub(crate) use self::pin::{Digits, Guesses};
pub use self::roles::{Deed, Role};
use crate::{LegEnd, ParticipantState};

/// How a conference lets people in. Those whom it calls are in at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRules {
    /// What a guest has to key; `None`: nothing.
    pub pin: Option<Pin>,
    /// What makes a moderator of whoever keys it. Where there is only this one, a guest keys `#`, or nothing for 30 s.
    pub moderator_pin: Option<Pin>,
    /// Whether guests wait until somebody lets them in.
    pub lobby: bool,
}

/// One PIN begins with the other, or is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "neither of the PIN and the moderators' PIN may begin with the other: nobody could tell them apart"
)]
pub struct SamePins;

/// What a PIN was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Moderator,
    Guest,
    Wrong,
    /// Nothing was keyed, where something must be.
    Nothing,
}

impl EntryRules {
    /// Whether they can be.
    ///
    /// # Errors
    /// [`SamePins`].
    pub fn check(&self) -> Result<(), SamePins> {
        match (self.pin, self.moderator_pin) {
            (Some(pin), Some(other)) if pin.begins_like(&other) => Err(SamePins),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// Whether callers are asked for a PIN.
    pub const fn asks(&self) -> bool {
        self.pin.is_some() || self.moderator_pin.is_some()
    }

    /// Whether not everybody who calls is let in at once.
    pub const fn guards(&self) -> bool {
        self.asks() || self.lobby
    }

    /// Whether what was keyed is no PIN yet, and may be the beginning of one.
    fn wants_more(&self, keyed: &Digits) -> bool {
        let longest = self.pin.iter().chain(&self.moderator_pin).map(Pin::len).max();
        self.verdict(keyed) == Verdict::Wrong && longest.is_some_and(|most| keyed.len() < most)
    }

    /// What was keyed. Both PINs are always looked at.
    fn verdict(&self, keyed: &Digits) -> Verdict {
        let is = |pin: Option<Pin>| pin.map(|pin| bool::from(pin.is(keyed)));
        match (keyed.len(), is(self.moderator_pin), is(self.pin)) {
            (0, _, Some(_)) => Verdict::Nothing,
            (0, _, None) => Verdict::Guest,
            (_, Some(true), _) => Verdict::Moderator,
            (_, Some(false) | None, Some(true)) => Verdict::Guest,
            (_, Some(false) | None, Some(false) | None) => Verdict::Wrong,
        }
    }

    /// How somebody comes in who calls: what he is has been seen by his call.
    fn first(&self, now: Instant, role: Role) -> Entry {
        if self.asks() && !role.may(Deed::PassPin) {
            return Entry::AskedForPin(Asking::new(now));
        }
        self.behind_pin(now, role)
    }

    fn behind_pin(&self, now: Instant, role: Role) -> Entry {
        if self.lobby && !role.may(Deed::PassLobby) { Entry::waiting(now) } else { Entry::In }
    }
}

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
}

impl Asking {
    fn new(now: Instant) -> Self {
        Self { keyed: Digits::default(), tries_left: TRIES_MAX, until: now + KEY_WITHIN }
    }

    fn again(&mut self, now: Instant) {
        self.keyed = Digits::default();
        self.until = now + KEY_WITHIN;
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

/// How long the tones of the last wrong PIN take.
const BAD_TONES: Duration = Duration::from_millis(800);

/// How long somebody waits in the lobby: as long as one waits for a meeting to begin. Then BYE.
pub const LOBBY_WAIT_MAX: Duration = Duration::from_secs(30 * 60);

/// How often he hears that he still waits.
const TONE_EVERY: Duration = Duration::from_secs(10);

/// Legs of one conference that are not in yet: those asked for a PIN, and those in the lobby. Each has a seat and a port. One
/// more is refused (480, try again).
pub const NOT_IN_MAX: usize = 100;
