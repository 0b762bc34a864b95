//! What goes into a stack and what comes out of it.

use serde::{Deserialize, Serialize};

use crate::{Essentials, Packet, Request, Response, Source, StatusCode};

/// Names a server transaction of one stack; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerTxnId(pub(crate) u64);

/// Names a client transaction of one stack; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientTxnId(pub(crate) u64);

/// A request from the network that is not a copy of an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// The request, `received` and `rport` already in its top Via (RFC 3261 §18.2.1, RFC 3581 §4).
    pub request: Request,
    /// The fields that every request has, read once.
    pub essentials: Essentials,
    /// The path it came by.
    pub source: Source,
}

impl Incoming {
    /// Makes the answer to the request, with this To tag if it has none (RFC 3261 §8.2.6.2).
    pub fn answer(&self, status: StatusCode, tag: &str) -> Response {
        let mut response = Response::answering(&self.request, status);
        if self.essentials.to.tag().is_none() {
            response.put_to_tag(tag);
        }
        response
    }
}

/// What a stack wants done or known.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Put this on the wire.
    Send(Packet),
    /// Tell the transaction user.
    Event(Event),
}

/// What a stack tells its user.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A new request. No transaction exists yet: the user calls
    /// [`Stack::accept`](crate::Stack::accept) or answers with
    /// [`Stack::reply_stateless`](crate::Stack::reply_stateless). An ACK that is not absorbed by a
    /// transaction comes this way too (for a 2xx, or for a stateless answer); it is never answered.
    /// A CANCEL never comes.
    Request(Box<Incoming>),
    /// A CANCEL came for this INVITE, which has no final answer yet. The stack has answered the CANCEL
    /// with 200; the user answers the INVITE with 487 (RFC 3261 §9.2).
    Cancelled {
        /// The INVITE's transaction.
        invite: ServerTxnId,
    },
    /// An answer to a request of ours: each 1xx, the final one, and for an INVITE each copy and each
    /// fork of a 2xx, which all want an ACK (RFC 3261 §13.2.2.4).
    Response {
        /// The request's transaction.
        txn: ClientTxnId,
        /// The answer.
        response: Response,
        /// The fields that every answer has, read once.
        essentials: Box<Essentials>,
        /// The path it came by.
        source: Source,
    },
    /// No final answer will come. [`Event::ClientEnded`] follows.
    Failed {
        /// The request's transaction.
        txn: ClientTxnId,
        /// Why not.
        why: Failure,
    },
    /// A final answer other than 2xx to an INVITE was never acknowledged (RFC 3261 §17.2.1, timer H).
    /// [`Event::ServerEnded`] follows.
    AckMissing {
        /// The INVITE's transaction.
        txn: ServerTxnId,
    },
    /// The last event of every client transaction: its state is gone.
    ClientEnded {
        /// The transaction.
        txn: ClientTxnId,
    },
    /// The last event of every server transaction: its state is gone.
    ServerEnded {
        /// The transaction.
        txn: ServerTxnId,
    },
}

/// Why a request of ours got no answer (RFC 3261 §8.1.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered within 64·T1: acts like a 408.
    Timeout,
    /// It could not be sent: acts like a 503.
    Transport,
    /// It was kept back, because whoever it was for asks for fewer requests: acts like a 503 (RFC 7339 §5.10).
    Overloaded,
    /// It was kept back, because whoever it was for has answered none of the last requests: acts like a 503
    /// (RFC 7339 §5.9). From time to time one is let through.
    Silent,
}

/// The transaction table is full: answer 503 statelessly, or try later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transaction table is full")]
pub struct Full;
