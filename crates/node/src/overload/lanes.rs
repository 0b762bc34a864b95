//! What waits to be served, in the order in which it will be.

use std::collections::VecDeque;

use sip::{Arrival, Glance};
use units::Instant;

/// The most that waits in one lane. At 14,000 requests a second, what one core does, it is 290 ms of work; more has no place:
/// its sender will have sent it again before its turn (RFC 3261 §17.1.1.2: after 500 ms).
pub(super) const LANE_MAX: usize = 4_096;

/// The most bytes that wait in one lane: a request may have 64 KiB, and a thousand such are no more worth than others.
pub(super) const LANE_BYTES_MAX: usize = 8 << 20;

/// How often others come before those who are known, one in so many: nobody waits for ever.
const OTHERS_EVERY: u8 = 8;

/// How many must wait in a lane of what is known for what has waited too long there to be given up. So many are done within the
/// 100 ms that are left of 400 (0.07 ms each; a machine five times as slow manages it too), and as many may pile up while the
/// process stands still without any of them being lost.
pub(super) const KNOWN_STANDING_MIN: usize = 256;

/// The turn, of twice [`OTHERS_EVERY`], at which conferences come before dialogs.
const CONFERENCE_AT: u8 = OTHERS_EVERY / 2;

/// Who waits where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Ends a dialog that there is, while much waits in those: before all others, since it makes room. Of each dialog there is
    /// one, and its copies.
    Ending,
    /// In a dialog that there is, or an answer: served first, and never refused.
    Known,
    /// About a conference that there is, and in no dialog: never refused either, but whoever knows a conference's URI can send
    /// as much of it as he likes, and must not hold up a BYE.
    Conference,
    /// Says that it belongs to something, which only reading shows: an ACK to an answer that nothing is kept of; or forged.
    Loose,
    /// Wants something new, and has proved his address, or asks over a connection.
    Proved,
    /// Wants something new.
    Fresh,
}

const LANES: [Lane; 6] =
    [Lane::Ending, Lane::Known, Lane::Conference, Lane::Loose, Lane::Proved, Lane::Fresh];

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When it came to the socket.
    pub(super) arrived: Instant,
    /// When it was read: a process that stood still reads late.
    pub(super) queued: Instant,
    pub(super) arrival: Arrival,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    ending: Queue,
    known: Queue,
    conference: Queue,
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

    /// Whether its sender sends it again unless he gets an answer (RFC 3261 §17.1.1.2, §17.1.2.2): a request, and no connection
    /// takes care of it. The ACK to a 2xx comes again with the next copy of that (§13.2.2.4). An answer may not.
    pub(super) fn comes_again(&self) -> bool {
        match &self.arrival {
            Arrival::Packet(packet) => {
                let is_answer = matches!(Glance::of(&packet.bytes), Glance::Response);
                !packet.path.transport.is_reliable() && !is_answer
            }
            Arrival::Malformed { .. } | Arrival::Failed(_) | Arrival::Refused(_) => false,
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
        use Lane::{Conference, Fresh, Known, Loose, Proved};
        let order = match self.turn % (2 * OTHERS_EVERY) {
            0 => [Fresh, Loose, Proved, Conference, Known],
            OTHERS_EVERY => [Loose, Proved, Conference, Fresh, Known],
            CONFERENCE_AT => [Conference, Known, Loose, Proved, Fresh],
            turn if turn.is_multiple_of(2) => [Known, Conference, Loose, Proved, Fresh],
            _ => [Known, Conference, Proved, Loose, Fresh],
        };
        let order = std::iter::once(Lane::Ending).chain(order);
        order.into_iter().find_map(|lane| Some((lane, self.lane(lane).pop()?)))
    }

    pub(super) fn len(&self, lane: Lane) -> usize {
        match lane {
            Lane::Ending => self.ending.waiting.len(),
            Lane::Known => self.known.waiting.len(),
            Lane::Conference => self.conference.waiting.len(),
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
            Lane::Ending => &mut self.ending,
            Lane::Known => &mut self.known,
            Lane::Conference => &mut self.conference,
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
        Waiting { arrived: Instant::ZERO, queued: Instant::ZERO, arrival }
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
        assert_eq!(count(&order[..32], Lane::Ending), 32, "first of all what makes room");
        let order = &order[32..];
        assert_eq!(
            (count(&order[..32], Lane::Known), count(&order[..32], Lane::Conference)),
            (26, 2)
        );
        assert_eq!((count(&order[..32], Lane::Fresh), count(&order[..32], Lane::Loose)), (2, 2));
        assert_eq!(
            (count(&order[..80], Lane::Known), count(&order[..80], Lane::Conference)),
            (32, 32)
        );
        let (loose, proved) =
            (count(&order[..120], Lane::Loose), count(&order[..120], Lane::Proved));
        assert!(loose.abs_diff(proved) <= 6, "in turn: {loose} {proved}");
        assert!(count(&order[120..], Lane::Fresh) > 20, "strangers come last");
        assert_eq!(order.len(), 160);
    }
}
