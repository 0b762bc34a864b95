//! What goes into a jitter buffer and what comes out.

use serde::{Deserialize, Serialize};

/// Shape of a [`super::JitterBuffer`]; fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// Ticks of the media clock in one second: 8000 for G.711 (RFC 3551 §4.5.14).
    pub clock_hz: u32,
    /// Ticks from one of the caller's to the next: a packet that is needed for a part of them must be here
    /// when they begin.
    pub step_ticks: u32,
    /// Packets that are told apart: of this many in sequence, those that wait, were played or are missing.
    pub slots: usize,
    /// Bytes of payload that are kept: the oldest are given up for more.
    pub bytes: usize,
    /// Longest payload kept; a longer one is refused as [`Inserted::TooLong`].
    pub payload_bytes_max: usize,
}

impl Default for JitterConfig {
    /// G.711, played in steps of 10 ms: 800 ms of it, in packets of up to 200 ms (RFC 3551 §4.2).
    fn default() -> Self {
        Self { clock_hz: 8_000, step_ticks: 80, slots: 64, bytes: 6_400, payload_bytes_max: 1_600 }
    }
}

/// A packet, as far as it matters when it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// What it is.
    pub content: Content,
    /// The payload, or whatever stands for it.
    pub payload: &'a [u8],
}

/// What a packet means for what is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Sound that lasts `ticks` of the media clock.
    Sound {
        /// More than 0.
        ticks: u32,
    },
    /// The sender says nothing from here on; the payload tells how his silence sounds (RFC 3389).
    Noise,
    /// Nothing to be heard, it only has a place in the sequence: a telephone-event (RFC 4733 §2.2).
    Nothing,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Kept, in its place.
    Kept,
    /// Its time is over; dropped.
    Late,
    /// It is here already; dropped.
    Duplicate,
    /// Its number is far from all others; dropped unless the next one follows it
    /// (RFC 3550 Appendix A.1).
    Stray,
    /// The second in sequence after a far jump: the buffer was emptied and starts over with it.
    Resynced,
    /// Longer than `payload_bytes_max`; dropped.
    TooLong,
}

/// What is to be played next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `len` bytes were written to `out`: decode and play all of it, then ask again.
    Payload {
        /// Bytes of payload.
        len: usize,
    },
    /// `len` bytes were written to `out`: how silence sounds until the next payload. Takes no time; ask
    /// again.
    Noise {
        /// Bytes of payload.
        len: usize,
    },
    /// The packet did not come, later ones did: conceal `ticks`, then ask again.
    Lost {
        /// How much is missing.
        ticks: u32,
    },
    /// Nothing is here although it should: conceal one step of yours, ask again.
    Starved,
    /// Not started, or the sender says nothing: play silence for one step of yours or a part of it, ask again.
    Idle,
}

/// What a buffer has seen since it was made; [`super::JitterBuffer::reset`] keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets given to `insert`.
    pub received: u64,
    /// Packets whose turn came before they did. A late one is counted here too.
    pub lost: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets dropped to bring the delay back to its depth.
    pub dropped: u64,
    /// Times that playout ran dry.
    pub starved: u64,
    /// Packets refused as too long or stray.
    pub refused: u64,
    /// Jumps of the sequence number that were followed.
    pub resyncs: u64,
}
