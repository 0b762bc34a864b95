//! INVITE as its server: calls to us, and changes of calls.

use sdp::{LocalMedia, SessionDescription};
use sip::session_timer::{self, Terms};
use sip::{Dialog, Incoming, Response, ServerTxnId, StatusCode, SuccessRetransmit};
use units::Instant;

use crate::config::CALLS_MAX;
use crate::event::{CallFailure, CallId, CommandError, EndCause, Event};

use super::Ua;
use super::call::{Awaits, Call, CallState, Local, OFFERED_MAX, Unacked};
use super::dialogs::DialogKey;
use super::requests::SDP;
use super::session::Session;
use super::watching::watchable;

impl Ua {
    /// Somebody calls.
    pub(super) fn invite(&mut self, now: Instant, incoming: Incoming) {
        if self.calls.len() >= CALLS_MAX {
            return self.refuse(now, &incoming, StatusCode::BUSY_HERE);
        }
        if let Err(status) = offer_in(&incoming) {
            return self.refuse(now, &incoming, status);
        }
        let replaces = match self.replaced_by(&incoming) {
            Ok(replaces) => replaces,
            Err(status) => return self.refuse(now, &incoming, status),
        };
        let tag = self.stack.new_tag();
        // RFC 4028 §9: an interval that is too small is refused at once.
        if let Err(error) = session_timer::agree(&incoming.request.headers, None) {
            let refusal = error.refusal(&incoming).with_to_tag(&tag);
            return self.answer(now, &incoming, refusal);
        }
        let contact = self.identity.contact(incoming.source.transport);
        let dialog = match Dialog::answering(&incoming, &tag, contact) {
            Ok(dialog) => self.in_session(dialog, &incoming),
            Err(error) => return self.refuse(now, &incoming, error.status()),
        };
        let Ok(txn) = self.stack.accept(now, &incoming) else {
            return self.refuse(now, &incoming, StatusCode::SERVICE_UNAVAILABLE);
        };
        let call = CallId(self.new_id());
        let (from, source) = (incoming.essentials.from.clone(), incoming.source.remote);
        let dialog = self.dialogs.insert(dialog);
        let until = now + OFFERED_MAX;
        let incoming = Box::new(incoming);
        let state = CallState::Offered { txn, incoming, dialog, until, ringing: None, replaces };
        self.calls.insert(call, Call { state, referral: None });
        self.emit(Event::IncomingCall { call, from, source, replaces });
    }

