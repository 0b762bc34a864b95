//! Media sockets that were bound ahead, and who uses them.

use std::net::SocketAddr;

use sdp::{Codec, Direction, LocalMedia, Negotiated};
use units::Rng;

use crate::event::CallId;

/// The index of a media socket in the list that the owner gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub usize);

/// A media socket that the owner has bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaSlot {
    /// Its address as others reach it.
    pub advertised: SocketAddr,
    /// Whether keys may be pressed there.
    pub keys: bool,
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
    /// What we say goes to this call no more, or again. While it does not, silence is sent.
    Muted {
        /// Which socket.
        slot: SlotId,
        /// Whether it goes there no more.
        muted: bool,
    },
    /// The call is over: drop the voice; the socket stays bound for the next.
    Stopped {
        /// Which socket.
        slot: SlotId,
    },
}

/// The media sockets and the calls that use them.
#[derive(Debug)]
pub(crate) struct Slots {
    entries: Vec<(MediaSlot, Use)>,
}

/// What a media socket is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Nothing.
    Free,
    /// Offered or about to be, for a call that is not up.
    Taken(CallId),
    /// The owner was told to run a voice on it.
    Speaking(CallId),
}

/// What most phones offer telephone-event as (RFC 4733).
const KEYS_PAYLOAD_TYPE: u8 = 101;

/// The packet time we like, in ms: what every phone sends anyway.
const PTIME_MS: u32 = 20;

impl Slots {
    pub(crate) fn new(slots: Vec<MediaSlot>) -> Self {
        Self { entries: slots.into_iter().map(|slot| (slot, Use::Free)).collect() }
    }

    /// The first free socket at or after index `from`.
    pub(crate) fn free(&self, from: usize) -> Option<SlotId> {
        let free = |(_, usage): &(MediaSlot, Use)| *usage == Use::Free;
        self.entries.iter().skip(from).position(free).map(|index| SlotId(from + index))
    }

    /// What we offer or answer with on this socket. `None` if there is no such socket.
    pub(crate) fn media(&self, slot: SlotId, rng: &mut Rng) -> Option<LocalMedia> {
        let (entry, _) = self.entries.get(slot.0)?;
        Some(LocalMedia {
            address: entry.advertised.ip(),
            port: entry.advertised.port(),
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            direction: Direction::SendRecv,
            // RFC 8866 §5.2: a number that is not used twice; 62 bits keep it a positive number in
            // parsers that read it as signed.
            session_id: rng.u64() >> 2,
            version: 0,
            ptime_ms: PTIME_MS,
            keys_payload_type: entry.keys.then_some(KEYS_PAYLOAD_TYPE),
        })
    }

    pub(crate) fn take(&mut self, slot: SlotId, call: CallId) {
        if let Some((_, usage)) = self.entries.get_mut(slot.0) {
            *usage = Use::Taken(call);
        }
    }

    /// The call is up.
    pub(crate) fn start(
        &mut self,
        call: CallId,
        media: Negotiated,
        signalling: SocketAddr,
        purpose: Purpose,
    ) -> Option<MediaNotice> {
        let slot = self.slot_of(call)?;
        self.entries[slot.0].1 = Use::Speaking(call);
        Some(MediaNotice::Started { slot, media, signalling, purpose })
    }

    /// The call's media changed.
    pub(crate) fn change(&self, call: CallId, media: Negotiated) -> Option<MediaNotice> {
        self.slot_of(call).map(|slot| MediaNotice::Changed { slot, media })
    }

    /// The call is over; a notice only if a voice was started.
    pub(crate) fn release(&mut self, call: CallId) -> Option<MediaNotice> {
        let slot = self.slot_of(call)?;
        let was = std::mem::replace(&mut self.entries[slot.0].1, Use::Free);
        (was == Use::Speaking(call)).then_some(MediaNotice::Stopped { slot })
    }

    /// The calls that have one.
    pub(crate) fn calls(&self) -> Vec<CallId> {
        let used = |(_, usage): &(MediaSlot, Use)| match usage {
            Use::Free => None,
            Use::Taken(call) | Use::Speaking(call) => Some(*call),
        };
        self.entries.iter().filter_map(used).collect()
    }

    /// The call that uses it.
    pub(crate) fn call_on(&self, slot: SlotId) -> Option<CallId> {
        match self.entries.get(slot.0).map(|(_, usage)| *usage) {
            Some(Use::Taken(call) | Use::Speaking(call)) => Some(call),
            Some(Use::Free) | None => None,
        }
    }

    /// The socket that it uses.
    pub(crate) fn slot_of(&self, call: CallId) -> Option<SlotId> {
        let its = |(_, usage): &(MediaSlot, Use)| match usage {
            Use::Free => false,
            Use::Taken(id) | Use::Speaking(id) => *id == call,
        };
        self.entries.iter().position(its).map(SlotId)
    }
}
