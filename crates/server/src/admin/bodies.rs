//! What goes over the wire as JSON, and how it is read.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use focus::{EndPolicy, ParticipantState, Pin, Role};
use node::{Change, ConferenceView, NewConference, ParticipantView, Stage};
use pool::ConferenceId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use units::UnixTime;

use super::access::Caller;
use super::problem::{Fault, Problem};
use crate::records::rfc3339;

/// Longest body: what can be said here fits ten times over. More is refused (413).
pub(crate) const BODY_BYTES_MAX: usize = 16 << 10;

/// Lines of one page, and how many it has where nobody says.
pub(crate) const PAGE_MAX: usize = 200;
pub(crate) const PAGE_DEFAULT: usize = 50;

/// Longest idempotency key.
pub(crate) const KEY_BYTES_MAX: usize = 255;

/// A body in JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        check_media_type(request.headers())?;
        let read = Bytes::from_request(request, state).await;
        let bytes = read.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Fault::new(Problem::TooLarge, format!("send no more than {BODY_BYTES_MAX} bytes"))
            }
            _ => Fault::new(Problem::BadBody, "the body broke off, or its chunks are none"),
        })?;
        // A list would be read too, as an object's values in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            let detail = "send a JSON object: {} or, as in the recipes, {\"seats\": 5}";
            return Err(Fault::new(Problem::BadBody, detail));
        }
        let read = serde_json::from_slice(&bytes);
        read.map(Self).map_err(|error| Fault::new(Problem::BadBody, error.to_string()))
    }
}

/// A web page elsewhere could send any other type without asking first.
fn check_media_type(headers: &HeaderMap) -> Result<(), Fault> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = said.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let known = ["application/json", "application/merge-patch+json"];
    if known.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(Fault::new(Problem::MediaType, "send Content-Type: application/json"))
}

/// A name in a path, without what stands for other characters in it.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let detail = "what stands in this path as %XX is no text in UTF-8";
        name.map(|Path(name)| Self(name)).map_err(|_| Fault::new(Problem::NoRoute, detail))
    }
}

/// A conference in a path.
pub(crate) struct Id(pub(crate) ConferenceId);

/// A participant of a conference in a path.
pub(crate) struct ParticipantId(pub(crate) ConferenceId, pub(crate) u32);

impl<S: Sync> FromRequestParts<S> for Id {
    type Rejection = Fault;

    /// What can be no id is none that there is.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Fault> {
        let id = segment(parts, 3).and_then(|text| text.parse().ok());
        id.map(Self).ok_or_else(|| node::SteerError::NoConference.into())
    }
}

impl<S: Sync> FromRequestParts<S> for ParticipantId {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let Id(id) = Id::from_request_parts(parts, state).await?;
        let leg = segment(parts, 5).and_then(|text| text.parse().ok());
        leg.map(|leg| Self(id, leg)).ok_or_else(|| node::SteerError::NoParticipant.into())
    }
}

/// The segment after so many slashes: `/v1/conferences/{3}/participants/{5}`.
fn segment(parts: &Parts, at: usize) -> Option<&str> {
    parts.uri.path().split('/').nth(at)
}

/// Which page of a list.
pub(crate) struct Page {
    pub(crate) limit: usize,
    pub(crate) cursor: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Fault> {
        let mut page = Self { limit: PAGE_DEFAULT, cursor: None };
        let query = parts.uri.query().unwrap_or_default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("limit", text) => {
                    let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
                    page.limit = limit.ok_or_else(|| {
                        Fault::new(Problem::BadQuery, format!("limit is 1 to {PAGE_MAX}"))
                    })?;
                }
                ("cursor", text) => page.cursor = Some(text.to_owned()),
                (other, _) => {
                    let detail = format!(
                        "{:?} is not known: there are limit and cursor",
                        focus::masked(other)
                    );
                    return Err(Fault::new(Problem::BadQuery, detail));
                }
            }
        }
        Ok(page)
    }
}

impl Page {
    /// The last one of the page before.
    pub(crate) fn after<T: std::str::FromStr>(&self) -> Result<Option<T>, Fault> {
        let read = self.cursor.as_ref().map(|cursor| cursor.parse()).transpose();
        read.map_err(|_| {
            Fault::new(Problem::BadQuery, "cursor is the `next` of the page before, or is left out")
        })
    }
}

/// The key of draft-ietf-httpapi-idempotency-key-header-07 §2.1: a string of structured fields, in quotes; without
/// them it is taken too, since many leave them out.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_plain =
        inner.bytes().all(|byte| (0x20..0x7f).contains(&byte) && !b"\"\\".contains(&byte));
    if inner.is_empty() || inner.len() > KEY_BYTES_MAX || !is_plain {
        let detail = format!(
            "Idempotency-Key is 1 to {KEY_BYTES_MAX} printable characters in quotes, without `\"` and `\\`: a UUID is good"
        );
        return Err(Fault::new(Problem::BadKey, detail));
    }
    Ok(Some(inner.to_owned()))
}

