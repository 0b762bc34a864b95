//! Digest authentication (RFC 7616, as RFC 3261 §22 and RFC 8760 take it into SIP).
//!
//! - What goes over the wire: [`Challenge`], [`Credentials`], and the arithmetic in [`Ha1`].
//! - The server's part: [`NonceKey`] makes nonces that any node with the same key knows again,
//!   [`UsedNonces`] tells a replay from a copy. Who the users are is the node's business.
//! - The client's part: [`Keyring`] decides which challenges may be answered, and answers them.
//!
//! Only `qop=auth` is spoken; `auth-int` would bind a body that any B2BUA on the way rewrites. The
//! `-sess` algorithms are not: with one proof for each request they add nothing.
//!
//! **Invariant:** a password, or a hash that stands for it, never shows in `Debug`.

mod algorithm;
mod challenge;
mod client;
mod credentials;
mod error;
mod nonce;
mod params;
mod replay;
mod secret;

#[cfg(test)]
mod tests;

pub use self::{
    algorithm::Algorithm,
    challenge::{Challenge, Qop},
    client::{Account, Attempts, CHALLENGES_MAX, Keyring, SESSIONS_MAX},
    credentials::{Count, Credentials, Username},
    error::DigestError,
    nonce::{NONCE_LIFE, Nonce, NonceKey},
    replay::{Print, USED_NONCES_MAX, Use, UsedNonces},
    secret::{Ha1, Password, same},
};
