//! The one trait pair behind which every codec stands.

/// Turns linear samples into payload bytes.
pub trait Encoder {
    /// Samples per second that go in.
    fn rate_hz(&self) -> u32;

    /// Encodes one packet's samples to the front of `out`; gives the bytes written. Samples for
    /// which `out` has no room are left out.
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize;
}

/// Turns payload bytes into linear samples.
pub trait Decoder {
    /// Samples per second that come out.
    fn rate_hz(&self) -> u32;

    /// Decodes one packet to the front of `out`; gives the samples written. What has no room in
    /// `out` is left out.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize;
}
