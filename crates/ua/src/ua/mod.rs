//! The user agent: calls and references around one `sip::Stack`.
//!
//! - this file: the root machine, its tables, and which part of it gets what comes from the stack
//! - `call`: the states of a call
//! - `outgoing`: INVITE as its client, redirections
//! - `early`: the provisional answers to it, and PRACK; `accepted`: the 2xx to it
//! - `ending`: CANCEL, BYE and time
//! - `incoming`: INVITE as its server, re-INVITE; `ringing`: our 180 to it; `replaces`: one in the
//!   place of another; `updated`: UPDATE as its server
//! - `session`, `changing`, `keeping`: what we change in an established call, and what keeps it alive
//! - `in_dialog`: ACK, BYE and whatever else comes in a dialog
//! - `refer`: REFERs that we sent
//! - `notified`: the NOTIFYs to us
//! - `referral`: REFERs that were sent to us, and our NOTIFYs
//! - `registration`, `registering`: our address at a registrar
//! - `proving`: requests that were challenged; `signing`: the stack that sends them again
//! - `watching`: subscriptions to conferences
//! - `dialogs`, `requests`: tables and shapes

mod accepted;
mod call;
mod changing;
mod dialogs;
mod early;
mod ending;
mod in_dialog;
mod incoming;
mod keeping;
mod notified;
mod outgoing;
mod proving;
mod refer;
mod referral;
mod registering;
mod registration;
mod replaces;
mod requests;
mod ringing;
mod session;
mod signing;
#[cfg(test)]
mod tests;
mod updated;
mod watching;

use sip::digest::Keyring;
use sip::{
    Arrival, ClientTxnId, Dialog, Essentials, Incoming, Merged, MergedGuard, Method, Packet,
    Response, Source, Stack, StackConfig, StatusCode, Target, Uri, Wanted, uas,
};
use std::collections::{BTreeMap, VecDeque};
use units::{Instant, Rng, soonest};

use crate::config::UaConfig;
use crate::event::{CallFailure, CallId, Event, Output, ReferId, ReferralId, ResolveId, WatchId};

use call::{Acknowledged, Call};
use dialogs::{DialogKey, Dialogs};
use early::Early;
use refer::Refer;
use referral::Referral;
use registering::Registering;
pub use registration::{RegisterConfig, RegisterFailure, RegistrationNews};
use requests::{CAPABILITIES, Identity, next_hop};
use signing::SigningStack;
use watching::Watch;

/// A user agent: the machine that every terminal is built around.
#[derive(Debug)]
pub struct Ua {
    identity: Identity,
    stack: SigningStack,
    merged: MergedGuard,
    outputs: VecDeque<Output>,
    next_id: u64,
    calls: BTreeMap<CallId, Call>,
    dialogs: Dialogs,
    refers: BTreeMap<ReferId, Refer>,
    referrals: BTreeMap<ReferralId, Referral>,
    watches: BTreeMap<WatchId, Watch>,
    lookups: BTreeMap<ResolveId, Waiter>,
    /// What each of our requests is for, until its final answer; an INVITE until its transaction
    /// has ended, for the copies of its 2xx.
    requests: BTreeMap<ClientTxnId, Purpose>,
    /// The 2xx that were acknowledged, by the transaction of their INVITE.
    acknowledged: BTreeMap<ClientTxnId, Vec<Acknowledged>>,
    registering: Option<Registering>,
    /// The early dialogs that reliable provisional responses made, by the transaction of their INVITE.
    early: BTreeMap<ClientTxnId, Vec<Early>>,
    rng: Rng,
}

/// Who waits for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiter {
    Call(CallId),
    Refer(ReferId),
    Register,
    Watch(WatchId),
}

/// What a request of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Invite(CallId),
    /// Changes or refreshes an established call, whose dialog it holds until its transaction ends.
    Reinvite {
        call: CallId,
        dialog: DialogKey,
    },
    /// Refreshes an established call.
    Update(CallId),
    /// Asks whether the peer of an established call is still there.
    Probe(CallId),
    /// Ends a dialog, which it holds until it is answered.
    Bye(DialogKey),
    /// Acknowledges a provisional response; whatever is answered changes nothing.
    Prack,
    Refer(ReferId),
    Notify(ReferralId),
    /// A SUBSCRIBE.
    Watch(WatchId),
    Register,
}

/// What came of a request of ours.
#[derive(Clone, Debug)]
enum Answer<'a> {
    Response(&'a Response),
    Failed(sip::Failure),
}

