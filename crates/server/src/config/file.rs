//! The shape of the file, as it is written; nothing is checked here but spelling and types.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use focus::{BadPin, DialRule, Pin};
use serde::{Deserialize, Deserializer, de};
use sip::Host;
use toml::Spanned;
use toml::de::DeTable;

use super::error::{ConfigError, Place, Problem};
use super::lenient::leniently;
use super::print::NOT_SHOWN;
use super::value::ValueError;
use super::{
    Advertise, Answer, End, PortRange, answering, auth, parse_duration, tenants, webhooks,
};
use crate::{Network, NetworkError};

/// Reads `text`: what of it can be read, and all that cannot, with its line; for an unknown key the keys that are known.
pub(super) fn read(path: &str, text: &str) -> (File, Vec<ConfigError>) {
    let unreadable = |error: &toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        ConfigError {
            place: Some(Place { path: path.to_owned(), line: line_of(text, at) }),
            problem: Problem::Unreadable(plain(error.message())),
        }
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What stands in a text that is no TOML is guesswork.
        return (File::default(), errors.iter().map(unreadable).collect());
    }
    let (file, errors) = leniently(root);
    (file, errors.iter().map(unreadable).collect())
}

/// The line, counted from 1, that holds the byte `at`.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// One line, in the words of somebody who writes TOML rather than Rust.
fn plain(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    // What is left out is the name of a type of ours.
    let line = match line.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected a table"),
        None => line,
    };
    line.replace("unknown field", "unknown key")
        .replace("missing field", "missing key")
        .replace("duplicate field", "duplicate key")
        .replace("unknown variant", "unknown value")
        .replace("expected u64", "expected a whole number")
        .replace(
            "invalid type: map, expected a sequence",
            "there may be several: write two brackets, as in [[factory]]",
        )
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) sip: Sip,
    pub(super) media: Media,
    pub(super) factory: Vec<Spanned<Factory>>,
    pub(super) tenants: BTreeMap<String, Spanned<tenants::Written>>,
    pub(super) state: State,
    pub(super) admin: Admin,
    pub(super) pool: Pool,
    pub(super) access: Option<Spanned<Access>>,
    pub(super) dns: Dns,
    pub(super) auth: Option<Spanned<auth::Written>>,
    pub(super) dial_out: DialOut,
    pub(super) limits: Limits,
    pub(super) overload: Overload,
    pub(super) records: Records,
    pub(super) trace: Trace,
    pub(super) webhook: Vec<Spanned<webhooks::Written>>,
    pub(super) debug: Debug,
}

/// What only tests write.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Debug {
    pub(super) fault_in_conference: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Records {
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Trace {
    pub(super) pcap: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sip {
    pub(super) listen: Vec<SipListen>,
    pub(super) nat: sip::Nat,
    pub(super) lab_registrar: bool,
    pub(super) dscp: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SipListen {
    pub(super) bind: Spanned<Text<SocketAddr>>,
    pub(super) advertise: Option<Text<Advertise>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Media {
    pub(super) listen: Vec<Spanned<MediaListen>>,
    pub(super) heard: Option<Spanned<u64>>,
    pub(super) dscp: Option<Spanned<u64>>,
    pub(super) mixers: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MediaListen {
    pub(super) bind: Option<Spanned<Text<IpAddr>>>,
    pub(super) advertise: Option<Spanned<Text<IpAddr>>>,
    pub(super) ports: Option<Text<PortRange>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Factory {
    pub(super) users: Option<Spanned<Vec<String>>>,
    pub(super) hosts: Vec<Text<Host>>,
    pub(super) answer: Option<Answer>,
    pub(super) answer_rule: Vec<Spanned<answering::Written>>,
    pub(super) hold: Option<Spanned<Text<Duration>>>,
    pub(super) expect: Option<Spanned<u64>>,
    pub(super) end: Option<End>,
    pub(super) max: Option<Spanned<u64>>,
    pub(super) max_time: Option<Spanned<Text<Duration>>>,
    pub(super) pin: Option<Spanned<Text<Pin>>>,
    pub(super) moderator_pin: Option<Spanned<Text<Pin>>>,
    pub(super) lobby: bool,
    pub(super) tenant: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct State {
    pub(super) dir: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Admin {
    pub(super) bind: Option<Spanned<Text<SocketAddr>>>,
    pub(super) tokens: Option<PathBuf>,
    pub(super) open: Option<Spanned<bool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Pool {
    pub(super) capacity: Option<Spanned<u64>>,
    pub(super) cpu_percent: Option<Spanned<u64>>,
    pub(super) packets_per_second: Option<Spanned<u64>>,
    pub(super) kbit_per_second: Option<Spanned<u64>>,
    pub(super) bookable_percent: Option<Spanned<u64>>,
    pub(super) reserve_ahead: Option<Spanned<Text<Duration>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Dns {
    pub(super) servers: Vec<Text<SocketAddr>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Access {
    pub(super) allow: Option<Spanned<Vec<Text<Network>>>>,
    pub(super) open: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DialOut {
    pub(super) allow: Vec<Text<DialRule>>,
    pub(super) refers_per_minute: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) per_second: Option<Spanned<u64>>,
    pub(super) burst: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Overload {
    pub(super) target: Option<Spanned<Text<Duration>>>,
    pub(super) per_second: Option<Spanned<u64>>,
}

/// A value that is written as a string.
#[derive(Debug)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: Written> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let value = T::read(&text).map_err(|why| match T::IS_SECRET {
            true => de::Error::custom(format!("what stands here {why}")),
            false => de::Error::custom(format!("{text:?} {why}")),
        })?;
        Ok(Self(value))
    }
}

/// Reads itself from text; the error goes on from the quoted text, as in `"x" is no duration`.
pub(super) trait Written: Sized {
    type Error: Display;
    /// Whether an error must not show what was written.
    const IS_SECRET: bool = false;
    fn read(text: &str) -> Result<Self, Self::Error>;
}

impl Written for SocketAddr {
    type Error = ValueError;
    fn read(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| ValueError::NotASocketAddress)
    }
}

impl Written for IpAddr {
    type Error = ValueError;
    fn read(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| ValueError::NotAnAddress)
    }
}

impl Written for Advertise {
    type Error = ValueError;
    fn read(text: &str) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl Written for Host {
    type Error = ValueError;
    fn read(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| ValueError::NotAHostAlone)
    }
}

impl Written for PortRange {
    type Error = ValueError;
    fn read(text: &str) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl Written for Duration {
    type Error = ValueError;
    fn read(text: &str) -> Result<Self, ValueError> {
        parse_duration(text)
    }
}

impl Written for Pin {
    type Error = &'static str;
    const IS_SECRET: bool = true;
    fn read(text: &str) -> Result<Self, Self::Error> {
        text.parse().map_err(|BadPin| match text {
            NOT_SHOWN => {
                "takes the place of a PIN: write 4 to 12 digits, or print it with `convoke print-config --secrets`"
            }
            _ => "is no PIN: write 4 to 12 digits, in quotes",
        })
    }
}

impl Written for DialRule {
    type Error = String;
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| match text.parse::<Network>() {
            Err(error @ (NetworkError::BadPrefix { .. } | NetworkError::HostBits { .. })) => error.to_string(),
            Err(NetworkError::NotANetwork) | Ok(_) => {
                "is no rule for calls: write \"sip:*@example.com\", \"sip:+4930*@gw.example.com\" or a network as \"192.0.2.0/24\""
                    .to_owned()
            }
        })
    }
}

impl Written for Network {
    type Error = NetworkError;
    fn read(text: &str) -> Result<Self, NetworkError> {
        text.parse()
    }
}
