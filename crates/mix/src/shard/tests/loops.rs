//! Mixers that are called by mixers: RFC 3550 §7.4, §8.2.

use std::collections::BTreeSet;

use rtp::rtcp::{Compound, Packet};

use crate::message::Direction;
use crate::rig::{PCMU, Peer, Rig, Talker, stream};

/// Two conferences on two machines, with legs between them.
struct Pair {
    rigs: [Rig; 2],
    /// Which peer of each rig is the other conference, for each leg between them.
    links: Vec<[usize; 2]>,
}

impl Pair {
    /// One who talks, and one who listens, on either side: SSRC 100 at 300 Hz here, 200 at 500 Hz there.
    fn new() -> Self {
        let rig = |ssrc: u32, hz| {
            let mut rig = Rig::elsewhere_with_conference(ssrc.into());
            let talker = Talker::tone(ssrc, PCMU, hz, -20.0);
            rig.join(Some(talker), stream(Direction::SendRecv, PCMU));
            rig.join(None, stream(Direction::SendRecv, PCMU));
            rig
        };
        Self { rigs: [rig(100, 300.0), rig(200, 500.0)], links: Vec::new() }
    }

    fn link(&mut self) {
        let link =
            self.rigs.each_mut().map(|rig| rig.join(None, stream(Direction::SendRecv, PCMU)));
        self.links.push(link);
    }

    /// What one says to its legs to the other is given to the other, 10 ms later.
    fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.rigs.iter_mut().for_each(|rig| rig.run_ms(10));
            for link in &self.links {
                for (from, to) in [(0, 1), (1, 0)] {
                    let Peer { packets, reports, .. } = &mut self.rigs[from].peers[link[from]];
                    let mut said = std::mem::take(packets);
                    said.extend(std::mem::take(reports).into_iter().map(|(_, bytes)| bytes));
                    said.iter().for_each(|bytes| self.rigs[to].give(link[to], bytes));
                }
            }
        }
    }

    fn level(&self, rig: usize, hz: f64) -> f64 {
        self.rigs[rig].peers[1].level(hz, 1_000)
    }
}

/// F12 · RFC 3550 §7.4
#[test]
fn a_mixer_behind_a_mixer_cites_whom_that_one_cites() {
    let mut pair = Pair::new();
    pair.link();
    pair.run_ms(20_000);
    assert!(pair.level(1, 300.0) > -23.0 && pair.level(0, 500.0) > -23.0);
    let listener = &pair.rigs[1].peers[1];
    let cited: BTreeSet<u32> = listener.csrcs.last().unwrap().iter().copied().collect();
    assert_eq!(cited, [100, 200].into());
    // And what they are called.
    let (_, last) = listener.reports.last().unwrap();
    let mut named = BTreeSet::new();
    for packet in Compound::parse(last).expect("well formed").packets() {
        if let Packet::Description(chunks) = packet {
            named.extend(chunks.iter().map(|chunk| chunk.ssrc));
        }
    }
    assert!(named.is_superset(&cited), "{named:?}");
    let loops: u64 = pair.rigs.iter_mut().map(|rig| rig.leave(2).loops).sum();
    assert_eq!(loops, 0, "one leg between two is no loop");
}

/// F17, T50 · RFC 3550 §8.2: two mixers that were referred into each other, each calling the other.
#[test]
fn two_mixers_that_call_each_other_do_not_hear_themselves() {
    let mut pair = Pair::new();
    pair.link();
    pair.link();
    pair.run_ms(60_000);
    for (rig, own) in [(0, 300.0), (1, 500.0)] {
        // Twice as loud, or more, if it came round again; and it does not grow.
        assert!((pair.level(rig, own) + 20.0).abs() < 2.0, "{}", pair.level(rig, own));
    }
    // At least one way is left open.
    assert!(pair.level(1, 300.0) > -23.0 && pair.level(0, 500.0) > -23.0);
    let loops: u64 =
        pair.rigs.iter_mut().flat_map(|rig| [2, 3].map(|leg| rig.leave(leg).loops)).sum();
    assert!(loops >= 1, "{loops}");
}

/// F17, T50 · RFC 3550 §8.2: whatever we send comes back.
#[test]
fn an_echo_of_our_own_packets_is_dropped() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.join(None, stream(Direction::SendRecv, PCMU));
    for _ in 0..3_000 {
        rig.run_ms(10);
        let said = std::mem::take(&mut rig.peers[1].packets);
        said.iter().for_each(|bytes| rig.give(1, bytes));
    }
    assert!(rig.peers[0].level(300.0, 1_000) < -50.0, "{}", rig.peers[0].level(300.0, 1_000));
    let report = rig.leave(1);
    assert_eq!(report.collisions, 1, "only once another SSRC is tried");
    assert!(report.dropped_looped > 1_400, "{report:?}");
}
