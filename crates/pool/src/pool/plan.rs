//! What has to go so that something fits. Only looks, so that a refusal can just drop it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use units::Instant;

use super::Pool;
use crate::cost::Cost;
use crate::decision::{Limit, LimitKind, Verdict};
use crate::ledger::Entry;
use crate::placement::{self, Load};
use crate::terms::{ConferenceId, Firmness, HoldRequest, Refusal, Seats, ShardRoom, TenantId};

/// What has to go.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// The conference that it is for, if that is known already: what is owed to it is kept from others only.
    asker: Option<ConferenceId>,
    /// Each conference at most once, so bounded by the capacity.
    pub(super) steps: Vec<Step>,
    /// Whom the steps drop altogether.
    dropped: BTreeSet<ConferenceId>,
    /// What becomes free, by shard.
    freed: BTreeMap<u16, Cost>,
    /// Seats that become free, by tenant.
    seats: BTreeMap<TenantId, u32>,
    /// Seats of soft holds that go.
    soft_seats: u32,
    /// Soft holds that go, by source.
    sources: BTreeMap<IpAddr, usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Expire(ConferenceId),
    Evict(ConferenceId),
    TakeBack { id: ConferenceId, seats: u32 },
}

/// One shard that was looked at for a hold.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) shard: u16,
    pub(super) room: ShardRoom,
    pub(super) kept_for_others: Cost,
    pub(super) fits: u32,
    pub(super) load: u64,
    pub(super) verdict: Verdict,
}

/// What was found out about a hold.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) limits: Vec<Limit>,
    pub(super) looks: Vec<Look>,
    pub(super) outcome: Result<(u16, Plan), Refusal>,
}

impl Plan {
    fn drop_hold(&mut self, id: ConferenceId, entry: &Entry, step: Step) {
        if !self.dropped.insert(id) {
            return;
        }
        self.free(entry.shard, entry.tenant, entry.held_cost(), entry.held());
        if let Some(source) = entry.soft_source() {
            self.soft_seats += entry.held();
            *self.sources.entry(source).or_default() += 1;
        }
        self.steps.push(step);
    }

    fn free(&mut self, shard: u16, tenant: TenantId, cost: Cost, seats: u32) {
        let freed = self.freed.entry(shard).or_default();
        *freed = freed.plus(cost);
        *self.seats.entry(tenant).or_default() += seats;
    }

    /// A plan for a conference that is known already: it does not give way to itself.
    pub(super) fn for_one(id: ConferenceId) -> Self {
        Self { asker: Some(id), dropped: BTreeSet::from([id]), ..Self::default() }
    }

    fn freed(&self, shard: u16) -> Cost {
        self.freed.get(&shard).copied().unwrap_or_default()
    }

    pub(super) fn freed_seats(&self, tenant: TenantId) -> u32 {
        self.seats.get(&tenant).copied().unwrap_or(0)
    }

    fn soft_count_of(&self, source: IpAddr) -> usize {
        self.sources.get(&source).copied().unwrap_or(0)
    }

    /// Conferences that go for somebody else, and seats that are taken back.
    fn pressure(&self) -> (u32, u32) {
        self.steps.iter().fold((0, 0), |(evicted, taken), step| match step {
            Step::Expire(_) => (evicted, taken),
            Step::Evict(_) => (evicted + 1, taken),
            Step::TakeBack { seats, .. } => (evicted, taken + seats),
        })
    }
}

impl Pool {
    /// What must go so that this hold fits, and where it would be put.
    pub(super) fn plan_hold(&self, now: Instant, asked: u32, request: &HoldRequest) -> Findings {
        let mut limits = Vec::new();
        let mut plan = Plan::default();
        self.plan_overdue(now, &mut plan);
        if let Err(refusal) = self.within_terms(now, asked, request.tenant, &mut plan, &mut limits)
        {
            let looks = self.looks_at_none(now, request, &plan);
            return Findings { limits, looks, outcome: Err(refusal) };
        }
        let mut over_soft_limit = false;
        if let Firmness::Soft { source } = request.firmness {
            self.plan_source(source, &mut plan);
            let most = self.config.soft_limit();
            let has = self.ledger.soft_seats() - plan.soft_seats;
            over_soft_limit = asked > most;
            limits.push(Limit {
                kind: LimitKind::Unproved,
                has: has.into(),
                most: most.into(),
                is_kept: !over_soft_limit,
            });
            self.plan_soft_room(most.saturating_sub(asked), &mut plan);
        }
        let cost = self.cost_of(asked, request.leg);
        let (looks, found) = self.plan_shard(now, request, &cost, plan);
        let outcome = match found {
            // Proving the address helps only if there is the room.
            Some(_) if over_soft_limit => Err(Refusal::SoftLimit {
                asked: Seats(asked),
                limit: Seats(self.config.soft_limit()),
            }),
            Some(found) => Ok(found),
            None => {
                let free = looks.iter().map(|look| look.fits).max().unwrap_or(0);
                Err(Refusal::PoolFull { asked: Seats(asked), free: Seats(free.min(asked - 1)) })
            }
        };
        Findings { limits, looks, outcome }
    }

