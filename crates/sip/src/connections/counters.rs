//! What happened to connections, by cause.

use serde::{Deserialize, Serialize};
use units::{Tally, causes};

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

causes! {
    /// Why a connection was not let in, or not begun.
    pub enum ConnectionDenied {
        /// There were too many.
        Full => "full",
        /// Its source had too many.
        Source => "source",
    }
}

causes! {
    /// Why a connection was closed.
    pub enum ConnectionClosed {
        /// It never came about.
        NotConnected => "not_connected",
        /// Its next message could not be found (RFC 3261 §18.3).
        Framing => "framing",
        /// By the peer, or it broke.
        ByPeer => "by_peer",
        /// No first message came.
        Silent => "silent",
        /// A message took too long.
        Partial => "partial",
        /// The peer did not read.
        Stalled => "stalled",
        /// Nothing had happened for long.
        Idle => "idle",
    }
}

impl ConnectionCounters {
    /// What was not let in and what was closed, by cause. Naming every field makes a new one a compile
    /// error here.
    pub fn by_cause(&self) -> (Tally<ConnectionDenied>, Tally<ConnectionClosed>) {
        use {ConnectionClosed as C, ConnectionDenied as D};
        let Self {
            accepted: _,
            refused_full,
            refused_source,
            opened: _,
            connect_timeouts,
            messages: _,
            pings: _,
            framing_errors,
            closed_by_peer,
            silent_closed,
            partial_closed,
            stalled_closed,
            idle_closed,
        } = *self;
        let denied = [(D::Full, refused_full), (D::Source, refused_source)];
        let closed = [
            (C::NotConnected, connect_timeouts),
            (C::Framing, framing_errors),
            (C::ByPeer, closed_by_peer),
            (C::Silent, silent_closed),
            (C::Partial, partial_closed),
            (C::Stalled, stalled_closed),
            (C::Idle, idle_closed),
        ];
        (denied.into_iter().collect(), closed.into_iter().collect())
    }
}
