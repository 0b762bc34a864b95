//! A new leg in the place of an old one (RFC 3891, RFC 4579 §5.9).

use sip::{DialogId, StatusCode};
use units::Instant;

use crate::leg::{Standing, State};
use crate::roster::masked;
use crate::{DialEnd, Focus, LegEnd, LegId};

/// What a dialog that an INVITE names is to a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// That of a leg that is in.
    Leg(LegId),
    /// An early one of a leg that we are calling.
    Ringing(LegId),
    /// That of a leg on its way out.
    Ended,
    /// None that an INVITE made.
    Nothing,
}

impl Focus {
    /// Whose dialog this is.
    pub fn named(&self, dialog: &DialogId) -> Named {
        if let Some(leg) = self.leg_of(dialog) {
            return match leg.standing() {
                Standing::Staying => Named::Leg(leg.id),
                Standing::Going | Standing::Gone => Named::Ended,
            };
        }
        let ringing = self.dialling.values().find(|dialling| dialling.rings_in(dialog));
        ringing.map_or(Named::Nothing, |dialling| Named::Ringing(dialling.id))
    }

    /// The leg that an INVITE with Replaces would take the place of (RFC 3891 §3). `user` is who its sender
    /// has proved to be. Where the leg's participant has proved who he is, only he may; where nobody
    /// does, whoever names a dialog by both its tags has been told of it by one of its ends.
    ///
    /// # Errors
    /// The status to refuse with; the leg stays as it is.
    pub fn replaced(
        &self,
        dialog: &DialogId,
        early_only: bool,
        user: Option<&str>,
    ) -> Result<LegId, StatusCode> {
        match self.named(dialog) {
            Named::Leg(leg) if self.is_of(leg, user) => {
                if early_only {
                    Err(StatusCode::BUSY_HERE)
                } else {
                    Ok(self.taken_with(leg))
                }
            }
            Named::Leg(_) => Err(StatusCode::FORBIDDEN),
            Named::Ringing(leg) => Ok(leg),
            Named::Ended => Err(StatusCode::DECLINE),
            Named::Nothing => Err(StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    /// Whose place is taken with this one's: it may be about to take another's. Then that one must not stay beside the newest.
    fn taken_with(&self, leg: LegId) -> LegId {
        let old = self.legs.get(&leg).and_then(|leg| leg.replaces);
        old.filter(|old| self.is_staying(*old)).unwrap_or(leg)
    }

    fn is_of(&self, leg: LegId, user: Option<&str>) -> bool {
        let known = self.legs.get(&leg).and_then(|leg| leg.user.as_deref());
        known.is_none() || known == user.map(masked).as_deref()
    }

    /// `new` takes the place of `old`: as soon as it is acknowledged, or at once of one that only rings. A place is taken once:
    /// who was to have it before and is not acknowledged yet is let go.
    pub fn replace(&mut self, now: Instant, new: LegId, old: LegId) {
        if self.is_dialling(old) {
            // He was called to be in.
            self.let_in(now, new);
            self.call_off(now, old, DialEnd::Replaced);
            return self.settle(now);
        }
        for leg in self.legs.values_mut().filter(|leg| leg.replaces == Some(old)) {
            leg.let_go(now, LegEnd::Replaced, &mut self.outputs);
        }
        if let Some(known) = self.legs.get(&old) {
            let (is_in, is_moderator, is_muted) =
                (known.entry.is_in(), known.is_moderator, known.is_muted);
            if let Some(leg) = self.legs.get_mut(&new) {
                leg.replaces = Some(old);
                leg.is_moderator |= is_in && is_moderator;
            }
            // Whose place he takes was let in.
            if is_in {
                self.let_in(now, new);
            }
            // Nobody unmutes himself by calling from another phone.
            if is_muted {
                let _ = self.mute(now, new, true);
            }
        }
        self.settle(now);
    }

    /// Lets those go whose places are taken. What was the creator's stays his.
    pub(crate) fn settle_replaced(&mut self, now: Instant) {
        let is_in = |leg: &&mut crate::leg::Leg| matches!(leg.state, State::Confirmed { .. });
        let taken = self.legs.values_mut().filter(is_in);
        let taken: Vec<(LegId, LegId)> =
            taken.filter_map(|leg| Some((leg.id, leg.replaces.take()?))).collect();
        for (new, old) in taken {
            if let Some((creator, likeness)) = self.creator_leg
                && creator == old
            {
                self.creator_leg = Some((new, likeness));
                for leg in self.legs.values_mut() {
                    leg.is_creator = leg.id == new;
                }
            }
            // Since he called, too.
            if self.legs.get(&old).is_some_and(|leg| leg.is_muted) {
                let _ = self.mute(now, new, true);
            }
            if let Some(leg) = self.legs.get_mut(&old) {
                leg.let_go(now, LegEnd::Replaced, &mut self.outputs);
            }
        }
    }
}
