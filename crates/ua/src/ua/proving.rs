//! 401 and 407: the same request again, with proof (RFC 3261 §22.2, §22.3).

use sip::{CSeq, ClientTxnId, HeaderName, Request, Response, StatusCode};
use units::Instant;

use super::call::{Call, CallState};
use super::refer::Place;
use super::{Purpose, Ua};

impl Ua {
    /// Answers the challenges in a final answer, if that can and may be done. Then the request is on
    /// its way again, and its owner hears nothing of the challenge.
    pub(super) fn proves(&mut self, now: Instant, txn: ClientTxnId, response: &Response) -> bool {
        let is_challenge = matches!(
            response.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        let Some(purpose) = self.requests.get(&txn).copied().filter(|_| is_challenge) else {
            return false;
        };
        // What was cancelled is not asked for again.
        if let Purpose::Invite(call) = purpose
            && !self.is_inviting(call, txn)
        {
            return false;
        }
        let Some(mut request) = self.stack.prove(txn, response) else { return false };
        let Some(number) = self.next_number(&request) else { return false };
        let cseq = CSeq::new(number, request.method.clone());
        request.headers.set(HeaderName::CSeq, cseq.to_string());
        if self.stack.again(now, txn, request.clone()).is_err() {
            return false;
        }
        self.renumbered(purpose, number, request);
        true
    }

    /// RFC 3261 §22.2: the next number, of the dialog if it is in one.
    fn next_number(&mut self, request: &Request) -> Option<u32> {
        match self.dialogs.of_own(request) {
            Some(key) => {
                let dialog = self.dialogs.get_mut(key)?;
                let number = dialog.local_cseq?.checked_add(1)?;
                dialog.local_cseq = Some(number);
                Some(number)
            }
            None => request.headers.cseq().ok()?.number.checked_add(1),
        }
    }

    /// A request has another number now: whoever knows it by that is told.
    fn renumbered(&mut self, purpose: Purpose, number: u32, request: Request) {
        match purpose {
            Purpose::Invite(call) => {
                if let Some(Call { state: CallState::Inviting { placing, sent, .. }, .. }) =
                    self.calls.get_mut(&call)
                {
                    placing.cseq = number;
                    **sent = request;
                }
            }
            // RFC 3515 §2.4.6: its reports are known by it.
            Purpose::Refer(refer) => {
                if let Some(Place::Inside { cseq, .. }) =
                    self.refers.get_mut(&refer).map(|refer| &mut refer.place)
                {
                    *cseq = number;
                }
            }
            Purpose::Register => {
                if let Some(registering) = &mut self.registering {
                    registering.renumbered(number);
                }
            }
            Purpose::Watch(watch) => self.watch_renumbered(watch, number),
            Purpose::Reinvite { .. }
            | Purpose::Update(_)
            | Purpose::Probe(_)
            | Purpose::Bye(_)
            | Purpose::Prack
            | Purpose::Notify(_) => {}
        }
    }
}
