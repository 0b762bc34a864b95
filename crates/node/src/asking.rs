//! A factory is asked for a conference: identity, hold, URI, answer.

use std::time::Duration;

use focus::Creator;
use focus::factory::{AnswerForm, Answering, Refused, Who, redirect};
use pool::{ConferenceId, Firmness, HoldRequest, Refusal, Seats, Shortage};
use sip::uas;
use sip::{Host, Identifiers, Incoming, Merged, SipUri, StatusCode};
use units::Instant;

use crate::Notice;
use crate::auth::Caller;
use crate::conference::{Asked, Record, State};
use crate::explaining::{Asking, Told};
use crate::node::{Node, Phase, known_tag_prefix};
use crate::requests::Addressee;
use crate::steering::Policy;

/// Most conferences that one dialog identifier (Call-ID, From tag, source) can have had within the
/// life of their tombstones: one a minute. Phones take a new Call-ID for each call, so this is for who
/// does not; and each costs an HMAC whenever he asks again. After that he is refused.
const GENERATIONS_MAX: u32 = 64;

/// Why a conference ends that was asked for and that nobody joined.
const NOBODY_CAME: &str = "nobody came";

/// What a factory is asked for.
struct Wish {
    factory: usize,
    seats: u32,
    /// How it is handed over.
    answering: Answering,
}

/// Room that is held, and what its conference is to be.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) id: ConferenceId,
    /// Whose rules it goes by.
    pub(crate) factory: usize,
    pub(crate) seats: u32,
    pub(crate) hold: Duration,
    /// Host and port of its URI.
    pub(crate) advertise: (Host, u16),
    /// Who asked, for people.
    pub(crate) asker: String,
    pub(crate) policy: Policy,
    /// Why it got that room.
    pub(crate) told: Told,
}

impl Node {
    /// Takes an INVITE to a factory.
    pub(crate) fn asked(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        (index, asked): (usize, focus::factory::Asked),
    ) {
        if self.phase == Phase::ShuttingDown {
            return self.refuse(now, incoming, &Refused::ShuttingDown);
        }
        let answering = self.factories[index].answering(incoming);
        let form = answering.form;
        let checked = match form {
            // RFC 3261 §8.3: a redirect server leaves Require to whom it redirects to.
            AnswerForm::Redirect => uas::check_content(incoming, &focus::CAPABILITIES),
            // All that is wrong with the request itself, before room is held for it.
            AnswerForm::Deliver | AnswerForm::Relay => {
                focus::check(incoming, &self.media.families()).map(|_| ())
            }
        };
        if let Err(response) = checked {
            return self.reply(incoming, response);
        }
        if form == AnswerForm::Relay {
            return self.refuse(now, incoming, &Refused::NotServed);
        }
        let seats = self.factories[index].expected(incoming, asked);
        let core = self.factories[index].canonical_uri();
        match self.merged.check(now, core, &incoming.essentials) {
            // RFC 3261 §8.2.2.2
            Merged::Merged => return self.reply_status(incoming, StatusCode::LOOP_DETECTED),
            Merged::Fresh | Merged::SameTransaction => {}
        }
        let wish = Wish { factory: index, seats, answering };
        let refused = match form {
            AnswerForm::Redirect | AnswerForm::Relay => {
                self.redirect_to_held(now, incoming, caller, wish)
            }
            AnswerForm::Deliver => self.deliver(now, incoming, caller, wish),
        };
        if let Err(refused) = refused {
            // It is over: its ACK proves nothing that anything was held for, and a request that comes
            // by another way is looked at afresh.
            self.merged.done(self.factories[index].canonical_uri(), &incoming.essentials);
            self.refuse(now, incoming, &refused);
        }
    }

    fn redirect_to_held(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        wish: Wish,
    ) -> Result<(), Refused> {
        let id = self.identify(now, incoming, caller, wish.factory).ok_or(Refused::SourceBusy)?;
        let firmness = firmness_of(incoming, caller);
        self.allocate(now, incoming, caller, wish, id, firmness)?;
        let tag = match caller.user() {
            Some(_) => self.tag_key.tag(&known_tag_prefix(self.number), incoming),
            None => self.tag_key.tag_about(&self.tag_prefix, incoming, id.0),
        };
        let record = self.records.get(&id).expect("invariant: what was allocated has a record");
        match redirect(incoming, &record.uri, &tag) {
            Ok(response) => self.stack.reply_stateless(incoming, response),
            Err(_) => self.reply_status(incoming, StatusCode::LOOP_DETECTED),
        }
        Ok(())
    }

