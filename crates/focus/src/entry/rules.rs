//! How a conference lets people in.

use serde::{Deserialize, Serialize};
use units::Instant;

use super::{Asking, Deed, Digits, Entry, Pin, PinPrint, PinSalt, Role};

/// How a conference is to let people in, as its operator writes it. Those whom it calls are in at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

    /// The same as a conference has them. The salt is asked for if there is a PIN.
    pub fn policy(&self, key: &[u8; 32], salt: impl FnOnce() -> PinSalt) -> EntryPolicy {
        let has_pins = self.pin.is_some() || self.moderator_pin.is_some();
        let salt = has_pins.then(salt);
        let print = |pin: Option<Pin>| Some(pin?.print(key, salt?));
        let (pin, moderator_pin) = (print(self.pin), print(self.moderator_pin));
        EntryPolicy { pin, moderator_pin, lobby: self.lobby }
    }
}

/// How a conference lets people in. Its PINs are prints: it keeps none that could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPolicy {
    /// Of what a guest has to key; `None`: nothing.
    pub pin: Option<PinPrint>,
    /// Of what makes a moderator of whoever keys it.
    pub moderator_pin: Option<PinPrint>,
    /// Whether guests wait until somebody lets them in.
    pub lobby: bool,
}

/// What is to be different. `None` stays as it is; `Some(None)` takes a PIN away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryChange {
    /// What a guest has to key.
    pub pin: Option<Option<Pin>>,
    /// What makes a moderator.
    pub moderator_pin: Option<Option<Pin>>,
    /// Whether guests wait.
    pub lobby: Option<bool>,
}

/// What a PIN was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Moderator,
    Guest,
    Wrong,
    /// Nothing was keyed, where something must be.
    Nothing,
}

impl EntryPolicy {
    /// The same with that changed.
    ///
    /// # Errors
    /// [`SamePins`].
    pub fn changed(
        self,
        key: &[u8; 32],
        salt: PinSalt,
        change: EntryChange,
    ) -> Result<Self, SamePins> {
        let print = |asked: Option<Option<Pin>>, known| match asked {
            Some(asked) => asked.map(|pin| pin.print(key, salt)),
            None => known,
        };
        let changed = Self {
            pin: print(change.pin, self.pin),
            moderator_pin: print(change.moderator_pin, self.moderator_pin),
            lobby: change.lobby.unwrap_or(self.lobby),
        };
        // Of two that are as they were it was seen before.
        let is_like = |print: Option<PinPrint>, asked: Option<Option<Pin>>| {
            let both = print.zip(asked.flatten());
            both.is_some_and(|(print, asked)| print.begins_like(key, &asked))
        };
        if is_like(changed.pin, change.moderator_pin) || is_like(changed.moderator_pin, change.pin)
        {
            return Err(SamePins);
        }
        Ok(changed)
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
    pub(super) fn wants_more(&self, key: &[u8; 32], keyed: &Digits) -> bool {
        let longest = self.pin.iter().chain(&self.moderator_pin).map(PinPrint::len).max();
        self.verdict(key, keyed) == Verdict::Wrong && longest.is_some_and(|most| keyed.len() < most)
    }

    /// What was keyed. Both PINs are always looked at.
    pub(super) fn verdict(&self, key: &[u8; 32], keyed: &Digits) -> Verdict {
        let is = |print: Option<PinPrint>| print.map(|print| bool::from(print.is(key, keyed)));
        match (keyed.len(), is(self.moderator_pin), is(self.pin)) {
            (0, _, Some(_)) => Verdict::Nothing,
            (0, _, None) => Verdict::Guest,
            (_, Some(true), _) => Verdict::Moderator,
            (_, Some(false) | None, Some(true)) => Verdict::Guest,
            (_, Some(false) | None, Some(false) | None) => Verdict::Wrong,
        }
    }

    /// How somebody comes in who calls: what he is has been seen by his call.
    pub(super) fn first(&self, now: Instant, role: Role) -> Entry {
        if self.asks() && !role.may(Deed::PassPin) {
            return Entry::AskedForPin(Asking::new(now));
        }
        self.behind_pin(now, role)
    }

    pub(super) fn behind_pin(&self, now: Instant, role: Role) -> Entry {
        if self.lobby && !role.may(Deed::PassLobby) { Entry::waiting(now) } else { Entry::In }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const SALT: PinSalt = PinSalt([3; 10]);

    fn pin(text: &str) -> Option<Pin> {
        Some(text.parse().unwrap())
    }

    fn changed(from: EntryPolicy, change: EntryChange) -> Result<EntryPolicy, SamePins> {
        from.changed(&KEY, SALT, change)
    }

    #[test]
    fn what_is_not_asked_stays_and_what_is_asked_again_changes_nothing() {
        let rules = EntryRules { pin: pin("4711"), moderator_pin: pin("80047"), lobby: true };
        let policy = rules.policy(&KEY, || SALT);
        assert_eq!(changed(policy, EntryChange::default()), Ok(policy));
        let same = EntryChange { pin: Some(pin("4711")), ..EntryChange::default() };
        assert_eq!(changed(policy, same), Ok(policy));
        let open = EntryChange { pin: Some(None), lobby: Some(false), ..EntryChange::default() };
        let left = EntryPolicy { pin: None, lobby: false, ..policy };
        assert_eq!(changed(policy, open), Ok(left));
    }

    /// Also where one of the two is a print only, and whichever is the longer.
    #[test]
    fn pins_that_cannot_be_told_apart_are_refused() {
        let guests = EntryRules { pin: pin("4711"), ..EntryRules::default() };
        let policy = guests.policy(&KEY, || SALT);
        let moderators =
            |text| EntryChange { moderator_pin: Some(pin(text)), ..EntryChange::default() };
        for bad in ["4711", "471100"] {
            assert_eq!(changed(policy, moderators(bad)), Err(SamePins), "{bad}");
        }
        let both = changed(policy, moderators("80047")).unwrap();
        let guests = |text| EntryChange { pin: Some(pin(text)), ..EntryChange::default() };
        for bad in ["8004", "80047", "800471"] {
            assert_eq!(changed(both, guests(bad)), Err(SamePins), "{bad}");
        }
        let swapped = EntryChange { pin: Some(pin("80047")), ..moderators("4711") };
        assert!(changed(both, swapped).is_ok(), "the old ones do not count");
        let alike = EntryChange { pin: Some(pin("1234")), ..moderators("12345") };
        assert_eq!(changed(both, alike), Err(SamePins));
    }
}
