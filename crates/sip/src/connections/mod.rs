//! The stream connections of one process, as a table without sockets (RFC 3261 §18).

mod connection;
mod counters;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use units::Instant;

use self::connection::{Connection, Overdue};
pub use self::counters::{ConnectionClosed, ConnectionCounters, ConnectionDenied};
use crate::{Arrival, FlowId, Frame, Packet, Source, Transport};

/// The most connections at once. Each costs a file and some 1 KiB while it is quiet: with 1,024 files, which is what many
/// systems give, the media sockets need their part too. When full, an accepted connection that has not carried a whole
/// message yet makes room for a new one; is there none, the new one is closed unread.
pub const CONNECTIONS_MAX: usize = 512;

/// The part of [`CONNECTIONS_MAX`], one in so many, that only connections of ours may use: a BYE must get out although
/// strangers have taken all the rest.
const OUTGOING_SHARE: usize = 8;

/// The most connections that one source may have here: an IPv4 address, or the 64 bits of IPv6 that one customer has. A
/// proxy needs one, an office behind one address as many as it has phones. The next one is closed unread.
pub const CONNECTIONS_PER_SOURCE_MAX: usize = 64;

/// How long an accepted connection may take to its first whole message: whoever connects has something to say.
pub const FIRST_MESSAGE_MAX: Duration = Duration::from_secs(10);

/// How long a message may take from its first byte to its last. 65,535 bytes in 10 s are 52 kbit/s.
pub const PARTIAL_MAX: Duration = Duration::from_secs(10);

/// How long a connection of ours may take to come about: two resent SYNs (1 s, 3 s) and some.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long a connection may be without a byte either way, pings included. A refresh every half session interval
/// (RFC 4028 §4: 1800 s) comes within it.
pub const IDLE_MAX: Duration = Duration::from_secs(1_200);

/// How long a peer may leave unread what we write, with no byte taken.
pub const STALL_MAX: Duration = Duration::from_secs(10);

/// How long after a framing error the peer may take to read why, and to close.
pub const LINGER_MAX: Duration = Duration::from_secs(2);

/// The most that waits to be written on one connection: four of the longest messages. Beyond it the connection is closed.
pub const WRITE_QUEUE_BYTES_MAX: usize = 4 * crate::MESSAGE_BYTES_MAX;

/// What one write costs in the queue beside its bytes: a peer that only pings must find the bound too.
const WRITE_OVERHEAD_BYTES: usize = 64;

/// The most connections whose time is looked after in one [`Connections::handle_deadline`]; the others are due at once
/// again.
const DUE_BATCH_MAX: usize = 64;

/// What answers a ping (RFC 5626 §3.5.1).
const PONG: &[u8] = b"\r\n";

/// What a table wants done or known.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectionOutput {
    /// For [`Stack::handle_arrival`](crate::Stack::handle_arrival).
    Arrived(Arrival),
    /// Open a connection from the address of `local`, any port.
    Connect {
        /// Its name.
        flow: FlowId,
        /// The bound address that it belongs to.
        local: SocketAddr,
        /// Where to.
        remote: SocketAddr,
    },
    /// Write this, in order, as soon as the connection is open.
    Write {
        /// The connection.
        flow: FlowId,
        /// What.
        bytes: Vec<u8>,
    },
    /// After what was to be written, say that no more comes; go on reading.
    FinishWrites {
        /// The connection.
        flow: FlowId,
    },
    /// Close it, now. It is not known here any more.
    Close {
        /// The connection.
        flow: FlowId,
    },
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum ConnectionRefused {
    #[error("{CONNECTIONS_MAX} connections are open")]
    Full,
    #[error("{CONNECTIONS_PER_SOURCE_MAX} connections from one source are open")]
    Source,
}

/// All connections: which there are, which one a message takes, what each has carried, and when one has to go.
///
/// # Order
/// One mutation; then [`Self::poll_output`] until `None`, with any [`Self::send`] that the messages ask for; then wait
/// until [`Self::deadline`] or until something happens at a socket. `now` never goes back.
///
/// **Invariant:** a connection is in the table, in the schedule, and, if accepted, counted for its source; or nowhere.
#[derive(Debug, Default)]
pub struct Connections {
    open: BTreeMap<FlowId, Connection>,
    /// The connection that a new message to this peer takes.
    by_peer: BTreeMap<(SocketAddr, SocketAddr), FlowId>,
    /// How many were accepted from each source.
    sources: BTreeMap<IpAddr, usize>,
    schedule: BTreeSet<(Instant, FlowId)>,
    last_flow: u64,
    outputs: VecDeque<ConnectionOutput>,
    counters: ConnectionCounters,
}

