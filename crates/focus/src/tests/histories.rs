//! Random histories of a conference against a checker.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sip::Method;
use units::{Instant, Rng};

use super::callee::BOB;
use super::rig::{Caller, OFFER, Rig};
use crate::{Creator, End, EndPolicy, Focus, FocusSnapshot, LegId, Output};

#[derive(Clone, Debug)]
enum Op {
    Invite {
        caller: usize,
        offer: bool,
    },
    Reinvite {
        caller: usize,
        offer: bool,
    },
    Ack {
        caller: usize,
        answer: bool,
    },
    /// The ACK to an INVITE before the last one.
    OldAck {
        caller: usize,
    },
    Bye {
        caller: usize,
    },
    Options {
        caller: usize,
    },
    Stale {
        caller: usize,
    },
    Silent {
        leg: u32,
    },
    MediaFailed {
        leg: u32,
    },
    Update {
        caller: usize,
        offer: bool,
    },
    Answer {
        leg: u32,
        method: Method,
        status: u16,
    },
    Fail {
        leg: u32,
        method: Method,
    },
    /// The creator has somebody called, or removed.
    Refer {
        target: &'static str,
    },
    /// Room for the leg that wanted it last, or none.
    Seat {
        there_is: bool,
    },
    /// Who was called last says something.
    Callee {
        status: u16,
        tag: &'static str,
    },
    /// The last report is taken, or not.
    Report {
        status: Option<u16>,
    },
    Wait {
        ms: u64,
    },
    End,
}

const CALLERS: [&str; 3] = ["alice", "bob", "carol"];

fn op() -> impl Strategy<Value = Op> {
    let caller = 0..CALLERS.len();
    let leg = 0..6_u32;
    prop_oneof![
        4 => (caller.clone(), any::<bool>()).prop_map(|(caller, offer)| Op::Invite { caller, offer }),
        2 => (caller.clone(), any::<bool>()).prop_map(|(caller, offer)| Op::Reinvite { caller, offer }),
        5 => (caller.clone(), any::<bool>()).prop_map(|(caller, answer)| Op::Ack { caller, answer }),
        1 => caller.clone().prop_map(|caller| Op::OldAck { caller }),
        1 => caller.clone().prop_map(|caller| Op::Bye { caller }),
        1 => caller.clone().prop_map(|caller| Op::Options { caller }),
        2 => (caller.clone(), any::<bool>()).prop_map(|(caller, offer)| Op::Update { caller, offer }),
        1 => caller.prop_map(|caller| Op::Stale { caller }),
        2 => leg.clone().prop_map(|leg| Op::Silent { leg }),
        1 => leg.clone().prop_map(|leg| Op::MediaFailed { leg }),
        3 => (leg.clone(), method(), prop::sample::select(STATUSES.to_vec()))
            .prop_map(|(leg, method, status)| Op::Answer { leg, method, status }),
        1 => (leg, method()).prop_map(|(leg, method)| Op::Fail { leg, method }),
        4 => prop::sample::select(TARGETS.to_vec()).prop_map(|target| Op::Refer { target }),
        4 => any::<bool>().prop_map(|there_is| Op::Seat { there_is }),
        4 => (prop::sample::select(CALLEE_SAYS.to_vec()), prop::sample::select(vec!["b", "c"]))
            .prop_map(|(status, tag)| Op::Callee { status, tag }),
        2 => prop::sample::select(vec![Some(200), Some(481), Some(503), None])
            .prop_map(|status| Op::Report { status }),
        2 => (1..20_000_u64).prop_map(|ms| Op::Wait { ms }),
        1 => Just(Op::End),
    ]
}

struct World {
    rig: Rig,
    callers: Vec<Caller>,
    calls: u32,
}

impl World {
    fn new(end: EndPolicy) -> Self {
        let callers: Vec<_> =
            CALLERS.iter().zip(1..).map(|(name, last)| Caller::new(name, last)).collect();
        let mut callers = callers;
        // Bob is refreshed by re-INVITE, carol by UPDATE.
        let timer = "Supported: timer\nSession-Expires: 90;refresher=uas\n";
        callers[1].more = timer.to_owned();
        callers[2].more = format!("{timer}Allow: INVITE, ACK, BYE, UPDATE\n");
        let creator = Creator::of(&callers[0].clone().next("INVITE", ""));
        Self { rig: Rig::with(end, Some(creator)), callers, calls: 0 }
    }

