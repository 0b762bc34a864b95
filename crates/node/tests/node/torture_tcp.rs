//! RFC 4475 and RFC 5118 over TCP, at the node behind its table of connections: the answer is that of UDP wherever the
//! message says how long it is, and does not depend on where the stream is cut.

use std::collections::BTreeMap;

use sip::{ConnectionOutput, Connections, FlowId, Frame, StreamFramer};

use crate::rig::{NODE, Rig};
use crate::torture::{addressed, allowed, files, outcome};

/// A node with its connections, and one peer with one connection.
struct Behind {
    rig: Rig,
    table: Connections,
    flow: FlowId,
    /// What was written to the peer, in order.
    written: Vec<u8>,
    is_finished: bool,
}

impl Behind {
    fn new() -> Self {
        let rig = addressed();
        let mut table = Connections::new();
        let peer = ([127, 0, 0, 1], 7_000).into();
        let flow = table.accepted(rig.now, NODE, peer).expect("room");
        Self { rig, table, flow, written: Vec::new(), is_finished: false }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.table.handle_bytes(self.rig.now, self.flow, bytes);
        self.settle();
        self.table.handle_deadline(self.rig.now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.table.poll_output() {
            match output {
                ConnectionOutput::Arrived(arrival) => {
                    let before = self.rig.sent.len();
                    self.rig.arrive(arrival);
                    let answers = self.rig.sent[before..].to_vec();
                    for (_, packet) in answers {
                        self.table.send(self.rig.now, packet);
                    }
                }
                ConnectionOutput::Write { flow, bytes } => {
                    assert_eq!(flow, self.flow, "an answer takes the connection of its request");
                    self.table.handle_written(self.rig.now, flow, bytes.len());
                    self.written.extend(bytes);
                }
                ConnectionOutput::FinishWrites { .. } | ConnectionOutput::Close { .. } => {
                    self.is_finished = true;
                }
                ConnectionOutput::Connect { .. } => panic!("nobody is called"),
            }
        }
    }
}

impl Behind {
    /// The statuses that came back.
    fn statuses(&self) -> Vec<u16> {
        let mut rest = self.written.as_slice();
        let mut statuses = Vec::new();
        while let Some(at) = rest.windows(8).position(|window| window == b"SIP/2.0 ") {
            let digits = String::from_utf8_lossy(&rest[at + 8..at + 11]).into_owned();
            // The next answer begins a line; within one, "SIP/2.0/" of the Via has no space.
            statuses.push(digits.parse().expect("three digits"));
            rest = &rest[at + 11..];
        }
        statuses
    }
}

/// What a stream makes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framed {
    /// It says how long it is, and is.
    Whole,
    /// It does not, so the stream has lost its place.
    Lost,
    /// It says that it is longer.
    Waiting,
}

fn framed(bytes: &[u8]) -> Framed {
    let mut framer = StreamFramer::new();
    framer.push(bytes);
    match framer.next() {
        Some(Ok(Frame::Message(_) | Frame::KeepAlive)) => Framed::Whole,
        Some(Err(_)) => Framed::Lost,
        None => Framed::Waiting,
    }
}

/// A04, T01, T02, T05 · RFC 3261 §18.3
#[test]
fn over_tcp_every_file_gets_the_answer_of_the_index_however_it_is_cut() {
    let mut counts = BTreeMap::new();
    for (name, expected, bytes) in files() {
        let framed = framed(&bytes);
        *counts.entry(format!("{framed:?}")).or_insert(0) += 1;
        let whole = told(&[&bytes]);
        let (statuses, is_finished) = &whole;
        match framed {
            Framed::Whole => {
                let got = outcome(&statuses[..statuses.len().min(1)]);
                assert!(
                    allowed(&expected).contains(&got.as_str()),
                    "{name}: {got}, not {expected}"
                );
            }
            // An answer if there is enough to make one of, and the end.
            Framed::Lost => {
                assert!(*is_finished, "{name}: the connection stays");
                assert!(statuses.iter().all(|status| *status == 400), "{name}: {statuses:?}");
            }
            Framed::Waiting => assert_eq!(whole, (vec![], false), "{name}"),
        }
        for cut in 1..bytes.len() {
            let (before, after) = bytes.split_at(cut);
            assert_eq!(told(&[before, after]), whole, "{name} cut at {cut}");
        }
    }
    println!("torture over TCP: {counts:?}");
    assert!(counts["Whole"] >= 45, "{counts:?}");
}

/// What a peer is told who writes these pieces, and whether the connection ends.
fn told(pieces: &[&[u8]]) -> (Vec<u16>, bool) {
    let mut behind = Behind::new();
    for piece in pieces {
        behind.receive(piece);
    }
    (behind.statuses(), behind.is_finished)
}
