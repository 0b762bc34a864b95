//! What legs cost on this machine, measured once and kept.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    #[error(
        "others use this machine so much that a mixer gets no core for a second: measure when it is quiet, or with `chrt --rr 10 convoke calibrate`"
    )]
    Busy,
    #[error("the measurements cannot be kept in {path}: {kind}")]
    Keep { path: String, kind: io::ErrorKind },
}

/// Why there are no measurements to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum Unmeasured {
    #[error("nothing was measured")]
    Never,
    #[error("{FILE} in the state folder cannot be read")]
    Unreadable,
    #[error("{FILE} in the state folder was measured on another machine")]
    OtherMachine,
    #[error("{FILE} in the state folder holds costs that no machine has")]
    Absurd,
}

impl Calibration {
    /// What was measured on this machine.
    pub fn new(costs: CostModel, at: UnixTime) -> Self {
        Self { costs, at, machine: machine() }
    }

    /// Measures this machine: a third of a minute of two cores, or of one. The median of some rounds, because others use the
    /// machine too. Says how many of so many steps are done.
    ///
    /// # Errors
    /// [`CalibrationError::Measure`], [`CalibrationError::Busy`]
    pub fn measure(tell: &mut dyn FnMut(usize, usize)) -> Result<Self, CalibrationError> {
        // Two sockets for each leg and one for its phone. With too few files the error says so.
        let files = media::raise_file_limit().unwrap_or(u64::MAX);
        let steps = 1 + ROUNDS * SHAPES;
        tell(0, steps);
        let few = Shape { legs: FEW_LEGS, conferences: 1, ptime_ms: 20 };
        let legs = legs_for(few.cpu_us_per_s()?, media::cores().len(), files);
        let one = Shape { legs, conferences: 1, ptime_ms: 20 };
        let many = Shape { conferences: legs / LEGS_PER_CONFERENCE, ..one };
        let long = Shape { ptime_ms: 40, ..one };
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let mut measured = [0; SHAPES];
            for (number, shape) in [one, many, long].iter().enumerate() {
                tell(1 + round * SHAPES + number, steps);
                measured[number] = shape.cpu_us_per_s()?;
            }
            rounds.push(costs_of(legs, measured));
        }
        tell(steps, steps);
        Ok(Self::new(middle(&rounds), unix_time()))
    }

    /// Whether it can be kept in this folder, which is made.
    ///
    /// # Errors
    /// [`CalibrationError::Keep`].
    pub fn can_keep(state_dir: &Path) -> Result<(), CalibrationError> {
        let kept = state::make(state_dir);
        kept.map_err(|error| CalibrationError::Keep {
            path: state_dir.display().to_string(),
            kind: error.kind(),
        })
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

    /// What is kept in the state folder, if there is one.
    ///
    /// # Errors
    /// [`Unmeasured`]
    pub(crate) fn of(state_dir: Option<&Path>) -> Result<Self, Unmeasured> {
        state_dir.map_or(Err(Unmeasured::Never), Self::find)
    }

    /// What was measured before on a machine like this.
    ///
    /// # Errors
    /// [`Unmeasured`]
    fn find(state_dir: &Path) -> Result<Self, Unmeasured> {
        let text = match std::fs::read_to_string(state_dir.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unmeasured::Never),
            Err(_) => return Err(Unmeasured::Unreadable),
        };
        let found: Self = serde_json::from_str(&text).map_err(|_| Unmeasured::Unreadable)?;
        if found.machine != machine() {
            return Err(Unmeasured::OtherMachine);
        }
        if is_credible(&found.costs) { Ok(found) } else { Err(Unmeasured::Absurd) }
    }
}

/// Whether a machine can be so fast and so slow: nothing costs nothing, nor a whole core.
fn is_credible(costs: &CostModel) -> bool {
    let CostModel { packet_ns, leg_us_per_s, conference_us_per_s } = *costs;
    (1..=PACKET_NS_MAX).contains(&packet_ns)
        && (1..=CORE_US_PER_S).contains(&leg_us_per_s)
        && conference_us_per_s <= CORE_US_PER_S
}

