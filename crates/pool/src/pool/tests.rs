//! Single rules by hand; [`history`] has the properties over random histories.

mod history;
mod many;
mod shards;

use std::net::IpAddr;
use std::time::Duration;

use units::Instant;

use super::*;
use crate::CostModel;

/// A pool without soft allowance beyond its share, so that the shares are easy to see.
fn pool(capacity: u32) -> Pool {
    Pool::new(PoolConfig { soft_seats_min: Seats(0), ..PoolConfig::new(Seats(capacity)) })
}

fn id(number: u8) -> ConferenceId {
    ConferenceId([number; 10])
}

fn firm(number: u8, seats: u32) -> HoldRequest {
    HoldRequest {
        id: id(number),
        seats: Seats(seats),
        leg: plain(),
        tenant: TenantId::NOBODYS,
        hold: Duration::from_secs(60),
        firmness: Firmness::Firm,
        legs_max: None,
    }
}

fn soft(number: u8, seats: u32, source: u8) -> HoldRequest {
    let source = IpAddr::from([192, 0, 2, source]);
    HoldRequest { firmness: Firmness::Soft { source }, ..firm(number, seats) }
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

fn plain() -> Cost {
    CostModel::default().plain_leg()
}

fn join(pool: &mut Pool, now: Instant, id: ConferenceId) -> Result<(), JoinRefusal> {
    pool.join(now, id, plain()).map(|_| ())
}

fn outputs(pool: &mut Pool) -> Vec<Output> {
    std::iter::from_fn(|| pool.poll_output()).collect()
}

#[test]
fn ten_asked_of_nine_free_is_refused_and_nothing_changes() {
    let mut pool = pool(9);
    let before = (pool.clone(), format!("{pool:?}"));
    let refusal = pool.hold(at(0), &firm(1, 10));
    assert_eq!(refusal, Err(Refusal::PoolFull { asked: Seats(10), free: Seats(9) }));
    assert_eq!((pool.clone(), format!("{pool:?}")), before);
    assert_eq!(pool.hold(at(0), &firm(1, 9)), Ok(Hold { until: at(60) }));
    assert_eq!(pool.room(), Room { capacity: 9, used: 0, held: 9, free: 0 });
}

#[test]
fn late_invitee_gets_the_seat_held_for_him_in_a_full_pool() {
    let mut pool = pool(6);
    pool.hold(at(0), &firm(1, 3)).unwrap();
    pool.hold(at(0), &firm(2, 3)).unwrap();
    join(&mut pool, at(1), id(1)).unwrap();
    for _ in 0..3 {
        join(&mut pool, at(1), id(2)).unwrap();
    }
    assert_eq!(join(&mut pool, at(2), id(2)), Err(JoinRefusal::PoolFull));
    assert!(pool.hold(at(2), &firm(3, 1)).is_err());
    assert_eq!(join(&mut pool, at(30), id(1)), Ok(()));
    assert_eq!(join(&mut pool, at(40), id(1)), Ok(()));
    assert_eq!(pool.room(), Room { capacity: 6, used: 6, held: 0, free: 0 });
}

/// B08 · RFC 3261 §21.3.3: not on the wire, but a time of our own.
#[test]
fn hold_nobody_joins_ends_by_itself_and_not_a_moment_before() {
    let mut pool = pool(9);
    pool.hold(at(0), &firm(1, 4)).unwrap();
    assert_eq!(pool.deadline(), Some(at(60)));
    pool.handle_deadline(Instant::from_nanos(at(60).as_nanos() - 1));
    assert_eq!((pool.hold_count(), outputs(&mut pool)), (1, vec![]));
    pool.handle_deadline(at(60));
    assert_eq!(outputs(&mut pool), [Output::Expired { id: id(1) }]);
    assert_eq!((pool.hold_count(), pool.deadline(), pool.room().free), (0, None, 9));
    assert_eq!(join(&mut pool, at(60), id(1)), Err(JoinRefusal::Unknown));
}

#[test]
fn asked_again_it_is_the_same_hold_and_no_longer() {
    let mut pool = pool(9);
    let first = pool.hold(at(0), &firm(1, 4));
    let once = pool.clone();
    assert_eq!(pool.hold(at(30), &firm(1, 7)), first);
    assert_eq!(pool, once);
}

/// A timer that fires late must not turn an ended hold into a join or a refusal.
#[test]
fn overdue_hold_is_gone_before_its_timer_fires() {
    let mut pool = pool(4);
    pool.hold(at(0), &firm(1, 4)).unwrap();
    assert_eq!(join(&mut pool, at(60), id(1)), Err(JoinRefusal::Unknown));
    assert_eq!(pool.confirm(at(60), id(1)), Err(Unknown));
    pool.hold(at(60), &firm(2, 4)).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Expired { id: id(1) }]);
}

