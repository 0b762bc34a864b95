//! Room as vectors, on several shards.

use std::time::Duration;

use super::*;
use crate::{Codec, Dimension, Reservation, TenantTerms, Verdict};

fn shards(count: usize, legs: u32) -> PoolConfig {
    PoolConfig::of_shards(vec![plain().times(legs); count], CostModel::default())
}

fn short_packets() -> Cost {
    CostModel::default().leg(Codec::Pcmu, Duration::from_millis(10))
}

/// A conference is mixed in one place: seats here and there are no room for it.
#[test]
fn conference_gets_its_room_on_one_shard_the_least_loaded() {
    let mut pool = Pool::new(shards(3, 5));
    for number in 0..3 {
        pool.hold(at(0), &firm(number, 3)).unwrap();
    }
    let mut places: Vec<u16> =
        (0..3).map(|number| pool.conference(id(number)).unwrap().shard).collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);
    assert_eq!(pool.room(), Room { capacity: 15, used: 0, held: 9, free: 6 });
    let refusal = pool.hold(at(0), &firm(9, 3));
    assert_eq!(refusal, Err(Refusal::PoolFull { asked: Seats(3), free: Seats(2) }));
    pool.hold(at(0), &firm(9, 2)).unwrap();
}

/// 92 calls within half a minute over 12 shards, 4 to a conference.
#[test]
fn a_mass_join_is_spread_evenly_over_shards() {
    let mut pool = Pool::new(shards(12, 50));
    for number in 0..23 {
        pool.hold(at(number.into()), &firm(number, 4)).unwrap();
        for _ in 0..4 {
            join(&mut pool, at(number.into()), id(number)).unwrap();
        }
    }
    let legs = (0..12).map(|shard| pool.shard_room(at(31), shard).used.sockets);
    let (least, most) = (legs.clone().min().unwrap(), legs.max().unwrap());
    assert!(most <= 2 * least && least > 0, "{least} to {most}");
}

#[test]
fn dear_leg_takes_more_than_its_promised_seat_only_if_there_is_more() {
    let mut pool = pool(4);
    pool.hold(at(0), &firm(1, 3)).unwrap();
    // One plain seat is free; a short-packet leg costs 2,150 of 1,400 µs, and two of 50 packets.
    assert_eq!(pool.join(at(1), id(1), short_packets()), Ok(short_packets()));
    let before = pool.clone();
    assert_eq!(pool.join(at(1), id(1), short_packets()), Err(JoinRefusal::PoolFull));
    assert_eq!(pool, before);
    join(&mut pool, at(1), id(1)).unwrap();
    let refusal = pool.hold(at(1), &firm(2, 1));
    assert_eq!(refusal, Err(Refusal::PoolFull { asked: Seats(1), free: Seats(0) }));
    pool.leave(at(2), id(1), short_packets());
    pool.hold(at(2), &firm(2, 1)).unwrap();
}

/// It was let in with long packets, and asks for short ones once it is in.
#[test]
fn leg_that_comes_to_cost_more_is_charged_more_or_refused() {
    let mut pool = pool(10);
    pool.hold(at(0), &firm(1, 2)).unwrap();
    let first = pool.join(at(1), id(1), plain()).unwrap();
    let second = pool.join(at(1), id(1), plain()).unwrap();
    pool.hold(at(1), &firm(9, 5)).unwrap();
    pool.hold(at(1), &soft(2, 2, 1)).unwrap();
    let charge = pool.recharge(at(2), id(1), (first, short_packets())).unwrap();
    assert_eq!((charge, outputs(&mut pool)), (short_packets(), vec![]));
    let charged = pool.recharge(at(2), id(1), (second, short_packets())).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(2) }], "what is soft gives way");
    pool.hold(at(2), &firm(3, 1)).unwrap();
    let before = pool.clone();
    let dearer = short_packets().times(2);
    assert_eq!(
        pool.recharge(at(2), id(1), (charge, dearer)),
        Err(JoinRefusal::PoolFull),
        "no more than there is"
    );
    assert_eq!(pool, before);
    // Cheaper again, and never below the seat that it would leave.
    assert_eq!(pool.recharge(at(3), id(1), (charge, Cost::ZERO)), Ok(plain()));
    pool.leave(at(3), id(1), plain());
    pool.leave(at(3), id(1), charged);
    assert_eq!(pool.shard_room(at(3), 0).used, Cost::ZERO);
    assert_eq!(pool.room().held, 2 + 5 + 1);
    assert_eq!(pool.recharge(at(3), id(1), (plain(), plain())), Err(JoinRefusal::Unknown));
}

