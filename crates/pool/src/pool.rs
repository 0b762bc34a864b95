//! Holds, joins and leaves against one node's capacity.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use units::Instant;

use crate::ledger::{Entry, Ledger, State};
use crate::terms::{
    ConferenceId, Firmness, HOLD_MAX, Hold, HoldRequest, JoinRefusal, Output, PoolConfig, Refusal,
    Room, Seats, Unknown, View, ViewState,
};

/// One node's room. A root machine: one mutation, then drain [`Pool::poll_output`] to `None`,
/// then read [`Pool::deadline`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    config: PoolConfig,
    ledger: Ledger,
    next_serial: u64,
    /// At most one per conference that went, so bounded by the capacity between two drains.
    outputs: VecDeque<Output>,
}

/// The seats that a request is promised.
fn promised(request: &HoldRequest) -> u32 {
    request.legs_max.map_or(request.seats.0, |max| request.seats.0.min(max)).max(1)
}

impl Pool {
    /// An empty pool.
    pub fn new(config: PoolConfig) -> Self {
        Self { config, ledger: Ledger::default(), next_serial: 0, outputs: VecDeque::new() }
    }

    /// Promises seats. Idempotent by id: asked again, it returns the hold there is (made firm if
    /// this request is firm), never longer or larger. For an active conference it returns its
    /// `until`. Over the soft cap the oldest soft holds are evicted, over a source's share its own
    /// oldest; under pressure soft holds go
    /// first, then unused seats of active conferences, oldest first.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed.
    pub fn hold(&mut self, now: Instant, request: &HoldRequest) -> Result<Hold, Refusal> {
        if let Some(entry) = self.ledger.entry(request.id)
            && !entry.is_overdue(now)
        {
            let until = entry.until;
            if entry.soft_source().is_some() && request.firmness == Firmness::Firm {
                self.harden(request.id);
            }
            return Ok(Hold { until });
        }
        let promised = promised(request);
        let plan = self.plan_hold(now, promised, request)?;
        self.carry_out(plan, Some(request.id));
        let until = now + request.hold.min(HOLD_MAX);
        let entry = Entry {
            state: State::Held(request.firmness),
            promised,
            used: 0,
            legs_max: request.legs_max,
            hold: request.hold.min(HOLD_MAX),
            until,
            serial: self.new_serial(),
        };
        self.ledger.insert(request.id, entry);
        Ok(Hold { until })
    }

    /// Whether [`Self::hold`] would promise this much now.
    ///
    /// # Errors
    /// The refusal that it would give.
    pub fn would_hold(&self, now: Instant, request: &HoldRequest) -> Result<(), Refusal> {
        let is_held = self.ledger.entry(request.id).is_some_and(|entry| !entry.is_overdue(now));
        if is_held { Ok(()) } else { self.plan_hold(now, promised(request), request).map(|_| ()) }
    }

    /// Makes a soft hold firm: the asker's address is proved. Does not prolong it.
    ///
    /// # Errors
    /// [`Unknown`] if there is no such hold (any more).
    pub fn confirm(&mut self, now: Instant, id: ConferenceId) -> Result<Hold, Unknown> {
        let entry = self.ledger.entry(id).filter(|entry| !entry.is_overdue(now)).ok_or(Unknown)?;
        let until = entry.until;
        if entry.soft_source().is_some() {
            self.harden(id);
        }
        Ok(Hold { until })
    }

    /// Seats one leg; the first one activates the conference.
    ///
    /// # Errors
    /// [`JoinRefusal`]; nothing was changed.
    pub fn join(&mut self, now: Instant, id: ConferenceId) -> Result<(), JoinRefusal> {
        let (activated, plan) = self.plan_join(now, id)?;
        if let Some(plan) = plan {
            self.carry_out(plan, None);
        }
        let serial = if activated { Some(self.new_serial()) } else { None };
        self.ledger.update(id, |entry| {
            entry.used += 1;
            if let Some(serial) = serial {
                entry.state = State::Active;
                entry.until = now + entry.hold;
                entry.serial = serial;
            }
        });
        Ok(())
    }

