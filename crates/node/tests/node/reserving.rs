//! Reservations: the URI now, the room then.

use std::collections::BTreeMap;
use std::time::Duration;

use node::{Input, Notice, ReservationState, ReserveError, ReserveRequest};
use pool::Codec;
use sip::HeaderName;
use units::UnixTime;

use crate::rig::{Caller, FACTORY, Rig, Setting, WALL, header};

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
    assert!(warning.contains("reserved for later"), "{warning}");
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
