//! `convoke ctl`: its command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::socket_address;

/// Steer a running server: make, lock and end conferences; call, mute and remove who is in them.
///
/// It asks the server's HTTP interface, as any program can; docs/API.md has the same with curl. A conference is
/// named by its id, the beginning of it, or its URI. Looking needs no token on loopback; anything else does, unless
/// the server was started with --admin-open.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke ctl list
  convoke ctl create --seats 5 --title \"Monday, 9:00\"
  convoke ctl dial k7 sip:bob@192.0.2.7
  convoke ctl mute k7 2
  convoke ctl events --json
  convoke ctl end k7 --token-file booking.token")]
pub(crate) struct CtlArgs {
    /// Where the server's HTTP interface listens
    #[arg(long, global = true, value_name = "ADDR", value_parser = socket_address,
          default_value_t = server::Config::ADMIN_DEFAULT)]
    pub(crate) admin: SocketAddr,
    /// A file whose first line is the token [default: what CONVOKE_TOKEN holds]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// What the server says, as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: CtlCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CtlCommand {
    /// Show all conferences, held and running
    List,
    /// Show one conference, and who is in it
    Show(CtlOne),
    /// Hold room for a conference, and print its URI
    Create(CtlCreateArgs),
    /// Have a conference call somebody, as far as `[dial_out]` of the server allows it
    Dial(CtlDialArgs),
    /// Keep a participant's sound out
    Mute(CtlPersonArgs),
    /// Let it in again
    Unmute(CtlPersonArgs),
    /// Let a participant go, or give up calling him
    Remove(CtlPersonArgs),
    /// Let nobody in any more who is not called
    Lock(CtlOne),
    /// Let in again whoever has the URI
    Unlock(CtlOne),
    /// End a conference for all
    End(CtlOne),
    /// Show what happens, as it happens
    Events(CtlEventsArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CtlOne {
    /// Its id, the beginning of it, or its URI
    pub(crate) conference: String,
}

#[derive(Args, Debug)]
pub(crate) struct CtlCreateArgs {
    /// Legs that are expected: room for so many is held [default: as its factory has it]
    #[arg(long, value_name = "N")]
    pub(crate) seats: Option<u32>,
    /// Legs that there may be at most [default: as its factory has it]
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u32>,
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// The user of the factory whose rules it goes by [default: the first factory]
    #[arg(long, value_name = "USER")]
    pub(crate) factory: Option<String>,
    /// When it ends [default: as its factory has it]
    #[arg(long, value_enum)]
    pub(crate) end: Option<CtlEnd>,
    /// Let only those in who are called
    #[arg(long)]
    pub(crate) locked: bool,
    /// Ask again under the same key and get the same conference
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CtlEnd {
    /// When the last one leaves
    LastLeaves,
    /// When the one who asked for it leaves
    CreatorLeaves,
}

#[derive(Args, Debug)]
pub(crate) struct CtlDialArgs {
    /// Its id, the beginning of it, or its URI
    pub(crate) conference: String,
    /// Whom to call, as in sip:bob@192.0.2.7
    pub(crate) uri: String,
}

#[derive(Args, Debug)]
pub(crate) struct CtlPersonArgs {
    /// Its id, the beginning of it, or its URI
    pub(crate) conference: String,
    /// The participant's number, as `convoke ctl show` has it
    pub(crate) participant: u32,
}

#[derive(Args, Debug)]
pub(crate) struct CtlEventsArgs {
    /// Only what is about this conference
    #[arg(long, value_name = "CONFERENCE")]
    pub(crate) of: Option<String>,
    /// Begin after the event of this id
    #[arg(long, value_name = "ID")]
    pub(crate) since: Option<String>,
}
