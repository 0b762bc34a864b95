//! The root machine: what comes in, what goes out, who is asked.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use focus::factory::{Factory, FactoryError, IdentityKey, TagKey};
use focus::{DialEnd, DialRules, End, Focus, LegId, ReferralId, WatcherId};
use mix::message::{Command, Event as MediaEvent};
use pool::{ConferenceId, Pool};
use sip::{
    Arrival, ClientTxnId, DialogId, MergedGuard, Method, Nat, Packet, Stack, StackConfig, Target,
    Wanted,
};
use units::{Instant, Rng, UnixTime, soonest};

use crate::agenda::Agenda;
use crate::auth::Auth;
use crate::conference::{Records, State};
use crate::dialling::Called;
use crate::draining::Draining;
use crate::explaining::Kept;
use crate::figures::Tallies;
use crate::keeping::{Keeping, StoreChange};
use crate::locating::{Locating, LookupId};
use crate::media_link::{MediaFact, MediaKey, MediaLink};
use crate::overload::{Overload, OverloadConfig};
use crate::pace::{Limits, Pace};
use crate::record::Drafts;
use crate::registrar::Registrar;
use crate::reserving::{ReservationStatus, ReserveError, ReserveRequest};
use crate::steering::KeysUsed;
use crate::taking_over::EndedDialogs;
use crate::throttle::{Telling, Throttle};
use crate::watching::Unasked;
use crate::{AuthConfig, Keys, NodeConfig, Notice, Record, SipListen, TenantRules};

/// What a node takes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A SIP message.
    Packet(Packet),
    /// Whatever SIP's sockets have to tell.
    Arrival(Arrival),
    /// A media shard told something.
    Media {
        /// Which shard.
        shard: u16,
        /// What.
        event: MediaEvent,
    },
    /// Somebody wants room at a time to come. Answered by [`Output::Reserved`].
    Reserve {
        /// Goes back with the answer.
        ticket: u64,
        /// What he wants.
        request: ReserveRequest,
    },
    /// Somebody gives a reservation up. Answered by [`Output::Reserved`].
    Cancel {
        /// Goes back with the answer.
        ticket: u64,
        /// The conference URI, or its user part.
        conference: String,
    },
    /// The answer to [`Output::Store`].
    Stored {
        /// Its number.
        ticket: u64,
        /// Whether it is on the disk, whatever happens now.
        is_kept: bool,
    },
    /// The answer to [`Output::Resolve`].
    Resolved {
        /// Its number.
        id: LookupId,
        /// The places that were found, the first to be tried first; none: the name leads nowhere.
        targets: Vec<Target>,
    },
}

/// What a node wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Put this SIP message on the wire.
    Send(Packet),
    /// Hand this to a media shard, in order.
    Media {
        /// Which shard.
        shard: u16,
        /// What.
        command: Command,
    },
    /// Tell people.
    Notice(Notice),
    /// Put this into the books.
    Record(Record),
    /// Keep this so that it outlives the process, in order, and say so by [`Input::Stored`].
    Store {
        /// Goes back with the answer.
        ticket: u64,
        /// What.
        change: StoreChange,
    },
    /// The answer to [`Input::Reserve`] and [`Input::Cancel`]; a promise that is on the disk.
    Reserved {
        /// The ticket that was given.
        ticket: u64,
        /// What came of it.
        answer: Result<ReservationStatus, ReserveError>,
    },
    /// Find out where a name leads, by a [`sip::Locator`], and say so by [`Input::Resolved`].
    Resolve {
        /// Goes back with the answer.
        id: LookupId,
        /// The name.
        wanted: Wanted,
    },
}

