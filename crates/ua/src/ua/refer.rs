//! REFERs that we sent (RFC 3515).
//!
//! Each makes a subscription of its own kind: it begins with our REFER, and the first NOTIFY may
//! overtake the REFER's answer.

use sip::header::{TDIALOG, TargetDialog};
use sip::{
    DialogId, HeaderName, Method, NextHop, Request, SessionId, StatusCode, TRANSACTION_TIMEOUT,
    Target, Uri,
};
use units::Instant;

use crate::config::REFERS_MAX;
use crate::event::{CommandError, EndCause, Event, How, ReferId, ReferOutcome};

use super::call::CallState;
use super::dialogs::DialogKey;
use super::requests::{FIRST_CSEQ, refusal};
use super::{Answer, Purpose, Ua, Waiter};

/// A REFER that we sent.
#[derive(Debug)]
pub(super) struct Refer {
    pub(super) state: ReferState,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum ReferState {
    /// The REFER waits for the address of its next hop.
    Locating { request: Box<Request>, until: Instant },
    /// The REFER has no final answer, and no NOTIFY has come.
    Asked,
    /// The peer took it: a 2xx, or a NOTIFY.
    Subscribed { until: Instant },
    /// Its end was told; what the peer still reports is answered 200, so that it stops.
    Ended { until: Instant },
}

/// The dialog of the subscription.
#[derive(Debug)]
pub(super) enum Place {
    /// Made by the REFER itself.
    Outside { call_id: String, local_tag: String, notifier: Option<Notifier> },
    /// Shared with a call. `cseq` is the REFER's number, by which later ones are told apart.
    Inside { dialog: DialogKey, cseq: u32, is_first: bool },
}

/// Who reports, once the first NOTIFY has come.
#[derive(Debug)]
pub(super) struct Notifier {
    pub(super) tag: String,
    pub(super) cseq: u32,
}

impl Refer {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            ReferState::Asked => None, // the transaction has the timer
            ReferState::Locating { until, .. }
            | ReferState::Subscribed { until }
            | ReferState::Ended { until } => Some(*until),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, ReferState::Ended { .. })
    }
}

impl Ua {
    /// Asks `target` to call `refer_to`: [`Event::ReferEnded`] follows. Inside a dialog `target` is
    /// the peer and the argument is not looked at.
    ///
    /// `refer_to` goes into the header byte for byte as it prints, in angle brackets.
    ///
    /// # Errors
    ///
    /// [`CommandError::UnsupportedUri`], [`CommandError::WrongState`] (no such established call),
    /// [`CommandError::Full`].
    pub fn refer(
        &mut self,
        now: Instant,
        target: &Uri,
        refer_to: &Uri,
        how: How,
    ) -> Result<ReferId, CommandError> {
        if self.refers.values().filter(|refer| !refer.has_ended()).count() >= REFERS_MAX {
            return Err(CommandError::Full);
        }
        let id = match how {
            How::Outside => self.refer_outside(now, target, refer_to),
            How::Inside(call) => {
                let state = self.calls.get(&call).map(|call| &call.state);
                let Some(CallState::Established { dialog, .. }) = state else {
                    return Err(CommandError::WrongState);
                };
                self.refer_inside(now, *dialog, refer_to)
            }
        }?;
        self.pump(now);
        Ok(id)
    }

    /// Waits no longer for the outcome of a REFER: [`Event::ReferEnded`] with
    /// [`ReferOutcome::Unreported`]. The peer is not told, and does what it was asked
    /// (RFC 3515 §2.4.4).
    pub fn disregard(&mut self, now: Instant, refer: ReferId) {
        self.refer_ended(now, refer, ReferOutcome::Unreported);
    }

