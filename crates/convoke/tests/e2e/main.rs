//! The commands as processes of their own on loopback, one test after another.

mod demo;
mod errors;
mod flow;
mod processes;
mod recursing_proxy;
mod sipp;
mod unread;
