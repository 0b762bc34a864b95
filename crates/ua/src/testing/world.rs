//! Several machines over one network under virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sip::{Packet, Source};
use units::{Instant, Rng};

use crate::answerer::{Answerer, AnswererEvent, AnswererOutput};
use crate::convener::{Convener, ConvenerOutput, Step};
use crate::event::{Event, Output};
use crate::phone::{Phone, PhoneNews, PhoneOutput};
use crate::slots::MediaNotice;
use crate::ua::Ua;

/// What a machine does to the world.
#[expect(clippy::large_enum_variant, reason = "one at a time")]
pub(crate) enum Made {
    Packet(Packet),
    Seen(Seen),
}

/// What a machine shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Ua(Event),
    Step(Step),
    Answerer(AnswererEvent),
    Phone(PhoneNews),
    Media(MediaNotice),
    Focus(String),
}

pub(crate) trait Machine {
    fn handle_packet(&mut self, now: Instant, packet: Packet);
    fn handle_deadline(&mut self, now: Instant);
    fn deadline(&self) -> Option<Instant>;
    fn poll(&mut self) -> Option<Made>;
    fn as_ua(&mut self) -> &mut Ua {
        panic!("not a plain user agent")
    }
    fn as_convener(&mut self) -> &mut Convener {
        panic!("not a convener")
    }
    fn as_answerer(&mut self) -> &mut Answerer {
        panic!("not an answerer")
    }
    fn as_phone(&mut self) -> &mut Phone {
        panic!("not a phone")
    }
    fn as_focus(&mut self) -> &mut super::Focus {
        panic!("not a focus")
    }
}

macro_rules! machine {
    ($machine:ty, $output:ident, $cast:ident, $($pattern:pat => $seen:expr),+) => {
        impl Machine for $machine {
            fn handle_packet(&mut self, now: Instant, packet: Packet) {
                Self::handle_packet(self, now, packet);
            }
            fn handle_deadline(&mut self, now: Instant) {
                Self::handle_deadline(self, now);
            }
            fn deadline(&self) -> Option<Instant> {
                Self::deadline(self)
            }
            fn poll(&mut self) -> Option<Made> {
                Some(match self.poll_output()? {
                    $output::Send(packet) => Made::Packet(packet),
                    $output::Resolve { wanted, .. } => panic!("all addresses are numbers: {wanted:?}"),
                    $($pattern => Made::Seen($seen),)+
                })
            }
            fn $cast(&mut self) -> &mut Self {
                self
            }
        }
    };
}

machine!(Ua, Output, as_ua, Output::Event(event) => Seen::Ua(event));
machine!(Convener, ConvenerOutput, as_convener,
    ConvenerOutput::Step(step) => Seen::Step(step),
    ConvenerOutput::Media(notice) => Seen::Media(notice));
machine!(Answerer, AnswererOutput, as_answerer,
    AnswererOutput::Event(event) => Seen::Answerer(event),
    AnswererOutput::Media(notice) => Seen::Media(notice));

machine!(Phone, PhoneOutput, as_phone,
    PhoneOutput::News(news) => Seen::Phone(news),
    PhoneOutput::Media(notice) => Seen::Media(notice));

/// What the network does to packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) loss_percent: f64,
    pub(crate) double_percent: f64,
    /// Each packet takes 5 ms, and up to this much more: so they overtake each other.
    pub(crate) jitter_ms: u64,
}

impl Faults {
    pub(crate) const NONE: Self = Self { loss_percent: 0.0, double_percent: 0.0, jitter_ms: 0 };
}

