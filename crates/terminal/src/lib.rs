//! The terminal's rim: sockets, clocks and WAV files around a user agent.
//!
//! A [`Terminal`] is one thread: it owns the SIP socket, the media sockets, and a
//! [`ua::Convener`], [`ua::Answerer`], [`ua::Phone`] or [`ua::Watcher`], and moves bytes between them. What happens comes out as
//! [`Event`]s through a bounded channel; nobody who is slow to read them holds up a call.
//!
//! [`wav`] holds what is said and what is heard.
//!
//! **Invariant:** no SIP rule is decided here; that is `ua`'s business.
//! **Invariant:** every 10 ms one frame goes to each call and one comes from it, on a clock that
//! neither printing nor a slow disk's reader can hold up.

mod agent;
mod bind;
mod driver;
mod sound;
mod terminal;
pub mod wav;

pub use bind::{BindError, Sockets, source_towards};
pub use driver::Event;
pub use sound::{Levels, LineLevel};
pub use terminal::{Answering, PhoneHandle, Reach, Report, Setup, StartError, Terminal};
pub use ua::{
    AnswererEvent, Endpoint, Key, LineId, MergeOutcome, MergeStep, Outcome, Pattern, PhoneCommand,
    PhoneError, PhoneNews, ReferMode, ReferOutcome, ReferStep, Refusal, RegisterConfig,
    RegistrationNews, Roster, SlotId, Step, TrustPolicy, User, WatcherEvent, Way,
};
