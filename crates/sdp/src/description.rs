//! The session description.

use std::fmt;
use std::net::IpAddr;

use crate::{MediaDescription, SdpError};

/// A session description: RFC 8866 §5. What is not understood is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`; `None` if the peer left it out.
    pub origin: Option<Origin>,
    /// `s=`.
    pub name: String,
    /// `c=` at session level.
    pub connection: Option<Connection>,
    /// The first `t=` value, as it came: an answer repeats it (RFC 3264 §6).
    pub time: String,
    /// Other session-level lines except `a=`, in order.
    pub fields: Vec<Field>,
    /// Session-level `a=`, in order.
    pub attributes: Vec<Attribute>,
    /// The m-lines, in order.
    pub media: Vec<MediaDescription>,
}

/// `o=`: RFC 8866 §5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name or `-`.
    pub username: String,
    /// Names the session; digits, as they came.
    pub session_id: String,
    /// Version of the description; digits, as they came.
    pub version: String,
    /// Network type, address type and address, as they came.
    pub address: String,
}

/// `c=`: RFC 8866 §5.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The address as it came; a name or `addr/ttl` are possible.
    pub address: String,
}

/// A line that is kept as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The letter before `=`.
    pub kind: char,
    /// All after `=`.
    pub value: String,
}

/// `a=`: RFC 8866 §5.13.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Before the colon.
    pub name: String,
    /// After the colon, if there is one.
    pub value: Option<String>,
}

impl SessionDescription {
    /// Reads a description.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        let _ = bytes;
        todo!()
    }
}

impl fmt::Display for SessionDescription {
    /// Prints with CRLF, ready to be a body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

impl Connection {
    /// The numeric address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        todo!()
    }
}
