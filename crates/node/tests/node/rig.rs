//! A node, a mixer that says yes to everything, and callers that speak plain text.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use focus::factory::{AnswerForm, FactoryConfig};
use focus::{DialRules, EndPolicy};
use mix::message::{Action, Command, ConferenceKey, Done, Epoch, Event, LentPort, PortId, Refused};
use node::{
    AuthConfig, Input, Keys, Limits, LookupId, Node, NodeConfig, Notice, Output, Record,
    ReservationStatus, ReserveError, SipListen, StoreChange, StoredConference, StoredKey,
    TenantRules,
};
use pool::{ConferenceId, CostModel, Key, PoolConfig, TenantTerms, TokenKeys};
use sip::{
    Arrival, FlowId, HeaderName, Message, Nat, Packet, Request, Response, Source, Transport, Wanted,
};
use units::{Instant, Rng, UnixTime};

pub(crate) const NODE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 5060);
pub(crate) const FACTORY: &str = "sip:conference@127.0.0.1:5060";
pub(crate) const WALL: UnixTime = UnixTime(1_795_400_000);

pub(crate) struct Rig {
    pub(crate) node: Node,
    pub(crate) now: Instant,
    pub(crate) sent: Vec<(Instant, Packet)>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) records: Vec<Record>,
    pub(crate) commands: Vec<Command>,
    pub(crate) transport: Transport,
    /// Which commands the mixer refuses.
    pub(crate) refuse: Option<fn(&Action) -> bool>,
    /// Ports in use at the mixer. For each that is given back it lends another.
    in_use: BTreeMap<(ConferenceKey, PortId), u32>,
    next_lent: u32,
    media: Vec<IpAddr>,
    /// What outlives the process, if the node keeps anything.
    pub(crate) disk: BTreeMap<ConferenceId, StoredConference>,
    pub(crate) keys: BTreeMap<ConferenceId, StoredKey>,
    pub(crate) disk_fails: bool,
    pub(crate) disk_answers: bool,
    /// So many changes more: then the cut comes.
    pub(crate) disk_takes: Option<usize>,
    /// The mixer's answers come later, when the test says so.
    pub(crate) mixer_waits: bool,
    late: Vec<Input>,
    /// What came of reservations.
    pub(crate) reserved: Vec<Result<ReservationStatus, ReserveError>>,
    /// The wall clock when this rig's own was at 1 s.
    wall: UnixTime,
    /// The mixer that is spoken for.
    pub(crate) shard: u16,
    /// What the node wants to know of names.
    pub(crate) lookups: Vec<(LookupId, Wanted)>,
}

pub(crate) struct Setting {
    pub(crate) seats: u32,
    pub(crate) factory: FactoryConfig,
    /// Other factories.
    pub(crate) more: Vec<FactoryConfig>,
    pub(crate) auth: Option<AuthConfig>,
    pub(crate) dial_out: DialRules,
    pub(crate) nat: Nat,
    /// Where media is spoken: one address of each family.
    pub(crate) media: Vec<IpAddr>,
    pub(crate) wall: UnixTime,
    pub(crate) tenants: (Vec<TenantTerms>, TenantRules),
    /// How many mixers there are; the seats are shared out evenly.
    pub(crate) mixers: u16,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            seats: 100,
            factory: FactoryConfig {
                users: vec!["conference".to_owned(), "9000".to_owned()],
                hosts: vec!["127.0.0.1".to_owned(), "example.com".to_owned()],
                answer: AnswerForm::Redirect,
                answer_rules: Vec::new(),
                hold: Duration::from_secs(60),
                expect: 4,
                end: EndPolicy::LastLeaves,
                legs_max: None,
                max_time: None,
                entry: focus::EntryRules::default(),
            },
            more: Vec::new(),
            auth: None,
            dial_out: DialRules::default(),
            nat: Nat::Auto,
            media: vec![NODE.ip()],
            wall: WALL,
            tenants: (vec![TenantTerms::default()], TenantRules::default()),
            mixers: 1,
        }
    }
}

