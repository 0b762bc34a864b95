//! Which known utterances are contained in a recording.
//!
//! A matched filter, made fit for telephony:
//!
//! 1. Recording and reference are flattened in frequency and in time: else loud vowels, of whomever,
//!    decide alone, and where the other talkers pause would count no more than where they shout.
//! 2. The reference is looked for as a whole at every lag (by FFT).
//! 3. From each of the few best lags on it is followed piece by piece, each a little earlier or
//!    later: jitter buffers drop and repeat frames. The score is the most that the pieces have in
//!    common with the recording.
//!
//! Measured with eight espeak-ng voices of 4 s, through mu-law and packet loss on both ways, concealed
//! as in [`crate::Concealment`]; the lowest score of a voice that was there, the highest of one that
//! was not, of ten recordings each:
//!
//! | voices at once | loss | frame dropped or repeated | there | not there |
//! |---|---|---|---|---|
//! | 2 | 0-5 % | never | 0.54 | 0.08 |
//! | 2, for 20 s | 2 % | every 5 s | 0.53 | 0.09 |
//! | 2, one 12 dB softer | 1 % | never | 0.29 (that one) | 0.10 |
//! | 3 | 3 % | every second | 0.26 | 0.06 |
//! | 5 | 3 % | every 2 s | 0.18 | 0.04 |
//! | 5, one 6 dB softer | 10 % | every second | 0.12 (that one) | 0.06 |
//!
//! [`HEARD_SCORE_MIN`] lies between. The same voice with partly the same words counts as heard.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// How strongly one reference is contained in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// 0 (not at all) to 1 (nothing else is there). Chance gives up to 0.1.
    pub score: f64,
    /// Where in the recording the reference begins, in samples; negative if its beginning is cut.
    pub lag_samples: i64,
}

impl Match {
    /// True if the score is one that only a contained utterance reaches.
    pub fn is_heard(&self) -> bool {
        self.score >= HEARD_SCORE_MIN
    }
}

/// From this score on, an utterance counts as heard: see the measurements above.
pub const HEARD_SCORE_MIN: f64 = 0.15;

/// Looks for each reference in a recording; both i16, mono, 8 kHz. One match per reference, in
/// order. References of less than a second score too high by chance to tell.
///
/// Takes about 50 ms for each reference of 4 s in 20 s of recording, unoptimised.
pub fn correlate(recording: &[i16], references: &[&[i16]]) -> Vec<Match> {
    let recording = Flat::new(recording);
    let longest = references.iter().map(|reference| reference.len()).max().unwrap_or(0);
    let mut filter = MatchedFilter::new(&recording, longest);
    references
        .iter()
        .map(|reference| find(&recording, &Flat::new(reference), &mut filter))
        .collect()
}

/// A sound without loud and soft, bright and dull, as far as that goes.
struct Flat {
    samples: Vec<f32>,
    /// Energy before each sample, and of all at the end.
    energy: Vec<f64>,
}

impl Flat {
    #[expect(clippy::cast_possible_truncation, reason = "about 1, or 0")]
    fn new(sound: &[i16]) -> Self {
        // Speech falls by about 6 dB an octave: a difference levels that.
        let mut last = 0.0;
        let bright = sound.iter().map(|&sample| {
            let sample = f64::from(sample);
            sample - PRE_EMPHASIS * std::mem::replace(&mut last, sample)
        });
        let bright = bright.collect::<Vec<_>>();
        let before = energy_before(bright.iter().copied());
        let floor = SOFT * before[sound.len()] / sound.len().max(1) as f64;
        let flat = |(n, &sample): (usize, &f64)| {
            let from = n.saturating_sub(LOUDNESS_SAMPLES);
            let to = (n + LOUDNESS_SAMPLES).min(sound.len());
            let loudness = (before[to] - before[from]) / (to - from) as f64 + floor;
            if loudness > 0.0 { (sample / loudness.sqrt()) as f32 } else { 0.0 }
        };
        let samples = bright.iter().enumerate().map(flat).collect::<Vec<_>>();
        let energy = energy_before(samples.iter().map(|&sample| f64::from(sample)));
        Self { samples, energy }
    }

    /// The energy from one place to another, as far as they lie inside.
    fn energy(&self, from: i64, to: i64) -> f64 {
        let inside =
            |at: i64| usize::try_from(at.max(0)).unwrap_or(usize::MAX).min(self.samples.len());
        (self.energy[inside(to)] - self.energy[inside(from)]).max(0.0)
    }

    fn len(&self) -> i64 {
        i64::try_from(self.samples.len()).unwrap_or(i64::MAX)
    }
}

/// Correlates one recording with references at every lag.
struct MatchedFilter {
    planner: FftPlanner<f32>,
    recording_samples: usize,
    spectrum: Vec<Complex<f32>>,
}

impl MatchedFilter {
    fn new(recording: &Flat, reference_samples_max: usize) -> Self {
        let mut planner = FftPlanner::new();
        let recording_samples = recording.samples.len();
        let size = (recording_samples + reference_samples_max).next_power_of_two();
        let spectrum = spectrum(&mut planner, recording.samples.iter().copied(), size);
        Self { planner, recording_samples, spectrum }
    }

