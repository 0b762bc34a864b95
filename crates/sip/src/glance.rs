//! A look at a message without reading it: who it is from and what it is about, as far as that decides who comes first; and
//! what a refusal has to repeat.
//!
//! Under overload most requests are refused, so that a refusal must cost a small part of what an answer costs. What is seen
//! here is taken for nothing more: whatever is served is read in full first.

use memchr::{memchr, memchr2, memrchr};

use crate::header::Via;
use crate::{Packet, Source, scan};

/// What a message seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance<'a> {
    /// An answer.
    Response,
    /// A request that says enough to be refused.
    Request(Glimpse<'a>),
    /// Neither; or too odd for a look, as with folded lines. Only the parser can tell.
    Unclear,
}

/// What a look at a request shows; all as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glimpse<'a> {
    /// The method.
    pub method: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    /// The Call-ID.
    pub call_id: &'a str,
    /// The number in CSeq.
    pub cseq: u32,
    /// The tag in From.
    pub from_tag: Option<&'a str>,
    /// The tag in To: the request says that it belongs to a dialog, or acknowledges something.
    pub to_tag: Option<&'a str>,
    /// Whether it has passed a proxy: there is more than one Via.
    pub is_forwarded: bool,
    /// Whether the client asks for overload control (RFC 7339 §4.1).
    pub has_oc: bool,
    /// The first line of Via.
    via: &'a str,
    from: &'a str,
    to: &'a str,
    cseq_line: &'a str,
    /// What follows the start line.
    fields: &'a str,
}

/// The fields that a look is for (RFC 3261 §8.1.1), by name and compact form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Via,
    From,
    To,
    CallId,
    CSeq,
}

impl<'a> Glance<'a> {
    /// Looks at a message as it came.
    pub fn of(bytes: &'a [u8]) -> Self {
        if bytes.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
            return Self::Response;
        }
        Glimpse::of(bytes).map_or(Self::Unclear, Self::Request)
    }
}

impl<'a> Glimpse<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            // What follows the head need not be text.
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        };
        let (start, fields) = line(text)?;
        let (method, rest) = scan::cut(start, b' ')?;
        let (uri, version) = scan::cut(rest, b' ')?;
        version.eq_ignore_ascii_case("SIP/2.0").then_some(())?;
        let (mut via, mut vias) = (None, 0_usize);
        let (mut from, mut to, mut call_id, mut cseq) = (None, None, None, None);
        for_each_field(fields, |field, value| {
            let slot = match field {
                Field::Via => {
                    vias += if first_value(value).len() < value.len() { 2 } else { 1 };
                    via = via.or(Some(value));
                    return Some(());
                }
                Field::From => &mut from,
                Field::To => &mut to,
                Field::CallId => &mut call_id,
                Field::CSeq => &mut cseq,
            };
            // Twice: the parser says what is wrong.
            slot.replace(value).is_none().then_some(())
        })?;
        let (via, from, to, cseq_line) = (via?, from?, to?, cseq?);
        let (cseq, of) = cseq_line.split_once([' ', '\t'])?;
        (scan::trim(of) == method).then_some(())?;
        Some(Self {
            method,
            uri,
            call_id: call_id?,
            cseq: cseq.parse().ok()?,
            from_tag: tag(from),
            to_tag: tag(to),
            is_forwarded: vias > 1,
            has_oc: has_oc(first_value(via)),
            via,
            from,
            to,
            cseq_line,
            fields,
        })
    }

    /// The topmost Via, read.
    pub fn top_via(&self) -> Option<Via> {
        let via: Via = first_value(self.via).parse().ok()?;
        via.protocol.eq_ignore_ascii_case("SIP/2.0").then_some(via)
    }

    /// An answer with this start line and these lines more, which goes back with `via` in place of the topmost Via. `to_tag`
    /// goes into To, if there is none yet (RFC 3261 §8.2.6).
    pub(crate) fn answer(
        &self,
        (path, via): (Source, &Via),
        (start, to_tag, more): (&str, &str, &str),
    ) -> Packet {
        let mut text = String::with_capacity(self.fields.len() + 192);
        text.push_str(start);
        text.push_str("\r\nVia: ");
        let _ = via.put(&mut text);
        let mut put = |parts: &[&str]| {
            parts.iter().for_each(|part| text.push_str(part));
            text.push_str("\r\n");
        };
        put(&[&self.via[first_value(self.via).len()..]]);
        if self.is_forwarded {
            let mut is_first = true;
            for_each_field(self.fields, |field, value| {
                if field == Field::Via && !std::mem::take(&mut is_first) {
                    put(&["Via: ", value]);
                }
                Some(())
            });
        }
        put(&["From: ", self.from]);
        match self.to_tag {
            Some(_) => put(&["To: ", self.to]),
            None => put(&["To: ", self.to, ";tag=", to_tag]),
        }
        put(&["Call-ID: ", self.call_id]);
        put(&["CSeq: ", self.cseq_line]);
        put(&[more, "Content-Length: 0\r\n"]);
        Packet { path, bytes: text.into_bytes() }
    }
}

