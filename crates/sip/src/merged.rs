//! One request that arrives twice, by two ways.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use units::Instant;

use crate::{Essentials, Identifiers, Method, TRANSACTION_TIMEOUT};

/// The most requests remembered. At 512 a second for the 32 s that each is remembered, and some 100
/// bytes each, however long the identifiers are: 2 MB. When full, the oldest is forgotten: a copy of
/// it that still comes is then taken for a new request, as it would be by a server without this check.
pub const MERGED_MAX: usize = 16_384;

/// Remembers the requests that are going on, to tell one that a proxy has forked and that comes
/// together again here (RFC 3261 §8.2.2.2).
///
/// One guard may serve many UAS cores (each factory, each conference): a proxy that recurses on a 302
/// sends the same request to another core, and that must get through. "Going on" is 64·T1 from the
/// first copy, or until [`Self::done`].
#[derive(Debug, Default)]
pub struct MergedGuard {
    going_on: BTreeMap<Key, Entry>,
    /// In the order of time; may hold what is no longer in `going_on`.
    order: VecDeque<(Instant, Key)>,
}

/// What a request is to those that are going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// Not seen before, or within a dialog. It is remembered now.
    Fresh,
    /// The same once more: same branch, same sent-by.
    SameTransaction,
    /// The same by another way: answer 482.
    Merged,
}

/// A fingerprint of what two ways have in common. Whoever could make two requests look alike would
/// have to know the other one's Call-ID and From tag, and could then send it by another way himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64);

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    until: Instant,
    hop: Hop,
}

/// A fingerprint of what differs between two ways.
#[derive(Debug, PartialEq, Eq)]
struct Hop(u64);

impl MergedGuard {
    /// Makes a guard that remembers nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks a request up and remembers it. `core` names the UAS core, such as the URI of the factory.
    pub fn check(&mut self, now: Instant, core: &str, essentials: &Essentials) -> Merged {
        self.forget_until(now);
        // RFC 3261 §8.2.2.2: only requests without a To tag can be merged ones.
        if essentials.to.tag().is_some() {
            return Merged::Fresh;
        }
        let (key, hop) = fingerprints(core, &essentials.cseq.method, essentials.identifiers());
        if let Some(entry) = self.going_on.get(&key) {
            return if entry.hop == hop { Merged::SameTransaction } else { Merged::Merged };
        }
        while self.order.len() >= MERGED_MAX {
            self.forget_oldest();
        }
        let until = now + TRANSACTION_TIMEOUT;
        self.order.push_back((until, key));
        self.going_on.insert(key, Entry { until, hop });
        Merged::Fresh
    }

    /// The request is over: it was refused, or its answer was acknowledged. The essentials of the ACK to
    /// a refusal or redirection do as well as the request's own: they name the same hop (RFC 3261
    /// §17.1.1.3). Says whether it was going on until now; what came by another way is not it.
    pub fn done(&mut self, core: &str, essentials: &Essentials) -> bool {
        self.is_done(fingerprints(core, &essentials.cseq.method, essentials.identifiers()))
    }

    /// The same for an INVITE whose ACK was only looked at.
    pub fn acknowledged(&mut self, core: &str, ack: Identifiers<'_>) -> bool {
        self.is_done(fingerprints(core, &Method::Invite, ack))
    }

    fn is_done(&mut self, (key, hop): (Key, Hop)) -> bool {
        let was_going_on = self.going_on.get(&key).is_some_and(|entry| entry.hop == hop);
        if was_going_on {
            self.going_on.remove(&key);
        }
        was_going_on
    }

    /// When something is to be forgotten next.
    pub fn deadline(&self) -> Option<Instant> {
        self.order.front().map(|(until, _)| *until)
    }

    /// Forgets what is over at `now`. [`Self::check`] does so too.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.forget_until(now);
    }

    /// How many requests are remembered.
    pub fn len(&self) -> usize {
        self.going_on.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.going_on.is_empty()
    }

    fn forget_until(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((until, key)) = self.order.pop_front() else { return };
        // The same key may have been done and come again: then that one stays.
        if self.going_on.get(&key).is_some_and(|entry| entry.until == until) {
            self.going_on.remove(&key);
        }
    }
}

fn fingerprints(core: &str, method: &Method, request: Identifiers<'_>) -> (Key, Hop) {
    let method = match method {
        Method::Ack => &Method::Invite,
        method => method,
    };
    let Identifiers { call_id, from_tag, cseq, via } = request;
    let mut host = Cow::Borrowed(via.host.as_str());
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        host.to_mut().make_ascii_lowercase();
    }
    (
        Key(fingerprint(&(core, call_id, from_tag, cseq, method.as_str()))),
        Hop(fingerprint(&(via.branch(), host, via.sent_by_port()))),
    )
}

fn fingerprint(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
