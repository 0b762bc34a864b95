//! The first terminal's whole job.

mod invitee;
mod step;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use sdp::Negotiated;
use sip::{Arrival, Packet, StatusCode, Target, Uri, Wanted};
use units::{Instant, Rng, soonest};

use crate::config::{CallOptions, UaConfig};
use crate::event::{CallId, Event, Output, ResolveId, WatchId};
use crate::slots::{MediaNotice, MediaSlot, Purpose, SlotId, Slots};
use crate::ua::Ua;

use invitee::Invitee;

pub use step::{InviteeFailure, Outcome, Step};

/// Invitees of one convener. Each may need a call and a REFER of its own ([`crate::CALLS_MAX`]); the
/// conference takes one call.
pub const INVITEES_MAX: usize = crate::CALLS_MAX - 1;

/// How long a REFER outside a dialog may stay without any response or NOTIFY before the invitee is
/// called instead. The REFER's own transaction keeps its timers (RFC 3261 §17.1.2.2: 64*T1 = 32 s):
/// an answer that comes later than this is still taken.
pub const REFER_PATIENCE: Duration = Duration::from_secs(8);

/// How invitees are referred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferMode {
    /// Outside a dialog first (RFC 4579 §5.6); where that is refused, inside a call made for it.
    #[default]
    Auto,
    /// Outside a dialog only.
    Outside,
    /// Always call first, then REFER inside that call.
    Inside,
    /// Not at all: the conference is told by REFER to call them (RFC 4579 §5.5).
    Focus,
}

/// What the terminal is told at its start.
#[derive(Clone, Debug)]
pub struct ConvenerConfig {
    /// Who we are.
    pub ua: UaConfig,
    /// The address that makes conferences.
    pub factory: Uri,
    /// Whom to bring in, in this order; at most [`INVITEES_MAX`].
    pub invitees: Vec<Uri>,
    /// How they are referred.
    pub refer: ReferMode,
    /// How long to stay after joining; `None`: until `leave`.
    pub stay: Option<Duration>,
    /// Media sockets: the first serves the conference, the others the calls to invitees; invitees
    /// wait for a free one. With only one, calls to invitees are not possible.
    pub media: Vec<MediaSlot>,
}

/// Why a convener cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvenerError {
    /// The factory's URI cannot be called.
    #[error("the factory's address is not a sip: URI over UDP")]
    FactoryUri,
    /// An invitee's URI cannot be called.
    #[error("invitee {0} is not a sip: URI over UDP")]
    InviteeUri(usize),
    /// Too many invitees.
    #[error("{0} invitees, at most {INVITEES_MAX}")]
    TooManyInvitees(usize),
    /// Too few media sockets.
    #[error("{got} media sockets, at least {needed}")]
    MediaSlots {
        /// What was given.
        got: usize,
        /// What the refer mode needs.
        needed: usize,
    },
}

/// What the owner has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum ConvenerOutput {
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
    Step(Step),
}

/// The first terminal: calls the factory, follows it into the conference, brings the others in.
#[derive(Debug)]
pub struct Convener {
    ua: Ua,
    rng: Rng,
    slots: Slots,
    stage: Stage,
    mode: ReferMode,
    stay: Option<Duration>,
    /// Our subscription to who is in (RFC 4579 §3.4).
    watch: Option<WatchId>,
    invitees: Vec<Invitee>,
    outputs: VecDeque<ConvenerOutput>,
}

/// How far we are.
#[derive(Debug)]
enum Stage {
    /// The factory was called; where it sent us, and whether it said `isfocus` of that.
    Calling { call: CallId, sent_to: Option<(Uri, bool)> },
    /// In the conference.
    Joined { call: CallId, conference: Uri, leave_at: Option<Instant> },
    /// Out; what is still going on comes to its end.
    Ending,
    /// That as well.
    Finished,
}

/// The media socket of the conference.
const CONFERENCE_SLOT: SlotId = SlotId(0);
/// The first of those for calls to invitees.
const INVITEE_SLOTS: usize = 1;

