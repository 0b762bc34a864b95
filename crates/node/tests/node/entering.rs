//! Who is let in: PIN, lobby and roles, from the caller's key to the mixer's port.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use focus::factory::FactoryConfig;
use focus::{DialRules, EntryRules, NOT_IN_MAX, ParticipantState, Pin, Role};
use mix::message::{Action, ConferenceKey, Event, Key, Listeners, PortId, Prompt};
use node::{Asker, Change, ConferenceView, Leftovers, NewConference, Notice, Record, SteerError};
use sip::{HeaderName, Message, Method};
use units::Cause as _;

use crate::auth;
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

/// Where users prove who they are, he has shown by the moderators' PIN that he may steer: his call does, and what names
/// it (RFC 4538). Nobody else's does, nor his before and after.
#[test]
fn who_keyed_the_moderators_pin_steers_without_a_password() {
    let allow = vec!["127.0.0.0/8".parse().expect("a rule")];
    let dial_out = DialRules { allow, ..DialRules::default() };
    let setting = Setting { auth: Some(auth::config()), dial_out, ..Setting::default() };
    let mut rig = Rig::with(setting);
    let view = made(&mut rig, NewConference { moderator_pin: pin("8000"), ..with_pin() });
    let (mut mo, mut guest) = (Caller::new("mo", 1), Caller::new("guest", 2));
    rig.join(&mut mo, &view.uri);
    rig.join(&mut guest, &view.uri);
    let refer = |rig: &mut Rig, caller: &mut Caller, extra: &str| {
        caller.cseq += 1;
        caller.extra = format!("Refer-To: <sip:carol@127.0.0.1:6009>\r\n{extra}");
        let got = rig.receive(caller.address, &caller.request("REFER", &view.uri));
        let Message::Response(response) = &got[0] else { panic!("{got:?}") };
        response.status.code()
    };
    let names = |caller: &Caller| {
        let tag = caller.to_tag.as_deref().expect("in a call");
        let Caller { call_id, from_tag, .. } = caller;
        format!("Target-Dialog: {call_id};local-tag={tag};remote-tag={from_tag}\r\n")
    };
    assert_eq!(refer(&mut rig, &mut mo, ""), 401, "he has keyed nothing yet");
    press(&mut rig, 0, "8000");
    press(&mut rig, 1, "4711");
    assert_eq!(state(&rig, &view, 1), (ParticipantState::Joined, Role::Guest));
    assert_eq!(refer(&mut rig, &mut mo, ""), 200);
    assert_eq!(refer(&mut rig, &mut guest, ""), 401);
    let mut outside = Caller::new("mo", 3);
    assert_eq!(refer(&mut rig, &mut outside, ""), 401, "a name proves nothing");
    assert_eq!(refer(&mut rig, &mut outside, &names(&guest)), 401);
    assert_eq!(refer(&mut rig, &mut outside, &names(&mo)), 200);
    rig.steer(|node, now| node.appoint_participant(now, view.id, 0, false)).0.expect("a guest");
    assert_eq!(refer(&mut rig, &mut mo, ""), 401);
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

/// What is kept of a PIN is enough for all that is asked of it after a restart: the key under which the conference was
/// asked for, a change of one PIN of two, and whoever keys one.
#[test]
fn a_print_serves_as_its_pin_did() {
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let asker = Asker { name: "ops".to_owned(), key: Some("k1".to_owned()) };
    let new = NewConference {
        pin: pin("471147114711"),
        moderator_pin: pin("800480048004"),
        ..with_pin()
    };
    let make = |rig: &mut Rig, new: &NewConference| {
        rig.steer(|node, now| node.create_conference(now, new, &asker)).0
    };
    let view = make(&mut rig, &new).expect("made");
    rig.join(&mut Caller::new("alice", 1), &view.uri);
    let later = Change { pin: Some(pin("500550055005")), ..Change::default() };
    rig.steer(|node, now| node.change_conference(now, view.id, &later)).0.expect("changed");
    // Under the same key the same request is the same one still, and one with another PIN is not.
    let mut rig = rig.killed(Duration::from_secs(3), Setting::default());
    assert_eq!(make(&mut rig, &new), Ok(view.clone()));
    let other = NewConference { pin: pin("471147114712"), ..new };
    assert_eq!(make(&mut rig, &other), Err(SteerError::KeyUsed));
    // Of one PIN there is only the print, and the other is told apart from it all the same.
    for (digits, is_good) in [("500550055", false), ("8005", true)] {
        let change = Change { moderator_pin: Some(pin(digits)), ..Change::default() };
        let changed = rig.steer(|node, now| node.change_conference(now, view.id, &change)).0;
        assert_eq!(changed.is_ok(), is_good, "{digits}: {changed:?}");
    }
    rig.join(&mut Caller::new("bob", 2), &view.uri);
    press(&mut rig, 0, "8005");
    assert_eq!(state(&rig, &view, 0), (ParticipantState::Joined, Role::Moderator));
}

/// Who makes the server crash has no fresh set of tries at a PIN: neither from his address nor from all there are.
#[test]
fn a_restart_forgets_no_wrong_pin() {
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let view = made(&mut rig, with_pin());
    let call = |rig: &mut Rig, host: u8, n: u16| {
        let mut eve = Caller::new("eve", n);
        eve.address.set_ip(Ipv4Addr::new(127, 0, 0, host).into());
        rig.join(&mut eve, &view.uri).status.code()
    };
    let mut n = 0;
    // Three wrong PINs before each crash: the fourth call from there finds the door shut.
    for _ in 0..3 {
        n += 1;
        assert_eq!(call(&mut rig, 1, n), 200);
        press(&mut rig, 0, "000011112222");
        rig = rig.killed(Duration::from_secs(3), Setting::default());
    }
    assert_eq!(call(&mut rig, 1, 90), 480, "nine from there");
    // And of all addresses together.
    for host in 2..19 {
        n += 1;
        assert_eq!(call(&mut rig, host, n), 200, "{host}");
        press(&mut rig, 0, "000011112222");
        rig = rig.killed(Duration::from_secs(1), Setting::default());
    }
    assert_eq!(call(&mut rig, 200, 91), 480, "sixty in all");
    let kept = &rig.disk[&view.id].wrong_pins;
    assert_eq!((kept.len(), kept[0].source, kept[0].count), (19, None, 60));
    // Ten minutes after the first one all is forgotten.
    let mut rig = rig.killed(Duration::from_secs(600), Setting::default());
    assert_eq!(call(&mut rig, 1, 92), 200);
}
