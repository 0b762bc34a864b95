//! More comes than can be done.

mod known;
mod standstill;
mod upstream;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use node::{ExplainQuery, Notice, OverloadConfig, WAIT_MAX};
use sip::{Arrival, HeaderName, Packet, Transport};

use crate::rig::{Caller, FACTORY, Rig, header};
use world::{CAPACITY, World, stranger};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(100);

/// How long it may take until the rate is found: not measured.
const SETTLING: Duration = Duration::from_secs(2);

/// T23, T24 · from one to ten times what it can do: nine tenths of that are done and more, nobody who is served waits long, and every
/// BYE is answered at once.
#[test]
fn at_ten_times_the_load_nine_tenths_of_the_capacity_are_served_and_every_bye() {
    for times in [1, 2, 5, 10] {
        let mut world = World::new(OverloadConfig::default());
        let mut legs: Vec<Caller> = (0..40).map(|n| stranger("leg", n, n)).collect();
        let uri = world.rig.conference(&legs[0]);
        for leg in &mut legs {
            assert_eq!(world.rig.join(leg, &uri).status.code(), 200);
        }
        world.crowd(SETTLING + 8 * SECOND, times * CAPACITY);
        world.run(SETTLING);
        world.answers.clear();
        for (leg, n) in legs.iter_mut().zip(0..) {
            leg.cseq += 1;
            let bye = leg.request("BYE", &uri);
            world.send(world.rig.now + MOMENT * n, leg, bye);
        }
        world.run(8 * SECOND);
        let (goodput, capacity) = (world.in_time(302), 8 * CAPACITY as usize);
        assert!(goodput * 10 >= capacity * 9, "{times}: {goodput} of {capacity}");
        assert!(world.p99(302) < MOMENT, "{times}: {:?}", world.p99(302));
        assert_eq!(
            (world.in_time(200), world.rig.used_and_held().0),
            (40, 0),
            "{times}: all have left"
        );
        assert!(world.p99(200) < MOMENT / 5, "{times}: {:?}", world.p99(200));
        let overload = world.rig.node.figures().overload;
        assert_eq!((overload.is_limiting, world.count(503) > 0), (times > 1, times > 1), "{times}");
    }
}

/// T23 · the canary: a server that serves in the order of arrival answers nobody in time, whoever he is.
#[test]
fn canary_without_control_nothing_is_done_in_time() {
    let mut world = World::without_control();
    world.crowd(SETTLING + 8 * SECOND, 10 * CAPACITY);
    world.run(SETTLING);
    world.answers.clear();
    world.run(8 * SECOND);
    assert_eq!(world.in_time(302), 0);
    assert!(world.count(302) > 3_000, "it works all the time");
}

/// When load falls, all are admitted again, and nobody is told to come later any more.
#[test]
fn it_is_over_when_it_is_over() {
    let mut world = World::new(OverloadConfig::default());
    world.crowd(2 * SECOND, 5 * CAPACITY);
    world.run(2 * SECOND);
    assert!(world.rig.node.figures().overload.is_limiting);
    for _ in 0..8 {
        world.crowd(SECOND, CAPACITY / 2);
        world.run(SECOND);
    }
    assert!(!world.rig.node.figures().overload.is_limiting);
    world.answers.clear();
    world.crowd(SECOND, CAPACITY / 2);
    world.run(SECOND + MOMENT);
    assert_eq!((world.count(302), world.count(503)), (CAPACITY as usize / 2, 0));
}

/// A burst, and a machine that stood still for a while, are no overload: everybody is served.
#[test]
fn a_burst_and_a_pause_are_no_overload() {
    let mut world = World::new(OverloadConfig::default());
    // Work for 80 ms.
    for n in 0..40 {
        world.call(world.rig.now, &stranger("burst", n, n), FACTORY);
    }
    world.run(SECOND);
    assert_eq!((world.count(302), world.count(503)), (40, 0));
    // Its clock went on, and it did not.
    for n in 40..50 {
        world.call(world.rig.now, &stranger("pause", n, n), FACTORY);
    }
    world.rig.now += 3 * SECOND;
    world.run(SECOND);
    assert_eq!((world.count(302), world.count(503)), (50, 0));
    assert!(WAIT_MAX < 3 * SECOND);
}

/// What a caller has come to; times in tenths of a second.
#[derive(Debug)]
enum Came {
    /// Asks since then, for the first or second time, and has sent it so often.
    Asks { since: u64, call: u8, copies: u32 },
    /// Was refused, and comes again then.
    Waits(u64),
    /// Has his conference, after so many calls.
    Has(u8),
}