impl Convener {
    /// Checks the configuration and calls the factory.
    ///
    /// # Errors
    ///
    /// A URI that cannot be called, too many invitees, too few media sockets.
    pub fn new(now: Instant, config: ConvenerConfig, mut rng: Rng) -> Result<Self, ConvenerError> {
        config.check()?;
        let mut ua = Ua::new(config.ua, rng.fork());
        let mut slots = Slots::new(config.media);
        let media = slots.media(CONFERENCE_SLOT, &mut rng);
        let media = media.ok_or(ConvenerError::MediaSlots { got: 0, needed: 1 })?;
        let call = ua
            .call(now, &config.factory, CallOptions::new(media))
            .map_err(|_| ConvenerError::FactoryUri)?;
        slots.take(CONFERENCE_SLOT, call);
        let mut convener = Self {
            ua,
            rng,
            slots,
            stage: Stage::Calling { call, sent_to: None },
            mode: config.refer,
            stay: config.stay,
            watch: None,
            invitees: config.invitees.into_iter().map(Invitee::new).collect(),
            outputs: VecDeque::new(),
        };
        convener.step(Step::Calling { factory: config.factory });
        convener.pump(now);
        Ok(convener)
    }

    /// Leaves the conference and ends everything that is going on; [`Step::Finished`] follows.
    pub fn leave(&mut self, now: Instant) {
        self.end(now, Outcome::Left);
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

    /// Answers [`ConvenerOutput::Resolve`]; none: the name leads nowhere.
    pub fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        self.ua.resolved(now, id, targets);
        self.pump(now);
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.ua.handle_deadline(now);
        self.pump(now);
        if let Stage::Joined { leave_at: Some(at), .. } = self.stage
            && at <= now
        {
            self.end(now, Outcome::Left);
        }
        for invitee in 0..self.invitees.len() {
            self.invitee_deadline(now, invitee);
        }
        self.pump(now);
    }

    /// When something will be due.
    pub fn deadline(&self) -> Option<Instant> {
        let leave_at = match self.stage {
            Stage::Joined { leave_at, .. } => leave_at,
            Stage::Calling { .. } | Stage::Ending | Stage::Finished => None,
        };
        let invitees = self.invitees.iter().filter_map(Invitee::deadline).min();
        [leave_at, invitees].into_iter().fold(self.ua.deadline(), soonest)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<ConvenerOutput> {
        self.outputs.pop_front()
    }

    fn step(&mut self, step: Step) {
        self.outputs.push_back(ConvenerOutput::Step(step));
    }

    fn media(&mut self, notice: Option<MediaNotice>) {
        self.outputs.extend(notice.map(ConvenerOutput::Media));
    }

    /// Takes all that the user agent has to say, and what follows from it.
    fn pump(&mut self, now: Instant) {
        self.pump_once(now);
        if matches!(self.stage, Stage::Ending) && self.ua.is_quiet() {
            self.ua.unregister(now);
            self.pump_once(now);
        }
        if matches!(self.stage, Stage::Ending) && self.ua.is_quiet() {
            self.stage = Stage::Finished;
            self.step(Step::Finished);
        }
    }

    fn pump_once(&mut self, now: Instant) {
        loop {
            while let Some(output) = self.ua.poll_output() {
                match output {
                    Output::Send(packet) => self.outputs.push_back(ConvenerOutput::Send(packet)),
                    Output::Resolve { id, wanted } => {
                        self.outputs.push_back(ConvenerOutput::Resolve { id, wanted });
                    }
                    Output::Event(event) => self.event(now, event),
                }
            }
            // What an event sets free (the conference's URI, a media socket) lets others begin;
            // each invitee begins a bounded number of times.
            if !self.begin_waiting(now) {
                break;
            }
        }
    }

    fn event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Redirected { call, to, conference } => {
                if let Stage::Calling { call: ours, sent_to } = &mut self.stage
                    && *ours == call
                {
                    *sent_to = Some((to.clone(), conference));
                    self.step(Step::Redirected { to });
                }
            }
            Event::Ringing { call, status } => match (&self.stage, self.invitee_in(call)) {
                (_, Some(invitee)) => self.step(Step::InviteeRinging { invitee, status }),
                (Stage::Calling { call: ours, .. }, None) if *ours == call => {
                    self.step(Step::Ringing { status });
                }
                (_, None) => {}
            },
            Event::Established { call, media, peer, conference } => {
                self.established(now, call, media, peer, conference);
            }
            Event::MediaChanged { call, media } => {
                let notice = self.slots.change(call, media);
                self.media(notice);
            }
            Event::CallFailed { call, why } => {
                let notice = self.slots.release(call);
                self.media(notice);
                match self.stage {
                    Stage::Calling { call: ours, .. } if ours == call => {
                        self.end(now, Outcome::NotJoined(why));
                    }
                    _ => self.invitee_call_failed(call, why),
                }
            }
            Event::CallEnded { call, why } => {
                let notice = self.slots.release(call);
                self.media(notice);
                match self.stage {
                    Stage::Joined { call: ours, .. } if ours == call => {
                        self.end(now, Outcome::ConferenceEnded(why));
                    }
                    _ => self.invitee_call_ended(call),
                }
            }
            // A convener is busy with its own conference.
            Event::IncomingCall { call, .. } => {
                let _gone = self.ua.reject(now, call, StatusCode::BUSY_HERE);
            }
            Event::IncomingReferral { referral, .. } => {
                let _gone = self.ua.reject_referral(now, referral, StatusCode::DECLINE);
            }
            Event::ReferAccepted { refer } => self.refer_accepted(now, refer),
            Event::ReferProgress { refer, status } => self.refer_progress(refer, status),
            Event::ReferEnded { refer, outcome } => self.refer_ended(now, refer, outcome),
            // Where it is refused, nobody misses it.
            Event::Watchable { call, conference } => {
                if let Stage::Joined { call: ours, .. } = self.stage
                    && ours == call
                {
                    self.watch = self.ua.watch_from_call(now, &conference, call).ok();
                }
            }
            Event::RosterChanged { roster, .. } => self.step(Step::Roster(roster)),
            Event::WatchEnded { .. } => self.watch = None,
            Event::HoldEnded { .. }
            | Event::ReferralEnded { .. }
            | Event::RosterUnreadable { .. } => {}
            Event::Registration(news) => self.step(Step::Registration(news)),
        }
    }

    fn established(
        &mut self,
        now: Instant,
        call: CallId,
        media: Negotiated,
        peer: SocketAddr,
        focus: Option<Uri>,
    ) {
        let purpose = match &self.stage {
            Stage::Calling { call: ours, .. } if *ours == call => Purpose::Conference,
            _ => Purpose::Private,
        };
        let notice = self.slots.start(call, media, peer, purpose);
        self.media(notice);
        let Stage::Calling { call: ours, sent_to } = &mut self.stage else {
            return self.invitee_answered(now, call);
        };
        if *ours != call {
            return self.invitee_answered(now, call);
        }
        match conference_uri(sent_to.take(), focus) {
            Some(conference) => {
                self.step(Step::Joined { conference: conference.clone() });
                let leave_at = self.stay.map(|stay| now + stay);
                self.stage = Stage::Joined { call, conference, leave_at };
            }
            None => self.end(now, Outcome::NotAConference),
        }
    }

    /// Ends everything, unless that has begun.
    fn end(&mut self, now: Instant, outcome: Outcome) {
        let call = match self.stage {
            Stage::Calling { call, .. } | Stage::Joined { call, .. } => call,
            Stage::Ending | Stage::Finished => return,
        };
        self.stage = Stage::Ending;
        self.ua.hangup(now, call);
        if let Some(watch) = self.watch.take() {
            self.ua.unwatch(now, watch);
        }
        for invitee in 0..self.invitees.len() {
            self.abandon(now, invitee);
        }
        // Also one whose invitee was called because he was slow, and then not reached: his late report would keep us here
        // for as long as he grants.
        self.ua.disregard_all(now);
        self.step(Step::Ended { outcome });
    }
}

