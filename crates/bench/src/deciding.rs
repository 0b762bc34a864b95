//! A hold decided, explained and given up, with so many mixers to choose from.

use std::hint::black_box;
use std::time::Duration;

use pool::{ConferenceId, CostModel, Firmness, HoldRequest, Pool, PoolConfig, Seats, TenantId};
use units::{Instant, Rng};

/// Conferences that are held all the time on each hundred mixers: what a decision has to see past.
const HELD: u32 = 200;

pub(crate) fn decide(mixers: u16, times: u32) {
    let costs = CostModel::default();
    let each = costs.plain_leg().times(400);
    let mut pool = Pool::new(PoolConfig::of_shards(vec![each; mixers.into()], costs));
    let mut rng = Rng::from_number(5);
    let now = Instant::from_millis(1_000);
    let mut request = HoldRequest {
        id: ConferenceId(rng.bytes()),
        seats: Seats(4),
        leg: costs.plain_leg(),
        hold: Duration::from_secs(60),
        firmness: Firmness::Firm,
        legs_max: None,
        tenant: TenantId::NOBODYS,
    };
    for _ in 0..(HELD * u32::from(mixers)).div_ceil(100).min(20_000) {
        request.id = ConferenceId(rng.bytes());
        pool.hold(now, &request).expect("invariant: there is room for all");
    }
    for _ in 0..times {
        request.id = ConferenceId(rng.bytes());
        let (held, decision) = pool.hold_explained(now, 1, &request);
        assert!(held.is_ok(), "invariant: there is room");
        black_box(decision);
        pool.end(now, request.id);
    }
}