/// Nobody can come to what is held for more than may be in.
#[test]
fn smaller_maximum_gives_back_what_was_promised_beyond_it() {
    let mut pool = pool(10);
    pool.hold(at(0), &firm(1, 9)).unwrap();
    pool.limit(at(0), id(1), Some(2));
    assert_eq!(pool.room(), Room { capacity: 10, used: 0, held: 2, free: 8 });
    for _ in 0..2 {
        join(&mut pool, at(1), id(1)).unwrap();
    }
    pool.limit(at(1), id(1), Some(1));
    assert_eq!(pool.room(), Room { capacity: 10, used: 2, held: 0, free: 8 }, "who is in stays");
    pool.leave(at(2), id(1), plain());
    assert_eq!(pool.room(), Room { capacity: 10, used: 1, held: 0, free: 9 });
    pool.limit(at(2), id(1), None);
    assert_eq!(join(&mut pool, at(2), id(1)), Ok(()));
}

/// Else a leg that leaves would leave less than its seat behind, and the room be overdrawn.
#[test]
fn cheap_leg_is_charged_for_the_seat_that_was_promised() {
    let mut pool = pool(10);
    pool.hold(at(0), &HoldRequest { leg: plain().times(2), ..firm(1, 5) }).unwrap();
    for _ in 0..5 {
        assert_eq!(join(&mut pool, at(1), id(1)), Ok(()));
    }
    assert!(pool.hold(at(1), &firm(2, 1)).is_err());
    pool.leave(at(2), id(1), plain().times(2));
    assert_eq!(pool.room().free, 0);
}

#[test]
fn explanation_names_every_shard_and_what_was_missing() {
    let mut pool = Pool::new(shards(2, 5));
    pool.hold(at(0), &firm(1, 4)).unwrap();
    let decision = pool.explain(at(0), 7, &firm(2, 3));
    assert_eq!(decision.refusal, None);
    assert_eq!(decision.candidates.len(), 2);
    let [chosen, other] = &decision.candidates[..] else { panic!() };
    assert_eq!((chosen.node, chosen.fits, &chosen.verdict), (7, 5, &Verdict::Chosen));
    let Verdict::NoRoomAtOnce { short_of } = &other.verdict else { panic!("{other:?}") };
    assert_eq!(short_of[0].what, Dimension::Cpu);
    assert_eq!((other.fits, other.room.held), (1, plain().times(4)));
    let decision = pool.explain(at(0), 7, &firm(2, 6));
    assert!(decision.chosen().is_none());
    assert_eq!(decision.shortage().map(|it| it.what), Some(Dimension::Cpu));
    assert!(decision.candidates.iter().all(|it| matches!(it.verdict, Verdict::NoRoom { .. })));
    assert_eq!(pool.room().held, 4, "it only looked");
}

fn tenants() -> PoolConfig {
    let terms = |name: &str| TenantTerms { name: name.to_owned(), ..TenantTerms::default() };
    PoolConfig {
        tenants: vec![
            terms(""),
            TenantTerms { quota: Some(6), per_minute: Some(2), ..terms("acme") },
            TenantTerms { reserved: 4, ..terms("bell") },
        ],
        soft_seats_min: Seats(0),
        ..PoolConfig::new(Seats(10))
    }
}

