//! UPDATE as its server (RFC 3311 §5.2).

use sip::{HeaderName, Incoming, Response, StatusCode};
use units::Instant;

use crate::event::Event;

use super::Ua;
use super::call::CallState;
use super::dialogs::DialogKey;
use super::incoming::{has_open_offer, offer_in, status_of};
use super::requests::SDP;

/// RFC 3311 §5.2: 0 to 10 seconds.
const RETRY_AFTER_SECONDS_MAX: u64 = 10;

impl Ua {
    /// An UPDATE: answered at once; a refusal leaves everything as it was.
    pub(super) fn update(&mut self, now: Instant, key: DialogKey, incoming: &Incoming) {
        let offer = match offer_in(incoming) {
            Ok(offer) => offer,
            Err(status) => return self.refuse(now, incoming, status),
        };
        let call = self.call_of(key);
        let state = call.and_then(|call| self.calls.get_mut(&call)).map(|call| &mut call.state);
        let (terms, changed) = match state {
            Some(CallState::Established { local, session, unacked, .. }) => {
                let is_open = session.is_reinviting() || has_open_offer(unacked.as_deref());
                if offer.is_some() && is_open {
                    return self.refuse(now, incoming, StatusCode::REQUEST_PENDING);
                }
                let terms = match session.agree(incoming) {
                    Ok(terms) => terms,
                    Err(error) => return self.answer(now, incoming, error.refusal(incoming)),
                };
                let changed = match offer.map(|offer| local.describe(Some(&offer))).transpose() {
                    Ok(agreed) => {
                        agreed.flatten().map(|agreed| (agreed, local.description.clone()))
                    }
                    Err(code) => return self.refuse(now, incoming, status_of(code)),
                };
                session.refreshed_by_peer(now, &incoming.request.headers, terms);
                (terms, changed)
            }
            // RFC 3311 §5.2: his INVITE's offer has no answer yet; without a new one it only says where
            // he is.
            Some(CallState::Offered { .. }) if offer.is_some() => {
                let status = StatusCode::SERVER_INTERNAL_ERROR;
                let wait = self.rng.below(RETRY_AFTER_SECONDS_MAX + 1);
                let response = Response::answering(&incoming.request, status)
                    .with_header(HeaderName::RetryAfter, wait.to_string());
                return self.answer(now, incoming, response);
            }
            Some(CallState::Offered { .. }) => (None, None),
            Some(
                CallState::Leaving { .. }
                | CallState::Locating { .. }
                | CallState::Inviting { .. }
                | CallState::Cancelling { .. },
            )
            | None => return self.refuse(now, incoming, StatusCode::CALL_DOES_NOT_EXIST),
        };
        if let (Ok(Some(contact)), Some(dialog)) =
            (incoming.request.headers.contact(), self.dialogs.get_mut(key))
        {
            // One that we cannot use leaves the target (RFC 3261 §12.2.2).
            let _unusable = dialog.refresh_target(contact);
        }
        let mut response = self.success_in(key, incoming, terms);
        if let Some((_, description)) = &changed {
            response.set_body(SDP, description.to_string());
        }
        self.answer(now, incoming, response);
        if let (Some(call), Some((media, _))) = (call, changed) {
            self.agreed_on(call, &media);
            self.emit(Event::MediaChanged { call, media });
        }
    }
}
