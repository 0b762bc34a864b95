//! One subscription, where the state is (RFC 6665 §4.2).

use std::time::Duration;

use units::{Instant, soonest};

use super::{Reason, ends_subscription, is_same_event};
use crate::{EventHeader, HeaderName, Request, Response, StatusCode, SubscriptionState};

/// Answers to NOTIFY in a row that refuse it without ending the subscription (500, 503, 400), after which it is over all
/// the same: who takes nothing five times is not waited for.
pub const NOTIFY_FAILURES_MAX: u32 = 5;

/// How long a NOTIFY is put off that could not be sent or was refused, when nothing else says.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The longest that a Retry-After puts one off.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// One subscription, as its notifier keeps it. A leaf: see [the module](super) for who does what.
///
/// ```text
/// Pending ──approve──> Active ──expires, unsubscribed, end──> Ending ──last NOTIFY──> Over
///    └──────────────────────── the same ────────────────────────^
/// any but Over ── NOTIFY unanswered, or refused for good ──> Over, without a NOTIFY
/// ```
///
/// **Invariant:** after [`Self::new`], a refresh and the end there is a NOTIFY, whatever else happens, unless the
/// subscriber refuses it; in between there is one for any number of changes, the last of which is never lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notifier {
    event: EventHeader,
    /// Between two NOTIFYs that only changes ask for.
    min_interval: Duration,
    state: State,
    due: Due,
    /// Whether a NOTIFY has no final answer.
    is_waiting: bool,
    /// Before that moment none is sent that only changes ask for.
    not_before: Instant,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending { until: Instant },
    Active { until: Instant },
    Ending { reason: Reason, pace: Pace },
    Over(Over),
}

/// What the next NOTIFY is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    /// The state has changed.
    Change,
    /// The subscriber needs all of it, when its turn comes: it has missed something.
    Whole,
    /// He has asked for all of it.
    Asked,
}

/// Whether the subscriber may have the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Yes: the subscription is active.
    Given,
    /// That is not known yet: it is pending until [`Notifier::approve`].
    Awaited,
}

/// When the last NOTIFY goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// With the first [`Notifier::poll`], even while another is under way: its owner will not be there later.
    Broken,
    /// When it is its turn: after the answer to the one under way, and not before the interval is over.
    Kept,
    /// After the answer to the one under way.
    Hurried,
}

/// What the body of a NOTIFY shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// All of the state: the first NOTIFY, one after a refresh, the last, or one after another was refused.
    Whole,
    /// What has changed since the one before; all of it is right too.
    Changes,
}

/// A NOTIFY to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Its Event.
    pub event: EventHeader,
    /// Its Subscription-State, with `expires` unless it is the last (RFC 6665 §4.2.2).
    pub state: SubscriptionState,
    /// What the body shows.
    pub content: Content,
}

impl Notify {
    /// Writes Event and Subscription-State.
    pub fn write(&self, request: &mut Request) {
        request.headers.push(HeaderName::Event, self.event.to_string());
        request.headers.push(HeaderName::SubscriptionState, self.state.to_string());
    }
}

/// How a subscription ended, for its notifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The last NOTIFY has gone out, with this reason.
    Terminated(Reason),
    /// The subscriber refused a NOTIFY for good, or too often.
    Refused(StatusCode),
    /// A NOTIFY got no answer.
    Unanswered,
}

impl Notifier {
    /// Starts with a SUBSCRIBE that was accepted for `seconds`, or with a REFER. A NOTIFY is due at once. 0 seconds: it
    /// is the only one (RFC 6665 §4.4.3).
    pub fn new(
        now: Instant,
        event: EventHeader,
        consent: Consent,
        seconds: u32,
        min_interval: Duration,
    ) -> Self {
        let until = now + Duration::from_secs(seconds.into());
        let state = match (seconds, consent) {
            (0, _) => State::Ending { reason: Reason::Timeout, pace: Pace::Hurried },
            (_, Consent::Given) => State::Active { until },
            (_, Consent::Awaited) => State::Pending { until },
        };
        Self {
            event,
            min_interval,
            state,
            due: Due::Asked,
            is_waiting: false,
            not_before: now,
            failures: 0,
        }
    }

