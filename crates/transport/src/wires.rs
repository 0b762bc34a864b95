//! All of SIP's sockets, and the table of connections with its clock.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use datagram::{Datagram, Reader};
use serde::{Deserialize, Serialize};
use sip::{
    Arrival, ConnectionCounters, ConnectionOutput, Connections, FlowId, Packet, Source, Transport,
};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{Instant as SystemInstant, sleep_until};
use units::{Instant, Tally, causes};

use crate::carrier::{Carried, Carrier, Tell};
use crate::endpoint::Endpoint;

/// What all connections together may have read ahead of the loop: so many pieces of at most 16 KiB. The
/// others wait in the peers.
const CARRIED_MAX: usize = 128;

/// Datagrams of one socket taken in one turn. Taking one costs a microsecond or two, and what is not wanted a look more: in a
/// flood they must be taken faster than they come, or the system drops what is wanted with what is not.
const DATAGRAMS_PER_TURN_MAX: usize = 512;

/// Longer than this nobody waits for an answer (RFC 3261 §17.1.1.2: 64·T1).
const WAITED_MAX: Duration = Duration::from_secs(32);

/// Datagrams that wait to be sent together.
const OUTGOING_MAX: usize = 256;

/// How long no connection is accepted after the system gave none, for want of files as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the sockets saw since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireCounters {
    /// Messages from networks that are let in.
    pub received: u64,
    /// Datagrams and connections from anybody else: dropped unread.
    pub denied: u64,
    /// Messages sent.
    pub sent: u64,
    /// Datagrams that the system did not take.
    pub send_errors: u64,
    /// Connections that the system could not give us.
    pub accept_errors: u64,
    /// Errors that the system gave instead of a datagram: as a rule, that an earlier one met nobody.
    #[serde(default)]
    pub receive_errors: u64,
}

causes! {
    /// Why something did not get through a socket.
    pub enum WireLoss {
        /// A datagram or a connection from a network that is not let in: dropped unread.
        NotAllowed => "not_allowed",
        /// A datagram that the system did not take.
        SendError => "send_error",
        /// A connection that the system could not give us.
        AcceptError => "accept_error",
        /// An error that the system gave instead of a datagram.
        ReceiveError => "receive_error",
    }
}

impl WireCounters {
    /// What did not get through, by cause. Naming every field makes a new one a compile error here.
    pub fn by_cause(&self) -> Tally<WireLoss> {
        use WireLoss as L;
        let Self { received: _, denied, sent: _, send_errors, accept_errors, receive_errors } =
            *self;
        let losses = [
            (L::NotAllowed, denied),
            (L::SendError, send_errors),
            (L::AcceptError, accept_errors),
            (L::ReceiveError, receive_errors),
        ];
        losses.into_iter().collect()
    }
}

/// Something that happened at a socket, for [`Wires::handle`].
#[derive(Debug)]
pub struct Happening(What);

#[derive(Debug)]
enum What {
    /// A UDP socket has something.
    Datagrams(usize),
    Accepted {
        socket: usize,
        from: SocketAddr,
        stream: TcpStream,
    },
    AcceptFailed,
    Carried(FlowId, Carried),
    Nothing,
}

/// Who may send at all.
type Guard = Box<dyn Fn(IpAddr) -> bool + Send>;

/// All of SIP's sockets.
///
/// # Order
/// Wait for [`Self::next`] or for [`Self::deadline`]; then [`Self::handle`] or [`Self::handle_deadline`]; then
/// [`Self::poll_arrival`] until `None`, with any [`Self::send`] that the arrivals ask for; after a last `send`, [`Self::flush`].
pub struct Wires {
    doors: Vec<Door>,
    /// Which socket is looked at first, so that a busy one cannot hide another.
    first: usize,
    guard: Guard,
    table: Connections,
    carriers: BTreeMap<FlowId, Carrier>,
    carried: mpsc::Receiver<(FlowId, Carried)>,
    tell: Tell,
    accept_again: Option<SystemInstant>,
    reader: Reader,
    /// What has come, and when.
    arrivals: VecDeque<(Instant, Arrival)>,
    /// Datagrams to be sent together; at most [`OUTGOING_MAX`].
    outgoing: Vec<Packet>,
    counters: WireCounters,
}

struct Door {
    udp: UdpSocket,
    tcp: TcpListener,
    local: SocketAddr,
    dscp: u8,
}

