//! Random histories against a checker, and broken pools that the checker must catch.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use units::Instant;

use super::super::*;
use super::plain;

#[derive(Clone, Debug)]
enum Op {
    Hold {
        id: u8,
        seats: u32,
        secs: u64,
        soft: Option<u8>,
        legs_max: Option<u32>,
    },
    Confirm(u8),
    Join(u8),
    Leave(u8),
    End(u8),
    Wait {
        secs: u64,
    },
    /// The timer fires; without it the pool must still know what time it is.
    Timer,
}

const IDS: u8 = 8;
fn config() -> PoolConfig {
    PoolConfig {
        soft_percent: 30,
        soft_seats_min: Seats(0),
        soft_per_source_max: 2,
        ..PoolConfig::new(Seats(20))
    }
}

const SOFT_SEATS_MAX: u32 = 6;

fn op() -> impl Strategy<Value = Op> {
    let id = 0..IDS;
    prop_oneof![
        4 => (0..IDS, 0..9_u32, 1..40_u64, prop::option::of(0..3_u8), prop::option::of(1..6_u32))
            .prop_map(|(id, seats, secs, soft, legs_max)| Op::Hold { id, seats, secs, soft, legs_max }),
        1 => id.clone().prop_map(Op::Confirm),
        4 => id.clone().prop_map(Op::Join),
        2 => id.clone().prop_map(Op::Leave),
        1 => id.prop_map(Op::End),
        2 => (1..30_u64).prop_map(|secs| Op::Wait { secs }),
        1 => Just(Op::Timer),
    ]
}

fn history() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..80)
}

/// What the checker drives: the pool, or a broken one.
trait Subject: Clone + Debug + PartialEq {
    fn pool(&mut self) -> &mut Pool;

    fn hold(&mut self, now: Instant, request: &HoldRequest) -> Result<Hold, Refusal> {
        self.pool().hold(now, request)
    }

    fn handle_deadline(&mut self, now: Instant) {
        self.pool().handle_deadline(now);
    }
}

impl Subject for Pool {
    fn pool(&mut self) -> &mut Pool {
        self
    }
}

/// Broken: its holds never end.
#[derive(Clone, Debug, PartialEq)]
struct Forgetful(Pool);

impl Subject for Forgetful {
    fn pool(&mut self) -> &mut Pool {
        &mut self.0
    }

    fn handle_deadline(&mut self, _now: Instant) {}
}

/// Broken: a refused request keeps what there was.
#[derive(Clone, Debug, PartialEq)]
struct Leaky(Pool);

impl Subject for Leaky {
    fn pool(&mut self) -> &mut Pool {
        &mut self.0
    }

    fn hold(&mut self, now: Instant, request: &HoldRequest) -> Result<Hold, Refusal> {
        let result = self.0.hold(now, request);
        if let Err(Refusal::PoolFull { free, .. }) = &result {
            let _ = self.0.hold(now, &HoldRequest { seats: *free, ..request.clone() });
        }
        result
    }
}

/// Broken: the same request again is another hold.
#[derive(Clone, Debug, PartialEq)]
struct Prolonging(Pool);

impl Subject for Prolonging {
    fn pool(&mut self) -> &mut Pool {
        &mut self.0
    }

    fn hold(&mut self, now: Instant, request: &HoldRequest) -> Result<Hold, Refusal> {
        if self.0.conference(request.id).is_some_and(|view| view.state == ViewState::Firm) {
            self.0.end(now, request.id);
        }
        self.0.hold(now, request)
    }
}

struct Checker<S> {
    subject: S,
    now: Instant,
}

impl<S: Subject> Checker<S> {
    fn run(subject: S, history: &[Op]) -> Result<(), String> {
        let mut checker = Self { subject, now: Instant::ZERO };
        for op in history {
            let before: Vec<_> = checker.views();
            checker.apply(op).map_err(|what| format!("{op:?}: {what}"))?;
            checker.sums()?;
            checker.promises_kept(op, &before).map_err(|what| format!("{op:?}: {what}"))?;
        }
        checker.everything_comes_back()
    }

