//! UPDATE as its server (RFC 3311 §5.2).

use sdp::SessionDescription;
use sip::{HeaderName, Incoming, Response, StatusCode};
use units::Instant;

use crate::event::Event;

use super::Ua;
use super::call::CallState;
use super::dialogs::DialogKey;
use super::early::Agreed;
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
        if self.early_by(key).is_some() {
            return self.update_early(now, key, offer.as_ref(), incoming);
        }
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
        self.peer_moved(key, incoming);
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

    /// RFC 3261 §12.2.2: a target refresh. A Contact that we cannot use leaves the target.
    fn peer_moved(&mut self, key: DialogKey, incoming: &Incoming) {
        if let (Ok(Some(contact)), Some(dialog)) =
            (incoming.request.headers.contact(), self.dialogs.get_mut(key))
        {
            let _unusable = dialog.refresh_target(contact);
        }
    }

    /// The peer of an INVITE of ours changes what was agreed on before the final answer; it counts from
    /// the 2xx on.
    fn update_early(
        &mut self,
        now: Instant,
        key: DialogKey,
        offer: Option<&SessionDescription>,
        incoming: &Incoming,
    ) {
        let agreed = self.early_by(key).and_then(|early| early.agreed.as_mut());
        let description = match (offer, agreed) {
            (None, _) => None,
            (Some(offer), Some(Agreed { local, media, .. })) => match local.describe(Some(offer)) {
                Ok(changed) => {
                    if let Some(changed) = changed {
                        *media = changed;
                    }
                    Some(local.description.to_string())
                }
                Err(code) => return self.refuse(now, incoming, status_of(code)),
            },
            // RFC 3311 §5.2: our own offer has no answer.
            (Some(_), None) => return self.refuse(now, incoming, StatusCode::REQUEST_PENDING),
        };
        self.peer_moved(key, incoming);
        let mut response = self.success_in(key, incoming, None);
        if let Some(description) = description {
            response.set_body(SDP, description);
        }
        self.answer(now, incoming, response);
    }
}
