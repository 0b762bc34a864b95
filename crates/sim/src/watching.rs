//! Somebody who watches the conference from outside, and what he has been told.

use std::net::SocketAddr;

use sip::{FlowId, Packet, Source, Transport, Uri};
use ua::{Roster, UaConfig, Watcher, WatcherConfig, WatcherEvent, WatcherOutput};
use units::{Instant, Rng};

use crate::network::{Datagram, Kind};

/// A watcher and its last roster.
#[derive(Debug)]
pub(crate) struct Watching {
    pub(crate) sip: SocketAddr,
    machine: Watcher,
    pub(crate) roster: Option<Roster>,
    pub(crate) is_finished: bool,
    pub(crate) out: Vec<(Kind, Datagram)>,
}

impl Watching {
    pub(crate) fn new(now: Instant, sip: SocketAddr, conference: Uri, rng: Rng) -> Self {
        let config = WatcherConfig { ua: UaConfig::new("dave", sip), conference, stay: None };
        let machine = Watcher::new(now, config, rng)
            .expect("invariant: the conference of the simulation can be subscribed to");
        let mut watching = Self { sip, machine, roster: None, is_finished: false, out: Vec::new() };
        watching.settle();
        watching
    }

    pub(crate) fn receive(&mut self, now: Instant, datagram: Datagram) {
        let path = Source {
            transport: Transport::Udp,
            local: self.sip,
            remote: datagram.from,
            flow: FlowId::NONE,
        };
        self.machine.handle_packet(now, Packet { path, bytes: datagram.bytes });
        self.settle();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) {
        self.machine.handle_deadline(now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                WatcherOutput::Send(packet) => {
                    let (from, to) = (packet.path.local, packet.path.remote);
                    self.out.push((Kind::Signalling, Datagram { from, to, bytes: packet.bytes }));
                }
                WatcherOutput::Event(WatcherEvent::Roster(roster)) => self.roster = Some(*roster),
                WatcherOutput::Event(WatcherEvent::Finished) => self.is_finished = true,
                // Every document must be readable; a check sees it by its roster.
                WatcherOutput::Event(
                    WatcherEvent::Unreadable(_)
                    | WatcherEvent::Waiting { .. }
                    | WatcherEvent::Ended(_),
                )
                // All hosts of this world are numbers.
                | WatcherOutput::Resolve { .. } => {}
            }
        }
    }
}
