//! Answers that have everything they can have. Each structure is written out, so that a new field has to be put in here, and into
//! the description.

use mix::message::PortReport;
use node::{
    ConferenceState, ConferenceStatus, DrainStatus, Leftovers, LegStatus, OverloadStatus,
    PhoneStatus, RegistrarStatus, RelayCounters, RoomStatus, Status,
};
use serde_json::{Value, json};
use server::{MixerStatus, PortQuality, RimStatus, StatusPage, WayQuality, WebhookStatus};

use crate::described::Description;

fn status() -> StatusPage {
    let text = || Some("text".to_owned());
    let way = Some(WayQuality { lost: -1, ..WayQuality::default() });
    let quality = PortQuality { round_trip_us: Some(1), from_peer: way, to_peer: way };
    let leg = LegStatus {
        leg: 1,
        participant: "sip:alice@example.com".to_owned(),
        display: text(),
        user: text(),
        creator: true,
        talking: true,
        seconds: 1,
        media: Some(PortReport { quality, ..PortReport::default() }),
    };
    let conference = ConferenceStatus {
        uri: "sip:conf-1@127.0.0.1".to_owned(),
        state: ConferenceState::Active,
        seconds: 1,
        seats: 1,
        legs: vec![leg],
    };
    let phone = PhoneStatus {
        user: "alice".to_owned(),
        contact: "sip:alice@127.0.0.1".to_owned(),
        path: "udp 127.0.0.1:5062".to_owned(),
        seconds_left: 1,
    };
    let relayed = RelayCounters::default();
    let node = Status {
        conferences: vec![conference],
        room: RoomStatus { capacity: 4, used: 1, held: 1, free: 2 },
        leftovers: Leftovers::default(),
        counters: sip::Counters::default(),
        refused: [(503, 1)].into(),
        refusals: [("overload".to_owned(), 1)].into(),
        held_back: 1,
        overload: OverloadStatus {
            limiting: true,
            per_second: Some(1),
            wait_us: 1,
            target_us: 10_000,
        },
        dropped: [("malformed".to_owned(), 1)].into(),
        draining: Some(DrainStatus { seconds: 1, ends_in: Some(1), conferences: 1 }),
        registrar: Some(RegistrarStatus { phones: vec![phone], relayed }),
    };
    let webhook = WebhookStatus {
        url: "https://example.com/hook".to_owned(),
        waiting: 1,
        waiting_seconds: 1,
        delivered: 1,
        lost: 1,
        failures: 1,
        why: text(),
    };
    StatusPage {
        version: "0.1.0".to_owned(),
        uptime_seconds: 1,
        factories: vec!["sip:conference@127.0.0.1".to_owned()],
        node,
        rim: RimStatus::default(),
        mixers: vec![MixerStatus::default()],
        webhooks: vec![webhook],
    }
}

#[test]
fn every_field_of_the_status_is_described() {
    let description = Description::new();
    let schema = json!({ "$ref": "#/components/schemas/Status" });
    let whole = serde_json::to_value(status()).expect("JSON");
    description.fits(&schema, &whole, "status");
    // The canary: any field that is not described is caught, however deep.
    for place in ["", "/overload", "/conferences/0/legs/0", "/conferences/0/legs/0/media/quality"] {
        let mut more = whole.clone();
        more.pointer_mut(place).expect("there")["new"] = json!("text");
        let fits = || description.fits(&schema, &more, "status");
        assert!(std::panic::catch_unwind(fits).is_err(), "{place}");
    }
}

/// No schema says of an object only that it is one: whatever is in it would pass.
#[test]
fn of_every_object_something_is_said() {
    fn look(schema: &Value, at: &str) {
        match schema {
            Value::Object(fields) => {
                let is_object = fields.get("type").is_some_and(|of| {
                    of == "object" || of.as_array().is_some_and(|of| of.contains(&json!("object")))
                });
                let is_said = ["properties", "additionalProperties"]
                    .iter()
                    .any(|it| fields.contains_key(*it));
                assert!(!is_object || is_said, "{at}");
                fields.iter().for_each(|(name, value)| look(value, &format!("{at}/{name}")));
            }
            Value::Array(values) => values.iter().for_each(|value| look(value, at)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Description::new().each_part(|part, value| look(value, part));
}