    fn apply(&mut self, op: &Op) {
        let Self { rig, callers, calls } = self;
        match *op {
            Op::Invite { caller, offer } => {
                *calls += 1;
                let caller = &mut callers[caller];
                caller.to_tag = None;
                caller.call_id = format!("call-{calls}");
                if rig.try_invite(&caller.next("INVITE", if offer { OFFER } else { "" })).is_ok() {
                    caller.heard(&rig.last_response());
                }
            }
            Op::Reinvite { caller, offer } => {
                let caller = &mut callers[caller];
                if caller.to_tag.is_some() {
                    rig.send(&caller.next("INVITE", if offer { OFFER } else { "" }));
                }
            }
            Op::Ack { caller, answer } => {
                let caller = &callers[caller];
                rig.send(&caller.request("ACK", caller.cseq, if answer { OFFER } else { "" }));
            }
            Op::OldAck { caller } => {
                let caller = &callers[caller];
                rig.send(&caller.request("ACK", caller.cseq.saturating_sub(1), ""));
            }
            Op::Bye { caller } => {
                rig.send(&callers[caller].next("BYE", ""));
            }
            Op::Options { caller } => {
                rig.send(&callers[caller].next("OPTIONS", ""));
            }
            Op::Stale { caller } => {
                rig.send(&callers[caller].request("BYE", 0, ""));
            }
            Op::Silent { leg } => rig.focus.media_silent(rig.now, LegId(leg)),
            Op::MediaFailed { leg } => rig.focus.media_failed(rig.now, LegId(leg)),
            Op::Update { caller, offer } => {
                rig.send(&callers[caller].next("UPDATE", if offer { OFFER } else { "" }));
            }
            Op::Answer { leg, ref method, status } => {
                rig.answer_last(LegId(leg), method, (status, ""), OFFER);
            }
            Op::Fail { leg, ref method } => {
                rig.focus.request_failed(rig.now, LegId(leg), method, sip::Failure::Timeout);
            }
            Op::Refer { target } => {
                let alice = &mut callers[0];
                if alice.to_tag.is_some() {
                    rig.refer(alice, target, "");
                }
            }
            Op::Seat { there_is } => rig.seat_or_not(there_is),
            Op::Callee { status, tag } => rig.callee_says(status, tag),
            Op::Report { status } => rig.report_taken_or_not(status),
            Op::Wait { ms } => rig.run_to_ms(rig.now.as_millis() + ms),
            Op::End => rig.focus.end(rig.now, End::Ordered),
        }
        self.rig.drain();
    }

    /// Nobody says anything any more: all must come to its end by itself.
    fn finish(&mut self) {
        // A focus that asks for room is answered at once.
        self.rig.seat_or_not(false);
        self.rig.focus.end(self.rig.now, End::Ordered);
        self.rig.drain();
        self.rig.run_to_ms(self.rig.now.as_millis() + 200_000);
    }
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::Bye, Method::Options, Method::Invite, Method::Update])
}

const TARGETS: [&str; 4] =
    [BOB, "sip:carol@192.0.2.3", "sip:bob@example.com;method=BYE", "sip:bob@192.0.2.2;method=BYE"];

const CALLEE_SAYS: [u16; 8] = [100, 180, 183, 200, 200, 302, 422, 486];

const STATUSES: [u16; 9] = [100, 200, 404, 405, 408, 422, 481, 488, 491];

/// What a leg went through, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Started,
    Opened,
    Closed,
    Ended,
}

/// What is no leg: calls of ours, and whether each is over; dialogs of reports.
#[derive(Default)]
struct Aside {
    dials: BTreeMap<LegId, bool>,
    open_dialogs: BTreeSet<sip::DialogId>,
}

impl Aside {
    fn check(&mut self, output: &Output, is_leg: impl Fn(&LegId) -> bool) -> Result<(), String> {
        match output {
            Output::SeatWanted { leg, .. } => {
                ensure(self.dials.insert(*leg, false).is_none(), "a leg wanted twice")
            }
            Output::DialEnded { leg, .. } => {
                ensure(self.dials.insert(*leg, true) == Some(false), "a call ended twice")?;
                ensure(!is_leg(leg), "a call ended that had become a leg")
            }
            Output::Dial { leg, .. } | Output::Cancel { leg } | Output::Ringing { leg, .. } => {
                ensure(self.dials.get(leg) == Some(&false), "a call goes on after its end")?;
                ensure(!is_leg(leg), "a call goes on as a leg")
            }
            Output::DialogOpened { dialog } => {
                ensure(self.open_dialogs.insert(dialog.clone()), "a dialog opened twice")
            }
            Output::DialogClosed { dialog } => {
                ensure(self.open_dialogs.remove(dialog), "a dialog closed twice")
            }
            _ => Ok(()),
        }
    }
}

