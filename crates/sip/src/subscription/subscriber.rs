//! One subscription, where the state is wanted (RFC 6665 §4.1).

use std::time::Duration;

use units::{Instant, soonest};

use super::{Reason, ends_subscription, is_same_event};
use crate::{
    EventHeader, HeaderName, Request, Response, StatusCode, SubscriptionState, TRANSACTION_TIMEOUT,
};

/// Between two SUBSCRIBEs that [`Subscriber::ask_again`] asks for: a notifier whose every NOTIFY is wrong is not asked
/// again with each of them.
pub const REFRESH_GAP_MIN: Duration = Duration::from_secs(2);

/// How long before its end a subscription is refreshed, but for half of a short one: longer than a SUBSCRIBE may be
/// under way (32 s).
const REFRESH_LEAD: Duration = Duration::from_secs(60);
/// When to try once more, after an answer that says nothing about it.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// RFC 6665 §4.1.3 leaves the time after `probation` to us.
const PROBATION: Duration = Duration::from_secs(60);

/// One subscription, as its subscriber keeps it. A leaf: see [the module](super) for who does what.
///
/// ```text
/// Asked ──first NOTIFY──> Live ──unsubscribe──> Leaving ──last NOTIFY──> Over
///   └─ refused, silent ──────┴─ terminated, expired, lost, silent ────────^
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    event: EventHeader,
    /// Seconds that we ask for.
    wanted: u32,
    state: State,
    /// Whether a SUBSCRIBE has no final answer.
    is_asking: bool,
    /// When the next SUBSCRIBE is due.
    ask_at: Option<Instant>,
    /// RFC 6665 §4.1.2.4, timer N: until then a NOTIFY must follow our SUBSCRIBE.
    notify_by: Option<Instant>,
    /// When the last SUBSCRIBE went out.
    asked_at: Instant,
    /// Whether a 423 has raised what we ask for.
    was_raised: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No NOTIFY has come. `granted`: what the 2xx said.
    Asked {
        granted: Option<u32>,
    },
    Live {
        until: Instant,
    },
    Leaving,
    Over(Ended),
}

/// A SUBSCRIBE to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Its Expires; 0 ends the subscription.
    pub seconds: u32,
}

/// How a subscription ended, for its subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The first SUBSCRIBE was refused.
    Refused {
        /// With this.
        status: StatusCode,
        /// Its Retry-After.
        retry_after: Option<Duration>,
    },
    /// A later SUBSCRIBE got this answer: the notifier does not know the subscription any more.
    Lost(StatusCode),
    /// A SUBSCRIBE got no answer, or no NOTIFY followed it.
    Silent,
    /// It ran out before it could be refreshed.
    Expired,
    /// The notifier ended it.
    Terminated {
        /// Why; `None` when it did not say, or a word that we do not know.
        reason: Option<Reason>,
        /// When it may be tried again.
        retry_after: Option<Duration>,
    },
    /// We ended it.
    Unsubscribed,
}

/// Whether to subscribe anew (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// After this time.
    After(Duration),
    /// No.
    Never,
}

impl Ended {
    /// Whether to subscribe anew, with a new Call-ID and tag.
    pub fn again(self) -> Again {
        match self {
            Self::Refused { retry_after: Some(wait), .. } => Again::After(wait),
            Self::Refused { retry_after: None, .. } | Self::Unsubscribed => Again::Never,
            Self::Lost(_) | Self::Expired => Again::After(Duration::ZERO),
            Self::Silent => Again::After(AGAIN_AFTER),
            Self::Terminated { reason, retry_after } => match reason {
                Some(Reason::Deactivated | Reason::Timeout) => Again::After(Duration::ZERO),
                Some(Reason::Probation | Reason::GiveUp) => {
                    Again::After(retry_after.unwrap_or(PROBATION))
                }
                Some(Reason::Rejected | Reason::NoResource | Reason::Invariant) => Again::Never,
                None => Again::After(retry_after.unwrap_or(AGAIN_AFTER)),
            },
        }
    }
}

impl Subscribe {
    /// Writes Event and Expires.
    pub fn write(self, event: &EventHeader, request: &mut Request) {
        request.headers.push(HeaderName::Event, event.to_string());
        request.headers.push(HeaderName::Expires, self.seconds);
    }
}

