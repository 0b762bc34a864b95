//! What a focus makes of keys, of time, and of who lets people in.

use std::collections::VecDeque;
use std::time::Duration;

use sip::Incoming;
use units::Instant;

use super::{
    BAD_TONES, Entry, EntryPolicy, Guesses, HASH_WITHIN, KEY_WITHIN, NOT_IN_MAX, Prompt, Role,
    TONE_EVERY, Verdict, WrongPins,
};
use crate::creator::Likeness;
use crate::focus::Phase;
use crate::leg::{Leg, Standing, State};
use crate::steering::NoSuchLeg;
use crate::{Focus, LegEnd, LegId, Output};

/// A key of a telephone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// 0 to 9.
    Digit(u8),
    /// That was all.
    Hash,
    /// Begin again.
    Star,
    /// One that means nothing here.
    Other,
}

/// Why nobody more is taken in who would not be in at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// There are [`NOT_IN_MAX`] already.
    Full,
    /// Too many wrong PINs have come: from there, or in all.
    TooManyWrong {
        /// For so long.
        wait: Duration,
    },
}

impl Focus {
    /// Whether one more is taken in who has to key a PIN or wait. `user` is who he has proved to be, and `role` what he is
    /// by that.
    ///
    /// # Errors
    /// [`Shut`]; nothing was kept.
    pub fn door(
        &self,
        now: Instant,
        incoming: &Incoming,
        user: Option<&str>,
        role: Role,
    ) -> Result<(), Shut> {
        let creator = self.config.creator.as_ref().and_then(|creator| creator.user.as_deref());
        let is_creator = user.is_some() && user == creator;
        let role = if is_creator { Role::Creator } else { role.min(self.role_of_call(incoming)) };
        match self.config.entry.first(now, role) {
            Entry::In => return Ok(()),
            Entry::AskedForPin(_) => {
                let source = incoming.source.remote.ip();
                if let Some(wait) = self.guesses.are_over(now, source) {
                    return Err(Shut::TooManyWrong { wait });
                }
            }
            Entry::TurnedAway { .. } | Entry::Waiting { .. } => {}
        }
        let outside = self.legs.values().filter(|leg| !leg.entry.is_in()).count();
        if outside >= NOT_IN_MAX { Err(Shut::Full) } else { Ok(()) }
    }

    /// What a caller is by his call alone.
    fn role_of_call(&self, incoming: &Incoming) -> Role {
        let likeness =
            self.config.creator.as_ref().map_or(Likeness::No, |creator| creator.likeness(incoming));
        let known = self.creator_leg.map_or(Likeness::No, |(_, likeness)| likeness);
        if likeness > known { Role::Creator } else { Role::Guest }
    }

    /// How somebody comes in who calls.
    pub(crate) fn entry_of(&mut self, now: Instant, incoming: &Incoming) -> Entry {
        let entry = self.config.entry.first(now, self.role_of_call(incoming));
        if entry.is_in() {
            self.had_leg = true;
        } else {
            self.was_guarded = true;
        }
        entry
    }

