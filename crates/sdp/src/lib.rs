//! Session descriptions, and offer/answer as a function.
//!
//! - [`SessionDescription::parse`] is lenient where real phones err and bounded everywhere;
//!   `Display` prints (RFC 8866). What is not understood is kept.
//! - [`offer`], [`answer`] and [`accept_answer`] are pure functions (RFC 3264) for one audio stream
//!   among any that a peer may offer.
//!
//! **Invariant:** no text of a parsed description holds CR, LF or NUL, so none of it can become a
//! line of its own when it is printed.

mod answer;
mod description;
mod format;
mod media;
mod negotiate;
mod parse;

pub use answer::{AnswerError, accept_answer, answer, offer, offer_again};
pub use description::{Attribute, Connection, Field, Origin, SessionDescription};
pub use format::RtpMap;
pub use media::MediaDescription;
pub use negotiate::{Codec, Direction, Family, LocalMedia, Negotiated, RtcpWay};
pub use parse::{ATTRIBUTES_MAX, FORMATS_MAX, MEDIA_MAX, SDP_BYTES_MAX, SdpError};
