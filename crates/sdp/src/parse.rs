//! Reading.
//!
//! Real phones end lines with a bare LF, leave out `t=` or `s=`, put lines in the wrong order and
//! add letters of their own: all that is taken. What decides where media goes (`m=`) must be right.

use thiserror::Error;

use crate::{Attribute, Connection, Field, MediaDescription, Origin, SessionDescription};

/// Longest description read. A browser's offer with video is 8,000 bytes; above, [`SdpError::TooLong`].
pub const SDP_BYTES_MAX: usize = 32_768;
/// Most m-lines read: a browser in a large conference sends some dozens; above,
/// [`SdpError::TooMany`].
pub const MEDIA_MAX: usize = 64;
/// Most formats of one m-line read: there are 128 payload types; above, [`SdpError::TooMany`].
pub const FORMATS_MAX: usize = 128;
/// Most `a=` lines and other lines read, each, in one section: a browser sends about 60; above,
/// [`SdpError::TooMany`]. With the bound on formats it bounds the work of an answer.
pub const ATTRIBUTES_MAX: usize = 512;

/// Why bytes are not a session description; all are the peer's mistake.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum SdpError {
    #[error("{got} bytes are more than {max}")]
    TooLong { got: usize, max: usize },
    #[error("line {line} does not begin with a letter and =")]
    NotALine { line: usize },
    #[error("the first line is not v=0")]
    Version,
    #[error("line {line}: {what} cannot be read")]
    Malformed { line: usize, what: &'static str },
    #[error("more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
}

impl SdpError {
    /// The answer on the wire, as a SIP status code.
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLong { .. } | Self::TooMany { .. } => 413, // RFC 3261 §21.4.11
            Self::NotALine { .. } | Self::Version | Self::Malformed { .. } => 400,
        }
    }
}

impl SessionDescription {
    /// Reads a description. Bytes that are not UTF-8 (a name in Latin-1) become U+FFFD.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        if bytes.len() > SDP_BYTES_MAX {
            return Err(SdpError::TooLong { got: bytes.len(), max: SDP_BYTES_MAX });
        }
        let text = String::from_utf8_lossy(bytes);
        let mut lines = Lines::new(&text);
        match lines.next().transpose()? {
            Some(Line { kind: 'v', value, .. }) if value.trim() == "0" => {}
            Some(_) | None => return Err(SdpError::Version),
        }
        let mut reader = Reader::default();
        for line in lines {
            reader.read(&line?)?;
        }
        Ok(reader.finish())
    }
}

/// One line: `kind=value`.
struct Line<'a> {
    /// From 1, blank lines counted.
    number: usize,
    kind: char,
    value: &'a str,
}

/// Splits text at LF, with any CR before it. No value holds either.
struct Lines<'a> {
    rest: std::iter::Enumerate<std::str::Split<'a, char>>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.split('\n').enumerate() }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, SdpError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (index, text) =
            self.rest.find(|(_, text)| !text.trim_matches(['\r', ' ', '\t']).is_empty())?;
        let number = index + 1;
        let text = text.trim_end_matches('\r');
        let mut chars = text.chars();
        let (Some(kind), Some('=')) = (chars.next(), chars.next()) else {
            return Some(Err(SdpError::NotALine { line: number }));
        };
        let value = chars.as_str();
        // RFC 8866 §9, byte-string: neither NUL nor CR inside.
        if value.contains(['\r', '\0']) {
            return Some(Err(SdpError::Malformed { line: number, what: "a control character" }));
        }
        if !kind.is_ascii_alphabetic() {
            return Some(Err(SdpError::NotALine { line: number }));
        }
        Some(Ok(Line { number, kind, value }))
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    origin: Option<Origin>,
    name: Option<String>,
    time: Option<String>,
    session: Section,
    /// Each m-line with what stands under it.
    media: Vec<(MediaDescription, Section)>,
}

/// What may stand in the session's part and under each m-line.
#[derive(Default)]
struct Section {
    connection: Option<Connection>,
    fields: Vec<Field>,
    attributes: Vec<Attribute>,
}

