//! `GET /v1/events`: what happens, as server-sent events.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;

use super::access::{Access, Caller};
use super::connections::Life;
use super::counts::{Counts, Reader};
use super::feed::Happened;
use super::problem::{Fault, Problem};
use super::{Asked, Shared, ask};

/// Readers at a time: each costs a connection, and those for questions must not run out.
pub(crate) const READERS_MAX: u64 = 16;

/// How often a reader hears at least something, so that both ends know that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a reader's stream knows.
struct Reading {
    waiting: VecDeque<Bytes>,
    missed: VecDeque<Arc<Happened>>,
    next: broadcast::Receiver<Arc<Happened>>,
    access: Arc<Access>,
    caller: Caller,
    only: Option<String>,
    /// The id of the last event, where that was not for him: he has it with the next heartbeat, so that he is not behind.
    passed: Option<String>,
    counts: Counts,
    _place: Reader,
}

pub(super) async fn events(
    State(shared): State<Shared>,
    ConnectInfo(life): ConnectInfo<Life>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let only = conference(query.as_deref().unwrap_or_default())?;
    let place = shared.counts.reader(READERS_MAX).ok_or_else(|| {
        let detail = format!("{READERS_MAX} read already: close one, or ask for lists instead");
        Fault::new(Problem::TooManyReaders, detail)
    })?;
    let last =
        headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let subscribed = ask(&shared.asked, |answer| Asked::Subscribe(last, answer)).await;
    let subscription = subscribed?;
    life.prolong();
    // From where he reads, also if he is let go before anything happens that he is shown: so he misses nothing.
    let from = subscription.from.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let first = format!("{from}retry: 1000\n: here is what happens\n\n");
    let mut waiting = VecDeque::from([Bytes::from(first)]);
    if subscription.is_gap {
        waiting.push_back(Bytes::from_static(GONE.as_bytes()));
    }
    let reading = Reading {
        waiting,
        missed: subscription.missed,
        next: subscription.next,
        access: Arc::clone(&shared.access),
        caller,
        only,
        passed: None,
        counts: shared.counts.clone(),
        _place: place,
    };
    let chunks = stream::unfold(reading, |mut reading| async move {
        let chunk = reading.chunk().await?;
        Some((Ok::<_, Infallible>(chunk), reading))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // What lasts an hour is the stream: whoever only asked for its head, or was let go, gives his place back.
        (header::CONNECTION, "close"),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// `?conference=ID` shows what is about that one only.
fn conference(query: &str) -> Result<Option<String>, Fault> {
    let mut only = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("conference", id)) if id.parse::<pool::ConferenceId>().is_ok() => {
                only = Some(id.to_ascii_lowercase());
            }
            _ => {
                let detail = "there is conference=ID, with the id of a conference";
                return Err(Fault::new(Problem::BadQuery, detail));
            }
        }
    }
    Ok(only)
}

impl Reading {
    /// What to send next; `None`: it is over.
    async fn chunk(&mut self) -> Option<Bytes> {
        loop {
            // He comes again, and is looked at anew.
            if self.access.is_outdated(&self.caller) {
                return None;
            }
            if let Some(chunk) = self.waiting.pop_front() {
                return Some(chunk);
            }
            if let Some(event) = self.missed.pop_front() {
                if let Some(chunk) = self.show(&event) {
                    return Some(chunk);
                }
                continue;
            }
            tokio::select! {
                event = self.next.recv() => match event {
                    Ok(event) => self.missed.push_back(event),
                    // Too slow. He comes again with the id of his last one, and gets what he missed.
                    Err(RecvError::Lagged(_)) => {
                        self.counts.reader_dropped();
                        return None;
                    }
                    Err(RecvError::Closed) => return None,
                },
                () = sleep(HEARTBEAT) => {
                    let passed = self.passed.take().map(|id| format!("id: {id}\n"));
                    return Some(Bytes::from(passed.unwrap_or_default() + ":\n\n"));
                }
            }
        }
    }

    fn show(&mut self, event: &Happened) -> Option<Bytes> {
        let wanted = self.only.as_ref().is_none_or(|only| event.is_of(only));
        let id = event.id();
        self.passed = (!wanted).then(|| id.clone());
        wanted.then(|| {
            let (kind, data) = (event.kind(), event.shown_to(&self.caller));
            Bytes::from(format!("id: {id}\nevent: {kind}\ndata: {data}\n\n"))
        })
    }
}

/// Told first to who comes again too late. It has no id: who is told it again is still behind.
const GONE: &str = "event: gone\ndata: {\"type\":\"gone\",\"detail\":\"some events since your last one are not kept \
                    any more: list the conferences anew\"}\n\n";
