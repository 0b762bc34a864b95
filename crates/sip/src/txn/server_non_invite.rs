//! The server side of every request but INVITE and ACK: RFC 3261 §17.2.2.

use std::time::Duration;

use units::Instant;

use super::{End, ServerOutput, TRANSACTION_TIMEOUT, Timers, unless_reliable};
use crate::Transport;

/// A request of the peer, from its first copy to the last one that may come.
///
/// There is no input for a failed transport, as in [`super::server_invite`] and for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerNonInvite {
    state: State,
    timers: Timers<Timer>,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The user has said nothing.
    Trying,
    /// A 1xx was sent.
    Proceeding,
    /// The final answer was sent.
    Completed,
    Terminated,
}

/// The timers, by the RFC's letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Completed: no more copies of the request are to be expected.
    J,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The request once more.
    Request,
    /// The user answers 1xx.
    Provisional,
    /// The user answers 2xx-6xx.
    Final,
}

impl ServerNonInvite {
    /// Waits for the user's answer.
    pub(crate) fn start(now: Instant, transport: Transport) -> Self {
        Self { state: State::Trying, timers: Timers::started(now, []), transport }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.deadline()
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input, out: &mut Vec<ServerOutput>) {
        use Input::{Final, Provisional, Request};
        use State::{Completed, Proceeding, Terminated, Trying};
        match (self.state, input) {
            (Trying | Proceeding, Provisional) => {
                out.push(ServerOutput::SendAnswer);
                self.enter(now, Proceeding, []);
            }
            (Trying | Proceeding, Final) => {
                out.push(ServerOutput::SendAnswer);
                let timer_j = unless_reliable(self.transport, TRANSACTION_TIMEOUT);
                self.enter(now, Completed, [(Timer::J, timer_j)]);
            }
            (Proceeding | Completed, Request) => out.push(ServerOutput::SendAgain),
            (Trying | Terminated, Request) => {} // RFC 3261 §17.2.2: nothing to repeat yet
            (Completed | Terminated, Provisional | Final) => out.push(ServerOutput::Discard),
        }
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant, out: &mut Vec<ServerOutput>) {
        while let Some(timer) = self.timers.take_due(now) {
            match (self.state, timer) {
                (State::Completed, Timer::J) => {
                    out.push(ServerOutput::Ended(End::Done));
                    self.enter(now, State::Terminated, []);
                }
                // Never: a state's timers end with it, see `enter`.
                (State::Trying | State::Proceeding | State::Terminated, Timer::J) => {}
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
