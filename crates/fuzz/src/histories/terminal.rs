//! A terminal among strangers: whoever it talks to answers anything or nothing, asks for anything,
//! repeats and damages what was said. A terminal that is told to leave must come to its end all the
//! same, and keep nothing.

use std::net::SocketAddr;
use std::time::Duration;

use sip::{
    Essentials, FlowId, HeaderName, Message, Method, Packet, Request, Response, Source, StatusCode,
    Transport,
};
use ua::{
    Answerer, AnswererConfig, AnswererEvent, AnswererOutput, Convener, ConvenerConfig,
    ConvenerOutput, MediaNotice, MediaSlot, Pattern, ReferMode, ResolveId, Step, TrustPolicy,
    UaConfig,
};
use units::{Instant, Rng};

use crate::{Choices, Target, Trail};

/// [`Convener`] and [`Answerer`].
pub const TERMINAL: Target = Target {
    name: "terminal",
    run: terminal,
    seeds: || super::random(700),
    words: &[],
    longest: 1_500,
};

fn terminal(data: &[u8], trail: &mut Trail) {
    let mut world = World::new(data, trail);
    world.run(STEPS);
    world.wind_up();
}

const US: ([u8; 4], u16) = ([10, 0, 1, 1], 5060);
const THEM: ([u8; 4], u16) = ([10, 0, 1, 2], 5060);
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.1.2\r\ns=-\r\nc=IN IP4 10.0.1.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";
const STEPS: usize = 120;
/// Each call may end in one input: CANCEL or BYE, and what comes next.
const OUTPUTS_MAX: usize = 100;

enum Machine {
    Convener(Box<Convener>),
    Answerer(Box<Answerer>),
}

struct World<'a> {
    machine: Machine,
    now: Instant,
    choices: Choices<'a>,
    trail: &'a mut Trail,
    /// Requests of the terminal that may be answered; an INVITE may be so several times.
    asked: Vec<Request>,
    /// The dialogs that it named lately: Call-ID, its tag, ours.
    dialogs: Vec<(String, String, String)>,
    said: Vec<Vec<u8>>,
    lookups: Vec<ResolveId>,
    finished: usize,
    speaking: [bool; 3],
    calls: u32,
    branches: u32,
}

impl<'a> World<'a> {
    fn new(data: &'a [u8], trail: &'a mut Trail) -> Self {
        let mut choices = Choices::new(data);
        let mut rng = Rng::from_number(choices.below(256) as u64);
        let us = SocketAddr::from(US);
        let media = [4000, 4002, 4004]
            .map(|port| MediaSlot { advertised: (US.0, port).into(), keys: port == 4002 });
        let machine = if choices.percent(50) {
            let mode = match choices.below(3) {
                0 => ReferMode::Auto,
                1 => ReferMode::Inside,
                _ => ReferMode::Outside,
            };
            let uri = |text: &str| text.parse().expect("a URI");
            let config = ConvenerConfig {
                ua: UaConfig::new("alice", us),
                factory: uri("sip:conference@10.0.1.2"),
                invitees: vec![
                    uri("sip:bob@10.0.1.2"),
                    uri("sip:carol@phone.example"),
                    uri("sip:dan@10.0.1.2:5099"),
                ],
                refer: mode,
                stay: choices.percent(30).then_some(Duration::from_secs(100)),
                media: media.to_vec(),
            };
            let convener = Convener::new(Instant::ZERO, config, rng.fork()).expect("sound");
            Machine::Convener(Box::new(convener))
        } else {
            let config = AnswererConfig {
                ua: UaConfig::new("alice", us),
                trust: TrustPolicy { patterns: vec![Pattern::Anyone], ..TrustPolicy::default() },
                media: media.to_vec(),
                once: choices.percent(20),
                watches: true,
            };
            Machine::Answerer(Box::new(Answerer::new(config, rng.fork())))
        };
        let mut world = Self {
            machine,
            now: Instant::ZERO,
            choices,
            trail,
            asked: vec![],
            dialogs: vec![],
            said: vec![],
            lookups: vec![],
            finished: 0,
            speaking: [false; 3],
            calls: 0,
            branches: 0,
        };
        world.settle();
        world
    }

