//! From RTP packets to frames.

/// Takes a peer's RTP packets and gives one frame per tick: jitter buffer, decoder, concealment.
#[derive(Debug)]
pub struct Receiver {}
