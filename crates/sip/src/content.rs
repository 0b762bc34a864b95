//! Bodies of one part or several: what of them is meant for us (RFC 5621; RFC 2046 §5.1).
//!
//! Operators' telephones send more than a session description: an ISUP message (RFC 3204), where they are (RFC 6442). Each
//! part says itself whether it may be ignored.

use crate::header::Params;
use crate::parse::Head;
use crate::{HeaderName, HeaderValue, Headers, MediaType, StatusCode, scan};

/// How deep parts may have parts. RFC 5621 §4.3 advises against any depth; its own example has two.
pub const CONTENT_DEPTH_MAX: usize = 4;

/// The most parts of one body, those in parts counted. What is known to be sent has up to four; a body with more is refused
/// with 400.
pub const CONTENT_PARTS_MAX: usize = 16;

/// RFC 2046 §5.1.1
const BOUNDARY_MAX: usize = 70;

/// What may be multipart (RFC 5621 §4.2: MUST). Other subtypes are read like the first.
pub(crate) const MULTIPART: [&str; 2] = ["multipart/mixed", "multipart/alternative"];

/// Why a body, or a part of one that may not be ignored, cannot be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Of a type, or for a purpose, that is not known here.
    #[error(
        "a body of this type is not understood; one that may be ignored says handling=optional"
    )]
    Type,
    /// Compressed, or written as text.
    #[error("bodies are understood as they are only, not compressed or encoded")]
    Encoding,
    /// The type has no usable boundary, or the head of a part cannot be read.
    #[error(
        "a multipart body needs a boundary of 1 to 70 characters and a readable head for each part"
    )]
    Malformed,
    /// The last boundary is missing.
    #[error("a multipart body must end with its boundary and two hyphens")]
    Unterminated,
    /// More parts, or deeper ones, than [`CONTENT_PARTS_MAX`] and [`CONTENT_DEPTH_MAX`].
    #[error("a multipart body may have {CONTENT_PARTS_MAX} parts, {CONTENT_DEPTH_MAX} deep")]
    TooMuch,
}

impl ContentError {
    /// How a request is refused for it.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Type | Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Malformed | Self::Unterminated | Self::TooMuch => StatusCode::BAD_REQUEST,
        }
    }
}

/// Says whether a body can be processed by who understands these types. No body always can.
pub(crate) fn check(
    headers: &Headers,
    body: &[u8],
    is_known: impl Fn(&MediaType) -> bool,
) -> Result<(), ContentError> {
    let mut walk = Walk { is_known: &is_known, parts: 0 };
    walk.judge(headers, body, Place::Top).map(|_| ())
}

/// The first part of this type that is meant for us. What others ask for is not looked at: a request that has them was
/// refused, and of an answer nothing can be.
pub(crate) fn find<'a>(
    headers: &Headers,
    body: &'a [u8],
    (kind, subtype): (&str, &str),
) -> Option<&'a [u8]> {
    let mut walk = Walk { is_known: &|found: &MediaType| found.is(kind, subtype), parts: 0 };
    walk.judge(headers, body, Place::Wanted(0)).ok().flatten()
}

/// The first part of a body of several, not of a part of it, that has this disposition and type and may be ignored.
pub(crate) fn find_ignorable<'a>(
    headers: &Headers,
    body: &'a [u8],
    disposition: &str,
    (kind, subtype): (&str, &str),
) -> Option<&'a [u8]> {
    // Most bodies have one part only, and their type need not be read for that.
    let written = headers.get(&HeaderName::ContentType)?.as_bytes().get(.."multipart".len())?;
    if !written.eq_ignore_ascii_case(b"multipart") {
        return None;
    }
    let whole = headers.content_type().ok().flatten().filter(|it| it.is("multipart", "mixed"))?;
    let mut walk = Walk { is_known: &|_| false, parts: 0 };
    let parts = walk.parts(&whole, body).ok()?;
    let mut heads = parts.into_iter().map(Head::of_part).filter(|head| head.error.is_none());
    let wanted = heads.find(|head| {
        let found = Disposition::of(&head.headers);
        let is_type = |it: MediaType| it.is(kind, subtype);
        found.is_optional
            && found.kind.eq_ignore_ascii_case(disposition)
            && is_plain(&head.headers)
            && head.headers.content_type().ok().flatten().is_some_and(is_type)
    });
    wanted.map(|head| head.body)
}

