//! A leg that the focus calls itself (RFC 4579 §5.2), from its first INVITE to the final answer. A leaf:
//! the focus owns the queue, and makes the leg when the call is answered.

mod early;
mod end;
mod invite;
mod targets;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sip::{
    Dialog, DialogId, HeaderName, HeaderValue, NameAddr, Request, Response, SessionUuid, SipUri,
    Source, StatusCode, T2, TRANSACTION_TIMEOUT,
};
use units::Instant;

use self::early::Early;
pub use self::end::DialEnd;
use self::targets::Targets;
use crate::leg::{Dialled, Leg};
use crate::negotiation::{Session, description_in};
use crate::{DialRules, LegId, MediaPort, MediaSeat, Output, Participant, ParticipantState, Role};

/// Whom to call, and what the INVITE says beside what every one of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Callee {
    /// Without headers and method.
    pub(crate) uri: SipUri,
    /// The name he goes by, masked.
    pub(crate) display: Option<String>,
    /// Copied unchanged (RFC 3892 §2.2).
    pub(crate) referred_by: Option<HeaderValue>,
    /// The call of his that this one takes the place of (RFC 3891).
    pub(crate) replaces: Option<HeaderValue>,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller<'a> {
    pub(crate) conference_uri: &'a SipUri,
    pub(crate) rules: &'a DialRules,
    /// Our end of the session (RFC 7989).
    pub(crate) session: SessionUuid,
}

/// A call of ours that is not answered yet, or was within 64·T1.
#[derive(Debug)]
pub(crate) struct Dialling {
    pub(crate) id: LegId,
    pub(crate) callee: Callee,
    pub(crate) since: Instant,
    call_id: String,
    tag: String,
    /// Where the call goes now, where it went, and where else it may go.
    targets: Targets,
    /// The INVITE that was sent last.
    invite: Option<Request>,
    cseq: u32,
    min_se: u32,
    session: Option<Session>,
    /// By the peer's tag; at most [`FORKS_MAX`].
    early: BTreeMap<String, Early>,
    state: State,
}

/// How far a call of ours is.
///
/// ```text
/// Seating ──room──> Inviting ──2xx──> Answered ──64·T1──> Over
///    │                │ │ final answer                      ^
///    │ let go         │ └───────────────────────────────────┤
///    │                v let go, nobody answers              │
///    │            Cancelling ──final answer, 64·T1──────────┤
///    └──────────────────────────────────────────────────────┘
/// ```
#[derive(Debug)]
enum State {
    /// Room is asked for; nothing was sent.
    Seating,
    /// The INVITE is out.
    Inviting { give_up_at: Instant, ringing: bool },
    /// The CANCEL is out; a 2xx may cross it.
    Cancelling { why: DialEnd, give_up_at: Instant },
    /// The leg is made. Copies of the 2xx and those of other forks come until then
    /// (RFC 6026 §7.2).
    Answered { tag: String, forks: Vec<String>, until: Instant },
    /// Nothing is left.
    Over,
}

/// What a mutation has led to, for the focus.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing that others need know.
    Nothing,
    /// It rings, or so.
    Provisional(StatusCode),
    /// The call is answered: here is the leg, in its dialog, acknowledged.
    Up(Box<Leg>),
    /// There will be no leg.
    Failed(DialEnd),
}

impl Dialling {
    /// A call that waits for room.
    pub(crate) fn new(
        now: Instant,
        id: LegId,
        callee: Callee,
        call_id: String,
        tag: String,
    ) -> Self {
        Self {
            id,
            since: now,
            call_id,
            tag,
            targets: Targets::new(callee.uri.clone()),
            callee,
            invite: None,
            cseq: 0,
            min_se: sip::session_timer::SESSION_SECONDS_MIN,
            session: None,
            early: BTreeMap::new(),
            state: State::Seating,
        }
    }

    /// Whether this is an answer to an INVITE that made the call, and not to one within its dialog.
    pub(crate) fn sent(&self, response: &Response) -> bool {
        response.headers.cseq().is_ok_and(|cseq| cseq.number <= self.cseq)
    }