/// T20, T24 · ten thousand forged INVITEs a second, twenty times what can be served, each in another name: whoever has acknowledged an
/// answer before is served at once; a stranger when his phone has sent his INVITE again for want of an answer, or by his next
/// call, since he has acknowledged the refusal of the first.
#[test]
fn no_honest_caller_is_starved_by_ten_thousand_forged_invites_a_second() {
    let mut world = World::new(OverloadConfig::default());
    for n in 0..10 {
        world.call(world.rig.now, &stranger("regular", n, n), FACTORY);
    }
    world.forged(SETTLING, 10_000);
    world.run(SETTLING);
    let mut strangers: BTreeMap<String, (Caller, Came)> = BTreeMap::new();
    for n in 0..10 {
        let mut regular = stranger("regular", n, n);
        regular.call_id += "-again";
        world.call(world.rig.now + MOMENT * n, &regular, FACTORY);
        let alice = stranger("alice", n, 100 + n);
        world.call(world.rig.now + MOMENT * n, &alice, FACTORY);
        strangers.insert(
            alice.call_id.clone(),
            (alice, Came::Asks { since: u64::from(n), call: 1, copies: 1 }),
        );
    }
    world.answers.clear();
    let (mut tenths, mut regulars) = (0_u64, Vec::new());
    while strangers.values().any(|(_, came)| !matches!(came, Came::Has(_))) {
        tenths += 1;
        assert!(tenths < 200, "20 s are enough for 10 s of Retry-After: {strangers:?}");
        world.forged(MOMENT, 10_000);
        world.run(MOMENT);
        for answer in std::mem::take(&mut world.answers) {
            let name = answer.call_id.clone();
            if name.starts_with("regular") {
                regulars.push((answer.status(), answer.waited));
            }
            let Some((_, came)) = strangers.get_mut(&name) else { continue };
            *came = match (answer.status(), &came) {
                (302, Came::Asks { call, .. }) => Came::Has(*call),
                (503, Came::Asks { call: 1, .. }) => {
                    let retry =
                        answer.response.headers.retry_after().expect("read").expect("there");
                    Came::Waits(tenths + 10 * u64::from(retry.seconds) + u64::from(retry.seconds))
                }
                (status, _) => panic!("{name} got {status} after {came:?}"),
            };
        }
        for (caller, came) in strangers.values_mut() {
            match came {
                // RFC 3261 §17.1.1.2: after 0.5, 1.5, 3.5, 7.5 s.
                Came::Asks { since, copies, .. }
                    if tenths == *since + 5 * (2_u64.pow(*copies) - 1) =>
                {
                    *copies += 1;
                    world.call(world.rig.now, caller, FACTORY);
                }
                Came::Waits(until) if *until <= tenths => {
                    caller.cseq += 1;
                    caller.rebranch();
                    world.call(world.rig.now, caller, FACTORY);
                    *came = Came::Asks { since: tenths, call: 2, copies: 1 };
                }
                Came::Asks { .. } | Came::Waits(_) | Came::Has(_) => {}
            }
        }
    }
    let first = |(_, came): &&(Caller, Came)| matches!(came, Came::Has(1));
    assert!(strangers.values().filter(first).count() >= 8, "{strangers:?}");
    assert_eq!(regulars.len(), 10);
    assert!(regulars.iter().all(|(status, waited)| (*status, *waited < MOMENT) == (302, true)));
    let figures = world.rig.node.figures();
    assert!(figures.tallies.shed.of(node::Shed::Refusals) > 10_000, "not all can be answered");
}

/// One proved address that asks without end takes no other one its place.
#[test]
fn a_proved_address_has_its_part_and_no_more() {
    let mut world = World::new(OverloadConfig::default());
    let mut mallory = stranger("mallory", 0, 1);
    world.call(world.rig.now, &mallory, FACTORY);
    world.call(world.rig.now, &stranger("alice", 0, 2), FACTORY);
    world.run(SECOND);
    for n in 0..40_000 {
        mallory.call_id = format!("mallory-{n}");
        let at = world.rig.now + Duration::from_micros(200) * n;
        world.call(at, &mallory, FACTORY);
    }
    world.run(SETTLING);
    for n in 1..20 {
        world.call(world.rig.now + MOMENT * n, &stranger("alice", n, 2), FACTORY);
    }
    world.answers.clear();
    world.run(3 * SECOND);
    let alice = |it: &&world::Answer| it.call_id.starts_with("alice");
    let hers: Vec<_> = world.answers.iter().filter(alice).map(world::Answer::status).collect();
    assert_eq!(hers, [302; 19]);
    assert!(world.count(302) > 1_000, "he has what nobody else wants");
}

