//! Whether events are what the description of the interface says.

use focus::{ParticipantState, Role as ConferenceRole};
use units::UnixTime;

use super::*;

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

/// What is wrong with an event by its description, if anything.
fn fault(described: &Value, event: &Value) -> Option<String> {
    let fields = event.as_object()?;
    for name in described["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Some(format!("{name} is missing"));
        }
    }
    fields.iter().find_map(|(name, value)| {
        let schema = &described["properties"][name];
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) | Value::Object(_) => "structure",
        };
        let may_be = match &schema["type"] {
            Value::Array(any) => any.iter().any(|one| one == is),
            // The identity of a conference is described elsewhere.
            Value::Null => schema["$ref"].is_string() && is == "string",
            one => one == is,
        };
        let is_listed = schema["enum"].as_array().is_none_or(|any| any.contains(value));
        let is_it = schema.get("const").is_none_or(|one| one == value);
        let is_moment =
            schema["format"] != "date-time" || value.as_str().is_some_and(|it| it.ends_with('Z'));
        let fits = may_be && is_listed && is_it && is_moment;
        (!fits).then(|| format!("{name} is {value}, described as {schema}"))
    })
}

#[test]
fn each_kind_of_event_is_as_described() {
    let text = include_str!("../../../../../docs/openapi.json");
    let description: Value = serde_json::from_str(text).expect("JSON");
    let all = description["components"]["schemas"]["Event"]["oneOf"].as_array().expect("kinds");
    let kinds: Vec<&str> =
        all.iter().filter_map(|one| one["properties"]["type"]["const"].as_str()).collect();
    assert_eq!(kinds, KINDS);
    let mut feed = Feed::new(7);
    let told: Vec<Value> = one_of_each()
        .iter()
        .map(|notice| feed.push(notice, 1_000_000).expect("told").shown(true))
        .map(|shown| serde_json::from_str(&shown).expect("JSON"))
        .collect();
    assert_eq!(told.len(), KINDS.len());
    for (described, event) in all.iter().zip(&told) {
        assert_eq!(fault(described, event), None, "{event}");
        // What it has to catch.
        for spoiled in ["more", "at", "id"] {
            let mut event = event.clone();
            event[spoiled] = Value::Null;
            assert!(fault(described, &event).is_some(), "{spoiled}: {event}");
        }
        let mut event = event.clone();
        event.as_object_mut().expect("fields").remove("at");
        assert!(fault(described, &event).is_some(), "{event}");
    }
    assert!(fault(&all[0], &told[1]).is_some(), "another kind");
}
