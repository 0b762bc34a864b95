//! A URI with a display name and header parameters: From, To, Contact, Route, Record-Route, Refer-To, Referred-By.

use std::{fmt, str::FromStr};

use crate::{
    header::{Params, ValueError},
    scan,
    uri::Uri,
};

/// Holds a URI, who it is in words, and the parameters of the header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, without quotes and escapes. `Some("")` when it was `""`.
    pub display: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// The parameters of the header field (not those of the URI).
    pub params: Params,
}

impl NameAddr {
    /// Makes one without display name and parameters.
    pub fn new(uri: impl Into<Uri>) -> Self {
        Self { display: None, uri: uri.into(), params: Params::new() }
    }

    /// Sets the display name, in plain words.
    #[must_use]
    pub fn with_display(mut self, display: impl Into<String>) -> Self {
        self.display = Some(display.into());
        self
    }

    /// Sets a parameter. The value must be a token or a quoted string with its quotes.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// Sets the tag.
    #[must_use]
    pub fn with_tag(self, tag: &str) -> Self {
        self.with_param("tag", Some(tag))
    }

    /// Gives the tag.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }

    /// Adds a bare `isfocus`: without prefix and value (RFC 4579 §5.1, RFC 3840 §9).
    #[must_use]
    pub fn with_isfocus(self) -> Self {
        self.with_param("isfocus", None)
    }

    /// Says whether this Contact calls itself a focus: `isfocus` in any case, bare or `="TRUE"` (RFC 3840 §9).
    pub fn is_focus(&self) -> bool {
        self.params.has_feature("isfocus")
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl NameAddr {
    /// The same as `to_string`, but its memory is taken at once.
    pub fn text(&self) -> String {
        let uri = self.uri.text();
        let room = self.display.as_ref().map_or(0, |name| name.len() + 8);
        let mut text = String::with_capacity(room + uri.len() + 2 + self.params.written_len());
        let _ = self.put(&uri, &mut text);
        text
    }

    fn put(&self, uri: &str, out: &mut impl fmt::Write) -> fmt::Result {
        if let Some(display) = &self.display {
            scan::quote(display, out)?;
            out.write_str(" ")?;
        }
        for part in ["<", uri, ">"] {
            out.write_str(part)?;
        }
        self.params.put(out)
    }
}

/// Always with angle brackets: without them a parameter of the URI would become one of the field (RFC 3261 §20.10).
impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put(&self.uri.text(), f)
    }
}

impl FromStr for NameAddr {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = scan::trim(text);
        let (display, rest) = match scan::quoted_len(text) {
            Some(len) => (Some(scan::unquote(&text[..len])), scan::trim(&text[len..])),
            None => {
                // display-name = *( token LWS ), and a "<" ends it with or without white space (RFC 4475 §3.1.1.6).
                // Letters beyond ASCII ought to be quoted; they are let in, and printed with quotes.
                let is_display =
                    |byte: u8| scan::is_token_byte(byte) || scan::is_lws(byte) || byte >= 0x80;
                let len = text.bytes().take_while(|byte| is_display(*byte)).count();
                if text[len..].starts_with('<') {
                    let display = scan::trim(&text[..len]);
                    ((!display.is_empty()).then(|| display.to_owned()), &text[len..])
                } else {
                    return parse_addr_spec(text);
                }
            }
        };
        let (uri, rest) =
            rest.strip_prefix('<').and_then(|rest| scan::cut(rest, b'>')).ok_or(ValueError)?;
        let uri = uri.parse().map_err(|_| ValueError)?;
        Ok(Self { display, uri, params: Params::parse_header(rest)? })
    }
}

/// Reads a URI without angle brackets. It ends at the first semicolon: what follows belongs to the header field
/// (RFC 3261 §20.10). With `?` or `,` in it, it would have needed brackets (RFC 3261 §20, RFC 4475 §3.1.2.13).
fn parse_addr_spec(text: &str) -> Result<NameAddr, ValueError> {
    let len = text.bytes().take_while(|byte| !matches!(byte, b';' | b' ' | b'\t')).count();
    let (uri, rest) = text.split_at(len);
    if uri.bytes().any(|byte| matches!(byte, b'?' | b',')) {
        return Err(ValueError);
    }
    let uri = uri.parse().map_err(|_| ValueError)?;
    Ok(NameAddr { display: None, uri, params: Params::parse_header(rest)? })
}

crate::text_form::serde_as_text!(NameAddr);

/// What the Contact fields of a message say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: every binding, in a REGISTER.
    Star,
    /// Any number of contacts.
    List(Vec<NameAddr>),
}
