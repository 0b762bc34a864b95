//! The whole node, driven by hand-written messages under virtual time.

mod asking;
mod attacks;
mod auth;
mod counting;
mod explaining;
mod hostile;
mod joining;
mod mutants;
mod reaching;
mod records;
mod referring;
mod refusing;
mod registrar;
mod rig;
mod rows;
mod steering;
mod taking_over;
mod torture;
mod torture_tcp;
mod unguessable;
mod watching;
