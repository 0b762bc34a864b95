//! The conference factory (RFC 4579 §5.4): matching, identity, stateless answers.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::{Host, Incoming, Response, SipUri, StatusCode};
use units::Rng;

use crate::EndPolicy;

/// How a factory hands over the conference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerForm {
    /// 302 with the conference URI (RFC 4579 §5.4).
    #[default]
    Redirect,
    /// The focus of this node answers itself, 200.
    Deliver,
    /// The request is relayed to the owner.
    Relay,
}

/// One `[[factory]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactoryConfig {
    /// User parts that mean this factory, unescaped; the first is the one we print.
    pub users: Vec<String>,
    /// Hosts that are ours, without port; the first is the one we print. None: nothing matches.
    pub hosts: Vec<String>,
    /// How the conference is handed over.
    pub answer: AnswerForm,
    /// How long room is held for a conference that nobody has joined.
    pub hold: Duration,
    /// Expected size where the caller does not say.
    pub expect: u32,
    /// When a conference ends.
    pub end: EndPolicy,
    /// The most legs of one conference; `None`: as many as there is room for.
    pub legs_max: Option<u32>,
}

/// A factory. Owns no state beyond its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factory {
    config: FactoryConfig,
}

/// A Request-URI that asks this factory for a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Expected size, at least 1: `;seats=N`, else the factory's `expect`; at most `legs_max`.
    pub seats: u32,
}

impl Factory {
    /// Makes a factory.
    ///
    /// # Errors
    /// [`FactoryError`]: the configuration cannot work.
    pub fn new(_config: FactoryConfig) -> Result<Self, FactoryError> {
        todo!()
    }

    /// The configuration.
    pub fn config(&self) -> &FactoryConfig {
        &self.config
    }

    /// The factory's one spelling, `sip:USER@HOST`, whichever alias was called: feeds [`identity`].
    pub fn canonical_uri(&self) -> String {
        todo!()
    }

    /// Whether a Request-URI asks this factory for a conference, and for how big a one. Port,
    /// transport and unknown parameters do not count: proxies rewrite them.
    pub fn matches(&self, _uri: &SipUri) -> Option<Asked> {
        todo!()
    }

    /// Whether this host is ours: then `OPTIONS sip:host` is answered 200.
    pub fn owns(&self, _host: &Host) -> bool {
        todo!()
    }

    /// Answers OPTIONS to the factory, or to our host without a user (RFC 3261 §11.2).
    pub fn options(&self, _incoming: &Incoming, _tag: &str) -> Response {
        todo!()
    }
}

/// Who asks, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// A digest user or a certificate.
    Authenticated(&'a str),
    /// Only an address; the port is left out, NATs change it.
    Source(IpAddr),
}

/// Names the conference that a request to a factory means: the same request again (other branch,
/// other CSeq, other transport, after a 401, after a restart) gives the same ten bytes.
pub fn identity(
    _key: &[u8; 32],
    _factory_uri: &str,
    _call_id: &str,
    _from_tag: &str,
    _who: Who<'_>,
    _generation: u32,
) -> [u8; 10] {
    todo!()
}

/// The To tag of a stateless answer: `prefix` and an HMAC of Call-ID, From tag, CSeq number and
/// source address. Who echoes it in the ACK receives at that address.
pub fn stateless_tag(_key: &[u8; 32], _prefix: &str, _incoming: &Incoming) -> String {
    todo!()
}

/// Whether the To tag of this ACK is the one we gave to the INVITE it belongs to: its sender
/// receives where he sends from. Constant time.
pub fn proves_source(_key: &[u8; 32], _prefix: &str, _ack: &Incoming) -> bool {
    todo!()
}

/// The 302: Contact with the conference URI and `;isfocus`, no Expires, no `expires`
/// (RFC 3261 §21.3.3: then nobody may cache it).
///
/// # Errors
/// [`RedirectError`] if it would point back to the Request-URI.
pub fn redirect(
    _incoming: &Incoming,
    _conference_uri: &SipUri,
    _tag: &str,
) -> Result<Response, RedirectError> {
    todo!()
}

/// Why a caller does not get what he asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 480 + Retry-After: there is no room (RFC 3261 §21.4.18).
    PoolFull {
        /// Seats asked for.
        asked: u32,
        /// Seats that were to be had.
        free: u32,
    },
    /// 480 + Retry-After: too much for callers whose address is not proved.
    Unproved {
        /// Seats asked for.
        asked: u32,
        /// What all such callers together may hold.
        limit: u32,
    },
    /// 480 + Retry-After: this address has asked for too many conferences that nobody joined.
    SourceBusy,
    /// 486: the conference has all the legs it may have (RFC 3261 §21.4.21).
    ConferenceFull {
        /// Its limit.
        legs_max: u32,
    },
    /// 480 + Retry-After: the pool has no seat for one more leg.
    NoSeat,
    /// 404: no such conference, whatever the reason.
    NotFound,
    /// 503 without Retry-After: we are shutting down.
    ShuttingDown,
    /// 501: this answer form is not in this build yet.
    NotServed,
}

impl Refused {
    /// The answer on the wire.
    pub const fn status(&self) -> StatusCode {
        todo!()
    }
}

/// Makes a refusal: status, To tag, Retry-After (2 to 10 s, at random, where trying again helps)
/// and a Warning 399 in words for the caller's admin. `agent` is our host (RFC 3261 §20.43).
pub fn refusal(
    _incoming: &Incoming,
    _refused: &Refused,
    _agent: &str,
    _tag: &str,
    _rng: &mut Rng,
) -> Response {
    todo!()
}

/// A factory's configuration cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum FactoryError {
    #[error("a factory needs at least one user")]
    NoUser,
    #[error("a factory needs at least one host")]
    NoHost,
    #[error("a conference of nobody cannot be expected")]
    ExpectsNobody,
    #[error("{expect} expected, but only {legs_max} legs allowed")]
    ExpectsTooMany { expect: u32, legs_max: u32 },
    #[error("a user that begins with conf- would hide conferences")]
    UserLooksLikeConference,
}

/// A redirect would point back to where the caller is (RFC 3261 §8.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the conference URI equals the Request-URI")]
pub struct RedirectError;
