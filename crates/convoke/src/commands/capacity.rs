//! `convoke capacity`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use pool::CostModel;
use server::{Capacity, Fit};

use super::admin;
use super::explain::{cost, cpu};
use super::table::{Align, Table, counted, thousands};
use crate::cli::CapacityArgs;
use crate::output::say;

pub(crate) fn run(args: &CapacityArgs) -> anyhow::Result<ExitCode> {
    let mut query = Vec::new();
    if let Some(legs) = args.legs {
        query.push(("legs", legs.to_string()));
        query.push(("conferences", args.conferences.to_string()));
        query.extend(admin::kind(&args.kind));
    } else if let Some(tenant) = &args.kind.tenant {
        // It is told that this says nothing without legs.
        query.push(("tenant", tenant.clone()));
    }
    let text = admin::get(&args.ask, "/v1/capacity", &query)?;
    let capacity: Capacity = serde_json::from_str(&text)
        .context("this is no Convoke server, or one of another version")?;
    let fits = capacity.what_if.is_none_or(|what_if| what_if.fit == what_if.conferences);
    if args.ask.json {
        say(text.trim_end());
    } else {
        say(show(&capacity).trim_end());
    }
    Ok(if fits { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(capacity: &Capacity) -> String {
    let mut out = String::new();
    if let Some(what_if) = capacity.what_if {
        let each = format!(
            "{} of {} ({}, {} ms)",
            counted(what_if.conferences.into(), "conference"),
            counted(what_if.legs.into(), "leg"),
            what_if.codec.name(),
            what_if.ptime_ms
        );
        let _ = match what_if.fit {
            fit if fit == what_if.conferences => writeln!(out, "{each} fit now."),
            fit => writeln!(out, "{each} do not fit now: {} would.", thousands(fit.into())),
        };
        out.push('\n');
    }
    out.push_str(&sentence(&capacity.fits));
    out.push_str(&of_costs(&capacity.costs));
    out.push('\n');
    let (left, right) = (Align::Left, Align::Right);
    let mut table = Table::new(&[
        ("LEGS OF", left),
        ("EMPTY", right),
        ("NOW", right),
        ("EACH COSTS", left),
        ("LIMITED BY", left),
    ]);
    for fit in &capacity.fits {
        table.row(vec![
            format!("G.711, {} ms", fit.ptime_ms),
            thousands(fit.empty.into()),
            thousands(fit.now.into()),
            cost(&fit.leg),
            fit.limited_by.to_string(),
        ]);
    }
    out.push_str(&table.show(""));
    out.push('\n');
    let mut table = Table::new(&[("MIXER", left), ("USED", left), ("HELD", left), ("FREE", left)]);
    for mixer in &capacity.mixers {
        let room = &mixer.room;
        let free = room.free();
        table.row(vec![
            mixer.mixer.clone(),
            cpu(room.used.cpu_us_per_s),
            cpu(room.held.plus(room.owed).cpu_us_per_s),
            format!("{} of a core, {}", cpu(free.cpu_us_per_s), counted(free.sockets, "port")),
        ]);
    }
    out.push_str(&table.show(""));
    out
}

/// `Room for 1,240 plain legs (PCMU, 20 ms), or 780 of 10 ms packets, or 1,900 of 40 ms.`
fn sentence(fits: &[Fit]) -> String {
    let plain = fits.iter().find(|fit| fit.ptime_ms == 20);
    let Some(plain) = plain else { return String::new() };
    let others = fits.iter().filter(|fit| fit.ptime_ms != 20);
    let others: String = others
        .map(|fit| {
            format!(", or {} with packets of {} ms", thousands(fit.empty.into()), fit.ptime_ms)
        })
        .collect();
    format!("Room for {} plain legs (G.711, 20 ms){others}.\n", thousands(plain.empty.into()))
}

fn of_costs(costs: &CostModel) -> String {
    format!(
        "A leg costs {} µs of a core each second and {}.{} µs for each packet in and out; a conference {} µs.\n",
        costs.leg_us_per_s,
        costs.packet_ns / 1_000,
        costs.packet_ns / 100 % 10,
        costs.conference_us_per_s
    )
}

#[cfg(test)]
mod tests {
    use pool::{Codec, Dimension};

    use super::*;

    #[test]
    fn what_fits_is_said_in_one_sentence() {
        let fit = |ptime_ms, empty| Fit {
            codec: Codec::Pcmu,
            ptime_ms,
            leg: CostModel::default().plain_leg(),
            empty,
            now: 7,
            limited_by: Dimension::Cpu,
        };
        assert_eq!(
            sentence(&[fit(10, 780), fit(20, 1_240)]),
            "Room for 1,240 plain legs (G.711, 20 ms), or 780 with packets of 10 ms.\n"
        );
    }
}
