//! One invitee's way into the conference.

use std::time::Duration;

use sip::{StatusCode, T2, Uri};
use units::Instant;

use crate::config::CallOptions;
use crate::event::{CallFailure, CallId, How, ReferId, ReferOutcome};

use super::step::{InviteeFailure, Step};
use super::{Convener, INVITEE_SLOTS, REFER_PATIENCE, ReferMode, Stage};

/// How long the next copy of a REFER and its answer may take: copies come T2 (4 s) apart
/// (RFC 3261 §17.1.2.2), and a second is more than any way there and back.
const NEXT_COPY: Duration = T2.saturating_add(Duration::from_secs(1));

/// An invitee and how far he is.
#[derive(Debug)]
pub(super) struct Invitee {
    uri: Uri,
    state: InviteeState,
}

#[derive(Debug)]
enum InviteeState {
    /// Nothing was done yet: the conference's URI is not known.
    Waiting,
    /// He was sent a REFER outside a dialog, and there is no answer.
    Asked { refer: ReferId, patience: Option<Instant> },
    /// He took it, outside a dialog.
    Following { refer: ReferId },
    /// He is to be called, when a media socket is free. `late` is the REFER outside a dialog that he has
    /// not answered.
    Queued { after: Option<InviteeFailure>, late: Option<ReferId> },
    /// He is being called.
    Called { call: CallId, late: Option<ReferId> },
    /// He answered the call, so he is there: his answer to the REFER must come with its next copy. Only
    /// if it does not is he sent another inside the call; two at once would bring him in twice.
    Answered { call: CallId, late: ReferId, until: Instant },
    /// He was sent a REFER inside that call; the call may be over already.
    AskedInside { call: CallId, refer: ReferId },
    /// In, or not to be had.
    Done,
}

impl Invitee {
    pub(super) fn new(uri: Uri) -> Self {
        Self { uri, state: InviteeState::Waiting }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            InviteeState::Asked { patience, .. } => patience,
            InviteeState::Answered { until, .. } => Some(until),
            InviteeState::Waiting
            | InviteeState::Following { .. }
            | InviteeState::Queued { .. }
            | InviteeState::Called { .. }
            | InviteeState::AskedInside { .. }
            | InviteeState::Done => None,
        }
    }

    fn call(&self) -> Option<CallId> {
        match self.state {
            InviteeState::Called { call, .. }
            | InviteeState::Answered { call, .. }
            | InviteeState::AskedInside { call, .. } => Some(call),
            InviteeState::Waiting
            | InviteeState::Asked { .. }
            | InviteeState::Following { .. }
            | InviteeState::Queued { .. }
            | InviteeState::Done => None,
        }
    }

    fn refer(&self) -> Option<ReferId> {
        match self.state {
            InviteeState::Asked { refer, .. }
            | InviteeState::Following { refer }
            | InviteeState::Answered { late: refer, .. }
            | InviteeState::AskedInside { refer, .. } => Some(refer),
            InviteeState::Queued { late, .. } | InviteeState::Called { late, .. } => late,
            InviteeState::Waiting | InviteeState::Done => None,
        }
    }
}

impl Convener {
    pub(super) fn invitee_in(&self, call: CallId) -> Option<usize> {
        self.invitees.iter().position(|invitee| invitee.call() == Some(call))
    }

    fn invitee_of(&self, refer: ReferId) -> Option<usize> {
        self.invitees.iter().position(|invitee| invitee.refer() == Some(refer))
    }

