//! From frames to RTP packets.

use audio::Encoder as _;
use rtp::{CSRCS_MAX, HEADER_BYTES, Header};
use units::Rng;

use crate::message::{Codec, Format, PTIME_MS_MAX};
use crate::sources::Csrcs;
use crate::{FRAME_SAMPLES, ROUND_FRAMES, TICK};

/// Makes RTP packets of frames, under an SSRC, a sequence and a clock of its own (F11).
///
/// The clock counts ticks, sent or not: after a pause the timestamp shows how long it was, and the
/// sequence goes on without a gap (RFC 3550 §5.1).
#[derive(Debug)]
pub struct Sender {
    format: Format,
    ssrc: u32,
    sequence: u16,
    /// Media clock of the next frame's first sample.
    timestamp: u32,
    /// Frames since the packet boundary, taken or skipped.
    position: u32,
    /// Bytes of the current packet's payload; less than `position` frames if one was skipped.
    payload_bytes: usize,
    /// Whose sound is in it.
    csrcs: Csrcs,
    /// The timestamp of the packet that is full, and not sent yet.
    full: Option<u32>,
    /// The packet that is put together, or full: its payload from [`HEADERS_BYTES_MAX`] on, and the header right before.
    packet: Box<[u8; HEADERS_BYTES_MAX + SAMPLES_MAX]>,
    spurt: Spurt,
}

/// Whether the next packet is the first after a pause: RFC 3551 §4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spurt {
    Begins,
    GoesOn,
}

impl Sender {
    /// Makes a sender with random SSRC, sequence and timestamp (RFC 3550 §5.1); all its memory is
    /// allocated here.
    pub fn new(format: Format, rng: &mut Rng) -> Self {
        let [high, low] = rng.bytes();
        Self {
            format,
            ssrc: rng.u32(),
            sequence: u16::from_be_bytes([high, low]),
            timestamp: rng.u32(),
            position: 0,
            payload_bytes: 0,
            csrcs: Csrcs::new(),
            full: None,
            packet: Box::new([0; HEADERS_BYTES_MAX + SAMPLES_MAX]),
            spurt: Spurt::Begins,
        }
    }

    /// Sends in another format from the next frame on; SSRC, sequence and clock stay.
    pub fn set_format(&mut self, format: Format) {
        let before = std::mem::replace(&mut self.format, format);
        // What was gathered in another codec cannot be sent under the new payload type.
        if (format.ptime_ms, format.codec) != (before.ptime_ms, before.codec) {
            self.align(self.position);
        }
    }

    /// Puts the packet boundary so that `position` frames of a packet (modulo its length) have
    /// already passed. What was gathered is dropped.
    pub fn align(&mut self, position: u32) {
        self.position = position % self.frames_per_packet();
        self.payload_bytes = 0;
        self.full = None;
    }

    /// Whether a packet is a whole number of rounds of a conference; such a one goes out with its last round.
    pub(crate) fn goes_by_rounds(&self) -> bool {
        (self.frames_per_packet() as usize).is_multiple_of(ROUND_FRAMES)
    }

    /// How it sends.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// The name it sends under.
    pub(crate) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Takes another name: somebody else has ours (RFC 3550 §8.2).
    pub(crate) fn rename(&mut self, rng: &mut Rng) {
        self.ssrc = rng.u32();
    }

    /// Media clock of the next frame's first sample.
    pub(crate) const fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Takes 10 ms to which these sources have contributed; gives a packet when it is full.
    pub fn push(&mut self, frame: &[i16; FRAME_SAMPLES], csrcs: &Csrcs) -> Option<&[u8]> {
        self.gather(&encoded(self.format.codec, frame), csrcs);
        self.packet()
    }

