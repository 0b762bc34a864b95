//! Somebody calls a conference URI: a seat, a port, a leg.

use std::collections::BTreeMap;
use std::net::IpAddr;

use focus::factory::Refused;
use focus::{Focus, FocusConfig, LegId, MediaPort, MediaSeat, Role, Shut, Wanted};
use pool::{ConferenceId, Cost, JoinRefusal, ViewState};
use sdp::Family;
use sip::{Incoming, Merged, Source, StatusCode};
use units::Instant;

use crate::Notice;
use crate::auth::Caller;
use crate::conference::{Active, State};
use crate::focuses::leg_cost;
use crate::node::{Node, Phase};

impl Node {
    /// Takes an INVITE that is to join this conference; the first one activates it (RFC 4579 §5.1).
    pub(crate) fn join(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        id: ConferenceId,
    ) {
        if let Err(refused) = self.join_as(now, incoming, caller, (id, None)) {
            self.refuse(now, incoming, &refused);
        }
    }

    /// Takes an INVITE that is to join this conference in the place of a leg (RFC 3891). Room for both is
    /// needed until the new one is acknowledged.
    pub(crate) fn join_in_place_of(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        (id, old): (ConferenceId, LegId),
    ) {
        if let Err(refused) = self.join_as(now, incoming, caller, (id, Some(old))) {
            self.refuse(now, incoming, &refused);
        }
    }

    /// Lets the caller in, or says for want of what he cannot be. What is wrong with the request itself
    /// is answered here.
    ///
    /// Whoever is refused gets one packet for one packet and nothing is kept of him: his address may be
    /// another's (RFC 3261 §8.2.7).
    pub(crate) fn join_as(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        (id, old): (ConferenceId, Option<LegId>),
    ) -> Result<(), Refused> {
        if self.phase == Phase::ShuttingDown {
            return Err(Refused::ShuttingDown);
        }
        let core = self.records.get(&id).map(|record| record.uri.to_string()).unwrap_or_default();
        match self.merged.check(now, &core, &incoming.essentials) {
            // RFC 3261 §8.2.2.2
            Merged::Merged => {
                self.reply_status(incoming, StatusCode::LOOP_DETECTED);
                return Ok(());
            }
            Merged::Fresh | Merged::SameTransaction => {}
        }
        // What is wrong with the request itself comes first, so that nothing need be taken back.
        let joined = match focus::check(incoming, &self.media.families()) {
            Err(response) => {
                self.reply(incoming, response);
                Ok(Joined::No)
            }
            Ok(wanted) => self.seat(now, incoming, caller, (id, wanted, old)),
        };
        if joined != Ok(Joined::Yes) {
            // It is over. What comes by another way is looked at afresh.
            self.merged.done(&core, &incoming.essentials);
        }
        self.drain_focus(now, id);
        joined.map(|_| ())
    }

    /// Finds port and seat and makes the leg. A refusal leaves everything as it was.
    fn seat(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        (id, wanted, old): (ConferenceId, Wanted, Option<LegId>),
    ) -> Result<Joined, Refused> {
        let source = unproved_source(incoming, caller);
        let unproved = source.and_then(|source| self.unproved.get(&source).copied()).unwrap_or(0);
        if unproved >= UNPROVED_LEGS_MAX {
            return Err(Refused::Unanswered { max: UNPROVED_LEGS_MAX });
        }
        let first = self.activate(now, id, wanted.family)?;
        let joined = self.take_seat(now, incoming, caller, (id, wanted, old));
        match (&joined, first) {
            (Ok(Joined::Yes), First::Yes) => self.started(now, id),
            (Ok(Joined::No) | Err(_), First::Yes) => self.deactivate(now, id),
            (_, First::No) => {}
        }
        joined
    }

