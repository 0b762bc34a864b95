//! Random histories of everything at once: shards, dear legs, tenants, reservations, growth, restarts. The checker keeps
//! books of its own, so that a pool which counts wrongly cannot agree with itself.

use std::collections::BTreeMap;
use std::time::Duration;

use units::Rng;

use super::*;
use crate::{Codec, Reservation, TenantTerms};

const SHARDS: u16 = 2;
const IDS: u64 = 10;
const STEPS: usize = 120;

fn config() -> PoolConfig {
    let plain = CostModel::default().plain_leg();
    let costs = CostModel { conference_us_per_s: 300, ..CostModel::default() };
    let terms = |quota, reserved| TenantTerms { quota, reserved, ..TenantTerms::default() };
    PoolConfig {
        soft_percent: 40,
        soft_seats_min: Seats(0),
        soft_per_source_max: 3,
        tenants: vec![terms(None, 0), terms(Some(8), 0), terms(None, 4)],
        ahead: Duration::from_secs(20),
        ..PoolConfig::of_shards(vec![plain.times(12); SHARDS.into()], costs)
    }
}

/// What the checker drives: the pool, or a broken one.
trait Subject {
    fn pool(&mut self) -> &mut Pool;

    fn hold(&mut self, now: Instant, request: &HoldRequest) -> Result<Hold, Refusal> {
        self.pool().hold(now, request)
    }

    fn join(&mut self, now: Instant, id: ConferenceId, cost: Cost) -> Result<Cost, JoinRefusal> {
        self.pool().join(now, id, cost)
    }

    fn deadline(&mut self, now: Instant) {
        self.pool().handle_deadline(now);
    }

    /// The process dies; the disk has these.
    fn restart(&mut self, now: Instant, disk: &[Reservation]) {
        let mut pool = Pool::new(config());
        disk.iter().for_each(|it| pool.restore_reservation(now, it));
        *self.pool() = pool;
    }
}

struct Sound(Pool);

impl Subject for Sound {
    fn pool(&mut self) -> &mut Pool {
        &mut self.0
    }
}

/// Broken: what is under way is not counted.
struct Uncounted(Pool);

impl Subject for Uncounted {
    fn pool(&mut self) -> &mut Pool {
        &mut self.0
    }

    fn hold(&mut self, now: Instant, request: &HoldRequest) -> Result<Hold, Refusal> {
        self.0.would_hold(now, request)?;
        Ok(Hold { until: now + request.hold })
    }
}

/// Broken: one seat is claimed by two.
struct DoubleClaim(Pool);

impl Subject for DoubleClaim {
    fn pool(&mut self) -> &mut Pool {
        &mut self.0
    }

    fn join(&mut self, now: Instant, id: ConferenceId, cost: Cost) -> Result<Cost, JoinRefusal> {
        let charge = self.0.join(now, id, cost)?;
        if self.0.conference(id).is_some_and(|view| view.used.0 > 1) {
            self.0.leave(now, id, charge);
        }
        Ok(charge)
    }
}

/// Broken: a hold never ends.
struct Endless(Pool);

impl Subject for Endless {
    fn pool(&mut self) -> &mut Pool {
        &mut self.0
    }

    fn deadline(&mut self, _now: Instant) {}
}

/// Broken: a restart forgets one reservation.
struct Forgetful(Pool);

impl Subject for Forgetful {
    fn pool(&mut self) -> &mut Pool {
        &mut self.0
    }

    fn restart(&mut self, now: Instant, disk: &[Reservation]) {
        let mut pool = Pool::new(config());
        disk.iter().skip(1).for_each(|it| pool.restore_reservation(now, it));
        self.0 = pool;
    }
}

/// The books of the checker.
struct World<S> {
    subject: S,
    rng: Rng,
    now: Instant,
    /// What each leg was charged.
    legs: BTreeMap<ConferenceId, Vec<Cost>>,
    /// Holds that were granted, and until when they stand if nobody joins.
    holds: BTreeMap<ConferenceId, Instant>,
    /// Reservations that were promised.
    disk: BTreeMap<ConferenceId, Reservation>,
}

impl<S: Subject> World<S> {
    fn run(subject: S, seed: u64) -> Result<(), String> {
        let mut world = Self {
            subject,
            rng: Rng::from_number(seed),
            now: at(1_000),
            legs: BTreeMap::new(),
            holds: BTreeMap::new(),
            disk: BTreeMap::new(),
        };
        for step in 0..STEPS {
            world.step().map_err(|what| format!("seed {seed}, step {step}: {what}"))?;
            world.check().map_err(|what| format!("seed {seed}, step {step}: {what}"))?;
        }
        world.everything_ends().map_err(|what| format!("seed {seed}, at the end: {what}"))
    }