    /// Whether it may still become a leg, or must be waited for.
    pub(crate) const fn is_pending(&self) -> bool {
        match self.state {
            State::Seating | State::Inviting { .. } | State::Cancelling { .. } => true,
            State::Answered { .. } | State::Over => false,
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether it rings in this dialog.
    pub(crate) fn rings_in(&self, dialog: &DialogId) -> bool {
        let early = self.early.get(&dialog.remote_tag);
        matches!(self.state, State::Inviting { .. })
            && early.is_some_and(|early| early.dialog.id == *dialog)
    }

    /// The port lent to it, as long as no leg has it.
    pub(crate) fn port(&self) -> Option<MediaPort> {
        self.session.as_ref().map(|session| session.seat().port)
    }

    /// The roster's line; none once the leg has one.
    pub(crate) fn participant(&self) -> Option<Participant> {
        let state = match self.state {
            State::Seating | State::Inviting { ringing: false, .. } => ParticipantState::Dialling,
            State::Inviting { ringing: true, .. } => ParticipantState::Alerting,
            State::Cancelling { .. } => ParticipantState::Leaving,
            State::Answered { .. } | State::Over => return None,
        };
        Some(Participant {
            leg: self.id,
            uri: crate::masked(self.callee.uri.text()),
            display: self.callee.display.clone(),
            user: None,
            state,
            since: self.since,
            creator: false,
            role: Role::Guest,
            dialled: true,
            muted: false,
            talking: false,
        })
    }

    /// There is room: calls.
    pub(crate) fn seated(
        &mut self,
        now: Instant,
        (seat, session_id): (MediaSeat, u64),
        caller: &Caller<'_>,
        out: &mut VecDeque<Output>,
    ) {
        match self.state {
            State::Seating => {
                self.session = Some(Session::new(seat, session_id));
                self.state = State::Inviting { give_up_at: now + RING_MAX, ringing: false };
                self.send_invite(caller, out);
            }
            State::Inviting { .. }
            | State::Cancelling { .. }
            | State::Answered { .. }
            | State::Over => {}
        }
    }

    /// There is no room, or no way to the callee.
    pub(crate) fn failed(&mut self, why: DialEnd) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Seating | State::Inviting { .. } => Step::Failed(why),
            State::Cancelling { why, .. } => Step::Failed(why),
            state @ (State::Answered { .. } | State::Over) => {
                self.state = state;
                Step::Nothing
            }
        }
    }

    /// The call is not wanted any more.
    pub(crate) fn let_go(
        &mut self,
        now: Instant,
        why: DialEnd,
        out: &mut VecDeque<Output>,
    ) -> Step {
        match self.state {
            State::Seating => self.failed(why),
            State::Inviting { .. } => {
                out.push_back(Output::Cancel { leg: self.id });
                self.state = State::Cancelling { why, give_up_at: now + CANCEL_PATIENCE };
                Step::Nothing
            }
            State::Cancelling { .. } | State::Answered { .. } | State::Over => Step::Nothing,
        }
    }