    /// Begins with those for whom something has become free; whether there was one.
    pub(super) fn begin_waiting(&mut self, now: Instant) -> bool {
        let Stage::Joined { conference, .. } = &self.stage else { return false };
        let conference = conference.clone();
        let mut has_begun = false;
        for index in 0..self.invitees.len() {
            match (&self.invitees[index].state, self.mode) {
                (InviteeState::Waiting, ReferMode::Auto | ReferMode::Outside) => {
                    self.refer_outside(now, index, &conference);
                    has_begun = true;
                }
                (InviteeState::Waiting, ReferMode::Inside) => {
                    let state = InviteeState::Queued { after: None, late: None };
                    self.invitees[index].state = state;
                    has_begun = true;
                }
                // One at a time: a later REFER of the dialog that overtook this one would make it stale
                // (RFC 3261 §12.2.2).
                (InviteeState::Waiting, ReferMode::Focus) => {
                    let is_asking =
                        |other: &Invitee| matches!(other.state, InviteeState::Asked { .. });
                    if !self.invitees.iter().any(is_asking) {
                        self.refer_to_focus(now, index);
                        has_begun = true;
                    }
                }
                (InviteeState::Queued { .. }, _) => has_begun |= self.call_invitee(now, index),
                (
                    InviteeState::Asked { .. }
                    | InviteeState::Following { .. }
                    | InviteeState::Called { .. }
                    | InviteeState::Answered { .. }
                    | InviteeState::AskedInside { .. }
                    | InviteeState::Done,
                    _,
                ) => {}
            }
        }
        has_begun
    }

    fn refer_outside(&mut self, now: Instant, invitee: usize, conference: &Uri) {
        let target = self.invitees[invitee].uri.clone();
        match self.ua.refer(now, &target, conference, How::Outside) {
            Ok(refer) => {
                let patience = match self.mode {
                    ReferMode::Auto => Some(now + REFER_PATIENCE),
                    ReferMode::Outside | ReferMode::Inside | ReferMode::Focus => None,
                };
                self.invitees[invitee].state = InviteeState::Asked { refer, patience };
                self.step(Step::InviteeAsked { invitee, inside: false });
            }
            // The URI was checked and there are fewer invitees than REFERs: nothing is left.
            Err(_) => self.give_up(invitee, InviteeFailure::Unreachable),
        }
    }

    /// Tells the conference to call an invitee, inside our call to it.
    fn refer_to_focus(&mut self, now: Instant, invitee: usize) {
        let Stage::Joined { call, conference, .. } = &self.stage else { return };
        let (call, conference) = (*call, conference.clone());
        let target = self.invitees[invitee].uri.clone();
        match self.ua.refer(now, &conference, &target, How::Inside(call)) {
            Ok(refer) => {
                self.invitees[invitee].state = InviteeState::Asked { refer, patience: None };
                self.step(Step::FocusAsked { invitee });
            }
            Err(_) => self.give_up(invitee, InviteeFailure::Unreachable),
        }
    }

    /// Calls an invitee if a media socket is free; whether it was.
    fn call_invitee(&mut self, now: Instant, invitee: usize) -> bool {
        let Some(slot) = self.slots.free(INVITEE_SLOTS) else { return false };
        let Some(media) = self.slots.media(slot, &mut self.rng) else { return false };
        let target = self.invitees[invitee].uri.clone();
        match self.ua.call(now, &target, CallOptions::new(media)) {
            Ok(call) => {
                self.slots.take(slot, call);
                let state = InviteeState::Done; // for the moment of the exchange
                match std::mem::replace(&mut self.invitees[invitee].state, state) {
                    InviteeState::Queued { after, late } => {
                        self.invitees[invitee].state = InviteeState::Called { call, late };
                        self.step(Step::InviteeCalled { invitee, after });
                    }
                    other => self.invitees[invitee].state = other,
                }
            }
            Err(_) => self.give_up(invitee, InviteeFailure::Unreachable),
        }
        true
    }

    /// A REFER outside a dialog was not answered for long enough.
    pub(super) fn invitee_deadline(&mut self, now: Instant, invitee: usize) {
        match self.invitees[invitee].state {
            InviteeState::Asked { refer, patience: Some(at) } if at <= now => {
                let after = Some(InviteeFailure::NoAnswer);
                self.invitees[invitee].state = InviteeState::Queued { after, late: Some(refer) };
            }
            InviteeState::Answered { call, until, .. } if until <= now => {
                self.refer_inside(now, invitee, call);
            }
            InviteeState::Asked { .. }
            | InviteeState::Answered { .. }
            | InviteeState::Waiting
            | InviteeState::Following { .. }
            | InviteeState::Queued { .. }
            | InviteeState::Called { .. }
            | InviteeState::AskedInside { .. }
            | InviteeState::Done => {}
        }
    }

