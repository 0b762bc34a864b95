//! The loop between sockets, clock, media shards and the node.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use node::{DrainStatus, Input, LookupId, Node, Notice, Output};
use sip::{Arrival, Packet, Target};
use tokio::sync::mpsc;
use tokio::time::Instant as SystemInstant;
use transport::{Clock, Happening, Resolver, Wires, at, unix_micros, unix_time};
use units::{Instant, Tally, causes, soonest};

use crate::AllowList;
use crate::admin::room::{HoldsPage, RoomQuestion};
use crate::admin::{Asked, Counts, Feed};
use crate::bind::SipSocket;
use crate::events::{Full, Teller};
use crate::keeping::{Keeping, Reserved};
use crate::metrics::Snapshot;
use crate::mixers::{FromShard, Health, Mixers};
use crate::records::{self, Moment, Writer};
use crate::reload::NewSettings;
use crate::status::{RimStatus, StatusPage};
use crate::webhooks::Webhooks;

/// How long a server that was told to stop waits for answers to its BYEs. On a network that works
/// they take a round trip; the process promises to be gone within 5 s.
const STOP_GRACE: Duration = Duration::from_secs(4);

/// How soon commands that the shards did not take are offered again: a tick.
const RETRY: Duration = Duration::from_millis(10);

/// How old the node's idea of the wall clock may be. It dates conference URIs, in minutes.
const WALL_AGE_MAX: Duration = Duration::from_secs(1);

/// How long what waits is served before the sockets are looked at again: so that in a flood what belongs to a dialog is found
/// before the system's buffer is full. Even the smallest one holds what comes in a millisecond at 100,000 a second.
const SLICE: Duration = Duration::from_millis(1);

/// The largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Something happened at the server.
#[derive(Clone, Debug)]
pub enum Event {
    /// The node tells something.
    Notice {
        /// Wall clock, microseconds since 1970.
        unix_micros: u64,
        /// What. It is kept here too, for whoever reads events by HTTP.
        notice: Arc<Notice>,
    },
    /// A SIP message was sent or received; only if asked for.
    Message {
        /// Whether we sent it.
        sent: bool,
        /// Wall clock, microseconds since 1970.
        unix_micros: u64,
        /// The message and its path.
        packet: Packet,
    },
    /// The mixers have died; the server ends.
    MixersDied,
}

/// How it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Why the server ended.
    pub end: EndCause,
    /// Legs whose BYE was not answered when the time was over.
    pub legs_left: usize,
    /// Media legs that the mixers still had: 0, or something is wrong with us.
    pub mixer_legs_left: u64,
}

/// Why the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// It was told to.
    Told,
    /// The mixers have died.
    MixersDied,
}

/// What the owner of the server wants.
#[derive(Debug)]
pub(crate) enum Order {
    /// No new conferences; end with the last one, or after so long.
    DrainAndStop(Duration),
    /// Go by these settings from now on.
    Reload(Box<NewSettings>),
    /// A configuration was read and not taken over: count it.
    ReloadRefused,
    /// End every call, and then the server.
    Stop,
}

/// What the loop was woken by.
#[expect(clippy::large_enum_variant, reason = "one at a time, and handled at once")]
enum Wake {
    Order(Order),
    /// Told to stop, and the answers to our BYEs do not come.
    GraceOver,
    Deadline,
    Media(FromShard),
    /// Every shard's thread has ended, though nobody told it to.
    MixersGone,
    MediaRetry,
    Asked(Asked),
    /// More has come than one turn could serve, or the wires had their turn and nothing to say.
    Waiting,
    /// A SIP socket has something.
    Wire(Happening),
    /// It is known where a name leads.
    Resolved(LookupId, Vec<Target>),
    /// The store has kept something, or cannot.
    Stored(u64, bool),
}

/// When a loop that was told to end once nothing is held and nothing runs does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// Whenever that is.
    WithTheLast,
    /// Or then, whatever runs.
    By(Instant),
}

impl Ends {
    fn after(now: Instant, within: Option<Duration>) -> Self {
        within.map_or(Self::WithTheLast, |within| Self::By(now + within))
    }

