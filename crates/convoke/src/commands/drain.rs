//! `convoke drain`, `convoke undrain`.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use server::{DrainPage, DrainStatus};

use super::admin;
use super::status::clock;
use crate::cli::{AskArgs, DrainArgs, UndrainArgs};
use crate::output::say;

pub(crate) fn drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let deadline = args.deadline.map(|deadline| deadline.as_secs());
    let body = match deadline {
        Some(seconds) => json!({ "deadline_seconds": seconds }),
        None => json!({}),
    };
    show(&args.ask, &admin::post(&args.ask, "/v1/drain", &body)?)
}

pub(crate) fn undrain(args: &UndrainArgs) -> anyhow::Result<ExitCode> {
    show(&args.ask, &admin::delete(&args.ask, "/v1/drain")?)
}

fn show(args: &AskArgs, text: &str) -> anyhow::Result<ExitCode> {
    if args.json {
        say(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let page: DrainPage = serde_json::from_str(text)
        .context("this is no Convoke server, or one of another version")?;
    match page.draining {
        Some(draining) => say(&words(&draining)),
        None => say("New conferences are taken."),
    }
    Ok(ExitCode::SUCCESS)
}

/// How far draining has come, in a sentence.
pub(super) fn words(draining: &DrainStatus) -> String {
    let left = match draining.conferences {
        0 => "none is left".to_owned(),
        1 => "1 is left".to_owned(),
        left => format!("{left} are left"),
    };
    let end = match draining.ends_in {
        Some(seconds) if draining.conferences > 0 => format!(", and ends in {}", clock(seconds)),
        Some(_) | None => String::new(),
    };
    format!("Draining: no new conferences; {left}{end}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_what_is_left_and_for_how_long() {
        let says = |conferences, ends_in| words(&DrainStatus { seconds: 3, ends_in, conferences });
        assert_eq!(says(0, None), "Draining: no new conferences; none is left.");
        assert_eq!(says(0, Some(9)), "Draining: no new conferences; none is left.");
        assert_eq!(
            says(1, Some(600)),
            "Draining: no new conferences; 1 is left, and ends in 10:00."
        );
        assert_eq!(says(2, None), "Draining: no new conferences; 2 are left.");
    }
}
