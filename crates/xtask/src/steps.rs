//! What `cargo xtask test` does, in this order.

use std::collections::BTreeSet;
use std::path::Path;

use crate::run::{self, Call};
use crate::tally::Runner;

/// One step: one heading, one line of the summary.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) action: Action,
    pub(crate) runner: Runner,
}

/// What a step does.
pub(crate) enum Action {
    /// Installs what is missing.
    Setup,
    /// Checks the tree's own rules.
    Tidy,
    /// Counts the instructions of the hot paths.
    Bench,
    /// Drives the HTTP interface by its description.
    Schema,
    /// Runs a program.
    Call(Call),
}

/// Seeds of the simulation that each run of `test` goes through.
const SIM_SEEDS: &str = "50";

/// The simulation on a network that loses one SIP message of five.
const SIM_LOSS: [&str; 4] = ["--loss", "20", "--seeds", "200"];

/// Kill -9 at any moment, and everybody at once.
const SIM_RESTARTS: [&str; 4] = ["--flow", "restarts", "--seeds", "50"];
const SIM_MASS_JOIN: [&str; 4] = ["--flow", "mass-join", "--seeds", "5"];

/// Time of the processor that each run of `test` gives each target of the fuzzer.
const FUZZ_SECONDS: &str = "10";

/// All steps, the cheapest answers first.
pub(crate) fn all(root: &Path) -> Vec<Step> {
    let call =
        |name, purpose, runner, call| Step { name, purpose, action: Action::Call(call), runner };
    let mut steps = vec![
        Step {
            name: "setup",
            purpose: "what the tests need is there",
            action: Action::Setup,
            runner: Runner::Step,
        },
        call("fmt", "the one format", Runner::Step, Call::cargo(&["fmt", "--all", "--check"])),
        Step {
            name: "tidy",
            purpose: "the tree's own rules",
            action: Action::Tidy,
            runner: Runner::Step,
        },
        call("clippy", "no warning anywhere", Runner::Step, clippy()),
        call("doc", "the documentation builds without warnings", Runner::Step, doc()),
    ];
    let tests = if run::works(&Call::cargo(&["nextest", "--version"])) {
        nextest()
    } else {
        println!("cargo-nextest is not here; cargo test does the same, a little slower");
        cargo_test(root)
    };
    let [
        (unit_runner, unit),
        (torture_runner, torture),
        (ends_runner, ends),
        (peers_runner, peers),
    ] = tests;
    steps.extend([
        call("tests", "every rule, under virtual time", unit_runner, unit),
        call("doc-tests", "the examples in the documentation", Runner::DocTests, doc_tests()),
        call("torture", "the messages of RFC 4475 and RFC 5118", torture_runner, torture),
    ]);
    steps.extend(simulations());
    steps.extend([
        call(
            "fuzz",
            "hostile bytes, hostile histories",
            Runner::Plain,
            fuzz(&["--seconds".into(), FUZZ_SECONDS.into()]),
        ),
        Step {
            name: "bench",
            purpose: "no hot path costs 5 % more than recorded",
            action: Action::Bench,
            runner: Runner::Step,
        },
        Step {
            name: "schema",
            purpose: "the HTTP interface, driven by its own description",
            action: Action::Schema,
            runner: Runner::Step,
        },
        call("demo", "four processes, real voices", Runner::Step, demo(&[])),
        call("end-to-end", "processes on loopback, one after another", ends_runner, ends),
        call("peers", "programs that other people wrote, one after another", peers_runner, peers),
    ]);
    steps
}

/// Each flow of the simulation, by a few seeds.
fn simulations() -> impl Iterator<Item = Step> {
    let flows: [(&str, &str, &[&str]); 4] = [
        ("sim", "the whole world with faults", &["--seeds", SIM_SEEDS]),
        ("sim-loss", "the same, and one SIP message of five is lost", &SIM_LOSS),
        ("sim-restarts", "the process is killed at any moment", &SIM_RESTARTS),
        ("sim-mass-join", "92 calls in 31 s over twelve mixers", &SIM_MASS_JOIN),
    ];
    flows.into_iter().map(|(name, purpose, words)| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Step { name, purpose, action: Action::Call(sim(&words)), runner: Runner::Plain }
    })
}

/// The demo; `args` go on to it. Named by the program and not by the package, it is built with the features of the whole
/// workspace, as the tests are, and so it is there already.
pub(crate) fn demo(args: &[String]) -> Call {
    let call = Call::cargo(&["run", "--locked", "--quiet", "--bin", "convoke", "--", "demo"]);
    call.with_args(args)
}

