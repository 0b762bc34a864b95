//! Media types and media ranges: Content-Type, Accept.

use std::{borrow::Cow, fmt, str::FromStr};

use memchr::memchr;

use crate::{
    header::{Params, ValueError},
    scan,
};

/// Names the type of a body, or a range of types when a part is `*` (RFC 3261 §20.1, §20.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `application`, `multipart`, … as it came.
    pub kind: Cow<'static, str>,
    /// `sdp`, `mixed`, … as it came.
    pub subtype: Cow<'static, str>,
    /// boundary, charset, q, version and others.
    pub params: Params,
}

impl MediaType {
    /// Says whether this is that type, without regard to case and parameters: `is("application", "sdp")`.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Says whether this range takes in that type: `*/*`, `application/*` or the type itself. A range with `q=0`
    /// takes in nothing.
    pub fn accepts(&self, kind: &str, subtype: &str) -> bool {
        let refused = self
            .params
            .value("q")
            .is_some_and(|q| q.bytes().all(|byte| matches!(byte, b'0' | b'.')));
        let part = |range: &str, name: &str| range == "*" || range.eq_ignore_ascii_case(name);
        !refused && part(&self.kind, kind) && part(&self.subtype, subtype)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

impl FromStr for MediaType {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let end = memchr(b';', text.as_bytes()).unwrap_or(text.len());
        let (kind, subtype) = scan::cut(&text[..end], b'/').ok_or(ValueError)?;
        let (kind, subtype) = (scan::trim(kind), scan::trim(subtype));
        if !scan::is_token(kind) || !scan::is_token(subtype) {
            return Err(ValueError);
        }
        let params = Params::parse_header(&text[end..])?;
        Ok(Self { kind: scan::word(kind), subtype: scan::word(subtype), params })
    }
}
