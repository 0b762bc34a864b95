//! The ACK to a redirection, which a look is enough for.
//!
//! Of what comes to a factory by UDP half are these. Whoever sends one repeats a tag that only he has had and names the
//! request that it belongs to: which hold that makes firm is known without reading the rest.

use focus::factory::{Who, is_tag_of};
use sip::{Glance, Identifiers, MessageKind, Packet, Uri};
use units::Instant;

use crate::conference::State;
use crate::node::{Node, tag_prefix};
use crate::requests::Addressee;

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
        let key = &self.keys.stateless;
        if !is_tag_of(key, &tag_prefix(self.number), (request, to_tag), source) {
            return false;
        }
        let Ok(Uri::Sip(uri)) = ack.uri.parse() else { return false };
        let Addressee::Factory { index, .. } = self.addressee(&uri) else { return false };
        let core = self.factories[index].canonical_uri();
        let id = self.identity(&core, request, Who::Source(source), 0);
        // Joined, over or pushed out meanwhile: which one is meant then is for who reads it.
        if !self.records.get(&id).is_some_and(|record| matches!(record.state, State::Held)) {
            return false;
        }
        self.stack.count_unread(MessageKind::Ack);
        self.overload.prove(now, source);
        self.merged.acknowledged(&core, request);
        // Unknown only if the hold has just ended: then its record goes as well.
        let _ = self.pool.confirm(now, id);
        true
    }
}
