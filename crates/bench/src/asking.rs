//! The factory asked for a conference, and its 302 acknowledged.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use focus::EndPolicy;
use focus::factory::{AnswerForm, FactoryConfig};
use node::{Input, Keys, Node, NodeConfig, Output, OverloadConfig, SipListen};
use pool::{Key, PoolConfig, Seats, TokenKeys};
use sip::{Arrival, FlowId, Packet, Source, Transport};
use units::{Instant, Rng, UnixTime};

use crate::messages::INVITE;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
const CALLER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 5060);

const CALLER_PATH: Source =
    Source { transport: Transport::Udp, local: SERVER, remote: CALLER, flow: FlowId::NONE };

/// Each asker is another one; what is held for him is given up a second, a hundred askers, later.
pub(crate) fn ask(times: u32) {
    let mut now = Instant::from_millis(1_000);
    let mut node = node(now);
    for number in 0..times {
        now += Duration::from_millis(10);
        let call_id = format!("Call-ID: {number:08}");
        let invite = INVITE.replace("Call-ID: ", &call_id);
        let answer = asked(&mut node, now, &invite);
        let to = answer.lines().find(|line| line.starts_with("To:"));
        let to = to.expect("invariant: every answer has one");
        let (head, _) = invite.split_once("Contact:").expect("invariant: it has one");
        let head = head.replacen("INVITE", "ACK", 1);
        let from = "From: \"Alice\" <sip:alice@example.com>;tag=3f8a1c52";
        let rest = "Y2FsbC1pZC1vZi1hLWJlbmNobWFyaw@192.0.2.7\r\nCSeq: 1 ACK\r\n\r\n";
        asked(&mut node, now, &format!("{head}{to}\r\n{from}\r\n{call_id}{rest}"));
        while node.deadline().is_some_and(|due| due <= now) {
            node.handle_deadline(now);
            drain(&mut node);
        }
    }
}

/// More than is admitted: one a second, and all others are refused without being read.
pub(crate) fn refuse(times: u32) {
    let now = Instant::from_millis(1_000);
    let config = OverloadConfig { per_second: Some(1), ..OverloadConfig::default() };
    let mut node = node(now).with_overload(config);
    let invite = INVITE.replace("Call-ID: ", "Call-ID: 00000000");
    let at = invite.find("00000000").expect("invariant: just put in");
    let mut bytes = invite.into_bytes();
    for number in 0..times {
        count_up(&mut bytes[at..at + 8]);
        let packet = Packet { path: CALLER_PATH, bytes: bytes.clone() };
        node.queue(now, now, Arrival::Packet(packet));
        while node.handle_waiting(now) {}
        while let Some(output) = node.poll_output() {
            let is_refused = |bytes: &[u8]| bytes.starts_with(b"SIP/2.0 503 ");
            if let Output::Send(packet) = black_box(output) {
                assert!(number == 0 || is_refused(&packet.bytes), "it is refused");
            }
        }
    }
}

/// The next number, in its decimal digits: cheap beside what is measured.
fn count_up(digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}

fn node(now: Instant) -> Node {
    let factory = FactoryConfig {
        users: vec!["conference".to_owned()],
        hosts: vec!["127.0.0.1".to_owned()],
        answer: AnswerForm::Redirect,
        answer_rules: Vec::new(),
        hold: Duration::from_secs(1),
        expect: 1,
        end: EndPolicy::LastLeaves,
        legs_max: None,
        max_time: None,
        entry: focus::EntryRules::default(),
    };
    let config = NodeConfig {
        node: 1,
        listens: vec![SipListen { bind: SERVER, advertise: (SERVER.ip().into(), SERVER.port()) }],
        media_advertise: vec![vec![SERVER.ip()]],
        factories: vec![factory],
        pool: PoolConfig::new(Seats(4_000)),
        keys: Keys {
            identity: [1; 32],
            stateless: [2; 32],
            token: TokenKeys { current: Key::new(1, [3; 32]), previous: vec![] },
        },
    };
    let wall = UnixTime(1_795_400_000);
    Node::new(config, now, wall, Rng::from_number(1)).expect("invariant: a sound configuration")
}

/// What the node answers, if it does.
fn asked(node: &mut Node, now: Instant, message: &str) -> String {
    let packet = Packet { path: CALLER_PATH, bytes: message.as_bytes().to_vec() };
    node.handle_input(now, Input::Packet(packet));
    drain(node)
}

fn drain(node: &mut Node) -> String {
    let mut answer = String::new();
    while let Some(output) = node.poll_output() {
        if let Output::Send(packet) = black_box(output) {
            answer = String::from_utf8_lossy(&packet.bytes).into_owned();
        }
    }
    answer
}