    /// What so many legs of a conference cost, and the conference.
    pub(super) fn cost_of(&self, seats: u32, leg: Cost) -> Cost {
        self.config.costs.conference().plus(leg.times(seats))
    }

    /// Whether the tenant may have so many seats more, and one more conference.
    fn within_terms(
        &self,
        now: Instant,
        asked: u32,
        tenant: TenantId,
        plan: &mut Plan,
        limits: &mut Vec<Limit>,
    ) -> Result<(), Refusal> {
        let Some(terms) = self.terms(tenant) else { return Ok(()) };
        if let Some(quota) = terms.quota {
            let claimed = self.claimed_by(now, tenant);
            let has = self.plan_quota(tenant, claimed, quota.saturating_sub(asked), plan);
            let is_kept = has.saturating_add(asked) <= quota;
            let (kind, has, most) = (LimitKind::TenantQuota, u64::from(has), u64::from(quota));
            limits.push(Limit { kind, has, most, is_kept });
            if !is_kept {
                let has = Seats(u32::try_from(has).unwrap_or(u32::MAX));
                let (asked, quota) = (Seats(asked), Seats(quota));
                return Err(Refusal::TenantFull { tenant, asked, has, quota });
            }
        }
        if let Some(per_minute) = terms.per_minute {
            let is_kept = self.pace_of(tenant).one_more(now, per_minute).is_some();
            let kind = LimitKind::TenantRate;
            let has = if is_kept { 0 } else { u64::from(per_minute) };
            limits.push(Limit { kind, has, most: per_minute.into(), is_kept });
            if !is_kept {
                return Err(Refusal::TenantRate { tenant, per_minute });
            }
        }
        Ok(())
    }

    /// The shard for a hold: the least loaded that has the room; if none has, the one where the least must
    /// go.
    fn plan_shard(
        &self,
        now: Instant,
        request: &HoldRequest,
        cost: &Cost,
        plan: Plan,
    ) -> (Vec<Look>, Option<(u16, Plan)>) {
        let shards = self.shards();
        let number = |n: usize| u16::try_from(n).unwrap_or(0);
        let load = |n: usize| {
            let capacity = self.capacity_of(number(n));
            let free = self.free_for(now, number(n), request.tenant, &plan);
            Load { capacity, taken: capacity.minus(free), is_open: true }
        };
        // Promises are one thing, what a core can do is another: whoever cannot keep up has his turn last.
        let is_open = |shard| !self.late.contains(&shard);
        let in_time = |n: usize| Load { is_open: is_open(number(n)), ..load(n) };
        let chosen = placement::choose(shards.len(), in_time, request.id, cost);
        let any = || placement::choose(shards.len(), load, request.id, cost);
        if let Some(chosen) = chosen.or_else(any) {
            let look = |n: usize| {
                let load = load(n);
                let verdict = match load.with(cost) {
                    Some(_) if n == chosen => Verdict::Chosen,
                    Some(_) if !is_open(number(n)) => Verdict::Late,
                    Some(_) => Verdict::MoreLoad,
                    None => {
                        let free = load.capacity.minus(load.taken);
                        Verdict::NoRoomAtOnce { short_of: cost.short_of(&free) }
                    }
                };
                self.look(now, (number(n), request), cost, &plan, verdict)
            };
            // Of very many those that mattered are told.
            let mut told = placement::drawn(shards.len(), request.id);
            told.push(chosen);
            told.sort_unstable();
            told.dedup();
            let looks = told.into_iter().map(look).collect();
            return (looks, Some((number(chosen), plan)));
        }
        let mut best: Option<(u16, Plan)> = None;
        let mut looks = Vec::new();
        for shard in shards {
            let mut here = plan.clone();
            self.plan_room(now, shard, cost, request.tenant, &mut here);
            let free = self.free_for(now, shard, request.tenant, &here);
            let short_of = cost.short_of(&free);
            let fits = short_of.is_empty();
            looks.push(self.look(now, (shard, request), cost, &here, Verdict::NoRoom { short_of }));
            let steps = here.steps.len();
            if fits && best.as_ref().is_none_or(|(_, best)| steps < best.steps.len()) {
                best = Some((shard, here));
            }
        }
        if let Some((chosen, plan)) = &best {
            for look in &mut looks {
                let (evicted, taken_back) = plan.pressure();
                look.verdict = match &look.verdict {
                    _ if look.shard == *chosen => Verdict::ChosenByPressure { evicted, taken_back },
                    Verdict::NoRoom { short_of } if short_of.is_empty() => Verdict::MoreLoad,
                    other => other.clone(),
                };
            }
        }
        (looks, best)
    }

