//! The command line: names, help, and values that are read where they are written.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use server::config::parse_duration;
use sip::Uri;
use terminal::wav::RecordRate;
use terminal::{Key, Pattern, ReferMode};

use crate::output::complain;

mod config;
mod ctl;
mod drain;
mod load;
mod reach;
mod room;
mod token;
mod user;

pub(crate) use config::{CheckArgs, PrintConfigArgs, SettingArgs};
pub(crate) use ctl::{
    CtlAdmitArgs, CtlArgs, CtlCommand, CtlCreateArgs, CtlEnd, CtlEventsArgs, CtlSetArgs, OnOff,
    OrNone,
};
pub(crate) use drain::{DrainArgs, UndrainArgs};
pub(crate) use load::LoadArgs;
pub(crate) use reach::ReachArgs;
pub(crate) use room::{
    AskArgs, CalibrateArgs, CapacityArgs, ExplainArgs, HoldsArgs, Kind, ReserveArgs,
};
pub(crate) use token::{TokenAddArgs, TokenArgs, TokenCommand, TokenListArgs, TokenRemoveArgs};
pub(crate) use user::{UserAddArgs, UserArgs, UserCommand, UserListArgs, UserRemoveArgs, WhoArgs};

/// What a wrong command line ends with; clap's own choice for what it finds itself.
pub(crate) const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Try it, in four terminals:
  convoke serve
  convoke answer --sip 127.0.0.1:5071
  convoke answer --sip 127.0.0.1:5072
  convoke conference sip:conference@127.0.0.1:5060 \\
      --invite sip:bob@127.0.0.1:5071 sip:carol@127.0.0.1:5072

Or all at once, with proof of who heard whom:
  convoke demo";

/// Calls people together: ask one address for a conference, get one made for you.
///
/// A terminal asks the conference factory with an INVITE. The factory holds room for the conference
/// and answers with a URI made for it alone. The terminal passes that URI on with REFER, everybody
/// calls it, and everybody hears everybody else.
#[derive(Debug, Parser)]
#[command(name = "convoke", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(ServeArgs),
    Check(CheckArgs),
    PrintConfig(PrintConfigArgs),
    Call(CallArgs),
    Conference(ConferenceArgs),
    Answer(AnswerArgs),
    Watch(WatchArgs),
    Status(StatusArgs),
    Load(LoadArgs),
    Explain(ExplainArgs),
    Holds(HoldsArgs),
    Capacity(CapacityArgs),
    Calibrate(CalibrateArgs),
    Reserve(ReserveArgs),
    Drain(DrainArgs),
    Undrain(UndrainArgs),
    Ctl(CtlArgs),
    Token(TokenArgs),
    User(UserArgs),
    Demo(DemoArgs),
}

/// Run the conference server: factory, focus and mixer.
///
/// It prints the address to call and how to call it. Ctrl-C or SIGTERM says BYE to every leg and ends; with
/// --drain-deadline the first one lets those who are in talk on for so long, and the second says BYE.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke serve
  convoke serve --sip 192.0.2.10:5060 --config convoke.toml
  convoke serve --sip 127.0.0.1:0 --json")]
