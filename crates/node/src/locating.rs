//! Where those are whom a focus calls: an address at once, a name when it has been asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use focus::{DialEnd, LegId};
use pool::ConferenceId;
use sip::{FlowId, NextHop, Request, SipUri, Source, Target};
use units::Instant;

use crate::node::{Node, Output};

/// Names one question of a node for where a name leads; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub u64);

/// How long a call waits for where a name leads. Whoever asks name servers answers within 6 s; this is for one that does not.
const LOOKUP_FOR: Duration = Duration::from_secs(10);

/// INVITEs of focuses that wait for where a name leads. Bounded: each holds a seat.
#[derive(Debug, Default)]
pub(crate) struct Locating {
    last: u64,
    waiting: BTreeMap<LookupId, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    id: ConferenceId,
    leg: LegId,
    request: Request,
    target: SipUri,
    until: Instant,
}

impl Locating {
    /// When the first of them has waited for long enough.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // Each waits as long as the others, so the first is the oldest.
        self.waiting.first_key_value().map(|(_, waiting)| waiting.until)
    }

    fn take_due(&mut self, now: Instant) -> Option<Waiting> {
        self.deadline().filter(|at| *at <= now)?;
        self.waiting.pop_first().map(|(_, waiting)| waiting)
    }

    fn take(&mut self, id: ConferenceId, leg: LegId) -> Option<Waiting> {
        let its = |waiting: &Waiting| waiting.id == id && waiting.leg == leg;
        let found = self.waiting.iter().find(|(_, waiting)| its(waiting)).map(|(id, _)| *id)?;
        self.waiting.remove(&found)
    }
}

impl Node {
    /// Sends the INVITE of a focus to whom it calls, or asks first where that is.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        mut request: Request,
        target: &SipUri,
    ) {
        if let Some((contact, path)) = self.registered(target) {
            request.uri = contact.into();
            return self.dial_by(now, (id, leg), request, (target, vec![path]));
        }
        match sip::next_hop(target) {
            Ok(NextHop::At(place)) => {
                let paths = self.paths_to(&[place]);
                self.dial_by(now, (id, leg), request, (target, paths));
            }
            Ok(NextHop::Ask(wanted)) => {
                self.locating.last += 1;
                let lookup = LookupId(self.locating.last);
                let (target, until) = (target.clone(), now + LOOKUP_FOR);
                let waiting = Waiting { id, leg, request, target, until };
                self.locating.waiting.insert(lookup, waiting);
                self.output(Output::Resolve { id: lookup, wanted });
            }
            Err(why) => self.not_dialled(now, (id, leg), DialEnd::Unreachable(why.to_string())),
        }
    }

    /// Where a name leads, the first place to be tried first.
    pub(crate) fn located(&mut self, now: Instant, lookup: LookupId, places: &[Target]) {
        // Nobody waits for it any more.
        let Some(waiting) = self.locating.waiting.remove(&lookup) else { return };
        let Waiting { id, leg, request, target, .. } = waiting;
        if places.is_empty() {
            let why = format!("{} has no address", target.host);
            self.not_dialled(now, (id, leg), DialEnd::Unreachable(why));
        } else {
            let paths = self.paths_to(places);
            self.dial_by(now, (id, leg), request, (&target, paths));
        }
        self.drain_focus(now, id);
    }

    /// Who was not found in time is not called.
    pub(crate) fn locating_deadline(&mut self, now: Instant) {
        while let Some(Waiting { id, leg, target, .. }) = self.locating.take_due(now) {
            let why = format!("no name server says where {} is", target.host);
            self.not_dialled(now, (id, leg), DialEnd::Unreachable(why));
            self.drain_focus(now, id);
        }
    }

    /// Cancels the INVITE of a focus, or does not send it at all.
    pub(crate) fn cancel_dial(&mut self, now: Instant, id: ConferenceId, leg: LegId) {
        if let Some(txn) = self.active(id).and_then(|active| active.calling.get(&leg).copied()) {
            self.stack.cancel(now, txn);
        } else if self.locating.take(id, leg).is_some() {
            self.not_dialled(now, (id, leg), DialEnd::Cancelled);
        }
    }

    /// The ways to these places: each from an address of ours of its family, loopback from loopback.
    fn paths_to(&self, places: &[Target]) -> Vec<Source> {
        places.iter().filter_map(|place| self.path_to(*place)).collect()
    }

    /// The way to one.
    pub(crate) fn path_to(&self, Target { transport, remote }: Target) -> Option<Source> {
        let listens = || {
            let listens = self.listens.iter().map(|listen| listen.bind);
            listens.filter(|bind| bind.is_ipv4() == remote.is_ipv4())
        };
        let near = listens().find(|bind| {
            bind.ip().is_unspecified() || bind.ip().is_loopback() == remote.ip().is_loopback()
        });
        let local = near.or_else(|| listens().next())?;
        Some(Source { transport, local, remote, flow: FlowId::NONE })
    }
}
