//! What legs cost on this machine, measured once and kept.

use std::io;
use std::path::{Path, PathBuf};

use media::Trial;
use pool::CostModel;
use serde::{Deserialize, Serialize};
use transport::unix_time;
use units::UnixTime;

use crate::state;

/// What was measured. Kept as JSON; fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// What things cost.
    pub costs: CostModel,
    /// When that was measured.
    pub at: UnixTime,
    /// The kind of machine that it was measured on.
    pub machine: String,
}

/// Why nothing was measured, or the measure not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum CalibrationError {
    #[error("the system gives no sockets to measure with: {kind}; are there enough files?")]
    Measure { kind: io::ErrorKind },
    #[error("the measurements cannot be kept in {path}: {kind}")]
    Keep { path: String, kind: io::ErrorKind },
}

impl Calibration {
    /// What was measured on this machine.
    pub fn new(costs: CostModel, at: UnixTime) -> Self {
        Self { costs, at, machine: machine() }
    }

    /// Measures this machine: a quarter of a minute of one core. The median of some rounds, because others use the
    /// machine too. Says how many of so many steps are done.
    ///
    /// # Errors
    /// [`CalibrationError::Measure`]
    pub fn measure(tell: &mut dyn FnMut(usize, usize)) -> Result<Self, CalibrationError> {
        // A socket for each leg and one for its peer. With too few files the error says so.
        media::raise_file_limit();
        let mut done = 0;
        let mut run = |(legs, conferences, ptime_ms)| {
            tell(done, ROUNDS * SHAPES.len());
            done += 1;
            let trial = Trial { legs, conferences, ptime_ms, ticks: TICKS };
            let measured = media::measure(trial);
            let measured =
                measured.map_err(|error| CalibrationError::Measure { kind: error.kind() })?;
            Ok(measured.cpu_us_per_s())
        };
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let [few, one, many, long] = SHAPES;
            rounds.push(costs_of([run(few)?, run(one)?, run(many)?, run(long)?]));
        }
        tell(done, ROUNDS * SHAPES.len());
        let median = |of: fn(&CostModel) -> u64| {
            let mut all: Vec<u64> = rounds.iter().map(of).collect();
            all.sort_unstable();
            all[all.len() / 2]
        };
        let costs = CostModel {
            packet_ns: median(|it| it.packet_ns),
            leg_us_per_s: median(|it| it.leg_us_per_s),
            conference_us_per_s: median(|it| it.conference_us_per_s),
        };
        Ok(Self::new(costs, unix_time()))
    }

    /// Keeps it in a state folder.
    ///
    /// # Errors
    /// [`CalibrationError::Keep`]
    pub fn keep(&self, state_dir: &Path) -> Result<PathBuf, CalibrationError> {
        let path = state_dir.join(FILE);
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        let kept = state::make(state_dir).and_then(|()| state::replace(&path, text.as_bytes()));
        match kept {
            Ok(()) => Ok(path),
            Err(error) => {
                let path = path.display().to_string();
                Err(CalibrationError::Keep { path, kind: error.kind() })
            }
        }
    }

    /// What was measured before on a machine like this. One that cannot be read is none.
    pub(crate) fn find(state_dir: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(state_dir.join(FILE)).ok()?;
        let found: Self = serde_json::from_str(&text).ok()?;
        (found.machine == machine()).then_some(found)
    }
}

/// The three costs from four measures: of [`FEW`] legs in one conference, and of [`LEGS`] in one, in many, and in one with
/// packets half as often. What the thread does whether or not there are legs is in all of them, so what legs cost is the
/// difference that more of them make. Each is at least what cannot be nothing.
fn costs_of([few, one, many, long]: [u64; 4]) -> CostModel {
    let legs = u64::from(LEGS);
    // 25 packets a second fewer, in each of the legs.
    let seen_ns = (one.saturating_sub(long) * 1_000 / (legs * 25)).max(500);
    let packet_ns = seen_ns * WOKEN_FIFTHS / 5;
    let conference_us_per_s = many.saturating_sub(one) / (u64::from(CONFERENCES) - 1);
    let per_leg = one.saturating_sub(few).div_ceil(u64::from(LEGS - FEW));
    let leg_us_per_s = per_leg.saturating_sub(50 * seen_ns / 1_000).max(1);
    CostModel { packet_ns, leg_us_per_s, conference_us_per_s }
}

/// What a packet costs in life, in fifths of what is seen here, where nobody is woken by it: against 1,000 legs on a core of their
/// own, a packet in and out cost 10 us where 6.3 us had been seen.
const WOKEN_FIFTHS: u64 = 8;

/// The processor and how many of it: measures of another are worth nothing. However many of them this process may use.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = text.lines().filter(|line| line.starts_with("processor")).count().max(1);
    let name = text.lines().find(|line| line.starts_with("model name"));
    let name =
        name.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name.trim());
    format!("{cores} x {name}")
}

const FILE: &str = "calibration.json";

/// As many as half fill a core: with a quarter of them all they need is in the processor's caches, and a leg costs two thirds of
/// what it costs in life.
const LEGS: u16 = 800;
const FEW: u16 = 80;
const CONFERENCES: u16 = 80;
/// Two seconds of sound, in about one of processor time.
const TICKS: u32 = 200;
const ROUNDS: usize = 3;

/// Legs, conferences and packet time in ms of what is measured in a round, as [`costs_of`] wants it.
const SHAPES: [(u16, u16, u32); 4] =
    [(FEW, 1, 20), (LEGS, 1, 20), (LEGS, CONFERENCES, 20), (LEGS, 1, 40)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_measures_give_three_costs_and_leave_out_what_is_no_legs() {
        // 7 ms a second for nothing; legs at 50 packets of 5 µs and 150 µs each, 100 µs a conference.
        let one = 7_000 + 100 + 800 * 400;
        let (few, many, long) = (7_000 + 100 + 80 * 400, one + 79 * 100, one - 800 * 25 * 5);
        let costs = costs_of([few, one, many, long]);
        assert_eq!(
            costs,
            CostModel { packet_ns: 8_000, leg_us_per_s: 150, conference_us_per_s: 100 }
        );
    }

    /// However busy the machine was, nothing costs nothing, or every caller would be let in.
    #[test]
    fn measures_that_contradict_each_other_still_give_costs() {
        let costs = costs_of([11_000, 10_000, 9_000, 20_000]);
        assert!(costs.packet_ns > 0 && costs.leg_us_per_s > 0);
        assert_eq!(costs.conference_us_per_s, 0);
    }

    #[test]
    fn what_was_measured_is_found_again_and_that_of_another_machine_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Calibration::find(folder.path()), None);
        let mut calibration = Calibration::new(CostModel::default(), UnixTime(7));
        calibration.keep(folder.path()).expect("kept");
        assert_eq!(Calibration::find(folder.path()), Some(calibration.clone()));
        calibration.machine = "another".to_owned();
        calibration.keep(folder.path()).expect("kept");
        assert_eq!(Calibration::find(folder.path()), None);
    }
}
