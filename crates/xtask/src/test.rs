//! Runs the steps one after another, stops at the first that fails, and sums up.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::bench;
use crate::run;
use crate::schema;
use crate::setup;
use crate::steps::{self, Action, Step};
use crate::tally::Tally;
use crate::tidy;

/// What became of one step.
struct Outcome {
    name: &'static str,
    tally: Tally,
    took: Duration,
}

/// Runs all steps, or those named.
pub(crate) fn test(root: &Path, wanted: &[String]) -> ExitCode {
    let steps = steps::all(root);
    let known: Vec<&str> = steps.iter().map(|step| step.name).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        println!("no step is called {unknown}; there are: {}", known.join(", "));
        return ExitCode::from(2);
    }
    let mut outcomes = Vec::new();
    let mut repeat = None;
    for step in &steps {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == step.name) {
            continue;
        }
        let outcome = perform(root, step);
        let failed = outcome.tally.failed > 0;
        outcomes.push(outcome);
        if failed {
            repeat = Some(command(step));
            break;
        }
    }
    println!("\n{}", summary(&outcomes, steps.len(), wanted));
    if let Some(command) = &repeat {
        println!("To repeat what failed:\n    {command}\n");
    }
    // The last line, for people and for programs that read it.
    println!("{}", outcomes.iter().fold(Tally::default(), |sum, outcome| sum.plus(outcome.tally)));
    if repeat.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The line that repeats one step.
fn command(step: &Step) -> String {
    match &step.action {
        Action::Setup => "cargo xtask setup".to_owned(),
        Action::Tidy => "cargo xtask tidy".to_owned(),
        Action::Bench => "cargo xtask bench".to_owned(),
        Action::Schema => "cargo xtask schema".to_owned(),
        Action::Call(call) => call.line(),
    }
}

/// Runs one step under its heading.
fn perform(root: &Path, step: &Step) -> Outcome {
    println!("\n=== {}: {}\n    {}", step.name, step.purpose, command(step));
    let start = clock();
    let mut tally = Tally::default();
    let done = match &step.action {
        Action::Setup => setup::setup().map(|()| true),
        Action::Tidy => tidy::tidy(root, false).map(|()| true),
        Action::Bench => bench::instructions(root, false).map(|()| true),
        Action::Schema => schema::schema(root).map(|()| true),
        Action::Call(call) => run::watched(root, call, |line| tally.read(step.runner, line)),
    };
    let good = done.unwrap_or_else(|error| {
        println!("{error:#}");
        false
    });
    let tally = tally.concluded(step.runner, good);
    let took = clock().duration_since(start);
    println!("--- {}: {tally} in {}", step.name, seconds(took));
    Outcome { name: step.name, tally, took }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the rim: how long a step took is a matter of the wall"
)]
fn clock() -> Instant {
    Instant::now()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The table of what was done, and how much was not.
fn summary(outcomes: &[Outcome], steps: usize, wanted: &[String]) -> String {
    let mut table = format!("{:12} {:>7} {:>7} {:>9}\n", "step", "passed", "failed", "time");
    for Outcome { name, tally, took } in outcomes {
        let Tally { passed, failed } = tally;
        table += &format!("{name:12} {passed:>7} {failed:>7} {:>9}\n", seconds(*took));
    }
    let all: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    table += &format!("{:12} {:>7} {:>7} {:>9}\n", "", "", "", seconds(all));
    if wanted.is_empty() && outcomes.len() < steps {
        table += &format!("{} steps were not reached\n", steps - outcomes.len());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_says_how_much_was_not_reached() {
        let tally = Tally { passed: 3, failed: 1 };
        let outcomes = [Outcome { name: "tests", tally, took: Duration::from_millis(1_234) }];
        let table = summary(&outcomes, 4, &[]);
        assert!(table.contains("tests              3       1     1.2 s"), "{table}");
        assert!(table.contains("3 steps were not reached"), "{table}");
        assert!(!summary(&outcomes, 4, &["tests".to_owned()]).contains("reached"));
    }
}
