//! The two halves of a stream: what is heard, and what is sent.

mod keying;
mod keys;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

use audio::G711;

use crate::message::Codec;

pub(crate) use keying::{Keying, Said};
pub use keys::Press;
pub use receiver::{PACKET_SAMPLES_MAX, Receiver};
pub use sender::Sender;
pub(crate) use sender::encoded;

/// The codec itself; G.711 has no state to keep between packets.
const fn codec(codec: Codec) -> G711 {
    match codec {
        Codec::Pcma => G711::Alaw,
        Codec::Pcmu => G711::Ulaw,
    }
}