/// Where a body stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// It is a message's.
    Top,
    /// It is a part, so deep.
    Part(usize),
    /// The same where only what is looked for counts.
    Wanted(usize),
}

impl Place {
    fn inner(self) -> Result<Self, ContentError> {
        let deeper = |depth| match depth {
            CONTENT_DEPTH_MAX.. => Err(ContentError::TooMuch),
            _ => Ok(depth + 1),
        };
        match self {
            Self::Top => deeper(0).map(Self::Part),
            Self::Part(depth) => deeper(depth).map(Self::Part),
            Self::Wanted(depth) => deeper(depth).map(Self::Wanted),
        }
    }
}

/// A walk over a body and its parts.
struct Walk<'w> {
    is_known: &'w dyn Fn(&MediaType) -> bool,
    /// So many were met.
    parts: usize,
}

impl Walk<'_> {
    /// Gives what is meant for us. `None`: nothing is, and that does not matter.
    fn judge<'a>(
        &mut self,
        headers: &Headers,
        body: &'a [u8],
        place: Place,
    ) -> Result<Option<&'a [u8]>, ContentError> {
        if body.is_empty() {
            return Ok(None);
        }
        let disposition = Disposition::of(headers);
        match (self.read(headers, body, disposition.is_for_us, place), place) {
            (Ok(found), _) => Ok(found),
            // However it is broken inside: nobody needs to look.
            (Err(_), _) if disposition.is_optional => Ok(None),
            (Err(ContentError::Type | ContentError::Encoding), Place::Wanted(_)) => Ok(None),
            (Err(error), _) => Err(error),
        }
    }

    fn read<'a>(
        &mut self,
        headers: &Headers,
        body: &'a [u8],
        is_for_us: bool,
        place: Place,
    ) -> Result<Option<&'a [u8]>, ContentError> {
        if !is_plain(headers) {
            return Err(ContentError::Encoding);
        }
        // RFC 3261 §20.15: a body without a type, or with one that cannot be read, is not understood.
        let Ok(Some(found)) = headers.content_type() else { return Err(ContentError::Type) };
        if found.kind.eq_ignore_ascii_case("multipart") {
            let parts = self.parts(&found, body)?;
            return match found.subtype.eq_ignore_ascii_case("alternative") {
                true => self.alternative(&parts, place.inner()?),
                false => self.mixed(&parts, place.inner()?),
            };
        }
        let is_ours = match place {
            Place::Top => true,
            Place::Part(_) | Place::Wanted(_) => is_for_us,
        };
        if is_ours && (self.is_known)(&found) { Ok(Some(body)) } else { Err(ContentError::Type) }
    }

    /// RFC 5621 §5, §4.2, §7.3: each part for itself. The first that is for us is it.
    fn mixed<'a>(
        &mut self,
        parts: &[&'a [u8]],
        place: Place,
    ) -> Result<Option<&'a [u8]>, ContentError> {
        let mut first = None;
        for part in parts {
            let found = self.part(part, place)?;
            first = first.or(found);
        }
        Ok(first)
    }

    /// RFC 5621 §6.1, §8.3: the last part that is understood, whatever the others say of themselves.
    fn alternative<'a>(
        &mut self,
        parts: &[&'a [u8]],
        place: Place,
    ) -> Result<Option<&'a [u8]>, ContentError> {
        let mut last = Err(ContentError::Type);
        for part in parts {
            match self.part(part, place) {
                Ok(Some(found)) => last = Ok(Some(found)),
                Ok(None) | Err(ContentError::Type | ContentError::Encoding) => {}
                Err(error) => return Err(error),
            }
        }
        last
    }

    fn part<'a>(&mut self, part: &'a [u8], place: Place) -> Result<Option<&'a [u8]>, ContentError> {
        let head = Head::of_part(part);
        match head.error {
            None => self.judge(&head.headers, head.body, place),
            // RFC 2046 §5.1.1: no empty line, no content.
            Some(crate::ParseError::HeadersOpen) => Ok(None),
            Some(_) => Err(ContentError::Malformed),
        }
    }

    /// Cuts a body into its parts.
    fn parts<'a>(
        &mut self,
        kind: &MediaType,
        body: &'a [u8],
    ) -> Result<Vec<&'a [u8]>, ContentError> {
        let boundary = kind.params.unquoted("boundary").ok_or(ContentError::Malformed)?;
        if !(1..=BOUNDARY_MAX).contains(&boundary.len()) {
            return Err(ContentError::Malformed);
        }
        let mut parts = Vec::new();
        // Where the part began, and the line: what stands before the first boundary is no part.
        let (mut open, mut at) = (None, 0);
        loop {
            let end = body[at..].windows(2).position(|pair| pair == b"\r\n").map(|n| at + n);
            let line = &body[at..end.unwrap_or(body.len())];
            let mark = Mark::of(line, boundary.as_bytes());
            if let (Some(_), Some(from)) = (mark, open) {
                self.parts += 1;
                if self.parts > CONTENT_PARTS_MAX {
                    return Err(ContentError::TooMuch);
                }
                // The line break before a boundary belongs to that.
                parts.push(&body[from..at.saturating_sub(2).max(from)]);
            }
            let next = end.map(|end| end + 2);
            match (mark, next) {
                (Some(Mark::Last), _) => return Ok(parts),
                (_, None) => return Err(ContentError::Unterminated),
                (Some(Mark::Next), Some(next)) => (open, at) = (Some(next), next),
                (None, Some(next)) => at = next,
            }
        }
    }
}

