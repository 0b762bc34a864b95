//! What goes into a jitter buffer and what comes out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Shape of a [`super::JitterBuffer`]; fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// Ticks of the media clock in one second: 8000 for G.711 (RFC 3551 §4.5.14).
    pub clock_hz: u32,
    /// Ticks in a packet until the stream has shown its own: 160 for 20 ms at 8000 Hz.
    pub frame_ticks: u32,
    /// How long the first packet waits before it is played: what jitter costs nothing.
    pub depth: Duration,
    /// Packets that fit; the oldest is dropped when one more comes.
    pub slots: usize,
    /// Longest payload kept; a longer one is refused as [`Inserted::TooLong`].
    pub payload_bytes_max: usize,
}

impl Default for JitterConfig {
    /// G.711 in 20 ms packets, played 40 ms after it came.
    fn default() -> Self {
        Self {
            clock_hz: 8_000,
            frame_ticks: 160,
            depth: Duration::from_millis(40),
            slots: 32,
            payload_bytes_max: 640,
        }
    }
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
    /// The packet did not come, later ones did: conceal `ticks`, then ask again.
    Lost {
        /// How much is missing.
        ticks: u32,
    },
    /// The sender paused here, or sent a packet without sound: play `ticks` of silence, then ask
    /// again.
    Silence {
        /// How long.
        ticks: u32,
    },
    /// Nothing is here although it should: conceal one tick of yours (10 ms), ask again.
    Starved,
    /// Not started, or the sender has been silent for long: play silence for one tick of yours, ask
    /// again.
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
    /// Frames inserted to bring the delay back to its depth.
    pub repeated: u64,
    /// Times that playout ran dry.
    pub starved: u64,
    /// Packets refused as too long or stray.
    pub refused: u64,
    /// Jumps of the sequence number that were followed.
    pub resyncs: u64,
}