pub(crate) struct ServeArgs {
    /// A TOML file: several listeners, factories, who is let in. Flags win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// How long conferences may go on after Ctrl-C or SIGTERM, while no new one is taken
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub(crate) drain_deadline: Duration,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Convene a conference: call the factory, join, bring in the others.
///
/// Ctrl-C leaves it. The exit status is 0 if the conference came about and everybody invited joined.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke conference sip:conference@127.0.0.1:5060 --invite sip:bob@127.0.0.1:5071
  convoke conference sip:conference@mix.example.com --play hello.wav --record heard.wav --for 20s
  convoke conference sip:8000@192.0.2.10 --invite sip:desk@192.0.2.77 --refer inside
  convoke conference sip:8000@192.0.2.10 --invite sip:desk@192.0.2.77 --refer focus")]
pub(crate) struct ConferenceArgs {
    /// The address that makes conferences, as in sip:conference@HOST
    #[arg(value_parser = sip_uri)]
    pub(crate) factory: Uri,
    /// Whom to bring in
    #[arg(long, value_name = "URI", num_args = 1.., value_parser = sip_uri)]
    pub(crate) invite: Vec<Uri>,
    /// How long to stay, as in 20s or 5m [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) stay: Option<Duration>,
    /// How the others are asked to come
    #[arg(long, value_enum, default_value_t = Refer::Auto)]
    pub(crate) refer: Refer,
    /// Print who is in, each time that changes
    #[arg(long)]
    pub(crate) who: bool,
    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Talk to several people, and make one conference of them.
///
/// On a terminal it shows the calls and takes keys: c calls, a answers, h holds, m merges, ? helps.
/// Otherwise, or with --lines, it reads one command a line from standard input. While a call is on hold,
/// or all are muted, silence is sent.
#[derive(Args, Debug)]
#[command(after_help = "\
Commands:
  call URI          answer [N]     hold [N]       resume [N]     hangup [N]
  refer URI [N]     merge          mute           unmute         quit

Examples:
  convoke call sip:bob@127.0.0.1:5071 --factory sip:conference@127.0.0.1:5060
  convoke call --sip 192.0.2.7:5060 --play hello.wav
  printf 'call sip:bob@127.0.0.1:5071\\n' | convoke call --json")]
pub(crate) struct CallArgs {
    /// Whom to call at once
    #[arg(value_name = "URI", value_parser = sip_uri)]
    pub(crate) targets: Vec<Uri>,
    /// The address that makes conferences, for `merge`
    #[arg(long, value_name = "URI", value_parser = sip_uri)]
    pub(crate) factory: Option<Uri>,
    /// Whose REFER is followed, as with `convoke answer`; may be given again
    /// [default: whoever calls from this machine]
    #[arg(long, value_name = "PATTERN")]
    pub(crate) trust: Vec<Pattern>,
    /// Lines on a terminal, too
    #[arg(long)]
    pub(crate) lines: bool,
    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Answer calls, and join the conferences that others refer you to.
///
/// It prints the address it can be called at. Ctrl-C hangs up and ends.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke answer
  convoke answer --sip 127.0.0.1:5071 --play hello.wav --record heard.wav --once
  convoke answer --sip 192.0.2.7:5060 --trust 192.0.2.0/24 --trust alice@example.com")]
pub(crate) struct AnswerArgs {
    /// End when the first calls have ended
    #[arg(long)]
    pub(crate) once: bool,
    /// Whose REFER is followed: *, an address, a network (192.0.2.0/24), or user@host where either
    /// may be *. May be given again. A caller may always refer us
    /// [default: whoever calls from this machine]
    #[arg(long, value_name = "PATTERN")]
    pub(crate) trust: Vec<Pattern>,
    /// Print who is in a conference that we come to, each time that changes. Without it nobody asks the conference
    #[arg(long)]
    pub(crate) who: bool,
    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Show who is in a conference, live, without joining it.
///
/// It subscribes to the conference's URI, the one that was joined. On a terminal the list is drawn anew
/// with every change; elsewhere there is one line for each, with --json one object. While nobody has
/// joined yet it waits. Ctrl-C ends it; so does the end of the conference.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke watch sip:conf-k7...q@127.0.0.1:5060
  convoke watch sip:conf-k7...q@mix.example.com --json --for 10m")]
pub(crate) struct WatchArgs {
    /// The conference's own address
    #[arg(value_parser = sip_uri)]
    pub(crate) conference: Uri,
    /// How long to watch, as in 20s or 5m [default: until it is over]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) stay: Option<Duration>,
    /// Our own address; port 0 picks a free one [default: the one others are reached from, port 0]
    #[arg(long, value_name = "ADDR", value_parser = socket_address)]
    pub(crate) sip: Option<SocketAddr>,
    /// The name in our own URI
    #[arg(long, value_name = "NAME", default_value = "watcher", value_parser = user_name)]
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Show a server's conferences, legs and room.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Show it all on this machine: one server, three voices, who heard whom.
///
/// Starts a server and three terminals as processes of their own on loopback, shows every SIP message
/// between them as it goes, then proves from their recordings that everybody heard all the others
/// and nobody himself. The exit status is 0 only if that is so.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where the recordings go [default: a new folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// How long the three talk [default: until all have heard each other, 6s to 18s]
    #[arg(long = "for", value_name = "TIME", value_parser = demo_time)]
    pub(crate) talk: Option<Duration>,
}

/// What every terminal has.
#[derive(Args, Debug)]
pub(crate) struct TerminalArgs {
    /// Our own address; port 0 picks a free one [default: the one others are reached from, port 0]
    #[arg(long, value_name = "ADDR", value_parser = socket_address)]
    pub(crate) sip: Option<SocketAddr>,
    /// The name in our own URI
    #[arg(long, value_name = "NAME", default_value = "terminal", value_parser = user_name)]
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    /// Say this, again and again: 8, 16 or 48 kHz, mono or stereo [default: silence]
    #[arg(long, value_name = "WAV")]
    pub(crate) play: Option<PathBuf>,
    /// Key this in each call, a second after it is up, as in 471147#: a conference's PIN
    #[arg(long, value_name = "KEYS", value_parser = keys)]
    pub(crate) keys: Option<Keys>,
    /// Write what is heard to this file
    #[arg(long, value_name = "WAV")]
    pub(crate) record: Option<PathBuf>,
    /// Samples per second of --record: 8000, 16000 or 48000
    #[arg(long, value_name = "HZ", default_value = "8000", value_parser = record_rate)]
    pub(crate) record_rate: RecordRate,
}

/// Keys of a telephone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys(pub(crate) Vec<Key>);

fn keys(text: &str) -> Result<Keys, &'static str> {
    let keys = text.chars().map(Key::of_char).collect::<Option<Vec<_>>>();
    keys.filter(|keys| !keys.is_empty()).map(Keys).ok_or("write digits, * and #, as in 471147#")
}

/// What every long-running command has.
#[derive(Args, Clone, Debug)]
pub(crate) struct CommonArgs {
    /// One JSON object per line instead of words
    #[arg(long)]
    pub(crate) json: bool,
    /// Show every SIP message as it goes: a ladder, or with --json one line each
    #[arg(long, alias = "messages")]
    pub(crate) trace: bool,
    /// Keep every SIP message in a capture file, for tshark and Wireshark
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// End when standard input closes: so that no child outlives its parent
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Refer {
    /// Outside any call first; where that is refused or not answered, inside a call
    Auto,
    /// By a REFER outside any call
    Outside,
    /// By a REFER inside a call made for it: what most desk phones take
    Inside,
    /// Not at all: the conference calls them, as far as `[dial_out]` of its server lets it
    Focus,
}

impl From<Refer> for ReferMode {
    fn from(refer: Refer) -> Self {
        match refer {
            Refer::Auto => Self::Auto,
            Refer::Outside => Self::Outside,
            Refer::Inside => Self::Inside,
            Refer::Focus => Self::Focus,
        }
    }
}

/// Prints what clap found: help as help, a bad value in one line, anything else with its usage.
pub(crate) fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::ValueValidation => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            complain(&about_value(line));
            ExitCode::from(USAGE)
        }
        _ => {
            // To a closed pipe there is nothing to say.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
        }
    }
}

/// What is wrong with a value, as one sentence: some reasons go on from the quoted value, which is not what stands before them here.
fn about_value(line: &str) -> String {
    line.trim_start_matches("error: ").replacen("': is ", "': this is ", 1)
}

pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an address and a port, as in 127.0.0.1:5060")
}

pub(crate) fn sip_uri(text: &str) -> Result<Uri, &'static str> {
    const HOW: &str = "write a SIP URI, as in sip:name@host or sip:name@192.0.2.7:5060";
    match text.parse::<Uri>() {
        Ok(uri @ Uri::Sip(_)) => Ok(uri),
        Ok(Uri::Other { .. }) | Err(_) => Err(HOW),
    }
}

fn user_name(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || !text.chars().all(plain) {
        return Err("write letters, digits, `-`, `_` and `.` only");
    }
    Ok(text.to_owned())
}

fn record_rate(text: &str) -> Result<RecordRate, &'static str> {
    text.parse()
}

/// Long enough to find every voice in the recordings, short enough to watch.
fn demo_time(text: &str) -> Result<Duration, String> {
    let (least, most) = (Duration::from_secs(6), Duration::from_secs(600));
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    if time < least || time > most {
        return Err("must be 6s to 10m".to_owned());
    }
    Ok(time)
}

/// Loopback, where nothing else is said.
pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[cfg(test)]
mod tests;
