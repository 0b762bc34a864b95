//! Why the pool decided as it did: kept with each conference, and of late refusals and ends.

use std::collections::VecDeque;
use std::time::Duration;

use focus::factory::Answering;
use pool::{Codec, ConferenceId, Decision, Firmness, HoldRequest, Seats, TenantId};
use serde::{Deserialize, Serialize};
use units::{Instant, UnixTime};

use crate::Shed;
use crate::conference::{Record, State};
use crate::figures::Refusal;
use crate::node::Node;

/// A decision and what it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) at: UnixTime,
    /// `None`: nobody has asked, it was looked at what would be.
    pub(crate) asking: Option<Asking>,
    pub(crate) decision: Decision,
}

/// Who asked for a conference, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    /// The From URI, masked; by HTTP the name of a token.
    pub(crate) asker: String,
    /// The Request-URI, masked; `None`: it was asked for by HTTP.
    pub(crate) asked: Option<String>,
    /// How it is handed over; `None`: by HTTP.
    pub(crate) answering: Option<Answering>,
}

/// The decisions of what is over.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The newest last; at most [`KEPT_MAX`].
    refused: VecDeque<Told>,
    /// With their conferences, the newest last; at most [`KEPT_MAX`].
    ended: VecDeque<(String, Box<Told>)>,
    /// The last refusal, in words, until it is told.
    words: Option<String>,
}

impl Kept {
    fn refused(&mut self, told: Told, words: String) {
        self.words = Some(words);
        if self.refused.len() == KEPT_MAX {
            self.refused.pop_front();
        }
        self.refused.push_back(told);
    }

    pub(crate) fn ended(&mut self, conference: String, told: Box<Told>) {
        if self.ended.len() == KEPT_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back((conference, told));
    }

    /// The refusal that nobody has been told of yet, in words.
    pub(crate) fn take_words(&mut self) -> Option<String> {
        self.words.take()
    }
}

/// A decision that is kept, and what came of it.
struct ToldOf<'a> {
    state: ExplainedState,
    conference: Option<String>,
    told: &'a Told,
}

/// What shall be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplainQuery {
    /// Conferences of this URI, of this user part or this id, or of one that begins so.
    Conference(String),
    /// What would be decided now.
    WhatIf {
        /// Legs.
        legs: u32,
        /// Their codec.
        codec: Codec,
        /// Their packet time.
        ptime: Duration,
        /// Who pays; `None`: nobody in particular.
        tenant: Option<String>,
    },
    /// What was refused lately, and what is held and runs.
    Recent,
    /// The same of this tenant.
    OfTenant(String),
}

/// What is explained. Serialised as JSON; fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// That new requests were refused, or are, before anybody decided anything; `None`: none was since the start.
    #[serde(default)]
    pub overload: Option<String>,
    /// Decisions, the newest first.
    pub decisions: Vec<Explained>,
}

/// One decision, explained. Serialised as JSON; fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// When it was decided.
    pub at: UnixTime,
    /// What came of it.
    pub state: ExplainedState,
    /// The conference URI; `None`: there is none.
    pub conference: Option<String>,
    /// Who asked: the From URI, not authenticated.
    pub asker: Option<String>,
    /// The address that was asked.
    pub asked: Option<String>,
    /// How it is handed over, and by which rule; `None`: it was not asked for by SIP.
    #[serde(default)]
    pub answer: Option<Answering>,
    /// Who pays; empty: nobody in particular.
    pub tenant: String,
    /// The decision in one sentence.
    pub words: String,
    /// All that was looked at.
    pub decision: Decision,
}

/// What came of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExplainedState {
    /// Nobody has joined yet.
    Held,
    /// The conference runs.
    Active,
    /// It is over, or nobody came.
    Ended,
    /// There was no conference.
    Refused,
    /// It was only asked what would be.
    WhatIf,
}

