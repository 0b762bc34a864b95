//! The HTTP interface: what is asked goes to the loop, which answers in its next turn.
//!
//! - `routes`: every operation, and who may; `access` finds out who asks
//! - `conferences`, `participants`, `events`, `room`: what is done
//! - `bodies`: what goes over the wire; `problem`: what goes wrong
//! - `feed`: what has happened; `counts`: what was asked
//!
//! **Invariant:** no request changes anything before its caller has shown that he may.
//! **Invariant:** a conference URI, which is a way in, is shown only to who may make one himself.

mod access;
mod bodies;
mod conferences;
mod connections;
mod counts;
pub(crate) mod drain;
mod events;
mod feed;
mod participants;
mod problem;
pub(crate) mod room;
mod routes;

#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use node::{DrainStatus, Node, Readiness, SteerError};
use pool::ConferenceId;
use tokio::sync::{mpsc, oneshot};
use units::Instant;

pub(crate) use self::access::Access;
use self::access::Caller;
use self::connections::{Connections, Life};
pub(crate) use self::counts::{Counts, HttpFigures};
pub(crate) use self::feed::{Feed, Happened, KINDS, Subscription};
use self::problem::{Fault, Problem};
use self::room::RoomQuestion;
use crate::StatusPage;
use crate::keeping::Tell;
use crate::metrics::{self, Snapshot};

/// Questions that wait for the loop. Each is answered in the loop's next turn; one more hears 503.
pub(crate) const ASKED_MAX: usize = 32;

/// What the node is to do at the time that it is; gives whom to tell when that conference is on the disk as it is then, if anybody
/// is to be told then.
type Work = Box<dyn FnOnce(&mut Node, Instant) -> Option<(ConferenceId, Tell)> + Send>;

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
    /// Something that the node is to do or to show.
    Steer(Work),
    /// What happens from now on, and since this event.
    Subscribe(Option<String>, oneshot::Sender<Subscription>),
}

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Shared {
    asked: mpsc::Sender<Asked>,
    access: Arc<Access>,
    counts: Counts,
}

impl FromRef<Shared> for mpsc::Sender<Asked> {
    fn from_ref(shared: &Shared) -> Self {
        shared.asked.clone()
    }
}

/// Serves until the runtime ends, and gives what is counted meanwhile. Must be called inside a tokio runtime.
pub(crate) fn serve(
    listener: TcpListener,
    asked: mpsc::Sender<Asked>,
    access: Access,
) -> std::io::Result<Counts> {
    let counts = Counts::default();
    let listener = Connections::new(tokio::net::TcpListener::from_std(listener)?);
    let shared = Shared { asked, access: Arc::new(access), counts: counts.clone() };
    let router = routes::router(shared);
    let service = router.into_make_service_with_connect_info::<Life>();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).await {
            tracing::error!(%error, "the admin interface has ended");
        }
    });
    Ok(counts)
}

async fn status(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<StatusPage>, Fault> {
    let page = ask(&shared.asked, Asked::Status).await?;
    Ok(Json(if caller.sees_uris { page } else { page.without_secrets() }))
}

async fn metrics(State(shared): State<Shared>) -> Result<Response, Fault> {
    let snapshot = ask(&shared.asked, Asked::Metrics).await?;
    let headers = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    Ok((headers, metrics::render(&snapshot)).into_response())
}

/// OpenAPI 3.1.
async fn description() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, include_str!("../../../docs/openapi.json")).into_response()
}

/// Asks the loop. It may have too many questions, and it may end before it answers.
async fn ask<T>(
    asked: &mpsc::Sender<Asked>,
    what: impl FnOnce(oneshot::Sender<T>) -> Asked,
) -> Result<T, Fault> {
    let (answer, answered) = oneshot::channel();
    asked.try_send(what(answer)).map_err(|_| Fault::busy())?;
    answered.await.map_err(|_| {
        let detail = "the server ended before it answered, and may have done it: ask again when it is back, under the same key if there was one";
        Fault::new(Problem::ShuttingDown, detail)
    })
}

/// Has the node do something to a conference that is to outlive the process, and waits until it is on the disk. If it cannot be
/// written, that is the answer, with these words of what has come of it.
async fn steer_kept<T: Send + 'static>(
    shared: &Shared,
    unkept: &str,
    what: impl FnOnce(&mut Node, Instant) -> Result<(ConferenceId, T), SteerError> + Send + 'static,
) -> Result<T, Fault> {
    let asked = |answer: oneshot::Sender<(Result<T, SteerError>, bool)>| {
        Asked::Steer(Box::new(move |node, now| match what(node, now) {
            Ok((id, done)) => {
                // Whoever asked may have gone away; it is done all the same.
                let tell = move |is_kept| drop(answer.send((Ok(done), is_kept)));
                Some((id, Box::new(tell) as Tell))
            }
            Err(refused) => {
                drop(answer.send((Err(refused), true)));
                None
            }
        }))
    };
    let (done, is_kept) = ask(&shared.asked, asked).await?;
    let done = done?;
    if is_kept { Ok(done) } else { Err(Fault::new(Problem::NotKept, unkept)) }
}

/// Has the node do something, or show something.
async fn steer<T: Send + 'static>(
    shared: &Shared,
    what: impl FnOnce(&mut Node, Instant) -> T + Send + 'static,
) -> Result<T, Fault> {
    let asked = |answer: oneshot::Sender<T>| {
        // Whoever asked may have gone away; it is done all the same.
        Asked::Steer(Box::new(move |node, now| {
            drop(answer.send(what(node, now)));
            None
        }))
    };
    ask(&shared.asked, asked).await
}
