//! What went over the wire, kept for the checkers and for people.

use std::net::SocketAddr;

use sip::{HeaderName, Message, parse_datagram};
use units::Instant;

/// A SIP message as it was sent.
#[derive(Clone, Debug)]
pub struct Sniffed {
    /// When it was sent.
    pub at: Instant,
    /// By whom.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub message: Message,
}

impl Sniffed {
    /// Reads a message; `None` if it is none.
    pub fn read(at: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Option<Self> {
        parse_datagram(bytes).ok().map(|message| Self { at, from, to, message })
    }

    /// The first value of a header field, as text.
    pub fn header(&self, name: &HeaderName) -> Option<String> {
        let headers = match &self.message {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        };
        headers.get(name).map(|value| value.text().into_owned())
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let what = match &self.message {
            Message::Request(request) => format!("{} {}", request.method, request.uri),
            Message::Response(response) => {
                format!("{} {}", response.status.code(), response.reason)
            }
        };
        let cseq = self.header(&HeaderName::CSeq).unwrap_or_default();
        format!("{:>12}  {:>15} -> {:<15}  {what}  [{cseq}]", self.at, self.from, self.to)
    }
}
