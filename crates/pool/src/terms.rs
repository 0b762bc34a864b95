//! What one can ask of the pool, and what it says.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use units::Instant;

use crate::cost::{Cost, CostModel};
use crate::tenant::TenantTerms;

/// Names one conference: a truncated HMAC of the request that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConferenceId(pub [u8; 10]);

impl fmt::Display for ConferenceId {
    /// 16 characters of lower-case base32.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl FromStr for ConferenceId {
    type Err = NoConferenceId;

    /// Reads what [`fmt::Display`] writes, in any case.
    fn from_str(text: &str) -> Result<Self, NoConferenceId> {
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(NoConferenceId)
    }
}

/// A text that names no conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a conference has 16 characters, a to z and 2 to 7")]
pub struct NoConferenceId;

/// A number of legs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seats(pub u32);

/// Who pays: an index into [`PoolConfig::tenants`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TenantId(pub u16);

impl TenantId {
    /// The tenant of whoever belongs to no other.
    pub const NOBODYS: Self = Self(0);
}

/// How much room there is and how much of it who may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// What each media shard has; at least one. A conference lives on one of them.
    pub shards: Vec<Cost>,
    /// What things cost here.
    pub costs: CostModel,
    /// Soft holds together stay within this share of the capacity, in percent.
    pub soft_percent: u32,
    /// But never less than this many seats: a fifth of a small node would not hold one conference.
    pub soft_seats_min: Seats,
    /// Soft holds of one source address; one more takes the place of its oldest.
    pub soft_per_source_max: usize,
    /// Who shares the room; the first is everybody's who belongs to no other.
    pub tenants: Vec<TenantTerms>,
    /// No more than this share of a shard is promised to reservations at any time, in percent.
    pub bookable_percent: u32,
    /// How long before a reservation begins its room is kept free of other conferences. One that began
    /// before that and goes on is not ended: the reservation gets what there is, and the rest as it
    /// comes free.
    pub ahead: Duration,
}

impl PoolConfig {
    /// The defaults for a node of one shard and this many plain seats: 20 % soft, at least 32 seats, 16
    /// per source.
    pub fn new(capacity: Seats) -> Self {
        let costs = CostModel::default();
        Self::of_shards(vec![costs.plain_leg().times(capacity.0)], costs)
    }

    /// The same defaults for these shards.
    pub fn of_shards(shards: Vec<Cost>, costs: CostModel) -> Self {
        Self {
            shards,
            costs,
            soft_percent: 20,
            soft_seats_min: Seats(32),
            soft_per_source_max: 16,
            tenants: vec![TenantTerms::default()],
            bookable_percent: 80,
            ahead: Duration::from_secs(15 * 60),
        }
    }

    /// Plain legs that all shards together have room for.
    pub fn seats(&self) -> Seats {
        Seats(self.capacity())
    }

    pub(crate) fn capacity(&self) -> u32 {
        let plain = self.costs.plain_leg();
        self.shards.iter().fold(0, |sum, shard| sum.saturating_add(shard.count_of(&plain)))
    }

    /// Seats of all soft holds together; may exceed the capacity of a small node.
    pub(crate) fn soft_limit(&self) -> u32 {
        let share = u64::from(self.capacity()) * u64::from(self.soft_percent) / 100;
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
    /// What each of its legs is expected to cost.
    pub leg: Cost,
    /// For how long, if nobody joins.
    pub hold: Duration,
    /// Whether the asker's address is proved.
    pub firmness: Firmness,
    /// The most legs the conference may ever have; `None`: as many as there is room for.
    pub legs_max: Option<u32>,
    /// Who pays.
    pub tenant: TenantId,
}

/// A granted hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it ends by itself unless somebody joins (for an active conference: when it would have).
    pub until: Instant,
}

/// Why no room is held. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the message says it")]
pub enum Refusal {
    #[error("the pool is full: {} seats asked, {} to be had", asked.0, free.0)]
    PoolFull { asked: Seats, free: Seats },
    #[error("{} seats asked by an unproved source, {} may be held for all of them", asked.0, limit.0)]
    SoftLimit { asked: Seats, limit: Seats },
    #[error("{} seats asked, the tenant has {} of its {}", asked.0, has.0, quota.0)]
    TenantFull { tenant: TenantId, asked: Seats, has: Seats, quota: Seats },
    #[error("the tenant makes no more than {per_minute} conferences a minute")]
    TenantRate { tenant: TenantId, per_minute: u32 },
    #[error("a reservation ends before it begins, or has ended")]
    OutOfTime,
    #[error("there are {max} reservations already")]
    TooManyReservations { max: usize },
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
    #[error("the tenant has all its {} seats", quota.0)]
    TenantFull { tenant: TenantId, quota: Seats },
    #[error("the reservation opens at {opens}")]
    NotYet { opens: Instant },
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
    /// A reservation is over. What runs goes on without its promise.
    ReservationOver {
        /// Whose.
        id: ConferenceId,
    },
}

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// All seats of the node, if all legs were plain ones.
    pub capacity: u32,
    /// Taken by legs.
    pub used: u32,
    /// Promised: to conferences nobody has joined, and to late invitees of active ones.
    pub held: u32,
    /// Plain legs that would still fit; with plain legs only, `capacity - used - held`.
    pub free: u32,
}

/// What a shard has and gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRoom {
    /// All that it has.
    pub capacity: Cost,
    /// Taken by legs and conferences.
    pub used: Cost,
    /// Promised and not taken.
    pub held: Cost,
    /// Kept free for reservations that have begun, or are about to.
    pub owed: Cost,
}

impl ShardRoom {
    /// What anybody may have.
    #[must_use]
    pub fn free(&self) -> Cost {
        self.capacity.minus(self.used).minus(self.held).minus(self.owed)
    }
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
    /// The shard that it is to be mixed on.
    pub shard: u16,
    /// Who pays.
    pub tenant: TenantId,
    /// What each promised seat costs.
    pub leg: Cost,
    /// What it takes: its legs, and itself.
    pub used_cost: Cost,
}

/// Where a conference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// Promised to an unproved asker.
    Soft,
    /// Promised, nobody has joined.
    Firm,
    /// Promised by a reservation, nobody is in.
    Reserved,
    /// Joined at least once.
    Active,
}

/// No hold is longer, whatever the configuration says: room that nobody uses comes back the same
/// day. Longer ones are cut.
pub const HOLD_MAX: Duration = Duration::from_secs(24 * 3600);
