//! Session descriptions, and offer/answer as a function.
//!
//! - [`SessionDescription::parse`] is lenient where real phones err and bounded everywhere;
//!   `Display` prints (RFC 8866).
//! - [`offer`], [`answer`] and [`accept_answer`] are pure functions (RFC 3264) for one audio stream.

mod answer;
mod description;
mod media;
mod negotiate;
mod parse;

pub use answer::{AnswerError, accept_answer, answer, offer};
pub use description::{Attribute, Connection, Field, Origin, SessionDescription};
pub use media::{MediaDescription, RtpMap};
pub use negotiate::{Codec, Direction, LocalMedia, Negotiated};
pub use parse::SdpError;