impl Connections {
    /// Makes an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a connection that came to the bound address `local`.
    ///
    /// # Errors
    /// There are too many: close it unread.
    pub fn accepted(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<FlowId, ConnectionRefused> {
        let source = source_key(remote.ip());
        if self.sources.get(&source).copied().unwrap_or_default() >= CONNECTIONS_PER_SOURCE_MAX {
            self.counters.refused_source += 1;
            return Err(ConnectionRefused::Source);
        }
        if self.open.len() >= CONNECTIONS_MAX - CONNECTIONS_MAX / OUTGOING_SHARE && !self.evict() {
            self.counters.refused_full += 1;
            return Err(ConnectionRefused::Full);
        }
        self.counters.accepted += 1;
        *self.sources.entry(source).or_default() += 1;
        Ok(self.insert(Connection::accepted(now, local, remote)))
    }

    /// Sends a message over a stream: by the connection it names, else by one that is open to the same peer, else by a new
    /// one (RFC 3261 §18.1.1, §18.2.2). What cannot be sent comes back as [`Arrival::Failed`].
    pub fn send(&mut self, now: Instant, packet: Packet) {
        let Packet { path, bytes } = packet;
        let named = self.open.get(&path.flow).filter(|it| it.can_write()).map(|_| path.flow);
        let peer = (path.local, path.remote);
        match named.or_else(|| self.by_peer.get(&peer).copied()) {
            Some(flow) => self.write(now, flow, bytes),
            None if self.open.len() >= CONNECTIONS_MAX => {
                self.counters.refused_full += 1;
                self.tell(Arrival::Failed(path));
            }
            None => {
                let (local, remote) = peer;
                self.counters.opened += 1;
                let flow = self.insert(Connection::connecting(now, local, remote));
                self.outputs.push_back(ConnectionOutput::Connect { flow, local, remote });
                self.write(now, flow, bytes);
            }
        }
    }

    /// A connection of ours is open.
    pub fn handle_connected(&mut self, now: Instant, flow: FlowId) {
        self.change(flow, |connection| connection.connected(now));
    }

    /// So many bytes that were to be written, are.
    pub fn handle_written(&mut self, now: Instant, flow: FlowId, bytes: usize) {
        self.change(flow, |connection| connection.written(now, bytes));
    }

    /// The peer has closed, or the connection broke, or it never came about.
    pub fn handle_closed(&mut self, flow: FlowId) {
        if self.open.contains_key(&flow) {
            self.counters.closed_by_peer += 1;
            self.close(flow);
        }
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, now: Instant, flow: FlowId, bytes: &[u8]) {
        let Some(connection) = self.open.get_mut(&flow) else { return };
        let path = path_of(flow, connection);
        let frames = connection.received(now, bytes);
        for frame in frames {
            match frame {
                Ok(Frame::Message(bytes)) => {
                    self.counters.messages += 1;
                    self.tell(Arrival::Packet(Packet { path, bytes }));
                }
                Ok(Frame::KeepAlive) => {
                    self.counters.pings += 1;
                    self.write(now, flow, PONG.to_vec());
                }
                Err(error) => {
                    // RFC 3261 §18.3, RFC 4475 §3.1.2.3: an answer, then the end: where the next message begins is lost.
                    self.counters.framing_errors += 1;
                    let failure = error.failure;
                    self.tell(Arrival::Malformed { path, failure });
                    self.change(flow, |connection| connection.fail(now));
                    self.forget_peer(flow);
                }
            }
        }
        self.change(flow, |_| ());
    }

    /// Closes what has taken too long.
    pub fn handle_deadline(&mut self, now: Instant) {
        for _ in 0..DUE_BATCH_MAX {
            let Some((_, flow)) = self.schedule.first().filter(|(at, _)| *at <= now).copied()
            else {
                return;
            };
            let Some(connection) = self.open.get_mut(&flow) else { return };
            match connection.overdue(now) {
                Overdue::Finish => {
                    connection.linger(now);
                    self.outputs.push_back(ConnectionOutput::FinishWrites { flow });
                    self.change(flow, |_| ());
                    continue;
                }
                Overdue::Connect => self.counters.connect_timeouts += 1,
                Overdue::FirstMessage => self.counters.silent_closed += 1,
                Overdue::Partial => self.counters.partial_closed += 1,
                Overdue::Stall => self.counters.stalled_closed += 1,
                Overdue::Idle => self.counters.idle_closed += 1,
                Overdue::Linger => {}
            }
            self.close(flow);
        }
    }

    /// When to call [`Self::handle_deadline`] next.
    pub fn deadline(&self) -> Option<Instant> {
        self.schedule.first().map(|(at, _)| *at)
    }

    /// Takes the next thing to do or to know.
    pub fn poll_output(&mut self) -> Option<ConnectionOutput> {
        self.outputs.pop_front()
    }

    /// What happened so far.
    pub const fn counters(&self) -> &ConnectionCounters {
        &self.counters
    }

    /// The connections there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn insert(&mut self, connection: Connection) -> FlowId {
        self.last_flow += 1; // from 1: FlowId::NONE is none
        let flow = FlowId(self.last_flow);
        self.by_peer.insert((connection.local, connection.remote), flow);
        self.schedule.insert((connection.deadline(), flow));
        self.open.insert(flow, connection);
        flow
    }

