//! The conference factory and the focus: who is in, who leaves, when it ends.
//!
//! - [`factory`]: which Request-URIs ask for a new conference, whose conference a request means,
//!   and the answers that need no state: 302, 480, 486, 404, OPTIONS.
//! - [`Focus`]: one conference (RFC 4353 §3): a leg per dialog, the roster, the end.
//!
//! Room and media are not here: the node asks `pool` before it asks the focus, and turns
//! [`Output::OpenMedia`] and its kin into media commands.

mod answers;
pub mod factory;
mod focus;
mod leg;
mod negotiation;
mod roster;
mod snapshot;
mod terms;

pub use answers::{CAPABILITIES, options};
pub use focus::{Focus, LEGS_MAX, check};
pub use roster::masked;
pub use snapshot::{FOCUS_SNAPSHOT_VERSION, FocusSnapshot, RestoreError};
pub use terms::{
    Creator, End, EndPolicy, FocusConfig, LegEnd, LegId, LegMedia, MediaPort, MediaSeat, Output,
    Participant, ParticipantState,
};

#[cfg(test)]
mod tests;
