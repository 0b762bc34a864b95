//! One user agent against a peer written by hand.

use sip::{HeaderName, Message, Method, Packet, Request, Response, StatusCode, parse_datagram};
use units::{Instant, Rng};

use crate::config::UaConfig;
use crate::event::{Event, Output, ResolveId};
use crate::ua::Ua;

use super::{ALICE, BOB, SDP, config, path};

/// A user agent, its clock, and all that came out of it.
pub(crate) struct Solo {
    pub(crate) ua: Ua,
    pub(crate) now: Instant,
    /// Sent and not looked at yet, with its time in ms and where it went.
    pub(crate) sent: Vec<(u64, String, Message)>,
    pub(crate) events: Vec<Event>,
    pub(crate) lookups: Vec<(ResolveId, String, Option<u16>)>,
}

impl Solo {
    pub(crate) fn new() -> Self {
        Self::with(config("alice", ALICE))
    }

    pub(crate) fn with(config: UaConfig) -> Self {
        Self {
            ua: Ua::new(config, Rng::from_number(1)),
            now: Instant::ZERO,
            sent: Vec::new(),
            events: Vec::new(),
            lookups: Vec::new(),
        }
    }

    /// Runs a command and takes what comes of it.
    pub(crate) fn run<T>(&mut self, command: impl FnOnce(&mut Ua, Instant) -> T) -> T {
        let result = command(&mut self.ua, self.now);
        self.drain();
        result
    }

    fn drain(&mut self) {
        while let Some(output) = self.ua.poll_output() {
            match output {
                Output::Send(packet) => {
                    let message = parse_datagram(&packet.bytes).expect("we send what can be read");
                    let to = packet.path.remote.to_string();
                    self.sent.push((self.now.as_millis(), to, message));
                }
                Output::Event(event) => self.events.push(event),
                Output::Resolve { id, wanted } => self.lookups.push((id, wanted.host, wanted.port)),
            }
        }
    }

    /// Jumps from deadline to deadline, up to `ms`.
    pub(crate) fn run_until_ms(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        while let Some(at) = self.ua.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.run(|ua, now| ua.handle_deadline(now));
        }
        self.now = end;
    }

    /// Bob's bytes arrive.
    pub(crate) fn receive(&mut self, bytes: Vec<u8>) {
        self.receive_from(BOB, bytes);
    }

    pub(crate) fn receive_from(&mut self, remote: &str, bytes: Vec<u8>) {
        let packet = Packet { path: path(ALICE, remote), bytes };
        self.run(|ua, now| ua.handle_packet(now, packet));
    }

    /// Bob's text arrives; lines end in LF here and in CRLF on the wire.
    pub(crate) fn receive_text(&mut self, text: &str) {
        self.receive(text.replace('\n', "\r\n").into_bytes());
    }

    /// Takes the oldest message that was sent.
    pub(crate) fn next(&mut self) -> Message {
        assert!(!self.sent.is_empty(), "nothing was sent; events: {:?}", self.events);
        self.sent.remove(0).2
    }

    pub(crate) fn next_request(&mut self, method: &Method) -> Request {
        match self.next() {
            Message::Request(request) => {
                assert_eq!(request.method, *method);
                request
            }
            Message::Response(response) => panic!("{method} expected: {response:?}"),
        }
    }

    pub(crate) fn next_response(&mut self, code: u16) -> Response {
        match self.next() {
            Message::Response(response) => {
                assert_eq!(response.status.code(), code, "{response:?}");
                response
            }
            Message::Request(request) => panic!("{code} expected: {request:?}"),
        }
    }

    pub(crate) fn sent_nothing(&self) {
        assert!(self.sent.is_empty(), "{:?}", self.sent);
    }

    /// Takes all events.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Takes the only event.
    pub(crate) fn event(&mut self) -> Event {
        let mut events = self.take_events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Bob answers.
    pub(crate) fn answer(&mut self, request: &Request, code: u16) {
        self.receive(reply(request, code, "bob").to_bytes());
    }

    /// Bob answers an INVITE with 200, a Contact and a description.
    pub(crate) fn answer_ok(&mut self, request: &Request, tag: &str) {
        self.receive(accepted(request, tag).to_bytes());
    }

    /// A call to Bob that is up; its INVITE and the ACK.
    pub(crate) fn established(&mut self) -> (crate::CallId, Request, Request) {
        let options = crate::CallOptions::new(super::media(20_000));
        let target = super::uri("sip:bob@192.0.2.2");
        let call = self.run(|ua, now| ua.call(now, &target, options)).expect("called");
        let invite = self.next_request(&Method::Invite);
        self.answer_ok(&invite, "bob");
        let ack = self.next_request(&Method::Ack);
        let event = self.event();
        assert!(matches!(event, Event::Established { .. }), "{event:?}");
        (call, invite, ack)
    }
}

/// Bob's answer with his tag.
pub(crate) fn reply(request: &Request, code: u16, tag: &str) -> Response {
    let status = StatusCode::new(code).expect("a status");
    Response::answering(request, status).with_to_tag(tag)
}

/// Bob's 200 to an INVITE.
pub(crate) fn accepted(request: &Request, tag: &str) -> Response {
    reply(request, 200, tag)
        .with_header(HeaderName::Contact, "<sip:bob@192.0.2.2:5060>")
        .with_body("application/sdp", SDP)
}

impl Solo {
    /// A request of Bob's in the dialog of an INVITE of ours, where his tag is `bob`.
    pub(crate) fn in_dialog(invite: &Request, method: &str, cseq: u32, headers: &str) -> String {
        let alice = invite.headers.from_().expect("From");
        let bob = invite.headers.to().expect("To").with_tag("bob");
        let call_id = invite.headers.call_id().expect("Call-ID");
        format!(
            "{method} sip:alice@192.0.2.1:5060 SIP/2.0\n\
             Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK-{method}-{cseq}\n\
             Max-Forwards: 70\nFrom: {bob}\nTo: {alice}\nCall-ID: {call_id}\n\
             CSeq: {cseq} {method}\nContact: <sip:bob@192.0.2.2:5060>\n{headers}"
        )
    }
}
