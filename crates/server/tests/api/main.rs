//! The HTTP interface of a server in this process, by hand.

mod described;
mod people;
#[path = "../phone/mod.rs"]
#[expect(dead_code, reason = "here nobody calls by TCP")]
mod phone;
mod reading;
mod refusals;
mod whole;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use server::config::Flags;
use server::tokens::{TokenFile, TokenRole, random_token};
use server::{Config, Running, Server};

use crate::described::Description;

/// A server on loopback, and a token for each role.
struct Api {
    server: Running,
    tokens: Vec<String>,
    description: Description,
    /// The operations that were asked, with the status that came.
    asked: RefCell<BTreeSet<(String, u16)>>,
    folder: tempfile::TempDir,
    config: Config,
}

const OPERATOR: usize = 1;
const ADMIN: usize = 2;
const NOBODY: usize = 9;

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Api {
    fn start() -> Self {
        Self::with("")
    }

    /// With more in its configuration.
    fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        let mut file = TokenFile::default();
        let mut tokens = Vec::new();
        for role in [TokenRole::Reader, TokenRole::Operator, TokenRole::Admin] {
            let (entry, token) = random_token(role.name(), role).expect("random");
            file.set(entry);
            tokens.push(token);
        }
        std::fs::write(&path, file.to_string()).expect("written");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let flags = Flags {
            sip: Some(any),
            admin: Some(any),
            admin_tokens: Some(path),
            state_dir: Some(folder.path().join("state")),
            ..Flags::default()
        };
        // Nobody is there: what is called gets no answer.
        let text = format!("[dial_out]\nallow = [\"127.0.0.0/8\"]\n{more}");
        let config = Config::from_toml("convoke.toml", &text, &flags).expect("good");
        let server = Server::start(&config, false).expect("started");
        let (description, asked) = (Description::new(), RefCell::default());
        Self { server, tokens, description, asked, folder, config }
    }

    fn send(&self, who: usize, line: &str, more: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.admin()).expect("connected");
        let host = self.server.admin();
        let token = self.tokens.get(who);
        let token = token.map_or_else(String::new, |it| format!("Authorization: Bearer {it}\r\n"));
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\n{token}{more}Content-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("asked");
        stream
    }

    fn ask_with(&self, who: usize, line: &str, more: &str, body: &str) -> Answer {
        let mut answer = String::new();
        self.send(who, line, more, body).read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head[9..12].parse().expect("a status");
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        let asked = self.description.check(line, status, head, &body);
        self.asked.borrow_mut().extend(asked.map(|operation| (operation, status)));
        Answer { status, head: head.to_owned(), body }
    }

    fn ask(&self, who: usize, line: &str, body: Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.ask_with(who, line, "Content-Type: application/json\r\n", &text)
    }
}

fn kind(answer: &Answer) -> String {
    assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
    assert_eq!(answer.body["status"], answer.status);
    assert!(!answer.body["detail"].as_str().expect("words").is_empty());
    answer.body["type"].as_str().expect("a type").to_owned()
}

