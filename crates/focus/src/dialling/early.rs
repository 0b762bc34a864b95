//! Early dialogs of a call of ours: reliable provisional answers (RFC 3262), and what they promise.

use std::collections::VecDeque;

use sdp::SessionDescription;
use sip::reliable::{RAck, Received, ReliableReceiver};
use sip::{Dialog, HeaderName, Method, Response, Source};

use super::{Dialling, FORKS_MAX};
use crate::Output;

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
        let early = self.early.entry(tag).or_insert_with(|| Early {
            dialog,
            reliable: ReliableReceiver::default(),
            answer: None,
        });
        match early.reliable.receive(response) {
            Received::Unreliable | Received::Dropped => {}
            Received::InOrder(rack) => {
                if early.answer.is_none() {
                    early.answer = SessionDescription::parse(&response.body).ok();
                }
                let (request, to) = early.prack(&rack);
                out.push_back(Output::Aside { leg, request, to });
            }
        }
    }
}

impl Early {
    /// RFC 3262 §4: within the early dialog.
    fn prack(&mut self, rack: &RAck) -> (sip::Request, Source) {
        let request =
            self.dialog.request(Method::Prack).with_header(HeaderName::RAck, rack.to_string());
        (request, self.dialog.destination())
    }
}
