//! How far in or out a leg is.

use std::collections::VecDeque;
use std::time::Duration;

use sdp::SessionDescription;
use sip::{
    HeaderName, Incoming, Method, Response, Source, SuccessRetransmit, T2, TRANSACTION_TIMEOUT,
};
use units::Instant;

use super::Leg;
use crate::{LegEnd, Output};

/// How far in or out a leg is.
///
/// ```text
/// Answered ──ACK──> Confirmed ──BYE in──> Gone
///     │                 │ let go, silent
///     │ let go          v
///     └────> Ending ──ACK or 64·T1──> Leaving ──answer to our BYE──> Gone
/// ```
/// RFC 3261 §15: who answered the INVITE sends no BYE before the ACK has come or the 2xx has timed
/// out; `Ending` is that wait. It is also entered from `Confirmed` when a re-INVITE is not
/// acknowledged yet; with nothing to wait for, `Confirmed` goes to `Leaving`.
#[derive(Debug)]
pub(crate) enum State {
    /// Our first 2xx is out.
    Answered { unacked: Unacked },
    /// The ACK came. `unacked`: our 2xx to a re-INVITE.
    Confirmed { unacked: Option<Unacked>, probe: Probe },
    /// To be let go as soon as a BYE is allowed.
    Ending { unacked: Unacked, cause: LegEnd },
    /// Our BYE is out.
    Leaving { cause: LegEnd, give_up_at: Instant },
    /// Nothing is left.
    Gone,
}

/// A 2xx of ours that waits for its ACK.
#[derive(Debug)]
pub(crate) struct Unacked {
    /// The CSeq number of INVITE and ACK.
    pub(crate) cseq: u32,
    pub(crate) response: Response,
    pub(crate) to: Source,
    pub(crate) retransmit: SuccessRetransmit,
    /// Our offer, if the 2xx carried one: the ACK must answer it.
    pub(crate) offer: Option<SessionDescription>,
}

impl Unacked {
    pub(crate) fn new(
        now: Instant,
        incoming: &Incoming,
        response: &Response,
        offer: Option<SessionDescription>,
    ) -> Self {
        Self {
            cseq: incoming.essentials.cseq.number,
            response: response.clone(),
            to: incoming.source,
            retransmit: SuccessRetransmit::new(now),
            offer,
        }
    }
}

/// Whether an OPTIONS of ours is on its way to a silent leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Asked,
    Idle,
}

/// What happens to a leg.
#[derive(Debug)]
pub(super) enum Input {
    /// The ACK came.
    Acked,
    /// The ACK came without the answer that we need.
    AckedBadly,
    /// The peer's BYE.
    Bye,
    /// Our BYE was answered, or will not be.
    ByeDone,
    /// The conference wants it out.
    LetGo(LegEnd),
    /// The 2xx timed out.
    NoAck,
    /// Nobody told us what became of our BYE.
    PatienceOver,
    /// The probe found nobody.
    ProbeLost,
    /// The probe found somebody.
    Probed,
    /// A re-INVITE was answered.
    Reanswered(Box<Unacked>),
    /// No media for long.
    Silent,
}

impl State {
    pub(crate) fn unacked(&self) -> Option<&Unacked> {
        match self {
            Self::Answered { unacked } | Self::Ending { unacked, .. } => Some(unacked),
            Self::Confirmed { unacked, .. } => unacked.as_ref(),
            Self::Leaving { .. } | Self::Gone => None,
        }
    }

    pub(crate) fn unacked_mut(&mut self) -> Option<&mut Unacked> {
        match self {
            Self::Answered { unacked } | Self::Ending { unacked, .. } => Some(unacked),
            Self::Confirmed { unacked, .. } => unacked.as_mut(),
            Self::Leaving { .. } | Self::Gone => None,
        }
    }
}

