//! Writes messages as they go on the wire.

use std::borrow::Cow;
use std::io::Write;

use memchr::memchr2;

use crate::{
    headers::Headers,
    message::{Request, Response},
};

impl Request {
    /// Writes the request as it goes on the wire. Content-Length is always there, and last.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(capacity(&self.headers, &self.body));
        put(&mut out, format_args!("{} {} SIP/2.0\r\n", self.method, self.uri));
        rest(&mut out, &self.headers, &self.body);
        out
    }
}

impl Response {
    /// Writes the response as it goes on the wire. Content-Length is always there, and last.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(capacity(&self.headers, &self.body));
        // The space stands there even when the reason is empty (RFC 3261 §7.2). A reason that came from elsewhere (a
        // message/sipfrag, an error text) must not start a header field.
        let mut reason = Cow::Borrowed(self.reason.as_str());
        if memchr2(b'\r', b'\n', reason.as_bytes()).is_some() {
            reason = Cow::Owned(reason.replace(['\r', '\n'], " "));
        }
        put(&mut out, format_args!("SIP/2.0 {} {reason}\r\n", self.status));
        rest(&mut out, &self.headers, &self.body);
        out
    }
}

fn rest(out: &mut Vec<u8>, headers: &Headers, body: &[u8]) {
    for (name, value) in headers.iter() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    put(out, format_args!("Content-Length: {}\r\n\r\n", body.len()));
    out.extend_from_slice(body);
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("invariant: writing to a Vec does not fail");
}

/// A guess at the size: start line and Content-Length in 256 bytes, 24 for a name and its punctuation.
fn capacity(headers: &Headers, body: &[u8]) -> usize {
    let fields: usize = headers.iter().map(|(_, value)| value.as_bytes().len() + 24).sum();
    256 + fields + body.len()
}
