//! TOML and flags become one [`Config`], checked whole before any port is bound.
//!
//! ```toml
//! [sip]
//! nat = "auto"                      # reach phones behind a NAT the way they came; or "off": where they say
//! dscp = 24                         # of what is sent, 0-63; default: CS3
//! lab_registrar = false             # true: phones may register here, for trying things out
//!
//! [media]
//! dscp = 46                         # of what is sent, 0-63; default: EF
//! mixers = 3                        # threads that mix, each on a core of its own; default: one core less than there are
//!
//! [[sip.listen]]                    # where SIP is spoken, over UDP and TCP
//! bind = "127.0.0.1:5060"           # port 0 picks a free one
//! advertise = "mix.example.com"     # what others are told, host or host:port; default: bind
//!
//! [media]
//! heard = 3                         # how many of a conference are heard at a time: the loudest
//!
//! [[media.listen]]                  # where RTP flows; one for IPv4 and one for IPv6
//! bind = "127.0.0.1"                # default: the first SIP address of each family
//! advertise = "203.0.113.5"         # default: bind
//! ports = "20000-29999"
//!
//! [[factory]]                       # an address that makes conferences
//! users = ["conference", "8000"]    # default: ["conference"]
//! hosts = ["example.com"]           # besides our own addresses
//! answer = "redirect"               # or "deliver": the 200 comes from the focus at once
//! hold = "60s"                      # how long room is kept for a conference nobody has joined
//! expect = 4                        # seats kept when the caller does not say how many
//! end = "last-leaves"               # or "creator-leaves"
//! max = 20                          # legs in one conference at most; default: the pool decides
//! max_time = "2h"                   # how long one may last; a minute before its end all hear a few tones. Default: for ever
//! pin = "471147"                    # what callers key to be let in, but for the one who asked for it; 4 to 12 digits. Default: none
//! moderator_pin = "80047"           # what makes a moderator of whoever keys it
//! lobby = false                     # true: guests wait until somebody lets them in
//! tenant = "acme"                   # who pays for its conferences, if no user or network says otherwise
//!
//! [[factory.answer_rule]]           # some are answered otherwise: who fits all that is named; the first rule that fits counts
//! user_agent = "AudioCodes*"        # what User-Agent says; * is any text, upper and lower case are one
//! source = "10.0.0.0/8"             # where the request came from: the caller, or his proxy
//! transport = "tcp"                 # or "udp"
//! answer = "deliver"                # or "redirect"
//!
//! [admin]
//! bind = "127.0.0.1:5080"           # HTTP; elsewhere than on loopback only with tokens, and behind TLS of your own
//! tokens = "tokens"                 # made by `convoke token add`; relative to this file. Without it one may look only
//! open = false                      # true: every program of this machine may do everything; loopback only
//!
//! [pool]
//! capacity = 200                    # plain legs; default: from the machine, as `convoke calibrate` measured it
//! cpu_percent = 70                  # of the core of each mixer: what legs may take of it, where capacity is not given
//! packets_per_second = 100000       # what the network takes; default: not looked at
//! kbit_per_second = 500000          # the same in bits
//! bookable_percent = 80             # of the room: what reservations may take of it at any time
//! reserve_ahead = "15m"             # how long before a reservation its room is kept free of others
//!
//! [tenants.acme]                    # who shares the room; named in a factory, or by who asks or from where
//! users = ["alice", "bob"]          # users of [auth]
//! networks = ["192.0.2.0/24"]       # where its callers are
//! quota = 100                       # seats at most, in use and held: 486 above it
//! reserved = 20                     # seats that nobody else gets
//! per_minute = 30                   # conferences made in a minute at most: 486 above it
//!
//! [state]
//! dir = "/var/lib/convoke"          # keys, reservations and measurements; without it nothing outlives the process
//!
//! [records]
//! file = "calls.jsonl"              # a line for each leg and conference that is over; "-": standard output
//!
//! [trace]
//! pcap = "convoke.pcap"             # every SIP message, for tshark and Wireshark
//!
//! [access]
//! allow = ["127.0.0.0/8"]           # source networks that are let in
//! open = false                      # true: anybody may come, also where others reach us and there is no [auth]
//!
//! [dns]
//! servers = ["192.0.2.53:53"]       # default: those of the system
//!
//! [auth]                            # digest authentication; without it nobody is asked who he is
//! realm = "example.com"             # what the users belong to, and what phones show
//! users = "users"                   # made by `convoke user add`; relative to this file
//! md5 = false                       # true: offer MD5 after SHA-256, for phones that know nothing else;
//!                                   # "only": MD5 alone, for those that stumble over SHA-256
//! factory = "required"              # making a conference needs a user; or "open"
//! join = "open"                     # holding a conference's URI is enough; or "required"
//! subscribe = "required"            # looking on without joining needs a user; or "open"
//!
//! [dial_out]                        # whom a conference may call when its creator tells it to by REFER
//! allow = ["sip:*@example.com",     # a user, or all who begin so: sip:+4930*@gw.example.com
//!          "192.0.2.0/24"]          # whoever is called at an address of this network; default: nobody
//! refers_per_minute = 60            # REFERs that one conference takes
//!
//! [[webhook]]                       # who is told what happens, by POST; needs [state]
//! url = "https://example.com/hook"  # http: only on a network that you trust
//! secret_file = "hook.secret"       # signs each: `echo whsec_$(head -c 32 /dev/urandom | base64)`; relative to this file
//! ca_file = "ca.pem"                # whom the receiver's certificate is from; default: whom the system trusts
//! events = ["held", "ended"]        # default: all, but `talking`
//!
//! [limits]                          # answers that one address gets to what makes no conference and joins none
//! per_second = 10                   # in the long run
//! burst = 100                       # at once, after a time of quiet
//!
//! [overload]                        # when more comes than can be done
//! target = "10ms"                   # so long may who wants something new wait; then fewer are admitted, others get 503
//! per_second = 1000                 # no more new requests than this, however fast the machine; default: no limit
//! ```
//!
//! Who is called must also be let in by `[access]`, or his answers are not.
//!
//! Every key may be left out; a key that is not listed here is an error with its line.

