//! The server's rim: configuration, sockets, HTTP, and the loop that moves bytes between the world
//! and [`node::Node`].
//!
//! - [`config`]: TOML and flags become one [`Config`], checked whole before any port is bound.
//! - [`Server::start`] binds, starts the media shard and the loop; [`Running`] is the handle.
//!
//! **Invariant:** no SIP rule is decided here. What to answer is `node`'s business; this crate
//! knows addresses, bytes, clocks and who may send at all ([`AllowList`]).

mod access;
pub mod config;

pub use access::{AllowList, Network, NetworkError};
pub use config::{Config, ConfigError};
