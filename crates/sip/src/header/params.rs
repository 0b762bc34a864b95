//! Parameters after a semicolon: of URIs and of header values.

use std::{borrow::Cow, fmt};

use crate::{header::ValueError, scan};

/// Holds parameters in their order, names and values as written: quoted strings have their quotes, escapes are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Params(Vec<(Cow<'static, str>, Option<String>)>);

impl Params {
    /// No honest value has as many parameters; one with more is malformed. It keeps look-ups, which are linear, short.
    pub const COUNT_MAX: usize = 256;

    /// Makes an empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Looks for a parameter, without regard to case. `Some(None)`: it is there without a value.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Says whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives the value of a parameter as written.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).flatten()
    }

    /// Gives what the value of a parameter says: a quoted string without its quotes and escapes.
    pub fn unquoted(&self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        Some(if value.starts_with('"') { scan::unquote(value) } else { value.to_owned() })
    }

    /// Says whether a feature parameter is set (RFC 3840 §9): bare, or `="TRUE"` in any case.
    pub fn has_feature(&self, name: &str) -> bool {
        match self.get(name) {
            Some(None) => true,
            Some(Some(_)) => {
                self.unquoted(name).is_some_and(|value| value.eq_ignore_ascii_case("TRUE"))
            }
            None => false,
        }
    }

    /// Sets a parameter at its place, or adds it at the end.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.set_text(name, value.map(str::to_owned));
    }

    /// The same with a text that is there already.
    pub(crate) fn set_text(&mut self, name: &str, value: Option<String>) {
        match self.0.iter_mut().find(|(found, _)| found.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((scan::word(name), value)),
        }
    }

    /// Adds a parameter at the end.
    pub fn push(&mut self, name: &str, value: Option<&str>) {
        self.0.push((scan::word(name), value.map(str::to_owned)));
    }

    /// Removes a parameter and says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.retain(|found| !found.eq_ignore_ascii_case(name));
        before != self.0.len()
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Gives all parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_deref()))
    }

    /// Counts them.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `*( SEMI generic-param )` of a header value: white space around `;` and `=`, values may be quoted strings.
    /// Empty parameters (`;;`) are an error (RFC 4475 §3.1.2.1).
    pub(crate) fn parse_header(text: &str) -> Result<Self, ValueError> {
        let mut params = Self::new();
        let mut rest = scan::trim(text);
        while let Some(after) = rest.strip_prefix(';') {
            if params.len() == Self::COUNT_MAX {
                return Err(ValueError);
            }
            let after = scan::trim(after);
            let name_len = after.bytes().take_while(|byte| scan::is_token_byte(*byte)).count();
            let (name, after) = after.split_at(name_len);
            if name.is_empty() {
                return Err(ValueError);
            }
            rest = scan::trim(after);
            let Some(value) = rest.strip_prefix('=').map(scan::trim) else {
                params.push(name, None);
                continue;
            };
            let len = match scan::quoted_len(value) {
                Some(len) => len,
                // token or host; wider than the grammar, which forgot unbracketed IPv6 in `received` (RFC 5118 §4.5).
                None => value
                    .bytes()
                    .take_while(|byte| {
                        !matches!(byte, b';' | b',' | b'"' | b'<' | b'>' | b' ' | b'\t')
                    })
                    .count(),
            };
            if len == 0 {
                return Err(ValueError);
            }
            params.push(name, Some(&value[..len]));
            rest = scan::trim(&value[len..]);
        }
        if rest.is_empty() { Ok(params) } else { Err(ValueError) }
    }
}

impl Params {
    /// Writes them, each with its semicolon in front; piece by piece: every message has some, and a format string costs as much
    /// again as what it writes.
    pub(crate) fn put(&self, out: &mut impl fmt::Write) -> fmt::Result {
        for (name, value) in self.iter() {
            out.write_str(";")?;
            out.write_str(name)?;
            if let Some(value) = value {
                out.write_str("=")?;
                out.write_str(value)?;
            }
        }
        Ok(())
    }

    /// How long they are as [`Self::put`] writes them.
    pub(crate) fn written_len(&self) -> usize {
        self.iter().map(|(name, value)| 2 + name.len() + value.map_or(0, str::len)).sum()
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put(f)
    }
}
