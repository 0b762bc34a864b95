//! What is said to every call and heard from all of them, 10 ms at a time.

use std::net::SocketAddr;

use ua::{Channel, FRAME_SAMPLES, Key, MediaNotice, SlotId, Voice};
use units::{Instant, Rng};

use crate::wav::{Recorder, WavError};

/// How long nothing may come from a peer until it is asked whether it is there, in frames of 10 ms. Phones
/// that suppress silence still send something every few seconds; a call on hold may be asked for nothing,
/// which costs one OPTIONS each time.
const SILENT_TICKS: u32 = 3_000;

/// RFC 6464 §3: silence, in -dBov.
const SILENCE: u8 = 127;

/// When keys are pressed: the peer has had time to ask for them.
const KEYS_AFTER_TICKS: u32 = 100;

/// Levels are told every quarter of a second: as fast as a person reads a meter.
const LEVELS_TICKS: u64 = 25;

/// How loud it was in the last quarter of a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// What is said, muted or not: 0 (loudest) to 127 (silence), in -dBov (RFC 6464 §3).
    pub said: u8,
    /// The calls that are up.
    pub lines: Vec<LineLevel>,
}

/// One call's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineLevel {
    /// The socket of its media.
    pub slot: SlotId,
    /// What its peer says, in -dBov.
    pub heard: u8,
    /// RTP packets that came.
    pub received: u64,
    /// RTP packets that were sent.
    pub sent: u64,
    /// RTP packets that never came in time to be played.
    pub lost: u64,
}

/// All calls' sound: the mouth that says the same to each, the ear that hears their sum.
///
/// While a call is up it must be ticked every 10 ms. The recording runs while at least one call is
/// up, so that its time is the time of the calls.
pub(crate) struct Sound {
    /// One for each media socket; `None` while no call uses it.
    voices: Vec<Option<Line>>,
    /// What is said, again and again; i16, mono, 8 kHz. Empty: silence.
    play: Vec<i16>,
    position: usize,
    /// What is keyed in each call.
    keys: Vec<Key>,
    recorder: Option<Recorder>,
    rng: Rng,
    ticks: u64,
    /// The loudest frame since the last [`Levels`], in -dBov.
    said: u8,
}

/// Takes packets: from which socket, and to where.
pub(crate) type Send<'a> = &'a mut dyn FnMut((usize, Channel), SocketAddr, &[u8]);

/// One call's sound.
struct Line {
    voice: Voice,
    /// What had come when we looked last.
    life: u64,
    /// For so many frames nothing has come.
    silent_ticks: u32,
    /// Frames that it is up.
    ticks: u32,
    /// Whether silence goes to the peer, instead of what is said.
    is_muted: bool,
    /// The loudest frame since the last [`Levels`], in -dBov.
    heard: u8,
}

impl Line {
    fn new(voice: Voice) -> Self {
        Self { voice, life: 0, silent_ticks: 0, ticks: 0, is_muted: false, heard: SILENCE }
    }

    /// Counts one frame; whether that makes it silent for long, which is said once in that time.
    fn has_fallen_silent(&mut self) -> bool {
        let life = self.voice.signs_of_life();
        let is_alive = life != self.life || self.silent_ticks == SILENT_TICKS;
        self.life = life;
        self.silent_ticks = if is_alive { 0 } else { self.silent_ticks + 1 };
        self.silent_ticks == SILENT_TICKS
    }
}

/// What is known when all is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SoundReport {
    /// Frames of 10 ms that were said and heard.
    pub(crate) ticks: u64,
    /// Samples of 8 kHz in the recording.
    pub(crate) samples_recorded: u64,
}

impl Sound {
    pub(crate) fn new(
        sockets: usize,
        play: Vec<i16>,
        recorder: Option<Recorder>,
        rng: Rng,
    ) -> Self {
        let voices = (0..sockets).map(|_| None).collect();
        Self { voices, play, position: 0, keys: Vec::new(), recorder, rng, ticks: 0, said: SILENCE }
    }

    /// The same, which presses these keys in each call.
    pub(crate) fn keying(self, keys: Vec<Key>) -> Self {
        Self { keys, ..self }
    }

    /// Whether a call is up.
    pub(crate) fn is_on(&self) -> bool {
        self.voices.iter().any(Option::is_some)
    }

