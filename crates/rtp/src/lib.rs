//! RTP packets, sequence arithmetic, jitter buffer.
