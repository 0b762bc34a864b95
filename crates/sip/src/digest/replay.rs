//! Which counts of which nonces were used (RFC 7616 §3.4, §5.4, §5.5).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use units::{Instant, UnixTime};

use super::Nonce;
use crate::{Essentials, TRANSACTION_TIMEOUT};

/// Nonces remembered as used. Only a right proof makes an entry, of some 200 bytes, and each lives as
/// long as its nonce (300 s): this is 200 callers a second in some 13 MB. When full the oldest nonce
/// goes, and whoever uses one as old again is told that it is stale.
pub const USED_NONCES_MAX: usize = 65_536;

/// Counts below the highest that are told apart: more than requests that overtake one another.
const WINDOW: u32 = 64;

/// Uses of one nonce that copies are known by: those of requests that are under way at once.
const RECENT_MAX: usize = 4;

/// What makes two requests with the same proof copies of one: the dialog identifiers, the number and
/// the address. Not the branch, nor the Request-URI: a proxy that recurses on our 302 brings the same
/// request to the focus with others. The method is in the proof itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Print([u8; 16]);

/// What a use of a nonce is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// This count is new.
    First,
    /// The same request as a moment ago: from the wire again, or by way of a redirection.
    Copy,
    /// This count was used by another request, or nobody knows any more whether it was.
    Replayed,
}

/// The nonces that were used, as long as they live.
#[derive(Debug, Default)]
pub struct UsedNonces {
    entries: BTreeMap<Nonce, Uses>,
    /// The youngest nonce that went for want of room: those up to it are not known to be unused.
    forgotten: Option<Nonce>,
}

#[derive(Debug, Default)]
struct Uses {
    highest: u32,
    /// Bit `n`: the count `highest - n` was used.
    seen: u64,
    recent: Vec<Recent>,
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    number: u32,
    print: Print,
    at: Instant,
}

impl Print {
    /// What a request is known by.
    pub fn of(essentials: &Essentials, source: IpAddr) -> Self {
        let address = source.to_canonical().to_string();
        let mut hash = Sha256::new();
        for field in [&essentials.call_id, essentials.from.tag().unwrap_or_default(), &address] {
            // Each with its length in front, so that no two lists of fields look alike.
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        hash.update(essentials.cseq.number.to_be_bytes());
        let mut print = [0; 16];
        print.copy_from_slice(&hash.finalize()[..16]);
        Self(print)
    }
}

impl fmt::Debug for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Print")
    }
}

impl UsedNonces {
    /// Nothing was used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a use of a fresh nonce whose proof was right. `number` is the nonce count; 0 for a peer
    /// who does not count, and who therefore may use a nonce once.
    pub fn note(
        &mut self,
        (now, wall): (Instant, UnixTime),
        nonce: Nonce,
        number: u32,
        print: Print,
    ) -> Use {
        self.forget_expired(wall);
        if !self.entries.contains_key(&nonce) {
            if self.forgotten.is_some_and(|last| nonce <= last) {
                return Use::Replayed;
            }
            self.make_room();
        }
        self.entries.entry(nonce).or_default().note(now, number, print)
    }

    /// Nonces that are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn forget_expired(&mut self, wall: UnixTime) {
        while let Some(entry) = self.entries.first_entry()
            && entry.key().made_at() < wall
            && !entry.key().is_fresh(wall)
        {
            entry.remove();
        }
    }

    fn make_room(&mut self) {
        while self.entries.len() >= USED_NONCES_MAX
            && let Some((oldest, _)) = self.entries.pop_first()
        {
            self.forgotten = self.forgotten.max(Some(oldest));
        }
    }
}

impl Uses {
    fn note(&mut self, now: Instant, number: u32, print: Print) -> Use {
        if self.is_used(number) {
            let is_copy = |recent: &Recent| {
                recent.number == number
                    && recent.print == print
                    && now.since(recent.at) <= TRANSACTION_TIMEOUT
            };
            return if self.recent.iter().any(is_copy) { Use::Copy } else { Use::Replayed };
        }
        if number > self.highest {
            let by = number - self.highest;
            self.seen = if by < WINDOW { self.seen << by } else { 0 };
            self.highest = number;
        }
        self.seen |= 1 << (self.highest - number);
        if self.recent.len() == RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(Recent { number, print, at: now });
        Use::First
    }

    /// Counts so far back that they are not told apart any more count as used.
    fn is_used(&self, number: u32) -> bool {
        match self.highest.checked_sub(number) {
            Some(back) if back < WINDOW => self.seen & (1 << back) != 0,
            Some(_) => true,
            None => false,
        }
    }
}
