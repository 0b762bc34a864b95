//! The torture messages of RFC 4475 and RFC 5118 through the whole stack, with a user that is a focus: what
//! goes out on the wire is what the index says, and no cut of any of them does harm.

use std::{fs, net::SocketAddr, path::PathBuf};

use sip::uas::{self, Capabilities};
use sip::{
    Event, FlowId, Incoming, Message, Method, Output, Packet, Response, Source, Stack, StackConfig,
    StatusCode, Transport, parse_datagram,
};
use units::{Instant, Rng};

const FOCUS: Capabilities = Capabilities {
    allow: &[Method::Invite, Method::Ack, Method::Cancel, Method::Bye, Method::Options],
    extensions: &[],
    accept: &["application/sdp"],
    events: &[],
};

/// Not answered yet, where the index says "normal": the user of this test rings.
const NORMAL: u16 = 180;

struct World {
    stack: Stack,
    now: Instant,
    sent: Vec<Packet>,
}

fn source() -> Source {
    let local: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
    let remote: SocketAddr = "192.0.2.9:5060".parse().expect("an address");
    Source { transport: Transport::Udp, local, remote, flow: FlowId::NONE }
}

impl World {
    fn new() -> Self {
        let config =
            StackConfig { advertise: vec![], tag_prefix: "t".to_owned(), asks_for_control: true };
        Self { stack: Stack::new(config, Rng::from_number(1)), now: Instant::ZERO, sent: vec![] }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let packet = Packet { path: source(), bytes: bytes.to_vec() };
        self.stack.handle_packet(self.now, packet);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Send(packet) => self.sent.push(packet),
                Output::Event(Event::Request(incoming)) => self.request(&incoming),
                Output::Event(Event::Response { .. }) => panic!("we have asked nothing"),
                Output::Event(_) => {}
            }
        }
    }

    /// A focus in short: the checks of RFC 3261 §8.2, then ringing, or 200, or no such dialog.
    fn request(&mut self, incoming: &Incoming) {
        let request = &incoming.request;
        if request.method == Method::Ack {
            return;
        }
        let txn = self.stack.accept(self.now, incoming).expect("room");
        let response = match (uas::check(incoming, &FOCUS), &request.method) {
            (Err(response), _) => response,
            (Ok(()), Method::Invite) => Response::answering(request, StatusCode::RINGING),
            (Ok(()), Method::Options) => uas::options_answer(incoming, &FOCUS),
            (Ok(()), _) => Response::answering(request, StatusCode::CALL_DOES_NOT_EXIST),
        };
        self.stack.respond(self.now, txn, response);
    }

    fn run_for_ms(&mut self, ms: u64) {
        let end = Instant::from_millis(self.now.as_millis() + ms);
        while let Some(at) = self.stack.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.stack.handle_deadline(at);
            self.drain();
        }
        self.now = end;
    }

    fn statuses(&self) -> Vec<u16> {
        let status = |packet: &Packet| match read_answer(&packet.bytes) {
            Message::Response(response) => response.status.code(),
            Message::Request(request) => panic!("we sent {request:?}"),
        };
        self.sent.iter().map(status).collect()
    }
}

/// Reads what we sent. The answer to a malformed request repeats what could not be read of it, so only its
/// status counts there.
fn read_answer(bytes: &[u8]) -> Message {
    parse_datagram(bytes).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(bytes);
        let code = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).expect("a status");
        let status = StatusCode::new(code.parse().expect("a number")).expect("a status");
        Message::Response(Response::new(status))
    })
}

fn corpus() -> Vec<(String, String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let index = fs::read_to_string(folder.join("index.tsv")).expect("the index");
    let line = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let bytes = fs::read(folder.join(cells[0]).join(cells[1])).expect("the file");
        (cells[1].to_owned(), cells[6].to_owned(), bytes)
    };
    index.lines().skip(1).map(line).collect()
}

/// What may go out for a file.
fn expected(result: &str) -> Vec<u16> {
    let one = |word: &str| match word {
        "normal" => NORMAL,
        code => code.parse().unwrap_or_else(|_| panic!("`{code}` in the index")),
    };
    match result {
        "-" | "drop" => vec![],
        list => list.split([' ', '/']).filter(|word| *word != "or").map(one).collect(),
    }
}

/// T01 · RFC 4475, RFC 5118 · Each file alone gets the answer that the index names, or silence, and its copy gets the
/// same answer again without reaching the user twice.
#[test]
fn each_file_gets_the_answer_that_the_index_names() {
    let files = corpus();
    assert_eq!(files.len(), 61);
    for (file, result, bytes) in files {
        let mut world = World::new();
        world.feed(&bytes);
        let allowed = expected(&result);
        let counters = *world.stack.counters();
        match world.statuses()[..] {
            [] => {
                assert!(allowed.is_empty(), "{file}: silence, not {result}");
                let dropped = counters.malformed_dropped
                    + counters.stray_responses
                    + counters.responses_with_vias;
                assert_eq!(dropped, 1, "{file}: dropped without being counted");
            }
            [status] => assert!(allowed.contains(&status), "{file}: {status}, not {result}"),
            ref many => panic!("{file}: {many:?}"),
        }
        world.feed(&bytes);
        let statuses = world.statuses();
        assert_eq!(statuses.len(), 2 * usize::from(!allowed.is_empty()), "{file}");
        assert!(statuses.iter().all(|status| *status == statuses[0]), "{file}");
        assert!(world.stack.transaction_count() <= 1, "{file}");
    }
}

/// RFC 3261 §18.2.1 · An answer never goes elsewhere than to the address that the packet came from, whatever the
/// message says, and never shows brackets in `received` (RFC 5118 §4.5).
#[test]
fn answers_go_to_the_source_address() {
    for (file, _, bytes) in corpus() {
        let mut world = World::new();
        world.feed(&bytes);
        for packet in &world.sent {
            assert_eq!(packet.path.remote.ip(), source().remote.ip(), "{file}");
            assert_eq!(packet.path.local, source().local, "{file}");
            let text = String::from_utf8_lossy(&packet.bytes);
            let top = text.lines().find(|line| line.starts_with("Via:")).expect("a Via");
            assert!(!top.contains("received=["), "{file}: {top}");
        }
    }
}

/// RFC 4475 · All files, each cut at every byte, through one stack: no panic, each packet is counted once, and after
/// a while nothing is left but INVITEs that ring.
#[test]
fn no_cut_of_any_file_does_harm() {
    let mut world = World::new();
    let mut packets = 0;
    for (_, _, bytes) in corpus() {
        for end in 0..=bytes.len() {
            world.feed(&bytes[..end]);
            packets += 1;
            assert!(world.sent.len() <= 1, "one packet in, one packet out");
            world.sent.clear();
        }
        world.run_for_ms(10);
        world.sent.clear();
    }
    assert_eq!(world.stack.counters().packets, packets);
    // Over the longest time that any transaction but a ringing INVITE lives.
    world.run_for_ms(70_000);
    let normal = corpus().iter().filter(|(_, result, _)| result.contains("normal")).count();
    assert!(world.stack.transaction_count() <= 2 * normal, "{}", world.stack.transaction_count());
    assert_eq!(world.stack.deadline(), None);
}
