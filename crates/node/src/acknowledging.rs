//! The ACK to a redirection, which a look is enough for.
//!
//! Of what comes to a factory by UDP half are these. Whoever sends one repeats a tag that only he has had, and that names the
//! conference which he was told of: which hold that makes firm is known without reading the rest.

use pool::ConferenceId;
use sip::{Glance, Identifiers, MessageKind, Packet};
use units::Instant;

use crate::conference::State;
use crate::node::Node;

impl Node {
    /// Takes an ACK to a redirection whose conference is held; `false`: it is something else, or has to be read.
    pub(crate) fn acknowledged_unread(&mut self, now: Instant, packet: &Packet) -> bool {
        if !packet.bytes.starts_with(b"ACK ") {
            return false;
        }
        let Glance::Request(ack) = Glance::of(&packet.bytes) else { return false };
        let (Some(to_tag), Some(via)) = (ack.to_tag, ack.top_via()) else { return false };
        let request =
            Identifiers { call_id: ack.call_id, from_tag: ack.from_tag, cseq: ack.cseq, via: &via };
        let source = packet.path.remote.ip();
        let told = self.tag_key.told_of(&self.tag_prefix, (request, to_tag), source);
        let Some(id) = told.map(ConferenceId) else { return false };
        // Joined, over or pushed out meanwhile: which one is meant then is for who reads it.
        let held = self.records.get(&id).filter(|record| matches!(record.state, State::Held));
        let Some(factory) = held.map(|record| record.factory) else { return false };
        self.stack.count_unread(MessageKind::Ack);
        self.overload.prove(now, source);
        self.merged.acknowledged(self.factories[factory].canonical_uri(), request);
        // Unknown only if the hold has just ended: then its record goes as well.
        let _ = self.pool.confirm(now, id);
        true
    }
}
