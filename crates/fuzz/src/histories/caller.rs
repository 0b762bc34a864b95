//! Somebody who calls, by hand.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sip::{HeaderName, Response};
use units::UnixTime;

pub(super) const NODE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
pub(super) const FACTORY: &str = "sip:conference@127.0.0.1:5060";
pub(super) const WALL: UnixTime = UnixTime(1_795_400_000);

#[derive(Clone)]
pub(super) struct Caller {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) call_id: String,
    pub(super) to_tag: Option<String>,
    pub(super) cseq: u32,
    pub(super) branch: u32,
    /// More lines.
    pub(super) extra: String,
}

impl Caller {
    pub(super) fn new(name: &str, number: u16) -> Self {
        Self {
            name: name.to_owned(),
            address: SocketAddr::new(NODE.ip(), 6_000 + number),
            call_id: format!("call-{name}-{number}"),
            to_tag: None,
            cseq: 1,
            branch: 1,
            extra: String::new(),
        }
    }

    /// Another branch from now on.
    pub(super) const fn rebranch(&mut self) {
        self.branch += 1;
    }

    pub(super) fn invite(&self, uri: &str) -> String {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0 8\r\n",
            self.address.port() + 10_000
        );
        self.with_body("INVITE", uri, "application/sdp", &sdp)
    }

    pub(super) fn request(&self, method: &str, uri: &str) -> String {
        let head = self.head(method, uri);
        format!("{head}Content-Length: 0\r\n\r\n")
    }

    pub(super) fn with_body(&self, method: &str, uri: &str, kind: &str, body: &str) -> String {
        let head = self.head(method, uri);
        format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn head(&self, method: &str, uri: &str) -> String {
        let Self { name, address, call_id, cseq, branch, extra, .. } = self;
        let to_tag = self.to_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {address};branch=z9hG4bK-{name}-{method}-{cseq}-{branch}\r\n\
             From: <sip:{name}@example.com>;tag=tag-{name}\r\n\
             To: <{uri}>{to_tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:{name}@{address}>\r\n\
             Max-Forwards: 70\r\n{extra}"
        )
    }
}

/// The URI in Contact.
pub(super) fn contact(response: &Response) -> Option<String> {
    let contact = response.headers.get(&HeaderName::Contact)?.text().into_owned();
    let (_, inner) = contact.split_once('<')?;
    inner.split_once('>').map(|(uri, _)| uri.to_owned())
}

pub(super) fn to_tag(response: &Response) -> Option<String> {
    response.headers.to().ok()?.tag().map(str::to_owned)
}
