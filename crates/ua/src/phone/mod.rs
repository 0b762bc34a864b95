//! A person's phone: several calls at once, hold, mute, refer, merge.
//!
//! - this file: the machine, its lines, and what comes from the user agent
//! - `commands`: what its person wants
//! - `merge`: "I talk to bob and to carol: make us one conference"
//! - `news`: what its person is told

mod commands;
mod merge;
mod news;

use std::collections::{BTreeMap, VecDeque};

use sip::{Arrival, NameAddr, Packet, StatusCode, Target, Uri, Wanted};
use units::{Instant, Rng};

use crate::config::UaConfig;
use crate::event::{
    CallFailure, CallId, EndCause, Event, Output, ReferId, ReferralId, Referrer, ResolveId, WatchId,
};
use crate::roster::Roster;
use crate::slots::{MediaNotice, MediaSlot, Purpose, SlotId, Slots};
use crate::trust::TrustPolicy;
use crate::ua::Ua;

use merge::Merge;

pub use commands::PhoneCommand;
pub use news::{LineId, MergeOutcome, MergeStep, PhoneError, PhoneNews, ReferStep, Way};

/// What the phone is told at its start.
#[derive(Clone, Debug)]
pub struct PhoneConfig {
    /// Who we are.
    pub ua: UaConfig,
    /// Whose REFERs are followed.
    pub trust: TrustPolicy,
    /// The address that makes conferences, for merges.
    pub factory: Option<Uri>,
    /// Media sockets, one for each call at once. A call without one is answered 486.
    pub media: Vec<MediaSlot>,
}

/// What the owner has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneOutput {
    /// Send these bytes.
    Send(Packet),
    /// Find places, then call `resolved`.
    Resolve {
        /// Goes back with the answer.
        id: ResolveId,
        /// Where that leads.
        wanted: Wanted,
    },
    /// Start, change or stop a voice.
    Media(MediaNotice),
    /// Show it.
    News(PhoneNews),
}

/// A phone: takes commands, and answers calls when told to.
#[derive(Debug)]
pub struct Phone {
    ua: Ua,
    rng: Rng,
    slots: Slots,
    trust: TrustPolicy,
    factory: Option<Uri>,
    next_line: u32,
    /// Bounded by the media sockets: each has one.
    lines: BTreeMap<LineId, Line>,
    refers: BTreeMap<ReferId, Asked>,
    /// Conferences that tell us who is in them, by our calls to them.
    watches: BTreeMap<WatchId, LineId>,
    merge: Option<Merge>,
    is_muted: bool,
    stage: Stage,
    outputs: VecDeque<PhoneOutput>,
}

/// One call.
#[derive(Debug)]
struct Line {
    call: CallId,
    state: LineState,
    /// The conference's URI, if the peer is one.
    conference: Option<Uri>,
    /// Whether we have put the peer on hold, or are about to.
    holds: bool,
    is_held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineState {
    /// Ours, and not up yet.
    Calling,
    /// The peer's, and not answered yet.
    Incoming,
    Up,
    /// We hang up.
    Ending,
}

/// What a REFER of ours is for.
#[derive(Clone, Debug)]
enum Asked {
    /// The peer of this call is to call that.
    ToCall { line: LineId, to: Uri },
    /// A party of the merge is to come.
    ToCome(LineId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Closing,
    Finished,
}

impl Phone {
    /// Waits for commands and calls.
    pub fn new(config: PhoneConfig, mut rng: Rng) -> Self {
        Self {
            ua: Ua::new(config.ua, rng.fork()),
            rng,
            slots: Slots::new(config.media),
            trust: config.trust,
            factory: config.factory,
            next_line: 1,
            lines: BTreeMap::new(),
            refers: BTreeMap::new(),
            watches: BTreeMap::new(),
            merge: None,
            is_muted: false,
            stage: Stage::Open,
            outputs: VecDeque::new(),
        }
    }

    /// Ends all calls and takes no more; [`PhoneNews::Finished`] follows.
    pub fn stop(&mut self, now: Instant) {
        if self.stage == Stage::Open {
            self.stage = Stage::Closing;
            let lines: Vec<LineId> = self.lines.keys().copied().collect();
            for line in lines {
                self.end(now, line);
            }
            for refer in self.refers.keys().copied().collect::<Vec<_>>() {
                self.ua.disregard(now, refer);
            }
        }
        self.pump(now);
    }

    /// Takes whatever the SIP sockets have to tell.
    pub fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        self.ua.handle_arrival(now, arrival);
        self.pump(now);
    }

    /// Takes one SIP message.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet) {
        self.ua.handle_packet(now, packet);
        self.pump(now);
    }

