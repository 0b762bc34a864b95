//! Commands to a shard and events from it: plain data, no SDP type, no clock, no reference.
//!
//! Each [`Command`] is answered by exactly one [`Event::Reply`] with its `id`. Commands are
//! idempotent: asked again, the same thing is done once and answered alike. Two numbers fence off
//! whoever is no longer in charge:
//!
//! - the *generation* in [`ConferenceKey`]: a slot is used again with a higher one, and what is
//!   addressed to a lower one, or to one that has ended, is refused;
//! - the [`Epoch`]: a conference remembers the highest that it was commanded with, and refuses
//!   everything below.

mod report;

use std::net::{IpAddr, SocketAddr};

pub use self::report::{PacketDropped, PortQuality, WayQuality};

use serde::{Deserialize, Serialize};

/// Names one conference on one shard, for ever: a slot is used again only with a higher generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConferenceKey {
    /// Place in the shard's table, below [`crate::ShardConfig::conferences`]. The caller chooses it.
    pub slot: u32,
    /// Which use of that slot.
    pub generation: u32,
}

/// Fencing number of an ownership: a higher one displaces every lower one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// Names one port within its conference. The caller chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortId(pub u32);

/// A bound socket, and the one of RTCP beside it, that the shard lends ahead, so that an SDP answer needs no round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LentPort {
    /// The shard's number of this lending. Never used again, even when the same address is lent
    /// anew: so a repeated `AddPort` cannot take somebody else's socket.
    pub id: u32,
    /// What the socket of RTP is bound to (not what is advertised); that of RTCP has the next number.
    pub address: SocketAddr,
}

/// One order to a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The caller's number; comes back in [`Event::Reply`].
    pub id: u64,
    /// Which conference.
    pub conference: ConferenceKey,
    /// In whose name.
    pub epoch: Epoch,
    /// What to do.
    pub action: Action,
}

/// What a [`Command`] asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Adds a leg to the conference. Answered by [`Done::PortAdded`].
    AddPort {
        /// Its name.
        port: PortId,
        /// Where its packets come from and go to.
        transport: TransportSpec,
        /// What is in them.
        stream: StreamSpec,
    },
    /// Ends the conference and every port in it. Answered by [`Done::ConferenceClosed`].
    CloseConference,
    /// Keeps a leg's sound out of the mix, or lets it in again; everything else of it goes on. A leg that
    /// is added is not muted. Answered by [`Done::PortMuted`].
    MutePort {
        /// Its name.
        port: PortId,
        /// Which of the two.
        is_muted: bool,
    },
    /// Makes the conference. Answered by [`Done::ConferenceOpened`].
    OpenConference,
    /// Plays a prompt, over what is heard there; one that is playing there gives way. Asked again it begins
    /// again. Answered by [`Done::Prompted`].
    Play {
        /// Who hears it.
        to: Listeners,
        /// Which.
        prompt: Prompt,
    },
    /// Ends a leg; its socket goes back. Answered by [`Done::PortRemoved`].
    RemovePort {
        /// Its name.
        port: PortId,
    },
    /// Changes a leg after a new offer and answer. A changed `remote` lets it latch anew; SSRC,
    /// sequence and clock of what we send go on. Answered by [`Done::PortUpdated`].
    UpdatePort {
        /// Its name.
        port: PortId,
        /// The same `lent` as when it was added.
        transport: TransportSpec,
        /// What is in the packets from now on.
        stream: StreamSpec,
    },
}

/// Who hears a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listeners {
    /// All who are not [apart](StreamSpec::apart).
    Everybody,
    /// One port, apart or not.
    Port(PortId),
}

/// A few tones that say something: see [`audio::prompt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prompt {
    /// Key your PIN.
    AskPin,
    /// That was wrong.
    Bad,
    /// The conference ends soon.
    EndsSoon,
    /// That was right.
    Good,
    /// Somebody will let you in.
    Waiting,
}