    /// The products with the reference moved by each lag, from the first that overlaps to the last.
    fn products(&mut self, reference: &Flat) -> impl Iterator<Item = (i64, f64)> + use<> {
        let (size, first) = (self.spectrum.len(), 1 - reference.len());
        // Reversed, so that the convolution is a correlation.
        let mut product =
            spectrum(&mut self.planner, reference.samples.iter().rev().copied(), size);
        product.iter_mut().zip(&self.spectrum).for_each(|(a, b)| *a *= b);
        self.planner.plan_fft_inverse(size).process(&mut product);
        let count = (self.recording_samples + reference.samples.len()).saturating_sub(1);
        let scale = 1.0 / size as f64;
        product
            .into_iter()
            .take(count)
            .zip(first..)
            .map(move |(p, lag)| (lag, f64::from(p.re) * scale))
    }
}

/// Where a reference is most like the recording, and how much.
fn find(recording: &Flat, reference: &Flat, filter: &mut MatchedFilter) -> Match {
    let whole = reference.energy(0, reference.len());
    if whole <= 0.0 || recording.energy(0, recording.len()) <= 0.0 {
        return Match { score: 0.0, lag_samples: 0 };
    }
    // Where little is heard, little would do for a likeness.
    let mean = recording.energy(0, recording.len()) / recording.len() as f64;
    let quiet = QUIET * mean * reference.len() as f64;
    let mut places = Places::default();
    for (lag, product) in filter.products(reference) {
        let heard = recording.energy(lag, lag + reference.len());
        places.offer(lag, product / (whole * heard.max(quiet)).sqrt());
    }
    let mut found = Match { score: 0.0, lag_samples: 0 };
    for place in places.best.into_iter().flatten() {
        let score = follow(recording, reference, place.lag).clamp(0.0, 1.0);
        if score > found.score {
            found = Match { score, lag_samples: place.lag };
        }
    }
    found
}

/// Where a reference as a whole is most like the recording, best first. Of lags that [`follow`]
/// would reach from one another only the best is kept.
///
/// More than one, for the whole is least like the recording where it is cut into many pieces: of a
/// phone that says the same again, the beginning of the second time can be ahead of a first time
/// that its listener's jitter buffer stretched.
#[derive(Default)]
struct Places {
    best: [Option<Place>; PLACES],
}

#[derive(Clone, Copy)]
struct Place {
    lag: i64,
    likeness: f64,
}

impl Places {
    /// Lags come in ascending order.
    fn offer(&mut self, lag: i64, likeness: f64) {
        let is_near = |place: &Place| lag - place.lag <= SLACK_SAMPLES;
        let near = self.best.iter().position(|place| place.as_ref().is_some_and(is_near));
        let into = near.unwrap_or(PLACES - 1);
        if likeness > self.best[into].map_or(0.0, |place| place.likeness) {
            self.best[into] = Some(Place { lag, likeness });
            let likeness = |place: &Option<Place>| place.map_or(0.0, |place| place.likeness);
            self.best.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
        }
    }
}

/// The mean likeness of the reference's pieces, each near where the one before was found.
fn follow(recording: &Flat, reference: &Flat, lag: i64) -> f64 {
    let (mut lag, mut from, mut sum) = (lag, 0, 0.0);
    for piece in reference.samples.chunks(PIECE_SAMPLES) {
        let to = from + i64::try_from(piece.len()).unwrap_or(i64::MAX);
        let energy = reference.energy(from, to);
        let (mut found, mut best) = (lag, 0.0);
        for near in lag - SLACK_SAMPLES..=lag + SLACK_SAMPLES {
            let likeness = likeness(recording, near + from, piece, energy);
            if likeness > best {
                (found, best) = (near, likeness);
            }
        }
        if best >= SURE {
            lag = found;
        }
        sum += best * energy;
        from = to;
    }
    sum / reference.energy(0, from)
}

/// The normalised product of a piece and the recording from a place on; 0 where it does not lie inside.
fn likeness(recording: &Flat, at: i64, piece: &[f32], energy: f64) -> f64 {
    let Ok(start) = usize::try_from(at) else { return 0.0 };
    let Some(heard) = recording.samples.get(start..start + piece.len()) else { return 0.0 };
    let end = at + i64::try_from(piece.len()).unwrap_or(i64::MAX);
    let scale = (energy * recording.energy(at, end)).sqrt();
    let product: f32 = heard.iter().zip(piece).map(|(a, b)| a * b).sum();
    if scale > 0.0 { f64::from(product) / scale } else { 0.0 }
}

fn spectrum(
    planner: &mut FftPlanner<f32>,
    samples: impl Iterator<Item = f32>,
    size: usize,
) -> Vec<Complex<f32>> {
    let mut values = samples.map(|sample| Complex::new(sample, 0.0)).collect::<Vec<_>>();
    values.resize(size, Complex::default());
    planner.plan_fft_forward(size).process(&mut values);
    values
}

/// The energy before each sample, and of all at the end.
fn energy_before(samples: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut energy = 0.0;
    let sums = samples.map(|sample| {
        energy += sample * sample;
        energy
    });
    std::iter::once(0.0).chain(sums).collect()
}

const PRE_EMPHASIS: f64 = 0.9;
/// 32 ms each way: loudness is that of a sound, not of a vibration.
const LOUDNESS_SAMPLES: usize = 256;
/// What is 25 dB below the mean stays soft: it is noise.
const SOFT: f64 = 0.003;
/// Least share of the mean energy that a place is taken to have.
const QUIET: f64 = 0.05;
/// Half a second: long enough that chance stays low, short enough that few pieces are cut by a
/// dropped frame.
const PIECE_SAMPLES: usize = 4_000;
/// 60 ms: three frames dropped or repeated within a piece.
const SLACK_SAMPLES: i64 = 480;
/// Lags from which a reference is followed.
const PLACES: usize = 3;
/// A piece so alike is not found by chance: the next is looked for from there.
const SURE: f64 = 0.3;

#[cfg(test)]
mod tests;
