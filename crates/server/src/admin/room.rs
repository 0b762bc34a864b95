//! Room: why the pool decided as it did, what is held, what fits, what is reserved.

use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use node::{
    CONFERENCES_ASKED_MAX, Capacity, CapacityQuery, ExplainError, ExplainQuery, Explanation,
    HoldStatus, ReservationStatus, ReserveError, ReserveRequest,
};
use pool::Codec;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use units::UnixTime;

use super::access::Caller;
use super::problem::{Fault, Problem};
use super::{Asked, ask, bodies};
use crate::keeping::Reserved;

type Loop = State<mpsc::Sender<Asked>>;

/// A question about room, and where its answer goes.
pub(crate) enum RoomQuestion {
    /// Why the pool decided as it did.
    Explain(ExplainQuery, oneshot::Sender<Result<Explanation, ExplainError>>),
    /// Who has room, now and later.
    Holds(oneshot::Sender<HoldsPage>),
    /// How much fits.
    Capacity(Option<CapacityQuery>, oneshot::Sender<Result<Capacity, ExplainError>>),
    /// Room at a time to come is wanted. Answered when it is on the disk.
    Reserve(ReserveRequest, oneshot::Sender<Reserved>),
    /// A reservation is given up. Answered when the disk has forgotten it.
    Cancel(String, oneshot::Sender<Reserved>),
}

/// What `GET /v1/holds` gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldsPage {
    /// Every conference that has room, by when its hold ends.
    pub holds: Vec<HoldStatus>,
    /// Every reservation that is not over, by when it begins.
    pub reservations: Vec<ReservationStatus>,
}

/// What `POST /v1/reservations` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveBody {
    /// How many are to come.
    pub legs: u32,
    /// When it begins, in seconds since 1970.
    pub from: u64,
    /// How long it lasts, in seconds.
    pub seconds: u64,
    /// The codec of the legs; PCMU if nothing is said.
    pub codec: Option<String>,
    /// Their packet time in ms; 20 if nothing is said.
    pub ptime: Option<u64>,
    /// Who pays.
    pub tenant: Option<String>,
    /// Names this request: the same again is the same reservation.
    pub key: Option<String>,
}

/// `?conference=URI`, or `?legs=N` with `codec`, `ptime` in ms and `tenant`; neither: what was of late, of one tenant or of all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Explain {
    conference: Option<String>,
    legs: Option<u32>,
    codec: Option<String>,
    ptime: Option<u64>,
    tenant: Option<String>,
}

/// Conference URIs stand in what follows: it is not for who may not see them.
fn for_owners(caller: &Caller) -> Result<(), Fault> {
    if caller.sees_uris {
        return Ok(());
    }
    let detail =
        "this shows conference URIs, with which one can join: ask with a token for operators";
    let problem = if caller.name.is_some() { Problem::Role } else { Problem::NoToken };
    Err(Fault::new(problem, detail))
}

fn bad(error: String) -> Fault {
    Fault::new(Problem::BadQuery, error)
}

fn bad_body(error: String) -> Fault {
    Fault::new(Problem::BadBody, error)
}

fn missing(error: &ExplainError) -> Fault {
    Fault::new(Problem::NoDecision, error.to_string())
}

fn read<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Fault> {
    query.map(|Query(query)| query).map_err(|error| bad(error.body_text()))
}

pub(super) async fn explain(
    State(asked): Loop,
    Extension(caller): Extension<Caller>,
    query: Result<Query<Explain>, QueryRejection>,
) -> Result<Json<Explanation>, Fault> {
    let query = explain_query(read(query)?).map_err(bad)?;
    for_owners(&caller)?;
    let asked = ask(&asked, |answer| Asked::Room(RoomQuestion::Explain(query, answer))).await;
    asked?.map(Json).map_err(|error| missing(&error))
}

pub(super) async fn holds(
    State(asked): Loop,
    Extension(caller): Extension<Caller>,
) -> Result<Json<HoldsPage>, Fault> {
    for_owners(&caller)?;
    let page = ask(&asked, |answer| Asked::Room(RoomQuestion::Holds(answer))).await;
    page.map(Json)
}

/// `?legs=N`, with `conferences`, `codec`, `ptime` in ms and `tenant`; nothing: only how much there is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HowMuch {
    conferences: Option<u32>,
    legs: Option<u32>,
    codec: Option<String>,
    ptime: Option<u64>,
    tenant: Option<String>,
}

