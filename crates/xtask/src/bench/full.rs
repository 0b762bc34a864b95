//! Whole programs by the clock: ours, and next to it in the same run the floor program and kamailio.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::page;
use super::programs::{
    Kamailio, Kind, LOAD_CORE, SERVER_CORE, Scraper, Server, has_priority, pinned, report,
    report_on,
};
use crate::run::{self, Call};

/// Where everything that was measured is written.
pub(super) const RESULTS: &str = "benches/results.json";

/// What a server is called that has everything on.
pub(super) const ALL_ON: &str = "convoke, everything on";

/// Seconds that each load is measured.
const SECONDS: &str = "8s";

/// A shape of load.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) words: &'static [&'static str],
    /// Legs in a conference; 0: all in one.
    conference_of: u64,
    floor: Kind,
    /// Which figure of the cost model says how many fit; see [`predict`].
    predicted: &'static str,
    /// Loads that are measured again and again, and then the ones that are tried until one is too much.
    loads: &'static [u64],
    tries: &'static [u64],
}

pub(super) const SHAPES: [Shape; 3] = [
    Shape {
        name: "one conference, all sending",
        words: &["--talkers", "100000"],
        conference_of: 0,
        predicted: "one_conference",
        floor: Kind::Echo,
        loads: &[100, 250, 500, 1_000],
        tries: &[1_250, 1_500, 1_750, 2_000, 2_250, 2_500],
    },
    Shape {
        name: "conferences of ten, all sending",
        words: &["--talkers", "100000"],
        conference_of: 10,
        predicted: "tens",
        floor: Kind::Echo,
        loads: &[100, 250, 500, 800],
        tries: &[1_000, 1_250, 1_500, 1_750, 2_000],
    },
    Shape {
        name: "3 talkers, the rest send nothing",
        words: &["--talkers", "3", "--rest", "nothing"],
        conference_of: 0,
        // The model takes everybody for somebody who talks: it does not know who will.
        predicted: "one_conference",
        floor: Kind::Fan,
        loads: &[100, 250, 500, 1_500],
        tries: &[2_000, 2_500, 3_000],
    },
];

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Each load, and then ever more until one is too much.
    Whole,
    /// The least load of each shape, and the greatest that it must carry.
    Bars,
    /// Only 302s; what else was measured before stays.
    Asked,
}

/// Measures each load `repetitions` times and writes it down.
pub(super) fn run(root: &Path, extent: Extent, repetitions: u32) -> anyhow::Result<()> {
    let build = ["build", "--release", "--locked", "--package", "convoke", "--package", "load"];
    run::command(root, &Call::cargo(&build))?;
    if extent == Extent::Asked {
        let text = std::fs::read_to_string(root.join(RESULTS)).context(RESULTS)?;
        let mut results: Value = serde_json::from_str(&text)?;
        results["asked"] = asked(root, repetitions)?.into();
        results["asked_commit"] = commit(root)?.into();
        return write(root, &results);
    }
    // Before anything else runs, as an operator does it.
    let words = ["calibrate", "--json"].map(str::to_owned);
    // On both cores, as in the runs: mixer on one, phones on the other.
    let both = format!("{SERVER_CORE},{LOAD_CORE}");
    let predicted = predict(&report_on(&both, root, "convoke", &words)?, core_us_per_s());
    let mut loads = Vec::new();
    let mut saturation = Vec::new();
    for shape in &SHAPES {
        for kind in [Kind::Convoke, shape.floor] {
            // Nobody asks how much the floor could carry: what it costs is what it is for.
            let (loads_wanted, tries) = match (extent, shape.loads) {
                (Extent::Whole, all) if kind == Kind::Convoke => (all.to_vec(), shape.tries),
                (Extent::Whole, all) => (all.to_vec(), &[][..]),
                (Extent::Bars, [least, .., most]) => (vec![*least, *most], &[][..]),
                (Extent::Bars | Extent::Asked, few) => (few.to_vec(), &[][..]),
            };
            for legs in &loads_wanted {
                for _ in 0..repetitions {
                    loads.push(load(root, shape, kind, *legs)?);
                }
            }
            let mut outcome = |legs| -> anyhow::Result<Outcome> {
                let tried = load(root, shape, kind, legs)?;
                let outcome = Outcome::of(&tried["report"]);
                loads.push(tried);
                Ok(outcome)
            };
            let most = most_carried(tries, &mut outcome)?;
            if kind == Kind::Convoke {
                let fits = predicted[shape.predicted].as_u64();
                saturation.push(json!({
                    "shape": shape.name,
                    "predicted": fits,
                    "let_in": predicted[format!("{}_let_in", shape.predicted)],
                    "measured": most.legs,
                    "is_limit": most.is_limit,
                    "error_percent": error_percent(fits, most.legs.filter(|_| most.is_limit)),
                }));
            }
        }
    }
    let asked = asked(root, repetitions)?;
    let results = json!({
        "machine": machine(),
        "commit": commit(root)?,
        "repetitions": repetitions,
        "loads": loads,
        "cost_model": { "predicted": predicted, "saturation": saturation },
        "decisions": decisions(root)?,
        "asked": asked,
        "asked_commit": commit(root)?,
    });
    write(root, &results)
}

