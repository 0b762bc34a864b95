//! Files that are right, wrong, and left behind.

use std::path::PathBuf;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use tempfile::TempDir;

use super::*;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn wav(&self, spec: WavSpec, samples: &[i16]) -> PathBuf {
        let path = self.path("in.wav");
        let mut writer = WavWriter::create(&path, spec).expect("created");
        for sample in samples {
            writer.write_sample(*sample).expect("written");
        }
        writer.finalize().expect("finished");
        path
    }
}

const fn pcm(sample_rate: u32, channels: u16) -> WavSpec {
    WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format: SampleFormat::Int }
}

fn fault(path: &std::path::Path) -> WavFault {
    read_wav(path).expect_err("this file is wrong").fault
}

#[test]
fn eight_khz_mono_is_read_as_it_is() {
    let folder = Folder::new();
    let path = folder.wav(pcm(8_000, 1), &[1, -2, 300]);
    assert_eq!(read_wav(&path), Ok(vec![1, -2, 300]));
}

#[test]
fn two_channels_become_their_mean_without_overflow() {
    let folder = Folder::new();
    let path = folder.wav(pcm(8_000, 2), &[100, 300, i16::MAX, i16::MAX, i16::MIN, i16::MIN]);
    assert_eq!(read_wav(&path), Ok(vec![200, i16::MAX, i16::MIN]));
}

#[test]
fn higher_rates_become_eight_khz_of_the_same_length() {
    let folder = Folder::new();
    for rate_hz in [16_000, 48_000] {
        let second = audio::tone(440.0, rate_hz, -10.0, rate_hz as usize);
        let path = folder.wav(pcm(rate_hz, 1), &second);
        let read = read_wav(&path).expect("a good file");
        assert_eq!(read.len(), 8_000);
        let level = audio::goertzel(&read[400..7_600], 8_000, 440.0);
        assert!((-10.5..-9.5).contains(&level), "440 Hz at {level} dBFS from {rate_hz} Hz");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_one_line() {
    let folder = Folder::new();
    let missing = folder.path("nobody.wav");
    let line = read_wav(&missing).expect_err("missing").to_string();
    assert_eq!(
        line,
        format!("{}: there is no such file: give the path of a WAV file", missing.display())
    );

    let text = folder.path("text.wav");
    std::fs::write(&text, "this is no sound").expect("written");
    assert_eq!(fault(&text), WavFault::NotWav);
    std::fs::write(&text, "").expect("written");
    assert_eq!(fault(&text), WavFault::NotWav);

    assert_eq!(fault(&folder.wav(pcm(44_100, 1), &[0])), WavFault::Rate(44_100));
    assert_eq!(fault(&folder.wav(pcm(8_000, 3), &[0; 3])), WavFault::Channels(3));
    assert_eq!(fault(&folder.wav(pcm(8_000, 1), &[])), WavFault::Empty);
    let long = vec![0; (PLAY_SECONDS_MAX as usize + 1) * 8_000];
    assert_eq!(
        fault(&folder.wav(pcm(8_000, 1), &long)),
        WavFault::TooLong { seconds_max: PLAY_SECONDS_MAX }
    );
    assert_eq!(fault(folder.0.path()), WavFault::Io(std::io::ErrorKind::IsADirectory));
}

#[test]
fn other_encodings_are_refused_by_name() {
    let folder = Folder::new();
    let path = folder.path("float.wav");
    let spec = WavSpec { bits_per_sample: 32, sample_format: SampleFormat::Float, ..pcm(8_000, 1) };
    let mut writer = WavWriter::create(&path, spec).expect("created");
    writer.write_sample(0.5_f32).expect("written");
    writer.finalize().expect("finished");
    assert_eq!(fault(&path), WavFault::Encoding);
}

#[test]
fn a_file_cut_short_is_told_and_does_not_panic() {
    let folder = Folder::new();
    let whole = std::fs::read(folder.wav(pcm(8_000, 1), &[5; 100])).expect("read");
    let cut = folder.path("cut.wav");
    for length in 0..whole.len() {
        std::fs::write(&cut, &whole[..length]).expect("written");
        assert_eq!(fault(&cut), WavFault::NotWav, "cut to {length} bytes");
    }
}

#[test]
fn a_recording_is_what_was_heard_at_each_rate() {
    let folder = Folder::new();
    for rate in [RecordRate::Hz8000, RecordRate::Hz16000, RecordRate::Hz48000] {
        let path = folder.path("out.wav");
        let mut recorder = Recorder::create(&path, rate).expect("created");
        let heard = audio::tone(1_000.0, RATE_HZ, -12.0, 8_000);
        for frame in heard.chunks(80) {
            recorder.push(frame).expect("written");
        }
        assert_eq!(recorder.samples_heard(), 8_000);
        recorder.finish().expect("finished");
        let reader = WavReader::open(&path).expect("a WAV file");
        assert_eq!((reader.spec().sample_rate, reader.duration()), (rate.hz(), rate.hz()));
    }
}

#[test]
fn a_recording_is_a_valid_file_before_it_is_finished() {
    let folder = Folder::new();
    let path = folder.path("out.wav");
    let mut recorder = Recorder::create(&path, RecordRate::Hz8000).expect("created");
    assert_eq!(WavReader::open(&path).expect("a WAV file at once").duration(), 0);
    for _ in 0..150 {
        recorder.push(&[7; 80]).expect("written");
    }
    assert_eq!(WavReader::open(&path).expect("still a WAV file").duration(), 8_000);
    // As if the process had been killed: nobody puts the header right any more.
    std::mem::forget(recorder);
    assert_eq!(WavReader::open(&path).expect("a WAV file").duration(), 8_000);
}

#[test]
fn a_path_that_cannot_be_written_is_told_at_once() {
    let folder = Folder::new();
    let nowhere = folder.path("no/such/folder/out.wav");
    let error = Recorder::create(&nowhere, RecordRate::Hz8000).expect_err("no folder");
    assert_eq!(error.fault, WavFault::MissingFolder);
}
