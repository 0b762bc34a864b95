//! ITU-T G.711: mu-law and A-law.

use serde::{Deserialize, Serialize};

use crate::{Decoder, Encoder};

/// The two laws; as a codec it has no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum G711 {
    /// mu-law, PCMU.
    Ulaw,
    /// A-law, PCMA.
    Alaw,
}

/// The mu-law byte of a sample.
pub fn ulaw_encode(sample: i16) -> u8 {
    let _ = sample;
    todo!()
}

/// The sample of a mu-law byte.
pub fn ulaw_decode(byte: u8) -> i16 {
    let _ = byte;
    todo!()
}

/// The A-law byte of a sample.
pub fn alaw_encode(sample: i16) -> u8 {
    let _ = sample;
    todo!()
}

/// The sample of an A-law byte.
pub fn alaw_decode(byte: u8) -> i16 {
    let _ = byte;
    todo!()
}

impl Encoder for G711 {
    fn rate_hz(&self) -> u32 {
        8_000
    }

    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        let _ = (samples, out);
        todo!()
    }
}

impl Decoder for G711 {
    fn rate_hz(&self) -> u32 {
        8_000
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        let _ = (payload, out);
        todo!()
    }
}
