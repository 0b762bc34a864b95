//! Room: why the pool decided as it did, what is held, what fits, what is reserved.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use node::{
    Capacity, CapacityQuery, ExplainError, ExplainQuery, Explained, HoldStatus, ReservationStatus,
    ReserveError, ReserveRequest,
};
use pool::Codec;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use units::UnixTime;

use super::{Asked, ask};
use crate::keeping::Reserved;

type Loop = State<mpsc::Sender<Asked>>;

pub(super) fn routes() -> Router<mpsc::Sender<Asked>> {
    Router::new()
        .route("/v1/explain", get(explain))
        .route("/v1/holds", get(holds))
        .route("/v1/capacity", get(capacity))
        .route("/v1/reservations", post(reserve))
        .route("/v1/reservations/{conference}", delete(cancel))
}

/// A question about room, and where its answer goes.
pub(crate) enum RoomQuestion {
    /// Why the pool decided as it did.
    Explain(ExplainQuery, oneshot::Sender<Result<Vec<Explained>, ExplainError>>),
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

/// What `GET /v1/explain` gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainPage {
    /// Decisions, the newest first.
    pub decisions: Vec<Explained>,
}

/// What went wrong, as every answer other than 200 says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminError {
    /// In words, with what to do.
    pub error: String,
}

/// `?conference=URI`, or `?legs=N` with `codec`, `ptime` in ms and `tenant`; neither: what was of late.
#[derive(Debug, Deserialize)]
struct Explain {
    conference: Option<String>,
    legs: Option<u32>,
    codec: Option<String>,
    ptime: Option<u64>,
    tenant: Option<String>,
}

async fn explain(State(asked): Loop, Query(query): Query<Explain>) -> Response {
    let query = match explain_query(query) {
        Ok(query) => query,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    match ask(&asked, |answer| Asked::Room(RoomQuestion::Explain(query, answer))).await {
        Some(Ok(decisions)) => Json(ExplainPage { decisions }).into_response(),
        Some(Err(error)) => refused(StatusCode::NOT_FOUND, error.to_string()),
        None => busy(),
    }
}

async fn holds(State(asked): Loop) -> Response {
    match ask(&asked, |answer| Asked::Room(RoomQuestion::Holds(answer))).await {
        Some(page) => Json(page).into_response(),
        None => busy(),
    }
}

/// `?legs=N`, with `conferences`, `codec`, `ptime` in ms and `tenant`; nothing: only how much there is.
#[derive(Debug, Deserialize)]
struct HowMuch {
    conferences: Option<u32>,
    legs: Option<u32>,
    codec: Option<String>,
    ptime: Option<u64>,
    tenant: Option<String>,
}

async fn capacity(State(asked): Loop, Query(query): Query<HowMuch>) -> Response {
    let codec = match read_codec(query.codec.as_deref()) {
        Ok(codec) => codec,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    let (ptime, tenant) = (read_ptime(query.ptime), query.tenant);
    let conferences = query.conferences.unwrap_or(1);
    let what_if = query.legs.map(|legs| CapacityQuery {
        conferences,
        legs: legs.max(1),
        codec,
        ptime,
        tenant,
    });
    match ask(&asked, |answer| Asked::Room(RoomQuestion::Capacity(what_if, answer))).await {
        Some(Ok(capacity)) => Json(capacity).into_response(),
        Some(Err(error)) => refused(StatusCode::NOT_FOUND, error.to_string()),
        None => busy(),
    }
}

async fn reserve(State(asked): Loop, Json(body): Json<ReserveBody>) -> Response {
    let codec = match read_codec(body.codec.as_deref()) {
        Ok(codec) => codec,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    let request = ReserveRequest {
        legs: body.legs,
        codec,
        ptime: read_ptime(body.ptime),
        from: UnixTime(body.from),
        until: UnixTime(body.from.saturating_add(body.seconds)),
        tenant: body.tenant,
        key: body.key,
    };
    let reserved = ask(&asked, |answer| Asked::Room(RoomQuestion::Reserve(request, answer))).await;
    reservation(reserved, StatusCode::CREATED)
}

async fn cancel(State(asked): Loop, Path(conference): Path<String>) -> Response {
    let reserved =
        ask(&asked, |answer| Asked::Room(RoomQuestion::Cancel(conference, answer))).await;
    reservation(reserved, StatusCode::OK)
}

fn reservation(reserved: Option<Reserved>, done: StatusCode) -> Response {
    match reserved {
        Some(Ok(status)) => (done, Json(status)).into_response(),
        Some(Err(error)) => refused(status_of(&error), error.to_string()),
        None => busy(),
    }
}

const fn status_of(error: &ReserveError) -> StatusCode {
    match error {
        ReserveError::NoStore | ReserveError::NotKept | ReserveError::Ending => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ReserveError::NoTenant(_) | ReserveError::NotFound => StatusCode::NOT_FOUND,
        ReserveError::BadSize { .. } | ReserveError::OutOfTime | ReserveError::TooFar { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ReserveError::NoRoom { .. }
        | ReserveError::TenantFull { .. }
        | ReserveError::TooMany { .. } => StatusCode::CONFLICT,
    }
}

/// The mixers' packet times: 10 to 120 ms.
fn read_ptime(ptime_ms: Option<u64>) -> Duration {
    Duration::from_millis(ptime_ms.unwrap_or(20).clamp(10, 120))
}

fn explain_query(query: Explain) -> Result<ExplainQuery, String> {
    if let Some(conference) = query.conference {
        return Ok(ExplainQuery::Conference(conference));
    }
    let Some(legs) = query.legs else { return Ok(ExplainQuery::Recent) };
    if legs == 0 {
        return Err("legs must be at least 1".to_owned());
    }
    let codec = read_codec(query.codec.as_deref())?;
    let ptime = read_ptime(query.ptime);
    Ok(ExplainQuery::WhatIf { legs, codec, ptime, tenant: query.tenant })
}

fn read_codec(name: Option<&str>) -> Result<Codec, String> {
    let Some(name) = name else { return Ok(Codec::Pcmu) };
    Codec::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Codec::ALL.into_iter().map(Codec::name).collect();
        format!("no codec {name:?}: choose one of {}", known.join(", "))
    })
}

pub(super) fn refused(status: StatusCode, error: String) -> Response {
    (status, Json(AdminError { error })).into_response()
}

pub(super) fn busy() -> Response {
    refused(StatusCode::SERVICE_UNAVAILABLE, "the server has too much to do; ask again".to_owned())
}
