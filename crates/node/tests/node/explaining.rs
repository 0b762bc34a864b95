//! Why a conference got its room, or did not.

use std::time::Duration;

use node::{CapacityQuery, ExplainError, ExplainQuery, ExplainedState, HoldState, Notice};
use pool::{Codec, Refusal, Seats, Verdict};
use sip::HeaderName;

use crate::rig::{Caller, FACTORY, Rig, Setting, WALL, header};

fn full_rig() -> Rig {
    Rig::with(Setting { seats: 6, ..Setting::default() })
}

fn what_if(legs: u32) -> ExplainQuery {
    let (codec, ptime) = (Codec::Pcmu, Duration::from_millis(20));
    ExplainQuery::WhatIf { legs, codec, ptime, tenant: None }
}

/// K10 · RFC 6917 §5.2.6.1: who is refused hears what there is too little of, the log says what was looked
/// at, and that is kept.
#[test]
fn refusal_says_what_there_is_too_little_of_and_is_kept() {
    let mut rig = full_rig();
    let alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(&format!("{FACTORY};seats=9")));
    assert_eq!(response.status.code(), 480);
    let warning = header(&response, &HeaderName::Warning).expect("a Warning");
    assert!(
        warning.contains("6 seats are free") && warning.contains("processor time"),
        "{warning}"
    );
    let Some(Notice::Refused { explained: Some(words), .. }) = rig.notices.last() else {
        panic!("{:?}", rig.notices);
    };
    assert!(
        words.starts_with("no mixer has room for 9 seats, the most is 6 (mixer 1/0)"),
        "{words}"
    );
    let recent = rig.node.explain(rig.now, &ExplainQuery::Recent).expect("one").decisions;
    assert_eq!(recent.len(), 1);
    assert_eq!(recent[0].state, ExplainedState::Refused);
    let full = Refusal::PoolFull { asked: Seats(9), free: Seats(6) };
    assert_eq!(recent[0].decision.refusal, Some(full));
    assert!(matches!(recent[0].decision.candidates[0].verdict, Verdict::NoRoom { .. }));
    assert_eq!(recent[0].asker.as_deref(), Some("sip:alice@example.com"));
}

#[test]
fn decision_is_kept_with_its_conference_and_after_its_end() {
    let mut rig = full_rig();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let state = |rig: &Rig| {
        let found = rig.node.explain(rig.now, &ExplainQuery::Conference(uri.clone()));
        let found = found.expect("known").decisions;
        assert_eq!((found.len(), found[0].conference.as_deref()), (1, Some(uri.as_str())));
        assert_eq!(found[0].decision.refusal, None);
        let chosen = found[0].decision.chosen().expect("chosen");
        assert_eq!((chosen.node, chosen.shard, chosen.fits), (1, 0, 6));
        found[0].state
    };
    assert_eq!(state(&rig), ExplainedState::Held);
    rig.join(&mut alice, &uri);
    assert_eq!(state(&rig), ExplainedState::Active);
    rig.leave(&mut alice, &uri);
    assert_eq!(state(&rig), ExplainedState::Ended);
    let beginning = ExplainQuery::Conference(uri["sip:".len()..][..20].to_owned());
    assert_eq!(rig.node.explain(rig.now, &beginning).map(|found| found.decisions.len()), Ok(1));
    let id = pool::id_in(&uri).expect("a conference URI").to_string();
    for name in [&id[..], &id[..6]] {
        let named = ExplainQuery::Conference(name.to_owned());
        assert_eq!(rig.node.explain(rig.now, &named).map(|found| found.decisions.len()), Ok(1));
    }
    let other = ExplainQuery::Conference("sip:conf-zzz@127.0.0.1".to_owned());
    let none = ExplainError::NoConference { name: "sip:conf-zzz@127.0.0.1".to_owned() };
    assert_eq!(rig.node.explain(rig.now, &other), Err(none));
}

#[test]
fn question_what_would_be_holds_nothing() {
    let mut rig = full_rig();
    let alice = Caller::new("alice", 1);
    rig.conference(&alice);
    let before = rig.node.leftovers();
    let answer = rig.node.explain(rig.now, &what_if(6)).expect("an answer").decisions;
    assert_eq!(answer[0].state, ExplainedState::WhatIf);
    // The hold of the unproved caller would give way to a proved one.
    let verdict = &answer[0].decision.candidates[0].verdict;
    assert_eq!(verdict, &Verdict::ChosenByPressure { evicted: 1, taken_back: 0 });
    let answer = rig.node.explain(rig.now, &what_if(7)).expect("an answer").decisions;
    assert!(answer[0].decision.refusal.is_some());
    assert_eq!(rig.node.leftovers(), before);
    assert_eq!(rig.used_and_held(), (0, 4));
}

