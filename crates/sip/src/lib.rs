//! SIP without I/O: messages, URIs, transactions, dialogs.
//!
//! The message half: [`parse_datagram`] and [`StreamFramer`] read, [`Request::to_bytes`] and [`Response::to_bytes`] write,
//! [`Headers`] holds the fields with typed readers over them.

mod essentials;
mod frame;
pub mod header;
mod headers;
mod message;
mod method;
mod parse;
mod print;
mod scan;
pub mod sipfrag;
mod status;
mod text_form;
pub mod uri;

pub use essentials::Essentials;
pub use frame::{Frame, FrameError, MESSAGE_BYTES_MAX, StreamFramer};
pub use header::{
    CSeq, Contacts, EventHeader, MediaType, NameAddr, Params, RetryAfter, SubscriptionState, Via,
    Warning,
};
pub use headers::{HeaderError, HeaderName, HeaderNameError, HeaderValue, Headers};
pub use message::{Message, Request, Response};
pub use method::{Method, MethodError};
pub use parse::{ParseError, ParseFailure, Salvage, parse_datagram};
pub use status::{StatusCode, StatusCodeError};
pub use uri::{Host, SipUri, Uri, UriError};