impl Leg {
    /// One step: `match` chooses, the helpers do.
    pub(super) fn step(&mut self, now: Instant, input: Input, out: &mut VecDeque<Output>) {
        use {Input as I, State as S};
        let state = std::mem::replace(&mut self.state, S::Gone);
        self.state = match (state, input) {
            (S::Answered { .. }, I::Acked) => self.joined(now, None, out),
            // A new INVITE shows that the peer has our 2xx; the ACK to it is lost or late.
            (S::Answered { .. }, I::Reanswered(unacked)) => self.joined(now, Some(*unacked), out),
            // RFC 3261 §15: no BYE of ours before the ACK.
            (S::Answered { unacked }, I::LetGo(cause)) => self.wait_for_ack(unacked, cause, out),
            // RFC 3261 §13.3.1.4
            (S::Answered { .. } | S::Confirmed { .. }, I::NoAck) => {
                self.hang_up(now, LegEnd::NoAck, out)
            }
            (S::Answered { .. } | S::Confirmed { .. }, I::AckedBadly) => {
                self.hang_up(now, LegEnd::BadAnswer, out)
            }
            (S::Answered { .. } | S::Confirmed { .. }, I::Bye) => {
                self.close_media(out);
                self.gone(LegEnd::Left, out)
            }

            (S::Confirmed { probe, .. }, I::Acked) => S::Confirmed { unacked: None, probe },
            (S::Confirmed { probe, .. }, I::Reanswered(unacked)) => {
                S::Confirmed { unacked: Some(*unacked), probe }
            }
            (S::Confirmed { unacked, .. }, I::LetGo(cause)) => {
                self.let_go_confirmed(now, unacked, cause, out)
            }
            (S::Confirmed { unacked, .. }, I::ProbeLost) => {
                self.let_go_confirmed(now, unacked, LegEnd::Silent, out)
            }
            (S::Confirmed { unacked, probe: Probe::Idle }, I::Silent) => {
                self.send(Method::Options, out);
                S::Confirmed { unacked, probe: Probe::Asked }
            }
            (S::Confirmed { unacked, .. }, I::Probed) => {
                S::Confirmed { unacked, probe: Probe::Idle }
            }

            // RFC 3261 §15: now the BYE may go.
            (S::Ending { cause, .. }, I::Acked | I::AckedBadly | I::NoAck) => {
                self.say_bye(now, cause, out)
            }
            (S::Ending { cause, .. }, I::Bye)
            | (S::Leaving { cause, .. }, I::Bye | I::ByeDone | I::PatienceOver) => {
                self.gone(cause, out)
            }

            // Late, or of no meaning here: nothing changes.
            (
                state @ S::Answered { .. },
                I::Silent | I::ProbeLost | I::Probed | I::ByeDone | I::PatienceOver,
            )
            | (state @ S::Confirmed { .. }, I::Silent | I::ByeDone | I::PatienceOver)
            | (
                state @ S::Ending { .. },
                I::Reanswered(_)
                | I::LetGo(_)
                | I::Silent
                | I::ProbeLost
                | I::Probed
                | I::ByeDone
                | I::PatienceOver,
            )
            | (
                state @ S::Leaving { .. },
                I::Acked
                | I::AckedBadly
                | I::NoAck
                | I::Reanswered(_)
                | I::LetGo(_)
                | I::Silent
                | I::ProbeLost
                | I::Probed,
            ) => state,
            (S::Gone, _) => S::Gone,
        };
    }

    fn joined(
        &mut self,
        now: Instant,
        unacked: Option<Unacked>,
        out: &mut VecDeque<Output>,
    ) -> State {
        self.state = State::Confirmed { unacked: None, probe: Probe::Idle };
        match self.entry.begin(now) {
            None => self.note_in(out),
            Some(prompt) => {
                out.push_back(Output::Prompt { leg: self.id, prompt });
                out.push_back(Output::Waits(self.participant()));
            }
        }
        State::Confirmed { unacked, probe: Probe::Idle }
    }

    /// He is in: acknowledged, and let in.
    pub(super) fn note_in(&mut self, out: &mut VecDeque<Output>) {
        self.manner.was_in = true;
        out.push_back(Output::Joined(self.participant()));
    }

    fn let_go_confirmed(
        &mut self,
        now: Instant,
        unacked: Option<Unacked>,
        cause: LegEnd,
        out: &mut VecDeque<Output>,
    ) -> State {
        match unacked {
            Some(unacked) => self.wait_for_ack(unacked, cause, out),
            None => self.hang_up(now, cause, out),
        }
    }

    fn wait_for_ack(
        &mut self,
        unacked: Unacked,
        cause: LegEnd,
        out: &mut VecDeque<Output>,
    ) -> State {
        self.close_media(out);
        State::Ending { unacked, cause }
    }

    fn hang_up(&mut self, now: Instant, cause: LegEnd, out: &mut VecDeque<Output>) -> State {
        self.close_media(out);
        self.say_bye(now, cause, out)
    }

    pub(crate) fn say_bye(
        &mut self,
        now: Instant,
        cause: LegEnd,
        out: &mut VecDeque<Output>,
    ) -> State {
        let mut request = self.dialog.request(Method::Bye);
        request.headers.push(HeaderName::Reason, cause.reason());
        self.send_request(request, out);
        State::Leaving { cause, give_up_at: now + BYE_PATIENCE }
    }

    fn gone(&mut self, cause: LegEnd, out: &mut VecDeque<Output>) -> State {
        self.manner.left = Some(cause);
        out.push_back(Output::LegEnded { leg: self.id, dialog: self.dialog_id(), cause });
        State::Gone
    }

    /// RFC 3261 §15.1.1: no media from the BYE on. Once a leg: only on the way out of the two states
    /// that have media.
    fn close_media(&mut self, out: &mut VecDeque<Output>) {
        out.push_back(Output::CloseMedia { leg: self.id, port: self.seat().port });
    }
}

/// The BYE's transaction ends by itself after 64·T1 and tells us; this is for one that was lost on
/// the way to the node, or with a node.
const BYE_PATIENCE: Duration = TRANSACTION_TIMEOUT.saturating_add(T2);