impl Reader {
    fn read(&mut self, line: &Line<'_>) -> Result<(), SdpError> {
        let in_session = self.media.is_empty();
        match line.kind {
            'm' => {
                if self.media.len() == MEDIA_MAX {
                    return Err(SdpError::TooMany { what: "m-lines", max: MEDIA_MAX });
                }
                self.media.push((read_media(line)?, Section::default()));
                Ok(())
            }
            // One that cannot be read is kept as a line: nobody needs it but to compare.
            'o' if in_session && self.origin.is_none() => match read_origin(line.value) {
                None => self.session.read(line),
                origin => {
                    self.origin = origin;
                    Ok(())
                }
            },
            's' if in_session && self.name.is_none() => {
                self.name = Some(line.value.to_owned());
                Ok(())
            }
            // Taken behind an m-line too: an answer must repeat it wherever it stands.
            't' if self.time.is_none() => {
                self.time = Some(line.value.to_owned());
                Ok(())
            }
            _ => self.media.last_mut().map_or(&mut self.session, |media| &mut media.1).read(line),
        }
    }

    fn finish(self) -> SessionDescription {
        let Section { connection, fields, attributes } = self.session.finish();
        let media = self.media.into_iter().map(|(media, section)| {
            let Section { connection, fields, attributes } = section.finish();
            MediaDescription { connection, fields, attributes, ..media }
        });
        SessionDescription {
            origin: self.origin,
            name: self.name.unwrap_or_else(|| "-".to_owned()),
            connection,
            time: self.time.unwrap_or_else(|| "0 0".to_owned()),
            fields,
            attributes,
            media: media.collect(),
        }
    }
}

impl Section {
    fn read(&mut self, line: &Line<'_>) -> Result<(), SdpError> {
        let value = line.value.to_owned();
        match line.kind {
            'a' => {
                let attribute = match value.split_once(':') {
                    None => Attribute { name: value, value: None },
                    Some((name, value)) => Attribute::new(name, value),
                };
                push(&mut self.attributes, attribute, "a-lines")
            }
            'c' if self.connection.is_none() => {
                self.connection = Some(Connection(value));
                Ok(())
            }
            kind => push(&mut self.fields, Field { kind, value }, "lines"),
        }
    }

    /// Puts the lines in the order in which they are printed, so that printing keeps them.
    fn finish(mut self) -> Self {
        self.fields.sort_by_key(Field::rank); // stable
        self
    }
}

fn push<T>(list: &mut Vec<T>, item: T, what: &'static str) -> Result<(), SdpError> {
    if list.len() == ATTRIBUTES_MAX {
        return Err(SdpError::TooMany { what, max: ATTRIBUTES_MAX });
    }
    list.push(item);
    Ok(())
}

/// RFC 8866 §5.2. An address with fewer or more words is kept.
fn read_origin(value: &str) -> Option<Origin> {
    let mut words = value.trim().splitn(4, ' ').map(str::to_owned);
    Some(Origin {
        username: words.next()?,
        session_id: words.next()?,
        version: words.next()?,
        address: words.next()?,
    })
}

/// RFC 8866 §5.14. More than one space between the words is taken, a missing format too.
fn read_media(line: &Line<'_>) -> Result<MediaDescription, SdpError> {
    let malformed = || SdpError::Malformed { line: line.number, what: "m=" };
    let mut words = line.value.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(proto)) = (words.next(), words.next(), words.next()) else {
        return Err(malformed());
    };
    let (port, port_count) = match port.split_once('/') {
        None => (port, None),
        Some((port, count)) => (port, Some(count.parse().map_err(|_| malformed())?)),
    };
    let formats = words.by_ref().take(FORMATS_MAX).map(str::to_owned).collect();
    if words.next().is_some() {
        return Err(SdpError::TooMany { what: "formats", max: FORMATS_MAX });
    }
    Ok(MediaDescription {
        kind: kind.to_owned(),
        port: port.parse().map_err(|_| malformed())?,
        port_count,
        proto: proto.to_owned(),
        formats,
        connection: None,
        fields: vec![],
        attributes: vec![],
    })
}

#[cfg(test)]
mod tests;
