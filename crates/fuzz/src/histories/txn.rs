//! The transaction layer: a peer that sends what it likes, and a user that does what it may.

use std::collections::BTreeSet;

use sip::{
    ClientTxnId, Event, FlowId, HeaderName, Incoming, Message, Method, Output, Packet, Request,
    Response, ServerTxnId, Source, Stack, StackConfig, StatusCode, TXN_MAX, Transport,
};
use units::{Instant, Rng};

use crate::{Choices, Target, Trail};

/// [`Stack`].
pub const TXN: Target =
    Target { name: "txn", run: txn, seeds: || super::random(500), words: &[], longest: 1_500 };

const US: ([u8; 4], u16) = ([192, 0, 2, 1], 5060);
const PEER: ([u8; 4], u16) = ([192, 0, 2, 9], 5060);

/// The longest that any timer runs: 64*T1 for an INVITE, as long again for its CANCEL, and some.
const QUIET_MS: u64 = 150_000;

/// The most packets for one input: an answer, the ACK or CANCEL with it.
const PACKETS_MAX: usize = 4;

fn txn(data: &[u8], trail: &mut Trail) {
    let config =
        StackConfig { advertise: vec![], tag_prefix: "n1s0".to_owned(), asks_for_control: true };
    let mut world = World {
        stack: Stack::new(config, Rng::from_number(1)),
        now: Instant::ZERO,
        choices: Choices::new(data),
        trail,
        servers: Vec::new(),
        clients: BTreeSet::new(),
        made: 0,
        ended: BTreeSet::new(),
        asked: Vec::new(),
    };
    while !world.choices.is_over() {
        world.step();
        assert!(world.stack.transaction_count() <= TXN_MAX);
    }
    world.finish();
}

struct World<'a> {
    stack: Stack,
    now: Instant,
    choices: Choices<'a>,
    trail: &'a mut Trail,
    /// Accepted, and what was asked.
    servers: Vec<(ServerTxnId, Incoming)>,
    /// Of ours, not ended.
    clients: BTreeSet<ClientTxnId>,
    /// Server transactions that were made.
    made: usize,
    ended: BTreeSet<ServerTxnId>,
    /// Requests that we sent.
    asked: Vec<Request>,
}

fn path(transport: Transport) -> Source {
    Source { transport, local: US.into(), remote: PEER.into(), flow: FlowId(1) }
}