    /// A participant has pressed a key. It means something while he is asked for his PIN, the prints of which were made
    /// under `secret`.
    pub fn key(&mut self, now: Instant, id: LegId, key: Key, secret: &[u8; 32]) {
        let rules = self.config.entry;
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.is_confirmed()) else { return };
        let Entry::AskedForPin(asking) = &mut leg.entry else { return };
        match key {
            Key::Digit(digit) if digit < 10 && asking.keyed.push(digit) => {
                asking.until = now + KEY_WITHIN;
                if rules.wants_more(secret, &asking.keyed) {
                    return self.settle(now);
                }
            }
            Key::Star => {
                asking.again(now);
                return self.settle(now);
            }
            // Where a guest keys `#` alone, that must not make a guest of a moderator who mistyped.
            Key::Hash if asking.ended_before(now) => return self.settle(now),
            Key::Hash => {}
            Key::Digit(_) | Key::Other => return,
        }
        let (keyed, source) = (asking.keyed, leg.dialog.path.remote.ip());
        if self.guesses.are_over(now, source).is_some() {
            // Nobody learns from this whether it was right.
            leg.turn_away(now, LegEnd::PinLocked, &mut self.outputs);
            return self.settle(now);
        }
        match rules.verdict(secret, &keyed) {
            Verdict::Nothing => {}
            Verdict::Moderator => {
                leg.is_moderator = true;
                self.pin_passed(now, id, Role::Moderator);
            }
            Verdict::Guest => self.pin_passed(now, id, Role::Guest),
            Verdict::Wrong => {
                self.guesses.note(now, source);
                self.outputs.push_back(Output::WrongPin { leg: id });
                leg.wrong_pin(now, key, &mut self.outputs);
            }
        }
        self.settle(now);
    }

    fn pin_passed(&mut self, now: Instant, id: LegId, role: Role) {
        let next = self.config.entry.behind_pin(now, role);
        if next.is_in() {
            return self.let_in(now, id);
        }
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.entry = next;
            self.outputs.push_back(Output::Prompt { leg: id, prompt: Prompt::Waiting });
            self.outputs.push_back(Output::Waits(leg.participant()));
        }
    }

    /// Lets somebody in who is asked for a PIN or waits. Gives whether that changed anything.
    ///
    /// # Errors
    /// [`NoSuchLeg`], also for one that is still being called, and for one that goes.
    pub fn admit_leg(&mut self, now: Instant, id: LegId) -> Result<bool, NoSuchLeg> {
        let leg = self.legs.get(&id).filter(|leg| leg.standing() == Standing::Staying);
        match leg.ok_or(NoSuchLeg)?.entry {
            Entry::In => return Ok(false),
            Entry::TurnedAway { .. } => return Err(NoSuchLeg),
            Entry::AskedForPin(_) | Entry::Waiting { .. } => {}
        }
        self.let_in(now, id);
        self.settle(now);
        Ok(true)
    }

    /// Makes somebody a moderator, or a guest again. Who becomes one is let in. The creator stays what he is. Gives
    /// whether that changed anything.
    ///
    /// # Errors
    /// [`NoSuchLeg`].
    pub fn appoint(
        &mut self,
        now: Instant,
        id: LegId,
        is_moderator: bool,
    ) -> Result<bool, NoSuchLeg> {
        let leg = self.legs.get_mut(&id).filter(|leg| leg.standing() == Standing::Staying);
        let leg = leg.ok_or(NoSuchLeg)?;
        let is_new = std::mem::replace(&mut leg.is_moderator, is_moderator) != is_moderator;
        if is_moderator {
            self.let_in(now, id);
        }
        self.settle(now);
        Ok(is_new)
    }

    /// He is in from now on.
    pub(crate) fn let_in(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let may_come = match leg.entry {
            Entry::AskedForPin(_) | Entry::Waiting { .. } => true,
            Entry::In | Entry::TurnedAway { .. } => false,
        };
        if !may_come || leg.standing() != Standing::Staying {
            return;
        }
        self.had_leg = true;
        leg.come_in(now, &mut self.outputs);
    }

    /// How people are let in from now on. Who is in stays; who need not key or wait any more goes on.
    pub fn set_entry(&mut self, now: Instant, rules: EntryPolicy) {
        self.config.entry = rules;
        for id in self.legs.keys().copied().collect::<Vec<_>>() {
            let Some(leg) = self.legs.get(&id) else { continue };
            let (role, is_confirmed) = (leg.role(), leg.is_confirmed());
            match &leg.entry {
                Entry::AskedForPin(_) if !rules.asks() && is_confirmed => {
                    self.pin_passed(now, id, role);
                }
                Entry::AskedForPin(_) if !rules.guards() => self.let_in(now, id),
                Entry::Waiting { .. } if !rules.lobby => self.let_in(now, id),
                Entry::AskedForPin(_)
                | Entry::In
                | Entry::TurnedAway { .. }
                | Entry::Waiting { .. } => {}
            }
        }
        self.settle(now);
    }

    /// Wrong PINs that count still: at most some sixty.
    pub fn wrong_pins(&self, now: Instant) -> Vec<WrongPins> {
        self.guesses.kept(now)
    }

    /// The same conference, at which these wrong PINs were keyed before.
    #[must_use]
    pub fn with_wrong_pins(mut self, now: Instant, kept: &[WrongPins]) -> Self {
        self.guesses = Guesses::restored(now, kept);
        self
    }

    /// Does what is due for those who are not in yet.
    pub(crate) fn entries_due(&mut self, now: Instant) {
        let is_due =
            |leg: &&Leg| leg.is_confirmed() && leg.entry.deadline().is_some_and(|at| at <= now);
        for id in self.legs.values().filter(is_due).map(|leg| leg.id).collect::<Vec<_>>() {
            self.entry_due(now, id);
        }
    }

    fn entry_due(&mut self, now: Instant, id: LegId) {
        let has_guests_pin = self.config.entry.pin.is_some();
        let Self { legs, outputs, .. } = self;
        let Some(leg) = legs.get_mut(&id) else { return };
        match &mut leg.entry {
            // Only moderators have one: who keys nothing is a guest.
            Entry::AskedForPin(asking) if !has_guests_pin && asking.keyed.len() == 0 => {
                self.pin_passed(now, id, Role::Guest);
            }
            Entry::AskedForPin(_) => leg.let_go(now, LegEnd::NoPin, outputs),
            Entry::TurnedAway { cause, .. } => {
                let cause = *cause;
                leg.let_go(now, cause, outputs);
            }
            Entry::Waiting { until, .. } if *until <= now => {
                leg.let_go(now, LegEnd::NotLetIn, outputs);
            }
            Entry::Waiting { tone_at, .. } => {
                *tone_at = now + TONE_EVERY;
                outputs.push_back(Output::Prompt { leg: id, prompt: Prompt::Waiting });
            }
            Entry::In => {}
        }
    }

    /// Whether nobody is left who is in or may yet be.
    pub(crate) fn is_deserted(&self) -> bool {
        self.legs.values().all(|leg| leg.standing() == Standing::Gone) && !self.is_calling()
    }

    /// Whether somebody is being called.
    pub(crate) fn is_calling(&self) -> bool {
        self.dialling.values().any(crate::dialling::Dialling::is_pending)
    }

    /// Whether it goes on without anybody: nobody ever got in, those who tried could not or were called and did not come, and others
    /// may yet come.
    pub(crate) fn waits_for_others(&self, now: Instant) -> bool {
        self.empty_until.is_some_and(|until| now < until)
    }

    /// When that time is over, while it matters.
    pub(crate) fn empty_deadline(&self) -> Option<Instant> {
        let is_tried = !self.is_new() && !self.had_leg;
        let matters = self.phase == Phase::Running && is_tried && self.is_deserted();
        self.empty_until.filter(|_| matters)
    }

    /// The same conference, which lasts until then if nobody gets in: it is promised as long. Who holds its URI and not its PIN
    /// cannot end it by trying, and who is called and does not answer does not end it for those who are called next.
    #[must_use]
    pub const fn kept_empty_until(mut self, until: Instant) -> Self {
        self.empty_until = Some(until);
        self
    }
}

