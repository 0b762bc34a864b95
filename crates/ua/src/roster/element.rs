//! A document as a tree. Whoever sent it may have made it to hurt: it is read within bounds, and nothing in it is fetched
//! or expanded.

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

/// Bytes of a document that are read: more than fits into a datagram is not meant for a terminal. It bounds the elements
/// too: 16,000 of them.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// Elements within elements. The schema has 7 levels; a document with more than this is refused, so that no recursion
/// over it is deep.
pub const DEPTH_MAX: usize = 16;

/// Users of one roster, over all documents. What has no room is left out; `user_count` still tells of it.
pub const USERS_MAX: usize = 2_000;

/// Devices of one user, over all documents: nobody shows more. What has no room is left out.
pub(super) const ENDPOINTS_MAX: usize = 32;

/// Streams of one device, over all documents. What has no room is left out.
pub(super) const MEDIA_MAX: usize = 8;

/// The namespace of the package (RFC 4575 §4.2).
const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";

/// Why a document is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum DocumentError {
    #[error("the document is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    #[error("the document is nested deeper than {DEPTH_MAX} elements")]
    TooDeep,
    #[error("the document is not XML in UTF-8")]
    Malformed,
    #[error("the document has a DOCTYPE")]
    Doctype,
    #[error("the document is no conference-info")]
    OtherDocument,
    #[error("the document has no version")]
    NoVersion,
}

/// An element of the package's namespace. Those of others are read over, with all that is in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    entity: Option<String>,
    id: Option<String>,
    state: Option<String>,
    pub(super) version: Option<String>,
    pub(super) children: Vec<Self>,
    text: String,
    /// Whether it is of another namespace.
    is_foreign: bool,
}

/// What an element says of itself (RFC 4575 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Full,
    Partial,
    Deleted,
}

impl Element {
    /// Reads a document.
    pub(super) fn read(body: &[u8]) -> Result<Self, DocumentError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(DocumentError::TooLong);
        }
        let text = std::str::from_utf8(body).map_err(|_| DocumentError::Malformed)?;
        let mut reader = NsReader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            let (namespace, event) =
                reader.read_resolved_event().map_err(|_| DocumentError::Malformed)?;
            if matches!(event, Event::Start(_) | Event::Empty(_)) && open.len() >= DEPTH_MAX {
                return Err(DocumentError::TooDeep);
            }
            match event {
                Event::Start(start) => open.push(Self::of(&namespace, &start)?),
                Event::Empty(start) => {
                    close(&mut open, &mut root, Self::of(&namespace, &start)?)?;
                }
                Event::End(_) => {
                    let element = open.pop().ok_or(DocumentError::Malformed)?;
                    close(&mut open, &mut root, element)?;
                }
                Event::Text(text) => push(&mut open, &text.xml10_content()),
                Event::CData(text) => push(&mut open, &text.xml10_content()),
                Event::GeneralRef(name) => {
                    push(&mut open, character(&name)?.encode_utf8(&mut [0; 4]));
                }
                Event::DocType(_) => return Err(DocumentError::Doctype),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        match root {
            Some(root) if open.is_empty() => Ok(root),
            Some(_) | None => Err(DocumentError::Malformed),
        }
    }

    fn of(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<Self, DocumentError> {
        let is_ours = *namespace == ResolveResult::Bound(Namespace(NAMESPACE));
        let mut element = Self {
            name: start.local_name().as_ref().to_owned(),
            is_foreign: !is_ours,
            ..Self::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| DocumentError::Malformed)?;
            let place = match attribute.key.as_ref() {
                "entity" => &mut element.entity,
                "id" => &mut element.id,
                "state" => &mut element.state,
                "version" => &mut element.version,
                _ => continue,
            };
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| DocumentError::Malformed)?;
            *place = Some(value.into_owned());
        }
        Ok(element)
    }

    pub(super) fn state(&self) -> State {
        match self.state.as_deref() {
            Some("partial") => State::Partial,
            Some("deleted") => State::Deleted,
            // RFC 4575 §4.4: the default; another word is none.
            Some(_) | None => State::Full,
        }
    }

    /// The value of its key, if it has one (RFC 4575 §4.5).
    pub(super) fn key(&self) -> Option<&str> {
        self.entity.as_deref().or(self.id.as_deref())
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Its text without the white space around it; `None` if that is all.
    pub(super) fn text(&self) -> Option<String> {
        let text = self.text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The text of a child.
    pub(super) fn text_of(&self, name: &str) -> Option<String> {
        self.child(name)?.text()
    }
}

fn close(
    open: &mut [Element],
    root: &mut Option<Element>,
    element: Element,
) -> Result<(), DocumentError> {
    match open.last_mut() {
        Some(_) if element.is_foreign => {}
        Some(parent) => parent.children.push(element),
        None if root.is_some() => return Err(DocumentError::Malformed),
        None if element.is_foreign => return Err(DocumentError::OtherDocument),
        None => *root = Some(element),
    }
    Ok(())
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// The character that a reference means: a number, or one of the five names of XML. Others would be of a DOCTYPE.
fn character(name: &BytesRef<'_>) -> Result<char, DocumentError> {
    match name.resolve_char_ref() {
        Ok(Some(c)) => return Ok(c),
        Ok(None) => {}
        Err(_) => return Err(DocumentError::Malformed),
    }
    match &**name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(DocumentError::Malformed),
    }
}