impl Ua {
    /// Makes a user agent that knows nobody yet.
    pub fn new(mut config: UaConfig, mut rng: Rng) -> Self {
        let advertise =
            (config.bind, config.advertised_host.as_str().to_owned(), config.advertised_port);
        let stack_config = StackConfig {
            advertise: vec![advertise],
            asks_for_control: true,
            ..StackConfig::default()
        };
        let stack = Stack::new(stack_config, rng.fork());
        let keyring = Keyring::new(std::mem::take(&mut config.credentials), rng.fork());
        let mut stack = SigningStack::new(stack, keyring);
        let register = config.register.clone();
        let registering = register.map(|register| Registering::new(register, &mut stack));
        Self {
            stack,
            identity: Identity::new(config),
            merged: MergedGuard::new(),
            outputs: VecDeque::new(),
            next_id: 0,
            calls: BTreeMap::new(),
            dialogs: Dialogs::default(),
            refers: BTreeMap::new(),
            referrals: BTreeMap::new(),
            watches: BTreeMap::new(),
            lookups: BTreeMap::new(),
            requests: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            registering,
            early: BTreeMap::new(),
            rng,
        }
    }

    /// Answers [`Output::Resolve`] with the places that were found, the first to be tried first; none: there is none.
    pub fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        match self.lookups.remove(&id) {
            Some(Waiter::Call(call)) => self.call_resolved(now, call, targets),
            Some(Waiter::Refer(refer)) => self.refer_resolved(now, refer, targets),
            Some(Waiter::Watch(watch)) => self.watch_resolved(now, watch, targets),
            Some(Waiter::Register) => self.register_resolved(now, targets),
            None => {} // Nobody waits for it any more.
        }
        self.pump(now);
    }

    /// Takes whatever the SIP sockets have to tell.
    pub fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        self.stack.handle_arrival(now, arrival);
        self.pump(now);
    }

    /// Takes one SIP message.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet) {
        self.stack.handle_packet(now, packet);
        self.pump(now);
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.stack.handle_deadline(now);
        self.pump(now);
        self.calls_deadline(now);
        self.refers_deadline(now);
        self.referrals_deadline(now);
        self.watches_deadline(now);
        self.registration_deadline(now);
        self.pump(now);
    }

    /// When something will be due.
    pub fn deadline(&self) -> Option<Instant> {
        let calls = self.calls.values().filter_map(Call::deadline).min();
        let refers = self.refers.values().filter_map(Refer::deadline).min();
        let referrals = self.referrals.values().filter_map(Referral::deadline).min();
        let registering = self.registering.as_ref().and_then(Registering::deadline);
        [calls, refers, referrals, registering, self.watches_due()]
            .into_iter()
            .fold(self.stack.deadline(), soonest)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether nothing is going on that anybody waits for: no call, no open reference, no subscription, no BYE or
    /// NOTIFY without its answer. Copies of old messages may still be answered for 32 s.
    pub fn is_quiet(&self) -> bool {
        // What waits for the others is in another table, if anything still does.
        let is_bye = |purpose: &Purpose| matches!(purpose, Purpose::Bye(_));
        self.calls.is_empty()
            && self.referrals.is_empty()
            && self.watches.is_empty()
            && self.refers.values().all(Refer::has_ended)
            && !self.requests.values().any(is_bye)
            && self.registering.as_ref().is_none_or(Registering::is_quiet)
    }

    #[cfg(test)]
    pub(crate) fn dialog_count(&self) -> usize {
        self.dialogs.count()
    }

    /// Whether a URI is one that we can call: `sip:`, over UDP or TCP.
    pub fn can_call(uri: &Uri) -> bool {
        next_hop(uri).is_ok()
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Asks the owner where a name leads.
    fn look_up(&mut self, waiter: Waiter, wanted: Wanted) {
        let id = ResolveId(self.new_id());
        self.lookups.insert(id, waiter);
        self.outputs.push_back(Output::Resolve { id, wanted });
    }

    /// Takes all that the stack has to say. Bounded: what we do about an event may make the stack
    /// say more, but never because of itself.
    fn pump(&mut self, now: Instant) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                sip::Output::Send(packet) => self.outputs.push_back(Output::Send(packet)),
                sip::Output::Event(event) => self.stack_event(now, event),
            }
        }
    }

    fn stack_event(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Request(incoming) => self.request(now, *incoming),
            sip::Event::Cancelled { invite } => self.invite_cancelled(now, invite),
            sip::Event::Response { txn, response, essentials, source } => {
                self.response(now, txn, &response, &essentials, source);
            }
            sip::Event::Failed { txn, why } => match self.requests.get(&txn).copied() {
                Some(Purpose::Invite(call)) => {
                    let why = match why {
                        sip::Failure::Timeout => CallFailure::NoAnswer,
                        sip::Failure::Transport => CallFailure::Unreachable,
                        sip::Failure::Overloaded => CallFailure::Overloaded,
                        sip::Failure::Silent => CallFailure::Silent,
                    };
                    self.invite_failed(now, call, txn, why);
                }
                Some(_) => self.request_over(now, txn, &Answer::Failed(why)),
                None => {}
            },
            sip::Event::ClientEnded { txn } => {
                if let Some(Purpose::Reinvite { dialog, .. }) = self.requests.remove(&txn) {
                    self.dialogs.release(dialog);
                }
                self.acknowledged.remove(&txn);
                self.forget_early(txn);
            }
            // A refusal of ours that was never acknowledged changes nothing, and no table holds a
            // server transaction longer than its call.
            sip::Event::AckMissing { .. } | sip::Event::ServerEnded { .. } => {}
        }
    }

    fn response(
        &mut self,
        now: Instant,
        txn: ClientTxnId,
        response: &Response,
        essentials: &Essentials,
        source: Source,
    ) {
        if self.proves(now, txn, response) {
            return;
        }
        match self.requests.get(&txn).copied() {
            Some(Purpose::Invite(call)) if response.status.is_success() => {
                self.invite_accepted(now, call, txn, response, essentials, source);
            }
            Some(Purpose::Invite(call)) if response.status.is_provisional() => {
                self.invite_rings(now, (call, txn), response, essentials, source);
            }
            Some(Purpose::Invite(call)) => self.invite_refused(now, call, txn, response),
            Some(Purpose::Reinvite { call, dialog }) if response.status.is_success() => {
                self.reinvite_accepted(now, (call, dialog), txn, response, essentials);
            }
            // RFC 4320 §4.1: a provisional answer to anything else says nothing.
            Some(_) if response.status.is_provisional() => {}
            Some(_) => self.request_over(now, txn, &Answer::Response(response)),
            None => {}
        }
    }

    /// A request other than INVITE has had its final answer, or will have none.
    fn request_over(&mut self, now: Instant, txn: ClientTxnId, answer: &Answer<'_>) {
        let purpose = self.requests.get(&txn).copied();
        if let Some(Purpose::Reinvite { call, .. }) = purpose {
            // It stays in the table until its transaction has ended.
            return self.reinvite_over(now, call, txn, answer);
        }
        self.requests.remove(&txn);
        match purpose {
            Some(Purpose::Bye(dialog)) => self.dialogs.release(dialog), // whatever it was
            Some(Purpose::Update(call)) => self.update_over(now, call, txn, answer),
            Some(Purpose::Probe(call)) => self.probe_answered(now, call, answer),
            Some(Purpose::Refer(refer)) => self.refer_answered(now, refer, answer),
            Some(Purpose::Notify(referral)) => self.notify_answered(now, referral, answer),
            Some(Purpose::Watch(watch)) => self.watch_answered(now, watch, answer),
            Some(Purpose::Register) => self.register_answered(now, answer),
            Some(Purpose::Prack | Purpose::Invite(_) | Purpose::Reinvite { .. }) | None => {}
        }
    }

    /// A new request. The order of the checks is that of RFC 3261 §8.2.
    fn request(&mut self, now: Instant, incoming: Incoming) {
        if incoming.request.method == Method::Ack {
            return self.ack(now, &incoming);
        }
        if let Err(response) = uas::check(&incoming, &CAPABILITIES) {
            let tag = self.stack.new_tag();
            return self.answer(now, &incoming, response.with_to_tag(&tag));
        }
        if incoming.essentials.to.tag().is_some() {
            return self.request_in_dialog(now, incoming);
        }
        match self.merged.check(now, "", &incoming.essentials) {
            Merged::Fresh | Merged::SameTransaction => {}
            Merged::Merged => {
                return self.refuse(now, &incoming, StatusCode::LOOP_DETECTED);
            }
        }
        match incoming.request.method {
            Method::Invite => self.invite(now, incoming),
            Method::Refer => self.refer_received(now, incoming, None),
            Method::Options => {
                let tag = self.stack.new_tag();
                self.answer_options(now, &incoming, &tag);
            }
            // RFC 3261 §12.2.2, RFC 6665 §4.1.3: no dialog, no subscription.
            _ => self.refuse(now, &incoming, StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    fn answer_options(&mut self, now: Instant, incoming: &Incoming, tag: &str) {
        let response = uas::options_answer(incoming, &CAPABILITIES).with_to_tag(tag);
        let response = self.identity.describe_response(response, incoming.source.transport);
        self.answer(now, incoming, response);
    }

    /// Answers a request with a final response that nobody has to wait for.
    fn answer(&mut self, now: Instant, incoming: &Incoming, mut response: Response) {
        // RFC 7989 §6: whatever is answered in a dialog names its session.
        let key = self.dialogs.of_request(&incoming.essentials);
        if let Some(dialog) = key.and_then(|key| self.dialogs.get_mut(key)) {
            dialog.answer_session(&mut response);
        }
        match self.stack.accept(now, incoming) {
            Ok(txn) => self.stack.respond(now, txn, response),
            Err(sip::Full) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let tag = self.stack.new_tag();
                let busy = Response::answering(&incoming.request, status).with_to_tag(&tag);
                self.stack.reply_stateless(incoming, busy);
            }
        }
    }

    /// A dialog that a request has made, in the session that this names.
    fn in_session(&mut self, mut dialog: Dialog, incoming: &Incoming) -> Dialog {
        dialog.join_session(self.stack.new_session_uuid(), &incoming.request.headers);
        dialog
    }

    /// Refuses a request with nothing but a status.
    fn refuse(&mut self, now: Instant, incoming: &Incoming, status: StatusCode) {
        let tag = self.stack.new_tag();
        let response = Response::answering(&incoming.request, status).with_to_tag(&tag);
        self.answer(now, incoming, response);
    }
}
