//! Reservations: the URI now, the room then.

use std::collections::BTreeMap;
use std::time::Duration;

use focus::DialRules;
use focus::factory::FactoryConfig;
use node::{
    Change, ConferenceState, ConferenceView, Input, Leftovers, Notice, Record, ReservationState,
    ReserveError, ReserveRequest, Stage, SteerError,
};
use pool::Codec;
use sip::{HeaderName, Method, Response, StatusCode};
use units::UnixTime;

use crate::rig::{Caller, FACTORY, Rig, Setting, WALL, header, requests};

const MINUTE: Duration = Duration::from_secs(60);

fn rig() -> Rig {
    Rig::with(Setting { seats: 20, ..Setting::default() }).with_disk(BTreeMap::new())
}

/// An hour from now, for an hour.
pub(crate) fn later(legs: u32) -> ReserveRequest {
    ReserveRequest {
        legs,
        codec: Codec::Pcmu,
        ptime: Duration::from_millis(20),
        from: UnixTime(WALL.0 + 3_600),
        until: UnixTime(WALL.0 + 7_200),
        tenant: None,
        key: None,
    }
}

pub(crate) fn reserve(rig: &mut Rig, request: ReserveRequest) -> Result<String, ReserveError> {
    let before = rig.reserved.len();
    rig.feed(Input::Reserve { ticket: 7, request });
    assert_eq!(rig.reserved.len(), before + 1);
    rig.reserved.last().expect("an answer").clone().map(|status| status.conference)
}

/// K08 · RFC 6917 §5.2.3
#[test]
fn reservation_gives_the_uri_now_and_the_room_then() {
    let mut rig = rig();
    let uri = reserve(&mut rig, later(12)).expect("room");
    assert!(matches!(rig.notices.last(), Some(Notice::Reserved { legs: 12, .. })));
    let mut alice = Caller::new("alice", 1);
    alice.cseq += 1;
    let response = rig.ask(alice.address, &alice.invite(&uri));
    assert_eq!(response.status.code(), 480, "its time has not come");
    let after = response.headers.retry_after().expect("well formed").expect("a Retry-After");
    assert_eq!(after.seconds, 45 * 60 + 1, "a quarter of an hour before the hour");
    let warning = header(&response, &HeaderName::Warning).expect("a Warning");
    assert!(warning.contains("reserved for later: it can be joined in 46 minutes"), "{warning}");
    // Until then everything is everybody's.
    let bob = Caller::new("bob", 2);
    let response = rig.ask(bob.address, &bob.invite(&format!("{FACTORY};seats=20")));
    assert_eq!(response.status.code(), 302);
    rig.pass(46 * MINUTE);
    assert_eq!(rig.used_and_held(), (0, 12));
    let carol = Caller::new("carol", 3);
    let response = rig.ask(carol.address, &carol.invite(&format!("{FACTORY};seats=9")));
    assert_eq!(response.status.code(), 480, "the room is kept");
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200, "who is early gets in");
    assert_eq!(rig.used_and_held(), (1, 11));
    assert_eq!(rig.node.reservations(rig.now)[0].state, ReservationState::Running);
}

#[test]
fn reserved_conference_begins_again_until_its_time_is_over() {
    let mut rig = rig();
    let uri = reserve(&mut rig, later(5)).expect("room");
    let mut alice = Caller::new("alice", 1);
    rig.pass(61 * MINUTE);
    rig.join(&mut alice, &uri);
    rig.leave(&mut alice, &uri);
    assert_eq!(rig.used_and_held(), (0, 5), "it stands though all have left");
    let mut bob = Caller::new("bob", 2);
    assert_eq!(rig.join(&mut bob, &uri).status.code(), 200);
    rig.leave(&mut bob, &uri);
    rig.pass(60 * MINUTE);
    assert_eq!(rig.used_and_held(), (0, 0));
    bob.cseq += 1;
    bob.to_tag = None;
    assert_eq!(rig.ask(bob.address, &bob.invite(&uri)).status.code(), 404);
    assert_eq!((rig.node.reservations(rig.now).len(), rig.disk.len()), (0, 0));
}

#[test]
fn what_runs_at_the_end_of_its_reservation_goes_on_without_the_promise() {
    let mut rig = rig();
    let uri = reserve(&mut rig, later(5)).expect("room");
    let mut alice = Caller::new("alice", 1);
    rig.pass(61 * MINUTE);
    rig.join(&mut alice, &uri);
    rig.media(mix::message::Event::Lent { ports: Vec::new() });
    let status = rig.node.status(rig.now);
    assert_eq!(status.conferences.len(), 1);
    rig.pass(60 * MINUTE);
    let holds = rig.node.holds();
    assert_eq!((holds.len(), rig.node.reservations(rig.now).len()), (1, 0));
    assert!(holds[0].until <= rig.wall_now(), "what it does not use may be taken back");
}

