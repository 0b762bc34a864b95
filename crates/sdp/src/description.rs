//! The session description and its printer.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Direction, MediaDescription};

/// A session description: RFC 8866 §5. What is not understood is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// `o=`; `None` if the peer left it out.
    pub origin: Option<Origin>,
    /// `s=`; `-` if the peer left it out.
    pub name: String,
    /// `c=` at session level.
    pub connection: Option<Connection>,
    /// The first `t=` value, as it came, `0 0` if the peer left it out: an answer repeats it
    /// (RFC 3264 §6).
    pub time: String,
    /// Other session-level lines except `a=`, in the order of RFC 8866 §5.
    pub fields: Vec<Field>,
    /// Session-level `a=`, in order.
    pub attributes: Vec<Attribute>,
    /// The m-lines, in order.
    pub media: Vec<MediaDescription>,
}

/// `o=`: RFC 8866 §5.2. As it came, since phones put odd things there and nobody needs them but to
/// compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// User name or `-`.
    pub username: String,
    /// Names the session.
    pub session_id: String,
    /// Version of the description.
    pub version: String,
    /// Network type, address type and address.
    pub address: String,
}

/// `c=`: RFC 8866 §5.7. As it came: a name, a TTL or another network are possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection(pub String);

/// A line that is kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The letter before `=`.
    pub kind: char,
    /// All after `=`.
    pub value: String,
}

/// `a=`: RFC 8866 §5.13.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Before the colon.
    pub name: String,
    /// After the colon, if there is one.
    pub value: Option<String>,
}

impl SessionDescription {
    /// The address that holds for an m-line: its own, else the session's (RFC 8866 §5.7).
    pub fn connection_of<'a>(&'a self, media: &'a MediaDescription) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }

    /// The direction that holds for an m-line: its own, else the session's, else sendrecv
    /// (RFC 8866 §6.7).
    pub fn direction_of(&self, media: &MediaDescription) -> Direction {
        let session = || self.attributes.iter().find_map(Attribute::direction);
        media.direction().or_else(session).unwrap_or_default()
    }
}

impl fmt::Display for SessionDescription {
    /// Prints with CRLF, in the order of RFC 8866 §5, ready to be a body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\n")?;
        if let Some(Origin { username, session_id, version, address }) = &self.origin {
            write!(f, "o={username} {session_id} {version} {address}\r\n")?;
        }
        write!(f, "s={}\r\n", self.name)?;
        let before_time = self.fields.partition_point(|field| field.rank() < TIME_RANK);
        let before_connection = self.fields.partition_point(|field| field.rank() < CONNECTION_RANK);
        print_all(f, &self.fields[..before_connection])?;
        print_all(f, &self.connection)?;
        print_all(f, &self.fields[before_connection..before_time])?;
        write!(f, "t={}\r\n", self.time)?;
        print_all(f, &self.fields[before_time..])?;
        print_all(f, &self.attributes)?;
        self.media.iter().try_for_each(|media| write!(f, "{media}"))
    }
}

impl fmt::Display for MediaDescription {
    /// Prints the m-line and what stands under it, with CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind, self.port)?;
        if let Some(count) = self.port_count {
            write!(f, "/{count}")?;
        }
        write!(f, " {}", self.proto)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))?;
        write!(f, "\r\n")?;
        let before_connection = self.fields.partition_point(|field| field.rank() < CONNECTION_RANK);
        print_all(f, &self.fields[..before_connection])?;
        print_all(f, &self.connection)?;
        print_all(f, &self.fields[before_connection..])?;
        print_all(f, &self.attributes)
    }
}

impl Connection {
    /// The numeric address, if it is one: RFC 8866 §5.7. A TTL behind it is left off.
    pub fn ip(&self) -> Option<IpAddr> {
        let mut words = self.0.split_whitespace();
        let ("IN", Some("IP4" | "IP6"), Some(address)) =
            (words.next()?, words.next(), words.next())
        else {
            return None;
        };
        address.split('/').next()?.parse().ok()
    }
}

impl From<IpAddr> for Connection {
    fn from(ip: IpAddr) -> Self {
        Self(format!("IN {} {ip}", if ip.is_ipv4() { "IP4" } else { "IP6" }))
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c={}", self.0)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.value)
    }
}

impl Field {
    /// Where a line of this kind stands: RFC 8866 §5. Unknown ones come last. `r=` and `z=` belong to
    /// the `t=` before them, so these three are one.
    pub(crate) fn rank(&self) -> usize {
        let kind = if matches!(self.kind, 'r' | 'z') { 't' } else { self.kind };
        ORDER.iter().position(|&known| known == kind).unwrap_or(ORDER.len())
    }
}

impl Attribute {
    /// Makes `a=name`.
    pub fn flag(name: &str) -> Self {
        Self { name: name.to_owned(), value: None }
    }

    /// Makes `a=name:value`.
    pub fn new(name: &str, value: impl fmt::Display) -> Self {
        Self { name: name.to_owned(), value: Some(value.to_string()) }
    }

    /// The direction, if this says one.
    pub(crate) fn direction(&self) -> Option<Direction> {
        Direction::parse(&self.name).filter(|_| self.value.is_none())
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => write!(f, "a={}", self.name),
            Some(value) => write!(f, "a={}:{value}", self.name),
        }
    }
}

fn print_all<'a, T: fmt::Display + 'a>(
    f: &mut fmt::Formatter<'_>,
    lines: impl IntoIterator<Item = &'a T>,
) -> fmt::Result {
    lines.into_iter().try_for_each(|line| write!(f, "{line}\r\n"))
}

/// RFC 8866 §5.
const ORDER: [char; 11] = ['v', 'o', 's', 'i', 'u', 'e', 'p', 'c', 'b', 't', 'k'];
const CONNECTION_RANK: usize = 7;
const TIME_RANK: usize = 9;
