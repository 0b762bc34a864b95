//! What a phone's person wants.

use sip::{StatusCode, Uri};
use units::Instant;

use crate::config::CallOptions;
use crate::event::How;

use super::{Asked, Line, LineId, LineState, Phone, PhoneError, PhoneNews, ReferStep, Stage};

/// What a phone's person wants. Without a line it is the newest call that it can be done to.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneCommand {
    /// Call somebody.
    Call(Uri),
    /// Answer a call: the oldest one that waits, if none is named.
    Answer(Option<LineId>),
    /// Put the peer on hold.
    Hold(Option<LineId>),
    /// Take the peer back.
    Resume(Option<LineId>),
    /// End a call, or refuse it.
    HangUp(Option<LineId>),
    /// Ask the peer of a call to call somebody: sent on, if it is a person; called in, if it is a
    /// conference (RFC 4579 §5.5).
    Refer {
        /// Which call.
        line: Option<LineId>,
        /// Whom it is to call.
        to: Uri,
    },
    /// Make one conference of all calls.
    Merge,
    /// Be heard by nobody, or again by all.
    Mute(bool),
}

impl Phone {
    /// Does what a person wants; what comes of it comes as news, [`PhoneNews::Denied`] if it cannot be
    /// done.
    pub fn command(&mut self, now: Instant, command: PhoneCommand) {
        let done = match command {
            _ if self.stage != Stage::Open => Ok(()), // we are leaving
            PhoneCommand::Call(to) => self.call(now, &to).map(drop),
            PhoneCommand::Answer(line) => self.answer(now, line),
            PhoneCommand::Hold(line) => self.set_hold(now, line, true),
            PhoneCommand::Resume(line) => self.set_hold(now, line, false),
            PhoneCommand::HangUp(line) => self.hang_up(now, line),
            PhoneCommand::Refer { line, to } => self.refer(now, line, to),
            PhoneCommand::Merge => self.begin_merge(now),
            PhoneCommand::Mute(muted) => {
                self.mute(muted);
                Ok(())
            }
        };
        if let Err(why) = done {
            self.tell(PhoneNews::Denied { why });
        }
        self.pump(now);
    }

    pub(super) fn call(&mut self, now: Instant, to: &Uri) -> Result<LineId, PhoneError> {
        let slot = self.slots.free(0).ok_or(PhoneError::Busy)?;
        let media = self.slots.media(slot, &mut self.rng).ok_or(PhoneError::Busy)?;
        let call = self.ua.call(now, to, CallOptions::new(media))?;
        let line = self.new_line(call, slot, LineState::Calling);
        self.tell(PhoneNews::Calling { line, to: to.clone() });
        Ok(line)
    }

    fn answer(&mut self, now: Instant, line: Option<LineId>) -> Result<(), PhoneError> {
        let waits = |line: &Line| line.state == LineState::Incoming;
        let line = match line {
            Some(_) => self.pick(line, "answered", waits)?,
            None => {
                let mut waiting = self.lines.iter().filter(|(_, line)| waits(line));
                *waiting.next().ok_or(PhoneError::Nothing("answered"))?.0
            }
        };
        self.pick_up(now, line)
    }

    pub(super) fn pick_up(&mut self, now: Instant, line: LineId) -> Result<(), PhoneError> {
        let call = self.lines.get(&line).ok_or(PhoneError::NoSuchLine(line))?.call;
        let slot = self.slots.slot_of(call).ok_or(PhoneError::Busy)?;
        let media = self.slots.media(slot, &mut self.rng).ok_or(PhoneError::Busy)?;
        Ok(self.ua.accept(now, call, media)?)
    }

    fn set_hold(
        &mut self,
        now: Instant,
        line: Option<LineId>,
        hold: bool,
    ) -> Result<(), PhoneError> {
        let what = if hold { "put on hold" } else { "taken back" };
        let id = self.pick(line, what, |line| line.state == LineState::Up && line.holds != hold)?;
        let Some(line) = self.lines.get_mut(&id) else { return Ok(()) };
        let call = line.call;
        if hold {
            // At once: what is said from now on is not for him.
            line.holds = true;
            self.mute_line(id);
        }
        Ok(self.ua.hold(now, call, hold)?)
    }

    fn hang_up(&mut self, now: Instant, line: Option<LineId>) -> Result<(), PhoneError> {
        let line = self.pick(line, "ended", |line| line.state != LineState::Ending)?;
        self.end(now, line);
        Ok(())
    }

    pub(super) fn end(&mut self, now: Instant, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let (call, was) = (line.call, std::mem::replace(&mut line.state, LineState::Ending));
        match was {
            LineState::Incoming => {
                // What is gone already needs no refusal.
                let _ = self.ua.reject(now, call, StatusCode::DECLINE);
            }
            LineState::Calling | LineState::Up => self.ua.hangup(now, call),
            LineState::Ending => {}
        }
    }

    fn refer(&mut self, now: Instant, line: Option<LineId>, to: Uri) -> Result<(), PhoneError> {
        let line = self.pick(line, "referred", |line| line.state == LineState::Up)?;
        let call = self.lines.get(&line).ok_or(PhoneError::NoSuchLine(line))?.call;
        let refer = self.ua.refer(now, &to, &to, How::Inside(call))?;
        self.refers.insert(refer, Asked::ToCall { line, to: to.clone() });
        self.tell(PhoneNews::Refer { line, to, step: ReferStep::Asked });
        Ok(())
    }

    fn mute(&mut self, muted: bool) {
        self.is_muted = muted;
        for line in self.lines.keys().copied().collect::<Vec<_>>() {
            self.mute_line(line);
        }
        self.tell(PhoneNews::Muted { muted });
    }

    /// The line that was named, if it can be done to that one; else the newest that it can be done to.
    fn pick(
        &self,
        line: Option<LineId>,
        what: &'static str,
        fits: impl Fn(&Line) -> bool,
    ) -> Result<LineId, PhoneError> {
        match line {
            Some(id) => match self.lines.get(&id) {
                Some(line) if fits(line) => Ok(id),
                Some(_) => Err(PhoneError::NotNow(id, what)),
                None => Err(PhoneError::NoSuchLine(id)),
            },
            None => {
                let mut fitting = self.lines.iter().rev().filter(|(_, line)| fits(line));
                fitting.next().map(|(id, _)| *id).ok_or(PhoneError::Nothing(what))
            }
        }
    }
}
