//! The server's rim: configuration, sockets, HTTP, and the loop that moves bytes between the world
//! and [`node::Node`].
//!
//! - [`config`]: TOML and flags become one [`Config`], checked whole before any port is bound.
//! - [`checkup`] says all that would go wrong.
//! - [`Server::start`] binds, starts the media shard and the loop; [`Running`] is the handle.
//! - [`users`]: the file of users; [`tokens`]: the file of those who administer.
//! - [`StatusPage`] is what `GET /v1/status` gives.
//!
//! **Invariant:** no SIP rule is decided here. What to answer is `node`'s business; this crate
//! knows addresses, bytes, clocks and who may send at all ([`AllowList`]).
//! **Invariant:** whoever reads the events, or is posted them, may be slow or gone: no call waits for him.

mod access;
mod admin;
mod auth;
mod bind;
mod calibration;
mod checkup;
pub mod config;
mod events;
mod keeping;
mod line_file;
mod metrics;
mod mixers;
mod records;
mod reload;
mod room;
mod run;
mod start;
mod state;
mod status;
mod store;
pub mod tokens;
pub mod users;
mod webhooks;

pub use access::AllowList;
pub use admin::drain::DrainPage;
pub use admin::room::{HoldsPage, ReserveBody};
pub use calibration::{Calibration, CalibrationError, Unmeasured};
pub use checkup::{Finding, Weight, checkup};
pub use config::{Config, ConfigError};
pub use focus::factory::{AnswerForm, Answering};
pub use focus::{ParticipantState, Pin, Role as ConferenceRole};
pub use mix::message::{PortQuality, PortReport, WayQuality};
pub use node::{
    Capacity, ConferenceState, ConferenceStatus, DrainStatus, ExplainError, Explained,
    ExplainedState, Explanation, Fit, HoldState, HoldStatus, Network, NetworkError, Notice,
    OverloadStatus, PhoneStatus, Readiness, RegistrarStatus, ReservationState, ReservationStatus,
    Role, User, WhatIf,
};
pub use records::{RecordsTo, rfc3339};
pub use reload::Changed;
pub use room::Measured;
pub use run::{EndCause, Event, Report};
pub use start::{ReloadError, Running, Server, StartError};
pub use state::StateError;
pub use status::{MixerStatus, RimStatus, StatusPage};
pub use store::StoreError;
pub use webhooks::{HookError, WebhookStatus};
