//! kill -9, and what there is afterwards: the same keys and the same disk.

use std::collections::BTreeMap;
use std::time::Duration;

use focus::factory::FactoryConfig;
use focus::{EntryRules, ParticipantState, Pin};
use node::{Asker, Change, ConferenceView, Input, NewConference, ReserveRequest, SteerError};
use sip::{Method, Response, StatusCode};

use crate::reserving::later;
use crate::rig::{Caller, FACTORY, Rig, Setting, requests};

pub(crate) const DOWN: Duration = Duration::from_secs(3);

fn rig() -> Rig {
    Rig::new().with_disk(BTreeMap::new())
}

fn killed(rig: Rig) -> Rig {
    rig.killed(DOWN, Setting::default())
}

/// T26: whoever was in calls the same URI, and all land in one conference.
#[test]
fn conference_that_ran_is_joined_again_by_the_same_uri() {
    let mut rig = rig();
    let mut alice = Caller::new("alice", 1);
    let mut bob = Caller::new("bob", 2);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    rig.join(&mut bob, &uri);
    let mut rig = killed(rig);
    assert_eq!(rig.used_and_held(), (0, 4), "their room is kept");
    for caller in [&mut alice, &mut bob] {
        let mut again = Caller::new(&caller.name, 20 + caller.address.port() % 10);
        assert_eq!(rig.join(&mut again, &uri).status.code(), 200);
    }
    let status = rig.node.status(rig.now);
    assert_eq!(status.conferences.len(), 1);
    assert_eq!(
        (status.conferences[0].uri.as_str(), status.conferences[0].legs.len()),
        (uri.as_str(), 2)
    );
}

/// T26: the first to come back hangs up before the others have dialled again. They still find their conference, for as long as
/// was promised and no longer.
#[test]
fn who_comes_back_first_does_not_end_it_for_the_others() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    for (call_again_after, expected) in [(minutes(1), 200), (minutes(9), 200), (minutes(11), 404)] {
        let mut rig = rig();
        let uri = rig.conference(&Caller::new("alice", 1));
        for (name, number) in [("alice", 1), ("bob", 2)] {
            rig.join(&mut Caller::new(name, number), &uri);
        }
        let mut rig = killed(rig);
        let mut alice = Caller::new("alice", 21);
        assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
        rig.leave(&mut alice, &uri);
        rig.pass(call_again_after);
        assert_eq!(rig.join(&mut Caller::new("bob", 22), &uri).status.code(), expected);
    }
}

/// When their time is over the last one to leave ends it, as ever, and it is over for good.
#[test]
fn long_after_a_restart_the_last_to_leave_ends_it() {
    let mut rig = rig();
    let uri = rig.conference(&Caller::new("alice", 1));
    rig.join(&mut Caller::new("alice", 1), &uri);
    let mut rig = killed(rig);
    let mut alice = Caller::new("alice", 21);
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    rig.pass(Duration::from_secs(11 * 60));
    rig.leave(&mut alice, &uri);
    assert_eq!(rig.used_and_held(), (0, 0));
    assert_eq!(rig.join(&mut Caller::new("bob", 22), &uri).status.code(), 404);
}

/// B06, C: the identity is an HMAC of the request under a key that is kept.
#[test]
fn copy_of_a_request_to_the_factory_gets_the_uri_that_it_had() {
    let rig = &mut Some(rig());
    let alice = Caller::new("alice", 1);
    let uri = rig.as_mut().map(|rig| rig.conference(&alice));
    let mut after = killed(rig.take().expect("one"));
    assert_eq!(Some(after.conference(&alice)), uri);
}

/// Who has the URI from a 302 and calls it after the restart gets in, with whoever else comes.
#[test]
fn conference_that_was_only_held_is_joined_by_its_uri_too() {
    let mut rig = rig();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let mut rig = killed(rig);
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    let mut bob = Caller::new("bob", 2);
    assert_eq!(rig.join(&mut bob, &uri).status.code(), 200);
    assert_eq!(rig.node.status(rig.now).conferences.len(), 1);
}