    const fn at(self) -> Option<Instant> {
        match self {
            Self::WithTheLast => None,
            Self::By(at) => Some(at),
        }
    }
}

causes! {
    /// What came of a configuration that was read while the server ran.
    pub(crate) enum Reload {
        /// It counts, but for what needs a restart.
        Applied => "applied",
        /// It had an error: the old one counts.
        Refused => "refused",
    }
}

/// The loop's belongings; it runs in a thread of its own.
pub(crate) struct Loop {
    clock: Clock,
    node: Node,
    mixers: Mixers,
    wires: Wires,
    resolver: Resolver,
    factories: Vec<String>,
    events: Teller,
    messages: bool,
    wall_read: Instant,
    health: Health,
    events_lost: u64,
    records: Option<Writer>,
    keeping: Keeping,
    ends: Option<Ends>,
    reloads: Tally<Reload>,
    feed: Feed,
    http: Counts,
    webhooks: Webhooks,
}

impl Loop {
    /// Must be called inside a tokio runtime, which from now on owns the sockets.
    pub(crate) fn new(
        clock: Clock,
        node: Node,
        mixers: Mixers,
        (sockets, resolver): (Vec<SipSocket>, Resolver),
        access: AllowList,
        events: Teller,
    ) -> io::Result<Self> {
        Ok(Self {
            clock,
            node,
            mixers,
            wires: Wires::new(sockets.into_iter().map(|socket| socket.endpoint))?
                .guarded(move |source| access.allows(source)),
            resolver,
            factories: Vec::new(),
            events,
            messages: false,
            wall_read: clock.now(),
            health: Health::Alive,
            events_lost: 0,
            records: None,
            keeping: Keeping::default(),
            ends: None,
            reloads: Tally::default(),
            feed: Feed::new(unix_time().0),
            http: Counts::default(),
            webhooks: Webhooks::default(),
        })
    }

    pub(crate) fn with_records(self, records: Option<Writer>) -> Self {
        Self { records, ..self }
    }

    pub(crate) fn with_keeping(self, keeping: Keeping) -> Self {
        Self { keeping, ..self }
    }

    pub(crate) fn with_webhooks(self, webhooks: Webhooks) -> Self {
        Self { webhooks, ..self }
    }

    /// The same, with the counts of its HTTP interface.
    pub(crate) fn with_http(self, http: Counts) -> Self {
        Self { http, ..self }
    }

    pub(crate) fn with_factories(self, factories: Vec<String>) -> Self {
        Self { factories, ..self }
    }

    pub(crate) fn with_messages(self, messages: bool) -> Self {
        Self { messages, ..self }
    }

