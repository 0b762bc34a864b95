//! The one door for people: `cargo xtask test`, `demo`, `tidy`, `sim`, `fuzz`, `bench`, `quality`, `schema`, `setup`.
//!
//! `test` is all that CI runs, and it sets up a fresh machine by itself; the other commands are its steps, to be
//! called alone. What each step is stands in `steps`; what the project asks of its own tree, in `tidy`.

#![expect(clippy::print_stdout, reason = "a command line tool: what it says is what it is for")]

mod bench;
mod quality;
mod run;
mod schema;
mod setup;
mod steps;
mod tally;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Convoke: everything that people do with this tree")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sets up what is missing, then checks everything; the last line is `N passed, N failed`
    Test {
        /// Only these steps, as the summary names them (default: all)
        steps: Vec<String>,
    },
    /// Shows a conference on this machine: one server, three terminals, who heard whom
    Demo {
        /// Handed on to `convoke demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Runs the whole world under virtual time with seeded faults, as in `sim --seed 7`
    Sim {
        /// Handed on to the simulation
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Feeds hostile bytes and histories to all that meets strangers, as in `fuzz --seconds 60`
    Fuzz {
        /// Handed on to the fuzzer
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Counts the instructions of the hot paths, and refuses 5 % more than `benches/instructions.toml` records
    Bench {
        /// Records what was counted
        #[arg(long)]
        accept: bool,
        /// Measures whole programs by the clock instead, and writes docs/BENCHMARKS.md: for a quiet machine of two cores
        #[arg(long, conflicts_with = "accept")]
        full: bool,
        /// Only the loads that must be carried, without the search for the most
        #[arg(long, requires = "full")]
        bars: bool,
        /// Only 302s; what else was measured before stays on the page
        #[arg(long, requires = "full", conflicts_with = "bars")]
        asked: bool,
        /// Writes docs/BENCHMARKS.md again from what was measured last
        #[arg(long, conflicts_with_all = ["accept", "full"])]
        page: bool,
        /// How often each load is measured
        #[arg(long, value_name = "N", default_value_t = 3, requires = "full")]
        repetitions: u32,
    },
    /// Checks the tree's own rules: crate order, no I/O, lengths, citations, true tables
    Tidy {
        /// Rewrites the tables that are made from the tests' doc comments
        #[arg(long)]
        write: bool,
    },
    /// Scores voices that went through the mixer over a bad network, by PESQ; installs it with pip
    Quality,
    /// Drives the HTTP interface by its own description, by Schemathesis; installs it with pip
    Schema,
    /// Installs the Debian packages that the tests need and that are not there yet
    Setup,
}

fn main() -> ExitCode {
    let root = root();
    let outcome = match Cli::parse().command {
        Command::Test { steps } => return test::test(&root, &steps),
        Command::Demo { args } => run::command(&root, &steps::demo(&args)),
        Command::Sim { args } => run::command(&root, &steps::sim(&args)),
        Command::Fuzz { args } => run::command(&root, &steps::fuzz(&args)),
        Command::Bench { full: true, bars, asked, repetitions, .. } => {
            let extent = match (bars, asked) {
                (true, _) => bench::Extent::Bars,
                (_, true) => bench::Extent::Asked,
                (false, false) => bench::Extent::Whole,
            };
            bench::full(&root, extent, repetitions)
        }
        Command::Bench { page: true, .. } => bench::page(&root),
        Command::Bench { accept, .. } => bench::instructions(&root, accept),
        Command::Tidy { write } => tidy::tidy(&root, write),
        Command::Quality => quality::quality(&root),
        Command::Schema => schema::schema(&root),
        Command::Setup => setup::setup(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The top of the tree: two above this crate.
fn root() -> PathBuf {
    let here = std::env::var("CARGO_MANIFEST_DIR")
        .map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().and_then(Path::parent).map_or(here.clone(), Path::to_path_buf)
}
