//! Somebody subscribes to a conference (RFC 4575), and what its focus sends him.

use std::collections::BTreeMap;
use std::net::IpAddr;

use focus::{EventTerms, Subscriber, WatcherId, check_subscribe};
use pool::ConferenceId;
use sip::{
    ClientTxnId, HeaderName, Incoming, Merged, Request, Response, Source, StatusCode, Warning,
};
use units::Instant;

use crate::auth::Caller;
use crate::conference::State;
use crate::figures::Refusal;
use crate::node::{Node, Sent};

/// First NOTIFYs of one address that wait for their answer, in all conferences: each goes out 11 times within 32 s, up to
/// 64 KiB each, to somebody who may never have asked, since Contact says where they go and a datagram's source proves
/// nothing. One more subscription is refused (480).
pub const UNASKED_NOTIFIES_MAX: usize = 8;

/// NOTIFYs under way to who has not shown that he wants them. Bounded by the transactions that there are.
#[derive(Debug, Default)]
pub(crate) struct Unasked {
    by_txn: BTreeMap<ClientTxnId, IpAddr>,
    by_address: BTreeMap<IpAddr, usize>,
}

impl Unasked {
    fn began(&mut self, txn: ClientTxnId, to: IpAddr) {
        self.by_txn.insert(txn, to);
        *self.by_address.entry(to).or_default() += 1;
    }

    /// A transaction has its final answer, or will have none.
    pub(crate) fn ended(&mut self, txn: ClientTxnId) {
        let Some(to) = self.by_txn.remove(&txn) else { return };
        if let Some(count) = self.by_address.get_mut(&to) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&to);
            }
        }
    }

    fn of(&self, to: IpAddr) -> usize {
        self.by_address.get(&to).copied().unwrap_or(0)
    }
}

impl Node {
    /// Takes a SUBSCRIBE to a conference URI outside any dialog. Whoever is refused gets one packet for one packet, and
    /// nothing is kept of him.
    pub(crate) fn watch(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        id: ConferenceId,
    ) {
        let to = match check_subscribe(incoming, self.nat) {
            Ok(to) => to,
            Err(refusal) => return self.reply(incoming, refusal),
        };
        // Wherever he comes from, his Contact may name somebody else; and the source of a datagram may be forged, also
        // that of somebody who is in.
        let is_his_own = incoming.source.remote.ip().to_canonical() == to;
        let is_reliable = incoming.source.transport.is_reliable();
        let is_proved = caller.user().is_some() || (is_his_own && is_reliable);
        let is_owner = match self.records.get(&id) {
            Some(record) => {
                let creator = record.creator.as_ref().and_then(|creator| creator.user.as_deref());
                let made_it = caller.user().is_some() && caller.user() == creator;
                match &record.state {
                    State::Active(_) => made_it || caller.may_steer(),
                    State::Held => return self.watch_later(incoming, Refusal::NobodyIn, NOBODY_IN),
                    State::Ended => return self.reply_status(incoming, StatusCode::NOT_FOUND),
                }
            }
            None => return self.reply_status(incoming, StatusCode::NOT_FOUND),
        };
        if !is_proved && self.unasked.of(to) >= UNASKED_NOTIFIES_MAX {
            return self.watch_later(incoming, Refusal::Unanswered, UNANSWERED);
        }
        // RFC 3261 §8.2.2.2
        let core = self.uri(id);
        match self.merged.check(now, &core, &incoming.essentials) {
            Merged::Merged => return self.reply_status(incoming, StatusCode::LOOP_DETECTED),
            Merged::Fresh | Merged::SameTransaction => {}
        }
        let Ok(txn) = self.stack.accept(now, incoming) else {
            self.merged.done(&core, &incoming.essentials);
            return self.overloaded(incoming);
        };
        let who = Subscriber { is_owner, is_proved };
        let refusal = match self.active(id) {
            Some(active) => active.focus.subscribe(now, txn, incoming, who).err(),
            None => Some(Response::answering(&incoming.request, StatusCode::NOT_FOUND)),
        };
        if let Some(refusal) = refusal {
            let cause = match refusal.status {
                StatusCode::TEMPORARILY_UNAVAILABLE => Refusal::TooManyWatchers,
                status => Refusal::of_status(status),
            };
            self.count_refusal(refusal.status, cause);
            self.merged.done(&core, &incoming.essentials);
            self.stack.respond(now, txn, refusal);
        }
        self.drain_focus(now, id);
    }

    fn watch_later(&mut self, incoming: &Incoming, cause: Refusal, why: &str) {
        let agent = self.listen_for(incoming).advertise.0.to_string();
        let response = Response::answering(&incoming.request, StatusCode::TEMPORARILY_UNAVAILABLE)
            .with_header(HeaderName::RetryAfter, AGAIN_SECONDS)
            .with_header(HeaderName::Warning, Warning::new(399, agent, why).to_string());
        self.reply_because(incoming, response, cause);
    }

    /// Sends a NOTIFY of a focus.
    pub(crate) fn inform(
        &mut self,
        now: Instant,
        (id, watcher): (ConferenceId, WatcherId),
        request: Request,
        (to, is_proved): (Source, bool),
    ) {
        match self.stack.request(now, request, to) {
            Ok(txn) => {
                if !is_proved {
                    self.unasked.began(txn, to.remote.ip().to_canonical());
                }
                self.client_txns.insert(txn, (id, Sent::News(watcher)));
            }
            // Its next outputs are taken by who is taking this one.
            Err(sip::Full) => {
                if let Some(active) = self.active(id) {
                    active.focus.inform_unsent(now, watcher);
                }
            }
        }
    }

    /// What a new focus tells of its conference that only we know.
    pub(crate) fn event_terms(&self, now: Instant, users_max: Option<u32>) -> EventTerms {
        EventTerms { wall: Some((now, self.wall(now))), users_max }
    }
}

/// When to subscribe again to what cannot be subscribed to now: soon enough to see the first ones come.
const AGAIN_SECONDS: u32 = 5;

const NOBODY_IN: &str = "Nobody has joined this conference yet. Subscribe again in a few seconds";
const UNANSWERED: &str = "Too many NOTIFYs to this address wait for their answer. Try again later";
