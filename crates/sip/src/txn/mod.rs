//! The four transactions of RFC 3261 §17, with the Accepted states of RFC 6026.
//!
//! Each is a leaf: it knows states and timers, and nothing of messages or sockets. It is told what
//! kind of message came and says what to do with the messages that the [`Stack`](crate::Stack) keeps
//! for it. Lay each `handle_input` beside its figure:
//!
//! | machine | figure |
//! |---|---|
//! | [`client_invite`] | RFC 6026 §8.4, Figure 5 |
//! | [`client_non_invite`] | RFC 3261 §17.1.2.2, Figure 6 |
//! | [`server_invite`] | RFC 6026 §8.6, Figure 7 |
//! | [`server_non_invite`] | RFC 3261 §17.2.2, Figure 8 |

use std::time::Duration;

use units::{Instant, soonest};

use crate::Transport;

pub(crate) mod client_invite;
pub(crate) mod client_non_invite;
#[cfg(test)]
mod rig;
pub(crate) mod server_invite;
pub(crate) mod server_non_invite;

/// The round-trip time that all retransmission starts from (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest interval between two copies of a non-INVITE request or of an INVITE's answer
/// (RFC 3261 §17.1.2.2).
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network (RFC 3261 §17.1.2.2).
pub const T4: Duration = Duration::from_secs(5);
/// 64·T1: how long anybody waits for an answer or an ACK (RFC 3261 §17.1.1.2).
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(32);

/// Timer D: at least 32 s, whatever T1 is here, because the peer's T1 is not known
/// (RFC 6026 §8.4).
const TIMER_D: Duration = Duration::from_secs(32);
/// The time that the user has before a 100 goes out (RFC 3261 §17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By its rules.
    Done,
    /// Nobody answered in time: acts like a 408 (RFC 3261 §8.1.3.1).
    Timeout,
    /// The request could not be sent: acts like a 503 (RFC 3261 §8.1.3.1).
    Transport,
    /// The failure that we answered with was never acknowledged (RFC 3261 §17.2.1, timer H).
    AckMissing,
}

/// What a client machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientOutput {
    /// Send the request.
    Send,
    /// INVITE: acknowledge the failure that came.
    SendAck,
    /// INVITE: send a CANCEL, in a transaction of its own.
    SendCancel,
    /// Hand the answer that came to the user.
    ToUser,
    /// The transaction is over.
    Ended(End),
}

/// What a server machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerOutput {
    /// INVITE: send a 100; from now on it is the last answer.
    SendTrying,
    /// Send the answer that the user has just given; from now on it is the last one.
    SendAnswer,
    /// Send the last answer once more.
    SendAgain,
    /// INVITE: hand the ACK that came to the user.
    AckToUser,
    /// The answer that the user has just given comes too late and is thrown away.
    Discard,
    /// The transaction is over.
    Ended(End),
}

/// The running timers of one transaction. No state has more than two: one that resends, one that
/// ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Timers<T>([Option<(T, Instant)>; 2]);

impl<T: Copy> Timers<T> {
    /// The timers of a state: those which are given, started at `now`, and no others.
    fn started<const N: usize>(now: Instant, timers: [(T, Duration); N]) -> Self {
        const { assert!(N <= 2) };
        let mut slots = [None; 2];
        for (slot, (timer, after)) in slots.iter_mut().zip(timers) {
            *slot = Some((timer, now + after));
        }
        Self(slots)
    }

    fn deadline(&self) -> Option<Instant> {
        let at = |slot: Option<(T, Instant)>| slot.map(|(_, at)| at);
        soonest(at(self.0[0]), at(self.0[1]))
    }

    /// Takes the timer that is due first, if any is due at `now`.
    fn take_due(&mut self, now: Instant) -> Option<T> {
        let first = self.deadline().filter(|at| *at <= now)?;
        let slot = self.0.iter_mut().find(|slot| slot.is_some_and(|(_, at)| at == first))?;
        slot.take().map(|(timer, _)| timer)
    }

    /// Starts a timer that has fired again, beside the one that still runs.
    fn restart(&mut self, now: Instant, timer: T, after: Duration) {
        if let Some(slot) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some((timer, now + after));
        }
    }
}

/// A timer that only unreliable transports need: zero over the others.
const fn unless_reliable(transport: Transport, after: Duration) -> Duration {
    if transport.is_reliable() { Duration::ZERO } else { after }
}
