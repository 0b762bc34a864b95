//! `%HH` escapes.

use std::borrow::Cow;

use memchr::memchr;

/// Undoes escapes once: `%2541` gives `%41`. Bytes, because an escape may hide any byte, NUL among them. An escape that
/// is broken stays as it is.
pub fn unescape(text: &str) -> Cow<'_, [u8]> {
    if memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(bytes(text).map(|(byte, _)| byte).collect())
}

/// Walks over the bytes that a text stands for, and says of each whether it was escaped.
pub(crate) fn bytes(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let bytes = text.as_bytes();
    let mut index = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(index)?;
        if byte == b'%'
            && let Some(high) = bytes.get(index + 1).copied().and_then(hex)
            && let Some(low) = bytes.get(index + 2).copied().and_then(hex)
        {
            index += 3;
            return Some((high << 4 | low, true));
        }
        index += 1;
        Some((byte, false))
    })
}

/// Says whether every `%` begins an escape.
pub(crate) fn is_well_escaped(text: &str) -> bool {
    memchr(b'%', text.as_bytes()).is_none()
        || bytes(text).all(|(byte, escaped)| byte != b'%' || escaped)
}

/// Writes any bytes as the user part of a SIP URI.
pub fn escape_user(user: &[u8]) -> String {
    escape(user, |byte| is_unreserved(byte) || is_user_unreserved(byte))
}

/// Writes any bytes as the value of a header in a SIP URI (RFC 3261 §19.1.1).
pub fn escape_header(value: &[u8]) -> String {
    escape(value, is_unreserved)
}

fn escape(bytes: &[u8], is_plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    if let Ok(text) = std::str::from_utf8(bytes)
        && bytes.iter().all(|byte| is_plain(*byte))
    {
        out.push_str(text);
        return out;
    }
    for &byte in bytes {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// `unreserved` of RFC 3261 §25.1: alphanum and mark.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// `user-unreserved` of RFC 3261 §25.1.
pub(crate) const fn is_user_unreserved(byte: u8) -> bool {
    matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

/// `reserved` of RFC 3261 §25.1: in these an escape changes the meaning.
pub(crate) const fn is_reserved(byte: u8) -> bool {
    matches!(byte, b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',')
}
