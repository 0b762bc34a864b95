//! INVITE as its client, up to its final answer: calls that we place, and their redirections.

use sip::session_timer::{self, SESSION_SECONDS, SESSION_SECONDS_MIN};
use sip::{
    CSeq, ClientTxnId, Contacts, HeaderName, HeaderValue, Headers, Method, NextHop, Request,
    Response, SessionId, SessionUuid, StatusCode, Target, Uri, Wanted,
};
use units::Instant;

use crate::config::{CALLS_MAX, CallOptions, INTERVALS_MAX};
use crate::event::{CallFailure, CallId, CommandError, Event, ReferralId, Refusal};
use crate::redirect::{TargetSet, TooMany};
use crate::uri_headers;

use super::call::{Call, CallState, Onward, Placing, SETUP_MAX};
use super::requests::{FIRST_CSEQ, SDP, refusal};
use super::{Purpose, Ua, Waiter};

impl Ua {
    /// Calls `target`: [`Event::Established`] or [`Event::CallFailed`] follows.
    ///
    /// # Errors
    ///
    /// [`CommandError::UnsupportedUri`], [`CommandError::Full`]. Then there is no call.
    pub fn call(
        &mut self,
        now: Instant,
        target: &Uri,
        options: CallOptions,
    ) -> Result<CallId, CommandError> {
        let call = self.place(now, target, options, None)?;
        self.pump(now);
        Ok(call)
    }

    pub(super) fn place(
        &mut self,
        now: Instant,
        target: &Uri,
        options: CallOptions,
        referral: Option<ReferralId>,
    ) -> Result<CallId, CommandError> {
        let Uri::Sip(sip_uri) = target else { return Err(CommandError::UnsupportedUri) };
        let hop = self.identity.next_hop(target)?;
        if self.calls.len() >= CALLS_MAX {
            return Err(CommandError::Full);
        }
        let offer = options.offers.then(|| sdp::offer(&options.media));
        let (call_id, tag) = (self.stack.new_call_id(), self.stack.new_tag());
        let mut first = self.identity.request(Method::Invite, sip_uri, &call_id, &tag);
        if let Some(offer) = &offer {
            first.set_body(SDP, offer.to_string());
        }
        // RFC 4028 §7.1: as is recommended; who refreshes is left to the peer.
        first.headers.set(HeaderName::SessionExpires, SESSION_SECONDS);
        if let Some(referred_by) = options.referred_by {
            first.headers.push(HeaderName::ReferredBy, HeaderValue::from(referred_by));
        }
        // RFC 7989 §6: whoever was sent here by a REFER is the same end of the session as before.
        let own = referral.and_then(|referral| self.session_of(referral));
        let own = own.unwrap_or_else(|| self.stack.new_session_uuid());
        let session = SessionId::answering(own, None).to_string();
        first.headers.push(HeaderName::SessionId, session);
        uri_headers::apply(sip_uri, &mut first);
        let placing = Box::new(Placing {
            first: first.clone(),
            cseq: FIRST_CSEQ,
            media: options.media,
            offer,
            targets: options.follow_redirects.then(|| TargetSet::new(target.clone())),
            intervals: 0,
            gives_up_at: now + SETUP_MAX,
        });
        let call = CallId(self.new_id());
        let onward = Onward { call, placing, referral };
        match hop {
            NextHop::At(target) => {
                self.send_invite(now, onward, first, &[target]).map_err(|_| CommandError::Full)?;
            }
            NextHop::Ask(wanted) => self.locate(onward, first, wanted),
        }
        Ok(call)
    }

    /// Our end of the session that a REFER came in.
    fn session_of(&self, referral: ReferralId) -> Option<SessionUuid> {
        let dialog = self.referrals.get(&referral)?.dialog;
        Some(self.dialogs.get(dialog)?.session?.local)
    }

