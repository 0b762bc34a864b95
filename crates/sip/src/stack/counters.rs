//! What a stack has dropped or refused, by cause.

use serde::{Deserialize, Serialize};

/// Counts since the stack was made. Every message that came in and had no effect is in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets that came in, of whatever kind.
    pub packets: u64,
    /// CRLFs or zero bytes that only keep a NAT open.
    pub keep_alives: u64,
    /// Malformed requests that could be answered with 400 or 505.
    pub malformed_answered: u64,
    /// Malformed requests and responses that were dropped in silence.
    pub malformed_dropped: u64,
    /// Responses that belong to no transaction of ours (RFC 6026 §8.9).
    pub stray_responses: u64,
    /// Responses with more than one Via (RFC 3261 §8.1.3.3).
    pub responses_with_vias: u64,
    /// Responses whose top Via is not the one we sent (RFC 3261 §18.1.2).
    pub foreign_responses: u64,
    /// Copies of a request or an ACK that a transaction absorbed.
    pub request_copies: u64,
    /// Copies of an answer, and late ones, that a transaction absorbed.
    pub response_copies: u64,
    /// CANCELs with nothing to cancel, answered with 481.
    pub stray_cancels: u64,
    /// Requests refused because the table was full, with 503.
    pub refused_full: u64,
    /// Answers of the user that came after the final one, or after the transaction's end.
    pub late_answers: u64,
    /// 1xx of the user to something else than INVITE (RFC 3261 §8.2.6.1, RFC 4320 §4.1).
    pub needless_provisionals: u64,
}