/// Who still asks gets 481, and a late 2xx its ACK and BYE.
fn may_be_late(output: &Output) -> bool {
    matches!(output, Output::Respond { .. } | Output::Acknowledge { .. } | Output::Aside { .. })
}

fn check(log: &[(u64, Output)]) -> Result<(), String> {
    let mut marks: BTreeMap<LegId, Vec<Mark>> = BTreeMap::new();
    let mut byes = BTreeSet::new();
    let mut ended = false;
    let mut aside = Aside::default();
    for (ms, output) in log {
        ensure(!ended || may_be_late(output), "something after Ended")?;
        ended |= matches!(output, Output::Ended { .. });
        let mark = match output {
            Output::SeatWanted { .. }
            | Output::DialEnded { .. }
            | Output::Dial { .. }
            | Output::Cancel { .. }
            | Output::Ringing { .. }
            | Output::DialogOpened { .. }
            | Output::DialogClosed { .. } => {
                aside.check(output, |leg| marks.contains_key(leg))?;
                continue;
            }
            Output::LegStarted { leg, dialog } if aside.dials.contains_key(leg) => {
                // In which it rang: it is the leg's now.
                aside.open_dialogs.remove(dialog);
                let before = aside.dials.insert(*leg, true);
                ensure(before == Some(false), "a leg after the end of its call")?;
                (leg, Mark::Started)
            }
            Output::LegStarted { leg, .. } => (leg, Mark::Started),
            Output::OpenMedia { leg, .. } => (leg, Mark::Opened),
            Output::CloseMedia { leg, .. } => (leg, Mark::Closed),
            Output::LegEnded { leg, .. } => (leg, Mark::Ended),
            Output::UpdateMedia { leg, .. }
            | Output::MuteMedia { leg, .. }
            | Output::Prompt { leg, .. } => {
                ensure(marks[leg].last() == Some(&Mark::Opened), "media changed but not open")?;
                continue;
            }
            Output::Request { leg, request, .. } => {
                ensure(request.method != Method::Bye || byes.insert(*leg), "two BYEs")?;
                check_request(&request.method, marks[leg].last())?;
                continue;
            }
            Output::ResendSuccess { leg, .. } => {
                ensure(!marks[leg].contains(&Mark::Ended), "2xx after the end")?;
                ensure(!byes.contains(leg), "2xx after BYE")?;
                continue;
            }
            Output::Acknowledge { leg, .. } => {
                // Forks of a call of ours come when they like.
                let is_over = marks.get(leg).is_some_and(|marks| marks.contains(&Mark::Ended));
                ensure(aside.dials.contains_key(leg) || !is_over, "ACK after the end")?;
                continue;
            }
            Output::Joined(_)
            | Output::Ended { .. }
            | Output::Respond { .. }
            | Output::AckIgnored { .. }
            | Output::Aside { .. }
            | Output::Notify { .. }
            | Output::Refer { .. }
            | Output::Inform { .. }
            | Output::EndsSoon { .. }
            | Output::Waits(_)
            | Output::WrongPin { .. } => continue,
        };
        let so_far = marks.entry(*mark.0).or_default();
        ensure(so_far.last() < Some(&mark.1), &format!("{ms}: {mark:?} after {so_far:?}"))?;
        so_far.push(mark.1);
    }
    ensure(ended, "not ended")?;
    ensure(aside.open_dialogs.is_empty(), "a dialog of reports stays open")?;
    ensure(aside.dials.values().all(|over| *over), "a call did not come to its end")?;
    let whole = [Mark::Started, Mark::Opened, Mark::Closed, Mark::Ended];
    ensure(marks.values().all(|marks| *marks == whole), "a leg did not come to its end")
}

