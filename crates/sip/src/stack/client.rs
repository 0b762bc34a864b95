//! The client half: our requests, and the answers that come in.

use units::Instant;

use super::journey::{Journey, Stays};
use super::key::ClientKey;
use super::{ClientTxnId, Event, Failure, Full, Owner, Stack, TxnId};
use crate::txn::client_invite::{self, ClientInvite};
use crate::txn::client_non_invite::{self, ClientNonInvite};
use crate::txn::{ClientOutput, End};
use crate::{
    CSeq, Essentials, FlowId, HeaderName, Headers, Method, Request, Response, Source, StatusCode,
    Via,
};

/// What we put in Max-Forwards (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u32 = 70;

/// A client transaction and the messages that its machine speaks of.
#[derive(Debug)]
pub(super) struct ClientTxn {
    machine: Machine,
    pub(super) owner: Owner,
    pub(super) key: ClientKey,
    /// Our Via, to know an answer by its sent-by.
    via: Via,
    /// Where the request went.
    pub(super) path: Source,
    /// The request as sent.
    bytes: Vec<u8>,
    /// Where else it may go; `None`: nowhere.
    pub(super) journey: Option<Journey>,
    /// Whether anything was answered.
    pub(super) heard: bool,
}

/// A request that is ready to be sent.
#[derive(Debug)]
pub(super) struct Departure {
    /// Our Via on top.
    pub(super) request: Request,
    pub(super) via: Via,
    pub(super) path: Source,
    pub(super) journey: Option<Journey>,
}

#[derive(Debug)]
enum Machine {
    Invite {
        machine: ClientInvite,
        /// ACK and CANCEL are made from it.
        invite: Box<Request>,
        /// The ACK to the failure that came; empty before.
        ack: Vec<u8>,
    },
    NonInvite(ClientNonInvite),
}

/// What happens to a transaction.
#[derive(Debug)]
enum Input<'a> {
    Answer(&'a Answer),
    Cancel,
    TransportError,
    Due,
}

/// A response that matched.
#[derive(Debug)]
struct Answer {
    response: Response,
    essentials: Essentials,
    source: Source,
}

impl ClientTxn {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }
}

impl Machine {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite { machine, .. } => machine.deadline(),
            Self::NonInvite(machine) => machine.deadline(),
        }
    }

    fn handle(&mut self, now: Instant, input: &Input<'_>, out: &mut Vec<ClientOutput>) {
        match (self, input) {
            (Self::Invite { machine, .. }, Input::Due) => machine.handle_deadline(now, out),
            (Self::Invite { machine, .. }, Input::Answer(answer)) => {
                use client_invite::Input::{Failure, Provisional, Success};
                let input = match answer.response.status {
                    status if status.is_provisional() => Provisional,
                    status if status.is_success() => Success,
                    _ => Failure,
                };
                machine.handle_input(now, input, out);
            }
            (Self::Invite { machine, .. }, Input::Cancel) => {
                machine.handle_input(now, client_invite::Input::Cancel, out);
            }
            (Self::Invite { machine, .. }, Input::TransportError) => {
                machine.handle_input(now, client_invite::Input::TransportError, out);
            }
            (Self::NonInvite(machine), Input::Due) => machine.handle_deadline(now, out),
            (Self::NonInvite(machine), Input::Answer(answer)) => {
                use client_non_invite::Input::{Final, Provisional};
                let provisional = answer.response.status.is_provisional();
                machine.handle_input(now, if provisional { Provisional } else { Final }, out);
            }
            (Self::NonInvite(machine), Input::TransportError) => {
                machine.handle_input(now, client_non_invite::Input::TransportError, out);
            }
            // RFC 3261 §9.1: only an INVITE is worth cancelling.
            (Self::NonInvite(_), Input::Cancel) => {}
        }
    }
}