/// The node would take `Expired` for the end of the conference that it is just about to announce.
#[test]
fn overdue_hold_asked_again_is_renewed_without_a_word() {
    let mut pool = pool(4);
    pool.hold(at(0), &firm(1, 4)).unwrap();
    assert_eq!(pool.hold(at(61), &firm(1, 3)), Ok(Hold { until: at(121) }));
    assert_eq!(outputs(&mut pool), []);
    assert_eq!(pool.room().held, 3);
}

#[test]
fn unused_seats_of_an_active_conference_are_kept_then_given_back_under_pressure_only() {
    let mut pool = pool(10);
    pool.hold(at(0), &firm(1, 4)).unwrap();
    pool.hold(at(0), &firm(2, 4)).unwrap();
    join(&mut pool, at(10), id(2)).unwrap();
    join(&mut pool, at(20), id(1)).unwrap();
    // Both are kept until 70 s and 80 s.
    let refusal = pool.hold(at(69), &firm(3, 3));
    assert_eq!(refusal, Err(Refusal::PoolFull { asked: Seats(3), free: Seats(2) }));
    // No pressure: nothing is taken back, however late.
    pool.hold(at(100), &firm(4, 2)).unwrap();
    assert_eq!(pool.conference(id(2)).unwrap().seats, Seats(4));
    // Pressure: the one active longer gives first, and only what is missing.
    pool.hold(at(100), &firm(3, 2)).unwrap();
    assert_eq!(pool.conference(id(2)).unwrap().seats, Seats(2));
    assert_eq!(pool.conference(id(1)).unwrap().seats, Seats(4));
    assert_eq!(pool.room(), Room { capacity: 10, used: 2, held: 8, free: 0 });
}

#[test]
fn joiner_beyond_the_promise_takes_free_seats_up_to_the_conference_limit() {
    let mut pool = pool(10);
    pool.hold(at(0), &HoldRequest { legs_max: Some(3), ..firm(1, 2) }).unwrap();
    for _ in 0..3 {
        join(&mut pool, at(1), id(1)).unwrap();
    }
    let full = pool.clone();
    assert_eq!(join(&mut pool, at(1), id(1)), Err(JoinRefusal::ConferenceFull { legs_max: 3 }));
    assert_eq!(pool, full);
    assert_eq!(pool.room(), Room { capacity: 10, used: 3, held: 0, free: 7 });
}

#[test]
fn leaver_seat_stays_with_the_conference_within_its_promise_only() {
    let mut pool = pool(10);
    pool.hold(at(0), &firm(1, 2)).unwrap();
    for _ in 0..3 {
        join(&mut pool, at(1), id(1)).unwrap();
    }
    pool.leave(at(2), id(1), plain());
    assert_eq!(pool.room(), Room { capacity: 10, used: 2, held: 0, free: 8 });
    pool.leave(at(2), id(1), plain());
    assert_eq!(pool.room(), Room { capacity: 10, used: 1, held: 1, free: 8 });
    pool.end(at(3), id(1));
    assert_eq!(pool.room(), Room { capacity: 10, used: 0, held: 0, free: 10 });
    pool.leave(at(3), id(1), plain());
    assert_eq!(pool.room().used, 0);
}

#[test]
fn soft_holds_stay_under_their_cap_and_the_oldest_goes_first() {
    let mut pool = pool(20); // soft: 4 seats
    pool.hold(at(0), &soft(1, 2, 1)).unwrap();
    pool.hold(at(1), &soft(2, 2, 2)).unwrap();
    assert_eq!(outputs(&mut pool), []);
    pool.hold(at(2), &soft(3, 1, 3)).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(1) }]);
    let refusal = pool.hold(at(3), &soft(4, 5, 4));
    assert_eq!(refusal, Err(Refusal::SoftLimit { asked: Seats(5), limit: Seats(4) }));
    assert_eq!(pool.room().held, 3);
}

#[test]
fn soft_hold_gives_way_to_a_firm_one_and_to_a_joiner_but_not_once_confirmed() {
    let mut pool = pool(10);
    pool.hold(at(0), &soft(1, 1, 1)).unwrap();
    pool.hold(at(0), &soft(2, 1, 2)).unwrap();
    pool.confirm(at(1), id(2)).unwrap();
    pool.hold(at(1), &firm(3, 9)).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(1) }]);
    assert!(pool.hold(at(1), &firm(4, 1)).is_err());
    assert_eq!(pool.conference(id(2)).unwrap().state, ViewState::Firm);
    pool.end(at(2), id(2));
    pool.hold(at(2), &soft(5, 1, 1)).unwrap();
    for _ in 0..10 {
        join(&mut pool, at(2), id(3)).unwrap();
    }
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(5) }]);
}

