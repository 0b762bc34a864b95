//! One file per command.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod conference;
pub(crate) mod demo;
pub(crate) mod load;
mod reach;
pub(crate) mod serve;
pub(crate) mod status;
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