fn write(root: &Path, results: &Value) -> anyhow::Result<()> {
    std::fs::write(root.join(RESULTS), serde_json::to_string_pretty(results)? + "\n")?;
    page::write(root)
}

/// Asks each server that answers with 302s.
fn asked(root: &Path, repetitions: u32) -> anyhow::Result<Vec<Value>> {
    let mut asked = Vec::new();
    for _ in 0..repetitions {
        // In turn: a machine that gets slower does so for all.
        for kind in [Kind::Asked, Kind::AllOn, Kind::Redirect] {
            asked.push(json!({ "server": kind.name(), "report": ask_convoke(root, kind)? }));
        }
        asked.push(json!({ "server": "kamailio", "report": ask_kamailio(root)? }));
    }
    Ok(asked)
}

/// What became of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Carried,
    TooMuch,
    /// The load could not have sent more, or not even this: nothing is said of the server.
    LoadIsTheLimit,
}

impl Outcome {
    fn of(report: &Value) -> Self {
        match (page::has_limits(report), is_carried(report)) {
            (true, _) => Self::LoadIsTheLimit,
            (false, true) => Self::Carried,
            (false, false) => Self::TooMuch,
        }
    }
}

/// The most legs that were carried; `None`: not even the fewest were, or nothing was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Most {
    legs: Option<u64>,
    /// Whether more were too many; else it is not known how many more there could have been.
    is_limit: bool,
}