impl Prompt {
    /// How it sounds.
    pub const fn tune(self) -> audio::prompt::Tune {
        match self {
            Self::AskPin => audio::prompt::ASK_PIN,
            Self::Bad => audio::prompt::BAD,
            Self::EndsSoon => audio::prompt::ENDS_SOON,
            Self::Good => audio::prompt::GOOD,
            Self::Waiting => audio::prompt::WAITING,
        }
    }
}

/// Which of a port's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Channel {
    /// That of RTP, on an even number; of RTCP too where both share it.
    Rtp,
    /// That of RTCP, on the next number (RFC 3550 §11).
    Rtcp,
}

/// Which way RTCP goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RtcpPath {
    /// Over the socket of its own, to there; `None`: nowhere.
    Apart(Option<SocketAddr>),
    /// With RTP (RFC 5761).
    Muxed,
}

/// Where a port's packets come from and go to: plain RTP over UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportSpec {
    /// Our socket: [`LentPort::id`].
    pub lent: u32,
    /// The peer's address by its SDP; `None` if it gave none (`c=0.0.0.0`): then nothing is sent.
    pub remote: Option<SocketAddr>,
    /// The same for RTCP.
    pub rtcp: RtcpPath,
    /// Where the peer's signalling comes from.
    pub signalling: IpAddr,
}

/// What a port's packets carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSpec {
    /// The kind of media.
    pub kind: Kind,
    /// Our direction: `SendOnly` means that we send and do not listen.
    pub direction: Direction,
    /// How we send.
    pub send: Format,
    /// What we take, at least one and at most [`RECEIVE_FORMATS_MAX`]; `ptime_ms` is not looked at.
    pub receive: Vec<Format>,
    /// The payload type of telephone-event at 8 kHz (RFC 4733), if it was agreed on.
    pub keys: Option<u8>,
    /// Whether the others are not to know what the peer calls himself in RTCP (RFC 7022 §4.2).
    pub anonymous: bool,
    /// Whether he is not in yet: he hears prompts and silence, the others do not hear him, and neither is told of the
    /// other in RTCP. Keys are taken all the same.
    #[serde(default)]
    pub apart: bool,
    /// A name for people, at most [`LABEL_BYTES_MAX`] bytes.
    pub label: String,
}

impl TransportSpec {
    /// A peer whose sound, RTCP and signalling all come from one address.
    pub const fn muxed(lent: u32, remote: SocketAddr) -> Self {
        Self { lent, remote: Some(remote), rtcp: RtcpPath::Muxed, signalling: remote.ip() }
    }
}

impl StreamSpec {
    /// Sound both ways in one format, and no more.
    pub fn both_ways(format: Format) -> Self {
        Self {
            kind: Kind::Audio,
            direction: Direction::SendRecv,
            send: format,
            receive: vec![format],
            keys: None,
            anonymous: false,
            apart: false,
            label: String::new(),
        }
    }
}

/// The kind of media in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Sound.
    Audio,
}

/// Which way a stream flows, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Neither way; the leg stays.
    Inactive,
    /// We only listen.
    RecvOnly,
    /// We only send.
    SendOnly,
    /// Both ways.
    SendRecv,
}

impl Direction {
    /// Whether we send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether we listen.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// A codec, its payload type and its packet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// RTP payload type, 0-127.
    pub payload_type: u8,
    /// Media per packet: a multiple of 10, from 10 to [`PTIME_MS_MAX`].
    pub ptime_ms: u32,
}

/// A codec that a shard can decode and encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 A-law, 8 kHz mono.
    Pcma,
    /// G.711 μ-law, 8 kHz mono.
    Pcmu,
}

/// A key of a telephone: RFC 4733 §3.2, events 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the name says it")]
pub enum Key {
    Zero,
    One,
    Two,
    Three,
    Four,
    Five,
    Six,
    Seven,
    Eight,
    Nine,
    Star,
    Hash,
    A,
    B,
    C,
    D,
}

impl Key {
    /// All, by their event codes.
    const ALL: [Self; 16] = [
        Self::Zero,
        Self::One,
        Self::Two,
        Self::Three,
        Self::Four,
        Self::Five,
        Self::Six,
        Self::Seven,
        Self::Eight,
        Self::Nine,
        Self::Star,
        Self::Hash,
        Self::A,
        Self::B,
        Self::C,
        Self::D,
    ];

