//! What waits to be served, in the order in which it will be.

use std::collections::VecDeque;

use sip::Arrival;
use units::Instant;

/// The most that waits in one lane. At 14,000 requests a second, what one core does, it is 290 ms of work; more has no place:
/// its sender will have sent it again before its turn (RFC 3261 §17.1.1.2: after 500 ms).
pub(super) const LANE_MAX: usize = 4_096;

/// The most bytes that wait in one lane: a request may have 64 KiB, and a thousand such are no more worth than others.
pub(super) const LANE_BYTES_MAX: usize = 8 << 20;

/// How often others come before those who are known, one in so many: nobody waits for ever.
const OTHERS_EVERY: u8 = 8;

/// Who waits where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// In a dialog that there is, or about a conference that there is, or an answer: served first, and never refused.
    Known,
    /// Says that it belongs to something, which only reading shows: an ACK to an answer that nothing is kept of; or forged.
    Loose,
    /// Wants something new, and has proved his address, or asks over a connection.
    Proved,
    /// Wants something new.
    Fresh,
}

const LANES: [Lane; 4] = [Lane::Known, Lane::Loose, Lane::Proved, Lane::Fresh];

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When it came to the socket.
    pub(super) arrived: Instant,
    pub(super) arrival: Arrival,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    known: Queue,
    loose: Queue,
    proved: Queue,
    fresh: Queue,
    turn: u8,
}

impl Waiting {
    fn bytes(&self) -> usize {
        match &self.arrival {
            Arrival::Packet(packet) => packet.bytes.len(),
            Arrival::Malformed { .. } | Arrival::Failed(_) | Arrival::Refused(_) => 0,
        }
    }
}

impl Queue {
    fn push(&mut self, waiting: Waiting) -> Option<Waiting> {
        let bytes = self.bytes + waiting.bytes();
        if self.waiting.len() >= LANE_MAX || bytes > LANE_BYTES_MAX {
            return Some(waiting);
        }
        self.bytes = bytes;
        self.waiting.push_back(waiting);
        None
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= waiting.bytes();
        Some(waiting)
    }
}

impl Lanes {
    /// Puts one at the end of a lane, or gives it back: the lane is full.
    pub(super) fn push(&mut self, lane: Lane, waiting: Waiting) -> Option<Waiting> {
        self.lane(lane).push(waiting)
    }

    /// Takes whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(Lane, Waiting)> {
        self.turn = self.turn.wrapping_add(1);
        let order = match self.turn % (2 * OTHERS_EVERY) {
            0 => [Lane::Fresh, Lane::Loose, Lane::Proved, Lane::Known],
            OTHERS_EVERY => [Lane::Loose, Lane::Proved, Lane::Fresh, Lane::Known],
            turn if turn.is_multiple_of(2) => [Lane::Known, Lane::Loose, Lane::Proved, Lane::Fresh],
            _ => [Lane::Known, Lane::Proved, Lane::Loose, Lane::Fresh],
        };
        order.into_iter().find_map(|lane| Some((lane, self.lane(lane).pop()?)))
    }

    pub(super) fn len(&self, lane: Lane) -> usize {
        match lane {
            Lane::Known => self.known.waiting.len(),
            Lane::Loose => self.loose.waiting.len(),
            Lane::Proved => self.proved.waiting.len(),
            Lane::Fresh => self.fresh.waiting.len(),
        }
    }

    /// How many wait in all.
    pub(super) fn total(&self) -> usize {
        LANES.into_iter().map(|lane| self.len(lane)).sum()
    }

    const fn lane(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Known => &mut self.known,
            Lane::Loose => &mut self.loose,
            Lane::Proved => &mut self.proved,
            Lane::Fresh => &mut self.fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use sip::{FlowId, Packet, Source, Transport};

    use super::*;

    fn waiting(bytes: usize) -> Waiting {
        let (local, remote) = (([127, 0, 0, 1], 5060).into(), ([127, 0, 0, 2], 5060).into());
        let path = Source { transport: Transport::Udp, local, remote, flow: FlowId::NONE };
        let arrival = Arrival::Packet(Packet { path, bytes: vec![0; bytes] });
        Waiting { arrived: Instant::ZERO, arrival }
    }

    #[test]
    fn lanes_are_bounded_by_number_and_by_bytes() {
        let mut lanes = Lanes::default();
        for _ in 0..LANE_MAX {
            assert!(lanes.push(Lane::Fresh, waiting(1)).is_none(), "room");
        }
        assert!(lanes.push(Lane::Fresh, waiting(1)).is_some());
        assert!(lanes.push(Lane::Known, waiting(LANE_BYTES_MAX)).is_none(), "room, of its own");
        assert!(lanes.push(Lane::Known, waiting(1)).is_some());
        while lanes.pop().is_some() {}
        assert!(lanes.push(Lane::Known, waiting(LANE_BYTES_MAX)).is_none(), "room again");
    }

    #[test]
    fn the_known_come_first_and_nobody_waits_for_ever() {
        let mut lanes = Lanes::default();
        for lane in LANES {
            for _ in 0..32 {
                assert!(lanes.push(lane, waiting(1)).is_none(), "room");
            }
        }
        let order: Vec<Lane> = std::iter::from_fn(|| lanes.pop().map(|(lane, _)| lane)).collect();
        let count = |part: &[Lane], which| part.iter().filter(|lane| **lane == which).count();
        assert_eq!((count(&order[..32], Lane::Known), count(&order[32..40], Lane::Known)), (28, 4));
        assert_eq!((count(&order[..32], Lane::Fresh), count(&order[..32], Lane::Loose)), (2, 2));
        let (loose, proved) = (count(&order[..90], Lane::Loose), count(&order[..90], Lane::Proved));
        assert!(loose.abs_diff(proved) <= 4, "in turn: {loose} {proved}");
        assert!(count(&order[90..], Lane::Fresh) > 20, "strangers come last");
        assert_eq!(order.len(), 128);
    }
}
