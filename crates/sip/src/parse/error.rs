//! What can be wrong with a message.

use crate::{
    headers::{HeaderError, HeaderName, Headers},
    message::Response,
    method::Method,
    status::StatusCode,
    uri::UriError,
};

/// Why bytes are no SIP message. All of these are the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum ParseError {
    #[error("nothing but line breaks: a keep-alive")]
    Empty,
    #[error("{got} bytes, more than {max}")]
    TooLong { got: usize, max: usize },
    #[error("start line is malformed")]
    StartLine,
    #[error("another version than SIP/2.0")]
    Version,
    #[error("status code is not a number from 100 to 699")]
    StatusCode,
    #[error("Request-URI: {0}")]
    RequestUri(UriError),
    #[error("Request-URI has header components")]
    RequestUriHeaders,
    #[error("CR or LF alone")]
    LineBreak,
    #[error("header line without a name and a colon")]
    HeaderLine,
    #[error("no empty line after the header fields")]
    HeadersOpen,
    #[error("more than {max} header fields")]
    TooManyHeaders { max: usize },
    #[error("{0}")]
    Header(HeaderError),
    #[error("body of {got} bytes, Content-Length says {expected}")]
    ShortBody { expected: usize, got: usize },
    #[error("method is {request}, CSeq says {cseq}")]
    CSeqMethod { request: Method, cseq: Method },
}

impl ParseError {
    /// The answer to a request that has this error. No `_` arm: a new variant must choose its code.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Version => StatusCode::VERSION_NOT_SUPPORTED, // RFC 3261 §21.5.6
            Self::TooLong { .. } => StatusCode::MESSAGE_TOO_LARGE, // RFC 3261 §21.5.7
            // RFC 4475 §3.1.2.18: for a method that we do not know, 501 says more than 400.
            Self::CSeqMethod { request: Method::Other(_), .. } => StatusCode::NOT_IMPLEMENTED,
            Self::Header(error) => error.status(),
            Self::Empty
            | Self::StartLine
            | Self::StatusCode
            | Self::RequestUri(_)
            | Self::RequestUriHeaders
            | Self::LineBreak
            | Self::HeaderLine
            | Self::HeadersOpen
            | Self::TooManyHeaders { .. }
            | Self::ShortBody { .. }
            | Self::CSeqMethod { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

/// Says why bytes are no SIP message, and holds what is needed to say so to the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct ParseFailure {
    /// What is wrong.
    pub error: ParseError,
    /// What an answer needs. `None` when there is to be no answer: for a response, an ACK, or when there is no top Via
    /// to answer to.
    pub salvage: Option<Box<Salvage>>,
    /// The bytes looked like a response.
    pub is_response: bool,
}

impl ParseFailure {
    /// Gives the answer to be sent, without a To tag. `None`: stay silent.
    pub fn answer(&self) -> Option<Response> {
        let salvage = self.salvage.as_ref()?;
        let vias = salvage.headers.all(&HeaderName::Via).count();
        (vias <= ANSWERED_VIAS_MAX).then(|| salvage.answer(self.error.status()))
    }
}

/// Holds what could be read of a malformed request. Only for answering it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// The method.
    pub method: Method,
    /// Via (the top one can be read), and, where they were found, From, To, Call-ID and CSeq, unchecked. At most one of
    /// each of the latter.
    pub headers: Headers,
}

impl Salvage {
    /// Makes the answer: Via, From, To, Call-ID and CSeq as far as they were found.
    pub fn answer(&self, status: StatusCode) -> Response {
        Response::to_headers(&self.headers, status)
    }
}

/// Via fields of a malformed request that is answered: nothing honest takes more hops (RFC 3261 §8.1.1.6). Each
/// grows when it is printed, `V:` to `Via: `; with more there is silence, so that who forges a source address gains
/// little.
const ANSWERED_VIAS_MAX: usize = 70;
