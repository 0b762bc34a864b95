//! What the screen shows: the calls, the conference, the last messages. No terminal in here.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use terminal::{Levels, LineId, MergeStep, PhoneNews, SlotId};

use super::tell::{Told, told_of};
use crate::output::{Tone, harmless};

/// Messages kept; no screen is higher.
const MESSAGES_MAX: usize = 100;

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct View {
    /// Our own address.
    pub(super) us: String,
    pub(super) calls: BTreeMap<LineId, ShownCall>,
    /// Who is known to be in the conference, beside us.
    pub(super) members: Vec<String>,
    pub(super) messages: VecDeque<(Tone, String)>,
    pub(super) is_muted: bool,
    /// How loud we are, in -dBov.
    pub(super) said: u8,
    /// The call that keys are about.
    pub(super) chosen: Option<LineId>,
    /// What is being typed.
    pub(super) typed: Option<String>,
    pub(super) is_helping: bool,
    /// Since the command began.
    pub(super) elapsed: Duration,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct ShownCall {
    pub(super) peer: String,
    pub(super) state: &'static str,
    pub(super) conference: Option<String>,
    pub(super) on_hold: bool,
    pub(super) is_held: bool,
    /// When it came up, in the time of [`View::elapsed`].
    pub(super) up_at: Option<Duration>,
    slot: Option<SlotId>,
    /// How loud the peer is, in -dBov.
    pub(super) heard: u8,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) lost: u64,
}

/// RFC 6464 §3: silence.
const SILENCE: u8 = 127;

impl View {
    pub(super) fn new(us: String) -> Self {
        Self {
            us,
            calls: BTreeMap::new(),
            members: Vec::new(),
            messages: VecDeque::new(),
            is_muted: false,
            said: SILENCE,
            chosen: None,
            typed: None,
            is_helping: false,
            elapsed: Duration::ZERO,
        }
    }

    /// Takes news into all that is shown.
    pub(super) fn news(&mut self, news: &PhoneNews) {
        match news {
            PhoneNews::Calling { line, to } => self.begin(*line, to.to_string(), "calling"),
            PhoneNews::Referred { line, to, .. } => self.begin(*line, to.to_string(), "calling"),
            PhoneNews::Incoming { line, from } => {
                self.begin(*line, from.uri.to_string(), "rings here");
            }
            PhoneNews::Ringing { line, .. } => self.change(*line, |call| call.state = "ringing"),
            PhoneNews::Up { line, slot, conference } => {
                let (elapsed, slot) = (self.elapsed, *slot);
                let conference = conference.as_ref().map(ToString::to_string);
                self.change(*line, |call| {
                    call.state = if conference.is_some() { "conference" } else { "up" };
                    call.up_at = Some(elapsed);
                    call.slot = Some(slot);
                    call.conference = conference;
                });
            }
            PhoneNews::HeldByPeer { line, held } => {
                self.change(*line, |call| call.is_held = *held);
            }
            PhoneNews::Hold { line, on_hold, .. } => {
                self.change(*line, |call| call.on_hold = *on_hold);
            }
            PhoneNews::Muted { muted } => self.is_muted = *muted,
            PhoneNews::Failed { line, .. } | PhoneNews::Ended { line, .. } => self.end(*line),
            PhoneNews::Merge(step) => self.merge(step),
            PhoneNews::Roster { users, .. } => {
                // It has a place of its own.
                let others = users.iter().filter(|user| **user != self.us);
                self.members = others.cloned().collect();
                return;
            }
            PhoneNews::Registration(news) => self.message(Tone::Plain, news.to_string()),
            PhoneNews::Redirected { .. }
            | PhoneNews::Busy { .. }
            | PhoneNews::ReferralRefused { .. }
            | PhoneNews::Refer { .. }
            | PhoneNews::Denied { .. }
            | PhoneNews::Finished => {}
        }
        if let Some(Told { tone, verb, about, .. }) = told_of(news) {
            self.message(tone, format!("{verb:12}{about}"));
        }
    }

    fn begin(&mut self, line: LineId, peer: String, state: &'static str) {
        let call = ShownCall {
            peer,
            state,
            conference: None,
            on_hold: false,
            is_held: false,
            up_at: None,
            slot: None,
            heard: SILENCE,
            received: 0,
            sent: 0,
            lost: 0,
        };
        self.calls.insert(line, call);
        self.chosen = Some(line);
    }

    fn change(&mut self, line: LineId, change: impl FnOnce(&mut ShownCall)) {
        if let Some(call) = self.calls.get_mut(&line) {
            change(call);
        }
    }

    fn end(&mut self, line: LineId) {
        let ended = self.calls.remove(&line);
        if ended.is_some_and(|call| call.conference.is_some()) {
            self.members.clear();
        }
        if self.chosen == Some(line) {
            self.chosen = self.calls.keys().next_back().copied();
        }
    }

    fn merge(&mut self, step: &MergeStep) {
        match step {
            MergeStep::Joined { line, conference } => {
                let conference = conference.to_string();
                self.change(*line, |call| {
                    call.state = "conference";
                    call.conference = Some(conference);
                });
            }
            MergeStep::Moved { line, .. } => {
                if let Some(call) = self.calls.get(line) {
                    self.members.push(call.peer.clone());
                }
            }
            MergeStep::Begun { .. }
            | MergeStep::Asked { .. }
            | MergeStep::Refused { .. }
            | MergeStep::Kept { .. }
            | MergeStep::Ended(_) => {}
        }
    }

    /// Takes in how loud it is.
    pub(super) fn levels(&mut self, levels: &Levels) {
        self.said = levels.said;
        for line in &levels.lines {
            let mut calls = self.calls.values_mut();
            if let Some(call) = calls.find(|call| call.slot == Some(line.slot)) {
                call.heard = line.heard;
                (call.received, call.sent, call.lost) = (line.received, line.sent, line.lost);
            }
        }
    }

    /// Shows a message; what peers wrote in it can do no harm.
    pub(super) fn message(&mut self, tone: Tone, text: String) {
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back((tone, harmless(&text)));
    }

    /// Whether the call that keys are about is on hold.
    pub(super) fn is_chosen_on_hold(&self) -> bool {
        let chosen = self.chosen.and_then(|line| self.calls.get(&line));
        chosen.is_some_and(|call| call.on_hold)
    }

    /// The next call up or down the list.
    pub(super) fn choose(&mut self, step: Choice) {
        let lines: Vec<LineId> = self.calls.keys().copied().collect();
        let at = lines.iter().position(|line| Some(*line) == self.chosen).unwrap_or(0);
        let to = match step {
            Choice::Up => at.saturating_sub(1),
            Choice::Down => (at + 1).min(lines.len().saturating_sub(1)),
        };
        self.chosen = lines.get(to).copied();
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Up,
    Down,
}
