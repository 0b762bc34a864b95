//! Somebody who only wants to know who is in a conference.

use std::collections::VecDeque;
use std::time::Duration;

use sip::subscription::{Again, Ended};
use sip::{Arrival, Packet, StatusCode, Target, Uri, Wanted};
use units::{Instant, Rng, soonest};

use crate::config::UaConfig;
use crate::event::{CommandError, Event, How, Output, ResolveId, WatchId};
use crate::roster::{DocumentError, Roster};
use crate::ua::Ua;

/// The shortest and the longest wait before one more subscription, whatever the server says.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a watcher is told at its start.
#[derive(Clone, Debug)]
pub struct WatcherConfig {
    /// Who we are.
    pub ua: UaConfig,
    /// The conference.
    pub conference: Uri,
    /// How long to watch; `None`: until the conference ends, or [`Watcher::stop`].
    pub stay: Option<Duration>,
}

/// What the owner has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum WatcherOutput {
    /// Send these bytes.
    Send(Packet),
    /// Find places, then call `resolved`.
    Resolve {
        /// Goes back with the answer.
        id: ResolveId,
        /// Where that leads.
        wanted: Wanted,
    },
    /// Show it.
    Event(WatcherEvent),
}

/// Something that a person who watches wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatcherEvent {
    /// Who is in now.
    Roster(Box<Roster>),
    /// A document could not be read; the roster is as it was.
    Unreadable(DocumentError),
    /// There is no subscription at the moment; it is tried again.
    Waiting {
        /// Why there is none.
        why: Ended,
        /// When it is tried.
        again_in: Duration,
    },
    /// It is over.
    Ended(Ended),
    /// Nothing is left.
    Finished,
}

/// Subscribes to a conference and goes on subscribing for as long as that makes sense.
#[derive(Debug)]
pub struct Watcher {
    ua: Ua,
    conference: Uri,
    stage: Stage,
    stop_at: Option<Instant>,
    /// Whether anything has ever been told.
    has_roster: bool,
    /// Subscriptions in a row that told nothing.
    failures: u32,
    outputs: VecDeque<WatcherOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Watching(WatchId),
    Waiting { until: Instant },
    Ending(WatchId),
    Finished,
}

impl Watcher {
    /// Subscribes.
    ///
    /// # Errors
    /// A URI that cannot be subscribed to.
    pub fn new(now: Instant, config: WatcherConfig, rng: Rng) -> Result<Self, CommandError> {
        let mut ua = Ua::new(config.ua, rng);
        let watch = ua.watch(now, &config.conference, How::Outside)?;
        let mut watcher = Self {
            ua,
            conference: config.conference,
            stage: Stage::Watching(watch),
            stop_at: config.stay.map(|stay| now + stay),
            has_roster: false,
            failures: 0,
            outputs: VecDeque::new(),
        };
        watcher.pump(now);
        Ok(watcher)
    }

    /// Ends the subscription; [`WatcherEvent::Finished`] follows.
    pub fn stop(&mut self, now: Instant) {
        match self.stage {
            Stage::Watching(watch) => {
                self.stage = Stage::Ending(watch);
                self.ua.unwatch(now, watch);
            }
            Stage::Waiting { .. } => self.over(Ended::Unsubscribed),
            Stage::Ending(_) | Stage::Finished => {}
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

    /// Answers [`WatcherOutput::Resolve`]; none: the name leads nowhere.
    pub fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        self.ua.resolved(now, id, targets);
        self.pump(now);
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.ua.handle_deadline(now);
        self.pump(now);
        if self.stop_at.is_some_and(|at| at <= now) {
            self.stop_at = None;
            self.stop(now);
        }
        if let Stage::Waiting { until } = self.stage
            && until <= now
        {
            match self.ua.watch(now, &self.conference, How::Outside) {
                Ok(watch) => self.stage = Stage::Watching(watch),
                Err(_) => self.over(Ended::Silent),
            }
        }
        self.pump(now);
    }

    /// When something will be due.
    pub fn deadline(&self) -> Option<Instant> {
        let again = match self.stage {
            Stage::Waiting { until } => Some(until),
            Stage::Watching(_) | Stage::Ending(_) | Stage::Finished => None,
        };
        let stop_at = self.stop_at.filter(|_| self.stage != Stage::Finished);
        soonest(soonest(self.ua.deadline(), again), stop_at)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<WatcherOutput> {
        self.outputs.pop_front()
    }

    fn tell(&mut self, event: WatcherEvent) {
        self.outputs.push_back(WatcherOutput::Event(event));
    }

    fn over(&mut self, why: Ended) {
        self.stage = Stage::Finished;
        self.tell(WatcherEvent::Ended(why));
        self.tell(WatcherEvent::Finished);
    }

    fn pump(&mut self, now: Instant) {
        while let Some(output) = self.ua.poll_output() {
            match output {
                Output::Send(packet) => self.outputs.push_back(WatcherOutput::Send(packet)),
                Output::Resolve { id, wanted } => {
                    self.outputs.push_back(WatcherOutput::Resolve { id, wanted });
                }
                Output::Event(event) => self.event(now, event),
            }
        }
    }

    fn event(&mut self, now: Instant, event: Event) {
        match event {
            Event::RosterChanged { roster, .. } => {
                self.has_roster = true;
                self.failures = 0;
                self.tell(WatcherEvent::Roster(roster));
            }
            Event::RosterUnreadable { why, .. } => self.tell(WatcherEvent::Unreadable(why)),
            Event::WatchEnded { why, .. } => self.ended(now, why),
            // It is no phone.
            Event::IncomingCall { call, .. } => {
                let _gone = self.ua.reject(now, call, StatusCode::TEMPORARILY_UNAVAILABLE);
            }
            Event::IncomingReferral { referral, .. } => {
                let _gone = self.ua.reject_referral(now, referral, StatusCode::DECLINE);
            }
            // What calls and REFERs of ours would say.
            _ => {}
        }
    }

    fn ended(&mut self, now: Instant, why: Ended) {
        match (self.stage, why.again()) {
            (Stage::Watching(_), Again::After(least)) => {
                // Nobody has ever answered: there is nobody.
                if why == Ended::Silent && !self.has_roster {
                    return self.over(why);
                }
                let doubled = WAIT_MIN * 2_u32.pow(self.failures.min(6));
                self.failures += 1;
                let again_in = least.max(doubled.min(WAIT_MAX));
                self.stage = Stage::Waiting { until: now + again_in };
                self.tell(WatcherEvent::Waiting { why, again_in });
            }
            (Stage::Watching(_), Again::Never) | (Stage::Ending(_), _) => self.over(why),
            (Stage::Waiting { .. } | Stage::Finished, _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
