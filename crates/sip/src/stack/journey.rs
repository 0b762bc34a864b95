//! Where a request of ours goes, and where next when it does not get through.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use units::Instant;

use super::client::{ClientTxn, Departure};
use super::{ClientTxnId, Failure, Owner, Stack, TxnId};
use crate::txn::End;
use crate::{FlowId, HeaderName, Method, Request, Source, Transport};

/// The longest request that goes into a datagram. The path's MTU is not known to us, so it is the number that
/// RFC 3261 §18.1.1 names: an answer is longer than its request, and 200 bytes more must still fit into 1500. What is
/// longer goes over TCP, and into fragments only where nobody takes a connection.
pub const DATAGRAM_REQUEST_BYTES_MAX: usize = 1_300;

/// How long a peer that took no connection is asked for none: its next long request goes into a datagram at once.
/// A firewall that swallows what we send to port 5060 would else cost [`crate::CONNECT_MAX`] each time.
pub const NO_STREAM_FOR: Duration = Duration::from_secs(600);

/// The most peers that are remembered for [`NO_STREAM_FOR`]: as many as a large site has phones. When full, the one whose
/// time is over first is asked again.
const NO_STREAM_MAX: usize = 1_024;

/// A request without our Via, and the places that it may still go to. Each gets a branch of its own (RFC 3263 §4.3).
#[derive(Debug)]
pub(super) struct Journey {
    request: Request,
    stops: VecDeque<Stop>,
}

#[derive(Clone, Copy, Debug)]
struct Stop {
    path: Source,
    kind: StopKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopKind {
    /// A place of its own. What is too long for a datagram goes there by TCP first.
    Target,
    /// The same place over UDP, in fragments, because it takes no connection.
    InFragments,
    /// The same place by a connection of its own, because the one that was used again had ended.
    Anew,
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    /// There is no place, or none is left.
    NoPlace,
    /// Every place that is left asks for fewer requests, or does not answer: so it fails.
    KeptBack(Failure),
}

impl Journey {
    pub(super) fn new(request: Request, targets: impl IntoIterator<Item = Source>) -> Self {
        let stop = |path| Stop { path, kind: StopKind::Target };
        Self { request, stops: targets.into_iter().map(stop).collect() }
    }

    /// What is left where one place has said that it cannot serve now.
    fn elsewhere(mut self) -> Option<Self> {
        self.stops.retain(|stop| stop.kind == StopKind::Target);
        (!self.stops.is_empty()).then_some(self)
    }

    /// Whether what does not get through by one way is tried by another, at the same place.
    pub(super) fn stays_at(&self, place: SocketAddr) -> bool {
        let next = self.stops.front();
        next.is_some_and(|next| next.kind != StopKind::Target && next.path.remote == place)
    }

    /// What is left after an attempt that ended so.
    pub(super) fn after(self, end: End) -> Option<Self> {
        match end {
            End::Transport => {}
            // A peer that takes our bytes and says nothing would not say more to fragments.
            End::Timeout => return self.elsewhere(),
            End::Done | End::AckMissing => return None,
        }
        (!self.stops.is_empty()).then_some(self)
    }
}

impl Stack {
    /// Makes a request ready for the next stop of its journey: our Via on top, with a new branch, and the transport
    /// that the request's length asks for (RFC 3261 §18.1.1).
    pub(super) fn depart(
        &mut self,
        now: Instant,
        mut journey: Journey,
    ) -> Result<Departure, Stays> {
        let Stop { mut path, kind } = self.next_stop(now, &mut journey)?;
        let mut via = self.new_via(&path);
        let mut request = journey.request.clone();
        request.headers.push_front(HeaderName::Via, via.to_string());
        let is_used_again = path.flow != FlowId::NONE && path.transport.is_reliable();
        if is_used_again {
            // It may have ended, and we not know it yet.
            let path = Source { flow: FlowId::NONE, ..path };
            journey.stops.push_front(Stop { path, kind: StopKind::Anew });
        }
        let is_long = request.to_bytes().len() > DATAGRAM_REQUEST_BYTES_MAX;
        let may_change = path.transport == Transport::Udp && kind == StopKind::Target;
        if is_long && may_change && self.takes_streams(now, path.remote) {
            journey.stops.push_front(Stop { path, kind: StopKind::InFragments });
            path = Source { transport: Transport::Tcp, flow: FlowId::NONE, ..path };
            // RFC 3261 §18.1.1: the Via says what it goes by.
            via.transport = path.transport.via_token().into();
            request.headers.set_top_via(&via);
            self.counters.long_requests += 1;
        }
        let journey = (!journey.stops.is_empty()).then_some(journey);
        Ok(Departure { request, via, path, journey })
    }

