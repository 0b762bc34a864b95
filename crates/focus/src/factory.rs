//! The conference factory (RFC 4579 §5.4): matching, identity, stateless answers.
//!
//! A factory keeps nothing: the node finds room and mints the URI, this module knows whether a
//! Request-URI asks for a conference, which conference a request means, and what to answer.

mod answering;
mod identity;
mod listed;
mod refusal;

use std::borrow::Cow;
use std::time::Duration;

use sip::{HeaderName, Host, Incoming, Response, SipUri, StatusCode, uas};

pub use self::answering::{
    ANSWER_RULES_MAX, AnswerForm, AnswerRule, Answering, Wildcard, WildcardError,
};
pub use self::identity::{IdentityKey, Labelled, TagKey, Who, identity_under_key};
pub use self::refusal::{OverHttp, Refused, refusal};
use crate::answers::{CAPABILITIES, focus_contact};
use crate::{EndPolicy, EntryRules};

/// One `[[factory]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactoryConfig {
    /// User parts that mean this factory, unescaped; the first is the one we print.
    pub users: Vec<String>,
    /// Hosts that are ours, without port; the first is the one we print.
    pub hosts: Vec<String>,
    /// How the conference is handed over to whom no rule fits.
    pub answer: AnswerForm,
    /// How it is handed over to some; the first that fits. At most [`ANSWER_RULES_MAX`].
    pub answer_rules: Vec<AnswerRule>,
    /// How long room is held for a conference that nobody has joined.
    pub hold: Duration,
    /// Expected size where the caller does not say.
    pub expect: u32,
    /// When a conference ends.
    pub end: EndPolicy,
    /// The most legs of one conference; `None`: as many as there is room for.
    pub legs_max: Option<u32>,
    /// How long a conference may last; `None`: as long as somebody is in.
    pub max_time: Option<Duration>,
    /// Who is let into a conference, and how.
    pub entry: EntryRules,
}

