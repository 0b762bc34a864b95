//! Warning: why, in words.

use std::{fmt, str::FromStr};

use crate::{header::ValueError, scan};

/// Says more than the status code does (RFC 3261 §20.43).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits; 399 is "miscellaneous".
    pub code: u16,
    /// Who says it: host and port, or a pseudonym.
    pub agent: String,
    /// The words.
    pub text: String,
}

impl Warning {
    /// Makes a warning. The agent must be a host, with a port or without, or a token.
    pub fn new(code: u16, agent: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code, agent: agent.into(), text: text.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {} ", self.code, self.agent)?;
        scan::quote(&self.text, f)
    }
}

impl FromStr for Warning {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (code, rest) = scan::trim(text).split_once(' ').ok_or(ValueError)?;
        if code.len() != 3 {
            return Err(ValueError);
        }
        let code =
            scan::number(code).and_then(|code| u16::try_from(code).ok()).ok_or(ValueError)?;
        let (agent, quoted) = scan::trim(rest).split_once(' ').ok_or(ValueError)?;
        let quoted = scan::trim(quoted);
        if scan::quoted_len(quoted) != Some(quoted.len()) {
            return Err(ValueError);
        }
        Ok(Self { code, agent: agent.to_owned(), text: scan::unquote(quoted) })
    }
}