    /// The package and the id.
    pub const fn event(&self) -> &EventHeader {
        &self.event
    }

    /// Whether an Event means this subscription (RFC 6665 §8.2.1).
    pub fn matches(&self, event: &EventHeader) -> bool {
        is_same_event(&self.event, event)
    }

    /// How it ended, once it has.
    pub const fn over(&self) -> Option<Over> {
        match self.state {
            State::Over(over) => Some(over),
            State::Pending { .. } | State::Active { .. } | State::Ending { .. } => None,
        }
    }

    /// Whether it lives and stays: it takes refreshes and hears of changes.
    pub const fn is_live(&self) -> bool {
        match self.state {
            State::Pending { .. } | State::Active { .. } => true,
            State::Ending { .. } | State::Over(_) => false,
        }
    }

    /// Takes a SUBSCRIBE of the same subscription that was granted `seconds`; 0 ends it (RFC 6665 §4.2.1.4). Whether it
    /// could be: `false` says that the subscription is gone, and the answer is 481.
    #[must_use]
    pub fn refresh(&mut self, now: Instant, seconds: u32) -> bool {
        let until = now + Duration::from_secs(seconds.into());
        self.state = match (self.state, seconds) {
            (State::Pending { .. } | State::Active { .. }, 0) => {
                State::Ending { reason: Reason::Timeout, pace: Pace::Hurried }
            }
            (State::Pending { .. }, _) => State::Pending { until },
            (State::Active { .. }, _) => State::Active { until },
            (State::Ending { .. } | State::Over(_), _) => return false,
        };
        self.due = Due::Asked;
        true
    }

    /// The state has changed.
    pub const fn changed(&mut self) {
        self.due = match self.due {
            Due::Nothing | Due::Change => Due::Change,
            due @ (Due::Whole | Due::Asked) => due,
        };
    }

    /// What had changed has changed back: of that the subscriber need not hear.
    pub const fn unchanged(&mut self) {
        self.due = match self.due {
            Due::Nothing | Due::Change => Due::Nothing,
            due @ (Due::Whole | Due::Asked) => due,
        };
    }

    /// A pending subscription may have the state from now on. Without effect on any other.
    pub const fn approve(&mut self) {
        match self.state {
            State::Pending { until } => {
                self.state = State::Active { until };
                self.due = Due::Asked;
            }
            State::Active { .. } | State::Ending { .. } | State::Over(_) => {}
        }
    }

    /// Ends it from here. Without effect on one that is ending, but that it may get more urgent.
    pub const fn end(&mut self, reason: Reason, pace: Pace) {
        self.state = match (self.state, pace) {
            (State::Pending { .. } | State::Active { .. }, pace) => State::Ending { reason, pace },
            (State::Ending { reason, .. }, Pace::Broken) => State::Ending { reason, pace },
            (state @ (State::Ending { .. } | State::Over(_)), _) => state,
        };
    }

    /// A final answer to the NOTIFY under way. A 1xx has no effect.
    pub fn answered(&mut self, now: Instant, response: &Response) {
        let status = response.status;
        if !status.is_final() {
            return;
        }
        self.is_waiting = false;
        if status.is_success() {
            self.failures = 0;
            return;
        }
        self.failures += 1;
        // RFC 6665 §4.2.2
        if ends_subscription(status) || self.failures >= NOTIFY_FAILURES_MAX {
            return self.give_up(Over::Refused(status));
        }
        // RFC 3261 §20.33
        let asked = response.headers.retry_after().ok().flatten();
        let wish = asked.map_or(AGAIN_AFTER, |asked| Duration::from_secs(asked.seconds.into()));
        self.put_off(now, wish.min(AGAIN_AFTER_MAX));
    }

