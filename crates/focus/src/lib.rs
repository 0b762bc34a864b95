//! The conference factory and the focus: who is in, who leaves, when it ends.
//!
//! - [`factory`]: which Request-URIs ask for a new conference, whose conference a request means,
//!   and the answers that need no state: 302, 480, 486, 404, OPTIONS.
//! - [`Focus`]: one conference (RFC 4353 §3): a leg per dialog, the roster, the end.
//!
//! Room and media are not here: the node asks `pool` before it asks the focus, and turns
//! [`Output::OpenMedia`] and its kin into media commands.

pub mod factory;
mod focus;

pub use focus::{
    CAPABILITIES, Creator, End, EndPolicy, Focus, FocusConfig, LegEnd, LegId, LegMedia, MediaPort,
    MediaSeat, Output, Participant, ParticipantState, options,
};