/// One node: SIP stack, factories, focuses and pool as one machine without I/O.
///
/// # Order
///
/// One mutation ([`Node::handle_input`], [`Node::handle_deadline`], [`Node::drain`], [`Node::shutdown`],
/// [`Node::set_wall`], [`Node::queue`], [`Node::handle_waiting`]), then drain [`Node::poll_output`] to `None`, then read [`Node::deadline`],
/// then wait for input or for that deadline. `now` never goes back.
#[derive(Debug)]
pub struct Node {
    pub(crate) number: u16,
    /// What our tags, branches and Call-IDs begin with.
    pub(crate) tag_prefix: String,
    pub(crate) listens: Vec<SipListen>,
    pub(crate) keys: Keys,
    pub(crate) identity_key: IdentityKey,
    pub(crate) tag_key: TagKey,
    pub(crate) factories: Vec<Factory>,
    pub(crate) nat: Nat,
    pub(crate) locating: Locating,
    /// `None`: nobody is asked who he is.
    pub(crate) auth: Option<Auth>,
    /// `None`: nobody can register here.
    pub(crate) registrar: Option<Registrar>,
    pub(crate) stack: Stack,
    pub(crate) pool: Pool,
    pub(crate) media: MediaLink,
    /// Bounded: held and active ones cost a seat each, ended ones are at most [`TOMBSTONES_MAX`].
    pub(crate) records: Records,
    /// The conference that a shard's key means; entries go with the conference.
    pub(crate) by_media: BTreeMap<MediaKey, ConferenceId>,
    /// Dialogs of all legs; entries come and go with `LegStarted` and `LegEnded`.
    pub(crate) dialogs: BTreeMap<DialogId, ConferenceId>,
    /// Requests that focuses sent; entries go with `ClientEnded`.
    pub(crate) client_txns: BTreeMap<ClientTxnId, (ConferenceId, Sent)>,
    pub(crate) merged: MergedGuard,
    pub(crate) unasked: Unasked,
    /// Focuses that are over, whose calls may still be answered. At most one a client transaction.
    pub(crate) parting: BTreeMap<ConferenceId, Vec<Focus>>,
    /// Legs that have not acknowledged our answer, by where it went; entries go with the ACK or the
    /// leg.
    pub(crate) unproved: BTreeMap<IpAddr, usize>,
    /// Seats of conferences that a factory delivered to callers who have not shown that they receive
    /// where they send from: kept as low as soft holds.
    pub(crate) unproved_seats: u32,
    /// Whom the focuses have called lately.
    pub(crate) called: Called,
    /// Dialogs of legs that have ended lately.
    pub(crate) ended_dialogs: EndedDialogs,
    /// Whom they may call.
    pub(crate) dial_out: DialRules,
    /// How many answers of no use each source has had.
    pub(crate) pace: Pace,
    /// What waits for its turn, and who is admitted.
    pub(crate) overload: Overload,
    /// When each focus is due.
    pub(crate) focus_agenda: Agenda<ConferenceId>,
    /// When each tombstone crumbles.
    pub(crate) tombstones: Agenda<ConferenceId>,
    pub(crate) phase: Phase,
    /// Refusals by status code; there are at most 600 codes.
    pub(crate) refused: BTreeMap<u16, u64>,
    pub(crate) tallies: Tallies,
    pub(crate) drafts: Drafts,
    /// Why what is over had its room, or had none.
    pub(crate) explained: Kept,
    pub(crate) tenants: TenantRules,
    /// At most [`KEYS_MAX`](crate::KEYS_MAX).
    pub(crate) keys_used: KeysUsed,
    /// What outlives the process; `None`: nothing does.
    pub(crate) keeping: Option<Keeping>,
    throttle: Throttle,
    wall: (UnixTime, Instant),
    pub(crate) rng: Rng,
    outputs: VecDeque<Output>,
}

/// What a request of a focus was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A leg's.
    ByLeg(LegId, Method),
    /// A report of what came of a REFER.
    Report(ReferralId),
    /// A REFER to somebody who is to call a conference.
    ReferOn(ReferralId),
    /// A NOTIFY about the conference.
    News(WatcherId),
}

/// Whether the node takes new conferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Draining(Draining),
    ShuttingDown,
}

