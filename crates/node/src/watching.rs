//! Somebody subscribes to a conference (RFC 4575), and what its focus sends him.

use focus::{EventTerms, Subscriber, UNPROVED_WATCHERS_MAX, WatcherId, check_subscribe};
use pool::ConferenceId;
use sip::{HeaderName, Incoming, Request, Response, Source, StatusCode, Warning};
use units::Instant;

use crate::auth::Caller;
use crate::conference::State;
use crate::figures::Refusal;
use crate::node::{Node, Sent};

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
        let source = incoming.source.remote.ip();
        // Wherever he comes from, his Contact may name somebody else.
        let is_his_own = source.to_canonical() == to;
        let is_reliable = incoming.source.transport.is_reliable();
        let is_proved = caller.user().is_some() || (is_his_own && is_reliable);
        let unproved = self.unproved_watchers(to);
        let (is_owner, is_in) = match self.records.get(&id) {
            Some(record) => {
                let creator = record.creator.as_ref().and_then(|creator| creator.user.as_deref());
                let made_it = caller.user().is_some() && caller.user() == creator;
                match &record.state {
                    State::Active(active) => {
                        (made_it || caller.may_steer(), active.focus.is_in_from(source))
                    }
                    State::Held => return self.watch_later(incoming, Refusal::NobodyIn, NOBODY_IN),
                    State::Ended => return self.reply_status(incoming, StatusCode::NOT_FOUND),
                }
            }
            None => return self.reply_status(incoming, StatusCode::NOT_FOUND),
        };
        let is_proved = is_proved || (is_his_own && is_in);
        if !is_proved && unproved >= UNPROVED_WATCHERS_MAX {
            return self.watch_later(incoming, Refusal::Unanswered, UNANSWERED);
        }
        let Ok(txn) = self.stack.accept(now, incoming) else { return self.overloaded(incoming) };
        let who = Subscriber { is_owner, unproved: (!is_proved).then_some(to) };
        let refusal = match self.active(id) {
            Some(active) => active.focus.subscribe(now, txn, incoming, who).err(),
            None => Some(Response::answering(&incoming.request, StatusCode::NOT_FOUND)),
        };
        if let Some(refusal) = refusal {
            self.count_refusal(refusal.status, Refusal::of_status(refusal.status));
            self.stack.respond(now, txn, refusal);
        }
        self.drain_focus(now, id);
    }

    /// Subscriptions of an address that has answered no NOTIFY, to whichever conference.
    fn unproved_watchers(&self, to: std::net::IpAddr) -> usize {
        let of = |record: &crate::conference::Record| match &record.state {
            State::Active(active) => active.focus.unproved_watchers(to),
            State::Held | State::Ended => 0,
        };
        self.records.values().map(of).sum()
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
        to: Source,
    ) {
        match self.stack.request(now, request, to) {
            Ok(txn) => {
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
    pub(crate) fn event_terms(&self, now: Instant, factory: usize) -> EventTerms {
        EventTerms {
            wall: Some((now, self.wall(now))),
            users_max: self.factories[factory].config().legs_max,
        }
    }
}

/// When to subscribe again to what cannot be subscribed to now: soon enough to see the first ones come.
const AGAIN_SECONDS: u32 = 5;

const NOBODY_IN: &str = "Nobody has joined this conference yet. Subscribe again in a few seconds";
const UNANSWERED: &str = "Too many NOTIFYs to this address wait for their answer. Try again later";
