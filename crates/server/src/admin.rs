//! The HTTP interface, on loopback.

mod connections;
pub(crate) mod drain;
pub(crate) mod room;

use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use node::{DrainStatus, Readiness};
use tokio::sync::{mpsc, oneshot};

use self::connections::Connections;
use self::room::RoomQuestion;
use crate::StatusPage;
use crate::metrics::{self, Snapshot};

/// Questions that wait for the loop. Each is answered in the loop's next turn; one more hears 503.
pub(crate) const ASKED_MAX: usize = 16;

/// A question to the loop.
pub(crate) enum Asked {
    /// The status.
    Status(oneshot::Sender<StatusPage>),
    /// What was counted.
    Metrics(oneshot::Sender<Snapshot>),
    /// Something about room.
    Room(RoomQuestion),
    /// Whether new conferences are taken.
    Ready(oneshot::Sender<Readiness>),
    /// Take no new ones, and end what runs after so long.
    Drain(Option<Duration>, oneshot::Sender<Option<DrainStatus>>),
    /// Take new ones again.
    Undrain(oneshot::Sender<Option<DrainStatus>>),
}

/// Serves until the runtime ends. Must be called inside a tokio runtime.
pub(crate) fn serve(listener: TcpListener, asked: mpsc::Sender<Asked>) -> std::io::Result<()> {
    let listener = Connections::new(tokio::net::TcpListener::from_std(listener)?);
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/metrics", get(metrics))
        .merge(room::routes())
        .merge(drain::routes())
        .layer(middleware::from_fn(only_local_names))
        .with_state(asked);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the admin interface has ended");
        }
    });
    Ok(())
}

async fn status(State(asked): State<mpsc::Sender<Asked>>) -> Response {
    match ask(&asked, Asked::Status).await {
        Some(page) => Json(page).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn metrics(State(asked): State<mpsc::Sender<Asked>>) -> Response {
    match ask(&asked, Asked::Metrics).await {
        Some(snapshot) => {
            ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&snapshot))
                .into_response()
        }
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Asks the loop. `None`: it has too many questions, or has ended.
async fn ask<T>(
    asked: &mpsc::Sender<Asked>,
    what: impl FnOnce(oneshot::Sender<T>) -> Asked,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    asked.try_send(what(answer)).ok()?;
    answered.await.ok()
}

/// Answers only those who called us by a loopback name. A web page somewhere can point its own
/// name at 127.0.0.1 and have a browser on this machine read what we say; its Host header tells.
async fn only_local_names(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_local) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "call this by a loopback address\n").into_response()
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        for local in ["localhost", "localhost:5080", "127.0.0.1:5080", "127.8.8.8", "[::1]:5080"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["", "example.com", "example.com:5080", "192.0.2.1:5080", "127.0.0.1.evil"] {
            assert!(!is_local(other), "{other}");
        }
    }
}