#[test]
fn a_conference_is_made_shown_changed_and_ended() {
    let api = Api::start();
    let made = api.ask(OPERATOR, "POST /v1/conferences", json!({ "seats": 3, "title": "Monday" }));
    assert_eq!(made.status, 201, "{} {}", made.head, made.body);
    let uri = made.body["uri"].as_str().expect("a URI").to_owned();
    assert!(uri.starts_with("sip:conf-"), "{uri}");
    assert_eq!((&made.body["state"], &made.body["seats"]), (&json!("held"), &json!(3)));
    assert!(made.body["holdUntil"].as_str().expect("until").ends_with('Z'));
    let path = format!("/v1/conferences/{}", made.body["id"].as_str().expect("an id"));
    assert!(made.head.contains(&format!("location: {path}")), "{}", made.head);

    // Whoever may only look sees it, and not the way in; nor does the status show that.
    for who in [0, NOBODY] {
        let shown = api.ask(who, &format!("GET {path}"), Value::Null);
        assert_eq!((shown.status, shown.body.get("uri")), (200, None));
        let listed = api.ask(who, "GET /v1/conferences", Value::Null);
        assert_eq!(listed.body["conferences"][0]["id"], made.body["id"]);
        let status = api.ask(who, "GET /v1/status", Value::Null);
        assert_eq!(status.body["conferences"][0]["uri"], made.body["id"]);
        let refused = api.ask(who, &format!("DELETE {path}"), Value::Null);
        let expected =
            if who == 0 { (403, "/v1/problems/role") } else { (401, "/v1/problems/no-token") };
        assert_eq!((refused.status, kind(&refused).as_str()), expected);
    }
    let status = api.ask(OPERATOR, "GET /v1/status", Value::Null);
    assert_eq!(status.body["conferences"][0]["uri"].as_str(), Some(uri.as_str()));

    let changed =
        api.ask(OPERATOR, &format!("PATCH {path}"), json!({ "locked": true, "title": null }));
    assert_eq!((changed.status, &changed.body["locked"]), (200, &json!(true)));
    assert_eq!(changed.body.get("title"), None);
    assert_eq!(api.ask(OPERATOR, &format!("DELETE {path}"), Value::Null).status, 204);
    let gone = api.ask(OPERATOR, &format!("GET {path}"), Value::Null);
    assert_eq!((gone.status, kind(&gone).as_str()), (404, "/v1/problems/no-conference"));
}

/// Who pays may be named; then his limits count, whatever factory it is.
#[test]
fn a_conference_is_paid_for_by_the_tenant_that_is_named() {
    let api = Api::with(
        "[tenants.acme]\nquota = 4\n[tenants.other]\n[[factory]]\ntenant = \"other\"\nexpect = 1\n",
    );
    let ask = |body: Value| api.ask(OPERATOR, "POST /v1/conferences", body);
    assert_eq!(ask(json!({})).body["tenant"], "other");
    let made = ask(json!({ "tenant": "acme", "seats": 3 }));
    assert_eq!((made.status, &made.body["tenant"]), (201, &json!("acme")), "{}", made.body);
    let over = ask(json!({ "tenant": "acme", "seats": 2 }));
    assert_eq!((over.status, kind(&over).as_str()), (429, "/v1/problems/tenant-full"));
    let words = over.body["detail"].as_str().expect("words");
    assert!(words.contains("acme has 3 of its 4 seats"), "{words}");
    let unknown = ask(json!({ "tenant": "acne" }));
    assert_eq!((unknown.status, kind(&unknown).as_str()), (422, "/v1/problems/no-tenant"));
    assert_eq!(ask(json!({ "tenant": null })).status, 400);
    let explained = api.ask(OPERATOR, "GET /v1/explain", Value::Null);
    let of_acme: Vec<&Value> = explained.body["decisions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|it| it["tenant"] == "acme")
        .map(|it| &it["state"])
        .collect();
    assert_eq!(of_acme.len(), 2, "{}", explained.body);
    assert!(of_acme.contains(&&json!("held")) && of_acme.contains(&&json!("refused")));
}

/// Whatever is kept of a PIN cannot be read back: neither with the conference nor with the key that it was asked for under.
#[test]
fn no_pin_stands_in_the_state_folder() {
    let api = Api::start();
    let more = "Content-Type: application/json\r\nIdempotency-Key: \"with-pins\"\r\n";
    let pins = ["471147114711", "800480048004", "500550055005"];
    let asked = json!({ "title": "Board", "pin": pins[0], "moderatorPin": pins[1] }).to_string();
    let made = api.ask_with(OPERATOR, "POST /v1/conferences", more, &asked);
    assert_eq!(made.status, 201);
    let id = made.body["id"].as_str().expect("an id");
    let changed =
        api.ask(OPERATOR, &format!("PATCH /v1/conferences/{id}"), json!({ "pin": pins[2] }));
    assert_eq!(changed.body["pin"], true);
    let Api { server, folder, .. } = api;
    server.finish().expect("no panic");
    let mut kept = Vec::new();
    for file in std::fs::read_dir(folder.path().join("state")).expect("the folder") {
        kept.extend(std::fs::read(file.expect("a file").path()).expect("read"));
    }
    let holds = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("Board") && holds("hmac1:"));
    for pin in pins {
        assert!(!holds(pin), "{pin}");
    }
}

