//! The client side of an INVITE: RFC 3261 §17.1.1 as changed by RFC 6026 §8.4.

use std::time::Duration;

use units::Instant;

use super::{ClientOutput, End, T1, TIMER_D, TRANSACTION_TIMEOUT, Timers, unless_reliable};
use crate::Transport;

/// An INVITE of ours, from its first copy to the last answer that may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientInvite {
    state: State,
    timers: Timers<Timer>,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been heard.
    Calling {
        interval: Duration,
        cancel: Cancel,
    },
    /// A 1xx came.
    Proceeding {
        cancel: Cancel,
    },
    /// A 3xx-6xx came and was acknowledged.
    Completed,
    /// A 2xx came.
    Accepted,
    Terminated,
}

/// Whether the user has changed his mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    Unasked,
    /// While calling: to be sent with the first 1xx. Later: sent.
    Asked,
}

/// The timers, by the RFC's letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Calling: sends the request again.
    A,
    /// Calling: nobody answered.
    B,
    /// Completed: no more copies of the failure are to be expected.
    D,
    /// Accepted (RFC 6026 §7.2): no more 2xx are to be expected.
    M,
    /// Proceeding (RFC 3261 §9.1; no letter there): the CANCEL had no effect.
    Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A 1xx.
    Provisional,
    /// A 2xx.
    Success,
    /// A 3xx, 4xx, 5xx or 6xx.
    Failure,
    /// The user wants the INVITE cancelled.
    Cancel,
    /// The transport could not send.
    TransportError,
}

impl ClientInvite {
    /// Sends the INVITE and waits for an answer.
    pub(crate) fn start(now: Instant, transport: Transport, out: &mut Vec<ClientOutput>) -> Self {
        let state = State::Calling { interval: T1, cancel: Cancel::Unasked };
        let b = (Timer::B, TRANSACTION_TIMEOUT);
        // RFC 3261 §17.1.1.2: no timer A over a reliable transport.
        let timers = if transport.is_reliable() {
            Timers::started(now, [b])
        } else {
            Timers::started(now, [(Timer::A, T1), b])
        };
        out.push(ClientOutput::Send);
        Self { state, timers, transport }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.deadline()
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input, out: &mut Vec<ClientOutput>) {
        use Cancel::{Asked, Unasked};
        use Input::{Cancel as CancelIt, Failure, Provisional, Success, TransportError};
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        match (self.state, input) {
            // RFC 3261 §17.1.1.2: any 1xx ends the resends; from here only the user gives up.
            (Calling { cancel: Unasked, .. }, Provisional) => {
                out.push(ClientOutput::ToUser);
                self.enter(now, Proceeding { cancel: Unasked }, []);
            }
            // RFC 3261 §9.1: the CANCEL waited for this, so that it cannot overtake the INVITE.
            (Calling { cancel: Asked, .. }, Provisional) => {
                out.extend([ClientOutput::ToUser, ClientOutput::SendCancel]);
                self.enter_cancelled(now);
            }
            (Proceeding { .. }, Provisional) => out.push(ClientOutput::ToUser),
            // RFC 6026 §7.2: linger, so that a 2xx from another fork still reaches the user.
            (Calling { .. } | Proceeding { .. }, Success) => {
                out.push(ClientOutput::ToUser);
                self.enter(now, Accepted, [(Timer::M, TRANSACTION_TIMEOUT)]);
            }
            (Accepted, Success) => out.push(ClientOutput::ToUser),
            // RFC 3261 §17.1.1.2: an ACK even over a reliable transport.
            (Calling { .. } | Proceeding { .. }, Failure) => {
                out.extend([ClientOutput::SendAck, ClientOutput::ToUser]);
                let timer_d = unless_reliable(self.transport, TIMER_D);
                self.enter(now, Completed, [(Timer::D, timer_d)]);
            }
            // The first ACK was lost; the user knows this answer.
            (Completed, Failure) => out.push(ClientOutput::SendAck),
            (Calling { interval, .. }, CancelIt) => {
                self.state = Calling { interval, cancel: Asked };
            }
            (Proceeding { cancel: Unasked }, CancelIt) => {
                out.push(ClientOutput::SendCancel);
                self.enter_cancelled(now);
            }
            // RFC 3261 §17.1.4; in Accepted nothing of ours is left to be sent.
            (Calling { .. } | Proceeding { .. } | Completed, TransportError) => {
                out.push(ClientOutput::Ended(End::Transport));
                self.enter(now, Terminated, []);
            }
            // Late, doubled, or too late to matter: RFC 3261 §9.1 wants no CANCEL after a final answer.
            (Proceeding { cancel: Asked } | Completed | Accepted | Terminated, CancelIt)
            | (Completed | Accepted | Terminated, Provisional)
            | (Completed | Terminated, Success)
            | (Accepted | Terminated, Failure | TransportError) => {}
        }
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant, out: &mut Vec<ClientOutput>) {
        while let Some(timer) = self.timers.take_due(now) {
            match (self.state, timer) {
                (State::Calling { interval, cancel }, Timer::A) => {
                    out.push(ClientOutput::Send);
                    // RFC 3261 §17.1.1.2: doubles without a cap.
                    let interval = interval * 2;
                    self.state = State::Calling { interval, cancel };
                    self.timers.restart(now, Timer::A, interval);
                }
                // RFC 3261 §17.1.1.2 for B; §9.1 for a CANCEL that nobody heeded.
                (State::Calling { .. }, Timer::B) | (State::Proceeding { .. }, Timer::Cancel) => {
                    out.push(ClientOutput::Ended(End::Timeout));
                    self.enter(now, State::Terminated, []);
                }
                (State::Completed, Timer::D) | (State::Accepted, Timer::M) => {
                    out.push(ClientOutput::Ended(End::Done));
                    self.enter(now, State::Terminated, []);
                }
                // Never: a state's timers end with it, see `enter`.
                (State::Calling { .. }, Timer::D | Timer::M | Timer::Cancel)
                | (State::Proceeding { .. }, Timer::A | Timer::B | Timer::D | Timer::M)
                | (State::Completed, Timer::A | Timer::B | Timer::M | Timer::Cancel)
                | (State::Accepted, Timer::A | Timer::B | Timer::D | Timer::Cancel)
                | (State::Terminated, Timer::A | Timer::B | Timer::D | Timer::M | Timer::Cancel) => {
                }
            }
        }
    }

    fn enter_cancelled(&mut self, now: Instant) {
        let timer = (Timer::Cancel, TRANSACTION_TIMEOUT);
        self.enter(now, State::Proceeding { cancel: Cancel::Asked }, [timer]);
    }

    /// Sets state and timers together, so that no timer outlives its state.
    fn enter<const N: usize>(
        &mut self,
        now: Instant,
        state: State,
        timers: [(Timer, Duration); N],
    ) {
        self.state = state;
        self.timers = Timers::started(now, timers);
    }
}

#[cfg(test)]
mod tests;