/// What `POST /v1/conferences` takes. What may be left out may not be null: a program that meant something by it
/// should learn that nothing is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Create {
    #[serde(deserialize_with = "present")]
    factory: Option<String>,
    #[serde(deserialize_with = "present")]
    tenant: Option<String>,
    #[serde(deserialize_with = "present")]
    seats: Option<u32>,
    #[serde(deserialize_with = "present")]
    max: Option<u32>,
    /// Seconds.
    #[serde(deserialize_with = "present")]
    max_time: Option<u64>,
    #[serde(deserialize_with = "present")]
    pin: Option<Pin>,
    #[serde(deserialize_with = "present")]
    moderator_pin: Option<Pin>,
    #[serde(deserialize_with = "present")]
    lobby: Option<bool>,
    #[serde(deserialize_with = "present")]
    title: Option<String>,
    #[serde(deserialize_with = "present")]
    end: Option<EndPolicy>,
    locked: bool,
}

impl From<Create> for NewConference {
    fn from(asked: Create) -> Self {
        Self {
            factory: asked.factory,
            tenant: asked.tenant,
            seats: asked.seats,
            max: asked.max,
            max_time: asked.max_time.map(Duration::from_secs),
            pin: asked.pin,
            moderator_pin: asked.moderator_pin,
            lobby: asked.lobby,
            title: asked.title,
            end: asked.end,
            locked: asked.locked,
        }
    }
}

/// What `PATCH /v1/conferences/{id}` takes (RFC 7396): null takes away what can be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Patch {
    #[serde(deserialize_with = "present")]
    title: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    locked: Option<bool>,
    #[serde(deserialize_with = "present")]
    max: Option<Option<u32>>,
    /// Seconds.
    #[serde(deserialize_with = "present")]
    max_time: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    pin: Option<Option<Pin>>,
    #[serde(deserialize_with = "present")]
    moderator_pin: Option<Option<Pin>>,
    #[serde(deserialize_with = "present")]
    lobby: Option<bool>,
    #[serde(deserialize_with = "present")]
    end: Option<EndPolicy>,
}

impl From<Patch> for Change {
    fn from(asked: Patch) -> Self {
        Self {
            title: asked.title,
            locked: asked.locked,
            max: asked.max,
            max_time: asked.max_time.map(|time| time.map(Duration::from_secs)),
            pin: asked.pin,
            moderator_pin: asked.moderator_pin,
            lobby: asked.lobby,
            end: asked.end,
        }
    }
}

/// What `POST .../participants` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    pub(crate) uri: String,
}

/// What `PATCH .../participants/{id}` takes (RFC 7396). Nothing of it can be taken away.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ParticipantPatch {
    #[serde(deserialize_with = "present")]
    pub(crate) muted: Option<bool>,
    #[serde(deserialize_with = "present")]
    pub(crate) role: Option<NewRole>,
    #[serde(deserialize_with = "present")]
    pub(crate) state: Option<NewState>,
}

/// What an administrator may make of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NewRole {
    Guest,
    Moderator,
}

/// Where an administrator may bring somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NewState {
    Joined,
}

fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(source).map(Some)
}

/// A conference.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conference {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    state: &'static str,
    factory: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    seats: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
    end: EndPolicy,
    locked: bool,
    pin: bool,
    moderator_pin: bool,
    lobby: bool,
    participants: u32,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_until: Option<String>,
}

impl Conference {
    pub(crate) fn shown(view: ConferenceView, to: &Caller) -> Self {
        Self {
            id: view.id.to_string(),
            uri: to.sees_uris.then_some(view.uri),
            title: view.title,
            state: match view.stage {
                Stage::Held => "held",
                Stage::Reserved => "reserved",
                Stage::Active => "active",
                Stage::Ending => "ending",
            },
            factory: view.factory,
            tenant: view.tenant,
            seats: view.seats,
            max: view.max,
            max_time: view.max_time.map(|time| time.as_secs()),
            ends_at: view.ends_at.map(date),
            end: view.end,
            locked: view.locked,
            pin: view.pin,
            moderator_pin: view.moderator_pin,
            lobby: view.lobby,
            participants: view.participants,
            since: date(view.since),
            hold_until: view.hold_until.map(date),
        }
    }
}

/// A page of conferences.
#[derive(Debug, Serialize)]
pub(crate) struct Conferences {
    pub(crate) conferences: Vec<Conference>,
    /// The cursor of the next page; none: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A participant.
#[derive(Debug, Serialize)]
pub(crate) struct Participant {
    id: u32,
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    state: ParticipantState,
    creator: bool,
    role: Role,
    dialled: bool,
    muted: bool,
    talking: bool,
    since: String,
}

impl From<ParticipantView> for Participant {
    fn from(view: ParticipantView) -> Self {
        Self {
            id: view.id,
            uri: view.uri,
            display: view.display,
            user: view.user,
            state: view.state,
            creator: view.creator,
            role: view.role,
            dialled: view.dialled,
            muted: view.muted,
            talking: view.talking,
            since: date(view.since),
        }
    }
}

/// A page of participants.
#[derive(Debug, Serialize)]
pub(crate) struct Participants {
    pub(crate) participants: Vec<Participant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

fn date(at: UnixTime) -> String {
    rfc3339(Duration::from_secs(at.0))
}
