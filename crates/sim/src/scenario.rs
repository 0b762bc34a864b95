//! The main flow, start to end, by a seed.

use std::net::SocketAddr;
use std::time::Duration;

use focus::factory::{AnswerForm, FactoryConfig};
use focus::{DialRule, DialRules, EndPolicy};
use mix::Shard;
use node::{Keys, Node, NodeConfig, SipListen};
use pool::{Key, PoolConfig, Seats, TokenKeys};
use sip::{Host, SipUri, Uri};
use ua::{
    Answerer, AnswererConfig, Convener, ConvenerConfig, MediaSlot, Pattern, ReferMode, TrustPolicy,
    UaConfig,
};
use units::{Instant, Rng, UnixTime};

use crate::check::{self, Broken};
use crate::network::{Faults, Network};
use crate::serving::{SHARD, Serving, media_ip};
use crate::terminal::{Machine, Terminal};
use crate::watching::Watching;
use crate::world::{Canary, World};

/// How a run differs from others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What the network does to SIP messages.
    pub signalling: Faults,
    /// What the network does to RTP packets.
    pub media: Faults,
    /// How the first terminal refers the others.
    pub refer: ReferMode,
    /// How the factory answers.
    pub answer: AnswerForm,
    /// When the conference ends.
    pub end: EndPolicy,
    /// A fault that must be caught.
    pub canary: Canary,
    /// What happens in the middle.
    pub trouble: Option<Trouble>,
}

/// Something that happens in the middle of the flow, so that it cannot come to its good end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What.
    pub kind: TroubleKind,
    /// When, from the start.
    pub at: Duration,
}

/// Kinds of [`Trouble`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Nothing reaches this terminal any more, and it cannot be told so.
    Deaf(Who),
    /// Nothing comes from this terminal any more.
    Mute(Who),
    /// Both: its battery is out.
    Gone(Who),
    /// The first terminal leaves, whatever is going on.
    Leaves,
    /// The node is told to shut down.
    Shutdown,
}

/// A terminal of the main flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The first one.
    Alice,
    /// The one she refers first.
    Bob,
}

impl Options {
    /// A network without faults.
    pub const fn calm(seed: u64) -> Self {
        Self {
            seed,
            signalling: Faults::NONE,
            media: Faults::NONE,
            refer: ReferMode::Outside,
            answer: AnswerForm::Redirect,
            end: EndPolicy::LastLeaves,
            canary: Canary::None,
            trouble: None,
        }
    }

    /// Faults, refer mode and end policy drawn by the seed: up to 10 % of the SIP messages lost, 5 %
    /// repeated, up to 80 ms on the way; up to 3 % of the RTP packets lost, 2 % repeated, up to 20 ms
    /// of jitter, which reorders some.
    pub fn drawn(seed: u64) -> Self {
        let mut rng = Rng::from_number(seed);
        let mut up_to = |most: u32| f64::from(rng.u32() % (most * 10 + 1)) / 10.0;
        let signalling = Faults {
            loss_percent: up_to(10),
            duplicate_percent: up_to(5),
            delay_min: Duration::from_millis(1),
            delay_max: Duration::from_millis(80),
        };
        let media = Faults {
            loss_percent: up_to(3),
            duplicate_percent: up_to(2),
            delay_min: Duration::from_millis(5),
            delay_max: Duration::from_millis(25),
        };
        let refer = [ReferMode::Auto, ReferMode::Outside, ReferMode::Inside, ReferMode::Focus];
        let end = [EndPolicy::LastLeaves, EndPolicy::CreatorLeaves];
        let refer = refer[usize::try_from(rng.below(4)).unwrap_or(0)];
        let end = end[usize::try_from(rng.below(2)).unwrap_or(0)];
        Self { signalling, media, refer, end, ..Self::calm(seed) }
    }
}

/// What a run showed.
#[derive(Debug)]
pub struct Report {
    /// The world at its end.
    pub world: World,
    /// Every promise that was broken.
    pub broken: Vec<Broken>,
}

pub(crate) const NODE_SIP: ([u8; 4], u16) = ([10, 0, 0, 1], 5060);