impl Node {
    /// Makes a node that nobody uses yet. `wall` is the wall clock at `now`.
    ///
    /// # Errors
    /// A factory that cannot work, or nothing to listen on.
    pub fn new(
        config: NodeConfig,
        now: Instant,
        wall: UnixTime,
        mut rng: Rng,
    ) -> Result<Self, NodeError> {
        if config.listens.is_empty() || config.media_advertise.iter().all(Vec::is_empty) {
            return Err(NodeError::NoListen);
        }
        let factories =
            config.factories.into_iter().map(Factory::new).collect::<Result<Vec<_>, _>>()?;
        let stack = Stack::new(
            StackConfig {
                advertise: config
                    .listens
                    .iter()
                    .map(|listen| (listen.bind, listen.advertise.0.to_string(), listen.advertise.1))
                    .collect(),
                tag_prefix: tag_prefix(config.node),
                asks_for_control: true,
            },
            rng.fork(),
        );
        Ok(Self {
            number: config.node,
            tag_prefix: tag_prefix(config.node),
            listens: config.listens,
            identity_key: IdentityKey::new(&config.keys.identity),
            tag_key: TagKey::new(&config.keys.stateless),
            keys: config.keys,
            factories,
            nat: Nat::Auto,
            locating: Locating::default(),
            auth: None,
            registrar: None,
            stack,
            pool: Pool::new(config.pool),
            media: MediaLink::new(config.media_advertise),
            records: Records::new(),
            by_media: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            client_txns: BTreeMap::new(),
            merged: MergedGuard::new(),
            unasked: Unasked::default(),
            parting: BTreeMap::new(),
            unproved: BTreeMap::new(),
            unproved_seats: 0,
            called: Called::default(),
            ended_dialogs: EndedDialogs::default(),
            dial_out: DialRules::default(),
            pace: Pace::new(Limits::default()),
            overload: Overload::new(OverloadConfig::default(), rng.u64()),
            focus_agenda: Agenda::new(),
            tombstones: Agenda::new(),
            phase: Phase::Running,
            refused: BTreeMap::new(),
            tallies: Tallies::default(),
            drafts: Drafts::default(),
            explained: Kept::default(),
            tenants: TenantRules::default(),
            keys_used: KeysUsed::default(),
            keeping: None,
            throttle: Throttle::default(),
            wall: (wall, now),
            rng,
            outputs: VecDeque::new(),
        })
    }

    /// The same node, under this rule for peers behind a NAT.
    #[must_use]
    pub fn with_nat(self, nat: Nat) -> Self {
        Self { nat, ..self }
    }

    /// The same node, which asks who is there.
    #[must_use]
    pub fn with_auth(self, config: AuthConfig) -> Self {
        Self { auth: Some(Auth::new(config)), ..self }
    }

