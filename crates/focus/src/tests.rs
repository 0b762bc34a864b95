//! The focus and the factory under virtual time, driven by messages as they come off the wire.

mod callee;
mod company;
mod dial_in;
mod dialling;
mod ending;
mod entry;
mod event;
mod factory;
mod histories;
mod hold;
mod in_dialog;
mod lasting;
mod refer;
mod refresh;
mod rig;
mod schema;
mod snapshots;
mod steering;
mod takeover;
