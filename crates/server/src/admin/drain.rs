//! Whether the server is alive, takes new conferences, and shall take any.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use node::DrainStatus;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::room::busy;
use super::{Asked, ask};

type Loop = State<mpsc::Sender<Asked>>;

pub(super) fn routes() -> Router<mpsc::Sender<Asked>> {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/v1/drain", post(drain).delete(undrain))
}

/// What `POST /v1/drain` takes: `{}`, or a deadline.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drain {
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
async fn health(State(asked): Loop) -> Response {
    match ask(&asked, Asked::Ready).await {
        Some(_) => Json(serde_json::json!({ "alive": true })).into_response(),
        None => busy(),
    }
}

async fn ready(State(asked): Loop) -> Response {
    match ask(&asked, Asked::Ready).await {
        Some(readiness) if readiness.ready => Json(readiness).into_response(),
        Some(readiness) => (StatusCode::SERVICE_UNAVAILABLE, Json(readiness)).into_response(),
        None => busy(),
    }
}

/// A body that must be JSON: no web page elsewhere can send that without being asked first.
async fn drain(State(asked): Loop, Json(drain): Json<Drain>) -> Response {
    let within =
        drain.deadline_seconds.map(|seconds| Duration::from_secs(seconds.min(SECONDS_MAX)));
    page(ask(&asked, |answer| Asked::Drain(within, answer)).await)
}

async fn undrain(State(asked): Loop) -> Response {
    page(ask(&asked, Asked::Undrain).await)
}

fn page(draining: Option<Option<DrainStatus>>) -> Response {
    draining.map_or_else(busy, |draining| Json(DrainPage { draining }).into_response())
}

/// Longest deadline: a week. Whoever wants longer wants none.
const SECONDS_MAX: u64 = 7 * 86_400;