    pub(super) fn refer_accepted(&mut self, now: Instant, refer: ReferId) {
        let Some(invitee) = self.invitee_of(refer) else { return };
        match self.invitees[invitee].state {
            InviteeState::Asked { .. } | InviteeState::Queued { .. } => {
                self.invitees[invitee].state = InviteeState::Following { refer };
            }
            InviteeState::Called { call, .. } | InviteeState::Answered { call, .. } => {
                // He was only slow: no second REFER, so no call either.
                self.invitees[invitee].state = InviteeState::Following { refer };
                self.ua.hangup(now, call);
            }
            InviteeState::AskedInside { .. } => {}
            InviteeState::Waiting | InviteeState::Following { .. } | InviteeState::Done => return,
        }
        self.step(match self.mode {
            ReferMode::Focus => Step::FocusCalling { invitee },
            ReferMode::Auto | ReferMode::Outside | ReferMode::Inside => {
                Step::InviteeCalling { invitee }
            }
        });
    }

    pub(super) fn refer_progress(&mut self, refer: ReferId, status: StatusCode) {
        if let Some(invitee) = self.invitee_of(refer)
            && status != StatusCode::TRYING
        {
            self.step(Step::InviteeRinging { invitee, status });
        }
    }

    pub(super) fn refer_ended(&mut self, now: Instant, refer: ReferId, outcome: ReferOutcome) {
        let Some(invitee) = self.invitee_of(refer) else { return };
        let failure = match outcome {
            ReferOutcome::Succeeded => None,
            ReferOutcome::NotReached(refusal) => Some(match self.mode {
                ReferMode::Focus => InviteeFailure::NotJoined(refusal),
                ReferMode::Auto | ReferMode::Outside | ReferMode::Inside => {
                    InviteeFailure::NotAdmitted(refusal)
                }
            }),
            ReferOutcome::Refused(refusal) => Some(match self.mode {
                ReferMode::Focus => InviteeFailure::NotCalled(refusal),
                ReferMode::Auto | ReferMode::Outside | ReferMode::Inside => {
                    InviteeFailure::Refused(refusal)
                }
            }),
            ReferOutcome::NoAnswer => Some(InviteeFailure::NoAnswer),
            ReferOutcome::Unreachable => Some(InviteeFailure::Unreachable),
            ReferOutcome::Unreported => Some(InviteeFailure::Unreported),
        };
        let state = &mut self.invitees[invitee].state;
        match (&mut *state, failure) {
            // The outcome of a REFER that we do not wait for any more: only that it is not late.
            (InviteeState::Queued { late, .. } | InviteeState::Called { late, .. }, Some(_)) => {
                *late = None;
            }
            (InviteeState::Answered { call, .. }, Some(_)) => {
                let call = *call;
                self.refer_inside(now, invitee, call);
            }
            (InviteeState::Asked { .. }, Some(failure))
                if self.mode == ReferMode::Auto && wants_a_call(&failure) =>
            {
                *state = InviteeState::Queued { after: Some(failure), late: None };
            }
            (_, None) => {
                self.end_call_of(now, invitee);
                self.invitees[invitee].state = InviteeState::Done;
                self.step(Step::InviteeJoined { invitee });
            }
            (_, Some(failure)) => {
                self.end_call_of(now, invitee);
                self.give_up(invitee, failure);
            }
        }
    }

