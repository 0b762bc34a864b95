//! WWW-Authenticate and Proxy-Authenticate.

use std::{fmt, str::FromStr};

use super::params::{AuthParams, Writer};
use super::{Algorithm, DigestError};
use crate::scan;

/// Asks for a proof (RFC 7616 §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users are meant; alone it names the protection space (RFC 3261 §22.1).
    pub realm: String,
    /// What the proof is to be made with.
    pub nonce: String,
    /// Goes back as it came.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether only the nonce was too old, and the proof right.
    pub stale: bool,
    /// What is to be proved.
    pub qop: Qop,
    /// Whether the user's name shall go as a hash (RFC 7616 §3.4.4).
    pub userhash: bool,
}

/// The quality of protection that a challenge asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qop {
    /// `auth`, perhaps among others.
    Auth,
    /// None is named: a peer of RFC 2543, who knows no nonce count either.
    Unnamed,
}

impl Challenge {
    /// A challenge as our servers make it: RFC 8760 §2.6 wants `qop` always.
    pub fn new(realm: &str, nonce: &str, algorithm: Algorithm, stale: bool) -> Self {
        Self {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            opaque: None,
            algorithm,
            stale,
            qop: Qop::Auth,
            userhash: false,
        }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer::begin(f)?;
        out.quoted("realm", &self.realm)?;
        out.quoted("nonce", &self.nonce)?;
        if let Some(opaque) = &self.opaque {
            out.quoted("opaque", opaque)?;
        }
        if self.stale {
            out.plain("stale", "true")?;
        }
        out.plain("algorithm", self.algorithm.name())?;
        match self.qop {
            Qop::Auth => out.quoted("qop", "auth")?,
            Qop::Unnamed => {}
        }
        if self.userhash {
            out.plain("userhash", "true")?;
        }
        Ok(())
    }
}

impl FromStr for Challenge {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let params = AuthParams::parse(text)?;
        let algorithm = algorithm(&params)?;
        let qop = match params.get("qop")? {
            None => Qop::Unnamed,
            Some(list) => {
                let mut offered = list.split(',').map(scan::trim);
                // RFC 7616 §3.3: unrecognised options must be ignored.
                if !offered.any(|qop| qop.eq_ignore_ascii_case("auth")) {
                    return Err(DigestError::UnknownQop(list.to_owned()));
                }
                Qop::Auth
            }
        };
        Ok(Self {
            realm: params.require("realm")?.to_owned(),
            nonce: params.require("nonce")?.to_owned(),
            opaque: params.get("opaque")?.map(str::to_owned),
            algorithm,
            stale: params.flag("stale")?,
            qop,
            userhash: params.flag("userhash")?,
        })
    }
}

/// RFC 7616 §3.3: not named means MD5.
pub(super) fn algorithm(params: &AuthParams) -> Result<Algorithm, DigestError> {
    match params.get("algorithm")? {
        None => Ok(Algorithm::Md5),
        Some(name) => {
            Algorithm::from_name(name).ok_or_else(|| DigestError::UnknownAlgorithm(name.to_owned()))
        }
    }
}