impl Wires {
    /// Must be called inside a tokio runtime, which from now on owns the sockets.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> io::Result<Self> {
        let door = |Endpoint { udp, tcp, local, dscp }| {
            let (udp, tcp) = (UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?);
            Ok(Door { udp, tcp, local, dscp })
        };
        let (tell, carried) = mpsc::channel(CARRIED_MAX);
        Ok(Self {
            doors: endpoints.into_iter().map(door).collect::<io::Result<_>>()?,
            first: 0,
            guard: Box::new(|_| true),
            table: Connections::new(),
            carriers: BTreeMap::new(),
            carried,
            tell,
            accept_again: None,
            reader: Reader::new(WAITED_MAX),
            arrivals: VecDeque::new(),
            outgoing: Vec::new(),
            counters: WireCounters::default(),
        })
    }

    /// Lets in only those that `guard` says.
    #[must_use]
    pub fn guarded(self, guard: impl Fn(IpAddr) -> bool + Send + 'static) -> Self {
        Self { guard: Box::new(guard), ..self }
    }

    /// The same from now on. Connections that are open stay.
    pub fn guard(&mut self, guard: impl Fn(IpAddr) -> bool + Send + 'static) {
        self.guard = Box::new(guard);
    }

    /// Waits until something happens. May be dropped at any time.
    pub async fn next(&mut self) -> Happening {
        self.first = (self.first + 1) % (2 * self.doors.len()).max(1);
        let Self { doors, first, carried, accept_again, .. } = self;
        let may_accept = accept_again.is_none_or(|at| at <= SystemInstant::now());
        let pause = async {
            match accept_again {
                Some(at) if !may_accept => sleep_until(*at).await,
                Some(_) | None => pending().await,
            }
        };
        // In no fixed order: neither datagrams nor connections can hide the others.
        Happening(tokio::select! {
            what = poll_fn(|context| look(doors, *first, may_accept, context)) => what,
            Some((flow, carried)) = carried.recv() => What::Carried(flow, carried),
            () = pause => What::Nothing,
        })
    }

    /// Takes in what happened. With a datagram, for which there has to be room in `buffer`, come those that wait behind it, up
    /// to `DATAGRAMS_PER_TURN_MAX`: a turn of the loop costs as much as a message.
    pub fn handle(&mut self, now: Instant, happening: Happening, buffer: &mut [u8]) {
        match happening.0 {
            What::Datagrams(socket) => self.datagrams(now, socket, buffer),
            What::Accepted { socket, from, stream } => {
                let local = self.doors[socket].local;
                if self.lets_in(from.ip())
                    && let Ok(flow) = self.table.accepted(now, local, from)
                {
                    // Small messages, and somebody waits for each. Without it they are only later.
                    let _ = stream.set_nodelay(true);
                    self.carriers.insert(flow, Carrier::accepted(flow, stream, self.tell.clone()));
                }
            }
            What::AcceptFailed => {
                self.counters.accept_errors += 1;
                self.accept_again = Some(SystemInstant::now() + ACCEPT_PAUSE);
            }
            What::Carried(flow, carried) => self.carried(now, flow, carried),
            What::Nothing => {}
        }
        self.settle(now);
    }

    /// Closes connections whose time is over.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.table.handle_deadline(now);
        self.settle(now);
    }

    /// When to call [`Self::handle_deadline`] next.
    pub fn deadline(&self) -> Option<Instant> {
        self.table.deadline()
    }

    /// Takes the next thing to know, and when it came: a datagram, to the socket, which may be long before it was read.
    /// Before there is nothing more, what waits is sent.
    pub fn poll_arrival(&mut self, now: Instant) -> Option<(Instant, Arrival)> {
        if self.arrivals.is_empty() {
            self.flush(now);
        }
        self.arrivals.pop_front()
    }

    /// Sends a message; a datagram with [`Self::flush`]. What cannot be sent comes back as [`Arrival::Failed`].
    pub fn send(&mut self, now: Instant, packet: Packet) {
        self.counters.sent += 1;
        match packet.path.transport {
            Transport::Udp => {
                self.outgoing.push(packet);
                if self.outgoing.len() >= OUTGOING_MAX {
                    self.flush(now);
                }
            }
            Transport::Tcp => {
                self.table.send(now, packet);
                self.settle(now);
            }
        }
    }

    /// Sends the datagrams that wait. Together: whoever gets them is woken once and finds them all.
    pub fn flush(&mut self, now: Instant) {
        for packet in std::mem::take(&mut self.outgoing) {
            let Err(error) = self.send_datagram(&packet) else { continue };
            self.counters.send_errors += 1;
            // No room for the moment: lost like any other packet.
            if error.kind() != io::ErrorKind::WouldBlock {
                self.arrivals.push_back((now, Arrival::Failed(packet.path)));
            }
        }
    }

    /// What the sockets saw.
    pub const fn counters(&self) -> WireCounters {
        self.counters
    }

    /// What happened to connections, and how many there are.
    pub fn connections(&self) -> (ConnectionCounters, usize) {
        (*self.table.counters(), self.table.len())
    }

    fn datagrams(&mut self, now: Instant, socket: usize, buffer: &mut [u8]) {
        self.reader.look_at_clocks(now);
        for _ in 0..DATAGRAMS_PER_TURN_MAX {
            let Self { doors, reader, .. } = self;
            let udp = &doors[socket].udp;
            // By way of tokio, which has to know when there is nothing more.
            match udp.try_io(Interest::READABLE, || Ok(reader.read(udp, buffer)?)) {
                Ok(Datagram { length, from, at, .. }) => {
                    self.datagram(socket, from, at, &buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.counters.receive_errors += 1,
            }
        }
    }

    fn datagram(&mut self, socket: usize, from: SocketAddr, arrived: Instant, bytes: &[u8]) {
        if self.lets_in(from.ip()) {
            let (transport, flow) = (Transport::Udp, FlowId::NONE);
            let path = Source { transport, local: self.doors[socket].local, remote: from, flow };
            self.counters.received += 1;
            let bytes = bytes.to_vec();
            self.arrivals.push_back((arrived, Arrival::Packet(Packet { path, bytes })));
        }
    }

    fn lets_in(&mut self, ip: IpAddr) -> bool {
        let allowed = (self.guard)(ip);
        self.counters.denied += u64::from(!allowed);
        allowed
    }

    fn carried(&mut self, now: Instant, flow: FlowId, carried: Carried) {
        match carried {
            Carried::Connected(stream) => {
                self.table.handle_connected(now, flow);
                if let Some(carrier) = self.carriers.get_mut(&flow) {
                    carrier.connected(stream);
                }
            }
            Carried::Bytes(bytes) => self.table.handle_bytes(now, flow, &bytes),
            Carried::Written(bytes) => {
                self.table.handle_written(now, flow, bytes);
                if let Some(carrier) = self.carriers.get_mut(&flow) {
                    carrier.written(bytes);
                }
            }
            Carried::Closed => self.table.handle_closed(flow),
        }
    }

    /// Does all that the table wants done.
    fn settle(&mut self, now: Instant) {
        while let Some(output) = self.table.poll_output() {
            match output {
                ConnectionOutput::Arrived(arrival) => {
                    self.counters.received += u64::from(matches!(arrival, Arrival::Packet(_)));
                    self.arrivals.push_back((now, arrival));
                }
                ConnectionOutput::Connect { flow, local, remote } => {
                    let tell = self.tell.clone();
                    let door = self.doors.iter().find(|door| door.local.ip() == local.ip());
                    let dscp = door.or(self.doors.first()).map_or(0, |door| door.dscp);
                    let carrier = Carrier::connecting(flow, (local.ip(), dscp), remote, tell);
                    self.carriers.insert(flow, carrier);
                }
                ConnectionOutput::Write { flow, bytes } => {
                    if let Some(carrier) = self.carriers.get_mut(&flow) {
                        let done = carrier.write(bytes);
                        if done > 0 {
                            self.table.handle_written(now, flow, done);
                        }
                    }
                }
                ConnectionOutput::FinishWrites { flow } => {
                    if let Some(carrier) = self.carriers.get(&flow) {
                        carrier.finish();
                    }
                }
                ConnectionOutput::Close { flow } => drop(self.carriers.remove(&flow)),
            }
        }
    }

    /// From the address that was asked (RFC 3581 §4).
    fn send_datagram(&self, packet: &Packet) -> io::Result<()> {
        let Packet { path, bytes } = packet;
        let door = self.doors.iter().find(|door| door.local == path.local);
        let door = door.ok_or(io::ErrorKind::AddrNotAvailable)?;
        // Past tokio: it would not send before it has seen the socket ready.
        SockRef::from(&door.udp).send_to(bytes, &path.remote.into()).map(drop)
    }
}

/// Looks at all sockets once, beginning with the one numbered `first`: of each door the UDP socket, then the TCP socket.
fn look(doors: &[Door], first: usize, may_accept: bool, context: &mut Context<'_>) -> Poll<What> {
    let sockets = 2 * doors.len();
    for index in (first..first + sockets).map(|index| index % sockets) {
        let (socket, is_udp) = (index / 2, index % 2 == 0);
        let found = if is_udp {
            readable(socket, &doors[socket].udp, context)
        } else if may_accept {
            connection(socket, &doors[socket].tcp, context)
        } else {
            Poll::Pending
        };
        if found.is_ready() {
            return found;
        }
    }
    Poll::Pending
}

fn readable(socket: usize, udp: &UdpSocket, context: &mut Context<'_>) -> Poll<What> {
    udp.poll_recv_ready(context).map(|ready| match ready {
        Ok(()) => What::Datagrams(socket),
        // The runtime ends.
        Err(_) => What::Nothing,
    })
}

fn connection(socket: usize, tcp: &TcpListener, context: &mut Context<'_>) -> Poll<What> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    tcp.poll_accept(context).map(|accepted| match accepted {
        Ok((stream, from)) => What::Accepted { socket, from, stream },
        // It was gone before we looked.
        Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) => {
            What::Nothing
        }
        Err(_) => What::AcceptFailed,
    })
}