    /// The focus of a new conference answers at once. A refusal leaves no hold.
    fn deliver(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        wish: Wish,
    ) -> Result<(), Refused> {
        let id = self.identify(now, incoming, caller, wish.factory).ok_or(Refused::SourceBusy)?;
        let seats = wish.seats;
        let is_new = !self.records.contains_key(&id);
        let firmness = firmness_of(incoming, caller);
        let is_soft = firmness != Firmness::Firm;
        let limit = self.pool.soft_limit().0;
        if is_new && is_soft && seats > limit.saturating_sub(self.unproved_seats) {
            return Err(Refused::Unproved { asked: seats, limit });
        }
        self.allocate(now, incoming, caller, wish, id, firmness)?;
        let joined = self.join_as(now, incoming, caller, (id, None));
        match &joined {
            Ok(()) if is_new && is_soft => self.count_unproved(id, seats),
            Err(_) if is_new => self.take_back(now, id),
            Ok(()) | Err(_) => {}
        }
        joined
    }

    /// Until its asker is proved, a conference that was delivered to him counts as soft.
    fn count_unproved(&mut self, id: ConferenceId, seats: u32) {
        if let Some(active) = self.active(id) {
            active.unproved_seats = seats;
            self.unproved_seats += seats;
        }
    }

    /// He is, or the conference is over.
    pub(crate) fn asker_proved(&mut self, id: ConferenceId) {
        let seats = self.active(id).map(|active| std::mem::take(&mut active.unproved_seats));
        self.unproved_seats -= seats.unwrap_or(0);
    }

    /// Somebody has acknowledged that he is called into it: it is a conference that counts.
    pub(crate) fn somebody_proved(&mut self, now: Instant, id: ConferenceId) {
        self.asker_proved(id);
        // Unknown only if it is over.
        let _ = self.pool.confirm(now, id);
    }

    /// A hold that was made for nothing: nobody has its URI.
    pub(crate) fn take_back(&mut self, now: Instant, id: ConferenceId) {
        if self.records.get(&id).is_some_and(|record| matches!(record.state, State::Held)) {
            self.pool.end(now, id);
            self.tallies.holds_expired += 1;
            self.forget_hold(id);
        }
    }

    /// Nobody came, or nobody could be let in.
    pub(crate) fn hold_expired(&mut self, now: Instant, id: ConferenceId) {
        let Some(record) = self.records.get(&id) else { return };
        self.tallies.holds_expired += 1;
        // Its URI would bring it back as its factory makes one: without the PIN that it was asked for with, and with all its
        // time. See [`Node::recall`].
        let is_plain = record.began.is_none() && record.policy == self.usual(record.factory);
        if is_plain || self.keeping.is_none() {
            self.forget_hold(id);
        } else {
            self.conference_ended(now, id, NOBODY_CAME);
        }
    }

    fn forget_hold(&mut self, id: ConferenceId) {
        let Some(mut record) = self.records.remove(&id) else { return };
        self.put_away(&mut record);
        self.keep_none(id);
        self.notice(Notice::HoldExpired { conference: record.uri.text() });
    }

    /// Finds the conference that this request means: one that is held, one that a copy of this very
    /// request made, or the first that was not used up yet.
    fn identify(
        &self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        factory: usize,
    ) -> Option<ConferenceId> {
        let core = self.factories[factory].canonical_uri();
        let (request, who) = (incoming.essentials.identifiers(), caller.who(incoming));
        let mut candidates =
            (0..GENERATIONS_MAX).map(|generation| self.identity(core, request, who, generation));
        candidates.find(|id| match self.records.get(id) {
            None => true,
            Some(record) => match record.state {
                State::Held => true,
                State::Active(_) | State::Ended => record.asked.is_copy(&incoming.essentials, now),
            },
        })
    }

    /// The conference that this request means, of those that it has meant one after the other.
    pub(crate) fn identity(
        &self,
        core: &str,
        request: Identifiers<'_>,
        who: Who<'_>,
        generation: u32,
    ) -> ConferenceId {
        let from_tag = request.from_tag.unwrap_or_default();
        let key = &self.identity_key;
        ConferenceId(key.identity(core, request.call_id, from_tag, who, generation))
    }

    /// Holds room and mints the URI, or finds that both were done before.
    fn allocate(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        wish: Wish,
        id: ConferenceId,
        firmness: Firmness,
    ) -> Result<(), Refused> {
        let Wish { factory: index, seats, answering } = wish;
        if let Some(record) = self.records.get_mut(&id) {
            record.asked.again(&incoming.essentials, now);
            return Ok(());
        }
        let config = self.factories[index].config();
        let request = HoldRequest {
            id,
            seats: Seats(seats),
            leg: self.pool.config().costs.plain_leg(),
            hold: config.hold,
            firmness,
            legs_max: config.legs_max,
            tenant: self.tenant_of(incoming, caller, index),
        };
        let asker = focus::masked(incoming.essentials.from.uri.text());
        let uri = focus::masked(incoming.request.uri.text());
        let asking = Asking { asker: asker.clone(), asked: Some(uri), answering: Some(answering) };
        let told = self.hold(now, &request, asking)?;
        let hold = request.hold;
        let policy = self.usual(index);
        let advertise = self.listen_for(incoming).advertise.clone();
        let creator = Creator::of(incoming).with_user(caller.user());
        let asked = Asked::of(&incoming.essentials, now);
        let granted = Granted { id, factory: index, seats, hold, advertise, asker, policy, told };
        self.book(now, granted, Some(creator), asked);
        Ok(())
    }

