//! `/v1/conferences`.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use node::{Asker, ConferenceView, Node};
use pool::ConferenceId;

use super::access::Caller;
use super::bodies::{Conference, Conferences, Create, Id, Json, Page, Patch, idempotency_key};
use super::problem::Fault;
use super::{Shared, steer, steer_kept};

/// What has come of a conference that the disk did not take.
const NOT_MADE: &str =
    "it could not be written to the disk, so nothing was made: see the server's log, and ask again";

/// And of a change.
const NOT_FOR_LONG: &str = "it counts now, but could not be written to the disk: a restart would undo it. See the server's log, and ask again";

pub(super) async fn create(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(body): Json<Create>,
) -> Result<Response, Fault> {
    let asker = Asker { name: caller.principal(), key: idempotency_key(&headers)? };
    let new = body.into();
    let create = move |node: &mut Node, now| {
        node.create_conference(now, &new, &asker).map(|made| (made.id, made))
    };
    let made = steer_kept(&shared, NOT_MADE, create).await?;
    let location = format!("/v1/conferences/{}", made.id);
    let body = axum::Json(Conference::shown(made, &caller));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    page: Page,
) -> Result<axum::Json<Conferences>, Fault> {
    let (after, limit) = (page.after::<ConferenceId>()?, page.limit);
    let (views, is_more) =
        steer(&shared, move |node, now| node.conferences(now, after, limit)).await?;
    let next = views.last().filter(|_| is_more).map(|view| view.id.to_string());
    let shown = |view| Conference::shown(view, &caller);
    Ok(axum::Json(Conferences { conferences: views.into_iter().map(shown).collect(), next }))
}

pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<axum::Json<Conference>, Fault> {
    let view = steer(&shared, move |node, now| node.conference(now, id)).await??;
    Ok(shown(view, &caller))
}

pub(super) async fn change(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Json(body): Json<Patch>,
) -> Result<axum::Json<Conference>, Fault> {
    let change = body.into();
    let change =
        move |node: &mut Node, now| node.change_conference(now, id, &change).map(|view| (id, view));
    let view = steer_kept(&shared, NOT_FOR_LONG, change).await?;
    Ok(shown(view, &caller))
}

pub(super) async fn end(State(shared): State<Shared>, Id(id): Id) -> Result<StatusCode, Fault> {
    let end = move |node: &mut Node, now| node.end_conference(now, id).map(|()| (id, ()));
    steer_kept(&shared, NOT_FOR_LONG, end).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(view: ConferenceView, caller: &Caller) -> axum::Json<Conference> {
    axum::Json(Conference::shown(view, caller))
}
