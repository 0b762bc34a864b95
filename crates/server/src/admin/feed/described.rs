//! Whether events are what the description of the interface says.

use std::panic::catch_unwind;

use focus::{ParticipantState, Role as ConferenceRole};
use units::UnixTime;

use super::*;

/// What holds the answers of the interface to its description holds events to it too.
#[path = "../../../tests/api/described.rs"]
#[expect(dead_code, reason = "the rest of it is for answers")]
mod description;

use description::Description;

/// One of each kind that is told.
fn one_of_each() -> Vec<Notice> {
    let conference =
        "sip:conf-aeaacafqyhyouzwvd6s2a4qvpuaa2dqhpxwcb24gaa@127.0.0.1:5060".to_owned();
    let text = || "text".to_owned();
    let (leg, until) = (1, UnixTime(1_800_000_000));
    let at = || conference.clone();
    vec![
        Notice::Held { conference: at(), asker: text(), seats: 3, until },
        Notice::Reserved {
            conference: at(),
            legs: 3,
            from: UnixTime(1_700_000_000),
            until,
            tenant: text(),
        },
        Notice::NotKept,
        Notice::HoldExpired { conference: at() },
        Notice::Started { conference: at(), shard: 0 },
        Notice::Joined { conference: at(), leg, participant: text(), user: None },
        Notice::Waits {
            conference: at(),
            leg,
            participant: text(),
            user: Some(text()),
            state: ParticipantState::AskedForPin,
        },
        Notice::Appointed { conference: at(), leg, role: ConferenceRole::Moderator },
        Notice::Calling { conference: at(), leg, target: text() },
        Notice::NotReached { conference: at(), leg, status: 486, why: text() },
        Notice::Muted { conference: at(), leg, muted: true },
        Notice::Talking { conference: at(), leg, talking: true },
        Notice::EndsSoon { conference: at(), seconds: 60 },
        Notice::Changed {
            conference: at(),
            title: Some(text()),
            locked: true,
            max: None,
            max_seconds: Some(60),
            pin: true,
            moderator_pin: false,
            lobby: false,
        },
        Notice::Overloaded { per_second: Some(9), wait_ms: 70, target_ms: 10 },
        Notice::OverloadOver { seconds: 9, refused: 3, unanswered: 1 },
        Notice::Draining { seconds: None, conferences: 2 },
        Notice::Undrained,
        Notice::ShuttingDown,
        Notice::Left { conference: at(), leg, cause: text() },
        Notice::Ended { conference: at(), cause: text() },
        Notice::LoginFailed { user: None, source: text(), locked: false },
        Notice::PhoneRegistered { user: text(), contact: text(), source: text() },
        Notice::PhoneGone { user: text(), contact: text(), cause: text() },
        Notice::Refused {
            uri: text(),
            asker: text(),
            status: 503,
            why: text(),
            explained: Some(text()),
        },
        Notice::NotTold { refusals: 7 },
    ]
}

/// Whether an event is as described; a moment is a date.
fn fits(description: &Description, schema: &Value, event: &Value) -> bool {
    let is_moment = |(name, value): (&String, &Value)| {
        schema["properties"][name]["format"] != "date-time"
            || value.as_str().is_some_and(|it| it.ends_with('Z'))
    };
    event.as_object().is_some_and(|fields| fields.iter().all(is_moment))
        && catch_unwind(|| description.fits(schema, event, "event")).is_ok()
}

#[test]
fn each_kind_of_event_is_as_described() {
    let description = Description::new();
    let all = description.events();
    let kinds: Vec<&str> =
        all.iter().filter_map(|one| one["properties"]["type"]["const"].as_str()).collect();
    assert_eq!(kinds, KINDS);
    let mut feed = Feed::new(7);
    let told: Vec<Value> = one_of_each()
        .into_iter()
        .map(|notice| feed.push(Arc::new(notice), 1_000_000).expect("told").shown(true))
        .map(|shown| serde_json::from_str(&shown).expect("JSON"))
        .collect();
    assert_eq!(told.len(), KINDS.len());
    for (schema, event) in all.iter().zip(&told) {
        assert!(fits(&description, schema, event), "{event}");
        // What it has to catch.
        for spoiled in ["more", "at", "id"] {
            let mut event = event.clone();
            event[spoiled] = Value::Null;
            assert!(!fits(&description, schema, &event), "{spoiled}: {event}");
        }
        let mut event = event.clone();
        event.as_object_mut().expect("fields").remove("at");
        assert!(!fits(&description, schema, &event), "{event}");
    }
    assert!(!fits(&description, &all[0], &told[1]), "another kind");
}
