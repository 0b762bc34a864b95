//! Everybody comes at once: 92 calls in 31 s, as a school day begins, over twelve mixers.

use std::time::Duration;

use units::Instant;

use crate::check::{self, Broken};
use crate::crowd::{Crowd, Room};
use crate::scenario::{AFTER, Options, Report};

const ROOM: Room = Room { shards: 12, seats: 100 };
const CONFERENCES: usize = 23;
const WITHIN: Duration = Duration::from_secs(31);

/// A lost INVITE comes again within 32 s, and with it those who wait for the URI.
const SETTLED: Instant = Instant::from_millis(120_000);

/// 23 conferences of four. All are in, in one conference each; no mixer has more than twice what another has; then all leave, and
/// everything is given back.
pub fn run(options: Options) -> Report {
    let mut crowd = Crowd::new(options, ROOM, &[4; CONFERENCES], WITHIN);
    let mut broken = crowd.run_until(SETTLED);
    broken.extend(crowd.missing());
    broken.extend(crowd.apart());
    let (least, most) = crowd.spread();
    if most > 2 * least {
        broken.push(Broken::Lopsided { least, most });
    }
    broken.extend(check::one_uri_and_one_hold(&crowd.world, CONFERENCES));
    crowd.leave();
    crowd.world.run_for(AFTER);
    broken.extend(check::nothing_left_over(&crowd.world));
    Report { world: crowd.world, broken }
}
