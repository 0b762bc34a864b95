//! The other terminal's job.

use std::collections::{BTreeMap, VecDeque};

use sdp::LocalMedia;
use sip::{Arrival, NameAddr, Packet, StatusCode, Target, Uri, Wanted};
use units::{Instant, Rng};

use crate::RegistrationNews;
use crate::config::UaConfig;
use crate::event::{
    CallFailure, CallId, EndCause, Event, Output, ReferralId, Referrer, ResolveId, WatchId,
};
use crate::roster::Roster;
use crate::slots::{MediaNotice, MediaSlot, Purpose, SlotId, Slots};
use crate::trust::TrustPolicy;
use crate::ua::Ua;

/// What the terminal is told at its start.
#[derive(Clone, Debug)]
pub struct AnswererConfig {
    /// Who we are.
    pub ua: UaConfig,
    /// Whose REFERs are followed.
    pub trust: TrustPolicy,
    /// Media sockets, one for each call at once. A call without one is answered 486. Two are the
    /// least: a convener may refer us inside a call.
    pub media: Vec<MediaSlot>,
    /// Whether to finish when the first calls have ended.
    pub once: bool,
    /// Whether to subscribe to who is in a conference that a call leads to. Where nothing shows it, it would only be work for
    /// the conference.
    pub watches: bool,
}

/// What the owner has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswererOutput {
    /// Send these bytes.
    Send(Packet),
    /// Find places, then call `resolved`.
    Resolve {
        /// Goes back with the answer.
        id: ResolveId,
        /// Where that leads.
        wanted: Wanted,
    },
    /// Start or stop a voice.
    Media(MediaNotice),
    /// Show it.
    Event(AnswererEvent),
}

/// What a person would want to see.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswererEvent {
    /// Somebody called and was answered.
    Answered {
        /// Which call.
        call: CallId,
        /// Who.
        from: NameAddr,
    },
    /// Somebody called and all media sockets are busy.
    Busy {
        /// Who.
        from: NameAddr,
    },
    /// A REFER is followed: we are calling `to`.
    Referred {
        /// The call that it makes.
        call: CallId,
        /// Who asked.
        by: NameAddr,
        /// Whom we call.
        to: Uri,
    },
    /// A REFER was refused.
    ReferralRefused {
        /// Who asked.
        by: NameAddr,
        /// Whom to call.
        to: Uri,
    },
    /// A call is up.
    Joined {
        /// Which.
        call: CallId,
        /// The conference's URI, if the peer is one.
        conference: Option<Uri>,
    },
    /// Who is in a conference now.
    Roster {
        /// The call to it.
        call: CallId,
        /// Who.
        roster: Box<Roster>,
    },
    /// A call never came up.
    Failed {
        /// Which.
        call: CallId,
        /// Why.
        why: CallFailure,
    },
    /// A call ended.
    Ended {
        /// Which.
        call: CallId,
        /// Why.
        why: EndCause,
    },
    /// Our registration has begun, failed or ended.
    Registration(RegistrationNews),
    /// Nothing is left to do, after `hang_up_all` or with `once`.
    Finished,
}

/// The other terminal: answers calls, follows REFERs by policy.
#[derive(Debug)]
pub struct Answerer {
    ua: Ua,
    rng: Rng,
    slots: Slots,
    trust: TrustPolicy,
    /// Whether conferences are subscribed to.
    watches_conferences: bool,
    /// Subscriptions, by our calls to their conferences.
    watches: BTreeMap<WatchId, CallId>,
    stage: Stage,
    outputs: VecDeque<AnswererOutput>,
}

/// How far we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Takes calls, for ever.
    Open,
    /// Takes calls until those that there are have ended; none was established yet.
    Once,
    /// As before, and one was established.
    OnceUsed,
    /// Takes no more calls.
    Closing,
    /// Nothing is left.
    Finished,
}

