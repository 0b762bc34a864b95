//! Conferences that are in a conference, and what becomes of it when nobody else is.
//!
//! A mixer that calls another one, or two that were referred into each other, would keep each other going for ever once all
//! people have hung up: to each of them there is somebody.

use std::time::Duration;

use units::Instant;

use crate::focus::Phase;
use crate::{Focus, LegId};

/// How long a conference goes on in which there are only other conferences (RFC 4579 §4.3: they say `isfocus`) and none of them
/// speaks. There may be people in those: then it goes on, and others may join them; who has joined by then keeps it.
pub const ONLY_CONFERENCES_MAX: Duration = Duration::from_secs(10 * 60);

impl Focus {
    /// Somebody behind this leg has begun to talk, or has stopped. The mixer may tell it of a leg that has just ended. Gives
    /// whether that is news.
    pub fn talks(&mut self, now: Instant, leg: LegId, is_talking: bool) -> bool {
        let leg = self.legs.get_mut(&leg).filter(|leg| leg.is_talking != is_talking);
        let Some(leg) = leg else { return false };
        leg.is_talking = is_talking;
        self.settle(now);
        true
    }

    /// Looks who is there, whenever that may have changed.
    pub(crate) fn note_company(&mut self, now: Instant) {
        self.quiet_since = match self.is_quiet_company() {
            true => self.quiet_since.or(Some(now)),
            false => None,
        };
    }

    fn is_quiet_company(&self) -> bool {
        let mut there = self.legs.values().filter(|leg| leg.is_there()).peekable();
        there.peek().is_some()
            && there.all(|leg| leg.manner.is_focus && !leg.is_talking)
            && !self.is_calling()
    }

    /// When it has been so for too long.
    pub(crate) fn company_deadline(&self) -> Option<Instant> {
        let since = self.quiet_since.filter(|_| self.phase == Phase::Running)?;
        Some(since + ONLY_CONFERENCES_MAX)
    }
}
