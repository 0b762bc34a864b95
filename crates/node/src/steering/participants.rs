//! Participants called, muted and removed by administrators.

use focus::ParticipantState;
use focus::factory::Refused;
use pool::ConferenceId;
use sdp::Family;
use sip::{SipUri, Uri};
use units::Instant;

use super::{ParticipantView, SteerError, named};
use crate::Notice;
use crate::joining::First;
use crate::node::{Node, Phase};

impl Node {
    /// Has a conference call somebody; one that nobody has joined too, which then runs. What comes of it is told by
    /// notices. The rules are those for a REFER.
    ///
    /// # Errors
    /// [`SteerError`]; nobody is called.
    pub fn call_participant(
        &mut self,
        now: Instant,
        id: ConferenceId,
        target: &str,
    ) -> Result<ParticipantView, SteerError> {
        self.begin_steering(now);
        let target = callable(target)?;
        if self.phase == Phase::ShuttingDown {
            return Err(SteerError::Refused(Refused::ShuttingDown));
        }
        let is_there = self.records.get(&id).is_some_and(|record| record.is_alive());
        if !is_there {
            return Err(SteerError::NoConference);
        }
        if !self.dial_out.allows(&target) {
            return Err(SteerError::NotCalled(focus::CallRefused::NoRule));
        }
        let families = self.media.families();
        let wished = target.host.ip().map_or(Family::V4, Family::of);
        let family = families.iter().copied().find(|family| *family == wished);
        let Some(family) = family.or(families.first().copied()) else {
            return Err(SteerError::Refused(Refused::NoPort));
        };
        // Whatever else is in its way is told by a notice, as for a call that rings and is not answered.
        let leg = self.pool.config().costs.plain_leg();
        if let Err(refusal) = self.pool.would_join(now, id, leg) {
            return Err(SteerError::Refused(self.not_seated(now, refusal)));
        }
        let first = self.activate(now, id, family).map_err(SteerError::Refused)?;
        let Some(active) = self.active(id) else { return Err(SteerError::NoConference) };
        let called = active.focus.call(now, &target);
        match (first, &called) {
            (First::Yes, Ok(_)) => self.started(now, id),
            (First::Yes, Err(_)) => self.deactivate(now, id),
            (First::No, _) => {}
        }
        let line = self.participant(now, id, called.map_err(SteerError::NotCalled)?.0);
        self.end_steering(now, id);
        line
    }

    /// Keeps a participant's sound out of the mix, or lets it in again. Asked again nothing changes.
    ///
    /// # Errors
    /// [`SteerError`].
    pub fn mute_participant(
        &mut self,
        now: Instant,
        id: ConferenceId,
        leg: u32,
        is_muted: bool,
    ) -> Result<ParticipantView, SteerError> {
        self.begin_steering(now);
        let line = self.participant(now, id, leg)?;
        match line.state {
            ParticipantState::AskedForPin
            | ParticipantState::Joined
            | ParticipantState::Joining
            | ParticipantState::Waiting => {}
            ParticipantState::Alerting | ParticipantState::Dialling => {
                return Err(SteerError::NotInYet);
            }
            ParticipantState::Leaving => return Err(SteerError::NoParticipant),
        }
        let active = self.active(id).ok_or(SteerError::NoConference)?;
        let muted = active.focus.mute(now, named(leg), is_muted);
        if muted.map_err(|focus::NoSuchLeg| SteerError::NoParticipant)? {
            let conference = self.uri(id);
            self.notice(Notice::Muted { conference, leg, muted: is_muted });
        }
        self.end_steering(now, id);
        self.participant(now, id, leg)
    }

    /// Lets a participant go, by BYE with a Reason, turns away who waits to be let in, or gives up calling him.
    ///
    /// # Errors
    /// [`SteerError`].
    pub fn remove_participant(
        &mut self,
        now: Instant,
        id: ConferenceId,
        leg: u32,
    ) -> Result<(), SteerError> {
        self.begin_steering(now);
        let alive = self.records.get_mut(&id).filter(|record| record.is_alive());
        let active = alive.ok_or(SteerError::NoConference)?.active();
        let active = active.ok_or(SteerError::NoParticipant)?;
        let removed = active.focus.remove_leg(now, named(leg));
        removed.map_err(|focus::NoSuchLeg| SteerError::NoParticipant)?;
        self.end_steering(now, id);
        Ok(())
    }
}

/// Whom a text names. What else a URI may say, a Refer-To could; here it would be lost without a word.
fn callable(text: &str) -> Result<SipUri, SteerError> {
    let bad = || SteerError::BadTarget(focus::masked(text));
    match text.parse::<Uri>() {
        Ok(Uri::Sip(uri)) if uri.headers.is_empty() && uri.param("method").is_none() => Ok(uri),
        Ok(_) | Err(_) => Err(bad()),
    }
}
