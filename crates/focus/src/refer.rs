//! A focus is told to bring somebody in, or to remove him (RFC 4579 §5.5, §5.11).

use std::collections::BTreeSet;

use sip::{
    CSeq, Dialog, DialogId, HeaderName, Incoming, Method, NameAddr, Response, ServerTxnId, SipUri,
    Source, StatusCode, Uri,
};
use units::Instant;

use crate::answers::{focus_contact, focus_request};
use crate::dial_out::CALL_ID_CHARS;
use crate::dialling::Callee;
use crate::leg::{Leg, Standing};
use crate::order::{self, NO_SUBSCRIPTION, Order, OrderError, Reports};
use crate::referral::{REFERRALS_MAX, Referral, ReferralId, Task};
use crate::{DialEnd, Focus, LegEnd, LegId, Output, Role};

/// What a REFER's sender has shown to whoever took it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// That he may steer this conference.
    Proved,
    /// Nothing: he may if this is the dialog of somebody who may, or names it. See [`Role::may`].
    ByDialog,
}

/// REFERs that a conference took within this minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    since: Option<Instant>,
    count: u32,
}

impl Pace {
    pub(crate) fn is_over(&self, now: Instant, per_minute: u32) -> bool {
        self.within(now) >= per_minute
    }

    fn within(&self, now: Instant) -> u32 {
        let is_this = self.since.is_some_and(|since| now.since(since).as_secs() < 60);
        if is_this { self.count } else { 0 }
    }

    pub(crate) fn note(&mut self, now: Instant) {
        match self.within(now) {
            0 => *self = Self { since: Some(now), count: 1 },
            count => self.count = count + 1,
        }
    }
}

impl Focus {
    /// What [`Self::refer`] would refuse, before anything is kept for it.
    ///
    /// # Errors
    /// The refusal to send, without a To tag.
    pub fn check_refer(
        &self,
        now: Instant,
        incoming: &Incoming,
        right: Right,
    ) -> Result<(), Response> {
        self.order_of(now, incoming, right).map(|_| ())
    }

    /// Takes a REFER, outside any dialog or inside one of this conference.
    pub fn refer(&mut self, now: Instant, txn: ServerTxnId, incoming: &Incoming, right: Right) {
        let inside = incoming.essentials.to.tag().is_some();
        let response = match if inside { self.counted(incoming) } else { Ok(()) } {
            Ok(()) => self.referred(now, incoming, right),
            Err(response) => response,
        };
        self.outputs.push_back(Output::Respond { txn, response });
        self.settle(now);
    }

    /// A request inside a dialog has its place in the order of that (RFC 3261 §12.2.2), and a leg on its
    /// way out refers nobody.
    fn counted(&mut self, incoming: &Incoming) -> Result<(), Response> {
        let refuse = |status| Err(Response::answering(&incoming.request, status));
        let dialog = DialogId::of_request(&incoming.essentials);
        let is_going = self.leg_of(&dialog).is_some_and(|leg| leg.standing() != Standing::Staying);
        match self.dialog_mut(&dialog).map(|dialog| dialog.check(&incoming.essentials)) {
            Some(Ok(())) if !is_going => Ok(()),
            Some(Ok(())) | None => refuse(StatusCode::CALL_DOES_NOT_EXIST),
            Some(Err(error)) => refuse(error.status()),
        }
    }

    /// Does what a REFER asks for, or says why not.
    fn referred(&mut self, now: Instant, incoming: &Incoming, right: Right) -> Response {
        let order = match self.order_of(now, incoming, right) {
            Ok(order) => order,
            Err(response) => return response,
        };
        let reports = order::reports(incoming);
        let dialog = match self.dialog_for(incoming) {
            Ok(dialog) => dialog,
            Err(response) => return response,
        };
        let accepted = accepted(&dialog, incoming, reports);
        self.refers.note(now);
        let referral = ReferralId(self.next_referral);
        self.next_referral = self.next_referral.wrapping_add(1);
        let task = match order {
            Order::Remove(target) => self.remove(now, &target),
            Order::Refer(callee) => {
                self.refer_on(referral, &callee);
                Task::Referring
            }
            Order::Call(callee) => match self.dial(now, *callee) {
                Ok(leg) => Task::Calling(leg),
                // It was asked before and said yes.
                Err(status) => return Response::answering(&incoming.request, status),
            },
        };
        if reports == Reports::Wanted {
            self.report(now, incoming, dialog, (referral, task));
        }
        accepted
    }

