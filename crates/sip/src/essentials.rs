//! The six things that every message is known by.

use crate::{
    header::{CSeq, NameAddr, Via},
    headers::{HeaderError, Headers},
};

/// Holds what identifies a message's transaction and dialog, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Essentials {
    /// The topmost Via. Its branch need not begin with the magic cookie (see [`Via::unique_branch`]).
    pub via: Via,
    /// From. May lack a tag: RFC 2543 knew none.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: String,
    /// CSeq.
    pub cseq: CSeq,
}

impl Essentials {
    /// Reads them. Does not fail on the headers of a parsed message.
    pub fn of(headers: &Headers) -> Result<Self, HeaderError> {
        Ok(Self {
            via: headers.top_via()?,
            from: headers.from_()?,
            to: headers.to()?,
            call_id: headers.call_id()?.to_owned(),
            cseq: headers.cseq()?,
        })
    }
}

/// What a request and its ACK, or two copies of it, have in common (RFC 3261 §8.2.2.2, §17.1.1.3), and the way it came by.
#[derive(Clone, Copy, Debug)]
pub struct Identifiers<'a> {
    /// Call-ID.
    pub call_id: &'a str,
    /// The tag in From.
    pub from_tag: Option<&'a str>,
    /// The number in CSeq.
    pub cseq: u32,
    /// The topmost Via.
    pub via: &'a Via,
}

impl Essentials {
    /// What names the request among all others.
    pub fn identifiers(&self) -> Identifiers<'_> {
        Identifiers {
            call_id: &self.call_id,
            from_tag: self.from.tag(),
            cseq: self.cseq.number,
            via: &self.via,
        }
    }
}
