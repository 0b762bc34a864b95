//! The conference factory and the focus: who is in, who leaves, when it ends.
//!
//! - [`factory`]: which Request-URIs ask for a new conference, whose conference a request means,
//!   and the answers that need no state: 302, 480, 486, 404, OPTIONS.
//! - [`Focus`]: one conference (RFC 4353 §3): a leg per dialog, the roster, the end, and those who subscribe to it
//!   (RFC 4575).
//!
//! Room and media are not here: the node asks `pool` before it asks the focus, and turns
//! [`Output::OpenMedia`] and its kin into media commands.

mod answers;
mod company;
mod creator;
mod dial_out;
mod dialling;
mod ends;
mod entry;
mod event;
pub mod factory;
mod focus;
mod lasting;
mod leg;
mod negotiation;
mod network;
mod numbers;
mod order;
mod output;
mod refer;
mod referral;
mod reporting;
mod roster;
mod snapshot;
mod steering;
mod takeover;
mod targets;
mod terms;

pub use answers::{CAPABILITIES, bad_event, options};
pub use company::ONLY_CONFERENCES_MAX;
pub use creator::{Creator, Place};
pub use dialling::DialEnd;
pub use ends::{End, EndPolicy, LegEnd};
pub use entry::{
    BadPin, BadPrint, Deed, EntryChange, EntryPolicy, EntryRules, Key, LOBBY_WAIT_MAX, NOT_IN_MAX,
    PIN_DIGITS_MAX, PIN_DIGITS_MIN, Pin, PinPrint, PinSalt, Prompt, Role, SamePins, Shut,
    WrongPins,
};
pub use event::{
    EventTerms, PACKAGE, Subscriber, UNPROVED_WATCHERS_MAX, WATCHERS_MAX, WATCHERS_OF_ADDRESS_MAX,
    WatcherId, check_subscribe,
};
pub use focus::{Focus, LEGS_MAX, check};
pub use negotiation::Wanted;
pub use network::{Network, NetworkError};
pub use numbers::Numbers;
pub use output::Output;
pub use refer::Right;
pub use referral::ReferralId;
pub use roster::{Participant, ParticipantState, masked};
pub use snapshot::{FOCUS_SNAPSHOT_VERSION, FocusSnapshot, RestoreError};
pub use steering::{CallRefused, NoSuchLeg};
pub use takeover::Named;
pub use targets::{DialRule, DialRuleError, DialRules, HostPattern, Pattern};
pub use terms::{FocusConfig, LegId, LegMedia, MediaPort, MediaSeat};

#[cfg(test)]
mod tests;
