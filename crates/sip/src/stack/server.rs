//! The server half: requests that come in, and our answers.

use std::net::IpAddr;

use units::Instant;

use super::key::{Identity, ServerKey};
use super::via::{answer_path, stamp};
use super::{
    Event, Full, IN_DIALOG_SHARE, Incoming, MessageKind, Owner, ServerTxnId, Stack, TxnId,
};
use crate::glance::Glimpse;
use crate::txn::server_invite::{self, ServerInvite};
use crate::txn::server_non_invite::{self, ServerNonInvite};
use crate::txn::{End, ServerOutput};
use crate::{
    Essentials, HeaderName, Method, Packet, ParseFailure, Request, Response, Source, StatusCode,
    Via,
};

/// A server transaction and the messages that its machine speaks of.
#[derive(Debug)]
pub(super) struct ServerTxn {
    machine: Machine,
    owner: Owner,
    key: ServerKey,
    /// Where the answers go.
    path: Source,
    /// The last answer. To an INVITE, before the user's first one: a 100.
    answer: Vec<u8>,
    /// The To tag of our answers, once there is one.
    to_tag: Option<String>,
}

#[derive(Debug)]
enum Machine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

/// What happens to a transaction.
#[derive(Debug)]
enum Input<'a> {
    /// A copy of its request.
    Copy,
    /// The ACK to its answer.
    Ack(&'a Incoming),
    /// The user's answer.
    Answer(&'a Response),
    /// Its deadline.
    Due,
}

#[cfg(test)]
impl ServerTxn {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }
}

impl ServerTxn {
    /// How much memory the texts of the peer take: as they are, and once or twice more in the key.
    pub(super) fn bytes(&self) -> usize {
        self.answer.len() + 2 * self.key.identity.bytes()
    }
}

impl Machine {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::NonInvite(machine) => machine.deadline(),
        }
    }

    fn handle(&mut self, now: Instant, input: &Input<'_>, out: &mut Vec<ServerOutput>) {
        match (self, input) {
            (Self::Invite(machine), Input::Due) => machine.handle_deadline(now, out),
            (Self::Invite(machine), Input::Copy) => {
                machine.handle_input(now, server_invite::Input::Invite, out);
            }
            (Self::Invite(machine), Input::Ack(_)) => {
                machine.handle_input(now, server_invite::Input::Ack, out);
            }
            (Self::Invite(machine), Input::Answer(response)) => {
                use server_invite::Input::{Failure, Provisional, Success};
                let input = match response.status {
                    status if status.is_provisional() => Provisional,
                    status if status.is_success() => Success,
                    _ => Failure,
                };
                machine.handle_input(now, input, out);
            }
            (Self::NonInvite(machine), Input::Due) => machine.handle_deadline(now, out),
            (Self::NonInvite(machine), Input::Copy) => {
                machine.handle_input(now, server_non_invite::Input::Request, out);
            }
            (Self::NonInvite(machine), Input::Answer(response)) => {
                use server_non_invite::Input::{Final, Provisional};
                let provisional = response.status.is_provisional();
                machine.handle_input(now, if provisional { Provisional } else { Final }, out);
            }
            (Self::NonInvite(_), Input::Ack(_)) => {} // only INVITE keys are looked up for an ACK
        }
    }
}

/// What whoever asks why at the other end finds in the answer (RFC 3261 §20.43). It is from a pseudonym: to write our address would
/// cost more than all the rest.
const OVERLOADED: &str = "Warning: 399 conference \"More new calls come than this server can take now; those under way go on\"\r\n";

/// The same where there is no room for one more transaction.
const FULL: &str = "399 conference \"This server has as many requests under way as it can keep: call again in a few seconds\"";

/// What a To tag adds to an answer, and more.
const TAG_BYTES: usize = 64;

/// How an answer to what was only looked at ends.
const NO_BODY: &[u8] = b"Content-Length: 0\r\n\r\n";