    /// Puts a call into the table and its INVITE on the wire. Gives the call back when there is no
    /// transaction left for it, or no place to send it to.
    fn send_invite(
        &mut self,
        now: Instant,
        onward: Onward,
        mut request: Request,
        targets: &[Target],
    ) -> Result<(), Onward> {
        let paths = self.identity.paths_to(targets);
        self.identity.put_contact(&mut request, &paths);
        let Ok(txn) = self.stack.request_any(now, request.clone(), &paths) else {
            return Err(onward);
        };
        let Onward { call, placing, referral } = onward;
        self.requests.insert(txn, Purpose::Invite(call));
        let state = CallState::Inviting { placing, txn, sent: Box::new(request) };
        self.calls.insert(call, Call { state, referral });
        Ok(())
    }

    fn locate(&mut self, onward: Onward, request: Request, wanted: Wanted) {
        let Onward { call, placing, referral } = onward;
        let host = wanted.host.clone();
        self.look_up(Waiter::Call(call), wanted);
        let state = CallState::Locating { placing, host, request: Box::new(request) };
        self.calls.insert(call, Call { state, referral });
    }

    /// The address of a call's next hop is known, or that there is none.
    pub(super) fn call_resolved(&mut self, now: Instant, call: CallId, targets: &[Target]) {
        let Some(Call { state, referral }) = self.calls.remove(&call) else { return };
        let CallState::Locating { placing, host, request } = state else {
            self.calls.insert(call, Call { state, referral });
            return;
        };
        let onward = Onward { call, placing, referral };
        if targets.is_empty() {
            return self.try_next(now, onward, CallFailure::Unresolved { host });
        }
        if let Err(onward) = self.send_invite(now, onward, *request, targets) {
            self.call_over(now, call, onward.referral, CallFailure::Unreachable);
        }
    }

    /// A final answer to an INVITE, other than 2xx.
    pub(super) fn invite_refused(
        &mut self,
        now: Instant,
        call: CallId,
        txn: ClientTxnId,
        response: &Response,
    ) {
        let refusal = refusal(response);
        let Some((sent, mut onward)) = self.take_inviting(call, txn) else {
            return self.cancel_done(now, call, txn);
        };
        if response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL
            && onward.placing.lengthens(&response.headers)
        {
            return self.ask_again(now, onward, *sent, CallFailure::Refused(refusal));
        }
        match onward.placing.targets.as_mut() {
            Some(targets) if is_followed(response.status) => {
                match targets.redirected(&sent.uri, contacts(response)) {
                    Ok(()) => {
                        self.try_next(now, onward, CallFailure::RedirectExhausted(refusal));
                    }
                    Err(TooMany) => {
                        let why = CallFailure::TooManyRedirects;
                        self.call_over(now, call, onward.referral, why);
                    }
                }
            }
            Some(_) if !speaks_for_all(&refusal) => {
                self.try_next(now, onward, CallFailure::Refused(refusal));
            }
            Some(_) | None => {
                self.call_over(now, call, onward.referral, CallFailure::Refused(refusal));
            }
        }
    }

    /// The same INVITE to the same target, with the session interval that is asked for (RFC 4028 §7.3).
    fn ask_again(
        &mut self,
        now: Instant,
        mut onward: Onward,
        mut request: Request,
        why: CallFailure,
    ) {
        let Onward { call, referral, .. } = onward;
        let Ok(hop) = self.identity.next_hop(&request.uri) else {
            return self.call_over(now, call, referral, why); // it was called before
        };
        let placing = &mut onward.placing;
        placing.cseq += 1;
        let cseq = CSeq::new(placing.cseq, Method::Invite);
        request.headers.set(HeaderName::CSeq, cseq.to_string());
        for name in [HeaderName::SessionExpires, HeaderName::MinSe] {
            request.headers.remove(&name);
            request.headers.copy_all(&placing.first.headers, &name);
        }
        match hop {
            NextHop::At(target) => {
                if self.send_invite(now, onward, request, &[target]).is_err() {
                    self.call_over(now, call, referral, CallFailure::Unreachable);
                }
            }
            NextHop::Ask(wanted) => self.locate(onward, request, wanted),
        }
    }

