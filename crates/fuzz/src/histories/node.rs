//! The whole node with a real mixer: honest callers, sloppy ones, forged
//! and damaged messages, replays from elsewhere, media that fails, time that jumps, shutdown.
//!
//! What must hold all the time: no panic, the sums of the pool, a seat and a port for each leg and for
//! nobody else, a bounded number of packets for each packet. At the end nothing is left over, and
//! every port that was ever lent can be used again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use focus::factory::{AnswerForm, FactoryConfig};
use focus::{DialRules, EndPolicy, EntryRules};
use mix::message::{Action, ConferenceKey, Epoch, Event, LentPort, PortId};
use mix::{Shard, ShardConfig};
use node::{Input, Keys, Leftovers, Node, NodeConfig, Output, SipListen};
use pool::{Key, PoolConfig, Seats, TokenKeys};
use sip::{FlowId, Message, Method, Packet, Request, Response, Source, StatusCode, Transport};
use units::{Instant, Rng, UnixTime};

use super::caller::{Caller, FACTORY, NODE as HERE, WALL, contact, to_tag};
use crate::{Choices, Target, Trail};

/// [`Node`] and [`Shard`].
pub const NODE: Target =
    Target { name: "node", run: node, seeds: || super::random(700), words: &[], longest: 1_500 };

fn node(data: &[u8], trail: &mut Trail) {
    let mut world = World::new(data, trail);
    world.run();
    world.wind_up();
}

/// Enough for the pool to be full before the ports are, and the other way round, by seed.
const PORTS: u32 = 10;
const PEERS: u16 = 6;
const STEPS: usize = 120;
/// A conference of all seats ends: a BYE each, and the answer to who ended it.
const PACKETS_MAX: usize = 40;

/// What somebody says whom a conference calls.
const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 16003 RTP/AVP 0 8\r\n";

/// A caller, and what he saw last.
struct Peer {
    caller: Caller,
    /// Where his last INVITE went.
    uri: String,
    calls: u32,
    /// The To tag of the last answer.
    last_tag: Option<String>,
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(&line[..line.len().min(60)]).trim_end().to_owned()
}

struct World<'a> {
    node: Node,
    shard: Shard,
    now: Instant,
    choices: Choices<'a>,
    trail: &'a mut Trail,
    peers: Vec<Peer>,
    uris: Vec<String>,
    /// What was ever sent to the node: to be sent again.
    said: Vec<(SocketAddr, Vec<u8>)>,
    /// What the node asked of peers and nobody answered yet.
    asked: Vec<(SocketAddr, Request)>,
    lent: u32,
    /// Packets sent since the last input.
    out: usize,
    keys: Vec<ConferenceKey>,
    is_down: bool,
    seats: u32,
}

impl Peer {
    /// What begins something: a call to a factory, a call to a conference, and their ACKs.
    fn calls(&mut self, what: usize, odd: bool, uri: &str) -> Option<String> {
        let caller = &mut self.caller;
        Some(match what {
            0 | 1 => {
                self.calls += 1;
                caller.call_id = format!("call-{}-{}", caller.name, self.calls);
                caller.to_tag = None;
                caller.cseq = 1;
                self.uri = match (what, odd) {
                    (0, false) => FACTORY.to_owned(),
                    (0, true) => format!("{FACTORY};seats=7"),
                    _ => "sip:now@127.0.0.1".to_owned(),
                };
                caller.invite(&self.uri)
            }
            // The ACK to a refusal or a redirection: the INVITE's branch.
            2 | 3 => {
                let mut acking = caller.clone();
                acking.to_tag.clone_from(&self.last_tag);
                acking.request("ACK", &self.uri).replace("-ACK-", "-INVITE-")
            }
            4..=7 => {
                caller.cseq += 1;
                caller.to_tag = None;
                if what == 7 {
                    self.calls += 1;
                    caller.call_id = format!("call-{}-{}", caller.name, self.calls);
                }
                uri.clone_into(&mut self.uri);
                match odd {
                    true => caller.with_body("INVITE", uri, "application/sdp", ""),
                    false => caller.invite(uri),
                }
            }
            _ => return None,
        })
    }

