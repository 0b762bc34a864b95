//! What changes a leg's session in its dialog: UPDATE (RFC 3311), and what it shares with re-INVITE.

use std::collections::VecDeque;

use sdp::Direction;
use sip::{Dialog, Incoming, Response, ServerTxnId, StatusCode};
use units::Instant;

use super::{Leg, accepted};
use crate::negotiation::{NegotiationError, read_description};
use crate::{LegMedia, Output};

impl Leg {
    /// Answers an UPDATE (RFC 3311 §5.2), before the ACK or after it. A refusal leaves all as it was.
    pub(super) fn update(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
        out: &mut VecDeque<Output>,
    ) {
        match self.updated(now, incoming) {
            Err(response) => self.respond(txn, response, out),
            Ok((media, response)) => {
                self.respond(txn, response, out);
                if let Some(media) = media {
                    self.update_media(media, out);
                }
            }
        }
    }

    fn updated(
        &mut self,
        now: Instant,
        incoming: &Incoming,
    ) -> Result<(Option<LegMedia>, Response), Response> {
        let unusable = |error: NegotiationError| error.refusal(incoming, self.agent());
        let offer = read_description(&incoming.request).map_err(unusable)?;
        // RFC 3311 §5.2: 491 while an offer of ours is open. The peer's never is: it is answered at
        // once.
        if offer.is_some() && self.has_open_offer() {
            return Err(Response::answering(&incoming.request, StatusCode::REQUEST_PENDING));
        }
        let terms = self.refreshing.agree(incoming)?;
        let dialog = self.moved(incoming)?;
        let mut session = self.session.clone();
        let mut response = accepted(&dialog, incoming, terms);
        let media = match offer {
            Some(offer) => {
                let negotiated = session.answer(&offer).map_err(unusable)?;
                response.set_body("application/sdp", session.text());
                Some(self.held(session.media(negotiated, incoming.source)))
            }
            None => None,
        };
        (self.dialog, self.session) = (dialog, session);
        self.refreshing.refreshed_by_peer(now, &incoming.request.headers, terms);
        Ok((media, response))
    }

    /// Whether an offer of ours has no answer: in a 2xx that is not acknowledged, or in a re-INVITE.
    pub(super) fn has_open_offer(&self) -> bool {
        let in_success = self.state.unacked().is_some_and(|unacked| unacked.offer.is_some());
        in_success || self.refreshing.is_reinviting()
    }

    /// The dialog after a target refresh (RFC 3261 §12.2.2).
    pub(super) fn moved(&self, incoming: &Incoming) -> Result<Dialog, Response> {
        let mut dialog = self.dialog.clone();
        if let Ok(Some(contact)) = incoming.request.headers.contact() {
            dialog
                .refresh_target(contact)
                .map_err(|error| Response::answering(&incoming.request, error.status()))?;
        }
        Ok(dialog)
    }

    /// Media that a peer in the middle of its session put on hold: it gets no mix, and the music that
    /// many a phone plays meanwhile is not for the others (RFC 3264 §8.4). A leg that only ever sent
    /// is no leg on hold.
    pub(super) fn held(&self, mut media: LegMedia) -> LegMedia {
        let only_sent = self.media.direction == Direction::RecvOnly;
        let on_hold = media.direction == Direction::RecvOnly && !only_sent;
        if on_hold || media.remote.is_none() {
            media.direction = Direction::Inactive;
        }
        media
    }
}
