//! A server whose work takes time, of a clock that only its work moves; and those who call it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use focus::factory::FactoryConfig;
use node::OverloadConfig;
use sip::{Arrival, FlowId, Message, Method, Packet, Response, Source, Transport};
use units::Instant;

use crate::rig::{Caller, FACTORY, NODE, Rig, Setting, to_tag};

/// What it costs to answer a new request; what belongs to one that was answered; to refuse; and to look at what came. The last
/// three in proportion to the first as they were measured.
const SERVE: Duration = Duration::from_micros(1_780);
const FOLLOW: Duration = Duration::from_micros(200);
const REFUSE: Duration = Duration::from_micros(150);
const LOOK: Duration = Duration::from_micros(10);

/// New requests that it can answer in a second, each with its ACK.
pub(super) const CAPACITY: u32 = 500;

/// How many are served between two looks at the sockets.
const SLICE: usize = 4;

/// So long a caller waits before he sends his request again (RFC 3261 §17.1.1.2): an answer that comes later answers nothing.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct World {
    pub(super) rig: Rig,
    /// What is on its way, by when it comes.
    coming: BTreeMap<(Instant, usize), (SocketAddr, String)>,
    number: usize,
    /// How long all that comes waits in the socket before it is read.
    pub(super) read_after: Duration,
    pub(super) transport: Transport,
    /// Without control: served in the order in which it came, however late.
    queue: Option<VecDeque<Arrival>>,
    /// When the request with this Call-ID and number was sent.
    asked: BTreeMap<(String, u32), Instant>,
    /// Those who acknowledge their answers, by Call-ID.
    honest: BTreeMap<String, Caller>,
    pub(super) answers: Vec<Answer>,
    /// The longest that anything had waited when it was answered.
    pub(super) waited_most: Duration,
}

pub(super) struct Answer {
    pub(super) call_id: String,
    pub(super) waited: Duration,
    pub(super) response: Response,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.response.status.code()
    }
}

impl World {
    pub(super) fn new(config: OverloadConfig) -> Self {
        let usual = Setting::default().factory;
        let factory = FactoryConfig { expect: 1, hold: Duration::from_secs(2), ..usual };
        let mut rig = Rig::with(Setting { seats: 60_000, factory, ..Setting::default() });
        rig.node = rig.node.with_overload(config);
        Self {
            rig,
            coming: BTreeMap::new(),
            number: 0,
            read_after: Duration::ZERO,
            transport: Transport::Udp,
            queue: None,
            asked: BTreeMap::new(),
            honest: BTreeMap::new(),
            answers: Vec::new(),
            waited_most: Duration::ZERO,
        }
    }

    /// The same server as most are.
    pub(super) fn without_control() -> Self {
        Self { queue: Some(VecDeque::new()), ..Self::new(OverloadConfig::default()) }
    }

    /// A message of this dialog comes at that time.
    pub(super) fn send(&mut self, at: Instant, from: &Caller, text: String) {
        self.number += 1;
        self.asked.insert((from.call_id.clone(), from.cseq), at);
        self.coming.insert((at, self.number), (from.address, text));
    }

    /// The same of somebody who acknowledges what he gets.
    pub(super) fn call(&mut self, at: Instant, caller: &Caller, uri: &str) {
        self.acknowledged(caller);
        self.send(at, caller, caller.invite(uri));
    }

    /// What this caller gets, he will acknowledge.
    pub(super) fn acknowledged(&mut self, caller: &Caller) {
        self.honest.insert(caller.call_id.clone(), caller.clone());
    }

    /// So many calls to the factory a second from now on, from a thousand addresses in turn.
    pub(super) fn crowd(&mut self, time: Duration, per_second: u32) {
        for (at, n) in times(self.rig.now, time, per_second) {
            self.call(at, &stranger("crowd", n, n % 1_000), FACTORY);
        }
    }

    /// The same, each in somebody else's name, who does not know of it.
    pub(super) fn forged(&mut self, time: Duration, per_second: u32) {
        for (at, _) in times(self.rig.now, time, per_second) {
            let n = u32::try_from(self.number).expect("not so many");
            let forged = stranger("forged", n, 0x1_0000 + n);
            self.send(at, &forged, forged.invite(FACTORY));
        }
    }

