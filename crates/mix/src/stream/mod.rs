//! The two halves of a stream: what is heard, and what is sent.

mod receiver;
mod sender;

pub use receiver::Receiver;
pub use sender::Sender;
