//! ITU-T G.711: mu-law and A-law.
//!
//! Encoding computes (a segment is a leading-zero count), decoding looks up a table of 256 that the
//! compiler made from the same formula. Rounding is that of the ITU's reference code (G.191).

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

impl G711 {
    /// The byte of digital silence.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Ulaw => ulaw_encode(0),
            Self::Alaw => alaw_encode(0),
        }
    }
}

impl Encoder for G711 {
    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        let pairs = samples.iter().zip(&mut *out);
        match self {
            Self::Ulaw => pairs.for_each(|(&sample, byte)| *byte = ulaw_encode(sample)),
            Self::Alaw => pairs.for_each(|(&sample, byte)| *byte = alaw_encode(sample)),
        }
        samples.len().min(out.len())
    }
}

impl Decoder for G711 {
    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        let pairs = payload.iter().zip(&mut *out);
        match self {
            Self::Ulaw => pairs.for_each(|(&byte, sample)| *sample = ulaw_decode(byte)),
            Self::Alaw => pairs.for_each(|(&byte, sample)| *sample = alaw_decode(byte)),
        }
        payload.len().min(out.len())
    }
}

/// The mu-law byte of a sample.
pub const fn ulaw_encode(sample: i16) -> u8 {
    // 14 bits of sound; a bias of 33 makes every segment begin at a power of two.
    let biased = (magnitude(sample) >> 2) + 33;
    let biased = if biased > 0x1FFF { 0x1FFF } else { biased };
    let segment = 26 - biased.leading_zeros(); // 33 is the lowest: 26 zeros
    let code = (segment << 4) | ((biased >> (segment + 1)) & 0x0F);
    let sign = if sample < 0 { 0x80 } else { 0 };
    !low_byte(code | sign)
}

/// The sample of a mu-law byte.
pub const fn ulaw_decode(byte: u8) -> i16 {
    ULAW[byte as usize]
}

/// The A-law byte of a sample.
pub const fn alaw_encode(sample: i16) -> u8 {
    let magnitude = magnitude(sample) >> 4; // 12 bits of sound, sign apart
    let code = if magnitude < 0x20 {
        magnitude // two segments of one step each
    } else {
        let segment = 27 - magnitude.leading_zeros(); // 32 is the lowest: 26 zeros, segment 1
        ((segment + 1) << 4) | ((magnitude >> segment) & 0x0F)
    };
    let sign = if sample < 0 { 0 } else { 0x80 };
    // Every second bit is sent inverted.
    low_byte(code | sign) ^ 0x55
}

/// The sample of an A-law byte.
pub const fn alaw_decode(byte: u8) -> i16 {
    ALAW[byte as usize]
}

