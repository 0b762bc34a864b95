//! Bodies that break off, paths that are no text, and who reads events without taking them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use crate::{ADMIN, Api, NOBODY, OPERATOR, kind};

/// What the server says to these bytes until it closes; who sends them says no more after them.
fn answer(api: &Api, bytes: &str, ends: bool) -> String {
    let mut stream = TcpStream::connect(api.server.admin()).expect("connected");
    stream.write_all(bytes.as_bytes()).expect("asked");
    if ends {
        stream.shutdown(Shutdown::Write).expect("half closed");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered, and closed");
    answer
}

fn head(api: &Api, line: &str) -> String {
    let (host, token) = (api.server.admin(), &api.tokens[OPERATOR]);
    format!("{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n")
}

/// It is not told to send less: that is not what was wrong.
#[test]
fn a_body_that_breaks_off_is_not_called_too_long() {
    let api = Api::start();
    let post = head(&api, "POST /v1/conferences") + "Content-Type: application/json\r\n";
    let cut = format!("{post}Content-Length: 20\r\n\r\n{{}}");
    let torn = format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n");
    for (what, bytes) in [("cut", cut), ("torn", torn)] {
        let answer = answer(&api, &bytes, true);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
        assert!(answer.contains("/v1/problems/bad-body"), "{what}: {answer}");
    }
    let listed = api.ask(OPERATOR, "GET /v1/conferences", Value::Null);
    assert_eq!(listed.body["conferences"], json!([]), "nothing was made");
}

/// It is a problem like any other, and counted.
#[test]
fn a_path_that_is_no_text_is_told_as_a_problem() {
    let api = Api::start();
    for line in ["GET /v1/problems/%ff", "DELETE /v1/reservations/%ff"] {
        let answer = api.ask(OPERATOR, line, Value::Null);
        assert_eq!((answer.status, kind(&answer).as_str()), (404, "/v1/problems/no-route"));
    }
}

/// Else the connections of 48 who asked for the head alone were taken for an hour, without one reader being counted.
#[test]
fn who_asks_for_the_head_of_events_gives_his_connection_back() {
    let api = Api::start();
    let mut stream = TcpStream::connect(api.server.admin()).expect("connected");
    let asked = head(&api, "HEAD /v1/events") + "\r\n";
    stream.write_all(asked.as_bytes()).expect("asked");
    let (mut answer, mut byte) = (String::new(), [0]);
    while !answer.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        answer.push(char::from(byte[0]));
    }
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(stream.read(&mut byte).expect("closed"), 0);
}

/// Whose token is taken out may nothing any more once the server was told to look, and reads no event on.
#[test]
fn a_token_that_is_taken_out_counts_no_more_after_a_reload() {
    let mut api = Api::start();
    let mut stream = api.send(OPERATOR, "GET /v1/events", "", "");
    let mut other = api.send(NOBODY, "GET /v1/events", "", "");
    for stream in [&mut stream, &mut other] {
        stream.read_exact(&mut [0; 12]).expect("it begins");
    }
    let path = api.folder.path().join("tokens");
    let text = std::fs::read_to_string(&path).expect("there");
    let left: Vec<&str> = text.lines().filter(|line| !line.starts_with("operator")).collect();
    std::fs::write(&path, left.join("\n")).expect("written");
    assert_eq!(api.ask(OPERATOR, "POST /v1/conferences", json!({})).status, 201, "not told yet");
    let changed = api.server.reload(api.config.clone()).expect("taken");
    assert_eq!((changed.applied, changed.needs_restart), (vec!["[admin] tokens"], vec![]));
    let refused = api.ask(OPERATOR, "POST /v1/conferences", json!({}));
    assert_eq!((refused.status, kind(&refused).as_str()), (401, "/v1/problems/bad-token"));
    let made = api.ask(ADMIN, "POST /v1/conferences", json!({ "title": "later" }));
    assert_eq!(made.status, 201, "others are as they were");
    for mut stream in [stream, other] {
        let (mut rest, mut byte) = (String::new(), [0]);
        while stream.read(&mut byte).expect("it ends") > 0 {
            rest.push(char::from(byte[0]));
            assert!(!rest.ends_with("later"), "{rest}");
        }
    }
    // A file that cannot be read changes nothing.
    std::fs::remove_file(&path).expect("removed");
    assert!(api.server.reload(api.config.clone()).is_err());
    assert_eq!(api.ask(ADMIN, "POST /v1/conferences", json!({})).status, 201);
}

/// Whoever is let go before his first event knows from where to go on.
#[test]
fn a_stream_of_events_says_at_once_from_where_it_goes_on() {
    let api = Api::start();
    let first = |last: &str| {
        let mut stream = api.send(OPERATOR, "GET /v1/events", last, "");
        let mut told = Vec::new();
        let mut byte = [0];
        while !told.ends_with(b"here is what happens\n\n") {
            stream.read_exact(&mut byte).expect("it begins");
            told.push(byte[0]);
        }
        String::from_utf8(told).expect("text")
    };
    let id = |told: &str| {
        let id = told.lines().find_map(|line| line.strip_prefix("id: "));
        id.map(str::to_owned)
    };
    let begun = id(&first("")).expect("from where");
    api.ask(OPERATOR, "POST /v1/conferences", json!({}));
    let later = id(&first("")).expect("from where");
    let number = |id: &str| id.split_once('-').map(|(_, number)| number.to_owned());
    assert_eq!((number(&begun), number(&later)), (Some("0".to_owned()), Some("1".to_owned())));
    // Who says where he was is not moved on past what he missed.
    let again = first(&format!("Last-Event-ID: {begun}\r\n"));
    assert_eq!(id(&again), None, "{again}");
}
