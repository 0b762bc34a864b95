//! From RTP packets to frames.

use std::time::Duration;

use audio::stretch::{self, Seam};
use audio::{ComfortNoise, Concealment, Decoder as _, LENGTHENED_SAMPLES_MAX};
use rtp::{Content, Counters, Frame, Inserted, JitterBuffer, JitterConfig, Packet, RtpPacket};
use units::Instant;

use super::codec;
use super::keys::{Keys, Press};
use crate::FRAME_SAMPLES;
use crate::message::{Format, PortReport};

/// Takes a peer's RTP packets and gives frame by frame: jitter buffer, decoder, concealment, comfort
/// noise. Packet times may be anything up to [`PACKET_SAMPLES_MAX`], and may change.
///
/// What the jitter buffer finds too much or too little of is made up here: one vibration of the voice is left
/// out or said twice, or a piece of silence.
#[derive(Debug)]
pub struct Receiver {
    formats: Vec<Format>,
    /// The payload type of telephone-event.
    keys_type: Option<u8>,
    jitter: JitterBuffer,
    conceal: Concealment,
    noise: ComfortNoise,
    keys: Keys,
    /// One payload, its payload type in front: the jitter buffer does not keep it.
    typed_payload: Box<[u8; 1 + PACKET_SAMPLES_MAX]>,
    /// Decoded and not yet played: the first `pending_samples`.
    pending: Box<[i16; PENDING_SAMPLES_MAX]>,
    pending_samples: usize,
    /// What is to be made up before the jitter buffer is asked again.
    gap: Gap,
    frame: [i16; FRAME_SAMPLES],
    /// How many frames are made at once.
    round_frames: usize,
    /// How many of them are left.
    frames_left: usize,
    /// Whether they are anything but silence.
    has_sound: bool,
    /// Whether the sender has told how his silence sounds, and said nothing since.
    is_noisy: bool,
    /// Frames until the sound may be made longer or shorter again.
    rest_frames: usize,
    /// How often in a row nothing was found that could be left out.
    found_nothing: usize,
    made_up: MadeUp,
}

/// Samples that are not as they came.
#[derive(Clone, Copy, Debug, Default)]
struct MadeUp {
    concealed: u64,
    lengthened: u64,
    shortened: u64,
    /// How often something was looked for that could be left out.
    searches: u64,
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

/// What a packet is, by its payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Sound,
    Noise,
    Key,
}

impl Receiver {
    /// Makes a receiver for these formats, and for telephone-event under `keys_type`; all its memory is
    /// allocated here. Frames are made `round_frames` at once, at most [`ROUND_FRAMES`](crate::ROUND_FRAMES): a packet of
    /// 20 ms that is here need not wait with its second half.
    pub fn new(formats: Vec<Format>, keys_type: Option<u8>, round_frames: usize) -> Self {
        let round_frames = round_frames.clamp(1, crate::ROUND_FRAMES);
        let config = JitterConfig {
            step_ticks: ticks(round_frames * FRAME_SAMPLES),
            payload_bytes_max: 1 + PACKET_SAMPLES_MAX,
            ..JitterConfig::default()
        };
        Self {
            formats,
            keys_type,
            jitter: JitterBuffer::new(config),
            conceal: Concealment::new(),
            noise: ComfortNoise::new(),
            keys: Keys::new(),
            typed_payload: Box::new([0; 1 + PACKET_SAMPLES_MAX]),
            pending: Box::new([0; PENDING_SAMPLES_MAX]),
            pending_samples: 0,
            gap: Gap::None,
            frame: [0; FRAME_SAMPLES],
            round_frames,
            frames_left: 0,
            has_sound: false,
            is_noisy: false,
            rest_frames: 0,
            found_nothing: 0,
            made_up: MadeUp::default(),
        }
    }

