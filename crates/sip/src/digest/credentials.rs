//! Authorization and Proxy-Authorization.

use std::{fmt, str::FromStr};

use super::challenge::algorithm;
use super::params::{AuthParams, Writer};
use super::secret::user_hash;
use super::{Algorithm, Challenge, DigestError, Ha1, Qop};
use crate::uri::unescape;

/// Proves who sent a request (RFC 7616 §3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub username: Username,
    /// In which realm.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The Request-URI as the client wrote it; proxies may have changed the request's own.
    pub uri: String,
    /// The proof: hex digits.
    pub response: String,
    /// The hash.
    pub algorithm: Algorithm,
    /// What `qop=auth` brings; `None` from a peer who knows none.
    pub count: Option<Count>,
    /// As it came in the challenge.
    pub opaque: Option<String>,
}

/// A user's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Username {
    /// As it is.
    Plain(String),
    /// Its hash (RFC 7616 §3.4.4), in lower-case hex.
    Hashed(String),
}

/// What goes into a proof with `qop=auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many requests the client has sent with this nonce, this one included; 1 or more.
    pub number: u32,
    /// The same as it is written, which is what is hashed.
    pub nc: String,
    /// What the client added.
    pub cnonce: String,
}

impl Count {
    /// The `number`th use of a nonce.
    pub fn new(number: u32, cnonce: &str) -> Self {
        Self { number, nc: format!("{number:08x}"), cnonce: cnonce.to_owned() }
    }
}

impl Username {
    /// The hash of a name.
    pub fn hash(algorithm: Algorithm, user: &str, realm: &str) -> String {
        user_hash(algorithm, user, realm)
    }

    /// Whether this names `user`.
    pub fn is(&self, algorithm: Algorithm, user: &str, realm: &str) -> bool {
        match self {
            Self::Plain(name) => name == user,
            Self::Hashed(hash) => *hash == user_hash(algorithm, user, realm),
        }
    }
}

impl Credentials {
    /// Answers a challenge for a request with this method and Request-URI. `number` is how often the
    /// nonce has been used with this one; it and `cnonce` are for `qop=auth` only.
    pub fn answering(
        challenge: &Challenge,
        (user, ha1): (&str, &Ha1),
        (method, uri): (&str, &str),
        (number, cnonce): (u32, &str),
    ) -> Self {
        let count = match challenge.qop {
            Qop::Auth => Some(Count::new(number, cnonce)),
            Qop::Unnamed => None,
        };
        let username = if challenge.userhash {
            Username::Hashed(user_hash(challenge.algorithm, user, &challenge.realm))
        } else {
            Username::Plain(user.to_owned())
        };
        Self {
            username,
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: uri.to_owned(),
            response: ha1.response(method, uri, &challenge.nonce, count.as_ref()),
            algorithm: challenge.algorithm,
            count,
            opaque: challenge.opaque.clone(),
        }
    }

    /// Whether the response is the one that `ha1` gives for this method. Constant time.
    pub fn prove(&self, ha1: &Ha1, method: &str) -> bool {
        let expected = ha1.response(method, &self.uri, &self.nonce, self.count.as_ref());
        super::same(&expected, &self.response)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer::begin(f)?;
        let (name, is_hashed) = match &self.username {
            Username::Plain(name) => (name, false),
            Username::Hashed(hash) => (hash, true),
        };
        out.quoted("username", name)?;
        out.quoted("realm", &self.realm)?;
        out.quoted("nonce", &self.nonce)?;
        out.quoted("uri", &self.uri)?;
        out.quoted("response", &self.response)?;
        out.plain("algorithm", self.algorithm.name())?;
        if let Some(Count { nc, cnonce, .. }) = &self.count {
            out.quoted("cnonce", cnonce)?;
            out.plain("qop", "auth")?;
            out.plain("nc", nc)?;
        }
        if let Some(opaque) = &self.opaque {
            out.quoted("opaque", opaque)?;
        }
        if is_hashed {
            out.plain("userhash", "true")?;
        }
        Ok(())
    }
}

impl FromStr for Credentials {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let params = AuthParams::parse(text)?;
        let algorithm = algorithm(&params)?;
        let count = match params.get("qop")? {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(count(&params)?),
            Some(qop) => return Err(DigestError::UnknownQop(qop.to_owned())),
        };
        Ok(Self {
            username: username(&params)?,
            realm: params.require("realm")?.to_owned(),
            nonce: params.require("nonce")?.to_owned(),
            uri: params.require("uri")?.to_owned(),
            response: params.require("response")?.to_owned(),
            algorithm,
            count,
            opaque: params.get("opaque")?.map(str::to_owned),
        })
    }
}

/// RFC 7616 §3.4: with a qop, `nc` and `cnonce` must be there; nc has exactly eight hex digits.
fn count(params: &AuthParams) -> Result<Count, DigestError> {
    let nc = params.require("nc")?;
    let digits = nc.len() == 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(nc, 16).ok().filter(|number| digits && *number > 0);
    let number = number.ok_or(DigestError::BadParam("nc"))?;
    Ok(Count { number, nc: nc.to_owned(), cnonce: params.require("cnonce")?.to_owned() })
}

fn username(params: &AuthParams) -> Result<Username, DigestError> {
    let (plain, extended) = (params.get("username")?, params.get("username*")?);
    match (plain, extended) {
        (Some(_), Some(_)) => Err(DigestError::TwoNames), // RFC 7616 §3.4
        (Some(hash), None) if params.flag("userhash")? => {
            Ok(Username::Hashed(hash.to_ascii_lowercase()))
        }
        (Some(name), None) => Ok(Username::Plain(name.to_owned())),
        (None, Some(extended)) => {
            let name = extended_value(extended).ok_or(DigestError::BadParam("username*"))?;
            Ok(Username::Plain(name))
        }
        (None, None) => Err(DigestError::Missing("username")),
    }
}

/// RFC 5987 §3.2.1: `UTF-8'language'percent-encoded`.
fn extended_value(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '\'');
    let charset = parts.next()?;
    let value = parts.nth(1)?;
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    String::from_utf8(unescape(value).into_owned()).ok()
}
