//! What one can ask of the pool, and what it says.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Instant;

/// Names one conference: a truncated HMAC of the request that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConferenceId(pub [u8; 10]);

/// The cost of plain G.711 legs, in legs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seats(pub u32);

/// How much room there is and how much of it unproved askers may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Seats of this node.
    pub capacity: Seats,
    /// Soft holds together stay within this share of the capacity, in percent.
    pub soft_percent: u32,
    /// But never less than this many seats: a fifth of a small node would not hold one conference.
    pub soft_seats_min: Seats,
    /// Soft holds of one source address; one more takes the place of its oldest.
    pub soft_per_source_max: usize,
}

impl PoolConfig {
    /// The defaults for a node of this many seats: 20 % soft, at least 32 seats, 16 per source.
    pub const fn new(capacity: Seats) -> Self {
        Self { capacity, soft_percent: 20, soft_seats_min: Seats(32), soft_per_source_max: 16 }
    }

    /// Seats of all soft holds together; may exceed the capacity of a small node.
    pub(crate) fn soft_limit(&self) -> u32 {
        let share = u64::from(self.capacity.0) * u64::from(self.soft_percent) / 100;
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        share.max(self.soft_seats_min.0)
    }
}

/// Whether the asker has shown that he receives at the address he asks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmness {
    /// Not yet: the address may be forged.
    Soft {
        /// Where the request came from.
        source: IpAddr,
    },
    /// Yes: by an echoed tag, by credentials, or by a connection.
    Firm,
}

/// What is asked for a conference that nobody has joined yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRequest {
    /// The conference. The same id again is the same hold.
    pub id: ConferenceId,
    /// Expected size; at least 1, at most `legs_max`.
    pub seats: Seats,
    /// For how long, if nobody joins.
    pub hold: Duration,
    /// Whether the asker's address is proved.
    pub firmness: Firmness,
    /// The most legs the conference may ever have; `None`: as many as there is room for.
    pub legs_max: Option<u32>,
}

/// A granted hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it ends by itself unless somebody joins (for an active conference: when it would have).
    pub until: Instant,
}

/// Why no room is held. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum Refusal {
    #[error("the pool is full: {} seats asked, {} to be had", asked.0, free.0)]
    PoolFull { asked: Seats, free: Seats },
    #[error("{} seats asked by an unproved source, {} may be held for all of them", asked.0, limit.0)]
    SoftLimit { asked: Seats, limit: Seats },
}

/// Why nobody may join. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum JoinRefusal {
    #[error("no such conference is held or active here")]
    Unknown,
    #[error("the conference is full: {legs_max} legs")]
    ConferenceFull { legs_max: u32 },
    #[error("the pool is full")]
    PoolFull,
}

/// No such conference is held or active here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such conference is held or active here")]
pub struct Unknown;

/// What the pool did by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nobody joined in time: the hold is gone.
    Expired {
        /// Whose.
        id: ConferenceId,
    },
    /// A soft hold had to go for somebody else: it is gone.
    Evicted {
        /// Whose.
        id: ConferenceId,
    },
}

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// All seats of the node.
    pub capacity: u32,
    /// Taken by legs.
    pub used: u32,
    /// Promised: to conferences nobody has joined, and to late invitees of active ones.
    pub held: u32,
    /// `capacity - used - held`.
    pub free: u32,
}

/// One conference as the pool sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Where it stands.
    pub state: ViewState,
    /// Seats promised to it (used ones within the promise included).
    pub seats: Seats,
    /// Seats its legs take.
    pub used: Seats,
    /// Held: when the hold ends. Active: until when its unused seats are kept whatever comes.
    pub until: Instant,
}

/// Where a conference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// Promised to an unproved asker.
    Soft,
    /// Promised, nobody has joined.
    Firm,
    /// Joined at least once.
    Active,
}

/// No hold is longer, whatever the configuration says: room that nobody uses comes back the same
/// day. Longer ones are cut.
pub const HOLD_MAX: Duration = Duration::from_secs(24 * 3600);