/// The simulation, likewise; `args` go on to it.
pub(crate) fn sim(args: &[String]) -> Call {
    Call::cargo(&["run", "--locked", "--quiet", "--bin", "sim", "--"]).with_args(args)
}

/// The fuzzer, likewise; `args` go on to it.
pub(crate) fn fuzz(args: &[String]) -> Call {
    Call::cargo(&["run", "--locked", "--quiet", "--bin", "fuzz", "--"]).with_args(args)
}

fn clippy() -> Call {
    Call::cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn doc() -> Call {
    let call = Call::cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
    call.with_variable("RUSTDOCFLAGS", "-D warnings")
}

fn doc_tests() -> Call {
    Call::cargo(&["test", "--locked", "--workspace", "--doc"])
}

/// The unit, torture, end-to-end and peers' tests by nextest. Each asks for the whole workspace, so that all share one build.
fn nextest() -> [(Runner, Call); 4] {
    let run = |filter, more: &[&str]| {
        let words = [
            "nextest",
            "run",
            "--locked",
            "--workspace",
            "--no-fail-fast",
            "--status-level",
            "slow",
            "-E",
            filter,
        ];
        (Runner::Nextest, Call::cargo(&words).with_args(more))
    };
    [
        run(
            "not (binary(/^torture/) or test(/^torture::/)) \
             and not ((package(convoke) or package(load) or package(peers)) and kind(test))",
            &[],
        ),
        run("binary(/^torture/) or test(/^torture::/)", &[]),
        run("(package(convoke) or package(load)) and kind(test)", &["--test-threads", "1"]),
        run("package(peers) and kind(test)", &["--test-threads", "1"]),
    ]
}

/// The same by plain cargo, which knows no filter: the tests' files are named instead.
fn cargo_test(root: &Path) -> [(Runner, Call); 4] {
    let [mut named, mut torture, mut ends, mut peers] = [const { BTreeSet::new() }; 4];
    for (package, name) in integration_tests(root) {
        if package == "convoke" || package == "load" {
            ends.insert(name);
        } else if package == "peers" {
            peers.insert(name);
        } else if name.starts_with("torture") {
            torture.insert(name);
        } else {
            named.insert(name);
        }
    }
    let run = |more: &[&str], names: BTreeSet<String>| {
        let call = Call::cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
        let call = call.with_args(more);
        names.into_iter().fold(call, |call, name| call.with_args(&["--test", &name]))
    };
    [
        (Runner::CargoTest, run(&["--lib", "--bins"], named)),
        (Runner::CargoTest, run(&[], torture)),
        (Runner::CargoTest, run(&[], ends).with_args(&["--", "--test-threads=1"])),
        (Runner::CargoTest, run(&[], peers).with_args(&["--", "--test-threads=1"])),
    ]
}

/// The tests in each crate's `tests`, as (crate, name): files, and folders with a `main.rs`.
fn integration_tests(root: &Path) -> Vec<(String, String)> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let crates = root.join("crates");
    let of = |package: String| {
        let folder = crates.join(&package).join("tests");
        let stems = names(&folder).into_iter().filter_map(|name| match name.strip_suffix(".rs") {
            Some(stem) => Some(stem.to_owned()),
            None => folder.join(&name).join("main.rs").is_file().then_some(name),
        });
        stems.map(|stem| (package.clone(), stem)).collect::<Vec<_>>()
    };
    names(&crates).into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_cargo_leaves_out_of_the_unit_tests_what_has_a_step_of_its_own() {
        let tree = tempfile::tempdir().expect("a folder");
        for file in [
            "sip/tests/torture.rs",
            "mix/tests/tick.rs",
            "convoke/tests/sipp.rs",
            "convoke/tests/sipp/a.xml",
            "load/tests/reflector.rs",
            "node/tests/node/main.rs",
            "peers/tests/peers/main.rs",
        ] {
            let path = tree.path().join("crates").join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        let [(_, unit), (_, torture), (_, ends), (_, peers)] = cargo_test(tree.path());
        assert!(unit.line().ends_with("--lib --bins --test node --test tick"), "{}", unit.line());
        assert!(torture.line().ends_with("--test torture"), "{}", torture.line());
        assert!(
            ends.line().ends_with("--test reflector --test sipp -- --test-threads=1"),
            "{}",
            ends.line()
        );
        assert!(peers.line().ends_with("--test peers -- --test-threads=1"), "{}", peers.line());
    }

    #[test]
    fn steps_have_names_of_their_own() {
        let names: Vec<_> = all(Path::new("/nowhere")).into_iter().map(|step| step.name).collect();
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }
}
