//! One leg: a transport with a stream.

use std::net::SocketAddr;

use units::{Instant, Rng};

use crate::FRAME_SAMPLES;
use crate::message::{PortReport, Refused, StreamSpec, TransportSpec};

/// One RTP leg. Used by a shard's conferences, and by a terminal for its own voice.
#[derive(Debug)]
pub struct Port {}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken: it will be heard, or was late or a duplicate.
    Received,
    /// RTCP, a sign of life.
    Rtcp,
    /// Dropped and counted.
    Dropped,
}

/// A packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// The RTP packet.
    pub bytes: &'a [u8],
}

impl Port {
    /// Makes a port; all its memory is allocated here.
    ///
    /// # Errors
    /// Those of [`Refused`] that concern the two specs.
    pub fn new(
        _now: Instant,
        _transport: TransportSpec,
        _stream: StreamSpec,
        _rng: &mut Rng,
    ) -> Result<Self, Refused> {
        todo!()
    }

    /// Changes a port after a new offer and answer; see [`crate::message::Action::UpdatePort`].
    ///
    /// # Errors
    /// As [`Port::new`]; then nothing has changed.
    pub fn update(
        &mut self,
        _now: Instant,
        _transport: TransportSpec,
        _stream: StreamSpec,
    ) -> Result<(), Refused> {
        todo!()
    }

    /// Takes one datagram, whatever is in it. Does not allocate.
    pub fn handle_packet(&mut self, _now: Instant, _from: SocketAddr, _bytes: &[u8]) -> Verdict {
        todo!()
    }

    /// The next 10 ms of what the peer says, or `None` if nothing is to be heard. Call it once per
    /// tick. Does not allocate.
    pub fn hear(&mut self) -> Option<&[i16; FRAME_SAMPLES]> {
        todo!()
    }

    /// Gives the peer the next 10 ms; a packet comes out when its packet time is full and there is
    /// an address to send it to. Call it once per tick. Does not allocate.
    pub fn say(&mut self, _now: Instant, _frame: &[i16; FRAME_SAMPLES]) -> Option<Outgoing<'_>> {
        todo!()
    }

    /// Where the peer's media is known to come from.
    pub fn latched(&self) -> Option<SocketAddr> {
        todo!()
    }

    /// What has passed through so far.
    pub fn report(&self) -> PortReport {
        todo!()
    }
}
