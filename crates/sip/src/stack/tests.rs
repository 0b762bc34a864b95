//! The stack, one conformance row after the other. Each bench is one stack under virtual time, and the
//! text of messages as a peer would send them.

mod cancel;
mod client;
mod downstream;
mod journey;
mod limits;
mod overload;
mod pair;
mod random;
mod server;
mod silent;

use units::{Instant, Rng};

use super::*;
use crate::{FlowId, Method, Request, Response, StatusCode, Transport, parse_datagram};

const US: &str = "192.0.2.1:5060";
const PEER: &str = "192.0.2.9:5060";

/// The path of a datagram from `remote`.
fn udp_from(remote: &str) -> Source {
    Source {
        transport: Transport::Udp,
        local: US.parse().expect("an address"),
        remote: remote.parse().expect("an address"),
        flow: FlowId::NONE,
    }
}

/// A request as a client at `PEER` sends it: an empty To tag means none.
struct Draft<'a> {
    method: &'a str,
    via: &'a str,
    to_tag: &'a str,
    cseq: u32,
    more: &'a str,
}

const VIA: &str = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-a";

impl Default for Draft<'_> {
    fn default() -> Self {
        Self { method: "INVITE", via: VIA, to_tag: "", cseq: 7, more: "" }
    }
}

impl Draft<'_> {
    fn text(&self) -> String {
        let Draft { method, via, to_tag, cseq, more } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        format!(
            "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n\
             From: Alice <sip:alice@192.0.2.9>;tag=alice1\r\nTo: <sip:bob@192.0.2.1>{tag}\r\n\
             Call-ID: call-1@192.0.2.9\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@192.0.2.9>\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }
}

impl Stack {
    /// A transaction is in its table, in the key index and, if a timer runs, in the schedule.
    fn check_invariant(&self) {
        assert_eq!(self.server_keys.len(), self.servers.len());
        assert_eq!(self.client_keys.len(), self.clients.len());
        assert!(self.server_keys.values().all(|id| self.servers.contains_key(id)));
        assert!(self.client_keys.values().all(|id| self.clients.contains_key(id)));
        let servers = self.servers.iter().map(|(id, txn)| (TxnId::Server(*id), txn.deadline()));
        let clients = self.clients.iter().map(|(id, txn)| (TxnId::Client(*id), txn.deadline()));
        let due = |(id, at): (TxnId, Option<Instant>)| Some((at?, id));
        let scheduled: BTreeSet<_> = servers.chain(clients).filter_map(due).collect();
        assert_eq!(self.schedule, scheduled);
        let bytes: usize = self.servers.values().map(ServerTxn::bytes).sum();
        assert_eq!(self.server_bytes, bytes);
    }
}

/// A stack, its clock and all that came out of it, with the times in ms.
struct Bench {
    stack: Stack,
    now: Instant,
    sent: Vec<(u64, Source, Message)>,
    events: Vec<(u64, Event)>,
    /// The peer sends damaged requests: answers to them repeat what cannot be read.
    damaged: bool,
}

impl Bench {
    fn new() -> Self {
        let advertise = vec![];
        let config =
            StackConfig { advertise, tag_prefix: "n1s0".to_owned(), asks_for_control: false };
        let stack = Stack::new(config, Rng::from_number(1));
        Self { stack, now: Instant::ZERO, sent: vec![], events: vec![], damaged: false }
    }

    /// Lets time pass, then takes in a packet.
    fn receive(&mut self, ms: u64, path: Source, text: &str) {
        self.run_until(ms);
        self.stack.handle_packet(self.now, Packet { path, bytes: text.as_bytes().to_vec() });
        self.drain();
    }

    /// Lets time pass, then takes in a request from `PEER`, and gives it if the user hears of it.
    fn ask(&mut self, ms: u64, draft: &Draft<'_>) -> Option<Incoming> {
        let before = self.events.len();
        self.receive(ms, udp_from(PEER), &draft.text());
        match self.events[before..].last() {
            Some((_, Event::Request(incoming))) => Some(Incoming::clone(incoming)),
            Some(_) | None => None,
        }
    }

    /// Takes in a request from `PEER` and accepts it.
    fn accept(&mut self, ms: u64, draft: &Draft<'_>) -> (ServerTxnId, Incoming) {
        let incoming = self.ask(ms, draft).expect("the user hears of a new request");
        let txn = self.stack.accept(self.now, &incoming).expect("room for a transaction");
        (txn, incoming)
    }

    fn answer(&mut self, ms: u64, (txn, incoming): &(ServerTxnId, Incoming), status: StatusCode) {
        self.run_until(ms);
        let response = Response::answering(&incoming.request, status);
        self.stack.respond(self.now, *txn, response);
        self.drain();
    }

    fn run_until(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        while let Some(at) = self.stack.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_deadline(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        self.stack.check_invariant();
        let now = self.now.as_millis();
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Send(packet) => match parse_datagram(&packet.bytes) {
                    Ok(message) => self.sent.push((now, packet.path, message)),
                    Err(failure) => assert!(self.damaged, "we send what can be read: {failure}"),
                },
                Output::Event(event) => self.events.push((now, event)),
            }
        }
    }

    /// All responses sent: time and status.
    fn statuses(&self) -> Vec<(u64, u16)> {
        let status = |(at, _, message): &(u64, Source, Message)| match message {
            Message::Response(response) => Some((*at, response.status.code())),
            Message::Request(_) => None,
        };
        self.sent.iter().filter_map(status).collect()
    }

    /// All requests sent: time and method.
    fn methods(&self) -> Vec<(u64, Method)> {
        let method = |(at, _, message): &(u64, Source, Message)| match message {
            Message::Request(request) => Some((*at, request.method.clone())),
            Message::Response(_) => None,
        };
        self.sent.iter().filter_map(method).collect()
    }

    fn last_response(&self) -> Response {
        let found = self.sent.iter().rev().find_map(|(_, _, message)| match message {
            Message::Response(response) => Some(response.clone()),
            Message::Request(_) => None,
        });
        found.expect("a response was sent")
    }

    fn last_request(&self) -> Request {
        let found = self.sent.iter().rev().find_map(|(_, _, message)| match message {
            Message::Request(request) => Some(request.clone()),
            Message::Response(_) => None,
        });
        found.expect("a request was sent")
    }

    /// The address that the last message went to.
    fn last_remote(&self) -> String {
        self.sent.last().expect("something was sent").1.remote.to_string()
    }

    /// How often a user event happened.
    fn count(&self, wanted: fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| wanted(event)).count()
    }

    fn requests_heard(&self) -> usize {
        self.count(|event| matches!(event, Event::Request(_)))
    }

    fn responses_heard(&self) -> Vec<(u64, u16)> {
        let status = |(at, event): &(u64, Event)| match event {
            Event::Response { response, .. } => Some((*at, response.status.code())),
            _ => None,
        };
        self.events.iter().filter_map(status).collect()
    }
}