/// The most legs that are carried: of those in `tries`, and then between the last that was and the first that was not.
fn most_carried(
    tries: &[u64],
    outcome: &mut impl FnMut(u64) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Most> {
    let mut most = Most::default();
    for legs in tries {
        match (outcome(*legs)?, most.legs) {
            (Outcome::Carried, _) => most.legs = Some(*legs),
            (Outcome::LoadIsTheLimit, _) => return Ok(most),
            (Outcome::TooMuch, None) => return Ok(Most { legs: None, is_limit: true }),
            (Outcome::TooMuch, Some(carried)) => return between(carried, *legs, outcome),
        }
    }
    Ok(most)
}

/// The same where so many are carried and so many are too much.
fn between(
    mut carried: u64,
    mut too_much: u64,
    outcome: &mut impl FnMut(u64) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Most> {
    for _ in 0..HALVINGS {
        let middle = carried.midpoint(too_much) / 10 * 10;
        match outcome(middle)? {
            Outcome::Carried => carried = middle,
            Outcome::TooMuch => too_much = middle,
            Outcome::LoadIsTheLimit => break,
        }
    }
    Ok(Most { legs: Some(carried), is_limit: true })
}

/// After these a step of 250 legs is one of 30: less than the figure differs from run to run.
const HALVINGS: u32 = 3;

/// What a core of so many microseconds a second has time for by the costs that `convoke calibrate` measured: legs in one
/// conference, and in conferences of ten; and how many of them the pool lets in.
fn predict(calibration: &Value, core_us_per_s: u64) -> Value {
    let cost = |name: &str| calibration["costs"][name].as_u64().unwrap_or(0);
    let leg = cost("leg_us_per_s") + (50 * cost("packet_ns")).div_ceil(1_000);
    let conference = cost("conference_us_per_s");
    let one = |core: u64| core.saturating_sub(conference).checked_div(leg);
    let tens = |core: u64| core.checked_div(10 * leg + conference).map(|count| count * 10);
    json!({
        "costs": calibration["costs"],
        "leg_us_per_s": leg,
        "core_us_per_s": core_us_per_s,
        "one_conference": one(core_us_per_s),
        "tens": tens(core_us_per_s),
        "one_conference_let_in": one(LET_IN_US_PER_S),
        "tens_let_in": tens(LET_IN_US_PER_S),
    })
}

/// The pool's share of a core: 70 %, by default (`pool.cpu`).
const LET_IN_US_PER_S: u64 = 700_000;

/// Microseconds a second that a program with a priority may have of its core: Linux keeps some for all others
/// (`Documentation/scheduler/sched-rt-group.rst`). Without one all of them.
fn core_us_per_s() -> u64 {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/sched_rt_{name}_us")).ok()?;
        text.trim().parse::<u64>().ok() // -1: no limit
    };
    let share = read("runtime").zip(read("period")).filter(|_| has_priority());
    share
        .and_then(|(runtime, period)| (runtime * 1_000_000).checked_div(period))
        .unwrap_or(1_000_000)
}

/// How far the prediction is off, in percent of what was measured; above zero: too many would be let in.
fn error_percent(predicted: Option<u64>, measured: Option<u64>) -> Option<f64> {
    let (predicted, measured) = (predicted? as f64, measured? as f64);
    (measured > 0.0).then(|| ((predicted / measured - 1.0) * 1_000.0).round() / 10.0)
}

/// What a decision costs, in microseconds of one core, with so many mixers to choose from.
#[expect(clippy::disallowed_methods, reason = "a program is measured by the clock")]
fn decisions(root: &Path) -> anyhow::Result<Vec<Value>> {
    run::command(root, &Call::cargo(&["build", "--release", "--locked", "--package", "bench"]))?;
    let mut measured = Vec::new();
    for mixers in [1_u64, 100, 10_000] {
        let seconds = |times: u64| -> anyhow::Result<f64> {
            let mut command = pinned(SERVER_CORE, &root.join("target/release/bench"));
            let begin = std::time::Instant::now();
            let status = command.args([format!("decide-{mixers}"), times.to_string()]).status()?;
            anyhow::ensure!(status.success(), "bench decide-{mixers} has failed");
            Ok(begin.elapsed().as_secs_f64())
        };
        let (once, twice) = (seconds(DECISIONS)?, seconds(2 * DECISIONS)?);
        let micros = (twice - once).max(0.0) * 1e6 / DECISIONS as f64;
        println!("decision with {mixers} mixers: {micros:.2} us");
        measured.push(json!({ "mixers": mixers, "us": micros }));
    }
    Ok(measured)
}

/// A tenth of a second of them, or more.
const DECISIONS: u64 = 200_000;

/// One server, one load, one report.
fn load(root: &Path, shape: &Shape, kind: Kind, legs: u64) -> anyhow::Result<Value> {
    let server = Server::start(root, kind)?;
    let conferences = legs.checked_div(shape.conference_of).unwrap_or(1).max(1);
    let mut words = vec!["load".to_owned(), server.uri.clone()];
    let numbers = [("--legs", legs), ("--conferences", conferences), ("--rate", 200)];
    words
        .extend(numbers.iter().flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]));
    words.extend(["--for", SECONDS, "--json", "--pid"].map(str::to_owned));
    words.push(server.pid().to_string());
    words.extend(shape.words.iter().map(|word| (*word).to_owned()));
    let report = report(root, "convoke", &words)?;
    println!("{}", page::line(shape.name, kind.name(), &report));
    Ok(json!({ "shape": shape.name, "server": kind.name(), "legs": legs, "report": report }))
}

/// Whether all came in and less than 1 % of what was due is missing.
pub(super) fn is_carried(report: &Value) -> bool {
    let number = |pointer| report.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0);
    number("/joined") >= number("/legs") && number("/media/ratio") > 0.99
}

