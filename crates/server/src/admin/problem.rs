//! What goes wrong, as every answer of 400 and more says it: problem details (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use focus::CallRefused;
use focus::factory::Refused;
use node::SteerError;
use serde::Serialize;
use units::{Cause as _, causes};

causes! {
    /// Why a request over HTTP was refused.
    pub enum Problem {
        /// The server has too many questions at once: 503.
        Busy => "busy",
        /// The idempotency key is none: 400.
        BadKey => "bad_key",
        /// The body is no JSON that can be read as what it should be: 400.
        BadBody => "bad_body",
        /// The query has something that is not known, or cannot be: 400.
        BadQuery => "bad_query",
        /// The token is not known: 401.
        BadToken => "bad_token",
        /// Whom to call is no SIP URI: 422.
        BadTarget => "bad_target",
        /// The conference does not call so often: 429.
        CallRate => "call_rate",
        /// The conference has all the participants that it may have: 409.
        ConferenceFull => "conference_full",
        /// The conference is ending: 409.
        Ending => "ending",
        /// It comes from a web page elsewhere: 403.
        Foreign => "foreign",
        /// The idempotency key was used for another request: 422.
        KeyUsed => "key_used",
        /// The body is of a media type that is not read here: 415.
        MediaType => "media_type",
        /// The path is known, the method is not: 405.
        Method => "method",
        /// No rule allows that call: 403.
        NoCallRule => "no_call_rule",
        /// There is no such conference: 404.
        NoConference => "no_conference",
        /// The pool decided nothing that is asked for: 404.
        NoDecision => "no_decision",
        /// There is no such factory: 422.
        NoFactory => "no_factory",
        /// There is no such participant: 404.
        NoParticipant => "no_participant",
        /// There is no room: 503.
        NoRoom => "no_room",
        /// There is no such reservation or tenant: 404.
        NoReservation => "no_reservation",
        /// There is no such path: 404.
        NoRoute => "no_route",
        /// There is no such tenant: 422.
        NoTenant => "no_tenant",
        /// It needs a token, and came without: 401.
        NoToken => "no_token",
        /// What must be kept cannot be: 503.
        NotKept => "not_kept",
        /// The participant has not answered yet: 409.
        NotInYet => "not_in_yet",
        /// A value is outside of what it may be: 422.
        OutOfRange => "out_of_range",
        /// The token is for less: 403.
        Role => "role",
        /// The server ends: 503.
        ShuttingDown => "shutting_down",
        /// The tenant has all that it may have: 429.
        TenantFull => "tenant_full",
        /// The body is too long: 413.
        TooLarge => "too_large",
        /// Too many read events: 503.
        TooManyReaders => "too_many_readers",
    }
}

impl Problem {
    /// Its own status, always the same.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::BadKey | Self::BadBody | Self::BadQuery => StatusCode::BAD_REQUEST,
            Self::BadToken | Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::Foreign | Self::NoCallRule | Self::Role => StatusCode::FORBIDDEN,
            Self::NoConference
            | Self::NoDecision
            | Self::NoParticipant
            | Self::NoReservation
            | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ConferenceFull | Self::Ending | Self::NotInYet => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BadTarget
            | Self::KeyUsed
            | Self::NoFactory
            | Self::NoTenant
            | Self::OutOfRange => StatusCode::UNPROCESSABLE_ENTITY,
            Self::CallRate | Self::TenantFull => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy
            | Self::NoRoom
            | Self::NotKept
            | Self::ShuttingDown
            | Self::TooManyReaders => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Busy => "The server has too many questions at once",
            Self::BadKey => "This is no idempotency key",
            Self::BadBody => "The body cannot be read",
            Self::BadQuery => "The query cannot be read",
            Self::BadToken => "The token is not known",
            Self::BadTarget => "This cannot be called",
            Self::CallRate => "Too many calls",
            Self::ConferenceFull => "The conference is full",
            Self::Ending => "The conference is ending",
            Self::Foreign => "This comes from a web page elsewhere",
            Self::KeyUsed => "The idempotency key was used for another request",
            Self::MediaType => "The body is of another media type",
            Self::Method => "This path has no such method",
            Self::NoCallRule => "No rule allows this call",
            Self::NoConference => "There is no such conference",
            Self::NoDecision => "Nothing was decided about this",
            Self::NoFactory => "There is no such factory",
            Self::NoParticipant => "There is no such participant",
            Self::NoReservation => "There is no such reservation or tenant",
            Self::NoRoom => "There is no room",
            Self::NotKept => "What must be kept cannot be",
            Self::NoRoute => "There is no such path",
            Self::NoTenant => "There is no such tenant",
            Self::NoToken => "A token is needed",
            Self::NotInYet => "The participant is not in yet",
            Self::OutOfRange => "A value is outside of what it may be",
            Self::Role => "The token is for less",
            Self::ShuttingDown => "The server is shutting down",
            Self::TenantFull => "The tenant has all that it may have",
            Self::TooLarge => "The body is too long",
            Self::TooManyReaders => "Too many read events",
        }
    }

    /// Seconds after which the same request may well succeed.
    const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Busy => Some(1),
            Self::NoRoom | Self::TenantFull => Some(10),
            Self::CallRate | Self::TooManyReaders => Some(60),
            _ => None,
        }
    }

    /// The `type`: a relative URI (RFC 9457 §3.1.1), since we have no host of our own.
    fn uri(self) -> String {
        format!("/v1/problems/{}", self.label().replace('_', "-"))
    }

    /// The problem of this last segment of a `type`.
    pub(crate) fn of_segment(segment: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|problem| problem.uri().ends_with(&format!("/{segment}")))
    }

    /// What it is, for whoever looks up its `type`.
    pub(crate) fn described(self) -> Body {
        Body {
            kind: self.uri(),
            title: self.title(),
            status: self.status().as_u16(),
            detail: "The answer that had this type says in its detail what to do".to_owned(),
        }
    }
}

