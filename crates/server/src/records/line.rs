//! A record as one line of JSON.

use std::time::Duration;

use mix::message::PortReport;
use node::{ConferenceRecord, JoinedBy, LegRecord, Record};
use serde::Serialize;
use units::{Cause as _, Instant};

use super::rfc3339::rfc3339;

/// What stands where a leg or a conference was not over when the server ended.
const UNFINISHED: &str = "unfinished";

/// Two clocks at one moment: ours, and that of the wall in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) unix_micros: u64,
}

#[derive(Serialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
enum Line<'a> {
    Leg(Box<Leg<'a>>),
    Conference(Conference<'a>),
}

/// Names are those of the documentation (`docs/RECORDS.md`): added to, never renamed.
#[derive(Serialize)]
struct Leg<'a> {
    conference: &'a str,
    leg: u32,
    participant: &'a str,
    display: Option<&'a str>,
    user: Option<&'a str>,
    creator: bool,
    joined_by: &'static str,
    call_id: &'a str,
    local_tag: &'a str,
    remote_tag: &'a str,
    session_id: Option<SessionId>,
    source: Option<String>,
    transport: Option<&'static str>,
    user_agent: Option<&'a str>,
    started: String,
    answered: Option<String>,
    ended: String,
    duration_ms: u128,
    cause: &'static str,
    reason_received: Option<&'a str>,
    reason_sent: Option<&'a str>,
    media: Option<PortReport>,
}

#[derive(Serialize)]
struct SessionId {
    local: String,
    remote: Option<String>,
}

#[derive(Serialize)]
struct Conference<'a> {
    conference: &'a str,
    asker: Option<&'a str>,
    user: Option<&'a str>,
    tenant: &'a str,
    started: String,
    ended: String,
    duration_ms: u128,
    cause: &'static str,
    legs: u64,
    legs_most: u64,
}

impl Moment {
    /// What the wall clock showed `then`.
    fn wall(&self, then: Instant) -> String {
        let ago = u64::try_from(self.now.since(then).as_micros()).unwrap_or(u64::MAX);
        rfc3339(Duration::from_micros(self.unix_micros.saturating_sub(ago)))
    }
}

/// One line, without its end.
pub(crate) fn line(record: &Record, moment: Moment) -> String {
    let line = match record {
        Record::Leg(record) => Line::Leg(Box::new(leg(record, moment))),
        Record::Conference(record) => Line::Conference(conference(record, moment)),
    };
    // Texts, numbers and no maps with other keys: this cannot fail.
    serde_json::to_string(&line).unwrap_or_default()
}

fn leg(record: &LegRecord, moment: Moment) -> Leg<'_> {
    let answered = record.answered;
    Leg {
        conference: &record.conference,
        leg: record.leg,
        participant: &record.participant,
        display: record.display.as_deref(),
        user: record.user.as_deref(),
        creator: record.creator,
        joined_by: match record.joined_by {
            JoinedBy::Invite => "invite",
            JoinedBy::Referred => "referred",
            JoinedBy::Replaces => "replaces",
            JoinedBy::Join => "join",
            JoinedBy::Factory => "factory",
            JoinedBy::DialOut => "dial-out",
        },
        call_id: &record.dialog.call_id,
        local_tag: &record.dialog.local_tag,
        remote_tag: &record.dialog.remote_tag,
        session_id: record.session_id.as_ref().map(|id| SessionId {
            local: id.local.to_string(),
            remote: id.remote.map(|remote| remote.to_string()),
        }),
        source: record.source.map(|source| source.remote.to_string()),
        transport: record.source.map(|source| source.transport.via_token()),
        user_agent: record.user_agent.as_deref(),
        started: moment.wall(record.started),
        answered: answered.map(|answered| moment.wall(answered)),
        ended: moment.wall(record.ended),
        duration_ms: answered.map_or(0, |answered| record.ended.since(answered).as_millis()),
        cause: record.cause.map_or(UNFINISHED, units::Cause::label),
        reason_received: record.reason_received.as_deref(),
        reason_sent: record.reason_sent.as_deref(),
        media: record.media,
    }
}

fn conference(record: &ConferenceRecord, moment: Moment) -> Conference<'_> {
    Conference {
        conference: &record.conference,
        asker: record.asker.as_deref(),
        user: record.user.as_deref(),
        tenant: &record.tenant,
        started: moment.wall(record.started),
        ended: moment.wall(record.ended),
        duration_ms: record.ended.since(record.started).as_millis(),
        cause: record.cause.map_or(UNFINISHED, |cause| cause.label()),
        legs: record.legs,
        legs_most: record.legs_most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conference_is_one_line_with_times_of_the_wall() {
        let record = ConferenceRecord {
            conference: "sip:conf-a@h".to_owned(),
            asker: Some("sip:alice@h".to_owned()),
            user: None,
            tenant: "acme".to_owned(),
            started: Instant::from_millis(10_000),
            ended: Instant::from_millis(11_250),
            cause: Some(focus::End::LastLeft),
            legs: 3,
            legs_most: 2,
        };
        let moment =
            Moment { now: Instant::from_millis(12_250), unix_micros: 1_795_400_001_500_000 };
        let text = line(&Record::Conference(Box::new(record)), moment);
        assert_eq!(
            text,
            "{\"record\":\"conference\",\"conference\":\"sip:conf-a@h\",\"asker\":\"sip:alice@h\",\
             \"user\":null,\"tenant\":\"acme\",\"started\":\"2026-11-23T02:13:19.250Z\",\
             \"ended\":\"2026-11-23T02:13:20.500Z\",\"duration_ms\":1250,\"cause\":\"last_left\",\
             \"legs\":3,\"legs_most\":2}"
        );
    }
}
