//! Commands for a server that is to go.

use std::time::Duration;

use clap::Args;
use server::config::parse_duration;

use super::room::AskArgs;

/// Have a server take no new conferences; those there are go on.
///
/// Others may still join what is held and what runs. Whoever asks for a new conference gets 503, and GET /ready says
/// so to whoever shares out callers. `convoke undrain` takes it back.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke drain
  convoke drain --deadline 10m
  convoke status")]
pub(crate) struct DrainArgs {
    /// End what still runs after this time [default: let it run]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) deadline: Option<Duration>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Have a server that was drained take new conferences again.
#[derive(Args, Debug)]
pub(crate) struct UndrainArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}