/// T24 · whoever calls a conference that there is, is let in while new ones are refused.
#[test]
fn a_conference_that_there_is_can_be_called() {
    let mut world = World::new(OverloadConfig::default());
    let mut creator = stranger("creator", 0, 1);
    let uri = world.rig.conference(&creator);
    world.rig.join(&mut creator, &uri);
    world.crowd(5 * SECOND, 10 * CAPACITY);
    world.run(SETTLING);
    world.answers.clear();
    for n in 0..20 {
        world.call(world.rig.now + MOMENT * n, &stranger("guest", n, 0x2000 + n), &uri);
    }
    world.run(3 * SECOND);
    assert_eq!((world.in_time(200), world.rig.used_and_held().0), (20, 21));
    assert!(world.p99(200) < MOMENT / 5, "{:?}", world.p99(200));
}

/// RFC 3261 §17.1.1.2: over a connection nothing is sent again, so that everybody gets an answer.
#[test]
fn over_connections_everybody_is_answered() {
    let mut world = World::new(OverloadConfig::default());
    world.transport = Transport::Tcp;
    world.crowd(4 * SECOND, 4 * CAPACITY);
    world.run(5 * SECOND);
    let asked = 4 * 4 * CAPACITY as usize;
    assert_eq!(world.count(302) + world.count(503), asked);
    assert!(world.count(302) > 4 * CAPACITY as usize / 2 && world.count(503) > asked / 2);
}

/// The limit of the configuration holds however much could be done; what is above it is told so.
#[test]
fn the_configured_limit_holds() {
    let config = OverloadConfig { per_second: Some(20), ..OverloadConfig::default() };
    let mut world = World::new(config);
    world.crowd(10 * SECOND, 200);
    world.run(11 * SECOND);
    let served = world.count(302);
    assert!((195..=210).contains(&served), "{served}");
    assert_eq!(served + world.count(503), 2_000);
}

/// K10 · who asks why calls are refused hears that too much comes, how much is admitted, and when it was over; and the caller's
/// own administrator finds it in the 503.
#[test]
fn that_too_much_comes_is_explained_to_both_sides() {
    let explained = |world: &World| {
        let explained = world.rig.node.explain(world.rig.now, &ExplainQuery::Recent);
        explained.expect("something").overload
    };
    let mut world = World::new(OverloadConfig::default());
    world.crowd(SECOND, CAPACITY / 2);
    world.run(SECOND);
    assert_eq!(explained(&world), None, "nobody was refused");
    world.crowd(3 * SECOND, 5 * CAPACITY);
    world.run(3 * SECOND);
    let rate = world.rig.node.figures().overload.per_second.expect("limited");
    let words = explained(&world).expect("words");
    let tallies = world.rig.node.figures().tallies;
    let refused = tallies.refusals.of(node::Refusal::Overload);
    let unanswered = tallies.shed.of(node::Shed::Refusals) + tallies.shed.of(node::Shed::Unclear);
    for part in [
        format!("than this server can do: {rate} a second are admitted"),
        format!("Since the start {refused} got 503, {unanswered} no answer, the last 0 s ago"),
    ] {
        assert!(words.contains(&part), "{part}: {words}");
    }
    let told = |answer: &&world::Answer| {
        let warning = header(&answer.response, &HeaderName::Warning);
        warning.is_some_and(|it| it.contains("More new calls come than this server can take"))
    };
    let with_status = |world: &World, status| {
        world.answers.iter().filter(|it| it.status() == status).filter(told).count()
    };
    assert_eq!((with_status(&world, 503), with_status(&world, 302)), (world.count(503), 0));
    assert!(world.count(503) > 0);
    for _ in 0..10 {
        world.crowd(SECOND, CAPACITY / 2);
        world.run(SECOND);
    }
    let words = explained(&world).expect("words");
    assert!(words.contains("That is over, all are admitted"), "{words}");
    let ago = words.split("the last ").nth(1).and_then(|it| it.split(' ').next()?.parse().ok());
    assert!(ago.is_some_and(|ago: u32| (5..=11).contains(&ago)), "{words}");

    let config = OverloadConfig { per_second: Some(20), ..OverloadConfig::default() };
    let mut world = World::new(config);
    world.crowd(2 * SECOND, 100);
    world.run(2 * SECOND);
    let words = explained(&world).expect("words");
    assert!(words.starts_with("20 new requests a second are admitted and no more"), "{words}");
}