/// Why nothing is explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the message says it")]
pub enum ExplainError {
    #[error("there is no tenant {name:?} in the configuration")]
    NoTenant { name: String },
    #[error("no conference {name:?} is known here, held, running or over lately")]
    NoConference { name: String },
    #[error(
        "of {name:?} there is no decision: it was reserved, or is from before the last start; `convoke holds` shows its room"
    )]
    NotDecided { name: String },
}

impl Node {
    /// Explains decisions, and what is refused without one.
    ///
    /// # Errors
    /// [`ExplainError`]: there is nothing to explain.
    pub fn explain(&self, now: Instant, query: &ExplainQuery) -> Result<Explanation, ExplainError> {
        let decisions = self.decisions(now, query)?;
        Ok(Explanation { overload: self.overload_words(now), decisions })
    }

    fn decisions(
        &self,
        now: Instant,
        query: &ExplainQuery,
    ) -> Result<Vec<Explained>, ExplainError> {
        match query {
            ExplainQuery::Conference(name) => {
                let found: Vec<Explained> = self
                    .live()
                    .chain(self.over())
                    .filter(|it| it.conference.as_deref().is_some_and(|uri| is_named(uri, name)))
                    .take(EXPLAINED_MAX)
                    .map(|it| self.explained(it))
                    .collect();
                if found.is_empty() { Err(self.unexplained(name)) } else { Ok(found) }
            }
            ExplainQuery::WhatIf { legs, codec, ptime, tenant } => {
                let tenant = self.tenant_named(tenant.as_deref())?;
                let request = HoldRequest {
                    id: ConferenceId([0; 10]),
                    seats: Seats(*legs),
                    leg: self.pool.config().costs.leg(*codec, *ptime),
                    hold: Duration::ZERO,
                    firmness: Firmness::Firm,
                    legs_max: None,
                    tenant,
                };
                let decision = self.pool.explain(now, self.number, &request);
                let told = Told { at: self.wall(now), asking: None, decision };
                let state = ExplainedState::WhatIf;
                let mut explained = self.explained(ToldOf { state, conference: None, told: &told });
                // Whatever room there is.
                if let Err(refused) = self.takes_new() {
                    explained.words = format!("{refused}. Otherwise: {}", explained.words);
                }
                Ok(vec![explained])
            }
            ExplainQuery::Recent => Ok(self.recent(|_| true)),
            ExplainQuery::OfTenant(name) => {
                let tenant = self.tenant_named(Some(name))?;
                Ok(self.recent(|told| told.decision.tenant == tenant))
            }
        }
    }

    /// The newest first. Only what is told is put into words: there may be thousands.
    fn recent(&self, which: impl Fn(&Told) -> bool) -> Vec<Explained> {
        let state = ExplainedState::Refused;
        let refused = self.explained.refused.iter().rev();
        let refused = refused.map(|told| ToldOf { state, conference: None, told });
        let all = refused.chain(self.live()).chain(self.over());
        let mut all: Vec<ToldOf<'_>> = all.filter(|it| which(it.told)).collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.told.at));
        all.truncate(EXPLAINED_MAX);
        all.into_iter().map(|it| self.explained(it)).collect()
    }

    /// Why there is nothing to say of a conference.
    fn unexplained(&self, name: &str) -> ExplainError {
        let alive = self.records.values().filter(|record| record.is_alive());
        let mut uris = alive.map(|record| record.uri.to_string());
        let name = name.to_owned();
        if uris.any(|uri| is_named(&uri, &name)) {
            ExplainError::NotDecided { name }
        } else {
            ExplainError::NoConference { name }
        }
    }