    /// The same node, with other limits for what is of no use.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { pace: Pace::new(limits), ..self }
    }

    /// The same node, whose conferences call whom these rules allow.
    #[must_use]
    pub fn with_dial_out(self, dial_out: DialRules) -> Self {
        Self { dial_out, ..self }
    }

    /// The same node, whose callers belong to tenants.
    #[must_use]
    pub fn with_tenants(self, tenants: TenantRules) -> Self {
        Self { tenants, ..self }
    }

    /// Takes a message from the network or from a media shard.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        // A hold that has ended must not be joined because its deadline is handled a moment later.
        if self.pool.deadline().is_some_and(|at| at <= now) {
            self.pool.handle_deadline(now);
            self.settle(now);
        }
        match input {
            Input::Packet(packet) => self.arrival(now, Arrival::Packet(packet)),
            Input::Arrival(arrival) => self.arrival(now, arrival),
            Input::Resolved { id, targets } => self.located(now, id, &targets),
            Input::Reserve { ticket, request } => self.reserve(now, ticket, &request),
            Input::Cancel { ticket, conference } => self.cancel(ticket, &conference),
            Input::Stored { ticket, is_kept } => self.stored(now, ticket, is_kept),
            Input::Media { shard, event } => {
                if let Some(fact) = self.media.handle_event(shard, event) {
                    self.media_fact(now, fact);
                }
            }
        }
        self.settle(now);
    }

    fn arrival(&mut self, now: Instant, arrival: Arrival) {
        if let Arrival::Packet(packet) = &arrival
            && self.acknowledged_unread(now, packet)
        {
            return;
        }
        if let Some(arrival) = self.registrar_arrival(arrival) {
            self.stack.handle_arrival(now, arrival);
        }
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.registrar_deadline(now);
        self.stack.handle_deadline(now);
        self.pool.handle_deadline(now);
        // Taken out first: a focus is asked once a call, whatever deadline it names next.
        let due: Vec<_> = std::iter::from_fn(|| self.focus_agenda.pop_due(now)).collect();
        for id in due {
            if let Some(active) = self.active(id) {
                active.focus.handle_deadline(now);
            }
            self.drain_focus(now, id);
        }
        while let Some(id) = self.tombstones.pop_due(now) {
            self.keep_none(id);
            self.records.remove(&id);
        }
        self.locating_deadline(now);
        self.drain_deadline(now);
        self.overload_deadline(now);
        self.settle(now);
    }

    /// When something is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let registrar = self.registrar.as_ref().and_then(Registrar::deadline);
        let (focuses, tombstones) = (self.focus_agenda.deadline(), self.tombstones.deadline());
        [
            registrar,
            self.locating.deadline(),
            self.pool.deadline(),
            focuses,
            tombstones,
            self.drain_ends_at(),
            self.overload.deadline(),
        ]
        .into_iter()
        .fold(self.stack.deadline(), soonest)
    }

    /// Sets the wall clock, which is only used for dates in conference URIs and notices.
    pub fn set_wall(&mut self, now: Instant, wall: UnixTime) {
        // It comes in whole seconds, so that it is one off says nothing. Taken over each time, what is dated would flip
        // between two seconds from one question to the next.
        if self.wall(now).0.abs_diff(wall.0) > 1 {
            self.wall = (wall, now);
        }
    }

    /// What the node wants done, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes no more conferences and ends those there are: BYE to every leg. Done when
    /// [`Node::is_quiet`].
    pub fn shutdown(&mut self, now: Instant) {
        if self.phase != Phase::ShuttingDown {
            self.notice(Notice::ShuttingDown);
        }
        self.phase = Phase::ShuttingDown;
        let ids: Vec<ConferenceId> = self.records.keys().copied().collect();
        for id in ids {
            match self.records.get_mut(&id).map(|record| &mut record.state) {
                Some(State::Active(active)) => active.focus.end(now, End::Ordered),
                Some(State::Held) => {
                    self.pool.end(now, id);
                    self.records.remove(&id);
                }
                Some(State::Ended) | None => {}
            }
            self.drain_focus(now, id);
        }
        self.settle(now);
    }

    /// Whether no conference runs any more.
    pub fn is_quiet(&self) -> bool {
        self.dialogs.is_empty() && self.media.pending() == 0
    }

    /// The wall clock at a moment: the same whenever it is asked, until the clock is set.
    pub(crate) fn wall(&self, at: Instant) -> UnixTime {
        let (wall, begin) = self.wall;
        if at >= begin {
            return wall.after(at.since(begin));
        }
        let before = begin.since(at);
        let seconds = before.as_secs() + u64::from(before.subsec_nanos() > 0);
        UnixTime(wall.0.saturating_sub(seconds))
    }

    /// The wall clock as it was last set, and when.
    pub(crate) const fn wall_read(&self) -> (UnixTime, Instant) {
        self.wall
    }

    /// Puts a message on the wire that belongs to no transaction of ours.
    pub(crate) fn send(&mut self, packet: Packet) {
        self.outputs.push_back(Output::Send(packet));
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// The changes to this conference that are on their way to the store.
    pub(crate) fn tickets_about(&self, id: ConferenceId) -> impl Iterator<Item = u64> {
        self.outputs.iter().filter_map(move |output| match output {
            Output::Store { ticket, change } => (change.about() == id).then_some(*ticket),
            Output::Send(_)
            | Output::Media { .. }
            | Output::Notice(_)
            | Output::Record(_)
            | Output::Reserved { .. }
            | Output::Resolve { .. } => None,
        })
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    /// Puts into the books what is over, if it is.
    pub(crate) fn record(&mut self, record: Option<Record>) {
        self.outputs.extend(record.map(Output::Record));
    }

    /// Puts into the books what is not over and never will be: the process ends.
    pub fn give_up_records(&mut self, now: Instant) {
        let records = self.drafts.unfinished(now);
        self.outputs.extend(records.into_iter().map(Output::Record));
    }

    /// Tells of a refusal, but not of each one in a flood.
    pub(crate) fn notice_refusal(&mut self, now: Instant, notice: Notice) {
        match self.throttle.one_more(now) {
            Telling::NotTold => {}
            Telling::Told { before } => {
                if before > 0 {
                    self.notice(Notice::NotTold { refusals: before });
                }
                self.notice(notice);
            }
        }
    }

    /// Moves what the parts have to say to each other until none has anything left to say.
    pub(crate) fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.stack.poll_output() {
                match output {
                    sip::Output::Send(packet) => self.outputs.push_back(Output::Send(packet)),
                    sip::Output::Event(event) => self.stack_event(now, event),
                }
            } else if let Some(output) = self.pool.poll_output() {
                self.pool_output(now, output);
            } else if let Some((shard, command)) = self.media.poll_command() {
                self.outputs.push_back(Output::Media { shard, command });
            } else {
                break;
            }
        }
    }

    fn stack_event(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Request(incoming) => self.request(now, &incoming),
            sip::Event::Response { txn, response, source, .. } => {
                if response.status.is_final() {
                    self.unasked.ended(txn);
                }
                let Some((id, sent)) = self.client_txns.get(&txn).cloned() else { return };
                if let Sent::ByLeg(leg, Method::Invite) = sent
                    && self.parting_of(id, leg).is_some()
                {
                    self.answered_late(now, (id, leg), &response, source);
                } else if let Some(active) = self.active(id) {
                    match sent {
                        Sent::ByLeg(leg, method) => {
                            active.focus.answered(now, leg, &method, &response, source);
                        }
                        Sent::Report(referral) => {
                            active.focus.notify_answered(now, referral, Some(&response));
                        }
                        Sent::ReferOn(referral) if response.status.is_final() => {
                            active.focus.referred_on(now, referral, Ok(response.status));
                        }
                        Sent::ReferOn(_) => {}
                        Sent::News(watcher) => {
                            active.focus.informed(now, watcher, Some(&response));
                        }
                    }
                }
                self.drain_focus(now, id);
            }
            sip::Event::Failed { txn, why } => {
                self.unasked.ended(txn);
                let Some((id, sent)) = self.client_txns.get(&txn).cloned() else { return };
                if let Some(active) = self.active(id) {
                    match sent {
                        Sent::ByLeg(leg, method) => {
                            active.focus.request_failed(now, leg, &method, why);
                        }
                        Sent::Report(referral) => active.focus.notify_answered(now, referral, None),
                        Sent::ReferOn(referral) => {
                            active.focus.referred_on(now, referral, Err(DialEnd::of(why)));
                        }
                        Sent::News(watcher) => active.focus.informed(now, watcher, None),
                    }
                }
                self.drain_focus(now, id);
            }
            sip::Event::ClientEnded { txn } => {
                let ended = self.client_txns.remove(&txn);
                let Some((id, Sent::ByLeg(leg, Method::Invite))) = ended else { return };
                self.forget_late(now, id);
                if let Some(active) = self.active(id)
                    && active.calling.get(&leg) == Some(&txn)
                {
                    active.calling.remove(&leg);
                }
            }
            // A focus answers every INVITE at once: nothing is pending that a CANCEL could stop, and
            // nothing waits for the ACK to a refusal.
            sip::Event::Cancelled { .. }
            | sip::Event::AckMissing { .. }
            | sip::Event::ServerEnded { .. } => {}
        }
    }

    fn media_fact(&mut self, now: Instant, fact: MediaFact) {
        match fact {
            MediaFact::ConferenceFailed(media) => {
                if let Some(id) = self.by_media.get(&media).copied() {
                    if let Some(active) = self.active(id) {
                        active.focus.end(now, End::MediaFailed);
                    }
                    self.drain_focus(now, id);
                }
            }
            MediaFact::PortFailed(media, port) => {
                if let Some(id) = self.by_media.get(&media).copied() {
                    if let Some(active) = self.active(id) {
                        active.focus.media_failed(now, LegId(port.0));
                    }
                    self.drain_focus(now, id);
                }
            }
            MediaFact::PortSilent(media, port) => {
                if let Some(id) = self.by_media.get(&media).copied() {
                    if let Some(active) = self.active(id) {
                        active.focus.media_silent(now, LegId(port.0));
                    }
                    self.drain_focus(now, id);
                }
            }
            MediaFact::KeyPressed(media, port, key) => {
                self.tallies.keys_pressed += 1;
                if let Some(id) = self.by_media.get(&media).copied() {
                    let secret = self.keys.identity;
                    if let Some(active) = self.active(id) {
                        active.focus.key(now, LegId(port.0), crate::focuses::key(key), &secret);
                    }
                    self.drain_focus(now, id);
                }
            }
            MediaFact::PortTalks(media, port, is_talking) => {
                if let Some(id) = self.by_media.get(&media).copied()
                    && let Some(active) = self.active(id)
                    && active.focus.talks(now, LegId(port.0), is_talking)
                {
                    self.drain_focus(now, id);
                    let (conference, leg) = (self.uri(id), port.0);
                    self.notice(Notice::Talking { conference, leg, talking: is_talking });
                }
            }
            MediaFact::PortMeasured(media, port, report) => {
                self.tallies.quality.count(&report.quality);
                let id = self.by_media.get(&media).copied();
                if let Some(active) = id.and_then(|id| self.active(id)) {
                    active.measure(LegId(port.0), report);
                }
            }
            MediaFact::ShardPaced(shard, late_us) => {
                self.pool.set_late(shard, late_us >= LATE_US);
            }
            MediaFact::PortRemoved(media, port, report) => {
                self.tallies.media.add(&report);
                let record = self.drafts.media_reported((media, port), report);
                self.record(record);
                let conference =
                    format!("{}/{}.{}", media.shard, media.key.slot, media.key.generation);
                self.notice(Notice::Media {
                    mixer: conference,
                    leg: port.0,
                    report: Box::new(report),
                });
            }
        }
    }

    fn pool_output(&mut self, now: Instant, output: pool::Output) {
        match output {
            pool::Output::Expired { id } | pool::Output::Evicted { id } => {
                if self.records.get(&id).is_some_and(|it| matches!(it.state, State::Held)) {
                    self.hold_expired(now, id);
                }
            }
            pool::Output::ReservationOver { id } => self.reservation_over(id),
        }
    }
}

