//! The slots in which packets wait, addressed by extended sequence number.

/// Fixed memory for packets: allocates once.
#[derive(Debug)]
pub(super) struct Ring {
    slots: Box<[Slot]>,
    /// `payload_bytes_max` bytes for each slot.
    bytes: Box<[u8]>,
    payload_bytes_max: usize,
}

/// What a slot holds. Its number stays readable after it was played, to tell a duplicate from a
/// late packet.
#[derive(Clone, Copy, Debug)]
struct Slot {
    sequence: u64,
    timestamp: u32,
    len: usize,
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    Waiting,
    Played,
}

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting<'a> {
    pub(super) timestamp: u32,
    pub(super) payload: &'a [u8],
}

impl Ring {
    pub(super) fn new(slots: usize, payload_bytes_max: usize) -> Self {
        let empty = Slot { sequence: 0, timestamp: 0, len: 0, content: Content::Nothing };
        Self {
            slots: vec![empty; slots].into_boxed_slice(),
            bytes: vec![0; slots * payload_bytes_max].into_boxed_slice(),
            payload_bytes_max,
        }
    }

    /// Packets that fit.
    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Puts a packet in its place; the caller has checked that the place is free and the payload
    /// short enough.
    pub(super) fn put(&mut self, sequence: u64, timestamp: u32, payload: &[u8]) {
        let index = self.index(sequence);
        let start = index * self.payload_bytes_max;
        self.bytes[start..start + payload.len()].copy_from_slice(payload);
        let content = Content::Waiting;
        self.slots[index] = Slot { sequence, timestamp, len: payload.len(), content };
    }

    /// The packet of this number, if it waits.
    pub(super) fn waiting(&self, sequence: u64) -> Option<Waiting<'_>> {
        let index = self.index(sequence);
        let slot = &self.slots[index];
        let start = index * self.payload_bytes_max;
        (slot.sequence == sequence && slot.content == Content::Waiting).then(|| Waiting {
            timestamp: slot.timestamp,
            payload: &self.bytes[start..start + slot.len],
        })
    }

    /// True if the packet of this number has come, whether it waits or was played or dropped.
    pub(super) fn knows(&self, sequence: u64) -> bool {
        let slot = &self.slots[self.index(sequence)];
        slot.sequence == sequence && slot.content != Content::Nothing
    }

    /// When the packet of this number begins, if it has come and has sound; it may be played.
    pub(super) fn timestamp_with_sound(&self, sequence: u64) -> Option<u32> {
        let slot = &self.slots[self.index(sequence)];
        (self.knows(sequence) && slot.len > 0).then_some(slot.timestamp)
    }

    /// Gives the place up; true if a packet waited there.
    pub(super) fn take(&mut self, sequence: u64) -> bool {
        let waited = self.waiting(sequence).is_some();
        if waited {
            let index = self.index(sequence);
            self.slots[index].content = Content::Played;
        }
        waited
    }

    pub(super) fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.content = Content::Nothing;
        }
    }

    fn index(&self, sequence: u64) -> usize {
        usize::try_from(sequence % self.len()).expect("invariant: a remainder of a usize")
    }
}
