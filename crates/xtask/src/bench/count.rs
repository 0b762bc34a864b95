//! Instructions of each case of the `bench` program, by valgrind's callgrind, against `benches/instructions.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::run::{self, Call};

/// What is recorded.
const BASELINE: &str = "benches/instructions.toml";

/// The program.
const PROGRAM: &str = "target/release/bench";

/// How often a case is done: enough that what one pass costs does not drown in its beginning, and no more than takes a few
/// seconds. Each case belongs to the first name that it begins with.
const TIMES: [(&str, u64); 9] = [
    ("parse", 1_000),
    ("print", 1_000),
    ("ask", 200),
    ("refuse", 200),
    ("decide", 200),
    ("mix-1x1000", 5),
    ("mix-100x10", 5),
    ("mix-1x3", 400),
    ("mix", 40),
];

/// More than this is refused.
const MORE_PERCENT: u64 = 5;

const HEADER: &str = "\
# Instructions of one pass of each case: one message, one answer with its ACK, 20 ms of so many conferences of so many
# legs. `cargo xtask bench` compares with it, `cargo xtask bench --accept` writes it.
";

type Counts = BTreeMap<String, u64>;

pub(super) fn run(root: &Path, accept: bool) -> anyhow::Result<()> {
    let build = ["build", "--release", "--locked", "--quiet", "--package", "bench"];
    run::command(root, &Call::cargo(&build))?;
    let names = run::output(root, &Call::new(PROGRAM, &[]))?;
    let recorded = read(&std::fs::read_to_string(root.join(BASELINE)).unwrap_or_default())?;
    let mut counts = Counts::new();
    for name in names.lines() {
        let instructions = measure(root, name)?;
        println!("{}", row(name, instructions, recorded.get(name).copied()));
        counts.insert(name.to_owned(), instructions);
    }
    if accept {
        std::fs::write(root.join(BASELINE), written(&counts))?;
        println!("written to {BASELINE}");
        return Ok(());
    }
    let faults = faults(&counts, &recorded);
    if !faults.is_empty() {
        bail!(
            "{}\nIf that is what it has to cost: cargo xtask bench --accept, and say why in the commit",
            faults.join("\n")
        );
    }
    Ok(())
}

/// Instructions of one pass.
fn measure(root: &Path, name: &str) -> anyhow::Result<u64> {
    let times = TIMES.iter().find(|(prefix, _)| name.starts_with(prefix));
    let times = times.map_or(1, |(_, times)| *times);
    let (once, twice) = (collected(root, name, times)?, collected(root, name, 2 * times)?);
    Ok(twice.saturating_sub(once) / times)
}

fn collected(root: &Path, name: &str, times: u64) -> anyhow::Result<u64> {
    let times = times.to_string();
    let words = ["--tool=callgrind", "--callgrind-out-file=/dev/null", PROGRAM, name, &times];
    let said = run::output(root, &Call::new("valgrind", &words))?;
    instructions(&said).with_context(|| format!("valgrind does not say how many:\n{said}"))
}

/// Of `==42== Collected : 12345`.
fn instructions(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    line.and_then(|(_, count)| count.trim().parse().ok())
}

fn read(text: &str) -> anyhow::Result<Counts> {
    let table: toml::Table = text.parse().with_context(|| format!("cannot read {BASELINE}"))?;
    let count = |(name, count): (&String, &toml::Value)| {
        let count = count.as_integer().and_then(|count| u64::try_from(count).ok());
        Some((name.clone(), count?))
    };
    Ok(table.iter().filter_map(count).collect())
}

fn written(counts: &Counts) -> String {
    counts.iter().fold(HEADER.to_owned(), |mut text, (name, count)| {
        let _ = writeln!(text, "{name} = {count}");
        text
    })
}

fn row(name: &str, count: u64, recorded: Option<u64>) -> String {
    let change = recorded.map_or_else(|| "not recorded yet".to_owned(), |was| change(count, was));
    format!("{name:14} {count:>10} instructions  {change}")
}

/// As in `+1.3 %`.
fn change(count: u64, was: u64) -> String {
    let (more, sign) = if count >= was { (count - was, '+') } else { (was - count, '-') };
    let tenths = (more * 1_000).checked_div(was).unwrap_or(0);
    format!("{sign}{}.{} %", tenths / 10, tenths % 10)
}

/// What costs too much, and what is not comparable.
fn faults(counts: &Counts, recorded: &Counts) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, count) in counts {
        match recorded.get(name) {
            None => faults.push(format!("{name} is not recorded in {BASELINE}")),
            Some(was) if *count * 100 > *was * (100 + MORE_PERCENT) => faults.push(format!(
                "{name}: {count} instructions, {was} recorded: {}, more than {MORE_PERCENT} %",
                change(*count, *was)
            )),
            Some(_) => {}
        }
    }
    let gone = recorded.keys().filter(|name| !counts.contains_key(*name));
    faults.extend(gone.map(|name| format!("{name} is recorded and not measured any more")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(entries: &[(&str, u64)]) -> Counts {
        entries.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn more_than_a_twentieth_is_a_fault_and_less_is_none() {
        let recorded = counts(&[("a", 1_000), ("b", 1_000), ("c", 1_000)]);
        let now = counts(&[("a", 1_050), ("b", 1_051), ("c", 10)]);
        let wanted = "b: 1051 instructions, 1000 recorded: +5.1 %, more than 5 %";
        assert_eq!(faults(&now, &recorded), [wanted]);
    }

    #[test]
    fn what_cannot_be_compared_is_a_fault() {
        let faults = faults(&counts(&[("new", 1)]), &counts(&[("old", 1)]));
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let all = counts(&[("mix-1x10", 7), ("parse-200", 12_345)]);
        assert_eq!(read(&written(&all)).unwrap(), all);
        assert_eq!(read("").unwrap(), counts(&[]));
    }

    #[test]
    fn callgrind_is_understood() {
        let said = "==42== Events    : Ir\n==42== Collected : 9876543\n==42==\n";
        assert_eq!(instructions(said), Some(9_876_543));
        assert_eq!(instructions("valgrind: not found"), None);
    }
}
