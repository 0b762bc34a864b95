//! Reservations: the URI now, the room then.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use pool::{Codec, ConferenceId, Refusal, Reservation, Seats};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sip::SipUri;
use units::{Instant, UnixTime};

use crate::conference::{Record, State};
use crate::keeping::{StoreChange, StoredState, Waiting};
use crate::node::{Node, Output, Phase};
use crate::steering::Policy;
use crate::{ExplainError, Notice};

/// What somebody wants to reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReserveRequest {
    /// How many are to come; at least 1.
    pub legs: u32,
    /// Their codec.
    pub codec: Codec,
    /// Their packet time.
    pub ptime: Duration,
    /// When it begins.
    pub from: UnixTime,
    /// When it ends.
    pub until: UnixTime,
    /// Who pays; `None`: nobody in particular.
    pub tenant: Option<String>,
    /// Names this request, so that the same again is the same reservation, and another one is refused while that stands;
    /// `None`: it is another one each time.
    pub key: Option<String>,
}

impl ReserveRequest {
    /// What is kept of it.
    fn stored(&self) -> StoredState {
        StoredState::Reserved {
            legs: self.legs,
            codec: self.codec,
            ptime_ms: u32::try_from(self.ptime.as_millis()).unwrap_or(u32::MAX),
            from: self.from,
            until: self.until,
        }
    }
}

/// One reservation. Serialised as JSON; fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationStatus {
    /// The conference URI.
    pub conference: String,
    /// How many are to come.
    pub legs: u32,
    /// When it begins.
    pub from: UnixTime,
    /// When it ends.
    pub until: UnixTime,
    /// Who pays; empty: nobody in particular.
    pub tenant: String,
    /// Where it stands.
    pub state: ReservationState,
    /// Once its room is kept: seats of it that are not to be had yet, because others do not leave.
    pub missing: u32,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReservationState {
    /// Its time has not come.
    Waiting,
    /// Its room is kept; it can be joined.
    Open,
    /// Somebody is in.
    Running,
}

/// Why nothing is reserved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum ReserveError {
    #[error("a reservation must outlive the process: start the server with --state-dir")]
    NoStore,
    #[error("{0}")]
    NoTenant(#[from] ExplainError),
    #[error("a reservation is for 1 to {most} legs")]
    BadSize { most: u32 },
    #[error("a reservation ends after it begins, and not before now")]
    OutOfTime,
    #[error("a reservation is for {most_days} days at most, and begins within a year")]
    TooFar { most_days: u64 },
    #[error(
        "there is no room for {asked} then, but for {free}: ask for fewer, or for another time"
    )]
    NoRoom { asked: u32, free: u32 },
    #[error(
        "{tenant} has {has} of its {quota} seats then, reserved and in use: this is its own limit"
    )]
    TenantFull { tenant: String, has: u32, quota: u32 },
    #[error(
        "this key names a reservation of {legs} legs, which is not what is asked for now: ask for the same, take another key, or \
         give that one up"
    )]
    OtherRequest { legs: u32 },
    #[error("this key has named {most} reservations of late: take another one")]
    KeyUsed { most: u8 },
    #[error("there are {max} reservations already")]
    TooMany { max: usize },
    #[error("the server is ending")]
    Ending,
    #[error(
        "the server drains and promises nothing: reserve elsewhere, or here after `convoke undrain`"
    )]
    Draining,
    #[error("it could not be written to the disk, so it is not promised: see the server's log")]
    NotKept,
    #[error("there is no such reservation")]
    NotFound,
}

impl Node {
    /// Every reservation that is not over, by its time.
    pub fn reservations(&self, now: Instant) -> Vec<ReservationStatus> {
        let mut all: Vec<ReservationStatus> = self
            .pool
            .reservations()
            .filter_map(|reservation| self.reservation(now, &reservation))
            .collect();
        all.sort_by(|a, b| (a.from, &a.conference).cmp(&(b.from, &b.conference)));
        all
    }

    fn reservation(&self, now: Instant, it: &Reservation) -> Option<ReservationStatus> {
        let record = self.records.get(&it.id)?;
        let wall = |at: Instant| self.wall(at);
        let state = match (&record.state, self.pool.conference(it.id)) {
            (State::Active(_), _) => ReservationState::Running,
            (State::Held | State::Ended, Some(_)) => ReservationState::Open,
            (State::Held | State::Ended, None) => ReservationState::Waiting,
        };
        Some(ReservationStatus {
            conference: record.uri.to_string(),
            legs: it.seats.0,
            from: wall(it.from),
            until: wall(it.until),
            tenant: self.tenant_name(it.tenant),
            state,
            missing: self.pool.missing_seats(now, it.id).0,
        })
    }

