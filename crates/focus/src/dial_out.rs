//! Legs that the focus calls itself: what becomes of them in the conference (RFC 4579 §5.2).

use sip::{DialogId, Response, Source, StatusCode};
use units::Instant;

use crate::dialling::{Callee, Caller, Dialling, Step};
use crate::{DialEnd, Focus, LegId, MediaSeat, Output};

impl Focus {
    /// Calls somebody. Room is asked for first ([`Output::SeatWanted`]): a call that is answered must have it.
    pub(crate) fn dial(&mut self, now: Instant, callee: Callee) -> Result<LegId, StatusCode> {
        let next_leg = self.next_leg()?;
        let id = LegId(self.next_leg);
        self.next_leg = next_leg;
        let call_id = format!("{}{}", self.config.tag_prefix, self.rng.token(CALL_ID_CHARS));
        let tag = self.new_tag();
        self.outputs.push_back(Output::SeatWanted { leg: id, target: callee.uri.clone() });
        self.dialling.insert(id, Dialling::new(now, id, callee, call_id, tag));
        Ok(id)
    }

    /// Answers [`Output::SeatWanted`]: a port for the leg, or why there is none.
    pub fn seated(
        &mut self,
        now: Instant,
        leg: LegId,
        seat: Result<MediaSeat, (StatusCode, String)>,
    ) {
        let step = match seat {
            Ok(seat) => {
                let session_id = self.new_session_id();
                let Self { dialling, config, session, outputs, .. } = self;
                let caller = Caller {
                    conference_uri: &config.conference_uri,
                    rules: &config.dial_out,
                    session: *session,
                };
                if let Some(dialling) = dialling.get_mut(&leg) {
                    dialling.seated(now, (seat, session_id), &caller, outputs);
                }
                Step::Nothing
            }
            Err((status, why)) => self.give_up(leg, DialEnd::NoRoom(status, why)),
        };
        self.dialled(now, leg, step);
    }

    /// An [`Output::Dial`] cannot be sent.
    pub fn dial_failed(&mut self, now: Instant, leg: LegId, why: DialEnd) {
        let step = self.give_up(leg, why);
        self.dialled(now, leg, step);
    }

    fn give_up(&mut self, leg: LegId, why: DialEnd) -> Step {
        self.dialling.get_mut(&leg).map_or(Step::Nothing, |dialling| dialling.failed(why))
    }

    /// Whether a leg is being called, and has no final answer.
    pub(crate) fn is_dialling(&self, leg: LegId) -> bool {
        self.dialling.get(&leg).is_some_and(Dialling::is_pending)
    }

    /// Takes an answer to an INVITE of ours, if it is to one that called somebody.
    pub(crate) fn dial_answered(
        &mut self,
        now: Instant,
        leg: LegId,
        response: &Response,
        path: Source,
    ) -> bool {
        let Self { dialling, config, session, outputs, .. } = self;
        let Some(dialling) = dialling.get_mut(&leg).filter(|dialling| dialling.sent(response))
        else {
            return false;
        };
        let caller = Caller {
            conference_uri: &config.conference_uri,
            rules: &config.dial_out,
            session: *session,
        };
        let step = dialling.answered(now, response, path, &caller, outputs);
        self.dialled(now, leg, step);
        true
    }

    /// Calls that nobody waits for any more are called off.
    pub(crate) fn call_off(&mut self, now: Instant, leg: LegId, why: DialEnd) {
        let Some(dialling) = self.dialling.get_mut(&leg) else { return };
        let step = dialling.let_go(now, why, &mut self.outputs);
        self.dialled(now, leg, step);
    }

    /// Does what is due in calls of ours.
    pub(crate) fn dialling_due(&mut self, now: Instant) {
        let is_due = |dialling: &Dialling| dialling.deadline().is_some_and(|at| at <= now);
        let due = self.dialling.iter().filter(|(_, dialling)| is_due(dialling));
        for leg in due.map(|(leg, _)| *leg).collect::<Vec<_>>() {
            let Some(dialling) = self.dialling.get_mut(&leg) else { continue };
            let step = dialling.handle_deadline(now, &mut self.outputs);
            self.dialled(now, leg, step);
        }
    }

    /// Nobody rings any more; one of the dialogs may be the leg's now.
    fn close_early(&mut self, id: LegId, up: Option<&DialogId>) {
        let Some(dialling) = self.dialling.get(&id) else { return };
        let closed = dialling.early_dialogs().filter(|dialog| Some(*dialog) != up);
        let closed = closed.map(|dialog| Output::DialogClosed { dialog: dialog.clone() });
        self.outputs.extend(closed);
    }

    /// Draws the consequences of what happened to a call of ours.
    fn dialled(&mut self, now: Instant, id: LegId, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Provisional(status) => {
                self.tell_referrals(id, |referral| referral.progress(status));
                self.outputs.push_back(Output::Ringing { leg: id, status });
            }
            Step::Up(leg) => {
                let dialog = leg.dialog.id.clone();
                self.outputs.push_back(Output::LegStarted { leg: id, dialog: dialog.clone() });
                self.outputs.push_back(Output::OpenMedia { leg: id, media: leg.media.clone() });
                self.outputs.push_back(Output::Joined(leg.participant()));
                self.close_early(id, Some(&dialog));
                self.by_dialog.insert(dialog, id);
                self.legs.insert(id, *leg);
                self.had_leg = true;
                self.tell_referrals(id, |referral| referral.conclude(StatusCode::OK));
            }
            Step::Failed(why) => {
                self.close_early(id, None);
                let port = self.dialling.get(&id).and_then(Dialling::port);
                self.tell_referrals(id, |referral| referral.failed(&why));
                self.note_not_reached(now, id, &why);
                self.outputs.push_back(Output::DialEnded { leg: id, port, why });
            }
        }
        self.settle(now);
    }
}

/// 5 bits each; a Call-ID of a node must never come again.
pub(crate) const CALL_ID_CHARS: usize = 20;