impl Answerer {
    /// Waits for calls.
    pub fn new(config: AnswererConfig, mut rng: Rng) -> Self {
        Self {
            ua: Ua::new(config.ua, rng.fork()),
            rng,
            slots: Slots::new(config.media),
            trust: config.trust,
            watches_conferences: config.watches,
            watches: BTreeMap::new(),
            stage: if config.once { Stage::Once } else { Stage::Open },
            outputs: VecDeque::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn trusting(mut self, trust: TrustPolicy) -> Self {
        self.trust = trust;
        self
    }

    /// Ends all calls and takes no more; [`AnswererEvent::Finished`] follows.
    pub fn hang_up_all(&mut self, now: Instant) {
        match self.stage {
            Stage::Open | Stage::Once | Stage::OnceUsed => self.stage = Stage::Closing,
            Stage::Closing | Stage::Finished => return,
        }
        for call in self.slots.calls() {
            self.ua.hangup(now, call);
        }
        self.pump(now);
    }

    /// No media has come on this socket for long: if its call's peer is not there any more, the call ends.
    pub fn media_silent(&mut self, now: Instant, slot: SlotId) {
        if let Some(call) = self.slots.call_on(slot) {
            self.ua.media_silent(now, call);
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

    /// Answers [`AnswererOutput::Resolve`]; none: the name leads nowhere.
    pub fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        self.ua.resolved(now, id, targets);
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
    pub fn poll_output(&mut self) -> Option<AnswererOutput> {
        self.outputs.pop_front()
    }

    fn show(&mut self, event: AnswererEvent) {
        self.outputs.push_back(AnswererOutput::Event(event));
    }

    fn media(&mut self, notice: Option<MediaNotice>) {
        self.outputs.extend(notice.map(AnswererOutput::Media));
    }

    /// Takes all that the user agent has to say, and what follows from it.
    fn pump(&mut self, now: Instant) {
        self.pump_once(now);
        let may_finish = matches!(self.stage, Stage::OnceUsed | Stage::Closing);
        if may_finish && self.ua.is_quiet() {
            self.stage = Stage::Closing;
            self.ua.unregister(now);
            self.pump_once(now);
            if self.ua.is_quiet() {
                self.stage = Stage::Finished;
                self.show(AnswererEvent::Finished);
            }
        }
    }

    fn pump_once(&mut self, now: Instant) {
        while let Some(output) = self.ua.poll_output() {
            match output {
                Output::Send(packet) => self.outputs.push_back(AnswererOutput::Send(packet)),
                Output::Resolve { id, wanted } => {
                    self.outputs.push_back(AnswererOutput::Resolve { id, wanted });
                }
                Output::Event(event) => self.event(now, event),
            }
        }
    }

    fn event(&mut self, now: Instant, event: Event) {
        match event {
            Event::IncomingCall { call, from, .. } => self.incoming_call(now, call, from),
            Event::IncomingReferral { referral, referrer, refer_to, .. } => {
                self.incoming_referral(now, referral, &referrer, refer_to);
            }
            Event::Established { call, media, peer, conference } => {
                if self.stage == Stage::Once {
                    self.stage = Stage::OnceUsed;
                }
                let purpose = match conference {
                    Some(_) => Purpose::Conference,
                    None => Purpose::Private,
                };
                let notice = self.slots.start(call, media, peer, purpose);
                self.media(notice);
                self.show(AnswererEvent::Joined { call, conference });
            }
            Event::MediaChanged { call, media } => {
                let notice = self.slots.change(call, media);
                self.media(notice);
            }
            Event::CallFailed { call, why } => {
                let notice = self.slots.release(call);
                self.media(notice);
                self.show(AnswererEvent::Failed { call, why });
            }
            Event::CallEnded { call, why } => {
                let notice = self.slots.release(call);
                self.media(notice);
                self.unwatch(now, call);
                self.show(AnswererEvent::Ended { call, why });
            }
            Event::Registration(news) => self.show(AnswererEvent::Registration(news)),
            Event::Watchable { call, conference } => self.watch(now, call, &conference),
            Event::RosterChanged { watch, roster } => {
                if let Some(call) = self.watches.get(&watch).copied() {
                    self.show(AnswererEvent::Roster { call, roster });
                }
            }
            Event::WatchEnded { watch, .. } => drop(self.watches.remove(&watch)),
            // Of no interest to a person here; and this terminal refers nobody.
            Event::Redirected { .. }
            | Event::Ringing { .. }
            | Event::HoldEnded { .. }
            | Event::RosterUnreadable { .. }
            | Event::ReferralEnded { .. }
            | Event::ReferAccepted { .. }
            | Event::ReferProgress { .. }
            | Event::ReferEnded { .. } => {}
        }
    }

    /// Where it is refused, nobody misses it.
    fn watch(&mut self, now: Instant, call: CallId, conference: &Uri) {
        if self.watches_conferences
            && let Ok(watch) = self.ua.watch_from_call(now, conference, call)
        {
            self.watches.insert(watch, call);
        }
    }

    fn unwatch(&mut self, now: Instant, call: CallId) {
        let its = self.watches.iter().filter(|(_, watched)| **watched == call);
        for watch in its.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.ua.unwatch(now, watch);
        }
    }

    /// A media socket, if we still take calls and one is free.
    fn free_slot(&mut self) -> Option<(SlotId, LocalMedia)> {
        match self.stage {
            Stage::Open | Stage::Once | Stage::OnceUsed => {}
            Stage::Closing | Stage::Finished => return None,
        }
        let slot = self.slots.free(0)?;
        Some((slot, self.slots.media(slot, &mut self.rng)?))
    }

    fn incoming_call(&mut self, now: Instant, call: CallId, from: NameAddr) {
        let Some((slot, media)) = self.free_slot() else {
            // Only the state of the call could make it fail, and it has just come in.
            let _ = self.ua.reject(now, call, StatusCode::BUSY_HERE);
            return self.show(AnswererEvent::Busy { from });
        };
        self.slots.take(slot, call);
        self.show(AnswererEvent::Answered { call, from });
        // What goes wrong with it comes as an event as well.
        let _ = self.ua.accept(now, call, media);
    }

    fn incoming_referral(
        &mut self,
        now: Instant,
        referral: ReferralId,
        referrer: &Referrer,
        to: Uri,
    ) {
        let by = referrer.from.clone();
        let refusal = match self.free_slot() {
            _ if !self.trust.allows(referrer) => StatusCode::DECLINE,
            None => StatusCode::BUSY_HERE,
            Some((slot, media)) => match self.ua.accept_referral(now, referral, media) {
                Ok(call) => {
                    self.slots.take(slot, call);
                    return self.show(AnswererEvent::Referred { call, by, to });
                }
                // Accepted, and its failure reported: nothing to refuse any more.
                Err(_) => return self.show(AnswererEvent::ReferralRefused { by, to }),
            },
        };
        let _ = self.ua.reject_referral(now, referral, refusal);
        self.show(AnswererEvent::ReferralRefused { by, to });
    }
}

#[cfg(test)]
mod tests;