    fn apply(&mut self, op: &Op) -> Result<(), String> {
        match *op {
            Op::Hold { id, seats, secs, soft, legs_max } => {
                let source = soft.map(|last| IpAddr::from([192, 0, 2, last]));
                self.hold(&HoldRequest {
                    id: name(id),
                    seats: Seats(seats),
                    hold: Duration::from_secs(secs),
                    firmness: source.map_or(Firmness::Firm, |source| Firmness::Soft { source }),
                    legs_max,
                    leg: plain(),
                    tenant: TenantId::NOBODYS,
                })?;
            }
            Op::Confirm(id) => {
                let before = self.subject.clone();
                if self.subject.pool().confirm(self.now, name(id)).is_err() {
                    ensure(self.subject == before, "a refused confirm changed something")?;
                }
            }
            Op::Join(id) => self.join(name(id))?,
            Op::Leave(id) => self.subject.pool().leave(self.now, name(id), plain()),
            Op::End(id) => {
                self.subject.pool().end(self.now, name(id));
                let gone = self.subject.pool().conference(name(id)).is_none();
                ensure(gone, "still there after its end")?;
            }
            Op::Wait { secs } => self.now += Duration::from_secs(secs),
            Op::Timer => self.subject.handle_deadline(self.now),
        }
        Ok(())
    }

    fn hold(&mut self, request: &HoldRequest) -> Result<(), String> {
        let before = self.subject.clone();
        let known = self.live(request.id);
        let room = self.subject.pool().room();
        match self.subject.hold(self.now, request) {
            Err(refusal) => {
                ensure(self.subject == before, "a refusal changed something")?;
                ensure(format!("{:?}", self.subject) == format!("{before:?}"), "bytes differ")?;
                let fits = room.free >= request.seats.0.max(1);
                let firm = request.firmness == Firmness::Firm;
                ensure(!(fits && firm), &format!("refused although it fits: {refusal}"))
            }
            Ok(hold) => {
                let longest = self.now + request.hold;
                ensure(known.is_some() || hold.until == longest, "another end than asked for")?;
                ensure(known.is_none_or(|view| view.until == hold.until), "prolonged")?;
                let once = self.subject.clone();
                let again = self.subject.hold(self.now, request);
                ensure(again == Ok(hold) && self.subject == once, "asked again it changed")
            }
        }
    }

    fn join(&mut self, id: ConferenceId) -> Result<(), String> {
        let before = self.subject.clone();
        let view = self.live(id);
        let result = self.subject.pool().join(self.now, id, plain()).map(|_| ());
        match (&result, view) {
            (Ok(()), None) => Err("joined what was over".into()),
            (Ok(()), Some(_)) => Ok(()),
            (Err(refusal), view) => {
                ensure(self.subject == before, "a refused join changed something")?;
                let held = view.is_some_and(|view| view.used < view.seats);
                let full = matches!(refusal, JoinRefusal::ConferenceFull { .. });
                ensure(!held || full, "a held seat was refused")
            }
        }
    }

    fn sums(&mut self) -> Result<(), String> {
        let room = self.subject.pool().room();
        ensure(room.used + room.held <= room.capacity, "above capacity")?;
        ensure(room.free == room.capacity - room.used - room.held, "free is wrong")?;
        let views = self.views();
        let used: u32 = views.iter().map(|(_, view)| view.used.0).sum();
        let held: u32 =
            views.iter().map(|(_, view)| view.seats.0.saturating_sub(view.used.0)).sum();
        ensure((used, held) == (room.used, room.held), "sums part from entries")?;
        let waiting = views.iter().filter(|(_, view)| view.state != ViewState::Active).count();
        ensure(waiting == self.subject.pool().hold_count(), "hold count is wrong")?;
        ensure(views.len() <= room.capacity as usize, "more conferences than seats")?;
        let soft: u32 = of_state(&views, ViewState::Soft).map(|view| view.seats.0).sum();
        ensure(soft <= SOFT_SEATS_MAX, "soft holds above their cap")?;
        let next = views.iter().filter(|(_, view)| view.state != ViewState::Active);
        let next = next.map(|(_, view)| view.until).min();
        ensure(self.subject.pool().deadline() == next, "the deadline is not the next end")
    }

