//! Commands about room: why it was given, who holds it, how much there is.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use pool::Codec;
use server::config::parse_duration;

use super::socket_address;

/// Show why the server gave a conference its room, or refused it.
///
/// Every mixer that was looked at, what it had and why it was chosen or not. Of a conference: the decision that
/// was kept with it. With --legs: what would be decided now; nothing is held. With neither: what was of late.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke explain
  convoke explain sip:conf-k7...q@127.0.0.1:5060
  convoke explain --legs 50 --codec pcma --tenant acme --json")]
pub(crate) struct ExplainArgs {
    /// A conference URI, or how its user part begins
    #[arg(conflicts_with = "legs")]
    pub(crate) conference: Option<String>,
    /// What would be decided about a conference of so many now
    #[arg(long, value_name = "N")]
    pub(crate) legs: Option<u32>,
    /// Their codec: pcmu or pcma
    #[arg(long, value_name = "NAME", default_value = "pcmu", value_parser = codec)]
    pub(crate) codec: Codec,
    /// Their packet time
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = parse_duration)]
    pub(crate) ptime: Duration,
    /// Who would pay: a name of `[tenants.NAME]`
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// What every command has that asks a running server.
#[derive(Args, Debug)]
pub(crate) struct AskArgs {
    /// Where the server's HTTP interface listens
    #[arg(long, value_name = "ADDR", value_parser = socket_address,
          default_value_t = server::Config::ADMIN_DEFAULT)]
    pub(crate) admin: SocketAddr,
    /// JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

fn codec(text: &str) -> Result<Codec, &'static str> {
    Codec::from_name(text).ok_or("write pcmu or pcma")
}
