//! What comes waits in the system's sockets, because the process does not come to read it.

use std::time::Duration;

use node::{OverloadConfig, Shed};

use super::world::{CAPACITY, World, stranger};
use super::{MOMENT, SECOND};
use crate::rig::{Caller, FACTORY};

/// T23 · what waits in the sockets counts: as soon as it waits longer there than it may, less is admitted, though nothing waits
/// behind that. What waits half as long there is no overload.
#[test]
fn a_queue_that_stands_in_the_sockets_is_overload() {
    for (wait_ms, is_overload) in [(0, false), (5, false), (20, true), (200, true)] {
        let mut world = World::new(OverloadConfig::default());
        world.read_after = Duration::from_millis(wait_ms);
        world.crowd(SECOND, CAPACITY / 4);
        world.run(SECOND + MOMENT * 3);
        let overload = world.rig.node.figures().overload;
        assert_eq!(overload.is_limiting, is_overload, "{wait_ms} ms");
        assert_eq!(overload.per_second.is_some(), is_overload, "{wait_ms} ms");
        let mut within = overload.wait_us.cumulated();
        let (_, within) = within.find(|(bound, _)| *bound == 10_000).expect("a bound");
        assert_eq!(overload.wait_us.total() > within, is_overload, "{wait_ms} ms: it is shown");
    }
}

/// A process that stood still for some time, less than a window or more, and then has little to do: everybody is served, and
/// nobody is held up afterwards.
#[test]
fn a_standstill_with_little_behind_it_is_no_overload() {
    for still_ms in [50, 300, 700, 3_000] {
        let mut world = World::new(OverloadConfig::default());
        world.crowd(SECOND, 20);
        world.run(SECOND);
        let before = world.count(302);
        let still = Duration::from_millis(still_ms);
        for n in 0..40 {
            let at = world.rig.now + still / 40 * n;
            world.call(at, &stranger("still", n, n), FACTORY);
        }
        world.rig.now += still;
        world.run(MOMENT);
        assert_eq!((world.count(302) - before, world.count(503)), (40, 0), "{still_ms} ms");
        world.crowd(SECOND, 100);
        world.run(SECOND + MOMENT);
        assert_eq!((world.count(302) - before, world.count(503)), (140, 0), "{still_ms} ms");
        let figures = world.rig.node.figures();
        assert!(!figures.overload.is_limiting && world.shed() == 0, "{still_ms} ms");
    }
}

/// T23, T24 · RFC 3261 §17.1.1.2: three seconds of calls pile up while the process stands still. It is overload; whoever has sent
/// his request again by then is not refused, since the copy can still be served; every BYE is answered first; and what comes
/// afterwards is served as ever.
#[test]
fn a_long_standstill_is_overload_and_what_was_sent_again_is_left_to_its_copy() {
    let mut world = World::new(OverloadConfig::default());
    let mut legs: Vec<Caller> = (0..20).map(|n| stranger("leg", n, n)).collect();
    let uri = world.rig.conference(&legs[0]);
    for leg in &mut legs {
        assert_eq!(world.rig.join(leg, &uri).status.code(), 200);
    }
    for leg in &mut legs {
        leg.cseq += 1;
        let bye = leg.request("BYE", &uri);
        world.send(world.rig.now + SECOND, leg, bye);
    }
    let thaw = world.rig.now + 3 * SECOND;
    world.crowd(3 * SECOND, CAPACITY);
    world.rig.now = thaw;
    world.answers.clear();
    world.run(MOMENT * 3);
    assert_eq!(world.count(200), 20, "every BYE");
    assert!(world.rig.node.figures().overload.is_limiting);
    let late = world.rig.node.figures().tallies.shed.of(Shed::Late);
    assert!(late > u64::from(CAPACITY), "{late}");
    let refused = |it: &&super::world::Answer| it.status() == 503;
    let waits: Vec<Duration> = world.answers.iter().filter(refused).map(|it| it.waited).collect();
    assert!(waits.iter().all(|waited| *waited < 6 * MOMENT), "{waits:?}");
    for _ in 0..8 {
        world.crowd(SECOND, CAPACITY / 2);
        world.run(SECOND);
    }
    assert!(!world.rig.node.figures().overload.is_limiting, "it is over");
}
