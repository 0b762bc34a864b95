//! When a port that came back may be lent again.

use std::collections::BTreeMap;
use std::time::Duration;

use units::Instant;

/// Ports on which late packets of an ended leg may still come, by the number of their lending.
///
/// A port rests until nothing has come for a while: else the next leg would get what is meant for the last. Whoever
/// sends for ever cannot keep it for ever.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    resting: BTreeMap<u32, Resting>,
    quiet_for: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Resting {
    since: Instant,
    /// When something came last.
    disturbed_at: Instant,
}

impl Rest {
    pub(crate) fn new(quiet_for: Duration) -> Self {
        Self { resting: BTreeMap::new(), quiet_for }
    }

    /// A port came back.
    pub(crate) fn begin(&mut self, now: Instant, id: u32) {
        self.resting.insert(id, Resting { since: now, disturbed_at: now });
    }

    /// A packet came; whether to a port that rests.
    pub(crate) fn disturb(&mut self, now: Instant, id: u32) -> bool {
        let Some(resting) = self.resting.get_mut(&id) else { return false };
        resting.disturbed_at = now;
        true
    }

    /// A port that has rested enough.
    pub(crate) fn rested(&mut self, now: Instant) -> Option<u32> {
        let id = *self.resting.iter().find(|(_, resting)| self.until(resting) <= now)?.0;
        self.resting.remove(&id);
        Some(id)
    }

    /// Of these ports the one that came back first, if that is so long ago.
    pub(crate) fn longest(
        &mut self,
        now: Instant,
        at_least: Duration,
        is_of: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let can = |it: &(&u32, &Resting)| it.1.since + at_least <= now && is_of(*it.0);
        let (id, _) = self.resting.iter().filter(can).min_by_key(|(_, resting)| resting.since)?;
        let id = *id;
        self.resting.remove(&id);
        Some(id)
    }

    /// When to look for some next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.resting.values().map(|resting| self.until(resting)).min()
    }

    /// Whether any of these ports rests.
    pub(crate) fn any(&self, is_of: impl Fn(u32) -> bool) -> bool {
        self.resting.keys().any(|id| is_of(*id))
    }

    pub(crate) fn count(&self) -> usize {
        self.resting.len()
    }

    fn until(&self, resting: &Resting) -> Instant {
        let longest = resting.since + self.quiet_for * REST_FACTOR_MAX;
        longest.min(resting.disturbed_at + self.quiet_for)
    }
}

/// So many times the rest of an undisturbed port, and it is lent again whatever still comes: the next leg's latch keeps
/// strangers out, and nobody can take all ports away by sending to them.
const REST_FACTOR_MAX: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    /// T53: a late packet starts the rest anew.
    #[test]
    fn a_port_rests_until_nothing_has_come_for_ten_seconds() {
        let mut rest = Rest::new(QUIET);
        rest.begin(at(0), 1);
        rest.begin(at(1), 2);
        assert!(rest.disturb(at(9), 1) && !rest.disturb(at(9), 3));
        assert_eq!((rest.deadline(), rest.rested(at(10))), (Some(at(11)), None));
        assert_eq!((rest.rested(at(11)), rest.rested(at(18))), (Some(2), None));
        assert_eq!((rest.rested(at(19)), rest.count(), rest.deadline()), (Some(1), 0, None));
    }

    /// T53
    #[test]
    fn whoever_sends_for_ever_keeps_no_port_for_ever() {
        let mut rest = Rest::new(QUIET);
        rest.begin(at(0), 1);
        for second in 0..60 {
            assert_eq!(rest.rested(at(second)), None);
            rest.disturb(at(second), 1);
        }
        assert_eq!(rest.rested(at(60)), Some(1));
    }
}
