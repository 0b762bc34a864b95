//! More comes in dialogs, and at conferences that there are, than can be done.

use std::time::Duration;

use node::{OverloadConfig, WAIT_MAX};
use sip::Transport;

use super::world::{CAPACITY, World, stranger};
use super::{MOMENT, SECOND};
use crate::rig::Caller;

/// A conference with as many in it, which anybody may have his number of seats in; and its URI.
fn conference(legs: u32) -> (World, Vec<Caller>, String) {
    let mut world = World::new(OverloadConfig::default());
    let mut legs: Vec<Caller> = (0..legs).map(|n| stranger("leg", n, n)).collect();
    let uri = world.rig.conference(&legs[0]);
    for leg in &mut legs {
        assert_eq!(world.rig.join(leg, &uri).status.code(), 200);
    }
    (world, legs, uri)
}

/// Everybody but the first says BYE, one every 50 ms from now on; gives their names.
fn bye_to_all(world: &mut World, legs: &mut [Caller], uri: &str) {
    for (leg, n) in legs.iter_mut().zip(0..).skip(1) {
        leg.cseq += 1;
        let bye = leg.request("BYE", uri);
        world.send(world.rig.now + MOMENT / 2 * n, leg, bye);
    }
}

/// So many OPTIONS a second in the dialog of this leg, each another request.
fn flood_inside(
    world: &mut World,
    leg: &mut Caller,
    (uri, time, per_second): (&str, Duration, u32),
) {
    let each = SECOND / per_second;
    for n in 0..per_second * u32::try_from(time.as_secs()).expect("short") {
        leg.cseq += 1;
        leg.rebranch();
        let text = leg.request("OPTIONS", uri);
        world.send(world.rig.now + each * n, leg, text);
    }
}

/// T24 · RFC 3261 §17.1.2.2: three times as much comes in one dialog as can be done. Nothing of it waits 400 ms: what has waited too
/// long is left to its copy. Everybody else's BYE is answered at once.
#[test]
fn who_floods_his_own_dialog_holds_up_no_bye_and_nothing_waits_400_ms() {
    let (mut world, mut legs, uri) = conference(40);
    let mut mallory = legs[0].clone();
    flood_inside(&mut world, &mut mallory, (&uri, 4 * SECOND, 14_000));
    world.run(SECOND);
    world.answers.clear();
    bye_to_all(&mut world, &mut legs, &uri);
    world.run(3 * SECOND);
    let of = |mine: bool| world.answers.iter().filter(move |it| (it.call_id == "leg-0") == mine);
    assert_eq!(of(false).filter(|it| it.status() == 200).count(), 39);
    let longest = |mine| of(mine).map(|it| it.waited).max().expect("some");
    assert!(longest(false) < MOMENT / 5, "{:?}", longest(false));
    let done = of(true).count();
    assert!(done > 10_000, "all that can be done is done: {done}");
    let figures = world.rig.node.figures();
    assert!(figures.tallies.shed.of(node::Shed::Late) > 10_000, "{:?}", figures.tallies.shed);
    assert!(world.waited_most < 4 * MOMENT, "{:?}", world.waited_most);
    assert!(world.waited_most > WAIT_MAX, "it was too much: {:?}", world.waited_most);
}

/// RFC 3261 §17.1.2.2: over a connection nothing comes again, so that nothing is given up, however long it has waited.
#[test]
fn over_a_connection_nothing_in_a_dialog_is_given_up() {
    let (mut world, legs, uri) = conference(2);
    let mut mallory = legs[0].clone();
    world.transport = Transport::Tcp;
    for n in 0..3_000 {
        mallory.cseq += 1;
        mallory.rebranch();
        let text = mallory.request("OPTIONS", &uri);
        world.send(world.rig.now + Duration::from_nanos(n), &mallory, text);
    }
    world.run(2 * SECOND);
    assert_eq!((world.answers.len(), world.shed()), (3_000, 0));
    assert!(world.waited_most > 4 * MOMENT, "{:?}", world.waited_most);
}

/// T24 · somebody who knows the URI of a conference has ten times as many INVITEs sent to it as can be done, from everywhere: it holds
/// up no BYE, and no other request of who is in.
#[test]
fn a_flood_at_a_conference_holds_up_nobody_who_is_in() {
    let (mut world, mut legs, uri) = conference(40);
    for n in 0..4 * 10 * CAPACITY {
        let at = world.rig.now + SECOND / (10 * CAPACITY) * n;
        let forged = stranger("forged", n, 0x1_0000 + n);
        world.send(at, &forged, forged.invite(&uri));
    }
    world.run(SECOND);
    world.answers.clear();
    bye_to_all(&mut world, &mut legs, &uri);
    let mut first = legs[0].clone();
    flood_inside(&mut world, &mut first, (&uri, 2 * SECOND, 10));
    world.run(3 * SECOND);
    let inside = world.answers.iter().filter(|it| it.call_id.starts_with("leg-"));
    let waits: Vec<Duration> = inside.map(|it| it.waited).collect();
    assert_eq!(waits.len(), 39 + 20);
    assert!(waits.iter().all(|waited| *waited < MOMENT / 5), "{waits:?}");
    assert!(world.waited_most < 8 * MOMENT, "what is left to its copies: {:?}", world.waited_most);
}

/// What piled up while the process stood still is served, and not left to copies that are no longer sent.
#[test]
fn after_a_pause_nothing_in_dialogs_is_lost() {
    let (mut world, mut legs, uri) = conference(200);
    for leg in &mut legs {
        leg.cseq += 1;
        let text = leg.request("OPTIONS", &uri);
        world.send(world.rig.now, leg, text);
    }
    bye_to_all(&mut world, &mut legs, &uri);
    world.rig.now += 12 * SECOND;
    world.answers.clear();
    world.run(SECOND);
    assert_eq!((world.answers.len(), world.shed()), (399, 0));
}
