//! Event and Subscription-State (RFC 6665).

use std::{fmt, str::FromStr};

use crate::{
    header::{Params, ValueError},
    scan,
};

/// Names an event package, and which of several subscriptions in a dialog is meant (RFC 6665 §8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// The package, with its templates: `refer`, `conference`, `presence.winfo`.
    pub package: String,
    /// The `id` parameter.
    pub id: Option<String>,
    /// The other parameters.
    pub params: Params,
}

impl EventHeader {
    /// Makes one without id and parameters.
    pub fn new(package: &str) -> Self {
        Self { package: package.to_owned(), id: None, params: Params::new() }
    }
}

impl fmt::Display for EventHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        if let Some(id) = &self.id {
            write!(f, ";id={id}")?;
        }
        self.params.fmt(f)
    }
}

impl FromStr for EventHeader {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (package, mut params) = token_and_params(text)?;
        let id = params.value("id").map(str::to_owned);
        params.remove("id");
        Ok(Self { package, id, params })
    }
}

/// Says whether a subscription lives (RFC 6665 §8.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated`, or another word.
    pub state: String,
    /// reason, expires, retry-after and others.
    pub params: Params,
}

impl SubscriptionState {
    /// Makes an `active` state that lasts for `expires` seconds.
    pub fn active(expires: u32) -> Self {
        let mut params = Params::new();
        params.push("expires", Some(&expires.to_string()));
        Self { state: "active".to_owned(), params }
    }

    /// Makes a `pending` state that lasts for `expires` seconds.
    pub fn pending(expires: u32) -> Self {
        Self { state: "pending".to_owned(), ..Self::active(expires) }
    }

    /// Makes a `terminated` state with its reason (`noresource`, `timeout`, …).
    pub fn terminated(reason: &str) -> Self {
        let mut params = Params::new();
        params.push("reason", Some(reason));
        Self { state: "terminated".to_owned(), params }
    }

    /// Says whether the subscription is over.
    pub fn is_terminated(&self) -> bool {
        self.state.eq_ignore_ascii_case("terminated")
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.state, self.params)
    }
}

impl FromStr for SubscriptionState {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (state, params) = token_and_params(text)?;
        Ok(Self { state, params })
    }
}

pub(super) fn token_and_params(text: &str) -> Result<(String, Params), ValueError> {
    let end = text.find(';').unwrap_or(text.len());
    let token = scan::trim(&text[..end]);
    if !scan::is_token(token) {
        return Err(ValueError);
    }
    Ok((token.to_owned(), Params::parse_header(&text[end..])?))
}
