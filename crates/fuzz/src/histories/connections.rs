//! The table of stream connections: peers that say anything, slowly or not at all, and sockets that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use sip::{
    Arrival, CONNECTIONS_MAX, CONNECTIONS_PER_SOURCE_MAX, ConnectionOutput, Connections, FlowId,
    IDLE_MAX, Packet, Source, Transport,
};
use units::Instant;

use crate::{Choices, Target, Trail};

/// [`Connections`].
pub const CONNECTIONS: Target = Target {
    name: "connections",
    run: connections,
    seeds: || super::random(400),
    words: &["OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n", "\r\n\r\n", "\r\n"],
    longest: 4_000,
};

const US: ([u8; 4], u16) = ([192, 0, 2, 1], 5060);

/// What a peer writes, whole or in part.
const SAID: &[&[u8]] = &[
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
    b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 3\r\n\r\nab",
    b"\r\n\r\n",
    b"\r\n",
    b"x",
    b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n",
    b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
];

fn connections(data: &[u8], trail: &mut Trail) {
    let mut world = World {
        table: Connections::new(),
        now: Instant::ZERO,
        choices: Choices::new(data),
        trail,
        open: BTreeMap::new(),
        ports: 0,
        failed: 0,
    };
    while !world.choices.is_over() {
        world.step();
    }
    world.finish();
}

/// What the sockets know of a connection.
#[derive(Default)]
struct Socket {
    remote: Option<SocketAddr>,
    /// It came to us.
    is_accepted: bool,
    /// Bytes given to the socket and not written.
    queued: usize,
    is_finished: bool,
}

struct World<'a> {
    table: Connections,
    now: Instant,
    choices: Choices<'a>,
    trail: &'a mut Trail,
    open: BTreeMap<FlowId, Socket>,
    ports: u16,
    failed: usize,
}

impl World<'_> {
    fn any(&mut self) -> FlowId {
        let index = self.choices.below(self.open.len());
        // One in some that is not there any more.
        self.open.keys().nth(index).copied().unwrap_or(FlowId(9_999))
    }

    fn step(&mut self) {
        match self.choices.below(8) {
            0 => self.accept(),
            1 => self.send(),
            2 | 3 => {
                let flow = self.any();
                let said = self.choices.pick(SAID);
                let cut = self.choices.below(said.len() + 1);
                let bytes = if self.choices.percent(60) { said } else { &said[..cut] };
                self.table.handle_bytes(self.now, flow, bytes);
            }
            4 => {
                let flow = self.any();
                self.table.handle_connected(self.now, flow);
            }
            5 => {
                let flow = self.any();
                let queued = self.open.get(&flow).map_or(0, |socket| socket.queued);
                let written = self.choices.below(queued + 1);
                if let Some(socket) = self.open.get_mut(&flow) {
                    socket.queued -= written;
                }
                self.table.handle_written(self.now, flow, written);
            }
            6 => {
                let flow = self.any();
                self.table.handle_closed(flow);
            }
            _ => {
                let ms = self.choices.pick(&[10, 1_000, 6_000, 11_000, 700_000]);
                self.run_until(self.now.as_millis() + ms);
            }
        }
        self.drain();
        self.check();
    }

    fn accept(&mut self) {
        self.ports += 1;
        let host = u8::try_from(self.choices.below(3)).unwrap_or(0);
        let remote = SocketAddr::from(([198, 51, 100, host], 10_000 + self.ports));
        let accepted = self.table.accepted(self.now, US.into(), remote);
        self.trail.outcome("accepted", &accepted);
        if let Ok(flow) = accepted {
            let socket = Socket { remote: Some(remote), is_accepted: true, ..Socket::default() };
            assert!(self.open.insert(flow, socket).is_none(), "a name is used once");
        }
    }

    fn send(&mut self) {
        let flow = if self.choices.percent(60) { self.any() } else { FlowId::NONE };
        let host = u8::try_from(self.choices.below(3)).unwrap_or(0);
        let named = self.open.get(&flow).and_then(|socket| socket.remote);
        let remote = named.unwrap_or_else(|| ([203, 0, 113, host], 5060).into());
        let path = Source { transport: Transport::Tcp, local: US.into(), remote, flow };
        let size = self.choices.pick(&[400, 400, 60_000]);
        self.table.send(self.now, Packet { path, bytes: vec![b'x'; size] });
    }

    fn drain(&mut self) {
        while let Some(output) = self.table.poll_output() {
            match output {
                ConnectionOutput::Arrived(arrival) => {
                    let what = match arrival {
                        Arrival::Packet(_) => "packet",
                        Arrival::Malformed { .. } => "malformed",
                        Arrival::Failed(_) => {
                            self.failed += 1;
                            "failed"
                        }
                        Arrival::Refused(_) => {
                            self.failed += 1;
                            "refused"
                        }
                    };
                    self.trail.step(what);
                }
                ConnectionOutput::Connect { flow, remote, .. } => {
                    self.trail.step("connect");
                    let socket = Socket { remote: Some(remote), ..Socket::default() };
                    assert!(self.open.insert(flow, socket).is_none(), "a name is used once");
                }
                ConnectionOutput::Write { flow, bytes } => {
                    let socket = self.open.get_mut(&flow).expect("a write to what is open");
                    assert!(!socket.is_finished, "a write after the last one");
                    socket.queued += bytes.len();
                }
                ConnectionOutput::FinishWrites { flow } => {
                    self.trail.step("finish");
                    let socket = self.open.get_mut(&flow).expect("of what is open");
                    assert!(!socket.is_finished, "told once");
                    socket.is_finished = true;
                }
                ConnectionOutput::Close { flow } => {
                    self.trail.step("close");
                    assert!(self.open.remove(&flow).is_some(), "closed once");
                }
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.table.len(), self.open.len(), "the table and the sockets agree");
        assert!(self.open.len() <= CONNECTIONS_MAX);
        let mut sources: BTreeMap<_, usize> = BTreeMap::new();
        let accepted = self.open.values().filter(|socket| socket.is_accepted);
        for remote in accepted.filter_map(|socket| socket.remote) {
            *sources.entry(remote.ip()).or_default() += 1;
        }
        assert!(sources.values().all(|count| *count <= CONNECTIONS_PER_SOURCE_MAX));
        let queued: BTreeSet<_> = self.open.values().map(|socket| socket.queued).collect();
        let most = queued.last().copied().unwrap_or(0);
        assert!(most <= sip::WRITE_QUEUE_BYTES_MAX, "{most} bytes wait to be written");
    }

    fn run_until(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        let mut stuck = 0;
        while let Some(at) = self.table.deadline().filter(|at| *at <= end) {
            stuck = if at <= self.now { stuck + 1 } else { 0 };
            assert!(stuck < 100, "a deadline that never moves");
            self.now = self.now.max(at);
            self.table.handle_deadline(self.now);
            self.drain();
            self.check();
        }
        self.now = end;
    }

    /// Nobody says anything any more: all connections go by themselves.
    fn finish(&mut self) {
        self.run_until(self.now.as_millis() + 2 * u64::try_from(IDLE_MAX.as_millis()).unwrap_or(0));
        assert!(self.table.is_empty() && self.open.is_empty(), "{} stay", self.open.len());
        assert_eq!(self.table.deadline(), None);
        self.trail.count("failed", self.failed);
    }
}
