//! Requests and responses.

use crate::{
    headers::{HeaderName, HeaderValue, Headers},
    method::Method,
    status::StatusCode,
    uri::Uri,
};

/// One SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is its name")]
pub enum Message {
    Request(Request),
    Response(Response),
}

impl Message {
    /// Gives the header fields.
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// Writes the message as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

/// Asks something of a peer (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of whom: the Request-URI.
    pub uri: Uri,
    /// The header fields, without Content-Length.
    pub headers: Headers,
    /// The body; empty when there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// Makes a request without header fields and body.
    pub fn new(method: Method, uri: impl Into<Uri>) -> Self {
        Self { method, uri: uri.into(), headers: Headers::new(), body: Vec::new() }
    }

    /// Adds a header field at the end.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Puts the body and its Content-Type, in place of what was there.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.set_body(content_type, body);
        self
    }

    /// Puts the body and its Content-Type, in place of what was there.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Vec<u8>>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
    }
}

/// Answers a request (RFC 3261 §7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The outcome.
    pub status: StatusCode,
    /// The outcome in words, for people. May be empty.
    pub reason: String,
    /// The header fields, without Content-Length.
    pub headers: Headers,
    /// The body; empty when there is none.
    pub body: Vec<u8>,
}

impl Response {
    /// Makes a response with the default reason phrase, without header fields and body.
    pub fn new(status: StatusCode) -> Self {
        let reason = status.reason().to_owned();
        Self { status, reason, headers: Headers::new(), body: Vec::new() }
    }

    /// Makes the answer to a request: all Via in order, From, To, Call-ID and CSeq as they came (RFC 3261 §8.2.6.2).
    /// The To tag is the caller's to add; a 100 also copies Timestamp (RFC 3261 §8.2.6.1).
    pub fn answering(request: &Request, status: StatusCode) -> Self {
        Self::to_headers(&request.headers, status)
    }

    pub(crate) fn to_headers(headers: &Headers, status: StatusCode) -> Self {
        let mut response = Self::new(status);
        let copied = [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ];
        for name in &copied {
            response.headers.copy_all(headers, name);
        }
        if status == StatusCode::TRYING {
            response.headers.copy_all(headers, &HeaderName::Timestamp);
        }
        response
    }

    /// Adds a header field at the end.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Puts a tag on the To header, unless it has one (RFC 3261 §8.2.6.2). Does nothing when To cannot be read.
    #[must_use]
    pub fn with_to_tag(mut self, tag: &str) -> Self {
        let tagless = self.headers.to().is_ok_and(|to| to.tag().is_none());
        if let Some(value) = self.headers.get(&HeaderName::To)
            && tagless
        {
            // At the end of the bytes that came: nothing of them is lost, whatever their encoding.
            let value = [value.as_bytes(), b";tag=", tag.as_bytes()].concat();
            self.headers.set(HeaderName::To, value);
        }
        self
    }

    /// Puts the body and its Content-Type, in place of what was there.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.set_body(content_type, body);
        self
    }

    /// Puts the body and its Content-Type, in place of what was there.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Vec<u8>>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}
