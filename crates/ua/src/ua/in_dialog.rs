//! What comes in a dialog.

use sdp::SessionDescription;
use sip::{DialogError, Incoming, Method, Response, StatusCode};
use units::Instant;

use super::incoming::description_in;
use crate::event::{CallFailure, CallId, EndCause, Event};

use super::Ua;
use super::call::{Awaits, Call, CallState};
use super::dialogs::DialogKey;

impl Ua {
    /// A request with a To tag.
    pub(super) fn request_in_dialog(&mut self, now: Instant, incoming: Incoming) {
        let Some(key) = self.dialogs.of_request(&incoming.essentials) else {
            // The dialog of a REFER outside any dialog begins with the peer's NOTIFY.
            if incoming.request.method == Method::Notify {
                return self.notify_received(now, &incoming, None);
            }
            // RFC 3261 §12.2.2
            return self.refuse(now, &incoming, StatusCode::CALL_DOES_NOT_EXIST);
        };
        let checked = self.dialogs.get_mut(key).map(|dialog| {
            dialog.check(&incoming.essentials)?;
            dialog.came_by(&incoming);
            Ok::<_, DialogError>(())
        });
        if let Some(Err(error)) = checked {
            return self.refuse(now, &incoming, error.status());
        }
        match incoming.request.method {
            Method::Invite => match self.call_of(key) {
                Some(call) => self.reinvite(now, call, key, &incoming),
                None => self.refuse(now, &incoming, StatusCode::CALL_DOES_NOT_EXIST),
            },
            Method::Update => self.update(now, key, &incoming),
            Method::Prack => self.prack(now, key, &incoming),
            Method::Bye => self.bye(now, key, &incoming),
            Method::Options => self.answer_options(now, &incoming, ""),
            Method::Refer => self.refer_received(now, incoming, Some(key)),
            Method::Notify => self.notify_received(now, &incoming, Some(key)),
            // The others were refused before (CAPABILITIES), and ACK and CANCEL never come here.
            _ => self.refuse(now, &incoming, StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    pub(super) fn call_of(&self, key: DialogKey) -> Option<CallId> {
        let its = |call: &Call| call.dialog() == Some(key);
        self.calls.iter().find(|(_, call)| its(call)).map(|(id, _)| *id)
    }

    /// Whether this dialog belongs to an established call.
    pub(super) fn established_call_of(&self, key: DialogKey) -> Option<CallId> {
        let call = self.call_of(key)?;
        matches!(self.calls.get(&call)?.state, CallState::Established { .. }).then_some(call)
    }

    /// The peer hangs up: RFC 3261 §15.1.2.
    fn bye(&mut self, now: Instant, key: DialogKey, incoming: &Incoming) {
        self.answer(now, incoming, Response::answering(&incoming.request, StatusCode::OK));
        let Some(call) = self.call_of(key) else { return }; // it crossed ours
        match self.calls.get(&call).map(|call| &call.state) {
            Some(CallState::Offered { .. }) => {
                // RFC 3261 §15.1.2: a caller may end an early dialog; the INVITE gets its 487.
                let status = StatusCode::REQUEST_TERMINATED;
                self.end_offered(now, call, status, CallFailure::Cancelled);
            }
            Some(CallState::Established { .. } | CallState::Leaving { .. }) => {
                let Some(Call { state, .. }) = self.calls.remove(&call) else { return };
                self.dialogs.release(key);
                let why = EndCause::remote(&incoming.request.headers);
                match state {
                    CallState::Established { unacked: Some(unacked), .. }
                    | CallState::Leaving { unacked, .. } => {
                        self.report_end(call, &unacked, why);
                    }
                    _ => self.emit(Event::CallEnded { call, why }),
                }
            }
            Some(
                CallState::Locating { .. }
                | CallState::Inviting { .. }
                | CallState::Cancelling { .. },
            )
            | None => {}
        }
    }

    /// An ACK: for a 2xx of ours, else for nothing that we know.
    pub(super) fn ack(&mut self, now: Instant, incoming: &Incoming) {
        let call = self.dialogs.of_request(&incoming.essentials).and_then(|key| self.call_of(key));
        let Some(call) = call else { return };
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let number = incoming.essentials.cseq.number;
        match &mut entry.state {
            CallState::Established { unacked, .. } => {
                if let Some(done) = unacked.take_if(|unacked| unacked.cseq == number) {
                    self.acknowledged_by(now, call, incoming, done.awaits);
                }
            }
            CallState::Leaving { unacked, .. } if unacked.cseq == number => {
                self.finish_leaving(now, call);
            }
            CallState::Leaving { .. }
            | CallState::Offered { .. }
            | CallState::Locating { .. }
            | CallState::Inviting { .. }
            | CallState::Cancelling { .. } => {}
        }
    }

    fn acknowledged_by(&mut self, now: Instant, call: CallId, incoming: &Incoming, awaits: Awaits) {
        let agreed = |offer: &SessionDescription| {
            let answer = description_in(incoming.request.part("application", "sdp"))?;
            sdp::accept_answer(offer, &answer).ok()
        };
        match awaits {
            Awaits::Ack => self.change(now, call),
            Awaits::FirstAnswer(offer) => match agreed(&offer) {
                Some(media) => {
                    let peer = incoming.source.remote;
                    self.agreed_on(call, &media);
                    self.now_established(now, call, media, peer, None);
                }
                None => self.drop_call(now, call, Told::No),
            },
            Awaits::NewAnswer(offer) => match agreed(&offer) {
                Some(media) => {
                    self.agreed_on(call, &media);
                    self.emit(Event::MediaChanged { call, media });
                    self.change(now, call);
                }
                None => self.drop_call(now, call, Told::Yes),
            },
        }
    }

    /// The answer in an ACK is of no use, and an ACK cannot be refused: BYE.
    fn drop_call(&mut self, now: Instant, call: CallId, told: Told) {
        let Some(Call { state: CallState::Established { dialog, .. }, .. }) =
            self.calls.remove(&call)
        else {
            return;
        };
        self.send_bye(now, dialog);
        match told {
            Told::Yes => self.emit(Event::CallEnded { call, why: EndCause::BadDescription }),
            Told::No => self.emit(Event::CallFailed { call, why: CallFailure::BadDescription }),
        }
    }
}

/// Whether our owner knows of the call as established.
enum Told {
    Yes,
    No,
}