/// Nor can somebody who asks in its name keep it out: the newest of a source takes the place of its
/// oldest, and a proved one is not touched.
#[test]
fn one_unproved_source_cannot_hold_more_than_its_share() {
    let mut pool = Pool::new(PoolConfig { soft_per_source_max: 2, ..PoolConfig::new(Seats(100)) });
    pool.hold(at(0), &soft(4, 1, 8)).unwrap();
    pool.hold(at(0), &soft(1, 1, 7)).unwrap();
    pool.hold(at(0), &soft(2, 1, 7)).unwrap();
    assert_eq!(outputs(&mut pool), []);
    pool.hold(at(0), &soft(3, 1, 7)).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(1) }], "its own oldest");
    pool.confirm(at(1), id(2)).unwrap();
    pool.hold(at(1), &soft(5, 1, 7)).unwrap();
    assert_eq!(outputs(&mut pool), [], "one of the two is proved");
    pool.hold(at(1), &soft(6, 1, 7)).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(3) }]);
    assert_eq!(pool.hold_count(), 4);
}

#[test]
fn firm_request_for_a_soft_hold_makes_it_firm_and_a_soft_one_does_not_soften_it() {
    let mut pool = pool(100);
    pool.hold(at(0), &soft(1, 4, 1)).unwrap();
    pool.hold(at(1), &firm(1, 4)).unwrap();
    pool.hold(at(2), &soft(1, 4, 1)).unwrap();
    assert_eq!(pool.conference(id(1)).unwrap().state, ViewState::Firm);
}

/// 100,000 conferences asked for by forged addresses: an honest caller still gets his.
#[test]
fn honest_caller_gets_his_conference_amid_a_flood_of_unproved_ones() {
    let mut pool = Pool::new(PoolConfig::new(Seats(1_000)));
    for number in 0_u32..100_000 {
        let [a, b, c, d] = number.to_be_bytes();
        let request = HoldRequest {
            id: ConferenceId([9, a, b, c, d, 0, 0, 0, 0, 0]),
            firmness: Firmness::Soft { source: IpAddr::from([10, b, c, d]) },
            ..firm(0, 4)
        };
        pool.hold(at(1), &request).unwrap();
        assert!(pool.room().held <= 200);
        while pool.poll_output().is_some() {}
    }
    pool.hold(at(1), &soft(1, 4, 1)).unwrap();
    pool.confirm(at(1), id(1)).unwrap();
    pool.hold(at(2), &firm(2, 796)).unwrap();
    assert_eq!(join(&mut pool, at(3), id(1)), Ok(()));
}

#[test]
fn hold_of_no_seats_counts_as_one_and_an_endless_one_is_cut() {
    let mut pool = pool(2);
    let endless = HoldRequest { hold: Duration::MAX, ..firm(1, 0) };
    assert_eq!(pool.hold(at(0), &endless), Ok(Hold { until: at(0) + HOLD_MAX }));
    assert_eq!(pool.room().held, 1);
}

#[test]
fn unproved_source_is_not_charged_for_holds_that_have_ended() {
    let mut pool = Pool::new(PoolConfig { soft_per_source_max: 2, ..PoolConfig::new(Seats(100)) });
    pool.hold(at(0), &soft(1, 1, 7)).unwrap();
    pool.hold(at(59), &soft(2, 1, 7)).unwrap();
    pool.hold(at(60), &soft(3, 1, 7)).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Expired { id: id(1) }]);
    assert_eq!(pool.hold_count(), 2);
}

/// Else conferences that cost nothing could pile up without bound.
#[test]
fn last_seat_of_a_conference_that_all_have_left_is_not_taken_back() {
    let mut pool = pool(4);
    pool.hold(at(0), &firm(1, 4)).unwrap();
    join(&mut pool, at(1), id(1)).unwrap();
    pool.leave(at(2), id(1), plain());
    let refusal = pool.hold(at(100), &firm(2, 4));
    assert_eq!(refusal, Err(Refusal::PoolFull { asked: Seats(4), free: Seats(3) }));
    pool.hold(at(100), &firm(2, 3)).unwrap();
    assert_eq!(pool.room(), Room { capacity: 4, used: 0, held: 4, free: 0 });
    assert_eq!(join(&mut pool, at(101), id(1)), Ok(()));
}

/// Who is told to prove his address must gain by it.
#[test]
fn unproved_source_is_told_that_the_pool_is_full_when_it_is() {
    let mut pool = pool(20); // soft: 4 seats
    pool.hold(at(0), &firm(1, 12)).unwrap();
    let refusal = pool.hold(at(0), &soft(2, 8, 1));
    assert_eq!(refusal, Err(Refusal::SoftLimit { asked: Seats(8), limit: Seats(4) }));
    let refusal = pool.hold(at(0), &soft(2, 9, 1));
    assert_eq!(refusal, Err(Refusal::PoolFull { asked: Seats(9), free: Seats(8) }));
}

#[test]
fn small_pool_may_be_held_whole_by_an_unproved_source() {
    let mut pool = Pool::new(PoolConfig::new(Seats(9)));
    let refusal = pool.hold(at(0), &soft(1, 10, 1));
    assert_eq!(refusal, Err(Refusal::PoolFull { asked: Seats(10), free: Seats(9) }));
    assert_eq!(pool.hold(at(0), &soft(1, 9, 1)), Ok(Hold { until: at(60) }));
}