/// The answer is given only after it is on the disk.
#[test]
fn nothing_is_promised_before_the_disk_has_it() {
    let mut rig = rig();
    rig.disk_answers = false;
    rig.feed(Input::Reserve { ticket: 1, request: later(5) });
    assert_eq!(rig.reserved, []);
    rig.feed(Input::Stored { ticket: 1, is_kept: true });
    assert!(matches!(&rig.reserved[..], [Ok(_)]));
}

#[test]
fn disk_that_fails_promises_nothing_and_leaves_nothing() {
    let mut rig = rig();
    rig.disk_fails = true;
    assert_eq!(reserve(&mut rig, later(16)), Err(ReserveError::NotKept));
    assert!(rig.notices.contains(&Notice::NotKept));
    assert_eq!(rig.node.reservations(rig.now), []);
    rig.disk_fails = false;
    assert!(reserve(&mut rig, later(16)).is_ok());
}

#[test]
fn the_same_named_request_is_the_same_reservation() {
    let mut rig = rig();
    let named = |legs| ReserveRequest { key: Some("monday".to_owned()), ..later(legs) };
    let uri = reserve(&mut rig, named(9)).expect("room");
    assert_eq!(reserve(&mut rig, named(9)), Ok(uri.clone()));
    let other = reserve(&mut rig, later(2)).expect("room");
    assert_ne!(other, uri);
    assert_eq!(rig.node.reservations(rig.now).len(), 2);
}

/// Whoever asks for other things under a key that names a reservation must not believe that he has them.
#[test]
fn another_request_under_the_key_of_a_reservation_is_refused() {
    let mut rig = rig();
    let first = reserve(&mut rig, named("k", 9)).expect("room");
    let others = [
        named("k", 8),
        ReserveRequest { codec: Codec::Pcma, ..named("k", 9) },
        ReserveRequest { ptime: Duration::from_millis(10), ..named("k", 9) },
        ReserveRequest { from: UnixTime(named("k", 9).from.0 + 1), ..named("k", 9) },
        ReserveRequest { until: UnixTime(named("k", 9).until.0 + 1), ..named("k", 9) },
    ];
    let refused = Err(ReserveError::OtherRequest { legs: 9 });
    for other in &others {
        assert_eq!(reserve(&mut rig, other.clone()), refused, "{other:?}");
    }
    // Also by the next process; and what was promised stands.
    let mut rig = rig.killed(MINUTE, Setting { seats: 20, ..Setting::default() });
    assert_eq!(reserve(&mut rig, named("k", 8)), refused);
    assert_eq!(reserve(&mut rig, named("k", 9)), Ok(first));
    assert_eq!(rig.node.reservations(rig.now).len(), 1);
}

/// K10 · RFC 6917 §5.2.6.1: a failed request gives nothing, and errors are told apart.
#[test]
fn what_cannot_be_reserved_says_why() {
    let mut rig = rig();
    let full = ReserveError::NoRoom { asked: 17, free: 16 };
    assert_eq!(reserve(&mut rig, later(17)), Err(full), "a fifth stays for who comes by chance");
    reserve(&mut rig, later(10)).expect("room");
    let full = ReserveError::NoRoom { asked: 7, free: 6 };
    assert_eq!(reserve(&mut rig, later(7)), Err(full));
    let after = ReserveRequest {
        from: UnixTime(WALL.0 + 7_200 + 900),
        until: UnixTime(WALL.0 + 9_000),
        ..later(16)
    };
    assert!(reserve(&mut rig, after).is_ok(), "another time");
    let past = ReserveRequest { from: UnixTime(WALL.0 - 60), until: WALL, ..later(1) };
    assert_eq!(reserve(&mut rig, past), Err(ReserveError::OutOfTime));
    let none = ReserveRequest { legs: 0, ..later(1) };
    assert!(matches!(reserve(&mut rig, none), Err(ReserveError::BadSize { .. })));
    let far = ReserveRequest { until: UnixTime(WALL.0 + 40 * 86_400), ..later(1) };
    assert!(matches!(reserve(&mut rig, far), Err(ReserveError::TooFar { .. })));
    let nobodys = ReserveRequest { tenant: Some("nobody".to_owned()), ..later(1) };
    assert!(matches!(reserve(&mut rig, nobodys), Err(ReserveError::NoTenant(_))));
    let mut without = Rig::new();
    assert_eq!(reserve(&mut without, later(1)), Err(ReserveError::NoStore));
}