/// Runs the main flow: alice asks for a conference, refers bob and carol to it, all three talk, they
/// leave, and everything is given back.
pub fn run(options: Options) -> Report {
    let mut world = build(options);
    let mut broken = Vec::new();
    if let Some(trouble) = options.trouble {
        return run_into(world, trouble);
    }
    let everybody_in = |world: &World| {
        check::all_joined(world).is_empty() && check::are_answers_known(world, options.refer)
    };
    if world.run_until(JOIN_WITHIN, everybody_in) {
        watch(&mut world, options.seed);
        // The jitter buffers fill, the last one's first words arrive.
        world.run_for(Duration::from_secs(1));
        listen(&mut world);
        broken.extend(check::who_hears_whom(&world));
        world.run_until(TOLD_WITHIN, |world| check::same_roster(world).is_empty());
        broken.extend(check::same_roster(&world));
    } else {
        broken.extend(check::all_joined(&world));
    }
    broken.extend(check::one_uri_and_one_hold(&world, 1));
    broken.extend(check::uri_passed_on(&world));
    leave(&mut world, options.end);
    world.run_for(AFTER);
    broken.extend(check::nothing_left_over(&world));
    Report { world, broken }
}

/// All listen for two seconds.
pub(crate) fn listen(world: &mut World) {
    for terminal in &mut world.terminals {
        terminal.listening = true;
    }
    world.run_for(Duration::from_secs(2));
    for terminal in &mut world.terminals {
        terminal.listening = false;
    }
}

/// Somebody begins to watch the conference from outside.
fn watch(world: &mut World, seed: u64) {
    let Some(conference) = world.terminals.iter().find_map(Terminal::conference) else { return };
    let rng = Rng::from_number(seed ^ 0xda7e);
    world.watching = Some(Watching::new(world.now, sockets(4).0, conference, rng));
    world.settle();
}

/// As [`run`], up to some trouble: not everybody need get in, but everybody gets out, and everything
/// is given back.
fn run_into(mut world: World, trouble: Trouble) -> Report {
    world.run_for(trouble.at);
    let now = world.now;
    match trouble.kind {
        TroubleKind::Deaf(who) => world.network.make_deaf(world.terminals[who as usize].sip.ip()),
        TroubleKind::Mute(who) => world.network.make_mute(world.terminals[who as usize].sip.ip()),
        TroubleKind::Gone(who) => {
            let host = world.terminals[who as usize].sip.ip();
            world.network.make_deaf(host);
            world.network.make_mute(host);
        }
        TroubleKind::Leaves => world.terminals[0].leave(now),
        TroubleKind::Shutdown => world.serving.shutdown(now),
    }
    world.settle();
    world.run_for(Duration::from_secs(20));
    let now = world.now;
    for terminal in &mut world.terminals {
        terminal.leave(now);
    }
    world.settle();
    world.run_for(AFTER_TROUBLE);
    let mut broken = check::one_uri(&world);
    broken.extend(check::uri_passed_on(&world));
    broken.extend(check::nothing_left_over(&world));
    Report { world, broken }
}

/// Everybody leaves: alice first. Where her leaving ends the conference, the others are hung up.
pub(crate) fn leave(world: &mut World, end: EndPolicy) {
    let now = world.now;
    world.terminals[0].leave(now);
    world.settle();
    if end == EndPolicy::CreatorLeaves {
        world.run_until(Duration::from_secs(40), |world| {
            !world.terminals.iter().any(Terminal::is_in_conference)
        });
    } else {
        world.run_for(Duration::from_secs(1));
    }
    let now = world.now;
    for terminal in &mut world.terminals[1..] {
        terminal.leave(now);
    }
    world.settle();
}

/// A change is told within 5 s, and a NOTIFY that is lost comes again, ten times in 32 s.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// All of a lost REFER, the call instead of it, and its retransmissions: two times 64*T1 and some.
const JOIN_WITHIN: Duration = Duration::from_secs(90);

/// Longer than any transaction lives: 64*T1 = 32 s for BYE, 32 s more for what it waited for, and the
/// activation deadline of the hold.
pub(crate) const AFTER: Duration = Duration::from_secs(150);

/// A leg that is silent is found out after 30 s, asked for 32 s and waited for as long again; a
/// subscription lasts up to 300 s, and its last NOTIFY 32 s.
const AFTER_TROUBLE: Duration = Duration::from_secs(400);

/// The address that makes conferences.
pub(crate) fn factory_uri() -> Uri {
    let sip = SocketAddr::from(NODE_SIP);
    Uri::Sip(SipUri::new(Host::from(sip.ip()), Some(sip.port())).with_user("conference"))
}

pub(crate) fn build(options: Options) -> World {
    build_with(options, |invitees, rng| {
        convener(Instant::ZERO, (factory_uri(), invitees), options.refer, 1, rng)
    })
}