impl Stack {
    /// Sends a request in a transaction of its own. Our Via, with a new branch, is put on top.
    ///
    /// Everything else is the caller's: From with a tag, To, Call-ID, CSeq, Max-Forwards. An ACK goes by
    /// [`Self::send_once`], a CANCEL by [`Self::cancel`].
    ///
    /// If the place is overloaded or does not answer, and this one is kept back, [`Failure::Overloaded`] or [`Failure::Silent`]
    /// comes at once.
    ///
    /// # Errors
    /// [`Full`] at [`super::TXN_MAX`]; nothing has been sent.
    pub fn request(
        &mut self,
        now: Instant,
        request: Request,
        to: Source,
    ) -> Result<ClientTxnId, Full> {
        self.request_any(now, request, [to])
    }

    /// As [`Self::request`], to the first of several places: each time that a place does not answer, cannot be reached or
    /// says 503, the request goes to the next, with a new branch (RFC 3263 §4.3), and its owner hears of the last
    /// place only. ACK and CANCEL go where the INVITE went. Nowhere after [`Self::cancel`].
    ///
    /// # Errors
    /// [`Full`] at [`super::TXN_MAX`], or if there is no place; nothing has been sent.
    pub fn request_any(
        &mut self,
        now: Instant,
        request: Request,
        targets: impl IntoIterator<Item = Source>,
    ) -> Result<ClientTxnId, Full> {
        debug_assert!(!matches!(request.method, Method::Ack | Method::Cancel));
        let id = ClientTxnId(self.next_id());
        match self.depart(now, Journey::new(request, targets)) {
            Ok(departure) => self.make_client(now, id, departure, Owner::User)?,
            // RFC 7339 §5.10: acts like a 503.
            Err(Stays::KeptBack(why)) => {
                self.tell(Event::Failed { txn: id, why });
                self.tell(Event::ClientEnded { txn: id });
            }
            Err(Stays::NoPlace) => return Err(Full),
        }
        Ok(id)
    }

    /// Sends a request without a transaction: the ACK to a 2xx, which is sent again by whoever sees
    /// that 2xx again (RFC 3261 §13.2.2.4). Our Via, with a new branch, is put on top.
    pub fn send_once(&mut self, now: Instant, request: Request, to: Source) {
        if let Ok(Departure { request, path, .. }) = self.depart(now, Journey::new(request, [to])) {
            self.send(path, request.to_bytes());
        }
    }

    /// Cancels an INVITE of ours: at once if a 1xx has come, else with the first 1xx; not at all after
    /// a final answer (RFC 3261 §9.1). The INVITE's transaction goes on: to a 487, or to
    /// [`Failure::Timeout`] 64·T1 after the CANCEL. A request other than INVITE is not cancelled.
    pub fn cancel(&mut self, now: Instant, id: ClientTxnId) {
        if let Some(txn) = self.clients.get_mut(&id) {
            txn.journey = None;
        }
        self.run_client(now, id, &Input::Cancel);
    }

    /// Where a request is now.
    pub fn path_of(&self, id: ClientTxnId) -> Option<Source> {
        self.clients.get(&id).map(|txn| txn.path)
    }

