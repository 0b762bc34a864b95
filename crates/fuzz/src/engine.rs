//! Our own fuzzer: seeded, in one thread, guided by what the inputs led to.

mod attempt;
mod mutate;

use std::collections::BTreeSet;
use std::time::Duration;

use units::Rng;

pub use self::attempt::{CPU_MAX, Failure, attempt, cpu_time, follow, quiet_panics};
use self::mutate::mutate;
use crate::Target;

/// The most inputs that are kept. When full, a new one takes the place of a random one: what it was kept for has been
/// seen, and stays so.
const CORPUS_MAX: usize = 4_096;

/// The most attempts at a shorter input that still fails.
const SHORTEN_MAX: usize = 2_000;

/// When a run ends, if nothing fails before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After so much time of the processor: a busy machine does not make the run a shorter one.
    CpuTime(Duration),
    /// After so many inputs: the same ones each time.
    Inputs(u64),
}

/// An input that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The input, shortened.
    pub input: Vec<u8>,
    /// How it failed.
    pub failure: Failure,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Inputs tried.
    pub inputs: u64,
    /// Inputs kept because they led somewhere new.
    pub kept: usize,
    /// Different outcomes met.
    pub outcomes: usize,
    /// What stopped the run, if anything did.
    pub crash: Option<Crash>,
}

/// One run of one target.
#[derive(Debug)]
struct Run<'a> {
    target: &'a Target,
    rng: Rng,
    corpus: Vec<Vec<u8>>,
    outcomes: BTreeSet<u64>,
    inputs: u64,
    kept: usize,
}

/// Tries the target's seeds, then what becomes of them. The same seed tries the same inputs.
pub fn run(target: &Target, seed: u64, until: Until) -> Report {
    let mut run = Run {
        target,
        rng: Rng::from_number(seed),
        corpus: Vec::new(),
        outcomes: BTreeSet::new(),
        inputs: 0,
        kept: 0,
    };
    let crash = run.run(until).err().map(|(input, failure)| shortened(target, input, failure));
    Report { inputs: run.inputs, kept: run.kept, outcomes: run.outcomes.len(), crash }
}

impl Run<'_> {
    fn run(&mut self, until: Until) -> Result<(), (Vec<u8>, Failure)> {
        let start = cpu_time();
        self.corpus = (self.target.seeds)();
        for index in 0..self.corpus.len() {
            let input = self.corpus[index].clone();
            self.one(input)?;
        }
        self.corpus.push(Vec::new());
        loop {
            let is_over = match until {
                Until::CpuTime(time) => cpu_time().saturating_sub(start) >= time,
                Until::Inputs(inputs) => self.inputs >= inputs,
            };
            if is_over {
                return Ok(());
            }
            let input = mutate(self.target, &mut self.rng, &self.corpus);
            self.one(input)?;
        }
    }

    fn one(&mut self, input: Vec<u8>) -> Result<(), (Vec<u8>, Failure)> {
        self.inputs += 1;
        let trail = match attempt(self.target, &input) {
            Ok(trail) => trail,
            Err(failure) => return Err((input, failure)),
        };
        let before = self.outcomes.len();
        self.outcomes.extend(trail.marks());
        if self.outcomes.len() > before {
            self.kept += 1;
            if self.corpus.len() < CORPUS_MAX {
                self.corpus.push(input);
            } else {
                let place = usize::try_from(self.rng.below(CORPUS_MAX as u64)).unwrap_or(0);
                self.corpus[place] = input;
            }
        }
        Ok(())
    }
}

/// Leaves out what the failure does not need: halves, quarters, … single bytes.
fn shortened(target: &Target, mut input: Vec<u8>, mut failure: Failure) -> Crash {
    let mut attempts = 0;
    let mut piece = input.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < input.len() && attempts < SHORTEN_MAX {
            attempts += 1;
            let mut shorter = input.clone();
            shorter.drain(at..(at + piece).min(input.len()));
            match attempt(target, &shorter) {
                Ok(_) => at += piece,
                Err(still) => (input, failure) = (shorter, still),
            }
        }
        piece /= 2;
    }
    Crash { input, failure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TARGETS, bytes};

    /// T04 · The engine itself: a fault that is there is found, and made short.
    #[test]
    fn canary_a_planted_fault_is_found_and_made_short() {
        let report = run(&bytes::CANARY, 1, Until::Inputs(2_000_000));
        let crash = report.crash.expect("the planted fault");
        assert_eq!(crash.input, b"rport");
        assert!(crash.failure.to_string().contains("planted"), "{}", crash.failure);
    }

    #[test]
    fn a_seed_tries_the_same_inputs() {
        let run = || run(&bytes::URI, 7, Until::Inputs(500));
        assert_eq!(run(), run());
    }

    /// T04 · Every body compiles and holds in a normal build; the time is given by `cargo xtask fuzz`.
    #[test]
    fn every_target_holds_for_its_seeds_and_some_mutations() {
        for target in TARGETS {
            let report = run(target, 1, Until::Inputs(300));
            assert_eq!(report.crash, None, "{}", target.name);
            assert!(report.outcomes > 2, "{} leads nowhere", target.name);
        }
    }
}