mod answering;
mod auth;
mod check;
mod error;
mod file;
mod lenient;
mod media;
mod print;
mod sources;
mod tenants;
mod value;
mod webhooks;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use focus::factory::{AnswerForm, AnswerRule};
use focus::{DialRules, EntryRules};
use node::{Limits, Network, OverloadConfig};
use pool::TenantTerms;
use sip::{Host, Nat};

pub use auth::{Auth, Entry, Md5};
pub use error::{ConfigError, Place, Problem};
pub use print::Secrets;
pub use sources::{Source, Sources};
pub use value::{Advertise, PortRange, ValueError, parse_duration};

use crate::{AllowList, RecordsTo};

/// Everything the server needs to know, already checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where SIP is spoken; at least one.
    pub sip: Vec<SipListen>,
    /// How phones behind a NAT are reached.
    pub nat: Nat,
    /// DSCP of SIP (RFC 2474).
    pub sip_dscp: u8,
    /// Where RTP flows: at least one, one of each family at most.
    pub media: Vec<MediaListen>,
    /// How many are heard at a time in a conference.
    pub heard: u32,
    /// DSCP of RTP and RTCP.
    pub media_dscp: u8,
    /// How many threads mix.
    pub mixers: u16,
    /// The addresses that make conferences; at least one.
    pub factories: Vec<Factory>,
    /// The HTTP interface.
    pub admin: AdminConfig,
    /// Seats of the pool; `None` lets the machine decide.
    pub capacity: Option<u32>,
    /// How the machine decides, and what reservations may take.
    pub room: RoomTerms,
    /// Who shares the room.
    pub tenants: Vec<Tenant>,
    /// Where keys, reservations and measurements are kept; `None`: nowhere.
    pub state_dir: Option<PathBuf>,
    /// Who is let in.
    pub access: AllowList,
    /// Whether strangers are let in on purpose: then others may reach us without a list or users.
    pub is_open: bool,
    /// Where records of legs and conferences go; `None`: nowhere.
    pub records: Option<RecordsTo>,
    /// The file that takes every SIP message; `None`: none does.
    pub pcap: Option<PathBuf>,
    /// The name servers to ask; empty: those of the system.
    pub dns: Vec<SocketAddr>,
    /// Who has to prove who he is; `None`: nobody is asked.
    pub auth: Option<Auth>,
    /// Whom conferences may call.
    pub dial_out: DialRules,
    /// Whether phones may register here: for trying things out.
    pub lab_registrar: bool,
    /// How many answers of no use one source gets.
    pub limits: Limits,
    /// Who is told what happens.
    pub webhooks: Vec<Webhook>,
    /// When fewer new requests are admitted.
    pub overload: OverloadConfig,
    /// For tests: in which conference of each mixer, counted from 1, a fault strikes. `[debug]` in the file.
    pub fault_in_conference: Option<u32>,
}

