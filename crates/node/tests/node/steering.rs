//! What administrators do, and what callers notice of it.

use std::collections::BTreeMap;
use std::time::Duration;

use focus::{CallRefused, DialRules, EndPolicy};
use mix::message::{Action, Listeners, Prompt};
use node::{
    Asker, Change, ConferenceView, KEY_FOR, Leftovers, NewConference, Notice, Record, Stage,
    SteerError,
};
use sip::{Method, Response};
use units::{Cause as _, Instant, UnixTime};

use crate::rig::{Caller, Rig, Setting, WALL, requests};

fn asker(name: &str, key: Option<&str>) -> Asker {
    Asker { name: name.to_owned(), key: key.map(str::to_owned) }
}

fn create(
    rig: &mut Rig,
    new: &NewConference,
    key: Option<&str>,
) -> Result<ConferenceView, SteerError> {
    rig.steer(|node, now| node.create_conference(now, new, &asker("ops", key))).0
}

fn made(rig: &mut Rig) -> ConferenceView {
    create(rig, &NewConference::default(), None).expect("made")
}

fn reason(request: &sip::Request) -> String {
    let name = sip::HeaderName::parse("Reason").expect("a name");
    request.headers.get(&name).expect("a Reason").text().into_owned()
}

#[test]
fn a_conference_made_by_an_administrator_is_held_like_any_other_and_can_be_joined() {
    let mut rig = Rig::new();
    let new = NewConference {
        seats: Some(7),
        max: Some(9),
        title: Some("Monday\u{1b}[2J".to_owned()),
        ..NewConference::default()
    };
    let view = create(&mut rig, &new, None).expect("made");
    assert_eq!((view.seats, view.max, view.stage), (7, Some(9), Stage::Held));
    assert_eq!(view.title.as_deref(), Some("Monday\u{FFFD}[2J"));
    assert_eq!(view.hold_until, Some(WALL.after(Duration::from_secs(60))));
    assert_eq!(rig.used_and_held(), (0, 7));
    assert!(matches!(&rig.notices[0], Notice::Held { conference, asker, .. }
        if *conference == view.uri && asker == "ops"));
    let mut alice = Caller::new("alice", 1);
    assert_eq!(rig.join(&mut alice, &view.uri).status.code(), 200);
    let now = rig.now;
    let shown = rig.node.conference(now, view.id).expect("there");
    assert_eq!((shown.stage, shown.participants, shown.hold_until), (Stage::Active, 1, None));
    // Its id is no way in.
    let user = format!("sip:{}@127.0.0.1", "conf-aaaa");
    assert_eq!(rig.join(&mut Caller::new("eve", 2), &user).status.code(), 404);
}

