//! Somebody calls a conference URI: a seat, a port, a leg.

use std::collections::BTreeMap;

use focus::factory::Refused;
use focus::{Focus, FocusConfig, MediaPort, MediaSeat};
use pool::{ConferenceId, JoinRefusal};
use sip::{Incoming, Merged, ServerTxnId, StatusCode};
use units::Instant;

use crate::Notice;
use crate::conference::{Active, Record, State};
use crate::node::{Node, Phase, tag_prefix};

impl Node {
    /// Takes an INVITE that is to join this conference; the first one activates it (RFC 4579 §5.1).
    pub(crate) fn join(&mut self, now: Instant, incoming: &Incoming, id: ConferenceId) {
        if self.phase == Phase::ShuttingDown {
            return self.refuse(now, incoming, None, &Refused::ShuttingDown);
        }
        let core = self.records.get(&id).map(|record| record.uri.to_string()).unwrap_or_default();
        match self.merged.check(now, &core, &incoming.essentials) {
            // RFC 3261 §8.2.2.2
            Merged::Merged => return self.reply_status(incoming, StatusCode::LOOP_DETECTED),
            Merged::Fresh | Merged::SameTransaction => {}
        }
        // What is wrong with the request itself comes first, so that nothing need be taken back.
        if let Err(response) = focus::check(incoming) {
            return self.reply(incoming, response);
        }
        let Ok(txn) = self.stack.accept(now, incoming) else {
            return self.overloaded(incoming);
        };
        if let Err(refused) = self.seat(now, incoming, id, txn) {
            self.refuse(now, incoming, Some(txn), &refused);
        }
        self.drain_focus(now, id);
    }

    /// Finds port and seat and makes the leg. A refusal leaves everything as it was.
    fn seat(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        id: ConferenceId,
        txn: ServerTxnId,
    ) -> Result<(), Refused> {
        let first = self.activate(now, id)?;
        let joined = self.take_seat(now, incoming, id, txn);
        match (&joined, first) {
            (Err(_), First::Yes) => self.deactivate(id),
            (Ok(()), First::Yes) => self.started(id),
            (_, First::No) => {}
        }
        joined
    }

    fn take_seat(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        id: ConferenceId,
        txn: ServerTxnId,
    ) -> Result<(), Refused> {
        let Some(active) = self.records.get_mut(&id).and_then(Record::active) else {
            return Err(Refused::NotFound);
        };
        let Some((lent, address)) = self.media.take_port(active.media) else {
            return Err(Refused::NoPort);
        };
        if let Err(refusal) = self.pool.join(now, id) {
            self.media.give_back(active.media, lent);
            return Err(match refusal {
                JoinRefusal::Unknown => Refused::NotFound,
                JoinRefusal::ConferenceFull { legs_max } => Refused::ConferenceFull { legs_max },
                JoinRefusal::PoolFull => Refused::NoSeat,
            });
        }
        active.ports.insert(lent.id, lent);
        let seat = MediaSeat { port: MediaPort(lent.id), address };
        if let Err(response) = active.focus.invite(now, txn, incoming, seat) {
            // The conference is ending, or holds all the legs that a focus can.
            active.ports.remove(&lent.id);
            self.media.give_back(active.media, lent);
            self.pool.leave(now, id);
            self.stack.respond(now, txn, response);
        }
        Ok(())
    }

    /// Makes the focus of a held conference and opens it on a shard.
    fn activate(&mut self, now: Instant, id: ConferenceId) -> Result<First, Refused> {
        let Some(record) = self.records.get_mut(&id) else { return Err(Refused::NotFound) };
        match &record.state {
            State::Active(_) => return Ok(First::No),
            State::Ended => return Err(Refused::NotFound),
            State::Held => {}
        }
        let Some(media) = self.media.open() else { return Err(Refused::NoPort) };
        let config = FocusConfig {
            conference_uri: record.uri.clone(),
            end: self.factories[record.factory].config().end,
            creator: Some(record.creator.clone()),
            tag_prefix: tag_prefix(self.number),
        };
        let focus = Focus::new(now, config, self.rng.fork());
        record.since = now;
        record.state = State::Active(Box::new(Active { focus, media, ports: BTreeMap::new() }));
        self.by_media.insert(media, id);
        Ok(First::Yes)
    }

    /// Nobody got in: the conference is only held again.
    fn deactivate(&mut self, id: ConferenceId) {
        let Some(record) = self.records.get_mut(&id) else { return };
        if let State::Active(active) = std::mem::replace(&mut record.state, State::Held) {
            self.by_media.remove(&active.media);
            self.media.close(active.media);
        }
    }

    fn started(&mut self, id: ConferenceId) {
        if let Some(record) = self.records.get_mut(&id)
            && let Some(shard) = record.active().map(|active| active.media.shard)
        {
            let conference = record.uri.to_string();
            self.notice(Notice::Started { conference, shard });
        }
    }
}

/// Whether a join is the one that activates the conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Yes,
    No,
}
