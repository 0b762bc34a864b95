//! The server side of an INVITE: RFC 3261 §17.2.1 as changed by RFC 6026 §8.5-8.8.

use std::time::Duration;

use units::Instant;

use super::{
    End, ServerOutput, T1, T2, T4, TRANSACTION_TIMEOUT, TRYING_AFTER, Timers, unless_reliable,
};
use crate::Transport;

/// An INVITE of the peer, from its first copy to the last ACK that may come.
///
/// There is no input for a failed transport: RFC 6026 §8.8 wants the machine to stay as it is, so that
/// copies of the INVITE are still absorbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerInvite {
    state: State,
    timers: Timers<Timer>,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Proceeding, and nothing has been sent yet.
    Silent,
    /// Proceeding, after a 1xx.
    Proceeding,
    /// A 3xx-6xx was sent and is sent again until its ACK comes.
    Completed {
        interval: Duration,
    },
    /// The ACK came.
    Confirmed,
    /// A 2xx was sent; the user sends it again, not this machine (RFC 6026 §7.1).
    Accepted,
    Terminated,
}

/// The timers, by the RFC's letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Silent (RFC 3261 §17.2.1; no letter there): the user let 200 ms pass.
    Trying,
    /// Completed: sends the failure again.
    G,
    /// Completed: the ACK never came.
    H,
    /// Confirmed: no more copies of the ACK are to be expected.
    I,
    /// Accepted (RFC 6026 §7.1): no more copies of the INVITE are to be expected.
    L,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The INVITE once more.
    Invite,
    /// An ACK with the INVITE's branch.
    Ack,
    /// The user answers 1xx.
    Provisional,
    /// The user answers 2xx.
    Success,
    /// The user answers 3xx-6xx.
    Failure,
}

impl ServerInvite {
    /// Waits for the user's answer.
    pub(crate) fn start(now: Instant, transport: Transport) -> Self {
        let timers = Timers::started(now, [(Timer::Trying, TRYING_AFTER)]);
        Self { state: State::Silent, timers, transport }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.deadline()
    }

    /// Whether the user has yet to give the final answer: only then a CANCEL has an effect
    /// (RFC 3261 §9.2).
    pub(crate) fn is_pending(&self) -> bool {
        match self.state {
            State::Silent | State::Proceeding => true,
            State::Completed { .. } | State::Confirmed | State::Accepted | State::Terminated => {
                false
            }
        }
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input, out: &mut Vec<ServerOutput>) {
        use Input::{Ack, Failure, Invite, Provisional, Success};
        use State::{Accepted, Completed, Confirmed, Proceeding, Silent, Terminated};
        match (self.state, input) {
            (Silent | Proceeding, Provisional) => {
                out.push(ServerOutput::SendAnswer);
                self.enter(now, Proceeding, []);
            }
            (Silent | Proceeding, Success) => {
                out.push(ServerOutput::SendAnswer);
                self.enter(now, Accepted, [(Timer::L, TRANSACTION_TIMEOUT)]);
            }
            (Silent | Proceeding, Failure) => {
                out.push(ServerOutput::SendAnswer);
                let h = (Timer::H, TRANSACTION_TIMEOUT);
                let state = Completed { interval: T1 };
                // RFC 3261 §17.2.1: no timer G over a reliable transport, but H always.
                if self.transport.is_reliable() {
                    self.enter(now, state, [h]);
                } else {
                    self.enter(now, state, [(Timer::G, T1), h]);
                }
            }
            // RFC 6026 §7.1: what the user sends again in Accepted goes out.
            (Accepted, Success) => out.push(ServerOutput::SendAnswer),
            (Proceeding | Completed { .. }, Invite) => out.push(ServerOutput::SendAgain),
            (Completed { .. }, Ack) => {
                self.enter(now, Confirmed, [(Timer::I, unless_reliable(self.transport, T4))]);
            }
            // RFC 6026 §7.1: only an ACK to a 2xx is the user's business.
            (Accepted, Ack) => out.push(ServerOutput::AckToUser),
            // A copy within 200 ms, or one that an answer has overtaken (RFC 6026 §7.1).
            (Silent | Confirmed | Accepted | Terminated, Invite) => {}
            // Nothing to acknowledge yet, or a copy of the ACK.
            (Silent | Proceeding | Confirmed | Terminated, Ack) => {}
            // RFC 3261 §17.2.1: the first final answer stands.
            (Completed { .. } | Confirmed | Accepted | Terminated, Provisional | Failure)
            | (Completed { .. } | Confirmed | Terminated, Success) => {
                out.push(ServerOutput::Discard)
            }
        }
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant, out: &mut Vec<ServerOutput>) {
        while let Some(timer) = self.timers.take_due(now) {
            match (self.state, timer) {
                (State::Silent, Timer::Trying) => {
                    out.push(ServerOutput::SendTrying);
                    self.enter(now, State::Proceeding, []);
                }
                (State::Completed { interval }, Timer::G) => {
                    out.push(ServerOutput::SendAgain);
                    let interval = (interval * 2).min(T2);
                    self.state = State::Completed { interval };
                    self.timers.restart(now, Timer::G, interval);
                }
                (State::Completed { .. }, Timer::H) => {
                    out.push(ServerOutput::Ended(End::AckMissing));
                    self.enter(now, State::Terminated, []);
                }
                (State::Confirmed, Timer::I) | (State::Accepted, Timer::L) => {
                    out.push(ServerOutput::Ended(End::Done));
                    self.enter(now, State::Terminated, []);
                }
                // Never: a state's timers end with it, see `enter`.
                (State::Silent, Timer::G | Timer::H | Timer::I | Timer::L)
                | (State::Completed { .. }, Timer::Trying | Timer::I | Timer::L)
                | (State::Confirmed, Timer::Trying | Timer::G | Timer::H | Timer::L)
                | (State::Accepted, Timer::Trying | Timer::G | Timer::H | Timer::I)
                | (
                    State::Proceeding | State::Terminated,
                    Timer::Trying | Timer::G | Timer::H | Timer::I | Timer::L,
                ) => {}
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
