//! A whole world of nodes, terminals and network in one thread, under virtual time.
//!
//! The world drives the real machines, not models of them: [`node::Node`] with a [`mix::Shard`] on the
//! serving side, [`ua::Convener`] and [`ua::Answerer`] with a [`ua::Voice`] each on the other. Between
//! them lies a [`network::Network`] that loses, repeats, delays and reorders by a seed. A seed and a
//! commit repeat a run to the packet.
//!
//! Checkers ([`check`]) know nothing of faults: they look at what went over the wire, what the
//! terminals heard and what is left in the end. A canary ([`world::Canary`]) is a fault that a
//! checker must catch; a run with one that passes is a failure of the simulation itself.
//!
//! **Invariant:** nothing here reads a clock; a run of a minute takes a fraction of a second.

pub mod check;
pub mod crowd;
mod disk;
pub mod loss;
pub mod mass_join;
pub mod merging;
pub mod network;
pub mod restarting;
pub mod scenario;
mod serving;
mod terminal;
mod watching;
pub mod wire;
pub mod world;