/// The hold is firm, and ends by itself like that of a caller.
#[test]
fn nobody_came_to_it_and_it_is_gone() {
    let mut rig = Rig::new();
    let view = made(&mut rig);
    rig.pass(Duration::from_secs(61));
    let now = rig.now;
    assert_eq!(rig.node.conference(now, view.id), Err(SteerError::NoConference));
    assert!(matches!(rig.notices.last(), Some(Notice::HoldExpired { .. })));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// draft-ietf-httpapi-idempotency-key-header-07 §2.6
#[test]
fn the_same_key_is_the_same_conference_and_another_request_under_it_is_refused() {
    let mut rig = Rig::new();
    let new = NewConference { seats: Some(3), ..NewConference::default() };
    let first = create(&mut rig, &new, Some("k")).expect("made");
    assert_eq!(create(&mut rig, &new, Some("k")), Ok(first.clone()));
    let other = NewConference { seats: Some(4), ..NewConference::default() };
    assert_eq!(create(&mut rig, &other, Some("k")), Err(SteerError::KeyUsed));
    assert_eq!(rig.used_and_held(), (0, 3), "asked again nothing more is held");
    let (elses, _) =
        rig.steer(|node, now| node.create_conference(now, &other, &asker("else", Some("k"))));
    assert_ne!(elses.expect("his own key").id, first.id);
    // The answer is the same when its conference is over: that is what the request led to.
    rig.steer(|node, now| node.end_conference(now, first.id)).0.expect("ended");
    assert_eq!(create(&mut rig, &new, Some("k")), Ok(first.clone()));
    rig.pass(KEY_FOR + Duration::from_secs(1));
    assert_eq!(create(&mut rig, &new, Some("k")).expect("anew").seats, 3);
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_held() {
    let mut rig = Rig::with(Setting { seats: 10, ..Setting::default() });
    let base = NewConference::default();
    for (new, why) in [
        (NewConference { seats: Some(0), ..base.clone() }, "seats must be 1 to 30000, found 0"),
        (
            NewConference { max: Some(30_001), ..base.clone() },
            "max must be 1 to 30000, found 30001",
        ),
        (
            NewConference { seats: Some(5), max: Some(4), ..base.clone() },
            "5 seats are more than the 4",
        ),
        (
            NewConference { factory: Some("nowhere".to_owned()), ..base.clone() },
            "no factory has the user",
        ),
        (NewConference { title: Some("x".repeat(101)), ..base.clone() }, "at most 100 characters"),
        (
            NewConference { seats: Some(11), ..base.clone() },
            "No room for a conference of 11: 10 seats",
        ),
    ] {
        let error = create(&mut rig, &new, Some("k")).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(rig.used_and_held(), (0, 0));
    assert!(matches!(rig.notices.last(), Some(Notice::Refused { status: 480, .. })));
    // What was refused does not use up its key.
    assert!(create(&mut rig, &base, Some("k")).is_ok());
    rig.shutdown();
    let error = create(&mut rig, &base, None).expect_err("too late").to_string();
    assert!(error.contains("shutting down"), "{error}");
}

#[test]
fn pages_go_through_all_that_is_alive_once() {
    let mut rig = Rig::new();
    let mut ids: Vec<_> = (0..5).map(|_| made(&mut rig).id).collect();
    rig.steer(|node, now| node.end_conference(now, ids.pop().expect("one"))).0.expect("ended");
    ids.sort();
    let (now, mut after, mut seen) = (rig.now, None, Vec::new());
    loop {
        let (page, is_more) = rig.node.conferences(now, after, 3);
        seen.extend(page.iter().map(|view| view.id));
        after = seen.last().copied();
        if !is_more {
            break;
        }
        assert_eq!(page.len(), 3);
    }
    assert_eq!(seen, ids);
}

#[test]
fn ending_a_conference_says_bye_to_each_and_its_uri_is_dead() {
    let mut rig = Rig::new();
    let view = made(&mut rig);
    let mut alice = Caller::new("alice", 1);
    rig.join(&mut alice, &view.uri);
    let (ended, sent) = rig.steer(|node, now| node.end_conference(now, view.id));
    assert_eq!(ended, Ok(()));
    let bye = requests(sent).remove(0);
    assert_eq!((&bye.method, reason(&bye).contains("ended")), (&Method::Bye, true));
    let ok = Response::answering(&bye, sip::StatusCode::OK);
    rig.receive_bytes(alice.address, &ok.to_bytes());
    assert!(matches!(rig.notices.last(), Some(Notice::Ended { .. })));
    let again = rig.steer(|node, now| node.end_conference(now, view.id)).0;
    assert_eq!(again, Err(SteerError::NoConference));
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &view.uri).status.code(), 404);

    let held = made(&mut rig);
    rig.steer(|node, now| node.end_conference(now, held.id)).0.expect("ended");
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &held.uri).status.code(), 404);
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

#[test]
fn nobody_gets_into_a_locked_conference_until_it_is_unlocked() {
    let mut rig = Rig::new();
    let view = made(&mut rig);
    let mut alice = Caller::new("alice", 1);
    rig.join(&mut alice, &view.uri);
    let set = |rig: &mut Rig, locked| {
        let change = Change { locked: Some(locked), ..Change::default() };
        rig.steer(|node, now| node.change_conference(now, view.id, &change)).0.expect("changed")
    };
    assert!(set(&mut rig, true).locked);
    let refused = rig.join(&mut Caller::new("bob", 2), &view.uri);
    assert_eq!(refused.status.code(), 403);
    let warning = refused.headers.get(&sip::HeaderName::Warning).expect("why").text().into_owned();
    assert!(warning.contains("locked"), "{warning}");
    assert!(matches!(rig.notices.iter().rev().nth(1), Some(Notice::Changed { locked: true, .. })));
    set(&mut rig, false);
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &view.uri).status.code(), 200);

    // One that is locked from its beginning stays so when somebody tries.
    let new = NewConference { locked: true, ..NewConference::default() };
    let view = create(&mut rig, &new, None).expect("made");
    assert_eq!(rig.join(&mut Caller::new("carol", 3), &view.uri).status.code(), 403);
    let now = rig.now;
    assert_eq!(rig.node.conference(now, view.id).map(|view| view.stage), Ok(Stage::Held));
}