    /// Starts, changes or ends a call's sound.
    pub(crate) fn notice(&mut self, now: Instant, notice: &MediaNotice, send: Send<'_>) {
        let refused = match notice {
            MediaNotice::Started { slot, media, signalling, purpose: _ } => {
                let voice = Voice::new(now, media, *signalling, self.rng.fork());
                let (voice, refused) = match voice {
                    Ok(voice) => (Some(Line::new(voice)), None),
                    Err(refused) => (None, Some(refused)),
                };
                if let Some(place) = self.voices.get_mut(slot.0) {
                    *place = voice;
                }
                refused
            }
            MediaNotice::Changed { slot, media } => match self.voices.get_mut(slot.0) {
                Some(Some(line)) => line.voice.update(now, media).err(),
                Some(None) | None => None,
            },
            MediaNotice::Muted { slot, muted } => {
                if let Some(Some(line)) = self.voices.get_mut(slot.0) {
                    line.is_muted = *muted;
                }
                None
            }
            MediaNotice::Stopped { slot } => {
                let line = self.voices.get_mut(slot.0).and_then(Option::take);
                if let Some(mut line) = line {
                    line.voice.goodbye(now, &mut |channel, to, bytes| {
                        send((slot.0, channel), to, bytes);
                    });
                }
                None
            }
        };
        if let Some(refused) = refused {
            tracing::warn!(?refused, "this call has no sound");
        }
    }

    /// Takes one datagram of one of the media sockets number `socket`.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        (socket, channel): (usize, Channel),
        from: SocketAddr,
        bytes: &[u8],
    ) {
        if let Some(Some(line)) = self.voices.get_mut(socket) {
            line.voice.handle_packet(now, channel, from, bytes);
        }
    }

    /// Goes on by 10 ms: says the next frame to each call, adds up what is heard and records it.
    ///
    /// # Errors
    /// The recording cannot be written; it is closed and the calls go on.
    pub(crate) fn tick(&mut self, now: Instant, send: Send<'_>) -> Result<(), WavError> {
        let said = self.next_frame();
        self.said = self.said.min(said.map_or(SILENCE, |frame| audio::level::rfc6464(&frame)));
        let mut total = [0_i32; FRAME_SAMPLES];
        let mut heard = [0_i16; FRAME_SAMPLES];
        for (socket, voice) in self.voices.iter_mut().enumerate() {
            if let Some(line) = voice {
                line.ticks = line.ticks.saturating_add(1);
                if line.ticks == KEYS_AFTER_TICKS
                    && !line.voice.press(&self.keys)
                    && !self.keys.is_empty()
                {
                    tracing::warn!("this peer takes no keys (RFC 4733)");
                }
                // Silence is sent all the same: it keeps the way open, and the peer from wondering.
                let said = said.as_ref().filter(|_| !line.is_muted);
                line.voice.tick(now, said, &mut heard, &mut |channel, to, bytes| {
                    send((socket, channel), to, bytes);
                });
                line.heard = line.heard.min(audio::level::rfc6464(&heard));
                audio::mix::add(&mut total, &heard);
            }
        }
        audio::mix::saturate(&total, &mut heard);
        self.ticks += 1;
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        recorder.push(&heard).inspect_err(|_| self.recorder = None)
    }

    /// The media sockets from whose peers nothing has come for [`SILENT_TICKS`]. Call it once a tick.
    pub(crate) fn fallen_silent(&mut self) -> Vec<SlotId> {
        let mut silent = Vec::new();
        for (socket, line) in self.voices.iter_mut().enumerate() {
            if line.as_mut().is_some_and(Line::has_fallen_silent) {
                silent.push(SlotId(socket));
            }
        }
        silent
    }

    /// How loud it was since the last time, when that is [`LEVELS_TICKS`] ago. Call it once a tick.
    pub(crate) fn levels(&mut self) -> Option<Levels> {
        if !self.ticks.is_multiple_of(LEVELS_TICKS) {
            return None;
        }
        let lines = self.voices.iter_mut().enumerate();
        let lines = lines.filter_map(|(socket, line)| {
            let line = line.as_mut()?;
            let report = line.voice.report();
            Some(LineLevel {
                slot: SlotId(socket),
                heard: std::mem::replace(&mut line.heard, SILENCE),
                received: report.received,
                sent: report.sent,
                lost: report.lost,
            })
        });
        let lines = lines.collect();
        Some(Levels { said: std::mem::replace(&mut self.said, SILENCE), lines })
    }

    /// Closes the recording.
    ///
    /// # Errors
    /// The last of it could not be written.
    pub(crate) fn finish(self) -> (SoundReport, Result<(), WavError>) {
        let samples_recorded = self.recorder.as_ref().map_or(0, Recorder::samples_heard);
        let report = SoundReport { ticks: self.ticks, samples_recorded };
        (report, self.recorder.map_or(Ok(()), Recorder::finish))
    }

    /// The next 10 ms of what is said; from its end it goes on at its beginning.
    fn next_frame(&mut self) -> Option<[i16; FRAME_SAMPLES]> {
        if self.play.is_empty() {
            return None;
        }
        let frame =
            std::array::from_fn(|index| self.play[(self.position + index) % self.play.len()]);
        self.position = (self.position + FRAME_SAMPLES) % self.play.len();
        Some(frame)
    }
}

#[cfg(test)]
mod tests;