    /// Runs until told to stop, by an order or the end of `orders`, and every call has ended.
    pub(crate) async fn run(
        mut self,
        mut from_shards: mpsc::Receiver<FromShard>,
        mut asked: mpsc::Receiver<Asked>,
        ready: SyncSender<()>,
        mut orders: mpsc::Receiver<Order>,
    ) -> Report {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut give_up = None;
        let mut is_wires_turn = false;
        self.take_first_ports(&mut from_shards).await;
        self.events.wake();
        // Whoever waited for it may have given up.
        let _ = ready.try_send(());
        while self.health == Health::Alive && !(give_up.is_some() && self.is_quiet()) {
            let deadline = soonest(self.node.deadline(), self.wires.deadline());
            let deadline = soonest(deadline, self.ends.and_then(Ends::at));
            let deadline = deadline.map(|at| self.clock.system(at));
            let retry = self.mixers.is_behind().then(|| SystemInstant::now() + RETRY);
            // In this order, so that no flood of packets holds up what is due.
            let wake = tokio::select! {
                biased;
                order = orders.recv(), if give_up.is_none() => Wake::Order(order.unwrap_or(Order::Stop)),
                () = at(deadline) => Wake::Deadline,
                () = at(give_up) => Wake::GraceOver,
                event = from_shards.recv() => event.map_or(Wake::MixersGone, Wake::Media),
                () = at(retry) => Wake::MediaRetry,
                // One question, and then the wires: an answer about thousands of conferences takes milliseconds, and others wait.
                Some(asked) = asked.recv(), if !is_wires_turn => Wake::Asked(asked),
                (ticket, is_kept) = self.keeping.next() => Wake::Stored(ticket, is_kept),
                (id, found) = self.resolver.next() => Wake::Resolved(LookupId(id), found),
                happening = self.wires.next() => Wake::Wire(happening),
                // It lets the system say first what has come.
                () = tokio::task::yield_now(), if is_wires_turn || self.node.has_waiting() => Wake::Waiting,
            };
            match &wake {
                Wake::Asked(_) => is_wires_turn = true,
                Wake::Wire(_) | Wake::Waiting => is_wires_turn = false,
                Wake::Order(_)
                | Wake::GraceOver
                | Wake::Deadline
                | Wake::Media(_)
                | Wake::MixersGone
                | Wake::MediaRetry
                | Wake::Resolved(..)
                | Wake::Stored(..) => {}
            }
            match wake {
                Wake::Order(Order::Stop) => give_up = Some(self.stop()),
                Wake::GraceOver => break,
                Wake::MixersGone => {
                    self.health = Health::Dead;
                    break;
                }
                other => self.handle(other, &mut buffer),
            }
            // Not by the timer alone: packets that keep coming would put it off for ever.
            if self.mixers.is_behind() {
                self.health = self.mixers.retry();
            }
            if self.has_drained() {
                give_up = Some(self.stop());
            }
            self.drain();
            self.events.wake();
        }
        if self.health == Health::Dead {
            self.tell(Event::MixersDied);
            // Nobody hears anything any more: let them know, without waiting for answers.
            self.node.shutdown(self.clock.now());
            self.drain();
        }
        self.finish()
    }

    fn reload(&mut self, new: NewSettings) {
        let NewSettings { settings, access, webhooks } = new;
        let result = match self.node.apply(settings) {
            Ok(()) if self.webhooks.reload(webhooks) => {
                self.wires.guard(move |source| access.allows(source));
                Reload::Applied
            }
            // Never: it was compared before, and a thread that does nothing else has place for one more.
            Ok(()) | Err(_) => Reload::Refused,
        };
        self.reloads.count(result);
    }

    /// BYE to every leg; gives when their answers are waited for no longer.
    fn stop(&mut self) -> SystemInstant {
        self.ends = None;
        self.node.shutdown(self.clock.now());
        SystemInstant::now() + STOP_GRACE
    }

    /// Whether it is to end with the last conference, and that is over or its time is.
    fn has_drained(&self) -> bool {
        let now = self.clock.now();
        let is_empty = |it: DrainStatus| it.conferences == 0;
        self.ends.is_some_and(|ends| {
            ends.at().is_some_and(|at| at <= now) || self.node.draining(now).is_some_and(is_empty)
        })
    }

    /// Without a media port the node would refuse the first caller: SIP waits for them in the
    /// sockets.
    async fn take_first_ports(&mut self, from_shards: &mut mpsc::Receiver<FromShard>) {
        let mut lent = BTreeSet::new();
        while lent.len() < self.mixers.count() {
            let Some((shard, event)) = from_shards.recv().await else { return };
            if matches!(event, mix::message::Event::Lent { .. }) {
                lent.insert(shard);
            }
            self.node.handle_input(self.clock.now(), Input::Media { shard, event });
            self.drain();
        }
    }

