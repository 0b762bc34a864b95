//! How a factory hands over a conference, by who asks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sip::{HeaderName, Incoming, Transport};

use crate::Network;

/// Rules of one factory: more, and one should ask why the phones differ so. Each costs a comparison for every INVITE
/// that fits none before it.
pub const ANSWER_RULES_MAX: usize = 64;

/// How a factory hands over the conference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerForm {
    /// 302 with the conference URI (RFC 4579 §5.4, figure 4).
    #[default]
    Redirect,
    /// The focus of this node answers itself, 200 (RFC 4579 §5.4, its text).
    Deliver,
    /// The request is relayed to the owner.
    Relay,
}

impl fmt::Display for AnswerForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redirect => "redirect",
            Self::Deliver => "deliver",
            Self::Relay => "relay",
        })
    }
}

/// Another form of the answer for some callers: whoever fits all that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRule {
    /// What User-Agent says (RFC 3261 §20.41); who does not say it says nothing. `None`: whatever.
    pub user_agent: Option<Wildcard>,
    /// Where the request came from; behind a proxy that is the proxy. `None`: from anywhere.
    pub source: Option<Network>,
    /// What it came by. `None`: whatever.
    pub transport: Option<Transport>,
    /// The form that they get.
    pub answer: AnswerForm,
}

impl AnswerRule {
    fn fits(&self, incoming: &Incoming) -> bool {
        let Self { user_agent, source, transport, answer: _ } = self;
        transport.is_none_or(|transport| transport == incoming.source.transport)
            && source.is_none_or(|network| network.contains(incoming.source.remote.ip()))
            && user_agent.as_ref().is_none_or(|pattern| {
                let said = incoming.request.headers.get(&HeaderName::UserAgent);
                pattern.fits(said.map(|value| value.text()).unwrap_or_default().as_bytes())
            })
    }
}

impl fmt::Display for AnswerRule {
    /// As it stands in the configuration, but for the form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user_agent, source, transport, answer: _ } = self;
        let parts = [
            user_agent.as_ref().map(|pattern| format!("user_agent = \"{pattern}\"")),
            source.map(|network| format!("source = \"{network}\"")),
            transport.map(|it| format!("transport = \"{}\"", it.uri_param())),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// The form that one caller gets, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answering {
    /// The form.
    pub form: AnswerForm,
    /// Which rule says so, counted from 1; `None`: no rule fits, and it is the factory's own.
    pub rule: Option<usize>,
    /// What that rule asks for, as it is written; empty without one.
    pub because: String,
}

/// The first rule that fits, else `usual`.
pub(super) fn answering(rules: &[AnswerRule], usual: AnswerForm, incoming: &Incoming) -> Answering {
    match rules.iter().enumerate().find(|(_, rule)| rule.fits(incoming)) {
        Some((index, rule)) => {
            Answering { form: rule.answer, rule: Some(index + 1), because: rule.to_string() }
        }
        None => Answering { form: usual, rule: None, because: String::new() },
    }
}

/// A text in which each `*` stands for any text, also for none; upper and lower case are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildcard {
    /// What stands between the stars, in lower case: one more than there are stars.
    parts: Vec<String>,
}

/// Stars in one pattern. To compare costs at most so many walks over the text.
const STARS_MAX: usize = 8;

/// Characters of a pattern.
const WILDCARD_MAX: usize = 128;

/// Bytes of a text that are looked at: who calls chooses how long his is.
const LOOKED_AT_MAX: usize = 256;

impl Wildcard {
    /// Whether the first 256 bytes of this text fit.
    pub fn fits(&self, text: &[u8]) -> bool {
        let text = &text[..text.len().min(LOOKED_AT_MAX)].to_ascii_lowercase()[..];
        let [first, middle @ .., last] = &self.parts[..] else {
            return self.parts.first().is_some_and(|whole| whole.as_bytes() == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_bytes()) else { return false };
        // The earliest place leaves the most for what follows, so there is no way back to be tried.
        for part in middle {
            match find(rest, part.as_bytes()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_bytes())
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    (0..=text.len().checked_sub(part.len())?).find(|&at| text[at..].starts_with(part))
}

impl FromStr for Wildcard {
    type Err = WildcardError;

    fn from_str(text: &str) -> Result<Self, WildcardError> {
        if text.is_empty() || text.chars().count() > WILDCARD_MAX {
            return Err(WildcardError::Length);
        }
        let parts: Vec<String> = text.split('*').map(str::to_ascii_lowercase).collect();
        if parts.len() > STARS_MAX + 1 {
            return Err(WildcardError::Stars);
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("*"))
    }
}

/// Why a text is no pattern; goes on from the quoted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum WildcardError {
    #[error("is no pattern: write 1 to {WILDCARD_MAX} characters, as in \"AudioCodes*\"")]
    Length,
    #[error("has more than {STARS_MAX} stars: one for each part that may differ is enough")]
    Stars,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        pattern.parse::<Wildcard>().expect("a pattern").fits(text.as_bytes())
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "anything"),
            ("AudioCodes*", "audiocodes-420HD/2.2"),
            ("*420HD*", "AudioCodes-420HD/2.2"),
            ("*/2.2", "a/2.2/2.2"),
            ("a*b*c", "aXbYbZc"),
            ("a**c", "ac"),
            ("ab*ba", "abba"),
            ("exact", "Exact"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("AudioCodes*", "An AudioCodes"),
            ("*420HD", "420HD/2"),
            ("ab*ba", "aba"),
            ("a*b*c", "acb"),
            ("exact", "exactly"),
            ("exact", ""),
            ("a*b*b", "ab"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_and_what_is_looked_at_are_bounded() {
        assert_eq!("".parse::<Wildcard>(), Err(WildcardError::Length));
        assert_eq!("a".repeat(129).parse::<Wildcard>(), Err(WildcardError::Length));
        assert_eq!("*a".repeat(9).parse::<Wildcard>(), Err(WildcardError::Stars));
        let long = format!("{}end", "x".repeat(256));
        assert!(fits("x*", &long) && !fits("*end", &long));
    }
}