    /// Reads what is asked for, and whether it may be.
    fn order_of(&self, now: Instant, incoming: &Incoming, right: Right) -> Result<Order, Response> {
        order::check(incoming)?;
        let agent = self.config.conference_uri.host.as_str();
        self.permitted(now, incoming, right).map_err(|error| error.refusal(incoming, agent))
    }

    fn permitted(
        &self,
        now: Instant,
        incoming: &Incoming,
        right: Right,
    ) -> Result<Order, OrderError> {
        let inside = incoming.essentials.to.tag().is_some();
        order::check_contact(incoming, inside)?;
        let role = match right {
            Right::Proved => Role::Moderator,
            Right::ByDialog => self.role_of_sender(incoming),
        };
        // Who may nothing of it is not told what is wrong with it.
        if !Order::DEEDS.iter().any(|deed| role.may(*deed)) {
            return Err(OrderError::NotYours);
        }
        let order = order::read(incoming, &self.config.conference_uri)?;
        if !role.may(order.deed()) {
            return Err(OrderError::NotYours);
        }
        let rules = &self.config.dial_out;
        if self.refers.is_over(now, rules.refers_per_minute) {
            return Err(OrderError::TooMany);
        }
        let is_reported = order::reports(incoming) == Reports::Wanted;
        if is_reported && self.referrals.len() >= REFERRALS_MAX {
            return Err(OrderError::TooMany);
        }
        match &order {
            Order::Remove(_) => {}
            Order::Call(callee) | Order::Refer(callee) if !rules.allows(&callee.uri) => {
                return Err(OrderError::NoRule);
            }
            Order::Refer(_) => {}
            Order::Call(_) => {
                self.next_leg().map_err(|status| match status {
                    StatusCode::NOT_FOUND => OrderError::Ending,
                    _ => OrderError::Full,
                })?;
            }
        }
        Ok(order)
    }

    /// What the sender of a request is, as far as its dialogs show: it is inside that of a leg, or names it (RFC 4538: only
    /// its two ends know its name), or comes in his name by the very connection that his call comes by. A datagram
    /// proves no address.
    fn role_of_sender(&self, incoming: &Incoming) -> Role {
        let asked = DialogId::of_request(&incoming.essentials);
        // One that an earlier REFER has made, of somebody who might. Those of subscriptions are anybody's.
        if self.referrals.values().any(|referral| referral.dialog == asked) {
            return Role::Moderator;
        }
        let inside = incoming.essentials.to.tag().is_some();
        let named = incoming.request.headers.target_dialog();
        let way = |path: &Source| (path.transport, path.remote);
        let is_his = |leg: &&Leg| match &named {
            _ if inside => leg.dialog.id == asked,
            Some(named) => leg.dialog.id == *named,
            None => {
                incoming.source.transport.is_reliable()
                    && way(&incoming.source) == way(&leg.dialog.path)
                    && incoming.essentials.from.uri.equivalent(&leg.dialog.remote_uri)
            }
        };
        let legs = self.legs.values().filter(|leg| leg.entry.is_in()).filter(is_his);
        legs.map(Leg::role).min().unwrap_or(Role::Guest)
    }

    /// Whether a request is a moderator's by his call: inside its dialog, or it names that (RFC 4538). He keyed the
    /// moderators' PIN in that call, or was made one: where others prove who they are, he has shown what he may.
    /// Neither his name nor his connection counts here, which a proxy's other callers have too.
    pub fn is_of_moderator(&self, incoming: &Incoming) -> bool {
        let inside = incoming.essentials.to.tag().is_some();
        let dialog = if inside {
            Some(DialogId::of_request(&incoming.essentials))
        } else {
            incoming.request.headers.target_dialog()
        };
        let leg = dialog.and_then(|dialog| self.leg_of(&dialog));
        leg.is_some_and(|leg| leg.entry.is_in() && leg.is_moderator)
    }

