//! Conferences made, changed and ended by administrators.

use std::time::Duration;

use focus::factory::identity_under_key;
use focus::{End, EntryChange, PinSalt};
use pool::{ConferenceId, Firmness, HoldRequest, Seats, TenantId};
use units::Instant;

use super::{
    Asker, Change, ConferenceView, MAX_TIME_ASKED, NewConference, Policy, SEATS_ASKED, SteerError,
    TITLE_CHARS_MAX,
};
use crate::Notice;
use crate::asking::Granted;
use crate::conference::{Asked, State};
use crate::explaining::Asking;
use crate::keeping::Keeping;
use crate::node::Node;

impl Node {
    /// Holds room for a conference and mints its URI, as a factory does. The hold is firm: who asks has shown that
    /// he may. The same asker with the same key gets what he got before. With a store it may be told of when all is on the disk
    /// that was to be stored; what cannot be stored is not made after all.
    ///
    /// # Errors
    /// [`SteerError`]; nothing is held.
    pub fn create_conference(
        &mut self,
        now: Instant,
        new: &NewConference,
        asker: &Asker,
    ) -> Result<ConferenceView, SteerError> {
        self.begin_steering(now);
        let id = self.identity_for(asker);
        let wall = self.wall(now);
        if let Some(used) = self.keys_used.get(wall, id) {
            return if used.asked == new.kept(&self.keys.identity, PinSalt(id.0)) {
                Ok(used.made.clone())
            } else {
                Err(SteerError::KeyUsed)
            };
        }
        if self.records.contains_key(&id) {
            return Err(SteerError::KeyUsed);
        }
        let told = self.keeping.as_ref().map_or(0, Keeping::last_ticket);
        let made = self.make(now, new, asker, id);
        if let Err(SteerError::Refused(why)) = &made {
            let notice = Notice::Refused {
                uri: self.factories[0].canonical_uri().to_owned(),
                asker: asker.name.clone(),
                status: why.status().code(),
                why: why.over_http().to_string(),
                explained: self.explained.take_words(),
            };
            self.notice_refusal(now, notice);
        }
        let made = made?;
        // Its URI alone would bring it back after a restart only when somebody calls it, without its room, and as nobody's.
        match asker.key {
            Some(_) => self.note_key(now, id, new, made.clone()),
            None => self.keep_now(id),
        }
        self.made_when_kept(id, told);
        self.settle(now);
        Ok(made)
    }

    /// A key is the asker's own: somebody else may have the same one.
    fn identity_for(&mut self, asker: &Asker) -> ConferenceId {
        match &asker.key {
            None => ConferenceId(self.rng.bytes()),
            Some(key) => ConferenceId(identity_under_key(&self.keys.identity, &asker.name, key)),
        }
    }

    fn make(
        &mut self,
        now: Instant,
        new: &NewConference,
        asker: &Asker,
        id: ConferenceId,
    ) -> Result<ConferenceView, SteerError> {
        self.takes_new().map_err(SteerError::Refused)?;
        let factory = self.factory_named(new.factory.as_deref())?;
        let tenant = self.payer(new.tenant.as_deref(), factory)?;
        let config = self.factories[factory].config();
        let legs_max = within("max", new.max)?.or(config.legs_max);
        let usual = legs_max.map_or(config.expect, |max| config.expect.min(max));
        let seats = within("seats", new.seats)?.unwrap_or(usual);
        if let Some(max) = legs_max.filter(|max| seats > *max) {
            return Err(SteerError::SeatsAboveMax { seats, max });
        }
        let usual_policy = self.usual(factory);
        let change = EntryChange {
            pin: new.pin.map(Some),
            moderator_pin: new.moderator_pin.map(Some),
            lobby: new.lobby,
        };
        let entry = usual_policy.entry.changed(&self.keys.identity, PinSalt(id.0), change)?;
        let policy = Policy {
            title: new.title.as_deref().map(titled).transpose()?,
            end: new.end.unwrap_or(config.end),
            legs_max,
            max_time: lasting(new.max_time)?.or(config.max_time),
            entry,
            is_locked: new.locked,
        };
        let hold = config.hold;
        let request = HoldRequest {
            id,
            seats: Seats(seats),
            leg: self.pool.config().costs.plain_leg(),
            hold,
            firmness: Firmness::Firm,
            legs_max,
            tenant,
        };
        let asking = Asking { asker: asker.name.clone(), asked: None, answering: None };
        let told = self.hold(now, &request, asking).map_err(SteerError::Refused)?;
        let advertise = self.listens[0].advertise.clone();
        let asker = asker.name.clone();
        let granted = Granted { id, factory, seats, hold, advertise, asker, policy, told };
        self.book(now, granted, None, Asked::default());
        self.conference(now, id)
    }

    fn factory_named(&self, user: Option<&str>) -> Result<usize, SteerError> {
        let Some(user) = user else { return Ok(0) };
        let has =
            |factory: &focus::factory::Factory| factory.config().users.iter().any(|it| it == user);
        let found = self.factories.iter().position(has);
        found.ok_or_else(|| SteerError::NoFactory(focus::masked(user)))
    }

