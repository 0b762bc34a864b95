//! What has happened, kept for a while for whoever reads events.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use node::Notice;
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use super::access::Caller;
use crate::records::rfc3339;

/// Events that are kept, at some 500 bytes each: two megabytes, and half an hour of a busy server. Who was away
/// for longer is told that some are missing.
pub(crate) const KEPT_MAX: usize = 4_096;

/// Events that a reader may be behind. Who is behind more is let go, and comes again with the id of his last one.
pub(crate) const BEHIND_MAX: usize = 512;

/// The kinds of events there are.
pub(crate) const KINDS: [&str; 26] = [
    "held",
    "reserved",
    "not-kept",
    "hold-expired",
    "started",
    "joined",
    "waits",
    "appointed",
    "calling",
    "not-reached",
    "muted",
    "talking",
    "ends-soon",
    "changed",
    "overloaded",
    "overload-over",
    "draining",
    "undrained",
    "shutting-down",
    "left",
    "ended",
    "login-failed",
    "phone-registered",
    "phone-gone",
    "refused",
    "not-told",
];

/// One event.
#[derive(Debug)]
pub(crate) struct Happened {
    number: u64,
    /// When the server started, seconds since 1970: numbers begin anew with it.
    started: u64,
    unix_micros: u64,
    notice: Arc<Notice>,
    /// Made when somebody reads it: the loop has no time for what nobody does.
    shape: OnceLock<Box<Shape>>,
}

/// An event as it is shown.
#[derive(Debug)]
struct Shape {
    kind: String,
    /// The id of its conference, if it is about one.
    conference: Option<String>,
    fields: Map<String, Value>,
}

/// All events there are.
pub(crate) struct Feed {
    started: u64,
    last: u64,
    kept: VecDeque<Arc<Happened>>,
    readers: broadcast::Sender<Arc<Happened>>,
}

/// What a reader gets.
pub(crate) struct Subscription {
    /// Whether some of what he missed is not kept any more.
    pub(crate) is_gap: bool,
    /// The id of the last event, for who was never here: what comes after that is his.
    pub(crate) from: Option<String>,
    /// What he missed.
    pub(crate) missed: VecDeque<Arc<Happened>>,
    pub(crate) next: broadcast::Receiver<Arc<Happened>>,
}

impl Feed {
    pub(crate) fn new(started: u64) -> Self {
        let (readers, _) = broadcast::channel(BEHIND_MAX);
        Self { started, last: 0, kept: VecDeque::new(), readers }
    }

    /// One more has happened. Gives it, unless it is of no use outside.
    pub(crate) fn push(&mut self, notice: Arc<Notice>, unix_micros: u64) -> Option<Arc<Happened>> {
        if matches!(*notice, Notice::Media { .. }) {
            // It names the mixer's slot, and says nothing that the record of the leg does not.
            return None;
        }
        self.last += 1;
        let happened = Arc::new(Happened {
            number: self.last,
            started: self.started,
            unix_micros,
            notice,
            shape: OnceLock::new(),
        });
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::clone(&happened));
        // Nobody may be reading.
        let _ = self.readers.send(Arc::clone(&happened));
        Some(happened)
    }

    /// A reader, who had this event as his last one.
    pub(crate) fn subscribe(&self, last: Option<&str>) -> Subscription {
        let next = self.readers.subscribe();
        let Some(last) = last else {
            let from = Some(id(self.started, self.last));
            return Subscription { is_gap: false, from, missed: VecDeque::new(), next };
        };
        let number = last
            .split_once('-')
            .filter(|(started, _)| started.parse() == Ok(self.started))
            .and_then(|(_, number)| number.parse::<u64>().ok())
            .filter(|number| *number <= self.last);
        let first = self.kept.front().map_or(self.last + 1, |first| first.number);
        let after = number.unwrap_or(0);
        let missed = self.kept.iter().filter(|it| it.number > after).cloned().collect();
        let is_gap = number.is_none_or(|number| number + 1 < first);
        Subscription { is_gap, from: None, missed, next }
    }
}

/// An event's id, by when the server started and its number since then.
fn id(started: u64, number: u64) -> String {
    format!("{started}-{number}")
}

impl Happened {
    pub(crate) fn id(&self) -> String {
        id(self.started, self.number)
    }

    /// Its number since the server started, from 1.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// When it happened, microseconds since 1970.
    pub(crate) const fn unix_micros(&self) -> u64 {
        self.unix_micros
    }

    pub(crate) fn kind(&self) -> &str {
        &self.shape().kind
    }

    pub(crate) fn is_of(&self, conference: &str) -> bool {
        self.shape().conference.as_deref() == Some(conference)
    }