#[test]
fn limit_and_end_can_be_changed_while_it_runs() {
    let mut rig = Rig::new();
    let view = made(&mut rig);
    let mut alice = Caller::new("alice", 1);
    rig.join(&mut alice, &view.uri);
    let change =
        Change { max: Some(Some(1)), end: Some(EndPolicy::CreatorLeaves), ..Change::default() };
    let changed = rig.steer(|node, now| node.change_conference(now, view.id, &change)).0;
    assert_eq!(changed.map(|view| (view.max, view.end)), Ok((Some(1), EndPolicy::CreatorLeaves)));
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &view.uri).status.code(), 486);
    let told = rig.notices.len();
    let same = rig.steer(|node, now| node.change_conference(now, view.id, &change)).0;
    assert_eq!((same.is_ok(), rig.notices.len()), (true, told), "nothing new, nothing told");
    let off = Change { max: Some(None), ..Change::default() };
    rig.steer(|node, now| node.change_conference(now, view.id, &off)).0.expect("changed");
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &view.uri).status.code(), 200);
}

#[test]
fn muting_is_one_command_to_the_mixer_and_is_shown() {
    let mut rig = Rig::new();
    let view = made(&mut rig);
    rig.join(&mut Caller::new("alice", 1), &view.uri);
    let mute = |rig: &mut Rig, leg, is_muted| {
        rig.steer(|node, now| node.mute_participant(now, view.id, leg, is_muted)).0
    };
    assert_eq!(mute(&mut rig, 0, true).map(|line| line.muted), Ok(true));
    assert_eq!(mute(&mut rig, 0, true).map(|line| line.muted), Ok(true));
    assert_eq!(mute(&mut rig, 9, true), Err(SteerError::NoParticipant));
    let is_mute =
        |command: &&mix::message::Command| matches!(command.action, Action::MutePort { .. });
    assert_eq!(rig.commands.iter().filter(is_mute).count(), 1);
    assert!(matches!(rig.notices.last(), Some(Notice::Muted { leg: 0, muted: true, .. })));
    assert_eq!(mute(&mut rig, 0, false).map(|line| line.muted), Ok(false));
    assert_eq!(rig.commands.iter().filter(is_mute).count(), 2);
}

#[test]
fn who_is_removed_gets_a_bye_and_may_come_again() {
    let mut rig = Rig::new();
    let view = made(&mut rig);
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    rig.join(&mut alice, &view.uri);
    rig.join(&mut bob, &view.uri);
    let (removed, sent) = rig.steer(|node, now| node.remove_participant(now, view.id, 1));
    let bye = requests(sent).remove(0);
    assert_eq!((removed, bye.method.clone()), (Ok(()), Method::Bye));
    assert!(reason(&bye).contains("Removed"));
    let again = rig.steer(|node, now| node.remove_participant(now, view.id, 1)).0;
    assert_eq!(again, Err(SteerError::NoParticipant), "he is on his way out");
    rig.receive_bytes(bob.address, &Response::answering(&bye, sip::StatusCode::OK).to_bytes());
    let now = rig.now;
    let (lines, is_more) = rig.node.participants(now, view.id, None, 10).expect("there");
    assert_eq!((lines.len(), lines[0].id, is_more), (1, 0, false));
    assert_eq!(rig.join(&mut Caller::new("bobby", 2), &view.uri).status.code(), 200);
}