/// A factory. Owns no state beyond its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factory {
    config: FactoryConfig,
    hosts: Vec<Host>,
    canonical_uri: String,
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
    pub fn new(config: FactoryConfig) -> Result<Self, FactoryError> {
        for user in &config.users {
            if user.is_empty() {
                return Err(FactoryError::NoUser);
            }
            if user.to_ascii_lowercase().starts_with("conf-") {
                return Err(FactoryError::UserLooksLikeConference { user: user.clone() });
            }
        }
        let hosts: Vec<Host> = config
            .hosts
            .iter()
            .map(|host| host.parse().map_err(|_| FactoryError::BadHost { host: host.clone() }))
            .collect::<Result<_, _>>()?;
        let user = config.users.first().ok_or(FactoryError::NoUser)?;
        let host = hosts.first().ok_or(FactoryError::NoHost)?;
        let canonical_uri = SipUri::new(host.clone(), None).with_user(user).to_string();
        if config.expect == 0 {
            return Err(FactoryError::ExpectsNobody);
        }
        if config.answer_rules.len() > ANSWER_RULES_MAX {
            return Err(FactoryError::TooManyRules { count: config.answer_rules.len() });
        }
        match config.legs_max {
            Some(legs_max) if legs_max < config.expect => {
                Err(FactoryError::ExpectsTooMany { expect: config.expect, legs_max })
            }
            Some(_) | None => Ok(Self { config, hosts, canonical_uri }),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &FactoryConfig {
        &self.config
    }

    /// The factory's one spelling, `sip:USER@HOST`, whichever alias was called: feeds [`IdentityKey::identity`].
    pub fn canonical_uri(&self) -> &str {
        &self.canonical_uri
    }

    /// Whether a Request-URI asks this factory for a conference, and for how big a one. Port,
    /// transport and unknown parameters do not count: proxies rewrite them.
    pub fn matches(&self, uri: &SipUri) -> Option<Asked> {
        let user = called_user(uri)?;
        let known = self.config.users.iter().any(|alias| alias.as_bytes() == user.as_ref());
        (known && self.owns(&uri.host)).then(|| Asked { seats: self.seats(uri) })
    }

    /// Expected size: as many as a list in the request names and the asker, else what the Request-URI says; at most
    /// `legs_max`.
    pub fn expected(&self, incoming: &Incoming, asked: Asked) -> u32 {
        let listed = listed::listed(incoming);
        listed.map_or(asked.seats, |seats| self.within(seats))
    }

    /// How the conference is handed over to whoever sends this.
    pub fn answering(&self, incoming: &Incoming) -> Answering {
        answering::answering(&self.config.answer_rules, self.config.answer, incoming)
    }

    /// Whether this host is ours: then `OPTIONS sip:host` is answered 200.
    pub fn owns(&self, host: &Host) -> bool {
        self.hosts.iter().any(|ours| ours.equivalent(host))
    }

    /// Answers OPTIONS to the factory, or to our host without a user (RFC 3261 §11.2). No
    /// `isfocus`: this is not a conference.
    pub fn options(&self, incoming: &Incoming, tag: &str) -> Response {
        uas::options_answer(incoming, &CAPABILITIES).with_to_tag(tag)
    }

    /// A number too long to be read is more than we have in any case; what is no number at all
    /// says nothing.
    fn seats(&self, uri: &SipUri) -> u32 {
        let said = match uri.param("seats") {
            Some(Some(text)) if is_digits(text) => Some(text.parse().unwrap_or(u32::MAX)),
            Some(_) | None => None,
        };
        self.within(said.unwrap_or(self.config.expect).max(1))
    }

    fn within(&self, seats: u32) -> u32 {
        self.config.legs_max.map_or(seats, |legs_max| seats.min(legs_max))
    }
}

/// The 302: Contact with the conference URI and `;isfocus`. Neither Expires nor `expires`: only then
/// nobody may cache it (RFC 3261 §21.3.3) and the next call gets a conference of its own.
///
/// # Errors
/// [`RedirectError`] if it would point back to the Request-URI.
pub fn redirect(
    incoming: &Incoming,
    conference_uri: &SipUri,
    tag: &str,
) -> Result<Response, RedirectError> {
    // RFC 3261 §8.3: "MUST NOT redirect a request to a URI equal to the one in the Request-URI".
    let asked = incoming.request.uri.as_sip();
    if asked.is_some_and(|asked| asked.equivalent(conference_uri)) {
        return Err(RedirectError);
    }
    let contact = focus_contact(conference_uri, incoming).text();
    Ok(incoming
        .answer(StatusCode::MOVED_TEMPORARILY, tag)
        .with_header(HeaderName::Contact, contact))
}

/// The user part as it is compared: escapes undone; of a telephone number (`;user=phone`) without
/// its parameters and visual separators (RFC 3966 §3, §5.1.1).
fn called_user(uri: &SipUri) -> Option<Cow<'_, [u8]>> {
    let user = uri.user_unescaped()?;
    let is_phone =
        uri.param("user").flatten().is_some_and(|kind| kind.eq_ignore_ascii_case("phone"));
    if !is_phone {
        return Some(user);
    }
    let number = user.split(|byte| *byte == b';').next().unwrap_or_default();
    let plain = number.iter().copied().filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'));
    Some(Cow::Owned(plain.collect()))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A factory's configuration cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum FactoryError {
    #[error("a factory needs at least one user, and none may be empty")]
    NoUser,
    #[error("a factory needs at least one host")]
    NoHost,
    #[error("{host:?} is not a host name or address (without a port)")]
    BadHost { host: String },
    #[error("a conference of nobody cannot be expected")]
    ExpectsNobody,
    #[error("{expect} legs expected, but at most {legs_max} allowed")]
    ExpectsTooMany { expect: u32, legs_max: u32 },
    #[error(
        "{count} answer rules, and there may be {ANSWER_RULES_MAX}: write fewer, with wider patterns"
    )]
    TooManyRules { count: usize },
    #[error("user {user:?}: what begins with conf- is a conference, not a factory")]
    UserLooksLikeConference { user: String },
}

/// A redirect would point back to where the caller is (RFC 3261 §8.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the conference URI equals the Request-URI")]
pub struct RedirectError;
