//! What administrators are shown.

use std::ops::Bound;
use std::time::Duration;

use focus::{EndPolicy, Participant, ParticipantState, Role};
use pool::{ConferenceId, ViewState};
use serde::{Deserialize, Serialize};
use sip::StatusCode;
use units::{Instant, UnixTime};

use super::{SteerError, named};
use crate::conference::{Record, State};
use crate::node::Node;

/// A conference as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceView {
    /// Names it, and is no way in.
    pub id: ConferenceId,
    /// The way in: whoever has it can join.
    pub uri: String,
    /// A name for people; control characters masked.
    pub title: Option<String>,
    /// Where it stands.
    pub stage: Stage,
    /// The first user part of its factory.
    pub factory: String,
    /// Who pays, by name; `None`: nobody in particular.
    pub tenant: Option<String>,
    /// Seats promised to it.
    pub seats: u32,
    /// Legs that there may be at most.
    pub max: Option<u32>,
    /// How long it may last, from when somebody joined.
    pub max_time: Option<Duration>,
    /// When that time is up, once it runs.
    pub ends_at: Option<UnixTime>,
    /// When it ends.
    pub end: EndPolicy,
    /// Whether only those get in who are called.
    pub locked: bool,
    /// Whether guests are asked for a PIN. What it is is not shown.
    pub pin: bool,
    /// Whether moderators have one.
    pub moderator_pin: bool,
    /// Whether guests wait until they are let in.
    pub lobby: bool,
    /// Who is in or being called.
    pub participants: u32,
    /// When its stage began.
    pub since: UnixTime,
    /// Held: when it ends unless somebody joins.
    pub hold_until: Option<UnixTime>,
}

/// Where a conference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Room is held; nobody has joined.
    Held,
    /// Room is reserved for a time, now or later; nobody is in.
    Reserved,
    /// It runs.
    Active,
    /// Nobody gets in any more; who is in is on his way out.
    Ending,
}

/// A participant as administrators see him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantView {
    /// His number in the conference; never used again in it.
    pub id: u32,
    /// The URI that he wrote, or that was called; control characters masked.
    pub uri: String,
    /// The name he goes by; control characters masked.
    pub display: Option<String>,
    /// The user that he proved to be.
    pub user: Option<String>,
    /// Where he stands.
    pub state: ParticipantState,
    /// Whether he asked for the conference.
    pub creator: bool,
    /// What he is in it.
    pub role: Role,
    /// Whether the conference called him.
    pub dialled: bool,
    /// Whether his sound is kept out of the mix.
    pub muted: bool,
    /// Whether he talks just now.
    pub talking: bool,
    /// Since when.
    pub since: UnixTime,
}

impl Node {
    /// Conferences after this one in the order of their ids, at most so many, and whether there are more.
    pub fn conferences(
        &self,
        now: Instant,
        after: Option<ConferenceId>,
        most: usize,
    ) -> (Vec<ConferenceView>, bool) {
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.records.range((begin, Bound::Unbounded));
        let mut alive = later.filter(|(id, record)| self.is_there(now, **id, record));
        let page = alive.by_ref().take(most).map(|(id, record)| self.view(*id, record));
        let page: Vec<_> = page.collect();
        (page, alive.next().is_some())
    }

    /// One conference.
    ///
    /// # Errors
    /// [`SteerError::NoConference`].
    pub fn conference(&self, now: Instant, id: ConferenceId) -> Result<ConferenceView, SteerError> {
        let record = self.records.get(&id).filter(|record| self.is_there(now, id, record));
        Ok(self.view(id, record.ok_or(SteerError::NoConference)?))
    }