#[test]
fn reservation_given_up_is_gone_from_disk_and_pool() {
    let mut rig = rig();
    let uri = reserve(&mut rig, later(16)).expect("room");
    rig.feed(Input::Cancel { ticket: 8, conference: uri.clone() });
    assert!(matches!(rig.reserved.last(), Some(Ok(status)) if status.conference == uri));
    assert_eq!((rig.disk.len(), rig.node.reservations(rig.now).len()), (0, 0));
    reserve(&mut rig, later(16)).expect("the room is free again");
    rig.feed(Input::Cancel { ticket: 9, conference: uri });
    assert_eq!(rig.reserved.last(), Some(&Err(ReserveError::NotFound)));
}

/// Conferences that began before and go on are not ended: the reservation gets what there is, and the rest as
/// others leave.
#[test]
fn reservation_that_finds_others_still_there_is_filled_as_they_leave() {
    let mut rig = rig();
    let uri = reserve(&mut rig, later(16)).expect("room");
    let mut bob = Caller::new("bob", 2);
    let response = rig.ask(bob.address, &bob.invite(&format!("{FACTORY};seats=1")));
    let theirs = crate::rig::contact(&response);
    rig.join(&mut bob, &theirs);
    let mut others: Vec<Caller> =
        (3..9).map(|number| Caller::new(&format!("other{number}"), number)).collect();
    for other in &mut others {
        rig.join(other, &theirs);
    }
    rig.pass(50 * MINUTE);
    assert_eq!(rig.node.reservations(rig.now)[0].missing, 3);
    assert_eq!(rig.used_and_held(), (7, 13));
    rig.leave(&mut others[0], &theirs);
    rig.leave(&mut others[1], &theirs);
    assert_eq!(rig.node.reservations(rig.now)[0].missing, 1);
    let mut alice = Caller::new("alice", 1);
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
    rig.leave(&mut others[2], &theirs);
    assert_eq!(rig.node.reservations(rig.now)[0].missing, 0);
}

