//! The serving side: a node and its media shard.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mix::message::{Action, Channel, LentPort};
use mix::{Farewell, Shard, ShardConfig, Sink};
use node::{Input, Node, Notice, Output, Record};
use sip::{Arrival, FlowId, Packet, Source, Transport};
use units::{Instant, soonest};

use crate::network::{Datagram, Kind};
use crate::world::Canary;

/// Ports that the shard lends in all; more than any scenario uses at once.
const PORTS: u32 = 64;

/// A node, its shard, and what has come out of them.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) node: Node,
    pub(crate) shard: Shard,
    pub(crate) sip: SocketAddr,
    by_address: BTreeMap<SocketAddr, u32>,
    by_lent: BTreeMap<u32, SocketAddr>,
    next_lent: u32,
    peers: BTreeMap<u32, (SocketAddr, SocketAddr)>,
    forgotten: u32,
    pub(crate) notices: Vec<(Instant, Notice)>,
    pub(crate) records: Vec<Record>,
    /// Sent and not yet on the network.
    pub(crate) out: Vec<(Kind, Datagram)>,
    canary: Canary,
    /// What the node has told the shard in all; the same number of replies must have come.
    pub(crate) commands: u64,
}

impl Serving {
    pub(crate) fn new(node: Node, shard: Shard, sip: SocketAddr, canary: Canary) -> Self {
        let mut serving = Self {
            node,
            shard,
            sip,
            by_address: BTreeMap::new(),
            by_lent: BTreeMap::new(),
            next_lent: 0,
            peers: BTreeMap::new(),
            forgotten: 0,
            notices: Vec::new(),
            records: Vec::new(),
            out: Vec::new(),
            canary,
            commands: 0,
        };
        for number in 0..PORTS {
            let port = u16::try_from(20_000 + 2 * number).unwrap_or(u16::MAX);
            serving.lend(SocketAddr::new(IpAddr::V4(MEDIA_IP), port));
        }
        serving
    }

    fn lend(&mut self, address: SocketAddr) {
        self.next_lent += 1;
        self.by_address.insert(address, self.next_lent);
        self.by_lent.insert(self.next_lent, address);
        self.shard.add_lent(LentPort { id: self.next_lent, address });
    }

    /// Whether this address is one of ours.
    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        address == self.sip || address.ip() == IpAddr::V4(MEDIA_IP)
    }

    pub(crate) fn receive(&mut self, now: Instant, datagram: Datagram) {
        if datagram.to == self.sip {
            let path = Source {
                transport: Transport::Udp,
                local: self.sip,
                remote: datagram.from,
                flow: FlowId::NONE,
            };
            let packet = Packet { path, bytes: self.forget(datagram.bytes) };
            self.node.handle_input(now, Input::Packet(packet));
        } else if let Some(&lent) = self.by_address.get(&datagram.to) {
            let socket = (lent, Channel::Rtp);
            self.shard.handle_packet(now, socket, datagram.from, &datagram.bytes);
        }
        self.settle(now);
    }

    /// The canary makes every copy of a request to the factory look like another caller's.
    fn forget(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if self.canary != Canary::ForgetsWhoAsked || !bytes.starts_with(b"INVITE sip:conference@") {
            return bytes;
        }
        self.forgotten += 1;
        let text = String::from_utf8_lossy(&bytes);
        text.replacen("Call-ID: ", &format!("Call-ID: {}-", self.forgotten), 1).into_bytes()
    }

    pub(crate) fn shutdown(&mut self, now: Instant) {
        self.node.shutdown(now);
        self.settle(now);
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) {
        self.node.handle_deadline(now);
        self.settle(now);
        while self.shard.deadline().is_some_and(|at| at <= now) {
            let (shard, mut wire) = self.wire();
            shard.tick(now, &mut wire);
        }
        self.settle(now);
    }

    fn wire(&mut self) -> (&mut Shard, Wire<'_>) {
        let Self { shard, out, by_lent, peers, canary, .. } = self;
        (shard, Wire { out, by_lent, peers, canary: *canary })
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        soonest(self.node.deadline(), self.shard.deadline())
    }

    /// Moves what node and shard have to say to each other.
    pub(crate) fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.node.poll_output() {
                self.output(now, output);
            } else if let Some(event) = self.shard.poll_event() {
                self.node.handle_input(now, Input::Media { shard: 0, event });
            } else if let Some(Farewell { lent, channel, to, bytes }) = self.shard.poll_farewell() {
                self.wire().1.send(lent, channel, to, &bytes);
            } else if let Some(lent) = self.shard.poll_released() {
                if let Some(address) = self.by_lent.remove(&lent) {
                    self.by_address.remove(&address);
                    self.lend(address);
                }
            } else {
                break;
            }
        }
    }

    fn output(&mut self, now: Instant, output: Output) {
        match output {
            // There are no connections in this world: whoever asks for one has no luck.
            Output::Send(packet) if packet.path.transport.is_reliable() => {
                self.node.handle_input(now, Input::Arrival(Arrival::Refused(packet.path)));
            }
            Output::Send(packet) => {
                let datagram = Datagram {
                    from: packet.path.local,
                    to: packet.path.remote,
                    bytes: packet.bytes,
                };
                self.out.push((Kind::Signalling, datagram));
            }
            Output::Media { command, .. } => {
                let leaked = self.canary == Canary::LeaksPorts
                    && matches!(command.action, Action::RemovePort { .. });
                if !leaked {
                    self.commands += 1;
                    self.shard.handle_command(now, command);
                }
            }
            Output::Notice(notice) => self.notices.push((now, notice)),
            Output::Record(record) => self.records.push(record),
            // All hosts of this world are numbers.
            Output::Resolve { .. } => {}
            // This world has no disk, and nobody reserves in it.
            Output::Store { .. } | Output::Reserved { .. } => {}
        }
    }
}

/// Where the shard's packets go.
struct Wire<'a> {
    out: &'a mut Vec<(Kind, Datagram)>,
    by_lent: &'a BTreeMap<u32, SocketAddr>,
    /// Our address and the peer's by lent socket.
    peers: &'a mut BTreeMap<u32, (SocketAddr, SocketAddr)>,
    canary: Canary,
}

impl Sink for Wire<'_> {
    /// Everybody in this world takes RTCP on the port of RTP.
    fn send(&mut self, lent: u32, _channel: Channel, to: SocketAddr, bytes: &[u8]) {
        let Some(&from) = self.by_lent.get(&lent) else { return };
        self.peers.insert(lent, (from, to));
        let (from, to) = match self.canary {
            // Everybody gets the mix that was made for the next one, with his own voice in it.
            Canary::CrossesLegs => {
                let next = self.peers.range(lent + 1..).next().or(self.peers.first_key_value());
                next.map_or((from, to), |(_, &path)| path)
            }
            Canary::None | Canary::LeaksPorts | Canary::ForgetsWhoAsked => (from, to),
        };
        self.out.push((Kind::Media, Datagram { from, to, bytes: bytes.to_vec() }));
    }
}

/// The address of the mixer.
pub(crate) const MEDIA_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// As big as a scenario needs.
pub(crate) const SHARD: ShardConfig =
    ShardConfig { conferences: 64, legs_per_conference: 64, heard: 64, fault_in: None };