    fn take_seat(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        (id, wanted, old): (ConferenceId, Wanted, Option<LegId>),
    ) -> Result<Joined, Refused> {
        // Who takes the place of somebody who is in makes it no fuller.
        let is_shut = old.is_none() && self.is_shut_for(now, id, incoming, caller);
        let Some(record) = self.records.get_mut(&id) else { return Err(Refused::NotFound) };
        let uri = record.uri.clone();
        let Some(active) = record.active() else { return Err(Refused::NotFound) };
        if is_shut {
            return Err(Refused::Locked);
        }
        // He takes the place of one who has passed it.
        if old.is_none() {
            let role = if caller.may_steer() { Role::Moderator } else { Role::Guest };
            active.focus.door(now, incoming, caller.user(), role).map_err(|shut| match shut {
                Shut::Full => Refused::LobbyFull { max: focus::NOT_IN_MAX },
                Shut::TooManyWrong { wait } => Refused::TooManyPins { seconds: wait.as_secs() + 1 },
            })?;
        }
        if let Err(status) = active.focus.admits() {
            // It is ending, or holds all the legs that a focus can.
            self.reply_status(incoming, status);
            return Ok(Joined::No);
        }
        let Some((lent, address)) = self.media.take_port(active.media, wanted.family) else {
            return Err(Refused::NoPort);
        };
        let cost = leg_cost(&self.pool, wanted.ptime_ms);
        let charge = match self.pool.join(now, id, cost) {
            Ok(charge) => charge,
            Err(refusal) => {
                self.media.give_back(active.media, lent);
                return Err(self.not_seated(now, refusal));
            }
        };
        let seat = MediaSeat { port: MediaPort(lent.id), address };
        let made = match self.stack.accept(now, incoming) {
            Ok(txn) => active.focus.invite(now, txn, incoming, seat).map_err(|no| Some((txn, no))),
            Err(sip::Full) => Err(None),
        };
        match made {
            Ok(leg) => {
                active.ports.insert(lent.id, lent);
                active.charges.insert(leg, charge);
                if caller.may_steer() {
                    let _ = active.focus.appoint(now, leg, true);
                }
                if let Some(user) = caller.user() {
                    active.focus.identify(now, leg, user);
                }
                self.drafts.joining(now, (id, leg), &uri, incoming);
                if let Some(old) = old {
                    active.focus.replace(now, leg, old);
                }
                if let Some(source) = unproved_source(incoming, caller) {
                    active.unproved.insert(leg, source);
                    *self.unproved.entry(source).or_default() += 1;
                }
                Ok(Joined::Yes)
            }
            // Both were asked before and said yes. All the same nothing may be lost.
            Err(answer) => {
                self.media.give_back(active.media, lent);
                self.pool.leave(now, id, charge);
                match answer {
                    Some((txn, response)) => self.stack.respond(now, txn, response),
                    None => self.stack.refuse_full(incoming),
                }
                Ok(Joined::No)
            }
        }
    }

    /// Makes the focus of a held conference and opens it on a shard.
    pub(crate) fn activate(
        &mut self,
        now: Instant,
        id: ConferenceId,
        family: Family,
    ) -> Result<First, Refused> {
        let Some(record) = self.records.get(&id) else { return Err(Refused::NotFound) };
        match &record.state {
            State::Active(_) => return Ok(First::No),
            State::Ended => return Err(Refused::NotFound),
            State::Held => {}
        }
        if self.ends_unseen(now, id) {
            return Err(Refused::NotFound);
        }
        self.begins(id)?;
        let view = self.pool.conference(id);
        let shard = match view {
            Some(view) => view.shard,
            // What is reserved has a record before it has room.
            None => {
                let refusal = self.pool.would_join(now, id, Cost::ZERO).err();
                return Err(self.not_seated(now, refusal.unwrap_or(JoinRefusal::Unknown)));
            }
        };
        let empty_until = view.map(|view| view.until);
        let Some(media) = self.media.open(family, shard) else { return Err(Refused::NoPort) };
        let Some(record) = self.records.get(&id) else { return Err(Refused::NotFound) };
        // The pool knows it of a hold that was asked for; of what was reserved, or held before a restart, it does not.
        self.pool.limit(now, id, record.policy.legs_max);
        let terms = self.event_terms(now, record.policy.legs_max);
        let (lasted, wrong_pins) = (self.lasted(now, record), self.wrong_pins(now, record));
        let is_locked = record.policy.is_locked;
        let config = FocusConfig {
            conference_uri: record.uri.clone(),
            end: record.policy.end,
            max_time: record.policy.max_time,
            entry: record.policy.entry,
            creator: record.creator.clone(),
            tag_prefix: self.tag_prefix.clone(),
            dial_out: self.dial_out.clone(),
            nat: self.nat,
        };
        let mut focus = Focus::new(now, config, self.rng.fork())
            .telling(terms)
            .lasting_since(lasted)
            .going_on_from(record.numbers)
            .with_wrong_pins(now, &wrong_pins);
        if let Some(until) = empty_until {
            focus = focus.kept_empty_until(until);
        }
        focus.lock(now, is_locked);
        let Some(record) = self.records.get_mut(&id) else { return Err(Refused::NotFound) };
        record.since = now;
        record.state = State::Active(Box::new(Active {
            focus,
            media,
            ports: BTreeMap::new(),
            charges: BTreeMap::new(),
            calling: BTreeMap::new(),
            unproved: BTreeMap::new(),
            measured: BTreeMap::new(),
            unproved_seats: 0,
        }));
        self.by_media.insert(media, id);
        Ok(First::Yes)
    }

