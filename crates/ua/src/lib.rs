//! A SIP user agent without I/O: call, be called, follow redirections, refer, be referred.
//!
//! - [`Ua`]: the machine around `sip::Stack`. It knows calls (INVITE, CANCEL, BYE), the REFERs it
//!   sent and the REFERs it was sent. It decides nothing that a person would decide.
//! - [`Convener`]: the first terminal's whole job on top of a [`Ua`]: call the factory, follow its
//!   redirection, join, refer everybody to the conference.
//! - [`Answerer`]: the other terminal's job: answer calls, follow REFERs that its [`TrustPolicy`]
//!   allows, report what came of them.
//! - [`Phone`]: a person's phone: several calls, hold, mute, refer, and merging calls into a conference.
//! - [`Watcher`]: who only wants to know who is in a conference; [`Roster`] is what it learns, document by document.
//! - [`Voice`]: one call's RTP: frames of 80 samples in, packets out, and back.
//!
//! All of them are root machines with one contract: one mutation (`handle_*`, `resolved` or a
//! command), then `poll_output` until `None`, then read `deadline`, wait. Time and randomness are
//! arguments; nothing here opens a socket or resolves a name.
//!
//! **Invariant:** every call that began ends with exactly one event, [`Event::CallFailed`] before it
//! was established or [`Event::CallEnded`] after; every REFER sent with exactly one
//! [`Event::ReferEnded`].

mod answerer;
mod config;
mod convener;
mod event;
mod phone;
mod redirect;
mod roster;
mod slots;
#[cfg(test)]
mod testing;
mod trust;
mod ua;
mod uri_headers;
mod voice;
mod watcher;

pub use answerer::{Answerer, AnswererConfig, AnswererEvent, AnswererOutput};
pub use config::{
    CALLS_MAX, CallOptions, FORKS_MAX, INTERVALS_MAX, REDIRECTS_MAX, REFERRALS_MAX, REFERS_MAX,
    TARGETS_MAX, UaConfig, WATCHES_MAX,
};
pub use convener::{
    Convener, ConvenerConfig, ConvenerError, ConvenerOutput, INVITEES_MAX, InviteeFailure, Outcome,
    REFER_PATIENCE, ReferMode, Step,
};
pub use event::{
    CallFailure, CallId, CommandError, EndCause, Event, How, Output, ReferId, ReferOutcome,
    ReferralId, Referrer, Refusal, ResolveId, WatchId,
};
pub use phone::{
    LineId, MergeOutcome, MergeStep, Phone, PhoneCommand, PhoneConfig, PhoneError, PhoneNews,
    PhoneOutput, ReferStep, Way,
};
pub use roster::{
    Applied, BODY_BYTES_MAX, DEPTH_MAX, DocumentError, Endpoint, Media, Roster, USERS_MAX, User,
};
pub use slots::{MediaNotice, MediaSlot, Purpose, SlotId};
pub use trust::{Pattern, PatternError, TrustPolicy};
pub use ua::{RegisterConfig, RegisterFailure, RegistrationNews, Ua};
pub use voice::{Channel, FRAME_SAMPLES, Key, PortReport, Refused, Voice};
pub use watcher::{Watcher, WatcherConfig, WatcherEvent, WatcherOutput};