    /// What goes on with it: in its dialog, or nearly.
    fn talks(&mut self, what: usize, odd: bool, uri: &str) -> String {
        let caller = &mut self.caller;
        match what {
            10 => {
                caller.cseq += 1;
                caller.request("BYE", &self.uri)
            }
            11 => {
                caller.cseq += 1;
                match odd {
                    true => caller.request("INVITE", &self.uri),
                    false => caller.invite(&self.uri).replace("m=audio 1", "m=audio 2"),
                }
            }
            12 => caller.request("CANCEL", &self.uri).replace("-CANCEL-", "-INVITE-"),
            13 => {
                caller.cseq += 1;
                caller.request("OPTIONS", uri)
            }
            // Another branch, the same request: forked.
            14 => {
                caller.rebranch();
                let mut first = caller.clone();
                first.to_tag = None;
                first.invite(&self.uri)
            }
            // Stale, or with a tag that nobody gave.
            15 => {
                let mut other = caller.clone();
                match odd {
                    true => other.to_tag = Some("1-0-nobody".to_owned()),
                    false => other.cseq = 1,
                }
                other.request("BYE", &self.uri)
            }
            16 => {
                caller.cseq += 1;
                let to =
                    if odd { "sip:p2@127.0.0.1:6002;method=BYE" } else { "sip:p3@127.0.0.1:6003" };
                caller.extra = format!("Refer-To: <{to}>\r\n");
                let refer = caller.request("REFER", &self.uri);
                caller.extra.clear();
                refer
            }
            17 => {
                caller.cseq += 1;
                caller.extra = format!(
                    "Event: {}\r\nExpires: 60\r\n",
                    if odd { "refer" } else { "conference" }
                );
                let subscribe = caller.request("SUBSCRIBE", &self.uri);
                caller.extra.clear();
                subscribe
            }
            _ => caller.request("ACK", &self.uri),
        }
    }
}

fn factory(user: &str, answer: AnswerForm, choices: &mut Choices<'_>) -> FactoryConfig {
    FactoryConfig {
        users: vec![user.to_owned()],
        hosts: vec!["127.0.0.1".to_owned()],
        answer,
        answer_rules: Vec::new(),
        hold: Duration::from_secs(choices.below(100) as u64 + 1),
        expect: choices.pick(&[1, 2, 4]),
        end: if choices.percent(50) { EndPolicy::LastLeaves } else { EndPolicy::CreatorLeaves },
        legs_max: choices.percent(30).then_some(4),
        max_time: choices.percent(20).then(|| Duration::from_secs(choices.below(300) as u64 + 1)),
        entry: EntryRules {
            pin: choices.percent(20).then(|| "0011".parse().expect("a PIN")),
            moderator_pin: None,
            lobby: choices.percent(20),
        },
    }
}

impl<'a> World<'a> {
    fn new(data: &'a [u8], trail: &'a mut Trail) -> Self {
        let mut choices = Choices::new(data);
        let mut rng = Rng::from_number(choices.below(256) as u64);
        let factories = vec![
            factory("conference", AnswerForm::Redirect, &mut choices),
            factory("now", AnswerForm::Deliver, &mut choices),
        ];
        let seats = choices.pick(&[6, 12, 40]);
        let mut pool = PoolConfig::new(Seats(seats));
        pool.soft_seats_min = Seats(choices.pick(&[4, 12, 32]));
        pool.soft_per_source_max = 3;
        let config = NodeConfig {
            node: 1,
            listens: vec![SipListen { bind: HERE, advertise: (HERE.ip().into(), HERE.port()) }],
            media_advertise: vec![vec![HERE.ip()]],
            factories,
            pool,
            keys: Keys {
                identity: [1; 32],
                stateless: [2; 32],
                token: TokenKeys { current: Key::new(1, [3; 32]), previous: vec![] },
            },
        };
        let now = Instant::from_millis(1_000);
        let rules = DialRules {
            allow: vec!["127.0.0.0/8".parse().expect("a rule")],
            ..DialRules::default()
        };
        let node = Node::new(config, now, WALL, rng.fork()).expect("sound").with_dial_out(rules);
        let shard = Shard::new(
            ShardConfig { conferences: 8, legs_per_conference: 8, heard: 3, fault_in: None },
            rng.fork(),
        );
        let peers = (0..PEERS).map(|number| Peer {
            caller: Caller::new(&format!("p{number}"), number),
            uri: FACTORY.to_owned(),
            calls: 0,
            last_tag: None,
        });
        let mut world = Self {
            node,
            shard,
            now,
            peers: peers.collect(),
            choices,
            trail,
            uris: vec![],
            said: vec![],
            asked: vec![],
            lent: 0,
            out: 0,
            keys: vec![],
            is_down: false,
            seats,
        };
        for _ in 0..PORTS {
            world.lend();
        }
        world.settle();
        world
    }