/// Only right after a restart, and only what could have been given out before it.
#[test]
fn a_uri_is_believed_only_for_as_long_as_a_hold_may_have_lasted() {
    let mut rig = rig();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let mut rig = killed(rig);
    rig.pass(Duration::from_secs(121));
    alice.cseq += 1;
    assert_eq!(rig.ask(alice.address, &alice.invite(&uri)).status.code(), 404);
    // Nor does it revive what ended by itself in this life.
    let mut rig = killed(rig);
    let bob = Caller::new("bob", 2);
    let uri = rig.conference(&bob);
    let forged = uri.replace("conf-a", "conf-b");
    assert_eq!(rig.ask(bob.address, &bob.invite(&forged)).status.code(), 404);
}

/// B14, T40: an ended conference is dead, whatever happens.
#[test]
fn conference_that_was_over_stays_dead() {
    let mut rig = rig();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    rig.leave(&mut alice, &uri);
    let mut rig = killed(rig);
    let mut again = Caller::new("alice", 1);
    again.cseq = 40;
    assert_eq!(rig.ask(again.address, &again.invite(&uri)).status.code(), 404);
    rig.pass(Duration::from_secs(3 * 3_600));
    assert_eq!(rig.disk.len(), 0, "and is forgotten with its time");
}

/// Killed after every message of a history, no reservation that was answered is lost.
#[test]
fn killed_at_any_point_no_reservation_is_lost() {
    for kills in 0..12_u64 {
        let mut rig = rig();
        let mut promised = Vec::new();
        for step in 0..6_u64 {
            if step % 2 == kills % 2 || step == kills {
                rig = rig.killed(Duration::from_secs(60 * kills), Setting::default());
            }
            let legs = 2 + u32::try_from(step).expect("small");
            // Every process of this rig draws the same random numbers.
            let request = ReserveRequest { key: Some(step.to_string()), ..later(legs) };
            rig.feed(Input::Reserve { ticket: step, request });
            if let Some(Ok(status)) = rig.reserved.last() {
                promised.push((status.conference.clone(), status.legs, status.from));
            }
            let caller = Caller::new("alice", 1);
            rig.conference(&caller);
        }
        let rig = killed(rig);
        let mut found: Vec<_> = rig
            .node
            .reservations(rig.now)
            .into_iter()
            .map(|status| (status.conference, status.legs, status.from))
            .collect();
        promised.sort();
        found.sort();
        assert_eq!(found, promised, "{kills}");
        assert_eq!(found.len(), 6);
    }
}

/// It is as large as it may be, and no larger: whether it ran, was held by an administrator, or is known by its URI alone.
#[test]
fn a_conference_may_be_no_larger_after_a_restart() {
    let setting = || {
        let factory = FactoryConfig { expect: 2, legs_max: Some(2), ..Setting::default().factory };
        Setting { factory, ..Setting::default() }
    };
    for how in ["ran", "made", "asked for"] {
        let mut rig = Rig::with(setting()).with_disk(BTreeMap::new());
        let uri = match how {
            "made" => made(&mut rig, NewConference::default()).uri,
            _ => rig.conference(&Caller::new("alice", 1)),
        };
        if how == "ran" {
            rig.join(&mut Caller::new("alice", 1), &uri);
        }
        let mut rig = rig.killed(DOWN, setting());
        for (number, status) in [(21, 200), (22, 200), (23, 486)] {
            let mut caller = Caller::new("caller", number);
            assert_eq!(rig.join(&mut caller, &uri).status.code(), status, "{how}");
        }
    }
}

/// What nobody comes back to is given up.
#[test]
fn conference_that_nobody_comes_back_to_ends() {
    let mut rig = rig();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut rig = killed(rig);
    rig.pass(Duration::from_secs(601));
    assert_eq!(rig.used_and_held(), (0, 0));
    alice.cseq += 9;
    alice.to_tag = None;
    assert_eq!(rig.ask(alice.address, &alice.invite(&uri)).status.code(), 404);
    // It stays dead for as long as its URI could bring it back, and is forgotten then.
    let mut rig = killed(rig);
    assert_eq!(rig.ask(alice.address, &alice.invite(&uri)).status.code(), 404);
    rig.pass(Duration::from_secs(3 * 3_600));
    assert_eq!(rig.disk.len(), 0);
}

/// A factory whose conferences last ten minutes.
fn limited() -> Setting {
    let usual = Setting::default();
    let factory = FactoryConfig { max_time: Some(Duration::from_secs(600)), ..usual.factory };
    Setting { factory, ..Setting::default() }
}

