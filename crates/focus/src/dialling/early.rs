//! Early dialogs of a call of ours: reliable provisional answers (RFC 3262), and what they promise.

use std::collections::VecDeque;

use sdp::SessionDescription;
use sip::reliable::{RAck, Received, ReliableReceiver};
use sip::{
    Dialog, DialogId, HeaderName, Incoming, Method, Response, SipUri, Source, StatusCode, uas,
};

use super::{Dialling, FORKS_MAX, State};
use crate::Output;
use crate::answers::{CAPABILITIES, options, push_capabilities};
use crate::negotiation::{description_in, read_description};

/// One place that rings.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: Dialog,
    reliable: ReliableReceiver,
    /// The answer to our offer, if a reliable answer brought it (RFC 3261 §13.2.1). One in another
    /// answer is a preview, and no media flows before the 2xx in any case.
    pub(super) answer: Option<SessionDescription>,
}

impl Dialling {
    /// Takes a 101-199: makes the early dialog, and acknowledges what wants that.
    pub(super) fn hear_early(
        &mut self,
        response: &Response,
        path: Source,
        out: &mut VecDeque<Output>,
    ) {
        let Some(dialog) = self.dialog_of(response, path) else { return };
        let tag = dialog.id.remote_tag.clone();
        if tag.is_empty() || (self.early.len() >= FORKS_MAX && !self.early.contains_key(&tag)) {
            return;
        }
        let leg = self.id;
        let early = self.early.entry(tag).or_insert_with(|| {
            out.push_back(Output::DialogOpened { dialog: dialog.id.clone() });
            Early { dialog, reliable: ReliableReceiver::default(), answer: None }
        });
        match early.reliable.receive(response) {
            Received::Unreliable | Received::Dropped => {}
            Received::InOrder(rack) => {
                if early.answer.is_none() {
                    early.answer = description_in(response);
                }
                let (request, to) = early.prack(&rack);
                out.push_back(Output::Aside { leg, request, to });
            }
        }
    }
}

impl Dialling {
    /// Answers a request of the callee's in an early dialog; `None`: it is in none of ours.
    pub(crate) fn early_request(
        &mut self,
        incoming: &Incoming,
        conference_uri: &SipUri,
    ) -> Option<Response> {
        match self.state {
            State::Inviting { .. } | State::Cancelling { .. } => {}
            State::Seating | State::Answered { .. } | State::Over => return None,
        }
        let asked = DialogId::of_request(&incoming.essentials);
        let early = self.early.get_mut(&asked.remote_tag);
        let early = early.filter(|early| early.dialog.id == asked)?;
        Some(early.request(incoming, conference_uri).unwrap_or_else(|refusal| refusal))
    }

    /// The early dialogs that there have been.
    pub(crate) fn early_dialogs(&self) -> impl Iterator<Item = &DialogId> {
        self.early.values().map(|early| &early.dialog.id)
    }

    /// The call goes elsewhere: the places that rang are left.
    pub(super) fn leave_early(&mut self, out: &mut VecDeque<Output>) {
        for early in std::mem::take(&mut self.early).into_values() {
            out.push_back(Output::DialogClosed { dialog: early.dialog.id });
        }
    }
}

impl Early {
    fn request(
        &mut self,
        incoming: &Incoming,
        conference_uri: &SipUri,
    ) -> Result<Response, Response> {
        let refuse = |status| Err(Response::answering(&incoming.request, status));
        if let Err(error) = self.dialog.check(&incoming.essentials) {
            return refuse(error.status());
        }
        uas::check(incoming, &CAPABILITIES)?;
        match incoming.request.method {
            Method::Options => return Ok(options(conference_uri, incoming, "")),
            Method::Update => {}
            // RFC 3261 §15: a callee answers, and sends no BYE, before the call is up.
            _ => return refuse(StatusCode::CALL_DOES_NOT_EXIST),
        }
        let offer = read_description(&incoming.request)
            .map_err(|error| error.refusal(incoming, conference_uri.host.as_str()))?;
        match (offer, &self.answer) {
            (None, _) => {}
            // RFC 3311 §5.2: our offer in the INVITE has no answer yet.
            (Some(_), None) => return refuse(StatusCode::REQUEST_PENDING),
            // The leg that could change is not made before the 2xx: "SHOULD reject the request with a 504". Once it is,
            // the callee may ask again.
            (Some(_), Some(_)) => return refuse(StatusCode::SERVER_TIMEOUT),
        }
        if let Ok(Some(contact)) = incoming.request.headers.contact()
            && let Err(error) = self.dialog.refresh_target(contact)
        {
            return refuse(error.status());
        }
        self.dialog.came_by(incoming);
        let mut response = self.dialog.response(incoming, StatusCode::OK);
        push_capabilities(&mut response.headers);
        self.dialog.answer_session(&mut response);
        Ok(response)
    }

    /// RFC 3262 §4: within the early dialog.
    fn prack(&mut self, rack: &RAck) -> (sip::Request, Source) {
        let request =
            self.dialog.request(Method::Prack).with_header(HeaderName::RAck, rack.to_string());
        (request, self.dialog.destination())
    }
}