impl Stack {
    /// Makes the server transaction of a request that came as [`Event::Request`]. For an INVITE, a 100
    /// goes out if no answer has been given after 200 ms (RFC 3261 §17.2.1).
    ///
    /// An ACK has no transaction: never call this with one.
    ///
    /// # Errors
    /// [`Full`] at [`super::TXN_MAX`] or [`super::TXN_BYTES_MAX`]; nothing has been sent.
    pub fn accept(&mut self, now: Instant, incoming: &Incoming) -> Result<ServerTxnId, Full> {
        self.make_server(now, incoming, Owner::User)
    }

    /// Answers a request within its transaction.
    ///
    /// The To tag is put in if the user has not done so, the same one for every answer to this request
    /// (RFC 3261 §8.2.6.2). An answer after the final one is dropped, but for a 2xx after a 2xx to an
    /// INVITE; so is a 1xx other than 100 to another request than INVITE (RFC 4320 §4.1). Both are
    /// counted.
    pub fn respond(&mut self, now: Instant, id: ServerTxnId, mut response: Response) {
        let Some(txn) = self.servers.get(&id) else {
            self.counters.late_answers += 1;
            return;
        };
        let trying = response.status == StatusCode::TRYING;
        let invite = matches!(txn.machine, Machine::Invite(_));
        if response.status.is_provisional() && !trying && !invite {
            self.counters.needless_provisionals += 1;
            return;
        }
        if !trying {
            // RFC 3261 §8.2.6.2: one tag for all answers to a request.
            let given = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned));
            let tag = self.settle_tag(id, given);
            response = response.with_to_tag(&tag);
        }
        self.run_server(now, id, &Input::Answer(&response));
    }

    /// Answers a request without keeping anything: no copies, no absorbing (RFC 3261 §8.2.7). The To
    /// tag is put in if the user has not done so, the same for every copy of the request. An ACK is not
    /// answered.
    pub fn reply_stateless(&mut self, incoming: &Incoming, response: Response) {
        if incoming.request.method != Method::Ack {
            self.answer_once(&incoming.essentials.via, incoming.source, response);
        }
    }

    /// Refuses a request because there is no room: 503, statelessly, with Retry-After and Warning where [`Self::refuse_unread`]
    /// has them. The stack does so itself while it can; this is for a user to whom [`Self::accept`] has said [`Full`].
    pub fn refuse_full(&mut self, incoming: &Incoming) {
        let Incoming { request, essentials, source } = incoming;
        let is_phone =
            request.headers.count(&HeaderName::Via) == 1 && !essentials.via.params.has("oc");
        let mut response = Response::answering(request, StatusCode::SERVICE_UNAVAILABLE);
        if is_phone {
            let seconds = self.retry_after();
            response = response.with_header(HeaderName::RetryAfter, seconds.to_string());
        }
        let warned = response.clone().with_header(HeaderName::Warning, FULL);
        let is_longer = warned.to_bytes().len() + TAG_BYTES > request.to_bytes().len();
        if source.transport.is_reliable() || !is_longer {
            response = warned;
        }
        self.reply_stateless(incoming, response);
    }

    /// Refuses for overload a request that was only looked at, in `packet`: 503, statelessly. With a Retry-After of 2 to 10 s if the
    /// client stands at its other end; a proxy would send nothing at all for so long, BYEs too (RFC 3261 §21.5.4,
    /// RFC 7339 §5.10.2). With a Warning, if the answer is no longer than the request even so: nobody has proved yet that he
    /// wants it. Says whether it could be answered.
    pub fn refuse_unread(&mut self, request: &Glimpse<'_>, packet: &Packet) -> bool {
        let (source, came) = (packet.path, packet.bytes.len());
        let Some(mut via) = request.top_via() else { return false };
        stamp(&mut via, &source, self.overload);
        let retry = match request.is_forwarded || request.has_oc {
            true => "",
            false => self.retry_line(),
        };
        let start = "SIP/2.0 503 Service Unavailable";
        let ip = source.remote.ip();
        let tag = self.refusal_tag(ip, (request.call_id, request.from_tag, request.cseq));
        let way = (answer_path(&via, source), &via);
        let mut packet = request.answer(way, (start, &tag, retry));
        if packet.bytes.len() + OVERLOADED.len() <= came && packet.bytes.ends_with(NO_BODY) {
            packet.bytes.truncate(packet.bytes.len() - NO_BODY.len());
            packet.bytes.extend_from_slice(OVERLOADED.as_bytes());
            packet.bytes.extend_from_slice(NO_BODY);
        }
        self.traffic.received.count(MessageKind::of(request.method.as_bytes()));
        self.send(packet.path, packet.bytes);
        true
    }

    /// Whether this is an ACK to what [`Self::refuse_unread`] has answered, from where that went: its sender receives where he
    /// sends from. There is nothing else to do about it.
    pub fn acknowledges_refusal(&self, ack: &Glimpse<'_>, source: IpAddr) -> bool {
        let of = (ack.call_id, ack.from_tag, ack.cseq);
        ack.method == "ACK" && ack.to_tag.is_some_and(|tag| tag == self.refusal_tag(source, of))
    }

    fn refusal_tag(&self, source: IpAddr, of: (&str, Option<&str>, u32)) -> String {
        self.stateless.of_refusal(&self.tag_prefix, source, of)
    }

    /// RFC 3261 §21.5.4: the time is drawn, so that those who are refused do not all come back at once.
    fn retry_after(&mut self) -> u64 {
        2 + self.rng.below(9)
    }

    /// The same as a line of a header.
    fn retry_line(&mut self) -> &'static str {
        match self.retry_after() {
            2 => "Retry-After: 2\r\n",
            3 => "Retry-After: 3\r\n",
            4 => "Retry-After: 4\r\n",
            5 => "Retry-After: 5\r\n",
            6 => "Retry-After: 6\r\n",
            7 => "Retry-After: 7\r\n",
            8 => "Retry-After: 8\r\n",
            9 => "Retry-After: 9\r\n",
            _ => "Retry-After: 10\r\n",
        }
    }

    /// Sends a 2xx to an INVITE once more, past its transaction, as [`crate::SuccessRetransmit`] asks
    /// for (RFC 3261 §13.3.1.4). `source` is the path that the INVITE came by.
    pub fn resend_success(&mut self, response: &Response, source: Source) {
        if let Ok(via) = response.headers.top_via() {
            self.send(answer_path(&via, source), response.to_bytes());
        }
    }

    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        mut request: Request,
        mut essentials: Essentials,
        source: Source,
    ) {
        if stamp(&mut essentials.via, &source, self.overload) {
            request.headers.set_top_via(&essentials.via);
        }
        let incoming = Box::new(Incoming { request, essentials, source });
        match incoming.request.method {
            Method::Ack => self.handle_ack(now, incoming),
            Method::Cancel => self.handle_cancel(now, &incoming),
            _ => self.handle_other(now, incoming),
        }
    }

    fn handle_other(&mut self, now: Instant, incoming: Box<Incoming>) {
        let key = ServerKey::of(&incoming.request, &incoming.essentials);
        if let Some(id) = self.server_keys.get(&key) {
            self.counters.request_copies += 1;
            return self.run_server(now, *id, &Input::Copy);
        }
        if !self.has_room(&incoming.essentials) {
            self.counters.refused_full += 1;
            return self.refuse_full(&incoming);
        }
        self.tell(Event::Request(incoming));
    }

    /// RFC 3261 §17.2.3, RFC 6026 §7.1: an ACK goes to the INVITE's transaction, else to the user.
    fn handle_ack(&mut self, now: Instant, incoming: Box<Incoming>) {
        match self.find_acknowledged(&incoming) {
            Some(id) => self.run_server(now, id, &Input::Ack(&incoming)),
            None => self.tell(Event::Request(incoming)),
        }
    }

    fn find_acknowledged(&self, incoming: &Incoming) -> Option<ServerTxnId> {
        let identity = Identity::of(&incoming.request, &incoming.essentials);
        let before = identity.before_to_tag();
        let find = |identity| {
            self.server_keys.get(&ServerKey { identity, method: Method::Invite }).copied()
        };
        find(identity).or_else(|| {
            // RFC 3261 §17.2.3: the tag of an RFC 2543 ACK is the one that our answer gave.
            let id = find(before?)?;
            let to_tag = self.servers.get(&id)?.to_tag.as_deref();
            (to_tag == incoming.essentials.to.tag()).then_some(id)
        })
    }

    /// RFC 3261 §9.2: the stack answers every CANCEL; it is never challenged, and its Require does not
    /// count (§8.2.2.3).
    fn handle_cancel(&mut self, now: Instant, incoming: &Incoming) {
        let key = ServerKey::of(&incoming.request, &incoming.essentials);
        if let Some(id) = self.server_keys.get(&key) {
            self.counters.request_copies += 1;
            return self.run_server(now, *id, &Input::Copy);
        }
        let Some(target) = self.find_cancelled(&key.identity) else {
            self.counters.stray_cancels += 1;
            let none = StatusCode::CALL_DOES_NOT_EXIST;
            return self.reply_stateless(incoming, Response::answering(&incoming.request, none));
        };
        // RFC 3261 §9.2: the answers to the INVITE and to its CANCEL should have the same To tag.
        let tag = self.settle_tag(target, None);
        let ok = Response::answering(&incoming.request, StatusCode::OK).with_to_tag(&tag);
        match self.make_server(now, incoming, Owner::Stack) {
            Ok(id) => self.respond(now, id, ok),
            Err(Full) => self.reply_stateless(incoming, ok),
        }
        match self.servers.get(&target).map(|txn| &txn.machine) {
            Some(Machine::Invite(machine)) if machine.is_pending() => {
                self.tell(Event::Cancelled { invite: target });
            }
            // RFC 3261 §9.2: after a final answer, or for another method, it has no effect.
            Some(Machine::Invite(_) | Machine::NonInvite(_)) | None => {}
        }
    }

    /// Finds what a CANCEL means: same branch, any method but CANCEL.
    fn find_cancelled(&self, identity: &Identity) -> Option<ServerTxnId> {
        let from = ServerKey { identity: identity.clone(), method: Method::Invite };
        let mut same =
            self.server_keys.range(from..).take_while(|(key, _)| key.identity == *identity);
        same.find(|(key, _)| key.method != Method::Cancel).map(|(_, id)| *id)
    }

    /// The To tag of an answer: the one the user gives, else the one of the answers before, else a new
    /// one; from now on it is that of the transaction.
    fn settle_tag(&mut self, id: ServerTxnId, given: Option<String>) -> String {
        let before = self.servers.get(&id).and_then(|txn| txn.to_tag.clone());
        let tag = given.or(before).unwrap_or_else(|| self.new_tag());
        if let Some(txn) = self.servers.get_mut(&id) {
            txn.to_tag = Some(tag.clone());
        }
        tag
    }

    fn has_room(&self, essentials: &Essentials) -> bool {
        let in_dialog = essentials.to.tag().is_some();
        let reserved = if in_dialog { 0 } else { self.txn_max / IN_DIALOG_SHARE };
        self.servers.len() < self.txn_max - reserved && self.server_bytes < self.txn_bytes_max
    }

    fn make_server(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        owner: Owner,
    ) -> Result<ServerTxnId, Full> {
        let Incoming { request, essentials, source } = incoming;
        debug_assert!(request.method != Method::Ack, "an ACK has no transaction");
        let key = ServerKey::of(request, essentials);
        if let Some(id) = self.server_keys.get(&key) {
            return Ok(*id);
        }
        if !self.has_room(essentials) {
            self.counters.refused_full += 1;
            return Err(Full);
        }
        let (machine, answer) = if request.method == Method::Invite {
            let trying = Response::answering(request, StatusCode::TRYING).to_bytes();
            (Machine::Invite(ServerInvite::start(now, source.transport)), trying)
        } else {
            (Machine::NonInvite(ServerNonInvite::start(now, source.transport)), vec![])
        };
        let id = ServerTxnId(self.next_id());
        let to_tag = essentials.to.tag().map(str::to_owned);
        let path = answer_path(&essentials.via, *source);
        self.reschedule(TxnId::Server(id), None, machine.deadline());
        self.server_keys.insert(key.clone(), id);
        let txn = ServerTxn { machine, owner, key, path, answer, to_tag };
        self.server_bytes += txn.bytes();
        self.servers.insert(id, txn);
        Ok(id)
    }

    pub(super) fn server_due(&mut self, now: Instant, id: ServerTxnId) {
        self.run_server(now, id, &Input::Due);
    }

    /// Gives one input to a machine and does what it wants.
    fn run_server(&mut self, now: Instant, id: ServerTxnId, input: &Input<'_>) {
        let Some(txn) = self.servers.get_mut(&id) else { return };
        let before = txn.machine.deadline();
        let mut wanted = vec![];
        txn.machine.handle(now, input, &mut wanted);
        let after = txn.machine.deadline();
        self.reschedule(TxnId::Server(id), before, after);
        if matches!(input, Input::Ack(_)) && wanted.is_empty() && before == after {
            self.counters.request_copies += 1;
        }
        for output in wanted {
            self.do_for_server(id, output, input);
        }
    }

    fn do_for_server(&mut self, id: ServerTxnId, output: ServerOutput, input: &Input<'_>) {
        let Some(txn) = self.servers.get_mut(&id) else { return };
        match output {
            ServerOutput::SendAnswer => {
                if let Input::Answer(response) = input {
                    self.server_bytes -= txn.bytes();
                    txn.answer = response.to_bytes();
                    self.server_bytes += txn.bytes();
                }
                let (path, bytes) = (txn.path, txn.answer.clone());
                self.send(path, bytes);
            }
            ServerOutput::SendTrying | ServerOutput::SendAgain => {
                let (path, bytes) = (txn.path, txn.answer.clone());
                self.send(path, bytes);
            }
            ServerOutput::AckToUser => {
                if let Input::Ack(incoming) = input {
                    self.tell(Event::Request(Box::new((*incoming).clone())));
                }
            }
            ServerOutput::Discard => self.counters.late_answers += 1,
            ServerOutput::Ended(end) => {
                let Some(txn) = self.servers.remove(&id) else { return };
                self.server_bytes -= txn.bytes();
                self.server_keys.remove(&txn.key);
                match (txn.owner, end) {
                    (Owner::User, End::AckMissing) => {
                        self.tell(Event::AckMissing { txn: id });
                        self.tell(Event::ServerEnded { txn: id });
                    }
                    (Owner::User, End::Done | End::Timeout | End::Transport) => {
                        self.tell(Event::ServerEnded { txn: id });
                    }
                    (Owner::Stack, _) => {}
                }
            }
        }
    }

    /// RFC 3261 §18.3, §21.4.1: a malformed request is answered if there is enough of it.
    pub(super) fn refuse_malformed(&mut self, failure: &ParseFailure, source: Source) {
        let answer = failure.answer();
        let via = answer.as_ref().map(|response| response.headers.top_via());
        let (Some(mut response), Some(Ok(mut via))) = (answer, via) else {
            self.counters.malformed_dropped += 1;
            return;
        };
        self.counters.malformed_answered += 1;
        if stamp(&mut via, &source, self.overload) {
            response.headers.set_top_via(&via);
        }
        if response.status == StatusCode::BAD_REQUEST {
            // RFC 3261 §21.4.1: the reason phrase should say what is wrong.
            response.reason = failure.error.to_string();
        }
        self.answer_once(&via, source, response);
    }

    /// Sends an answer past all transactions. `via` is stamped.
    fn answer_once(&mut self, via: &Via, source: Source, mut response: Response) {
        if response.wants_to_tag() {
            let tag = format!("{}{}", self.tag_prefix, self.stateless.tag(&response.headers));
            response = response.with_to_tag(&tag);
        }
        self.send(answer_path(via, source), response.to_bytes());
    }
}