/// RFC 9457 §3.1
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
}

/// One case of a problem, in words that say what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) problem: Problem,
    detail: String,
}

impl Fault {
    pub(crate) fn new(problem: Problem, detail: impl Into<String>) -> Self {
        Self { problem, detail: detail.into() }
    }

    /// The loop does not take it.
    pub(crate) fn busy() -> Self {
        Self::new(Problem::Busy, "ask again in a second; nothing was done")
    }
}

impl From<SteerError> for Fault {
    fn from(error: SteerError) -> Self {
        let problem = match &error {
            SteerError::NoConference => Problem::NoConference,
            SteerError::NoParticipant => Problem::NoParticipant,
            SteerError::NoFactory(_) => Problem::NoFactory,
            SteerError::NoTenant(_) => Problem::NoTenant,
            SteerError::BadTime { .. }
            | SteerError::OutOfRange { .. }
            | SteerError::SamePins(_)
            | SteerError::SeatsAboveMax { .. }
            | SteerError::TitleTooLong => Problem::OutOfRange,
            SteerError::KeyUsed => Problem::KeyUsed,
            SteerError::BadTarget(_) => Problem::BadTarget,
            SteerError::NotInYet => Problem::NotInYet,
            SteerError::NotCalled(CallRefused::NoRule) => Problem::NoCallRule,
            SteerError::NotCalled(CallRefused::Itself) => Problem::BadTarget,
            SteerError::NotCalled(CallRefused::TooMany) => Problem::CallRate,
            SteerError::NotCalled(CallRefused::Full) => Problem::ConferenceFull,
            SteerError::NotCalled(CallRefused::Ending) => Problem::Ending,
            SteerError::Refused(refused) => of_refused(refused),
        };
        Self::new(problem, error.to_string())
    }
}

fn of_refused(refused: &Refused) -> Problem {
    match refused {
        Refused::ConferenceFull { .. } => Problem::ConferenceFull,
        Refused::TenantFull { .. } | Refused::TenantRate { .. } => Problem::TenantFull,
        Refused::CalledTooOften { .. } => Problem::CallRate,
        Refused::Draining | Refused::ShuttingDown => Problem::ShuttingDown,
        Refused::NotFound => Problem::NoConference,
        Refused::PoolFull { .. }
        | Refused::Unproved { .. }
        | Refused::SourceBusy
        | Refused::Unanswered { .. }
        | Refused::NotYet { .. }
        | Refused::Locked
        | Refused::LobbyFull { .. }
        | Refused::TooManyPins { .. }
        | Refused::NoSeat
        | Refused::NoPort
        | Refused::NoReferHere
        | Refused::NobodyIn
        | Refused::NotServed => Problem::NoRoom,
    }
}

/// Goes with the answer to whoever counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told(pub(crate) Problem);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let Self { problem, detail } = self;
        let body = Body { detail, ..problem.described() };
        let text = serde_json::to_string(&body).unwrap_or_default();
        let media_type = HeaderValue::from_static("application/problem+json");
        let mut response =
            (problem.status(), [(header::CONTENT_TYPE, media_type)], text).into_response();
        if let Some(seconds) = problem.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // RFC 6750 §3
        let challenge = match problem {
            Problem::NoToken => Some("Bearer realm=\"convoke\""),
            Problem::BadToken => Some("Bearer realm=\"convoke\", error=\"invalid_token\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            let value = HeaderValue::from_static(challenge);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response.extensions_mut().insert(Told(problem));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who asks by HTTP has no URI to put `;seats=N` into.
    #[test]
    fn a_refusal_is_told_in_the_words_of_this_interface() {
        let full = Refused::PoolFull { asked: 9, free: 3, short_of: "" };
        assert!(full.to_string().ends_with("ask for fewer with ;seats=N"));
        let fault = Fault::from(SteerError::Refused(full));
        assert!(fault.detail.ends_with("ask for fewer seats"), "{}", fault.detail);
    }

    #[test]
    fn every_problem_is_found_by_its_type_again() {
        for problem in Problem::ALL {
            let uri = problem.uri();
            let segment = uri.strip_prefix("/v1/problems/").expect("a path");
            assert_eq!(Problem::of_segment(segment), Some(*problem));
            assert!(problem.status().as_u16() >= 400);
        }
        assert_eq!(Problem::of_segment(""), None);
        assert_eq!(Problem::of_segment("problems"), None);
    }
}