    pub(crate) fn reserve(&mut self, now: Instant, ticket: u64, request: &ReserveRequest) {
        match self.try_reserve(now, request) {
            Ok(Made::Already(id)) => {
                // If the first of these is still on its way to the disk, both wait for it.
                let waits = self.keeping.as_ref().is_some_and(|keeping| {
                    let of_it = |waiting: &Waiting| matches!(waiting, Waiting::Reserve { id: of, .. } if *of == id);
                    keeping.waiting.values().any(of_it)
                });
                if waits {
                    self.put_reservation(id, ticket);
                } else {
                    let answer = self.answer_of(now, id);
                    self.output(Output::Reserved { ticket, answer });
                }
            }
            Ok(Made::New(id)) => self.put_reservation(id, ticket),
            Err(error) => self.output(Output::Reserved { ticket, answer: Err(error) }),
        }
    }

    /// Has it written as it was promised, whatever else was asked for under the same key.
    fn put_reservation(&mut self, id: ConferenceId, ticket: u64) {
        let reserved = self.records.get(&id).and_then(|record| record.reserved);
        let Some(stored) = reserved.and_then(|state| self.to_store(id, state)) else { return };
        let number = self.store(StoreChange::Put(Box::new(stored)));
        if let (Some(number), Some(keeping)) = (number, &mut self.keeping) {
            keeping.waiting.insert(number, Waiting::Reserve { ticket, id });
        }
    }

    fn try_reserve(
        &mut self,
        now: Instant,
        request: &ReserveRequest,
    ) -> Result<Made, ReserveError> {
        if self.keeping.is_none() {
            return Err(ReserveError::NoStore);
        }
        if self.phase == Phase::ShuttingDown {
            return Err(ReserveError::Ending);
        }
        let named = self.identities(request);
        if let Some(id) = named.iter().find(|id| self.pool.reservation(**id).is_some()) {
            return self.same(*id, request);
        }
        // What it named before may run still, beyond its time, or be over and remembered.
        let id = named.into_iter().find(|id| !self.records.contains_key(id));
        let id = id.ok_or(ReserveError::KeyUsed { most: GENERATIONS_MAX })?;
        if self.takes_new().is_err() {
            return Err(ReserveError::Draining);
        }
        let tenant = self.tenant_named(request.tenant.as_deref())?;
        if request.legs == 0 || request.legs > LEGS_MAX {
            return Err(ReserveError::BadSize { most: LEGS_MAX });
        }
        let wall = self.wall(now);
        if request.until <= request.from || request.until <= wall {
            return Err(ReserveError::OutOfTime);
        }
        let long = request.until.0 - request.from.0 > DAYS_MAX * DAY;
        if long || request.from.0 > wall.0.saturating_add(AHEAD_DAYS_MAX * DAY) {
            return Err(ReserveError::TooFar { most_days: DAYS_MAX });
        }
        let reservation = Reservation {
            id,
            tenant,
            seats: Seats(request.legs),
            leg: self.pool.config().costs.leg(request.codec, request.ptime),
            from: self.moment(now, request.from),
            until: self.moment(now, request.until),
        };
        self.pool.reserve(now, &reservation).map_err(|refusal| self.not_reserved(&refusal))?;
        let (host, port) = self.listens[0].advertise.clone();
        let user = pool::mint(&self.keys.token, self.number, id, request.until);
        let uri = SipUri::new(host, Some(port)).with_user(&user);
        let usual = self.usual(0);
        // As many as were promised room get in.
        let legs_max = usual.legs_max.map(|max| max.max(request.legs));
        let policy = Policy { legs_max, ..usual };
        let record = Record::unasked(now, uri, (0, policy), request.until);
        let reserved = Some(request.stored());
        self.records.insert(id, Box::new(Record { reserved, ..record }));
        Ok(Made::New(id))
    }

    /// What was reserved under the same key, if that is what is asked for.
    fn same(&self, id: ConferenceId, request: &ReserveRequest) -> Result<Made, ReserveError> {
        let reserved = self.records.get(&id).and_then(|record| record.reserved);
        match reserved {
            Some(StoredState::Reserved { legs, .. }) if reserved != Some(request.stored()) => {
                Err(ReserveError::OtherRequest { legs })
            }
            Some(_) | None => Ok(Made::Already(id)),
        }
    }

