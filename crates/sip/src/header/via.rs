//! Via: the way that a request took.

use std::{borrow::Cow, fmt, net::IpAddr, str::FromStr};

use crate::{
    header::{Params, ValueError},
    scan,
    uri::{Host, parse_port},
};

/// Names one hop (RFC 3261 §20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Protocol name and version: `SIP/2.0`, without white space. We write nothing else.
    pub protocol: Cow<'static, str>,
    /// `UDP`, `TCP`, `TLS`, … as it came.
    pub transport: Cow<'static, str>,
    /// The host of sent-by.
    pub host: Host,
    /// The port of sent-by, if it is written.
    pub port: Option<u16>,
    /// branch, received, rport, maddr, ttl and others.
    pub params: Params,
}

/// RFC 3261 §8.1.1.7: every branch made by the rules of that RFC begins with it.
pub const BRANCH_COOKIE: &str = "z9hG4bK";

impl Via {
    /// Makes a Via without parameters.
    pub fn new(transport: &str, host: Host, port: Option<u16>) -> Self {
        let (protocol, transport) = (Cow::Borrowed("SIP/2.0"), scan::word(transport));
        Self { protocol, transport, host, port, params: Params::new() }
    }

    /// Sets the branch.
    #[must_use]
    pub fn with_branch(mut self, branch: &str) -> Self {
        self.params.set("branch", Some(branch));
        self
    }

    /// Adds an empty rport, which asks for responses to the port that the request came from (RFC 3581 §3).
    #[must_use]
    pub fn with_rport(mut self) -> Self {
        self.params.set("rport", None);
        self
    }

    /// Gives the branch.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// Gives the branch if it identifies a transaction by the rules of RFC 3261 §17.2.3: it begins with the magic cookie
    /// and something follows. A bare cookie is no identity (RFC 4475 §3.2.1).
    pub fn unique_branch(&self) -> Option<&str> {
        self.branch().filter(|branch| {
            let cookie = branch.get(..BRANCH_COOKIE.len());
            cookie.is_some_and(|cookie| cookie.eq_ignore_ascii_case(BRANCH_COOKIE))
                && branch.len() > BRANCH_COOKIE.len()
        })
    }

    /// Gives the port that sent-by means: the written one, else the transport's default (RFC 3261 §18.2.2).
    pub fn sent_by_port(&self) -> u16 {
        let default = if self.transport.eq_ignore_ascii_case("TLS") { 5061 } else { 5060 };
        self.port.unwrap_or(default)
    }

    /// Gives the address in `received`, with brackets or without (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.params.value("received")?;
        let bare = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
        bare.parse().ok()
    }

    /// Gives the port in `rport`, if a server has filled it in.
    pub fn rport(&self) -> Option<u16> {
        self.params.value("rport").and_then(parse_port)
    }

    /// Says whether the sender asks for RFC 3581: `rport` is there and empty.
    pub fn wants_rport(&self) -> bool {
        self.params.get("rport") == Some(None)
    }

    /// Reads as much as stands at the beginning: protocol, transport and sent-by must be readable, then parameters up to
    /// the first that is not. For answering a request that is otherwise malformed.
    pub(crate) fn salvage(text: &str) -> Option<Self> {
        let (mut via, rest) = parse_sent_by(text).ok()?;
        for part in scan::split_text(rest, b';')?.into_iter().skip(1).take(Params::COUNT_MAX) {
            match Params::parse_header(&format!(";{part}")) {
                Ok(params) => params.iter().for_each(|(name, value)| via.params.push(name, value)),
                Err(ValueError) => break,
            }
        }
        Some(via)
    }
}

impl Via {
    /// Writes it, piece by piece: every message has some.
    pub(crate) fn put(&self, out: &mut impl fmt::Write) -> fmt::Result {
        for part in [self.protocol.as_ref(), "/", &self.transport, " ", self.host.as_str()] {
            out.write_str(part)?;
        }
        if let Some(port) = self.port {
            out.write_str(":")?;
            out.write_str(&port.to_string())?;
        }
        self.params.put(out)
    }

    /// The same as a text that need not grow.
    pub(crate) fn text(&self) -> String {
        let names = self.protocol.len() + self.transport.len() + self.host.as_str().len();
        let mut text = String::with_capacity(names + "// :65535".len() + self.params.written_len());
        let _ = self.put(&mut text);
        text
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put(f)
    }
}

impl FromStr for Via {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (via, rest) = parse_sent_by(text)?;
        Ok(Self { params: Params::parse_header(rest)?, ..via })
    }
}

/// Reads up to the parameters: `SIP / 2.0 / UDP host : port`, white space as the grammar has it.
fn parse_sent_by(text: &str) -> Result<(Via, &str), ValueError> {
    let (name, rest) = token(scan::trim(text))?;
    let (version, rest) = token(slash(rest)?)?;
    let (transport, rest) = token(slash(rest)?)?;
    let sent_by = scan::trim(rest);
    if sent_by.len() == rest.len() {
        return Err(ValueError); // white space must stand between transport and host
    }
    let host_len = if sent_by.starts_with('[') {
        sent_by.find(']').ok_or(ValueError)? + 1
    } else {
        sent_by.bytes().take_while(|byte| !matches!(byte, b':' | b';' | b' ' | b'\t')).count()
    };
    let (host, rest) = sent_by.split_at(host_len);
    let rest = scan::trim(rest);
    let (port, rest) = match rest.strip_prefix(':').map(scan::trim) {
        Some(rest) => {
            let len = rest.bytes().take_while(u8::is_ascii_digit).count();
            (Some(parse_port(&rest[..len]).ok_or(ValueError)?), scan::trim(&rest[len..]))
        }
        None => (None, rest),
    };
    let mut via = Via::new(transport, host.parse().map_err(|_| ValueError)?, port);
    if (name, version) != ("SIP", "2.0") {
        via.protocol = Cow::Owned([name, "/", version].concat());
    }
    Ok((via, rest))
}

fn token(text: &str) -> Result<(&str, &str), ValueError> {
    let len = text.bytes().take_while(|byte| scan::is_token_byte(*byte)).count();
    if len == 0 { Err(ValueError) } else { Ok(text.split_at(len)) }
}

fn slash(text: &str) -> Result<&str, ValueError> {
    scan::trim(text).strip_prefix('/').map(scan::trim).ok_or(ValueError)
}

crate::text_form::serde_as_text!(Via);