    fn handle(&mut self, wake: Wake, buffer: &mut [u8]) {
        let now = self.clock.now();
        if now.since(self.wall_read) > WALL_AGE_MAX {
            self.wall_read = now;
            self.node.set_wall(now, unix_time());
            self.drain();
        }
        match wake {
            Wake::Deadline => {
                self.wires.handle_deadline(now);
                self.node.handle_deadline(now);
            }
            Wake::Media((shard, event)) => {
                self.node.handle_input(now, Input::Media { shard, event });
            }
            // Whoever asked may have gone away.
            Wake::Asked(Asked::Status(asked)) => drop(asked.send(self.status(now))),
            Wake::Asked(Asked::Metrics(asked)) => drop(asked.send(self.snapshot(now))),
            Wake::Asked(Asked::Steer(work)) => {
                if let Some((about, tell)) = work(&mut self.node, now) {
                    // What it had stored and told comes before whoever waits for it.
                    self.drain_node();
                    self.keeping.when_kept(about, self.webhooks.after_these(tell));
                }
            }
            Wake::Asked(Asked::Subscribe(last, asked)) => {
                drop(asked.send(self.feed.subscribe(last.as_deref())));
            }
            Wake::Asked(Asked::Room(question)) => self.asked_of_room(now, question),
            Wake::Stored(ticket, is_kept) => {
                self.keeping.known(ticket, is_kept);
                self.node.handle_input(now, Input::Stored { ticket, is_kept });
            }
            Wake::Asked(Asked::Ready(asked)) => drop(asked.send(self.node.readiness(now))),
            Wake::Asked(Asked::Drain(within, asked)) => {
                self.node.drain(now, within);
                // A process that was told to end ends by what was said last.
                self.ends = self.ends.map(|_| Ends::after(now, within));
                // Whoever asked may have gone away.
                let _ = asked.send(self.node.draining(now));
            }
            Wake::Asked(Asked::Undrain(asked)) => {
                self.ends = None;
                self.node.undrain();
                // Whoever asked may have gone away.
                let _ = asked.send(self.node.draining(now));
            }
            Wake::Wire(happening) => self.wires.handle(now, happening, buffer),
            Wake::Resolved(id, targets) => {
                self.node.handle_input(now, Input::Resolved { id, targets });
            }
            Wake::Order(Order::DrainAndStop(within)) => {
                self.ends = Some(Ends::after(now, Some(within)));
                self.node.drain(now, Some(within));
            }
            Wake::Order(Order::Reload(new)) => self.reload(*new),
            Wake::Order(Order::ReloadRefused) => self.reloads.count(Reload::Refused),
            Wake::Waiting
            | Wake::MediaRetry
            | Wake::MixersGone
            | Wake::Order(Order::Stop)
            | Wake::GraceOver => {}
        }
    }

    /// Does all that the node wants done, and tells it all that the sockets have to tell; then has it serve what waits, until
    /// nothing does or the slice is over.
    fn drain(&mut self) {
        let end = self.clock.now() + SLICE;
        self.drain_node();
        loop {
            // What was served is sent here, together.
            let mut now = self.clock.now();
            while let Some((arrived, arrival)) = self.wires.poll_arrival(now) {
                if let Arrival::Packet(packet) = &arrival {
                    self.show(false, packet);
                }
                self.node.queue(now, arrived, arrival);
                self.drain_node();
                now = self.clock.now();
            }
            if !self.serve(end) {
                return;
            }
        }
    }

    /// Has the node serve what waits; whether anything did, and there was time.
    fn serve(&mut self, end: Instant) -> bool {
        let mut has_served = false;
        loop {
            let now = self.clock.now();
            if now >= end || !self.node.handle_waiting(now) {
                return has_served;
            }
            has_served = true;
            self.drain_node();
        }
    }