fn only_one(rig: &Rig) -> ConferenceView {
    let (mut all, _) = rig.node.conferences(rig.now, None, 10);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn named(key: &str, legs: u32) -> ReserveRequest {
    ReserveRequest { key: Some(key.to_owned()), ..later(legs) }
}

/// Administrators see it like any conference, before its time too, and what they set counts when it begins, in the next
/// process too.
#[test]
fn what_is_reserved_can_be_seen_and_changed_before_its_time() {
    let mut rig = rig();
    let uri = reserve(&mut rig, later(5)).expect("room");
    let view = only_one(&rig);
    assert_eq!((view.uri.as_str(), view.stage, view.seats), (uri.as_str(), Stage::Reserved, 5));
    let shown = &rig.node.status(rig.now).conferences[0];
    assert_eq!((shown.state, shown.seats), (ConferenceState::Reserved, 5));
    let change = Change { max: Some(Some(1)), ..Change::default() };
    let changed = rig.steer(|node, now| node.change_conference(now, view.id, &change)).0;
    assert_eq!(changed.map(|view| view.max), Ok(Some(1)));
    let mut rig = rig.killed(MINUTE, Setting { seats: 20, ..Setting::default() });
    assert_eq!(only_one(&rig).max, Some(1));
    rig.pass(61 * MINUTE);
    assert_eq!(only_one(&rig).stage, Stage::Reserved);
    assert_eq!(rig.join(&mut Caller::new("alice", 1), &uri).status.code(), 200);
    assert_eq!(only_one(&rig).stage, Stage::Active);
    assert_eq!(rig.join(&mut Caller::new("bob", 2), &uri).status.code(), 486);
}

/// Whether it waits for its time, is open or runs: no room is kept for it, it does not begin again, and its URI stays dead.
#[test]
fn a_reservation_goes_with_the_conference_that_an_administrator_ends() {
    for (waits, is_in) in [(0, false), (50, false), (61, false), (61, true)] {
        let mut rig = rig();
        let uri = reserve(&mut rig, later(16)).expect("room");
        rig.pass(waits * MINUTE);
        if is_in {
            rig.join(&mut Caller::new("alice", 1), &uri);
        }
        let id = only_one(&rig).id;
        let (ended, sent) = rig.steer(|node, now| node.end_conference(now, id));
        let is_bye = |request: &sip::Request| request.method == Method::Bye;
        assert_eq!(ended, Ok(()));
        assert_eq!(requests(sent).iter().filter(|it| is_bye(it)).count(), usize::from(is_in));
        assert_eq!(rig.node.reservations(rig.now), [], "{waits}");
        rig.pass(MINUTE);
        assert_eq!(rig.node.conference(rig.now, id), Err(SteerError::NoConference));
        rig.feed(Input::Cancel { ticket: 9, conference: uri.clone() });
        assert_eq!(rig.reserved.last(), Some(&Err(ReserveError::NotFound)));
        let setting = || Setting { seats: 20, ..Setting::default() };
        let mut rig = rig.killed(MINUTE, setting());
        rig.pass((61_u32).saturating_sub(waits) * MINUTE);
        assert_eq!(rig.join(&mut Caller::new("bob", 2), &uri).status.code(), 404, "{waits}");
        assert_eq!((rig.used_and_held(), rig.node.leftovers()), ((0, 0), Leftovers::default()));
        rig.pass(180 * MINUTE);
        assert_eq!(rig.disk.len(), 0);
    }
}

/// What is promised is what the first of them asked for, on the disk too.
#[test]
fn another_request_under_a_key_changes_nothing_of_what_was_promised() {
    let mut rig = rig();
    rig.disk_answers = false;
    for (ticket, legs) in [(1, 3), (2, 16)] {
        rig.feed(Input::Reserve { ticket, request: named("monday", legs) });
    }
    for ticket in [1, 2] {
        rig.feed(Input::Stored { ticket, is_kept: true });
    }
    let legs = |rig: &Rig| rig.node.reservations(rig.now).iter().map(|it| it.legs).sum::<u32>();
    assert_eq!((rig.reserved.len(), legs(&rig)), (2, 3));
    assert!(rig.reserved.contains(&Err(ReserveError::OtherRequest { legs: 3 })));
    let rig = rig.killed(MINUTE, Setting { seats: 20, ..Setting::default() });
    assert_eq!(legs(&rig), 3);
}

/// The same name for the next week: that of this week still runs, or is over and remembered. None disturbs the other.
#[test]
fn a_key_names_another_reservation_when_the_first_is_over() {
    let next_week = || ReserveRequest {
        from: UnixTime(WALL.0 + 7 * 86_400),
        until: UnixTime(WALL.0 + 7 * 86_400 + 3_600),
        ..named("weekly", 5)
    };
    for still_runs in [true, false] {
        let mut rig = rig();
        let first = reserve(&mut rig, named("weekly", 5)).expect("room");
        let mut alice = Caller::new("alice", 1);
        rig.pass(61 * MINUTE);
        rig.join(&mut alice, &first);
        rig.pass(60 * MINUTE);
        if !still_runs {
            rig.leave(&mut alice, &first);
        }
        let second = reserve(&mut rig, next_week()).expect("room");
        assert_ne!(first, second);
        assert_eq!(reserve(&mut rig, next_week()), Ok(second.clone()));
        if still_runs {
            assert_eq!(rig.join(&mut Caller::new("bob", 2), &first).status.code(), 200);
            rig.leave(&mut alice, &first);
        }
        // What is remembered of the first is forgotten; the second is not.
        let mut rig = rig.killed(MINUTE, Setting { seats: 20, ..Setting::default() });
        rig.pass(24 * 60 * MINUTE);
        assert_eq!(reserve(&mut rig, next_week()), Ok(second.clone()));
        assert_eq!(rig.node.reservations(rig.now).len(), 1);
        rig.pass(6 * 24 * 60 * MINUTE - 90 * MINUTE);
        assert_eq!(rig.join(&mut Caller::new("carol", 3), &second).status.code(), 200);
    }
}

/// Each that an administrator ends is remembered for a while.
#[test]
fn a_key_that_named_too_many_is_refused() {
    let mut rig = rig();
    for _ in 0..64 {
        reserve(&mut rig, named("k", 5)).expect("room");
        let id = only_one(&rig).id;
        rig.steer(|node, now| node.end_conference(now, id)).0.expect("ended");
    }
    assert_eq!(reserve(&mut rig, named("k", 5)), Err(ReserveError::KeyUsed { most: 64 }));
    reserve(&mut rig, named("l", 5)).expect("another key");
    rig.pass(200 * MINUTE);
    let later = ReserveRequest { until: UnixTime(WALL.0 + 20_000), ..named("k", 5) };
    reserve(&mut rig, later).expect("they are forgotten");
}

/// As many as are promised room, though the factory usually lets fewer in.
#[test]
fn all_for_whom_room_is_reserved_get_in() {
    let usual = Setting::default();
    let factory = FactoryConfig { expect: 2, legs_max: Some(2), ..usual.factory };
    let setting = Setting { factory, seats: 20, ..Setting::default() };
    let mut rig = Rig::with(setting).with_disk(BTreeMap::new());
    for (legs, expected) in [(1, 2), (3, 3)] {
        let uri = reserve(&mut rig, named(&legs.to_string(), legs)).expect("room");
        rig.pass(if legs == 1 { 61 * MINUTE } else { Duration::ZERO });
        for number in 0..expected {
            let mut caller = Caller::new("in", 10 * expected + number);
            assert_eq!(rig.join(&mut caller, &uri).status.code(), 200);
        }
        let mut last = Caller::new("last", 10 * expected + expected);
        assert_eq!(rig.join(&mut last, &uri).status.code(), 486, "{legs}");
    }
}

/// A participant's number is never used again in it: not even where all have left, and the mixer has not yet reported on who was
/// in before.
#[test]
fn who_comes_when_it_begins_again_is_nobody_who_was_in_before() {
    let mut rig = rig();
    let uri = reserve(&mut rig, later(5)).expect("room");
    rig.pass(61 * MINUTE);
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    rig.join(&mut alice, &uri);
    rig.mixer_waits = true;
    rig.leave(&mut alice, &uri);
    rig.join(&mut bob, &uri);
    let (people, _) = rig.node.participants(rig.now, only_one(&rig).id, None, 9).expect("it runs");
    assert_eq!(people.iter().map(|it| it.id).collect::<Vec<_>>(), [1]);
    rig.mixer_answers();
    rig.leave(&mut bob, &uri);
    let of_leg = |record: &Record| match record {
        Record::Leg(leg) => Some((leg.leg, leg.participant.clone(), leg.media.is_some())),
        Record::Conference(_) => None,
    };
    let legs: Vec<_> = rig.records.iter().filter_map(of_leg).collect();
    let of = |leg, name: &str| (leg, format!("sip:{name}@example.com"), true);
    assert_eq!(legs, [of(0, "alice"), of(1, "bob")]);
    rig.pass(60 * MINUTE);
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// RFC 3261 §13.2.2.4: whoever the conference called, before all left and it began again, has each copy of his answer acknowledged.
#[test]
fn copies_of_an_answer_are_acknowledged_though_the_conference_has_begun_again() {
    let allow = vec!["127.0.0.0/8".parse().expect("a rule")];
    let dial_out = DialRules { allow, ..DialRules::default() };
    let mut rig = Rig::with(Setting { dial_out, ..Setting::default() }).with_disk(BTreeMap::new());
    let uri = reserve(&mut rig, later(5)).expect("room");
    rig.pass(61 * MINUTE);
    let mut alice = Caller::new("alice", 1);
    rig.join(&mut alice, &uri);
    let id = only_one(&rig).id;
    let target = "sip:carol@127.0.0.1:6003";
    let (called, sent) = rig.steer(|node, now| node.call_participant(now, id, target));
    called.expect("called");
    let invite = requests(sent).remove(0);
    let carol = "127.0.0.1:6003".parse().expect("an address");
    let rings = Response::answering(&invite, StatusCode::RINGING).with_to_tag("c");
    rig.receive_bytes(carol, &rings.to_bytes());
    rig.leave(&mut alice, &uri);
    let mut answer = Response::answering(&invite, StatusCode::OK).with_to_tag("c");
    answer.headers.push(HeaderName::Contact, "<sip:carol@127.0.0.1:6003>".to_owned());
    let methods = |sent| -> Vec<Method> {
        requests(sent).iter().map(|request: &sip::Request| request.method.clone()).collect()
    };
    let sent = rig.receive_bytes(carol, &answer.to_bytes());
    assert_eq!(methods(sent), [Method::Ack, Method::Bye], "it crossed our CANCEL");
    assert_eq!(only_one(&rig).stage, Stage::Reserved);
    rig.join(&mut Caller::new("bob", 2), &uri);
    let sent = rig.receive_bytes(carol, &answer.to_bytes());
    assert_eq!(methods(sent), [Method::Ack]);
    let (people, _) = rig.node.participants(rig.now, id, None, 9).expect("it runs");
    assert_eq!(people.len(), 1, "bob is in, as before");
}
