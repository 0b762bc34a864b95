//! Participants let in, and made moderators, by administrators.

use focus::{NoSuchLeg, ParticipantState, Role};
use pool::ConferenceId;
use units::Instant;

use super::{ParticipantView, SteerError, named};
use crate::Notice;
use crate::node::Node;

impl Node {
    /// Lets somebody in who is asked for a PIN or waits in the lobby. Asked again nothing changes.
    ///
    /// # Errors
    /// [`SteerError`].
    pub fn admit_participant(
        &mut self,
        now: Instant,
        id: ConferenceId,
        leg: u32,
    ) -> Result<ParticipantView, SteerError> {
        self.begin_steering(now);
        self.must_be_here(now, id, leg)?;
        let active = self.active(id).ok_or(SteerError::NoConference)?;
        let admitted = active.focus.admit_leg(now, named(leg));
        admitted.map_err(|NoSuchLeg| SteerError::NoParticipant)?;
        self.end_steering(now, id);
        self.participant(now, id, leg)
    }

    /// Makes somebody a moderator, who is then let in, or a guest again. The creator stays what he is.
    ///
    /// # Errors
    /// [`SteerError`].
    pub fn appoint_participant(
        &mut self,
        now: Instant,
        id: ConferenceId,
        leg: u32,
        is_moderator: bool,
    ) -> Result<ParticipantView, SteerError> {
        self.begin_steering(now);
        self.must_be_here(now, id, leg)?;
        let active = self.active(id).ok_or(SteerError::NoConference)?;
        let appointed = active.focus.appoint(now, named(leg), is_moderator);
        if appointed.map_err(|NoSuchLeg| SteerError::NoParticipant)? {
            let role = if is_moderator { Role::Moderator } else { Role::Guest };
            let conference = self.uri(id);
            self.notice(Notice::Appointed { conference, leg, role });
        }
        self.end_steering(now, id);
        self.participant(now, id, leg)
    }

    fn must_be_here(&self, now: Instant, id: ConferenceId, leg: u32) -> Result<(), SteerError> {
        match self.participant(now, id, leg)?.state {
            ParticipantState::Alerting | ParticipantState::Dialling => Err(SteerError::NotInYet),
            ParticipantState::Leaving => Err(SteerError::NoParticipant),
            ParticipantState::AskedForPin
            | ParticipantState::Joined
            | ParticipantState::Joining
            | ParticipantState::Waiting => Ok(()),
        }
    }
}
