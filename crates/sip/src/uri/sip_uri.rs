//! SIP and SIPS URIs (RFC 3261 §19.1).

use std::{borrow::Cow, fmt, str::FromStr};

use crate::{
    header::Params,
    scan,
    uri::{
        Host, UriError,
        escape::{escape_user, is_unreserved, is_user_unreserved, is_well_escaped, unescape},
    },
};

/// Names a user or a service at a host. The parts are as they stand on the wire: escaped.
///
/// Two values are `==` when they print the same; whether they *mean* the same says [`SipUri::equivalent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// The user part, escaped.
    pub user: Option<String>,
    /// The password, escaped.
    pub password: Option<String>,
    /// The host.
    pub host: Host,
    /// The port, if it is written.
    pub port: Option<u16>,
    /// The parameters, escaped.
    pub params: Params,
    /// The header components after `?`, names and values escaped. Forbidden in a Request-URI.
    pub headers: Vec<(String, String)>,
    /// How scheme and port were written when not as we write them (`SIP`, `05060`), so that a URI that we pass on is
    /// byte for byte the one we got.
    spelling: Option<Box<Spelling>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Spelling {
    scheme: String,
    port: Option<String>,
}

impl SipUri {
    /// Makes `sip:host` or `sip:host:port`.
    pub const fn new(host: Host, port: Option<u16>) -> Self {
        Self {
            secure: false,
            user: None,
            password: None,
            host,
            port,
            params: Params::new(),
            headers: Vec::new(),
            spelling: None,
        }
    }

    /// Sets the user part; what has to be is escaped.
    #[must_use]
    pub fn with_user(mut self, user: impl AsRef<[u8]>) -> Self {
        self.user = Some(escape_user(user.as_ref()));
        self
    }

    /// Adds a parameter, or sets it. Name and value must be escaped already where they need it.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// Gives the user part with its escapes undone, once. Any byte may be in it.
    pub fn user_unescaped(&self) -> Option<Cow<'_, [u8]>> {
        self.user.as_deref().map(unescape)
    }

    /// Looks for a parameter. Unlike [`Params::get`] it also finds a name that was written with escapes
    /// (RFC 3261 §19.1.4: `%6C%72` is `lr`). `Some(None)`: it is there without a value.
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        let same = |found: &str| unescape(found).eq_ignore_ascii_case(name.as_bytes());
        self.params.iter().find(|(found, _)| same(found)).map(|(_, value)| value)
    }

    /// Says whether the URI has `lr`: whoever it names routes loosely (RFC 3261 §19.1.1).
    pub fn is_loose(&self) -> bool {
        self.param("lr").is_some()
    }

    /// Gives the URI as it may stand in a Request-Line: without headers and without `method` (RFC 3261 §19.1.1, table 1).
    #[must_use]
    pub fn as_request_uri(&self) -> Self {
        let mut uri = self.clone();
        uri.headers.clear();
        uri.params.retain(|name| !unescape(name).eq_ignore_ascii_case(b"method"));
        uri
    }

    /// The scheme as we write it.
    pub const fn scheme(&self) -> &'static str {
        if self.secure { "sips" } else { "sip" }
    }
}

impl SipUri {
    /// The same as `to_string`, but its memory is taken at once.
    pub fn text(&self) -> String {
        let user = self.user.as_ref().map_or(0, String::len);
        let room = user + self.host.as_str().len() + self.params.written_len() + URI_MORE;
        let mut text = String::with_capacity(room);
        let _ = self.put(&mut text);
        text
    }

