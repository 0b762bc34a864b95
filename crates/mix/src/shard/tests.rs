//! A whole shard under virtual time.

mod any_order;
mod attacks;
mod commands;
mod delay;
mod loops;
mod prompts;
mod rtcp;
mod sound;
mod ticks;
