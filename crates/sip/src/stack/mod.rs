//! The stack: transactions and messages, without sockets and clocks.

mod client;
mod counters;
mod downstream;
mod event;
mod journey;
mod key;
mod server;
mod silent;
mod stateless;
mod traffic;
mod via;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use units::{Instant, Rng};

use self::client::ClientTxn;
pub use self::client::MAX_FORWARDS;
use self::downstream::Downstream;
use self::journey::NoStream;
pub use self::journey::{DATAGRAM_REQUEST_BYTES_MAX, NO_STREAM_FOR};
use self::key::{ClientKey, ServerKey};
use self::server::ServerTxn;
use self::silent::Silent;
use self::stateless::StatelessTags;
pub use self::{
    counters::{ByCause, Counters, MessageDropped, RequestUnsent, StackRefusal},
    event::{ClientTxnId, Event, Failure, Full, Incoming, Output, ServerTxnId},
    traffic::{MessageKind, Traffic},
    via::OverloadControl,
};
use crate::header::BRANCH_COOKIE;
use crate::parse::parse_with_essentials;
use crate::{Arrival, Host, Message, Packet, SessionUuid, Source, Via};

/// The most server transactions, and as many client transactions, of one stack. A server transaction
/// over UDP lives up to 32 s and holds 1-2 KiB: this is 2,000 requests a second in some 130 MB. When
/// full, new requests get 503 without state, and [`Stack::request`] says [`Full`].
pub const TXN_MAX: usize = 65_536;

/// The most bytes that the server transactions hold of what peers have sent: 3 KiB each when the table
/// is full. A peer may put 60 kB of Call-ID into a request, and all of it is in our answer; when full,
/// as for [`TXN_MAX`].
pub const TXN_BYTES_MAX: usize = 192 << 20;

/// The part of the server transactions, one in so many, that only requests with a To tag may use: when
/// the others have filled the table, a BYE must still find room, because it frees a seat.
const IN_DIALOG_SHARE: usize = 16;

/// The most transactions whose timers are looked after in one [`Stack::handle_deadline`], so that the
/// queue of outputs stays short; the others are due at once again.
const DUE_BATCH_MAX: usize = 256;

/// Random characters, 5 bits each, in a branch or Call-ID: none of a node's may ever come again.
const UNIQUE_CHARS: usize = 20;
/// Random characters, 5 bits each, in a tag; RFC 3261 §19.3 asks for 32 bits.
const TAG_CHARS: usize = 16;

/// How a stack appears to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackConfig {
    /// For each bound address, the host and port that others reach it by: they stand in our Via. An
    /// address without an entry, or with a host that is none, stands for itself.
    pub advertise: Vec<(SocketAddr, String, u16)>,
    /// What our tags, branches and Call-IDs begin with: it names node and shard.
    pub tag_prefix: String,
    /// Whether next hops are asked how much they can take, and are sent no more (RFC 7339): right for whoever sends many
    /// requests to one place. A phone's next request comes long after what it was told is over; it is told by
    /// Retry-After when to come again, and who asks by `oc` is not.
    pub asks_for_control: bool,
}

/// SIP's transaction and transport layers as one machine without I/O.
///
/// - In: [`Self::handle_arrival`], [`Self::handle_packet`], [`Self::handle_deadline`],
///   [`Self::handle_transport_error`].
/// - Commands: [`Self::accept`], [`Self::respond`], [`Self::reply_stateless`],
///   [`Self::resend_success`], [`Self::request`], [`Self::cancel`], [`Self::send_once`].
/// - Out: [`Self::poll_output`], [`Self::deadline`].
///
/// # Order
/// One `handle_*`; then `poll_output` until `None`, with any commands that the events ask for; then
/// wait for a packet or for `deadline`. `now` never goes back.
///
/// **Invariant:** a transaction is in its table, in the key index and, if a timer runs, in the
/// schedule, or in none of them.
#[derive(Debug)]
pub struct Stack {
    advertise: BTreeMap<SocketAddr, (Host, u16)>,
    tag_prefix: String,
    rng: Rng,
    stateless: StatelessTags,
    servers: BTreeMap<ServerTxnId, ServerTxn>,
    server_keys: BTreeMap<ServerKey, ServerTxnId>,
    clients: BTreeMap<ClientTxnId, ClientTxn>,
    client_keys: BTreeMap<ClientKey, ClientTxnId>,
    /// The next deadline of every transaction that has one.
    schedule: BTreeSet<(Instant, TxnId)>,
    last_id: u64,
    txn_max: usize,
    /// What the server transactions hold, in bytes; at most `txn_bytes_max` and the last one.
    server_bytes: usize,
    txn_bytes_max: usize,
    no_stream: NoStream,
    outputs: VecDeque<Output>,
    counters: Counters,
    traffic: Traffic,
    overload: OverloadControl,
    asks_for_control: bool,
    downstream: Downstream,
    silent: Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TxnId {
    Server(ServerTxnId),
    Client(ClientTxnId),
}

/// Who hears of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    User,
    /// A CANCEL: the stack's own business.
    Stack,
}

