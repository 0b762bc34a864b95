//! What happened to connections, by cause.

use serde::{Deserialize, Serialize};

/// Counts since the table was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCounters {
    /// Connections that were let in.
    pub accepted: u64,
    /// Connections that were not, because there were too many.
    pub refused_full: u64,
    /// Connections that were not, because their source has too many.
    pub refused_source: u64,
    /// Connections that we began.
    pub opened: u64,
    /// Of these, those that never came about.
    pub connect_timeouts: u64,
    /// Whole messages that came.
    pub messages: u64,
    /// Double line breaks, answered with one.
    pub pings: u64,
    /// Connections whose next message could not be found (RFC 3261 §18.3).
    pub framing_errors: u64,
    /// Connections closed by the peer, or broken.
    pub closed_by_peer: u64,
    /// Connections closed because no first message came.
    pub silent_closed: u64,
    /// Connections closed in the middle of a message that took too long.
    pub partial_closed: u64,
    /// Connections closed because the peer did not read.
    pub stalled_closed: u64,
    /// Connections closed because nothing had happened for long.
    pub idle_closed: u64,
}