/// kill -9 does not give a conference more time than it has.
#[test]
fn the_end_of_a_conference_that_ran_stays_where_it_was() {
    let mut rig = Rig::with(limited()).with_disk(BTreeMap::new());
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    rig.pass(Duration::from_secs(400));
    let mut rig = rig.killed(Duration::from_secs(20), limited());
    rig.pass(Duration::from_secs(80));
    let mut again = Caller::new("alice", 21);
    assert_eq!(rig.join(&mut again, &uri).status.code(), 200);
    // Once more: what it has lasted adds up.
    let mut rig = rig.killed(Duration::from_secs(40), limited());
    let mut again = Caller::new("alice", 22);
    assert_eq!(rig.join(&mut again, &uri).status.code(), 200);
    let byes = |rig: &mut Rig, seconds| {
        let sent = requests(rig.pass(Duration::from_secs(seconds)));
        sent.iter().filter(|request| request.method == Method::Bye).count()
    };
    assert_eq!(byes(&mut rig, 58), 0);
    assert!(byes(&mut rig, 2) > 0, "600 s after it began, but for the seconds of the wall clock");
}

/// Whether it was over before the new process began, or since then, with nobody in.
#[test]
fn a_conference_whose_time_was_up_meanwhile_is_over() {
    for (down, waits) in [(700, 0), (100, 150)] {
        let mut rig = Rig::with(limited()).with_disk(BTreeMap::new());
        let mut alice = Caller::new("alice", 1);
        let uri = rig.conference(&alice);
        rig.join(&mut alice, &uri);
        rig.pass(Duration::from_secs(400));
        let mut rig = rig.killed(Duration::from_secs(down), limited());
        rig.pass(Duration::from_secs(waits));
        let mut again = Caller::new("alice", 21);
        assert_eq!(rig.join(&mut again, &uri).status.code(), 404, "{down} {waits}");
        assert_eq!(rig.used_and_held(), (0, 0));
        let mut rig = rig.killed(DOWN, limited());
        assert_eq!(rig.join(&mut again, &uri).status.code(), 404, "nor is it revived");
    }
}

/// More time for one that waits for its callers to come back; and less.
#[test]
fn its_time_may_be_changed_before_anybody_is_back() {
    for (seconds, status) in [(3_600, 200), (300, 404)] {
        let mut rig = Rig::with(limited()).with_disk(BTreeMap::new());
        let mut alice = Caller::new("alice", 1);
        let uri = rig.conference(&alice);
        rig.join(&mut alice, &uri);
        rig.pass(Duration::from_secs(500));
        let mut rig = rig.killed(DOWN, limited());
        let id = rig.node.conferences(rig.now, None, 1).0[0].id;
        let time = Some(Some(Duration::from_secs(seconds)));
        let change = Change { max_time: time, ..Change::default() };
        rig.steer(|node, now| node.change_conference(now, id, &change)).0.expect("changed");
        rig.pass(Duration::from_secs(200));
        let mut again = Caller::new("alice", 21);
        assert_eq!(rig.join(&mut again, &uri).status.code(), status, "{seconds}");
    }
}

/// Its URI alone knows nothing of its PIN: once its hold has run out it is dead, in this life and in the next.
#[test]
fn who_comes_too_late_is_not_let_in_without_the_pin() {
    let mut rig = rig();
    let new = NewConference {
        pin: Some("4711".parse::<Pin>().expect("a PIN")),
        ..NewConference::default()
    };
    let made = made(&mut rig, new);
    rig.pass(Duration::from_secs(62));
    let mut eve = Caller::new("eve", 1);
    assert_eq!(rig.join(&mut eve, &made.uri).status.code(), 404);
    let mut rig = killed(rig);
    assert_eq!(rig.join(&mut eve, &made.uri).status.code(), 404);
}

/// Two factories of which the second asks for this PIN, if for any.
fn two_factories(pin: &str) -> Setting {
    let usual = Setting::default().factory;
    let pin = (!pin.is_empty()).then(|| pin.parse().expect("a PIN"));
    let entry = EntryRules { pin, ..usual.entry };
    let more = FactoryConfig { users: vec!["other".to_owned()], entry, ..usual };
    Setting { more: vec![more], ..Setting::default() }
}

fn made(rig: &mut Rig, new: NewConference) -> ConferenceView {
    let asker = Asker { name: "ops".to_owned(), key: None };
    rig.steer(|node, now| node.create_conference(now, &new, &asker)).0.expect("made")
}