impl Leg {
    /// What he is.
    pub(crate) const fn role(&self) -> Role {
        match (self.is_creator, self.is_moderator) {
            (true, _) => Role::Creator,
            (false, true) => Role::Moderator,
            (false, false) => Role::Guest,
        }
    }

    /// Whether his call is acknowledged, and goes on.
    pub(crate) const fn is_confirmed(&self) -> bool {
        matches!(self.state, State::Confirmed { .. })
    }

    fn wrong_pin(&mut self, now: Instant, last: Key, out: &mut VecDeque<Output>) {
        let Entry::AskedForPin(asking) = &mut self.entry else { return };
        asking.tries_left = asking.tries_left.saturating_sub(1);
        if asking.tries_left == 0 {
            return self.turn_away(now, LegEnd::WrongPin, out);
        }
        asking.again(now);
        asking.ends_wrong_until = (last != Key::Hash).then(|| now + HASH_WITHIN);
        out.push_back(Output::Prompt { leg: self.id, prompt: Prompt::Bad });
    }

    fn turn_away(&mut self, now: Instant, cause: LegEnd, out: &mut VecDeque<Output>) {
        self.entry = Entry::TurnedAway { at: now + BAD_TONES, cause };
        out.push_back(Output::Prompt { leg: self.id, prompt: Prompt::Bad });
    }
}
