//! Who is due when: one deadline a key, the earliest found without looking at the others.

use std::collections::{BTreeMap, BTreeSet};

use units::Instant;

/// Deadlines by key. As large as the table whose keys it holds, which is where its bound is.
#[derive(Debug)]
pub(crate) struct Agenda<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K: Copy + Ord> Agenda<K> {
    pub(crate) const fn new() -> Self {
        Self { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Sets the one deadline of `key`, or takes it away.
    pub(crate) fn set(&mut self, key: K, deadline: Option<Instant>) {
        let before = match deadline {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if before == deadline {
            return;
        }
        if let Some(at) = before {
            self.by_time.remove(&(at, key));
        }
        if let Some(at) = deadline {
            self.by_time.insert((at, key));
        }
    }

    /// The earliest deadline.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.by_time.first().map(|&(at, _)| at)
    }

    /// Takes out the earliest key that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    /// Takes out the earliest key, due or not.
    pub(crate) fn pop_first(&mut self) -> Option<K> {
        let &(_, key) = self.by_time.first()?;
        self.set(key, None);
        Some(key)
    }

    /// How many deadlines are set.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_due_in_order_of_time_and_only_once() {
        let at = Instant::from_millis;
        let mut agenda = Agenda::new();
        agenda.set('b', Some(at(20)));
        agenda.set('a', Some(at(30)));
        agenda.set('b', Some(at(40)));
        assert_eq!(agenda.deadline(), Some(at(30)));
        assert_eq!(agenda.pop_due(at(29)), None);
        assert_eq!(agenda.pop_due(at(50)), Some('a'));
        assert_eq!(agenda.pop_due(at(50)), Some('b'));
        assert_eq!((agenda.pop_due(at(50)), agenda.len()), (None, 0));
    }

    #[test]
    fn a_deadline_taken_away_never_comes_due() {
        let mut agenda = Agenda::new();
        agenda.set(1, Some(Instant::ZERO));
        agenda.set(1, None);
        assert_eq!(agenda.pop_due(Instant::from_millis(1)), None);
    }
}