const ACME: TenantId = TenantId(1);
const BELL: TenantId = TenantId(2);

fn of(tenant: TenantId, number: u8, seats: u32) -> HoldRequest {
    HoldRequest { tenant, ..firm(number, seats) }
}

#[test]
fn tenant_has_no_more_than_its_quota_and_makes_no_more_than_its_rate() {
    let mut pool = Pool::new(tenants());
    pool.hold(at(0), &of(ACME, 1, 4)).unwrap();
    let before = pool.clone();
    let full =
        Refusal::TenantFull { tenant: ACME, asked: Seats(3), has: Seats(4), quota: Seats(6) };
    assert_eq!(pool.hold(at(0), &of(ACME, 2, 3)), Err(full.clone()));
    assert_eq!(pool.explain(at(0), 1, &of(ACME, 2, 3)).refusal, Some(full));
    assert_eq!(pool, before, "a refusal costs nothing, not even of the rate");
    pool.hold(at(0), &of(ACME, 2, 1)).unwrap();
    let rate = Err(Refusal::TenantRate { tenant: ACME, per_minute: 2 });
    assert_eq!(pool.hold(at(0), &of(ACME, 3, 1)), rate);
    assert!(pool.hold(at(0), &of(ACME, 2, 1)).is_ok(), "the same again is none more");
    pool.hold(at(31), &of(ACME, 3, 1)).unwrap();
    // Its joiners beyond the promise count as well.
    let full = JoinRefusal::TenantFull { tenant: ACME, quota: Seats(6) };
    join(&mut pool, at(31), id(3)).unwrap();
    assert_eq!(join(&mut pool, at(31), id(3)), Err(full));
}

/// T58 · Whoever asks in a tenant's name and proves nothing takes neither its quota nor its rate from those who do.
#[test]
fn unproved_askers_use_up_no_quota_and_no_rate() {
    let mut pool = Pool::new(PoolConfig { soft_percent: 80, ..tenants() });
    let soft_of = |number| HoldRequest { tenant: ACME, ..soft(number, 2, number) };
    for number in 10..20 {
        pool.hold(at(0), &soft_of(number)).unwrap();
    }
    assert_eq!(outputs(&mut pool).len(), 7, "three of two seats are within the quota");
    pool.hold(at(0), &of(ACME, 1, 4)).unwrap();
    let went: Vec<_> = [17, 18].map(|it| Output::Evicted { id: id(it) }).into();
    assert_eq!(outputs(&mut pool), went);
    // A joiner beyond the promise and a larger promise are not kept out either.
    for _ in 0..5 {
        join(&mut pool, at(0), id(1)).unwrap();
    }
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(19) }]);
    pool.hold(at(0), &HoldRequest { seats: Seats(1), ..soft_of(20) }).unwrap();
    pool.resize(at(0), id(1), Seats(6)).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(20) }]);
    assert!(pool.hold(at(0), &soft_of(21)).is_err(), "what is proved stays");
    // Proved, the next one counts, and the one after that is too many.
    pool.resize(at(0), id(1), Seats(5)).unwrap();
    let mut one = HoldRequest { seats: Seats(1), ..soft_of(22) };
    pool.hold(at(0), &one).unwrap();
    pool.confirm(at(0), id(22)).unwrap();
    pool.confirm(at(0), id(22)).unwrap();
    pool.end(at(0), id(22));
    one.id = id(23);
    let rate = Err(Refusal::TenantRate { tenant: ACME, per_minute: 2 });
    assert_eq!((pool.hold(at(29), &one), pool.hold(at(30), &one).is_ok()), (rate, true));
}