    /// What a request may mean: whoever names his gets the same again while it stands, and another one after that.
    fn identities(&mut self, request: &ReserveRequest) -> Vec<ConferenceId> {
        let fresh = self.rng.token(32);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.keys.identity)
            .expect("invariant: HMAC takes any key length");
        // The label keeps it apart from the identities of what is asked for by SIP.
        mac.update(b"convoke reservation 1\0");
        let of_generation = |generation: u8| {
            let mut mac = mac.clone();
            match &request.key {
                Some(key) => {
                    mac.update(b"key");
                    mac.update(&[generation]);
                    mac.update(request.tenant.as_deref().unwrap_or_default().as_bytes());
                    mac.update(b"\0");
                    mac.update(key.as_bytes());
                }
                None => mac.update(fresh.as_bytes()),
            }
            let mut id = [0; 10];
            id.copy_from_slice(&mac.finalize().into_bytes()[..10]);
            ConferenceId(id)
        };
        let generations = if request.key.is_some() { GENERATIONS_MAX } else { 1 };
        (0..generations).map(of_generation).collect()
    }

    fn not_reserved(&self, refusal: &Refusal) -> ReserveError {
        match refusal {
            Refusal::PoolFull { asked, free } | Refusal::SoftLimit { asked, limit: free } => {
                ReserveError::NoRoom { asked: asked.0, free: free.0 }
            }
            Refusal::TenantFull { tenant, has, quota, .. } => ReserveError::TenantFull {
                tenant: self.tenant_name(*tenant),
                has: has.0,
                quota: quota.0,
            },
            Refusal::TenantRate { .. } | Refusal::OutOfTime => ReserveError::OutOfTime,
            Refusal::TooManyReservations { max } => ReserveError::TooMany { max: *max },
        }
    }

    pub(crate) fn cancel(&mut self, ticket: u64, conference: &str) {
        let id = self.pool.reservations().map(|it| it.id).find(|id| {
            let record = self.records.get(id);
            record.is_some_and(|record| {
                record.uri.to_string() == conference
                    || record.uri.user.as_deref() == Some(conference)
            })
        });
        let Some(id) = id else {
            return self.output(Output::Reserved { ticket, answer: Err(ReserveError::NotFound) });
        };
        // It is over for everybody once the disk has forgotten it.
        if let Some(number) = self.store(StoreChange::Remove(id))
            && let Some(keeping) = &mut self.keeping
        {
            keeping.waiting.insert(number, Waiting::Cancel { ticket, id });
        }
    }

    /// The disk has it, or cannot.
    pub(crate) fn stored(&mut self, now: Instant, number: u64, is_kept: bool) {
        let waiting = self.keeping.as_mut().and_then(|keeping| keeping.waiting.remove(&number));
        match (waiting, is_kept) {
            (None | Some(Waiting::Make { .. }), true) => {}
            (None, false) => self.notice(Notice::NotKept),
            (Some(Waiting::Reserve { ticket, id }), true) => {
                let answer = self.answer_of(now, id);
                if let Ok(status) = &answer {
                    self.notice(Notice::Reserved {
                        conference: status.conference.clone(),
                        legs: status.legs,
                        from: status.from,
                        until: status.until,
                        tenant: status.tenant.clone(),
                    });
                }
                self.output(Output::Reserved { ticket, answer });
            }
            (Some(Waiting::Reserve { ticket, id }), false) => {
                self.notice(Notice::NotKept);
                self.give_up(now, id);
                self.output(Output::Reserved { ticket, answer: Err(ReserveError::NotKept) });
            }
            (Some(Waiting::Cancel { ticket, id }), true) => {
                let answer = self.answer_of(now, id);
                self.give_up(now, id);
                self.output(Output::Reserved { ticket, answer });
            }
            (Some(Waiting::Make { id }), false) => {
                self.notice(Notice::NotKept);
                self.unmake(now, id);
            }
            (Some(Waiting::Cancel { ticket, .. }), false) => {
                self.notice(Notice::NotKept);
                self.output(Output::Reserved { ticket, answer: Err(ReserveError::NotKept) });
            }
        }
    }

    fn answer_of(&self, now: Instant, id: ConferenceId) -> Result<ReservationStatus, ReserveError> {
        let reservation = self.pool.reservation(id).ok_or(ReserveError::NotFound)?;
        self.reservation(now, &reservation).ok_or(ReserveError::NotFound)
    }

    /// Room and URI of a reservation go; what runs goes on.
    fn give_up(&mut self, now: Instant, id: ConferenceId) {
        self.pool.cancel(now, id);
        match self.records.get(&id).map(|record| &record.state) {
            Some(State::Active(_)) => self.keep_now(id),
            Some(State::Held) => {
                self.records.remove(&id);
            }
            Some(State::Ended) | None => {}
        }
    }
}

/// Whether a reservation is made, or was there.
enum Made {
    New(ConferenceId),
    Already(ConferenceId),
}

/// Reservations that one name can have meant within the life of their tombstones.
const GENERATIONS_MAX: u8 = 64;
/// As many as a focus takes.
const LEGS_MAX: u32 = 1_000;
const DAY: u64 = 24 * 3_600;
/// Longer is no conference but a room that is let.
const DAYS_MAX: u64 = 7;
const AHEAD_DAYS_MAX: u64 = 366;
