//! What we change in an established call: hold and resume by re-INVITE (RFC 3261 §14.1).

use std::time::Duration;

use sdp::{Direction, LocalMedia, SessionDescription};
use sip::{ClientTxnId, Essentials, Method, Response, StatusCode};
use units::Instant;

use super::incoming::description_in;
use crate::event::{CallId, CommandError, EndCause, Event, Refusal};

use super::call::{Acknowledged, Awaits, CallState, Local};
use super::dialogs::DialogKey;
use super::keeping::put_off;
use super::requests::{SDP, refusal, refusal_of};
use super::session::{Session, UnderWay, Why};
use super::{Answer, Purpose, Ua};

/// A peer that names an ever higher Min-SE is asked no faster than this.
const RETRY_AFTER_422: Duration = Duration::from_secs(1);

/// What a request that changes or refreshes a session came to, other than 2xx.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) refusal: Refusal,
    /// RFC 3261 §12.2.1.2: nobody answered, or the peer does not know the dialog.
    pub(super) is_lost: bool,
}

impl Ua {
    /// Puts the peer of an established call on hold, or takes it back: [`Event::HoldEnded`] follows. A
    /// later wish takes the place of one that was not sent yet.
    ///
    /// On hold the peer is offered `sendonly`, or `inactive` where it holds us (RFC 3264 §8.4): it may be
    /// played music, and is not to be played what we say.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongState`]: no such established call.
    pub fn hold(&mut self, now: Instant, call: CallId, hold: bool) -> Result<(), CommandError> {
        let Some((session, _)) = self.session_mut(call) else {
            return Err(CommandError::WrongState);
        };
        session.wanted = Some(hold);
        self.change(now, call);
        self.pump(now);
        Ok(())
    }

    /// The session of a call that our owner knows as established, and its dialog.
    pub(super) fn session_mut(&mut self, call: CallId) -> Option<(&mut Session, DialogKey)> {
        match self.calls.get_mut(&call).map(|call| &mut call.state) {
            Some(CallState::Established { dialog, session, unacked, .. }) => {
                let is_known = !unacked
                    .as_ref()
                    .is_some_and(|unacked| matches!(unacked.awaits, Awaits::FirstAnswer(_)));
                is_known.then_some((session.as_mut(), *dialog))
            }
            Some(_) | None => None,
        }
    }

