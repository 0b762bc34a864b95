//! The whole node, driven by hand-written messages under virtual time.

mod asking;
mod auth;
mod counting;
mod hostile;
mod joining;
mod reaching;
mod records;
mod referring;
mod refusing;
mod registrar;
mod rig;
mod taking_over;
mod torture;
mod unguessable;
mod watching;