    /// Nobody got in: the conference is only held again.
    pub(crate) fn deactivate(&mut self, now: Instant, id: ConferenceId) {
        let Some(record) = self.records.get_mut(&id) else { return };
        if let State::Active(active) = std::mem::replace(&mut record.state, State::Held) {
            self.by_media.remove(&active.media);
            self.media.close(active.media);
        }
        if self.pool.conference(id).is_none_or(|view| view.state == ViewState::Active) {
            self.pool.end(now, id);
            self.hold_expired(now, id); // the pool does not hold it any more
        }
    }

    /// A leg has acknowledged our answer, or is gone: what was counted for it counts no more.
    pub(crate) fn no_longer_unproved(&mut self, id: ConferenceId, leg: LegId) {
        let Some(source) = self.active(id).and_then(|active| active.unproved.remove(&leg)) else {
            return;
        };
        if let Some(count) = self.unproved.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.unproved.remove(&source);
            }
        }
    }

    pub(crate) fn started(&mut self, now: Instant, id: ConferenceId) {
        let tenant = self.pool.conference(id).map(|view| self.tenant_name(view.tenant));
        let wall = self.wall(now);
        if let Some(record) = self.records.get_mut(&id) {
            record.began.get_or_insert(wall);
        }
        if let Some(record) = self.records.get(&id)
            && let Some(shard) = record.running().map(|active| active.media.shard)
        {
            let conference = record.uri.to_string();
            let creator = record.creator.as_ref();
            let names = (conference.clone(), tenant.unwrap_or_default());
            self.drafts.conference_started(now, id, names, creator);
            self.tallies.conferences_started += 1;
            self.notice(Notice::Started { conference, shard });
        }
        self.keep_now(id);
    }
}

/// Whether a join is the one that activates the conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Yes,
    No,
}

/// Whether there is a leg now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    Yes,
    No,
}

/// The address that our answer goes to without its owner having shown that he wants it.
fn unproved_source(incoming: &Incoming, caller: &Caller) -> Option<IpAddr> {
    let Source { transport, remote, .. } = incoming.source;
    (!transport.is_reliable() && caller.user().is_none()).then(|| remote.ip())
}

/// Legs that one address may have before it acknowledges our answers: each makes us send 21 packets
/// within 68 s, so this is 20 packets a second at most to somebody who never asked. Behind one proxy
/// it is 64 calls within a round trip. One more gets 480.
const UNPROVED_LEGS_MAX: usize = 64;

impl Node {
    /// Why there is no seat, in the words of an answer.
    pub(crate) fn not_seated(&self, now: Instant, refusal: JoinRefusal) -> Refused {
        match refusal {
            JoinRefusal::Unknown => Refused::NotFound,
            JoinRefusal::ConferenceFull { legs_max } => Refused::ConferenceFull { legs_max },
            JoinRefusal::PoolFull => Refused::NoSeat,
            JoinRefusal::TenantFull { tenant, quota } => Refused::TenantFull {
                tenant: self.tenant_name(tenant),
                asked: 1,
                has: quota.0,
                quota: quota.0,
            },
            JoinRefusal::NotYet { opens } => {
                Refused::NotYet { seconds: opens.since(now).as_secs() + 1 }
            }
        }
    }
}
