//! The 2xx to our INVITE: the first one makes the call, a copy gets its ACK again, one of another
//! fork is acknowledged and ended (RFC 3261 §13.2.2.4).

use std::net::SocketAddr;

use sdp::Negotiated;
use sip::{ClientTxnId, Dialog, Essentials, Request, Response, Source, Uri};
use units::Instant;

use crate::config::FORKS_MAX;
use crate::event::{CallFailure, CallId, Event};

use super::Ua;
use super::call::{Acknowledged, CallState};
use super::dialogs::DialogKey;
use super::early::Agreed;
use super::requests::SDP;
use super::session::Session;
use super::watching::watchable;

impl Ua {
    pub(super) fn invite_accepted(
        &mut self,
        now: Instant,
        call: CallId,
        txn: ClientTxnId,
        response: &Response,
        essentials: &Essentials,
        source: Source,
    ) {
        let remote_tag = essentials.to.tag().unwrap_or_default();
        let acknowledged = self.acknowledged.get(&txn).map_or(&[][..], Vec::as_slice);
        if let Some(known) = acknowledged.iter().find(|known| known.remote_tag == remote_tag) {
            return self.stack.send_once(now, known.ack.clone(), known.to);
        }
        if acknowledged.len() > FORKS_MAX {
            return; // it gets no ACK, and so ends itself
        }
        let Some(sent) = self.sent_invite(call, txn) else { return };
        let Ok(dialog) = Dialog::established(&sent, response, source) else {
            // Without a Contact there is nowhere to send an ACK or a BYE to.
            if self.is_inviting(call, txn) {
                self.call_failed(now, call, CallFailure::BadAnswer);
            } else {
                self.cancel_done(now, call, txn);
            }
            return;
        };
        let (mut ack, to) = (dialog.ack(essentials.cseq.number), dialog.destination());
        let early = self.take_early(txn, remote_tag, &dialog);
        // What was answered in a reliable response is not negotiated again (RFC 3261 §13.2.1).
        let agreed = match self.placing(call).filter(|_| self.is_inviting(call, txn)) {
            Some(placing) => match early.as_ref().and_then(|early| early.agreed.clone()) {
                Some(agreed) => Some(Agreed { is_ours: false, ..agreed }),
                None => placing.agree(response),
            },
            None => None,
        };
        if let Some(Agreed { local, is_ours: true, .. }) = &agreed {
            ack.set_body(SDP, local.description.to_string());
        }
        self.stack.send_once(now, ack.clone(), to);
        let remote_tag = remote_tag.to_owned();
        let known = Acknowledged { remote_tag, ack, to, invite: Some(sent) };
        self.acknowledged.entry(txn).or_default().push(known);
        let key = match early {
            Some(early) => early.key,
            None => self.dialogs.insert(dialog),
        };
        if self.is_inviting(call, txn) {
            self.established(now, (call, key), agreed, response, source.remote);
        } else {
            // A fork, or it crossed our CANCEL: what we do not want gets a BYE.
            self.send_bye(now, key);
            self.cancel_done(now, call, txn);
        }
    }

    /// The INVITE of a transaction: from the call or, when that is further, from the first 2xx.
    fn sent_invite(&self, call: CallId, txn: ClientTxnId) -> Option<Box<Request>> {
        match self.calls.get(&call).map(|call| &call.state) {
            Some(
                CallState::Inviting { sent, txn: current, .. }
                | CallState::Cancelling { sent, txn: current, .. },
            ) if *current == txn => Some(sent.clone()),
            Some(_) | None => self.acknowledged.get(&txn)?.first()?.invite.clone(),
        }
    }

    /// Our INVITE was accepted, and this is its dialog.
    fn established(
        &mut self,
        now: Instant,
        (call, dialog): (CallId, DialogKey),
        agreed: Option<Agreed>,
        response: &Response,
        peer: SocketAddr,
    ) {
        match agreed {
            Some(Agreed { local, media, .. }) => {
                let session = Session::called(now, &response.headers, media.direction);
                let (local, session) = (Box::new(local), Box::new(session));
                let state = CallState::Established { dialog, local, session, unacked: None };
                self.set_state(call, state);
                self.now_established(now, call, media, peer, focus_uri(response));
                self.tell_watchable(call, watchable(&response.headers));
            }
            None => {
                // RFC 3261 §13.2.2.4: acknowledged, and ended at once.
                self.send_bye(now, dialog);
                self.call_failed(now, call, CallFailure::BadDescription);
            }
        }
    }

    /// Tells everybody that a call is up.
    pub(super) fn now_established(
        &mut self,
        now: Instant,
        call: CallId,
        media: Negotiated,
        peer: SocketAddr,
        conference: Option<Uri>,
    ) {
        self.emit(Event::Established { call, media, peer, conference });
        if let Some(referral) = self.calls.get(&call).and_then(|call| call.referral) {
            self.referral_joined(now, referral);
        }
    }

    pub(super) fn set_state(&mut self, call: CallId, state: CallState) {
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.state = state;
        }
    }
}

/// RFC 4579 §5.4: the Contact of a focus is its conference's URI.
fn focus_uri(response: &Response) -> Option<Uri> {
    let contact = response.headers.contact().ok().flatten()?;
    contact.is_focus().then_some(contact.uri)
}