    /// Sends what our owner wants changed, if nothing stands in the way. Called whenever something that
    /// did is gone.
    pub(super) fn change(&mut self, now: Instant, call: CallId) {
        let Some(CallState::Established { local, session, unacked: None, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        else {
            return;
        };
        let is_free = matches!(session.under_way, UnderWay::Nothing) && session.again_at.is_none();
        let Some(hold) = session.wanted.take_if(|_| is_free) else { return };
        if hold == session.holds {
            return self.emit(Event::HoldEnded { call, on_hold: hold, refused: None });
        }
        let direction = match (hold, session.direction.sends()) {
            (true, true) => Direction::SendOnly,
            (true, false) => Direction::Inactive,
            (false, _) => Direction::SendRecv,
        };
        let (media, offer) = local.offer(direction);
        if !self.reinvite_peer(now, call, media, offer, Why::Hold(hold)) {
            let refused = Some(refusal_of(StatusCode::SERVICE_UNAVAILABLE));
            self.emit(Event::HoldEnded { call, on_hold: !hold, refused });
        }
    }

    /// Sends a re-INVITE; whether there was anything left to send it with.
    pub(super) fn reinvite_peer(
        &mut self,
        now: Instant,
        call: CallId,
        media: LocalMedia,
        offer: SessionDescription,
        why: Why,
    ) -> bool {
        let Some(CallState::Established { dialog: key, session, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        else {
            return false;
        };
        let key = *key;
        let Some(dialog) = self.dialogs.get_mut(key) else { return false };
        let (request, to) = (dialog.request(Method::Invite), dialog.destination());
        let mut request = self.identity.describe_request(request);
        session.write_refresh(&mut request.headers);
        request.set_body(SDP, offer.to_string());
        let Ok(txn) = self.stack.request(now, request, to) else { return false };
        session.under_way = UnderWay::Reinvite { txn, media, offer: Box::new(offer), why };
        // Held until its transaction ends: each copy of the 2xx wants its ACK.
        let dialog = self.dialogs.share(key);
        self.requests.insert(txn, Purpose::Reinvite { call, dialog });
        true
    }

    /// A 2xx to a re-INVITE of ours, or a copy of one.
    pub(super) fn reinvite_accepted(
        &mut self,
        now: Instant,
        (call, key): (CallId, DialogKey),
        txn: ClientTxnId,
        response: &Response,
        essentials: &Essentials,
    ) {
        if let Some(known) = self.acknowledged.get(&txn).and_then(|known| known.first()) {
            return self.stack.send_once(now, known.ack.clone(), known.to);
        }
        if let (Some(dialog), Ok(Some(contact))) =
            (self.dialogs.get_mut(key), response.headers.contact())
        {
            // RFC 3261 §12.2.1.2: a Contact that we cannot use leaves the target.
            let _unusable = dialog.refresh_target(contact);
        }
        let Some(dialog) = self.dialogs.get(key) else { return };
        let (ack, to) = (dialog.ack(essentials.cseq.number), dialog.destination());
        self.stack.send_once(now, ack.clone(), to);
        let remote_tag = essentials.to.tag().unwrap_or_default().to_owned();
        let known = Acknowledged { remote_tag, ack, to, invite: None };
        self.acknowledged.entry(txn).or_default().push(known);
        let Some((media, offer, why)) = self.take_reinvite(call, txn) else { return };
        let Some(CallState::Established { local, session, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        else {
            return;
        };
        session.refreshed_by_us(now, &response.headers);
        let agreed = description_in(response.part("application", "sdp"))
            .and_then(|answer| sdp::accept_answer(&offer, &answer).ok());
        let refused = match agreed {
            Some(agreed) => {
                **local = Local { media, description: offer };
                session.direction = agreed.direction;
                if let Why::Hold(hold) = why {
                    session.holds = hold;
                }
                self.emit(Event::MediaChanged { call, media: agreed });
                None
            }
            // What cannot be used leaves the media as it was.
            None => Some(refusal_of(StatusCode::NOT_ACCEPTABLE_HERE)),
        };
        if let Why::Hold(hold) = why {
            let on_hold = hold == refused.is_none();
            self.emit(Event::HoldEnded { call, on_hold, refused });
        }
        self.change(now, call);
    }

    /// A re-INVITE of ours has a final answer other than 2xx, or will have none.
    pub(super) fn reinvite_over(
        &mut self,
        now: Instant,
        call: CallId,
        txn: ClientTxnId,
        answer: &Answer<'_>,
    ) {
        let Some((_, _, why)) = self.take_reinvite(call, txn) else { return };
        let refused = self.refused(call, answer);
        if refused.is_lost {
            return self.leave(now, call, EndCause::DialogLost);
        }
        let wait = self.wait_after(call, &refused);
        let Some((session, _)) = self.session_mut(call) else { return };
        match (why, wait) {
            (Why::Refresh, wait) => put_off(session.timer.as_mut(), now, wait),
            (Why::Hold(hold), Some(wait)) => {
                session.wanted = Some(session.wanted.unwrap_or(hold));
                session.again_at = Some(now + wait);
            }
            // RFC 3261 §14.1: the session stays as it was.
            (Why::Hold(hold), None) => {
                let refused = Some(refused.refusal);
                self.emit(Event::HoldEnded { call, on_hold: !hold, refused });
            }
        }
        self.change(now, call);
    }

    fn take_reinvite(
        &mut self,
        call: CallId,
        txn: ClientTxnId,
    ) -> Option<(LocalMedia, SessionDescription, Why)> {
        let (session, _) = self.session_mut(call)?;
        match std::mem::replace(&mut session.under_way, UnderWay::Nothing) {
            UnderWay::Reinvite { txn: current, media, offer, why } if current == txn => {
                Some((media, *offer, why))
            }
            other => {
                session.under_way = other;
                None
            }
        }
    }

    pub(super) fn refused(&mut self, call: CallId, answer: &Answer<'_>) -> Refused {
        match answer {
            Answer::Response(response) => {
                if response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL
                    && let Some((session, _)) = self.session_mut(call)
                {
                    session.learn_min_se(&response.headers);
                }
                let status = response.status;
                Refused { status, refusal: refusal(response), is_lost: is_lost(status) }
            }
            // RFC 3261 §8.1.3.1
            Answer::Failed(sip::Failure::Timeout) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                Refused { status, refusal: refusal_of(status), is_lost: true }
            }
            Answer::Failed(
                sip::Failure::Transport | sip::Failure::Overloaded | sip::Failure::Silent,
            ) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Refused { status, refusal: refusal_of(status), is_lost: false }
            }
        }
    }

    /// How long to wait with the same again, if the refusal is one after which that is worth it.
    pub(super) fn wait_after(&mut self, call: CallId, refused: &Refused) -> Option<Duration> {
        match refused.status {
            // RFC 3261 §14.1, in units of 10 ms: 2.1 to 4 s where the Call-ID is ours, else 0 to 2 s.
            StatusCode::REQUEST_PENDING => {
                let (session, _) = self.session_mut(call)?;
                let (least, most) = if session.we_called { (210, 400) } else { (0, 200) };
                let units = least + self.rng.below(most - least + 1);
                Some(Duration::from_millis(10 * units))
            }
            StatusCode::SESSION_INTERVAL_TOO_SMALL => Some(RETRY_AFTER_422),
            _ => None,
        }
    }
}

impl Local {
    /// An offer with this direction, and what it is made of; the version in `o=` counts up if it says
    /// something new (RFC 3264 §8).
    fn offer(&self, direction: Direction) -> (LocalMedia, SessionDescription) {
        let mut media = LocalMedia { direction, ..self.media.clone() };
        let mut offer = sdp::offer_again(&media, &self.description);
        if offer != self.description {
            media.version += 1;
            offer = sdp::offer_again(&media, &self.description);
        }
        (media, offer)
    }
}

/// RFC 3261 §12.2.1.2: the peer does not know the dialog any more.
pub(super) fn is_lost(status: StatusCode) -> bool {
    matches!(status, StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT)
}
