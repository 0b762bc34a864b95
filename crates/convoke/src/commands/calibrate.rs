//! `convoke calibrate`.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context as _;
use server::Calibration;

use super::table::thousands;
use crate::cli::CalibrateArgs;
use crate::output::{draw, say};

pub(crate) fn run(args: &CalibrateArgs) -> anyhow::Result<ExitCode> {
    let bar = io::stderr().is_terminal();
    if let Some(folder) = args.state_dir.as_deref() {
        // Before a third of a minute is spent on what cannot be kept.
        Calibration::can_keep(folder)?;
    }
    let calibration = Calibration::measure(&mut |done, of| {
        if bar {
            draw(&format!("measuring [{}{}]", "=".repeat(done * 2), " ".repeat((of - done) * 2)));
        }
    })?;
    if bar {
        draw("");
    }
    let kept = args.state_dir.as_deref().map(|folder| calibration.keep(folder)).transpose()?;
    if args.json {
        say(&serde_json::to_string(&calibration).context("this cannot be written as JSON")?);
        return Ok(ExitCode::SUCCESS);
    }
    let costs = calibration.costs;
    let plain = costs.plain_leg().cpu_us_per_s;
    say(&format!(
        "Measured on {}:\n  \
         a packet in and out   {:>6}.{} µs\n  \
         a leg, each second    {:>6} µs\n  \
         a conference          {:>6} µs\n  \
         a plain leg in all    {:>6} µs (G.711, 20 ms)\n\
         One core has time for {} plain legs; `convoke serve` gives legs 70 % of it, so {}.",
        calibration.machine,
        costs.packet_ns / 1_000,
        costs.packet_ns / 100 % 10,
        costs.leg_us_per_s,
        costs.conference_us_per_s,
        plain,
        thousands(1_000_000 / plain.max(1)),
        thousands(700_000 / plain.max(1)),
    ));
    say(&match kept {
        Some(path) => format!("Kept in {}.", path.display()),
        None => {
            "Not kept: name a folder with --state-dir, here and for `convoke serve`.".to_owned()
        }
    });
    Ok(ExitCode::SUCCESS)
}
