//! What an administrator does to a conference that runs.

use sip::{SipUri, StatusCode};
use units::Instant;

use crate::dialling::Callee;
use crate::leg::Standing;
use crate::{DialEnd, EndPolicy, Focus, LegEnd, LegId, Output};

/// Why nobody is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallRefused {
    /// No rule allows it.
    #[error("no rule of this server allows calls to this address: see allow under [dial_out]")]
    NoRule,
    /// It is the conference's own address.
    #[error("the conference cannot join itself")]
    Itself,
    /// It was told to call too often.
    #[error(
        "this conference has called too many within a minute: see refers_per_minute under [dial_out]"
    )]
    TooMany,
    /// It has as many legs as one can have.
    #[error("this conference has as many legs as one can have")]
    Full,
    /// It is ending.
    #[error("this conference is ending")]
    Ending,
}

/// There is no such leg, or it is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such participant is in this conference")]
pub struct NoSuchLeg;

impl Focus {
    /// Keeps a leg's sound out of the mix, or lets it in again. Whoever watches is told (RFC 4575 §5.8.5).
    /// Gives whether that changed anything.
    ///
    /// # Errors
    /// [`NoSuchLeg`], also for one that is still being called: it has no sound yet.
    pub fn mute(&mut self, now: Instant, leg: LegId, is_muted: bool) -> Result<bool, NoSuchLeg> {
        let leg = self.legs.get_mut(&leg).filter(|leg| leg.standing() == Standing::Staying);
        let leg = leg.ok_or(NoSuchLeg)?;
        let is_new = leg.is_muted != is_muted;
        if is_new {
            leg.is_muted = is_muted;
            self.outputs.push_back(Output::MuteMedia { leg: leg.id, is_muted });
            self.settle_watch(now);
        }
        Ok(is_new)
    }

    /// Lets a leg go, gives up calling it, or turns it away that waits to be let in.
    ///
    /// # Errors
    /// [`NoSuchLeg`].
    pub fn remove_leg(&mut self, now: Instant, leg: LegId) -> Result<(), NoSuchLeg> {
        if self.is_dialling(leg) {
            self.call_off(now, leg, DialEnd::Removed);
            return Ok(());
        }
        let found = self.legs.get_mut(&leg).filter(|leg| leg.standing() == Standing::Staying);
        let leg = found.ok_or(NoSuchLeg)?;
        let cause = if leg.entry.is_in() { LegEnd::Removed } else { LegEnd::NotLetIn };
        let id = leg.id;
        leg.let_go(now, cause, &mut self.outputs);
        // Nor does he stay by another call of his that is about to take its place.
        for leg in self.legs.values_mut().filter(|leg| leg.replaces == Some(id)) {
            leg.let_go(now, cause, &mut self.outputs);
        }
        self.settle(now);
        Ok(())
    }

    /// Calls somebody, under the rules that a REFER is under.
    ///
    /// # Errors
    /// [`CallRefused`].
    pub fn call(&mut self, now: Instant, target: &SipUri) -> Result<LegId, CallRefused> {
        let rules = &self.config.dial_out;
        if crate::order::is_conference(target, &self.config.conference_uri) {
            return Err(CallRefused::Itself);
        }
        if !rules.allows(target) {
            return Err(CallRefused::NoRule);
        }
        if self.refers.is_over(now, rules.refers_per_minute) {
            return Err(CallRefused::TooMany);
        }
        let uri = target.as_request_uri();
        let callee = Callee { uri, display: None, referred_by: None, replaces: None };
        let leg = self.dial(now, callee).map_err(|status| match status {
            StatusCode::NOT_FOUND => CallRefused::Ending,
            _ => CallRefused::Full,
        })?;
        self.refers.note(now);
        Ok(leg)
    }

    /// From now on it ends by this rule.
    pub fn set_end(&mut self, now: Instant, end: EndPolicy) {
        self.config.end = end;
        self.settle(now);
    }

    /// Whether nobody gets in any more who is not called. Whoever watches is told (RFC 4575 §5.5.3).
    pub fn lock(&mut self, now: Instant, is_locked: bool) {
        self.is_locked = is_locked;
        self.settle_watch(now);
    }

    /// How many legs it may have, for those who watch.
    pub fn limit(&mut self, now: Instant, users_max: Option<u32>) {
        self.watch.terms.users_max = users_max;
        self.settle_watch(now);
    }
}
