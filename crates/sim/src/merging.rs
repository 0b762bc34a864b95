//! "I talk to bob and to carol: make us one conference", by a seed.

use std::time::Duration;

use ua::{
    MergeOutcome, MergeStep, Phone, PhoneCommand, PhoneConfig, PhoneNews, TrustPolicy, UaConfig,
};
use units::Rng;

use crate::check;
use crate::scenario::{
    AFTER, Options, Report, answerer_trusting, build_with, factory_uri, leave, listen, slots,
    sockets, uri_of,
};
use crate::terminal::{Machine, Terminal};
use crate::world::World;

/// What became of the merge, beside what is always checked.
#[derive(Debug)]
pub struct Merged {
    /// The world at its end, and every promise that was broken.
    pub report: Report,
    /// How the merge ended; `None`: it did not.
    pub outcome: Option<MergeOutcome>,
    /// Calls that alice had when it had ended: the one to the conference, and those that stayed.
    pub talks: usize,
}

/// A call may be placed anew, and a lost REFER answered late: all of it, and some.
const WITHIN: Duration = Duration::from_secs(120);

/// Whether bob calls whom alice asks him to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bob {
    /// He does.
    Follows,
    /// He takes no REFER: the conference has to fetch him.
    Stays,
}

/// Alice calls bob, then carol, then merges. All three talk, they leave, and everything is given back.
pub fn run(options: Options, bob: Bob) -> Merged {
    let mut world = build_with(options, |_, rng| phone(("alice", 440.0), 1, rng));
    if bob == Bob::Stays {
        let nobody = TrustPolicy { loopback: false, callers: false, patterns: Vec::new() };
        let mut rng = Rng::from_number(options.seed);
        world.terminals[1] = answerer_trusting(nobody, ("bob", 700.0), 2, &mut rng);
    }
    let mut broken = Vec::new();
    for peer in [1, 2] {
        let target = uri_of(&world.terminals[peer]);
        command(&mut world, PhoneCommand::Call(target));
        world.run_until(WITHIN, |world| world.terminals[0].talks() == peer);
    }
    command(&mut world, PhoneCommand::Merge);
    world.run_until(WITHIN, |world| outcome(world).is_some());
    let outcome = outcome(&world);
    // The last BYEs, and the first words.
    world.run_for(Duration::from_secs(2));
    let talks = world.terminals[0].talks();
    listen(&mut world);
    broken.extend(check::all_joined(&world));
    broken.extend(check::who_hears_whom(&world));
    broken.extend(check::one_uri_and_one_hold(&world, 1));
    if bob == Bob::Follows {
        broken.extend(check::uri_passed_on(&world));
    }
    leave(&mut world, options.end);
    world.run_for(AFTER);
    broken.extend(check::nothing_left_over(&world));
    Merged { report: Report { world, broken }, outcome, talks }
}

fn command(world: &mut World, command: PhoneCommand) {
    let now = world.now;
    world.terminals[0].command(now, command);
    world.settle();
}

fn outcome(world: &World) -> Option<MergeOutcome> {
    world.terminals[0].news.iter().find_map(|(_, news)| match news {
        PhoneNews::Merge(MergeStep::Ended(outcome)) => Some(outcome.clone()),
        _ => None,
    })
}

pub(crate) fn phone((name, tone_hz): (&'static str, f64), number: u8, rng: &mut Rng) -> Terminal {
    let (sip, media) = sockets(number);
    let config = PhoneConfig {
        ua: UaConfig::new(name, sip),
        trust: TrustPolicy::default(),
        factory: Some(factory_uri()),
        media: slots(&media),
    };
    let phone = Phone::new(config, rng.fork());
    Terminal::new((name, tone_hz), sip, media, Machine::Phone(Box::new(phone)), rng.fork())
}
