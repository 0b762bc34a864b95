//! How much room there is, and who holds it, as plain data.

use std::time::Duration;

use pool::{Codec, Cost, CostModel, Dimension, Seats, ShardRoom, ViewState};
use serde::{Deserialize, Serialize};
use units::{Instant, UnixTime};

use crate::ExplainError;
use crate::node::Node;

/// One conference that has room. Serialised as JSON; fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldStatus {
    /// The conference URI.
    pub conference: String,
    /// Where it stands.
    pub state: HoldState,
    /// Seats promised to it, used ones included.
    pub seats: u32,
    /// Seats that its legs take.
    pub used: u32,
    /// Held: when the hold ends by itself. Active: until when unused seats are kept whatever comes.
    pub until: UnixTime,
    /// Who pays; empty: nobody in particular.
    pub tenant: String,
    /// Node and shard, as in `1/0`.
    pub mixer: String,
    /// What its legs take.
    pub used_cost: Cost,
    /// What each promised seat costs.
    pub leg: Cost,
}

/// How firm a promise is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldState {
    /// The asker's address is not proved: the first to give way.
    Soft,
    /// Nobody has joined yet.
    Firm,
    /// Reserved for this time; nobody is in.
    Reserved,
    /// Somebody has joined.
    Active,
}

/// How much fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// What things cost here.
    pub costs: CostModel,
    /// What each mixer has and gives.
    pub mixers: Vec<MixerRoom>,
    /// How many legs of each kind fit.
    pub fits: Vec<Fit>,
    /// What was asked besides.
    pub what_if: Option<WhatIf>,
}

/// One mixer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixerRoom {
    /// Node and shard, as in `1/0`.
    pub mixer: String,
    /// What it has and gives.
    pub room: ShardRoom,
}

/// How many legs of one kind fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// Their codec.
    pub codec: Codec,
    /// Their packet time.
    pub ptime_ms: u32,
    /// What each costs.
    pub leg: Cost,
    /// Into the mixers when nobody uses them.
    pub empty: u32,
    /// Besides what is taken now.
    pub now: u32,
    /// What runs out first.
    pub limited_by: Dimension,
}

/// Conferences of a size and how many of them fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatIf {
    /// Conferences asked for.
    pub conferences: u32,
    /// Legs in each.
    pub legs: u32,
    /// Their codec.
    pub codec: Codec,
    /// Their packet time.
    pub ptime_ms: u32,
    /// How many of the conferences would get their room now.
    pub fit: u32,
}

/// What may be asked besides how much there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapacityQuery {
    /// Conferences of that size.
    pub conferences: u32,
    /// Legs in each; at least 1.
    pub legs: u32,
    /// Their codec.
    pub codec: Codec,
    /// Their packet time.
    pub ptime: Duration,
    /// Who would pay; `None`: nobody in particular.
    pub tenant: Option<String>,
}

impl Node {
    /// Every conference that has room, by URI.
    pub fn holds(&self) -> Vec<HoldStatus> {
        let mut all: Vec<HoldStatus> = self
            .pool
            .conferences()
            .filter_map(|(id, view)| {
                let record = self.records.get(&id)?;
                Some(HoldStatus {
                    conference: record.uri.to_string(),
                    state: match view.state {
                        ViewState::Soft => HoldState::Soft,
                        ViewState::Firm => HoldState::Firm,
                        ViewState::Reserved => HoldState::Reserved,
                        ViewState::Active => HoldState::Active,
                    },
                    seats: view.seats.0,
                    used: view.used.0,
                    until: self.wall(view.until),
                    tenant: self.tenant_name(view.tenant),
                    mixer: self.mixer(view.shard),
                    used_cost: view.used_cost,
                    leg: view.leg,
                })
            })
            .collect();
        all.sort_by(|a, b| (a.until, &a.conference).cmp(&(b.until, &b.conference)));
        all
    }

    /// How much fits. Nothing is held.
    ///
    /// # Errors
    /// [`ExplainError::NoTenant`]
    pub fn capacity(
        &self,
        now: Instant,
        query: Option<&CapacityQuery>,
    ) -> Result<Capacity, ExplainError> {
        let costs = self.pool.config().costs;
        let rooms: Vec<ShardRoom> =
            self.pool.shards().map(|shard| self.pool.shard_room(now, shard)).collect();
        let fits = [10, 20, 40, 60].into_iter().map(|ptime_ms| fit(&costs, &rooms, ptime_ms));
        let what_if = query.map(|query| self.what_if(now, query)).transpose()?;
        let mixers = self
            .pool
            .shards()
            .zip(&rooms)
            .map(|(shard, room)| MixerRoom { mixer: self.mixer(shard), room: *room });
        Ok(Capacity { costs, mixers: mixers.collect(), fits: fits.collect(), what_if })
    }

    fn what_if(&self, now: Instant, query: &CapacityQuery) -> Result<WhatIf, ExplainError> {
        let CapacityQuery { conferences, legs, codec, ptime, tenant } = query;
        let tenant = self.tenant_named(tenant.as_deref())?;
        let conferences = (*conferences).min(CONFERENCES_ASKED_MAX);
        let leg = self.pool.config().costs.leg(*codec, *ptime);
        let fit = self.pool.would_fit(now, conferences, Seats(*legs), (leg, tenant));
        let ptime_ms = u32::try_from(ptime.as_millis()).unwrap_or(u32::MAX);
        Ok(WhatIf { conferences, legs: *legs, codec: *codec, ptime_ms, fit })
    }

    /// What a shard is called.
    pub(crate) fn mixer(&self, shard: u16) -> String {
        format!("{}/{shard}", self.number)
    }
}

/// PCMU and PCMA cost the same.
fn fit(costs: &CostModel, rooms: &[ShardRoom], ptime_ms: u32) -> Fit {
    let codec = Codec::Pcmu;
    let leg = costs.leg(codec, Duration::from_millis(ptime_ms.into()));
    let count = |of: fn(&ShardRoom) -> Cost| {
        rooms.iter().map(|room| of(room).count_of(&leg)).fold(0, u32::saturating_add)
    };
    let whole = rooms.iter().map(|room| room.capacity).fold(Cost::ZERO, Cost::plus);
    let most = |what: Dimension| whole.of(what).checked_div(leg.of(what)).unwrap_or(u64::MAX);
    let limited_by = Dimension::ALL.into_iter().min_by_key(|what| most(*what));
    Fit {
        codec,
        ptime_ms,
        leg,
        empty: count(|room| room.capacity),
        now: count(ShardRoom::free),
        limited_by: limited_by.unwrap_or(Dimension::Cpu),
    }
}

/// Conferences that one question may be about: each costs as much as if it were asked for.
pub const CONFERENCES_ASKED_MAX: u32 = 10_000;
