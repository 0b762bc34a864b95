//! One call's RTP at the terminal.

use std::net::SocketAddr;

use sdp::Negotiated;
use units::{Instant, Rng};

/// Samples in a frame: 10 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 80;

/// What a voice has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoiceCounters {
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received and used.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
}

/// One call's RTP: encodes what is played, decodes what is heard. 8 kHz, mono, i16.
#[derive(Debug)]
pub struct Voice {}

impl Voice {
    /// Starts with what the session description agreed. `signalling` is the peer's SIP address.
    pub fn new(_now: Instant, _media: &Negotiated, _signalling: SocketAddr, _rng: Rng) -> Self {
        todo!()
    }

    /// Takes over a new agreement without a new SSRC.
    pub fn update(&mut self, _now: Instant, _media: &Negotiated) {
        todo!()
    }

    /// Takes one datagram from the media socket.
    pub fn handle_packet(&mut self, _now: Instant, _from: SocketAddr, _bytes: &[u8]) {
        todo!()
    }

    /// Goes on by 10 ms: call it every 10 ms. `play` is the next frame of ours (`None`: silence),
    /// `heard` is filled with the next frame of the peer's; `send` gets the packets that are due.
    pub fn tick(
        &mut self,
        _now: Instant,
        _play: Option<&[i16; FRAME_SAMPLES]>,
        _heard: &mut [i16; FRAME_SAMPLES],
        _send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        todo!()
    }

    /// What it has seen up to now.
    pub fn counters(&self) -> VoiceCounters {
        todo!()
    }
}
