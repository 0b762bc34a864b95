//! What an administrator does to a conference that runs.

use sip::{Method, SipUri, Uri};
use units::{Instant, Rng};

use super::callee::{BOB, accepts, answer};
use super::rig::{CONFERENCE, Caller, Rig};
use crate::{CallRefused, DialRules, End, Focus, LegEnd, LegId, NoSuchLeg, Output};

fn target(text: &str) -> SipUri {
    match text.parse().unwrap() {
        Uri::Sip(uri) => uri,
        Uri::Other { .. } => panic!("{text}"),
    }
}

fn mutes(rig: &Rig) -> Vec<(LegId, bool)> {
    let mutes = rig.log.iter().filter_map(|(_, output)| match output {
        Output::MuteMedia { leg, is_muted } => Some((*leg, *is_muted)),
        _ => None,
    });
    mutes.collect()
}

#[test]
fn muting_twice_is_muting_once_and_only_who_is_in_can_be_muted() {
    let mut rig = Rig::new();
    let leg = rig.join(&mut Caller::new("alice", 1));
    assert_eq!(rig.focus.mute(rig.now, leg, true), Ok(true));
    assert_eq!(rig.focus.mute(rig.now, leg, true), Ok(false));
    rig.drain();
    assert!(rig.focus.roster()[0].muted);
    assert_eq!(rig.focus.mute(rig.now, leg, false), Ok(true));
    rig.drain();
    assert_eq!(mutes(&rig), [(leg, true), (leg, false)]);
    assert!(!rig.focus.roster()[0].muted);
    assert_eq!(rig.focus.mute(rig.now, LegId(77), true), Err(NoSuchLeg));
    rig.focus.remove_leg(rig.now, leg).unwrap();
    rig.drain();
    assert_eq!(rig.focus.mute(rig.now, leg, true), Err(NoSuchLeg), "he is on his way out");
}

/// Who is muted stays so where the conference goes.
#[test]
fn a_restored_conference_mutes_whom_it_muted() {
    let mut rig = Rig::new();
    let leg = rig.join(&mut Caller::new("alice", 1));
    rig.focus.mute(rig.now, leg, true).unwrap();
    rig.focus.lock(rig.now, true);
    rig.drain();
    let snapshot = rig.focus.snapshot(rig.now);
    let focus = Focus::restore(Instant::from_millis(5), snapshot.clone(), Rng::from_number(2));
    let mut copy = Rig::around(focus.unwrap());
    copy.drain();
    assert_eq!(mutes(&copy), [(leg, true)]);
    assert_eq!(copy.focus.snapshot(Instant::from_millis(5)), snapshot);
}

#[test]
fn whom_an_administrator_removes_is_told_by_bye_with_a_reason() {
    let mut rig = Rig::new();
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let (leg, other) = (rig.join(&mut alice), rig.join(&mut bob));
    assert_eq!(rig.focus.remove_leg(rig.now, leg), Ok(()));
    rig.drain();
    let (bye, _) = rig.last_request();
    let reason = bye.headers.get(&sip::HeaderName::parse("Reason").unwrap()).unwrap();
    assert_eq!((bye.method, reason.text().contains("Removed")), (Method::Bye, true));
    assert_eq!(rig.focus.remove_leg(rig.now, leg), Err(NoSuchLeg));
    rig.answer(leg, &Method::Bye, 200);
    assert_eq!((rig.leg_ends(), rig.ended()), (vec![(leg, LegEnd::Removed)], vec![]));
    assert_eq!(rig.focus.roster()[0].leg, other);
}

/// Nobody is in: the conference waits for those whom it calls, and no longer.
#[test]
fn a_conference_that_nobody_joined_can_call_and_ends_when_nobody_comes() {
    let mut rig = Rig::new();
    let leg = rig.focus.call(rig.now, &target(BOB)).unwrap();
    rig.drain();
    rig.take_seat();
    let (_, invite) = rig.dialled();
    assert_eq!((invite.uri.to_string(), rig.ended()), (BOB.to_owned(), vec![]));
    let second = rig.focus.call(rig.now, &target("sip:carol@192.0.2.3")).unwrap();
    rig.drain();
    rig.take_seat();
    let (_, to_carol) = rig.dialled();
    rig.callee_answers(leg, &answer(&invite, 486, "b", ""));
    assert_eq!(rig.ended(), [], "carol still rings");
    rig.callee_answers(second, &accepts(&to_carol, "c"));
    assert_eq!((rig.focus.leg_count(), rig.ended()), (1, vec![]));

    let mut rig = Rig::new();
    let leg = rig.focus.call(rig.now, &target(BOB)).unwrap();
    rig.drain();
    rig.take_seat();
    let (_, invite) = rig.dialled();
    rig.callee_answers(leg, &answer(&invite, 486, "b", ""));
    assert_eq!(rig.ended(), [End::LastLeft]);
}

/// T31: the rules are those for REFER.
#[test]
fn calls_of_an_administrator_need_a_rule_and_have_a_pace() {
    let mut rig = Rig::new();
    let call = |rig: &mut Rig, uri: &str| rig.focus.call(rig.now, &target(uri));
    assert_eq!(call(&mut rig, CONFERENCE), Err(CallRefused::Itself));
    rig.focus.config.dial_out.refers_per_minute = 1;
    assert!(call(&mut rig, BOB).is_ok());
    assert_eq!(call(&mut rig, BOB), Err(CallRefused::TooMany));
    rig.focus.config.dial_out = DialRules::default();
    assert_eq!(call(&mut rig, BOB), Err(CallRefused::NoRule));
    rig.focus.end(rig.now, End::Ordered);
    rig.focus.config.dial_out = rig_rules();
    assert_eq!(call(&mut rig, BOB), Err(CallRefused::Ending));
}

fn rig_rules() -> DialRules {
    Rig::new().focus.config.dial_out
}