    /// Answers [`PhoneOutput::Resolve`]; none: the name leads nowhere.
    pub fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        self.ua.resolved(now, id, targets);
        self.pump(now);
    }

    /// No media has come on this socket for long: if its call's peer is not there any more, the call ends.
    pub fn media_silent(&mut self, now: Instant, slot: SlotId) {
        if let Some(call) = self.slots.call_on(slot) {
            self.ua.media_silent(now, call);
        }
        self.pump(now);
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.ua.handle_deadline(now);
        self.pump(now);
    }

    /// When something will be due.
    pub fn deadline(&self) -> Option<Instant> {
        self.ua.deadline()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<PhoneOutput> {
        self.outputs.pop_front()
    }

    fn tell(&mut self, news: PhoneNews) {
        self.outputs.push_back(PhoneOutput::News(news));
    }

    fn media(&mut self, notice: Option<MediaNotice>) {
        self.outputs.extend(notice.map(PhoneOutput::Media));
    }

    /// Takes all that the user agent has to say, and what follows from it.
    fn pump(&mut self, now: Instant) {
        while let Some(output) = self.ua.poll_output() {
            match output {
                Output::Send(packet) => self.outputs.push_back(PhoneOutput::Send(packet)),
                Output::Resolve { id, wanted } => {
                    self.outputs.push_back(PhoneOutput::Resolve { id, wanted });
                }
                Output::Event(event) => self.event(now, event),
            }
        }
        if self.stage == Stage::Closing && self.ua.is_quiet() {
            self.stage = Stage::Finished;
            self.tell(PhoneNews::Finished);
        }
    }

    fn event(&mut self, now: Instant, event: Event) {
        match event {
            Event::IncomingCall { call, from, replaces, .. } => {
                self.incoming_call(now, call, from, replaces.is_some());
            }
            Event::IncomingReferral { referral, referrer, refer_to, .. } => {
                self.incoming_referral(now, referral, &referrer, refer_to);
            }
            Event::Redirected { call, to, conference } => {
                let Some(line) = self.line_of(call) else { return };
                self.merge_redirected(line, &to, conference);
                self.tell(PhoneNews::Redirected { line, to });
            }
            Event::Ringing { call, status } => {
                if let Some(line) = self.line_of(call) {
                    self.tell(PhoneNews::Ringing { line, status });
                }
            }
            Event::Established { call, media, peer, conference } => {
                let purpose = match conference {
                    Some(_) => Purpose::Conference,
                    None => Purpose::Private,
                };
                let notice = self.slots.start(call, media, peer, purpose);
                self.media(notice);
                self.up(now, call, conference);
            }
            Event::MediaChanged { call, media } => {
                let held = !media.direction.sends();
                let notice = self.slots.change(call, media);
                self.media(notice);
                self.held(call, held);
            }
            Event::HoldEnded { call, on_hold, refused } => self.hold_ended(call, on_hold, refused),
            Event::CallFailed { call, why } => self.call_failed(now, call, why),
            Event::CallEnded { call, why } => self.call_ended(now, call, why),
            Event::ReferAccepted { refer } => self.refer_step(now, refer, ReferStep::Accepted),
            Event::ReferProgress { refer, status } => {
                self.refer_step(now, refer, ReferStep::Progress(status));
            }
            Event::ReferEnded { refer, outcome } => {
                self.refer_step(now, refer, ReferStep::Ended(outcome));
            }
            Event::Registration(news) => self.tell(PhoneNews::Registration(news)),
            // A phone shows its calls, not who else is in them.
            Event::Watchable { call, conference } => self.watch(now, call, &conference),
            Event::RosterChanged { watch, roster } => self.roster(watch, &roster),
            Event::WatchEnded { watch, .. } => drop(self.watches.remove(&watch)),
            Event::ReferralEnded { .. } | Event::RosterUnreadable { .. } => {}
        }
    }

    /// Where it is refused, nobody misses it.
    fn watch(&mut self, now: Instant, call: CallId, conference: &Uri) {
        if let Some(line) = self.line_of(call)
            && let Ok(watch) = self.ua.watch_from_call(now, conference, call)
        {
            self.watches.insert(watch, line);
        }
    }

    fn roster(&mut self, watch: WatchId, roster: &Roster) {
        let Some(line) = self.watches.get(&watch).copied() else { return };
        let present = roster.users.iter().filter(|(_, user)| user.is_in());
        let users = present.map(|(entity, _)| entity.clone()).collect();
        self.tell(PhoneNews::Roster { line, users });
    }

    fn line_of(&self, call: CallId) -> Option<LineId> {
        self.lines.iter().find(|(_, line)| line.call == call).map(|(id, _)| *id)
    }

    /// Gives a call the next number.
    fn new_line(&mut self, call: CallId, slot: SlotId, state: LineState) -> LineId {
        self.slots.take(slot, call);
        let id = LineId(self.next_line);
        self.next_line += 1;
        let line = Line { call, state, conference: None, holds: false, is_held: false };
        self.lines.insert(id, line);
        id
    }

    /// Somebody calls. A call that takes the place of one that we have is answered at once: its person
    /// has agreed to that one.
    fn incoming_call(&mut self, now: Instant, call: CallId, from: NameAddr, replaces: bool) {
        let slot = self.slots.free(0).filter(|_| self.stage == Stage::Open);
        let Some(slot) = slot else {
            // Only the state of the call could make it fail, and it has just come in.
            let _ = self.ua.reject(now, call, StatusCode::BUSY_HERE);
            return self.tell(PhoneNews::Busy { from });
        };
        let line = self.new_line(call, slot, LineState::Incoming);
        self.tell(PhoneNews::Incoming { line, from });
        // What goes wrong with either comes as an event as well.
        if replaces {
            let _ = self.pick_up(now, line);
        } else {
            let _ = self.ua.ring(now, call);
        }
    }

    fn incoming_referral(
        &mut self,
        now: Instant,
        referral: ReferralId,
        referrer: &Referrer,
        to: Uri,
    ) {
        let by = referrer.from.clone();
        let free = self.slots.free(0).filter(|_| self.stage == Stage::Open);
        let media = free.and_then(|slot| Some((slot, self.slots.media(slot, &mut self.rng)?)));
        let refusal = match media {
            _ if !self.trust.allows(referrer) => StatusCode::DECLINE,
            None => StatusCode::BUSY_HERE,
            Some((slot, media)) => match self.ua.accept_referral(now, referral, media) {
                Ok(call) => {
                    let line = self.new_line(call, slot, LineState::Calling);
                    return self.tell(PhoneNews::Referred { line, by, to });
                }
                // Accepted, and its failure reported: nothing to refuse any more.
                Err(_) => return self.tell(PhoneNews::ReferralRefused { by, to }),
            },
        };
        let _ = self.ua.reject_referral(now, referral, refusal);
        self.tell(PhoneNews::ReferralRefused { by, to });
    }

    fn up(&mut self, now: Instant, call: CallId, conference: Option<Uri>) {
        let Some(id) = self.line_of(call) else { return };
        let Some(slot) = self.slots.slot_of(call) else { return };
        if let Some(line) = self.lines.get_mut(&id) {
            line.state = LineState::Up;
            line.conference.clone_from(&conference);
        }
        self.mute_line(id);
        self.tell(PhoneNews::Up { line: id, slot, conference: conference.clone() });
        self.merge_up(now, id, conference);
    }

    fn held(&mut self, call: CallId, held: bool) {
        let Some(id) = self.line_of(call) else { return };
        if let Some(line) = self.lines.get_mut(&id)
            && line.is_held != held
        {
            line.is_held = held;
            self.tell(PhoneNews::HeldByPeer { line: id, held });
        }
    }

    fn hold_ended(&mut self, call: CallId, on_hold: bool, refused: Option<crate::Refusal>) {
        let Some(id) = self.line_of(call) else { return };
        if let Some(line) = self.lines.get_mut(&id) {
            line.holds = on_hold;
        }
        self.mute_line(id);
        self.tell(PhoneNews::Hold { line: id, on_hold, refused });
    }

    /// What we say is not for whom we have put on hold, nor for anybody while we are muted. Silence goes
    /// on being sent: address translation on the way stays open, and the peer knows that we are there.
    fn mute_line(&mut self, id: LineId) {
        let Some(line) = self.lines.get(&id) else { return };
        let muted = self.is_muted || line.holds;
        let slot = self.slots.slot_of(line.call);
        self.media(slot.map(|slot| MediaNotice::Muted { slot, muted }));
    }

    fn call_failed(&mut self, now: Instant, call: CallId, why: CallFailure) {
        let notice = self.slots.release(call);
        self.media(notice);
        let Some(line) = self.line_of(call) else { return };
        self.lines.remove(&line);
        self.tell(PhoneNews::Failed { line, why: why.clone() });
        self.merge_call_failed(now, line, why);
    }

    fn call_ended(&mut self, now: Instant, call: CallId, why: EndCause) {
        let notice = self.slots.release(call);
        self.media(notice);
        let Some(line) = self.line_of(call) else { return };
        self.lines.remove(&line);
        let watches = self.watches.iter().filter(|(_, watched)| **watched == line);
        for watch in watches.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.ua.unwatch(now, watch);
        }
        self.tell(PhoneNews::Ended { line, why: why.clone() });
        self.merge_call_ended(now, line, why);
    }

    fn refer_step(&mut self, now: Instant, refer: ReferId, step: ReferStep) {
        let is_over = matches!(step, ReferStep::Ended(_));
        let asked = match is_over {
            true => self.refers.remove(&refer),
            false => self.refers.get(&refer).cloned(),
        };
        match asked {
            Some(Asked::ToCall { line, to }) => self.refer_told(now, line, to, step),
            Some(Asked::ToCome(line)) => {
                if let ReferStep::Ended(outcome) = step {
                    self.merge_answered(now, line, outcome);
                }
            }
            None => {}
        }
    }

    /// The peer that was asked to call somebody says how that goes. A peer that was sent on to somebody
    /// else has no more to say to us; a conference that called somebody has.
    fn refer_told(&mut self, now: Instant, line: LineId, to: Uri, step: ReferStep) {
        let is_done = step == ReferStep::Ended(crate::ReferOutcome::Succeeded);
        self.tell(PhoneNews::Refer { line, to, step });
        let is_private = self.lines.get(&line).is_some_and(|line| line.conference.is_none());
        if is_done && is_private {
            self.end(now, line);
        }
    }
}

#[cfg(test)]
mod tests;
