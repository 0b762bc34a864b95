//! Hostile bytes and hostile histories.
//!
//! A [`Target`] is a plain function over bytes: it panics if a promise is broken, and leaves a [`Trail`] of what the bytes
//! led to. [`bytes`] has the readers; [`histories`] the machines with a past, for which bytes become steps ([`Choices`]).
//!
//! Two engines drive the same functions. [`engine`] is ours: it needs nothing but this crate, repeats by a seed, and keeps
//! what leads somewhere new; `cargo xtask fuzz` runs it, in CI too. `fuzz/` at the top of the tree hands them to libFuzzer,
//! which sees the branches of the code, for long runs.
//!
//! "No panic" is the least that a target asks. What is printed reads as what it was, comparisons go both ways, a stream
//! means the same however it is cut, a token that was not minted is none, and no input takes long ([`engine::CPU_MAX`]).

pub mod bytes;
mod choices;
pub mod engine;
pub mod histories;
mod trail;

pub use choices::Choices;
pub use trail::Trail;

/// Something that is fed with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name for `--target`.
    pub name: &'static str,
    /// Feeds it once. Panics if a promise is broken.
    pub run: fn(&[u8], &mut Trail),
    /// Where mutation begins.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What its inputs are made of.
    pub words: &'static [&'static str],
    /// The longest input worth trying, in bytes.
    pub longest: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    bytes::MESSAGE,
    bytes::FRAMING,
    bytes::URI,
    bytes::HEADERS,
    bytes::DIGEST,
    bytes::SDP,
    bytes::SIPFRAG,
    bytes::MULTIPART,
    bytes::ROSTER,
    bytes::DIALOG_REF,
    bytes::TOKEN,
    bytes::RTP,
    histories::TXN,
    histories::DIALOG,
    histories::SUBSCRIPTION,
    histories::CONNECTIONS,
    histories::FOCUS,
    histories::NODE,
    histories::REGISTRAR,
    histories::TERMINAL,
];

/// The target of this name; the canary too, which is not among [`TARGETS`].
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name).or_else(|| {
        let canary = &bytes::CANARY;
        (canary.name == name).then_some(canary)
    })
}
