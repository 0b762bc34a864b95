//! What a server goes by, from the command line; and the commands that look at it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use server::config::PortRange;

use super::socket_address;

/// Say all that is wrong with a configuration, without starting a server.
///
/// First the file, each mistake with its line; if there is none, this machine: whether addresses and ports are free, files
/// can be read and written, and there is room for what is promised. The exit status is 0 if a server would start.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke check convoke.toml
  convoke check convoke.toml --running && systemctl reload convoke
  convoke check --sip 192.0.2.10:5060 --json")]
pub(crate) struct CheckArgs {
    /// The TOML file [default: flags and defaults alone]
    #[arg(value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// A server runs with it already: its addresses may be taken
    #[arg(long)]
    pub(crate) running: bool,
    /// One JSON object with all of it
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep every SIP message in a capture file
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
}

/// Print what a server would go by: every key, its value, and where that comes from.
///
/// It is TOML, and `convoke serve --config` goes by it just the same. Passwords and tokens stand in files of their own and
/// are not shown. PINs are masked, and what is masked is no configuration, unless --secrets is said.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke print-config
  convoke print-config convoke.toml --sip 192.0.2.10:5060 > whole.toml")]
pub(crate) struct PrintConfigArgs {
    /// The TOML file [default: flags and defaults alone]
    #[arg(value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print PINs too: whoever reads them can join
    #[arg(long)]
    pub(crate) secrets: bool,
    /// Keep every SIP message in a capture file
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
}

/// What wins over the file.
#[derive(Args, Debug)]
pub(crate) struct SettingArgs {
    /// Where SIP is spoken, over UDP and TCP, as in 192.0.2.10:5060 or `[2001:db8::1]:5060`; port 0 picks a free one [default: 127.0.0.1:5060]
    #[arg(long, value_name = "ADDR", value_parser = socket_address)]
    pub(crate) sip: Option<SocketAddr>,
    /// Where audio flows [default: the address of --sip]
    #[arg(long, value_name = "IP")]
    pub(crate) media_ip: Option<IpAddr>,
    /// The ports for audio [default: 20000-29999]
    #[arg(long, value_name = "A-B")]
    pub(crate) rtp_ports: Option<PortRange>,
    /// Where `convoke status` asks, on loopback; port 0 picks a free one [default: 127.0.0.1:5080]
    #[arg(long, value_name = "ADDR", value_parser = socket_address)]
    pub(crate) admin: Option<SocketAddr>,
    /// Who may do what over HTTP: a file that `convoke token add` made. Without it one may only look
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_tokens: Option<PathBuf>,
    /// Let every program of this machine do everything over HTTP
    #[arg(long)]
    pub(crate) admin_open: bool,
    /// Where keys, reservations and measurements are kept, so that they outlive the process [default: nowhere]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Append a line of JSON for each leg and conference that is over; `-`: standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) records: Option<PathBuf>,
    /// Let everybody in: needed where others can reach us and the file has neither `[auth]` users nor
    /// an `[access]` allow list
    #[arg(long)]
    pub(crate) open: bool,
    /// For trying things out, be a small registrar too: phones that register as sip:NAME@HOST find each
    /// other here without a PBX. With `[auth]` a user registers his own name, without it anybody any
    #[arg(long)]
    pub(crate) lab_registrar: bool,
}