/// draft-ietf-httpapi-idempotency-key-header-07 §2.6
#[test]
fn a_repeated_request_under_one_key_is_one_conference() {
    let api = Api::start();
    let more = "Content-Type: application/json\r\nIdempotency-Key: \"8e03978e\"\r\n";
    let ask = |body: &str| api.ask_with(OPERATOR, "POST /v1/conferences", more, body);
    let (first, again) = (ask("{}"), ask("{}"));
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    let other = ask("{\"seats\":2}");
    assert_eq!((other.status, kind(&other).as_str()), (422, "/v1/problems/key-used"));
}

/// As the pattern in the description has it. Many leave the quotes out.
#[test]
fn a_key_is_the_same_in_quotes_and_without() {
    let api = Api::start();
    let ask = |key: &str| {
        let more = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\n");
        api.ask_with(OPERATOR, "POST /v1/conferences", &more, "{}")
    };
    let long = "k".repeat(255);
    for (quoted, plain) in [("\"8e 0\"", "8e 0"), (&*format!("\"{long}\""), &*long)] {
        let (one, other) = (ask(quoted), ask(plain));
        assert_eq!((one.status, &one.body), (201, &other.body), "{plain}");
    }
    let too_long = "k".repeat(256);
    for bad in ["\"\"", "\"", "\"a", "a\"b", "a\\b", "a\tb", "\u{e4}", &too_long] {
        let refused = ask(bad);
        assert_eq!(
            (refused.status, kind(&refused).as_str()),
            (400, "/v1/problems/bad-key"),
            "{bad}"
        );
    }
}