    /// Whether [`Self::join`] would seat one more leg now.
    ///
    /// # Errors
    /// The refusal that it would give.
    pub fn would_join(&self, now: Instant, id: ConferenceId) -> Result<(), JoinRefusal> {
        self.plan_join(now, id).map(|_| ())
    }

    /// Gives one leg's seat back: to the conference within its promise, else to the pool.
    /// Without such a conference or leg nothing happens.
    pub fn leave(&mut self, _now: Instant, id: ConferenceId) {
        self.ledger.update(id, |entry| entry.used = entry.used.saturating_sub(1));
    }

    /// Frees everything of a conference, held or active. Unknown: nothing happens.
    pub fn end(&mut self, _now: Instant, id: ConferenceId) {
        self.ledger.remove(id);
    }

    /// Ends the holds that are due.
    pub fn handle_deadline(&mut self, now: Instant) {
        let mut plan = Plan::default();
        self.plan_overdue(now, &mut plan);
        self.carry_out(plan, None);
    }

    /// When the next hold ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.ledger.next_due()
    }

    /// What the pool did by itself, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The sums.
    pub fn room(&self) -> Room {
        Room {
            capacity: self.config.capacity.0,
            used: self.ledger.used(),
            held: self.ledger.held(),
            free: self.free(),
        }
    }

    /// Seats that all unproved askers together may hold.
    pub fn soft_limit(&self) -> Seats {
        Seats(self.config.soft_limit())
    }

    /// Conferences that are promised room and that nobody has joined.
    pub fn hold_count(&self) -> usize {
        self.ledger.hold_count()
    }

    /// Conferences known here, held and active.
    pub fn conference_count(&self) -> usize {
        self.ledger.len()
    }

    /// One conference; `None` if it is unknown here.
    pub fn conference(&self, id: ConferenceId) -> Option<View> {
        self.ledger.entry(id).map(|entry| View {
            state: match entry.state {
                State::Held(Firmness::Soft { .. }) => ViewState::Soft,
                State::Held(Firmness::Firm) => ViewState::Firm,
                State::Active => ViewState::Active,
            },
            seats: Seats(entry.promised),
            used: Seats(entry.used),
            until: entry.until,
        })
    }

    fn free(&self) -> u32 {
        self.config.capacity.0 - self.ledger.used() - self.ledger.held()
    }

    fn harden(&mut self, id: ConferenceId) {
        self.ledger.update(id, |entry| entry.state = State::Held(Firmness::Firm));
    }

    fn new_serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    /// Whether a leg would be the first, and what must go so that it has a seat. Only looks.
    fn plan_join(
        &self,
        now: Instant,
        id: ConferenceId,
    ) -> Result<(bool, Option<Plan>), JoinRefusal> {
        let entry = self.ledger.entry(id).filter(|entry| !entry.is_overdue(now));
        let entry = entry.ok_or(JoinRefusal::Unknown)?;
        if let Some(legs_max) = entry.legs_max
            && entry.used >= legs_max
        {
            return Err(JoinRefusal::ConferenceFull { legs_max });
        }
        let activated = matches!(entry.state, State::Held(_));
        if entry.held() > 0 {
            return Ok((activated, None));
        }
        let mut plan = Plan::default();
        self.plan_overdue(now, &mut plan);
        if self.plan_room(now, 1, &mut plan) < 1 {
            return Err(JoinRefusal::PoolFull);
        }
        Ok((activated, Some(plan)))
    }

    /// What must go so that this hold fits. Only looks.
    fn plan_hold(&self, now: Instant, asked: u32, request: &HoldRequest) -> Result<Plan, Refusal> {
        let mut plan = Plan::default();
        self.plan_overdue(now, &mut plan);
        if let Firmness::Soft { source } = request.firmness {
            self.plan_source(source, &mut plan);
            let limit = self.config.soft_limit();
            if asked > limit {
                // Proving the address helps only if there is the room.
                let free = Seats(self.plan_room(now, asked, &mut plan));
                let asked = Seats(asked);
                return Err(if free < asked {
                    Refusal::PoolFull { asked, free }
                } else {
                    Refusal::SoftLimit { asked, limit: Seats(limit) }
                });
            }
            self.plan_soft_room(limit - asked, &mut plan);
        }
        let free = self.plan_room(now, asked, &mut plan);
        if free < asked {
            return Err(Refusal::PoolFull { asked: Seats(asked), free: Seats(free) });
        }
        Ok(plan)
    }

    /// Holds that have ended but that [`Pool::handle_deadline`] has not met yet are nobody's room.
    fn plan_overdue(&self, now: Instant, plan: &mut Plan) {
        for id in self.ledger.overdue(now) {
            if let Some(entry) = self.ledger.entry(id) {
                plan.drop_hold(id, entry, Step::Expire(id));
            }
        }
    }

    /// Lets the oldest soft holds of this source go until one more is within its share. It is not
    /// refused: somebody else may have asked in its name, and whoever it is behind that address, or
    /// behind that proxy, must get his conference.
    fn plan_source(&self, source: IpAddr, plan: &mut Plan) {
        let others_max = self.config.soft_per_source_max.saturating_sub(1);
        for (id, entry) in self.ledger.soft_of(source) {
            if self.ledger.soft_count_of(source) - plan.soft_count_of(source) <= others_max {
                return;
            }
            plan.drop_hold(id, entry, Step::Evict(id));
        }
    }

    /// Lets the oldest soft holds go until the rest fits into `keep` seats.
    fn plan_soft_room(&self, keep: u32, plan: &mut Plan) {
        for (id, entry) in self.ledger.soft_by_age() {
            if self.ledger.soft_seats() - plan.soft_seats <= keep {
                return;
            }
            plan.drop_hold(id, entry, Step::Evict(id));
        }
    }

    /// Lets soft holds go, then takes back what active conferences can spare, until `asked` seats
    /// are free or nothing is left to take; returns how many would be free.
    fn plan_room(&self, now: Instant, asked: u32, plan: &mut Plan) -> u32 {
        let free = self.free();
        for (id, entry) in self.ledger.soft_by_age() {
            if free + plan.seats >= asked {
                break;
            }
            plan.drop_hold(id, entry, Step::Evict(id));
        }
        for (id, entry) in self.ledger.spare_by_age() {
            let missing = asked.saturating_sub(free + plan.seats);
            if missing == 0 {
                break;
            }
            if entry.until <= now {
                let seats = entry.spare().min(missing);
                plan.steps.push(Step::TakeBack { id, seats });
                plan.seats += seats;
            }
        }
        free + plan.seats
    }

    /// Does what was planned. An expired hold of `renewed` goes without a word: for the caller it
    /// is the conference he is asking for now.
    fn carry_out(&mut self, plan: Plan, renewed: Option<ConferenceId>) {
        for step in plan.steps {
            match step {
                Step::Expire(id) => {
                    self.ledger.remove(id);
                    if renewed != Some(id) {
                        self.outputs.push_back(Output::Expired { id });
                    }
                }
                Step::Evict(id) => {
                    self.ledger.remove(id);
                    self.outputs.push_back(Output::Evicted { id });
                }
                Step::TakeBack { id, seats } => {
                    self.ledger.update(id, |entry| entry.promised -= seats);
                }
            }
        }
    }
}

/// What has to go to make room; made by looking only, so that a refusal can just drop it.
#[derive(Debug, Default)]
struct Plan {
    /// Each conference at most once, so bounded by the capacity.
    steps: Vec<Step>,
    /// Whom the steps drop altogether.
    dropped: BTreeSet<ConferenceId>,
    /// Seats that become free.
    seats: u32,
    /// Those of them that were soft.
    soft_seats: u32,
    /// Soft holds that go, by source.
    sources: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
enum Step {
    Expire(ConferenceId),
    Evict(ConferenceId),
    TakeBack { id: ConferenceId, seats: u32 },
}

impl Plan {
    fn drop_hold(&mut self, id: ConferenceId, entry: &Entry, step: Step) {
        if !self.dropped.insert(id) {
            return;
        }
        self.seats += entry.held();
        if let Some(source) = entry.soft_source() {
            self.soft_seats += entry.held();
            *self.sources.entry(source).or_default() += 1;
        }
        self.steps.push(step);
    }

    fn soft_count_of(&self, source: IpAddr) -> usize {
        self.sources.get(&source).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
