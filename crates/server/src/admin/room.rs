//! Room: why the pool decided as it did, what is held, what fits, what is reserved.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use node::{ExplainQuery, Explained};
use pool::Codec;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Asked, ask};

type Loop = State<mpsc::Sender<Asked>>;

pub(super) fn routes() -> Router<mpsc::Sender<Asked>> {
    Router::new().route("/v1/explain", get(explain))
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
    match ask(&asked, |answer| Asked::Explain(query, answer)).await {
        Some(Ok(decisions)) => Json(ExplainPage { decisions }).into_response(),
        Some(Err(error)) => refused(StatusCode::NOT_FOUND, error.to_string()),
        None => busy(),
    }
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
    let ptime = Duration::from_millis(query.ptime.unwrap_or(20).clamp(10, 120));
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