    /// Participants after this one in the order of their numbers, at most so many, and whether there are more.
    ///
    /// # Errors
    /// [`SteerError::NoConference`].
    pub fn participants(
        &self,
        now: Instant,
        id: ConferenceId,
        after: Option<u32>,
        most: usize,
    ) -> Result<(Vec<ParticipantView>, bool), SteerError> {
        let record = self.records.get(&id).filter(|record| self.is_there(now, id, record));
        let Some(active) = record.ok_or(SteerError::NoConference)?.running() else {
            return Ok((Vec::new(), false));
        };
        let roster = active.focus.roster().into_iter();
        let mut later = roster.filter(|line| after.is_none_or(|after| line.leg.0 > after));
        let page = later.by_ref().take(most).map(|line| self.line(line)).collect();
        Ok((page, later.next().is_some()))
    }

    /// One participant.
    ///
    /// # Errors
    /// [`SteerError::NoConference`], [`SteerError::NoParticipant`].
    pub fn participant(
        &self,
        now: Instant,
        id: ConferenceId,
        leg: u32,
    ) -> Result<ParticipantView, SteerError> {
        let record = self.records.get(&id).filter(|record| self.is_there(now, id, record));
        let active = record.ok_or(SteerError::NoConference)?.running();
        let active = active.ok_or(SteerError::NoParticipant)?;
        let line = active.focus.roster().into_iter().find(|line| line.leg == named(leg));
        Ok(self.line(line.ok_or(SteerError::NoParticipant)?))
    }

    /// Whether it can still be joined: a hold whose time is over is none, handled or not.
    pub(super) fn is_there(&self, now: Instant, id: ConferenceId, record: &Record) -> bool {
        match record.state {
            State::Active(_) => true,
            State::Held => {
                let is_held = self.pool.conference(id).is_some_and(|view| view.until > now);
                is_held || self.pool.reservation(id).is_some_and(|it| it.until > now)
            }
            State::Ended => false,
        }
    }

    pub(super) fn view(&self, id: ConferenceId, record: &Record) -> ConferenceView {
        let view = self.pool.conference(id);
        let reserved = self.pool.reservation(id);
        let hold = view.filter(|view| matches!(view.state, ViewState::Soft | ViewState::Firm));
        let tenant = view.map(|view| view.tenant).or(reserved.map(|it| it.tenant));
        let seats = view.map(|view| view.seats).or(reserved.map(|it| it.seats));
        let users = &self.factories[record.factory].config().users;
        let policy = &record.policy;
        let ends_at = record.running().and_then(|active| active.focus.ends_at());
        let (stage, participants) = match record.running() {
            Some(active) => {
                // A full one lets nobody in either, and is none that ends.
                let ends = active.focus.admits() == Err(StatusCode::NOT_FOUND);
                (if ends { Stage::Ending } else { Stage::Active }, active.focus.roster().len())
            }
            None if reserved.is_some() => (Stage::Reserved, 0),
            None => (Stage::Held, 0),
        };
        ConferenceView {
            id,
            uri: record.uri.to_string(),
            title: policy.title.clone(),
            stage,
            factory: users.first().cloned().unwrap_or_default(),
            tenant: tenant.map(|it| self.tenant_name(it)).filter(|name| !name.is_empty()),
            seats: seats.map_or(0, |seats| seats.0),
            max: policy.legs_max,
            max_time: policy.max_time,
            ends_at: ends_at.map(|at| self.wall(at)),
            end: policy.end,
            locked: policy.is_locked,
            pin: policy.entry.pin.is_some(),
            moderator_pin: policy.entry.moderator_pin.is_some(),
            lobby: policy.entry.lobby,
            participants: u32::try_from(participants).unwrap_or(u32::MAX),
            since: self.wall(record.since),
            hold_until: hold.map(|view| self.wall(view.until)),
        }
    }

    fn line(&self, line: Participant) -> ParticipantView {
        ParticipantView {
            id: line.leg.0,
            uri: line.uri,
            display: line.display,
            user: line.user,
            state: line.state,
            creator: line.creator,
            role: line.role,
            dialled: line.dialled,
            muted: line.muted,
            talking: line.talking,
            since: self.wall(line.since),
        }
    }
}
