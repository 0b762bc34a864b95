//! What a stack has dropped or refused, by cause.

use serde::{Deserialize, Serialize};
use units::{Tally, causes};

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
    /// Requests of ours that were too long for a datagram and went over TCP (RFC 3261 §18.1.1).
    pub long_requests: u64,
    /// Requests of ours that a place did not get because it asks for fewer (RFC 7339): they failed, or went elsewhere.
    #[serde(default)]
    pub requests_kept_back: u64,
    /// Requests of ours that a place did not get because it has not answered the last ones (RFC 7339 §5.9).
    #[serde(default)]
    pub requests_to_silent: u64,
    /// Requests of ours for which there was no room in the table.
    #[serde(default)]
    pub requests_without_room: u64,
    /// Requests of ours that did not get through and went on to another place or by another transport.
    pub other_targets: u64,
    /// 1xx of the user to something else than INVITE (RFC 3261 §8.2.6.1, RFC 4320 §4.1).
    pub needless_provisionals: u64,
}

causes! {
    /// Why a message had no effect, or only that of being answered by the stack itself.
    pub enum MessageDropped {
        /// CRLFs or zero bytes that only keep a NAT open.
        KeepAlive => "keep_alive",
        /// Not to be read, nor to be answered.
        Malformed => "malformed",
        /// A response that belongs to no transaction of ours (RFC 6026 §8.9).
        StrayResponse => "stray_response",
        /// A response with more than one Via (RFC 3261 §8.1.3.3).
        ResponseWithVias => "response_with_vias",
        /// A response whose top Via is not the one we sent (RFC 3261 §18.1.2).
        ForeignResponse => "foreign_response",
        /// A copy of a request or an ACK that a transaction absorbed.
        RequestCopy => "request_copy",
        /// A copy of an answer, or a late one, that a transaction absorbed.
        ResponseCopy => "response_copy",
        /// An answer of ours after the final one, or after the transaction's end.
        LateAnswer => "late_answer",
        /// A 1xx of ours to something else than INVITE (RFC 3261 §8.2.6.1, RFC 4320 §4.1).
        NeedlessProvisional => "needless_provisional",
    }
}

causes! {
    /// Why the stack itself refused a request.
    pub enum StackRefusal {
        /// It was malformed: 400 or 505.
        Malformed => "malformed",
        /// A CANCEL with nothing to cancel: 481.
        StrayCancel => "stray_cancel",
        /// The table of transactions was full: 503.
        TransactionsFull => "transactions_full",
    }
}

causes! {
    /// Why a request of ours was not sent to a place.
    pub enum RequestUnsent {
        /// That place asks for fewer requests (RFC 7339): it went elsewhere, or failed.
        NextHopOverloaded => "next_hop_overloaded",
        /// That place has not answered the last ones (RFC 7339 §5.9): it went elsewhere, or failed.
        NextHopSilent => "next_hop_silent",
        /// The table of transactions was full.
        TransactionsFull => "transactions_full",
    }
}

/// What a stack has counted, by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByCause {
    /// Messages that came to nothing.
    pub dropped: Tally<MessageDropped>,
    /// Requests that the stack itself refused.
    pub refused: Tally<StackRefusal>,
    /// Requests of ours that were not sent.
    pub unsent: Tally<RequestUnsent>,
}

impl Counters {
    /// What came to nothing, by cause. Naming every field makes a new one a compile error here.
    pub fn by_cause(&self) -> ByCause {
        use {MessageDropped as D, RequestUnsent as U, StackRefusal as R};
        let Self {
            packets: _,
            keep_alives,
            malformed_answered,
            malformed_dropped,
            stray_responses,
            responses_with_vias,
            foreign_responses,
            request_copies,
            response_copies,
            stray_cancels,
            refused_full,
            // Came to something, by another way.
            requests_kept_back,
            requests_to_silent,
            requests_without_room,
            long_requests: _,
            other_targets: _,
            late_answers,
            needless_provisionals,
        } = *self;
        let dropped = [
            (D::KeepAlive, keep_alives),
            (D::Malformed, malformed_dropped),
            (D::StrayResponse, stray_responses),
            (D::ResponseWithVias, responses_with_vias),
            (D::ForeignResponse, foreign_responses),
            (D::RequestCopy, request_copies),
            (D::ResponseCopy, response_copies),
            (D::LateAnswer, late_answers),
            (D::NeedlessProvisional, needless_provisionals),
        ];
        let refused = [
            (R::Malformed, malformed_answered),
            (R::StrayCancel, stray_cancels),
            (R::TransactionsFull, refused_full),
        ];
        let unsent = [
            (U::NextHopOverloaded, requests_kept_back),
            (U::NextHopSilent, requests_to_silent),
            (U::TransactionsFull, requests_without_room),
        ];
        ByCause {
            dropped: dropped.into_iter().collect(),
            refused: refused.into_iter().collect(),
            unsent: unsent.into_iter().collect(),
        }
    }
}