/// A line that parts (RFC 2046 §5.1.1).
#[derive(Clone, Copy, Debug)]
enum Mark {
    Next,
    Last,
}

impl Mark {
    fn of(line: &[u8], boundary: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
        let (mark, padding) = match rest.strip_prefix(b"--") {
            Some(padding) => (Self::Last, padding),
            None => (Self::Next, rest),
        };
        padding.iter().all(|byte| scan::is_lws(*byte)).then_some(mark)
    }
}

/// What a Content-Disposition says that matters here. One that cannot be read says nothing.
#[derive(Clone, Debug)]
struct Disposition {
    /// Its first word.
    kind: String,
    /// RFC 3261 §20.11: for what a part of its type is by default. `early-session` (RFC 3959), `recipient-list` (RFC 5366)
    /// and others are not known here (RFC 5621 §8.1).
    is_for_us: bool,
    /// RFC 3261 §20.11: `handling=optional`.
    is_optional: bool,
}

impl Disposition {
    fn of(headers: &Headers) -> Self {
        let value = headers.get(&HeaderName::ContentDisposition);
        let text = value.map(|value| value.text().into_owned()).unwrap_or_default();
        let (kind, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let kind = scan::trim(kind);
        let params = Params::parse_header(params).unwrap_or_default();
        let handling = params.unquoted("handling").unwrap_or_default();
        let is = |name| kind.eq_ignore_ascii_case(name);
        Self {
            is_for_us: kind.is_empty() || is("session") || is("render"),
            is_optional: handling.eq_ignore_ascii_case("optional"),
            kind: kind.to_owned(),
        }
    }
}

/// Neither compressed nor, as mail is, written as text: RFC 5621 §3.2 advises against both.
fn is_plain(headers: &Headers) -> bool {
    let is_one_of = |value: &HeaderValue, plain: &[&str]| {
        plain.iter().any(|plain| value.text().trim().eq_ignore_ascii_case(plain))
    };
    headers.get(&HeaderName::ContentEncoding).is_none_or(|value| is_one_of(value, &["identity"]))
        && headers
            .get_other("Content-Transfer-Encoding")
            .is_none_or(|value| is_one_of(value, &["binary", "8bit", "7bit"]))
}

#[cfg(test)]
mod tests;
