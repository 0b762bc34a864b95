//! CSeq: the place of a request in its dialog.

use std::{fmt, str::FromStr};

use crate::{header::ValueError, method::Method, scan};

/// Orders the requests of a dialog (RFC 3261 §20.16).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CSeq {
    /// The number: below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// Pairs a number with a method.
    pub const fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl FromStr for CSeq {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = scan::trim(text);
        let (number, method) = text.split_once([' ', '\t']).ok_or(ValueError)?;
        let number =
            scan::number(number).and_then(|number| u32::try_from(number).ok()).ok_or(ValueError)?;
        if number >= 1 << 31 {
            return Err(ValueError);
        }
        Ok(Self { number, method: Method::parse(scan::trim(method)).ok_or(ValueError)? })
    }
}
