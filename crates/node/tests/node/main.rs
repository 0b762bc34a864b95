//! The whole node, driven by hand-written messages under virtual time.

mod asking;
mod attacks;
mod auth;
mod counting;
mod draining;
mod explaining;
mod hostile;
mod joining;
mod mutants;
mod reaching;
mod records;
mod referring;
mod refusing;
mod registrar;
mod reloading;
mod reserving;
mod restarting;
mod rig;
mod rows;
mod steering;
mod taking_over;
mod tenants;
mod torture;
mod torture_tcp;
mod unguessable;
mod watching;
