//! From RTP packets to frames.

use audio::{Concealment, Decoder as _};
use rtp::{Counters, Frame, Inserted, JitterBuffer, JitterConfig, RtpPacket};
use units::Instant;

use super::codec;
use crate::FRAME_SAMPLES;
use crate::message::Format;

/// Takes a peer's RTP packets and gives one frame per tick: jitter buffer (40 ms), decoder,
/// concealment. Packet times may be anything up to [`PACKET_SAMPLES_MAX`], and may change.
#[derive(Debug)]
pub struct Receiver {
    formats: Vec<Format>,
    jitter: JitterBuffer,
    conceal: Concealment,
    /// One payload, its payload type in front: the jitter buffer does not keep it.
    typed_payload: Box<[u8; 1 + PACKET_SAMPLES_MAX]>,
    /// Decoded and not yet played: the first `pending_samples`.
    pending: Box<[i16; PENDING_SAMPLES_MAX]>,
    pending_samples: usize,
    /// What is to be made up before the jitter buffer is asked again.
    gap: Gap,
    frame: [i16; FRAME_SAMPLES],
    concealed_frames: u64,
}

/// A stretch without payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    None,
    /// Lost: so many samples are concealed.
    Lost(usize),
    /// A pause of the sender: so many samples are silent.
    Silence(usize),
}

/// What a frame consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Made {
    /// Anything but silence.
    sound: bool,
    /// Anything concealed.
    concealed: bool,
}

impl Receiver {
    /// Makes a receiver for these formats; all its memory is allocated here.
    pub fn new(formats: Vec<Format>) -> Self {
        let config =
            JitterConfig { payload_bytes_max: 1 + PACKET_SAMPLES_MAX, ..JitterConfig::default() };
        Self {
            formats,
            jitter: JitterBuffer::new(config),
            conceal: Concealment::new(),
            typed_payload: Box::new([0; 1 + PACKET_SAMPLES_MAX]),
            pending: Box::new([0; PENDING_SAMPLES_MAX]),
            pending_samples: 0,
            gap: Gap::None,
            frame: [0; FRAME_SAMPLES],
            concealed_frames: 0,
        }
    }

    /// Takes other formats from now on. What is in the buffer under a payload type that is gone
    /// becomes silence.
    pub fn set_formats(&mut self, formats: Vec<Format>) {
        self.formats = formats;
    }

    /// Whether a payload type was agreed on.
    pub fn takes(&self, payload_type: u8) -> bool {
        self.formats.iter().any(|format| format.payload_type == payload_type)
    }

    /// Whether a packet is short enough to be kept.
    pub const fn fits(packet: &RtpPacket<'_>) -> bool {
        packet.payload.len() <= PACKET_SAMPLES_MAX
    }

    /// Takes a packet that came at `now`: one that it [takes](Self::takes) and that
    /// [fits](Self::fits), of one SSRC only until [`Self::reset`].
    pub fn insert(&mut self, now: Instant, packet: &RtpPacket<'_>) -> Inserted {
        let len = packet.payload.len();
        let typed = match self.typed_payload.get_mut(..=len) {
            None => return Inserted::TooLong,
            // Without a payload the packet only keeps its place.
            Some(_) if len == 0 => &[],
            Some(typed) => {
                typed[0] = packet.header.payload_type;
                typed[1..].copy_from_slice(packet.payload);
                &*typed
            }
        };
        self.jitter.insert(now, packet.header.sequence, packet.header.timestamp, typed)
    }

    /// Forgets what was to be played: another source, or a hold.
    pub fn reset(&mut self) {
        self.jitter.reset();
        self.conceal = Concealment::new();
        self.pending_samples = 0;
        self.gap = Gap::None;
    }