    /// Takes an answer to our INVITE.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        response: &Response,
        path: Source,
        caller: &Caller<'_>,
        out: &mut VecDeque<Output>,
    ) -> Step {
        let is_ours = response.headers.cseq().is_ok_and(|cseq| cseq.number == self.cseq);
        if !is_ours {
            return Step::Nothing; // to an INVITE before a redirection
        }
        if response.status.is_provisional() {
            return self.provisional(response, path, out);
        }
        if response.status.is_success() {
            return self.success(now, response, path, out);
        }
        match self.state {
            State::Inviting { .. } => self.refused(response, caller, out),
            State::Cancelling { .. } => self.failed(DialEnd::Cancelled),
            State::Seating | State::Answered { .. } | State::Over => Step::Nothing,
        }
    }

    fn provisional(
        &mut self,
        response: &Response,
        path: Source,
        out: &mut VecDeque<Output>,
    ) -> Step {
        let wants_it = match self.state {
            State::Inviting { .. } | State::Cancelling { .. } => {
                response.status != StatusCode::TRYING
            }
            State::Seating | State::Answered { .. } | State::Over => false,
        };
        if !wants_it {
            return Step::Nothing;
        }
        self.hear_early(response, path, out);
        match &mut self.state {
            State::Inviting { ringing, .. } => {
                *ringing |= response.status == StatusCode::RINGING;
                Step::Provisional(response.status)
            }
            State::Seating | State::Cancelling { .. } | State::Answered { .. } | State::Over => {
                Step::Nothing
            }
        }
    }

    /// RFC 3261 §13.2.2.4: every 2xx is acknowledged. The first is the leg, the others get a BYE
    /// (RFC 6026 §8.4).
    fn success(
        &mut self,
        now: Instant,
        response: &Response,
        path: Source,
        out: &mut VecDeque<Output>,
    ) -> Step {
        let Some(mut dialog) = self.dialog_of(response, path) else {
            // It names no place to send an ACK to.
            return match self.state {
                State::Inviting { .. } => self.failed(DialEnd::BadAnswer),
                State::Cancelling { .. } => self.failed(DialEnd::Cancelled),
                State::Seating | State::Answered { .. } | State::Over => Step::Nothing,
            };
        };
        let (request, to) = (dialog.ack(self.cseq), dialog.destination());
        out.push_back(Output::Acknowledge { leg: self.id, request, to });
        let tag = dialog.id.remote_tag.clone();
        match &mut self.state {
            State::Answered { tag: ours, forks, .. } => {
                if *ours != tag && !forks.contains(&tag) {
                    if forks.len() < FORKS_MAX {
                        forks.push(tag);
                    }
                    self.hang_up(&mut dialog, out);
                }
                Step::Nothing
            }
            State::Inviting { .. } => match self.leg(now, response, dialog.clone()) {
                Some(leg) => {
                    self.answered_by(now, tag, Vec::new());
                    Step::Up(Box::new(leg))
                }
                None => {
                    self.hang_up(&mut dialog, out);
                    self.answered_by(now, String::new(), vec![tag]);
                    Step::Failed(DialEnd::BadAnswer)
                }
            },
            State::Cancelling { why, .. } => {
                let why = why.clone();
                self.hang_up(&mut dialog, out);
                self.answered_by(now, String::new(), vec![tag]);
                Step::Failed(why)
            }
            State::Seating | State::Over => Step::Nothing,
        }
    }

    fn answered_by(&mut self, now: Instant, tag: String, forks: Vec<String>) {
        self.state = State::Answered { tag, forks, until: now + TRANSACTION_TIMEOUT };
    }

    fn hang_up(&self, dialog: &mut Dialog, out: &mut VecDeque<Output>) {
        let (request, to) = (dialog.request(sip::Method::Bye), dialog.destination());
        out.push_back(Output::Aside { leg: self.id, request, to });
    }

    /// The leg, if the answer to our offer is one.
    fn leg(&self, now: Instant, response: &Response, dialog: Dialog) -> Option<Leg> {
        let session = self.session.clone()?;
        let offer = session.said()?;
        let promised = self.early.get(&dialog.id.remote_tag).and_then(|early| early.answer.clone());
        // RFC 3261 §13.2.1: the first description in a reliable answer is the answer.
        let answer = promised.or_else(|| description_in(response))?;
        let negotiated = sdp::accept_answer(&offer, &answer).ok()?;
        let shown = NameAddr {
            display: self.callee.display.clone(),
            ..NameAddr::new(self.callee.uri.clone())
        };
        let up = Dialled {
            session,
            negotiated,
            headers: &response.headers,
            referred_by: self.callee.referred_by.as_ref(),
            min_se: self.min_se,
        };
        Some(Leg::dialled(now, self.id, dialog, &shown, up))
    }

    /// A final answer other than 2xx. RFC 3261 §22: a challenge is not for us to answer: we have no
    /// credentials, and would not lend them to whoever asked for this call.
    fn refused(
        &mut self,
        response: &Response,
        caller: &Caller<'_>,
        out: &mut VecDeque<Output>,
    ) -> Step {
        let is_longer = response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL
            && self.raise_min_se(response);
        if is_longer || self.targets.next(response, caller) {
            self.leave_early(out);
            self.send_invite(caller, out);
            return Step::Nothing;
        }
        self.failed(DialEnd::Refused(Box::new(response.clone())))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Inviting { give_up_at, .. } | State::Cancelling { give_up_at, .. } => {
                Some(give_up_at)
            }
            State::Answered { until, .. } => Some(until),
            State::Seating | State::Over => None,
        }
    }

    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, now: Instant, out: &mut VecDeque<Output>) -> Step {
        if self.deadline().is_none_or(|at| at > now) {
            return Step::Nothing;
        }
        match self.state {
            State::Inviting { .. } => self.let_go(now, DialEnd::NoAnswer, out),
            State::Cancelling { .. } => self.failed(DialEnd::Cancelled),
            State::Answered { .. } => {
                self.state = State::Over;
                Step::Nothing
            }
            State::Seating | State::Over => Step::Nothing,
        }
    }
}

/// How long somebody may ring. RFC 3261 §13.3.1.1: a callee repeats its 1xx each minute so that proxies wait on;
/// longer than this nobody lets a telephone ring.
const RING_MAX: Duration = Duration::from_secs(120);

/// A cancelled INVITE ends within 64·T1 and tells us; this is for what was lost with a node.
const CANCEL_PATIENCE: Duration = TRANSACTION_TIMEOUT.saturating_add(T2);

/// Places that one call rings at. Answers of further ones are not looked at before their 2xx, which
/// gets ACK and BYE with every copy.
pub(super) const FORKS_MAX: usize = 16;

/// The header of the INVITE that carries what the REFER brought along.
pub(super) const COPIED: [HeaderName; 2] = [HeaderName::ReferredBy, HeaderName::Replaces];
