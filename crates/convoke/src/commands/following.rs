//! Events of a server, also after it was away: the stream is asked for again, from where it ended.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::admin::{Asked, Client};
use crate::output::unix_micros;

/// The first pause; each that follows is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Shows each event until `show` has had enough. A server that was there once is waited for.
pub(super) fn follow(
    client: &Client,
    path: &str,
    mut last: Option<String>,
    mut show: impl FnMut(&str, &Value) -> ControlFlow<()>,
    mut wait: impl FnMut(Duration),
) -> anyhow::Result<()> {
    let (mut failures, mut was_there) = (0_u32, false);
    loop {
        match client.lines(path, last.as_deref())? {
            Asked::Lines(lines) => {
                was_there = true;
                for line in lines.map_while(Result::ok) {
                    if let Some(id) = line.strip_prefix("id: ") {
                        // It may come without an event: then it says from where to go on.
                        last = Some(id.to_owned());
                    }
                    let Some(data) = line.strip_prefix("data: ") else { continue };
                    failures = 0;
                    let event: Value =
                        serde_json::from_str(data).context("this is no Convoke server")?;
                    if show(data, &event).is_break() {
                        return Ok(());
                    }
                }
            }
            Asked::Later(why) if !was_there => bail!(why),
            Asked::Later(_) => {}
        }
        failures = failures.saturating_add(1);
        wait(pause(failures, unix_micros()));
    }
}

/// Between half and the whole of what doubles, so that many do not come back in step. What the clock has below a second is chance
/// enough for that.
fn pause(failures: u32, micros: u64) -> Duration {
    let doubled = PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_MAX);
    doubled / 2 + doubled / 2 * u32::try_from(micros % 1_000_000).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers one reader after another, each with this, and gives the heads of their requests.
    fn server(answers: Vec<&'static str>) -> (Client, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let client = Client::new(listener.local_addr().expect("an address"), None).expect("one");
        let thread = std::thread::spawn(move || {
            let answer = |answer: &str| {
                let (mut stream, _) = listener.accept().expect("somebody");
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                stream.write_all(answer.as_bytes()).expect("read");
                head.join("\n").to_ascii_lowercase()
            };
            answers.into_iter().map(answer).collect()
        });
        (client, thread)
    }

    const OK: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

    #[test]
    fn a_stream_that_breaks_is_read_on_from_its_last_event() {
        let one: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nid: 7-0\n\nid: 7-1\ndata: {\"id\":\"7-1\"}\n\n";
        let busy = "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let two: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: {\"id\":\"7-2\"}\n\n";
        let (client, server) = server(vec![one, busy, OK, two]);
        let (mut seen, mut pauses) = (Vec::new(), Vec::new());
        let show = |_: &str, event: &Value| {
            seen.push(event["id"].clone());
            if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        follow(&client, "/v1/events", None, show, |pause| pauses.push(pause)).expect("read");
        assert_eq!(seen, ["7-1", "7-2"]);
        let heads = server.join().expect("it served");
        assert!(!heads[0].contains("last-event-id"));
        assert!(heads[1..].iter().all(|head| head.contains("last-event-id: 7-1")), "{heads:?}");
        for (at, pause) in pauses.iter().enumerate() {
            let whole = PAUSE * (1 << at);
            assert!(whole / 2 <= *pause && *pause <= whole, "{pauses:?}");
        }
        assert_eq!(pauses.len(), 3);
    }

    #[test]
    fn a_stream_that_breaks_before_its_first_event_is_read_on_from_where_it_began() {
        let begun = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nid: 7-3\nretry: 1000\n\n";
        let next =
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nid: 7-4\ndata: {\"id\":\"7-4\"}\n\n";
        let (client, server) = server(vec![begun, next]);
        let show = |_: &str, _: &Value| ControlFlow::Break(());
        follow(&client, "/v1/events", None, show, |_| {}).expect("read");
        let heads = server.join().expect("it served");
        assert!(heads[1].contains("last-event-id: 7-3"), "{heads:?}");
    }

    #[test]
    fn who_refuses_us_and_who_never_was_there_are_not_asked_again() {
        let no =
            "HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{\"detail\":\"x\"}";
        let (client, server) = server(vec![no]);
        let show = |_: &str, _: &Value| ControlFlow::Continue(());
        let wait = |_| panic!("nothing to wait for");
        let error = follow(&client, "/v1/events", None, show, wait).expect_err("refused");
        assert!(error.to_string().starts_with("x. "), "{error}");
        server.join().expect("it served");
        let error = follow(&client, "/v1/events", None, show, wait).expect_err("nobody");
        assert!(error.to_string().contains("no server answers"), "{error}");
    }

    #[test]
    fn pauses_grow_to_their_limit() {
        assert_eq!((pause(1, 0), pause(1, 999_999).as_millis()), (PAUSE / 2, 499));
        assert_eq!(pause(40, 0), PAUSE_MAX / 2);
        assert!(pause(40, 999_999) <= PAUSE_MAX);
    }
}