    /// Its event code.
    pub fn code(self) -> u8 {
        let place = Self::ALL.iter().position(|key| *key == self);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or_default()
    }

    /// The key of what is written on it, as in `4`, `*` and `#`.
    pub fn of_char(c: char) -> Option<Self> {
        let place = "0123456789*#ABCD".find(c.to_ascii_uppercase())?;
        Self::ALL.get(place).copied()
    }

    /// The key of an event code, if it is one.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// What a shard tells.
#[expect(
    clippy::large_enum_variant,
    reason = "a report is told within a tick, which does not allocate"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The shard had to end this conference by itself: a fault of ours struck while it was mixed.
    /// Its ports are gone.
    Failed {
        /// Which one.
        conference: ConferenceKey,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A peer has pressed a key and let it go. Told once for each press, whatever was lost or came twice.
    KeyPressed {
        /// Its conference.
        conference: ConferenceKey,
        /// Its name.
        port: PortId,
        /// Which key.
        key: Key,
        /// For how long, in milliseconds.
        for_ms: u32,
    },
    /// A port knows where its peer's media comes from, and sends there from now on. Told again if
    /// the address of the SDP, or the host of the signalling, takes over from another.
    Latched {
        /// Its conference.
        conference: ConferenceKey,
        /// Its name.
        port: PortId,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// How it goes at a port: told whenever a report of ours is due, every five seconds or so.
    Measured {
        /// Its conference.
        conference: ConferenceKey,
        /// Its name.
        port: PortId,
        /// What has passed through so far.
        report: PortReport,
    },
    /// More sockets are ready to be used in `AddPort`.
    Lent {
        /// The sockets, oldest lending first.
        ports: Vec<LentPort>,
    },
    /// How late the shard's ticks began in the last second in which it had any, in microseconds on average.
    Paced {
        /// On average.
        late_us: u64,
    },
    /// The one answer to a command.
    Reply {
        /// [`Command::id`].
        id: u64,
        /// [`Command::conference`].
        conference: ConferenceKey,
        /// [`Command::epoch`].
        epoch: Epoch,
        /// What came of it.
        outcome: Result<Done, Refused>,
    },
    /// Neither RTP nor RTCP has come for [`SILENT_AFTER_MS`]. Told again as often as that passes: a
    /// muted leg that was there when it was asked may be gone the next time.
    Silent {
        /// Its conference.
        conference: ConferenceKey,
        /// Its name.
        port: PortId,
        /// How long it has been silent, in milliseconds.
        for_ms: u64,
    },
    /// Somebody has begun to talk or has stopped. Pauses between words are part of talking.
    Talking {
        /// Its conference.
        conference: ConferenceKey,
        /// Its name.
        port: PortId,
        /// Which of the two.
        is_talking: bool,
    },
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// The conference has ended (now or before), with this many ports still in it.
    ConferenceClosed {
        /// How many ports ended with it.
        ports: u32,
    },
    /// The conference is open (now or since before).
    ConferenceOpened,
    /// There is no such port (any more); nothing changed.
    PortAbsent,
    /// The port is in.
    PortAdded,
    /// The port is muted, or is not, as asked.
    PortMuted,
    /// The port is out; this is what passed through it.
    PortRemoved(Box<PortReport>),
    /// The port is as asked.
    PortUpdated,
    /// The prompt begins with the next tick.
    Prompted,
}

/// Why a command was not done. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum Refused {
    // The caller is no longer in charge.
    #[error("epoch {got:?} is below {current:?}")]
    StaleEpoch { got: Epoch, current: Epoch },
    #[error("generation {got} has ended, or is below {current}")]
    StaleGeneration { got: u32, current: u32 },
    // The caller asks for what cannot be.
    #[error("the conference is not open")]
    NotOpen,
    #[error("the slot is still used by generation {current}")]
    SlotInUse { current: u32 },
    #[error("there is no slot {got}, only {slots}")]
    NoSuchSlot { got: u32, slots: u32 },
    #[error("no such port")]
    NoSuchPort,
    #[error("the port exists and is different")]
    PortExists,
    #[error("socket {lent} is not lent, or already used")]
    NotLent { lent: u32 },
    #[error("a port keeps its socket {current}; {got} was given")]
    OtherSocket { got: u32, current: u32 },
    #[error("packet time {got} ms is not 10, 20 .. 60")]
    BadPacketTime { got: u32 },
    #[error("payload type {got} is above 127")]
    BadPayloadType { got: u8 },
    #[error("{got} is not an address of one host")]
    BadRemote { got: SocketAddr },
    #[error("{got} receive formats, not 1 to {max}")]
    BadFormatCount { got: usize, max: usize },
    #[error("the label has {got} bytes, more than {max}")]
    LabelTooLong { got: usize, max: usize },
    // Nothing left.
    #[error("the conference already has {max} ports")]
    ConferenceFull { max: u32 },
}

/// What passed through one port. Packets, unless said otherwise. Bytes are those of UDP's payload. Every packet that came in is in
/// exactly one of `received`, `rtcp` and the dropped ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortReport {
    /// RTP packets taken.
    pub received: u64,
    /// Bytes of these, RTP headers included.
    pub received_bytes: u64,
    /// Compound packets of RTCP taken.
    pub rtcp: u64,
    /// Dropped: neither RTP nor RTCP, broken, or longer than any packet we take.
    pub dropped_malformed: u64,
    /// Dropped: not from the peer's address, or with an SSRC not confirmed yet.
    pub dropped_foreign: u64,
    /// Dropped: a payload type that was not agreed on.
    pub dropped_payload_type: u64,
    /// Dropped: we do not listen (hold).
    pub dropped_held: u64,
    /// Dropped: more than any phone sends at a time.
    #[serde(default)]
    pub dropped_flood: u64,
    /// Dropped: our own packets, come back.
    #[serde(default)]
    pub dropped_looped: u64,
    /// Dropped: the first packets of a source, which only serve to prove it.
    pub dropped_unproved: u64,
    /// Of `received`: came twice.
    pub duplicate: u64,
    /// Of `received`: came after its time to be played.
    pub late: u64,
    /// Of `received`: not played, to bring the delay back to what it should be.
    pub skipped: u64,
    /// Never came in time to be played.
    pub lost: u64,
    /// Of `received`: came after a later one, yet in time.
    pub reordered: u64,
    /// Samples (8 kHz) that were made up because nothing was there to be played.
    pub concealed_samples: u64,
    /// Samples that were said twice, to have more delay.
    pub lengthened_samples: u64,
    /// Samples that were left out, to have less.
    pub shortened_samples: u64,
    /// How long packets wait for their turn at present, in microseconds. Of several ports, the longest.
    pub delay_us: u64,
    /// Keys pressed.
    pub keys: u64,
    /// How often the peer's media started anew: other SSRC, or a jump in its sequence.
    pub restarts: u64,
    /// How often the peer had our SSRC, and we took another.
    #[serde(default)]
    pub collisions: u64,
    /// How often the leg was muted because it brought back what came from the conference.
    #[serde(default)]
    pub loops: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// Bytes of these, RTP headers included.
    pub sent_bytes: u64,
    /// Compound packets of RTCP sent.
    #[serde(default)]
    pub rtcp_sent: u64,
    /// Frames of 10 ms not sent, because the address had sent us nothing for too long.
    pub withheld_frames: u64,
    /// How well sound gets through.
    #[serde(default)]
    pub quality: PortQuality,
}

/// Most formats a port takes. An answer of ours names every codec once, with room to spare for later
/// ones; more is refused ([`Refused::BadFormatCount`]).
pub const RECEIVE_FORMATS_MAX: usize = 8;

/// Longest label: as long as a host name may be. A longer one is refused.
pub const LABEL_BYTES_MAX: usize = 255;

/// Longest packet time that we send. A longer wish is refused; the caller clips it (F08).
pub const PTIME_MS_MAX: u32 = 60;

/// How long a port may receive nothing before [`Event::Silent`] is told: the 30 s after which a leg is
/// probed in its dialog.
pub const SILENT_AFTER_MS: u64 = 30_000;

#[cfg(test)]
mod tests;