impl ConvenerConfig {
    fn check(&self) -> Result<(), ConvenerError> {
        if !Ua::can_call(&self.factory) {
            return Err(ConvenerError::FactoryUri);
        }
        if let Some(invitee) = self.invitees.iter().position(|uri| !Ua::can_call(uri)) {
            return Err(ConvenerError::InviteeUri(invitee));
        }
        if self.invitees.len() > INVITEES_MAX {
            return Err(ConvenerError::TooManyInvitees(self.invitees.len()));
        }
        let needed = match self.refer {
            ReferMode::Outside | ReferMode::Focus => INVITEE_SLOTS,
            ReferMode::Auto | ReferMode::Inside => INVITEE_SLOTS + 1,
        };
        let got = self.media.len();
        if got < needed {
            return Err(ConvenerError::MediaSlots { got, needed });
        }
        Ok(())
    }
}

/// The URI to pass on. The 302's Contact that says `isfocus`, since everybody else gets it byte for
/// byte (RFC 4579 §5.4, figure 4); else the focus' own Contact (a factory that answers itself, or a
/// proxy that followed the 302 for us); else where we were sent, by a factory that forgot `isfocus`.
pub(crate) fn conference_uri(sent_to: Option<(Uri, bool)>, focus: Option<Uri>) -> Option<Uri> {
    match (sent_to, focus) {
        (Some((uri, true)), _) | (_, Some(uri)) => Some(uri),
        (Some((uri, false)), None) => Some(uri),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