impl Subscriber {
    /// Starts; the first SUBSCRIBE is due at once. With 0 seconds it asks for the state once (RFC 6665 §4.4.3).
    pub const fn new(now: Instant, event: EventHeader, seconds: u32) -> Self {
        Self {
            event,
            wanted: seconds,
            state: State::Asked { granted: None },
            is_asking: false,
            ask_at: Some(now),
            notify_by: None,
            asked_at: now,
            was_raised: false,
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
    pub const fn over(&self) -> Option<Ended> {
        match self.state {
            State::Over(ended) => Some(ended),
            State::Asked { .. } | State::Live { .. } | State::Leaving => None,
        }
    }

    /// Whether a NOTIFY has come, and it goes on.
    pub const fn is_live(&self) -> bool {
        match self.state {
            State::Live { .. } => true,
            State::Asked { .. } | State::Leaving | State::Over(_) => false,
        }
    }

    /// The SUBSCRIBE to send now, if there is one. It counts as under way from then on.
    pub fn poll(&mut self, now: Instant) -> Option<Subscribe> {
        if self.is_asking || self.ask_at.is_none_or(|at| at > now) {
            return None;
        }
        let seconds = match self.state {
            State::Asked { .. } | State::Live { .. } => self.wanted,
            State::Leaving => 0,
            State::Over(_) => return None,
        };
        self.is_asking = true;
        self.ask_at = None;
        self.asked_at = now;
        self.notify_by = Some(now + TRANSACTION_TIMEOUT);
        Some(Subscribe { seconds })
    }

    /// A final answer to our SUBSCRIBE. A 1xx has no effect.
    pub fn answered(&mut self, now: Instant, response: &Response) {
        if !response.status.is_final() || !self.is_asking {
            return;
        }
        self.is_asking = false;
        if response.status.is_success() {
            self.accepted(now, response);
        } else {
            self.refused(now, response);
        }
    }

    fn accepted(&mut self, now: Instant, response: &Response) {
        // RFC 6665 §4.2.1.1: never longer than asked, whatever it says.
        let said = response.headers.expires().ok().flatten().unwrap_or(self.wanted);
        let seconds = said.min(self.wanted);
        match &mut self.state {
            State::Asked { granted } => *granted = Some(seconds),
            State::Live { .. } => self.live_for(now, seconds),
            State::Leaving | State::Over(_) => {}
        }
    }

    fn refused(&mut self, now: Instant, response: &Response) {
        let status = response.status;
        let retry_after = response.headers.retry_after().ok().flatten();
        let retry_after = retry_after.map(|after| Duration::from_secs(after.seconds.into()));
        if self.raise(response) {
            self.ask_at = Some(now);
            self.notify_by = None;
            return;
        }
        match self.state {
            State::Asked { .. } => self.over_with(Ended::Refused { status, retry_after }),
            State::Live { .. } if ends_subscription(status) => self.over_with(Ended::Lost(status)),
            // RFC 6665 §4.1.2.2: it goes on for as long as it was granted.
            State::Live { .. } => {
                self.notify_by = None;
                self.ask_at = Some(now + retry_after.unwrap_or(AGAIN_AFTER));
            }
            State::Leaving => self.over_with(Ended::Unsubscribed),
            State::Over(_) => {}
        }
    }

    /// After a 423: whether there is more to ask for. Once only.
    fn raise(&mut self, response: &Response) -> bool {
        match self.state {
            State::Asked { .. } | State::Live { .. } => {}
            State::Leaving | State::Over(_) => return false,
        }
        let floor = response.headers.get(&HeaderName::MinExpires);
        let floor = floor.and_then(|value| value.text().trim().parse::<u32>().ok());
        match floor {
            Some(floor)
                if response.status == StatusCode::INTERVAL_TOO_BRIEF
                    && floor > self.wanted
                    && !self.was_raised =>
            {
                self.wanted = floor;
                self.was_raised = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Our SUBSCRIBE got no answer, or could not be sent.
    pub const fn unanswered(&mut self) {
        self.is_asking = false;
        let ended = match self.state {
            State::Asked { .. } | State::Live { .. } => Ended::Silent,
            State::Leaving => Ended::Unsubscribed,
            State::Over(_) => return,
        };
        self.over_with(ended);
    }

    /// A NOTIFY that matches, in order.
    ///
    /// # Errors
    /// 481: the subscription is over.
    pub fn notified(&mut self, now: Instant, state: &SubscriptionState) -> Result<(), StatusCode> {
        let left = state.params.value("expires").and_then(|seconds| seconds.parse::<u32>().ok());
        self.notify_by = None;
        if state.is_terminated() {
            let ended = match self.state {
                State::Over(_) => return Err(StatusCode::CALL_DOES_NOT_EXIST),
                State::Leaving => Ended::Unsubscribed,
                State::Asked { .. } | State::Live { .. } => terminated(state),
            };
            self.over_with(ended);
            return Ok(());
        }
        match (self.state, left) {
            (State::Over(_), _) => return Err(StatusCode::CALL_DOES_NOT_EXIST),
            (State::Leaving, _) => self.notify_by = Some(now + TRANSACTION_TIMEOUT),
            (State::Asked { granted }, left) => {
                // RFC 6665 §4.2.2: handled gracefully when it does not say.
                self.live_for(now, left.or(granted).unwrap_or(self.wanted));
            }
            (State::Live { .. }, Some(left)) => self.live_for(now, left),
            (State::Live { .. }, None) => {}
        }
        Ok(())
    }

    fn live_for(&mut self, now: Instant, seconds: u32) {
        let granted = Duration::from_secs(seconds.into());
        let until = now + granted;
        self.state = State::Live { until };
        // Sooner, if something else has asked for that.
        let refresh_at = now + (granted - (granted / 2).min(REFRESH_LEAD));
        let wanted_at = self.ask_at.filter(|at| *at <= self.asked_at + REFRESH_GAP_MIN);
        self.ask_at = Some(wanted_at.map_or(refresh_at, |at| at.min(refresh_at)));
    }

    /// All of the state is wanted once more: something was missed (RFC 4575 §4.6). Not more often than every
    /// [`REFRESH_GAP_MIN`].
    pub fn ask_again(&mut self) {
        match self.state {
            State::Live { .. } => {
                let at = self.asked_at + REFRESH_GAP_MIN;
                self.ask_at = Some(self.ask_at.map_or(at, |due| due.min(at)));
            }
            State::Asked { .. } | State::Leaving | State::Over(_) => {}
        }
    }

    /// Ends it: by a SUBSCRIBE, or at once if no NOTIFY has come. Then one that is still under way is answered 481, which
    /// ends it at the notifier too.
    pub const fn unsubscribe(&mut self, now: Instant) {
        match self.state {
            State::Asked { .. } => self.over_with(Ended::Unsubscribed),
            State::Live { .. } => {
                self.state = State::Leaving;
                self.ask_at = Some(now);
            }
            State::Leaving | State::Over(_) => {}
        }
    }

    const fn over_with(&mut self, ended: Ended) {
        self.state = State::Over(ended);
        self.ask_at = None;
        self.notify_by = None;
    }

    /// When something is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let end = match self.state {
            State::Live { until } => Some(until),
            State::Asked { .. } | State::Leaving | State::Over(_) => None,
        };
        let ask_at = self.ask_at.filter(|_| !self.is_asking);
        soonest(soonest(end, ask_at), self.notify_by)
    }

    /// Does what is due; then [`Self::poll`].
    pub fn handle_deadline(&mut self, now: Instant) {
        let is_silent = self.notify_by.is_some_and(|at| at <= now);
        match self.state {
            State::Asked { .. } | State::Live { .. } if is_silent => self.over_with(Ended::Silent),
            State::Leaving if is_silent => self.over_with(Ended::Unsubscribed),
            State::Live { until } if until <= now => self.over_with(Ended::Expired),
            State::Asked { .. } | State::Live { .. } | State::Leaving | State::Over(_) => {}
        }
    }
}

fn terminated(state: &SubscriptionState) -> Ended {
    let retry_after = state.params.value("retry-after").and_then(|seconds| seconds.parse().ok());
    Ended::Terminated {
        reason: state.params.value("reason").and_then(Reason::parse),
        retry_after: retry_after.map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests;
