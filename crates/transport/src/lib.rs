//! SIP's sockets, for server and terminal alike: UDP and TCP on one port.
//!
//! - [`Endpoint::bind`] takes a port for both.
//! - [`Wires`] moves bytes between sockets and [`sip::Connections`], which decides about connections.
//!
//! **Invariant:** no SIP rule is decided here, and no connection closed but by the table's word or the peer's.
//! **Invariant:** no peer that does not read, or sends slowly, makes the loop wait.

mod carrier;
mod endpoint;
mod wires;

pub use endpoint::Endpoint;
pub use wires::{Happening, WireCounters, Wires};
