//! Two user agents that do anything at any time over a bad network.

use std::collections::BTreeMap;

use sip::StatusCode;
use units::{Instant, Rng};

use crate::event::{CallId, Event, How, ReferralId};
use crate::testing::{ALICE, BOB, Faults, Seen, World, config, media, uri};
use crate::{CallOptions, Ua};

/// What one of them has been told and not yet acted on.
#[derive(Default)]
struct Desk {
    calls: Vec<CallId>,
    referrals: Vec<ReferralId>,
    seen: usize,
}

/// Reads on in what was shown.
fn read(world: &World, address: &str, desk: &mut Desk) {
    let seen = world.seen_by(address);
    for seen in &seen[desk.seen..] {
        match seen {
            Seen::Ua(Event::IncomingCall { call, .. }) => desk.calls.push(*call),
            Seen::Ua(Event::IncomingReferral { referral, .. }) => desk.referrals.push(*referral),
            _ => {}
        }
    }
    desk.seen = seen.len();
}

fn act(ua: &mut Ua, now: Instant, rng: &mut Rng, desk: &mut Desk, peer: &str) {
    let mut pick = |length: usize| usize::try_from(rng.below(length as u64)).expect("a usize");
    let target = uri(&format!("sip:x@{peer}"));
    let any = (!desk.calls.is_empty()).then(|| desk.calls[pick(desk.calls.len())]);
    // What is refused here (a state in which it cannot be done) is part of the game.
    match (pick(9), any) {
        (0 | 1, _) => desk.calls.extend(ua.call(now, &target, CallOptions::new(media(1))).ok()),
        (2, Some(call)) => drop(ua.ring(now, call)),
        (3 | 4, Some(call)) => drop(ua.accept(now, call, media(2))),
        (5, Some(call)) => ua.hangup(now, call),
        (6, Some(call)) => drop(ua.reject(now, call, StatusCode::BUSY_HERE)),
        (7, Some(call)) => drop(ua.refer(now, &target, &target, How::Inside(call))),
        (8, _) => match (desk.referrals.pop(), pick(2)) {
            (Some(referral), 0) => drop(ua.reject_referral(now, referral, StatusCode::DECLINE)),
            (Some(referral), _) => {
                desk.calls.extend(ua.accept_referral(now, referral, media(3)).ok());
            }
            (None, _) => drop(ua.refer(now, &target, &target, How::Outside)),
        },
        (_, None) => {}
        (other, Some(_)) => panic!("{other} is not below 9"),
    }
}

fn nothing_is_left(seed: u64, ua: &Ua) {
    assert!(ua.is_quiet(), "seed {seed}");
    assert_eq!(ua.dialogs.count(), 0, "seed {seed}: a dialog is left");
    assert!(ua.refers.is_empty() && ua.referrals.is_empty(), "seed {seed}");
    assert!(ua.requests.is_empty() && ua.acknowledged.is_empty(), "seed {seed}");
    assert_eq!(ua.deadline(), None, "seed {seed}: a timer is left");
    assert_eq!(ua.stack.transaction_count(), 0, "seed {seed}");
}

/// The crate's invariant: one end for every call and REFER; and in the end nothing is left.
#[test]
fn everything_ends_once_and_nothing_is_left() {
    let faults = Faults { loss_percent: 12.0, double_percent: 12.0, jitter_ms: 120 };
    let (mut ends, mut established, mut succeeded) = (0, 0, 0);
    for seed in 0..60 {
        let mut rng = Rng::from_number(1_000 + seed);
        let mut world = World::new(seed, faults);
        let sides = [(ALICE, BOB), (BOB, ALICE)];
        for (side, (address, _)) in sides.iter().enumerate() {
            let rng = Rng::from_number(2 * seed + side as u64);
            world.add(address, Ua::new(config("x", address), rng));
        }
        let mut desks = [Desk::default(), Desk::default()];
        for _ in 0..80 {
            let at = world.now.as_millis() + 1 + rng.below(1_500);
            world.run_until_ms(at);
            let side = usize::from(rng.percent(50.0));
            let (address, peer) = sides[side];
            let desk = &mut desks[side];
            read(&world, address, desk);
            world.at(address, |ua, now| act(ua.as_ua(), now, &mut rng, desk, peer));
        }
        for ((address, _), desk) in sides.iter().zip(&mut desks) {
            read(&world, address, desk);
            for call in &desk.calls {
                world.at(address, |ua, now| ua.as_ua().hangup(now, *call));
            }
        }
        let end = world.now.as_millis() + 1_500_000;
        world.run_until_ms(end);
        for (address, _) in sides {
            let mut calls: BTreeMap<CallId, (usize, usize)> = BTreeMap::new();
            let mut refers = BTreeMap::new();
            for seen in world.seen_by(address) {
                match seen {
                    Seen::Ua(Event::Established { call, .. }) => {
                        let (ups, ends) = calls.entry(call).or_default();
                        assert_eq!((*ups, *ends), (0, 0), "seed {seed}: {call:?}");
                        *ups += 1;
                        established += 1;
                    }
                    Seen::Ua(Event::CallFailed { call, .. }) => {
                        let (ups, ends) = calls.entry(call).or_default();
                        assert_eq!(*ups, 0, "seed {seed}: {call:?} was established");
                        *ends += 1;
                    }
                    Seen::Ua(Event::CallEnded { call, .. }) => {
                        let (ups, ends) = calls.entry(call).or_default();
                        assert_eq!(*ups, 1, "seed {seed}: {call:?} never was established");
                        *ends += 1;
                    }
                    Seen::Ua(Event::ReferEnded { refer, outcome }) => {
                        *refers.entry(refer).or_insert(0) += 1;
                        succeeded += usize::from(outcome == crate::ReferOutcome::Succeeded);
                    }
                    _ => {}
                }
            }
            let once = calls.values().all(|(_, ends)| *ends == 1);
            assert!(once, "seed {seed}, {address}: {calls:?}");
            assert!(refers.values().all(|ends| *ends == 1), "seed {seed}: {refers:?}");
            ends += calls.len();
            world.at(address, |machine, _| nothing_is_left(seed, machine.as_ua()));
        }
    }
    // It did happen: else the test proves nothing.
    assert!(ends > 500 && established > 200 && succeeded > 5, "{ends} {established} {succeeded}");
}
