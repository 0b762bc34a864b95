//! `convoke ctl`: a running server is steered over HTTP.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Map, Value, json};

use super::admin::Client;
use super::following;
use super::table::{Align, Table, counted};
use crate::cli::{
    CtlAdmitArgs, CtlArgs, CtlCommand, CtlCreateArgs, CtlEnd, CtlEventsArgs, CtlSetArgs, OnOff,
    OrNone,
};
use crate::output::{Paint, Tone, harmless, say};

pub(crate) fn run(args: &CtlArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(args.admin, args.token_file.as_deref())?;
    let paint = Paint::of_stdout();
    match &args.command {
        CtlCommand::List => list(&client, args.json, paint)?,
        CtlCommand::Show(one) => show(&client, args.json, &one.conference, paint)?,
        CtlCommand::Create(create) => self::create(&client, args.json, create)?,
        CtlCommand::Dial(dial) => {
            let path = format!("{}/participants", path_of(&client, &dial.conference)?);
            let called = client.send("POST", &path, Some(&json!({ "uri": dial.uri })), &[])?;
            let number = &called["id"];
            told(args.json, &called, &format!("calling {} as participant {number}", dial.uri));
        }
        CtlCommand::Mute(person) | CtlCommand::Unmute(person) => {
            let muted = matches!(args.command, CtlCommand::Mute(_));
            let path = person_path(&client, &person.conference, person.participant)?;
            let line = client.send("PATCH", &path, Some(&json!({ "muted": muted })), &[])?;
            let what = if muted { "is muted" } else { "is heard again" };
            told(args.json, &line, &format!("{} {what}", text(&line, "uri")));
        }
        CtlCommand::Admit(CtlAdmitArgs { who, moderator }) => {
            let path = person_path(&client, &who.conference, who.participant)?;
            let mut body = json!({ "state": "joined" });
            if *moderator {
                body["role"] = "moderator".into();
            }
            let line = client.send("PATCH", &path, Some(&body), &[])?;
            let words = format!("{} is in as {}", text(&line, "uri"), text(&line, "role"));
            told(args.json, &line, &words);
        }
        CtlCommand::Remove(person) => {
            let path = person_path(&client, &person.conference, person.participant)?;
            client.send("DELETE", &path, None, &[])?;
            told(args.json, &json!({}), &format!("removed participant {}", person.participant));
        }
        CtlCommand::Set(change) => set(&client, args.json, change)?,
        CtlCommand::Lock(one) | CtlCommand::Unlock(one) => {
            let locked = matches!(args.command, CtlCommand::Lock(_));
            let path = path_of(&client, &one.conference)?;
            let changed = client.send("PATCH", &path, Some(&json!({ "locked": locked })), &[])?;
            let what = if locked { "locked" } else { "unlocked" };
            told(args.json, &changed, &format!("{} is {what}", text(&changed, "id")));
        }
        CtlCommand::End(one) => {
            let path = path_of(&client, &one.conference)?;
            client.send("DELETE", &path, None, &[])?;
            told(args.json, &json!({}), "it ends: BYE to all");
        }
        CtlCommand::Events(events) => self::events(&client, args.json, events, paint)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn told(is_json: bool, answer: &Value, words: &str) {
    if is_json { say(&answer.to_string()) } else { say(&harmless(words)) }
}

/// What peers wrote may be in any text.
fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::String(text) => harmless(text),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// All of a list, page after page.
fn all(client: &Client, path: &str, field: &str) -> anyhow::Result<Vec<Value>> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.send("GET", &format!("{path}?limit=200{cursor}"), None, &[])?;
        let Value::Array(more) = &page[field] else {
            bail!("this is no Convoke server, or one of another version")
        };
        items.extend(more.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

/// The path of the one conference that is meant.
fn path_of(client: &Client, name: &str) -> anyhow::Result<String> {
    Ok(format!("/v1/conferences/{}", id_of(client, name)?))
}

fn id_of(client: &Client, name: &str) -> anyhow::Result<String> {
    let name = name.to_ascii_lowercase();
    if name.len() == ID_CHARS && !name.contains(':') {
        return Ok(name);
    }
    let conferences = all(client, "/v1/conferences", "conferences")?;
    let is_meant = |it: &&Value| {
        let uri = it["uri"].as_str().unwrap_or_default().to_ascii_lowercase();
        uri == name || it["id"].as_str().is_some_and(|id| id.starts_with(&name))
    };
    let found: Vec<&Value> = conferences.iter().filter(is_meant).collect();
    match found.as_slice() {
        [one] => Ok(text(one, "id")),
        [] => bail!("no conference is called {name:?}: see `convoke ctl list`"),
        more => bail!("{} conferences begin with {name:?}: write more of the id", more.len()),
    }
}

fn person_path(client: &Client, conference: &str, participant: u32) -> anyhow::Result<String> {
    Ok(format!("{}/participants/{participant}", path_of(client, conference)?))
}

fn list(client: &Client, is_json: bool, paint: Paint) -> anyhow::Result<()> {
    let conferences = all(client, "/v1/conferences", "conferences")?;
    if is_json {
        conferences.iter().for_each(|it| say(&it.to_string()));
    } else if conferences.is_empty() {
        say("No conference.");
    } else {
        say(listed(&conferences, paint).trim_end());
    }
    Ok(())
}

fn listed(conferences: &[Value], _paint: Paint) -> String {
    let mut table = Table::new(&[
        ("CONFERENCE", Align::Left),
        ("STATE", Align::Left),
        ("IN", Align::Right),
        ("SEATS", Align::Right),
        ("SINCE", Align::Left),
        ("TITLE", Align::Left),
    ]);
    for it in conferences {
        let lock = if it["locked"] == true { ", locked" } else { "" };
        let state = format!("{}{lock}", text(it, "state"));
        let (people, seats) = (text(it, "participants"), text(it, "seats"));
        table.row(vec![
            text(it, "id"),
            state,
            people,
            seats,
            moment(it, "since"),
            text(it, "title"),
        ]);
    }
    table.show("")
}

/// `2026-11-30 12:34:56Z`, of an RFC 3339 date in UTC.
fn moment(value: &Value, field: &str) -> String {
    let text = text(value, field);
    text.get(..19).map_or_else(|| text.clone(), |date| format!("{}Z", date.replace('T', " ")))
}

fn show(client: &Client, is_json: bool, name: &str, paint: Paint) -> anyhow::Result<()> {
    let path = path_of(client, name)?;
    let conference = client.send("GET", &path, None, &[])?;
    let people = all(client, &format!("{path}/participants"), "participants")?;
    if is_json {
        let mut whole = conference.as_object().cloned().unwrap_or_else(Map::new);
        whole.insert("people".to_owned(), people.into());
        say(&Value::Object(whole).to_string());
    } else {
        say(shown(&conference, &people, paint).trim_end());
    }
    Ok(())
}

fn shown(conference: &Value, people: &[Value], paint: Paint) -> String {
    let mut out = paint.bold(&text(conference, "id"));
    let lines = [
        ("title", text(conference, "title")),
        ("uri", text(conference, "uri")),
        ("state", format!("{} since {}", text(conference, "state"), moment(conference, "since"))),
        ("held until", moment(conference, "holdUntil")),
        ("paid by", text(conference, "tenant")),
        ("seats", text(conference, "seats")),
        ("at most", text(conference, "max")),
        ("time is up", moment(conference, "endsAt")),
        ("ends when", text(conference, "end").replace('-', " ")),
        ("locked", yes(conference, "locked")),
        ("asks a PIN", yes(conference, "pin")),
        ("lobby", yes(conference, "lobby")),
    ];
    out.push('\n');
    for (what, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(out, "  {what:10}  {value}");
    }
    if people.is_empty() {
        out.push_str("  nobody is in\n");
        return out;
    }
    let mut table = Table::new(&[
        ("N", Align::Right),
        ("WHO", Align::Left),
        ("STATE", Align::Left),
        ("", Align::Left),
    ]);
    for it in people {
        let flags = [
            ("muted", "muted"),
            ("talking", "talks"),
            ("creator", "asked for it"),
            ("moderator", "moderates"),
            ("dialled", "called"),
        ];
        let is_set = |field: &str| it[field] == true || it["role"] == field;
        let set = flags.iter().filter(|(field, _)| is_set(field)).map(|(_, words)| *words);
        let flags = set.collect::<Vec<_>>().join(", ");
        table.row(vec![text(it, "id"), text(it, "uri"), text(it, "state"), flags]);
    }
    out.push_str(&table.show("  "));
    out
}

fn yes(value: &Value, field: &str) -> String {
    if value[field] == true { "yes".to_owned() } else { String::new() }
}

fn create(client: &Client, is_json: bool, args: &CtlCreateArgs) -> anyhow::Result<()> {
    let mut body = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        body.extend(value.map(|value| (key.to_owned(), value)));
    };
    set("seats", args.seats.map(Value::from));
    set("max", args.max.map(Value::from));
    set("maxTime", args.max_time.map(|time| time.as_secs().into()));
    set("pin", args.pin.map(|pin| String::from(pin).into()));
    set("moderatorPin", args.moderator_pin.map(|pin| String::from(pin).into()));
    set("lobby", args.lobby.then(|| true.into()));
    set("title", args.title.clone().map(Value::from));
    set("tenant", args.tenant.clone().map(Value::from));
    set("factory", args.factory.clone().map(Value::from));
    set("end", args.end.map(ends));
    set("locked", args.locked.then(|| true.into()));
    let key = args.key.as_ref().map(|key| ("Idempotency-Key", format!("\"{key}\"")));
    let headers: Vec<_> = key.into_iter().collect();
    let made = client.send("POST", "/v1/conferences", Some(&Value::Object(body)), &headers)?;
    let words = format!(
        "{}\n  {} held until {} for {}",
        text(&made, "uri"),
        counted(made["seats"].as_u64().unwrap_or(0), "seat"),
        moment(&made, "holdUntil"),
        text(&made, "id")
    );
    if is_json {
        say(&made.to_string())
    } else {
        say(&words)
    }
    Ok(())
}

fn set(client: &Client, is_json: bool, args: &CtlSetArgs) -> anyhow::Result<()> {
    let mut body = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        body.extend(value.map(|value| (key.to_owned(), value)));
    };
    set(
        "title",
        args.title.clone().map(|title| if title == "none" { Value::Null } else { title.into() }),
    );
    set("max", args.max.map(|max| or_null(max, Value::from)));
    set("maxTime", args.max_time.map(|time| or_null(time, |time| time.as_secs().into())));
    set("pin", args.pin.map(|pin| or_null(pin, |pin| String::from(pin).into())));
    let moderator_pin = args.moderator_pin;
    set("moderatorPin", moderator_pin.map(|pin| or_null(pin, |pin| String::from(pin).into())));
    set("lobby", args.lobby.map(|lobby| (lobby == OnOff::On).into()));
    set("end", args.end.map(ends));
    if body.is_empty() {
        bail!("say what to change: see `convoke ctl set --help`");
    }
    let path = path_of(client, &args.conference)?;
    let changed = client.send("PATCH", &path, Some(&Value::Object(body)), &[])?;
    told(is_json, &changed, &format!("{} is changed", text(&changed, "id")));
    Ok(())
}

fn or_null<T>(asked: OrNone<T>, value: impl FnOnce(T) -> Value) -> Value {
    match asked {
        OrNone::None => Value::Null,
        OrNone::Some(asked) => value(asked),
    }
}

fn ends(end: CtlEnd) -> Value {
    match end {
        CtlEnd::LastLeaves => "last-leaves".into(),
        CtlEnd::CreatorLeaves => "creator-leaves".into(),
    }
}

/// Goes on until it is stopped.
fn events(
    client: &Client,
    is_json: bool,
    args: &CtlEventsArgs,
    paint: Paint,
) -> anyhow::Result<()> {
    let only = args.of.as_deref().map(|name| id_of(client, name)).transpose()?;
    let path =
        only.map_or_else(|| "/v1/events".to_owned(), |id| format!("/v1/events?conference={id}"));
    let show = |data: &str, event: &Value| {
        if is_json {
            say(data)
        } else {
            say(&line_of(event, paint))
        }
        ControlFlow::Continue(())
    };
    #[expect(clippy::disallowed_methods, reason = "a program of its own, with nothing else to do")]
    let wait = std::thread::sleep;
    following::follow(client, &path, args.since.clone(), show, wait)
}

/// One event in one line: when, what, where, and whatever else it says.
fn line_of(event: &Value, paint: Paint) -> String {
    let kind = text(event, "type");
    let tone = match kind.as_str() {
        "joined" | "started" | "calling" | "waits" => Tone::Good,
        "refused" | "overloaded" | "not-reached" | "login-failed" | "gone" | "not-told" => {
            Tone::Bad
        }
        "left" | "ended" | "hold-expired" | "talking" => Tone::Quiet,
        _ => Tone::Plain,
    };
    let mut rest = String::new();
    for (key, value) in event.as_object().into_iter().flatten() {
        if !["id", "type", "at", "conference", "uri"].contains(&key.as_str()) && !value.is_null() {
            let _ = write!(rest, "  {key}={}", text(event, key));
        }
    }
    let at = text(event, "at");
    let time = at.get(11..23).unwrap_or_default();
    let kind = paint.tone(tone, &format!("{kind:12}"));
    format!("{time}  {kind}  {:16}{rest}", text(event, "conference")).trim_end().to_owned()
}

/// Characters of a conference's id.
const ID_CHARS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conference_is_shown_with_its_people_in_columns() {
        let conference = json!({
            "id": "aebagbafaydqqcik", "uri": "sip:conf-x@h", "title": "Mon\u{1b}day", "state": "active",
            "since": "2026-11-30T07:01:02.000Z", "seats": 4, "end": "last-leaves", "locked": true,
            "participants": 2,
        });
        let person = |id: u32, uri: &str, muted: bool| {
            json!({ "id": id, "uri": uri, "state": "joined", "muted": muted, "talking": !muted,
                    "creator": id == 0, "dialled": false })
        };
        let people = [person(0, "sip:alice@h", false), person(11, "sip:b@h", true)];
        assert_eq!(
            shown(&conference, &people, Paint::plain()),
            "aebagbafaydqqcik\n  title       Mon?day\n  uri         sip:conf-x@h\n  \
             state       active since 2026-11-30 07:01:02Z\n  seats       4\n  ends when   last leaves\n  \
             locked      yes\n   N  WHO          STATE\n   0  sip:alice@h  joined  talks, asked for it\n  \
             11  sip:b@h      joined  muted\n"
        );
        assert_eq!(
            listed(&[conference], Paint::plain()),
            "CONFERENCE        STATE           IN  SEATS  SINCE                 TITLE\n\
             aebagbafaydqqcik  active, locked   2      4  2026-11-30 07:01:02Z  Mon?day\n"
        );
    }

    #[test]
    fn an_event_is_one_line() {
        let event = json!({ "id": "7-1", "type": "muted", "at": "2026-11-30T07:01:02.250Z",
                            "conference": "aebagbafaydqqcik", "leg": 2, "muted": true });
        let line = line_of(&event, Paint::plain());
        assert_eq!(line, "07:01:02.250  muted         aebagbafaydqqcik  leg=2  muted=true");
    }
}
