//! Who is let in: PIN, lobby and roles, from the caller's key to the mixer's port.

use std::collections::BTreeMap;
use std::time::Duration;

use focus::factory::FactoryConfig;
use focus::{EntryRules, NOT_IN_MAX, ParticipantState, Pin, Role};
use mix::message::{Action, ConferenceKey, Event, Key, Listeners, PortId, Prompt};
use node::{Asker, Change, ConferenceView, Leftovers, NewConference, Notice, Record, SteerError};
use sip::{HeaderName, Method};
use units::Cause as _;

use crate::rig::{Caller, Rig, Setting, header, requests};

fn pin(text: &str) -> Option<Pin> {
    Some(text.parse().expect("a PIN"))
}

fn made(rig: &mut Rig, new: NewConference) -> ConferenceView {
    let asker = Asker { name: "ops".to_owned(), key: None };
    rig.steer(|node, now| node.create_conference(now, &new, &asker)).0.expect("made")
}

fn with_pin() -> NewConference {
    NewConference { pin: pin("4711"), ..NewConference::default() }
}

fn key_of(rig: &Rig) -> ConferenceKey {
    rig.commands.last().expect("one").conference
}

/// Presses keys, `#` too, as the mixer tells of them.
fn press(rig: &mut Rig, leg: u32, keys: &str) {
    let conference = key_of(rig);
    for key in keys.bytes() {
        let code = if key == b'#' { 11 } else { key - b'0' };
        let key = Key::of_code(code).expect("a key");
        rig.media(Event::KeyPressed { conference, port: PortId(leg), key, for_ms: 100 });
    }
}

/// Whether the mixer was told last that this port hears nobody.
fn is_apart(rig: &Rig, leg: u32) -> bool {
    let apart = rig.commands.iter().rev().find_map(|command| match &command.action {
        Action::AddPort { port, stream, .. } | Action::UpdatePort { port, stream, .. }
            if *port == PortId(leg) =>
        {
            Some(stream.apart)
        }
        _ => None,
    });
    apart.expect("a port")
}

fn prompts(rig: &Rig, leg: u32) -> Vec<Prompt> {
    let prompts = rig.commands.iter().filter_map(|command| match command.action {
        Action::Play { to, prompt } if to == Listeners::Port(PortId(leg)) => Some(prompt),
        _ => None,
    });
    prompts.collect()
}

fn state(rig: &Rig, view: &ConferenceView, leg: u32) -> (ParticipantState, Role) {
    let line = rig.node.participant(rig.now, view.id, leg).expect("there");
    (line.state, line.role)
}

