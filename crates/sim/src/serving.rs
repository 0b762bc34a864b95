//! The serving side: a node, its media shards, and its disk if it has one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mix::message::{Action, Channel, LentPort};
use mix::{Farewell, Shard, ShardConfig, Sink};
use node::{Input, Node, Notice, Output, Record, ReservationStatus, ReserveRequest};
use sip::{Arrival, FlowId, Packet, Source, Transport};
use units::{Instant, soonest};

use crate::disk::Disk;
use crate::network::{Datagram, Kind};
use crate::world::Canary;

/// Ports that a shard lends in all; more than any scenario uses at once.
const PORTS: u32 = 64;

/// A shard's number, and its number of a lending.
type Lent = (u16, u32);

/// A node, its shards, and what has come out of them.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) node: Node,
    pub(crate) shards: Vec<Shard>,
    pub(crate) sip: SocketAddr,
    by_address: BTreeMap<SocketAddr, Lent>,
    by_lent: BTreeMap<Lent, SocketAddr>,
    next_lent: u32,
    peers: BTreeMap<Lent, (SocketAddr, SocketAddr)>,
    forgotten: u32,
    /// What outlives the process; `None`: nothing does.
    pub(crate) disk: Option<Disk>,
    /// Whether the process is dead, and nothing answers.
    pub(crate) is_down: bool,
    /// Whether what the shards send is put on the network.
    pub(crate) is_heard: bool,
    /// Reservations that were answered.
    pub(crate) reserved: Vec<ReservationStatus>,
    /// The process that should be dead, where the canary has it so.
    undead: Option<Box<Self>>,
    pub(crate) notices: Vec<(Instant, Notice)>,
    pub(crate) records: Vec<Record>,
    /// Sent and not yet on the network.
    pub(crate) out: Vec<(Kind, Datagram)>,
    canary: Canary,
    /// What the node has told the shard in all; the same number of replies must have come.
    pub(crate) commands: u64,
}

impl Serving {
    pub(crate) fn new(node: Node, shards: Vec<Shard>, sip: SocketAddr, canary: Canary) -> Self {
        let mut serving = Self {
            node,
            shards,
            sip,
            by_address: BTreeMap::new(),
            by_lent: BTreeMap::new(),
            next_lent: 0,
            peers: BTreeMap::new(),
            forgotten: 0,
            disk: None,
            is_down: false,
            is_heard: true,
            reserved: Vec::new(),
            undead: None,
            notices: Vec::new(),
            records: Vec::new(),
            out: Vec::new(),
            canary,
            commands: 0,
        };
        for shard in 0..u16::try_from(serving.shards.len()).unwrap_or(u16::MAX) {
            for number in 0..PORTS {
                let port = u16::try_from(20_000 + 2 * number).unwrap_or(u16::MAX);
                serving.lend(shard, SocketAddr::new(media_ip(shard), port));
            }
        }
        serving
    }

    fn lend(&mut self, shard: u16, address: SocketAddr) {
        self.next_lent += 1;
        let lent = (shard, self.next_lent);
        self.by_address.insert(address, lent);
        self.by_lent.insert(lent, address);
        if let Some(shard) = self.shards.get_mut(usize::from(shard)) {
            shard.add_lent(LentPort { id: lent.1, address });
        }
    }

    /// The process is killed, without a word; nothing answers any more.
    pub(crate) fn kill(&mut self) {
        self.is_down = true;
        self.out.clear();
        if let Some(disk) = &mut self.disk {
            disk.cut();
        }
    }

    /// Another process begins, with the disk of the one that was killed.
    pub(crate) fn start_again(&mut self, now: Instant, node: Node, shards: Vec<Shard>) {
        let mut next = Self::new(node, shards, self.sip, self.canary);
        let mut disk = self.disk.take();
        if let Some(disk) = &mut disk {
            if self.canary == Canary::DiskForgets {
                disk.conferences.clear();
            }
            let conferences = disk.conferences.values().cloned().collect();
            let keys = disk.keys.values().cloned().collect();
            next.node = next.node.with_store(now, conferences).with_keys(now, keys);
        }
        let Self { notices, records, reserved, commands, is_heard, .. } = self;
        next.notices = std::mem::take(notices);
        next.records = std::mem::take(records);
        next.reserved = std::mem::take(reserved);
        (next.disk, next.commands, next.is_heard) = (disk, *commands, *is_heard);
        let mut dead = std::mem::replace(self, next);
        if self.canary == Canary::TwoProcesses {
            (dead.is_down, dead.undead) = (false, None);
            self.undead = Some(Box::new(dead));
        }
        self.settle(now);
    }

    /// Somebody reserves, over HTTP.
    pub(crate) fn reserve(&mut self, now: Instant, request: ReserveRequest) {
        if !self.is_down {
            self.node.handle_input(now, Input::Reserve { ticket: 0, request });
            self.settle(now);
        }
    }