/// The world with another first terminal.
pub(crate) fn build_with(
    options: Options,
    first: impl FnOnce(Vec<Uri>, &mut Rng) -> Terminal,
) -> World {
    let mut rng = Rng::from_number(options.seed ^ 0x5eed);
    let network = Network::new(options.signalling, options.media, rng.fork());
    let sip = SocketAddr::from(NODE_SIP);
    let ours = "10.0.0.0/8".parse().expect("invariant: a network");
    let allow = vec![DialRule::Network(ours)];
    let node = Node::new(node_config(sip, options), Instant::ZERO, WALL, rng.fork())
        .expect("invariant: the configuration of the simulation is sound")
        .with_dial_out(DialRules { allow, ..DialRules::default() });
    let serving = Serving::new(node, vec![Shard::new(SHARD, rng.fork())], sip, options.canary);
    let bob = answerer("bob", 700.0, 2, &mut rng);
    let carol = answerer("carol", 1_000.0, 3, &mut rng);
    let invitees = vec![uri_of(&bob), uri_of(&carol)];
    let alice = first(invitees, &mut rng);
    World::new(network, serving, vec![alice, bob, carol])
}

pub(crate) fn node_config(sip: SocketAddr, options: Options) -> NodeConfig {
    NodeConfig {
        node: 1,
        listens: vec![SipListen { bind: sip, advertise: (sip.ip().into(), sip.port()) }],
        media_advertise: vec![vec![media_ip(0)]],
        factories: vec![FactoryConfig {
            users: vec!["conference".to_owned()],
            hosts: vec![sip.ip().to_string()],
            answer: options.answer,
            answer_rules: Vec::new(),
            hold: Duration::from_secs(60),
            expect: 4,
            end: options.end,
            legs_max: None,
            max_time: None,
            entry: focus::EntryRules::default(),
        }],
        pool: PoolConfig::new(Seats(32)),
        keys: Keys {
            identity: [1; 32],
            stateless: [2; 32],
            token: TokenKeys { current: Key::new(1, [3; 32]), previous: Vec::new() },
        },
    }
}

pub(crate) fn sockets(number: u8) -> (SocketAddr, Vec<SocketAddr>) {
    let ip = [10, 0, 1, number];
    (
        SocketAddr::from((ip, 5060)),
        [4000, 4002, 4004].map(|port| SocketAddr::from((ip, port))).into(),
    )
}

pub(crate) fn uri_of(terminal: &Terminal) -> Uri {
    let host = Host::from(terminal.sip.ip());
    Uri::Sip(SipUri::new(host, Some(terminal.sip.port())).with_user(terminal.name))
}

pub(crate) fn slots(addresses: &[SocketAddr]) -> Vec<MediaSlot> {
    addresses.iter().map(|&advertised| MediaSlot { advertised, keys: false }).collect()
}

/// Somebody who asks this factory for a conference with these, at once.
pub(crate) fn convener(
    now: Instant,
    (factory, invitees): (Uri, Vec<Uri>),
    refer: ReferMode,
    number: u8,
    rng: &mut Rng,
) -> Terminal {
    let (sip, media) = sockets(number);
    let config = ConvenerConfig {
        ua: UaConfig::new("alice", sip),
        factory,
        invitees,
        refer,
        stay: None,
        media: slots(&media),
    };
    let convener = Convener::new(now, config, rng.fork())
        .expect("invariant: the convener of the simulation is sound");
    Terminal::new(("alice", 440.0), sip, media, Machine::Convener(Box::new(convener)), rng.fork())
}

fn answerer(name: &'static str, tone_hz: f64, number: u8, rng: &mut Rng) -> Terminal {
    let trust = TrustPolicy { patterns: vec![Pattern::Anyone], ..TrustPolicy::default() };
    answerer_trusting(trust, (name, tone_hz), number, rng)
}

pub(crate) fn answerer_trusting(
    trust: TrustPolicy,
    (name, tone_hz): (&'static str, f64),
    number: u8,
    rng: &mut Rng,
) -> Terminal {
    let (sip, media) = sockets(number);
    let config = AnswererConfig {
        ua: UaConfig::new(name, sip),
        trust,
        media: slots(&media),
        once: false,
        watches: false,
    };
    let answerer = Answerer::new(config, rng.fork());
    Terminal::new((name, tone_hz), sip, media, Machine::Answerer(Box::new(answerer)), rng.fork())
}

/// A Monday in November 2026.
pub(crate) const WALL: UnixTime = UnixTime(1_795_400_000);