    /// Takes 10 ms that are encoded already, for its own codec; ask for [`Self::packet`] before the next ones. G.711
    /// keeps nothing from one sample to the next, so it does not matter who encoded the one before.
    pub(crate) fn gather(&mut self, frame: &[u8; FRAME_SAMPLES], csrcs: &Csrcs) {
        if self.full.take().is_some() {
            self.payload_bytes = 0;
        }
        let begin = self.payload_bytes;
        // A packet begins at its boundary or not at all.
        if samples(self.position) == begin {
            if begin == 0 {
                self.csrcs = Csrcs::new();
            }
            // RFC 3550 §7.1: whoever is heard in any part of the packet.
            csrcs.as_slice().iter().for_each(|&csrc| self.csrcs.add(csrc));
            let begin = HEADERS_BYTES_MAX + begin;
            self.packet[begin..begin + FRAME_SAMPLES].copy_from_slice(frame);
            self.payload_bytes += FRAME_SAMPLES;
        }
        let is_full = self.payload_bytes == samples(self.frames_per_packet());
        let first_timestamp = self.timestamp.wrapping_sub(self.position * FRAME_TICKS);
        self.full = is_full.then_some(first_timestamp);
        self.pass(1);
    }

    /// 10 ms in which a packet of another payload type goes out in the place of sound.
    pub(crate) fn push_event(
        &mut self,
        (payload_type, marker, timestamp): (u8, bool, u32),
        payload: [u8; 4],
    ) -> Option<&[u8]> {
        self.skip(1);
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let begin = HEADERS_BYTES_MAX - HEADER_BYTES;
        let end = HEADERS_BYTES_MAX + payload.len();
        self.packet[HEADERS_BYTES_MAX..end].copy_from_slice(&payload);
        rtp::write_header(&header, &[], &mut self.packet[begin..]).ok()?;
        self.sequence = self.sequence.wrapping_add(1);
        Some(&self.packet[begin..end])
    }

    /// Lets `ticks` times 10 ms pass without media.
    pub fn skip(&mut self, ticks: u32) {
        self.payload_bytes = 0;
        self.full = None;
        self.spurt = Spurt::Begins;
        self.pass(ticks);
    }

    /// Whether a packet is full.
    pub(crate) const fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// The packet that is full, once. One that is not asked for takes no number.
    pub(crate) fn packet(&mut self) -> Option<&[u8]> {
        let timestamp = self.full.take()?;
        let header = Header {
            marker: self.spurt == Spurt::Begins,
            payload_type: self.format.payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        let csrcs = self.csrcs.as_slice();
        let begin = HEADERS_BYTES_MAX - HEADER_BYTES - 4 * csrcs.len();
        let end = HEADERS_BYTES_MAX + std::mem::take(&mut self.payload_bytes);
        rtp::write_header(&header, csrcs, &mut self.packet[begin..]).ok()?;
        self.sequence = self.sequence.wrapping_add(1);
        self.spurt = Spurt::GoesOn;
        Some(&self.packet[begin..end])
    }

    fn pass(&mut self, ticks: u32) {
        let frames = self.frames_per_packet();
        self.timestamp = self.timestamp.wrapping_add(ticks.wrapping_mul(FRAME_TICKS));
        self.position = (self.position + ticks % frames) % frames;
    }

    fn frames_per_packet(&self) -> u32 {
        (self.format.ptime_ms / TICK_MS).clamp(1, PTIME_MS_MAX / TICK_MS)
    }
}

/// 10 ms in a codec's own bytes.
pub(crate) fn encoded(codec: Codec, frame: &[i16; FRAME_SAMPLES]) -> [u8; FRAME_SAMPLES] {
    let mut bytes = [0; FRAME_SAMPLES];
    super::codec(codec).encode(frame, &mut bytes);
    bytes
}

/// Samples in so many frames; with G.711 as many bytes.
const fn samples(frames: u32) -> usize {
    frames as usize * FRAME_SAMPLES
}

/// Milliseconds of one tick.
#[expect(clippy::cast_possible_truncation, reason = "10")]
const TICK_MS: u32 = TICK.as_millis() as u32;

/// Ticks of the 8 kHz media clock in one frame: one per sample.
#[expect(clippy::cast_possible_truncation, reason = "80")]
const FRAME_TICKS: u32 = FRAME_SAMPLES as u32;

/// The header before its list of contributing sources is as long as it may be.
const HEADERS_BYTES_MAX: usize = HEADER_BYTES + 4 * CSRCS_MAX;

/// Samples in the longest packet.
const SAMPLES_MAX: usize = samples(PTIME_MS_MAX / TICK_MS);