/// What is measured at a time.
#[derive(Clone, Copy, Debug)]
struct Shape {
    legs: u16,
    conferences: u16,
    ptime_ms: u32,
}

impl Shape {
    /// What a mixer takes for it: microseconds of a core a second.
    fn cpu_us_per_s(self) -> Result<u64, CalibrationError> {
        let Self { legs, conferences, ptime_ms } = self;
        let trial = Trial { legs, conferences, ptime_ms, settle: SETTLE, length: LENGTH };
        for _ in 0..TRIES {
            let measured = media::measure(trial)
                .map_err(|error| CalibrationError::Measure { kind: error.kind() })?;
            if measured.is_whole() {
                return Ok(measured.cpu_us_per_s());
            }
        }
        Err(CalibrationError::Busy)
    }
}

/// As many legs as fill a core by well more than half, by what few of them took: with fewer all that they need is in the processor's
/// caches. If phones have no other core to run on, half as many. No more than there are files for.
fn legs_for(few_cpu_us_per_s: u64, cores: usize, files: u64) -> u16 {
    let wanted_us_per_s = if cores > 1 { 600_000 } else { 300_000 };
    let fill = wanted_us_per_s * u64::from(FEW_LEGS) / few_cpu_us_per_s.max(1);
    let legs = fill.min(files.saturating_sub(FILES_BESIDE) / FILES_PER_LEG);
    u16::try_from(legs).unwrap_or(u16::MAX).clamp(FEW_LEGS, LEGS_MAX)
}

/// The median of each cost by itself: what a round measures one after the other the machine's mood has in common, and a difference
/// is free of it.
fn middle(rounds: &[CostModel]) -> CostModel {
    let median = |of: fn(&CostModel) -> u64| {
        let mut all: Vec<u64> = rounds.iter().map(of).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(1)
    };
    let leg = |costs: &CostModel| costs.leg_us_per_s + 50 * costs.packet_ns / 1_000;
    let (packet_ns, conference_us_per_s) =
        (median(|it| it.packet_ns), median(|it| it.conference_us_per_s));
    // What a leg takes in all is better known than how much of it its packets are.
    let besides = median(leg).saturating_sub(50 * packet_ns / 1_000).max(1);
    CostModel { packet_ns, leg_us_per_s: besides, conference_us_per_s }
}

/// The three costs from three measures of so many legs: in one conference, in many, and in one with packets half as often. What
/// the thread does whether or not there are legs is shared out among them. Each is at least what cannot be nothing.
fn costs_of(legs: u16, [one, many, long]: [u64; SHAPES]) -> CostModel {
    let more_conferences = u64::from(legs / LEGS_PER_CONFERENCE).saturating_sub(1).max(1);
    let conference_us_per_s = many.saturating_sub(one) / more_conferences;
    let legs = u64::from(legs).max(1);
    let leg_us_per_s = one.saturating_sub(conference_us_per_s).div_ceil(legs);
    // 25 packets a second fewer, in each of the legs.
    let packet_ns = (one.saturating_sub(long) * 1_000 / (legs * 25)).max(500);
    let besides = leg_us_per_s.saturating_sub(50 * packet_ns / 1_000).max(1);
    CostModel { packet_ns, leg_us_per_s: besides, conference_us_per_s }
}

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

const CORE_US_PER_S: u64 = 1_000_000;
/// A millisecond: of packets that cost more than that no core could take a conference's.
const PACKET_NS_MAX: u64 = 1_000_000;

/// Measured first, to know how many would be too many for this machine.
const FEW_LEGS: u16 = 200;
/// As many as a mixer lets into one conference.
const LEGS_MAX: u16 = 4_000;
/// A phone's, and a mixer's two; and what is bound ahead or open anyway.
const FILES_PER_LEG: u64 = 3;
const FILES_BESIDE: u64 = 400;
/// Where there are many conferences.
const LEGS_PER_CONFERENCE: u16 = 5;

/// Long enough for jitter buffers, and for each leg to send fifty packets.
const SETTLE: Duration = Duration::from_millis(400);
const LENGTH: Duration = Duration::from_secs(1);