/// The HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens; elsewhere than on loopback only with tokens.
    pub bind: SocketAddr,
    /// The file of tokens; see [`crate::tokens`]. `None`: nobody has one.
    pub tokens: Option<PathBuf>,
    /// Whether whoever has no token may do everything; on loopback only.
    pub is_open: bool,
}

/// A receiver of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where each is posted.
    pub url: String,
    /// The file of the secret that signs them.
    pub secret_file: PathBuf,
    /// The file of the certificates that the receiver's may be from; `None`: those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The kinds of events it gets; empty: all but who talks.
    pub events: Vec<String>,
}

/// One UDP socket for SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipListen {
    /// The address to bind; port 0 picks a free one.
    pub bind: SocketAddr,
    /// What others are told.
    pub advertise: Advertise,
}

/// Where RTP flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaListen {
    /// The address to bind.
    pub bind: IpAddr,
    /// The address written into session descriptions; of the same family.
    pub advertise: IpAddr,
    /// The ports to take from.
    pub ports: PortRange,
}

/// An address that makes conferences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factory {
    /// User parts, as in `sip:USER@host`; at least one.
    pub users: Vec<String>,
    /// Hosts that are ours, besides the bound and advertised ones.
    pub hosts: Vec<Host>,
    /// How an INVITE is answered that no rule fits.
    pub answer: Answer,
    /// How some are answered; the first rule that fits.
    pub answer_rules: Vec<AnswerRule>,
    /// How long room is kept for a conference that nobody has joined.
    pub hold: Duration,
    /// Seats kept when the caller does not say how many.
    pub expect: u32,
    /// When a conference ends.
    pub end: End,
    /// Legs in one conference at most; `None`: as many as the pool has room for.
    pub max: Option<u32>,
    /// How long a conference may last; `None`: as long as somebody is in.
    pub max_time: Option<Duration>,
    /// Who is let in, and how.
    pub entry: EntryRules,
    /// The name of the tenant that pays for its conferences; `None`: nobody in particular.
    pub tenant: Option<String>,
}

/// How much room there is where nobody says so in seats, and what reservations may take of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomTerms {
    /// What legs may take of each mixer's core, in percent.
    pub cpu_percent: u32,
    /// Packets that the network takes each second; `None`: not looked at.
    pub packets_per_second: Option<u32>,
    /// 1,000 bits that the network takes each second; `None`: not looked at.
    pub kbit_per_second: Option<u32>,
    /// What reservations may take of the room at any time, in percent.
    pub bookable_percent: u32,
    /// How long before a reservation its room is kept free.
    pub reserve_ahead: Duration,
}