pub(super) async fn capacity(
    State(asked): Loop,
    query: Result<Query<HowMuch>, QueryRejection>,
) -> Result<Json<Capacity>, Fault> {
    let query = read(query)?;
    let codec = read_codec(query.codec.as_deref()).map_err(bad)?;
    let (ptime, tenant) = (read_ptime(query.ptime).map_err(bad)?, query.tenant);
    let conferences = read_amount("conferences", query.conferences, CONFERENCES_ASKED_MAX);
    let conferences = conferences.map_err(bad)?.unwrap_or(1);
    let legs = read_amount("legs", query.legs, LEGS_ASKED_MAX).map_err(bad)?;
    if legs.is_none() && (query.conferences.is_some() || tenant.is_some()) {
        return Err(bad(
            "conferences and tenant say nothing without legs: name those too".to_owned()
        ));
    }
    let what_if = legs.map(|legs| CapacityQuery { conferences, legs, codec, ptime, tenant });
    let asked = ask(&asked, |answer| Asked::Room(RoomQuestion::Capacity(what_if, answer))).await;
    asked?.map(Json).map_err(|error| missing(&error))
}

pub(super) async fn reserve(
    State(asked): Loop,
    bodies::Json(body): bodies::Json<ReserveBody>,
) -> Result<(StatusCode, Json<ReservationStatus>), Fault> {
    let request = ReserveRequest {
        legs: body.legs,
        codec: read_codec(body.codec.as_deref()).map_err(bad_body)?,
        ptime: read_ptime(body.ptime).map_err(bad_body)?,
        from: UnixTime(body.from),
        until: UnixTime(body.from.saturating_add(body.seconds)),
        tenant: body.tenant,
        key: body.key,
    };
    let reserved = ask(&asked, |answer| Asked::Room(RoomQuestion::Reserve(request, answer))).await;
    Ok((StatusCode::CREATED, Json(reservation(reserved)?)))
}

pub(super) async fn cancel(
    State(asked): Loop,
    bodies::Name(conference): bodies::Name,
) -> Result<Json<ReservationStatus>, Fault> {
    let cancel = |answer| Asked::Room(RoomQuestion::Cancel(conference, answer));
    reservation(ask(&asked, cancel).await).map(Json)
}

fn reservation(reserved: Result<Reserved, Fault>) -> Result<ReservationStatus, Fault> {
    reserved?.map_err(|error| {
        let problem = match &error {
            ReserveError::NoStore | ReserveError::NotKept => Problem::NotKept,
            ReserveError::Ending | ReserveError::Draining => Problem::ShuttingDown,
            ReserveError::NoTenant(_) | ReserveError::NotFound => Problem::NoReservation,
            ReserveError::BadSize { .. }
            | ReserveError::OutOfTime
            | ReserveError::TooFar { .. } => Problem::OutOfRange,
            ReserveError::NoRoom { .. } | ReserveError::TooMany { .. } => Problem::NoRoom,
            ReserveError::TenantFull { .. } => Problem::TenantFull,
            ReserveError::KeyUsed { .. } | ReserveError::OtherRequest { .. } => Problem::KeyUsed,
        };
        Fault::new(problem, error.to_string())
    })
}

/// Legs that may be asked about: more than any machine can have, and few enough to be added up.
const LEGS_ASKED_MAX: u32 = 100_000;

fn read_amount(what: &str, asked: Option<u32>, most: u32) -> Result<Option<u32>, String> {
    match asked {
        Some(asked) if !(1..=most).contains(&asked) => Err(format!("{what} is 1 to {most}")),
        Some(_) | None => Ok(asked),
    }
}

/// The mixers' packet times.
const PTIME_MS: std::ops::RangeInclusive<u64> = 10..=120;

fn read_ptime(ptime_ms: Option<u64>) -> Result<Duration, String> {
    let ptime = Some(ptime_ms.unwrap_or(20)).filter(|it| PTIME_MS.contains(it));
    let ptime = ptime
        .ok_or_else(|| format!("ptime is {} to {} milliseconds", PTIME_MS.start(), PTIME_MS.end()));
    ptime.map(Duration::from_millis)
}

fn explain_query(query: Explain) -> Result<ExplainQuery, String> {
    // Also where they say nothing: whoever wrote them meant something.
    let codec = read_codec(query.codec.as_deref())?;
    let ptime = read_ptime(query.ptime)?;
    if let Some(conference) = query.conference {
        return Ok(ExplainQuery::Conference(conference));
    }
    match (read_amount("legs", query.legs, LEGS_ASKED_MAX)?, query.tenant) {
        (Some(legs), tenant) => Ok(ExplainQuery::WhatIf { legs, codec, ptime, tenant }),
        (None, Some(tenant)) => Ok(ExplainQuery::OfTenant(tenant)),
        (None, None) => Ok(ExplainQuery::Recent),
    }
}

fn read_codec(name: Option<&str>) -> Result<Codec, String> {
    let Some(name) = name else { return Ok(Codec::Pcmu) };
    Codec::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Codec::ALL.into_iter().map(Codec::name).collect();
        format!("no codec {name:?}: choose one of {}", known.join(", "))
    })
}
