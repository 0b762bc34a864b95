//! `convoke ctl`: its command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use server::Pin;
use server::config::parse_duration;

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
  convoke ctl set k7 --max 8 --max-time 90m --lobby on
  convoke ctl admit k7 2
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
    /// Let somebody in who is asked for a PIN or waits in the lobby
    Admit(CtlAdmitArgs),
    /// Let a participant go, turn away who waits, or give up calling somebody
    Remove(CtlPersonArgs),
    /// Change what a conference goes by
    Set(CtlSetArgs),
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
    /// How long it may last, as in 90m; a minute before its end all hear a few tones [default: as its factory has it]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) max_time: Option<Duration>,
    /// What guests have to key: 4 to 12 digits [default: as its factory has it]
    #[arg(long, value_name = "DIGITS")]
    pub(crate) pin: Option<Pin>,
    /// What makes a moderator of whoever keys it [default: as its factory has it]
    #[arg(long, value_name = "DIGITS")]
    pub(crate) moderator_pin: Option<Pin>,
    /// Let guests wait until somebody lets them in
    #[arg(long)]
    pub(crate) lobby: bool,
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// The user of the factory whose rules it goes by [default: the first factory]
    #[arg(long, value_name = "USER")]
    pub(crate) factory: Option<String>,
    /// The tenant who pays [default: whoever pays for that factory]
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
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

/// What is not named stays as it is; `none` takes it away.
#[derive(Args, Debug)]
pub(crate) struct CtlSetArgs {
    /// Its id, the beginning of it, or its URI
    pub(crate) conference: String,
    /// A name for people, or none
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Legs that there may be at most, or none; those who are in stay
    #[arg(long, value_name = "N", value_parser = or_none(count))]
    pub(crate) max: Option<OrNone<u32>>,
    /// How long it may last from when somebody joined, as in 90m, or none
    #[arg(long, value_name = "TIME", value_parser = or_none(parse_duration))]
    pub(crate) max_time: Option<OrNone<Duration>>,
    /// What guests have to key, or none; those who are in stay
    #[arg(long, value_name = "DIGITS", value_parser = or_none(Pin::from_str))]
    pub(crate) pin: Option<OrNone<Pin>>,
    /// What makes a moderator of whoever keys it, or none
    #[arg(long, value_name = "DIGITS", value_parser = or_none(Pin::from_str))]
    pub(crate) moderator_pin: Option<OrNone<Pin>>,
    /// Whether guests wait until somebody lets them in
    #[arg(long, value_enum)]
    pub(crate) lobby: Option<OnOff>,
    /// When it ends
    #[arg(long, value_enum)]
    pub(crate) end: Option<CtlEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    On,
    Off,
}

/// Something, or that it is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrNone<T> {
    None,
    Some(T),
}

fn or_none<T, E>(read: fn(&str) -> Result<T, E>) -> impl Fn(&str) -> Result<OrNone<T>, E> + Clone {
    move |text| if text == "none" { Ok(OrNone::None) } else { read(text).map(OrNone::Some) }
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is no number: write one, or none"))
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
pub(crate) struct CtlAdmitArgs {
    #[command(flatten)]
    pub(crate) who: CtlPersonArgs,
    /// As a moderator: he may have others called and removed, and sees who waits. Also of who is in already
    #[arg(long)]
    pub(crate) moderator: bool,
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
