//! What outlives the process: a disk that takes its time, and that a kill cuts off.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use node::{StoreChange, StoredConference, StoredKey};
use pool::ConferenceId;
use units::{Instant, Rng};

/// Changes in the order in which they were told; what is written is answered.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) conferences: BTreeMap<ConferenceId, StoredConference>,
    pub(crate) keys: BTreeMap<ConferenceId, StoredKey>,
    /// On their way, and when they are there. Bounded by what a node says within [`WRITE_MAX`].
    queue: VecDeque<(Instant, u64, StoreChange)>,
    rng: Rng,
}

impl Disk {
    pub(crate) fn new(rng: Rng) -> Self {
        let (conferences, keys) = (BTreeMap::new(), BTreeMap::new());
        Self { conferences, keys, queue: VecDeque::new(), rng }
    }

    pub(crate) fn write(&mut self, now: Instant, ticket: u64, change: StoreChange) {
        let nanos = u64::try_from(WRITE_MAX.as_nanos()).unwrap_or(u64::MAX);
        let at = now + Duration::from_nanos(self.rng.below(nanos));
        // In their order: none is there before the one that was told before it.
        let at = self.queue.back().map_or(at, |(last, ..)| at.max(*last));
        self.queue.push_back((at, ticket, change));
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queue.front().map(|(at, ..)| *at)
    }

    /// Writes the next change that is due; its ticket.
    pub(crate) fn written(&mut self, now: Instant) -> Option<u64> {
        let (_, ticket, change) = self.queue.pop_front_if(|(at, ..)| *at <= now)?;
        self.keep(change);
        Some(ticket)
    }

    /// The process is killed. Some of what was under way is written, and nobody is told of it any more; the rest is not.
    pub(crate) fn cut(&mut self) {
        let written = usize::try_from(self.rng.below(self.queue.len() as u64 + 1)).unwrap_or(0);
        for (_, _, change) in std::mem::take(&mut self.queue).into_iter().take(written) {
            self.keep(change);
        }
    }

    fn keep(&mut self, change: StoreChange) {
        match change {
            StoreChange::Put(stored) => drop(self.conferences.insert(stored.id, *stored)),
            StoreChange::Remove(id) => drop(self.conferences.remove(&id)),
            StoreChange::PutMade(stored, key) => {
                self.conferences.insert(stored.id, *stored);
                self.keys.insert(key.id, *key);
            }
            StoreChange::RemoveKey(id) => drop(self.keys.remove(&id)),
        }
    }
}

/// The longest that a write takes.
const WRITE_MAX: Duration = Duration::from_millis(50);