/// Only so many are kept, the newest.
#[test]
fn refusals_that_are_kept_are_bounded() {
    let mut rig = full_rig();
    for number in 0..300 {
        let caller = Caller::new(&format!("caller{number}"), number);
        let response = rig.ask(caller.address, &caller.invite(&format!("{FACTORY};seats=9")));
        assert_eq!(response.status.code(), 480);
    }
    let recent = rig.node.explain(rig.now, &ExplainQuery::Recent).expect("many").decisions;
    assert_eq!(recent.len(), 100);
    let last = recent.iter().any(|it| it.asker.as_deref() == Some("sip:caller299@example.com"));
    let first = recent.iter().any(|it| it.asker.as_deref() == Some("sip:caller0@example.com"));
    assert!(last && !first);
}

/// However many begin with what is asked for; who asks holds up all calls.
#[test]
fn no_answer_is_about_more_than_two_hundred_conferences() {
    let mut rig = Rig::with(Setting { seats: 1_000, ..Setting::default() });
    rig.transport = sip::Transport::Tcp;
    for number in 0..240 {
        let caller = Caller::new(&format!("caller{number}"), number);
        rig.ask(caller.address, &caller.invite(&format!("{FACTORY};seats=1")));
    }
    let all = ExplainQuery::Conference("conf-".to_owned());
    for query in [ExplainQuery::Recent, all] {
        let found = rig.node.explain(rig.now, &query).expect("many").decisions;
        assert_eq!(found.len(), 200, "{query:?}");
    }
}

/// Nothing was decided about it in this process, and it is there.
#[test]
fn of_what_was_reserved_or_ran_before_a_restart_there_is_no_decision() {
    let mut rig = full_rig().with_disk(std::collections::BTreeMap::new());
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let rig = rig.killed(Duration::from_secs(3), Setting::default());
    let query = ExplainQuery::Conference(uri.clone());
    let none = ExplainError::NotDecided { name: uri };
    assert_eq!(rig.node.explain(rig.now, &query), Err(none));
}

/// K02 · RFC 6917 §5.1.5.3: what is reported is what the mixers have.
#[test]
fn capacity_shows_what_fits_and_what_runs_out() {
    let mut rig = full_rig();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let query = CapacityQuery {
        conferences: 5,
        legs: 1,
        codec: Codec::Pcmu,
        ptime: Duration::from_millis(20),
        tenant: None,
    };
    let capacity = rig.node.capacity(rig.now, Some(&query)).expect("no tenant is named");
    let plain = capacity.fits.iter().find(|fit| fit.ptime_ms == 20).expect("plain legs");
    assert_eq!((plain.empty, plain.now), (6, 2));
    let short = capacity.fits.iter().find(|fit| fit.ptime_ms == 10).expect("short packets");
    assert!(short.empty < 6, "{short:?}");
    assert_eq!(capacity.what_if.map(|it| (it.conferences, it.fit)), Some((5, 2)));
    assert_eq!(rig.used_and_held(), (1, 3), "nothing was held");
    let nobody = CapacityQuery { tenant: Some("nobody".to_owned()), ..query };
    let none = ExplainError::NoTenant { name: "nobody".to_owned() };
    assert_eq!(rig.node.capacity(rig.now, Some(&nobody)), Err(none));
}

/// K08 · RFC 6917 §5.2.3: a choice is a lease that ends by itself.
#[test]
fn holds_are_listed_with_how_firm_they_are_and_until_when() {
    let mut rig = full_rig();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let hold = rig.node.holds();
    assert_eq!(hold.len(), 1);
    assert_eq!((hold[0].conference.as_str(), hold[0].state), (uri.as_str(), HoldState::Soft));
    assert_eq!((hold[0].seats, hold[0].used, hold[0].mixer.as_str()), (4, 0, "1/0"));
    assert_eq!(hold[0].until.0, WALL.0 + 60);
    rig.join(&mut alice, &uri);
    let hold = rig.node.holds();
    assert_eq!((hold[0].state, hold[0].seats, hold[0].used), (HoldState::Active, 4, 1));
    rig.leave(&mut alice, &uri);
    assert_eq!(rig.node.holds(), []);
    rig.conference(&Caller::new("bob", 2));
    rig.pass(Duration::from_secs(61));
    assert_eq!(rig.node.holds(), [], "nobody came");
}
