//! The clock, and everybody on it.

use std::time::Duration;

use units::{Instant, soonest};

use crate::network::{Datagram, Kind, Network};
use crate::serving::Serving;
use crate::terminal::Terminal;
use crate::watching::Watching;
use crate::wire::Sniffed;

/// A fault of ours, put in on purpose: a checker must catch it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Canary {
    /// None: everything must be well.
    #[default]
    None,
    /// The mixer sends everybody another one's mix.
    CrossesLegs,
    /// The disk has forgotten everything when the next process begins.
    DiskForgets,
    /// Time passes, and the node is not told.
    EndlessHolds,
    /// Every copy of a request to the factory looks like another caller's.
    ForgetsWhoAsked,
    /// The mixer is never told to give a port back.
    LeaksPorts,
    /// One mixer is taken for ten times as large as the others.
    Lopsided,
    /// The next process has other keys.
    OtherKeys,
    /// The next process sells twice the room that there is.
    SellsTwice,
    /// The old process goes on beside the next, and each takes some of those who come.
    TwoProcesses,
}

/// One serving side, some terminals, a network between them.
#[derive(Debug)]
pub struct World {
    /// The clock.
    pub now: Instant,
    /// What lies between them.
    pub network: Network,
    pub(crate) serving: Serving,
    pub(crate) terminals: Vec<Terminal>,
    /// Who watches from outside, from the moment that there is something to watch.
    pub(crate) watching: Option<Watching>,
    /// Every SIP message that was sent, lost ones too. Bounded by the length of a run.
    pub sniffed: Vec<Sniffed>,
    /// Steps of virtual time taken.
    pub steps: u64,
}

impl World {
    pub(crate) fn new(network: Network, serving: Serving, terminals: Vec<Terminal>) -> Self {
        let mut world = Self {
            now: Instant::ZERO,
            network,
            serving,
            terminals,
            watching: None,
            sniffed: Vec::new(),
            steps: 0,
        };
        world.settle();
        world
    }

    /// Lets time pass until `until` holds; says whether it did within `at_most`.
    pub fn run_until(&mut self, at_most: Duration, mut until: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + at_most;
        loop {
            if until(self) {
                return true;
            }
            match self.deadline() {
                Some(at) if at <= end => self.step(at),
                Some(_) | None => {
                    self.now = end;
                    return until(self);
                }
            }
        }
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    fn deadline(&self) -> Option<Instant> {
        self.terminals
            .iter()
            .map(Terminal::deadline)
            .chain(self.watching.iter().map(Watching::deadline))
            .fold(soonest(self.network.deadline(), self.serving.deadline()), soonest)
    }

    fn step(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.steps += 1;
        while let Some(datagram) = self.network.arrived(self.now) {
            if self.serving.owns(datagram.to) {
                self.serving.receive(self.now, datagram);
            } else if let Some(terminal) =
                self.terminals.iter_mut().find(|terminal| terminal.owns(datagram.to))
            {
                terminal.receive(self.now, datagram);
            } else if let Some(watching) =
                self.watching.as_mut().filter(|watching| watching.sip == datagram.to)
            {
                watching.receive(self.now, datagram);
            }
        }
        if self.serving.deadline().is_some_and(|at| at <= self.now) {
            self.serving.handle_deadline(self.now);
        }
        for terminal in &mut self.terminals {
            if terminal.deadline().is_some_and(|at| at <= self.now) {
                terminal.handle_deadline(self.now);
            }
        }
        if let Some(watching) = &mut self.watching
            && watching.deadline().is_some_and(|at| at <= self.now)
        {
            watching.handle_deadline(self.now);
        }
        self.settle();
    }

    /// Puts on the network what anybody sent.
    pub(crate) fn settle(&mut self) {
        self.serving.settle(self.now);
        for terminal in &mut self.terminals {
            terminal.settle(self.now);
        }
        let terminals = self.terminals.iter_mut().flat_map(|terminal| terminal.out.drain(..));
        let watching = self.watching.iter_mut().flat_map(|watching| watching.out.drain(..));
        for (kind, datagram) in self.serving.out.drain(..).chain(terminals).chain(watching) {
            self.sniffed.extend(Sniffed::read(
                self.now,
                datagram.from,
                datagram.to,
                if kind == Kind::Signalling { &datagram.bytes } else { &[] },
            ));
            self.network.send(self.now, kind, datagram);
        }
    }

    /// What was sent within this time with `is_copied` is sent once more: as retransmissions that the network kept for long.
    pub(crate) fn repeat(&mut self, within: Duration, is_copied: impl Fn(&Sniffed) -> bool) {
        let copies: Vec<Datagram> = self
            .sniffed
            .iter()
            .filter(|sniffed| self.now.since(sniffed.at) < within && is_copied(sniffed))
            .map(|sniffed| {
                let Sniffed { from, to, message, .. } = sniffed;
                Datagram { from: *from, to: *to, bytes: message.to_bytes() }
            })
            .collect();
        for copy in copies {
            self.network.send(self.now, Kind::Signalling, copy);
        }
    }
}