    fn shape(&self) -> &Shape {
        self.shape.get_or_init(|| Box::new(Shape::of(&self.notice, self.unix_micros)))
    }

    /// As JSON, for whoever reads it. A conference URI is a way in, and not for all.
    pub(crate) fn shown(&self, sees_uris: bool) -> String {
        let Shape { kind, conference, fields } = self.shape();
        let mut fields = fields.clone();
        if !sees_uris {
            fields.remove("uri");
        }
        fields.insert("id".to_owned(), self.id().into());
        fields.insert("type".to_owned(), kind.clone().into());
        if let Some(conference) = conference {
            fields.insert("conference".to_owned(), conference.clone().into());
        }
        Value::Object(fields).to_string()
    }

    /// The same, for a caller.
    pub(crate) fn shown_to(&self, caller: &Caller) -> String {
        self.shown(caller.sees_uris)
    }
}

impl Shape {
    fn of(notice: &Notice, unix_micros: u64) -> Self {
        let mut fields = match serde_json::to_value(notice) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => unreachable!("invariant: a notice is an object of plain data"),
        };
        let kind = fields.remove("event").and_then(|kind| Some(kind.as_str()?.to_owned()));
        let uri = fields.remove("conference");
        let id = uri.as_ref().and_then(Value::as_str).and_then(pool::id_in);
        if let Some(uri) = uri {
            fields.insert("uri".to_owned(), uri);
        }
        for name in ["from", "until"] {
            if let Some(moment) = fields.get_mut(name)
                && let Some(seconds) = moment.as_u64()
            {
                *moment = rfc3339(Duration::from_secs(seconds)).into();
            }
        }
        fields.insert("at".to_owned(), rfc3339(Duration::from_micros(unix_micros)).into());
        let kind = kind.expect("invariant: a notice names its kind");
        debug_assert!(KINDS.contains(&kind.as_str()), "{kind} is missing among the kinds");
        Self { kind, conference: id.map(|id| id.to_string()), fields }
    }
}

#[cfg(test)]
mod described;

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "sip:conf-aeaacafqyhyouzwvd6s2a4qvpuaa2dqhpxwcb24gaa@127.0.0.1:5060";

    fn happen(feed: &mut Feed) {
        let conference = URI.to_owned();
        let muted = Notice::Muted { conference, leg: 1, muted: true };
        feed.push(Arc::new(muted), 1_000_000).expect("told");
    }

    fn numbers(subscription: &Subscription) -> Vec<u64> {
        subscription.missed.iter().map(|it| it.number).collect()
    }

    #[test]
    fn who_comes_again_gets_what_he_missed_or_is_told_that_some_is_gone() {
        let mut feed = Feed::new(7);
        for _ in 0..3 {
            happen(&mut feed);
        }
        let fresh = feed.subscribe(None);
        assert!(!fresh.is_gap && fresh.missed.is_empty(), "who was never here missed nothing");
        let from = fresh.from.as_deref();
        assert_eq!(
            from,
            Some("7-3"),
            "whoever is let go before his first event comes again with this"
        );
        happen(&mut feed);
        assert_eq!(numbers(&feed.subscribe(from)), [4]);
        let again = feed.subscribe(Some("7-1"));
        assert_eq!((again.is_gap, numbers(&again)), (false, vec![2, 3, 4]));
        let nothing = feed.subscribe(Some("7-4"));
        assert_eq!((nothing.is_gap, numbers(&nothing)), (false, vec![]));
        for other in ["6-1", "7-5", "7", "", "x-y"] {
            let again = feed.subscribe(Some(other));
            assert_eq!((again.is_gap, numbers(&again)), (true, vec![1, 2, 3, 4]), "{other}");
        }
        for _ in 0..KEPT_MAX {
            happen(&mut feed);
        }
        assert!(feed.subscribe(Some("7-3")).is_gap && !feed.subscribe(Some("7-4")).is_gap);
        assert_eq!(feed.subscribe(Some("7-3")).missed.len(), KEPT_MAX);
    }

    #[test]
    fn only_who_may_is_shown_the_way_in() {
        let mut feed = Feed::new(7);
        happen(&mut feed);
        let event = Arc::clone(&feed.kept[0]);
        assert!(event.shown(true).contains("conf-aea"));
        let shown = event.shown(false);
        assert!(!shown.contains("conf-") && shown.contains("\"conference\":\""), "{shown}");
        assert!(
            shown.contains("\"at\":\"1970-01-01T00:00:01.000Z\"")
                && shown.contains("\"type\":\"muted\"")
        );
    }
}
