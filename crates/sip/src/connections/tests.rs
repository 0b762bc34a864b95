//! The table under virtual time.

use super::*;
use crate::StatusCode;

const US: &str = "192.0.2.1:5060";
const PEER: &str = "192.0.2.9:40001";
const OPTIONS: &str = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKx\r\n\
    From: <sip:b@192.0.2.9>;tag=1\r\nTo: <sip:a@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn ms(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// To a peer that listens there, by the connection named.
fn to(remote: &str, flow: FlowId) -> Source {
    Source { transport: Transport::Tcp, local: address(US), remote: address(remote), flow }
}

fn packet(path: Source) -> Packet {
    Packet { path, bytes: b"hello".to_vec() }
}

impl Connections {
    fn check_invariant(&self) {
        let scheduled: BTreeSet<_> =
            self.open.iter().map(|(flow, it)| (it.scheduled, *flow)).collect();
        assert_eq!(self.schedule, scheduled);
        assert!(self.open.values().all(|it| it.scheduled == it.deadline()));
        assert!(self.by_peer.values().all(|flow| self.open.contains_key(flow)));
        let accepted = self.open.values().filter(|it| it.accepted).count();
        assert_eq!(self.sources.values().sum::<usize>(), accepted);
    }

    fn take(&mut self) -> Vec<ConnectionOutput> {
        let outputs = std::iter::from_fn(|| self.poll_output()).collect();
        self.check_invariant();
        outputs
    }

    fn accept(&mut self, now: Instant, remote: &str) -> FlowId {
        self.accepted(now, address(US), address(remote)).expect("room")
    }

    /// Feeds bytes and gives the messages that came of them.
    fn feed(&mut self, now: Instant, flow: FlowId, bytes: &[u8]) -> Vec<ConnectionOutput> {
        self.handle_bytes(now, flow, bytes);
        self.take()
    }

    /// Lets time pass, and gives when connections were closed.
    fn closings(&mut self, until: Instant) -> Vec<(u64, FlowId)> {
        let mut closed = vec![];
        while let Some(at) = self.deadline().filter(|at| *at <= until) {
            self.handle_deadline(at);
            for output in self.take() {
                if let ConnectionOutput::Close { flow } = output {
                    closed.push((at.as_millis(), flow));
                }
            }
        }
        closed
    }
}

fn gone(flow: FlowId, remote: &str) -> [ConnectionOutput; 2] {
    let failed = ConnectionOutput::Arrived(Arrival::Failed(to(remote, flow)));
    [ConnectionOutput::Close { flow }, failed]
}

/// A04 · RFC 3261 §7.5, §18.3; RFC 5626 §3.5.1
#[test]
fn messages_come_out_whole_and_a_ping_is_answered() {
    let mut table = Connections::new();
    let flow = table.accept(ms(0), PEER);
    let stream = format!("\r\n{OPTIONS}\r\n\r\n{OPTIONS}");
    let mut messages = 0;
    let mut pongs = 0;
    for byte in stream.bytes() {
        for output in table.feed(ms(1), flow, &[byte]) {
            match output {
                ConnectionOutput::Arrived(Arrival::Packet(packet)) => {
                    assert_eq!((packet.path, &*packet.bytes), (to(PEER, flow), OPTIONS.as_bytes()));
                    messages += 1;
                }
                ConnectionOutput::Write { bytes, .. } => {
                    assert_eq!(bytes, b"\r\n");
                    pongs += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((messages, pongs), (2, 1));
}

/// A04, T05 · RFC 3261 §18.3, RFC 4475 §3.1.2.3
#[test]
fn after_a_framing_error_comes_the_answer_and_then_the_end() {
    let mut table = Connections::new();
    let flow = table.accept(ms(0), PEER);
    let bad = OPTIONS.replace("Content-Length: 0", "Content-Length: -1");
    let outputs = table.feed(ms(5), flow, bad.as_bytes());
    let [ConnectionOutput::Arrived(Arrival::Malformed { path, failure })] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(failure.answer().map(|answer| answer.status), Some(StatusCode::BAD_REQUEST));
    table.send(ms(5), packet(*path));
    assert_eq!(table.take(), [ConnectionOutput::Write { flow, bytes: b"hello".to_vec() }]);
    // What still comes is not looked at.
    assert_eq!(table.feed(ms(5), flow, OPTIONS.as_bytes()), []);
    assert_eq!(table.deadline(), Some(ms(5)));
    table.handle_deadline(ms(5));
    assert_eq!(table.take(), [ConnectionOutput::FinishWrites { flow }]);
    assert_eq!(table.closings(ms(60_000)), [(2_005, flow)]);
    assert!(table.is_empty());
}

/// A09 · RFC 3261 §18.2.2
#[test]
fn an_answer_takes_its_connection_and_when_that_is_gone_a_new_one() {
    let mut table = Connections::new();
    let flow = table.accept(ms(0), PEER);
    let answer = to("192.0.2.9:5060", flow);
    table.send(ms(1), packet(answer));
    assert_eq!(table.take(), [ConnectionOutput::Write { flow, bytes: b"hello".to_vec() }]);

    table.handle_closed(flow);
    assert_eq!(table.take(), gone(flow, PEER));
    table.send(ms(2), packet(answer));
    let outputs = table.take();
    let [ConnectionOutput::Connect { flow: new, local, remote }, ConnectionOutput::Write { .. }] =
        outputs[..]
    else {
        panic!("{outputs:?}");
    };
    assert_ne!(new, flow);
    assert_eq!((local, remote), (address(US), address("192.0.2.9:5060")));
    // The next one takes it too, be it open already or not.
    table.send(ms(3), packet(answer));
    assert_eq!(table.take(), [ConnectionOutput::Write { flow: new, bytes: b"hello".to_vec() }]);
}

#[test]
fn a_connection_that_does_not_come_about_is_told() {
    let mut table = Connections::new();
    table.send(ms(0), packet(to("192.0.2.9:5060", FlowId::NONE)));
    let flow = FlowId(1);
    assert_eq!(table.take().len(), 2);
    table.handle_closed(flow); // refused
    let refused = ConnectionOutput::Arrived(Arrival::Refused(to("192.0.2.9:5060", flow)));
    assert_eq!(table.take(), [ConnectionOutput::Close { flow }, refused]);
    // Silence is as good.
    table.send(ms(0), packet(to("192.0.2.9:5060", FlowId::NONE)));
    table.take();
    assert_eq!(table.closings(ms(60_000)), [(5_000, FlowId(2))]);
    assert_eq!(table.counters().connect_timeouts, 1);
}

/// T14
#[test]
fn who_connects_and_says_nothing_is_closed_and_pings_are_nothing() {
    let mut table = Connections::new();
    let silent = table.accept(ms(0), PEER);
    let pinging = table.accept(ms(0), "192.0.2.9:40002");
    assert_eq!(table.feed(ms(9_000), pinging, b"\r\n\r\n").len(), 1);
    table.handle_written(ms(9_000), pinging, 2);
    assert_eq!(table.closings(ms(60_000)), [(10_000, silent), (10_000, pinging)]);
    assert_eq!(table.counters().silent_closed, 2);
}

/// T14 · One byte a second is no message in 10 s: it does not matter that something comes.
#[test]
fn a_message_that_comes_too_slowly_ends_the_connection() {
    let mut table = Connections::new();
    let flow = table.accept(ms(0), PEER);
    table.feed(ms(0), flow, OPTIONS.as_bytes());
    for second in 0..10 {
        table.feed(ms(20_000 + second * 1_000), flow, b"O");
    }
    assert_eq!(table.closings(ms(60_000)), [(30_000, flow)]);
    assert_eq!(table.counters().partial_closed, 1);
}

#[test]
fn a_connection_lives_as_long_as_it_is_used() {
    let mut table = Connections::new();
    let flow = table.accept(ms(0), PEER);
    table.feed(ms(0), flow, OPTIONS.as_bytes());
    table.feed(ms(1_000_000), flow, b"\r\n");
    table.send(ms(2_000_000), packet(to(PEER, flow)));
    table.handle_written(ms(2_000_000), flow, 5);
    assert_eq!(table.closings(ms(5_000_000)), [(3_200_000, flow)]);
    assert_eq!(table.counters().idle_closed, 1);
}

/// T14
#[test]
fn who_does_not_read_is_closed() {
    let mut table = Connections::new();
    let flow = table.accept(ms(0), PEER);
    table.feed(ms(0), flow, OPTIONS.as_bytes());
    table.send(ms(0), packet(to(PEER, flow)));
    table.handle_written(ms(4_000), flow, 1);
    assert_eq!(table.closings(ms(60_000)), [(14_000, flow)]);
    // Nor may he make us keep much: what he asks for by pings counts too.
    let flow = table.accept(ms(0), PEER);
    let mut pings = 0;
    while table.len() == 1 {
        table.handle_bytes(ms(0), flow, b"\r\n\r\n");
        table.take();
        pings += 1;
    }
    assert_eq!(pings, WRITE_QUEUE_BYTES_MAX / (WRITE_OVERHEAD_BYTES + PONG.len()) + 1);
}

/// T14
#[test]
fn one_source_has_so_many_connections_and_no_more() {
    let mut table = Connections::new();
    for port in 0..CONNECTIONS_PER_SOURCE_MAX {
        table.accept(ms(0), &format!("[2001:db8::{port:x}]:4000"));
    }
    // The same network, another address.
    let next = address("[2001:db8::ffff:1]:4000");
    assert_eq!(table.accepted(ms(0), address(US), next), Err(ConnectionRefused::Source));
    let other = table.accept(ms(0), "[2001:db8:1::1]:4000");
    table.handle_closed(FlowId(1));
    table.take();
    assert_eq!(table.accepted(ms(0), address(US), next), Ok(FlowId(other.0 + 1)));
}

/// T14 · Ten thousand silent connections from everywhere: whoever speaks gets in, and we get out.
#[test]
fn silent_connections_make_room_and_some_are_kept_for_us() {
    let mut table = Connections::new();
    let speaker = table.accept(ms(0), PEER);
    table.feed(ms(0), speaker, OPTIONS.as_bytes());
    for n in 0..10_000_u32 {
        let remote = SocketAddr::from((std::net::Ipv4Addr::from(0x0a00_0000 + n), 4000));
        table.accepted(ms(1), address(US), remote).expect("a silent one goes");
        table.take();
    }
    let most = CONNECTIONS_MAX - CONNECTIONS_MAX / OUTGOING_SHARE;
    assert_eq!(table.len(), most);
    assert!(table.open.contains_key(&speaker));
    for n in 0..CONNECTIONS_MAX - most {
        table.send(ms(2), packet(to(&format!("198.51.100.{n}:5060"), FlowId::NONE)));
    }
    assert_eq!(table.len(), CONNECTIONS_MAX);
    table.take();
    let over = to("203.0.113.1:5060", FlowId::NONE);
    table.send(ms(2), packet(over));
    assert_eq!(table.take(), [ConnectionOutput::Arrived(Arrival::Failed(over))]);
}

#[test]
fn all_that_speak_keep_a_stranger_out() {
    let mut table = Connections::new();
    let most = CONNECTIONS_MAX - CONNECTIONS_MAX / OUTGOING_SHARE;
    for n in 0..u32::try_from(most).expect("small") {
        let remote = SocketAddr::from((std::net::Ipv4Addr::from(0x0a00_0000 + n), 4000));
        let flow = table.accepted(ms(0), address(US), remote).expect("room");
        table.feed(ms(0), flow, OPTIONS.as_bytes());
    }
    let refused = table.accepted(ms(0), address(US), address(PEER));
    assert_eq!(refused, Err(ConnectionRefused::Full));
}
