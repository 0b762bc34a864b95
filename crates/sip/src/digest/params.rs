//! The form that challenges and credentials share: a scheme and `name=value`, comma between
//! (RFC 3261 §25.1).

use std::fmt;

use super::DigestError;
use crate::scan;

/// The most parameters of one challenge or of one set of credentials: RFC 7616 has 15 in all, and
/// extensions are allowed. With more it is refused.
const PARAMS_MAX: usize = 32;

/// The parameters of one header field, values without their quotes.
#[derive(Debug)]
pub(super) struct AuthParams(Vec<(String, String)>);

impl AuthParams {
    /// Reads a header value. Values may be quoted or not, whatever the grammar says of each: phones
    /// quote `algorithm`, `qop` and `nc`, or leave the quotes of `uri` away.
    pub(super) fn parse(text: &str) -> Result<Self, DigestError> {
        let text = scan::trim(text);
        let (scheme, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if !scan::is_token(scheme) {
            return Err(DigestError::Malformed);
        }
        // RFC 7235 §2.1 by way of RFC 7616 §3.3: the scheme's case does not matter.
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(DigestError::OtherScheme(scheme.to_owned()));
        }
        let parts = scan::split_text(rest, b',').ok_or(DigestError::Malformed)?;
        let mut params = Vec::new();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            if params.len() == PARAMS_MAX {
                return Err(DigestError::TooManyParams { max: PARAMS_MAX });
            }
            let (name, value) = part.split_once('=').ok_or(DigestError::Malformed)?;
            let (name, value) = (scan::trim(name), scan::trim(value));
            if !scan::is_token(name) {
                return Err(DigestError::Malformed);
            }
            let value = match scan::quoted_len(value) {
                Some(len) if len == value.len() => scan::unquote(value),
                Some(_) => return Err(DigestError::Malformed),
                None if value.contains(['"', ' ', '\t']) => return Err(DigestError::Malformed),
                None => value.to_owned(),
            };
            params.push((name.to_ascii_lowercase(), value));
        }
        Ok(Self(params))
    }

    /// A parameter, if it is there; twice is an error, since two readers may take different ones.
    pub(super) fn get(&self, name: &'static str) -> Result<Option<&str>, DigestError> {
        let mut found = self.0.iter().filter(|(found, _)| found == name);
        let first = found.next().map(|(_, value)| value.as_str());
        if found.next().is_some() { Err(DigestError::Repeated(name)) } else { Ok(first) }
    }

    /// A parameter that must be there.
    pub(super) fn require(&self, name: &'static str) -> Result<&str, DigestError> {
        self.get(name)?.ok_or(DigestError::Missing(name))
    }

    /// `true` or `false` in any case; absent is `false`.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, DigestError> {
        // RFC 7616 §3.3: of stale, anything but `true` means false; userhash has the same two values.
        Ok(self.get(name)?.is_some_and(|value| value.eq_ignore_ascii_case("true")))
    }
}

/// Writes `Digest` and then each parameter in order.
pub(super) struct Writer<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    is_first: bool,
}

impl<'a, 'b> Writer<'a, 'b> {
    pub(super) fn begin(f: &'a mut fmt::Formatter<'b>) -> Result<Self, fmt::Error> {
        f.write_str("Digest ")?;
        Ok(Self { f, is_first: true })
    }

    /// RFC 7616 §3.3, §3.4: realm, domain, nonce, opaque, qop of a challenge, username, uri, response
    /// and cnonce are always quoted.
    pub(super) fn quoted(&mut self, name: &str, value: &str) -> fmt::Result {
        self.name(name)?;
        scan::quote(value, self.f)
    }

    /// RFC 7616 §3.3, §3.4: stale, algorithm, qop of credentials, nc and userhash never are.
    pub(super) fn plain(&mut self, name: &str, value: &str) -> fmt::Result {
        self.name(name)?;
        self.f.write_str(value)
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        if !self.is_first {
            self.f.write_str(", ")?;
        }
        self.is_first = false;
        write!(self.f, "{name}=")
    }
}
