//! One file per command.

mod admin;
pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod conference;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod load;
mod reach;
pub(crate) mod serve;
pub(crate) mod status;
mod table;
mod terminals;
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

/// A moment of the day in UTC, `12:34:56Z`, from seconds since 1970.
fn time_of_day(unix: u64) -> String {
    let second = unix % 86_400;
    format!("{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}
