//! How many questions of no use one source may ask.
//!
//! A scanner tries names one after the other, and asks OPTIONS of everybody. Each gets an answer, so that an honest caller
//! with a wrong number learns of it; who asks on and on gets none any more, until he has been quiet for a while.
//!
//! What is counted and held back is only what makes no conference and joins none: whoever forges somebody's address can
//! keep him from asking OPTIONS, and from nothing else. Requests within a dialog, and those that mean one of our factories
//! or a conference there is, are never held back.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use sip::Source;
use units::Instant;

use crate::allowance::take;

/// How many answers of no use one source gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Answers a second in the long run.
    pub per_second: u32,
    /// Answers at once, after a time of quiet.
    pub burst: u32,
}

impl Default for Limits {
    /// Ten a second, a hundred at once: a proxy that asks OPTIONS for each of its phones stays below.
    fn default() -> Self {
        Self { per_second: 10, burst: 100 }
    }
}

/// The most sources that are kept apart. When full, those that have been quiet make room; are there none, all further
/// sources share one allowance: a flood from everywhere is held back as a whole.
const SOURCES_MAX: usize = 4_096;

/// How often room is looked for when there is none: a look goes through all sources.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A source: an IPv4 address, or the 64 bits of IPv6 that one customer has. What came over a stream shows its source, what
/// came by a datagram may not: the two are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct From {
    ip: IpAddr,
    is_proved: bool,
}

/// What each source has used of its allowance.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: Limits,
    /// When the allowance of each source is whole again.
    whole_at: BTreeMap<From, Instant>,
    /// The same for all sources together that have no place of their own.
    others_whole_at: Instant,
    swept_at: Instant,
    held_back: u64,
}

impl Pace {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            whole_at: BTreeMap::new(),
            others_whole_at: Instant::ZERO,
            swept_at: Instant::ZERO,
            held_back: 0,
        }
    }

    /// Other limits from now on.
    pub(crate) const fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether this source gets one more answer of no use. If so, it is counted.
    pub(crate) fn allows(&mut self, now: Instant, source: &Source) -> bool {
        let from = From::of(source);
        let has_place = self.whole_at.contains_key(&from) || self.has_room(now);
        let whole_at = if has_place {
            self.whole_at.entry(from).or_insert(now)
        } else {
            &mut self.others_whole_at
        };
        let each = Duration::from_secs(1) / self.limits.per_second.max(1);
        let allowed = take(now, whole_at, (each, each * self.limits.burst.max(1)));
        self.held_back += u64::from(!allowed);
        allowed
    }

    /// Requests that were not answered, since the start.
    pub(crate) const fn held_back(&self) -> u64 {
        self.held_back
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.whole_at.len() >= SOURCES_MAX && now.since(self.swept_at) >= SWEEP_EVERY {
            self.swept_at = now;
            self.whole_at.retain(|_, whole_at| *whole_at > now);
        }
        self.whole_at.len() < SOURCES_MAX
    }
}

impl From {
    fn of(source: &Source) -> Self {
        Self { ip: network(source.remote.ip()), is_proved: source.transport.is_reliable() }
    }
}

/// What one customer has: an IPv4 address, or the first 64 bits of IPv6.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip::{FlowId, Transport};

    fn source(transport: Transport, ip: &str) -> Source {
        let remote = (ip.parse::<IpAddr>().expect("an address"), 9).into();
        let local = ([192, 0, 2, 1], 5060).into();
        Source { transport, local, remote, flow: FlowId::NONE }
    }

    fn allowed(pace: &mut Pace, ms: u64, source: &Source, times: usize) -> usize {
        (0..times).filter(|_| pace.allows(Instant::from_millis(ms), source)).count()
    }

    /// T22
    #[test]
    fn a_source_has_its_burst_and_then_its_rate_and_no_other_pays_for_it() {
        let mut pace = Pace::new(Limits { per_second: 10, burst: 100 });
        let (one, two) = (source(Transport::Udp, "192.0.2.7"), source(Transport::Udp, "192.0.2.8"));
        assert_eq!(allowed(&mut pace, 1_000, &one, 1_000), 100);
        assert_eq!(allowed(&mut pace, 1_000, &two, 1_000), 100);
        assert_eq!(allowed(&mut pace, 2_000, &one, 1_000), 10);
        assert_eq!(
            allowed(&mut pace, 60_000, &one, 1_000),
            100,
            "a quiet source has it whole again"
        );
        assert_eq!(pace.held_back(), 900 + 900 + 990 + 900);
    }

    #[test]
    fn a_forged_datagram_takes_nothing_from_a_connection_and_a_network_is_one_source() {
        let mut pace = Pace::new(Limits { per_second: 1, burst: 1 });
        assert_eq!(allowed(&mut pace, 0, &source(Transport::Udp, "192.0.2.7"), 2), 1);
        assert_eq!(allowed(&mut pace, 0, &source(Transport::Tcp, "192.0.2.7"), 2), 1);
        assert_eq!(allowed(&mut pace, 0, &source(Transport::Udp, "2001:db8::1"), 2), 1);
        assert_eq!(allowed(&mut pace, 0, &source(Transport::Udp, "2001:db8::9"), 2), 0);
    }

    /// T21
    #[test]
    fn the_table_is_bounded_and_a_flood_from_everywhere_shares_one_allowance() {
        let mut pace = Pace::new(Limits { per_second: 1, burst: 2 });
        let from = |number: usize| {
            let [.., a, b] = u32::try_from(number).expect("small").to_be_bytes();
            source(Transport::Udp, &format!("198.51.{a}.{b}"))
        };
        let all =
            (0..SOURCES_MAX + 100).filter(|number| allowed(&mut pace, 0, &from(*number), 1) == 1);
        assert_eq!(all.count(), SOURCES_MAX + 2);
        assert_eq!(pace.whole_at.len(), SOURCES_MAX);
        // The quiet ones make room.
        assert_eq!(allowed(&mut pace, 5_000, &from(SOURCES_MAX + 7), 9), 2);
        assert_eq!(pace.whole_at.len(), 1);
    }
}
