//! Subscriptions to event packages (RFC 6665), without I/O: the notifier's and the subscriber's half of one, as leaves.
//!
//! Neither knows what is subscribed to. The package's name, the `id` and the body are the owner's; so are the dialog,
//! which may be shared with a call (RFC 5057), and the transactions. Time is an argument.
//!
//! # [`Notifier`]: one subscription where the state is
//!
//! 1. A SUBSCRIBE came: read its time with [`Interval::agree`], answer 200 with that `Expires`, make the dialog (or find
//!    the one that it came in), and make a [`Notifier`]. A REFER that was accepted makes one without a SUBSCRIBE.
//! 2. After every call, and when [`Notifier::deadline`] is there: [`Notifier::handle_deadline`] if it is due, then
//!    [`Notifier::poll`]. When that gives a [`Notify`], send `dialog.request(Method::Notify)`, with
//!    [`Notify::write`] and a body as [`Notify::content`] says. One at most is under way.
//! 3. The answer goes to [`Notifier::answered`]; no answer to [`Notifier::unanswered`]; a request that could not be sent,
//!    because our own tables are full, to [`Notifier::unsent`].
//! 4. The state has changed: [`Notifier::changed`], as often as it does. What must not be sent yet is sent later, once.
//!    A SUBSCRIBE in the dialog: [`Notifier::refresh`]. The state is no more: [`Notifier::end`].
//! 5. [`Notifier::over`] says that it is over: drop it, and the dialog if nothing else uses it.
//!
//! For REFER (RFC 3515): `EventHeader { package: "refer", id: Some(cseq) }`, a `min_interval` of 1 s, `changed` with every
//! provisional answer, `end(now, Reason::NoResource, Pace::Kept)` with the final one.
//!
//! # [`Subscriber`]: one subscription where the state is wanted
//!
//! 1. [`Subscriber::new`], then [`Subscriber::poll`]: it gives the [`Subscribe`] to send. After every call, and when
//!    [`Subscriber::deadline`] is there ([`Subscriber::handle_deadline`] first), the same.
//! 2. The answer goes to [`Subscriber::answered`], no answer to [`Subscriber::unanswered`].
//! 3. A NOTIFY that matches (Call-ID, our tag, and [`Subscriber::matches`] its Event): [`Subscriber::notified`], answer
//!    200, read the body. It may come before the answer to the SUBSCRIBE, and makes the dialog (RFC 6665 §4.4.1).
//! 4. [`Subscriber::ask_again`] gets all of the state once more; [`Subscriber::unsubscribe`] ends it.
//! 5. [`Subscriber::over`] says that it is over, and [`Ended::again`] whether a new one makes sense.

mod interval;
mod notifier;
mod subscriber;

pub use interval::{Interval, IntervalError};
pub use notifier::{Consent, Content, NOTIFY_FAILURES_MAX, Notifier, Notify, Over, Pace};
pub use subscriber::{Again, Ended, REFRESH_GAP_MIN, Subscribe, Subscriber};

use crate::{EventHeader, StatusCode};

/// Why a subscription ends (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Subscribe anew at once.
    Deactivated,
    /// Subscribe anew later.
    Probation,
    /// The subscriber may not, any more.
    Rejected,
    /// It was not refreshed, or ended by the subscriber, or was a poll.
    Timeout,
    /// Nobody gave consent in time.
    GiveUp,
    /// What was subscribed to exists no more.
    NoResource,
    /// The state will not change any more.
    Invariant,
}

impl Reason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::GiveUp => "giveup",
            Self::NoResource => "noresource",
            Self::Invariant => "invariant",
        }
    }

    /// Reads the word; `None` for one that we do not know.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Deactivated,
            Self::Probation,
            Self::Rejected,
            Self::Timeout,
            Self::GiveUp,
            Self::NoResource,
            Self::Invariant,
        ];
        all.into_iter().find(|reason| reason.as_str().eq_ignore_ascii_case(word))
    }
}

/// Whether two Event values mean the same subscription: package and `id`, byte by byte (RFC 6665 §8.2.1). Other
/// parameters do not count.
pub fn is_same_event(a: &EventHeader, b: &EventHeader) -> bool {
    a.package == b.package && a.id == b.id
}

/// Whether this answer to a NOTIFY, or to a SUBSCRIBE that refreshes, ends the subscription (RFC 6665 §4.2.2, §4.1.2.2).
/// A 408 means what a timeout means (RFC 3261 §8.1.3.1).
pub const fn ends_subscription(status: StatusCode) -> bool {
    matches!(status.code(), 404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}