    fn looks_at_none(&self, now: Instant, request: &HoldRequest, plan: &Plan) -> Vec<Look> {
        let look = |shard| self.look(now, (shard, request), &Cost::ZERO, plan, Verdict::NotAsked);
        self.shards().map(look).collect()
    }

    fn look(
        &self,
        now: Instant,
        (shard, request): (u16, &HoldRequest),
        cost: &Cost,
        plan: &Plan,
        verdict: Verdict,
    ) -> Look {
        let room = self.shard_room(now, shard);
        let free = self.free_for(now, shard, request.tenant, plan);
        let base = self.config.costs.conference();
        let fits = if base.fits_into(&free) { free.minus(base).count_of(&request.leg) } else { 0 };
        let taken = room.capacity.minus(free).plus(*cost);
        let load = taken.load_of(&room.capacity);
        let kept_for_others = self.kept_from(request.tenant);
        Look { shard, room, kept_for_others, fits, load, verdict }
    }

    /// What a tenant may have of a shard once the plan is carried out.
    pub(super) fn free_for(&self, now: Instant, shard: u16, tenant: TenantId, plan: &Plan) -> Cost {
        let own = plan.asker.map_or(Cost::ZERO, |id| self.owed_to(now, id));
        let free = |shard: u16| {
            let room = self.shard_room(now, shard);
            let left = room.capacity.minus(room.used).minus(room.held).plus(plan.freed(shard));
            left.minus(room.owed.minus(own))
        };
        let kept = self.kept_from(tenant);
        if kept == Cost::ZERO {
            return free(shard);
        }
        // It does not matter on which shard the others find their share.
        let total = self.shards().map(free).fold(Cost::ZERO, Cost::plus);
        free(shard).min(total.minus(kept))
    }

    /// Holds that have ended but that [`Pool::handle_deadline`] has not met yet are nobody's room.
    pub(super) fn plan_overdue(&self, now: Instant, plan: &mut Plan) {
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

    /// Lets the oldest soft holds of a tenant go until what it has of those that it claims is no more than `keep`: whoever
    /// asked in its name and proved nothing does not use its quota up. Gives what it has then.
    pub(super) fn plan_quota(
        &self,
        tenant: TenantId,
        claimed: u32,
        keep: u32,
        plan: &mut Plan,
    ) -> u32 {
        let has = |plan: &Plan| claimed.saturating_sub(plan.freed_seats(tenant));
        for (id, entry) in self.ledger.soft_by_age() {
            if has(plan) <= keep {
                break;
            }
            if entry.tenant == tenant {
                plan.drop_hold(id, entry, Step::Evict(id));
            }
        }
        has(plan)
    }

    /// Lets soft holds of a shard go, then takes back what its active conferences can spare, until there
    /// is this much for the tenant or nothing is left to take. Tenants that have more than their fair
    /// share give first; one that has not gives nothing to one that has.
    pub(super) fn plan_room(
        &self,
        now: Instant,
        shard: u16,
        asked: &Cost,
        tenant: TenantId,
        plan: &mut Plan,
    ) {
        let asker_is_over = self.is_over_share(tenant, 1, plan);
        for over_first in [true, false] {
            let gives = |victim: TenantId, plan: &Plan| {
                let is_over = self.is_over_share(victim, 0, plan);
                is_over == over_first && (is_over || victim == tenant || !asker_is_over)
            };
            for (id, entry) in self.ledger.soft_by_age() {
                if asked.fits_into(&self.free_for(now, shard, tenant, plan)) {
                    return;
                }
                if entry.shard == shard && gives(entry.tenant, plan) {
                    plan.drop_hold(id, entry, Step::Evict(id));
                }
            }
            for (id, entry) in self.ledger.spare_by_age() {
                let missing = asked.minus(self.free_for(now, shard, tenant, plan));
                if missing == Cost::ZERO {
                    return;
                }
                let is_due = entry.until <= now && entry.shard == shard;
                if is_due && gives(entry.tenant, plan) && plan.dropped.insert(id) {
                    let seats = entry.spare().min(missing.covered_by(&entry.leg));
                    plan.steps.push(Step::TakeBack { id, seats });
                    plan.free(shard, entry.tenant, entry.leg.times(seats), seats);
                }
            }
        }
    }

    /// Whether a tenant has, with so many seats more, more than all would have if each of those that have
    /// anything had the same, and more than is reserved for it.
    fn is_over_share(&self, tenant: TenantId, more: u32, plan: &Plan) -> bool {
        let others = self.ledger.tenants().filter(|other| *other != tenant).count();
        let sharers = u32::try_from(others + 1).unwrap_or(u32::MAX);
        let reserved = self.terms(tenant).map_or(0, |terms| terms.reserved);
        let share = (self.config.capacity() / sharers).max(reserved);
        let has = self.ledger.seats_of(tenant).saturating_sub(plan.freed_seats(tenant));
        others > 0 && has.saturating_add(more) > share
    }
}
