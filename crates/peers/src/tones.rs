//! Who was heard: everybody plays a tone of his own, and recordings are searched for it.

use std::fs;
use std::path::Path;

use audio::g711::ulaw_encode;
use audio::{goertzel, tone};

use crate::processes::Alone;
use crate::programs::until;

/// Samples per second of all sound here.
const RATE_HZ: u32 = 8_000;

/// Half a second: tones 4 Hz apart can be told from one another.
const WINDOW: usize = 4_000;

/// How loud everybody plays, in dB below full scale.
const PLAYED_DBFS: f64 = -12.0;

/// Heard is what is as loud as this in some half second: phones play it with little loss.
const HEARD_DBFS_MIN: f64 = -30.0;

/// Not heard is what is softer than this all the time: G.711 alone leaves noise of about -50 dB.
const SILENT_DBFS_MAX: f64 = -45.0;

/// Bytes in front of the samples of the WAV files that we, sndfile and linphone write.
const HEADER_BYTES: usize = 44;

/// Writes a WAV file with a tone of this length.
pub fn write(alone: &Alone, hz: u16, seconds: usize) -> String {
    let path = alone.text(&format!("tone-{hz}-{seconds}.wav"));
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(&path, spec).expect("a file");
    let second = tone(f64::from(hz), RATE_HZ, PLAYED_DBFS, RATE_HZ as usize);
    for sample in std::iter::repeat_n(&second, seconds).flatten() {
        file.write_sample(*sample).expect("written");
    }
    file.finalize().expect("written");
    path
}

/// Writes the same as bare samples of G.711 µ-law, which SIPp plays.
pub fn write_ulaw(alone: &Alone, hz: u16) -> String {
    let second = tone(f64::from(hz), RATE_HZ, PLAYED_DBFS, RATE_HZ as usize);
    let bytes: Vec<u8> = second.iter().map(|sample| ulaw_encode(*sample)).collect();
    let path = alone.text(&format!("tone-{hz}.ulaw"));
    fs::write(&path, bytes).expect("written");
    path
}

/// Waits until a recording, which may still be written, holds this tone.
pub fn until_heard(path: &Path, hz: u16) {
    until(&format!("{hz} Hz in {}", path.display()), || loudest(path, hz) >= HEARD_DBFS_MIN);
}

/// Asserts that this tone is nowhere in a recording.
///
/// # Panics
///
/// When it is.
pub fn assert_unheard(path: &Path, hz: u16) {
    let level = loudest(path, hz);
    assert!(level <= SILENT_DBFS_MAX, "{hz} Hz at {level:.1} dB in {}", path.display());
}

/// The level of a tone where it is loudest.
fn loudest(path: &Path, hz: u16) -> f64 {
    // The header of a file that is being written does not know its length yet.
    let bytes = fs::read(path).unwrap_or_default();
    let sound = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let samples: Vec<i16> =
        sound.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    let windows = samples.chunks_exact(WINDOW);
    windows.map(|window| goertzel(window, RATE_HZ, f64::from(hz))).fold(f64::MIN, f64::max)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_tone_is_found_in_a_file_and_another_is_not() {
        let alone = Alone::wait();
        let path = PathBuf::from(write(&alone, 700, 1));
        assert!((loudest(&path, 700) - PLAYED_DBFS).abs() < 0.5);
        assert_unheard(&path, 440);
        assert_eq!(loudest(&alone.path("none"), 700), f64::MIN);
    }
}
