//! The six things that every message is known by.

use crate::{
    header::{CSeq, NameAddr, Via},
    headers::{HeaderError, Headers},
};

/// Holds what identifies a message's transaction and dialog, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Essentials {
    /// The topmost Via.
    pub via: Via,
    /// Its branch, if it has one; it need not begin with the magic cookie (see [`Via::unique_branch`]).
    pub branch: Option<String>,
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
        let via = headers.top_via()?;
        Ok(Self {
            branch: via.branch().map(str::to_owned),
            via,
            from: headers.from_()?,
            to: headers.to()?,
            call_id: headers.call_id()?.to_owned(),
            cseq: headers.cseq()?,
        })
    }
}
