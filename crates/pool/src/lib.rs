//! Administers the room of one node: who was promised how much, and for how long.
//!
//! Room is counted in [`Seats`]. A **hold** promises seats to a conference that nobody has joined
//! yet; it ends by itself. A hold is *soft* until the asker's address is proved, then *firm*: soft
//! holds are capped in sum and per source, and are the first to be evicted. The first join makes
//! the conference *active*: joiners use up its held seats first and take free seats after that.
//!
//! A [`Token`] is the user part of a conference URI. It finds a conference, it never makes one.
//!
//! **Invariant:** used + held never exceed the capacity.
//! **Invariant:** a refusal changes nothing.
//! **Invariant:** every conference known here costs at least one seat, so their number is bounded
//! by the capacity.

mod ledger;
mod pool;
mod terms;
mod token;

pub use pool::Pool;
pub use terms::{
    ConferenceId, Firmness, HOLD_MAX, Hold, HoldRequest, JoinRefusal, Output, PoolConfig, Refusal,
    Room, Seats, Unknown, View, ViewState,
};
pub use token::{Key, TOKEN_EPOCH, Token, TokenError, TokenKeys, is_like_a_token, mint, read};
