//! The registrar for trying things out: who registers what, and what is relayed between those who did.

use std::net::SocketAddr;
use std::time::Duration;

use node::{Input, Keys, Leftovers, Node, NodeConfig, Output, SipListen};
use pool::{Key, PoolConfig, Seats, TokenKeys};
use sip::{FlowId, Message, Packet, Request, Response, Source, StatusCode, Transport};
use units::{Instant, Rng};

use super::caller::{NODE as HERE, WALL};
use crate::{Choices, Target, Trail};

/// [`Node`] with its registrar: at the end nobody is registered, and nothing is relayed.
pub const REGISTRAR: Target = Target {
    name: "registrar",
    run: registrar,
    seeds: || super::random(300),
    words: &[],
    longest: 700,
};

const USERS: [&str; 4] = ["alice", "bob", "a%6cice", "conference"];
const METHODS: [&str; 9] =
    ["REGISTER", "REGISTER", "REGISTER", "INVITE", "ACK", "BYE", "OPTIONS", "CANCEL", "MESSAGE"];
const CONTACTS: [&str; 10] = [
    "Contact: <sip:p@127.0.0.1:6001>\r\n",
    "Contact: <sip:p@127.0.0.1:6002;transport=tcp>;expires=60\r\n",
    "Contact: <sip:p@127.0.0.1:6001>;expires=0\r\n",
    "Contact: *\r\nExpires: 0\r\n",
    "Contact: *\r\nExpires: 60\r\n",
    "",
    "Contact: <sip:p@127.0.0.1:5060>, <sip:q@phone.example>;q=0.5\r\n",
    "Contact: <tel:+1>\r\n",
    "m: <sip:1@127.0.0.1>,<sip:2@127.0.0.1>,<sip:3@127.0.0.1>,<sip:4@127.0.0.1>,<sip:5@127.0.0.1>\r\n",
    "Contact: <sips:p@127.0.0.1:6003>;expires=4294967295\r\nExpires: 1\r\n",
];
const EXTRAS: [&str; 5] = [
    "",
    "",
    "Require: path\r\nSupported: outbound\r\n",
    "Route: <sip:127.0.0.1:5060;lr>\r\n",
    "Max-Forwards: 0\r\n",
];
const STATUSES: [u16; 7] = [100, 180, 200, 302, 404, 487, 503];

/// A request comes back as itself or as its answer; a final answer may be followed by an ACK.
const PACKETS_MAX: usize = 8;
const STEPS: usize = 80;

struct World<'a> {
    node: Node,
    now: Instant,
    choices: Choices<'a>,
    trail: &'a mut Trail,
    /// What the registrar has relayed, and to whom.
    relayed: Vec<(SocketAddr, Request)>,
    said: Vec<(Transport, SocketAddr, Vec<u8>)>,
    out: usize,
}

fn registrar(data: &[u8], trail: &mut Trail) {
    let mut world = World::new(data, trail);
    for _ in 0..STEPS {
        if world.choices.is_over() {
            break;
        }
        world.step();
    }
    // Nobody says anything any more. Nothing is registered for more than an hour.
    world.pass(Duration::from_secs(2 * 3_600));
    let status = world.node.status(world.now);
    assert!(status.registrar.is_some_and(|registrar| registrar.phones.is_empty()));
    assert_eq!(world.node.leftovers(), Leftovers::default());
}

impl<'a> World<'a> {
    fn new(data: &'a [u8], trail: &'a mut Trail) -> Self {
        let mut choices = Choices::new(data);
        let mut rng = Rng::from_number(choices.below(256) as u64);
        let config = NodeConfig {
            node: 1,
            listens: vec![SipListen { bind: HERE, advertise: (HERE.ip().into(), HERE.port()) }],
            media_advertise: vec![vec![HERE.ip()]],
            factories: vec![],
            pool: PoolConfig::new(Seats(6)),
            keys: Keys {
                identity: [1; 32],
                stateless: [2; 32],
                token: TokenKeys { current: Key::new(1, [3; 32]), previous: vec![] },
            },
        };
        let now = Instant::from_millis(1_000);
        let node = Node::new(config, now, WALL, rng.fork()).expect("sound").with_lab_registrar();
        let mut world = Self { node, now, choices, trail, relayed: vec![], said: vec![], out: 0 };
        world.settle();
        world
    }