    /// Lets so much time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.rig.now + time;
        while self.rig.now < end {
            self.take_in();
            let served = (0..SLICE).take_while(|_| self.serve()).count();
            if self.rig.node.deadline().is_some_and(|due| due <= self.rig.now) {
                self.rig.pass(Duration::ZERO);
            } else if served == 0 {
                let next = self.coming.keys().next().map_or(end, |(at, _)| *at + self.read_after);
                self.rig.now = self.rig.now.max(next.min(end));
            }
        }
    }

    fn take_in(&mut self) {
        let late = self.read_after;
        while let Some(first) =
            self.coming.first_entry().filter(|it| it.key().0 + late <= self.rig.now)
        {
            let (arrived, _) = *first.key();
            let (remote, text) = first.remove();
            let path = Source { transport: self.transport, local: NODE, remote, flow: FlowId(7) };
            let arrival = Arrival::Packet(Packet { path, bytes: text.into_bytes() });
            self.rig.now += LOOK;
            match &mut self.queue {
                Some(queue) => queue.push_back(arrival),
                None => {
                    self.work(|rig| rig.queue(arrived, arrival));
                }
            }
        }
    }

    fn serve(&mut self) -> bool {
        let shed = self.shed();
        let (was_there, answers) = match &mut self.queue {
            Some(queue) => {
                let Some(arrival) = queue.pop_front() else { return false };
                let ((), answers) = self.work(|rig| rig.arrive(arrival));
                (true, answers)
            }
            None => self.work(Rig::handle_waiting),
        };
        if was_there && answers == 0 {
            self.rig.now += if self.shed() == shed { FOLLOW } else { LOOK };
        }
        was_there
    }

    /// Requests that got no answer so far.
    pub(super) fn shed(&self) -> u64 {
        self.rig.node.figures().tallies.shed.iter().map(|(_, count)| count).sum()
    }

    /// Does something, lets the time pass that it takes, and puts down the answers, so many.
    fn work<T>(&mut self, what: impl FnOnce(&mut Rig) -> T) -> (T, usize) {
        let before = self.rig.sent.len();
        let done = what(&mut self.rig);
        let sent: Vec<Packet> = self.rig.sent.drain(before..).map(|(_, packet)| packet).collect();
        let count = sent.len();
        for packet in sent {
            let Ok(Message::Response(response)) = sip::parse_datagram(&packet.bytes) else {
                continue;
            };
            self.answered(response);
        }
        (done, count)
    }

    fn answered(&mut self, response: Response) {
        let cseq = response.headers.cseq().expect("ours");
        let begins = cseq.method == Method::Invite;
        self.rig.now += match response.status.code() {
            503 => REFUSE,
            _ if !begins => FOLLOW,
            _ => SERVE,
        };
        let call_id = response.headers.call_id().expect("ours").to_owned();
        let waited = self.rig.now.since(self.asked[&(call_id.clone(), cseq.number)]);
        self.waited_most = self.waited_most.max(waited);
        if let Some(caller) = self.honest.get_mut(&call_id).filter(|_| begins) {
            caller.to_tag = to_tag(&response);
            let uri = match response.status.code() {
                200 => "sip:whatever@127.0.0.1",
                _ => FACTORY,
            };
            let ack = caller.request("ACK", uri).replace("-ACK-", "-INVITE-");
            self.number += 1;
            self.coming.insert((self.rig.now, self.number), (caller.address, ack));
        }
        self.answers.push(Answer { call_id, waited, response });
    }

    /// How often this was the answer while somebody still waited for it.
    pub(super) fn in_time(&self, status: u16) -> usize {
        let is_in_time = |it: &&Answer| it.status() == status && it.waited <= PATIENCE;
        self.answers.iter().filter(is_in_time).count()
    }

    pub(super) fn count(&self, status: u16) -> usize {
        self.answers.iter().filter(|answer| answer.status() == status).count()
    }

    /// The longest that somebody waited for this answer, but for one in a hundred.
    pub(super) fn p99(&self, status: u16) -> Duration {
        let of = self.answers.iter().filter(|answer| answer.status() == status);
        let mut waits: Vec<Duration> = of.map(|answer| answer.waited).collect();
        waits.sort();
        waits[waits.len() * 99 / 100]
    }
}

/// The times at which so many come in a second, with their numbers.
fn times(from: Instant, time: Duration, per_second: u32) -> impl Iterator<Item = (Instant, u32)> {
    let each = Duration::from_secs(1) / per_second;
    let count = u32::try_from(time.as_nanos() / each.as_nanos()).expect("not so many");
    (0..count).map(move |n| (from + each * n, n))
}

/// A caller like any other, at an address of his own.
pub(super) fn stranger(name: &str, number: u32, host: u32) -> Caller {
    let mut caller = Caller::new(name, 1);
    caller.address = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + host)), 5060);
    caller.call_id = format!("{name}-{number}");
    caller.branch = number;
    caller
}
