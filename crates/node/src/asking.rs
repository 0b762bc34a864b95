//! A factory is asked for a conference: identity, hold, URI, answer.

use std::time::Duration;

use focus::Creator;
use focus::factory::{AnswerForm, Refused, Who, identity, redirect};
use pool::{ConferenceId, Firmness, HoldRequest, Refusal, Seats};
use sip::uas;
use sip::{Incoming, Merged, SipUri, StatusCode};
use units::Instant;

use crate::Notice;
use crate::conference::{Asked, Record, State};
use crate::node::{Node, Phase};
use crate::requests::Addressee;

/// Most conferences that one dialog identifier (Call-ID, From tag, source) can have had within the
/// life of their tombstones: an hour of one every four seconds. After that it is refused.
const GENERATIONS_MAX: u32 = 1_024;

impl Node {
    /// Takes an INVITE to a factory.
    pub(crate) fn asked(&mut self, now: Instant, incoming: &Incoming, index: usize, seats: u32) {
        if self.phase == Phase::ShuttingDown {
            return self.refuse(now, incoming, None, &Refused::ShuttingDown);
        }
        let form = self.factories[index].config().answer;
        let checked = match form {
            // RFC 3261 §8.3: a redirect server leaves Require to whom it redirects to.
            AnswerForm::Redirect => uas::check_content(incoming, &focus::CAPABILITIES),
            AnswerForm::Deliver | AnswerForm::Relay => uas::check(incoming, &focus::CAPABILITIES),
        };
        if let Err(response) = checked {
            return self.reply(incoming, response);
        }
        if form == AnswerForm::Relay {
            return self.refuse(now, incoming, None, &Refused::NotServed);
        }
        let core = self.factories[index].canonical_uri();
        match self.merged.check(now, &core, &incoming.essentials) {
            // RFC 3261 §8.2.2.2
            Merged::Merged => return self.reply_status(incoming, StatusCode::LOOP_DETECTED),
            Merged::Fresh | Merged::SameTransaction => {}
        }
        let Some(id) = self.identify(now, incoming, &core) else {
            return self.refuse(now, incoming, None, &Refused::SourceBusy);
        };
        let firmness = if incoming.source.transport.is_reliable() {
            Firmness::Firm
        } else {
            Firmness::Soft { source: incoming.source.remote.ip() }
        };
        let uri = match self.allocate(now, incoming, (index, seats), id, firmness) {
            Ok(uri) => uri,
            Err(refused) => return self.refuse(now, incoming, None, &refused),
        };
        match form {
            AnswerForm::Deliver => self.join(now, incoming, id),
            AnswerForm::Redirect | AnswerForm::Relay => {
                let tag = self.tag_for(incoming);
                match redirect(incoming, &uri, &tag) {
                    Ok(response) => self.stack.reply_stateless(incoming, response),
                    Err(_) => self.reply_status(incoming, StatusCode::LOOP_DETECTED),
                }
            }
        }
    }

    /// Finds the conference that this request means: one that is held, one that a copy of this very
    /// request made, or the first that was not used up yet.
    fn identify(&self, now: Instant, incoming: &Incoming, core: &str) -> Option<ConferenceId> {
        (0..GENERATIONS_MAX).map(|generation| self.identity(incoming, core, generation)).find(
            |id| match self.records.get(id) {
                None => true,
                Some(record) => match record.state {
                    State::Held => true,
                    State::Active(_) | State::Ended => {
                        record.asked.is_copy(&incoming.essentials, now)
                    }
                },
            },
        )
    }

    fn identity(&self, incoming: &Incoming, core: &str, generation: u32) -> ConferenceId {
        let essentials = &incoming.essentials;
        ConferenceId(identity(
            &self.keys.identity,
            core,
            &essentials.call_id,
            essentials.from.tag().unwrap_or_default(),
            Who::Source(incoming.source.remote.ip()),
            generation,
        ))
    }

    /// Holds room and mints the URI, or finds that both were done before.
    fn allocate(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        (index, seats): (usize, u32),
        id: ConferenceId,
        firmness: Firmness,
    ) -> Result<SipUri, Refused> {
        if let Some(record) = self.records.get(&id) {
            return Ok(record.uri.clone());
        }
        let config = self.factories[index].config();
        let (hold, legs_max) = (config.hold, config.legs_max);
        let request = HoldRequest { id, seats: Seats(seats), hold, firmness, legs_max };
        self.pool.hold(now, &request).map_err(|refusal| refused(&refusal))?;

        let activate_by = self.wall(now).after(hold + Duration::from_secs(1));
        let (host, port) = self.listen_for(incoming).advertise.clone();
        let user = pool::mint(&self.keys.token, self.number, id, activate_by);
        let uri = SipUri::new(host, Some(port)).with_user(&user);
        let record = Record {
            uri: uri.clone(),
            factory: index,
            activate_by,
            creator: Creator::of(incoming),
            asked: Asked::of(&incoming.essentials, now),
            since: now,
            state: State::Held,
        };
        self.records.insert(id, record);
        self.notice(Notice::Held {
            conference: uri.to_string(),
            asker: incoming.essentials.from.uri.to_string(),
            seats,
            until: activate_by,
        });
        Ok(uri)
    }

    /// The asker has acknowledged our stateless answer: he receives where he sends from, and his hold
    /// is firm.
    pub(crate) fn source_proved(&mut self, now: Instant, ack: &Incoming) {
        let sip::Uri::Sip(uri) = &ack.request.uri else { return };
        let Addressee::Factory { index, seats } = self.addressee(uri) else { return };
        let core = self.factories[index].canonical_uri();
        let was_going_on = self.merged.done(&core, &ack.essentials);
        let Some(id) = self.identify(now, ack, &core) else { return };
        if self.records.contains_key(&id) {
            // Unknown only if the hold has just ended: then its record goes as well.
            let _ = self.pool.confirm(now, id);
        } else if was_going_on {
            // A flood has pushed the soft hold out between the 302 and this ACK. The token in the 302
            // finds the conference again by its identity. Without room now, the caller gets 404 and
            // asks anew.
            let _ = self.allocate(now, ack, (index, seats), id, Firmness::Firm);
        }
    }
}

fn refused(refusal: &Refusal) -> Refused {
    match refusal {
        Refusal::PoolFull { asked, free } => Refused::PoolFull { asked: asked.0, free: free.0 },
        Refusal::SoftLimit { asked, limit } => Refused::Unproved { asked: asked.0, limit: limit.0 },
        Refusal::SourceLimit { .. } => Refused::SourceBusy,
    }
}
