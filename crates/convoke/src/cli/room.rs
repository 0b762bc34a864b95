//! Commands about room: why it was given, who holds it, how much there is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pool::Codec;
use server::config::parse_duration;

use super::socket_address;

/// Show why the server gave a conference its room, or refused it.
///
/// Every mixer that was looked at, what it had and why it was chosen or not. Of a conference: the decision that
/// was kept with it. With --legs: what would be decided now; nothing is held. With neither: what was of late, of all or of --tenant.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke explain
  convoke explain sip:conf-k7...q@127.0.0.1:5060
  convoke explain --tenant acme
  convoke explain --legs 50 --codec pcma --tenant acme --json")]
pub(crate) struct ExplainArgs {
    /// A conference URI, an id as `convoke ctl list` shows it, or how either begins
    #[arg(conflicts_with = "legs")]
    pub(crate) conference: Option<String>,
    /// What would be decided about a conference of so many now
    #[arg(long, value_name = "N")]
    pub(crate) legs: Option<u32>,
    #[command(flatten)]
    pub(crate) kind: Kind,
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
    /// A file whose first line is the token [default: what CONVOKE_TOKEN holds]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

fn codec(text: &str) -> Result<Codec, &'static str> {
    Codec::from_name(text).ok_or("write pcmu or pcma")
}

/// What legs are asked about.
#[derive(Args, Debug)]
pub(crate) struct Kind {
    /// Their codec: pcmu or pcma
    #[arg(long, value_name = "NAME", default_value = "pcmu", value_parser = codec)]
    pub(crate) codec: Codec,
    /// Their packet time
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = parse_duration)]
    pub(crate) ptime: Duration,
    /// Who would pay: a name of `[tenants.NAME]`
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
}

/// Show who holds room: conferences nobody has joined, those that run, and reservations.
///
/// A soft hold is one whose asker has not shown yet that he receives where he asks from: the first to give way. Times are
/// UTC.
#[derive(Args, Debug)]
pub(crate) struct HoldsArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Show how many legs fit on the server, and how many more.
///
/// With --legs: whether so many conferences of that size would get their room now. Nothing is held. The exit status
/// is 0 only if they would.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke capacity
  convoke capacity --legs 50 --codec pcmu --conferences 5")]
pub(crate) struct CapacityArgs {
    /// Legs in each conference
    #[arg(long, value_name = "N")]
    pub(crate) legs: Option<u32>,
    /// How many such conferences
    #[arg(long, value_name = "N", default_value = "1", requires = "legs")]
    pub(crate) conferences: u32,
    #[command(flatten)]
    pub(crate) kind: Kind,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Measure what legs cost on this machine, with the real mixer and real sockets on loopback.
///
/// It takes two cores for a third of a minute: best while nothing else runs. With --state-dir it is kept there, and `convoke serve`
/// with the same folder decides by it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke calibrate --state-dir /var/lib/convoke
  convoke calibrate --json")]
pub(crate) struct CalibrateArgs {
    /// Where to keep it
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state_dir: Option<PathBuf>,
    /// JSON instead of words
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reserve room for a conference at a time to come: its URI now, the room then.
///
/// The answer is a promise that outlives the server's process; it must run with --state-dir. The conference can be
/// joined from a little before its time on. See `convoke holds` for what is reserved.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke reserve --legs 50 --from 14:00 --for 1h --tenant acme
  convoke reserve --legs 8 --from +2h --for 30m
  convoke reserve --legs 8 --from 2026-12-24T18:00Z --for 2h --json
  convoke reserve --cancel sip:conf-k7...q@127.0.0.1:5060")]
pub(crate) struct ReserveArgs {
    /// How many are to come
    #[arg(long, value_name = "N", required_unless_present = "cancel")]
    pub(crate) legs: Option<u32>,
    /// When it begins: 14:00 (the next time it is that late, in UTC), +2h from now, 2026-12-24T18:00Z, or with another
    /// offset, 2026-12-24T19:00+01:00
    #[arg(long, value_name = "TIME", required_unless_present = "cancel")]
    pub(crate) from: Option<String>,
    /// How long it lasts
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, default_value = "1h")]
    pub(crate) lasts: Duration,
    /// A name for this request: given again, with the same times and size, it is the same reservation
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// Give this reservation up
    #[arg(long, value_name = "URI", conflicts_with_all = ["legs", "from"])]
    pub(crate) cancel: Option<String>,
    #[command(flatten)]
    pub(crate) kind: Kind,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}
