//! Why a conference got its room, or did not: all that was looked at, as data.

use serde::{Deserialize, Serialize};

use crate::cost::{Cost, Shortage};
use crate::terms::{Refusal, Seats, ShardRoom, TenantId};

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Seats asked for.
    pub seats: Seats,
    /// What each of them is expected to cost.
    pub leg: Cost,
    /// All of them, and the conference itself.
    pub asked: Cost,
    /// Who pays.
    pub tenant: TenantId,
    /// Whether the asker's address is proved.
    pub is_firm: bool,
    /// Why not; `None`: it was granted.
    pub refusal: Option<Refusal>,
    /// Limits that were looked at before any candidate was.
    pub limits: Vec<Limit>,
    /// The mixers that were looked at, at most [`CANDIDATES_KEPT_MAX`]: the chosen one first. Up to 16 all are; of more two,
    /// drawn by the conference, and all only if neither has the room.
    pub candidates: Vec<Candidate>,
    /// How many more there were.
    pub left_out: usize,
}

/// A limit on what one may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Which.
    pub kind: LimitKind,
    /// How much was taken of it.
    pub has: u64,
    /// How much there is.
    pub most: u64,
    /// Whether what was asked is within it.
    pub is_kept: bool,
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Seats of the tenant.
    TenantQuota,
    /// Conferences that the tenant may make in a minute.
    TenantRate,
    /// Seats of all callers whose address is not proved. The oldest give way.
    Unproved,
}

/// One mixer that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its node.
    pub node: u16,
    /// The shard of that node.
    pub shard: u16,
    /// What it had.
    pub room: ShardRoom,
    /// Of that, what other tenants have reserved and do not use.
    pub kept_for_others: Cost,
    /// Seats of the kind asked for that fit into what was left.
    pub fits: u32,
    /// The fullest of its resources in parts per thousand, this conference included.
    pub load: u64,
    /// What became of it.
    pub verdict: Verdict,
}

/// Why a mixer was chosen or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It has the room, and the least load of those that were looked at.
    Chosen,
    /// None had the room; here it was made.
    ChosenByPressure {
        /// Conferences that nobody had joined and whose askers were not proved: gone.
        evicted: u32,
        /// Seats that conferences did not use.
        taken_back: u32,
    },
    /// It has the room, but more load.
    MoreLoad,
    /// It has the room, but its ticks are late.
    Late,
    /// It has not, and none could be made.
    NoRoom {
        /// Of what there was too little.
        short_of: Vec<Shortage>,
    },
    /// Another one had the room, so none was made here.
    NoRoomAtOnce {
        /// Of what there was too little.
        short_of: Vec<Shortage>,
    },
    /// A limit was reached, so it did not matter.
    NotAsked,
}

impl Decision {
    /// The mixer that it fell on.
    pub fn chosen(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| match candidate.verdict {
            Verdict::Chosen | Verdict::ChosenByPressure { .. } => true,
            Verdict::MoreLoad
            | Verdict::Late
            | Verdict::NoRoom { .. }
            | Verdict::NoRoomAtOnce { .. }
            | Verdict::NotAsked => false,
        })
    }

    /// What the mixer that had most room for it was short of: the first thing to buy.
    pub fn shortage(&self) -> Option<Shortage> {
        let best = self.candidates.iter().max_by_key(|candidate| candidate.fits)?;
        match &best.verdict {
            Verdict::NoRoom { short_of } => short_of.first().copied(),
            Verdict::Chosen
            | Verdict::ChosenByPressure { .. }
            | Verdict::MoreLoad
            | Verdict::Late
            | Verdict::NoRoomAtOnce { .. }
            | Verdict::NotAsked => None,
        }
    }
}

/// Candidates that a decision keeps: as many as a person reads. Of more the rest is counted.
pub const CANDIDATES_KEPT_MAX: usize = 64;

impl Decision {
    /// The decision in one sentence. `tenant` is the name of who pays.
    pub fn words(&self, tenant: &str) -> String {
        let count = self.seats.0;
        let seats = if count == 1 { "1 seat".to_owned() } else { format!("{count} seats") };
        let Some(refusal) = &self.refusal else { return self.granted(&seats) };
        match refusal {
            Refusal::PoolFull { free, .. } => {
                let place = self.candidates.iter().max_by_key(|it| it.fits);
                let at =
                    place.map_or(String::new(), |it| format!(" (mixer {}/{})", it.node, it.shard));
                let short = self.shortage();
                let short = short.map_or(String::new(), |it| format!(": too little {it}"));
                format!("no mixer has room for {seats}, the most is {}{at}{short}", free.0)
            }
            Refusal::SoftLimit { limit, .. } => format!(
                "the asker's address is not proved, and {seats} are more than the {} of all such callers",
                limit.0
            ),
            Refusal::TenantFull { has, quota, .. } => format!(
                "{tenant} has {} of its {} seats, so there are not {count} more for it",
                has.0, quota.0
            ),
            Refusal::TenantRate { per_minute, .. } => {
                format!("{tenant} has made its {per_minute} conferences of this minute")
            }
            Refusal::OutOfTime | Refusal::TooManyReservations { .. } => refusal.to_string(),
        }
    }

    fn granted(&self, seats: &str) -> String {
        let Some(chosen) = self.chosen() else { return seats.to_owned() };
        let place = format!("{}/{}", chosen.node, chosen.shard);
        let load = format!("{}.{} %", chosen.load / 10, chosen.load % 10);
        let others = self.candidates.len() + self.left_out - 1;
        match &chosen.verdict {
            Verdict::ChosenByPressure { evicted, taken_back } => format!(
                "{seats} on mixer {place}, where {evicted} unproved holds gave way and {taken_back} unused seats were taken back"
            ),
            Verdict::Chosen
            | Verdict::MoreLoad
            | Verdict::Late
            | Verdict::NoRoom { .. }
            | Verdict::NoRoomAtOnce { .. }
            | Verdict::NotAsked
                if others == 0 =>
            {
                format!("{seats} on mixer {place}, the only one, now {load} full")
            }
            Verdict::Chosen
            | Verdict::MoreLoad
            | Verdict::Late
            | Verdict::NoRoom { .. }
            | Verdict::NoRoomAtOnce { .. }
            | Verdict::NotAsked => {
                format!("{seats} on mixer {place}, the better of {}, now {load} full", others + 1)
            }
        }
    }
}