const ROUNDS: usize = 5;
/// Measured in a round, as [`costs_of`] wants them.
const SHAPES: usize = 3;
/// How often what others have disturbed is measured again.
const TRIES: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_measures_give_three_costs() {
        // 1,000 legs at 50 packets of 8 µs and 90 µs each, 100 µs a conference.
        let one = 100 + 1_000 * 490;
        let (many, long) = (one + 199 * 100, one - 1_000 * 25 * 8);
        assert_eq!(
            costs_of(1_000, [one, many, long]),
            CostModel { packet_ns: 8_000, leg_us_per_s: 90, conference_us_per_s: 100 }
        );
    }

    /// However busy the machine was, nothing costs nothing, or every caller would be let in.
    #[test]
    fn measures_that_contradict_each_other_still_give_costs() {
        for legs in [0, 1, 9, 200, LEGS_MAX] {
            let costs = costs_of(legs, [10_000, 9_000, 20_000]);
            assert!(costs.packet_ns > 0 && costs.leg_us_per_s > 0);
            assert_eq!(costs.conference_us_per_s, 0);
        }
    }

    #[test]
    fn what_cannot_be_kept_is_said_before_it_is_measured() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        assert!(Calibration::can_keep(&file.join("state")).is_err());
        assert_eq!(Calibration::can_keep(&folder.path().join("state")), Ok(()));
    }

    #[test]
    fn as_many_legs_are_measured_as_the_machine_is_fast() {
        assert_eq!(legs_for(120_000, 2, 20_000), 1_000);
        assert_eq!(legs_for(120_000, 1, 20_000), 500, "the phones run there too");
        assert_eq!(legs_for(120_000, 2, 1_900), 500, "there are no more files");
        assert_eq!(legs_for(900_000, 2, 20_000), FEW_LEGS);
        assert_eq!((legs_for(0, 2, u64::MAX), legs_for(1, 64, 20_000)), (LEGS_MAX, LEGS_MAX));
    }

    #[test]
    fn one_round_that_others_have_disturbed_changes_nothing() {
        let costs = |packet_ns, leg_us_per_s, conference_us_per_s| CostModel {
            packet_ns,
            leg_us_per_s,
            conference_us_per_s,
        };
        let rounds = [costs(8_000, 90, 100), costs(20_000, 1, 9_000), costs(8_000, 90, 100)];
        assert_eq!(middle(&rounds), rounds[0]);
        // A leg takes the same in all, whatever its packets seem to take.
        let rounds = [costs(6_000, 190, 0), costs(8_000, 90, 0), costs(9_000, 40, 0)];
        assert_eq!(middle(&rounds), costs(8_000, 90, 0));
    }

    #[test]
    fn what_was_measured_is_found_again_and_what_cannot_be_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let find = || Calibration::find(folder.path());
        assert_eq!(find(), Err(Unmeasured::Never));
        let calibration = Calibration::new(CostModel::default(), UnixTime(7));
        calibration.keep(folder.path()).expect("kept");
        assert_eq!(find(), Ok(calibration.clone()));
        let other = Calibration { machine: "another".to_owned(), ..calibration.clone() };
        other.keep(folder.path()).expect("kept");
        assert_eq!(find(), Err(Unmeasured::OtherMachine));
        let usual = calibration.costs;
        for costs in [
            CostModel { packet_ns: u64::MAX, ..usual },
            CostModel { packet_ns: 0, ..usual },
            CostModel { leg_us_per_s: u64::MAX, ..usual },
            CostModel { leg_us_per_s: 0, ..usual },
            CostModel { conference_us_per_s: u64::MAX, ..usual },
        ] {
            let absurd = Calibration { costs, ..calibration.clone() };
            absurd.keep(folder.path()).expect("kept");
            assert_eq!(find(), Err(Unmeasured::Absurd), "{costs:?}");
        }
        std::fs::write(folder.path().join(FILE), "{").expect("written");
        assert_eq!(find(), Err(Unmeasured::Unreadable));
    }
}