    /// The next place that takes the request. Those that ask for less are passed over with what is kept back from them
    /// (RFC 7339 §5.10), and those that do not answer with everything new (§5.9).
    fn next_stop(&mut self, now: Instant, journey: &mut Journey) -> Result<Stop, Stays> {
        let request = &journey.request;
        let is_new = request.headers.to().is_ok_and(|to| to.tag().is_none());
        let mut stays = Stays::NoPlace;
        while let Some(stop) = journey.stops.pop_front() {
            let is_judged = match stop.kind {
                // An ACK belongs to a request that was let go; so does one more attempt at the same place.
                StopKind::Target => request.method != Method::Ack,
                StopKind::InFragments | StopKind::Anew => false,
            };
            let place = stop.path.remote;
            if is_judged && !self.downstream.lets_go(now, place, is_new) {
                self.counters.requests_kept_back += 1;
                stays = Stays::KeptBack(Failure::Overloaded);
            } else if is_judged && is_new && !self.silent.lets_go(now, place) {
                self.counters.requests_to_silent += 1;
                stays = Stays::KeptBack(Failure::Silent);
            } else {
                return Ok(stop);
            }
        }
        Err(stays)
    }

    /// Sends a request to the next stop, in a transaction that its owner knows by the old name. Says whether there was
    /// one, and room.
    pub(super) fn travel_on(
        &mut self,
        now: Instant,
        id: ClientTxnId,
        journey: Journey,
        owner: Owner,
    ) -> bool {
        let departure = self.depart(now, journey);
        let made = departure.is_ok_and(|it| self.make_client(now, id, it, owner).is_ok());
        self.counters.other_targets += u64::from(made);
        made
    }

    /// RFC 7339 §5.9: a transaction has ended. If nothing came back at all, that is held against its place; whoever answers
    /// with a 1xx is there.
    pub(super) fn note_silence(&mut self, now: Instant, txn: &ClientTxn, end: End) {
        let place = txn.path.remote;
        let is_failure = match end {
            End::Timeout => true,
            End::Transport => !txn.journey.as_ref().is_some_and(|it| it.stays_at(place)),
            End::Done | End::AckMissing => false,
        };
        if is_failure && !txn.heard && self.asks_for_control {
            self.silent.failed(now, place);
        }
    }

    /// A 503 speaks for one place only: on to the next, if there is one (RFC 3263 §4.3). The transaction lingers, to
    /// acknowledge copies of the 503, and its owner knows the new one by its name.
    pub(super) fn refused_there(&mut self, now: Instant, id: ClientTxnId) -> bool {
        if self.clients.len() >= self.txn_max {
            return false;
        }
        let Some(txn) = self.clients.get_mut(&id) else { return false };
        let Some(journey) = txn.journey.take().and_then(Journey::elsewhere) else { return false };
        // If no other place takes it, its owner hears of the 503.
        let Ok(departure) = self.depart(now, journey) else { return false };
        let Some(mut old) = self.clients.remove(&id) else { return false };
        let owner = std::mem::replace(&mut old.owner, Owner::Stack);
        let (deadline, lingering) = (old.deadline(), ClientTxnId(self.next_id()));
        self.reschedule(TxnId::Client(id), deadline, None);
        self.reschedule(TxnId::Client(lingering), None, deadline);
        self.client_keys.insert(old.key.clone(), lingering);
        self.clients.insert(lingering, old);
        self.counters.other_targets += 1;
        self.make_client(now, id, departure, owner).is_ok()
    }

    /// A peer has taken no connection.
    pub(super) fn took_no_stream(&mut self, now: Instant, remote: SocketAddr) {
        self.no_stream.note(now, remote);
    }

    fn takes_streams(&self, now: Instant, remote: SocketAddr) -> bool {
        !self.no_stream.knows(now, remote)
    }
}

/// Peers that took no connection, and until when that is held to be true.
#[derive(Debug, Default)]
pub(super) struct NoStream(BTreeMap<SocketAddr, Instant>);

impl NoStream {
    fn note(&mut self, now: Instant, remote: SocketAddr) {
        self.0.insert(remote, now + NO_STREAM_FOR);
        if self.0.len() > NO_STREAM_MAX
            && let Some(first) = self.0.iter().min_by_key(|(_, until)| **until)
        {
            let first = *first.0;
            self.0.remove(&first);
        }
    }

    fn knows(&self, now: Instant, remote: SocketAddr) -> bool {
        self.0.get(&remote).is_some_and(|until| now < *until)
    }
}