impl Stack {
    /// Makes a stack without transactions.
    pub fn new(config: StackConfig, mut rng: Rng) -> Self {
        let stateless = StatelessTags::new(rng.bytes());
        let host = |(bind, host, port): (_, String, _)| Some((bind, (host.parse().ok()?, port)));
        Self {
            advertise: config.advertise.into_iter().filter_map(host).collect(),
            tag_prefix: config.tag_prefix,
            rng,
            stateless,
            servers: BTreeMap::new(),
            server_keys: BTreeMap::new(),
            clients: BTreeMap::new(),
            client_keys: BTreeMap::new(),
            schedule: BTreeSet::new(),
            last_id: 0,
            txn_max: TXN_MAX,
            server_bytes: 0,
            txn_bytes_max: TXN_BYTES_MAX,
            no_stream: NoStream::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            traffic: Traffic::default(),
            overload: OverloadControl::default(),
            asks_for_control: config.asks_for_control,
            downstream: Downstream::default(),
            silent: Silent::default(),
        }
    }

    /// Takes one packet from the network.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet) {
        debug_assert!(self.outputs.is_empty(), "drain poll_output first");
        self.counters.packets += 1;
        if is_keep_alive(&packet.bytes) {
            self.counters.keep_alives += 1;
            return;
        }
        let parsed = parse_with_essentials(&packet.bytes);
        if parsed.is_ok() {
            self.traffic.received.count(MessageKind::of(&packet.bytes));
        }
        match parsed {
            Ok((Message::Request(request), essentials)) => {
                self.handle_request(now, request, essentials, packet.path);
            }
            Ok((Message::Response(response), essentials)) => {
                self.handle_response(now, response, essentials, packet.path);
            }
            Err(failure) => self.refuse_malformed(&failure, packet.path),
        }
    }

    /// Takes whatever the transport layer has to tell.
    pub fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Packet(packet) => self.handle_packet(now, packet),
            Arrival::Malformed { path, failure } => {
                debug_assert!(self.outputs.is_empty(), "drain poll_output first");
                self.counters.packets += 1;
                self.refuse_malformed(&failure, path);
            }
            Arrival::Failed(path) => self.handle_transport_error(now, &path),
            Arrival::Refused(path) => {
                self.took_no_stream(now, path.remote);
                self.handle_transport_error(now, &path);
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_deadline(&mut self, now: Instant) {
        debug_assert!(self.outputs.is_empty(), "drain poll_output first");
        for _ in 0..DUE_BATCH_MAX {
            match self.schedule.first() {
                Some((at, TxnId::Server(id))) if *at <= now => self.server_due(now, *id),
                Some((at, TxnId::Client(id))) if *at <= now => self.client_due(now, *id),
                Some(_) | None => return,
            }
        }
    }

    /// When to call [`Self::handle_deadline`] next.
    pub fn deadline(&self) -> Option<Instant> {
        self.schedule.first().map(|(at, _)| *at)
    }

    /// Takes the next thing to do or to know.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What clients that speak RFC 7339 are asked for from now on.
    pub const fn set_overload(&mut self, overload: OverloadControl) {
        self.overload = overload;
    }

    /// Counts a message that its user has understood by a look ([`crate::Glance`]): it never comes here.
    pub fn count_unread(&mut self, kind: MessageKind) {
        self.counters.packets += 1;
        self.traffic.received.count(kind);
    }

    /// What was dropped or refused so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What came in and what went out so far.
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The server transactions that exist, and the client transactions.
    pub fn transaction_counts(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }

    /// The transactions that exist, of both kinds.
    pub fn transaction_count(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// A new From or To tag.
    pub fn new_tag(&mut self) -> String {
        self.unique("", TAG_CHARS)
    }

    /// A new Call-ID.
    pub fn new_call_id(&mut self) -> String {
        self.unique("", UNIQUE_CHARS)
    }

    /// A new end of a session (RFC 7989 §4.1).
    pub fn new_session_uuid(&mut self) -> SessionUuid {
        SessionUuid::random(self.rng.bytes())
    }

    /// The host and port that others reach a bound address by: for Via and Contact.
    pub fn advertised(&self, local: SocketAddr) -> (Host, u16) {
        let own = || (Host::from(local.ip()), local.port());
        self.advertise.get(&local).cloned().unwrap_or_else(own)
    }

    fn unique(&mut self, cookie: &str, chars: usize) -> String {
        let random = self.rng.token(chars);
        format!("{cookie}{}{random}", self.tag_prefix)
    }

    /// A Via of ours with a new branch (RFC 3261 §8.1.1.7), which asks for the answer to come back the
    /// way the request went (RFC 3581 §3) and, if so configured, to say how much more may come.
    fn new_via(&mut self, path: &Source) -> Via {
        let branch = self.unique(BRANCH_COOKIE, UNIQUE_CHARS);
        let (host, port) = self.advertised(path.local);
        let via = Via::new(path.transport.via_token(), host, Some(port));
        let mut via = via.with_rport().with_branch(&branch);
        if self.asks_for_control {
            downstream::ask(&mut via);
        }
        via
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn send(&mut self, path: Source, bytes: Vec<u8>) {
        self.traffic.sent.count(MessageKind::of(&bytes));
        self.outputs.push_back(Output::Send(Packet { path, bytes }));
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Moves a transaction in the schedule from one deadline to another.
    fn reschedule(&mut self, id: TxnId, from: Option<Instant>, to: Option<Instant>) {
        if from == to {
            return;
        }
        if let Some(at) = from {
            self.schedule.remove(&(at, id));
        }
        if let Some(at) = to {
            self.schedule.insert((at, id));
        }
    }
}

/// Whether a datagram only keeps a NAT open: CRLFs (RFC 5626 §3.5.1), or the four zero bytes or
/// nothing at all that some phones send.
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes == [0; 4] || bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}
