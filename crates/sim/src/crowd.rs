//! Many callers of few conferences, on several mixers: who they are, when they call, and what must hold all the time.
//!
//! Nobody speaks in it: what everybody hears is for [`crate::scenario`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use focus::factory::FactoryConfig;
use mix::Shard;
use node::{Keys, Node, NodeConfig};
use pool::{CostModel, PoolConfig};
use sip::{Message, Method, Uri};
use ua::{PhoneCommand, ReferMode, Step};
use units::{Instant, Rng};

use crate::check::Broken;
use crate::disk::Disk;
use crate::merging::phone;
use crate::network::Network;
use crate::scenario::{NODE_SIP, Options, WALL, convener, factory_uri, node_config};
use crate::serving::{SHARD, Serving, media_ip};
use crate::terminal::Terminal;
use crate::wire::Sniffed;
use crate::world::{Canary, World};

/// Room, and how it is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) shards: u16,
    /// Of each shard.
    pub(crate) seats: u32,
}

/// One who shall be in.
#[derive(Debug)]
struct Member {
    /// Which conference; the first of each asks for it.
    conference: usize,
    calls_at: Instant,
    /// His terminal now, of the world's; `None`: he has not called yet.
    terminal: Option<usize>,
}

/// A world with its crowd.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) world: World,
    options: Options,
    room: Room,
    members: Vec<Member>,
    /// The most who come to each conference.
    sizes: Vec<u32>,
    /// By conference, when its first caller knows it.
    uris: BTreeMap<usize, Uri>,
    rng: Rng,
}

impl Crowd {
    /// Conferences of these sizes. Everybody calls within that time, in the order that chance has it.
    pub(crate) fn new(options: Options, room: Room, sizes: &[u32], within: Duration) -> Self {
        let mut rng = Rng::from_number(options.seed ^ 0xc0de);
        let network = Network::new(options.signalling, options.media, rng.fork());
        let node = node(Instant::ZERO, options, room, &mut rng);
        let (shards, sip) = (shards(room, &mut rng), SocketAddr::from(NODE_SIP));
        let mut serving = Serving::new(node, shards, sip, options.canary);
        serving.is_heard = false;
        serving.disk = Some(Disk::new(rng.fork()));
        serving.node = serving.node.with_store(Instant::ZERO, Vec::new());
        let of =
            sizes.iter().enumerate().flat_map(|(number, size)| (0..*size).map(move |_| number));
        let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let mut members: Vec<Member> = of
            .map(|conference| Member {
                conference,
                calls_at: Instant::from_millis(rng.below(millis)),
                terminal: None,
            })
            .collect();
        members.sort_by_key(|member| member.calls_at);
        let (sizes, uris) = (sizes.to_vec(), BTreeMap::new());
        let world = World::new(network, serving, Vec::new());
        Self { world, options, room, members, sizes, uris, rng }
    }

    /// Lets time pass. Whoever's time has come calls; whoever's conference is not known yet tries again.
    pub(crate) fn run_until(&mut self, end: Instant) -> Vec<Broken> {
        while self.world.now < end {
            let slice = SLICE.min(end.since(self.world.now));
            self.world.run_for(slice);
            self.learn();
            for number in 0..self.members.len() {
                let member = &self.members[number];
                if member.terminal.is_none() && member.calls_at <= self.world.now {
                    self.call(number);
                }
            }
            let broken = self.above_capacity();
            if !broken.is_empty() {
                return broken;
            }
        }
        Vec::new()
    }

    /// What those who asked were told.
    fn learn(&mut self) {
        for member in &self.members {
            let Some(terminal) = member.terminal.and_then(|it| self.world.terminals.get(it)) else {
                continue;
            };
            let told = terminal.steps.iter().find_map(|(_, step)| match step {
                Step::Redirected { to } => Some(to.clone()),
                _ => None,
            });
            if let Some(told) = told {
                self.uris.entry(member.conference).or_insert(told);
            }
        }
    }

    fn call(&mut self, number: usize) {
        let conference = self.members[number].conference;
        let has_asked = |it: &Member| it.conference == conference && it.terminal.is_some();
        let terminal = match self.uris.get(&conference).cloned() {
            Some(uri) => self.caller(uri),
            None if self.members.iter().any(has_asked) => {
                self.members[number].calls_at = self.world.now + TRY_AGAIN;
                return;
            }
            None => self.asker(self.sizes[conference]),
        };
        self.members[number].terminal = Some(self.world.terminals.len());
        self.world.terminals.push(terminal);
        self.world.settle();
    }