    /// The dialog that a REFER is in, or makes.
    fn dialog_for(&mut self, incoming: &Incoming) -> Result<Dialog, Response> {
        let known = self.dialog_mut(&DialogId::of_request(&incoming.essentials)).cloned();
        if let Some(dialog) = known {
            return Ok(dialog);
        }
        let contact = focus_contact(&self.config.conference_uri, incoming);
        let tag = self.new_tag();
        let mut dialog = Dialog::answering(incoming, tag, contact)
            .map(|dialog| dialog.under(self.config.nat))
            .map_err(|error| Response::answering(&incoming.request, error.status()))?;
        dialog.join_session(self.session, &incoming.request.headers);
        Ok(dialog)
    }

    /// Tells somebody by REFER to call the conference (RFC 4579 §5.7). What he makes of it is seen when he calls:
    /// so no reports are asked for (RFC 4488), and whoever sends them all the same is told 481.
    fn refer_on(&mut self, referral: ReferralId, callee: &Callee) {
        let call_id = format!("{}{}", self.config.tag_prefix, self.rng.token(CALL_ID_CHARS));
        let tag = self.new_tag();
        let ours = &self.config.conference_uri;
        let who = (ours, call_id.as_str(), tag.as_str());
        let mut request = focus_request(CSeq::new(1, Method::Refer), &callee.uri, &callee.uri, who);
        request.headers.push(HeaderName::ReferTo, NameAddr::new(ours.clone()).to_string());
        if let Some(referred_by) = &callee.referred_by {
            request.headers.push(HeaderName::ReferredBy, referred_by.clone());
        }
        request.headers.push(HeaderName::ReferSub, "false");
        let target = callee.uri.clone();
        self.outputs.push_back(Output::Refer { referral, request, target });
    }

    fn report(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        dialog: Dialog,
        (referral, task): (ReferralId, Task),
    ) {
        let id = dialog.id.clone();
        let is_first = if let Some(leg) = self.leg_of_mut(&id) {
            !std::mem::replace(&mut leg.was_referring, true)
        } else if self.report_dialogs.contains_key(&id) {
            false
        } else {
            self.outputs.push_back(Output::DialogOpened { dialog: id.clone() });
            self.report_dialogs.insert(id.clone(), dialog);
            true
        };
        // RFC 3515 §2.4.6
        let number = (!is_first).then_some(incoming.essentials.cseq.number);
        self.referrals.insert(referral, Referral::new(now, id, number, task));
    }

    /// Lets everybody go who goes by this URI, or is being called by it.
    fn remove(&mut self, now: Instant, target: &SipUri) -> Task {
        let legs = self.legs.values().filter(|leg| {
            leg.standing() == Standing::Staying
                && (is_same_person(&leg.dialog.remote_uri, target)
                    || leg.dialog.remote_target.equivalent(target))
        });
        let legs: Vec<LegId> = legs.map(|leg| leg.id).collect();
        let called = self.dialling.values().filter(|dialling| {
            dialling.is_pending() && is_same_person(&Uri::Sip(dialling.callee.uri.clone()), target)
        });
        let called: Vec<LegId> = called.map(|dialling| dialling.id).collect();
        for leg in &legs {
            if let Some(leg) = self.legs.get_mut(leg) {
                leg.let_go(now, LegEnd::Removed, &mut self.outputs);
            }
        }
        for leg in &called {
            self.call_off(now, *leg, DialEnd::Removed);
        }
        Task::Removing(legs.into_iter().chain(called).collect::<BTreeSet<_>>())
    }
}

/// The 200 (RFC 7647 §5: never 202).
fn accepted(dialog: &Dialog, incoming: &Incoming, reports: Reports) -> Response {
    let response = dialog.response(incoming, StatusCode::OK);
    match reports {
        Reports::Wanted => response,
        // RFC 4488 §4: it "MUST" be echoed.
        Reports::Declined => response.with_header(HeaderName::ReferSub, "false"),
        // RFC 7614 §6
        Reports::Forbidden => response.with_header(HeaderName::Require, NO_SUBSCRIPTION),
    }
}

/// Whether a URI names somebody by another: user and host decide, since port and parameters say where he
/// is rather than who.
fn is_same_person(known: &Uri, asked: &SipUri) -> bool {
    known.as_sip().is_some_and(|known| {
        known.user_unescaped() == asked.user_unescaped() && known.host.equivalent(&asked.host)
    })
}
