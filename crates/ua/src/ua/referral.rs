//! REFERs that were sent to us, and our reports of what came of them (RFC 3515).

use std::time::Duration;

use sdp::LocalMedia;
use sip::{
    Contacts, Dialog, HeaderName, Incoming, Method, ServerTxnId, StatusCode, SubscriptionState,
    Uri, sipfrag,
};
use units::Instant;

use crate::config::{CallOptions, REFERRALS_MAX};
use crate::event::{CallFailure, CallId, CommandError, Event, ReferralId, Referrer, Refusal};

use super::call::CallState;
use super::dialogs::DialogKey;
use super::requests::{next_hop, refusal_of};
use super::{Answer, Purpose, Ua};

/// How long a REFER may wait for our owner's decision until it is declined. Well below the 32 s in
/// which its transaction needs an answer (RFC 3261 §17.1.2.2).
const DECISION_MAX: Duration = Duration::from_secs(10);

/// How long the subscription lasts that we grant. Longer than a call may be set up (180 s, and 32 s
/// for its CANCEL): so it never ends before there is a result.
const SUBSCRIPTION_SECONDS: u32 = 300;

/// A REFER that was sent to us.
#[derive(Debug)]
pub(super) struct Referral {
    state: ReferralState,
    /// Where the reports go.
    pub(super) dialog: DialogKey,
    /// RFC 3515 §2.4.6: the REFER's CSeq number, if it was not the first in its dialog.
    event_id: Option<u32>,
}

#[derive(Debug)]
enum ReferralState {
    /// Our owner has not decided.
    Offered { txn: ServerTxnId, incoming: Box<Incoming>, refer_to: Uri, until: Instant },
    /// Our call to the target has no result. The NOTIFY that says so may still be on its way: then the
    /// next report waits, so that they arrive in order.
    Following { is_notifying: bool, until: Instant },
    /// There is a result, and the NOTIFY before it has no answer.
    Concluding { report: Box<Report> },
    /// The last NOTIFY is on its way.
    Reporting,
}

/// What a NOTIFY says.
#[derive(Clone, Debug, PartialEq)]
struct Report {
    refusal: Refusal,
    state: SubscriptionState,
}

impl Referral {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            ReferralState::Offered { until, .. } | ReferralState::Following { until, .. } => {
                Some(*until)
            }
            // Their NOTIFYs' transactions have the timers.
            ReferralState::Concluding { .. } | ReferralState::Reporting => None,
        }
    }
}

impl Ua {
    /// Somebody refers us. `inside` is the dialog it came in.
    pub(super) fn refer_received(
        &mut self,
        now: Instant,
        incoming: Incoming,
        inside: Option<DialogKey>,
    ) {
        let refer_to = match target_of(&incoming) {
            Ok(refer_to) => refer_to,
            Err(status) => return self.refuse(now, &incoming, status),
        };
        if self.referrals.len() >= REFERRALS_MAX {
            return self.refuse(now, &incoming, StatusCode::TEMPORARILY_UNAVAILABLE);
        }
        let number = incoming.essentials.cseq.number;
        let (dialog, event_id) = match inside {
            Some(key) => {
                let is_first = self.dialogs.count_received_refer(key) == 0;
                (self.dialogs.share(key), (!is_first).then_some(number))
            }
            None => {
                let tag = self.stack.new_tag();
                let contact = self.identity.contact(incoming.source.transport);
                match Dialog::answering(&incoming, tag, contact) {
                    Ok(dialog) => {
                        let dialog = self.in_session(dialog, &incoming);
                        let key = self.dialogs.insert(dialog);
                        self.dialogs.count_received_refer(key);
                        (key, None)
                    }
                    Err(error) => return self.refuse(now, &incoming, error.status()),
                }
            }
        };
        let Ok(txn) = self.stack.accept(now, &incoming) else {
            self.dialogs.release(dialog);
            return self.refuse(now, &incoming, StatusCode::SERVICE_UNAVAILABLE);
        };
        let referral = ReferralId(self.new_id());
        let inside = inside.and_then(|key| self.established_call_of(key));
        let referrer = Box::new(self.referrer(&incoming, inside));
        let until = now + DECISION_MAX;
        let incoming = Box::new(incoming);
        let state = ReferralState::Offered { txn, incoming, refer_to: refer_to.clone(), until };
        self.referrals.insert(referral, Referral { state, dialog, event_id });
        self.emit(Event::IncomingReferral { referral, referrer, refer_to, inside });
    }