#[test]
fn a_pin_is_keyed_and_only_then_the_port_is_in_the_mix() {
    let mut rig = Rig::new();
    let view = made(&mut rig, with_pin());
    assert!(view.pin && !view.moderator_pin && !view.lobby);
    let mut alice = Caller::new("alice", 1);
    assert_eq!(rig.join(&mut alice, &view.uri).status.code(), 200);
    assert!(is_apart(&rig, 0), "from the first command on");
    assert_eq!(prompts(&rig, 0), [Prompt::AskPin]);
    assert_eq!(rig.used_and_held(), (1, 3), "her seat is counted");
    assert!(matches!(rig.notices.last(), Some(Notice::Waits { state, .. })
        if *state == ParticipantState::AskedForPin));
    press(&mut rig, 0, "4712");
    press(&mut rig, 0, "4711");
    assert_eq!(prompts(&rig, 0), [Prompt::AskPin, Prompt::Bad, Prompt::Good]);
    assert!(!is_apart(&rig, 0));
    assert_eq!(state(&rig, &view, 0), (ParticipantState::Joined, Role::Guest));
    assert!(matches!(rig.notices.last(), Some(Notice::Joined { .. })));
    assert!(!format!("{:?}{view:?}", rig.notices).contains("4711"), "nobody is told what it is");
    rig.leave(&mut alice, &view.uri);
    rig.pass(Duration::from_secs(33));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// A factory's PIN is for those who are called by the creator; he has shown by asking that he may.
#[test]
fn a_factory_has_rules_for_its_conferences() {
    let usual = Setting::default().factory;
    let entry = EntryRules { pin: pin("4711"), moderator_pin: None, lobby: true };
    let factory = FactoryConfig { entry, max_time: Some(Duration::from_secs(90)), ..usual };
    let mut rig = Rig::with(Setting { factory, ..Setting::default() });
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    rig.join(&mut bob, &uri);
    let (id, _) = rig.node.conferences(rig.now, None, 1);
    let view = id[0].clone();
    assert_eq!(state(&rig, &view, 0), (ParticipantState::Joined, Role::Creator));
    assert_eq!(state(&rig, &view, 1), (ParticipantState::AskedForPin, Role::Guest));
    press(&mut rig, 1, "4711");
    assert_eq!(state(&rig, &view, 1), (ParticipantState::Waiting, Role::Guest));
    assert!(is_apart(&rig, 1));
    let byes = requests(rig.pass(Duration::from_secs(90)));
    assert_eq!(byes.iter().filter(|request| request.method == Method::Bye).count(), 2);
}

#[test]
fn wrong_pins_end_the_call_and_then_the_door_is_shut_for_a_while() {
    let mut rig = Rig::new();
    let view = made(&mut rig, with_pin());
    rig.join(&mut Caller::new("alice", 9), &view.uri);
    press(&mut rig, 0, "4711");
    for n in 1..4 {
        let mut eve = Caller::new("eve", 1);
        eve.call_id = format!("eve{n}");
        assert_eq!(rig.join(&mut eve, &view.uri).status.code(), 200);
        press(&mut rig, n, "000011112222");
        let byes = requests(rig.pass(Duration::from_secs(1)));
        let reason = byes[0].headers.get(&HeaderName::Reason).expect("a Reason").text();
        assert!(reason.contains("Wrong PIN"), "{reason}");
        rig.pass(Duration::from_secs(33));
    }
    let causes = rig.records.iter().map(|record| match record {
        Record::Leg(leg) => leg.cause.map(|cause| cause.label()),
        Record::Conference(_) => None,
    });
    assert_eq!(causes.collect::<Vec<_>>(), [Some("wrong_pin"); 3]);
    let mut eve = Caller::new("eve", 1);
    eve.call_id = "eve9".to_owned();
    let refused = rig.join(&mut eve, &view.uri);
    assert_eq!(refused.status.code(), 480);
    let warning = header(&refused, &HeaderName::Warning).expect("why");
    assert!(warning.contains("Too many wrong PINs"), "{warning}");
    assert!(header(&refused, &HeaderName::RetryAfter).is_some());
    assert_eq!(rig.node.figures().tallies.refusals.of(node::Refusal::TooManyPins), 1);
}

/// B18 · RFC 4353 §4.1
#[test]
fn who_waits_is_let_in_by_an_administrator_or_turned_away() {
    let mut rig = Rig::new();
    let new = NewConference { lobby: Some(true), ..NewConference::default() };
    let view = made(&mut rig, new);
    let mut callers =
        [("alice", 5), ("bob", 3), ("carol", 6)].map(|(name, n)| Caller::new(name, n));
    for caller in &mut callers {
        assert_eq!(rig.join(caller, &view.uri).status.code(), 200);
    }
    assert!(matches!(rig.notices.last(), Some(Notice::Waits { leg: 2, state, .. })
        if *state == ParticipantState::Waiting));
    let admit =
        |rig: &mut Rig, leg| rig.steer(|node, now| node.admit_participant(now, view.id, leg)).0;
    assert_eq!(admit(&mut rig, 0).expect("in").state, ParticipantState::Joined);
    assert_eq!(admit(&mut rig, 0).expect("again").state, ParticipantState::Joined);
    assert_eq!(admit(&mut rig, 9), Err(SteerError::NoParticipant));
    assert_eq!([0, 1, 2].map(|leg| is_apart(&rig, leg)), [false, true, true]);
    // A moderator is let in too.
    let line = rig.steer(|node, now| node.appoint_participant(now, view.id, 1, true)).0;
    let line = line.expect("appointed");
    assert_eq!((line.state, line.role), (ParticipantState::Joined, Role::Moderator));
    let told = |notice: &&Notice| matches!(notice, Notice::Appointed { leg: 1, .. });
    assert_eq!(rig.notices.iter().filter(told).count(), 1);
    let (removed, sent) = rig.steer(|node, now| node.remove_participant(now, view.id, 2));
    removed.expect("turned away");
    let bye = requests(sent).remove(0);
    let reason = bye.headers.get(&HeaderName::Reason).expect("a Reason").text().into_owned();
    assert!(reason.contains("Not let into"), "{reason}");
    assert_eq!(admit(&mut rig, 2), Err(SteerError::NoParticipant));
}

#[test]
fn one_more_than_may_wait_is_refused() {
    let mut rig = Rig::with(Setting { seats: 300, ..Setting::default() });
    let new = NewConference { lobby: Some(true), ..NewConference::default() };
    let view = made(&mut rig, new);
    for n in 0..NOT_IN_MAX {
        let mut caller = Caller::new("x", u16::try_from(n).expect("small") + 1);
        assert_eq!(rig.join(&mut caller, &view.uri).status.code(), 200, "{n}");
    }
    let refused = rig.join(&mut Caller::new("y", 999), &view.uri);
    assert_eq!(refused.status.code(), 480);
    let warning = header(&refused, &HeaderName::Warning).expect("why");
    assert!(warning.contains("100 callers wait"), "{warning}");
}

#[test]
fn rules_change_while_it_runs_and_those_that_cannot_be_are_refused() {
    let mut rig = Rig::new();
    let view = made(&mut rig, with_pin());
    let mut alice = Caller::new("alice", 1);
    rig.join(&mut alice, &view.uri);
    let change = |rig: &mut Rig, change: Change| {
        rig.steer(|node, now| node.change_conference(now, view.id, &change)).0
    };
    let same = Change { moderator_pin: Some(pin("471100")), ..Change::default() };
    assert!(matches!(change(&mut rig, same), Err(SteerError::SamePins(_))));
    assert!(is_apart(&rig, 0), "nothing has changed");
    let open = Change { pin: Some(None), ..Change::default() };
    assert!(!change(&mut rig, open).expect("changed").pin);
    assert!(!is_apart(&rig, 0));
    assert!(rig.notices.iter().any(|it| matches!(it, Notice::Changed { pin: false, .. })));
}

/// After kill -9 nobody gets in more easily than before: joined or only held.
#[test]
fn a_restart_forgets_no_pin() {
    for joined in [true, false] {
        let mut rig = Rig::new().with_disk(BTreeMap::new());
        let view = made(&mut rig, with_pin());
        if joined {
            rig.join(&mut Caller::new("alice", 1), &view.uri);
            press(&mut rig, 0, "4711");
        }
        let later = Change { pin: Some(pin("5005")), lobby: Some(true), ..Change::default() };
        rig.steer(|node, now| node.change_conference(now, view.id, &later)).0.expect("changed");
        let mut rig = rig.killed(Duration::from_secs(3), Setting::default());
        let mut eve = Caller::new("eve", 2);
        assert_eq!(rig.join(&mut eve, &view.uri).status.code(), 200);
        assert!(is_apart(&rig, 0), "joined: {joined}");
        press(&mut rig, 0, "47115005");
        assert_eq!(state(&rig, &view, 0).0, ParticipantState::Waiting);
    }
}