    fn drain_node(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send(packet) => {
                    self.show(true, &packet);
                    self.wires.send(self.clock.now(), packet);
                }
                Output::Resolve { id, wanted } => self.resolver.ask(id.0, wanted),
                Output::Store { ticket, change } => self.keeping.change(ticket, change),
                Output::Reserved { ticket, answer } => self.reserved(ticket, answer),
                Output::Media { shard, command } => {
                    self.health = self.mixers.command(shard, command);
                }
                Output::Record(record) => self.put_down(&record),
                Output::Notice(notice) => {
                    let (notice, unix_micros) = (Arc::new(notice), unix_micros());
                    if let Some(happened) = self.feed.push(Arc::clone(&notice), unix_micros) {
                        self.webhooks.push(happened);
                    }
                    // Who talks is told as often as people do: not for a log.
                    if !matches!(*notice, Notice::Talking { .. }) {
                        self.tell(Event::Notice { unix_micros, notice });
                    }
                }
            }
        }
    }

    /// Answers who has reserved or given up: when the receivers of events are sure to hear of it too.
    fn reserved(&mut self, ticket: u64, answer: Reserved) {
        if let Some(asker) = self.keeping.asker(ticket) {
            // He may have gone away.
            let tell = self.webhooks.after_these(Box::new(move |_| drop(asker.send(answer))));
            tell(true);
        }
    }

    /// Answers what is asked about room. Whoever asked may have gone away.
    fn asked_of_room(&mut self, now: Instant, question: RoomQuestion) {
        match question {
            RoomQuestion::Explain(query, asked) => {
                drop(asked.send(self.node.explain(now, &query)));
            }
            RoomQuestion::Holds(asked) => {
                let page = HoldsPage {
                    holds: self.node.holds(),
                    reservations: self.node.reservations(now),
                };
                drop(asked.send(page));
            }
            RoomQuestion::Capacity(query, asked) => {
                drop(asked.send(self.node.capacity(now, query.as_ref())));
            }
            RoomQuestion::Reserve(request, asked) => {
                let ticket = self.keeping.wait(asked);
                self.node.handle_input(now, Input::Reserve { ticket, request });
            }
            RoomQuestion::Cancel(conference, asked) => {
                let ticket = self.keeping.wait(asked);
                self.node.handle_input(now, Input::Cancel { ticket, conference });
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.node.is_quiet() && !self.mixers.is_behind()
    }

    /// Puts a record into the books, if there are any.
    fn put_down(&mut self, record: &node::Record) {
        if let Some(records) = &mut self.records {
            let moment = Moment { now: self.clock.now(), unix_micros: unix_micros() };
            records.line(records::line(record, moment));
        }
    }

    fn finish(mut self) -> Report {
        self.node.give_up_records(self.clock.now());
        self.drain_node();
        self.wires.flush(self.clock.now());
        if let Some(records) = self.records.take() {
            records.finish();
        }
        let legs_left = self.node.leftovers().dialogs;
        let mixers = self.mixers.stop();
        Report {
            end: match self.health {
                Health::Alive => EndCause::Told,
                Health::Dead => EndCause::MixersDied,
            },
            legs_left,
            mixer_legs_left: mixers.shards.iter().map(|shard| shard.legs).sum(),
        }
    }

    fn status(&self, now: Instant) -> StatusPage {
        StatusPage {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: now.since(Instant::ZERO).as_secs(),
            factories: self.factories.clone(),
            node: self.node.status(now),
            rim: self.rim(),
            mixers: self.mixers.report().shards.iter().map(Into::into).collect(),
            webhooks: self.webhooks.status(unix_micros()),
        }
    }

    fn snapshot(&self, now: Instant) -> Snapshot {
        let (connections, connections_open) = self.wires.connections();
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            started: unix_time().0.saturating_sub(now.since(Instant::ZERO).as_secs()),
            node: self.node.figures(),
            wires: self.wires.counters(),
            connections,
            connections_open,
            mixers: self.mixers.report().shards,
            events_lost: self.events_lost,
            reloads: self.reloads.clone(),
            records: self.records.as_ref().map(Writer::counts).unwrap_or_default(),
            http: self.http.read(),
            webhooks: self.webhooks.figures(),
            store: self.keeping.counts(),
        }
    }

    fn rim(&self) -> RimStatus {
        let wires = self.wires.counters();
        let (streams, connections) = self.wires.connections();
        RimStatus {
            received: wires.received,
            denied: wires.denied,
            sent: wires.sent,
            send_errors: wires.send_errors,
            accept_errors: wires.accept_errors,
            events_lost: self.events_lost,
            connections,
            streams,
        }
    }

    fn show(&mut self, sent: bool, packet: &Packet) {
        if self.messages {
            let unix_micros = unix_micros();
            self.tell(Event::Message { sent, unix_micros, packet: packet.clone() });
        }
    }

    fn tell(&mut self, event: Event) {
        match self.events.tell(event) {
            Ok(()) => {}
            Err(Full) => self.events_lost += 1,
        }
    }
}

#[cfg(test)]
mod tests;