    fn referrer(&self, incoming: &Incoming, inside: Option<CallId>) -> Referrer {
        let source = incoming.source.remote;
        let named = incoming.request.headers.target_dialog();
        let is_in_call = self.calls.values().any(|call| match &call.state {
            CallState::Established { dialog, .. } => {
                // RFC 4538 §4: nobody but its two ends, and who stands between them, knows a dialog's name.
                self.dialogs.get(*dialog).is_some_and(|dialog| {
                    dialog.path.remote == source || named.as_ref() == Some(&dialog.id)
                })
            }
            _ => false,
        });
        let referred_by = incoming.request.headers.referred_by().ok().flatten();
        Referrer {
            from: incoming.essentials.from.clone(),
            referred_by: referred_by.map(|referred_by| referred_by.uri),
            source,
            in_call: inside.is_some() || is_in_call,
        }
    }

    /// Follows a REFER: 200, NOTIFY 100, then the call, with Referred-By copied. Its outcome is
    /// reported to the referrer.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongState`]. [`CommandError::Full`]: the REFER was accepted, and the
    /// referrer is told 503.
    pub fn accept_referral(
        &mut self,
        now: Instant,
        referral: ReferralId,
        media: LocalMedia,
    ) -> Result<CallId, CommandError> {
        let Some(entry) = self.referrals.get_mut(&referral) else {
            return Err(CommandError::WrongState);
        };
        let ReferralState::Offered { txn, incoming, refer_to, .. } = &entry.state else {
            return Err(CommandError::WrongState);
        };
        let (txn, incoming, refer_to) = (*txn, incoming.clone(), refer_to.clone());
        let until = now + Duration::from_secs(SUBSCRIPTION_SECONDS.into());
        entry.state = ReferralState::Following { is_notifying: false, until };
        let dialog = entry.dialog;
        // RFC 7647 §5: 200 and never 202.
        let response = self.answer_in(dialog, &incoming, StatusCode::OK);
        self.stack.respond(now, txn, response);
        self.notify_trying(now, referral);
        let referred_by = incoming.request.headers.get(&HeaderName::ReferredBy);
        let options = CallOptions {
            referred_by: referred_by.map(|value| value.as_bytes().to_vec()),
            ..CallOptions::new(media)
        };
        let placed = self.place(now, &refer_to, options, Some(referral));
        if placed.is_err() {
            let refusal = refusal_of(StatusCode::SERVICE_UNAVAILABLE);
            self.conclude(now, referral, refusal);
        }
        self.pump(now);
        placed
    }

    /// Refuses a REFER.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongState`].
    pub fn reject_referral(
        &mut self,
        now: Instant,
        referral: ReferralId,
        status: StatusCode,
    ) -> Result<(), CommandError> {
        let result = self.decline(now, referral, status);
        self.pump(now);
        result
    }

    fn decline(
        &mut self,
        now: Instant,
        referral: ReferralId,
        status: StatusCode,
    ) -> Result<(), CommandError> {
        match self.referrals.get(&referral).map(|referral| &referral.state) {
            Some(ReferralState::Offered { txn, incoming, .. }) => {
                let (txn, response) = (*txn, sip::Response::answering(&incoming.request, status));
                self.stack.respond(now, txn, response);
                self.forget_referral(referral);
                Ok(())
            }
            Some(_) | None => Err(CommandError::WrongState),
        }
    }