    /// Holds room and gives why, or says why there is none.
    pub(crate) fn hold(
        &mut self,
        now: Instant,
        request: &HoldRequest,
        asking: Asking,
    ) -> Result<Told, Refused> {
        self.takes_new()?;
        let (held, decision) = self.pool.hold_explained(now, self.number, request);
        let told = Told { at: self.wall(now), asking: Some(asking), decision };
        match held {
            Ok(_) => Ok(told),
            Err(refusal) => {
                let refused = self.refused(&refusal, told.decision.shortage());
                self.put_away_refused(told);
                Err(refused)
            }
        }
    }

    /// Mints the URI of a conference that room is held for, and puts it into the books.
    pub(crate) fn book(
        &mut self,
        now: Instant,
        granted: Granted,
        creator: Option<Creator>,
        asked: Asked,
    ) {
        let Granted { id, factory, seats, hold, advertise, asker, policy, told } = granted;
        let (host, port) = advertise;
        let until = self.wall(now).after(hold + Duration::from_secs(1));
        let activate_by = self.activate_by(until);
        let mut uri = SipUri::new(host, Some(port));
        // Letters, digits and a hyphen: there is nothing to escape.
        uri.user = Some(pool::mint(&self.keys.token, self.number, id, activate_by));
        let conference = uri.text();
        let told = Some(Box::new(told));
        let record = Record::unasked(now, uri, (factory, policy), activate_by);
        self.records.insert(id, Box::new(Record { told, creator, asked, ..record }));
        self.tallies.holds_made += 1;
        self.notice(Notice::Held { conference, asker, seats, until });
    }

    /// The asker has acknowledged our stateless answer: he receives where he sends from, and his hold
    /// is firm.
    pub(crate) fn source_proved(&mut self, now: Instant, ack: &Incoming) {
        let sip::Uri::Sip(uri) = &ack.request.uri else { return };
        let Addressee::Factory { index, asked } = self.addressee(uri) else { return };
        let was_going_on = self.merged.done(self.factories[index].canonical_uri(), &ack.essentials);
        let nobody = Caller::default();
        let Some(id) = self.identify(now, ack, &nobody, index) else { return };
        if self.records.contains_key(&id) {
            // Unknown only if the hold has just ended: then its record goes as well.
            let _ = self.pool.confirm(now, id);
        } else if was_going_on {
            // A flood has pushed the soft hold out between the 302 and this ACK. The token in the 302
            // finds the conference again by its identity. Without room now, the caller gets 404 and
            // asks anew. An ACK has no list to count, so it is as many as the Request-URI says.
            let answering = self.factories[index].answering(ack);
            let wish = Wish { factory: index, seats: asked.seats, answering };
            let _ = self.allocate(now, ack, &nobody, wish, id, Firmness::Firm);
        }
    }

    /// A known user has acknowledged our answer: his hold was firm from the beginning.
    pub(crate) fn known_acknowledged(&mut self, ack: &Incoming) {
        let sip::Uri::Sip(uri) = &ack.request.uri else { return };
        let Addressee::Factory { index, .. } = self.addressee(uri) else { return };
        self.merged.done(self.factories[index].canonical_uri(), &ack.essentials);
    }
}

/// A connection proves the address at its other end, and so do credentials; a datagram does not.
pub(crate) fn firmness_of(incoming: &Incoming, caller: &Caller) -> Firmness {
    if incoming.source.transport.is_reliable() || caller.user().is_some() {
        Firmness::Firm
    } else {
        Firmness::Soft { source: incoming.source.remote.ip() }
    }
}

impl Node {
    /// Why there is no room, in the words of an answer.
    pub(crate) fn refused(&self, refusal: &Refusal, shortage: Option<Shortage>) -> Refused {
        match refusal {
            Refusal::PoolFull { asked, free } => Refused::PoolFull {
                asked: asked.0,
                free: free.0,
                short_of: shortage.map_or("", |shortage| shortage.what.name()),
            },
            Refusal::SoftLimit { asked, limit } => {
                Refused::Unproved { asked: asked.0, limit: limit.0 }
            }
            Refusal::TenantFull { tenant, asked, has, quota } => Refused::TenantFull {
                tenant: self.tenant_name(*tenant),
                asked: asked.0,
                has: has.0,
                quota: quota.0,
            },
            Refusal::TenantRate { tenant, per_minute } => {
                Refused::TenantRate { tenant: self.tenant_name(*tenant), per_minute: *per_minute }
            }
            // Nobody reserves by SIP.
            Refusal::OutOfTime | Refusal::TooManyReservations { .. } => Refused::NoSeat,
        }
    }
}
