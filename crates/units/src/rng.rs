//! A seeded source of random bytes.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Random bytes from a 32-byte seed (ChaCha20).
///
/// The rim seeds it from the operating system, so that tags and tokens cannot be guessed; tests and
/// the simulation seed it with a number, so that a run can be repeated.
pub struct Rng(ChaCha20Rng);

impl Rng {
    /// Makes a source from a full seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Makes a source from a number: for tests and the simulation only.
    pub fn from_number(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// Splits off a source of its own, so that one part's use does not shift another's numbers.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.bytes())
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.0.fill_bytes(&mut out);
        out
    }

    /// A random 32-bit number.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A random 64-bit number.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `bound - 1`; 0 if `bound` is 0. The bias is below `bound` / 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// True with probability `percent` / 100.
    pub fn percent(&mut self, percent: f64) -> bool {
        f64::from(self.u32()) * 100.0 / 4_294_967_296.0 < percent
    }

    /// `chars` characters of `a-z2-7`, 5 bits each: for tags, branches and Call-IDs.
    pub fn token(&mut self, chars: usize) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..chars).map(|_| char::from(ALPHABET[(self.u32() >> 27) as usize])).collect()
    }
}

impl fmt::Debug for Rng {
    /// Shows nothing of the state: it decides what must not be guessed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers_and_forks_differ() {
        let (mut a, mut b) = (Rng::from_number(7), Rng::from_number(7));
        assert_eq!(a.token(20), b.token(20));
        let mut fork = a.fork();
        assert_ne!(fork.u64(), b.u64());
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::from_number(1);
        assert!((0..1_000).all(|_| rng.below(7) < 7));
        assert_eq!(rng.below(0), 0);
    }
}