    /// Takes other formats from now on. What is in the buffer under a payload type that is gone
    /// becomes silence.
    pub fn set_formats(&mut self, formats: Vec<Format>, keys_type: Option<u8>) {
        self.formats = formats;
        self.keys_type = keys_type;
    }

    /// Whether a payload type was agreed on, or needs no agreement.
    pub fn takes(&self, payload_type: u8) -> bool {
        self.sort(payload_type).is_some()
    }

    /// Whether a packet is short enough to be kept.
    pub const fn fits(packet: &RtpPacket<'_>) -> bool {
        packet.payload.len() <= PACKET_SAMPLES_MAX
    }

    /// Takes a packet that came at `now`: one that it [takes](Self::takes) and that
    /// [fits](Self::fits), of one SSRC only until [`Self::reset`].
    pub fn insert(&mut self, now: Instant, packet: &RtpPacket<'_>) -> Inserted {
        let header = &packet.header;
        let len = packet.payload.len();
        let Some(typed) = self.typed_payload.get_mut(..=len) else { return Inserted::TooLong };
        typed[0] = header.payload_type;
        typed[1..].copy_from_slice(packet.payload);
        let whole = 1 + len;
        let (content, kept) = match self.sort(header.payload_type) {
            // G.711: a byte is a sample, and a tick of the clock (RFC 3551 §4.5.14).
            Some(Sort::Sound) if len > 0 => (Content::Sound { ticks: ticks(len) }, whole),
            Some(Sort::Noise) => (Content::Noise, whole),
            Some(Sort::Key) => {
                self.keys.take(now, header.timestamp, packet.payload);
                (Content::Nothing, 0)
            }
            // Without a payload the packet only keeps its place.
            Some(Sort::Sound) | None => (Content::Nothing, 0),
        };
        let (sequence, timestamp) = (header.sequence, header.timestamp);
        let payload = &self.typed_payload[..kept];
        self.jitter.insert(now, &Packet { sequence, timestamp, content, payload })
    }

    /// Forgets what was to be played: another source, or a hold.
    pub fn reset(&mut self) {
        self.jitter.reset();
        self.keys.reset();
        self.conceal = Concealment::new();
        self.pending_samples = 0;
        self.gap = Gap::None;
        self.is_noisy = false;
    }

    /// The next 10 ms, or `None` if they are silent. `at` is when the tick is due in which they are pulled: call it once in a
    /// tick, or for a whole round, after each other, in the tick in which that begins.
    pub fn pull(&mut self, at: Instant) -> Option<&[i16; FRAME_SAMPLES]> {
        if self.frames_left == 0 {
            self.begin_round(at);
        }
        self.frames_left -= 1;
        let played = self.pending_samples.min(FRAME_SAMPLES);
        self.frame[..played].copy_from_slice(&self.pending[..played]);
        self.frame[played..].fill(0);
        self.pending.copy_within(played..self.pending_samples, 0);
        self.pending_samples -= played;
        self.has_sound.then_some(&self.frame)
    }

    /// Makes the frames of a round pending.
    fn begin_round(&mut self, at: Instant) {
        self.frames_left = self.round_frames;
        self.keys.pass(at);
        self.rest_frames = self.rest_frames.saturating_sub(self.round_frames);
        self.has_sound = self.pending_samples > 0;
        self.has_sound |= self.fill(at);
        if self.shorten(at) {
            self.has_sound |= self.fill(at);
        }
    }

    /// Samples of a round.
    const fn round_samples(&self) -> usize {
        self.round_frames * FRAME_SAMPLES
    }

    /// Samples that are still to be made for this round.
    const fn wanted(&self) -> usize {
        self.round_samples().saturating_sub(self.pending_samples)
    }

    /// The next press of a key, until it is [told](Self::key_told).
    pub fn key(&self) -> Option<Press> {
        self.keys.next()
    }

    /// Marks that press as told.
    pub fn key_told(&mut self) {
        self.keys.told();
    }

    /// What the jitter buffer has counted.
    pub const fn counters(&self) -> &Counters {
        self.jitter.counters()
    }

