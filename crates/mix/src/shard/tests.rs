//! A whole shard under virtual time.

mod any_order;
mod commands;
mod delay;
mod sound;
mod ticks;
