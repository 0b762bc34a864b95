//! Who comes again after he got no answer.
//!
//! Whoever floods does not wait for answers, and so does not ask again for want of one; a phone does, after 0.5, 1.5, 3.5 s
//! (RFC 3261 §17.1.1.2). What got no answer is remembered for some seconds, as bits: when it comes again, it comes before
//! what comes for the first time. Who floods has to send everything twice, then, and to wait between.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::net::IpAddr;
use std::time::Duration;

use units::Instant;

/// How long one set of bits takes in what was not answered: what is in it has come so long ago, on average, when it is asked.
const GENERATION: Duration = Duration::from_millis(500);

/// How many there are: 4 s, which is the longest time between two copies of an INVITE up to the fourth.
const GENERATIONS: usize = 8;

/// Bits in one set: 128 KiB, and 1 MiB in all. With ten thousand a second unanswered, one in a thousand that comes for the
/// first time looks as if it came again; with a hundred thousand one in fifteen.
const BITS: u64 = 1 << 20;

const WORDS: usize = (BITS / 64) as usize;

/// What says that two requests are copies of one.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Copied<'a> {
    pub(crate) source: IpAddr,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
}

pub(crate) struct Returning {
    secret: u64,
    /// Empty until something was not answered. The first one takes in what is not now.
    generations: Vec<Vec<u64>>,
    since: Instant,
}

impl Returning {
    /// `secret` keeps others from finding requests that look alike.
    pub(crate) const fn new(secret: u64) -> Self {
        Self { secret, generations: Vec::new(), since: Instant::ZERO }
    }

    /// This one was not answered.
    pub(crate) fn unanswered(&mut self, now: Instant, copied: Copied<'_>) {
        if self.generations.is_empty() {
            self.generations = vec![vec![0; WORDS]; GENERATIONS];
            self.since = now;
        }
        self.turn(now);
        for bit in self.bits(copied) {
            self.generations[0][word(bit)] |= 1 << (bit % 64);
        }
    }

    /// Whether this one has come before, some time ago, and was not answered.
    pub(crate) fn has(&mut self, now: Instant, copied: Copied<'_>) -> bool {
        if self.generations.is_empty() {
            return false;
        }
        self.turn(now);
        let bits = self.bits(copied);
        let is_in = |set: &Vec<u64>| bits.iter().all(|bit| set[word(*bit)] >> (bit % 64) & 1 == 1);
        self.generations[1..].iter().any(is_in)
    }

    fn turn(&mut self, now: Instant) {
        for _ in 0..GENERATIONS {
            if now.since(self.since) < GENERATION {
                return;
            }
            self.since += GENERATION;
            self.generations.rotate_right(1);
            self.generations[0].fill(0);
        }
        // All of them are empty.
        self.since = now;
    }

    fn bits(&self, copied: Copied<'_>) -> [u64; 2] {
        let mut hasher = DefaultHasher::new();
        (self.secret, copied).hash(&mut hasher);
        let hash = hasher.finish();
        [hash % BITS, (hash >> 32) % BITS]
    }
}

const fn word(bit: u64) -> usize {
    (bit / 64) as usize
}

impl fmt::Debug for Returning {
    /// Shows nothing: bits say nothing, and the secret is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Returning")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn copied(cseq: u32) -> Copied<'static> {
        Copied { source: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), call_id: "call", cseq }
    }

    #[test]
    fn who_comes_again_is_known_for_some_seconds_and_hardly_anybody_else() {
        let at = Instant::from_millis;
        let mut returning = Returning::new(7);
        assert!(!returning.has(at(10_000), copied(1)));
        returning.unanswered(at(10_000), copied(1));
        assert!(!returning.has(at(10_010), copied(1)), "so soon no phone comes again");
        for ms in [10_500, 11_500, 13_500] {
            assert!(returning.has(at(ms), copied(1)), "{ms}");
            assert!(!returning.has(at(ms), copied(2)), "{ms}");
        }
        assert!(!returning.has(at(14_100), copied(1)), "it is forgotten");
        for number in 0..5_000 {
            returning.unanswered(at(20_000), copied(number));
        }
        let again = (0..5_000).filter(|number| returning.has(at(20_600), copied(*number)));
        assert_eq!(again.count(), 5_000);
        let new = (5_000..10_000).filter(|number| returning.has(at(20_600), copied(*number)));
        assert!(new.count() < 10);
        assert!(!returning.has(at(90_000), copied(1)));
    }
}