fn pool_config(seats: u32, mixers: u16) -> PoolConfig {
    let costs = CostModel::default();
    let each = costs.plain_leg().times(seats / u32::from(mixers));
    PoolConfig::of_shards(vec![each; usize::from(mixers)], costs)
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Setting::default())
    }

    pub(crate) fn with(setting: Setting) -> Self {
        let config = NodeConfig {
            node: 1,
            listens: vec![SipListen { bind: NODE, advertise: (NODE.ip().into(), NODE.port()) }],
            media_advertise: vec![setting.media.clone(); usize::from(setting.mixers)],
            factories: std::iter::once(setting.factory).chain(setting.more).collect(),
            pool: PoolConfig {
                tenants: setting.tenants.0,
                ..pool_config(setting.seats, setting.mixers)
            },
            keys: Keys {
                identity: [1; 32],
                stateless: [2; 32],
                token: TokenKeys { current: Key::new(1, [3; 32]), previous: vec![] },
            },
        };
        let now = Instant::from_millis(1_000);
        let node = Node::new(config, now, setting.wall, Rng::from_number(1))
            .expect("sound")
            .with_nat(setting.nat)
            .with_dial_out(setting.dial_out)
            .with_tenants(setting.tenants.1);
        let node = match setting.auth {
            Some(auth) => node.with_auth(auth),
            None => node,
        };
        let mut rig = Self {
            node,
            now,
            sent: Vec::new(),
            notices: Vec::new(),
            records: Vec::new(),
            commands: Vec::new(),
            transport: Transport::Udp,
            refuse: None,
            in_use: BTreeMap::new(),
            next_lent: 0,
            media: setting.media,
            shard: 0,
            lookups: Vec::new(),
            disk: BTreeMap::new(),
            keys: BTreeMap::new(),
            disk_fails: false,
            disk_answers: true,
            disk_takes: None,
            mixer_waits: false,
            late: Vec::new(),
            reserved: Vec::new(),
            wall: setting.wall,
        };
        for _ in 0..setting.mixers {
            rig.lend(200);
            rig.shard += 1;
        }
        rig.shard = 0;
        rig
    }

    /// The same node, which had kept these keys.
    pub(crate) fn with_keys(mut self, keys: BTreeMap<ConferenceId, StoredKey>) -> Self {
        self.node = self.node.with_keys(self.now, keys.values().cloned().collect());
        self.keys = keys;
        self.drain();
        self
    }

    /// The same node, which keeps things on a disk.
    pub(crate) fn with_disk(mut self, disk: BTreeMap<ConferenceId, StoredConference>) -> Self {
        self.node = self.node.with_store(self.now, disk.values().cloned().collect());
        self.disk = disk;
        self.drain();
        self
    }

    /// The process is killed; another one begins so much later, with the same keys and the same disk.
    pub(crate) fn killed(self, down: Duration, setting: Setting) -> Self {
        let wall = self.wall_now().after(down);
        Self::with(Setting { wall, ..setting }).with_disk(self.disk).with_keys(self.keys)
    }

    /// The wall clock.
    pub(crate) fn wall_now(&self) -> UnixTime {
        self.wall.after(self.now.since(Instant::from_millis(1_000)))
    }

    /// The same node, which is a registrar too.
    pub(crate) fn with_lab_registrar(self) -> Self {
        Self { node: self.node.with_lab_registrar(), ..self }
    }

    fn lend(&mut self, count: u32) {
        let ids = self.next_lent..self.next_lent + count;
        self.next_lent += count;
        let ports = ids.map(|id| {
            let port = 20_000 + 2 * u16::try_from(id % 5_000).expect("small");
            // In turn, as a shard with ports of two families lends them.
            let ip = self.media[id as usize % self.media.len()];
            LentPort { id, address: SocketAddr::new(ip, port) }
        });
        self.media(Event::Lent { ports: ports.collect() });
    }

    /// The mixer drops a conference because of a fault of its own.
    pub(crate) fn fail(&mut self, conference: ConferenceKey) {
        self.media(Event::Failed { conference, epoch: Epoch(1) });
        self.give_back(|(key, _)| *key == conference);
    }

    fn give_back(&mut self, which: impl Fn(&(ConferenceKey, PortId)) -> bool) {
        let before = self.in_use.len();
        self.in_use.retain(|port, _| !which(port));
        let freed = before - self.in_use.len();
        if freed > 0 {
            self.lend(u32::try_from(freed).expect("small"));
        }
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.node.handle_input(self.now, input);
        self.drain();
    }

    pub(crate) fn media(&mut self, event: Event) {
        self.node.handle_input(self.now, Input::Media { shard: self.shard, event });
        self.drain();
    }

    /// The same, with other limits.
    pub(crate) fn with_limits(mut self, limits: Limits) -> Self {
        self.node = self.node.with_limits(limits);
        self
    }

    /// What came by a connection, or became of one.
    pub(crate) fn arrive(&mut self, arrival: Arrival) {
        self.node.handle_input(self.now, Input::Arrival(arrival));
        self.drain();
    }

    /// What came to a socket at that time waits for its turn.
    pub(crate) fn queue(&mut self, arrived: Instant, arrival: Arrival) {
        self.node.queue(self.now, arrived, arrival);
        self.drain();
    }

    /// Serves whose turn it is; `false`: nobody waits.
    pub(crate) fn handle_waiting(&mut self) -> bool {
        let has_waited = self.node.handle_waiting(self.now);
        self.drain();
        has_waited
    }

    /// The way to somebody.
    pub(crate) const fn path(&self, remote: SocketAddr) -> Source {
        Source { transport: self.transport, local: NODE, remote, flow: FlowId(7) }
    }

    /// Delivers a message and gives what was sent because of it.
    pub(crate) fn receive(&mut self, from: SocketAddr, text: &str) -> Vec<Message> {
        self.receive_bytes(from, text.as_bytes())
    }

    pub(crate) fn receive_bytes(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<Message> {
        let before = self.deliver(from, bytes);
        self.sent_since(before)
    }

    /// Delivers what may be no message at all; gives the status of the answers. The answer to a
    /// malformed request repeats what was malformed, so it cannot always be read as a message.
    pub(crate) fn statuses(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<u16> {
        let before = self.deliver(from, bytes);
        let status = |(_, packet): &(Instant, Packet)| {
            let line =
                String::from_utf8_lossy(&packet.bytes[..packet.bytes.len().min(12)]).into_owned();
            let digits = line.strip_prefix("SIP/2.0 ").expect("only answers");
            digits[..3].parse().expect("three digits")
        };
        self.sent[before..].iter().map(status).collect()
    }

    /// Delivers bytes; gives how many packets had been sent before.
    fn deliver(&mut self, from: SocketAddr, bytes: &[u8]) -> usize {
        let path = Source { transport: self.transport, local: NODE, remote: from, flow: FlowId(7) };
        let before = self.sent.len();
        self.node.handle_input(self.now, Input::Packet(Packet { path, bytes: bytes.to_vec() }));
        self.drain();
        before
    }

    pub(crate) fn sent_since(&self, before: usize) -> Vec<Message> {
        let read = |(_, packet): &(Instant, Packet)| {
            sip::parse_datagram(&packet.bytes).expect("what we send can be read")
        };
        self.sent[before..].iter().map(read).collect()
    }

    /// Delivers a request and gives the one response that it got at once.
    pub(crate) fn ask(&mut self, from: SocketAddr, text: &str) -> Response {
        let mut got = self.receive(from, text);
        assert_eq!(got.len(), 1, "one answer at once, not {got:#?} to {text}");
        match got.remove(0) {
            Message::Response(response) => response,
            Message::Request(request) => panic!("a request instead of an answer: {request:?}"),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send(packet) => self.sent.push((self.now, packet)),
                Output::Resolve { id, wanted } => self.lookups.push((id, wanted)),
                Output::Store { ticket, change } => {
                    if self.disk_takes == Some(0) {
                        continue;
                    }
                    self.disk_takes = self.disk_takes.map(|more| more - 1);
                    let is_kept = !self.disk_fails;
                    match change {
                        _ if !is_kept => {}
                        StoreChange::Put(stored) => {
                            self.disk.insert(stored.id, *stored);
                        }
                        StoreChange::Remove(id) => {
                            self.disk.remove(&id);
                        }
                        StoreChange::PutMade(stored, key) => {
                            self.disk.insert(stored.id, *stored);
                            self.keys.insert(key.id, *key);
                        }
                        StoreChange::RemoveKey(id) => {
                            self.keys.remove(&id);
                        }
                    }
                    if self.disk_answers {
                        self.node.handle_input(self.now, Input::Stored { ticket, is_kept });
                    }
                }
                Output::Reserved { answer, .. } => self.reserved.push(answer),
                Output::Notice(notice) => self.notices.push(notice),
                Output::Record(record) => self.records.push(record),
                Output::Media { shard, command } => {
                    let conference = command.conference;
                    let is_refused = self.refuse.is_some_and(|which| which(&command.action));
                    let outcome = match is_refused {
                        true => Err(Refused::NotOpen),
                        false => Ok(self.obey(conference, &command.action)),
                    };
                    let (id, epoch) = (command.id, command.epoch);
                    let event = Event::Reply { id, conference, epoch, outcome };
                    self.commands.push(command);
                    let input = Input::Media { shard, event };
                    match self.mixer_waits {
                        true => self.late.push(input),
                        false => self.node.handle_input(self.now, input),
                    }
                }
            }
        }
    }

    fn obey(&mut self, conference: ConferenceKey, action: &Action) -> Done {
        match action {
            Action::AddPort { port, transport, .. } => {
                self.in_use.insert((conference, *port), transport.lent);
                Done::PortAdded
            }
            Action::CloseConference => {
                self.give_back(|(key, _)| *key == conference);
                Done::ConferenceClosed { ports: 0 }
            }
            Action::OpenConference => Done::ConferenceOpened,
            Action::RemovePort { port } => {
                self.give_back(|of| *of == (conference, *port));
                Done::PortRemoved(Box::default())
            }
            Action::MutePort { .. } => Done::PortMuted,
            Action::Play { .. } => Done::Prompted,
            Action::UpdatePort { .. } => Done::PortUpdated,
        }
    }

    /// An administrator does something; gives what was sent because of it too.
    pub(crate) fn steer<T>(
        &mut self,
        what: impl FnOnce(&mut Node, Instant) -> T,
    ) -> (T, Vec<Message>) {
        let before = self.sent.len();
        let done = what(&mut self.node, self.now);
        self.drain();
        (done, self.sent_since(before))
    }

    /// Lets time pass, from deadline to deadline; gives what was sent meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Message> {
        let before = self.sent.len();
        let end = self.now + time;
        while let Some(at) = self.node.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.node.handle_deadline(self.now);
            self.drain();
        }
        self.now = end;
        self.sent_since(before)
    }

    pub(crate) fn shutdown(&mut self) -> Vec<Message> {
        let before = self.sent.len();
        self.node.shutdown(self.now);
        self.drain();
        self.sent_since(before)
    }

    /// The mixer answers all that it was told since it waits.
    pub(crate) fn mixer_answers(&mut self) {
        self.mixer_waits = false;
        for input in std::mem::take(&mut self.late) {
            self.feed(input);
        }
    }

    /// A caller asks the factory and gets his URI.
    pub(crate) fn conference(&mut self, caller: &Caller) -> String {
        let response = self.ask(caller.address, &caller.invite(FACTORY));
        assert_eq!(response.status.code(), 302, "{response:?}");
        contact(&response)
    }

    /// A caller acknowledges what the factory answered: he receives where he sends from.
    pub(crate) fn prove(&mut self, caller: &mut Caller, uri: &str, answer: &Response) {
        caller.to_tag = to_tag(answer);
        let ack = caller.request("ACK", uri).replace("-ACK-", "-INVITE-");
        assert_eq!(self.receive(caller.address, &ack), []);
        caller.to_tag = None;
    }

    /// A caller joins: INVITE, 200, ACK.
    pub(crate) fn join(&mut self, caller: &mut Caller, uri: &str) -> Response {
        caller.cseq += 1;
        let response = self.ask(caller.address, &caller.invite(uri));
        if response.status.code() == 200 {
            caller.to_tag = to_tag(&response);
            let ack = caller.request("ACK", uri);
            assert_eq!(self.receive(caller.address, &ack), []);
        }
        response
    }

    /// The process ends.
    pub(crate) fn give_up_records(&mut self) {
        self.node.give_up_records(self.now);
        self.drain();
    }

    /// A caller leaves: BYE, 200.
    pub(crate) fn leave(&mut self, caller: &mut Caller, uri: &str) {
        caller.cseq += 1;
        let bye = caller.request("BYE", uri);
        let got = self.receive(caller.address, &bye);
        let Message::Response(response) = &got[0] else { panic!("{got:?}") };
        assert_eq!(response.status.code(), 200);
    }

    pub(crate) fn used_and_held(&self) -> (u32, u32) {
        let room = self.node.status(self.now).room;
        (room.used, room.held)
    }
}

