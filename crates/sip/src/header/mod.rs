//! Typed values of header fields. Each reads by `FromStr` and prints by `Display` what a peer must be able to read.

mod cseq;
mod dialog_ref;
mod event;
mod media_type;
mod name_addr;
mod params;
mod reason;
mod retry_after;
mod session_id;
mod target_dialog;
mod via;
mod warning;

#[cfg(test)]
mod tests;

pub use cseq::CSeq;
pub use dialog_ref::{DialogRef, dialog_ref};
pub use event::{EventHeader, SubscriptionState};
pub use media_type::MediaType;
pub use name_addr::{Contacts, NameAddr};
pub use params::Params;
pub use reason::Reason;
pub use retry_after::RetryAfter;
pub use session_id::{SessionId, SessionUuid};
pub use target_dialog::{TDIALOG, TargetDialog};
pub use via::{BRANCH_COOKIE, Via};
pub use warning::Warning;

/// The text does not have the form of this value. Which field it was says [`HeaderError`](crate::HeaderError).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed value")]
pub struct ValueError;