/// T31: the same rules as for a REFER; and one that nobody has joined may call too.
#[test]
fn an_administrator_has_somebody_called_under_the_rules_for_calls() {
    let call = |rig: &mut Rig, id, target: &'static str| {
        rig.steer(|node, now| node.call_participant(now, id, target))
    };
    let mut rig = Rig::new();
    let view = made(&mut rig);
    let refused = call(&mut rig, view.id, "sip:bob@127.0.0.1:6002").0;
    assert_eq!(refused, Err(SteerError::NotCalled(CallRefused::NoRule)));
    assert_eq!(rig.used_and_held(), (0, 4), "it is still held");

    let allow = vec!["127.0.0.0/8".parse().expect("a rule")];
    let dial_out = DialRules { allow, ..DialRules::default() };
    let mut rig = Rig::with(Setting { dial_out, ..Setting::default() });
    let view = made(&mut rig);
    for bad in ["bob", "tel:+49301", "sip:bob@127.0.0.1?Subject=x", "sip:b@127.0.0.1;method=BYE"] {
        let refused = call(&mut rig, view.id, bad).0;
        assert!(matches!(refused, Err(SteerError::BadTarget(_))), "{bad}");
    }
    let (line, sent) = call(&mut rig, view.id, "sip:bob@127.0.0.1:6002");
    let line = line.expect("called");
    assert!(line.dialled && line.uri == "sip:bob@127.0.0.1:6002");
    let invite = requests(sent).remove(0);
    assert_eq!(invite.method, Method::Invite);
    let muted = rig.steer(|node, now| node.mute_participant(now, view.id, line.id, true)).0;
    assert_eq!(muted, Err(SteerError::NotInYet));
    let from = "127.0.0.1:6002".parse().expect("an address");
    let busy = Response::answering(&invite, sip::StatusCode::BUSY_HERE).with_to_tag("b");
    rig.receive_bytes(from, &busy.to_bytes());
    assert!(rig.notices.iter().any(|it| matches!(it, Notice::NotReached { status: 486, .. })));
    let is_over = |rig: &Rig| rig.notices.iter().any(|it| matches!(it, Notice::Ended { .. }));
    assert!(!is_over(&rig), "it is promised until its hold ends, to whoever is called next");
    assert!(call(&mut rig, view.id, "sip:carol@127.0.0.1:6003").0.is_ok());
    // She does not answer, 32 s long.
    rig.pass(Duration::from_secs(59));
    assert!(!is_over(&rig), "it is held for a minute");
    rig.pass(Duration::from_secs(1));
    assert!(is_over(&rig), "nobody came");
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// The hold that a conference was made with is there for all who are called, not for the first alone.
#[test]
fn who_is_called_and_does_not_come_ends_no_conference_that_is_held() {
    let allow = vec!["127.0.0.0/8".parse().expect("a rule")];
    let dial_out = DialRules { allow, ..DialRules::default() };
    for joins in [true, false] {
        let mut rig = Rig::with(Setting { dial_out: dial_out.clone(), ..Setting::default() });
        let view = made(&mut rig);
        let target = "sip:bob@127.0.0.1:6002";
        let sent = rig.steer(|node, now| node.call_participant(now, view.id, target)).1;
        let invite = requests(sent).remove(0);
        let busy = Response::answering(&invite, sip::StatusCode::BUSY_HERE).with_to_tag("b");
        rig.receive_bytes("127.0.0.1:6002".parse().expect("an address"), &busy.to_bytes());
        if joins {
            assert_eq!(rig.join(&mut Caller::new("carol", 2), &view.uri).status.code(), 200);
        }
        rig.pass(Duration::from_secs(60));
        let ended = rig.notices.iter().filter(|it| matches!(it, Notice::Ended { .. })).count();
        assert_eq!(ended, usize::from(!joins), "{joins}");
        let has_room = rig.used_and_held().0 > 0;
        assert_eq!(has_room, joins, "{:?}", rig.used_and_held());
    }
}