/// A mixer whose ticks begin so late, on average over a second, gets no new conference while another has room. A timer's
/// error and a neighbour's process are a tenth of it; with more to mix than its core can do it is late by whole ticks.
const LATE_US: u64 = 5_000;

/// What our tags, branches and Call-IDs begin with: node and signalling shard.
pub(crate) fn tag_prefix(node: u16) -> String {
    format!("{node:x}-0-")
}

/// Most conferences that are over and remembered. At 30 conferences a second, each remembered for
/// one hour, as much as one node sees; the one that crumbles first goes when there is one more: its
/// URI is still dead, since a token never makes a record, and only a request asked anew after an
/// hour could meet its identity again.
pub(crate) const TOMBSTONES_MAX: usize = 100_000;

/// What the To tag of a stateless answer begins with, if its receiver has proved who he is already: his
/// ACK proves nothing more.
pub(crate) fn known_tag_prefix(node: u16) -> String {
    format!("{}k-", tag_prefix(node))
}

/// How long a tombstone stands after the activation deadline.
pub(crate) const TOMBSTONE_FOR: Duration = Duration::from_secs(3_600);

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// Nothing to listen on, or no media address.
    #[error("a node needs at least one SIP address and one media address")]
    NoListen,
    /// A factory that cannot work.
    #[error(transparent)]
    Factory(#[from] FactoryError),
}
