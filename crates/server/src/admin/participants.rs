//! `/v1/conferences/{conference}/participants`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::bodies::{
    Call, Id, Json, NewRole, NewState, Page, Participant, ParticipantId, ParticipantPatch,
    Participants,
};
use super::problem::Fault;
use super::{Shared, steer};

pub(super) async fn list(
    State(shared): State<Shared>,
    Id(id): Id,
    page: Page,
) -> Result<axum::Json<Participants>, Fault> {
    let (after, limit) = (page.after::<u32>()?, page.limit);
    let found = steer(&shared, move |node, now| node.participants(now, id, after, limit)).await?;
    let (views, is_more) = found?;
    let next = views.last().filter(|_| is_more).map(|view| view.id.to_string());
    let participants = views.into_iter().map(Participant::from).collect();
    Ok(axum::Json(Participants { participants, next }))
}

pub(super) async fn call(
    State(shared): State<Shared>,
    Id(id): Id,
    Json(Call { uri }): Json<Call>,
) -> Result<Response, Fault> {
    let view = steer(&shared, move |node, now| node.call_participant(now, id, &uri)).await??;
    let location = format!("/v1/conferences/{id}/participants/{}", view.id);
    let body = axum::Json(Participant::from(view));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

pub(super) async fn show(
    State(shared): State<Shared>,
    ParticipantId(id, leg): ParticipantId,
) -> Result<axum::Json<Participant>, Fault> {
    let view = steer(&shared, move |node, now| node.participant(now, id, leg)).await??;
    Ok(axum::Json(view.into()))
}

pub(super) async fn change(
    State(shared): State<Shared>,
    ParticipantId(id, leg): ParticipantId,
    Json(ParticipantPatch { muted, role, state }): Json<ParticipantPatch>,
) -> Result<axum::Json<Participant>, Fault> {
    // Who is let in muted is not heard for a moment.
    let change = move |node: &mut node::Node, now| {
        if let Some(muted) = muted {
            node.mute_participant(now, id, leg, muted)?;
        }
        if let Some(role) = role {
            node.appoint_participant(now, id, leg, role == NewRole::Moderator)?;
        }
        match state {
            Some(NewState::Joined) => node.admit_participant(now, id, leg),
            None => node.participant(now, id, leg),
        }
    };
    let view = steer(&shared, change).await??;
    Ok(axum::Json(view.into()))
}

pub(super) async fn remove(
    State(shared): State<Shared>,
    ParticipantId(id, leg): ParticipantId,
) -> Result<StatusCode, Fault> {
    steer(&shared, move |node, now| node.remove_participant(now, id, leg)).await??;
    Ok(StatusCode::NO_CONTENT)
}
