//! The process is killed at any moment, with calls in flight: what was promised stands, and everybody finds the others again.

use std::time::Duration;

use node::ReserveRequest;
use pool::Codec;
use units::{Instant, Rng, UnixTime};

use crate::check::{self, Broken};
use crate::crowd::{Crowd, Room};
use crate::scenario::{Options, Report, WALL};

const ROOM: Room = Room { shards: 2, seats: 10 };
const SIZES: [u32; 3] = [4, 3, 3];

/// Within this time everybody calls, reservations are made, and the process is killed.
const TROUBLED_MS: u64 = 20_000;

/// Whoever was cut off calls again at once; each message of that may be lost, for 32 s.
const SETTLED: Duration = Duration::from_secs(100);

/// Reservations are over, and all that might keep something for anybody.
const OVER: Duration = Duration::from_secs(4 * 3_600);

/// What happens at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Kill,
    Reserve {
        legs: u32,
    },
    /// Somebody else asks, and may be refused; or get what is free.
    Ask {
        seats: u32,
    },
}

/// One history: three conferences that all come to, reservations, kills; and in every other history those who want room for
/// themselves. Where they do, whoever was promised a seat and had not called before the kill may find it taken.
pub fn run(options: Options) -> Report {
    let mut rng = Rng::from_number(options.seed ^ 0xb007);
    let is_crowded = options.seed % 2 == 1;
    let mut crowd = Crowd::new(options, ROOM, &SIZES, Duration::from_millis(TROUBLED_MS));
    let mut broken = Vec::new();
    for (at, what) in history(is_crowded, &mut rng) {
        broken.extend(crowd.run_until(at));
        match what {
            Happens::Kill => {
                crowd.killed(Duration::from_millis(rng.below(3_000)));
                broken.extend(crowd.lost_reservations());
            }
            Happens::Reserve { legs } => reserve(&mut crowd, legs, &mut rng),
            Happens::Ask { seats } => crowd.somebody_asks(seats),
        }
    }
    let settled = crowd.world.now + SETTLED;
    broken.extend(crowd.run_until(settled));
    broken.extend(crowd.lost_reservations());
    broken.extend(crowd.apart());
    if !is_crowded {
        broken.extend(crowd.missing());
    }
    broken.extend(check::one_uri(&crowd.world));
    crowd.leave();
    crowd.world.run_for(OVER);
    broken.extend(crowd.endless_holds());
    let left = crowd.world.serving.node.leftovers();
    if left != node::Leftovers::default() {
        broken.push(Broken::Leftovers(left));
    }
    Report { world: crowd.world, broken }
}

/// What happens and when, in order.
fn history(is_crowded: bool, rng: &mut Rng) -> Vec<(Instant, Happens)> {
    let mut all = Vec::new();
    let mut at =
        |what, rng: &mut Rng| all.push((Instant::from_millis(rng.below(TROUBLED_MS)), what));
    for _ in 0..=rng.below(3) {
        at(Happens::Kill, rng);
    }
    for _ in 0..4 {
        let legs = 1 + small(rng, 4);
        at(Happens::Reserve { legs }, rng);
    }
    for _ in 0..if is_crowded { 6 } else { 0 } {
        let seats = 1 + small(rng, 5);
        at(Happens::Ask { seats }, rng);
    }
    all.sort_unstable();
    all
}

/// In an hour or later, for an hour.
fn reserve(crowd: &mut Crowd, legs: u32, rng: &mut Rng) {
    let now = crowd.world.now;
    let from = UnixTime(WALL.0 + 3_600 + rng.below(3_600));
    let request = ReserveRequest {
        legs,
        codec: Codec::Pcmu,
        ptime: Duration::from_millis(20),
        from,
        until: from.after(Duration::from_secs(3_600)),
        tenant: None,
        key: None,
    };
    crowd.world.serving.reserve(now, request);
    crowd.world.settle();
}

fn small(rng: &mut Rng, below: u64) -> u32 {
    u32::try_from(rng.below(below)).unwrap_or(0)
}