    /// Firm and active promises stand until their time is over or their conference ends.
    fn promises_kept(&mut self, op: &Op, before: &[(ConferenceId, View)]) -> Result<(), String> {
        let outputs: Vec<_> = std::iter::from_fn(|| self.subject.pool().poll_output()).collect();
        let mut gone = BTreeSet::new();
        for output in &outputs {
            let (Output::Expired { id } | Output::Evicted { id } | Output::ReservationOver { id }) =
                output;
            ensure(gone.insert(*id), "said twice")?;
            let view = before.iter().find(|(known, _)| known == id).map(|(_, view)| view);
            let (soft, overdue) =
                view.map_or((false, false), |v| (v.state == ViewState::Soft, v.until <= self.now));
            let right = match output {
                Output::Expired { .. } => overdue,
                Output::Evicted { .. } => soft && !overdue,
                Output::ReservationOver { .. } => false,
            };
            ensure(right, "went for the wrong reason")?;
        }
        for (id, view) in before {
            let after = self.subject.pool().conference(*id);
            let ended = matches!(op, Op::End(number) if name(*number) == *id);
            let silent = after.is_none() && !ended && !gone.contains(id);
            ensure(!silent, "went without a word")?;
            let stands = view.state != ViewState::Soft && view.until > self.now && !ended;
            let kept = after.is_some_and(|after| after.seats >= view.seats);
            ensure(!stands || kept, "a promise was broken")?;
        }
        Ok(())
    }

    fn everything_comes_back(&mut self) -> Result<(), String> {
        for _ in 0..=IDS {
            let Some(deadline) = self.subject.pool().deadline() else { break };
            self.now = self.now.max(deadline);
            self.subject.handle_deadline(self.now);
        }
        ensure(self.subject.pool().hold_count() == 0, "a hold did not end")?;
        for id in 0..IDS {
            self.subject.pool().end(self.now, name(id));
        }
        let room = self.subject.pool().room();
        ensure((room.used, room.held) == (0, 0), "something is left")
    }

    fn views(&mut self) -> Vec<(ConferenceId, View)> {
        let pool = self.subject.pool();
        (0..IDS).filter_map(|id| Some((name(id), pool.conference(name(id))?))).collect()
    }

    /// The conference, unless it is a hold whose time is over.
    fn live(&mut self, id: ConferenceId) -> Option<View> {
        let view = self.subject.pool().conference(id)?;
        (view.state == ViewState::Active || view.until > self.now).then_some(view)
    }
}

fn of_state(views: &[(ConferenceId, View)], state: ViewState) -> impl Iterator<Item = &View> {
    views.iter().map(|(_, view)| view).filter(move |view| view.state == state)
}

fn name(id: u8) -> ConferenceId {
    ConferenceId([id; 10])
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// Whether some of 400 histories, the same in every run, shows the fault.
fn is_caught<S: Subject>(broken: S, fault: &str) {
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 400, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let result = runner.run(&history(), |history| {
        Checker::run(broken.clone(), &history).map_err(TestCaseError::fail)
    });
    let message = format!("{result:?}");
    assert!(result.is_err() && message.contains(fault), "not caught as {fault}: {message}");
}

proptest! {
    #![proptest_config(Config { cases: 1_000, failure_persistence: None, ..Config::default() })]

    /// T23
    #[test]
    fn promises_hold_over_random_histories(history in history()) {
        Checker::run(Pool::new(config()), &history).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn canary_pool_whose_holds_never_end_is_caught() {
    is_caught(Forgetful(Pool::new(config())), "a hold did not end");
}

#[test]
fn canary_pool_that_leaks_on_refusal_is_caught() {
    is_caught(Leaky(Pool::new(config())), "a refusal changed something");
}

#[test]
fn canary_pool_that_prolongs_a_hold_is_caught() {
    is_caught(Prolonging(Pool::new(config())), "asked again it changed");
}
