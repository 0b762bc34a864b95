//! Holds, joins and leaves against one node's capacity.

mod booking;
mod plan;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use units::Instant;

use self::plan::{Findings, Plan, Step};
use crate::book::Book;
use crate::cost::Cost;
use crate::decision::{CANDIDATES_KEPT_MAX, Candidate, Decision};
use crate::ledger::{Entry, Ledger, State};
use crate::tenant::{Pace, TenantTerms};
use crate::terms::{
    ConferenceId, Firmness, HOLD_MAX, Hold, HoldRequest, JoinRefusal, Output, PoolConfig, Refusal,
    Room, Seats, ShardRoom, TenantId, Unknown, View, ViewState,
};

/// One node's room. A root machine: one mutation, then drain [`Pool::poll_output`] to `None`,
/// then read [`Pool::deadline`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    config: PoolConfig,
    ledger: Ledger,
    book: Book,
    /// How fast each tenant with a rate has made conferences. At most one each.
    paces: BTreeMap<TenantId, Pace>,
    /// Shards that cannot keep up with what they have.
    late: BTreeSet<u16>,
    /// When reservations that did not get all their room are tried again.
    again: Option<Instant>,
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
        Self {
            config,
            ledger: Ledger::default(),
            book: Book::default(),
            paces: BTreeMap::new(),
            late: BTreeSet::new(),
            again: None,
            next_serial: 0,
            outputs: VecDeque::new(),
        }
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
        if let Some(hold) = self.held_before(now, request) {
            return Ok(hold);
        }
        let (shard, plan) = self.plan_hold(now, promised(request), request).outcome?;
        Ok(self.promise(now, request, shard, plan))
    }

    /// The same, with what [`Self::explain`] says of it: both from one look at the room.
    pub fn hold_explained(
        &mut self,
        now: Instant,
        node: u16,
        request: &HoldRequest,
    ) -> (Result<Hold, Refusal>, Decision) {
        let findings = self.plan_hold(now, promised(request), request);
        let (decision, outcome) = self.decision(node, request, findings);
        let held = match self.held_before(now, request) {
            Some(hold) => Ok(hold),
            None => outcome.map(|(shard, plan)| self.promise(now, request, shard, plan)),
        };
        (held, decision)
    }

    /// The hold that there is, made firm if this request is.
    fn held_before(&mut self, now: Instant, request: &HoldRequest) -> Option<Hold> {
        let entry = self.ledger.entry(request.id).filter(|entry| !entry.is_overdue(now))?;
        let until = entry.until;
        if request.firmness == Firmness::Firm {
            self.make_firm(now, request.id);
        }
        Some(Hold { until })
    }

    /// Does what was planned for a hold.
    fn promise(&mut self, now: Instant, request: &HoldRequest, shard: u16, plan: Plan) -> Hold {
        self.carry_out(plan, Some(request.id));
        let is_counted = request.firmness == Firmness::Firm;
        if is_counted {
            self.count_pace(now, request.tenant);
        }
        let until = now + request.hold.min(HOLD_MAX);
        let entry = Entry {
            state: State::Held(request.firmness),
            shard,
            tenant: request.tenant,
            promised: promised(request),
            leg: request.leg,
            base: self.config.costs.conference(),
            used: 0,
            charged: Cost::ZERO,
            legs_max: request.legs_max,
            hold: request.hold.min(HOLD_MAX),
            until,
            is_counted,
            serial: self.new_serial(),
        };
        self.ledger.insert(request.id, entry);
        Hold { until }
    }

    /// Whether [`Self::hold`] would promise this much now.
    ///
    /// # Errors
    /// The refusal that it would give.
    pub fn would_hold(&self, now: Instant, request: &HoldRequest) -> Result<(), Refusal> {
        let is_held = self.ledger.entry(request.id).is_some_and(|entry| !entry.is_overdue(now));
        if is_held {
            return Ok(());
        }
        self.plan_hold(now, promised(request), request).outcome.map(|_| ())
    }

    /// How many of so many conferences of this size would be held now, one after the other, if proved callers asked
    /// for them. Nothing is held.
    pub fn would_fit(
        &self,
        now: Instant,
        conferences: u32,
        seats: Seats,
        (leg, tenant): (Cost, TenantId),
    ) -> u32 {
        let mut trial = self.clone();
        trial.handle_deadline(now);
        let is_held = |number: u32| {
            let mut id = [0xff; 10];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let request = HoldRequest {
                id: ConferenceId(id),
                seats,
                leg,
                hold: HOLD_MAX,
                firmness: Firmness::Firm,
                legs_max: None,
                tenant,
            };
            trial.hold(now, &request).is_ok()
        };
        let held = (0..conferences).map(is_held).take_while(|is_held| *is_held).count();
        u32::try_from(held).unwrap_or(u32::MAX)
    }

    /// What [`Self::hold`] would decide now for a conference that there is not yet, and why. `node` is this
    /// one's number.
    pub fn explain(&self, now: Instant, node: u16, request: &HoldRequest) -> Decision {
        self.decision(node, request, self.plan_hold(now, promised(request), request)).0
    }

    /// What was found, for people, and the plan.
    fn decision(
        &self,
        node: u16,
        request: &HoldRequest,
        findings: Findings,
    ) -> (Decision, Result<(u16, Plan), Refusal>) {
        let Findings { limits, looks, outcome } = findings;
        let chosen = outcome.as_ref().ok().map(|(shard, _)| *shard);
        let mut candidates: Vec<Candidate> = looks
            .into_iter()
            .map(|look| Candidate {
                node,
                shard: look.shard,
                room: look.room,
                kept_for_others: look.kept_for_others,
                fits: look.fits,
                load: look.load,
                verdict: look.verdict,
            })
            .collect();
        candidates.sort_by_key(|it| (chosen != Some(it.shard), it.shard));
        candidates.truncate(CANDIDATES_KEPT_MAX);
        let left_out = self.shards().len() - candidates.len();
        let seats = promised(request);
        let decision = Decision {
            seats: Seats(seats),
            leg: request.leg,
            asked: self.cost_of(seats, request.leg),
            tenant: request.tenant,
            is_firm: request.firmness == Firmness::Firm,
            refusal: outcome.as_ref().err().cloned(),
            limits,
            candidates,
            left_out,
        };
        (decision, outcome)
    }

    /// Makes a soft hold firm: the asker's address is proved, and his conference counts for the rate of its tenant. Does
    /// not prolong it.
    ///
    /// # Errors
    /// [`Unknown`] if there is no such hold (any more).
    pub fn confirm(&mut self, now: Instant, id: ConferenceId) -> Result<Hold, Unknown> {
        let entry = self.ledger.entry(id).filter(|entry| !entry.is_overdue(now)).ok_or(Unknown)?;
        let until = entry.until;
        self.make_firm(now, id);
        Ok(Hold { until })
    }

    /// Who proves nothing takes nothing of his tenant's rate: only now it counts.
    fn make_firm(&mut self, now: Instant, id: ConferenceId) {
        self.ledger.harden(id);
        if let Some(tenant) = self.ledger.newly_counted(id) {
            self.count_pace(now, tenant);
        }
    }

    /// Seats one leg that costs this much; the first one activates the conference. Gives what it is
    /// charged, which [`Self::leave`] takes back.
    ///
    /// # Errors
    /// [`JoinRefusal`]; nothing was changed.
    pub fn join(
        &mut self,
        now: Instant,
        id: ConferenceId,
        cost: Cost,
    ) -> Result<Cost, JoinRefusal> {
        let (charge, plan) = self.plan_join(now, id, cost)?;
        if let Some(plan) = plan {
            self.carry_out(plan, None);
        }
        let is_first = self.ledger.entry(id).is_some_and(|entry| !entry.is_active());
        let serial = if is_first { Some(self.new_serial()) } else { None };
        self.ledger.update(id, |entry| {
            entry.used += 1;
            entry.charged = entry.charged.plus(charge);
            if let Some(serial) = serial {
                // What is reserved is kept until the reservation ends.
                if entry.state != State::Reserved {
                    entry.until = now + entry.hold;
                }
                entry.state = State::Active;
                entry.serial = serial;
            }
        });
        Ok(charge)
    }

    /// Whether [`Self::join`] would seat one more leg now.
    ///
    /// # Errors
    /// The refusal that it would give.
    pub fn would_join(
        &self,
        now: Instant,
        id: ConferenceId,
        cost: Cost,
    ) -> Result<(), JoinRefusal> {
        self.plan_join(now, id, cost).map(|_| ())
    }

    /// What a leg costs has changed: its packets are shorter or longer. Gives what it is charged from now on in the place of
    /// `charge`.
    ///
    /// # Errors
    /// [`JoinRefusal`]; nothing was changed.
    pub fn recharge(
        &mut self,
        now: Instant,
        id: ConferenceId,
        (charge, cost): (Cost, Cost),
    ) -> Result<Cost, JoinRefusal> {
        let entry = self.ledger.entry(id).filter(|entry| entry.used > 0);
        let entry = entry.ok_or(JoinRefusal::Unknown)?;
        let changed = cost.max(entry.leg);
        if changed == charge {
            return Ok(charge);
        }
        let (more, shard, tenant) = (changed.minus(charge), entry.shard, entry.tenant);
        let mut plan = Plan::for_one(id);
        if more != Cost::ZERO {
            self.plan_overdue(now, &mut plan);
            self.plan_room(now, shard, &more, tenant, &mut plan);
            if !more.fits_into(&self.free_for(now, shard, tenant, &plan)) {
                return Err(JoinRefusal::PoolFull);
            }
        }
        self.carry_out(plan, None);
        self.ledger.update(id, |entry| entry.charged = entry.charged.minus(charge).plus(changed));
        self.top_up(now);
        Ok(changed)
    }

    /// Gives one leg's seat back: to the conference within its promise, else to the pool.
    /// Without such a conference or leg nothing happens.
    pub fn leave(&mut self, now: Instant, id: ConferenceId, charge: Cost) {
        self.ledger.update(id, |entry| {
            if entry.used > 0 {
                entry.used -= 1;
                entry.charged = entry.charged.minus(charge);
            }
        });
        self.top_up(now);
    }

    /// Changes how many seats a conference is promised. Fewer than its legs use is all that they use.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed. [`Refusal::OutOfTime`] if there is no such conference.
    pub fn resize(&mut self, now: Instant, id: ConferenceId, seats: Seats) -> Result<(), Refusal> {
        let entry = self.ledger.entry(id).filter(|entry| !entry.is_overdue(now));
        let entry = entry.ok_or(Refusal::OutOfTime)?;
        let wanted = entry.legs_max.map_or(seats.0, |max| seats.0.min(max)).max(1);
        let more = wanted.saturating_sub(entry.seats());
        if more > 0 {
            let (shard, tenant, cost) = (entry.shard, entry.tenant, entry.leg.times(more));
            let leg = entry.leg;
            let mut plan = Plan::for_one(id);
            self.plan_overdue(now, &mut plan);
            if let Some(quota) = self.terms(tenant).and_then(|terms| terms.quota) {
                let claimed = self.claimed_by_others(now, id, tenant);
                let keep = quota.saturating_sub(wanted);
                if self.plan_quota(tenant, claimed, keep, &mut plan).saturating_add(wanted) > quota
                {
                    let has = Seats(self.claimed_by(now, tenant) - plan.freed_seats(tenant));
                    let asked = Seats(more);
                    return Err(Refusal::TenantFull { tenant, asked, has, quota: Seats(quota) });
                }
            }
            self.plan_room(now, shard, &cost, tenant, &mut plan);
            let free = self.free_for(now, shard, tenant, &plan);
            if !cost.fits_into(&free) {
                let free = Seats(free.count_of(&leg));
                return Err(Refusal::PoolFull { asked: Seats(more), free });
            }
            self.carry_out(plan, None);
        }
        self.ledger.update(id, |entry| entry.promised = wanted);
        Ok(())
    }

    /// Sets how many legs a conference may have; those that it has stay. No more are promised from now on than may come, but for
    /// what is reserved: that is so until the reservation ends. Unknown: nothing happens.
    pub fn limit(&mut self, now: Instant, id: ConferenceId, legs_max: Option<u32>) {
        let is_booked = self.book.get(id).is_some();
        self.ledger.update(id, |entry| {
            entry.legs_max = legs_max;
            if let Some(max) = legs_max.filter(|_| !is_booked) {
                entry.promised = entry.promised.min(max.max(1));
            }
        });
        self.top_up(now);
    }

    /// Frees everything of a conference, held or active. While a reservation for it stands, its room is kept
    /// for whoever comes next. Unknown: nothing happens.
    pub fn end(&mut self, now: Instant, id: ConferenceId) {
        if let Some(mut entry) = self.ledger.remove(id)
            && let Some(booked) = self.book.get(id)
            && booked.reservation.until > now
        {
            entry.state = State::Reserved;
            (entry.used, entry.charged) = (0, Cost::ZERO);
            entry.until = booked.reservation.until;
            entry.promised = entry.promised.min(booked.reservation.seats.0);
            self.ledger.insert(id, entry);
        }
        self.top_up(now);
    }

    /// Ends the holds that are due, and opens and closes reservations.
    pub fn handle_deadline(&mut self, now: Instant) {
        let due: Vec<ConferenceId> = self.ledger.overdue(now).collect();
        for id in due {
            self.ledger.remove(id);
            self.outputs.push_back(Output::Expired { id });
        }
        self.turn_pages(now);
        self.top_up(now);
    }

    /// When the next hold ends, or the next reservation begins or ends.
    pub fn deadline(&self) -> Option<Instant> {
        [self.book.deadline(), self.again].into_iter().fold(self.ledger.next_due(), units::soonest)
    }

    /// What the pool did by itself, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The sums.
    pub fn room(&self) -> Room {
        let plain = self.config.costs.plain_leg();
        let free = |shard| {
            let taken = self.ledger.taken(shard);
            self.capacity_of(shard).minus(taken.used).minus(taken.held).count_of(&plain)
        };
        Room {
            capacity: self.config.capacity(),
            used: self.ledger.used(),
            held: self.ledger.held(),
            free: self.shards().map(free).fold(0, u32::saturating_add),
        }
    }

    /// What a shard has and gives now.
    pub fn shard_room(&self, now: Instant, shard: u16) -> ShardRoom {
        let taken = self.ledger.taken(shard);
        let owed = self.owed(now, shard);
        ShardRoom { capacity: self.capacity_of(shard), used: taken.used, held: taken.held, owed }
    }

    /// A shard cannot keep up with what it has, or can again, by its own measure: it gets no new conference while another
    /// has room for it.
    pub fn set_late(&mut self, shard: u16, is_late: bool) {
        if !is_late {
            self.late.remove(&shard);
        } else if self.shards().contains(&shard) {
            self.late.insert(shard);
        }
    }

    /// The numbers of the shards.
    pub fn shards(&self) -> Range<u16> {
        0..u16::try_from(self.config.shards.len()).unwrap_or(u16::MAX)
    }

    /// What it was told at first.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// What a tenant may have; `None`: there is no such tenant.
    pub fn terms(&self, tenant: TenantId) -> Option<&TenantTerms> {
        self.config.tenants.get(usize::from(tenant.0))
    }

    /// The tenant of this name.
    pub fn tenant(&self, name: &str) -> Option<TenantId> {
        let at = self.config.tenants.iter().position(|terms| terms.name == name)?;
        u16::try_from(at).ok().map(TenantId)
    }

    /// Seats that a tenant has, in use and held.
    pub fn seats_of(&self, tenant: TenantId) -> Seats {
        Seats(self.ledger.seats_of(tenant))
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
        self.ledger.entry(id).map(view)
    }

    /// All conferences, held and active.
    pub fn conferences(&self) -> impl Iterator<Item = (ConferenceId, View)> {
        self.ledger.entries().map(|(id, entry)| (id, view(entry)))
    }

    fn capacity_of(&self, shard: u16) -> Cost {
        self.config.shards.get(usize::from(shard)).copied().unwrap_or_default()
    }

    /// What tenants other than this one have reserved and do not use.
    fn kept_from(&self, tenant: TenantId) -> Cost {
        let all = (0_u16..).map(TenantId).zip(&self.config.tenants);
        let unused = all
            .filter(|(other, _)| *other != tenant)
            .map(|(other, terms)| terms.reserved.saturating_sub(self.ledger.seats_of(other)));
        self.config.costs.plain_leg().times(unused.fold(0, u32::saturating_add))
    }

    fn pace_of(&self, tenant: TenantId) -> Pace {
        self.paces.get(&tenant).copied().unwrap_or_default()
    }

    fn count_pace(&mut self, now: Instant, tenant: TenantId) {
        let per_minute = self.terms(tenant).and_then(|terms| terms.per_minute);
        if let Some(most) = per_minute {
            self.paces.insert(tenant, self.pace_of(tenant).with_one(now, most));
        }
    }

    fn new_serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    /// What a leg would be charged, and what must go so that it has a seat. Only looks.
    fn plan_join(
        &self,
        now: Instant,
        id: ConferenceId,
        cost: Cost,
    ) -> Result<(Cost, Option<Plan>), JoinRefusal> {
        let entry = self.ledger.entry(id).filter(|entry| !entry.is_overdue(now));
        let entry = entry.ok_or_else(|| match self.book.get(id) {
            Some(booked) if booked.opens > now => JoinRefusal::NotYet { opens: booked.opens },
            Some(_) | None => JoinRefusal::Unknown,
        })?;
        if let Some(legs_max) = entry.legs_max
            && entry.used >= legs_max
        {
            return Err(JoinRefusal::ConferenceFull { legs_max });
        }
        // No less than a promised seat: see the ledger.
        let charge = cost.max(entry.leg);
        let is_promised = entry.held() > 0;
        let more = if is_promised { charge.minus(entry.leg) } else { charge };
        if more == Cost::ZERO {
            return Ok((charge, None));
        }
        let tenant = entry.tenant;
        let mut plan = Plan::for_one(id);
        self.plan_overdue(now, &mut plan);
        if let Some(quota) = self.terms(tenant).and_then(|terms| terms.quota)
            && !is_promised
        {
            let claimed = self.claimed_by_others(now, id, tenant).saturating_add(entry.seats());
            if self.plan_quota(tenant, claimed, quota.saturating_sub(1), &mut plan) >= quota {
                return Err(JoinRefusal::TenantFull { tenant, quota: Seats(quota) });
            }
        }
        self.plan_room(now, entry.shard, &more, tenant, &mut plan);
        if !more.fits_into(&self.free_for(now, entry.shard, tenant, &plan)) {
            return Err(JoinRefusal::PoolFull);
        }
        Ok((charge, Some(plan)))
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

fn view(entry: &Entry) -> View {
    View {
        state: match entry.state {
            State::Held(Firmness::Soft { .. }) => ViewState::Soft,
            State::Held(Firmness::Firm) => ViewState::Firm,
            State::Reserved => ViewState::Reserved,
            State::Active => ViewState::Active,
        },
        seats: Seats(entry.promised),
        used: Seats(entry.used),
        until: entry.until,
        shard: entry.shard,
        tenant: entry.tenant,
        leg: entry.leg,
        used_cost: entry.used_cost(),
    }
}

#[cfg(test)]
mod tests;