    /// Answers an incoming call with 200: [`Event::Established`] follows, at once or with the ACK.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongState`]; [`CommandError::NoCommonCodec`] when the call had to be refused
    /// with 488.
    pub fn accept(
        &mut self,
        now: Instant,
        call: CallId,
        media: LocalMedia,
    ) -> Result<(), CommandError> {
        let Some(CallState::Offered { txn, incoming, dialog, ringing, replaces, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        else {
            return Err(CommandError::WrongState);
        };
        let (txn, dialog, ringing, incoming) = (*txn, *dialog, ringing.take(), incoming.clone());
        let replaces = *replaces;
        let incoming = incoming.as_ref();
        let answered = match offer_in(incoming) {
            Ok(Some(offer)) => sdp::answer(&offer, &media)
                .map(|(answer, agreed)| (answer, Some(agreed)))
                .map_err(|error| status_of(error.status())),
            Ok(None) => Ok((sdp::offer(&media), None)),
            Err(status) => Err(status),
        };
        let (description, agreed) = match answered {
            Ok(answered) => answered,
            Err(status) => {
                self.refuse_call(now, call, status);
                self.pump(now);
                return Err(CommandError::NoCommonCodec);
            }
        };
        let headers = &incoming.request.headers;
        let terms = session_timer::agree(headers, None).ok().flatten(); // checked when it came
        let mut response = self.success_in(dialog, incoming, terms);
        response.set_body(SDP, description.to_string());
        let awaits = match agreed {
            Some(_) => Awaits::Ack,
            None => Awaits::FirstAnswer(description.clone()),
        };
        let direction = agreed.as_ref().map_or(media.direction, |agreed| agreed.direction);
        let mut session = Box::new(Session::answered(now, headers, terms, direction));
        session.rang = ringing.map(|ringing| ringing.sender.finished());
        let peer = incoming.source.remote;
        let (conference, tells) = (focus_uri(incoming), watchable(headers));
        let waiting = waiting_for_ack(now, &response, incoming, awaits);
        let local = Box::new(Local { media, description });
        let unacked = Some(waiting);
        self.set_state(call, CallState::Established { dialog, local, session, unacked });
        self.stack.respond(now, txn, response);
        if let Some(agreed) = agreed {
            self.now_established(now, call, agreed, peer, conference);
            self.tell_watchable(call, tells);
        }
        // RFC 3891 §3: accepted, so the other one ends.
        if let Some(old) = replaces {
            self.leave(now, old, EndCause::Replaced);
        }
        self.pump(now);
        Ok(())
    }

    /// Refuses an incoming call.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongState`].
    pub fn reject(
        &mut self,
        now: Instant,
        call: CallId,
        status: StatusCode,
    ) -> Result<(), CommandError> {
        match self.calls.get(&call).map(|call| &call.state) {
            Some(CallState::Offered { .. }) => {
                self.refuse_call(now, call, status);
                self.pump(now);
                Ok(())
            }
            Some(_) | None => Err(CommandError::WrongState),
        }
    }

    pub(super) fn refuse_call(&mut self, now: Instant, call: CallId, status: StatusCode) {
        self.end_offered(now, call, status, CallFailure::Rejected(status));
    }

    /// The caller gave up: RFC 3261 §9.2.
    pub(super) fn invite_cancelled(&mut self, now: Instant, invite: ServerTxnId) {
        let its = |call: &Call| match &call.state {
            CallState::Offered { txn, .. } => *txn == invite,
            _ => false,
        };
        let call = self.calls.iter().find(|(_, call)| its(call)).map(|(id, _)| *id);
        if let Some(call) = call {
            let status = StatusCode::REQUEST_TERMINATED;
            self.end_offered(now, call, status, CallFailure::Cancelled);
        }
    }

    /// Gives an incoming call that was not answered its final refusal.
    pub(super) fn end_offered(
        &mut self,
        now: Instant,
        call: CallId,
        status: StatusCode,
        why: CallFailure,
    ) {
        let Some(CallState::Offered { txn, incoming, dialog, .. }) =
            self.calls.get(&call).map(|call| &call.state)
        else {
            return;
        };
        let (txn, dialog) = (*txn, *dialog);
        let mut response = Response::answering(&incoming.request, status);
        if let Some(early) = self.dialogs.get(dialog) {
            response = response.with_to_tag(&early.id.local_tag);
        }
        self.stack.respond(now, txn, response);
        self.dialogs.release(dialog);
        self.call_failed(now, call, why);
    }

    /// A re-INVITE: answered at once, with the same media of ours (RFC 3261 §14.2).
    pub(super) fn reinvite(
        &mut self,
        now: Instant,
        call: CallId,
        key: DialogKey,
        incoming: &Incoming,
    ) {
        let Some(CallState::Established { local, session, unacked, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        else {
            // We are about to say BYE, or there is only a subscription left.
            return self.refuse(now, incoming, StatusCode::CALL_DOES_NOT_EXIST);
        };
        // RFC 3261 §14.2: a re-INVITE of ours, or an offer of ours in a 2xx, is still open.
        if session.is_reinviting() || has_open_offer(unacked.as_deref()) {
            return self.refuse(now, incoming, StatusCode::REQUEST_PENDING);
        }
        let terms = match session.agree(incoming) {
            Ok(terms) => terms,
            Err(error) => return self.answer(now, incoming, error.refusal(incoming)),
        };
        let answered = match offer_in(incoming) {
            Ok(offer) => local.describe(offer.as_ref()).map_err(status_of),
            Err(status) => Err(status),
        };
        let agreed = match answered {
            Ok(agreed) => agreed,
            // RFC 3261 §14.2: refused, and everything stays as it was.
            Err(status) => return self.refuse(now, incoming, status),
        };
        let description = local.description.clone();
        if let (Ok(Some(contact)), Some(dialog)) =
            (incoming.request.headers.contact(), self.dialogs.get_mut(key))
            && let Err(error) = dialog.refresh_target(contact)
        {
            return self.refuse(now, incoming, error.status()); // RFC 3261 §12.2.2
        }
        let Ok(txn) = self.stack.accept(now, incoming) else {
            return self.refuse(now, incoming, StatusCode::SERVICE_UNAVAILABLE);
        };
        let mut response = self.success_in(key, incoming, terms);
        response.set_body(SDP, description.to_string());
        let awaits = match agreed {
            Some(_) => Awaits::Ack,
            None => Awaits::NewAnswer(description),
        };
        if let Some(CallState::Established { session, unacked: slot, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        {
            session.refreshed_by_peer(now, &incoming.request.headers, terms);
            *slot = Some(waiting_for_ack(now, &response, incoming, awaits));
        }
        self.stack.respond(now, txn, response);
        if let Some(media) = agreed {
            self.agreed_on(call, &media);
            self.emit(Event::MediaChanged { call, media });
        }
    }

    /// What was agreed on in a call.
    pub(super) fn agreed_on(&mut self, call: CallId, media: &sdp::Negotiated) {
        if let Some(CallState::Established { session, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        {
            session.direction = media.direction;
        }
    }

    /// The 200 to an INVITE, re-INVITE or UPDATE.
    pub(super) fn success_in(
        &self,
        key: DialogKey,
        incoming: &Incoming,
        terms: Option<Terms>,
    ) -> Response {
        let mut response = self.answer_in(key, incoming, StatusCode::OK);
        if let Some(terms) = terms {
            session_timer::write_terms(terms, &mut response.headers);
        }
        response
    }

    /// An answer in a dialog, or one that makes it.
    pub(super) fn answer_in(
        &self,
        key: DialogKey,
        incoming: &Incoming,
        status: StatusCode,
    ) -> Response {
        let response = match self.dialogs.get(key) {
            Some(dialog) => dialog.response(incoming, status),
            None => Response::answering(&incoming.request, status),
        };
        self.identity.describe_response(response, incoming.source.transport)
    }
}

impl Local {
    /// Answers an offer, or makes one, and counts the version in `o=` up if that says something
    /// new (RFC 3264 §8).
    pub(super) fn describe(
        &mut self,
        offer: Option<&SessionDescription>,
    ) -> Result<Option<sdp::Negotiated>, u16> {
        // RFC 3264 §8: the lines of a session never become fewer.
        if offer.is_some_and(|offer| offer.media.len() < self.description.media.len()) {
            return Err(NOT_ACCEPTABLE_HERE);
        }
        let said = self.description.clone();
        let make = |media: &LocalMedia| match offer {
            Some(offer) => sdp::answer(offer, media)
                .map(|(answer, agreed)| (answer, Some(agreed)))
                .map_err(|error| error.status()),
            None => Ok((sdp::offer_again(media, &said), None)),
        };
        let (mut description, agreed) = make(&self.media)?;
        if description != self.description {
            self.media.version += 1;
            (description, _) = make(&self.media)?;
        }
        self.description = description;
        Ok(agreed)
    }
}

/// RFC 3261 §21.4.26
const NOT_ACCEPTABLE_HERE: u16 = 488;

/// Whether a 2xx of ours carries an offer that has no answer.
pub(super) fn has_open_offer(unacked: Option<&Unacked>) -> bool {
    unacked.is_some_and(|unacked| !matches!(unacked.awaits, Awaits::Ack))
}

/// The offer in an INVITE; `None`: our 200 makes one (RFC 3261 §13.2.1).
pub(super) fn offer_in(incoming: &Incoming) -> Result<Option<SessionDescription>, StatusCode> {
    let part = incoming.request.part("application", "sdp");
    part.map(SessionDescription::parse).transpose().map_err(|error| status_of(error.status()))
}

/// The description that a message brings, if it can be read.
pub(super) fn description_in(part: Option<&[u8]>) -> Option<SessionDescription> {
    SessionDescription::parse(part?).ok()
}

pub(super) fn status_of(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)
}

fn focus_uri(incoming: &Incoming) -> Option<sip::Uri> {
    let contact = incoming.request.headers.contact().ok().flatten()?;
    contact.is_focus().then_some(contact.uri)
}

fn waiting_for_ack(
    now: Instant,
    response: &Response,
    incoming: &Incoming,
    awaits: Awaits,
) -> Box<Unacked> {
    Box::new(Unacked {
        response: response.clone(),
        to: incoming.source,
        cseq: incoming.essentials.cseq.number,
        retransmit: SuccessRetransmit::new(now),
        awaits,
    })
}
