//! Wrong PINs and the age of a conference: what a new process must not begin anew.
//!
//! A wrong PIN is told to the disk at once, and nobody waits for it. What a cut takes away of that is what was keyed in
//! the moment before: so who guesses has after each cut a try or two that are not counted, and not another sixty.

use std::net::IpAddr;
use std::time::Duration;

use focus::{End, WrongPins};
use pool::ConferenceId;
use serde::{Deserialize, Serialize};
use units::{Instant, UnixTime};

use crate::conference::Record;
use crate::node::Node;
use crate::steering::Policy;

/// Wrong PINs of late, as they are kept with a conference: at most one entry for each that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredWrongPins {
    /// From there; `None`: in all.
    pub source: Option<IpAddr>,
    /// So many.
    pub count: u32,
    /// Until then they count.
    pub until: UnixTime,
}

impl Node {
    /// A wrong PIN was keyed.
    pub(crate) fn wrong_pin_keyed(&mut self, now: Instant, id: ConferenceId) {
        let Some(active) = self.active(id) else { return };
        let kept = active.focus.wrong_pins(now);
        // A second more: a moment is cut to whole ones.
        let stored = |it: WrongPins| StoredWrongPins {
            source: it.source,
            count: it.count,
            until: self.wall(now).after(it.left + Duration::from_secs(1)),
        };
        let kept = kept.into_iter().map(stored).collect();
        if let Some(record) = self.records.get_mut(&id) {
            record.wrong_pins = kept;
        }
        self.keep_now(id);
    }

    /// Those that count still.
    pub(crate) fn wrong_pins(&self, now: Instant, record: &Record) -> Vec<WrongPins> {
        let wall = self.wall(now);
        let left = |until: UnixTime| Duration::from_secs(until.0.saturating_sub(wall.0));
        let stored = record.wrong_pins.iter().filter(|it| it.until > wall);
        stored
            .map(|it| WrongPins { source: it.source, count: it.count, left: left(it.until) })
            .collect()
    }

    /// How long a conference had lasted when the process ended in which it ran.
    pub(crate) fn lasted(&self, now: Instant, record: &Record) -> Duration {
        let began = record.began.unwrap_or(self.wall(now));
        Duration::from_secs(self.wall(now).0.saturating_sub(began.0))
    }

    /// Ends a conference that ran before a restart, if its time is up by now. Gives whether it is over: one that is reserved
    /// begins again, as it would have without the restart.
    pub(crate) fn ends_unseen(&mut self, now: Instant, id: ConferenceId) -> bool {
        let Some(record) = self.records.get(&id) else { return false };
        if is_up(self.wall(now), record.began, &record.policy) {
            self.conference_ended(now, id, &End::TimeUp.to_string());
        }
        !self.records.get(&id).is_some_and(|record| record.is_alive())
    }
}

/// Whether the time of a conference that began then is up.
pub(crate) fn is_up(wall: UnixTime, began: Option<UnixTime>, policy: &Policy) -> bool {
    began.zip(policy.max_time).is_some_and(|(began, max)| began.after(max) <= wall)
}
