//! Every refusal that the description has, by every operation that has it.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{ADMIN, Api, NOBODY, OPERATOR};

const JSON: &str = "Content-Type: application/json\r\n";

/// A path that leads to nothing, where it has names in it.
fn filled(path: &str) -> String {
    path.replace("{conference}", "aaaaaaaaaaaaaaaa")
        .replace("{participant}", "1")
        .replace("{problem}", "no-such")
}

fn in_an_hour() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "what is reserved is to come")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_secs() + 3_600
}

/// Each operation with each status of 400 and more; but 503, which `admin::tests` has of each.
#[test]
fn every_refusal_of_the_description_is_given() {
    let api =
        Api::with("[tenants.small]\nquota = 8\n[[factory]]\ntenant = \"small\"\nexpect = 1\n");
    let mut wanted = BTreeSet::new();
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(20_000));
    for (method, path, operation) in api.description.operations() {
        let line = format!("{method} {}", filled(&path));
        let id = operation["operationId"].as_str().expect("an id").to_owned();
        let statuses = operation["responses"].as_object().expect("answers").keys();
        let statuses = statuses.filter_map(|it| it.parse::<u16>().ok());
        for status in statuses.filter(|it| *it >= 400 && *it != 503) {
            wanted.insert((id.clone(), status));
            let (who, more, body) = match status {
                401 => (NOBODY, "Authorization: Bearer no\r\n", ""),
                403 => (ADMIN, "Origin: https://evil.example\r\n", ""),
                413 => (ADMIN, JSON, long.as_str()),
                415 => (ADMIN, "Content-Type: text/plain\r\n", "{}"),
                400 if method != "GET" => (ADMIN, JSON, "{"),
                _ => continue,
            };
            let answer = api.ask_with(who, &line, more, body);
            assert_eq!(answer.status, status, "{line}: {}", answer.body);
        }
    }
    ask_wrongly(&api);
    ask_for_too_much(&api);
    let asked = api.asked.borrow();
    let missing: Vec<_> = wanted.difference(&asked).collect();
    assert_eq!(missing, Vec::<&(String, u16)>::new(), "described, and never seen");
}

/// What is not there, and what cannot be read.
fn ask_wrongly(api: &Api) {
    let one = filled("/v1/conferences/{conference}");
    let later = |legs: u32, tenant: &str| json!({ "legs": legs, "from": in_an_hour(), "seconds": 60, "tenant": tenant });
    for (line, body, status) in [
        ("GET /v1/conferences?limit=0".to_owned(), Value::Null, 400),
        (format!("GET {one}/participants?limit=0"), Value::Null, 400),
        ("GET /v1/capacity?legs=x".to_owned(), Value::Null, 400),
        ("GET /v1/explain?ptime=1".to_owned(), Value::Null, 400),
        ("GET /v1/events?x=1".to_owned(), Value::Null, 400),
        ("GET /v1/problems/no-such".to_owned(), Value::Null, 404),
        ("GET /v1/capacity?legs=1&tenant=nobody".to_owned(), Value::Null, 404),
        ("GET /v1/explain?conference=sip:x@h".to_owned(), Value::Null, 404),
        ("POST /v1/reservations".to_owned(), later(1, "nobody"), 404),
        ("DELETE /v1/reservations/none".to_owned(), Value::Null, 404),
        (format!("GET {one}"), Value::Null, 404),
        (format!("PATCH {one}"), json!({}), 404),
        (format!("DELETE {one}"), Value::Null, 404),
        (format!("GET {one}/participants"), Value::Null, 404),
        (format!("POST {one}/participants"), json!({ "uri": "sip:a@127.0.0.1" }), 404),
        (format!("GET {one}/participants/1"), Value::Null, 404),
        (format!("PATCH {one}/participants/1"), json!({ "muted": true }), 404),
        (format!("DELETE {one}/participants/1"), Value::Null, 404),
        ("POST /v1/conferences".to_owned(), json!({ "seats": 0 }), 422),
        (format!("POST {one}/participants"), json!({ "uri": "a" }), 422),
        ("POST /v1/reservations".to_owned(), later(0, "small"), 422),
        ("POST /v1/reservations".to_owned(), later(9, "small"), 429),
        ("POST /v1/conferences".to_owned(), json!({ "seats": 9 }), 429),
        ("POST /v1/conferences".to_owned(), json!({ "seats": 9, "tenant": "small" }), 429),
        ("POST /v1/conferences".to_owned(), json!({ "tenant": "nobody" }), 422),
    ] {
        let answer = api.ask(ADMIN, &line, body);
        assert_eq!(answer.status, status, "{line}: {}", answer.body);
    }
}

/// What a conference that is there refuses.
fn ask_for_too_much(api: &Api) {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let bob = json!({ "uri": format!("sip:bob@{}", silent.local_addr().expect("an address")) });
    let make = |body: Value| {
        let made = api.ask(OPERATOR, "POST /v1/conferences", body);
        assert_eq!(made.status, 201, "{}", made.body);
        format!("/v1/conferences/{}", made.body["id"].as_str().expect("an id"))
    };
    let small = make(json!({ "seats": 1, "max": 1 }));
    let status = |line: &str, body: &Value| api.ask(OPERATOR, line, body.clone()).status;
    assert_eq!(status(&format!("PATCH {small}"), &json!({ "max": 0 })), 422);
    let called = api.ask(OPERATOR, &format!("POST {small}/participants"), bob.clone());
    assert_eq!(called.status, 201, "{}", called.body);
    let path = format!("{small}/participants/{}", called.body["id"]);
    assert_eq!(status(&format!("PATCH {path}"), &json!({ "muted": true })), 409);
    assert_eq!(status(&format!("POST {small}/participants"), &bob), 409);
    let large = make(json!({ "seats": 1 }));
    let line = format!("POST {large}/participants");
    let refused = (0..100).map(|_| status(&line, &bob)).find(|status| *status != 201);
    assert_eq!(refused, Some(429), "nobody is called without end");
}