/// Both laws are symmetric about -0.5, as the reference code is.
const fn magnitude(sample: i16) -> u32 {
    (if sample < 0 { !sample } else { sample }).cast_unsigned() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the callers give no more than 8 bits")]
const fn low_byte(code: u32) -> u8 {
    code as u8
}

/// The middle of the interval that a mu-law byte stands for.
const fn ulaw_expand(byte: u8) -> i16 {
    let code = !byte;
    let (segment, mantissa) = ((code >> 4) & 7, (code & 0x0F) as i16);
    let magnitude = ((2 * mantissa + 33) << segment) - 33;
    4 * if code & 0x80 == 0 { magnitude } else { -magnitude }
}

/// The middle of the interval that an A-law byte stands for.
const fn alaw_expand(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (segment, mantissa) = ((code >> 4) & 7, (code & 0x0F) as i16);
    let magnitude =
        if segment == 0 { 2 * mantissa + 1 } else { (2 * mantissa + 33) << (segment - 1) };
    8 * if code & 0x80 == 0 { -magnitude } else { magnitude }
}

const fn table(law: G711) -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = match law {
            G711::Ulaw => ulaw_expand(byte),
            G711::Alaw => alaw_expand(byte),
        };
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

const ULAW: [i16; 256] = table(G711::Ulaw);
const ALAW: [i16; 256] = table(G711::Alaw);

const RATE_HZ: u32 = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A law as ITU-T G.711 prints it in Tables 1 and 2: for positive values each segment's
    /// (number of intervals, width) in the table's own units, from 0 upwards.
    const ULAW_SEGMENTS: [(usize, u32); 9] =
        [(1, 1), (15, 2), (16, 4), (16, 8), (16, 16), (16, 32), (16, 64), (16, 128), (16, 256)];
    const ALAW_SEGMENTS: [(usize, u32); 7] =
        [(32, 2), (16, 4), (16, 8), (16, 16), (16, 32), (16, 64), (16, 128)];

    /// (decision values, quantized values) in 16-bit samples, counted by character signal.
    fn tables(segments: &[(usize, u32)], unit: u32) -> (Vec<u32>, Vec<u32>) {
        let (mut decisions, mut quantized, mut at) = (vec![0], vec![], 0);
        for &(count, width) in segments {
            for _ in 0..count {
                // mu-law's first interval reaches as far below zero: its value is 0.
                quantized.push(if width == 1 { 0 } else { unit * (2 * at + width) / 2 });
                at += width;
                decisions.push(unit * at);
            }
        }
        assert_eq!(quantized.len(), 128);
        (decisions, quantized)
    }

    fn interval(decisions: &[u32], magnitude: u32) -> usize {
        (decisions.partition_point(|&decision| decision <= magnitude) - 1).min(127)
    }

    /// G.711 Table 2a: the ends of the segments, in its units.
    #[test]
    fn reference_tables_are_those_of_the_recommendation() {
        let (decisions, quantized) = tables(&ULAW_SEGMENTS, 4);
        let ends = [16, 32, 48, 64, 80, 96, 112, 128].map(|n| decisions[n] / 4);
        assert_eq!(ends, [31, 95, 223, 479, 991, 2_015, 4_063, 8_159]);
        assert_eq!((quantized[127] / 4, quantized[1] / 4), (8_031, 2));
        let (decisions, quantized) = tables(&ALAW_SEGMENTS, 8);
        let ends = [32, 48, 64, 80, 96, 112, 128].map(|n| decisions[n] / 8);
        assert_eq!(ends, [64, 128, 256, 512, 1_024, 2_048, 4_096]);
        assert_eq!((quantized[127] / 8, quantized[0] / 8), (4_032, 1));
    }

    #[test]
    fn every_sample_gets_the_byte_of_its_interval() {
        let (ulaw, _) = tables(&ULAW_SEGMENTS, 4);
        let (alaw, _) = tables(&ALAW_SEGMENTS, 8);
        for sample in i16::MIN..=i16::MAX {
            let magnitude =
                u32::try_from(if sample < 0 { -1 - i32::from(sample) } else { i32::from(sample) });
            let magnitude = magnitude.unwrap();
            let sign = if sample < 0 { 0 } else { 0x80 };
            let expected = u8::try_from(interval(&ulaw, magnitude)).unwrap() ^ 0x7F | sign;
            assert_eq!(ulaw_encode(sample), expected, "mu-law of {sample}");
            let expected = (u8::try_from(interval(&alaw, magnitude)).unwrap() | sign) ^ 0x55;
            assert_eq!(alaw_encode(sample), expected, "A-law of {sample}");
        }
    }

    #[test]
    fn every_byte_gets_the_value_of_its_interval() {
        let (_, ulaw) = tables(&ULAW_SEGMENTS, 4);
        let (_, alaw) = tables(&ALAW_SEGMENTS, 8);
        for byte in 0..=u8::MAX {
            let signed = |magnitude: u32| {
                let magnitude = i32::try_from(magnitude).unwrap();
                if byte & 0x80 == 0 { -magnitude } else { magnitude }
            };
            let number = usize::from(!byte & 0x7F);
            assert_eq!(i32::from(ulaw_decode(byte)), signed(ulaw[number]), "mu-law {byte:#x}");
            let number = usize::from((byte ^ 0x55) & 0x7F);
            assert_eq!(i32::from(alaw_decode(byte)), signed(alaw[number]), "A-law {byte:#x}");
        }
    }

    /// A mixer decodes and encodes again: what did not change must not.
    #[test]
    fn decoding_and_encoding_again_changes_nothing() {
        for byte in 0..=u8::MAX {
            assert_eq!(alaw_encode(alaw_decode(byte)), byte);
            // mu-law has two zeros; the negative one becomes the positive.
            let expected = if byte == 0x7F { 0xFF } else { byte };
            assert_eq!(ulaw_encode(ulaw_decode(byte)), expected);
        }
    }

    #[test]
    fn known_bytes_and_silence() {
        assert_eq!((G711::Ulaw.silence(), G711::Alaw.silence()), (0xFF, 0xD5));
        assert_eq!((ulaw_encode(i16::MAX), ulaw_encode(i16::MIN)), (0x80, 0x00));
        assert_eq!((alaw_encode(i16::MAX), alaw_encode(i16::MIN)), (0xAA, 0x2A));
        assert_eq!((ulaw_decode(0x80), ulaw_decode(0xFF)), (32_124, 0));
        assert_eq!((alaw_decode(0xAA), alaw_decode(0xD5)), (32_256, 8));
    }

    #[test]
    fn codec_stops_at_the_shorter_slice() {
        let (mut codec, samples) = (G711::Alaw, [1_000_i16, -1_000, 0]);
        let mut bytes = [0; 2];
        assert_eq!(codec.encode(&samples, &mut bytes), 2);
        let mut back = [0; 3];
        assert_eq!(codec.decode(&bytes, &mut back), 2);
        assert!((back[0] - 1_000).abs() < 33 && (back[1] + 1_000).abs() < 33 && back[2] == 0);
    }
}