    /// Waits for the outcome of no REFER any more, as [`Self::disregard`] does for one.
    pub fn disregard_all(&mut self, now: Instant) {
        let open = self.refers.iter().filter(|(_, refer)| !refer.has_ended());
        for refer in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.disregard(now, refer);
        }
    }

    fn refer_outside(
        &mut self,
        now: Instant,
        target: &Uri,
        refer_to: &Uri,
    ) -> Result<ReferId, CommandError> {
        let Uri::Sip(sip_uri) = target else { return Err(CommandError::UnsupportedUri) };
        let hop = self.identity.next_hop(target)?;
        let (call_id, local_tag) = (self.stack.new_call_id(), self.stack.new_tag());
        let mut request = self.identity.request(Method::Refer, sip_uri, &call_id, &local_tag);
        let session = SessionId::answering(self.stack.new_session_uuid(), None).to_string();
        request.headers.push(HeaderName::SessionId, session);
        if let Some(dialog) = self.dialog_with(target) {
            request.headers.push(HeaderName::TargetDialog, TargetDialog(dialog).to_string());
            request.headers.push(HeaderName::Require, TDIALOG);
        }
        let request = self.point_to(request, refer_to);
        let id = ReferId(self.new_id());
        let state = match hop {
            NextHop::At(target) => {
                self.send_refer(now, id, request, &[target])?;
                ReferState::Asked
            }
            NextHop::Ask(wanted) => {
                self.look_up(Waiter::Refer(id), wanted);
                let until = now + TRANSACTION_TIMEOUT;
                ReferState::Locating { request: Box::new(request), until }
            }
        };
        let place = Place::Outside { call_id, local_tag, notifier: None };
        self.keep_refer(id, Refer { state, place });
        Ok(id)
    }

    /// The dialog of an established call with `target`, as he names it, if he has said that he understands
    /// Target-Dialog (RFC 4538 §3).
    fn dialog_with(&self, target: &Uri) -> Option<DialogId> {
        self.calls.values().find_map(|call| {
            let CallState::Established { dialog, session, .. } = &call.state else { return None };
            let dialog = self.dialogs.get(*dialog).filter(|_| session.takes_target_dialog)?;
            let is_his = dialog.remote_uri.equivalent(target)
                || Uri::Sip(dialog.remote_target.clone()).equivalent(target);
            is_his.then(|| dialog.id.for_peer())
        })
    }

    fn refer_inside(
        &mut self,
        now: Instant,
        key: DialogKey,
        refer_to: &Uri,
    ) -> Result<ReferId, CommandError> {
        let dialog = self.dialogs.get_mut(key).ok_or(CommandError::WrongState)?;
        let (request, to) = (dialog.request(Method::Refer), dialog.destination());
        let cseq = request.headers.cseq().map_or(FIRST_CSEQ, |cseq| cseq.number);
        let request = self.point_to(self.identity.describe_request(request), refer_to);
        let txn = self.stack.request(now, request, to).map_err(|sip::Full| CommandError::Full)?;
        let id = ReferId(self.new_id());
        self.requests.insert(txn, Purpose::Refer(id));
        let is_first = self.dialogs.count_sent_refer(key) == 0;
        let place = Place::Inside { dialog: self.dialogs.share(key), cseq, is_first };
        self.keep_refer(id, Refer { state: ReferState::Asked, place });
        Ok(id)
    }

    fn point_to(&self, request: Request, refer_to: &Uri) -> Request {
        request
            .with_header(HeaderName::ReferTo, format!("<{refer_to}>"))
            .with_header(HeaderName::ReferredBy, self.identity.known_as().to_string())
    }

    fn send_refer(
        &mut self,
        now: Instant,
        id: ReferId,
        mut request: Request,
        targets: &[Target],
    ) -> Result<(), CommandError> {
        let paths = self.identity.paths_to(targets);
        self.identity.put_contact(&mut request, &paths);
        let sent = self.stack.request_any(now, request, &paths);
        let txn = sent.map_err(|sip::Full| CommandError::Full)?;
        self.requests.insert(txn, Purpose::Refer(id));
        Ok(())
    }

    /// Puts it into the table. Of those that have ended, the oldest goes when there are too many.
    fn keep_refer(&mut self, id: ReferId, refer: Refer) {
        if self.refers.len() >= 2 * REFERS_MAX {
            let oldest = self.refers.iter().find(|(_, refer)| refer.has_ended());
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.forget_refer(oldest);
            }
        }
        self.refers.insert(id, refer);
    }

    fn forget_refer(&mut self, id: ReferId) {
        if let Some(Refer { place: Place::Inside { dialog, .. }, .. }) = self.refers.remove(&id) {
            self.dialogs.release(dialog);
        }
    }

    /// The address of a REFER's next hop is known, or that there is none.
    pub(super) fn refer_resolved(&mut self, now: Instant, id: ReferId, targets: &[Target]) {
        let Some(refer) = self.refers.get_mut(&id) else { return };
        let ReferState::Locating { request, .. } = &refer.state else { return };
        let request = request.as_ref().clone();
        refer.state = ReferState::Asked;
        if targets.is_empty() || self.send_refer(now, id, request, targets).is_err() {
            self.refer_ended(now, id, ReferOutcome::Unreachable);
        }
    }

    /// The REFER has its final answer, or will have none.
    pub(super) fn refer_answered(&mut self, now: Instant, id: ReferId, answer: &Answer<'_>) {
        let Some(refer) = self.refers.get_mut(&id) else { return };
        match refer.state {
            ReferState::Asked => {}
            // C04: a NOTIFY was faster, and it says more.
            ReferState::Subscribed { .. } | ReferState::Ended { .. } => return,
            ReferState::Locating { .. } => return,
        }
        let inside = match refer.place {
            Place::Inside { dialog, .. } => Some(dialog),
            Place::Outside { .. } => None,
        };
        let (outcome, is_dialog_lost) = match answer {
            // C02: 202 is a 200 (RFC 7647 §5).
            Answer::Response(response) if response.status.is_success() => {
                // RFC 6665 §4.1.2.4, timer N: that long for the first NOTIFY.
                refer.state = ReferState::Subscribed { until: now + TRANSACTION_TIMEOUT };
                return self.emit(Event::ReferAccepted { refer: id });
            }
            Answer::Response(response) => {
                // RFC 3261 §12.2.1.2
                let is_lost = matches!(
                    response.status,
                    StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT
                );
                (ReferOutcome::Refused(refusal(response)), is_lost)
            }
            Answer::Failed(sip::Failure::Timeout) => (ReferOutcome::NoAnswer, true),
            Answer::Failed(
                sip::Failure::Transport | sip::Failure::Overloaded | sip::Failure::Silent,
            ) => (ReferOutcome::Unreachable, false),
        };
        self.refer_ended(now, id, outcome);
        let call = inside.filter(|_| is_dialog_lost).and_then(|key| self.established_call_of(key));
        if let Some(call) = call {
            self.leave(now, call, EndCause::DialogLost);
        }
    }

    pub(super) fn refer_ended(&mut self, now: Instant, id: ReferId, outcome: ReferOutcome) {
        self.lookups.retain(|_, waiter| *waiter != Waiter::Refer(id));
        let Some(refer) = self.refers.get_mut(&id) else { return };
        match refer.state {
            ReferState::Asked | ReferState::Subscribed { .. } => {
                refer.state = ReferState::Ended { until: now + TRANSACTION_TIMEOUT };
            }
            ReferState::Locating { .. } => self.forget_refer(id),
            ReferState::Ended { .. } => return,
        }
        self.emit(Event::ReferEnded { refer: id, outcome });
    }

    /// What is due in references.
    pub(super) fn refers_deadline(&mut self, now: Instant) {
        let is_due = |refer: &Refer| refer.deadline().is_some_and(|at| at <= now);
        let due: Vec<ReferId> =
            self.refers.iter().filter(|(_, refer)| is_due(refer)).map(|(id, _)| *id).collect();
        for id in due {
            match self.refers.get(&id).map(|refer| &refer.state) {
                Some(ReferState::Locating { .. }) => {
                    self.refer_ended(now, id, ReferOutcome::Unreachable);
                }
                Some(ReferState::Subscribed { .. }) => {
                    self.refer_ended(now, id, ReferOutcome::Unreported);
                }
                Some(ReferState::Ended { .. }) => self.forget_refer(id),
                Some(ReferState::Asked) | None => {}
            }
        }
    }
}