#[test]
fn what_cannot_be_is_told_as_a_problem() {
    let api = Api::start();
    let json = "Content-Type: application/json\r\n";
    let one = "/v1/conferences/aaaaaaaaaaaaaaaa";
    let cases = [
        ("POST /v1/conferences", json, "{", 400, "bad-body"),
        ("POST /v1/conferences", json, "{\"seat\":1}", 400, "bad-body"),
        ("POST /v1/conferences", json, "{\"seats\":null}", 400, "bad-body"),
        ("POST /v1/conferences", json, "[]", 400, "bad-body"),
        ("POST /v1/conferences", json, " [\"conference\"]", 400, "bad-body"),
        ("POST /v1/conferences", json, "null", 400, "bad-body"),
        ("POST /v1/conferences", json, "", 400, "bad-body"),
        (
            "POST /v1/reservations",
            json,
            "{\"legs\":1,\"from\":1,\"seconds\":1,\"codec\":\"opus\"}",
            400,
            "bad-body",
        ),
        ("POST /v1/conferences", json, "{\"seats\":0}", 422, "out-of-range"),
        ("POST /v1/conferences", json, "{\"seats\":501}", 503, "no-room"),
        ("POST /v1/conferences", json, "{\"factory\":\"x\"}", 422, "no-factory"),
        ("POST /v1/conferences", "Content-Type: text/plain\r\n", "{}", 415, "media-type"),
        ("PUT /v1/conferences", json, "{}", 405, "method"),
        ("GET /v1/nothing", json, "", 404, "no-route"),
        ("GET /v1/conferences?limit=0", json, "", 400, "bad-query"),
        ("GET /v1/conferences?cursor=x", json, "", 400, "bad-query"),
        ("GET /v1/conferences?page=2", json, "", 400, "bad-query"),
        ("GET /v1/conferences/x", json, "", 404, "no-conference"),
        (&format!("GET {one}"), json, "", 404, "no-conference"),
        (&format!("PATCH {one}"), json, "{}", 404, "no-conference"),
        (&format!("GET {one}/participants"), json, "", 404, "no-conference"),
        (&format!("POST {one}/participants"), json, "{\"uri\":\"sip:a@b\"}", 404, "no-conference"),
        (&format!("POST {one}/participants"), json, "{\"uri\":\"a\"}", 422, "bad-target"),
        (&format!("DELETE {one}/participants/1"), json, "", 404, "no-conference"),
        ("GET /v1/events?x=1", json, "", 400, "bad-query"),
        ("GET /v1/explain?legs=x", json, "", 400, "bad-query"),
        ("GET /v1/explain?ptime=121", json, "", 400, "bad-query"),
        ("GET /v1/capacity?ptime=9", json, "", 400, "bad-query"),
        ("GET /v1/capacity?legs=0", json, "", 400, "bad-query"),
        ("GET /v1/capacity?conferences=2", json, "", 400, "bad-query"),
        ("GET /v1/capacity?legs=1&conferences=10001", json, "", 400, "bad-query"),
        ("GET /v1/explain?tenant=nobody", json, "", 404, "no-decision"),
        ("GET /v1/explain?legs=100001", json, "", 400, "bad-query"),
        ("GET /v1/problems/x", json, "", 404, "no-route"),
    ];
    for (line, more, body, status, problem) in cases {
        let answer = api.ask_with(OPERATOR, line, more, body);
        let told = (answer.status, kind(&answer));
        assert_eq!(told, (status, format!("/v1/problems/{problem}")), "{line} {body}");
        let described = api.ask(NOBODY, &format!("GET {}", told.1), Value::Null);
        assert_eq!((described.status, &described.body["status"]), (200, &json!(status)));
    }
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(20_000));
    assert_eq!(api.ask_with(OPERATOR, "POST /v1/conferences", json, &long).status, 413);
    let wrong = api.ask_with(NOBODY, "GET /v1/status", "Authorization: Bearer no\r\n", "");
    assert_eq!((wrong.status, kind(&wrong).as_str()), (401, "/v1/problems/bad-token"));
    assert!(wrong.head.contains("www-authenticate: Bearer"), "{}", wrong.head);
    let foreign = format!("{json}Origin: https://evil.example\r\n");
    let foreign = api.ask_with(OPERATOR, "POST /v1/conferences", &foreign, "{}");
    assert_eq!((foreign.status, kind(&foreign).as_str()), (403, "/v1/problems/foreign"));
    let mut page = String::new();
    let mut stream = api.send(NOBODY, "GET /metrics", "", "");
    stream.read_to_string(&mut page).expect("answered");
    for line in [
        "convoke_http_requests_refused_total{cause=\"foreign\"} 1",
        "convoke_http_requests_refused_total{cause=\"too_large\"} 1",
        "convoke_http_requests_total{operation=\"createConference\"}",
    ] {
        assert!(page.contains(line), "{line} of\n{page}");
    }
}

#[test]
fn what_happens_is_told_with_ids_and_resumed_after_one() {
    let api = Api::start();
    let read = |more: &str, who| {
        let mut lines = BufReader::new(api.send(who, "GET /v1/events", more, "")).lines();
        // Head, and that it has begun.
        lines.by_ref().find(|line| line.as_ref().is_ok_and(|line| line.contains(": here")));
        lines.map(|line| line.expect("goes on"))
    };
    let fields = |lines: &mut dyn Iterator<Item = String>, count: usize| {
        lines
            .filter(|line| line.starts_with("id:") || line.starts_with("data:"))
            .take(count * 2)
            .collect::<Vec<_>>()
    };
    let mut operator = read("", OPERATOR);
    let mut reader = read("", 0);
    let make = || api.ask(OPERATOR, "POST /v1/conferences", json!({})).body["id"].clone();
    let (first, second) = (make(), make());
    let told = fields(&mut operator, 2);
    assert!(told[1].contains("\"type\":\"held\"") && told[1].contains("sip:conf-"), "{told:?}");
    assert!(told[1].contains(first.as_str().expect("an id")));
    let description = Description::new();
    for data in told.iter().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).expect("JSON");
        let mut types = description.events().iter();
        let schema = types.find(|one| one["properties"]["type"]["const"] == event["type"]);
        description.fits(schema.expect("a type that is described"), &event, data);
    }
    let seen = fields(&mut reader, 2);
    assert!(!seen.concat().contains("conf-"), "{seen:?}");
    assert!(seen[3].contains(second.as_str().expect("an id")));
    // He comes again after the first one.
    let id = told[0].trim_start_matches("id: ").to_owned();
    let again = fields(&mut read(&format!("Last-Event-ID: {id}\r\n"), OPERATOR), 1);
    assert_eq!(again, told[2..]);
    // After one that is of another start, he is told so.
    let mut gone = read("Last-Event-ID: 1-1\r\n", OPERATOR);
    assert!(gone.any(|line| line == "event: gone"));
}