fn ask_convoke(root: &Path, kind: Kind) -> anyhow::Result<Value> {
    let server = Server::start(root, kind)?;
    // Whoever watches a server asks for its metrics all the time.
    let scraper = (kind == Kind::AllOn).then(|| Scraper::start(&server.admin)).transpose()?;
    let asked = ask(root, server.address(), server.pid())?;
    if let Some(scraper) = scraper {
        anyhow::ensure!(scraper.stop() > 0, "nobody got the metrics of {}", server.admin);
    }
    Ok(asked)
}

fn ask_kamailio(root: &Path) -> anyhow::Result<Value> {
    let server = Kamailio::start(root)?;
    // It says nothing when it is ready; what is asked before is asked again a second later.
    ask(root, &server.address, server.pid())
}

fn ask(root: &Path, address: &str, pid: u32) -> anyhow::Result<Value> {
    let seconds = "6".to_owned();
    let words = [address.to_owned(), "conference".to_owned(), seconds, pid.to_string()];
    let asked = report(root, "asker", &words)?;
    println!("{}", page::asked_line(&asked));
    Ok(asked)
}

/// What it was measured on, as the kernel tells it.
fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models = cpus.lines().filter_map(|line| line.strip_prefix("model name")).map(str::trim);
    let models: Vec<&str> = models.map(|model| model.trim_start_matches([':', ' '])).collect();
    json!({
        "processor": models.first(),
        "cores": models.len(),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_before": read("/proc/loadavg").trim(),
        "scheduling": if has_priority() { "SCHED_RR" } else { "as any program" },
    })
}

fn commit(root: &Path) -> anyhow::Result<String> {
    let said = run::output(root, &Call::new("git", &["rev-parse", "--short=12", "HEAD"]))?;
    Ok(said.trim().to_owned())
}

/// Whether two programs can have a core each.
pub(super) fn can_pin() -> anyhow::Result<()> {
    let pins = pinned(LOAD_CORE, Path::new("true")).status();
    let pins = pins.context("taskset is missing: install util-linux")?;
    anyhow::ensure!(
        pins.success(),
        "two cores are needed, one for the server and one for the load"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_is_found_between_two_tries() {
        let find = |limit: u64, load_limit: u64, tries: &[u64]| {
            let mut asked = Vec::new();
            let most = most_carried(tries, &mut |legs| {
                asked.push(legs);
                Ok(match legs {
                    legs if legs > load_limit => Outcome::LoadIsTheLimit,
                    legs if legs <= limit => Outcome::Carried,
                    _ => Outcome::TooMuch,
                })
            });
            let most = most.expect("no fault");
            (most.legs, most.is_limit, asked)
        };
        let tries = [1_000, 1_250, 1_500];
        let asked = vec![1_000, 1_250, 1_120, 1_060, 1_090];
        assert_eq!(find(1_100, 9_000, &tries), (Some(1_090), true, asked));
        assert_eq!(find(900, 9_000, &tries), (None, true, vec![1_000]));
        assert_eq!(find(5_000, 9_000, &tries), (Some(1_500), false, tries.to_vec()));
        assert_eq!(find(5_000, 1_300, &tries), (Some(1_250), false, tries.to_vec()));
        assert_eq!(find(5_000, 900, &tries), (None, false, vec![1_000]));
        assert_eq!(find(5_000, 9_000, &[]), (None, false, vec![]));
    }

    #[test]
    fn prediction_is_what_the_costs_leave_room_for() {
        let costs = json!({ "packet_ns": 8_000, "leg_us_per_s": 100, "conference_us_per_s": 50 });
        let fits = |core, one: &str, tens: &str| {
            let predicted = predict(&json!({ "costs": costs }), core);
            (predicted[one].as_u64(), predicted[tens].as_u64())
        };
        assert_eq!(fits(1_000_000, "one_conference", "tens"), (Some(1_999), Some(1_980)));
        assert_eq!(fits(950_000, "one_conference", "tens"), (Some(1_899), Some(1_880)));
        let let_in = fits(950_000, "one_conference_let_in", "tens_let_in");
        assert_eq!(let_in, (Some(1_399), Some(1_380)));
        assert_eq!(error_percent(Some(1_999), Some(1_750)), Some(14.2));
        assert_eq!(error_percent(Some(1_500), Some(2_000)), Some(-25.0));
        assert_eq!((error_percent(None, Some(1)), error_percent(Some(1), None)), (None, None));
    }
}