    fn lend(&mut self) {
        self.lent += 1;
        let port = u16::try_from(20_000 + self.lent % 20_000).expect("small");
        self.shard.add_lent(LentPort { id: self.lent, address: SocketAddr::new(HERE.ip(), port) });
    }

    fn below(&mut self, bound: usize) -> usize {
        self.choices.below(bound)
    }

    fn settle(&mut self) {
        loop {
            if let Some(output) = self.node.poll_output() {
                match output {
                    Output::Send(packet) => self.sent(packet),
                    Output::Media { command, .. } => {
                        if command.action == Action::OpenConference {
                            self.keys.push(command.conference);
                        }
                        self.shard.handle_command(self.now, command);
                    }
                    Output::Notice(_) | Output::Record(_) => {}
                    // There is no disk here.
                    Output::Store { .. } | Output::Reserved { .. } => {}
                    // A name server may say anything, or nothing.
                    Output::Resolve { id, .. } => match self.choices.below(3) {
                        0 => {}
                        found => {
                            let transport = Transport::Udp;
                            let there = sip::Target { transport, remote: HERE };
                            let targets = vec![there; found - 1];
                            self.node.handle_input(self.now, Input::Resolved { id, targets });
                        }
                    },
                }
            } else if let Some(event) = self.shard.poll_event() {
                self.node.handle_input(self.now, Input::Media { shard: 0, event });
            } else if self.shard.poll_farewell().is_some() {
            } else if self.shard.poll_released().is_some() {
                self.lend();
            } else {
                return;
            }
        }
    }

    fn sent(&mut self, packet: Packet) {
        self.out += 1;
        assert!(self.out <= PACKETS_MAX, "too many packets for one input");
        let Ok(message) = sip::parse_datagram(&packet.bytes) else { return };
        match message {
            Message::Request(request) => {
                self.mark(&format!("sent {}", request.method));
                if self.asked.len() < 64 {
                    self.asked.push((packet.path.remote, request));
                }
            }
            Message::Response(response) => self.learn(&response),
        }
    }

    fn learn(&mut self, response: &Response) {
        let Ok(call_id) = response.headers.call_id() else { return };
        let cseq = response.headers.cseq().expect("read");
        self.mark(&format!("{} {}", response.status.code(), cseq.method));
        let peer = self.peers.iter_mut().position(|peer| peer.caller.call_id == call_id);
        let code = response.status.code();
        match code {
            302 | 200 if cseq.method == Method::Invite && response.headers.contact().is_ok() => {
                let Some(uri) = contact(response) else { return };
                self.uris.retain(|known| *known != uri);
                self.uris.push(uri);
            }
            _ => {}
        }
        if let Some(peer) = peer.and_then(|index| self.peers.get_mut(index)) {
            peer.last_tag = to_tag(response);
            if code == 200 && cseq.method == Method::Invite {
                peer.caller.to_tag = to_tag(response);
            }
        }
    }

    fn say(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        let now = self.now;
        self.trail.tell(|| format!("{now} {from} {}", first_line(&bytes)));
        let reliable = self.choices.percent(5);
        let transport = if reliable { Transport::Tcp } else { Transport::Udp };
        self.say_over(transport, from, bytes);
    }

    fn say_over(&mut self, transport: Transport, from: SocketAddr, bytes: Vec<u8>) {
        let path = Source { transport, local: HERE, remote: from, flow: FlowId(1) };
        if self.said.len() < 200 {
            self.said.push((from, bytes.clone()));
        }
        self.out = 0;
        self.node.handle_input(self.now, Input::Packet(Packet { path, bytes }));
        self.settle();
    }

    fn elsewhere(&mut self, from: SocketAddr) -> SocketAddr {
        if self.choices.percent(10) {
            let last = u8::try_from(self.below(3)).unwrap_or(0);
            return SocketAddr::new(IpAddr::from([127, 0, 0, 9 + last]), 7_000);
        }
        from
    }

    fn op(&mut self) {
        let index = self.below(self.peers.len());
        let from = self.peers[index].caller.address;
        let from = self.elsewhere(from);
        let any = self.below(self.uris.len().max(1));
        let uri = self.uris.get(any).cloned().unwrap_or_else(|| FACTORY.to_owned());
        let odd = self.choices.percent(10);
        match self.below(24) {
            18 | 19 => self.again(from),
            20 => self.damaged(from),
            21 | 22 => self.answer(),
            23 => self.media(),
            what => {
                let peer = &mut self.peers[index];
                let text =
                    peer.calls(what, odd, &uri).unwrap_or_else(|| peer.talks(what, odd, &uri));
                self.say(from, text.into_bytes());
            }
        }
    }

