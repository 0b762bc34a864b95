//! SIP's sockets, for server and terminal alike: UDP and TCP on one port; and the clock of their loops.
//!
//! - [`Endpoint::bind`] takes a port for both.
//! - [`Wires`] moves bytes between sockets and [`sip::Connections`], which decides about connections.
//! - [`Resolver`] asks name servers what [`sip::Locator`] wants to know.
//! - [`Clock`] is the one clock of the loops around them; [`at`] and [`told`] are what they wait for.
//!
//! **Invariant:** no SIP rule is decided here, and no connection closed but by the table's word or the peer's.
//! **Invariant:** no peer that does not read, or sends slowly, makes the loop wait.

mod carrier;
mod clock;
mod endpoint;
mod resolver;
mod wires;

pub use clock::{Clock, at, told, unix_micros, unix_time};
pub use endpoint::Endpoint;
pub use resolver::Resolver;
pub use wires::{Happening, WireCounters, WireLoss, Wires};