impl Default for RoomTerms {
    /// Of a core the rest is for bursts, and for what is measured wrong.
    fn default() -> Self {
        Self {
            cpu_percent: 70,
            packets_per_second: None,
            kbit_per_second: None,
            bookable_percent: 80,
            reserve_ahead: Duration::from_secs(15 * 60),
        }
    }
}

/// Somebody who shares the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// What he may have.
    pub terms: TenantTerms,
    /// The users that belong to him.
    pub users: Vec<String>,
    /// Where his callers are.
    pub networks: Vec<Network>,
}

impl Default for Factory {
    fn default() -> Self {
        Self {
            users: vec!["conference".to_owned()],
            hosts: Vec::new(),
            answer: Answer::Redirect,
            answer_rules: Vec::new(),
            hold: Duration::from_secs(60),
            expect: 4,
            end: End::LastLeaves,
            max: None,
            max_time: None,
            entry: EntryRules::default(),
            tenant: None,
        }
    }
}

/// How the factory answers an INVITE that it grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// 302 with the conference URI.
    Redirect,
    /// 200 from the focus itself, with the conference URI in Contact.
    Deliver,
}

impl Answer {
    /// The same, for the factory.
    pub(crate) const fn form(self) -> AnswerForm {
        match self {
            Self::Redirect => AnswerForm::Redirect,
            Self::Deliver => AnswerForm::Deliver,
        }
    }
}

/// When a conference ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// When the last leg has left.
    LastLeaves,
    /// When the one who asked for it has left.
    CreatorLeaves,
}

/// What the command line says; each wins over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--sip`: takes the place of every `[[sip.listen]]`.
    pub sip: Option<SocketAddr>,
    /// `--media-ip`: takes the place of `bind` and `advertise` in every `[[media.listen]]`.
    pub media_ip: Option<IpAddr>,
    /// `--rtp-ports`.
    pub rtp_ports: Option<PortRange>,
    /// `--admin`.
    pub admin: Option<SocketAddr>,
    /// `--admin-tokens`.
    pub admin_tokens: Option<PathBuf>,
    /// `--admin-open`.
    pub admin_open: bool,
    /// `--records`; `-`: standard output.
    pub records: Option<PathBuf>,
    /// `--pcap`.
    pub pcap: Option<PathBuf>,
    /// `--open`: a non-loopback address needs neither an allow list nor `[auth]`.
    pub open: bool,
    /// `--lab-registrar`.
    pub lab_registrar: bool,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
}

impl Config {
    /// Where SIP is spoken when nobody says otherwise.
    pub const SIP_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
    /// Where the HTTP interface listens when nobody says otherwise.
    pub const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5080);
    /// RTP ports when nobody says otherwise: 10,000 of them, below Linux's ephemeral range.
    pub const RTP_PORTS_DEFAULT: PortRange = PortRange { first: 20_000, last: 29_999 };

    /// CS3, which RFC 4594 §4.2 has for signalling where voice is EF.
    pub const SIP_DSCP_DEFAULT: u8 = 24;

    /// Reads `text`, the content of the file named `path`, lets the flags win, and checks the whole.
    pub fn from_toml(path: &str, text: &str, flags: &Flags) -> Result<Self, ConfigError> {
        Self::examine(path, text, flags).map_err(first)
    }

    /// The same, with all that is wrong, in the order of the file.
    ///
    /// # Errors
    /// At least one.
    pub fn examine(path: &str, text: &str, flags: &Flags) -> Result<Self, Vec<ConfigError>> {
        check::check(file::read(path, text), &check::Origin::new(path, text), flags)
    }

    /// A configuration from flags and defaults alone.
    pub fn from_flags(flags: &Flags) -> Result<Self, ConfigError> {
        Self::examine("", "", flags).map_err(first)
    }
}

fn first(found: Vec<ConfigError>) -> ConfigError {
    found.into_iter().next().expect("invariant: what is refused has something wrong")
}
