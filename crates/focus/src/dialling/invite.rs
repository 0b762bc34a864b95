//! The INVITE that we send, and the dialogs that answers to it make.

use std::collections::VecDeque;

use sip::session_timer::{self, SESSION_SECONDS, SESSION_SECONDS_MIN};
use sip::{
    CSeq, Dialog, HeaderName, Method, NameAddr, Request, Response, SessionId, SipUri, Source,
};

use super::{Caller, Dialling};
use crate::Output;
use crate::answers::focus_request;

impl Dialling {
    /// Sends the INVITE to where the call goes now (RFC 3261 §8.1.3.4: the same Call-ID, From and To,
    /// one CSeq higher).
    pub(super) fn send_invite(&mut self, caller: &Caller<'_>, out: &mut VecDeque<Output>) {
        let Some(target) = self.targets.current().cloned() else { return };
        self.cseq += 1;
        let mut request = self.invite(&target, caller.conference_uri);
        let session = SessionId::answering(caller.session, None);
        request.headers.push(HeaderName::SessionId, session.to_string());
        self.invite = Some(request.clone());
        out.push_back(Output::Dial { leg: self.id, request, target });
    }

    fn invite(&mut self, target: &SipUri, conference_uri: &SipUri) -> Request {
        let cseq = CSeq::new(self.cseq, Method::Invite);
        let who = (conference_uri, self.call_id.as_str(), self.tag.as_str());
        let mut request = focus_request(cseq, target, &self.callee.uri, who);
        let headers = &mut request.headers;
        session_timer::write_refresh(SESSION_SECONDS.max(self.min_se), self.min_se, headers);
        // RFC 3892 §2.2: "MUST copy"; RFC 3891 §5, as the Refer-To brought it.
        let copied = [&self.callee.referred_by, &self.callee.replaces];
        for (name, value) in super::COPIED.into_iter().zip(copied) {
            if let Some(value) = value {
                headers.push(name, value.clone());
            }
        }
        if let Some(session) = &mut self.session {
            session.offer();
            request.set_body("application/sdp", session.text());
        }
        request
    }

    /// Whether a 422 asks for an interval that we can offer and have not offered (RFC 4028 §7.3).
    pub(super) fn raise_min_se(&mut self, response: &Response) -> bool {
        let asked = session_timer::min_se(&response.headers).unwrap_or(SESSION_SECONDS_MIN);
        let is_higher = asked > self.min_se && asked <= SESSION_SECONDS;
        if is_higher {
            self.min_se = asked;
        }
        is_higher
    }

    /// The dialog that an answer belongs to, with the number of our last request in it.
    pub(super) fn dialog_of(&self, response: &Response, path: Source) -> Option<Dialog> {
        let invite = self.invite.as_ref()?;
        let made = Dialog::established(invite, response, path);
        let mut dialog = match made {
            Ok(dialog) => dialog,
            // RFC 3261 §12.1.1 wants a Contact. Without one the place that was called is all we
            // know, and an ACK there ends what would be sent again for 32 s.
            Err(_) => {
                let mut response = response.clone();
                response.headers.remove(&HeaderName::Contact);
                response
                    .headers
                    .push(HeaderName::Contact, NameAddr::new(invite.uri.clone()).to_string());
                Dialog::established(invite, &response, path).ok()?
            }
        };
        if let Some(early) = self.early.get(&dialog.id.remote_tag) {
            dialog.local_cseq = early.dialog.local_cseq;
            dialog.remote_cseq = early.dialog.remote_cseq;
        }
        Some(dialog)
    }
}
