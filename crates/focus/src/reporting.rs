//! The reports of what comes of REFERs: who gets them, when, and through which dialog.

use sip::{
    Dialog, DialogId, EventHeader, HeaderName, Incoming, Method, Response, ServerTxnId, StatusCode,
};
use units::Instant;

use crate::dialling::Dialling;
use crate::leg::Leg;
use crate::referral::{INTERVAL, PACKAGE, Referral, ReferralId, Task};
use crate::{DialEnd, Focus, LegId, Output};

impl Focus {
    /// Takes an answer to an [`Output::Notify`]; `None`: there will be none.
    pub fn notify_answered(&mut self, now: Instant, id: ReferralId, response: Option<&Response>) {
        if let Some(referral) = self.referrals.get_mut(&id) {
            match response {
                Some(response) => referral.notifier.answered(now, response),
                None => referral.notifier.unanswered(),
            }
        }
        self.settle(now);
    }

    /// Takes the final answer to an [`Output::Refer`], or why there is none: it is the result
    /// (RFC 4579 §5.7, F7).
    pub fn referred_on(
        &mut self,
        now: Instant,
        id: ReferralId,
        result: Result<StatusCode, DialEnd>,
    ) {
        if let Some(referral) = self.referrals.get_mut(&id) {
            match result {
                Ok(status) => referral.conclude(status),
                Err(why) => referral.failed(&why),
            }
        }
        self.settle(now);
    }

    /// An [`Output::Notify`] could not be sent.
    pub fn notify_unsent(&mut self, now: Instant, id: ReferralId) {
        if let Some(referral) = self.referrals.get_mut(&id) {
            referral.notifier.unsent(now);
        }
        self.settle(now);
    }

    /// Takes a SUBSCRIBE to the reports of a REFER, in the dialog that they go through: it can refresh
    /// them or end them (RFC 6665 §4.2.1), and what was asked for goes on (RFC 3515 §2.4.4). Whether the
    /// request was one; the dialog has not counted it yet.
    pub(crate) fn report_request(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
    ) -> bool {
        let asked = DialogId::of_request(&incoming.essentials);
        let event = incoming.request.headers.event().ok().flatten();
        let is_subscribe = incoming.request.method == Method::Subscribe;
        let event = event.filter(|event| is_subscribe && event.package == PACKAGE);
        let is_own = self.report_dialogs.contains_key(&asked);
        if event.is_none() && !is_own {
            return false;
        }
        let Some(dialog) = self.dialog_mut(&asked) else { return false };
        let response = match dialog.check(&incoming.essentials) {
            Err(error) => Response::answering(&incoming.request, error.status()),
            Ok(()) => match event {
                Some(event) => {
                    let gone = StatusCode::CALL_DOES_NOT_EXIST;
                    let answer = self.resubscribed(now, incoming, &event);
                    answer.unwrap_or_else(|| Response::answering(&incoming.request, gone))
                }
                None => self.without_session(incoming),
            },
        };
        self.outputs.push_back(Output::Respond { txn, response });
        true
    }

    /// `None`: there are no reports of this Event in this dialog.
    fn resubscribed(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        event: &EventHeader,
    ) -> Option<Response> {
        let asked = DialogId::of_request(&incoming.essentials);
        let found = self
            .referrals
            .values_mut()
            .find(|referral| referral.dialog == asked && referral.notifier.matches(event))?;
        let seconds = match INTERVAL.agree(incoming) {
            Ok(seconds) => seconds,
            Err(error) => return Some(error.refusal(incoming)),
        };
        if !found.notifier.refresh(now, seconds) {
            return None;
        }
        let response = self.dialog_mut(&asked)?.response(incoming, StatusCode::OK);
        Some(response.with_header(HeaderName::Expires, seconds))
    }

    /// Tells the reports what has happened to a leg that is being called.
    pub(crate) fn tell_referrals(&mut self, leg: LegId, tell: impl Fn(&mut Referral)) {
        let about = Task::Calling(leg);
        self.referrals.values_mut().filter(|referral| referral.task == about).for_each(tell);
    }

    /// A leg is gone: reports that go through its dialog, and subscriptions in it, go on (RFC 5057 §5.3,
    /// RFC 4579 §3.4).
    pub(crate) fn outlive(&mut self, dialog: Dialog) {
        let is_needed = self.referrals.values().any(|referral| referral.dialog == dialog.id)
            || self.watch.uses(&dialog.id);
        if is_needed {
            self.outputs.push_back(Output::DialogOpened { dialog: dialog.id.clone() });
            self.report_dialogs.insert(dialog.id.clone(), dialog);
        }
    }

    /// Concludes what is done, sends the reports that are due, and forgets those that are over.
    pub(crate) fn settle_referrals(&mut self, now: Instant) {
        let Self { referrals, legs, dialling, .. } = self;
        for referral in referrals.values_mut() {
            if let Task::Removing(leaving) = &mut referral.task {
                let stays = |leg: &LegId| {
                    legs.contains_key(leg) || dialling.get(leg).is_some_and(Dialling::is_pending)
                };
                // Nobody was there to begin with: RFC 4579 §5.11 leaves the status open.
                let status =
                    if leaving.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
                leaving.retain(stays);
                if leaving.is_empty() {
                    referral.conclude(status);
                }
            }
        }
        self.send_reports(now);
    }

    /// The conference is over: whatever there is to say is said at once.
    pub(crate) fn close_referrals(&mut self, now: Instant) {
        self.referrals.values_mut().for_each(Referral::hurry);
        self.send_reports(now);
        self.referrals.clear();
        self.close_dialogs();
    }

    fn send_reports(&mut self, now: Instant) {
        let Self { referrals, report_dialogs, legs, by_dialog, outputs, .. } = self;
        for (id, referral) in referrals.iter_mut() {
            referral.notifier.handle_deadline(now);
            while let Some(notify) = referral.notifier.poll(now) {
                let leg = by_dialog.get(&referral.dialog).and_then(|leg| legs.get_mut(leg));
                let dialog = match leg {
                    Some(leg) => Some(&mut leg.dialog),
                    None => report_dialogs.get_mut(&referral.dialog),
                };
                let Some(dialog) = dialog else { break };
                let (request, to) = (referral.notify(dialog, &notify), dialog.destination());
                outputs.push_back(Output::Notify { referral: *id, request, to });
            }
        }
        referrals.retain(|_, referral| referral.notifier.over().is_none());
        self.close_dialogs();
    }

    pub(crate) fn close_dialogs(&mut self) {
        let Self { referrals, report_dialogs, watch, outputs, .. } = self;
        report_dialogs.retain(|id, _| {
            let is_needed =
                referrals.values().any(|referral| referral.dialog == *id) || watch.uses(id);
            if !is_needed {
                outputs.push_back(Output::DialogClosed { dialog: id.clone() });
            }
            is_needed
        });
    }

    /// A dialog of this conference, of a leg or of subscriptions only.
    pub(crate) fn dialog_mut(&mut self, id: &DialogId) -> Option<&mut Dialog> {
        let leg = self.by_dialog.get(id).and_then(|leg| self.legs.get_mut(leg));
        match leg {
            Some(leg) => Some(&mut leg.dialog),
            None => self.report_dialogs.get_mut(id),
        }
    }

    pub(crate) fn leg_of(&self, id: &DialogId) -> Option<&Leg> {
        self.by_dialog.get(id).and_then(|leg| self.legs.get(leg))
    }

    pub(crate) fn leg_of_mut(&mut self, id: &DialogId) -> Option<&mut Leg> {
        self.by_dialog.get(id).and_then(|leg| self.legs.get_mut(leg))
    }
}