    /// The network has said that nothing sent by `path` arrives. Requests under way there fail
    /// (RFC 3261 §17.1.4), whichever connection to that peer they named; server transactions stay
    /// (RFC 6026 §8.8).
    pub fn handle_transport_error(&mut self, now: Instant, path: &Source) {
        debug_assert!(self.outputs.is_empty(), "drain poll_output first");
        let hit = self.clients.iter().filter(|(_, txn)| is_same_way(&txn.path, path));
        for id in hit.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.run_client(now, id, &Input::TransportError);
        }
    }

    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        response: Response,
        essentials: Essentials,
        source: Source,
    ) {
        // RFC 3261 §8.1.3.3
        if response.headers.count(&HeaderName::Via) > 1 {
            self.counters.responses_with_vias += 1;
            return;
        }
        let found = essentials.via.branch().and_then(|branch| {
            let branch = branch.to_owned();
            let key = ClientKey { branch, method: essentials.cseq.method.clone() };
            let id = *self.client_keys.get(&key)?;
            Some((id, self.clients.get(&id)?))
        });
        // RFC 6026 §8.9: what matches nothing is dropped; the user never sees it.
        let Some((id, txn)) = found else {
            self.counters.stray_responses += 1;
            return;
        };
        // RFC 3261 §18.1.2
        let theirs = &essentials.via;
        let ours = &txn.via;
        let same_host = theirs.host.as_str().eq_ignore_ascii_case(ours.host.as_str());
        if !same_host || theirs.sent_by_port() != ours.sent_by_port() {
            self.counters.foreign_responses += 1;
            return;
        }
        let place = txn.path.remote;
        if self.asks_for_control {
            self.downstream.answered(now, place, theirs, &mut self.rng);
            self.silent.answered(place);
        }
        let answer = Answer { response, essentials, source };
        self.run_client(now, id, &Input::Answer(&answer));
    }

    pub(super) fn client_due(&mut self, now: Instant, id: ClientTxnId) {
        self.run_client(now, id, &Input::Due);
    }

    pub(super) fn make_client(
        &mut self,
        now: Instant,
        id: ClientTxnId,
        departure: Departure,
        owner: Owner,
    ) -> Result<(), Full> {
        if self.clients.len() >= self.txn_max {
            self.counters.requests_without_room += 1;
            return Err(Full);
        }
        let Departure { request, via, path, journey } = departure;
        let branch = via.branch().unwrap_or_default().to_owned();
        let key = ClientKey { branch, method: request.method.clone() };
        let bytes = request.to_bytes();
        let mut wanted = vec![];
        let machine = if request.method == Method::Invite {
            let machine = ClientInvite::start(now, path.transport, &mut wanted);
            Machine::Invite { machine, invite: Box::new(request), ack: vec![] }
        } else {
            Machine::NonInvite(ClientNonInvite::start(now, path.transport, &mut wanted))
        };
        self.reschedule(TxnId::Client(id), None, machine.deadline());
        self.client_keys.insert(key.clone(), id);
        let heard = false;
        let txn = ClientTxn { machine, owner, key, via, path, bytes, journey, heard };
        self.clients.insert(id, txn);
        for output in wanted {
            self.do_for_client(now, id, output, &Input::Due);
        }
        Ok(())
    }

    /// Gives one input to a machine and does what it wants.
    fn run_client(&mut self, now: Instant, id: ClientTxnId, input: &Input<'_>) {
        let Some(txn) = self.clients.get_mut(&id) else { return };
        let before = txn.machine.deadline();
        let mut wanted = vec![];
        txn.heard |= matches!(input, Input::Answer(_));
        txn.machine.handle(now, input, &mut wanted);
        let after = txn.machine.deadline();
        self.reschedule(TxnId::Client(id), before, after);
        if matches!(input, Input::Answer(_)) && wanted.is_empty() {
            self.counters.response_copies += 1;
        }
        for output in wanted {
            self.do_for_client(now, id, output, input);
        }
    }

    fn do_for_client(
        &mut self,
        now: Instant,
        id: ClientTxnId,
        output: ClientOutput,
        input: &Input<'_>,
    ) {
        let Some(txn) = self.clients.get_mut(&id) else { return };
        match output {
            ClientOutput::Send => {
                let (path, bytes) = (txn.path, txn.bytes.clone());
                self.send(path, bytes);
            }
            ClientOutput::SendAck => {
                let Machine::Invite { invite, ack, .. } = &mut txn.machine else { return };
                if let (Input::Answer(answer), true) = (input, ack.is_empty()) {
                    let headers = &answer.response.headers;
                    *ack = hop_by_hop(Method::Ack, invite, headers, &txn.via).to_bytes();
                }
                let (path, bytes) = (txn.path, ack.clone());
                self.send(path, bytes);
            }
            ClientOutput::SendCancel => {
                let Machine::Invite { invite, .. } = &txn.machine else { return };
                let cancel = hop_by_hop(Method::Cancel, invite, &invite.headers, &txn.via);
                let (via, path) = (txn.via.clone(), txn.path);
                let bytes = cancel.to_bytes();
                // RFC 3261 §9.1: to the same address, port and transport. Without room for its
                // transaction, once is better than never.
                let departure = Departure { request: cancel, via, path, journey: None };
                let cancel = ClientTxnId(self.next_id());
                if self.make_client(now, cancel, departure, Owner::Stack).is_err() {
                    self.send(path, bytes);
                }
            }
            // The last that a machine wants of a final answer.
            ClientOutput::ToUser if is_unavailable(input) && self.refused_there(now, id) => {}
            ClientOutput::ToUser => {
                let Some(txn) = self.clients.get_mut(&id) else { return };
                if let (Owner::User, Input::Answer(answer)) = (txn.owner, input) {
                    let Answer { response, essentials, source } = answer;
                    let (response, essentials) = (response.clone(), Box::new(essentials.clone()));
                    self.tell(Event::Response { txn: id, response, essentials, source: *source });
                }
            }
            ClientOutput::Ended(end) => self.end_client(now, id, end),
        }
    }

    fn end_client(&mut self, now: Instant, id: ClientTxnId, end: End) {
        let Some(txn) = self.clients.remove(&id) else { return };
        self.client_keys.remove(&txn.key);
        self.note_silence(now, &txn, end);
        // Whoever has answered anything has the request, and no other place gets it.
        if !txn.heard
            && let Some(journey) = txn.journey.and_then(|journey| journey.after(end))
            && self.travel_on(now, id, journey, txn.owner)
        {
            return;
        }
        let why = match end {
            End::Timeout => Some(Failure::Timeout),
            End::Transport => Some(Failure::Transport),
            End::Done | End::AckMissing => None,
        };
        match txn.owner {
            Owner::User => {
                if let Some(why) = why {
                    self.tell(Event::Failed { txn: id, why });
                }
                self.tell(Event::ClientEnded { txn: id });
            }
            Owner::Stack => {}
        }
    }
}