/// Every operation of the description is there and answers as it says, and each answer of all tests is checked so.
#[test]
fn every_operation_of_the_description_is_served() {
    let api = Api::start();
    let text = |answer: &Answer, field: &str| answer.body[field].as_str().expect("text").to_owned();
    let made = api.ask(OPERATOR, "POST /v1/conferences", json!({ "max": 5 }));
    let one = format!("/v1/conferences/{}", text(&made, "id"));
    let people = format!("{one}/participants");
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let uri = format!("sip:bob@{}", silent.local_addr().expect("an address"));
    let called = api.ask(OPERATOR, &format!("POST {people}"), json!({ "uri": uri }));
    assert_eq!(
        (called.status, &called.body["state"]),
        (201, &json!("dialling")),
        "{}",
        called.body
    );
    let bob = format!("{people}/{}", called.body["id"]);
    let early = api.ask(OPERATOR, &format!("PATCH {bob}"), json!({ "muted": true }));
    assert_eq!((early.status, kind(&early).as_str()), (409, "/v1/problems/not-in-yet"));
    let no_rule = api.ask(OPERATOR, &format!("POST {people}"), json!({ "uri": "sip:x@192.0.2.1" }));
    assert_eq!((no_rule.status, kind(&no_rule).as_str()), (403, "/v1/problems/no-call-rule"));
    for (line, body) in [
        ("GET /v1/status".to_owned(), Value::Null),
        ("GET /metrics".to_owned(), Value::Null),
        ("GET /v1/openapi.json".to_owned(), Value::Null),
        ("GET /v1/problems/no-room".to_owned(), Value::Null),
        ("GET /v1/explain".to_owned(), Value::Null),
        ("GET /v1/holds".to_owned(), Value::Null),
        ("GET /health".to_owned(), Value::Null),
        ("GET /ready".to_owned(), Value::Null),
        ("GET /v1/capacity?legs=3".to_owned(), Value::Null),
        ("GET /v1/conferences?limit=1".to_owned(), Value::Null),
        (format!("GET {one}"), Value::Null),
        (format!("PATCH {one}"), json!({ "end": "creator-leaves", "max": null })),
        (format!("GET {people}?limit=1"), Value::Null),
        (format!("GET {bob}"), Value::Null),
        (format!("DELETE {bob}"), Value::Null),
        (format!("DELETE {one}"), Value::Null),
    ] {
        let answer = api.ask(OPERATOR, &line, body);
        assert!((200..300).contains(&answer.status), "{line}: {} {}", answer.status, answer.body);
    }
    let asked = api.asked.borrow();
    for (method, path, operation) in api.description.operations() {
        let id = operation["operationId"].as_str().expect("an id");
        // A stream has no end to wait for, to mute somebody he must be in, and a reservation needs a disk: other
        // tests do each.
        let elsewhere =
            ["readEvents", "changeParticipant", "reserve", "cancelReservation", "drain", "undrain"];
        let is_elsewhere = elsewhere.contains(&id);
        let reached = asked.iter().any(|(of, status)| of == id && *status < 300);
        assert!(reached || is_elsewhere, "{method} {path} was not reached");
    }
}