impl World<'_> {
    fn step(&mut self) {
        match self.choices.below(11) {
            0..=4 => self.peer_asks(),
            5 | 6 => self.user_answers(),
            7 => self.user_asks(),
            8 => self.peer_answers(),
            9 => {
                let ms = self.choices.below(40_000) as u64;
                self.run_until(self.now.as_millis() + ms);
            }
            _ => {
                let transport = self.transport();
                self.stack.handle_transport_error(self.now, &path(transport));
                self.drain(usize::MAX);
            }
        }
    }

    fn transport(&mut self) -> Transport {
        if self.choices.percent(20) { Transport::Tcp } else { Transport::Udp }
    }

    fn peer_asks(&mut self) {
        let transport = self.transport();
        let name = transport.via_token();
        let branch = self.choices.below(6);
        // A few clients, with and without the cookie.
        let via = match self.choices.below(4) {
            0 => format!("SIP/2.0/{name} 192.0.2.9:5060;branch={branch}"),
            1 => format!("SIP/2.0/{name} pc.example;rport;branch=z9hG4bK-{branch}"),
            _ => format!("SIP/2.0/{name} 192.0.2.9:5060;branch=z9hG4bK-{branch}"),
        };
        let method =
            self.choices.pick(&["INVITE", "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK"]);
        let tag = self.choices.pick(&["", "", ";tag=x"]);
        let cseq = self.choices.below(3);
        let mut bytes = format!(
            "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@192.0.2.9>;tag=1\r\nTo: <sip:bob@192.0.2.1>{tag}\r\n\
             Call-ID: call-1\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes();
        if self.choices.percent(10) {
            let at = self.choices.below(bytes.len());
            bytes[at] = u8::try_from(self.choices.below(256)).unwrap_or(0);
        }
        let now = self.now;
        self.trail.tell(|| format!("{now} <- {method} {via}"));
        self.stack.handle_packet(self.now, Packet { path: path(transport), bytes });
        for incoming in self.drain(PACKETS_MAX) {
            if incoming.request.method == Method::Ack {
                continue;
            }
            if self.choices.percent(80) {
                if let Ok(txn) = self.stack.accept(self.now, &incoming) {
                    self.made += 1;
                    self.servers.push((txn, incoming));
                }
            } else {
                let response = Response::answering(&incoming.request, StatusCode::NOT_FOUND);
                self.stack.reply_stateless(&incoming, response);
            }
            self.drain(PACKETS_MAX);
        }
    }

    fn user_answers(&mut self) {
        let codes = [100, 180, 200, 200, 302, 486, 503];
        let code = self.choices.pick(&codes);
        let index = self.choices.below(self.servers.len());
        let Some((txn, incoming)) = self.servers.get(index).cloned() else { return };
        let status = StatusCode::new(code).expect("a status");
        self.stack.respond(self.now, txn, Response::answering(&incoming.request, status));
        self.drain(PACKETS_MAX);
    }

    fn user_asks(&mut self) {
        let method = self.choices.pick(&["INVITE", "INVITE", "BYE"]);
        let method = Method::parse(method).expect("a method");
        let cseq = format!("1 {method}");
        let transport = self.transport();
        let request =
            Request::new(method.clone(), "sip:p@192.0.2.9".parse::<sip::Uri>().expect("a URI"))
                .with_header(HeaderName::From, "<sip:bob@192.0.2.1>;tag=2")
                .with_header(HeaderName::To, "<sip:p@192.0.2.9>")
                .with_header(HeaderName::CallId, "call-2")
                .with_header(HeaderName::CSeq, cseq);
        if let Ok(txn) = self.stack.request(self.now, request, path(transport)) {
            self.clients.insert(txn);
            if self.choices.percent(40) {
                self.stack.cancel(self.now, txn);
            }
        }
        self.drain(PACKETS_MAX);
    }

    fn peer_answers(&mut self) {
        let index = self.choices.below(self.asked.len());
        let Some(request) = self.asked.get(index) else { return };
        let status = StatusCode::new(self.choices.pick(&[100, 180, 200, 302, 401, 487, 603]));
        let tag = self.choices.pick(&["one", "two"]);
        let mut response = Response::answering(request, status.expect("a status")).with_to_tag(tag);
        if self.choices.percent(30)
            && let Ok(mut via) = response.headers.top_via()
        {
            for (name, values) in [
                ("oc", ["0", "40", "100", "x"]),
                ("oc-algo", ["\"loss\"", "loss", "\"loss\"", "\"rate\""]),
                ("oc-validity", ["0", "500", "60000", "99999999999999999999"]),
                ("oc-seq", ["1.0", "1.1", "2.00001", "x"]),
            ] {
                via.params.set(name, Some(self.choices.pick(&values)));
            }
            response.headers.set_top_via(&via);
        }
        let transport = self.transport();
        let packet = Packet { path: path(transport), bytes: response.to_bytes() };
        self.stack.handle_packet(self.now, packet);
        self.drain(PACKETS_MAX);
    }

    /// Takes everything out; gives the requests that the user hears of.
    fn drain(&mut self, packets_max: usize) -> Vec<Incoming> {
        let mut requests = Vec::new();
        let mut packets = 0;
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Send(packet) => {
                    packets += 1;
                    self.sent(&packet);
                }
                Output::Event(event) => self.event(event, &mut requests),
            }
        }
        assert!(packets <= packets_max, "{packets} packets for one input");
        requests
    }

    fn sent(&mut self, packet: &Packet) {
        let Ok(message) = sip::parse_datagram(&packet.bytes) else {
            // The answer to a malformed request repeats what was malformed.
            return assert!(packet.bytes.starts_with(b"SIP/2.0 "), "an unreadable request");
        };
        let now = self.now;
        match message {
            Message::Request(request) => {
                self.trail.tell(|| format!("{now} -> {}", request.method));
                self.trail.step(&format!("sent {}", request.method));
                if request.method != Method::Ack && self.asked.len() < 64 {
                    self.asked.push(request);
                }
            }
            Message::Response(response) => {
                self.trail.tell(|| format!("{now} -> {}", response.status));
                self.trail.step(&format!("sent {}", response.status));
            }
        }
    }

    fn event(&mut self, event: Event, requests: &mut Vec<Incoming>) {
        match event {
            Event::Request(incoming) => {
                assert_ne!(incoming.request.method, Method::Cancel, "the stack's own business");
                requests.push(*incoming);
            }
            Event::Cancelled { invite } => {
                self.trail.step("cancelled");
                assert!(!self.ended.contains(&invite), "cancelled after its end");
            }
            Event::Response { txn, .. } => {
                assert!(self.clients.contains(&txn), "an answer to nothing");
            }
            Event::Failed { txn, why } => {
                self.trail.step(&format!("failed {why:?}"));
                assert!(self.clients.contains(&txn), "a failure of nothing");
            }
            Event::AckMissing { txn } => {
                self.trail.step("ack missing");
                assert!(!self.ended.contains(&txn));
            }
            Event::ClientEnded { txn } => assert!(self.clients.remove(&txn), "ends once"),
            Event::ServerEnded { txn } => assert!(self.ended.insert(txn), "ends once"),
        }
    }

    fn run_until(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        let mut stuck = 0;
        while let Some(at) = self.stack.deadline().filter(|at| *at <= end) {
            stuck = if at <= self.now { stuck + 1 } else { 0 };
            assert!(stuck < 100, "a deadline that never moves");
            self.now = self.now.max(at);
            self.stack.handle_deadline(self.now);
            self.drain(usize::MAX);
        }
        self.now = end;
    }

    /// The user answers everything and gives up what it asked; then nothing is left.
    fn finish(&mut self) {
        for (txn, incoming) in self.servers.clone() {
            let response = Response::answering(&incoming.request, StatusCode::BUSY_HERE);
            self.stack.respond(self.now, txn, response);
            self.drain(PACKETS_MAX);
        }
        for txn in self.clients.clone() {
            self.stack.cancel(self.now, txn);
            self.drain(PACKETS_MAX);
        }
        self.run_until(self.now.as_millis() + QUIET_MS);
        assert_eq!((self.stack.transaction_count(), self.stack.deadline()), (0, None));
        assert_eq!(self.clients, BTreeSet::new(), "what was asked ended");
        assert_eq!(self.ended.len(), self.made, "what was accepted ended, once");
    }
}