    /// The next 10 ms, or `None` if they are silent. Call it once per tick.
    pub fn pull(&mut self, now: Instant) -> Option<&[i16; FRAME_SAMPLES]> {
        let mut made = Made { sound: self.pending_samples > 0, concealed: false };
        for _ in 0..STRETCHES_PER_FRAME_MAX {
            if self.pending_samples >= FRAME_SAMPLES {
                break;
            }
            self.lengthen(now, &mut made);
        }
        let played = self.pending_samples.min(FRAME_SAMPLES);
        self.frame[..played].copy_from_slice(&self.pending[..played]);
        self.frame[played..].fill(0);
        self.pending.copy_within(played..self.pending_samples, 0);
        self.pending_samples -= played;
        if made.concealed {
            self.concealed_frames += 1;
        }
        made.sound.then_some(&self.frame)
    }

    /// What the jitter buffer has counted.
    pub const fn counters(&self) -> &Counters {
        self.jitter.counters()
    }

    /// Frames of which something was made up.
    pub const fn concealed_frames(&self) -> u64 {
        self.concealed_frames
    }

    /// Adds the next stretch to what is pending.
    fn lengthen(&mut self, now: Instant, made: &mut Made) {
        let wanted = FRAME_SAMPLES - self.pending_samples;
        match self.gap {
            Gap::Lost(samples) => {
                let now_samples = samples.min(wanted);
                self.gap = rest(samples - now_samples, Gap::Lost);
                self.conceal(now_samples);
                *made = Made { sound: true, concealed: true };
            }
            Gap::Silence(samples) => {
                let now_samples = samples.min(wanted);
                self.gap = rest(samples - now_samples, Gap::Silence);
                self.silence(now_samples);
            }
            Gap::None => match self.jitter.pop_frame(now, &mut self.typed_payload[..]) {
                Frame::Payload { len } => {
                    self.decode(len);
                    made.sound = true;
                }
                Frame::Lost { ticks } => self.gap = rest(samples(ticks), Gap::Lost),
                Frame::Silence { ticks } => self.gap = rest(samples(ticks), Gap::Silence),
                Frame::Starved => self.gap = Gap::Lost(FRAME_SAMPLES),
                Frame::Idle => self.gap = Gap::Silence(wanted),
            },
        }
    }

    /// Decodes the first `len` bytes of `typed_payload`.
    fn decode(&mut self, len: usize) {
        let Some((payload_type, payload)) =
            self.typed_payload.get(..len).and_then(<[u8]>::split_first)
        else {
            return;
        };
        let free = &mut self.pending[self.pending_samples..];
        let format = self.formats.iter().find(|format| format.payload_type == *payload_type);
        let Some(format) = format else {
            self.gap = rest(payload.len(), Gap::Silence);
            return;
        };
        let decoded = codec(format.codec).decode(payload, free);
        self.conceal.heard(&mut free[..decoded]);
        self.pending_samples += decoded;
    }

    fn conceal(&mut self, samples: usize) {
        let end = self.pending_samples + samples;
        self.conceal.conceal(&mut self.pending[self.pending_samples..end]);
        self.pending_samples = end;
    }

    fn silence(&mut self, samples: usize) {
        let end = self.pending_samples + samples;
        self.pending[self.pending_samples..end].fill(0);
        self.conceal.silence(samples);
        self.pending_samples = end;
    }
}

/// The gap that is left.
fn rest(samples: usize, gap: fn(usize) -> Gap) -> Gap {
    if samples == 0 { Gap::None } else { gap(samples) }
}

/// Ticks of the 8 kHz media clock are samples.
fn samples(ticks: u32) -> usize {
    usize::try_from(ticks).unwrap_or(usize::MAX)
}

/// Longest packet: 80 ms, a third more than the longest packet time that anybody agrees on with us.
/// A longer one is dropped as malformed.
pub const PACKET_SAMPLES_MAX: usize = 640;

/// Less than a frame, and a packet behind it.
const PENDING_SAMPLES_MAX: usize = FRAME_SAMPLES + PACKET_SAMPLES_MAX;

/// Stretches that one frame may consist of: packets of 2.5 ms, each after a gap. Whoever sends shorter
/// ones hears himself cut.
const STRETCHES_PER_FRAME_MAX: usize = 12;
