//! Load for any SIP conference server: many legs from one thread, and an honest account of what becomes of their
//! packets.
//!
//! [`run()`] calls the server with every leg of a [`Plan`], sends RTP by the clock, and gives a [`Report`]: how long the
//! set-up took, how many packets came of those that were due, how regularly, how long a sound took to the others, and
//! what it cost the server's process. It watches itself as closely: where the generator was the limit, the report says so
//! ([`Limit`]).
//!
//! How it measures:
//!
//! - Every leg has a user agent, a SIP socket and a media socket of its own: to the server they are as many phones.
//! - Arrival is the kernel's receive timestamp, so that reading in batches costs no precision.
//! - In each conference up to three talkers take turns to send a **click**: 20 ms of 1 kHz, far above what else is sent.
//!   Its delay is from the moment its packet was sent to the moment the sound begins in what a listener gets, place in
//!   the packet included: a server that hands every packet on at once has none.
//! - Packets are sent at their time, spread evenly over the packet time as by phones that know nothing of one another.
//!
//! Without [`Reach::Anywhere`] nothing is sent to another machine, whatever the server answers: so many calls and
//! packets are an attack where they are not expected.
//!
//! [`reflector`] and [`redirector`] are the floor programs: the smallest servers that can be measured the same way, of calls
//! and of 302s.

pub mod asker;
mod click;
mod clock;
mod ears;
mod legs;
mod mouth;
mod plan;
mod process;
pub mod redirector;
pub mod reflector;
mod report;
mod run;
mod schedule;
mod spread;
mod tally;
mod wire;

pub use plan::{LEGS_MAX, Plan, PlanError, Reach, Rest, Target, TargetError};
pub use process::{Process, Usage};
pub use report::{Cost, Delay, Limit, Media, Millis, Report, ThreadCost};
pub use run::{LoadError, Phase, Progress, run};
