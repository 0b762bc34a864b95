//! G.711, resampling, levels, saturating sums, and finding a voice in a recording.
//!
//! Samples are `i16`, mono, linear, full scale ±32768. Nothing here is tied to RTP or to a clock.
//!
//! - [`g711`]: mu-law and A-law, and [`Encoder`]/[`Decoder`], the one trait pair for codecs.
//! - [`mix`]: sums in `i32`, mix-minus with saturation.
//! - [`level`]: loudness as RFC 6464 wants it.
//! - [`Activity`]: whether somebody talks.
//! - [`Limiter`]: a sum made to fit, without distortion.
//! - [`Concealment`]: what is played where a packet is missing.
//! - [`ComfortNoise`]: what silence sounds like.
//! - [`stretch`]: sound made a little shorter.
//! - [`Resampler`]: between 8, 16 and 48 kHz.
//! - [`prompt`]: the few tunes that tell a caller what is asked of him.
//! - [`tone`] and [`goertzel`]: make a tone, measure one.
//! - [`correlate`]: which known utterances are contained in a recording.

mod activity;
mod codec;
mod conceal;
pub mod correlate;
pub mod g711;
pub mod level;
mod likeness;
mod limiter;
pub mod mix;
mod noise;
pub mod prompt;
mod resample;
pub mod stretch;
mod tone;

pub use activity::Activity;
pub use codec::{Decoder, Encoder};
pub use conceal::{Concealment, LENGTHENED_SAMPLES_MAX};
pub use g711::G711;
pub use limiter::Limiter;
pub use noise::ComfortNoise;
pub use resample::{RateError, Resampler};
pub use tone::{goertzel, tone};