    fn write(&mut self, now: Instant, flow: FlowId, bytes: Vec<u8>) {
        let Some(connection) = self.open.get_mut(&flow) else { return };
        let queued = connection.queue(now, bytes.len());
        if queued > WRITE_QUEUE_BYTES_MAX {
            self.counters.stalled_closed += 1;
            return self.close(flow);
        }
        self.outputs.push_back(ConnectionOutput::Write { flow, bytes });
        self.change(flow, |_| ());
    }

    /// Does something to a connection, and puts it in its place in the schedule.
    fn change(&mut self, flow: FlowId, how: impl FnOnce(&mut Connection)) {
        let Some(connection) = self.open.get_mut(&flow) else { return };
        how(connection);
        let (before, after) = (connection.scheduled, connection.deadline());
        if before != after {
            connection.scheduled = after;
            self.schedule.remove(&(before, flow));
            self.schedule.insert((after, flow));
        }
    }

    /// Makes room among those that were accepted and have not carried a message: the oldest goes.
    fn evict(&mut self) -> bool {
        let silent = self.open.iter().find(|(_, connection)| connection.is_silent());
        let Some(flow) = silent.map(|(flow, _)| *flow) else { return false };
        self.counters.silent_closed += 1;
        self.close(flow);
        true
    }

    fn close(&mut self, flow: FlowId) {
        self.forget_peer(flow);
        let Some(connection) = self.open.remove(&flow) else { return };
        self.schedule.remove(&(connection.scheduled, flow));
        if connection.accepted {
            let source = source_key(connection.remote.ip());
            if let Some(count) = self.sources.get_mut(&source) {
                *count -= 1;
                if *count == 0 {
                    self.sources.remove(&source);
                }
            }
        }
        self.outputs.push_back(ConnectionOutput::Close { flow });
        let path = path_of(flow, &connection);
        let never_was = connection.is_connecting();
        self.tell(if never_was { Arrival::Refused(path) } else { Arrival::Failed(path) });
    }

    fn tell(&mut self, arrival: Arrival) {
        self.outputs.push_back(ConnectionOutput::Arrived(arrival));
    }

    /// From now on a message to this peer does not take this connection, unless it names it.
    fn forget_peer(&mut self, flow: FlowId) {
        let Some(connection) = self.open.get(&flow) else { return };
        let peer = (connection.local, connection.remote);
        if self.by_peer.get(&peer) == Some(&flow) {
            self.by_peer.remove(&peer);
        }
    }
}

fn path_of(flow: FlowId, connection: &Connection) -> Source {
    let Connection { local, remote, .. } = *connection;
    Source { transport: Transport::Tcp, local, remote, flow }
}

/// Whom connections, wrong passwords and registrations are counted for: of an IPv6 address the half that
/// names a network, since a host may have as many addresses there as it likes.
pub fn source_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    }
}
