//! The main flow on a network that loses so much that some transactions fail, as the RFC's timers allow.
//!
//! Seven copies of an INVITE can all be lost. Then somebody is not in, and that is right: but only then, and only if
//! somebody was told. So what must hold is this: each participant is in and is heard by all others who are, or a failure of
//! his was reported, and before it some message had been sent as often as RFC 3261 §17.1 asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::{HeaderName, Message};
use ua::{AnswererEvent, Step};

use crate::check::{self, Broken};
use crate::scenario::{self, Options, Report};
use crate::terminal::Terminal;
use crate::world::World;

/// By now everybody is in or has given up: a subscription lasts up to 300 s, two transactions before it 32 s each.
const SETTLED_WITHIN: Duration = Duration::from_secs(400);

/// As often is an INVITE sent before it is given up: at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s (RFC 3261 §17.1.1.2).
/// Everything else that is resent, is so more often.
const COPIES: usize = 7;

/// Runs the flow, and checks it by what the timers allow.
pub fn run(options: Options) -> Report {
    let mut world = scenario::build(options);
    let is_settled =
        |world: &World| untold(world).is_empty() && check::are_answers_known(world, options.refer);
    world.run_until(SETTLED_WITHIN, is_settled);
    let mut broken = untold(&world);
    broken.extend(gave_up_early(&world));
    world.run_for(Duration::from_secs(1));
    scenario::listen(&mut world);
    broken.extend(check::who_hears_whom(&world));
    broken.extend(check::one_uri(&world));
    broken.extend(check::uri_passed_on(&world));
    scenario::leave(&mut world, options.end);
    world.run_for(SETTLED_WITHIN);
    broken.extend(check::nothing_left_over(&world));
    Report { world, broken }
}

/// How many of how many are in, in the end.
pub fn turnout(world: &World) -> (usize, usize) {
    let is_in = |step: &&(_, Step)| matches!(step.1, Step::Joined { .. });
    let convened = world.terminals[0].steps.iter().filter(is_in).count().min(1);
    let joined = |terminal: &&Terminal| {
        let is_in = |event: &(_, AnswererEvent)| {
            matches!(event.1, AnswererEvent::Joined { conference: Some(_), .. })
        };
        terminal.events.iter().any(is_in)
    };
    (convened + world.terminals.iter().filter(joined).count(), world.terminals.len())
}

/// Who is neither in nor known not to come.
fn untold(world: &World) -> Vec<Broken> {
    let missing = world.terminals.iter().enumerate().filter(|(_, it)| !it.is_in_conference());
    let untold = missing.filter(|(index, terminal)| !is_told(world, *index, terminal));
    untold.map(|(_, terminal)| Broken::NotJoined { who: terminal.name }).collect()
}

/// Whether a failure of this one was reported, by himself or by alice, who asked him to come.
fn is_told(world: &World, index: usize, terminal: &Terminal) -> bool {
    let by_alice = world.terminals[0].steps.iter().any(|(_, step)| match step {
        Step::Ended { .. } => true,
        Step::InviteeRefused { invitee, .. } => invitee + 1 == index,
        _ => false,
    });
    // Of his call to the conference; the one in which he was referred comes and goes.
    let referred = terminal.events.iter().filter_map(|(_, event)| match event {
        AnswererEvent::Referred { call, .. } => Some(*call),
        _ => None,
    });
    let referred: Vec<_> = referred.collect();
    let by_himself = terminal.events.iter().any(|(_, event)| match event {
        AnswererEvent::Failed { call, .. } | AnswererEvent::Ended { call, .. } => {
            referred.contains(call)
        }
        _ => false,
    });
    by_alice || by_himself
}

/// Who is not in although nothing between him and the others was tried as often as it must be.
fn gave_up_early(world: &World) -> Vec<Broken> {
    let mut copies: BTreeMap<_, usize> = BTreeMap::new();
    for sniffed in &world.sniffed {
        let start = match &sniffed.message {
            Message::Request(request) => request.method.as_str().to_owned(),
            Message::Response(response) => response.status.code().to_string(),
        };
        let via = sniffed.header(&HeaderName::Via).unwrap_or_default();
        let cseq = sniffed.header(&HeaderName::CSeq).unwrap_or_default();
        let hosts = (sniffed.from.ip(), sniffed.to.ip());
        *copies.entry((hosts, start, via, cseq)).or_default() += 1;
    }
    let is_exhausted = |terminal: &Terminal| {
        let host = terminal.sip.ip();
        let mut of = copies.iter().filter(|((hosts, ..), _)| hosts.0 == host || hosts.1 == host);
        of.any(|(_, &count)| count >= COPIES)
    };
    let alice = &world.terminals[0];
    let missing = world.terminals.iter().filter(|terminal| !terminal.is_in_conference());
    let early = missing.filter(|terminal| {
        // Whom alice never could invite has nothing to try.
        let is_uninvited = !alice.is_in_conference() && terminal.name != alice.name;
        !is_exhausted(terminal) && !is_uninvited
    });
    early.map(|terminal| Broken::GaveUpEarly { who: terminal.name }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Faults;

    fn lossy(seed: u64, loss_percent: f64) -> Options {
        let drawn = Options::drawn(seed);
        Options { signalling: Faults { loss_percent, ..drawn.signalling }, ..drawn }
    }

    /// A world in which nobody is in, because nothing gets through.
    fn silence() -> World {
        let mut world = scenario::build(lossy(1, 100.0));
        world.run_until(SETTLED_WITHIN, |world| untold(world).is_empty());
        world
    }

    #[test]
    fn who_gave_up_as_the_timers_allow_is_no_failure() {
        let report = run(lossy(1, 100.0));
        assert_eq!(report.broken, []);
        assert!(!check::all_joined(&report.world).is_empty());
    }

    #[test]
    fn canary_a_failure_that_nobody_was_told_of_is_caught() {
        let mut world = silence();
        assert_eq!(untold(&world), []);
        world.terminals[0].steps.clear();
        assert_eq!(untold(&world).len(), 3);
    }

    #[test]
    fn canary_giving_up_after_fewer_copies_is_caught() {
        let mut world = silence();
        assert_eq!(gave_up_early(&world), []);
        world.sniffed.truncate(COPIES - 1);
        assert_eq!(gave_up_early(&world), [Broken::GaveUpEarly { who: "alice" }]);
    }
}
