//! A node that is to go: what is promised and what runs goes on, nothing new begins.
//!
//! ```text
//! Running -> Draining -> ShuttingDown
//!    ^----------'
//! ```
//!
//! **Invariant:** while the node drains, no hold is made, no reservation is promised and none begins, by whichever way it is
//! asked for.

use std::time::Duration;

use focus::End;
use focus::factory::Refused;
use pool::ConferenceId;
use serde::{Deserialize, Serialize};
use units::Instant;

use crate::Notice;
use crate::conference::State;
use crate::node::{Node, Phase};

/// How far a node that drains has come. Serialised as JSON; fields are added, never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainStatus {
    /// Seconds since it takes no new conference.
    pub seconds: u64,
    /// Seconds until what still runs is ended; `None`: it may run as long as it likes, or nothing is left.
    pub ends_in: Option<u64>,
    /// Conferences that are held or run.
    pub conferences: usize,
}

/// When draining began, and when it ends what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draining {
    pub(crate) since: Instant,
    pub(crate) ends_at: Option<Instant>,
}

impl Node {
    /// Takes no new conference from now on. What is held may be joined, and what runs goes on, others
    /// joining too, until `within` is over: then it ends by BYE. `None`: it ends by itself. Said again, the newest
    /// `within` counts.
    pub fn drain(&mut self, now: Instant, within: Option<Duration>) {
        let since = match self.phase {
            Phase::ShuttingDown => return,
            Phase::Draining(draining) => draining.since,
            Phase::Running => now,
        };
        self.phase =
            Phase::Draining(Draining { since, ends_at: within.map(|within| now + within) });
        let conferences = self.living().count();
        self.notice(Notice::Draining {
            seconds: within.map(|within| within.as_secs()),
            conferences,
        });
        self.drain_deadline(now);
        self.settle(now);
    }

    /// Takes new conferences again. Gives whether it did not before.
    pub fn undrain(&mut self) -> bool {
        let is_draining = matches!(self.phase, Phase::Draining(_));
        if is_draining {
            self.phase = Phase::Running;
            self.notice(Notice::Undrained);
        }
        is_draining
    }

    /// How far draining has come; `None`: the node does not drain.
    pub fn draining(&self, now: Instant) -> Option<DrainStatus> {
        match self.phase {
            Phase::Draining(Draining { since, ends_at }) => Some(DrainStatus {
                seconds: now.since(since).as_secs(),
                ends_in: ends_at.map(|at| at.since(now).as_secs()),
                conferences: self.living().count(),
            }),
            Phase::Running | Phase::ShuttingDown => None,
        }
    }

    /// Whether nothing is held and nothing runs any more.
    pub fn is_drained(&self) -> bool {
        self.living().next().is_none() && self.is_quiet()
    }

    /// Whether new conferences are taken.
    pub(crate) const fn takes_new(&self) -> Result<(), Refused> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::Draining(_) => Err(Refused::Draining),
            Phase::ShuttingDown => Err(Refused::ShuttingDown),
        }
    }

    /// Whether a conference that nobody is in may begin. A hold may: it was promised before. A reservation is kept for when
    /// the node takes new conferences again, or for the next process: who comes for it hears what everybody hears.
    pub(crate) fn begins(&self, id: ConferenceId) -> Result<(), Refused> {
        if self.pool.is_reserved(id) { self.takes_new() } else { Ok(()) }
    }

    /// When what still runs is ended.
    pub(crate) const fn drain_ends_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Draining(draining) => draining.ends_at,
            Phase::Running | Phase::ShuttingDown => None,
        }
    }

    /// Ends what is left when its time is over.
    pub(crate) fn drain_deadline(&mut self, now: Instant) {
        let Phase::Draining(draining) = &mut self.phase else { return };
        if draining.ends_at.is_none_or(|at| at > now) {
            return;
        }
        draining.ends_at = None;
        let ids: Vec<ConferenceId> = self.living().collect();
        for id in ids {
            match self.records.get_mut(&id).map(|record| &mut record.state) {
                Some(State::Active(active)) => active.focus.end(now, End::Ordered),
                Some(State::Held) => self.conference_ended(now, id, &End::Ordered.to_string()),
                Some(State::Ended) | None => {}
            }
            self.drain_focus(now, id);
        }
    }

    /// What is held or runs. A reservation is neither: it is kept for when it is due, by the next process too.
    fn living(&self) -> impl Iterator<Item = ConferenceId> {
        self.records.iter().filter_map(|(id, record)| {
            let is_living = match record.state {
                State::Held => !self.pool.is_reserved(*id),
                State::Active(_) => true,
                State::Ended => false,
            };
            is_living.then_some(*id)
        })
    }
}
