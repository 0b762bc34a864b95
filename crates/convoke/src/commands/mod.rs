//! One file per command.

mod admin;
pub(crate) mod answer;
pub(crate) mod calibrate;
pub(crate) mod call;
pub(crate) mod capacity;
pub(crate) mod check;
pub(crate) mod conference;
pub(crate) mod ctl;
pub(crate) mod demo;
pub(crate) mod drain;
pub(crate) mod explain;
mod following;
pub(crate) mod holds;
pub(crate) mod load;
mod next_file;
mod notices;
mod reach;
pub(crate) mod reserve;
pub(crate) mod serve;
pub(crate) mod status;
mod table;
mod terminals;
pub(crate) mod token;
pub(crate) mod user;
pub(crate) mod watch;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

/// What runs a command: it waits for events and signals. The work is done in threads of their own.
fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the event loop")
}

/// Ends at once, without another word: told to stop a second time.
pub(crate) fn end_at_once() -> ! {
    // 128 + SIGINT, as shells report it.
    std::process::exit(130)
}

/// A moment in UTC, `2026-11-30 12:34:56Z`, from seconds since 1970.
fn moment(unix: u64) -> String {
    let text = server::rfc3339(std::time::Duration::from_secs(unix));
    format!("{} {}", text.split('T').next().unwrap_or_default(), time_of_day(unix))
}

/// A moment of the day in UTC, `12:34:56Z`, from seconds since 1970.
fn time_of_day(unix: u64) -> String {
    let second = unix % 86_400;
    format!("{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}
