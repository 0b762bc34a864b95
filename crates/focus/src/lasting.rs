//! How long a conference may last.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::{Instant, soonest};

use crate::focus::Phase;
use crate::{End, Focus, Output};

/// The time of one conference. A leaf: the focus ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lasting {
    /// When it began here.
    since: Instant,
    /// How long it had lasted by then, elsewhere or before a restart.
    before: Duration,
    /// How long it may last.
    max: Option<Duration>,
    /// Whether those who are in were told that it ends soon.
    was_told: bool,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    /// To tell that it ends after so long.
    Tell(Duration),
    End,
}

/// [`Lasting`] on its way to another node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastingSnapshot {
    age_ms: u64,
    was_told: bool,
}

impl Lasting {
    pub(crate) const fn new(now: Instant, max: Option<Duration>) -> Self {
        Self { since: now, before: Duration::ZERO, max, was_told: false }
    }

    fn ends_at(&self) -> Option<Instant> {
        Some(self.since + self.max?.saturating_sub(self.before))
    }

    /// When it is told: [`TOLD_BEFORE`], or after half of a time that is not twice that long.
    fn tell_at(&self) -> Option<Instant> {
        let max = self.max.filter(|_| !self.was_told)?;
        let told_after = max.saturating_sub(TOLD_BEFORE.min(max / 2));
        Some(self.since + told_after.saturating_sub(self.before))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        soonest(self.ends_at(), self.tell_at())
    }

    /// What is due now; it is told once.
    fn handle_deadline(&mut self, now: Instant) -> Due {
        let Some(end) = self.ends_at() else { return Due::Nothing };
        if end <= now {
            return Due::End;
        }
        if self.tell_at().is_some_and(|at| at <= now) {
            self.was_told = true;
            return Due::Tell(end.since(now));
        }
        Due::Nothing
    }

    /// It may last so long from its beginning on. Those who are in are told of a new end as of the first one.
    fn set(&mut self, max: Option<Duration>) {
        if max != self.max {
            *self = Self { max, was_told: false, ..*self };
        }
    }

    pub(crate) fn snapshot(&self, now: Instant) -> LastingSnapshot {
        let age = self.before.saturating_add(now.since(self.since));
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        LastingSnapshot { age_ms, was_told: self.was_told }
    }

    pub(crate) fn restore(
        now: Instant,
        max: Option<Duration>,
        LastingSnapshot { age_ms, was_told }: LastingSnapshot,
    ) -> Self {
        // It may be older than the clock here.
        Self { since: now, before: Duration::from_millis(age_ms), max, was_told }
    }
}

impl Focus {
    /// The same conference, which had lasted so long before it came here: that counts.
    #[must_use]
    pub const fn lasting_since(mut self, before: Duration) -> Self {
        self.lasting.before = before;
        self
    }

    /// How long it may last from its beginning on; `None`: as long as somebody is in. When that time is over
    /// already, it ends now.
    pub fn set_max_time(&mut self, now: Instant, max: Option<Duration>) {
        self.config.max_time = max;
        self.lasting.set(max);
        self.time_due(now);
        self.settle(now);
    }

    /// When its time is up, if it is limited.
    pub fn ends_at(&self) -> Option<Instant> {
        self.lasting.ends_at()
    }

    /// Tells that the time is nearly up, or ends it.
    pub(crate) fn time_due(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        match self.lasting.handle_deadline(now) {
            Due::Nothing => {}
            Due::Tell(left) => self.outputs.push_back(Output::EndsSoon { left }),
            Due::End => self.begin_end(now, End::TimeUp),
        }
    }

    /// When the time is due, while that matters.
    pub(crate) fn time_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => self.lasting.deadline(),
            Phase::Ending(_) | Phase::Over => None,
        }
    }
}

/// How long before its end those who are in hear that it comes: time for a last word.
const TOLD_BEFORE: Duration = Duration::from_secs(60);
