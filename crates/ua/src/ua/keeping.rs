//! What keeps an established call alive: refreshes of its session (RFC 4028 §7.4), and OPTIONS to a peer
//! that has fallen silent.

use std::time::Duration;

use sip::session_timer::{SessionAction, SessionTimer};
use sip::{ClientTxnId, Method, StatusCode, T2};
use units::Instant;

use crate::event::{CallId, EndCause};

use super::call::{Call, CallState};
use super::changing::is_lost;
use super::dialogs::DialogKey;
use super::session::{UnderWay, Why};
use super::{Answer, Purpose, Ua};

/// Refreshes refused for other reasons are tried again at half of what is left, but no faster than
/// this.
const RETRY_MIN: Duration = Duration::from_secs(5);

impl Ua {
    /// No media has come from the peer of this call for long: asks it whether it is still there. If not,
    /// [`crate::Event::CallEnded`] follows. Nothing happens while that is being asked already.
    pub fn media_silent(&mut self, now: Instant, call: CallId) {
        if let Some((session, dialog)) = self.session_mut(call)
            && !session.is_probing
        {
            session.is_probing = true;
            if self.send_in_dialog(now, dialog, Method::Options, Purpose::Probe(call)).is_none() {
                self.probe_over(call);
            }
        }
        self.pump(now);
    }

    /// What is due in the session of an established call.
    pub(super) fn session_due(&mut self, now: Instant, call: CallId) {
        let Some((session, _)) = self.session_mut(call) else { return };
        let action = session
            .timer
            .as_mut()
            .map_or(SessionAction::Nothing, |timer| timer.handle_deadline(now));
        match action {
            SessionAction::End => return self.leave(now, call, EndCause::Expired),
            SessionAction::Refresh => self.refresh(now, call),
            SessionAction::Nothing => {}
        }
        if let Some((session, _)) = self.session_mut(call)
            && session.again_at.take_if(|at| *at <= now).is_some()
        {
            self.change(now, call);
        }
    }

    /// Sends a refresh: UPDATE without an offer where the peer takes it, else a re-INVITE with the
    /// description as it stands (RFC 4028 §7.4).
    fn refresh(&mut self, now: Instant, call: CallId) {
        let Some(CallState::Established { dialog, local, session, unacked }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        else {
            return;
        };
        // RFC 3264 §4, RFC 3261 §14.1: nothing new while something is open.
        let is_free = unacked.is_none() && matches!(session.under_way, UnderWay::Nothing);
        let dialog = *dialog;
        let is_sent = match (is_free, session.takes_update) {
            (false, _) => false,
            (true, true) => {
                let sent = self.send_in_dialog(now, dialog, Method::Update, Purpose::Update(call));
                if let (Some(txn), Some((session, _))) = (sent, self.session_mut(call)) {
                    session.under_way = UnderWay::Update { txn };
                }
                sent.is_some()
            }
            (true, false) => {
                let (media, offer) = (local.media.clone(), local.description.clone());
                self.reinvite_peer(now, call, media, offer, Why::Refresh)
            }
        };
        if !is_sent && let Some((session, _)) = self.session_mut(call) {
            put_off(session.timer.as_mut(), now, Some(T2));
        }
    }

    /// The peer has answered our OPTIONS, or nobody has.
    pub(super) fn probe_answered(&mut self, now: Instant, call: CallId, answer: &Answer<'_>) {
        self.probe_over(call);
        let why = match answer {
            Answer::Response(response) if !is_lost(response.status) => return,
            Answer::Response(_) => EndCause::DialogLost,
            Answer::Failed(_) => EndCause::Silent,
        };
        self.leave(now, call, why);
    }

    fn probe_over(&mut self, call: CallId) {
        if let Some((session, _)) = self.session_mut(call) {
            session.is_probing = false;
        }
    }

    /// An UPDATE of ours has its final answer, or will have none.
    pub(super) fn update_over(
        &mut self,
        now: Instant,
        call: CallId,
        txn: ClientTxnId,
        answer: &Answer<'_>,
    ) {
        let Some((session, dialog)) = self.session_mut(call) else { return };
        match session.under_way {
            UnderWay::Update { txn: current } if current == txn => {}
            UnderWay::Update { .. } | UnderWay::Reinvite { .. } | UnderWay::Nothing => return,
        }
        session.under_way = UnderWay::Nothing;
        if let Answer::Response(response) = answer
            && response.status.is_success()
        {
            session.refreshed_by_us(now, &response.headers);
            if let (Some(dialog), Ok(Some(contact))) =
                (self.dialogs.get_mut(dialog), response.headers.contact())
            {
                let _unusable = dialog.refresh_target(contact);
            }
            return self.change(now, call);
        }
        let refused = self.refused(call, answer);
        if refused.is_lost {
            return self.leave(now, call, EndCause::DialogLost);
        }
        let wait = self.wait_after(call, &refused);
        let Some((session, _)) = self.session_mut(call) else { return };
        if matches!(refused.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            session.takes_update = false;
            return self.refresh(now, call);
        }
        put_off(session.timer.as_mut(), now, wait);
        self.change(now, call);
    }

    /// Sends a request in a dialog.
    fn send_in_dialog(
        &mut self,
        now: Instant,
        key: DialogKey,
        method: Method,
        purpose: Purpose,
    ) -> Option<ClientTxnId> {
        let dialog = self.dialogs.get_mut(key)?;
        let (request, to) = (dialog.request(method), dialog.destination());
        let mut request = self.identity.describe_request(request);
        if request.method == Method::Update
            && let Purpose::Update(call) = purpose
            && let Some(CallState::Established { session, .. }) =
                self.calls.get(&call).map(|call| &call.state)
        {
            session.write_refresh(&mut request.headers);
        }
        let txn = self.stack.request(now, request, to).ok()?;
        self.requests.insert(txn, purpose);
        Some(txn)
    }
}

impl Call {
    /// Whether something is due in its session.
    pub(super) fn has_session_due(&self, now: Instant) -> bool {
        match &self.state {
            CallState::Established { session, .. } => {
                session.deadline().is_some_and(|at| at <= now)
            }
            CallState::Locating { .. }
            | CallState::Inviting { .. }
            | CallState::Cancelling { .. }
            | CallState::Offered { .. }
            | CallState::Leaving { .. } => false,
        }
    }
}

/// Puts a refresh off that could not be sent or was refused: so long, or by half of what is left.
pub(super) fn put_off(timer: Option<&mut SessionTimer>, now: Instant, wait: Option<Duration>) {
    if let Some(timer) = timer {
        let wait = wait.unwrap_or_else(|| (timer.end_at().since(now) / 2).max(RETRY_MIN));
        timer.refresh_again_at(now + wait);
    }
}
