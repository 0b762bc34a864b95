use units::{Instant, Rng};

use super::*;
use crate::event::How;
use crate::testing::{
    ALICE, BOB, Faults, Focus, Machine, Seen, World, addr, config, media, slots, uri,
};
use crate::trust::Pattern;
use crate::{CallOptions, Ua};

const FOCUS: &str = "192.0.2.90:5060";

fn answerer(trust: TrustPolicy, sockets: u16, once: bool) -> Answerer {
    let config = AnswererConfig {
        ua: config("bob", BOB),
        trust,
        media: slots(BOB, sockets),
        once,
        watches: false,
    };
    Answerer::new(config, Rng::from_number(2))
}

fn world(bob: Answerer) -> World {
    let mut world = World::new(1, Faults::NONE);
    world.add(FOCUS, Focus::new(FOCUS, 302, 200));
    world.add(ALICE, Ua::new(config("alice", ALICE), Rng::from_number(1)));
    world.add(BOB, bob);
    world
}

fn call(world: &mut World) -> CallId {
    let target = uri(&format!("sip:bob@{BOB}"));
    let options = CallOptions::new(media(20_000));
    world.at(ALICE, |ua, now| ua.as_ua().call(now, &target, options)).expect("called")
}

fn refer(world: &mut World, how: How) {
    let target = uri(&format!("sip:bob@{BOB}"));
    let conference = uri(&format!("sip:conf-1@{FOCUS}"));
    world.at(ALICE, |ua, now| ua.as_ua().refer(now, &target, &conference, how)).expect("sent");
}

