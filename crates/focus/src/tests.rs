//! The focus and the factory under virtual time, driven by messages as they come off the wire.

mod dial_in;
mod ending;
mod factory;
mod histories;
mod hold;
mod in_dialog;
mod refresh;
mod rig;
mod snapshots;