/// The time counts from the first join; those who are in hear of its end, and the books say why it came.
#[test]
fn a_conference_lasts_no_longer_than_it_may() {
    let mut rig = Rig::new();
    let new =
        NewConference { max_time: Some(Duration::from_secs(600)), ..NewConference::default() };
    let view = create(&mut rig, &new, None).expect("made");
    assert_eq!((view.max_time, view.ends_at), (new.max_time, None));
    rig.pass(Duration::from_secs(30));
    let mut alice = Caller::new("alice", 1);
    assert_eq!(rig.join(&mut alice, &view.uri).status.code(), 200);
    let shown = rig.node.conference(rig.now, view.id).expect("there");
    assert_eq!(shown.ends_at, Some(WALL.after(Duration::from_secs(630))));
    assert_eq!(requests(rig.pass(Duration::from_secs(599))), []);
    let is_prompt = |command: &&mix::message::Command| {
        let (to, prompt) = (Listeners::Everybody, Prompt::EndsSoon);
        command.action == Action::Play { to, prompt }
    };
    assert_eq!(rig.commands.iter().filter(is_prompt).count(), 1);
    let told = Notice::EndsSoon { conference: view.uri.clone(), seconds: 60 };
    assert_eq!(rig.notices.iter().filter(|notice| **notice == told).count(), 1);
    let byes = requests(rig.pass(Duration::from_secs(1)));
    assert_eq!((byes.len(), &byes[0].method), (1, &Method::Bye));
    assert!(reason(&byes[0]).contains("time of the conference is up"), "{byes:?}");
    rig.pass(Duration::from_secs(40));
    assert!(
        matches!(rig.notices.last(), Some(Notice::Ended { cause, .. }) if cause.contains("time is up"))
    );
    let causes = rig.records.iter().map(|record| match record {
        Record::Leg(leg) => leg.cause.map(|cause| cause.label()),
        Record::Conference(conference) => conference.cause.map(|cause| cause.label()),
    });
    assert_eq!(causes.collect::<Vec<_>>(), [Some("time_up"); 2]);
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

#[test]
fn a_time_is_changed_while_it_runs_and_one_that_cannot_be_is_refused() {
    let mut rig = Rig::new();
    let view = made(&mut rig);
    let mut alice = Caller::new("alice", 1);
    rig.join(&mut alice, &view.uri);
    rig.pass(Duration::from_secs(100));
    let mut set = |seconds: Option<u64>| {
        let change =
            Change { max_time: Some(seconds.map(Duration::from_secs)), ..Change::default() };
        rig.steer(|node, now| node.change_conference(now, view.id, &change))
    };
    for found in [0, 604_801] {
        let error = set(Some(found)).0.expect_err("no time").to_string();
        assert!(error.contains("1 to 604800 seconds"), "{error}");
    }
    assert_eq!(set(Some(200)).0.expect("set").max_time, Some(Duration::from_secs(200)));
    assert_eq!(set(None).0.expect("set").ends_at, None);
    // What is over already ends it.
    let (shown, sent) = set(Some(50));
    assert_eq!(shown.expect("still there").stage, Stage::Ending);
    assert_eq!(requests(sent).len(), 1);
}

/// Whole seconds of the wall clock come whenever they come: what is dated by them stands.
#[test]
fn a_date_is_the_same_each_time_it_is_asked() {
    let mut rig = Rig::new();
    let start = rig.now;
    rig.pass(Duration::from_millis(900));
    let made = made(&mut rig);
    let begin = rig.now;
    // The clock's second begins a third of a second after ours.
    let seconds = |now: Instant| WALL.after(now.since(start) + Duration::from_millis(667));
    let first = rig.node.conference(begin, made.id).expect("there");
    for _ in 0..120 {
        rig.pass(Duration::from_millis(137));
        rig.node.set_wall(rig.now, seconds(rig.now));
        let shown = rig.node.conference(rig.now, made.id).expect("there");
        assert_eq!((shown.since, shown.hold_until), (first.since, first.hold_until), "{}", rig.now);
    }
    // A clock that was set is believed.
    let set = UnixTime(seconds(rig.now).0 + 3_600);
    rig.node.set_wall(rig.now, set);
    let shown = rig.node.conference(rig.now, made.id).expect("there");
    assert!(shown.since.0 >= first.since.0 + 3_599 && shown.since.0 <= first.since.0 + 3_601);
}

/// draft-ietf-httpapi-idempotency-key-header-07 §2.6, over a restart
#[test]
fn a_key_survives_a_restart_until_its_time_is_over() {
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let new = NewConference { seats: Some(3), title: Some("m".to_owned()), ..Default::default() };
    let first = create(&mut rig, &new, Some("k")).expect("made");
    create(&mut rig, &new, None).expect("made");
    let (disk, keys) = (rig.disk.clone(), rig.keys.clone());
    assert_eq!(keys.len(), 1, "only what has a key");
    let again = || Rig::new().with_disk(disk.clone()).with_keys(keys.clone());
    let mut rig = again();
    assert_eq!(create(&mut rig, &new, Some("k")), Ok(first.clone()));
    let other = NewConference::default();
    assert_eq!(create(&mut rig, &other, Some("k")), Err(SteerError::KeyUsed));
    // A day later it is forgotten, by the disk too.
    rig.pass(KEY_FOR + Duration::from_secs(1));
    assert_eq!(create(&mut rig, &other, Some("k")).expect("anew").title, None);
    let mut late = Rig::new();
    late.node.set_wall(late.now, UnixTime(WALL.0 + KEY_FOR.as_secs() + 1));
    let late = late.with_disk(disk.clone()).with_keys(keys.clone());
    assert_eq!(late.keys.len(), 0);
}

/// What the disk does not take is not made: the same key makes it when the disk is there again, and only once.
#[test]
fn what_the_disk_does_not_take_is_not_made() {
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let new = NewConference { title: Some("m".to_owned()), ..NewConference::default() };
    for key in [Some("k"), None] {
        rig.disk_fails = true;
        let lost = create(&mut rig, &new, key).expect("until the disk has said no");
        let now = rig.now;
        assert_eq!(rig.node.conference(now, lost.id), Err(SteerError::NoConference));
        assert!(rig.notices.contains(&Notice::NotKept));
        assert_eq!((rig.used_and_held(), rig.keys.len(), rig.disk.len()), ((0, 0), 0, 0));
        assert_eq!(rig.node.leftovers(), Leftovers::default());
        rig.disk_fails = false;
        let made = create(&mut rig, &new, key).expect("made");
        assert_eq!(made.id == lost.id, key.is_some());
        if key.is_some() {
            assert_eq!(create(&mut rig, &new, key), Ok(made.clone()), "and only once");
        }
        assert!(rig.disk.contains_key(&made.id));
        rig = Rig::new().with_disk(BTreeMap::new());
    }
}

/// A change that the disk did not take is put there when it is asked for again, though nothing is new.
#[test]
fn a_change_that_the_disk_did_not_take_is_written_when_it_is_asked_again() {
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let view = made(&mut rig);
    let change = Change { locked: Some(true), ..Change::default() };
    let lock =
        |rig: &mut Rig| rig.steer(|node, now| node.change_conference(now, view.id, &change)).0;
    rig.disk_fails = true;
    assert!(lock(&mut rig).is_ok_and(|view| view.locked));
    let made = rig.disk.get(&view.id).expect("as it was made").policy.clone();
    rig.disk_fails = false;
    assert!(lock(&mut rig).is_ok_and(|view| view.locked));
    assert_ne!(rig.disk.get(&view.id).expect("kept").policy, made);
    let rig = rig.killed(Duration::from_secs(3), Setting::default());
    let now = rig.now;
    assert!(rig.node.conference(now, view.id).is_ok_and(|view| view.locked));
}

/// Whenever the process is killed meanwhile: whoever was not answered asks again under his key, and has one conference.
#[test]
fn a_cut_between_a_conference_and_its_key_uses_no_key_up() {
    for taken in 0..4 {
        let mut rig = Rig::new().with_disk(BTreeMap::new());
        let new = NewConference { title: Some("m".to_owned()), ..NewConference::default() };
        rig.disk_takes = Some(taken);
        create(&mut rig, &new, Some("k")).expect("until the cut");
        let mut rig = rig.killed(Duration::from_secs(1), Setting::default());
        let made = create(&mut rig, &new, Some("k")).expect("asked again");
        assert_eq!(create(&mut rig, &new, Some("k")), Ok(made.clone()), "{taken}");
        let now = rig.now;
        assert!(rig.node.conference(now, made.id).is_ok(), "{taken}");
        assert_eq!((rig.used_and_held(), rig.disk.len(), rig.keys.len()), ((0, 4), 1, 1));
    }
}