    /// Our call to an invitee is up.
    pub(super) fn invitee_answered(&mut self, now: Instant, call: CallId) {
        let (Some(invitee), Stage::Joined { .. }) = (self.invitee_in(call), &self.stage) else {
            return self.ua.hangup(now, call); // it crossed our CANCEL, or the end
        };
        match self.invitees[invitee].state {
            InviteeState::Called { late: Some(late), .. } => {
                let until = now + NEXT_COPY;
                self.invitees[invitee].state = InviteeState::Answered { call, late, until };
            }
            InviteeState::Called { late: None, .. } => self.refer_inside(now, invitee, call),
            InviteeState::Waiting
            | InviteeState::Asked { .. }
            | InviteeState::Following { .. }
            | InviteeState::Queued { .. }
            | InviteeState::Answered { .. }
            | InviteeState::AskedInside { .. }
            | InviteeState::Done => {}
        }
    }

    fn refer_inside(&mut self, now: Instant, invitee: usize, call: CallId) {
        let Stage::Joined { conference, .. } = &self.stage else { return };
        let (target, conference) = (self.invitees[invitee].uri.clone(), conference.clone());
        match self.ua.refer(now, &target, &conference, How::Inside(call)) {
            Ok(refer) => {
                self.invitees[invitee].state = InviteeState::AskedInside { call, refer };
                self.step(Step::InviteeAsked { invitee, inside: true });
            }
            Err(_) => {
                self.end_call_of(now, invitee);
                self.give_up(invitee, InviteeFailure::Unreachable);
            }
        }
    }

    pub(super) fn invitee_call_failed(&mut self, call: CallId, why: CallFailure) {
        let Some(invitee) = self.invitee_in(call) else { return };
        self.give_up(invitee, InviteeFailure::CallFailed(why));
    }

    /// The call that served for the REFER is over. If he hung up himself, his report still comes.
    pub(super) fn invitee_call_ended(&mut self, call: CallId) {
        let Some(invitee) = self.invitee_in(call) else { return };
        match self.invitees[invitee].state {
            InviteeState::Called { .. } | InviteeState::Answered { .. } => {
                let why = CallFailure::Cancelled;
                self.give_up(invitee, InviteeFailure::CallFailed(why));
            }
            InviteeState::AskedInside { .. }
            | InviteeState::Waiting
            | InviteeState::Asked { .. }
            | InviteeState::Following { .. }
            | InviteeState::Queued { .. }
            | InviteeState::Done => {}
        }
    }

    fn end_call_of(&mut self, now: Instant, invitee: usize) {
        if let Some(call) = self.invitees[invitee].call() {
            self.ua.hangup(now, call);
        }
    }

    fn give_up(&mut self, invitee: usize, why: InviteeFailure) {
        self.invitees[invitee].state = InviteeState::Done;
        self.step(Step::InviteeRefused { invitee, why });
    }

    /// The conference is over, for us at least.
    pub(super) fn abandon(&mut self, now: Instant, invitee: usize) {
        match self.invitees[invitee].state {
            InviteeState::Done => {}
            InviteeState::Waiting
            | InviteeState::Asked { .. }
            | InviteeState::Following { .. }
            | InviteeState::Queued { .. }
            | InviteeState::Called { .. }
            | InviteeState::Answered { .. }
            | InviteeState::AskedInside { .. } => {
                self.end_call_of(now, invitee);
                let refer = self.invitees[invitee].refer();
                self.give_up(invitee, InviteeFailure::Abandoned);
                if let Some(refer) = refer {
                    self.ua.disregard(now, refer);
                }
            }
        }
    }
}

/// What a REFER outside a dialog may come to at a phone that takes one inside: baresip says 501, JsSIP
/// 405, linphone 603; others do not answer at all.
fn wants_a_call(failure: &InviteeFailure) -> bool {
    match failure {
        InviteeFailure::Refused(refusal) => {
            matches!(refusal.status.code(), 403 | 405 | 420 | 481 | 500 | 501 | 603)
        }
        InviteeFailure::NoAnswer => true,
        InviteeFailure::NotAdmitted(_)
        | InviteeFailure::NotCalled(_)
        | InviteeFailure::NotJoined(_)
        | InviteeFailure::Unreported
        | InviteeFailure::Unreachable
        | InviteeFailure::CallFailed(_)
        | InviteeFailure::Abandoned => false,
    }
}