/// Cuts off the first line. `None`: it does not end as it must, or goes on in the next one.
fn line(text: &str) -> Option<(&str, &str)> {
    // The parser takes a single LF for a line end.
    let at = memchr2(b'\r', b'\n', text.as_bytes())?;
    let rest = text[at..].strip_prefix("\r\n")?;
    let is_folded = rest.bytes().next().is_some_and(scan::is_lws);
    (!is_folded).then_some((&text[..at], rest))
}

/// Shows each header field that a look is for, up to the empty line. `None`: there is none, or `show` wants no more.
fn for_each_field<'a>(
    mut rest: &'a str,
    mut show: impl FnMut(Field, &'a str) -> Option<()>,
) -> Option<()> {
    loop {
        let (line, after) = line(rest)?;
        if line.is_empty() {
            return Some(());
        }
        rest = after;
        let Some((field, after_name)) = Field::of(line) else { continue };
        let value = scan::trim(after_name).strip_prefix(':').map(scan::trim)?;
        show(field, value)?;
    }
}

impl Field {
    /// Which of these a line is of, and what follows its name (RFC 3261 §7.3.3, §20). `None`: none of them.
    fn of(line: &str) -> Option<(Self, &str)> {
        let names: &[(&str, Self)] = match line.as_bytes().first()?.to_ascii_lowercase() {
            b'v' => &[("Via", Self::Via), ("v", Self::Via)],
            b'f' => &[("From", Self::From), ("f", Self::From)],
            b't' => &[("To", Self::To), ("t", Self::To)],
            b'i' => &[("i", Self::CallId)],
            b'c' => &[("Call-ID", Self::CallId), ("CSeq", Self::CSeq)],
            _ => return None,
        };
        names.iter().find_map(|(name, field)| {
            let (start, rest) = line.split_at_checked(name.len())?;
            let ends = matches!(rest.as_bytes().first(), None | Some(b':' | b' ' | b'\t'));
            (ends && start.eq_ignore_ascii_case(name)).then_some((*field, rest))
        })
    }
}

/// What stands before the first comma that is in no quoted string.
fn first_value(value: &str) -> &str {
    if memchr(b',', value.as_bytes()).is_none() {
        return value;
    }
    let mut quoted = false;
    let end = value.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    });
    scan::trim(&value[..end.unwrap_or(value.len())])
}

/// The tag of a From or To. What stands in a display name may look like one: then a request comes a little earlier than it
/// should, and no more.
fn tag(value: &str) -> Option<&str> {
    let mut rest = &value[memrchr(b'>', value.as_bytes()).unwrap_or(0)..];
    while let Some((_, params)) = scan::cut(rest, b';') {
        rest = params;
        let param = scan::cut(params, b';').map_or(params, |(param, _)| param);
        if let Some((name, tag)) = scan::cut(param, b'=')
            && scan::trim(name).eq_ignore_ascii_case("tag")
        {
            return Some(scan::trim(tag));
        }
    }
    None
}

/// Whether a Via has the parameter `oc`.
fn has_oc(via: &str) -> bool {
    let mut rest = via.as_bytes();
    while let Some(at) = memchr(b';', rest) {
        rest = &rest[at + 1..];
        if let Some((name, after)) = scan::trim_bytes(rest).split_at_checked(2)
            && name.eq_ignore_ascii_case(b"oc")
            && matches!(scan::trim_bytes(after).first(), None | Some(b'=' | b';'))
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
