//! Which transaction a message belongs to.

use crate::{Essentials, Method, Request};

/// Finds a client transaction for a response (RFC 3261 §17.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientKey {
    pub(crate) branch: String,
    /// A CANCEL shares the branch of what it cancels.
    pub(crate) method: Method,
}

/// Finds a server transaction for a request (RFC 3261 §17.2.3).
///
/// Sorted by peer and branch first, so that all transactions which a CANCEL may mean stand together,
/// INVITE before the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerKey {
    pub(crate) identity: Identity,
    /// The method of the request that made the transaction: INVITE where an ACK is looked up.
    pub(crate) method: Method,
}

/// What tells one client's transactions from all others, but for the method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Identity {
    /// By the branch, which an RFC 3261 client makes unique, and sent-by, because another client may
    /// have copied it.
    Branch { branch: String, host: String, port: u16 },
    /// By everything that an RFC 2543 client keeps the same.
    Rfc2543 {
        call_id: String,
        cseq: u32,
        from_tag: Option<String>,
        to_tag: Option<String>,
        uri: String,
        via: String,
    },
}

impl ServerKey {
    /// The key of a request that makes a transaction, or is a copy of one that did.
    pub(crate) fn of(request: &Request, essentials: &Essentials) -> Self {
        Self { identity: Identity::of(request, essentials), method: request.method.clone() }
    }
}

impl Identity {
    pub(crate) fn of(request: &Request, essentials: &Essentials) -> Self {
        let via = &essentials.via;
        match via.unique_branch() {
            Some(branch) => Self::Branch {
                branch: branch.to_owned(),
                host: via.host.as_str().to_ascii_lowercase(),
                port: via.sent_by_port(),
            },
            None => Self::Rfc2543 {
                call_id: essentials.call_id.clone(),
                cseq: essentials.cseq.number,
                from_tag: essentials.from.tag().map(str::to_owned),
                to_tag: essentials.to.tag().map(str::to_owned),
                uri: request.uri.to_string(),
                via: via.to_string(),
            },
        }
    }

    /// How much memory the texts take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Branch { branch, host, .. } => branch.len() + host.len(),
            Self::Rfc2543 { call_id, from_tag, to_tag, uri, via, .. } => {
                let tags = [from_tag, to_tag].map(|tag| tag.as_ref().map_or(0, String::len));
                call_id.len() + tags[0] + tags[1] + uri.len() + via.len()
            }
        }
    }

    /// The identity that the INVITE had whose first answer gave the To tag of this ACK; `None` if the
    /// branch says it all.
    pub(crate) fn before_to_tag(&self) -> Option<Self> {
        match self {
            Self::Branch { .. } => None,
            Self::Rfc2543 { call_id, cseq, from_tag, uri, via, .. } => Some(Self::Rfc2543 {
                call_id: call_id.clone(),
                cseq: *cseq,
                from_tag: from_tag.clone(),
                to_tag: None,
                uri: uri.clone(),
                via: via.clone(),
            }),
        }
    }
}