/// K10 · that limiting begins is said once, with figures; and once that it is over, when nothing was limited for a minute, however often
/// it flapped between; by itself, though nothing comes any more.
#[test]
fn that_too_much_comes_is_said_once_and_that_it_is_over() {
    let told = |world: &World| -> Vec<Notice> {
        let is_of_it =
            |it: &&Notice| matches!(it, Notice::Overloaded { .. } | Notice::OverloadOver { .. });
        world.rig.notices.iter().filter(is_of_it).cloned().collect()
    };
    let mut world = World::new(OverloadConfig::default());
    world.crowd(SECOND, CAPACITY / 2);
    world.run(SECOND + MOMENT);
    assert_eq!(told(&world), [], "no more comes than can be done");
    for _ in 0..3 {
        world.crowd(2 * SECOND, 5 * CAPACITY);
        world.run(2 * SECOND);
        assert_eq!(told(&world).len(), 1, "once");
        for _ in 0..8 {
            world.crowd(SECOND, CAPACITY / 2);
            world.run(SECOND);
        }
        assert!(!world.rig.node.figures().overload.is_limiting, "it flaps");
    }
    let begun = told(&world).remove(0);
    let Notice::Overloaded { per_second: Some(rate), wait_ms, target_ms: 10 } = begun else {
        panic!("{begun:?}")
    };
    assert!((CAPACITY / 2..=CAPACITY).contains(&rate) && wait_ms >= 10, "{rate} {wait_ms}");
    world.rig.pass(50 * SECOND);
    assert_eq!(told(&world).len(), 1, "not yet");
    world.rig.pass(11 * SECOND);
    let (notices, figures) = (told(&world), world.rig.node.figures());
    let Notice::OverloadOver { seconds, refused, unanswered } = notices[1] else {
        panic!("{notices:?}")
    };
    assert!((22..=30).contains(&seconds), "{seconds}");
    assert_eq!(refused, figures.tallies.refusals.of(node::Refusal::Overload));
    assert_eq!(unanswered, world.shed());
    assert!(refused > 100 && unanswered > 100);
    assert_eq!((notices.len(), figures.overload.episodes), (2, 1));
    world.rig.pass(200 * SECOND);
    assert_eq!(told(&world).len(), 2);

    world.crowd(2 * SECOND, 5 * CAPACITY);
    world.run(2 * SECOND);
    assert_eq!((told(&world).len(), world.rig.node.figures().overload.episodes), (3, 2), "another");
}

/// RFC 3261 §9.2: a CANCEL does not overtake its INVITE; and whatever was queued is served, one after the other.
#[test]
fn a_cancel_stays_behind_its_invite() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let cancel = alice.request("CANCEL", FACTORY).replace("-CANCEL-", "-INVITE-");
    for text in [alice.invite(FACTORY), cancel] {
        let path = rig.path(alice.address);
        let packet = Packet { path, bytes: text.into_bytes() };
        rig.queue(rig.now, Arrival::Packet(packet));
    }
    assert!(rig.sent.is_empty() && rig.node.has_waiting());
    while rig.handle_waiting() {}
    let lines =
        rig.sent.iter().map(|(_, it)| String::from_utf8_lossy(&it.bytes[8..11]).into_owned());
    assert_eq!(lines.collect::<Vec<_>>(), ["302", "481"]);
    assert!(!rig.node.has_waiting());
}

/// T23, T24 · CANCELs that stop nothing, thousands of them in a second and from everywhere, are no more worth than what else wants something new:
/// whoever is known is served, and as much is admitted as can be done.
#[test]
fn a_flood_of_cancels_keeps_no_caller_out() {
    let mut world = World::new(OverloadConfig::default());
    let regular = |n: u32| stranger("regular", n, n);
    for n in 0..100 {
        world.call(world.rig.now + MOMENT * n, &regular(n), FACTORY);
    }
    world.run(MOMENT * 110);
    let flood = |world: &mut World, time: Duration| {
        let begin = world.rig.now;
        for n in 0..40 * u32::try_from(time.as_millis()).expect("some seconds") {
            let forged = stranger("forged", n, 0x1_0000 + n);
            world.send(
                begin + Duration::from_micros(25) * n,
                &forged,
                forged.request("CANCEL", FACTORY),
            );
        }
    };
    flood(&mut world, SETTLING);
    world.run(SETTLING);
    world.answers.clear();
    flood(&mut world, 2 * SECOND);
    for n in 0..100 {
        let mut again = regular(n);
        again.call_id += "-again";
        world.call(world.rig.now + Duration::from_millis(20) * n, &again, FACTORY);
    }
    world.run(2 * SECOND);
    let figures = world.rig.node.figures();
    assert!(figures.overload.is_limiting, "it was too much");
    let admitted = figures.overload.per_second.expect("limited");
    assert!(admitted > 100, "{admitted}");
    assert_eq!((world.in_time(302), world.count(503)), (100, 0));
}
