//! The node's state as plain data: for `convoke status`, for programs and for tests.

use std::collections::BTreeMap;

use mix::message::PortReport;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{DrainStatus, OverloadStatus, RegistrarStatus};

/// All that the status shows. Serialised as JSON; fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Every conference that is held or runs.
    pub conferences: Vec<ConferenceStatus>,
    /// Room of the pool, in seats.
    pub room: RoomStatus,
    /// What is still kept for anybody; all zero on a node that nobody uses.
    pub leftovers: Leftovers,
    /// Messages that had no effect, by cause, since the start.
    pub counters: sip::Counters,
    /// Requests refused since the start, by status code.
    #[serde(deserialize_with = "by_code")]
    pub refused: BTreeMap<u16, u64>,
    /// The same by cause, as in the metrics; those that struck.
    #[serde(default)]
    pub refusals: BTreeMap<String, u64>,
    /// Requests of no use that got no answer, because their source had had enough of those.
    #[serde(default)]
    pub held_back: u64,
    /// Who is admitted when too much comes.
    #[serde(default)]
    pub overload: OverloadStatus,
    /// Messages that came to nothing, by cause, as in the metrics; those that struck.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
    /// How far draining has come; `None`: new conferences are taken.
    #[serde(default)]
    pub draining: Option<DrainStatus>,
    /// Who is registered; `None`: there is no registrar.
    #[serde(default)]
    pub registrar: Option<RegistrarStatus>,
}

/// Keys are texts in JSON, and inside a flattened structure serde no longer reads numbers out of them.
fn by_code<'de, D: Deserializer<'de>>(source: D) -> Result<BTreeMap<u16, u64>, D::Error> {
    let counts = BTreeMap::<String, u64>::deserialize(source)?.into_iter();
    counts.map(|(code, count)| Ok((code.parse().map_err(de::Error::custom)?, count))).collect()
}

/// One conference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceStatus {
    /// The conference URI.
    pub uri: String,
    /// Held, reserved or active.
    pub state: ConferenceState,
    /// Seconds since the conference was held or, once active, since the first leg joined.
    pub seconds: u64,
    /// Seats promised to it in all.
    pub seats: u32,
    /// Who is in.
    pub legs: Vec<LegStatus>,
}

/// How far a conference has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConferenceState {
    /// Room is held; nobody has joined yet.
    Held,
    /// Room is reserved for a time, now or later; nobody is in.
    Reserved,
    /// At least one leg has joined.
    Active,
}

/// One leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegStatus {
    /// The number of the leg in its conference.
    pub leg: u32,
    /// The participant's URI as he wrote it: not authenticated.
    pub participant: String,
    /// The name he goes by; control characters masked.
    pub display: Option<String>,
    /// The user that he proved to be.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether he asked for the conference.
    pub creator: bool,
    /// Whether he talks just now.
    #[serde(default)]
    pub talking: bool,
    /// Seconds since he joined.
    pub seconds: u64,
    /// What has gone through his port and how well, as the mixer told it last, every five seconds or so.
    #[serde(default)]
    pub media: Option<PortReport>,
}

/// Room of the pool, in seats: `capacity = used + held + free`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomStatus {
    /// Seats in all.
    pub capacity: u32,
    /// Seats taken by legs.
    pub used: u32,
    /// Seats promised and not taken yet.
    pub held: u32,
    /// Seats that anybody may have.
    pub free: u32,
}

/// What is kept for somebody. After the last BYE, and once the transactions have run out
/// (RFC 3261 §17: at most 64*T1 = 32 s), everything is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    /// RTP ports in use.
    pub ports: usize,
    /// Holds, and seats used, of conferences.
    pub holds: usize,
    /// Conferences that run.
    pub conferences: usize,
    /// Dialogs.
    pub dialogs: usize,
    /// Subscriptions to conferences.
    #[serde(default)]
    pub subscriptions: usize,
    /// SIP transactions.
    pub transactions: usize,
    /// Timers of focuses and of the stack.
    pub timers: usize,
    /// Records of legs and conferences that are not over.
    #[serde(default)]
    pub records: usize,
    /// Media commands without a reply yet.
    pub media_commands: usize,
}