    fn next_number(&self) -> u8 {
        u8::try_from(self.world.terminals.len() + 1).expect("invariant: no scenario has so many")
    }

    fn asker(&mut self, seats: u32) -> Terminal {
        let factory = format!("{};seats={seats}", factory_uri());
        let factory = factory.parse().expect("invariant: a URI with a parameter");
        let (now, number) = (self.world.now, self.next_number());
        let wanted = (factory, Vec::new());
        let mut asker = convener(now, wanted, ReferMode::Outside, number, &mut self.rng);
        asker.is_soundless = true;
        asker
    }

    fn caller(&mut self, uri: Uri) -> Terminal {
        let mut caller = phone(("caller", 440.0), self.next_number(), &mut self.rng);
        caller.is_soundless = true;
        caller.command(self.world.now, PhoneCommand::Call(uri));
        caller
    }

    /// Somebody else wants a conference of his own, whatever the others were promised.
    pub(crate) fn somebody_asks(&mut self, seats: u32) {
        let conference = self.sizes.len();
        self.sizes.push(seats);
        let calls_at = self.world.now;
        self.members.push(Member { conference, calls_at, terminal: None });
    }

    /// The process is killed, and another one begins `down` later with the same keys and the same disk. A copy of what was
    /// asked shortly before comes to it, and whoever was in calls again.
    pub(crate) fn killed(&mut self, down: Duration) {
        self.world.serving.kill();
        self.world.run_for(down);
        let mut options = self.options;
        options.seed ^= 0xdead;
        let mut room = self.room;
        if options.canary == Canary::SellsTwice {
            room.seats *= 2;
        }
        let now = self.world.now;
        let next = after_a_kill(now, options, room, &mut self.rng);
        self.world.serving.start_again(now, next, shards(self.room, &mut self.rng));
        self.world.repeat(COPIES_FOR, asks_the_factory);
        for member in &mut self.members {
            // Whoever is on his way goes on: his INVITE comes again until it is answered.
            let is_in = |it: &usize| self.world.terminals[*it].is_in_conference();
            let Some(terminal) = member.terminal.filter(is_in) else { continue };
            self.world.terminals[terminal].leave(now);
            member.terminal = None;
            member.calls_at = now + Duration::from_millis(500 + self.rng.below(4_000));
        }
        self.world.settle();
    }

    /// Everybody leaves.
    pub(crate) fn leave(&mut self) {
        let now = self.world.now;
        self.world.terminals.iter_mut().for_each(|terminal| terminal.leave(now));
        self.world.settle();
    }

    /// Whether nobody is missing.
    pub(crate) fn missing(&self) -> Vec<Broken> {
        let is_in = |member: &&Member| member.terminal.is_some_and(|it| self.is_in(it));
        let (all, present) = (self.members.len(), self.members.iter().filter(is_in).count());
        (present..all).map(|_| Broken::NotJoined { who: "caller" }).collect()
    }

    fn is_in(&self, terminal: usize) -> bool {
        self.world.terminals.get(terminal).is_some_and(Terminal::is_in_conference)
    }

    /// Whoever calls one URI is in one conference with all others who do, at one mixer.
    pub(crate) fn apart(&self) -> Vec<Broken> {
        let status = self.world.serving.node.status(self.world.now);
        let mut broken = Vec::new();
        let mut called = 0;
        for (conference, uri) in &self.uris {
            let of = |member: &&Member| member.conference == *conference;
            let terminals = self.members.iter().filter(of).filter_map(|member| member.terminal);
            let callers = terminals.filter(|terminal| self.is_in(*terminal)).count();
            let uri = uri.to_string();
            let found = status.conferences.iter().filter(|it| it.uri == uri);
            let legs: Vec<usize> = found.map(|it| it.legs.len()).filter(|legs| *legs > 0).collect();
            called += usize::from(callers > 0);
            let all: Vec<usize> = (callers > 0).then_some(callers).into_iter().collect();
            if legs != all {
                broken.push(Broken::Apart { uri, callers, legs });
            }
        }
        let shards = &self.world.serving.shards;
        let mixed = shards.iter().map(|shard| shard.leftovers().conferences).sum();
        if mixed != called {
            broken.push(Broken::Conferences { mixed, called });
        }
        broken
    }