/// Machines by address, packets under way, and what was shown.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) machines: BTreeMap<SocketAddr, Box<dyn Machine>>,
    pub(crate) seen: Vec<(u64, SocketAddr, Seen)>,
    /// First lines of all that was sent: time, from, to, line.
    pub(crate) wire: Vec<(u64, SocketAddr, SocketAddr, String)>,
    under_way: BTreeMap<(Instant, u64), Packet>,
    count: u64,
    faults: Faults,
    rng: Rng,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            now: Instant::ZERO,
            machines: BTreeMap::new(),
            seen: Vec::new(),
            wire: Vec::new(),
            under_way: BTreeMap::new(),
            count: 0,
            faults,
            rng: Rng::from_number(seed),
        }
    }

    pub(crate) fn add(&mut self, address: &str, machine: impl Machine + 'static) {
        let address = super::addr(address);
        self.machines.insert(address, Box::new(machine));
        self.drain(address);
    }

    /// Runs a command of a machine.
    pub(crate) fn at<T>(
        &mut self,
        address: &str,
        command: impl FnOnce(&mut dyn Machine, Instant) -> T,
    ) -> T {
        let (address, now) = (super::addr(address), self.now);
        let machine = self.machines.get_mut(&address).expect("a machine");
        let result = command(machine.as_mut(), now);
        self.drain(address);
        result
    }

    /// What one machine has shown.
    pub(crate) fn seen_by(&self, address: &str) -> Vec<Seen> {
        let address = super::addr(address);
        let its = self.seen.iter().filter(|(_, whose, _)| *whose == address);
        its.map(|(_, _, seen)| seen.clone()).collect()
    }

    /// The steps that a convener has shown.
    pub(crate) fn steps(&self, address: &str) -> Vec<Step> {
        let steps = self.seen_by(address).into_iter().filter_map(|seen| match seen {
            Seen::Step(step) => Some(step),
            _ => None,
        });
        steps.collect()
    }

    /// How often a request line (or status line) that begins so was sent from one to another.
    pub(crate) fn sent(&self, from: &str, to: &str, line: &str) -> usize {
        let (from, to) = (super::addr(from), super::addr(to));
        let same = |(_, a, b, begin): &&(u64, SocketAddr, SocketAddr, String)| {
            *a == from && *b == to && begin.starts_with(line)
        };
        self.wire.iter().filter(same).count()
    }

    fn drain(&mut self, address: SocketAddr) {
        while let Some(made) = self.machines.get_mut(&address).and_then(|machine| machine.poll()) {
            match made {
                Made::Seen(seen) => self.seen.push((self.now.as_millis(), address, seen)),
                Made::Packet(packet) => self.send(packet),
            }
        }
    }

    fn send(&mut self, packet: Packet) {
        let line = packet.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let (from, to) = (packet.path.local, packet.path.remote);
        self.wire.push((self.now.as_millis(), from, to, line));
        let copies = if self.rng.percent(self.faults.double_percent) { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.percent(self.faults.loss_percent) {
                continue;
            }
            let jitter = self.rng.below(self.faults.jitter_ms + 1);
            let at = self.now + Duration::from_millis(5 + jitter);
            self.count += 1;
            self.under_way.insert((at, self.count), packet.clone());
        }
    }

    /// Runs until nothing is left to do, or `ms`.
    pub(crate) fn run_until_ms(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        loop {
            let arrival = self.under_way.keys().next().map(|(at, _)| *at);
            let deadlines = self.machines.iter().map(|(address, machine)| {
                let at = machine.deadline();
                at.map(|at| (at, *address))
            });
            let due = deadlines.flatten().min();
            let arrives_first = match (arrival, due) {
                (Some(arrival), Some((due, _))) => arrival <= due,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            let at = if arrives_first { arrival } else { due.map(|(at, _)| at) };
            let Some(at) = at.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            let now = self.now;
            if arrives_first {
                let Some((_, packet)) = self.under_way.pop_first() else { break };
                self.deliver(now, packet);
            } else if let Some((_, address)) = due {
                if let Some(machine) = self.machines.get_mut(&address) {
                    machine.handle_deadline(now);
                }
                self.drain(address);
            }
        }
        self.now = self.now.max(end);
    }

    fn deliver(&mut self, now: Instant, packet: Packet) {
        let Source { local, remote, .. } = packet.path;
        let path = Source { local: remote, remote: local, ..packet.path };
        if let Some(machine) = self.machines.get_mut(&remote) {
            machine.handle_packet(now, Packet { path, bytes: packet.bytes });
        }
        self.drain(remote);
    }
}