    fn id(&mut self) -> ConferenceId {
        id(u8::try_from(self.rng.below(IDS)).expect("small"))
    }

    fn tenant(&mut self) -> TenantId {
        TenantId(u16::try_from(self.rng.below(3)).expect("small"))
    }

    fn seats(&mut self) -> Seats {
        Seats(u32::try_from(self.rng.below(9)).expect("small"))
    }

    fn cost(&mut self) -> Cost {
        let ptime = [10, 20, 20, 20, 60][usize::try_from(self.rng.below(5)).expect("small")];
        CostModel::default().leg(Codec::Pcmu, Duration::from_millis(ptime))
    }

    fn step(&mut self) -> Result<(), String> {
        match self.rng.below(16) {
            0..=3 => self.hold(),
            4..=7 => self.join(),
            8..=9 => {
                let id = self.id();
                if let Some(charge) = self.legs.get_mut(&id).and_then(Vec::pop) {
                    self.subject.pool().leave(self.now, id, charge);
                }
                Ok(())
            }
            10 => {
                let id = self.id();
                self.subject.pool().end(self.now, id);
                self.legs.remove(&id);
                self.holds.remove(&id);
                Ok(())
            }
            11 => self.reserve(),
            12 => {
                let (id, seats) = (self.id(), self.seats());
                let before = self.subject.pool().clone();
                if self.subject.pool().resize(self.now, id, seats).is_err() {
                    return unchanged(&before, self.subject.pool());
                }
                Ok(())
            }
            13 => {
                self.now += Duration::from_secs(self.rng.below(40));
                self.subject.deadline(self.now);
                Ok(())
            }
            14 if self.rng.below(4) == 0 => {
                let disk: Vec<Reservation> = self.disk.values().copied().collect();
                self.subject.restart(self.now, &disk);
                self.legs.clear();
                self.holds.clear();
                Ok(())
            }
            14 if self.rng.below(3) == 0 => {
                let id = self.id();
                self.subject.pool().cancel(self.now, id);
                self.disk.remove(&id);
                Ok(())
            }
            _ => {
                let id = self.id();
                let _ = self.subject.pool().confirm(self.now, id);
                Ok(())
            }
        }
    }

    fn hold(&mut self) -> Result<(), String> {
        let source = IpAddr::from([192, 0, 2, u8::try_from(self.rng.below(3)).expect("small")]);
        let firmness = match self.rng.below(2) {
            0 => Firmness::Firm,
            _ => Firmness::Soft { source },
        };
        let request = HoldRequest {
            id: self.id(),
            seats: self.seats(),
            leg: self.cost(),
            hold: Duration::from_secs(1 + self.rng.below(60)),
            firmness,
            legs_max: None,
            tenant: self.tenant(),
        };
        if self.disk.contains_key(&request.id) {
            return Ok(()); // identities of reservations are never asked for
        }
        let decision = self.subject.pool().explain(self.now, 1, &request);
        let is_known = self.subject.pool().conference(request.id).is_some();
        let before = self.subject.pool().clone();
        match self.subject.hold(self.now, &request) {
            Err(refusal) => {
                ensure(decision.refusal.as_ref() == Some(&refusal), "explained otherwise")?;
                unchanged(&before, self.subject.pool())
            }
            Ok(hold) => {
                ensure(is_known || decision.refusal.is_none(), "explained as refused")?;
                let again = self.subject.hold(self.now, &request);
                ensure(again == Ok(hold), "the same request is another hold")?;
                if self.legs.get(&request.id).is_none_or(Vec::is_empty) {
                    self.holds.insert(request.id, hold.until);
                }
                Ok(())
            }
        }
    }

    fn join(&mut self) -> Result<(), String> {
        let (id, cost) = (self.id(), self.cost());
        let before = self.subject.pool().clone();
        match self.subject.join(self.now, id, cost) {
            Ok(charge) => {
                ensure(cost.fits_into(&charge), "charged less than it costs")?;
                self.legs.entry(id).or_default().push(charge);
                self.holds.remove(&id);
                Ok(())
            }
            Err(_) => unchanged(&before, self.subject.pool()),
        }
    }

    fn reserve(&mut self) -> Result<(), String> {
        let from = self.now + Duration::from_secs(self.rng.below(120));
        let asked = Reservation {
            id: self.id(),
            tenant: self.tenant(),
            seats: Seats(self.seats().0.max(1)),
            leg: self.cost(),
            from,
            until: from + Duration::from_secs(self.rng.below(90)),
        };
        if self.subject.pool().conference(asked.id).is_some() {
            return Ok(()); // as above
        }
        let before = self.subject.pool().clone();
        match self.subject.pool().reserve(self.now, &asked) {
            Ok(()) => {
                self.disk.entry(asked.id).or_insert(asked);
                Ok(())
            }
            Err(_) => unchanged(&before, self.subject.pool()),
        }
    }