    /// No answer to an INVITE will come.
    pub(super) fn invite_failed(
        &mut self,
        now: Instant,
        call: CallId,
        txn: ClientTxnId,
        why: CallFailure,
    ) {
        match self.take_inviting(call, txn) {
            Some((_, onward)) => self.try_next(now, onward, why),
            None => self.cancel_done(now, call, txn),
        }
    }

    /// The INVITE to one target failed: on to the next, or to the end (RFC 3261 §8.1.3.4).
    fn try_next(&mut self, now: Instant, mut onward: Onward, why: CallFailure) {
        let Onward { call, referral, .. } = onward;
        while let Some(target) = onward.placing.targets.as_mut().and_then(TargetSet::next) {
            // What cannot be called (tel:, another transport) is passed over.
            let (Uri::Sip(uri), Ok(hop)) = (&target.uri, self.identity.next_hop(&target.uri))
            else {
                continue;
            };
            let placing = &mut onward.placing;
            placing.cseq += 1;
            // RFC 3261 §8.1.3.4: the same request with another Request-URI; the stack gives it a
            // Via with a new branch.
            let mut request = placing.first.clone();
            request.uri = Uri::Sip(uri.as_request_uri());
            let cseq = CSeq::new(placing.cseq, Method::Invite);
            request.headers.set(HeaderName::CSeq, cseq.to_string());
            uri_headers::apply(uri, &mut request);
            self.emit(Event::Redirected {
                call,
                to: target.uri.clone(),
                conference: target.is_focus,
            });
            match hop {
                NextHop::At(target) => {
                    if self.send_invite(now, onward, request, &[target]).is_err() {
                        self.call_over(now, call, referral, CallFailure::Unreachable);
                    }
                }
                NextHop::Ask(wanted) => self.locate(onward, request, wanted),
            }
            return;
        }
        self.call_over(now, call, referral, why);
    }

    pub(super) fn is_inviting(&self, call: CallId, txn: ClientTxnId) -> bool {
        match self.calls.get(&call).map(|call| &call.state) {
            Some(CallState::Inviting { txn: current, .. }) => *current == txn,
            Some(_) | None => false,
        }
    }

    /// Takes a call out of the table if this is the INVITE that it waits for.
    fn take_inviting(&mut self, call: CallId, txn: ClientTxnId) -> Option<(Box<Request>, Onward)> {
        if !self.is_inviting(call, txn) {
            return None;
        }
        let Call { state, referral } = self.calls.remove(&call)?;
        match state {
            CallState::Inviting { placing, sent, .. } => {
                Some((sent, Onward { call, placing, referral }))
            }
            _ => None, // ruled out above
        }
    }
}

impl Placing {
    /// Takes the Min-SE of a 422 into what is asked for from now on; whether that is worth another
    /// attempt.
    fn lengthens(&mut self, refusal: &Headers) -> bool {
        let Ok(asked) = session_timer::min_se(refusal) else { return false };
        let so_far = session_timer::min_se(&self.first.headers).unwrap_or(SESSION_SECONDS_MIN);
        if self.intervals == INTERVALS_MAX {
            return false;
        }
        self.intervals += 1;
        // RFC 4028 §7.3: the highest of those seen.
        let min_se = asked.max(so_far);
        self.first.headers.set(HeaderName::MinSe, min_se);
        self.first.headers.set(HeaderName::SessionExpires, min_se.max(SESSION_SECONDS));
        true
    }
}

/// Whether a 3xx is followed by calling its Contacts. 305 names a proxy to go through and 380 another
/// service (RFC 3261 §21.3.4, §21.3.5): neither is another place of the same callee.
fn is_followed(status: StatusCode) -> bool {
    matches!(status.code(), 300..=302)
}

/// RFC 3261 §21.6: a 6xx speaks for all places where the callee may be.
fn speaks_for_all(refusal: &Refusal) -> bool {
    refusal.status.code() >= 600
}

fn contacts(response: &Response) -> Vec<sip::NameAddr> {
    match response.headers.contacts() {
        Ok(Contacts::List(contacts)) => contacts,
        Ok(Contacts::Star) | Err(_) => Vec::new(),
    }
}