    /// Writes it, piece by piece: a conference has its own written several times.
    pub(crate) fn put(&self, out: &mut impl fmt::Write) -> fmt::Result {
        // The fields are open to change, so a spelling counts only while it still says what they say.
        let spelling = self.spelling.as_deref();
        let scheme = spelling.map(|spelling| spelling.scheme.as_str());
        out.write_str(
            scheme
                .filter(|scheme| scheme.eq_ignore_ascii_case(self.scheme()))
                .unwrap_or(self.scheme()),
        )?;
        out.write_str(":")?;
        if let Some(user) = &self.user {
            out.write_str(user)?;
            if let Some(password) = &self.password {
                out.write_str(":")?;
                out.write_str(password)?;
            }
            out.write_str("@")?;
        }
        out.write_str(self.host.as_str())?;
        if let Some(port) = self.port {
            let spelled = spelling.and_then(|spelling| spelling.port.as_deref());
            out.write_str(":")?;
            match spelled.filter(|spelled| spelled.parse() == Ok(port)) {
                Some(spelled) => out.write_str(spelled)?,
                None => out.write_str(&port.to_string())?,
            }
        }
        self.params.put(out)?;
        for (index, (name, value)) in self.headers.iter().enumerate() {
            write!(out, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// `sips:`, `@` and a port.
const URI_MORE: usize = 12;

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put(f)
    }
}

impl FromStr for SipUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = scan::cut(text, b':').ok_or(UriError::Scheme)?;
        let secure = scheme.eq_ignore_ascii_case("sips");
        if !secure && !scheme.eq_ignore_ascii_case("sip") {
            return Err(UriError::Scheme);
        }
        if !is_well_escaped(rest) {
            return Err(UriError::Character);
        }
        // No part but the userinfo may hold "@", and there it must be escaped: the first one ends it.
        let (user, password, rest) = match scan::cut(rest, b'@') {
            Some((userinfo, rest)) => {
                let (user, password) = parse_userinfo(userinfo)?;
                (Some(user), password, rest)
            }
            None => (None, None, rest),
        };
        let (rest, headers) = match scan::cut(rest, b'?') {
            Some((rest, headers)) => (rest, parse_headers(headers)?),
            None => (rest, Vec::new()),
        };
        let (hostport, params) = match scan::cut(rest, b';') {
            Some((hostport, params)) => (hostport, parse_params(params)?),
            None => (rest, Params::new()),
        };
        let (host, port) = split_hostport(hostport).ok_or(UriError::Host)?;
        let host = host.parse().map_err(|_| UriError::Host)?;
        let number = port.map(|port| parse_port(port).ok_or(UriError::Port)).transpose()?;
        let mut uri = Self { user, password, params, headers, secure, ..Self::new(host, number) };
        let plain_port = port.is_none_or(|port| !port.starts_with('0'));
        if scheme != uri.scheme() || !plain_port {
            let port = port.map(str::to_owned);
            uri.spelling = Some(Box::new(Spelling { scheme: scheme.to_owned(), port }));
        }
        Ok(uri)
    }
}

/// Cuts `host:port` where the port begins; the colons inside brackets belong to the host.
pub(crate) fn split_hostport(text: &str) -> Option<(&str, Option<&str>)> {
    let host_end = if text.starts_with('[') {
        text.find(']')? + 1
    } else {
        text.bytes().position(|byte| byte == b':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(host_end);
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None if rest.is_empty() => Some((host, None)),
        None => None,
    }
}

/// Reads a port: 1 to 65535, leading zeros allowed.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    let number = scan::number(text)?;
    u16::try_from(number).ok().filter(|port| *port != 0)
}

fn parse_userinfo(userinfo: &str) -> Result<(String, Option<String>), UriError> {
    let (user, password) = match scan::cut(userinfo, b':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    // Letters beyond ASCII should be escaped. Phones forget it, and nothing is ambiguous, so they are let in as they are.
    let is_user =
        |byte: u8| is_unreserved(byte) || is_user_unreserved(byte) || byte == b'%' || byte >= 0x80;
    let is_password =
        |byte: u8| is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b'%');
    // "#" is not in the grammar, but in dial strings: *21#.
    if user.is_empty() || !user.bytes().all(|byte| is_user(byte) || byte == b'#') {
        return Err(UriError::UserInfo);
    }
    if !password.is_none_or(|password| password.bytes().all(is_password)) {
        return Err(UriError::UserInfo);
    }
    Ok((user.to_owned(), password.map(str::to_owned)))
}

fn parse_params(text: &str) -> Result<Params, UriError> {
    // RFC 3261 §25.1: paramchar = param-unreserved / unreserved / escaped
    let is_param = |byte: u8| {
        is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$' | b'%')
    };
    let mut params = Params::new();
    for part in text.split(';') {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (part, None),
        };
        let valid = !name.is_empty()
            && name.bytes().all(is_param)
            && value.is_none_or(|value| value.bytes().all(is_param));
        if !valid || params.len() == Params::COUNT_MAX {
            return Err(UriError::Param);
        }
        params.push(name, value);
    }
    Ok(params)
}

fn parse_headers(text: &str) -> Result<Vec<(String, String)>, UriError> {
    // RFC 3261 §25.1: hnv-unreserved / unreserved / escaped
    let is_header = |byte: u8| {
        is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$' | b'%')
    };
    let mut headers = Vec::new();
    for part in text.split('&') {
        let (name, value) = part.split_once('=').ok_or(UriError::Header)?;
        let valid = !name.is_empty() && name.bytes().all(is_header) && value.bytes().all(is_header);
        if !valid || headers.len() == Params::COUNT_MAX {
            return Err(UriError::Header);
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(headers)
}

impl SipUri {
    /// Gives the header components with escapes undone, names and values.
    pub fn headers_unescaped(&self) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
        self.headers.iter().map(|(name, value)| (unescape(name), unescape(value)))
    }
}
