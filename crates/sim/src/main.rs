//! Runs the simulation by seeds and says which promise broke.

use std::process::ExitCode;

use clap::Parser;
use sim::scenario::{self, Options};

/// The whole flow under virtual time, with a network that loses, repeats, delays and reorders.
#[derive(Parser)]
struct Arguments {
    /// Run just this seed, and print every SIP message.
    #[arg(long)]
    seed: Option<u64>,
    /// Run seeds 0 to N-1.
    #[arg(long, default_value_t = 50)]
    seeds: u64,
}

#[expect(clippy::print_stdout, reason = "a command for people")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seeds = match arguments.seed {
        Some(seed) => seed..seed + 1,
        None => 0..arguments.seeds,
    };
    let (mut passed, mut failed) = (0, 0);
    for seed in seeds {
        let options = Options::drawn(seed);
        let report = scenario::run(options);
        if arguments.seed.is_some() {
            println!("{options:#?}");
            for sniffed in &report.world.sniffed {
                println!("{}", sniffed.line());
            }
            println!("{:?}, {} steps", report.world.network.counts, report.world.steps);
        }
        if report.broken.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            println!("seed {seed}: repeat it with `cargo xtask sim --seed {seed}`");
            for broken in &report.broken {
                println!("  {broken}");
            }
        }
    }
    println!("sim: {passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
