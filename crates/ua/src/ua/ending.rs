//! How calls end: CANCEL, BYE, refusals and time.

use sip::{ClientTxnId, Method, StatusCode, SuccessAction};
use units::Instant;

use crate::event::{CallFailure, CallId, EndCause, Event, ReferralId};

use super::call::{Awaits, Call, CallState, CancelCause, Unacked};
use super::dialogs::DialogKey;
use super::{Purpose, Ua, Waiter};

impl Ua {
    /// Ends a call, whatever its state: CANCEL, BYE or a refusal. Nothing if it is gone.
    pub fn hangup(&mut self, now: Instant, call: CallId) {
        match self.calls.get(&call).map(|call| &call.state) {
            Some(CallState::Locating { .. }) => {
                self.call_failed(now, call, CallFailure::Cancelled);
            }
            Some(CallState::Inviting { .. }) => self.cancel(now, call, CancelCause::Owner),
            Some(CallState::Offered { .. }) => self.refuse_call(now, call, StatusCode::DECLINE),
            Some(CallState::Established { .. }) => self.leave(now, call, EndCause::Local),
            Some(CallState::Cancelling { .. } | CallState::Leaving { .. }) | None => {}
        }
        self.pump(now);
    }

    pub(super) fn cancel(&mut self, now: Instant, call: CallId, cause: CancelCause) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        if let CallState::Inviting { txn, sent, .. } = &entry.state {
            let (txn, sent) = (*txn, sent.clone());
            entry.state = CallState::Cancelling { txn, sent, cause };
            self.stack.cancel(now, txn);
        }
    }

    /// The INVITE of a cancelled call has its end, whatever that was.
    pub(super) fn cancel_done(&mut self, now: Instant, call: CallId, txn: ClientTxnId) {
        let why = match self.calls.get(&call).map(|call| &call.state) {
            Some(CallState::Cancelling { txn: current, cause, .. }) if *current == txn => {
                match cause {
                    CancelCause::Owner => CallFailure::Cancelled,
                    CancelCause::RangTooLong => CallFailure::NoAnswer,
                    CancelCause::BadDescription => CallFailure::BadDescription,
                }
            }
            Some(_) | None => return,
        };
        self.call_failed(now, call, why);
    }

    /// A call ends before it was established.
    pub(super) fn call_failed(&mut self, now: Instant, call: CallId, why: CallFailure) {
        if let Some(Call { referral, .. }) = self.calls.remove(&call) {
            self.call_over(now, call, referral, why);
        }
    }

    /// As `call_failed`, for a call that is not in the table any more.
    pub(super) fn call_over(
        &mut self,
        now: Instant,
        call: CallId,
        referral: Option<ReferralId>,
        why: CallFailure,
    ) {
        self.lookups.retain(|_, waiter| *waiter != Waiter::Call(call));
        if let Some(referral) = referral {
            self.referral_failed(now, referral, &why);
        }
        self.emit(Event::CallFailed { call, why });
    }

    /// Hangs up an established call. He who answered it sends no BYE before the ACK has come (RFC
    /// 3261 §15).
    pub(super) fn leave(&mut self, now: Instant, call: CallId, why: EndCause) {
        let Some(Call { state, referral }) = self.calls.remove(&call) else { return };
        match state {
            CallState::Established { dialog, unacked: None, .. } => {
                self.send_bye(now, dialog);
                self.emit(Event::CallEnded { call, why });
            }
            CallState::Established { dialog, unacked: Some(unacked), .. } => {
                let state = CallState::Leaving { dialog, unacked };
                self.calls.insert(call, Call { state, referral });
            }
            other => {
                self.calls.insert(call, Call { state: other, referral });
            }
        }
    }

    /// The ACK of a call that we want to end has come, or never will: BYE.
    pub(super) fn finish_leaving(&mut self, now: Instant, call: CallId) {
        let Some(Call { state: CallState::Leaving { .. }, .. }) = self.calls.get(&call) else {
            return;
        };
        if let Some(Call { state: CallState::Leaving { dialog, unacked }, .. }) =
            self.calls.remove(&call)
        {
            self.send_bye(now, dialog);
            self.report_end(call, unacked.as_ref(), EndCause::Local);
        }
    }

    /// The end of a call that we answered: without the first answer it was never established.
    pub(super) fn report_end(&mut self, call: CallId, unacked: &Unacked, why: EndCause) {
        match unacked.awaits {
            Awaits::Ack | Awaits::NewAnswer(_) => self.emit(Event::CallEnded { call, why }),
            Awaits::FirstAnswer(_) => {
                self.emit(Event::CallFailed { call, why: CallFailure::Cancelled });
            }
        }
    }

    /// Ends a dialog; this usage of it is over when the BYE is answered.
    pub(super) fn send_bye(&mut self, now: Instant, key: DialogKey) {
        let Some(dialog) = self.dialogs.get_mut(key) else { return };
        let (bye, to) = (dialog.request(Method::Bye), dialog.destination());
        let bye = self.identity.describe_request(bye);
        match self.stack.request(now, bye, to) {
            Ok(txn) => {
                self.requests.insert(txn, Purpose::Bye(key));
            }
            // Nothing left to send it with: the peer's own timers must find out.
            Err(sip::Full) => self.dialogs.release(key),
        }
    }

    /// What is due in calls.
    pub(super) fn calls_deadline(&mut self, now: Instant) {
        let is_due = |call: &Call| call.deadline().is_some_and(|at| at <= now);
        let due: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| is_due(call)).map(|(id, _)| *id).collect();
        for call in due {
            self.call_due(now, call);
            if self.calls.get(&call).is_some_and(|call| call.has_session_due(now)) {
                self.session_due(now, call);
            }
        }
    }

    fn call_due(&mut self, now: Instant, call: CallId) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        match &mut entry.state {
            CallState::Locating { .. } => self.call_failed(now, call, CallFailure::NoAnswer),
            CallState::Inviting { .. } => self.cancel(now, call, CancelCause::RangTooLong),
            CallState::Offered { until, .. } if *until <= now => {
                self.refuse_call(now, call, StatusCode::TEMPORARILY_UNAVAILABLE);
            }
            CallState::Offered { .. } => self.ringing_due(now, call),
            CallState::Cancelling { .. } | CallState::Established { unacked: None, .. } => {}
            CallState::Established { unacked: Some(unacked), .. }
            | CallState::Leaving { unacked, .. } => match unacked.retransmit.handle_deadline(now) {
                SuccessAction::Nothing => {}
                SuccessAction::Again => {
                    self.stack.resend_success(&unacked.response, unacked.to);
                }
                SuccessAction::GiveUp => self.never_acknowledged(now, call),
            },
        }
    }

    /// RFC 3261 §13.3.1.4: the dialog is confirmed all the same, and ended by BYE.
    fn never_acknowledged(&mut self, now: Instant, call: CallId) {
        let Some(Call { state, referral }) = self.calls.remove(&call) else { return };
        match state {
            CallState::Established { dialog, unacked: Some(unacked), .. } => {
                self.send_bye(now, dialog);
                self.report_end(call, unacked.as_ref(), EndCause::NoAck);
            }
            CallState::Leaving { dialog, unacked } => {
                self.send_bye(now, dialog);
                self.report_end(call, unacked.as_ref(), EndCause::Local);
            }
            other => {
                self.calls.insert(call, Call { state: other, referral });
            }
        }
    }
}