    /// Who was refused because too much came, in words. Not one by one: thousands may be in a second.
    fn overload_words(&self, now: Instant) -> Option<String> {
        let figures = self.overload.figures();
        let ago = now.since(self.overload.refused_at()?).as_secs();
        let status = self.overload.status();
        let now = match (figures.is_limiting, figures.per_second) {
            (true, Some(rate)) => format!(
                "More new requests come than this server can do: {rate} a second are admitted, which waited {} ms of late (target {} ms)",
                status.wait_us / 1_000,
                status.target_us / 1_000
            ),
            (false, Some(limit)) => format!(
                "{limit} new requests a second are admitted and no more, by [overload] per_second of the configuration"
            ),
            (_, None) => {
                "More new requests came than this server can do. That is over, all are admitted"
                    .to_owned()
            }
        };
        let refused = self.tallies.refusals.of(Refusal::Overload);
        let shed = self.overload.shed();
        let unanswered = shed.of(Shed::Refusals) + shed.of(Shed::Unclear);
        Some(format!(
            "{now}. Since the start {refused} got 503, {unanswered} no answer, the last {ago} s ago. Calls and conferences that there are come first"
        ))
    }

    fn live(&self) -> impl Iterator<Item = ToldOf<'_>> {
        self.records.values().filter_map(|record| {
            let state = match &record.state {
                State::Held => ExplainedState::Held,
                State::Active(_) => ExplainedState::Active,
                State::Ended => ExplainedState::Ended,
            };
            let told = record.told.as_deref()?;
            Some(ToldOf { state, conference: Some(record.uri.to_string()), told })
        })
    }

    fn over(&self) -> impl Iterator<Item = ToldOf<'_>> {
        self.explained.ended.iter().rev().map(|(conference, told)| ToldOf {
            state: ExplainedState::Ended,
            conference: Some(conference.clone()),
            told,
        })
    }

    fn explained(&self, ToldOf { state, conference, told }: ToldOf<'_>) -> Explained {
        let tenant = self.tenant_name(told.decision.tenant);
        let asking = told.asking.as_ref();
        Explained {
            at: told.at,
            state,
            conference,
            asker: asking.map(|asking| asking.asker.clone()),
            asked: asking.and_then(|asking| asking.asked.clone()),
            answer: asking.and_then(|asking| asking.answering.clone()),
            words: told.decision.words(&tenant),
            tenant,
            decision: told.decision.clone(),
        }
    }

    /// Puts away why a conference had its room: it is over.
    pub(crate) fn put_away(&mut self, record: &mut Record) {
        if let Some(told) = record.told.take() {
            self.explained.ended(record.uri.text(), told);
        }
    }

    /// Keeps a decision against somebody, whom it is told at once.
    pub(crate) fn put_away_refused(&mut self, told: Told) {
        let words = told.decision.words(&self.tenant_name(told.decision.tenant));
        self.explained.refused(told, words);
    }

    /// The tenant of this name; without a name nobody in particular.
    pub(crate) fn tenant_named(&self, name: Option<&str>) -> Result<TenantId, ExplainError> {
        let Some(name) = name else { return Ok(TenantId::NOBODYS) };
        self.pool.tenant(name).ok_or_else(|| ExplainError::NoTenant { name: name.to_owned() })
    }

    /// What a tenant is called.
    pub(crate) fn tenant_name(&self, tenant: TenantId) -> String {
        self.pool.terms(tenant).map(|terms| terms.name.clone()).unwrap_or_default()
    }
}

/// Whether a conference URI is meant: written whole, by its user part or its id, or by the beginning of that.
fn is_named(uri: &str, name: &str) -> bool {
    let user = |text: &str| {
        let text = text.split_once(':').map_or(text, |(_, rest)| rest);
        text.split(['@', ';']).next().unwrap_or_default().to_ascii_lowercase()
    };
    let name = user(name);
    let has_id = || pool::id_in(uri).is_some_and(|id| id.to_string().starts_with(&name));
    name.len() >= NAME_LEAST && (user(uri).starts_with(&name) || has_id())
}

/// Enough of a user part to mean one conference of many: `conf-`, the node, and some of the identity.
const NAME_LEAST: usize = 5;

/// Decisions kept of each kind of what is over: at some 500 bytes each, 100 kB.
const KEPT_MAX: usize = 100;

/// Decisions in one answer.
const EXPLAINED_MAX: usize = 200;
