//! A whole shard under virtual time.

mod commands;
mod sound;
mod ticks;
