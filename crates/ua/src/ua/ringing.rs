//! Our 180 to a call, reliable where the caller wants it so (RFC 3262 §3).

use sip::reliable::{self, ReliableAction, ReliableSender, Wish};
use sip::{Incoming, Response, StatusCode};
use units::Instant;

use crate::event::{CallId, CommandError};

use super::Ua;
use super::call::{CallState, Ringing};
use super::dialogs::DialogKey;

impl Ua {
    /// Says 180 to an incoming call. A caller who takes it only reliably gets it so; one who brings no
    /// offer either gets none at all, since it would have to carry ours (RFC 3262 §5): what he waits for
    /// is the final answer.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongState`].
    pub fn ring(&mut self, now: Instant, call: CallId) -> Result<(), CommandError> {
        let Some(CallState::Offered { txn, incoming, dialog, ringing, .. }) =
            self.calls.get(&call).map(|call| &call.state)
        else {
            return Err(CommandError::WrongState);
        };
        let mut response = self.answer_in(*dialog, incoming, StatusCode::RINGING);
        let txn = *txn;
        let wish = reliable::wish(&incoming.request.headers);
        match (wish, incoming.request.part("application", "sdp").is_none()) {
            (Wish::Supported | Wish::Unknown, _) => self.stack.respond(now, txn, response),
            (Wish::Required, true) => {}
            (Wish::Required, false) if ringing.is_some() => {} // it rings, and goes on doing so
            (Wish::Required, false) => {
                let mut sender = ReliableSender::new(&mut self.rng);
                if sender.send(now, &mut response).is_ok() {
                    self.stack.respond(now, txn, response.clone());
                    self.rings(call, Ringing { response, sender });
                }
            }
        }
        self.pump(now);
        Ok(())
    }

    fn rings(&mut self, call: CallId, new: Ringing) {
        if let Some(CallState::Offered { ringing, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        {
            *ringing = Some(Box::new(new));
        }
    }

    /// What is due of a reliable 180.
    pub(super) fn ringing_due(&mut self, now: Instant, call: CallId) {
        let Some(CallState::Offered { txn, ringing: Some(ringing), .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.state)
        else {
            return;
        };
        match ringing.sender.handle_deadline(now) {
            ReliableAction::Nothing => {}
            ReliableAction::Again => {
                let (txn, response) = (*txn, ringing.response.clone());
                self.stack.respond(now, txn, response);
            }
            // RFC 3262 §3: a 5xx.
            ReliableAction::GiveUp => self.refuse_call(now, call, StatusCode::SERVER_TIMEOUT),
        }
    }

    /// A PRACK: 200 if it is the awaited one, else 481 (RFC 3262 §3).
    pub(super) fn prack(&mut self, now: Instant, key: DialogKey, incoming: &Incoming) {
        let Ok(rack) = reliable::rack(&incoming.request.headers) else {
            return self.refuse(now, incoming, StatusCode::BAD_REQUEST);
        };
        let call = self.call_of(key);
        let state = call.and_then(|call| self.calls.get_mut(&call)).map(|call| &mut call.state);
        let sender = match state {
            Some(CallState::Offered { ringing, .. }) => {
                ringing.as_mut().map(|ringing| &mut ringing.sender)
            }
            Some(CallState::Established { session, .. }) => session.rang.as_mut(),
            Some(
                CallState::Leaving { .. }
                | CallState::Locating { .. }
                | CallState::Inviting { .. }
                | CallState::Cancelling { .. },
            )
            | None => None,
        };
        if !sender.is_some_and(|sender| sender.acknowledge(&rack)) {
            return self.refuse(now, incoming, StatusCode::CALL_DOES_NOT_EXIST);
        }
        // RFC 3262 §5: our 180 carried no answer, so there is nothing yet that a new offer could change.
        let status = match incoming.request.body.is_empty() {
            true => StatusCode::OK,
            false => StatusCode::NOT_ACCEPTABLE_HERE,
        };
        self.answer(now, incoming, Response::answering(&incoming.request, status));
    }
}
