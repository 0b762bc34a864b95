//! Values of header fields: bytes.

use std::{borrow::Cow, fmt};

use memchr::memchr2;

use crate::scan;

/// Holds the value of one header field: any bytes but line breaks, without white space at the ends.
/// Folds are already undone. Most values are UTF-8, but none has to be.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderValue(Vec<u8>);

impl HeaderValue {
    /// Gives the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives the value as text, if it is UTF-8.
    pub const fn as_str(&self) -> Option<&str> {
        match std::str::from_utf8(self.0.as_slice()) {
            Ok(text) => Some(text),
            Err(_) => None,
        }
    }

    /// Gives the value as text: UTF-8, else read as Latin-1, so that no character is lost.
    pub fn text(&self) -> Cow<'_, str> {
        scan::text(&self.0)
    }

    /// Takes bytes that are known to have no line break and no white space at the ends.
    pub(crate) fn from_clean(bytes: Vec<u8>) -> Self {
        debug_assert!(!bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        Self(bytes)
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), f)
    }
}

/// Line breaks become spaces: no value that a peer can choose may start another header field.
impl From<Vec<u8>> for HeaderValue {
    fn from(mut bytes: Vec<u8>) -> Self {
        let mut from = 0;
        while let Some(at) = memchr2(b'\r', b'\n', &bytes[from..]) {
            bytes[from + at] = b' ';
            from += at + 1;
        }
        if bytes.first().is_some_and(|byte| scan::is_lws(*byte))
            || bytes.last().is_some_and(|byte| scan::is_lws(*byte))
        {
            bytes = scan::trim_bytes(&bytes).to_vec();
        }
        Self(bytes)
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes().to_vec())
    }
}

impl From<u32> for HeaderValue {
    fn from(number: u32) -> Self {
        Self(number.to_string().into_bytes())
    }
}
