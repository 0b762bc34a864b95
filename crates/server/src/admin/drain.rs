//! Whether the server is alive, takes new conferences, and shall take any.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use node::DrainStatus;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::problem::Fault;
use super::{Asked, Shared, ask, bodies};
use crate::tokens::TokenRole;

type Loop = State<mpsc::Sender<Asked>>;

/// What `POST /v1/drain` takes: `{}`, or a deadline.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drain {
    /// Seconds after which what still runs is ended; left out: it ends by itself.
    deadline_seconds: Option<u64>,
}

/// What `POST` and `DELETE /v1/drain` give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainPage {
    /// How far draining has come; `None`: the server takes new conferences.
    pub draining: Option<DrainStatus>,
}

/// The loop turns. Whether it takes conferences is another question.
pub(super) async fn health(State(asked): Loop) -> Result<Response, Fault> {
    ask(&asked, Asked::Ready).await?;
    Ok(Json(serde_json::json!({ "alive": true })).into_response())
}

/// Why not is for those who may look.
pub(super) async fn ready(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let mut readiness = ask(&shared.asked, Asked::Ready).await?;
    if shared.access.admit(&headers, TokenRole::Reader).is_err() {
        readiness.why.clear();
    }
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(readiness)).into_response())
}

pub(super) async fn drain(
    State(asked): Loop,
    bodies::Json(drain): bodies::Json<Drain>,
) -> Result<Json<DrainPage>, Fault> {
    let within =
        drain.deadline_seconds.map(|seconds| Duration::from_secs(seconds.min(SECONDS_MAX)));
    page(ask(&asked, |answer| Asked::Drain(within, answer)).await)
}

pub(super) async fn undrain(State(asked): Loop) -> Result<Json<DrainPage>, Fault> {
    page(ask(&asked, Asked::Undrain).await)
}

fn page(draining: Result<Option<DrainStatus>, Fault>) -> Result<Json<DrainPage>, Fault> {
    Ok(Json(DrainPage { draining: draining? }))
}

/// Longest deadline: a week. Whoever wants longer wants none.
const SECONDS_MAX: u64 = 7 * 86_400;