/// The same for a reservation that begins at once.
#[test]
fn unproved_askers_keep_no_reservation_out() {
    let mut pool = Pool::new(PoolConfig { soft_percent: 80, ..tenants() });
    pool.hold(at(0), &HoldRequest { tenant: ACME, ..soft(1, 6, 1) }).unwrap();
    let reservation = Reservation {
        id: id(2),
        tenant: ACME,
        seats: Seats(4),
        leg: plain(),
        from: at(0),
        until: at(100),
    };
    pool.reserve(at(0), &reservation).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(1) }]);
    assert_eq!(pool.missing_seats(at(0), id(2)), Seats(0));
}

#[test]
fn what_is_reserved_for_a_tenant_is_nobody_elses() {
    let mut pool = Pool::new(tenants());
    let refusal = pool.hold(at(0), &firm(1, 7));
    assert_eq!(refusal, Err(Refusal::PoolFull { asked: Seats(7), free: Seats(6) }));
    let kept = pool.explain(at(0), 1, &firm(1, 7)).candidates[0].kept_for_others;
    assert_eq!(kept, plain().times(4));
    pool.hold(at(0), &firm(1, 6)).unwrap();
    assert_eq!(join(&mut pool, at(0), id(1)), Ok(()));
    pool.hold(at(0), &of(BELL, 2, 4)).unwrap();
    assert_eq!(pool.room().free, 0);
}

/// Under pressure who has more than his share gives before who has less, and a small one gives nothing to a
/// large one.
#[test]
fn under_pressure_the_larger_tenant_gives_first() {
    let config = PoolConfig {
        soft_percent: 100,
        tenants: vec![TenantTerms::default(); 3],
        ..PoolConfig::new(Seats(12))
    };
    let mut pool = Pool::new(config);
    let soft_of =
        |tenant, number, seats, source| HoldRequest { tenant, ..soft(number, seats, source) };
    pool.hold(at(0), &soft_of(BELL, 1, 2, 1)).unwrap();
    pool.hold(at(1), &soft_of(ACME, 2, 4, 2)).unwrap();
    pool.hold(at(2), &soft_of(ACME, 3, 4, 3)).unwrap();
    pool.hold(at(3), &firm(4, 4)).unwrap();
    assert_eq!(outputs(&mut pool), [Output::Evicted { id: id(2) }], "not the oldest: bell's");
    // All of acme's is gone before bell's, and then bell's stays: nobody's has more than its share.
    pool.hold(at(4), &firm(5, 2)).unwrap();
    assert!(pool.hold(at(5), &firm(6, 6)).is_err());
    assert!(pool.conference(id(1)).is_some());
}

#[test]
fn a_late_shard_gets_no_conference_while_another_has_room() {
    let mut pool = Pool::new(shards(2, 10));
    pool.set_late(0, true);
    let first = pool.explain(at(0), 1, &firm(1, 2)).candidates;
    assert_eq!((first[0].shard, &first[1].verdict), (1, &Verdict::Late));
    for n in 1..=5 {
        let hold = pool.hold(at(0), &firm(n, 2)).expect("room");
        assert!(hold.until > at(0));
        assert_eq!(pool.conference(id(n)).expect("held").shard, 1);
    }
    let decision = pool.explain(at(0), 1, &firm(6, 2));
    let verdicts: Vec<_> = decision.candidates.iter().map(|it| it.verdict.clone()).collect();
    assert!(
        matches!(verdicts[..], [Verdict::Chosen, Verdict::NoRoomAtOnce { .. }]),
        "{verdicts:?}"
    );
    // Late is better than nowhere.
    pool.hold(at(0), &firm(6, 2)).expect("room");
    assert_eq!(pool.conference(id(6)).expect("held").shard, 0);
    // What it has it keeps, and once it keeps up it has its share again.
    pool.set_late(0, false);
    pool.hold(at(0), &firm(7, 2)).expect("room");
    assert_eq!(pool.conference(id(7)).expect("held").shard, 0);
    pool.set_late(9, true); // there is none
    pool.hold(at(0), &firm(8, 2)).expect("room");
}