    /// The NOTIFY under way got no answer, or could not be delivered.
    pub const fn unanswered(&mut self) {
        self.is_waiting = false;
        self.give_up(Over::Unanswered);
    }

    /// The NOTIFY that [`Self::poll`] gave could not be sent, for reasons of our own: it is put off. The last one is not.
    pub fn unsent(&mut self, now: Instant) {
        self.is_waiting = false;
        self.put_off(now, AGAIN_AFTER);
    }

    /// What the subscriber has not got must be sent again, and what he is told next may not build on it.
    fn put_off(&mut self, now: Instant, wish: Duration) {
        self.due = match self.due {
            Due::Nothing | Due::Change | Due::Whole => Due::Whole,
            Due::Asked => Due::Asked,
        };
        self.not_before = now + wish.max(self.min_interval);
    }

    const fn give_up(&mut self, over: Over) {
        self.state = match self.state {
            State::Pending { .. } | State::Active { .. } | State::Ending { .. } => {
                State::Over(over)
            }
            state @ State::Over(_) => state,
        };
    }

    /// When something is due next: the end, or a NOTIFY that had to wait.
    pub fn deadline(&self) -> Option<Instant> {
        let end = match self.state {
            State::Pending { until } | State::Active { until } => Some(until),
            State::Ending { .. } | State::Over(_) => None,
        };
        soonest(end, self.turn())
    }

    /// Does what is due; then [`Self::poll`].
    pub fn handle_deadline(&mut self, now: Instant) {
        match self.state {
            // RFC 6665 §4.2.1.4
            State::Pending { until } | State::Active { until } if until <= now => {
                self.state = State::Ending { reason: Reason::Timeout, pace: Pace::Hurried };
            }
            State::Pending { .. }
            | State::Active { .. }
            | State::Ending { .. }
            | State::Over(_) => {}
        }
    }

    /// When the next NOTIFY may go: `None` while there is none to send, or one has no answer.
    fn turn(&self) -> Option<Instant> {
        let now = Some(Instant::ZERO);
        match (self.state, self.is_waiting, self.due) {
            (State::Over(_), _, _) => None,
            (State::Ending { pace: Pace::Broken, .. }, _, _) => now,
            (_, true, _) => None,
            (State::Ending { pace: Pace::Hurried, .. }, false, _) => now,
            (State::Ending { pace: Pace::Kept, .. }, false, _) => Some(self.not_before),
            (State::Pending { .. } | State::Active { .. }, false, Due::Nothing) => None,
            (State::Pending { .. } | State::Active { .. }, false, Due::Asked) => now,
            // Who has no consent yet is not told of changes: there is nothing in them for him.
            (State::Pending { .. }, false, Due::Change | Due::Whole) => None,
            (State::Active { .. }, false, Due::Change | Due::Whole) => Some(self.not_before),
        }
    }

    /// The NOTIFY to send now, if there is one. It counts as under way from then on; after the last one the subscription
    /// is over, whatever is answered to that.
    pub fn poll(&mut self, now: Instant) -> Option<Notify> {
        if self.turn().is_none_or(|at| at > now) {
            return None;
        }
        let left = |until: Instant| u32::try_from(until.since(now).as_secs()).unwrap_or(u32::MAX);
        let (state, is_last) = match self.state {
            State::Pending { until } => (SubscriptionState::pending(left(until)), false),
            State::Active { until } => (SubscriptionState::active(left(until)), false),
            State::Ending { reason, .. } => {
                self.state = State::Over(Over::Terminated(reason));
                (SubscriptionState::terminated(reason.as_str()), true)
            }
            State::Over(_) => return None,
        };
        let content = match self.due {
            Due::Nothing | Due::Change if !is_last => Content::Changes,
            Due::Nothing | Due::Change | Due::Whole | Due::Asked => Content::Whole,
        };
        self.due = Due::Nothing;
        self.is_waiting = !is_last;
        self.not_before = now + self.min_interval;
        Some(Notify { event: self.event.clone(), state, content })
    }
}

#[cfg(test)]
mod tests;
