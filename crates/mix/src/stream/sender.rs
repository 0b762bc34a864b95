//! From frames to RTP packets.

use audio::Encoder as _;
use rtp::{HEADER_BYTES, Header};
use units::Rng;

use super::codec;
use crate::message::{Format, PTIME_MS_MAX};
use crate::{FRAME_SAMPLES, TICK};

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
    samples: Box<[i16; SAMPLES_MAX]>,
    /// Of the current packet; less than `position` frames if one was skipped.
    samples_count: usize,
    packet: Box<[u8; HEADER_BYTES + SAMPLES_MAX]>,
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
            samples: Box::new([0; SAMPLES_MAX]),
            samples_count: 0,
            packet: Box::new([0; HEADER_BYTES + SAMPLES_MAX]),
            spurt: Spurt::Begins,
        }
    }

    /// Sends in another format from the next frame on; SSRC, sequence and clock stay.
    pub fn set_format(&mut self, format: Format) {
        let other_ptime = format.ptime_ms != self.format.ptime_ms;
        self.format = format;
        if other_ptime {
            self.align(self.position);
        }
    }

    /// Puts the packet boundary so that `position` frames of a packet (modulo its length) have
    /// already passed. What was gathered is dropped.
    pub fn align(&mut self, position: u32) {
        self.position = position % self.frames_per_packet();
        self.samples_count = 0;
    }

    /// Takes 10 ms; gives a packet when it is full.
    pub fn push(&mut self, frame: &[i16; FRAME_SAMPLES]) -> Option<&[u8]> {
        let begin = self.samples_count;
        // A packet begins at its boundary or not at all.
        if samples(self.position) == begin {
            self.samples[begin..begin + FRAME_SAMPLES].copy_from_slice(frame);
            self.samples_count += FRAME_SAMPLES;
        }
        let full = self.samples_count == samples(self.frames_per_packet());
        let first_timestamp = self.timestamp.wrapping_sub(self.position * FRAME_TICKS);
        self.pass(1);
        if full { self.finish(first_timestamp) } else { None }
    }

    /// Lets `ticks` times 10 ms pass without media.
    pub fn skip(&mut self, ticks: u32) {
        self.samples_count = 0;
        self.spurt = Spurt::Begins;
        self.pass(ticks);
    }

    fn finish(&mut self, timestamp: u32) -> Option<&[u8]> {
        let samples = &self.samples[..self.samples_count];
        let mut payload = [0; SAMPLES_MAX];
        let payload_bytes = codec(self.format.codec).encode(samples, &mut payload);
        let header = Header {
            marker: self.spurt == Spurt::Begins,
            payload_type: self.format.payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        self.samples_count = 0;
        let bytes = rtp::write(&header, &payload[..payload_bytes], &mut self.packet[..]).ok()?;
        self.sequence = self.sequence.wrapping_add(1);
        self.spurt = Spurt::GoesOn;
        Some(&self.packet[..bytes])
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

/// Samples in so many frames.
const fn samples(frames: u32) -> usize {
    frames as usize * FRAME_SAMPLES
}

/// Milliseconds of one tick.
#[expect(clippy::cast_possible_truncation, reason = "10")]
const TICK_MS: u32 = TICK.as_millis() as u32;

/// Ticks of the 8 kHz media clock in one frame: one per sample.
#[expect(clippy::cast_possible_truncation, reason = "80")]
const FRAME_TICKS: u32 = FRAME_SAMPLES as u32;

/// Samples in the longest packet; with G.711 as many bytes.
const SAMPLES_MAX: usize = samples(PTIME_MS_MAX / TICK_MS);
