//! A datagram network with faults.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use units::{Instant, Rng};

/// What the network does to the packets of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Packets lost.
    pub loss_percent: f64,
    /// Packets delivered twice.
    pub duplicate_percent: f64,
    /// The shortest time on the way.
    pub delay_min: Duration,
    /// The longest time on the way; packets that overtake each other are reordered.
    pub delay_max: Duration,
}

impl Faults {
    /// A network that only takes a millisecond.
    pub const NONE: Self = Self {
        loss_percent: 0.0,
        duplicate_percent: 0.0,
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(1),
    };
}

/// The kinds of packets that faults tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SIP messages.
    Signalling,
    /// RTP packets.
    Media,
}

/// A datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The sender's address.
    pub from: SocketAddr,
    /// The receiver's address.
    pub to: SocketAddr,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Everything that is under way.
#[derive(Debug)]
pub struct Network {
    signalling: Faults,
    media: Faults,
    rng: Rng,
    /// By time of arrival, then by number, so that a run can be repeated. Bounded by what the
    /// machines send within `delay_max`.
    under_way: BTreeMap<(Instant, u64), Datagram>,
    last: u64,
    /// Hosts from which nothing arrives any more, and hosts that nothing reaches.
    mute: BTreeSet<IpAddr>,
    deaf: BTreeSet<IpAddr>,
    /// What was sent, lost and repeated, for the report.
    pub counts: Counts,
}

/// What the network did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets given to the network.
    pub sent: u64,
    /// Packets it lost.
    pub lost: u64,
    /// Packets it delivered twice.
    pub repeated: u64,
}

impl Network {
    /// An empty network.
    pub fn new(signalling: Faults, media: Faults, rng: Rng) -> Self {
        let under_way = BTreeMap::new();
        Self {
            signalling,
            media,
            rng,
            under_way,
            last: 0,
            mute: BTreeSet::new(),
            deaf: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    /// From now on nothing that this host sends arrives. What is under way does.
    pub fn make_mute(&mut self, host: IpAddr) {
        self.mute.insert(host);
    }

    /// From now on nothing sent to this host arrives. What is under way does.
    pub fn make_deaf(&mut self, host: IpAddr) {
        self.deaf.insert(host);
    }

    /// Puts a packet on the wire.
    pub fn send(&mut self, now: Instant, kind: Kind, datagram: Datagram) {
        let faults = match kind {
            Kind::Signalling => self.signalling,
            Kind::Media => self.media,
        };
        self.counts.sent += 1;
        let is_cut =
            self.mute.contains(&datagram.from.ip()) || self.deaf.contains(&datagram.to.ip());
        if self.rng.percent(faults.loss_percent) || is_cut {
            self.counts.lost += 1;
            return;
        }
        if self.rng.percent(faults.duplicate_percent) {
            self.counts.repeated += 1;
            self.schedule(now, faults, datagram.clone());
        }
        self.schedule(now, faults, datagram);
    }

    fn schedule(&mut self, now: Instant, faults: Faults, datagram: Datagram) {
        let spread = faults.delay_max.saturating_sub(faults.delay_min);
        let nanos = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
        let delay = faults.delay_min + Duration::from_nanos(self.rng.below(nanos.max(1)));
        self.last += 1;
        self.under_way.insert((now + delay, self.last), datagram);
    }

    /// When the next packet arrives.
    pub fn deadline(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Takes out the next packet that has arrived by `now`.
    pub fn arrived(&mut self, now: Instant) -> Option<Datagram> {
        let (&(at, _), _) = self.under_way.first_key_value()?;
        if at > now {
            return None;
        }
        self.under_way.pop_first().map(|(_, datagram)| datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(number: u8) -> Datagram {
        let address = SocketAddr::from(([10, 0, 0, number], 5060));
        Datagram { from: address, to: address, bytes: vec![number] }
    }

    #[test]
    fn same_seed_same_fate() {
        let run = || {
            let faults = Faults {
                loss_percent: 20.0,
                duplicate_percent: 10.0,
                delay_min: Duration::from_millis(1),
                delay_max: Duration::from_millis(80),
            };
            let mut network = Network::new(faults, faults, Rng::from_number(3));
            for number in 0..100 {
                network.send(Instant::ZERO, Kind::Media, datagram(number));
            }
            let mut seen = Vec::new();
            while let Some(one) = network.arrived(Instant::from_millis(100)) {
                seen.push(one.bytes[0]);
            }
            (seen, network.counts)
        };
        let (seen, counts) = run();
        assert_eq!((seen.clone(), counts), run());
        assert!(counts.lost > 5 && counts.repeated > 2, "{counts:?}");
        assert!(!seen.is_sorted(), "nothing was reordered");
    }

    #[test]
    fn nothing_arrives_early() {
        let mut network = Network::new(Faults::NONE, Faults::NONE, Rng::from_number(1));
        network.send(Instant::ZERO, Kind::Signalling, datagram(1));
        assert_eq!(network.arrived(Instant::from_nanos(999_999)), None);
        assert_eq!(network.arrived(Instant::from_millis(1)), Some(datagram(1)));
    }
}
