//! The client side of every request but INVITE and ACK: RFC 3261 §17.1.2.

use std::time::Duration;

use units::Instant;

use super::{ClientOutput, End, T1, T2, T4, TRANSACTION_TIMEOUT, Timers, unless_reliable};
use crate::Transport;

/// A request of ours, from its first copy to the last copy of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientNonInvite {
    state: State,
    timers: Timers<Timer>,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been heard.
    Trying {
        interval: Duration,
    },
    /// A 1xx came.
    Proceeding,
    /// The final answer came.
    Completed,
    Terminated,
}

/// The timers, by the RFC's letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Trying and Proceeding: sends the request again.
    E,
    /// Trying and Proceeding: no final answer came.
    F,
    /// Completed: no more copies of the answer are to be expected.
    K,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A 1xx.
    Provisional,
    /// Any other answer.
    Final,
    /// The transport could not send.
    TransportError,
}

impl ClientNonInvite {
    /// Sends the request and waits for an answer.
    pub(crate) fn start(now: Instant, transport: Transport, out: &mut Vec<ClientOutput>) -> Self {
        let f = (Timer::F, TRANSACTION_TIMEOUT);
        // RFC 3261 §17.1.2.2: no timer E over a reliable transport.
        let timers = if transport.is_reliable() {
            Timers::started(now, [f])
        } else {
            Timers::started(now, [(Timer::E, T1), f])
        };
        out.push(ClientOutput::Send);
        Self { state: State::Trying { interval: T1 }, timers, transport }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.deadline()
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input, out: &mut Vec<ClientOutput>) {
        use Input::{Final, Provisional, TransportError};
        use State::{Completed, Proceeding, Terminated, Trying};
        match (self.state, input) {
            // RFC 3261 §17.1.2.2: timers E and F run on; E now every T2.
            (Trying { .. } | Proceeding, Provisional) => {
                out.push(ClientOutput::ToUser);
                self.state = Proceeding;
            }
            (Trying { .. } | Proceeding, Final) => {
                out.push(ClientOutput::ToUser);
                self.enter(now, Completed, [(Timer::K, unless_reliable(self.transport, T4))]);
            }
            // RFC 3261 §17.1.4; in Completed nothing of ours is left to be sent.
            (Trying { .. } | Proceeding, TransportError) => {
                out.push(ClientOutput::Ended(End::Transport));
                self.enter(now, Terminated, []);
            }
            (Completed | Terminated, Provisional | Final | TransportError) => {} // late or doubled
        }
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant, out: &mut Vec<ClientOutput>) {
        while let Some(timer) = self.timers.take_due(now) {
            match (self.state, timer) {
                (State::Trying { interval }, Timer::E) => {
                    out.push(ClientOutput::Send);
                    let interval = (interval * 2).min(T2);
                    self.state = State::Trying { interval };
                    self.timers.restart(now, Timer::E, interval);
                }
                (State::Proceeding, Timer::E) => {
                    out.push(ClientOutput::Send);
                    self.timers.restart(now, Timer::E, T2);
                }
                (State::Trying { .. } | State::Proceeding, Timer::F) => {
                    out.push(ClientOutput::Ended(End::Timeout));
                    self.enter(now, State::Terminated, []);
                }
                (State::Completed, Timer::K) => {
                    out.push(ClientOutput::Ended(End::Done));
                    self.enter(now, State::Terminated, []);
                }
                // Never: a state's timers end with it, see `enter`.
                (State::Trying { .. } | State::Proceeding, Timer::K)
                | (State::Completed, Timer::E | Timer::F)
                | (State::Terminated, Timer::E | Timer::F | Timer::K) => {}
            }
        }
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
