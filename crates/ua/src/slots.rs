//! Media sockets that were bound ahead, and who uses them.

use std::net::SocketAddr;

use sdp::Negotiated;

/// The index of a media socket in the list that the owner gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub usize);

/// A media socket that the owner has bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaSlot {
    /// Its address as others reach it.
    pub advertised: SocketAddr,
}

/// Which call a media socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The peer said `isfocus`, or it is the conference we convened.
    Conference,
    /// Anyone else.
    Private,
}

/// What the owner of the media sockets has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaNotice {
    /// Attach a new [`crate::Voice`] to the socket.
    Started {
        /// Which socket.
        slot: SlotId,
        /// What was agreed.
        media: Negotiated,
        /// The peer's signalling address: media from there is trusted to latch on.
        signalling: SocketAddr,
        /// For what.
        purpose: Purpose,
    },
    /// The agreement changed: `Voice::update`.
    Changed {
        /// Which socket.
        slot: SlotId,
        /// What holds from now on.
        media: Negotiated,
    },
    /// The call is over: drop the voice; the socket stays bound for the next.
    Stopped {
        /// Which socket.
        slot: SlotId,
    },
}
