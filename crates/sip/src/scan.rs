//! Character classes and small scanners that several parsers share (RFC 3261 §25.1).

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::memchr;

/// Says whether the byte may stand in a `token`.
#[inline]
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Says whether the text is a `token`: one or more token characters.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Linear white space inside one header value. Folds were made into a space before.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Removes linear white space at both ends.
pub(crate) fn trim(text: &str) -> &str {
    let is_at_end = |byte: Option<&u8>| byte.is_some_and(|byte| is_lws(*byte));
    // Most values have one blank before them, and else nothing to cut.
    let text = text.strip_prefix(' ').unwrap_or(text);
    if is_at_end(text.as_bytes().first()) || is_at_end(text.as_bytes().last()) {
        text.trim_matches([' ', '\t'])
    } else {
        text
    }
}

/// An address as it is written, without brackets. What an IPv4 address is by `Display` costs ten times as much, and every
/// message of a datagram has one or two.
pub(crate) fn address(ip: IpAddr) -> String {
    let IpAddr::V4(ip) = ip else { return ip.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (index, octet) in ip.octets().into_iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        let digit = |number: u8| char::from(b'0' + number % 10);
        if octet >= 100 {
            text.push(digit(octet / 100));
        }
        if octet >= 10 {
            text.push(digit(octet / 10));
        }
        text.push(digit(octet));
    }
    text
}

/// A word as it came. Those that nearly every message has take no memory.
pub(crate) fn word(text: &str) -> Cow<'static, str> {
    Cow::Borrowed(match text {
        "SIP/2.0" => "SIP/2.0",
        "UDP" => "UDP",
        "TCP" => "TCP",
        "TLS" => "TLS",
        "branch" => "branch",
        "rport" => "rport",
        "received" => "received",
        "tag" => "tag",
        "transport" => "transport",
        "lr" => "lr",
        "isfocus" => "isfocus",
        "application" => "application",
        "sdp" => "sdp",
        _ => return Cow::Owned(text.to_owned()),
    })
}

/// Cuts at the first of an ASCII byte, which is in neither part.
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    debug_assert!(at.is_ascii(), "invariant: elsewhere it might cut a character in two");
    let index = memchr(at, text.as_bytes())?;
    Some((&text[..index], &text[index + 1..]))
}

/// Removes linear white space at both ends.
pub(crate) fn trim_bytes(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_lws(*first)
    {
        bytes = rest;
    }
    trim_end_bytes(bytes)
}

/// The same at the end alone.
pub(crate) fn trim_end_bytes(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_lws(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Reads bytes as text: UTF-8 where they are that, else Latin-1, in which every byte is a character.
/// RFC 3261 §7.3.1 wants UTF-8; older phones send Latin-1 display names, and neither may be lost.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// Splits at a separator that stands neither in a quoted string nor in angle brackets.
/// `None` when a quote or a bracket is left open. Linear in the length.
pub(crate) fn split(bytes: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut index = 0;
    let mut quoted = false;
    let mut bracketed = false;
    while let Some(&byte) = bytes.get(index) {
        match byte {
            b'\\' if quoted => index += 1, // quoted-pair: the next byte is plain
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            _ if byte == separator && !quoted && !bracketed => {
                parts.push(trim_bytes(&bytes[start..index]));
                start = index + 1;
            }
            _ => {}
        }
        index += 1;
    }
    parts.push(trim_bytes(&bytes[start..]));
    (!quoted && !bracketed).then_some(parts)
}

/// Splits text like [`split`].
pub(crate) fn split_text(text: &str, separator: u8) -> Option<Vec<&str>> {
    let parts = split(text.as_bytes(), separator)?;
    // The cuts are at ASCII bytes, so each part is UTF-8 again.
    parts.into_iter().map(|part| std::str::from_utf8(part).ok()).collect()
}

/// Gives the length in bytes of the quoted string at the start of the text, quotes included.
/// `None` when the text does not start with one, or it does not end.
pub(crate) fn quoted_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut index = 1;
    loop {
        match bytes.get(index)? {
            b'"' => return Some(index + 1),
            b'\\' => index += 2,
            _ => index += 1,
        }
    }
}

/// Gives what a quoted string says. `quoted` has its quotes.
pub(crate) fn unquote(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').unwrap_or(quoted);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.extend(chars.next()),
            _ => out.push(char),
        }
    }
    out
}

/// Writes a quoted string that says `text`. Line breaks, which no quoted string can hold, become spaces.
pub(crate) fn quote(text: &str, out: &mut impl std::fmt::Write) -> std::fmt::Result {
    out.write_char('"')?;
    for char in text.chars() {
        match char {
            '\r' | '\n' => out.write_char(' ')?,
            '"' | '\\' | '\0'..='\x1f' | '\x7f' => {
                out.write_char('\\')?;
                out.write_char(char)?;
            }
            _ => out.write_char(char)?,
        }
    }
    out.write_char('"')
}

/// Reads a decimal number without sign. Leading zeros are allowed; a number too large for `u64` gives its maximum.
pub(crate) fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0u64, |value, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for octet in 0..=u8::MAX {
            let ip = IpAddr::from([octet, 255 - octet, 0, octet / 7]);
            assert_eq!(address(ip), ip.to_string());
        }
        let ip: IpAddr = "2001:db8::7".parse().expect("an address");
        assert_eq!(address(ip), ip.to_string());
    }

    #[test]
    fn ends_are_cut_and_nothing_else() {
        for (text, wanted) in
            [("", ""), (" ", ""), ("\t a b \t", "a b"), ("ä ", "ä"), (" ä", "ä"), ("a\r", "a\r")]
        {
            assert_eq!(trim(text), wanted, "{text:?}");
        }
        assert_eq!(cut("ä:b:c", b':'), Some(("ä", "b:c")));
        assert_eq!(cut("a", b':'), None);
    }
}