    fn forget_referral(&mut self, referral: ReferralId) {
        if let Some(Referral { dialog, .. }) = self.referrals.remove(&referral) {
            self.dialogs.release(dialog);
        }
    }

    /// The call for a referral is up.
    pub(super) fn referral_joined(&mut self, now: Instant, referral: ReferralId) {
        self.conclude(now, referral, refusal_of(StatusCode::OK));
    }

    /// The call for a referral failed.
    pub(super) fn referral_failed(
        &mut self,
        now: Instant,
        referral: ReferralId,
        why: &CallFailure,
    ) {
        let refusal = match why {
            CallFailure::Refused(refusal) | CallFailure::RedirectExhausted(refusal) => {
                refusal.clone()
            }
            other => refusal_of(other.status()),
        };
        self.conclude(now, referral, refusal);
    }

    /// RFC 3515 §2.4.4: the first NOTIFY comes at once.
    fn notify_trying(&mut self, now: Instant, referral: ReferralId) {
        let report = Report {
            refusal: refusal_of(StatusCode::TRYING),
            state: SubscriptionState::active(SUBSCRIPTION_SECONDS),
        };
        if self.notify(now, referral, &report)
            && let Some(Referral { state: ReferralState::Following { is_notifying, .. }, .. }) =
                self.referrals.get_mut(&referral)
        {
            *is_notifying = true;
        }
    }

    /// The result is there: the last report, now or after the one that is on its way.
    fn conclude(&mut self, now: Instant, referral: ReferralId, refusal: Refusal) {
        let Some(entry) = self.referrals.get_mut(&referral) else { return };
        // RFC 3515 §2.4.7
        let report = Report { refusal, state: SubscriptionState::terminated("noresource") };
        match &entry.state {
            ReferralState::Following { is_notifying: true, .. } => {
                entry.state = ReferralState::Concluding { report: Box::new(report) };
            }
            ReferralState::Following { is_notifying: false, .. } => {
                self.send_last(now, referral, &report);
            }
            ReferralState::Offered { .. }
            | ReferralState::Concluding { .. }
            | ReferralState::Reporting => {}
        }
    }

    fn send_last(&mut self, now: Instant, referral: ReferralId, report: &Report) {
        if self.notify(now, referral, report) {
            if let Some(entry) = self.referrals.get_mut(&referral) {
                entry.state = ReferralState::Reporting;
            }
        } else {
            self.referral_ended(referral);
        }
    }

    fn referral_ended(&mut self, referral: ReferralId) {
        self.forget_referral(referral);
        self.emit(Event::ReferralEnded { referral });
    }

    /// Sends a NOTIFY; whether there was anything left to send it with.
    fn notify(&mut self, now: Instant, referral: ReferralId, report: &Report) -> bool {
        let Some(entry) = self.referrals.get(&referral) else { return false };
        let event = match entry.event_id {
            Some(id) => format!("refer;id={id}"),
            None => "refer".to_owned(),
        };
        let Some(dialog) = self.dialogs.get_mut(entry.dialog) else { return false };
        let (request, to) = (dialog.request(Method::Notify), dialog.destination());
        let request = self
            .identity
            .describe_request(request)
            .with_header(HeaderName::Event, event)
            .with_header(HeaderName::SubscriptionState, report.state.to_string())
            .with_body(sipfrag::CONTENT_TYPE, fragment(&report.refusal));
        match self.stack.request(now, request, to) {
            Ok(txn) => {
                self.requests.insert(txn, Purpose::Notify(referral));
                true
            }
            Err(sip::Full) => false,
        }
    }

