//! What comes before the final answer to an INVITE of ours: the early dialogs that its reliable
//! provisional responses make, and the PRACKs in them (RFC 3262 §4, §5).

use sdp::Negotiated;
use sip::reliable::{RAck, Received, ReliableReceiver};
use sip::{
    ClientTxnId, Dialog, Essentials, HeaderName, Method, Request, Response, Source, StatusCode,
};
use units::Instant;

use super::incoming::description_in;
use crate::config::FORKS_MAX;
use crate::event::{CallId, Event};

use super::call::{Call, CallState, CancelCause, Local, Placing};
use super::dialogs::DialogKey;
use super::requests::SDP;
use super::{Purpose, Ua};

/// One early dialog of an INVITE of ours.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) key: DialogKey,
    remote_tag: String,
    receiver: ReliableReceiver,
    /// What was offered and answered in it already.
    pub(super) agreed: Option<Agreed>,
}

/// A session that both have described.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub(super) local: Local,
    pub(super) media: Negotiated,
    /// Whether our description answers the peer's, and has to be sent.
    pub(super) is_ours: bool,
}

impl Ua {
    /// A provisional answer to an INVITE.
    pub(super) fn invite_rings(
        &mut self,
        now: Instant,
        (call, txn): (CallId, ClientTxnId),
        response: &Response,
        essentials: &Essentials,
        source: Source,
    ) {
        let Some(Call { state: CallState::Inviting { txn: current, sent, .. }, .. }) =
            self.calls.get(&call)
        else {
            return;
        };
        if *current != txn {
            return;
        }
        let sent = sent.clone();
        let rack = match self.receive_early(txn, &sent, response, essentials, source) {
            Received::Dropped => return,
            Received::Unreliable => None,
            Received::InOrder(rack) => Some(rack),
        };
        if let Some(rack) = rack {
            self.acknowledge_early(now, (call, txn), &rack, response, essentials);
        }
        if response.status != StatusCode::TRYING {
            self.emit(Event::Ringing { call, status: response.status });
        }
    }

    /// Whether a provisional response is taken, and acknowledged. One that makes no dialog cannot be.
    fn receive_early(
        &mut self,
        txn: ClientTxnId,
        sent: &Request,
        response: &Response,
        essentials: &Essentials,
        source: Source,
    ) -> Received {
        let Some(remote_tag) = essentials.to.tag() else {
            return match ReliableReceiver::default().receive(response) {
                Received::Unreliable => Received::Unreliable,
                Received::InOrder(_) | Received::Dropped => Received::Dropped,
            };
        };
        if let Some(early) = self.early_mut(txn, remote_tag) {
            return early.receiver.receive(response);
        }
        let mut receiver = ReliableReceiver::default();
        match receiver.receive(response) {
            Received::InOrder(rack) => {
                let is_full = self.early.get(&txn).is_some_and(|early| early.len() > FORKS_MAX);
                let Ok(dialog) = Dialog::established(sent, response, source) else {
                    return Received::Dropped;
                };
                if is_full {
                    return Received::Dropped;
                }
                let key = self.dialogs.insert(dialog);
                let remote_tag = remote_tag.to_owned();
                let early = Early { key, remote_tag, receiver, agreed: None };
                self.early.entry(txn).or_default().push(early);
                Received::InOrder(rack)
            }
            other @ (Received::Unreliable | Received::Dropped) => other,
        }
    }

    fn early_mut(&mut self, txn: ClientTxnId, remote_tag: &str) -> Option<&mut Early> {
        self.early.get_mut(&txn)?.iter_mut().find(|early| early.remote_tag == remote_tag)
    }

    /// Sends the PRACK, with the answer if the response has brought an offer.
    fn acknowledge_early(
        &mut self,
        now: Instant,
        (call, txn): (CallId, ClientTxnId),
        rack: &RAck,
        response: &Response,
        essentials: &Essentials,
    ) {
        let remote_tag = essentials.to.tag().unwrap_or_default();
        let known = self.early_mut(txn, remote_tag).is_some_and(|early| early.agreed.is_some());
        let is_told = response.part("application", "sdp").is_some();
        let agreed = if known || !is_told {
            None
        } else {
            self.placing(call).and_then(|placing| placing.agree(response))
        };
        // RFC 3262 §5: the offer of an INVITE without one has to be answered here.
        let is_useless = !known
            && agreed.is_none()
            && is_told
            && self.placing(call).is_some_and(|placing| placing.offer.is_none());
        let body = agreed.as_ref().filter(|agreed| agreed.is_ours);
        let body = body.map(|agreed| agreed.local.description.to_string());
        let Some(early) = self.early_mut(txn, remote_tag) else { return };
        if agreed.is_some() {
            early.agreed = agreed;
        }
        let key = early.key;
        let Some(dialog) = self.dialogs.get_mut(key) else { return };
        let (prack, to) = (dialog.request(Method::Prack), dialog.destination());
        let mut prack = self.identity.describe_request(prack);
        prack.headers.set(HeaderName::RAck, rack.to_string());
        if let Some(body) = body {
            prack.set_body(SDP, body);
        }
        // Without a transaction for it the peer sends again until it gives the call up.
        if let Ok(txn) = self.stack.request(now, prack, to) {
            self.requests.insert(txn, Purpose::Prack);
        }
        if is_useless {
            self.cancel(now, call, CancelCause::BadDescription);
        }
    }

    pub(super) fn placing(&self, call: CallId) -> Option<&Placing> {
        match self.calls.get(&call).map(|call| &call.state) {
            Some(CallState::Inviting { placing, .. }) => Some(placing),
            Some(_) | None => None,
        }
    }

    /// The dialog of a 2xx, if it began with a reliable response: it goes on with its numbers, and is now
    /// as the 2xx says (RFC 3261 §13.2.2.4).
    pub(super) fn take_early(
        &mut self,
        txn: ClientTxnId,
        remote_tag: &str,
        confirmed: &Dialog,
    ) -> Option<Early> {
        let all = self.early.get_mut(&txn)?;
        let at = all.iter().position(|early| early.remote_tag == remote_tag)?;
        let early = all.swap_remove(at);
        if let Some(dialog) = self.dialogs.get_mut(early.key) {
            dialog.remote_target = confirmed.remote_target.clone();
            dialog.route_set.clone_from(&confirmed.route_set);
            dialog.path = confirmed.path;
        }
        Some(early)
    }

    /// The transaction of an INVITE has ended: so have its early dialogs.
    pub(super) fn forget_early(&mut self, txn: ClientTxnId) {
        for early in self.early.remove(&txn).into_iter().flatten() {
            self.dialogs.release(early.key);
        }
    }

    /// The early dialog of an INVITE of ours, by the key of a request that came in it.
    pub(super) fn early_by(&mut self, key: DialogKey) -> Option<&mut Early> {
        self.early.values_mut().flatten().find(|early| early.key == key)
    }
}

impl Placing {
    /// What comes of the peer's description: the answer to our offer, or an offer that we answer.
    pub(super) fn agree(&self, response: &Response) -> Option<Agreed> {
        let theirs = description_in(response.part("application", "sdp"))?;
        let media = self.media.clone();
        match &self.offer {
            Some(offer) => {
                let agreed = sdp::accept_answer(offer, &theirs).ok()?;
                let local = Local { media, description: offer.clone() };
                Some(Agreed { local, media: agreed, is_ours: false })
            }
            None => {
                let (description, agreed) = sdp::answer(&theirs, &media).ok()?;
                let local = Local { media, description };
                Some(Agreed { local, media: agreed, is_ours: true })
            }
        }
    }
}
