//! What is wrong with a configuration, in one line that says what to do.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::PortRange;
use crate::users::NameError;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// File and line; `None` when a flag or a default is to blame.
    pub place: Option<Place>,
    /// What is wrong.
    pub problem: Problem,
}

/// A line of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum Problem {
    /// Bad TOML, an unknown key, a value that cannot be read: the reader's own words.
    #[error("{0}")]
    Unreadable(String),
    #[error(
        "others can reach {0}, and anybody could make conferences: in the --config file ask who calls by \
         [auth] (convoke help user), or name your networks by [access] allow = [\"192.0.2.0/24\"]; or pass \
         --open to let everybody in"
    )]
    OpenToOthers(SocketAddr),
    #[error(
        "others can reach the admin interface at {0}: make tokens with `convoke token add NAME --role admin \
         --tokens FILE` and name the file as tokens under [admin], or use 127.0.0.1"
    )]
    AdminNotLoopback(SocketAddr),
    #[error(
        "open lets everybody do everything, and others can reach the admin interface at {0}: use 127.0.0.1, or \
         tokens instead"
    )]
    AdminOpenToOthers(SocketAddr),
    #[error(
        "{0} says nothing about how others reach us: bind one address, or add advertise = \"HOST\" \
         in the --config file"
    )]
    NoAdvertise(IpAddr),
    #[error("{0} is bound twice")]
    BoundTwice(SocketAddr),
    #[error(
        "{0} is the second address of its family: there may be one [[media.listen]] for IPv4 and one \
         for IPv6"
    )]
    MediaFamilyTwice(IpAddr),
    #[error(
        "{advertise} is not of the family of {bind}: what is sent to one cannot come to the other"
    )]
    MediaFamilies { bind: IpAddr, advertise: IpAddr },
    #[error("user {user:?} is named twice: one address makes one kind of conference")]
    UserTwice { user: String },
    #[error("users is empty: name at least one, as in users = [\"conference\"]")]
    NoUsers,
    #[error(
        "user {user:?} cannot stand in a SIP URI: write letters, digits, `-` and `_`, anything else \
         as in %20"
    )]
    BadUser { user: String },
    #[error("allow is empty, so nobody could call: name networks, as in allow = [\"127.0.0.0/8\"]")]
    NobodyAllowed,
    #[error("{0}: write realm = \"example.com\", the one that the users were added for")]
    BadRealm(NameError),
    #[error("users is empty: name the file that `convoke user add` made")]
    NoUsersFile,
    #[error(
        "capacity = {capacity} is more than the {legs} legs that ports {ports} are enough for: each \
         takes an even port and the next"
    )]
    CapacityAbovePorts { capacity: u32, ports: PortRange, legs: u32 },
    #[error(
        "this rule fits everybody: name user_agent, source or transport, or write answer under [[factory]] itself"
    )]
    AnswerRuleForAll,
    #[error(
        "{count} answer rules, and one factory may have {most}: write fewer, with wider patterns"
    )]
    TooManyAnswerRules { count: usize, most: usize },
    #[error("there is no [tenants.{name}]: name one that there is")]
    NoTenant { name: String },
    #[error("{name:?} is no tenant's name: write letters, digits, `-` and `_`")]
    BadTenant { name: String },
    #[error("there are {count} tenants, and there may be {most}")]
    TooManyTenants { count: usize, most: usize },
    #[error("user {user:?} belongs to two tenants")]
    TenantUserTwice { user: String },
    #[error("reserved = {reserved} is more than quota = {quota}")]
    ReservedAboveQuota { reserved: u32, quota: u32 },
    #[error("{reserved} seats are reserved for tenants, and there is room for {room}")]
    ReservedAboveRoom { reserved: u32, room: u32 },
    #[error("{0}")]
    SamePins(focus::SamePins),
    #[error("there are {count} webhooks, and there may be {most}")]
    TooManyWebhooks { count: usize, most: usize },
    #[error(
        "events wait on the disk until they are delivered: name a folder as dir under [state], or with --state-dir"
    )]
    WebhookWithoutState,
    #[error("url must be as in \"https://example.com/hook\", without a user, a space or a #")]
    BadWebhookUrl,
    #[error("this url is named by a webhook before: give it all its events there")]
    WebhookTwice,
    #[error("{name:?} is no event: choose of {}", crate::admin::KINDS.join(", "))]
    NoEvent { name: String },
    #[error("{key} must be {least} to {most}, found {found}")]
    OutOfRange { key: &'static str, least: u64, most: u64, found: u64 },
    #[error("expect = {expect} is more than max = {max}: no conference could be that large")]
    ExpectAboveMax { expect: u32, max: u32 },
    #[error(
        "expect = {expect} is more than there is room for, {room}: every caller would be refused"
    )]
    ExpectAboveRoom { expect: u32, room: u32 },
}

impl ConfigError {
    /// A problem that no file is to blame for.
    pub(super) const fn unplaced(problem: Problem) -> Self {
        Self { place: None, problem }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(Place { path, line }) => write!(f, "{path}:{line}: {}", self.problem),
            None => write!(f, "{}", self.problem),
        }
    }
}

impl std::error::Error for ConfigError {}