    /// Who pays: whoever is named, and where nobody is, who pays for this factory.
    fn payer(&self, name: Option<&str>, factory: usize) -> Result<TenantId, SteerError> {
        let Some(name) = name else { return Ok(self.tenants.of_factory(factory)) };
        // The empty name is nobody's, and is none that anybody can have meant.
        let found = self.pool.tenant(name).filter(|_| !name.is_empty());
        found.ok_or_else(|| SteerError::NoTenant(focus::masked(name)))
    }

    /// Changes what is asked for. Nothing is changed if one of it cannot be.
    ///
    /// # Errors
    /// [`SteerError`].
    pub fn change_conference(
        &mut self,
        now: Instant,
        id: ConferenceId,
        change: &Change,
    ) -> Result<ConferenceView, SteerError> {
        self.begin_steering(now);
        let title = match &change.title {
            Some(Some(title)) => Some(Some(titled(title)?)),
            Some(None) => Some(None),
            None => None,
        };
        let max = match change.max {
            Some(max) => Some(within("max", max)?),
            None => None,
        };
        let max_time = match change.max_time {
            Some(max_time) => Some(lasting(max_time)?),
            None => None,
        };
        let record = self.records.get_mut(&id).filter(|record| record.is_alive());
        let record = record.ok_or(SteerError::NoConference)?;
        let before = record.policy.clone();
        let Change { pin, moderator_pin, lobby, .. } = *change;
        let asked = EntryChange { pin, moderator_pin, lobby };
        let entry = before.entry.changed(&self.keys.identity, PinSalt(id.0), asked)?;
        let policy = &mut record.policy;
        policy.title = title.unwrap_or_else(|| before.title.clone());
        policy.legs_max = max.unwrap_or(before.legs_max);
        policy.max_time = max_time.unwrap_or(before.max_time);
        policy.entry = entry;
        policy.end = change.end.unwrap_or(before.end);
        policy.is_locked = change.locked.unwrap_or(before.is_locked);
        let after = record.policy.clone();
        if after == before {
            // It may have been asked before, and the disk did not take it.
            self.keep_now(id);
            return self.conference(now, id);
        }
        self.pool.limit(now, id, after.legs_max);
        if let Some(active) = self.active(id) {
            active.focus.lock(now, after.is_locked);
            active.focus.limit(now, after.legs_max);
            active.focus.set_end(now, after.end);
            active.focus.set_entry(now, after.entry);
            active.focus.set_max_time(now, after.max_time);
        }
        self.notice(Notice::Changed {
            conference: self.uri(id),
            title: after.title,
            locked: after.is_locked,
            max: after.legs_max,
            max_seconds: after.max_time.map(|time| time.as_secs()),
            pin: after.entry.pin.is_some(),
            moderator_pin: after.entry.moderator_pin.is_some(),
            lobby: after.entry.lobby,
        });
        self.keep_now(id);
        self.end_steering(now, id);
        // By the new rule it may be over, which is what was asked for.
        self.conference(now, id)
    }

    /// Ends a conference: BYE with a Reason to each who is in. Its URI is dead from now on; a reservation is given up with it,
    /// since while that stands its conference may begin again.
    ///
    /// # Errors
    /// [`SteerError::NoConference`], also if it is over already.
    pub fn end_conference(&mut self, now: Instant, id: ConferenceId) -> Result<(), SteerError> {
        self.begin_steering(now);
        if let Some(record) = self.records.get_mut(&id).filter(|record| record.is_alive()) {
            record.reserved = None;
            self.pool.cancel(now, id);
        }
        match self.records.get_mut(&id).map(|record| &mut record.state) {
            Some(State::Active(active)) => active.focus.end(now, End::Ordered),
            Some(State::Held) => self.conference_ended(now, id, &End::Ordered.to_string()),
            Some(State::Ended) | None => return Err(SteerError::NoConference),
        }
        self.end_steering(now, id);
        Ok(())
    }
}

fn within(what: &'static str, asked: Option<u32>) -> Result<Option<u32>, SteerError> {
    let (least, most) = SEATS_ASKED;
    match asked {
        Some(found) if !(least..=most).contains(&found) => {
            Err(SteerError::OutOfRange { what, least, most, found })
        }
        asked => Ok(asked),
    }
}

fn lasting(asked: Option<Duration>) -> Result<Option<Duration>, SteerError> {
    let (least, most) = MAX_TIME_ASKED;
    match asked {
        Some(time) if !(least..=most).contains(&time) => Err(SteerError::BadTime {
            least: least.as_secs(),
            most: most.as_secs(),
            found: time.as_secs(),
        }),
        asked => Ok(asked),
    }
}

fn titled(title: &str) -> Result<String, SteerError> {
    if title.chars().count() > TITLE_CHARS_MAX {
        return Err(SteerError::TitleTooLong);
    }
    Ok(focus::masked(title))
}
