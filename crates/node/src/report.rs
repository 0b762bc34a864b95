//! The status and what is left over, read off the parts.

use focus::{Participant, ParticipantState};
use units::{Cause, Instant, Tally};

use crate::conference::{Record, State};
use crate::node::Node;
use crate::{ConferenceState, ConferenceStatus, Leftovers, LegStatus, Status};

impl Node {
    /// Everything that the status shows.
    pub fn status(&self, now: Instant) -> Status {
        let figures = self.figures();
        Status {
            conferences: self
                .records
                .iter()
                .filter_map(|(id, record)| {
                    let reserved = self.pool.reservation(*id).map(|it| it.seats);
                    let seats = self.pool.conference(*id).map(|view| view.seats).or(reserved);
                    let seats = seats.map_or(0, |seats| seats.0);
                    conference(now, record, seats, reserved.is_some())
                })
                .collect(),
            room: figures.room,
            leftovers: self.leftovers(),
            counters: *self.stack.counters(),
            refused: self.refused.clone(),
            held_back: figures.tallies.held_back,
            refusals: struck(&figures.tallies.refusals).collect(),
            dropped: struck(&figures.dropped)
                .chain(struck(&figures.tallies.acks_ignored))
                .chain(struck(&figures.tallies.shed))
                .collect(),
            overload: self.overload.status(),
            draining: self.draining(now),
            registrar: self.registrar.as_ref().map(|registrar| registrar.status(now)),
        }
    }

    /// What is still kept for anybody.
    pub fn leftovers(&self) -> Leftovers {
        Leftovers {
            ports: self.media.ports_in_use(),
            holds: self.pool.hold_count(),
            conferences: self.pool.conference_count() - self.pool.hold_count(),
            dialogs: self.dialogs.len(),
            subscriptions: self.records.values().map(|record| watchers(record)).sum(),
            transactions: self.stack.transaction_count(),
            timers: self.focus_agenda.len()
                + usize::from(self.stack.deadline().is_some())
                + usize::from(self.pool.deadline().is_some()),
            records: self.drafts.len(),
            media_commands: self.media.pending(),
        }
    }
}

/// The causes that have struck, by label.
fn struck<C: Cause>(tally: &Tally<C>) -> impl Iterator<Item = (String, u64)> + '_ {
    let struck = tally.iter().filter(|(_, count)| *count > 0);
    struck.map(|(cause, count)| (cause.label().to_owned(), count))
}

fn watchers(record: &Record) -> usize {
    match &record.state {
        State::Active(active) => active.focus.watcher_count(),
        State::Held | State::Ended => 0,
    }
}

fn conference(
    now: Instant,
    record: &Record,
    seats: u32,
    is_reserved: bool,
) -> Option<ConferenceStatus> {
    let seconds = |since: Instant| now.since(since).as_secs();
    let (state, legs) = match &record.state {
        State::Held if is_reserved => (ConferenceState::Reserved, Vec::new()),
        State::Held => (ConferenceState::Held, Vec::new()),
        State::Active(active) => {
            let is_in = |participant: &Participant| match participant.state {
                ParticipantState::AskedForPin
                | ParticipantState::Joined
                | ParticipantState::Joining
                | ParticipantState::Leaving
                | ParticipantState::Waiting => true,
                ParticipantState::Dialling | ParticipantState::Alerting => false,
            };
            let legs =
                active.focus.roster().into_iter().filter(is_in).map(|participant| LegStatus {
                    leg: participant.leg.0,
                    participant: participant.uri,
                    display: participant.display,
                    user: participant.user,
                    creator: participant.creator,
                    talking: participant.talking,
                    seconds: seconds(participant.since),
                    media: active.measured.get(&participant.leg).copied(),
                });
            (ConferenceState::Active, legs.collect())
        }
        State::Ended => return None,
    };
    let seconds = seconds(record.since);
    Some(ConferenceStatus { uri: record.uri.to_string(), state, seconds, seats, legs })
}