/// Somebody who calls, by hand.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) call_id: String,
    pub(crate) from_tag: String,
    pub(crate) to_tag: Option<String>,
    pub(crate) cseq: u32,
    pub(crate) branch: u32,
    pub(crate) extra: String,
}

impl Caller {
    pub(crate) fn new(name: &str, number: u16) -> Self {
        Self {
            name: name.to_owned(),
            address: SocketAddr::new(NODE.ip(), 6_000 + number),
            call_id: format!("call-{name}-{number}"),
            from_tag: format!("tag-{name}"),
            to_tag: None,
            cseq: 1,
            branch: 1,
            extra: String::new(),
        }
    }

    /// Another branch from now on.
    pub(crate) fn rebranch(&mut self) {
        self.branch += 1;
    }

    pub(crate) fn invite(&self, uri: &str) -> String {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0 8\r\n",
            self.address.port() + 10_000
        );
        self.with_body("INVITE", uri, "application/sdp", &sdp)
    }

    pub(crate) fn request(&self, method: &str, uri: &str) -> String {
        let head = self.head(method, uri);
        format!("{head}Content-Length: 0\r\n\r\n")
    }

    pub(crate) fn with_body(&self, method: &str, uri: &str, kind: &str, body: &str) -> String {
        let head = self.head(method, uri);
        format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn head(&self, method: &str, uri: &str) -> String {
        let Self { name, address, call_id, from_tag, cseq, branch, extra, .. } = self;
        let to_tag = self.to_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {address};branch=z9hG4bK-{name}-{method}-{cseq}-{branch}\r\n\
             From: <sip:{name}@example.com>;tag={from_tag}\r\n\
             To: <{uri}>{to_tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:{name}@{address}>\r\n\
             Max-Forwards: 70\r\n{extra}"
        )
    }
}

pub(crate) fn header(response: &Response, name: &HeaderName) -> Option<String> {
    response.headers.get(name).map(|value| value.text().into_owned())
}

/// The URI in Contact.
pub(crate) fn contact(response: &Response) -> String {
    let contact = header(response, &HeaderName::Contact).expect("a Contact");
    let inner = contact.split_once('<').expect("<").1;
    inner.split_once('>').expect(">").0.to_owned()
}

pub(crate) fn to_tag(response: &Response) -> Option<String> {
    response.headers.to().expect("a To").tag().map(str::to_owned)
}

pub(crate) fn requests(messages: Vec<Message>) -> Vec<Request> {
    let request = |message| match message {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    };
    messages.into_iter().filter_map(request).collect()
}
