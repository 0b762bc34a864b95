//! A Convoke node without I/O: SIP stack, factories, focuses and pool as one machine.
//!
//! In: packets, what media shards tell, `now`. Out: packets, media commands, notices, the next
//! deadline. The server and the simulation drive it alike.
//!
//! A request finds its way in `requests`: in a dialog to its focus (`focuses`), to a factory
//! (`asking`) or to a conference URI (`joining`). What administrators want comes in by `steering`. Whether there may be new conferences at all is in `draining`.
//! Who may is decided in `auth`. What the node keeps
//! about a conference is in `conference`; who comes first when too much comes, in `overload`; phones of the lab registrar in `registrar`; its side of the mixers in `media_link`.
//!
//! **Invariant:** before a caller has shown that he receives where he sends from, he gets one packet
//! for one packet, and nothing is kept but a soft hold.
//! **Invariant:** a token finds a conference, it never makes one; but right after a restart, with the keys of before, it
//! brings back what was only held then (`keeping`).
//! **Invariant:** after the last BYE, and once transactions have run out, [`Leftovers`] is zero.

mod acknowledging;
mod agenda;
mod allowance;
mod asking;
mod auth;
mod conference;
mod config;
mod dialling;
mod draining;
mod explaining;
mod figures;
mod focuses;
mod guessing;
mod inside;
mod joining;
mod keeping;
mod locating;
mod media_link;
mod node;
mod notice;
mod options;
mod overload;
mod pace;
mod quality;
mod readiness;
mod record;
mod referring;
mod registrar;
mod reloading;
mod report;
mod requests;
mod reserving;
mod room;
mod status;
mod steering;
mod taking_over;
mod tenants;
mod throttle;
mod watching;

pub use auth::{AuthConfig, Entry, Role, User};
pub use config::{Keys, NodeConfig, SipListen};
pub use draining::DrainStatus;
pub use explaining::{ExplainError, ExplainQuery, Explained, ExplainedState, Explanation};
pub use figures::{AckIgnored, Figures, Refusal, Tallies, TenantFigures};
pub use focus::{Network, NetworkError};
pub use guessing::StoredWrongPins;
pub use keeping::{StoreChange, StoredConference, StoredState};
pub use locating::LookupId;
pub use node::{Input, Node, NodeError, Output};
pub use notice::Notice;
pub use overload::{OverloadConfig, OverloadFigures, OverloadStatus, Shed, WAIT_MAX};
pub use pace::Limits;
pub use quality::{QualityFigures, WayFigures};
pub use readiness::{NotReady, NotReadyCause, Readiness};
pub use record::{ConferenceRecord, JoinedBy, LegRecord, Record};
pub use registrar::{PhoneStatus, RegistrarStatus, RelayCounters, RelayDropped};
pub use reloading::{Settings, SettingsError};
pub use reserving::{ReservationState, ReservationStatus, ReserveError, ReserveRequest};
pub use room::{
    CONFERENCES_ASKED_MAX, Capacity, CapacityQuery, Fit, HoldState, HoldStatus, MixerRoom, WhatIf,
};
pub use status::{ConferenceState, ConferenceStatus, Leftovers, LegStatus, RoomStatus, Status};
pub use steering::{
    Asker, Change, ConferenceView, KEY_FOR, KEYS_MAX, MAX_TIME_ASKED, NewConference,
    ParticipantView, SEATS_ASKED, Stage, SteerError, StoredKey, TITLE_CHARS_MAX,
};
pub use tenants::TenantRules;
pub use watching::UNASKED_NOTIFIES_MAX;
