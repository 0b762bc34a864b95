//! The head of a message: start line and header fields.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

use crate::{
    headers::{HeaderError, HeaderName, HeaderValue, Headers},
    parse::ParseError,
    scan,
};

/// Most header fields in one message, each value of Via, Route, Record-Route and Contact counted. An honest message has
/// tens; the request is kept as long as its transaction, and look-ups are linear. One with more is refused with 400.
pub(crate) const HEADER_FIELDS_MAX: usize = 2_048;

/// As many as most messages have: then their list is made once and does not grow.
const FIELDS_USUAL: usize = 16;

/// Walks over the lines of a head. Folded lines are one line.
struct Lines<'a> {
    rest: &'a [u8],
    end: End,
    /// Whether a line ended with CR or LF alone.
    has_lone_break: bool,
}

/// How the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Not yet.
    Ahead,
    /// With an empty line.
    EmptyLine,
    /// The bytes ran out.
    Open,
}

impl<'a> Lines<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, end: End::Ahead, has_lone_break: false }
    }
}

/// Gives one line without its CRLF, but with those of folds in it. A line that does not end is not given.
impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.end != End::Ahead {
            return None;
        }
        let mut from = 0;
        loop {
            // For finding the end, a CR or LF alone counts as a line end too: the message is refused, but what it says is
            // needed for the answer.
            let Some(at) = memchr2(b'\r', b'\n', &self.rest[from..]).map(|at| from + at) else {
                self.end = End::Open;
                return None;
            };
            let is_whole = self.rest[at..].starts_with(b"\r\n");
            self.has_lone_break |= !is_whole;
            let next = at + if is_whole { 2 } else { 1 };
            if at == 0 {
                self.rest = &self.rest[next..];
                self.end = End::EmptyLine;
                return None;
            }
            // RFC 3261 §7.3.1: a line that begins with white space continues the one before.
            if !self.rest.get(next).is_some_and(|byte| scan::is_lws(*byte)) {
                let line = &self.rest[..at];
                self.rest = &self.rest[next..];
                return Some(line);
            }
            from = next;
        }
    }
}

/// Makes every fold, with the white space around it, one space. `None` when there is a CR or LF that is no fold.
fn unfold(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    if memchr2(b'\r', b'\n', line).is_none() {
        return Some(Cow::Borrowed(line));
    }
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let after = rest[at..].strip_prefix(b"\r\n")?;
        out.extend_from_slice(&rest[..at]);
        while out.last().is_some_and(|byte| scan::is_lws(*byte)) {
            out.pop();
        }
        out.push(b' ');
        let lws = after.iter().take_while(|byte| scan::is_lws(**byte)).count();
        rest = &after[lws..];
    }
    out.extend_from_slice(rest);
    Some(Cow::Owned(out))
}

/// Cuts a line into name and value. The value is unfolded and trimmed.
fn field(line: &[u8]) -> Result<(HeaderName, Cow<'_, [u8]>), ParseError> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(ParseError::HeaderLine)?;
    let name =
        HeaderName::read(scan::trim_end_bytes(&line[..colon])).ok_or(ParseError::HeaderLine)?;
    let value = match unfold(&line[colon + 1..]).ok_or(ParseError::LineBreak)? {
        Cow::Borrowed(value) => Cow::Borrowed(scan::trim_bytes(value)),
        Cow::Owned(value) => Cow::Owned(scan::trim_bytes(&value).to_vec()),
    };
    Ok((name, value))
}

/// Holds what stands before the body, as far as it could be read.
pub(crate) struct Head<'a> {
    pub(crate) start_line: &'a [u8],
    pub(crate) headers: Headers,
    /// What Content-Length says; the first one, if there are several.
    pub(crate) content_length: Option<Result<usize, HeaderError>>,
    pub(crate) body: &'a [u8],
    /// The first thing that was wrong; but a line break alone, or too many fields, before all others.
    pub(crate) error: Option<ParseError>,
}

impl<'a> Head<'a> {
    /// Reads a head and goes on after errors: what is left may be needed for an answer.
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let mut lines = Lines::new(bytes);
        let start_line = lines.next().unwrap_or_default();
        Self::fields(lines, start_line)
    }

    /// The same of a body's part, which has no start line (RFC 2046 §5.1).
    pub(crate) fn of_part(bytes: &'a [u8]) -> Self {
        Self::fields(Lines::new(bytes), &[])
    }

    fn fields(mut lines: Lines<'a>, start_line: &'a [u8]) -> Self {
        let mut head = Self {
            start_line,
            headers: Headers::with_capacity(FIELDS_USUAL),
            content_length: None,
            body: &[],
            error: None,
        };
        for line in lines.by_ref() {
            match field(line).and_then(|(name, value)| head.add(name, value)) {
                Ok(()) => {}
                Err(error @ ParseError::TooManyHeaders { .. }) => {
                    head.error = Some(error);
                    return head;
                }
                Err(error) => head.error = head.error.or(Some(error)),
            }
        }
        if lines.end == End::Open {
            head.error.get_or_insert(ParseError::HeadersOpen);
        }
        head.body = lines.rest;
        if lines.has_lone_break {
            // Before all other errors: what the fields are is in doubt, and with them where the next message begins.
            head.error = Some(ParseError::LineBreak);
        }
        head
    }

    fn add(&mut self, name: HeaderName, value: Cow<'_, [u8]>) -> Result<(), ParseError> {
        if name == HeaderName::ContentLength {
            let length = content_length(&value);
            // Two are an error even if they agree (RFC 4475 §3.3.9).
            self.content_length = Some(match self.content_length {
                Some(_) => Err(HeaderError::Repeated(name)),
                None => length,
            });
            return Ok(());
        }
        if !name.is_split() {
            return self.push(name, value.into_owned());
        }
        let malformed = || ParseError::Header(HeaderError::Malformed(name.clone()));
        // One value in which nothing can be left open, as in most Vias.
        if !value.is_empty() && memchr3(b',', b'"', b'<', &value).is_none() {
            return self.push(name, value.into_owned());
        }
        let Some(parts) = scan::split(&value, b',') else {
            // Something is left open. The piece up to the first comma may still say where an answer must go.
            let first = value.split(|byte| *byte == b',').next().unwrap_or_default();
            self.push(name.clone(), scan::trim_bytes(first).to_vec())?;
            return Err(malformed());
        };
        let mut result = Ok(());
        for part in parts {
            if part.is_empty() {
                result = Err(malformed());
            } else {
                self.push(name.clone(), part.to_vec())?;
            }
        }
        result
    }

    fn push(&mut self, name: HeaderName, value: Vec<u8>) -> Result<(), ParseError> {
        if self.headers.len() == HEADER_FIELDS_MAX {
            return Err(ParseError::TooManyHeaders { max: HEADER_FIELDS_MAX });
        }
        self.headers.push(name, HeaderValue::from_clean(value));
        Ok(())
    }
}

/// Reads a Content-Length: digits and nothing else, so that no sign gets through (RFC 4475 §3.1.2.3).
fn content_length(value: &[u8]) -> Result<usize, HeaderError> {
    let number = std::str::from_utf8(value).ok().and_then(scan::number);
    let number = number.ok_or(HeaderError::Malformed(HeaderName::ContentLength))?;
    // What does not fit is longer than any message that we take.
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}
