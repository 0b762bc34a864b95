//! Runs the simulation by seeds and says which promise broke.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use sim::scenario::{self, Options, Report};
use sim::{loss, mass_join, restarting};

/// The whole flow under virtual time, with a network that loses, repeats, delays and reorders.
#[derive(Parser)]
struct Arguments {
    /// Run just this seed, and print every SIP message.
    #[arg(long)]
    seed: Option<u64>,
    /// Run so many seeds.
    #[arg(long, default_value_t = 50)]
    seeds: u64,
    /// Begin with this one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// What happens.
    #[arg(long, value_enum, default_value_t = Flow::Main)]
    flow: Flow,
    /// Lose so many of 100 SIP messages. Who is not in then must have been given up as the timers allow.
    #[arg(long)]
    loss: Option<f64>,
}

/// What happens in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Flow {
    /// One asks for a conference and refers two others to it.
    Main,
    /// 92 calls in 31 s over twelve mixers.
    MassJoin,
    /// The process is killed at any moment.
    Restarts,
}

impl Flow {
    fn run(self, mut options: Options, loss: Option<f64>) -> Report {
        if let Some(loss_percent) = loss {
            options.signalling.loss_percent = loss_percent;
        }
        match (self, loss) {
            (Self::Main, None) => scenario::run(options),
            (Self::Main, Some(_)) => loss::run(options),
            (Self::MassJoin, _) => mass_join::run(options),
            (Self::Restarts, _) => restarting::run(options),
        }
    }
}

#[expect(clippy::print_stdout, reason = "a command for people")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seeds = match arguments.seed {
        Some(seed) => seed..seed + 1,
        None => arguments.first..arguments.first.saturating_add(arguments.seeds),
    };
    let loss = arguments.loss.map(|loss| format!(" --loss {loss}")).unwrap_or_default();
    let flow = arguments.flow.to_possible_value().map(|it| it.get_name().to_owned());
    let again = format!(" --flow {}{loss}", flow.unwrap_or_default());
    let (mut passed, mut failed) = (0, 0);
    let (mut came, mut invited) = (0, 0);
    for seed in seeds {
        let options = Options::drawn(seed);
        let report = arguments.flow.run(options, arguments.loss);
        if arguments.seed.is_some() {
            println!("{options:#?}");
            for sniffed in &report.world.sniffed {
                println!("{}", sniffed.line());
            }
            println!("{:?}, {} steps", report.world.network.counts, report.world.steps);
        }
        let turnout = loss::turnout(&report.world);
        (came, invited) = (came + turnout.0, invited + turnout.1);
        if report.broken.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            println!("seed {seed}: repeat it with `cargo xtask sim --seed {seed}{again}`");
            for broken in &report.broken {
                println!("  {broken}");
            }
        }
    }
    if arguments.flow == Flow::Main {
        println!("{came} of {invited} came in");
    }
    println!("sim: {passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