/// RFC 3263 §4.3: this place cannot serve, another may.
fn is_unavailable(input: &Input<'_>) -> bool {
    matches!(input, Input::Answer(answer) if answer.response.status == StatusCode::SERVICE_UNAVAILABLE)
}

/// Whether what is sent by one path meets the fate of the other: the connection is the same, or the peer
/// is, to whom there is but one.
fn is_same_way(one: &Source, other: &Source) -> bool {
    let same_flow = one.flow == other.flow && one.flow != FlowId::NONE;
    let same_peer = one.local == other.local && one.remote == other.remote;
    one.transport == other.transport && (same_flow || same_peer)
}

/// An ACK to a failure (RFC 3261 §17.1.1.3) or a CANCEL (§9.1): made from the INVITE, on whose branch
/// it goes, with To from `to`, and without Require and a body.
fn hop_by_hop(method: Method, invite: &Request, to: &Headers, via: &Via) -> Request {
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    let mut request = Request::new(method.clone(), invite.uri.clone());
    request.headers.push(HeaderName::Via, via.to_string());
    request.headers.copy_all(&invite.headers, &HeaderName::Route);
    request.headers.push(HeaderName::MaxForwards, MAX_FORWARDS);
    request.headers.copy_all(&invite.headers, &HeaderName::From);
    request.headers.copy_all(to, &HeaderName::To);
    request.headers.copy_all(&invite.headers, &HeaderName::CallId);
    // RFC 3261 §22.1: the ACK brings the credentials of its INVITE. A CANCEL is never challenged.
    if method == Method::Ack {
        request.headers.copy_all(&invite.headers, &HeaderName::Authorization);
        request.headers.copy_all(&invite.headers, &HeaderName::ProxyAuthorization);
    }
    request.headers.push(HeaderName::CSeq, CSeq { number, method }.to_string());
    // RFC 7989 §6: that of a CANCEL is the same.
    request.headers.copy_all(&invite.headers, &HeaderName::SessionId);
    request
}
