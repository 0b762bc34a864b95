//! Whole programs by the clock: ours, and next to it in the same run the floor program and kamailio.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::page;
use super::programs::{Kamailio, Kind, Server, has_priority, pinned, report};
use crate::run::{self, Call};

/// Where everything that was measured is written.
pub(super) const RESULTS: &str = "benches/results.json";

/// Seconds that each load is measured.
const SECONDS: &str = "8s";

/// A shape of load.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) words: &'static [&'static str],
    /// Legs in a conference; 0: all in one.
    conference_of: u64,
    floor: Kind,
    /// Loads that are measured again and again, and then the ones that are tried until one is too much.
    loads: &'static [u64],
    tries: &'static [u64],
}

pub(super) const SHAPES: [Shape; 3] = [
    Shape {
        name: "one conference, all sending",
        words: &["--talkers", "100000"],
        conference_of: 0,
        floor: Kind::Echo,
        loads: &[100, 250, 500, 1_000],
        tries: &[1_250, 1_500, 1_750, 2_000, 2_250, 2_500],
    },
    Shape {
        name: "conferences of ten, all sending",
        words: &["--talkers", "100000"],
        conference_of: 10,
        floor: Kind::Echo,
        loads: &[100, 250, 500, 800],
        tries: &[1_000, 1_250, 1_500, 1_750, 2_000],
    },
    Shape {
        name: "3 talkers, the rest send nothing",
        words: &["--talkers", "3", "--rest", "nothing"],
        conference_of: 0,
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
}

/// Measures each load `repetitions` times and writes it down.
pub(super) fn run(root: &Path, extent: Extent, repetitions: u32) -> anyhow::Result<()> {
    let build = ["build", "--release", "--locked", "--package", "convoke", "--package", "load"];
    run::command(root, &Call::cargo(&build))?;
    let mut loads = Vec::new();
    for shape in &SHAPES {
        for kind in [Kind::Convoke, shape.floor] {
            let (loads_wanted, tries) = match (extent, shape.loads) {
                (Extent::Whole, all) => (all.to_vec(), shape.tries),
                (Extent::Bars, [least, .., most]) => (vec![*least, *most], &[][..]),
                (Extent::Bars, few) => (few.to_vec(), &[][..]),
            };
            for legs in &loads_wanted {
                for _ in 0..repetitions {
                    loads.push(load(root, shape, kind, *legs)?);
                }
            }
            for legs in tries {
                let tried = load(root, shape, kind, *legs)?;
                let is_too_much = !is_carried(&tried["report"]);
                loads.push(tried);
                if is_too_much {
                    break;
                }
            }
        }
    }
    let mut asked = Vec::new();
    for _ in 0..repetitions {
        // In turn: a machine that gets slower does so for both.
        asked.push(json!({ "server": "convoke", "report": ask_convoke(root)? }));
        asked.push(json!({ "server": "kamailio", "report": ask_kamailio(root)? }));
    }
    let results = json!({
        "machine": machine(),
        "commit": commit(root)?,
        "repetitions": repetitions,
        "loads": loads,
        "asked": asked,
    });
    std::fs::write(root.join(RESULTS), serde_json::to_string_pretty(&results)? + "\n")?;
    page::write(root)
}

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

fn ask_convoke(root: &Path) -> anyhow::Result<Value> {
    let server = Server::start(root, Kind::Convoke)?;
    ask(root, server.address(), server.pid())
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
    let pins = pinned(super::programs::LOAD_CORE, Path::new("true")).status();
    let pins = pins.context("taskset is missing: install util-linux")?;
    anyhow::ensure!(
        pins.success(),
        "two cores are needed, one for the server and one for the load"
    );
    Ok(())
}
