//! Somebody calls a conference URI: a seat, a port, a leg.

use focus::factory::Refused;
use focus::{Focus, FocusConfig, MediaPort, MediaSeat};
use mix::message::LentPort;
use pool::{ConferenceId, JoinRefusal};
use sip::{Incoming, Merged, ServerTxnId, StatusCode};
use units::Instant;

use crate::Notice;
use crate::conference::{Active, State};
use crate::media_link::MediaKey;
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
        if !self.media.has_port() {
            return Err(Refused::NoPort);
        }
        self.pool.join(now, id).map_err(|refusal| match refusal {
            JoinRefusal::Unknown => Refused::NotFound,
            JoinRefusal::ConferenceFull { legs_max } => Refused::ConferenceFull { legs_max },
            JoinRefusal::PoolFull => Refused::NoSeat,
        })?;
        let taken = self.activate(now, id).and_then(|media| {
            let (lent, address) = self.media.take_port(media)?;
            Some((media, lent, address))
        });
        let Some((media, lent, address)) = taken else {
            self.pool.leave(now, id);
            return Err(Refused::NoPort);
        };
        let seat = MediaSeat { port: MediaPort(lent.id), address };
        self.sit(now, incoming, id, txn, (media, lent), seat);
        Ok(())
    }

    fn sit(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        id: ConferenceId,
        txn: ServerTxnId,
        (media, lent): (MediaKey, LentPort),
        seat: MediaSeat,
    ) {
        let Some(active) = self.active(id) else { return };
        active.ports.insert(lent.id, lent);
        if let Err(response) = active.focus.invite(now, txn, incoming, seat) {
            active.ports.remove(&lent.id);
            self.media.give_back(media, lent);
            self.pool.leave(now, id);
            self.stack.respond(now, txn, response);
        }
    }

    /// Makes the focus of a held conference and opens it on a shard; gives the shard's key.
    fn activate(&mut self, now: Instant, id: ConferenceId) -> Option<MediaKey> {
        let record = self.records.get_mut(&id)?;
        match &record.state {
            State::Active(active) => return Some(active.media),
            State::Ended => return None,
            State::Held => {}
        }
        let media = self.media.open()?;
        let config = FocusConfig {
            conference_uri: record.uri.clone(),
            end: self.factories[record.factory].config().end,
            creator: Some(record.creator.clone()),
            tag_prefix: tag_prefix(self.number),
        };
        let focus = Focus::new(now, config, self.rng.fork());
        record.since = now;
        record.state = State::Active(Box::new(Active {
            focus,
            media,
            ports: std::collections::BTreeMap::new(),
        }));
        let conference = record.uri.to_string();
        self.by_media.insert(media, id);
        self.notice(Notice::Started { conference, shard: media.shard });
        Some(media)
    }
}
