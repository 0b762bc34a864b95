//! Whether a new conference would be taken now, for whoever sends callers to several servers.

use pool::{ConferenceId, Firmness, HoldRequest, Seats};
use serde::{Deserialize, Serialize};
use units::Instant;

use crate::node::{Node, Phase};

/// Whether new conferences are taken. Serialised as JSON; fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether they are.
    pub ready: bool,
    /// Why not; empty if they are.
    pub why: Vec<NotReady>,
}

/// Why no new conference is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReady {
    /// For programs.
    pub cause: NotReadyCause,
    /// For people.
    pub words: String,
}

/// Why no new conference is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotReadyCause {
    /// An administrator, or the end of the process to come, lets those there are go on and nobody else begin.
    Draining,
    /// No factory could get room for a conference of the size that it expects.
    NoRoom,
    /// The process is ending.
    ShuttingDown,
}

impl Node {
    /// Whether a caller of some factory would get a conference of the size that the factory expects. Nothing changes.
    pub fn readiness(&self, now: Instant) -> Readiness {
        let mut why = Vec::new();
        let mut add = |cause, words| why.push(NotReady { cause, words });
        if let Err(refused) = self.takes_new() {
            let cause = match self.phase {
                Phase::ShuttingDown => NotReadyCause::ShuttingDown,
                Phase::Running | Phase::Draining(_) => NotReadyCause::Draining,
            };
            add(cause, refused.to_string());
        }
        if let Some(words) = self.has_no_room(now) {
            add(NotReadyCause::NoRoom, words);
        }
        Readiness { ready: why.is_empty(), why }
    }

    /// Why no factory would get room; `None`: one would.
    fn has_no_room(&self, now: Instant) -> Option<String> {
        let mut first = None;
        for (index, factory) in self.factories.iter().enumerate() {
            let config = factory.config();
            let request = HoldRequest {
                id: ConferenceId([0; 10]),
                seats: Seats(config.expect),
                leg: self.pool.config().costs.plain_leg(),
                hold: config.hold,
                firmness: Firmness::Firm,
                legs_max: config.legs_max,
                tenant: self.tenants.of_factory(index),
            };
            match self.pool.would_hold(now, &request) {
                Ok(_) => return None,
                Err(refusal) => first = first.or(Some(self.refused(&refusal, None).to_string())),
            }
        }
        first
    }
}