fn events(world: &World) -> Vec<AnswererEvent> {
    let events = world.seen_by(BOB).into_iter().filter_map(|seen| match seen {
        Seen::Answerer(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn anyone() -> TrustPolicy {
    TrustPolicy { patterns: vec![Pattern::Anyone], ..TrustPolicy::default() }
}

#[test]
fn a_call_is_answered_with_a_voice_and_ends_with_it() {
    let mut world = world(answerer(TrustPolicy::default(), 1, false));
    let id = call(&mut world);
    world.run_until_ms(1_000);
    world.at(ALICE, |ua, now| ua.as_ua().hangup(now, id));
    world.run_until_ms(2_000);
    let seen = world.seen_by(BOB);
    assert!(matches!(&seen[0], Seen::Answerer(AnswererEvent::Answered { .. })), "{seen:?}");
    match &seen[1] {
        Seen::Media(MediaNotice::Started { slot, media, signalling, purpose }) => {
            assert_eq!((*slot, *signalling, *purpose), (SlotId(0), addr(ALICE), Purpose::Private));
            assert_eq!(media.remote.expect("remote").port(), 20_000);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(&seen[2], Seen::Answerer(AnswererEvent::Joined { conference: None, .. })));
    assert_eq!(seen[3], Seen::Media(MediaNotice::Stopped { slot: SlotId(0) }));
    assert!(matches!(
        &seen[4],
        Seen::Answerer(AnswererEvent::Ended { why: EndCause::Remote { reason: None }, .. })
    ));
    assert_eq!(seen.len(), 5, "it waits for more calls");
}

#[test]
fn without_a_free_media_socket_it_is_busy() {
    let mut world = world(answerer(TrustPolicy::default(), 1, false));
    let first = call(&mut world);
    call(&mut world);
    world.run_until_ms(1_000);
    assert_eq!(world.sent(BOB, ALICE, "SIP/2.0 486"), 1);
    assert!(events(&world).iter().any(|event| matches!(event, AnswererEvent::Busy { .. })));
    // The socket is given back.
    world.at(ALICE, |ua, now| ua.as_ua().hangup(now, first));
    world.run_until_ms(2_000);
    call(&mut world);
    world.run_until_ms(3_000);
    assert_eq!(world.sent(BOB, ALICE, "SIP/2.0 486"), 1);
}

/// C10, T31 · RFC 3515 §2.4.2: by policy only. A stranger's REFER is declined.
#[test]
fn a_strangers_refer_is_declined() {
    let mut world = world(answerer(TrustPolicy::default(), 2, false));
    refer(&mut world, How::Outside);
    world.run_until_ms(1_000);
    assert_eq!(world.sent(BOB, ALICE, "SIP/2.0 603"), 1);
    assert_eq!(world.sent(BOB, FOCUS, "INVITE"), 0);
    assert!(matches!(events(&world)[..], [AnswererEvent::ReferralRefused { .. }]));
}

#[test]
fn a_trusted_refer_is_followed() {
    let mut world = world(answerer(anyone(), 1, false));
    refer(&mut world, How::Outside);
    world.run_until_ms(1_000);
    let conference = Focus::new(FOCUS, 302, 200).conference();
    match &events(&world)[..] {
        [AnswererEvent::Referred { to, .. }, AnswererEvent::Joined { conference: uri, .. }] => {
            assert_eq!(to.to_string(), format!("sip:conf-1@{FOCUS}"));
            assert_eq!(uri.as_ref(), Some(&conference));
        }
        other => panic!("{other:?}"),
    }
    let started = |seen: &Seen| {
        matches!(seen, Seen::Media(MediaNotice::Started { purpose: Purpose::Conference, .. }))
    };
    assert!(world.seen_by(BOB).iter().any(started));
}

/// The default: whoever is in a call with us may refer us in it.
#[test]
fn the_peer_of_a_call_is_followed() {
    let mut world = world(answerer(TrustPolicy::default(), 2, false));
    let id = call(&mut world);
    world.run_until_ms(1_000);
    refer(&mut world, How::Inside(id));
    world.run_until_ms(2_000);
    assert_eq!(world.sent(BOB, FOCUS, "INVITE"), 1);
    assert_eq!(world.sent(BOB, ALICE, "NOTIFY"), 2);
    assert_eq!(world.sent(BOB, ALICE, "SIP/2.0 202"), 0, "RFC 7647 §5");
}

#[test]
fn a_referral_without_a_free_media_socket_is_busy() {
    let mut world = world(answerer(anyone(), 1, false));
    let id = call(&mut world);
    world.run_until_ms(1_000);
    refer(&mut world, How::Inside(id));
    world.run_until_ms(2_000);
    assert_eq!(world.sent(BOB, ALICE, "SIP/2.0 486"), 1);
    assert_eq!(world.sent(BOB, FOCUS, "INVITE"), 0);
}

#[test]
fn once_finishes_after_the_first_call_and_not_before() {
    let mut world = world(answerer(TrustPolicy::default(), 2, true));
    refer(&mut world, How::Outside); // declined
    world.run_until_ms(1_000);
    assert!(!events(&world).contains(&AnswererEvent::Finished));
    let id = call(&mut world);
    world.run_until_ms(2_000);
    refer(&mut world, How::Inside(id));
    world.run_until_ms(3_000);
    world.at(ALICE, |ua, now| ua.as_ua().hangup(now, id));
    world.run_until_ms(4_000);
    assert!(!events(&world).contains(&AnswererEvent::Finished), "it is in the conference");
    world.at(FOCUS, |machine, now| machine.as_focus().end(now));
    world.run_until_ms(5_000);
    assert_eq!(events(&world).last(), Some(&AnswererEvent::Finished));
}

#[test]
fn hanging_up_all_ends_every_call_and_takes_no_more() {
    let mut world = world(answerer(anyone(), 2, false));
    call(&mut world);
    refer(&mut world, How::Outside);
    world.run_until_ms(1_000);
    world.at(BOB, |bob, now| bob.as_answerer().hang_up_all(now));
    world.run_until_ms(2_000);
    assert_eq!(world.sent(BOB, ALICE, "BYE"), 1);
    assert_eq!(world.sent(BOB, FOCUS, "BYE"), 1);
    assert_eq!(events(&world).last(), Some(&AnswererEvent::Finished));
    call(&mut world);
    world.run_until_ms(3_000);
    assert_eq!(world.sent(BOB, ALICE, "SIP/2.0 486"), 1);
}

/// Two plain user agents through loss, doubling and reordering: whatever happens, both know the
/// same in the end, and nothing is left.
#[test]
fn calls_come_and_go_over_a_bad_network() {
    let faults = Faults { loss_percent: 20.0, double_percent: 15.0, jitter_ms: 80 };
    for seed in 0..40 {
        let mut world = World::new(seed, faults);
        world.add(ALICE, Ua::new(config("alice", ALICE), Rng::from_number(seed)));
        world.add(BOB, answerer(TrustPolicy::default(), 4, false));
        let ids: Vec<CallId> = (0..3).map(|_| call(&mut world)).collect();
        // One is hung up at once, one early, one late.
        world.at(ALICE, |ua, now| ua.as_ua().hangup(now, ids[0]));
        world.run_until_ms(300 + 10 * seed);
        world.at(ALICE, |ua, now| ua.as_ua().hangup(now, ids[1]));
        world.run_until_ms(30_000);
        world.at(ALICE, |ua, now| ua.as_ua().hangup(now, ids[2]));
        world.run_until_ms(200_000);
        for id in ids {
            let ends = world.seen_by(ALICE).into_iter().filter(|seen| match seen {
                Seen::Ua(Event::CallFailed { call, .. } | Event::CallEnded { call, .. }) => {
                    *call == id
                }
                _ => false,
            });
            assert_eq!(ends.count(), 1, "seed {seed}, {id:?}");
        }
        let started = |seen: &&Seen| matches!(seen, Seen::Media(MediaNotice::Started { .. }));
        let stopped = |seen: &&Seen| matches!(seen, Seen::Media(MediaNotice::Stopped { .. }));
        let bob = world.seen_by(BOB);
        let (started, stopped) =
            (bob.iter().filter(started).count(), bob.iter().filter(stopped).count());
        assert_eq!(started, stopped, "seed {seed}");
        assert!(world.at(ALICE, |ua, _| ua.as_ua().is_quiet()), "seed {seed}");
        for address in [ALICE, BOB] {
            let left =
                world.at(address, |machine: &mut dyn Machine, _: Instant| machine.deadline());
            assert_eq!(left, None, "seed {seed}: a timer is left at {address}");
        }
    }
}