    fn below(&mut self, bound: usize) -> usize {
        self.choices.below(bound)
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn settle(&mut self) {
        for count in 0.. {
            assert!(count < OUTPUTS_MAX, "too much for one input");
            match &mut self.machine {
                Machine::Convener(convener) => match convener.poll_output() {
                    Some(ConvenerOutput::Send(packet)) => self.sent(&packet),
                    Some(ConvenerOutput::Resolve { id, .. }) => self.lookups.push(id),
                    Some(ConvenerOutput::Media(notice)) => self.media(&notice),
                    Some(ConvenerOutput::Step(Step::Finished)) => self.finished += 1,
                    Some(ConvenerOutput::Step(step)) => self.note(&step),
                    None => return,
                },
                Machine::Answerer(answerer) => match answerer.poll_output() {
                    Some(AnswererOutput::Send(packet)) => self.sent(&packet),
                    Some(AnswererOutput::Resolve { id, .. }) => self.lookups.push(id),
                    Some(AnswererOutput::Media(notice)) => self.media(&notice),
                    Some(AnswererOutput::Event(AnswererEvent::Finished)) => self.finished += 1,
                    Some(AnswererOutput::Event(event)) => self.note(&event),
                    None => return,
                },
            }
        }
    }

    fn note(&mut self, what: &impl std::fmt::Debug) {
        let now = self.now;
        let text = format!("{what:?}");
        self.trail.step(text.split([' ', '(', '{']).next().unwrap_or_default());
        self.trail.tell(|| format!("{now} {}", text.chars().take(150).collect::<String>()));
    }

    /// A socket is told to speak before it is told to stop.
    fn media(&mut self, notice: &MediaNotice) {
        match notice {
            MediaNotice::Started { slot, .. } => {
                assert!(!self.speaking[slot.0], "two voices on one socket");
                self.speaking[slot.0] = true;
            }
            MediaNotice::Changed { slot, .. } | MediaNotice::Muted { slot, .. } => {
                assert!(self.speaking[slot.0], "a change of nothing")
            }
            MediaNotice::Stopped { slot } => {
                assert!(self.speaking[slot.0], "an end of nothing");
                self.speaking[slot.0] = false;
            }
        }
    }

    fn sent(&mut self, packet: &Packet) {
        let message = match sip::parse_datagram(&packet.bytes) {
            Ok(message) => message,
            // The answer to a malformed request repeats what was malformed.
            Err(_) => {
                return assert!(packet.bytes.starts_with(b"SIP/2.0 "), "an unreadable request");
            }
        };
        let (headers, line) = match &message {
            Message::Request(request) => {
                (&request.headers, format!("{} {}", request.method, request.uri))
            }
            Message::Response(response) => (&response.headers, response.status.to_string()),
        };
        let essentials = Essentials::of(headers).expect("what we send is whole");
        let now = self.now;
        self.trail.tell(|| format!("{now} -> {line} {}", essentials.cseq));
        let what = line.split(' ').next().unwrap_or_default();
        self.trail.step(what);
        let tag = |of: &sip::NameAddr| of.tag().unwrap_or_default().to_owned();
        match message {
            Message::Request(request) => {
                self.dialogs.push((essentials.call_id, tag(&essentials.from), tag(&essentials.to)));
                if request.method != Method::Ack && self.asked.len() < 40 {
                    self.asked.push(request);
                }
            }
            Message::Response(_) => {
                self.dialogs.push((essentials.call_id, tag(&essentials.to), tag(&essentials.from)));
            }
        }
        if self.dialogs.len() > 30 {
            let index = self.below(30);
            self.dialogs.swap_remove(index);
        }
    }

    fn say(&mut self, bytes: Vec<u8>) {
        let now = self.now;
        self.trail.tell(|| {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(50)]).into_owned();
            format!("{now} <- {}", text.lines().next().unwrap_or_default())
        });
        if self.said.len() < 100 {
            self.said.push(bytes.clone());
        }
        let path = Source {
            transport: Transport::Udp,
            local: US.into(),
            remote: THEM.into(),
            flow: FlowId::NONE,
        };
        let packet = Packet { path, bytes };
        match &mut self.machine {
            Machine::Convener(convener) => convener.handle_packet(self.now, packet),
            Machine::Answerer(answerer) => answerer.handle_packet(self.now, packet),
        }
        self.settle();
    }

    fn sdp(&mut self) -> &'static str {
        self.pick(&[
            SDP,
            "v=0\r\no=- 1 1 IN IP4 10.0.1.2\r\ns=-\r\nc=IN IP4 10.0.1.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n",
            "v=0\r\no=- 1 2 IN IP4 10.0.1.2\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\na=sendonly\r\n",
            "v=0\r\no=- 1 1 IN IP4 10.0.1.2\r\ns=-\r\nc=IN IP4 10.0.1.2\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n",
            "v=0\r\ngarbage",
            "",
        ])
    }

    /// Answers something that the terminal asked.
    fn answer(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let last = self.asked.len() - 1;
        let index = if self.choices.percent(50) { last } else { self.below(last + 1) };
        let request = self.asked[index].clone();
        // Every other one does what is expected of him, so that histories get somewhere.
        if self.choices.percent(50) {
            return self.answer_well(&request);
        }
        if self.choices.percent(50) {
            self.asked.swap_remove(index);
        }
        let codes: &[u16] = match request.method {
            Method::Invite => &[
                100, 180, 183, 200, 200, 200, 200, 300, 302, 302, 302, 404, 480, 486, 487, 503, 600,
            ],
            Method::Refer => &[100, 200, 202, 202, 403, 405, 420, 481, 500, 603],
            _ => &[100, 200, 200, 200, 401, 408, 481, 500],
        };
        let status = StatusCode::new(self.pick(codes)).expect("a code");
        let tag = self.pick(&["one", "one", "one", "two", "three", ""]);
        let mut response = Response::answering(&request, status);
        if !tag.is_empty() {
            response = response.with_to_tag(tag);
        }
        let contact = self.pick(&[
            "<sip:conf-1@10.0.1.2>;isfocus",
            "<sip:conf-1@10.0.1.2>;isfocus",
            "<sip:conf-2@10.0.1.2>",
            "<sip:conference@10.0.1.2>",
            "<tel:+1>",
            "<sip:a@10.0.1.2>;q=0.1, <sip:b@host.example>;q=0.9, <sips:c@x>",
            "<sip:x@10.0.1.2?Subject=a&Route=%3Csip:z%3E>",
            "*",
            "",
        ]);
        if !contact.is_empty() {
            response.headers.push(HeaderName::Contact, contact);
        }
        if status.is_success() && request.method == Method::Invite {
            response.set_body("application/sdp", self.sdp());
        }
        if self.choices.percent(10) {
            response.headers.push(HeaderName::RetryAfter, "99999999999999999999");
        }
        self.say(response.to_bytes());
    }

    fn answer_well(&mut self, request: &Request) {
        let to_factory = request.uri.to_string().contains("conference@");
        let response = match (&request.method, to_factory) {
            (Method::Invite, true) => Response::answering(request, StatusCode::MOVED_TEMPORARILY)
                .with_header(HeaderName::Contact, "<sip:conf-1@10.0.1.2>;isfocus"),
            (Method::Invite, false) => Response::answering(request, StatusCode::OK)
                .with_header(HeaderName::Contact, "<sip:conf-1@10.0.1.2>;isfocus")
                .with_body("application/sdp", SDP),
            _ => Response::answering(request, StatusCode::OK),
        };
        self.say(response.with_to_tag("one").to_bytes());
    }

    /// Asks for something, in a dialog or nearly or out of any.
    fn ask(&mut self) {
        let method = self.pick(&[
            "INVITE", "INVITE", "ACK", "BYE", "CANCEL", "REFER", "REFER", "NOTIFY", "NOTIFY",
            "NOTIFY", "OPTIONS", "INFO", "FOO",
        ]);
        let is_inside = !self.dialogs.is_empty() && self.choices.percent(75);
        self.branches += 1;
        let (call_id, ours, theirs) = if is_inside {
            let index = self.below(self.dialogs.len());
            self.dialogs[index].clone()
        } else {
            self.calls += 1;
            (format!("call-{}", self.calls), String::new(), "them".to_owned())
        };
        let ours = if ours.is_empty() { ours } else { format!(";tag={ours}") };
        let theirs = if theirs.is_empty() { self.pick(&["one", "two"]).to_owned() } else { theirs };
        // Mostly rising, so that a dialog goes on.
        let cseq = if self.choices.percent(80) { self.branches } else { 1 };
        let old = self.branches.saturating_sub(u32::try_from(self.below(3)).unwrap_or(0));
        let branch = if self.choices.percent(85) { self.branches } else { old };
        let mut text = format!(
            "{method} sip:alice@10.0.1.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.2;branch=z9hG4bK{branch}\r\n\
             From: <sip:them@10.0.1.2>;tag={theirs}\r\nTo: <sip:alice@10.0.1.1>{ours}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:them@10.0.1.2>\r\n"
        );
        let mut body = "";
        match method {
            "INVITE" | "ACK" => {
                body = self.sdp();
                text.push_str("Content-Type: application/sdp\r\n");
            }
            "REFER" => {
                let to = self.pick(&[
                    "<sip:conf-1@10.0.1.2>",
                    "<sip:conf-1@10.0.1.2;method=BYE>",
                    "<tel:+1>",
                    "<sip:conf-9@host.example>",
                    "<sip:conf-1@10.0.1.2?Replaces=a%3Bb&X-A=b%0D%0Ac>",
                    "<sip:alice@10.0.1.1>",
                ]);
                text.push_str(&format!("Refer-To: {to}\r\nReferred-By: <sip:them@10.0.1.2>\r\n"));
            }
            "NOTIFY" => {
                let state = self.pick(&[
                    "active;expires=9",
                    "active;expires=99999999999",
                    "active",
                    "terminated;reason=noresource",
                    "pending",
                ]);
                let id = self.below(4);
                let event = self.pick(&["refer", "refer", "refer;id=", "presence"]);
                let event =
                    if event.ends_with('=') { format!("{event}{id}") } else { event.to_owned() };
                text.push_str(&format!("Event: {event}\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n"));
                body = self.pick(&[
                    "SIP/2.0 100 Trying\r\n",
                    "SIP/2.0 180 Ringing",
                    "SIP/2.0 200 OK\r\n",
                    "SIP/2.0 603 No\r\nWarning: 399 a \"b\"\r\n",
                    "",
                    "x",
                ]);
            }
            _ => {}
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.say(text.into_bytes());
    }

    /// Says something once more, whole or damaged.
    fn again(&mut self) {
        if self.said.is_empty() {
            return;
        }
        let index = self.below(self.said.len());
        let mut bytes = self.said[index].clone();
        if self.choices.percent(50) {
            for _ in 0..=self.below(3) {
                let at = self.below(bytes.len());
                bytes[at] = u8::try_from(self.below(256)).unwrap_or(0);
            }
        }
        self.say(bytes);
    }

    fn resolved(&mut self) {
        let Some(id) = self.lookups.pop() else { return };
        let transport = self.choices.pick(&[Transport::Udp, Transport::Udp, Transport::Tcp]);
        let there = sip::Target { transport, remote: THEM.into() };
        let found = self.choices.pick(&[0, 1, 1, 2]);
        let targets = vec![there; found];
        match &mut self.machine {
            Machine::Convener(convener) => convener.resolved(self.now, id, &targets),
            Machine::Answerer(answerer) => answerer.resolved(self.now, id, &targets),
        }
        self.settle();
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Convener(convener) => convener.deadline(),
            Machine::Answerer(answerer) => answerer.deadline(),
        }
    }

    fn due(&mut self) {
        match &mut self.machine {
            Machine::Convener(convener) => convener.handle_deadline(self.now),
            Machine::Answerer(answerer) => answerer.handle_deadline(self.now),
        }
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut stuck = 0;
        while let Some(at) = self.deadline().filter(|&at| at <= end) {
            stuck = if at <= self.now { stuck + 1 } else { 0 };
            assert!(stuck < 100, "a deadline that never moves");
            self.now = self.now.max(at);
            self.due();
        }
        self.now = end;
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            if self.choices.is_over() {
                return;
            }
            match self.below(20) {
                0..=9 => self.answer(),
                10..=15 => self.ask(),
                16 | 17 => self.again(),
                _ => self.resolved(),
            }
            let ms = match self.below(20) {
                0..=11 => 0,
                12..=16 => self.below(2_000),
                17 | 18 => self.below(10_000),
                _ => self.below(60_000),
            };
            let time = Duration::from_millis(ms as u64);
            if self.choices.percent(90) {
                self.pass(time);
            } else {
                self.now += time; // nobody looked at the deadlines
            }
        }
    }

    fn wind_up(&mut self) {
        match &mut self.machine {
            Machine::Convener(convener) => convener.leave(self.now),
            Machine::Answerer(answerer) => answerer.hang_up_all(self.now),
        }
        self.settle();
        self.run(STEPS / 4);
        // The longest wait there is: a subscription that we granted, 300 s, and its last NOTIFY.
        self.pass(Duration::from_secs(400));
        assert_eq!(self.finished, 1, "it is told once that all is over");
        assert_eq!(self.speaking, [false; 3], "somebody still speaks");
        self.pass(Duration::from_secs(600));
        assert_eq!(self.deadline(), None, "nothing is due when all is over");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    /// Found by a long run: an invitee who was slow with his REFER was called and not reached, then reported that he follows it.
    #[test]
    fn a_refer_that_nobody_waits_for_does_not_hold_up_the_end() {
        let input = include_bytes!("found/late_refer.bin");
        engine::attempt(&TERMINAL, input).unwrap_or_else(|why| panic!("{why}"));
    }

    /// T04
    #[test]
    fn a_terminal_among_strangers_comes_to_its_end() {
        for input in super::super::random(1_000) {
            engine::attempt(&TERMINAL, &input).unwrap_or_else(|why| panic!("{why}"));
        }
    }
}