/// What an administrator was told is made is there after kill -9, with its room, whatever it goes by and whichever factories
/// there are; and he can end it.
#[test]
fn a_conference_that_an_administrator_had_made_is_there_after_a_restart() {
    for (seats, title, pin) in [(4, None, ""), (7, None, "4711"), (7, Some("m".to_owned()), "4711")]
    {
        let mut rig = Rig::with(two_factories(pin)).with_disk(BTreeMap::new());
        let view =
            made(&mut rig, NewConference { seats: Some(seats), title, ..Default::default() });
        let mut rig = rig.killed(DOWN, two_factories(pin));
        let found = rig.node.conference(rig.now, view.id).expect("there");
        assert_eq!((found.uri.as_str(), found.title), (view.uri.as_str(), view.title));
        assert_eq!((found.seats, rig.used_and_held()), (seats, (0, seats)));
        assert_eq!(found.hold_until, Some(rig.wall_now().after(Duration::from_secs(60))));
        assert_eq!(rig.join(&mut Caller::new("alice", 1), &view.uri).status.code(), 200);
        rig.steer(|node, now| node.end_conference(now, view.id)).0.expect("ended");
        rig.pass(Duration::from_secs(40));
        let mut rig = rig.killed(DOWN, two_factories(pin));
        assert_eq!(rig.join(&mut Caller::new("bob", 2), &view.uri).status.code(), 404);
    }
}

/// It is a hold like any other: nobody came, and its room is free, without a restart and with one, however long that took.
#[test]
fn what_nobody_joined_does_not_outlive_its_hold_by_a_restart() {
    for title in [None, Some("m".to_owned())] {
        for (down, waits) in [(DOWN, Duration::from_secs(61)), (Duration::from_secs(7_200), DOWN)] {
            let mut rig = rig();
            let view = made(&mut rig, NewConference { title: title.clone(), ..Default::default() });
            let mut rig = rig.killed(down, Setting::default());
            rig.pass(waits);
            assert_eq!(rig.used_and_held(), (0, 0), "{title:?} {down:?}");
            assert_eq!(rig.node.conference(rig.now, view.id), Err(SteerError::NoConference));
            rig.pass(Duration::from_secs(3 * 3_600));
            assert_eq!(rig.disk.len(), 0);
        }
    }
}

/// Nobody was in it when the process died: nobody can be on his way back.
#[test]
fn the_last_to_leave_ends_what_was_only_held_before_a_restart() {
    let mut rig = rig();
    let view = made(&mut rig, NewConference::default());
    let mut rig = killed(rig);
    let mut alice = Caller::new("alice", 1);
    assert_eq!(rig.join(&mut alice, &view.uri).status.code(), 200);
    rig.leave(&mut alice, &view.uri);
    assert_eq!(rig.used_and_held(), (0, 0));
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &view.uri).status.code(), 404);
}

/// A conference goes by the rules that it began with, whatever the next process has for factories.
#[test]
fn another_configuration_lets_nobody_in_without_the_pin_that_was_asked_for() {
    let factory = |user: &str, pin: Option<&str>| {
        let usual = Setting::default().factory;
        let pin = pin.map(|pin| pin.parse().expect("a PIN"));
        let entry = EntryRules { pin, ..usual.entry };
        let factory = FactoryConfig { users: vec![user.to_owned()], entry, ..usual };
        Setting { factory, ..Setting::default() }
    };
    for next in [("conference", None), ("other", None), ("conference", Some("9999"))] {
        let mut rig = Rig::with(factory("conference", Some("4711"))).with_disk(BTreeMap::new());
        let mut alice = Caller::new("alice", 1);
        let uri = rig.conference(&alice);
        rig.join(&mut alice, &uri);
        let before = rig.disk.values().next().expect("it runs").policy.clone();
        let mut rig = rig.killed(DOWN, factory(next.0, next.1));
        assert_eq!(rig.join(&mut Caller::new("eve", 2), &uri).status.code(), 200);
        let id = pool::id_in(&uri).expect("a conference URI");
        assert!(rig.node.conference(rig.now, id).expect("it runs").pin, "{next:?}");
        let (people, _) = rig.node.participants(rig.now, id, None, 9).expect("it runs");
        assert_eq!(people[0].state, ParticipantState::AskedForPin);
        assert_eq!(rig.disk.values().next().expect("it runs").policy, before, "{next:?}");
    }
}

