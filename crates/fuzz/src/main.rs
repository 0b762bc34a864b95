//! `cargo xtask fuzz`: every target for some time, two at once.

#![expect(clippy::print_stdout, reason = "a command for people")]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use fuzz::engine::{self, Crash, Report, Until};
use fuzz::{TARGETS, Target, Trail};

/// Feeds everything that reads a stranger's bytes with hostile ones.
#[derive(Parser)]
#[command(name = "cargo xtask fuzz")]
struct Arguments {
    /// Time of the processor for each target
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only this target
    #[arg(long)]
    target: Option<String>,
    /// Decides which inputs are tried
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Targets at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Feeds the target with this file once, and tells what happens
    #[arg(long, requires = "target")]
    replay: Option<PathBuf>,
    /// Where inputs go that broke something
    #[arg(long, default_value = "target/fuzz")]
    crashes: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match work(&arguments) {
        Ok(failed) => ExitCode::from(u8::from(failed > 0)),
        Err(error) => {
            println!("{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Gives how many targets failed.
fn work(arguments: &Arguments) -> anyhow::Result<usize> {
    engine::quiet_panics();
    let targets: Vec<&Target> = match &arguments.target {
        None => TARGETS.iter().collect(),
        Some(name) => vec![named(name)?],
    };
    if let Some(file) = &arguments.replay {
        let input =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        return Ok(replay(targets[0], &input));
    }
    let queue: Mutex<VecDeque<&Target>> = Mutex::new(targets.into());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let worker = || {
        let (mut passed, mut failed) = (0, 0);
        while let Some(target) = next() {
            let time = Duration::from_secs(arguments.seconds);
            let report = engine::run(target, arguments.seed, Until::CpuTime(time));
            tell(arguments, target, &report);
            if report.crash.is_none() { passed += 1 } else { failed += 1 }
        }
        (passed, failed)
    };
    let (passed, failed) = thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        let done = workers.into_iter().map(|it| it.join().unwrap_or((0, 1)));
        done.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    println!("fuzz: {passed} passed, {failed} failed");
    Ok(failed)
}

/// Feeds the target once, and tells what happened; gives how often it failed.
fn replay(target: &Target, input: &[u8]) -> usize {
    let mut trail = Trail::with_story();
    let outcome = engine::follow(target, input, &mut trail);
    for line in trail.story() {
        println!("{line}");
    }
    match outcome {
        Ok(()) => println!("{}: {} bytes do no harm", target.name, input.len()),
        Err(ref failure) => println!("{}: {failure}", target.name),
    }
    usize::from(outcome.is_err())
}

fn named(name: &str) -> anyhow::Result<&'static Target> {
    let Some(target) = fuzz::target(name) else {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        bail!("no target is called {name}; there are: {}", names.join(", "));
    };
    Ok(target)
}

fn tell(arguments: &Arguments, target: &Target, report: &Report) {
    let Report { inputs, kept, outcomes, crash } = report;
    let end = if crash.is_some() { "FAILED" } else { "no crash" };
    println!(
        "{:16} {inputs:>9} inputs, {outcomes:>6} outcomes, {kept:>5} kept: {end}",
        target.name
    );
    let Some(Crash { input, failure }) = crash else { return };
    println!("    {failure}");
    match kept_as(&arguments.crashes, target, input) {
        Ok(file) => println!(
            "    repeat it with `cargo xtask fuzz --target {} --replay {}`",
            target.name,
            file.display()
        ),
        Err(error) => println!("    {error:#}; the input: {}", input.escape_ascii()),
    }
}

/// Writes an input that broke something.
fn kept_as(folder: &Path, target: &Target, input: &[u8]) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join(format!("{}.bin", target.name));
    std::fs::write(&file, input).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