    fn step(&mut self) {
        match self.choices.below(8) {
            0 => {
                let seconds = self.choices.pick(&[0, 1, 33, 59, 61, 3_601]);
                self.pass(Duration::from_secs(seconds));
            }
            1 if !self.said.is_empty() => {
                let (transport, from, bytes) =
                    self.said[self.choices.below(self.said.len())].clone();
                self.say(transport, from, bytes);
            }
            2 | 3 if !self.relayed.is_empty() => self.answer(),
            _ => self.ask(),
        }
        let phones = self.node.status(self.now).registrar.expect("there").phones;
        self.trail.count("phones", phones.len());
        for phone in &phones {
            let his = phones.iter().filter(|other| other.user == phone.user).count();
            assert!(his <= 4, "{} is registered {his} times", phone.user);
            assert!(phone.seconds_left <= 3_600);
        }
    }

    fn ask(&mut self) {
        let (method, user) = (self.choices.pick(&METHODS), self.choices.pick(&USERS));
        let (contact, extra) = (self.choices.pick(&CONTACTS), self.choices.pick(&EXTRAS));
        let (number, cseq) = (self.choices.below(3), self.choices.below(4));
        let to_tag = if self.choices.percent(30) { ";tag=t" } else { "" };
        let uri = match method {
            "REGISTER" => "sip:127.0.0.1:5060".to_owned(),
            _ => format!("sip:{user}@127.0.0.1:5060"),
        };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bK{number}{cseq}{}\r\n\
             From: <sip:{user}@127.0.0.1>;tag={number}\r\nTo: <sip:{user}@127.0.0.1>{to_tag}\r\n\
             Call-ID: c{number}\r\nCSeq: {cseq} {method}\r\n{contact}{extra}Content-Length: 0\r\n\r\n",
            6_000 + number,
            if method == "ACK" || method == "CANCEL" { "INVITE" } else { method },
        );
        let transport = self.choices.pick(&[Transport::Udp, Transport::Udp, Transport::Tcp]);
        let port = u16::try_from(6_000 + number).expect("small");
        self.say(transport, SocketAddr::new(HERE.ip(), port), text.into_bytes());
    }

    /// A telephone answers what was relayed to it.
    fn answer(&mut self) {
        let (from, request) = self.relayed[self.choices.below(self.relayed.len())].clone();
        let status = StatusCode::new(self.choices.pick(&STATUSES)).expect("a status");
        let response = Response::answering(&request, status).with_to_tag("phone");
        self.say(Transport::Udp, from, response.to_bytes());
    }

    fn say(&mut self, transport: Transport, from: SocketAddr, bytes: Vec<u8>) {
        if self.said.len() < 64 {
            self.said.push((transport, from, bytes.clone()));
        }
        let path = Source { transport, local: HERE, remote: from, flow: FlowId(1) };
        self.out = 0;
        self.node.handle_input(self.now, Input::Packet(Packet { path, bytes }));
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.node.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.out = 0;
            self.node.handle_deadline(self.now);
            self.settle();
        }
        self.now = until;
    }

    fn settle(&mut self) {
        while let Some(output) = self.node.poll_output() {
            let Output::Send(packet) = output else { continue };
            self.out += 1;
            assert!(self.out <= PACKETS_MAX, "too many packets for one input");
            match sip::parse_datagram(&packet.bytes).expect("what it sends can be read") {
                Message::Request(request) => {
                    self.trail.step(&format!("sent {}", request.method));
                    if self.relayed.len() < 32 {
                        self.relayed.push((packet.path.remote, request));
                    }
                }
                Message::Response(response) => {
                    let method = response.headers.cseq().expect("read").method;
                    self.trail.step(&format!("{} {method}", response.status.code()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    /// T04 · The histories get somewhere: who registers is reached, and what is wrong is refused.
    #[test]
    fn random_histories_of_a_registrar_meet_every_answer() {
        let mut met = std::collections::BTreeSet::new();
        for input in super::super::random(400) {
            let trail = engine::attempt(&REGISTRAR, &input).unwrap_or_else(|why| panic!("{why}"));
            met.extend(trail.marks().iter().copied());
        }
        for what in ["200 REGISTER", "400 REGISTER", "420 REGISTER", "sent INVITE", "404 INVITE"] {
            let mut trail = Trail::new();
            trail.mark("step", what);
            assert!(met.contains(&trail.marks()[0]), "no history had {what}");
        }
    }
}