    /// Whether this address is one of ours.
    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        address == self.sip || self.by_address.contains_key(&address)
    }

    pub(crate) fn receive(&mut self, now: Instant, datagram: Datagram) {
        if self.is_down {
            return;
        }
        // Two that believe they are the one: each takes some of those who come.
        if let Some(undead) = &mut self.undead
            && is_odd(datagram.from.ip())
        {
            undead.receive(now, datagram);
            self.out.append(&mut undead.out);
            return;
        }
        if datagram.to == self.sip {
            let path = Source {
                transport: Transport::Udp,
                local: self.sip,
                remote: datagram.from,
                flow: FlowId::NONE,
            };
            let packet = Packet { path, bytes: self.forget(datagram.bytes) };
            self.node.handle_input(now, Input::Packet(packet));
        } else if let Some(&(shard, lent)) = self.by_address.get(&datagram.to)
            && let Some(shard) = self.shards.get_mut(usize::from(shard))
        {
            shard.handle_packet(now, (lent, Channel::Rtp), datagram.from, &datagram.bytes);
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
        if self.canary != Canary::EndlessHolds {
            self.node.handle_deadline(now);
        }
        while let Some(ticket) = self.disk.as_mut().and_then(|disk| disk.written(now)) {
            self.node.handle_input(now, Input::Stored { ticket, is_kept: true });
        }
        self.settle(now);
        for number in 0..self.shards.len() {
            while self.shards[number].deadline().is_some_and(|at| at <= now) {
                self.tick(now, number);
            }
        }
        self.settle(now);
        if let Some(undead) = &mut self.undead {
            undead.handle_deadline(now);
            self.out.append(&mut undead.out);
        }
    }

    fn tick(&mut self, now: Instant, number: usize) {
        let (shards, mut wire) = self.wire(number);
        if let Some(shard) = shards.get_mut(number) {
            shard.tick(now, &mut wire);
        }
    }

    fn wire(&mut self, number: usize) -> (&mut [Shard], Wire<'_>) {
        let Self { shards, out, by_lent, peers, canary, is_heard, .. } = self;
        let shard = u16::try_from(number).unwrap_or(u16::MAX);
        (shards, Wire { out, shard, by_lent, peers, canary: *canary, is_heard: *is_heard })
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.is_down {
            return None;
        }
        let node = self.node.deadline().filter(|_| self.canary != Canary::EndlessHolds);
        let disk = self.disk.as_ref().and_then(Disk::deadline);
        let undead = self.undead.as_ref().and_then(|undead| undead.deadline());
        let shards = self.shards.iter().map(Shard::deadline);
        shards.fold(soonest(soonest(node, disk), undead), soonest)
    }

    /// Moves what node and shards have to say to each other.
    pub(crate) fn settle(&mut self, now: Instant) {
        while !self.is_down && (self.settle_node(now) || self.settle_shards(now)) {}
    }

    fn settle_node(&mut self, now: Instant) -> bool {
        let output = self.node.poll_output();
        let any = output.is_some();
        output.into_iter().for_each(|output| self.output(now, output));
        any
    }

    fn settle_shards(&mut self, now: Instant) -> bool {
        let mut any = false;
        for (number, shard) in (0..self.shards.len()).zip(0_u16..) {
            if let Some(event) = self.shards[number].poll_event() {
                self.node.handle_input(now, Input::Media { shard, event });
            } else if let Some(farewell) = self.shards[number].poll_farewell() {
                let Farewell { lent, channel, to, bytes } = farewell;
                self.wire(number).1.send(lent, channel, to, &bytes);
            } else if let Some(lent) = self.shards[number].poll_released() {
                if let Some(address) = self.by_lent.remove(&(shard, lent)) {
                    self.by_address.remove(&address);
                    self.lend(shard, address);
                }
            } else {
                continue;
            }
            any = true;
        }
        any
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
            Output::Media { shard, command } => {
                let leaked = self.canary == Canary::LeaksPorts
                    && matches!(command.action, Action::RemovePort { .. });
                if let Some(shard) = self.shards.get_mut(usize::from(shard))
                    && !leaked
                {
                    self.commands += 1;
                    shard.handle_command(now, command);
                }
            }
            Output::Notice(notice) => self.notices.push((now, notice)),
            Output::Record(record) => self.records.push(record),
            // All hosts of this world are numbers.
            Output::Resolve { .. } => {}
            Output::Store { ticket, change } => {
                if let Some(disk) = &mut self.disk {
                    disk.write(now, ticket, change);
                }
            }
            Output::Reserved { answer, .. } => self.reserved.extend(answer),
        }
    }
}

/// Where the shard's packets go.
struct Wire<'a> {
    out: &'a mut Vec<(Kind, Datagram)>,
    shard: u16,
    by_lent: &'a BTreeMap<Lent, SocketAddr>,
    /// Our address and the peer's by lent socket.
    peers: &'a mut BTreeMap<Lent, (SocketAddr, SocketAddr)>,
    canary: Canary,
    is_heard: bool,
}

impl Sink for Wire<'_> {
    /// Everybody in this world takes RTCP on the port of RTP.
    fn send(&mut self, lent: u32, _channel: Channel, to: SocketAddr, bytes: &[u8]) {
        let lent = (self.shard, lent);
        let Some(&from) = self.by_lent.get(&lent).filter(|_| self.is_heard) else { return };
        self.peers.insert(lent, (from, to));
        // Everybody gets the mix that was made for the next one, with his own voice in it.
        let (from, to) = if self.canary == Canary::CrossesLegs {
            let next = self.peers.range((lent.0, lent.1 + 1)..).next();
            let next = next.or(self.peers.first_key_value());
            next.map_or((from, to), |(_, &path)| path)
        } else {
            (from, to)
        };
        self.out.push((Kind::Media, Datagram { from, to, bytes: bytes.to_vec() }));
    }
}

/// The address of a mixer.
pub(crate) fn media_ip(shard: u16) -> IpAddr {
    let [high, low] = shard.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, 2, high, low))
}

fn is_odd(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[3] % 2 == 1,
        IpAddr::V6(ip) => ip.octets()[15] % 2 == 1,
    }
}

/// As big as a scenario needs.
pub(crate) const SHARD: ShardConfig =
    ShardConfig { conferences: 64, legs_per_conference: 64, heard: 64, fault_in: None };