    /// How long packets wait here before they are played.
    pub fn delay(&self) -> Duration {
        self.jitter.delay()
    }

    /// How often something was looked for that could be left out.
    #[cfg(test)]
    pub(super) const fn searches(&self) -> u64 {
        self.made_up.searches
    }

    /// Puts what this half of the stream knows into a port's report.
    pub fn report(&self, report: &mut PortReport) {
        let jitter = self.jitter.counters();
        report.duplicate = jitter.duplicate;
        report.late = jitter.late;
        report.skipped = jitter.dropped;
        report.lost = jitter.lost;
        report.reordered = jitter.reordered;
        report.restarts += jitter.resyncs;
        report.concealed_samples = self.made_up.concealed;
        report.lengthened_samples = self.made_up.lengthened;
        report.shortened_samples = self.made_up.shortened;
        report.delay_us = u64::try_from(self.jitter.delay().as_micros()).unwrap_or(u64::MAX);
    }

    /// RFC 3389 §5.1: 13 is comfort noise at 8 kHz, static like 0 and 8; many send it without a word.
    fn sort(&self, payload_type: u8) -> Option<Sort> {
        if self.formats.iter().any(|format| format.payload_type == payload_type) {
            Some(Sort::Sound)
        } else if Some(payload_type) == self.keys_type {
            Some(Sort::Key)
        } else {
            (payload_type == NOISE_PAYLOAD_TYPE).then_some(Sort::Noise)
        }
    }

    /// Makes a round pending; whether it was lengthened by anything but silence.
    fn fill(&mut self, at: Instant) -> bool {
        let mut has_sound = false;
        for _ in 0..STRETCHES_PER_FRAME_MAX * self.round_frames {
            if self.wanted() == 0 {
                break;
            }
            has_sound |= self.add(at);
        }
        has_sound
    }

    /// Adds the next stretch to what is pending; whether it is anything but silence.
    fn add(&mut self, at: Instant) -> bool {
        if self.gap == Gap::None && self.lengthen(at) {
            return true;
        }
        let wanted = self.wanted();
        match self.gap {
            Gap::Lost(samples) => {
                let now_samples = samples.min(wanted);
                self.gap = rest(samples - now_samples, Gap::Lost);
                self.conceal(now_samples);
                self.made_up.concealed += now_samples as u64;
                true
            }
            Gap::Silence(samples) => {
                let now_samples = samples.min(wanted);
                self.gap = rest(samples - now_samples, Gap::Silence);
                self.silence(now_samples);
                self.is_noisy
            }
            Gap::None => {
                match self.jitter.pop_frame(at, self.held(), &mut self.typed_payload[..]) {
                    Frame::Payload { len } => {
                        self.is_noisy = false;
                        self.decode(len);
                        true
                    }
                    Frame::Noise { len } => {
                        self.noise.describe(self.typed_payload.get(1..len).unwrap_or_default());
                        self.is_noisy = true;
                        false
                    }
                    Frame::Lost { ticks } => {
                        self.gap = rest(samples(ticks), Gap::Lost);
                        false
                    }
                    Frame::Starved => {
                        self.gap = Gap::Lost(self.round_samples());
                        false
                    }
                    // A frame, not a round: he may begin to speak in the middle of one.
                    Frame::Idle => {
                        self.gap = rest(wanted.min(FRAME_SAMPLES), Gap::Silence);
                        false
                    }
                }
            }
        }
    }

    /// Says a vibration twice, if packets come later than the delay allows for.
    fn lengthen(&mut self, at: Instant) -> bool {
        if self.rest_frames > 0 || self.jitter.surplus_ticks(at, self.held()) >= 0 {
            return false;
        }
        // Less than a round more would not let the next packet come a round later.
        let wanted = self.wanted();
        let begin = self.pending_samples;
        let free = &mut self.pending[begin..begin + wanted + LENGTHENED_SAMPLES_MAX];
        let added = self.conceal.lengthen(wanted, free);
        self.pending_samples += added;
        self.made_up.lengthened += added as u64;
        self.rest_frames = REST_FRAMES;
        true
    }