    fn again(&mut self, from: SocketAddr) {
        if self.said.is_empty() {
            return;
        }
        let index = self.below(self.said.len());
        let (of, bytes) = self.said[index].clone();
        let from = if self.choices.percent(70) { of } else { from };
        self.say(from, bytes);
    }

    fn damaged(&mut self, from: SocketAddr) {
        if self.said.is_empty() {
            return;
        }
        let index = self.below(self.said.len());
        let mut bytes = self.said[index].1.clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[at] = u8::try_from(self.below(256)).unwrap_or(0),
                1 => bytes.truncate(at.max(1)),
                2 => {
                    let other = self.below(self.said.len());
                    let other = self.said[other].1.clone();
                    let cut = self.below(other.len());
                    bytes.splice(at.., other[cut..].iter().copied());
                }
                _ => bytes.insert(at, b"\r\n\t ;,<>\"@:\0%"[self.below(13)]),
            }
            if bytes.is_empty() {
                return;
            }
        }
        self.say(from, bytes);
    }

    /// Answers something that the node asked.
    fn answer(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let index = self.below(self.asked.len());
        let (from, request) = self.asked.swap_remove(index);
        let code = [200, 200, 200, 100, 183, 401, 408, 481, 503, 302, 600][self.below(11)];
        let status = StatusCode::new(code).expect("a code");
        let mut response = Response::answering(&request, status).with_to_tag("peer");
        if request.method == Method::Invite && status.is_success() {
            response.headers.push(sip::HeaderName::Contact, "<sip:p3@127.0.0.1:6003>");
            response.set_body("application/sdp", ANSWER);
        }
        self.say(from, response.to_bytes());
    }

    /// The mixer tells something, true or late.
    fn media(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let index = self.below(self.keys.len());
        let conference = self.keys[index];
        let odd = self.choices.percent(20);
        let port = PortId(u32::try_from(self.below(4)).unwrap_or(0));
        let event = match self.below(8) {
            0..=2 => Event::Silent { conference, port, for_ms: 30_000 },
            3..=4 => Event::Talking { conference, port, is_talking: self.choices.percent(50) },
            5 if odd => {
                let code = self.choices.pick(&[0, 0, 1, 1, 9, 10, 11, 12]);
                let key = mix::message::Key::of_code(code).expect("a key");
                Event::KeyPressed { conference, port, key, for_ms: 100 }
            }
            5 => Event::Latched { conference, port, remote: HERE },
            6 if odd => Event::Failed { conference, epoch: Epoch(1) },
            _ => return,
        };
        let now = self.now;
        self.trail.tell(|| format!("{now} {event:?}"));
        self.out = 0;
        self.node.handle_input(self.now, Input::Media { shard: 0, event });
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut stuck = 0;
        while let Some(at) = self.node.deadline().filter(|&at| at <= end) {
            stuck = if at <= self.now { stuck + 1 } else { 0 };
            assert!(stuck < 100, "a deadline that never moves");
            self.now = self.now.max(at);
            self.out = 0;
            self.node.handle_deadline(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Time passes and nobody looks at the deadlines in time.
    fn jump(&mut self, time: Duration) {
        self.now += time;
        self.out = 0;
        if self.choices.percent(50) {
            for _ in 0..50 {
                self.out = 0;
                self.node.handle_deadline(self.now);
                self.settle();
                if self.node.deadline().is_none_or(|at| at > self.now) {
                    return;
                }
            }
            panic!("a deadline that never moves");
        }
    }

    fn check(&self) {
        let status = self.node.status(self.now);
        let room = status.room;
        assert_eq!(room.capacity, room.used + room.held + room.free, "{room:?}");
        let legs: usize = status.conferences.iter().map(|conference| conference.legs.len()).sum();
        // A leg that is being called has a seat, and is not shown yet.
        assert!(usize::try_from(room.used).expect("small") >= legs, "seats and legs");
        // A leg that is being called has none yet; the reports of a REFER may have one of their own.
        assert!(status.leftovers.dialogs <= legs + STEPS, "dialogs and legs");
        let used = usize::try_from(room.used).expect("small");
        assert!(status.leftovers.ports <= used, "ports and seats");
        assert_eq!(status.leftovers.ports, self.shard.leftovers().ports, "ports there and here");
        assert_eq!(status.leftovers.media_commands, 0);
        let mut states = BTreeMap::<_, usize>::new();
        for conference in &status.conferences {
            *states.entry(format!("{:?}", conference.state)).or_default() += 1;
        }
        let held = states.get("Held").copied().unwrap_or(0);
        assert_eq!(status.leftovers.holds, held, "holds and records");
        assert_eq!(status.leftovers.conferences, states.get("Active").copied().unwrap_or(0));
    }

    /// Marks what the node said, and after what.
    fn mark(&mut self, what: &str) {
        let now = self.now;
        self.trail.tell(|| format!("{now}     {what}"));
        self.trail.step(what);
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            if self.choices.is_over() {
                return;
            }
            self.op();
            let ms = match self.below(40) {
                0..=19 => 0,
                20..=29 => self.below(600),
                30..=36 => self.below(5_000),
                37 | 38 => self.below(40_000),
                _ => self.below(200_000),
            };
            let time = Duration::from_millis(ms as u64);
            if self.choices.percent(80) {
                self.pass(time);
            } else {
                self.jump(time);
            }
            if self.choices.percent(1) {
                let wall = UnixTime(WALL.0 + self.below(1_000_000) as u64 - 500_000);
                self.node.set_wall(self.now, wall);
            }
            if self.choices.below(300) == 299 {
                self.is_down = true;
                self.out = 0;
                self.node.shutdown(self.now);
                self.settle();
            }
            self.check();
        }
    }

    /// Everybody has gone away, and says nothing any more.
    fn wind_up(&mut self) {
        for leg in 0..40 {
            let keys = self.keys.clone();
            for conference in keys {
                let event = Event::Silent { conference, port: PortId(leg), for_ms: 30_000 };
                self.out = 0;
                self.node.handle_input(self.now, Input::Media { shard: 0, event });
                self.settle();
            }
        }
        self.pass(Duration::from_secs(400));
        assert_eq!(self.node.leftovers(), Leftovers::default());
        assert!(format!("{:?}", self.node).contains("unproved: {}, unproved_seats: 0"));
        assert_eq!(self.shard.leftovers(), mix::Leftovers::default());
        assert_eq!(self.shard.unused_lent(), PORTS as usize);
        self.pass(Duration::from_secs(3_600 + 60 + 1_000_000));
        assert_eq!(self.node.deadline(), None, "nothing is due on a node that nobody uses");
        if self.seats >= 4 * PORTS && !self.is_down {
            self.use_all_ports();
        }
    }

    /// Every port that was ever lent can be used.
    fn use_all_ports(&mut self) {
        let mut joined = 0;
        for conference in 0..PORTS {
            let mut caller = Caller::new("last", 1_000 + u16::try_from(conference).expect("small"));
            self.say_over(Transport::Tcp, caller.address, caller.invite(FACTORY).into_bytes());
            let uri = self.uris.last().cloned().expect("a conference");
            // As many as any seed lets into one conference.
            for _ in 0..4 {
                if joined == PORTS {
                    return;
                }
                caller.cseq += 1;
                self.say_over(Transport::Tcp, caller.address, caller.invite(&uri).into_bytes());
                joined += 1;
                assert_eq!(self.node.leftovers().ports, joined as usize, "a port was lost");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    /// T04 · The histories get somewhere: every answer that matters is met.
    #[test]
    fn random_histories_of_a_node_leave_nothing_and_meet_every_answer() {
        let mut met = std::collections::BTreeSet::new();
        for input in super::super::random(1_000) {
            let trail = engine::attempt(&NODE, &input).unwrap_or_else(|why| panic!("{why}"));
            met.extend(trail.marks().iter().copied());
        }
        for what in MET {
            let mut trail = Trail::new();
            trail.mark("step", what);
            assert!(met.contains(&trail.marks()[0]), "no history had {what}");
        }
    }

    const MET: [&str; 19] = [
        "200 BYE",
        "200 CANCEL",
        "200 INVITE",
        "200 OPTIONS",
        "302 INVITE",
        "400 INVITE",
        "404 INVITE",
        "480 INVITE",
        "481 BYE",
        "481 INVITE",
        "482 INVITE",
        "486 INVITE",
        "491 INVITE",
        "500 BYE",
        "503 INVITE",
        "sent BYE",
        "sent INVITE",
        "sent NOTIFY",
        "sent OPTIONS",
    ];
}
