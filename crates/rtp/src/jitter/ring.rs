//! Where packets wait, addressed by extended sequence number.

use super::kinds::Content;

/// Fixed memory for packets: allocates once.
///
/// Payloads are written one after another into a circle of bytes, so that long packets and short ones
/// share it. What is written over was the oldest; its slot then holds nothing.
#[derive(Debug)]
pub(super) struct Ring {
    slots: Box<[Slot]>,
    bytes: Box<[u8]>,
    /// Bytes written so far, those left free at the end of the circle included.
    written: u64,
}

/// What a slot holds. Its number stays readable after it was played, to tell a duplicate from a
/// late packet.
#[derive(Clone, Copy, Debug)]
struct Slot {
    sequence: u64,
    timestamp: u32,
    arrival: u32,
    content: Content,
    /// Where its payload begins, as `written` was then.
    begin: u64,
    len: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Waiting,
    Played,
}

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting<'a> {
    pub(super) timestamp: u32,
    /// When it came, in ticks of the media clock.
    pub(super) arrival: u32,
    pub(super) content: Content,
    pub(super) payload: &'a [u8],
}

impl Ring {
    pub(super) fn new(slots: usize, bytes: usize) -> Self {
        let empty = Slot {
            sequence: 0,
            timestamp: 0,
            arrival: 0,
            content: Content::Nothing,
            begin: 0,
            len: 0,
            state: State::Empty,
        };
        Self {
            slots: vec![empty; slots].into_boxed_slice(),
            bytes: vec![0; bytes].into_boxed_slice(),
            written: 0,
        }
    }

    /// Packets that fit.
    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Puts a packet in its place; the caller has checked that the place is free and the payload
    /// shorter than the circle.
    pub(super) fn put(&mut self, sequence: u64, packet: &Waiting<'_>) {
        let len = packet.payload.len();
        let mut at = self.offset(self.written);
        if at + len > self.bytes.len() {
            self.written += (self.bytes.len() - at) as u64;
            at = 0;
        }
        self.bytes[at..at + len].copy_from_slice(packet.payload);
        let begin = self.written;
        self.written += len as u64;
        let index = self.index(sequence);
        let Waiting { timestamp, arrival, content, .. } = *packet;
        self.slots[index] =
            Slot { sequence, timestamp, arrival, content, begin, len, state: State::Waiting };
    }

    /// The packet of this number, if it waits.
    pub(super) fn waiting(&self, sequence: u64) -> Option<Waiting<'_>> {
        let slot = &self.slots[self.index(sequence)];
        let overwritten = self.written - slot.begin > self.bytes.len() as u64;
        if slot.sequence != sequence || slot.state != State::Waiting || overwritten {
            return None;
        }
        let at = self.offset(slot.begin);
        let Slot { timestamp, arrival, content, .. } = *slot;
        Some(Waiting { timestamp, arrival, content, payload: &self.bytes[at..at + slot.len] })
    }

    /// True if the packet of this number has come, whether it waits or was played or dropped.
    pub(super) fn knows(&self, sequence: u64) -> bool {
        let slot = &self.slots[self.index(sequence)];
        slot.sequence == sequence && slot.state != State::Empty
    }

    /// Gives the place up; true if a packet has waited there.
    pub(super) fn take(&mut self, sequence: u64) -> bool {
        let index = self.index(sequence);
        let slot = &mut self.slots[index];
        let waited = slot.sequence == sequence && slot.state == State::Waiting;
        if waited {
            slot.state = State::Played;
        }
        waited
    }

    pub(super) fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.state = State::Empty;
        }
    }

    fn index(&self, sequence: u64) -> usize {
        usize::try_from(sequence % self.len()).expect("invariant: a remainder of a usize")
    }

    fn offset(&self, written: u64) -> usize {
        usize::try_from(written % self.bytes.len() as u64)
            .expect("invariant: a remainder of a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(ring: &mut Ring, sequence: u64, len: usize) {
        let payload = vec![u8::try_from(sequence).unwrap(); len];
        let content = Content::Sound { ticks: 1 };
        let packet = Waiting { timestamp: 0, arrival: 0, content, payload: &payload };
        ring.put(sequence, &packet);
    }

    #[test]
    fn the_oldest_bytes_are_given_up_for_new_ones() {
        let mut ring = Ring::new(8, 100);
        for (sequence, len) in [(1, 40), (2, 40), (3, 40)] {
            put(&mut ring, sequence, len);
        }
        assert!(ring.waiting(1).is_none() && ring.knows(1), "written over");
        for sequence in [2, 3] {
            let payload = ring.waiting(sequence).expect("waits").payload;
            assert_eq!(payload, [u8::try_from(sequence).unwrap(); 40]);
        }
        put(&mut ring, 4, 100);
        assert!(ring.waiting(2).is_none() && ring.waiting(3).is_none());
        assert_eq!(ring.waiting(4).expect("waits").payload.len(), 100);
        assert!(ring.take(3) && !ring.take(3), "it has come, though it cannot be played");
    }
}