/// A URI does not say which factory made it, and one of the two asks for a PIN.
#[test]
fn what_was_only_held_is_not_recalled_where_factories_ask_for_different_things() {
    for (pin, status) in [("", 200), ("4711", 404)] {
        let mut rig = Rig::with(two_factories(pin)).with_disk(BTreeMap::new());
        let mut alice = Caller::new("alice", 1);
        let other = FACTORY.replace("conference", "other");
        let asked = rig.ask(alice.address, &alice.invite(&other));
        let uri = crate::rig::contact(&asked);
        let mut rig = rig.killed(DOWN, two_factories(pin));
        assert_eq!(rig.join(&mut alice, &uri).status.code(), status, "{pin}");
    }
}

/// Without a disk nothing is kept, and nothing is believed.
#[test]
fn without_a_disk_a_restart_forgets_everything() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut rig = Rig::new();
    let bob = Caller::new("bob", 2);
    assert_eq!(rig.ask(bob.address, &bob.invite(&uri)).status.code(), 404);
    assert_eq!(rig.ask(bob.address, &bob.invite(FACTORY)).status.code(), 302);
}

/// Who was in when the process died comes back into a conference that is locked; a lock is for whoever comes new.
#[test]
fn a_locked_conference_is_open_to_those_who_were_in() {
    let mut rig = rig();
    let uri = rig.conference(&Caller::new("alice", 1));
    for (name, number) in [("alice", 1), ("bob", 2), ("carol", 3)] {
        assert_eq!(rig.join(&mut Caller::new(name, number), &uri).status.code(), 200);
    }
    let id = rig.node.conferences(rig.now, None, 1).0[0].id;
    let change = Change { locked: Some(true), ..Change::default() };
    let (changed, _) = rig.steer(|node, now| node.change_conference(now, id, &change));
    assert!(changed.expect("changed").locked);
    let remove = |rig: &mut Rig, leg, from: &Caller| {
        let (removed, sent) = rig.steer(|node, now| node.remove_participant(now, id, leg));
        removed.expect("she is in");
        let ok = Response::answering(&requests(sent)[0], StatusCode::OK);
        rig.receive_bytes(from.address, &ok.to_bytes());
    };
    remove(&mut rig, 2, &Caller::new("carol", 3));
    // Twice, and only one of them comes back in between.
    let mut rig = killed(rig);
    assert_eq!(rig.join(&mut Caller::new("alice", 11), &uri).status.code(), 200);
    assert_eq!(rig.join(&mut Caller::new("alice", 12), &uri).status.code(), 403, "once");
    let mut rig = killed(rig);
    for (name, number, expected) in [
        ("eve", 66, 403),
        ("bob", 22, 200),
        ("carol", 23, 403),
        ("alice", 21, 200),
        ("mallory", 67, 403),
    ] {
        let status = rig.join(&mut Caller::new(name, number), &uri).status.code();
        assert_eq!(status, expected, "{name}");
    }
    remove(&mut rig, 0, &Caller::new("bob", 22));
    assert_eq!(rig.join(&mut Caller::new("bob", 25), &uri).status.code(), 403, "for good");
}

/// From where he was, and for as long as people try to get back in.
#[test]
fn the_lock_holds_against_who_only_has_the_name_of_one_who_was_in_and_who_comes_late() {
    let mut rig = rig();
    let uri = rig.conference(&Caller::new("alice", 1));
    for (name, number) in [("alice", 1), ("bob", 2)] {
        rig.join(&mut Caller::new(name, number), &uri);
    }
    let id = rig.node.conferences(rig.now, None, 1).0[0].id;
    let change = Change { locked: Some(true), ..Change::default() };
    let _ = rig.steer(|node, now| node.change_conference(now, id, &change));
    let mut rig = killed(rig);
    let mut eve = Caller::new("bob", 24);
    eve.address.set_ip("192.0.2.66".parse().expect("an address"));
    assert_eq!(rig.join(&mut eve, &uri).status.code(), 403);
    assert_eq!(rig.join(&mut Caller::new("alice", 21), &uri).status.code(), 200);
    rig.pass(Duration::from_secs(11 * 60));
    assert_eq!(rig.join(&mut Caller::new("bob", 25), &uri).status.code(), 403);
}