    /// Leaves a vibration or some silence out, if packets wait for longer than they need; whether it did.
    fn shorten(&mut self, at: Instant) -> bool {
        let kept = self.jitter.depth_ticks().min(SURPLUS_TICKS_KEPT_MAX);
        let spare = samples(self.jitter.spare_ticks(at, self.held(), kept));
        if spare < SPARE_SAMPLES_MIN {
            self.found_nothing = 0;
            return false;
        }
        // Where nothing was found there is no haste: a search is a good part of what a leg needs in a tick.
        if self.rest_frames > 0 && (spare < HASTE_SAMPLES || self.found_nothing > 0) {
            return false;
        }
        for _ in 0..STRETCHES_PER_FRAME_MAX {
            if self.pending_samples >= stretch::LOOKED_AT_SAMPLES || !self.jitter.goes_on() {
                break;
            }
            self.add(at);
        }
        self.made_up.searches += 1;
        let seam = if self.found_nothing < FOUND_NOTHING_MAX { Seam::Unheard } else { Seam::Least };
        let cut = stretch::shorten(&mut self.pending[..self.pending_samples], spare, seam);
        self.pending_samples -= cut;
        self.made_up.shortened += cut as u64;
        if cut > 0 {
            (self.found_nothing, self.rest_frames) = (0, REST_FRAMES);
        } else {
            self.found_nothing += 1;
            self.rest_frames = NOTHING_FOUND_FRAMES * self.found_nothing.min(FOUND_NOTHING_MAX);
        }
        cut > 0
    }

    /// What is to be played before anything that the jitter buffer gives.
    fn held(&self) -> u32 {
        ticks(self.pending_samples)
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
        let silent = &mut self.pending[self.pending_samples..end];
        if self.is_noisy {
            self.noise.frame(silent);
        } else {
            silent.fill(0);
        }
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

fn ticks(samples: usize) -> u32 {
    u32::try_from(samples).unwrap_or(u32::MAX)
}

/// Longest packet: 200 ms (RFC 3551 §4.2: what a receiver should accept). A longer one is dropped as malformed.
pub const PACKET_SAMPLES_MAX: usize = 1_600;

/// What is looked at to be shortened, a packet behind it, and a vibration said twice.
const PENDING_SAMPLES_MAX: usize = stretch::LOOKED_AT_SAMPLES
    + PACKET_SAMPLES_MAX
    + crate::ROUND_FRAMES * FRAME_SAMPLES
    + LENGTHENED_SAMPLES_MAX;

/// Stretches that one frame may consist of: packets of 2.5 ms, each after a gap. Whoever sends shorter
/// ones hears himself cut.
const STRETCHES_PER_FRAME_MAX: usize = 12;

/// RFC 3551 §6.
const NOISE_PAYLOAD_TYPE: u8 = 13;

/// 5 ms: less delay is not worth a seam.
const SPARE_SAMPLES_MIN: usize = 40;
/// As much as packets differ is left, up to 1.5 ms, so that what was spared is not missed at once: with less a jittering stream
/// would be cut and lengthened in turn.
const SURPLUS_TICKS_KEPT_MAX: u32 = 12;
/// 60 ms too much: no time to rest.
const HASTE_SAMPLES: usize = 480;
/// 30 ms between two changes: a quarter faster at most, which is no hurried speech yet.
const REST_FRAMES: usize = 3;
/// 60 ms: what has no vibration now has none in 10 ms, and looking for one is work. Twice as long after the second time, and so on.
const NOTHING_FOUND_FRAMES: usize = 6;
/// 0.9 s without silence or vibration: noise, or music. Then one seam a second is better than a delay that stays for ever.
const FOUND_NOTHING_MAX: usize = 5;
