//! Requests and responses.

use crate::{
    content,
    header::{SessionId, SessionUuid},
    headers::{HeaderName, HeaderValue, Headers},
    method::Method,
    scan,
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

    /// The body, or the part of it, that has this type: `part("application", "sdp")`. `None` when there is none that is meant
    /// for us, or what there is cannot be read. [`uas::check`](crate::uas::check) has refused such a request.
    pub fn part(&self, kind: &str, subtype: &str) -> Option<&[u8]> {
        content::find(&self.headers, &self.body, (kind, subtype))
    }

    /// The part of a body of several that has this disposition and type and may be ignored (`handling=optional`). Whoever
    /// ignores it need not look.
    pub fn ignorable_part(&self, disposition: &str, kind: (&str, &str)) -> Option<&[u8]> {
        content::find_ignorable(&self.headers, &self.body, disposition, kind)
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

/// Fields of most answers: the five that are copied and a few more. Then their list is made once.
const ANSWER_FIELDS_USUAL: usize = 8;

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
        let headers_usual = Headers::with_capacity(ANSWER_FIELDS_USUAL);
        let mut response = Self { headers: headers_usual, ..Self::new(status) };
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
        // RFC 7989 §7: who is not an end of the session names the one that he knows. An end puts itself
        // in, by its dialog.
        if let Some(heard) = headers.session_id() {
            let session = SessionId::answering(SessionUuid::NIL, Some(&heard));
            response.headers.push(HeaderName::SessionId, session.to_string());
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
        if self.wants_to_tag() {
            self.put_to_tag(tag);
        }
        self
    }

    /// Puts a tag on the To header, which has none.
    pub(crate) fn put_to_tag(&mut self, tag: &str) {
        if let Some(value) = self.headers.get(&HeaderName::To) {
            // At the end of the bytes that came: nothing of them is lost, whatever their encoding.
            let value = [value.as_bytes(), b";tag=", tag.as_bytes()].concat();
            self.headers.set(HeaderName::To, value);
        }
    }

    /// Whether To has no tag yet. Without a To that can be read there is no place for one.
    pub(crate) fn wants_to_tag(&self) -> bool {
        // The one that was put there a moment ago is seen without reading all of it.
        let is_put = self.headers.get(&HeaderName::To).is_some_and(|value| {
            let last = value.as_bytes().rsplit(|byte| *byte == b';').next().unwrap_or_default();
            let is_token = |tag: &[u8]| tag.iter().all(|byte| scan::is_token_byte(*byte));
            last.strip_prefix(b"tag=").is_some_and(is_token)
        });
        !is_put && self.headers.to().is_ok_and(|to| to.tag().is_none())
    }

    /// Puts the body and its Content-Type, in place of what was there.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.set_body(content_type, body);
        self
    }

    /// The body, or the part of it, that has this type: `part("application", "sdp")`. `None` when there is none that is meant
    /// for us, or what there is cannot be read. A body without a type, as some telephones answer, is what is looked for.
    pub fn part(&self, kind: &str, subtype: &str) -> Option<&[u8]> {
        match self.headers.get(&HeaderName::ContentType) {
            Some(_) => content::find(&self.headers, &self.body, (kind, subtype)),
            None => Some(self.body.as_slice()).filter(|body| !body.is_empty()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_datagram;

    fn request() -> Request {
        let uri: Uri = "sip:a@x".parse().unwrap();
        Request::new(Method::Invite, uri)
            .with_header(HeaderName::Via, "SIP/2.0/UDP y;branch=z9hG4bK1")
            .with_header(HeaderName::Subject, "lunch")
            .with_header(HeaderName::Via, "SIP/2.0/UDP z;branch=z9hG4bK2")
            .with_header(HeaderName::CSeq, "1 INVITE")
            .with_header(HeaderName::To, b"\"Jos\xe9\" <sip:a@x>".to_vec())
            .with_header(HeaderName::Timestamp, "54")
            .with_header(HeaderName::CallId, "c")
            .with_header(HeaderName::From, "sip:b@y;tag=1")
            .with_body("application/sdp", "v=0\r\n")
    }

    /// RFC 3261 §8.2.6.1, §8.2.6.2: Via in order, From, To, Call-ID and CSeq byte for byte; Timestamp in a 100 only.
    #[test]
    fn an_answer_copies_what_it_must() {
        let ringing = Response::answering(&request(), StatusCode::RINGING).with_to_tag("t");
        assert_eq!(
            ringing.to_bytes(),
            b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP z;branch=z9hG4bK2\r\n\
              From: sip:b@y;tag=1\r\nTo: \"Jos\xe9\" <sip:a@x>;tag=t\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
              Content-Length: 0\r\n\r\n"
        );
        assert_eq!(ringing.clone().with_to_tag("u"), ringing); // one tag is enough
        let trying = Response::answering(&request(), StatusCode::TRYING);
        assert_eq!(trying.headers.get(&HeaderName::Timestamp).unwrap().as_bytes(), b"54");
        assert_eq!(trying.headers.to().unwrap().tag(), None);
    }

    #[test]
    fn a_body_has_one_type_and_its_length() {
        let request = request().with_body("text/plain", "longer");
        assert_eq!(request.headers.count(&HeaderName::ContentType), 1);
        assert!(
            request
                .to_bytes()
                .ends_with(b"Content-Type: text/plain\r\nContent-Length: 6\r\n\r\nlonger")
        );
        assert_eq!(parse_datagram(&request.to_bytes()), Ok(Message::Request(request)));
    }

    /// A reason may come from elsewhere; it stays one line.
    #[test]
    fn a_reason_cannot_start_a_field() {
        let mut response = Response::answering(&request(), StatusCode::OK);
        response.reason = "fine\r\nRoute: <sip:evil@x>".to_owned();
        assert!(response.to_bytes().starts_with(b"SIP/2.0 200 fine  Route: <sip:evil@x>\r\nVia"));
    }

    /// RFC 3261 §7.2, §21.
    #[test]
    fn status_codes_know_their_class() {
        let class = |code| {
            let status = StatusCode::new(code).unwrap();
            (status.is_provisional(), status.is_success(), status.is_redirect(), status.is_final())
        };
        assert_eq!(class(199), (true, false, false, false));
        assert_eq!(class(200), (false, true, false, true));
        assert_eq!(class(302), (false, false, true, true));
        assert_eq!(class(699), (false, false, false, true));
        assert_eq!((StatusCode::new(99), StatusCode::new(700)), (None, None));
        assert_eq!(StatusCode::new(498).unwrap().reason(), "Request Failure");
        assert!(serde_json::from_str::<StatusCode>("700").is_err());
    }

    /// RFC 3261 §7.1: methods are tokens and case-sensitive.
    #[test]
    fn methods_are_case_sensitive_tokens() {
        assert_eq!("INVITE".parse(), Ok(Method::Invite));
        assert_eq!("invite".parse(), Ok(Method::Other("invite".to_owned())));
        assert!("IN VITE".parse::<Method>().is_err() && "".parse::<Method>().is_err());
    }
}