    /// No mixer promises more than it has, and none has more legs.
    fn above_capacity(&self) -> Vec<Broken> {
        let mut promised = BTreeMap::new();
        for hold in self.world.serving.node.holds() {
            *promised.entry(hold.mixer).or_insert(0) += hold.seats.max(hold.used);
        }
        for (number, shard) in (0_u16..).zip(&self.world.serving.shards) {
            let legs = u32::try_from(shard.leftovers().ports).unwrap_or(u32::MAX);
            let seats = promised.entry(format!("1/{number}")).or_insert(0);
            *seats = legs.max(*seats);
        }
        let above = promised.into_iter().filter(|(_, seats)| *seats > self.room.seats);
        above.map(|(mixer, seats)| Broken::AboveCapacity { mixer, seats }).collect()
    }

    /// Reservations that were answered are there as they were promised.
    pub(crate) fn lost_reservations(&self) -> Vec<Broken> {
        let world = &self.world;
        let found = world.serving.node.reservations(world.now);
        let is_there = |promised: &&node::ReservationStatus| {
            let is_it = |it: &&node::ReservationStatus| it.conference == promised.conference;
            found.iter().find(is_it).is_some_and(|it| {
                (it.legs, it.from, it.until) == (promised.legs, promised.from, promised.until)
            })
        };
        let lost = world.serving.reserved.iter().filter(|it| !is_there(it));
        lost.map(|it| Broken::LostReservation { conference: it.conference.clone() }).collect()
    }

    /// Legs of the mixer with the fewest and of the one with the most.
    pub(crate) fn spread(&self) -> (usize, usize) {
        let legs = || self.world.serving.shards.iter().map(|shard| shard.leftovers().ports);
        (legs().min().unwrap_or(0), legs().max().unwrap_or(0))
    }

    /// Nothing is promised any more to anybody, in memory or on the disk.
    pub(crate) fn endless_holds(&self) -> Vec<Broken> {
        let serving = &self.world.serving;
        let left = [
            serving.node.holds().len(),
            serving.node.reservations(self.world.now).len(),
            serving.disk.as_ref().map_or(0, |disk| disk.conferences.len()),
        ];
        if left == [0; 3] { Vec::new() } else { vec![Broken::EndlessHold { left }] }
    }
}

fn asks_the_factory(sniffed: &Sniffed) -> bool {
    match &sniffed.message {
        Message::Request(request) => {
            let is_of_factory = request.uri.to_string().starts_with(&factory_uri().to_string());
            request.method == Method::Invite && is_of_factory
        }
        Message::Response(_) => false,
    }
}

fn shards(room: Room, rng: &mut Rng) -> Vec<Shard> {
    (0..room.shards).map(|_| Shard::new(SHARD, rng.fork())).collect()
}

/// The node of a process that begins now.
fn node(now: Instant, options: Options, room: Room, rng: &mut Rng) -> Node {
    start(now, config(options, room), rng)
}

fn after_a_kill(now: Instant, options: Options, room: Room, rng: &mut Rng) -> Node {
    let config = config(options, room);
    let keys = match options.canary {
        Canary::OtherKeys => Keys { identity: [9; 32], ..config.keys },
        Canary::None
        | Canary::CrossesLegs
        | Canary::DiskForgets
        | Canary::EndlessHolds
        | Canary::ForgetsWhoAsked
        | Canary::LeaksPorts
        | Canary::Lopsided
        | Canary::SellsTwice
        | Canary::TwoProcesses => config.keys,
    };
    start(now, NodeConfig { keys, ..config }, rng)
}

fn start(now: Instant, config: NodeConfig, rng: &mut Rng) -> Node {
    let wall = WALL.after(now.since(Instant::ZERO));
    Node::new(config, now, wall, rng.fork())
        .expect("invariant: the configuration of the simulation is sound")
}

fn config(options: Options, room: Room) -> NodeConfig {
    let config = node_config(SocketAddr::from(NODE_SIP), options);
    let costs = CostModel::default();
    let mut each = vec![costs.plain_leg().times(room.seats); usize::from(room.shards)];
    if options.canary == Canary::Lopsided {
        each[0] = costs.plain_leg().times(10 * room.seats);
    }
    let factory = |it: FactoryConfig| FactoryConfig { hold: HOLD, ..it };
    NodeConfig {
        media_advertise: (0..room.shards).map(|shard| vec![media_ip(shard)]).collect(),
        pool: PoolConfig::of_shards(each, costs),
        factories: config.factories.into_iter().map(factory).collect(),
        ..config
    }
}

/// How often it is looked whether somebody's time has come.
const SLICE: Duration = Duration::from_millis(100);

/// Whoever does not know yet where to call asks again so soon.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Longer than it takes an asker to call, whatever is lost.
const HOLD: Duration = Duration::from_secs(120);

/// Copies of a request come within 64*T1 (RFC 3261 §17.1.1.2).
const COPIES_FOR: Duration = Duration::from_secs(32);