fn check_request(method: &Method, last: Option<&Mark>) -> Result<(), String> {
    match *method == Method::Bye {
        true => ensure(last == Some(&Mark::Closed), "BYE with media open"),
        false => ensure(last == Some(&Mark::Opened), "probe of a leg on its way out"),
    }
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn copied(focus: &Focus, now: Instant) -> Focus {
    let text = serde_json::to_string(&focus.snapshot(now)).unwrap();
    let snapshot: FocusSnapshot = serde_json::from_str(&text).unwrap();
    Focus::restore(now, snapshot, Rng::from_number(2)).unwrap()
}

/// The checker itself: a log with any one of these outputs missing, or twice, does not pass.
#[test]
fn canary_log_with_a_step_missing_or_doubled_is_caught() {
    let mut world = World::new(EndPolicy::LastLeaves);
    world.apply(&Op::Invite { caller: 0, offer: true });
    world.apply(&Op::Ack { caller: 0, answer: false });
    world.finish();
    let log = world.rig.log;
    assert_eq!(check(&log), Ok(()));
    for index in 0..log.len() {
        if matches!(log[index].1, Output::Joined(_) | Output::Respond { .. }) {
            continue;
        }
        let mut doubled = log.clone();
        doubled.insert(index, log[index].clone());
        assert!(check(&doubled).is_err(), "{:?} twice", log[index]);
        let mut missing = log.clone();
        missing.remove(index);
        let is_bye = matches!(log[index].1, Output::Request { .. });
        assert!(is_bye || check(&missing).is_err(), "{:?} missing", log[index]);
    }
}

/// A call in whose early dialog it is answered: that dialog ends with the leg. Random histories seldom come by here.
#[test]
fn a_called_leg_keeps_the_dialog_in_which_it_rang() {
    let mut world = World::new(EndPolicy::LastLeaves);
    world.apply(&Op::Invite { caller: 0, offer: true });
    world.apply(&Op::Refer { target: BOB });
    world.apply(&Op::Seat { there_is: true });
    world.apply(&Op::Callee { status: 180, tag: "b" });
    world.apply(&Op::Callee { status: 200, tag: "b" });
    world.finish();
    assert!(world.rig.log.iter().any(|(_, output)| matches!(output, Output::DialogOpened { .. })));
    assert_eq!(check(&world.rig.log), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every leg is started, opened, closed and ended once and in this order, no BYE goes out twice
    /// or with media open, and a conference that is let alone comes to its end.
    #[test]
    fn every_leg_comes_to_its_end(
        ops in prop::collection::vec(op(), 1..60),
        creator_leaves: bool,
    ) {
        let policy =
            if creator_leaves { EndPolicy::CreatorLeaves } else { EndPolicy::LastLeaves };
        let mut world = World::new(policy);
        for op in &ops {
            world.apply(op);
            prop_assert!(world.rig.focus.leg_count() <= ops.len());
        }
        world.finish();
        prop_assert_eq!(check(&world.rig.log), Ok(()));
        prop_assert_eq!((world.rig.focus.leg_count(), world.rig.focus.deadline()), (0, None));
        prop_assert!(world.rig.focus.by_dialog.is_empty());
    }

    /// A33 · RFC 3261 §15
    #[test]
    fn no_bye_before_the_ack_or_32_s(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new(EndPolicy::CreatorLeaves);
        for op in &ops {
            let before = world.rig.log.len();
            let waiting: BTreeSet<_> = world.rig.focus.legs.values()
                .filter(|leg| leg.state.unacked().is_some())
                .map(|leg| leg.id)
                .collect();
            world.apply(op);
            let acked_or_waited = matches!(op, Op::Ack { .. } | Op::OldAck { .. } | Op::Wait { .. });
            for (_, output) in &world.rig.log[before..] {
                if let Output::Request { leg, request, .. } = output
                    && request.method == Method::Bye
                {
                    prop_assert!(acked_or_waited || !waiting.contains(leg), "{:?}", op);
                }
            }
        }
    }

    /// Wherever it is cut, a conference restored is the same one. (A BYE under way is sent again, so
    /// its dialog differs; calls of ours that are cut off, and what was to be reported, are reported.)
    #[test]
    fn snapshot_round_trip(ops in prop::collection::vec(op(), 1..40)) {
        let mut world = World::new(EndPolicy::LastLeaves);
        for op in &ops {
            world.apply(op);
            let now = world.rig.now;
            let focus = &world.rig.focus;
            let leaving = focus.legs.values().any(|leg| {
                matches!(leg.state, crate::leg::State::Leaving { .. })
            });
            let copy = copied(focus, now);
            let calling = focus.dialling.values().any(|dialling| dialling.is_pending());
            if !leaving && !calling && focus.referrals.is_empty() {
                prop_assert_eq!(copy.snapshot(now), focus.snapshot(now));
            }
            prop_assert_eq!(copy.legs.len(), focus.legs.len());
        }
    }
}
