//! `convoke holds`.

use std::process::ExitCode;

use anyhow::Context as _;
use server::{HoldState, HoldStatus, HoldsPage, ReservationState, ReservationStatus};

use super::table::{Align, Table};
use super::{admin, moment, time_of_day};
use crate::cli::HoldsArgs;
use crate::output::{harmless, say};

pub(crate) fn run(args: &HoldsArgs) -> anyhow::Result<ExitCode> {
    let text = admin::get(&args.ask, "/v1/holds", &[])?;
    if args.ask.json {
        say(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let page: HoldsPage = serde_json::from_str(&text)
        .context("this is no Convoke server, or one of another version")?;
    say(show(&page).trim_end());
    Ok(ExitCode::SUCCESS)
}

fn show(page: &HoldsPage) -> String {
    if page.holds.is_empty() && page.reservations.is_empty() {
        return "Nobody holds any room.\n".to_owned();
    }
    let (left, right) = (Align::Left, Align::Right);
    let mut out = String::new();
    if !page.holds.is_empty() {
        let mut table = Table::new(&[
            ("STATE", left),
            ("SEATS", right),
            ("USED", right),
            ("UNTIL", left),
            ("MIXER", left),
            ("TENANT", left),
            ("CONFERENCE", left),
        ]);
        page.holds.iter().for_each(|hold| table.row(of_hold(hold)));
        out.push_str(&table.show(""));
    }
    if !page.reservations.is_empty() {
        let mut table = Table::new(&[
            ("RESERVED", left),
            ("SEATS", right),
            ("FROM", left),
            ("UNTIL", left),
            ("TENANT", left),
            ("CONFERENCE", left),
        ]);
        page.reservations.iter().for_each(|it| table.row(of_reservation(it)));
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&table.show(""));
    }
    out
}

fn of_hold(hold: &HoldStatus) -> Vec<String> {
    let state = match hold.state {
        HoldState::Soft => "soft",
        HoldState::Firm => "firm",
        HoldState::Reserved => "reserved",
        HoldState::Active => "active",
    };
    vec![
        state.to_owned(),
        hold.seats.to_string(),
        hold.used.to_string(),
        time_of_day(hold.until.0),
        hold.mixer.clone(),
        tenant(&hold.tenant),
        harmless(&hold.conference),
    ]
}

fn of_reservation(it: &ReservationStatus) -> Vec<String> {
    let state = match (it.state, it.missing) {
        (ReservationState::Waiting, _) => "waiting".to_owned(),
        (ReservationState::Open, 0) => "open".to_owned(),
        (ReservationState::Running, 0) => "running".to_owned(),
        (ReservationState::Open | ReservationState::Running, missing) => {
            format!("{missing} seats short")
        }
    };
    let (from, until) = (moment(it.from.0), moment(it.until.0));
    vec![state, it.legs.to_string(), from, until, tenant(&it.tenant), harmless(&it.conference)]
}

fn tenant(name: &str) -> String {
    if name.is_empty() { "-".to_owned() } else { harmless(name) }
}

#[cfg(test)]
mod tests {
    use pool::{Cost, CostModel};
    use units::UnixTime;

    use super::*;

    #[test]
    fn holds_and_reservations_stand_in_columns() {
        let hold = HoldStatus {
            conference: "sip:conf-a@127.0.0.1:5060".to_owned(),
            state: HoldState::Soft,
            seats: 4,
            used: 0,
            until: UnixTime(1_795_400_060),
            tenant: String::new(),
            mixer: "1/0".to_owned(),
            used_cost: Cost::ZERO,
            leg: CostModel::default().plain_leg(),
        };
        let reservation = ReservationStatus {
            conference: "sip:conf-b@127.0.0.1:5060".to_owned(),
            legs: 50,
            from: UnixTime(1_795_442_400),
            until: UnixTime(1_795_446_000),
            tenant: "acme".to_owned(),
            state: ReservationState::Open,
            missing: 3,
        };
        let page = HoldsPage { holds: vec![hold], reservations: vec![reservation] };
        assert_eq!(
            show(&page),
            "STATE  SEATS  USED  UNTIL      MIXER  TENANT  CONFERENCE\n\
             soft       4     0  02:14:20Z  1/0    -       sip:conf-a@127.0.0.1:5060\n\n\
             RESERVED       SEATS  FROM                  UNTIL                 TENANT  CONFERENCE\n\
             3 seats short     50  2026-11-23 14:00:00Z  2026-11-23 15:00:00Z  acme    \
             sip:conf-b@127.0.0.1:5060\n"
        );
        let empty = HoldsPage { holds: Vec::new(), reservations: Vec::new() };
        assert_eq!(show(&empty), "Nobody holds any room.\n");
    }
}
