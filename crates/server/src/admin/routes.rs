//! Every operation of the interface: method, path, name, and who may. The description in `docs/openapi.json` has the
//! same ones, which a test sees to.

use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use axum::{Json, Router};

use super::bodies::{BODY_BYTES_MAX, Name};
use super::connections::Life;
use super::problem::{Body, Fault, Problem, Told};
use super::{Shared, conferences, drain, events, participants, room};
use crate::tokens::TokenRole;

/// One operation.
pub(crate) struct Operation {
    #[cfg_attr(not(test), expect(dead_code, reason = "the description is held to it"))]
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Its `operationId`, and its label in the metrics.
    pub(crate) name: &'static str,
    /// `None`: anybody, token or not, from wherever he can reach us.
    pub(crate) role: Option<TokenRole>,
    handler: MethodRouter<Shared>,
}

/// All of them.
pub(crate) fn operations() -> Vec<Operation> {
    use TokenRole::{Operator, Reader};
    let one = |method, path, name, role, handler| {
        let role = Some(role);
        Operation { method, path, name, role, handler }
    };
    let read = |path, name, handler| one(Method::GET, path, name, Reader, handler);
    const ALL: &str = "/v1/conferences";
    const ONE: &str = "/v1/conferences/{conference}";
    const PEOPLE: &str = "/v1/conferences/{conference}/participants";
    const PERSON: &str = "/v1/conferences/{conference}/participants/{participant}";
    let mut operations = vec![
        read("/v1/status", "getStatus", get(super::status)),
        read("/metrics", "getMetrics", get(super::metrics)),
        read("/v1/openapi.json", "getDescription", get(super::description)),
        read("/v1/problems/{problem}", "getProblem", get(problem)),
        read("/v1/events", "readEvents", get(events::events)),
        read(ALL, "listConferences", get(conferences::list)),
        one(Method::POST, ALL, "createConference", Operator, post(conferences::create)),
        read(ONE, "getConference", get(conferences::show)),
        one(Method::PATCH, ONE, "changeConference", Operator, patch(conferences::change)),
        one(Method::DELETE, ONE, "endConference", Operator, delete(conferences::end)),
        read(PEOPLE, "listParticipants", get(participants::list)),
        one(Method::POST, PEOPLE, "callParticipant", Operator, post(participants::call)),
        read(PERSON, "getParticipant", get(participants::show)),
        one(Method::PATCH, PERSON, "changeParticipant", Operator, patch(participants::change)),
        one(Method::DELETE, PERSON, "removeParticipant", Operator, delete(participants::remove)),
    ];
    const LATER: &str = "/v1/reservations";
    const LATER_ONE: &str = "/v1/reservations/{conference}";
    // Whoever shares out callers asks these, and knows no token.
    let free =
        |path, name, handler| Operation { method: Method::GET, path, name, role: None, handler };
    operations.extend([
        free("/health", "getHealth", get(drain::health)),
        free("/ready", "getReadiness", get(drain::ready)),
        read("/v1/explain", "explainRoom", get(room::explain)),
        one(Method::POST, "/v1/drain", "drain", TokenRole::Admin, post(drain::drain)),
        one(Method::DELETE, "/v1/drain", "undrain", TokenRole::Admin, delete(drain::undrain)),
        read("/v1/holds", "listHolds", get(room::holds)),
        read("/v1/capacity", "getCapacity", get(room::capacity)),
        one(Method::POST, LATER, "reserve", Operator, post(room::reserve)),
        one(Method::DELETE, LATER_ONE, "cancelReservation", Operator, delete(room::cancel)),
    ]);
    operations
}

/// The router over all operations.
pub(crate) fn router(shared: Shared) -> Router {
    let mut router = Router::new();
    for Operation { path, name, role, handler, .. } in operations() {
        let guarded = handler.layer(middleware::from_fn_with_state(
            shared.clone(),
            move |State(shared): State<Shared>, request: Request, next: Next| {
                guard(shared, (name, role), request, next)
            },
        ));
        router = router.route(path, guarded);
    }
    let none = |State(shared): State<Shared>| async move {
        let fault = Fault::new(Problem::NoRoute, "GET /v1/openapi.json says what there is");
        counted(&shared, "none", fault.into_response())
    };
    let no_method = |State(shared): State<Shared>| async move {
        let fault = Fault::new(Problem::Method, "GET /v1/openapi.json says what this path takes");
        counted(&shared, "none", fault.into_response())
    };
    router
        .fallback(none)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), only_from_here))
        .with_state(shared)
}

/// Lets in who may, and counts.
async fn guard(
    shared: Shared,
    (name, role): (&'static str, Option<TokenRole>),
    mut request: Request,
    next: Next,
) -> Response {
    let Some(role) = role else {
        return counted(&shared, name, next.run(request).await);
    };
    let response = match shared.access.admit(request.headers(), role) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(fault) => fault.into_response(),
    };
    counted(&shared, name, response)
}

fn counted(shared: &Shared, name: &'static str, response: Response) -> Response {
    let problem = response.extensions().get::<Told>().map(|told| told.0);
    shared.counts.request(name, problem);
    response
}

async fn only_from_here(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let life = request.extensions().get::<ConnectInfo<Life>>();
    let _serving = life.map(|ConnectInfo(life)| life.serve());
    if shared.access.is_from_here(&request) {
        return next.run(request).await;
    }
    let detail = "call this by a loopback address, and not from a web page elsewhere";
    counted(&shared, "none", Fault::new(Problem::Foreign, detail).into_response())
}

async fn problem(Name(name): Name) -> Result<Json<Body>, Fault> {
    let found = Problem::of_segment(&name).map(Problem::described);
    found.map(Json).ok_or_else(|| Fault::new(Problem::NoRoute, "no answer has this type"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_description_has_the_same_operations_under_the_same_names() {
        let description: Value =
            serde_json::from_str(include_str!("../../../../docs/openapi.json")).expect("JSON");
        let mut described = BTreeSet::new();
        for (path, entry) in description["paths"].as_object().expect("paths") {
            for (method, operation) in entry.as_object().expect("operations") {
                if method != "parameters" {
                    let text = |key: &str| operation[key].as_str().expect(key).to_owned();
                    let (name, role) = (text("operationId"), text("x-role"));
                    described.insert((method.to_uppercase(), path.clone(), name, role));
                }
            }
        }
        let served: BTreeSet<_> = operations()
            .into_iter()
            .map(|it| {
                let role = it.role.map_or("anybody", TokenRole::name).to_owned();
                (it.method.to_string(), it.path.to_owned(), it.name.to_owned(), role)
            })
            .collect();
        assert_eq!(served, described);
    }
}