    fn check(&mut self) -> Result<(), String> {
        let now = self.now;
        let pool = self.subject.pool();
        while let Some(output) = pool.poll_output() {
            match output {
                Output::Expired { id } | Output::Evicted { id } => {
                    self.holds.remove(&id);
                    ensure(
                        self.legs.get(&id).is_none_or(Vec::is_empty),
                        "a conference with legs has gone",
                    )?;
                    self.legs.remove(&id);
                }
                Output::ReservationOver { id } => {
                    let over = self.disk.remove(&id);
                    ensure(over.is_some_and(|it| it.until <= now), "a reservation ended early")?;
                }
            }
        }
        let pool = self.subject.pool();
        for shard in pool.shards() {
            let room = pool.shard_room(now, shard);
            let taken = room.used.plus(room.held);
            ensure(taken.fits_into(&room.capacity), &format!("above capacity: {room:?}"))?;
            let mut by_legs = Cost::ZERO;
            for (id, charges) in &self.legs {
                if pool.conference(*id).is_some_and(|view| view.shard == shard) {
                    by_legs = charges.iter().fold(by_legs, |sum, charge| sum.plus(*charge));
                }
            }
            ensure(by_legs.fits_into(&room.used), "legs that are not counted")?;
        }
        for (id, charges) in &self.legs {
            let used = pool.conference(*id).map_or(0, |view| view.used.0);
            ensure(used as usize == charges.len(), "a seat was given twice, or lost")?;
        }
        for (id, until) in &self.holds {
            let stands = *until > now;
            ensure(!stands || pool.conference(*id).is_some(), "a granted hold is not there")?;
        }
        let quota = pool.seats_of(TenantId(1)).0;
        ensure(quota <= 8, "a tenant is above its quota")?;
        let live = self.disk.values().filter(|it| it.until > now).count();
        ensure(pool.reservation_count() >= live, "a reservation is lost")
    }

    fn everything_ends(&mut self) -> Result<(), String> {
        for id in self.legs.keys().copied().collect::<Vec<_>>() {
            for charge in self.legs.remove(&id).unwrap_or_default() {
                self.subject.pool().leave(self.now, id, charge);
            }
            self.subject.pool().end(self.now, id);
        }
        for _ in 0..200 {
            let Some(deadline) = self.subject.pool().deadline() else { break };
            self.now = self.now.max(deadline);
            self.subject.deadline(self.now);
        }
        let pool = self.subject.pool();
        ensure(pool.hold_count() == 0, "a hold did not end")?;
        ensure(pool.reservation_count() == 0, "a reservation did not end")?;
        for number in 0..u8::try_from(IDS).expect("small") {
            pool.end(self.now, id(number));
        }
        let left = pool.shards().map(|shard| pool.shard_room(self.now, shard));
        let left =
            left.fold(Cost::ZERO, |sum, room| sum.plus(room.used).plus(room.held).plus(room.owed));
        ensure(left == Cost::ZERO, "something is left")
    }
}

fn unchanged(before: &Pool, after: &Pool) -> Result<(), String> {
    ensure(before == after, "a refusal changed something")
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// Histories in each run: a second of processor time.
const SEEDS: u64 = 1_000;

/// T23
#[test]
fn promises_hold_over_histories_of_everything() {
    for seed in 0..SEEDS {
        World::run(Sound(Pool::new(config())), seed).unwrap();
    }
}

fn is_caught<S: Subject>(broken: impl Fn(Pool) -> S, fault: &str) {
    let found = (0..SEEDS).find_map(|seed| World::run(broken(Pool::new(config())), seed).err());
    let found = found.unwrap_or_default();
    assert!(found.contains(fault), "not caught as {fault}: {found}");
}

#[test]
fn canary_pool_that_does_not_count_what_is_under_way_is_caught() {
    is_caught(Uncounted, "a granted hold is not there");
}

#[test]
fn canary_pool_that_gives_one_seat_to_two_is_caught() {
    is_caught(DoubleClaim, "legs that are not counted");
}

#[test]
fn canary_pool_whose_holds_never_end_is_caught() {
    is_caught(Endless, "a hold did not end");
}

#[test]
fn canary_pool_that_forgets_a_reservation_at_a_restart_is_caught() {
    is_caught(Forgetful, "a reservation is lost");
}
