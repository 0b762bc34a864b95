//! Administers the room of one node: who was promised how much, and for how long.
//!
//! Room is a vector: processor time, packets, bits and ports ([`Cost`]); people count it in plain legs
//! ([`Seats`]). A **hold** promises seats to a conference that nobody has joined
//! yet; it ends by itself. A hold is *soft* until the asker's address is proved, then *firm*: soft
//! holds are capped in sum and per source, and are the first to be evicted. The first join makes
//! the conference *active*: joiners use up its held seats first and take free seats after that.
//! A [`Reservation`] is a hold for a time to come. Each conference belongs to a tenant
//! ([`TenantTerms`]). Every decision can be had as data ([`Decision`]).
//!
//! A [`Token`] is the user part of a conference URI. It finds a conference, it never makes one.
//!
//! **Invariant:** used + held never exceed the capacity of any shard, in nothing.
//! **Invariant:** a refusal changes nothing.
//! **Invariant:** every conference known here costs at least one seat, or is a reservation, so their number
//! is bounded by the capacity and [`RESERVATIONS_MAX`].

mod book;
mod cost;
mod decision;
mod ledger;
mod placement;
mod pool;
mod tenant;
mod terms;
mod token;

pub use book::{RESERVATIONS_MAX, Reservation};
pub use cost::{Codec, Cost, CostModel, Dimension, Shortage};
pub use decision::{CANDIDATES_KEPT_MAX, Candidate, Decision, Limit, LimitKind, Verdict};
pub use placement::{Load, choose};
pub use pool::Pool;
pub use tenant::{TENANTS_MAX, TenantTerms};
pub use terms::{
    ConferenceId, Firmness, HOLD_MAX, Hold, HoldRequest, JoinRefusal, NoConferenceId, Output,
    PoolConfig, Refusal, Room, Seats, ShardRoom, TenantId, Unknown, View, ViewState,
};
pub use token::{
    Key, TOKEN_EPOCH, Token, TokenError, TokenKeys, id_in, is_like_a_token, mint, read,
};
