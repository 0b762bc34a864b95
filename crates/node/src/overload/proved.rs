//! Who has shown that he receives where he sends from.
//!
//! Whoever forges addresses gets no answer, so he cannot acknowledge one: an ACK with the tag that only its receiver knows
//! proves an address, and a connection does. Under a flood those who are proved come first; whoever is refused once, and
//! acknowledges that, is proved when he comes again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use units::Instant;

use crate::allowance::take;
use crate::pace::network;

/// How long a proof is good for, after the last one. People who were refused try again within minutes.
const PROVED_FOR: Duration = Duration::from_secs(600);

/// The most addresses that are known to be proved: some 2 MB. When full, those whose time is over make room; if there are
/// none, further ones are strangers, and wait with them.
const PROVED_MAX: usize = 16_384;

/// How often room is looked for when there is none.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What of the rate one address may have before strangers, one in so many: the rest it has to share with them. So one proved
/// address that asks without end leaves others their place.
const SHARE: u32 = 4;

/// How many may come at once from one address.
const AT_ONCE: u32 = 4;

/// Who asks for something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// His address is proved, and he has not had more than his part.
    Proved,
    /// He comes again because he got no answer.
    Returning,
    Stranger,
}

#[derive(Debug, Default)]
pub(crate) struct Proved {
    callers: BTreeMap<IpAddr, Caller>,
    swept_at: Instant,
}

#[derive(Debug)]
struct Caller {
    until: Instant,
    /// When his part is whole again.
    whole_at: Instant,
}

impl Proved {
    /// Somebody has proved his address.
    pub(crate) fn prove(&mut self, now: Instant, ip: IpAddr) {
        let ip = network(ip);
        let until = now + PROVED_FOR;
        if let Some(caller) = self.callers.get_mut(&ip) {
            caller.until = until;
        } else if self.has_room(now) {
            self.callers.insert(ip, Caller { until, whole_at: now });
        }
    }

    /// Whether somebody of whom one more request came is proved and has not had more than his part of this rate.
    pub(crate) fn is_served_first(&mut self, now: Instant, ip: IpAddr, per_second: u32) -> bool {
        let caller = self.callers.get_mut(&network(ip)).filter(|caller| caller.until > now);
        let each = Duration::from_secs(1) * SHARE / per_second.max(1);
        caller.is_some_and(|caller| take(now, &mut caller.whole_at, (each, each * AT_ONCE)))
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.callers.len() >= PROVED_MAX && now.since(self.swept_at) >= SWEEP_EVERY {
            self.swept_at = now;
            self.callers.retain(|_, caller| caller.until > now);
        }
        self.callers.len() < PROVED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    #[test]
    fn a_proof_ends_and_one_address_has_its_part_and_no_more() {
        let mut proved = Proved::default();
        let at = Instant::from_millis;
        assert!(!proved.is_served_first(at(0), ip(1), 100));
        proved.prove(at(0), ip(1));
        // A quarter of 100 a second is one in 40 ms, and four at once.
        let had = |proved: &mut Proved, ms: u64| {
            (0..100).filter(|_| proved.is_served_first(at(ms), ip(1), 100)).count()
        };
        assert_eq!((had(&mut proved, 0), had(&mut proved, 39), had(&mut proved, 80)), (4, 0, 2));
        assert!(!proved.is_served_first(at(80), ip(2), 100), "nobody else has it");
        assert!(proved.is_served_first(at(599_999), ip(1), 100));
        assert!(!proved.is_served_first(at(600_000), ip(1), 100));
    }

    #[test]
    fn the_table_is_bounded_and_those_whose_time_is_over_make_room() {
        let mut proved = Proved::default();
        for number in 0..u32::try_from(PROVED_MAX).expect("small") + 9 {
            proved.prove(Instant::from_millis(5), ip(number));
        }
        assert_eq!(proved.callers.len(), PROVED_MAX);
        let late = Instant::ZERO + PROVED_FOR + Duration::from_millis(5);
        proved.prove(late, ip(1 << 20));
        assert_eq!(proved.callers.len(), 1);
    }
}
