//! Who has been wrong too often, from where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use sip::source_key;
use units::Instant;

/// Wrong proofs of one user from one source until both are locked. A phone with a mistyped password
/// shows one each time somebody presses a key; a dictionary needs thousands.
pub(super) const TRIES_MAX: u32 = 5;

/// How long wrong proofs are remembered, and how long a lock lasts: 480 guesses a day.
pub(super) const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);

/// Pairs of user and source that are remembered; 100 bytes each and the name. Only who received a
/// challenge of ours makes one. When full the one that would go first goes: to have his own forgotten
/// somebody must be wrong so many times under other names.
const LOCKS_MAX: usize = 16_384;

/// Longest name that is remembered whole: no user of ours has a longer one.
const NAME_BYTES_MAX: usize = 64;

/// A user, known or not, from a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    source: IpAddr,
    name: String,
}

#[derive(Debug)]
struct Wrongs {
    count: u32,
    /// The last wrong response: a copy of the request from the wire is no new try.
    last: String,
    until: Instant,
}

/// Wrong proofs of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Locks {
    pairs: BTreeMap<Pair, Wrongs>,
    /// When each is forgotten.
    order: BTreeSet<(Instant, Pair)>,
}

/// What one more wrong proof does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is counted.
    Counted,
    /// It was the last one: from now on nobody of this name gets in from there.
    Locks,
    /// It was counted before.
    Copy,
}

impl Locks {
    pub(super) fn is_locked(&mut self, now: Instant, name: &str, source: IpAddr) -> bool {
        self.forget_until(now);
        self.pairs.get(&Pair::of(name, source)).is_some_and(|wrongs| wrongs.count >= TRIES_MAX)
    }

    pub(super) fn wrong(
        &mut self,
        now: Instant,
        name: &str,
        source: IpAddr,
        response: &str,
    ) -> Wrong {
        self.forget_until(now);
        let pair = Pair::of(name, source);
        let until = now + LOCKED_FOR;
        let count = match self.pairs.remove(&pair) {
            Some(wrongs) if wrongs.last == response => {
                self.pairs.insert(pair, wrongs);
                return Wrong::Copy;
            }
            Some(wrongs) => {
                self.order.remove(&(wrongs.until, pair.clone()));
                wrongs.count + 1
            }
            None => 1,
        };
        while self.pairs.len() >= LOCKS_MAX
            && let Some((_, first)) = self.order.pop_first()
        {
            self.pairs.remove(&first);
        }
        let last = response.chars().take(RESPONSE_CHARS_MAX).collect();
        self.order.insert((until, pair.clone()));
        self.pairs.insert(pair, Wrongs { count, last, until });
        if count >= TRIES_MAX { Wrong::Locks } else { Wrong::Counted }
    }

    /// He was right: what went before is forgiven.
    pub(super) fn right(&mut self, name: &str, source: IpAddr) {
        let pair = Pair::of(name, source);
        if let Some(wrongs) = self.pairs.remove(&pair) {
            self.order.remove(&(wrongs.until, pair));
        }
    }

    fn forget_until(&mut self, now: Instant) {
        while let Some((until, pair)) = self.order.first().cloned()
            && until <= now
        {
            self.order.remove(&(until, pair.clone()));
            self.pairs.remove(&pair);
        }
    }
}

/// Longest response that can be right: SHA-256 in hex.
const RESPONSE_CHARS_MAX: usize = 64;

impl Pair {
    /// An IPv6 host may have as many addresses as it likes in its /64.
    fn of(name: &str, source: IpAddr) -> Self {
        let source = source_key(source);
        let end = name.floor_char_boundary(NAME_BYTES_MAX);
        Self { source, name: name[..end].to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn tries(locks: &mut Locks, at: u64, name: &str, source: &str, count: u32) -> Wrong {
        let now = Instant::from_millis(at);
        let one = |n| locks.wrong(now, name, ip(source), &format!("{at}-{n}"));
        (0..count).map(one).last().expect("at least one")
    }

    /// T38: the fifth wrong one locks this user from this source, and nobody else.
    #[test]
    fn five_wrong_ones_lock_a_user_from_a_source_for_a_quarter_of_an_hour() {
        let mut locks = Locks::default();
        let (home, away) = ("192.0.2.1", "192.0.2.2");
        assert_eq!(tries(&mut locks, 0, "alice", home, 4), Wrong::Counted);
        assert!(!locks.is_locked(Instant::ZERO, "alice", ip(home)));
        assert_eq!(tries(&mut locks, 1, "alice", home, 1), Wrong::Locks);
        let at = Instant::from_millis;
        assert!(locks.is_locked(at(900_000), "alice", ip(home)));
        assert!(!locks.is_locked(at(900_000), "alice", ip(away)));
        assert!(!locks.is_locked(at(900_000), "bob", ip(home)));
        assert!(!locks.is_locked(at(900_001), "alice", ip(home)));
        assert_eq!(tries(&mut locks, 900_002, "alice", home, 4), Wrong::Counted, "all anew");
    }

    #[test]
    fn copies_count_once_and_a_right_one_forgives() {
        let mut locks = Locks::default();
        let source = ip("192.0.2.1");
        for _ in 0..10 {
            locks.wrong(Instant::ZERO, "alice", source, "same");
        }
        assert!(!locks.is_locked(Instant::ZERO, "alice", source));
        assert_eq!(tries(&mut locks, 0, "alice", "192.0.2.1", 3), Wrong::Counted);
        locks.right("alice", source);
        assert_eq!(tries(&mut locks, 0, "alice", "::ffff:192.0.2.1", 4), Wrong::Counted);
        assert_eq!(tries(&mut locks, 1, "alice", "192.0.2.1", 1), Wrong::Locks);
    }

    #[test]
    fn a_whole_ipv6_network_is_one_source() {
        let mut locks = Locks::default();
        for host in 1..=5 {
            tries(&mut locks, host, "alice", &format!("2001:db8::{host}"), 1);
        }
        assert!(locks.is_locked(Instant::from_millis(9), "alice", ip("2001:db8::99")));
        assert!(!locks.is_locked(Instant::from_millis(9), "alice", ip("2001:db8:0:1::1")));
    }

    /// T38 · Whatever names are tried, the table stays within its bounds.
    #[test]
    fn the_table_is_bounded() {
        let mut locks = Locks::default();
        assert_eq!(tries(&mut locks, 0, &"ä".repeat(10_000), "192.0.2.1", 5), Wrong::Locks);
        for number in 0..2 * LOCKS_MAX {
            tries(&mut locks, 1, &format!("user{number}"), "192.0.2.1", 1);
        }
        assert_eq!((locks.pairs.len(), locks.order.len()), (LOCKS_MAX, LOCKS_MAX));
        assert!(locks.pairs.keys().all(|pair| pair.name.len() <= NAME_BYTES_MAX));
        assert!(!locks.is_locked(Instant::from_millis(2_000_000), "user1", ip("192.0.2.1")));
        assert!(locks.pairs.is_empty() && locks.order.is_empty());
    }
}