    /// A NOTIFY has its answer, or will have none.
    pub(super) fn notify_answered(
        &mut self,
        now: Instant,
        referral: ReferralId,
        answer: &Answer<'_>,
    ) {
        let Some(entry) = self.referrals.get_mut(&referral) else { return };
        let is_unwanted = match answer {
            Answer::Response(response) => ends_subscription(response.status),
            Answer::Failed(_) => true, // RFC 6665 §4.2.2
        };
        match &mut entry.state {
            // The call that was asked for goes on: RFC 3515 §2.4.4.
            _ if is_unwanted => self.referral_ended(referral),
            ReferralState::Following { is_notifying, .. } => *is_notifying = false,
            ReferralState::Concluding { report } => {
                let report = report.clone();
                self.send_last(now, referral, &report);
            }
            ReferralState::Reporting => self.referral_ended(referral),
            ReferralState::Offered { .. } => {} // nothing was sent
        }
    }

    /// What is due in referrals.
    pub(super) fn referrals_deadline(&mut self, now: Instant) {
        let is_due = |referral: &Referral| referral.deadline().is_some_and(|at| at <= now);
        let due: Vec<ReferralId> = self
            .referrals
            .iter()
            .filter(|(_, referral)| is_due(referral))
            .map(|(id, _)| *id)
            .collect();
        for referral in due {
            match self.referrals.get(&referral).map(|referral| &referral.state) {
                Some(ReferralState::Offered { .. }) => {
                    // Nobody else can decide it: `WrongState` is ruled out.
                    let _ = self.decline(now, referral, StatusCode::DECLINE);
                }
                Some(ReferralState::Following { .. }) => {
                    let refusal = refusal_of(StatusCode::REQUEST_TIMEOUT);
                    self.conclude(now, referral, refusal);
                }
                Some(ReferralState::Concluding { .. } | ReferralState::Reporting) | None => {}
            }
        }
    }
}

/// Whom a REFER asks us to call, or how it is refused.
fn target_of(incoming: &Incoming) -> Result<Uri, StatusCode> {
    let headers = &incoming.request.headers;
    // RFC 3515 §2.4.2: zero or several get 400; RFC 3892 §2.1: at most one Referred-By.
    let refer_to = headers.refer_to().map_err(|error| error.status())?;
    headers.referred_by().map_err(|error| error.status())?;
    // RFC 3515 §2.2: exactly one Contact.
    match headers.contacts() {
        Ok(Contacts::List(contacts)) if contacts.len() == 1 => {}
        Ok(Contacts::List(_) | Contacts::Star) | Err(_) => return Err(StatusCode::BAD_REQUEST),
    }
    let uri = refer_to.uri;
    let Some(sip_uri) = uri.as_sip() else { return Err(StatusCode::DECLINE) };
    // RFC 3261 §19.1.1: without `method` it is INVITE. Any other is not ours to send for others.
    let is_invite = match sip_uri.param("method") {
        None => true,
        Some(method) => method == Some(Method::Invite.as_str()),
    };
    if !is_invite || next_hop(&uri).is_err() {
        return Err(StatusCode::DECLINE);
    }
    Ok(uri)
}

/// RFC 6665 §4.2.2: the answers to a NOTIFY that end the subscription.
fn ends_subscription(status: StatusCode) -> bool {
    matches!(status.code(), 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}

/// RFC 3515 §2.4.5: the status line, and of the headers those which tell a person why.
fn fragment(refusal: &Refusal) -> String {
    let Refusal { status, reason, warning, retry_after_seconds } = refusal;
    let mut body = format!("SIP/2.0 {status} {reason}\r\n");
    if let Some(text) = warning {
        let warning = sip::Warning::new(WARNING_MISCELLANEOUS, "convoke", text);
        body.push_str(&format!("Warning: {warning}\r\n"));
    }
    if let Some(seconds) = retry_after_seconds {
        body.push_str(&format!("Retry-After: {seconds}\r\n"));
    }
    body
}

/// RFC 3261 §20.43: 399 carries any text for a person.
const WARNING_MISCELLANEOUS: u16 = 399;
