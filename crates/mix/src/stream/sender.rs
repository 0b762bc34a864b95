//! From frames to RTP packets.

/// Makes RTP packets of frames, under an SSRC, a sequence and a clock of its own.
#[derive(Debug)]
pub struct Sender {}
