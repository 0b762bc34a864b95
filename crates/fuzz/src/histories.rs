//! Machines with a past: what a stranger, a user and the clock may do to them, in any order.
//!
//! Bytes become a list of steps ([`crate::Choices`]). After each step what must hold all the time is checked; in the end everybody
//! falls silent, time passes, and nothing may be left.

mod caller;
mod connections;
mod dialog;
mod focus;
mod node;
mod registrar;
mod subscription;
mod terminal;
mod txn;

pub use self::connections::CONNECTIONS;
pub use self::dialog::DIALOG;
pub use self::focus::FOCUS;
pub use self::node::NODE;
pub use self::registrar::REGISTRAR;
pub use self::subscription::SUBSCRIPTION;
pub use self::terminal::TERMINAL;
pub use self::txn::TXN;

use units::Rng;

/// Histories to begin with: random, of some length, the same each time.
fn random(bytes: usize) -> Vec<Vec<u8>> {
    let mut rng = Rng::from_number(bytes as u64);
    let one = |rng: &mut Rng| (0..bytes).map(|_| rng.bytes::<1>()[0]).collect();
    (0..40).map(|_| one(&mut rng)).collect()
}
