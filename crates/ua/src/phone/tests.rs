//! A phone among other machines over a network.

use sip::StatusCode;
use units::{Instant, Rng};

use super::*;
use crate::answerer::{Answerer, AnswererConfig, AnswererEvent};
use crate::config::CallOptions;
use crate::event::ReferOutcome;
use crate::testing::{ALICE, Faults, Focus, Machine, Seen, World, addr, config, media, slots, uri};
use crate::trust::Pattern;

const BOB: &str = "192.0.2.20:5060";
const CAROL: &str = "192.0.2.30:5060";
const FOCUS: &str = "192.0.2.90:5060";
/// A focus that calls whom it is told to.
const DIALLER: &str = "192.0.2.91:5060";

fn phone(user: &str, address: &str) -> Phone {
    let config = PhoneConfig {
        ua: config(user, address),
        trust: TrustPolicy::default(),
        factory: Some(uri(&format!("sip:conference@{FOCUS}"))),
        media: slots(address, 4),
    };
    Phone::new(config, Rng::from_number(5))
}

fn answerer(user: &str, address: &str) -> Answerer {
    let trust = TrustPolicy { patterns: vec![Pattern::Anyone], ..TrustPolicy::default() };
    let config = AnswererConfig {
        ua: config(user, address),
        trust,
        media: slots(address, 3),
        once: false,
        watches: false,
    };
    Answerer::new(config, Rng::from_number(user.len() as u64))
}

fn world(focus: Focus) -> World {
    let mut world = World::new(1, Faults::NONE);
    world.add(FOCUS, focus);
    world.add(ALICE, phone("alice", ALICE));
    world.add(BOB, answerer("bob", BOB));
    world.add(CAROL, answerer("carol", CAROL));
    world
}

fn bob() -> Uri {
    uri(&format!("sip:bob@{BOB}"))
}

fn carol() -> Uri {
    uri(&format!("sip:carol@{CAROL}"))
}

fn tell(world: &mut World, command: PhoneCommand) {
    world.at(ALICE, |machine, now| machine.as_phone().command(now, command));
}

fn run(world: &mut World, ms: u64) {
    let until = world.now.as_millis() + ms;
    world.run_until_ms(until);
}

fn news(world: &World) -> Vec<PhoneNews> {
    let news = world.seen_by(ALICE).into_iter().filter_map(|seen| match seen {
        Seen::Phone(news) => Some(news),
        _ => None,
    });
    news.collect()
}

fn steps(world: &World) -> Vec<MergeStep> {
    let steps = news(world).into_iter().filter_map(|news| match news {
        PhoneNews::Merge(step) => Some(step),
        _ => None,
    });
    steps.collect()
}

fn ended(world: &World) -> Vec<(LineId, EndCause)> {
    let ended = news(world).into_iter().filter_map(|news| match news {
        PhoneNews::Ended { line, why } => Some((line, why)),
        _ => None,
    });
    ended.collect()
}

/// Calls to bob (1) and carol (2) that are up.
fn two_calls(focus: Focus) -> World {
    let mut world = world(focus);
    tell(&mut world, PhoneCommand::Call(bob()));
    run(&mut world, 1_000);
    tell(&mut world, PhoneCommand::Call(carol()));
    run(&mut world, 1_000);
    world
}

fn is_quiet(world: &mut World) -> bool {
    world.at(ALICE, |machine, _| machine.as_phone().ua.is_quiet())
}

/// B23 · RFC 4579 §5.6: each is referred inside his call and calls the conference; our calls with them end.
#[test]
fn two_calls_become_one_conference() {
    let mut world = two_calls(Focus::new(FOCUS, 302, 200));
    tell(&mut world, PhoneCommand::Merge);
    run(&mut world, 5_000);
    let conference = Focus::new(FOCUS, 302, 200).conference();
    let lines = vec![LineId(1), LineId(2)];
    let way = Way::Himself;
    let expected = [
        MergeStep::Begun { lines },
        MergeStep::Joined { line: LineId(3), conference: conference.clone() },
        MergeStep::Asked { line: LineId(1), way },
        MergeStep::Asked { line: LineId(2), way },
        MergeStep::Moved { line: LineId(1), way },
        MergeStep::Moved { line: LineId(2), way },
        MergeStep::Ended(MergeOutcome::Done { moved: 2, kept: 0 }),
    ];
    assert_eq!(steps(&world), expected);
    assert_eq!(ended(&world), [(LineId(1), EndCause::Local), (LineId(2), EndCause::Local)]);
    let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
    assert_eq!(members, ["alice", "bob", "carol"]);
    for peer in [BOB, CAROL] {
        assert_eq!(world.sent(ALICE, peer, "REFER"), 1);
        assert_eq!(world.sent(ALICE, peer, "INVITE"), 1, "the call that there was, and no other");
        assert_eq!(world.sent(ALICE, peer, "BYE"), 1);
    }
    // A second conference is not made for who comes later.
    world.add(DIALLER, answerer("dave", DIALLER));
    tell(&mut world, PhoneCommand::Call(uri(&format!("sip:dave@{DIALLER}"))));
    run(&mut world, 1_000);
    tell(&mut world, PhoneCommand::Merge);
    run(&mut world, 5_000);
    assert_eq!(world.sent(ALICE, FOCUS, "INVITE sip:conference@"), 1);
    let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
    assert_eq!(members.len(), 4);
    world.at(ALICE, |machine, now| machine.as_phone().stop(now));
    run(&mut world, 1_000);
    assert_eq!(news(&world).last(), Some(&PhoneNews::Finished));
    assert!(is_quiet(&mut world));
}

/// A party that takes no REFER is fetched by the focus; if that takes none either, all stays as it was.
#[test]
fn whom_no_way_brings_in_stays_in_his_call() {
    let mut world = two_calls(Focus::new(FOCUS, 302, 200));
    let config = config("erin", DIALLER);
    world.add(DIALLER, Ua::new(config, Rng::from_number(3)));
    tell(&mut world, PhoneCommand::Call(uri(&format!("sip:erin@{DIALLER}"))));
    run(&mut world, 1_000);
    let call = incoming(&world, DIALLER);
    world.at(DIALLER, |ua, now| ua.as_ua().accept(now, call, media(20_000))).expect("accepted");
    run(&mut world, 1_000);
    tell(&mut world, PhoneCommand::Merge);
    run(&mut world, 12_000); // nobody decides at erin's: declined after 10 s
    let of_erin: Vec<_> = steps(&world).into_iter().filter(|step| speaks_of(step, 3)).collect();
    let codes: Vec<_> = of_erin.iter().map(code).collect();
    let ways = [Way::Himself, Way::Replacing, Way::DialledOut];
    let expected = ways.iter().flat_map(|way| {
        let refused = if *way == Way::Himself { 603 } else { 501 };
        [(Some(*way), None), (Some(*way), Some(refused))]
    });
    assert_eq!(codes[..6], expected.collect::<Vec<_>>());
    assert_eq!(of_erin[6..], [MergeStep::Kept { line: LineId(3) }]);
    let last = MergeStep::Ended(MergeOutcome::Done { moved: 2, kept: 1 });
    assert_eq!(steps(&world).last(), Some(&last));
    assert!(!ended(&world).iter().any(|(line, _)| *line == LineId(3)));
    assert_eq!(world.sent(ALICE, DIALLER, "BYE"), 0);
}

fn speaks_of(step: &MergeStep, number: u32) -> bool {
    match step {
        MergeStep::Asked { line, .. }
        | MergeStep::Refused { line, .. }
        | MergeStep::Moved { line, .. }
        | MergeStep::Kept { line } => line.0 == number,
        MergeStep::Begun { .. } | MergeStep::Joined { .. } | MergeStep::Ended(_) => false,
    }
}

fn code(step: &MergeStep) -> (Option<Way>, Option<u16>) {
    match step {
        MergeStep::Asked { way, .. } | MergeStep::Moved { way, .. } => (Some(*way), None),
        MergeStep::Refused { way, why: ReferOutcome::Refused(refusal), .. } => {
            (Some(*way), Some(refusal.status.code()))
        }
        _ => (None, None),
    }
}

/// The newest call that came to a plain user agent.
fn incoming(world: &World, address: &str) -> CallId {
    let mut calls = world.seen_by(address).into_iter().filter_map(|seen| match seen {
        Seen::Ua(Event::IncomingCall { call, .. }) => Some(call),
        _ => None,
    });
    calls.next_back().expect("a call")
}

fn referral(world: &World, address: &str) -> ReferralId {
    let mut referrals = world.seen_by(address).into_iter().filter_map(|seen| match seen {
        Seen::Ua(Event::IncomingReferral { referral, .. }) => Some(referral),
        _ => None,
    });
    referrals.next_back().expect("a REFER")
}

/// B29 · RFC 4579 §5.10: the focus calls him with a Replaces for our call; he takes it and ends that.
#[test]
fn the_focus_calls_a_party_in_the_place_of_our_call() {
    let dialler = uri(&format!("sip:conf-1@{DIALLER}"));
    let mut world = world(Focus::new(FOCUS, 302, 200).sending_to(dialler));
    world.add(DIALLER, Ua::new(config("conf-1", DIALLER), Rng::from_number(9)));
    world.machines.remove(&addr(BOB));
    let mut refuses = answerer("bob", BOB);
    refuses = refuses.trusting(TrustPolicy { loopback: false, callers: false, patterns: vec![] });
    world.add(BOB, refuses);
    tell(&mut world, PhoneCommand::Call(bob()));
    run(&mut world, 1_000);
    tell(&mut world, PhoneCommand::Merge);
    run(&mut world, 1_000);
    let call = incoming(&world, DIALLER);
    world.at(DIALLER, |ua, now| ua.as_ua().accept(now, call, media(20_000))).expect("accepted");
    run(&mut world, 1_000);
    let refer = referral(&world, DIALLER);
    world
        .at(DIALLER, |ua, now| ua.as_ua().accept_referral(now, refer, media(20_002)))
        .expect("followed");
    run(&mut world, 1_000);
    let moved = MergeStep::Moved { line: LineId(1), way: Way::Replacing };
    assert!(steps(&world).contains(&moved), "{:?}", steps(&world));
    assert_eq!(ended(&world), [(LineId(1), EndCause::Remote { reason: None })], "bob has ended it");
    assert_eq!((world.sent(BOB, ALICE, "BYE"), world.sent(ALICE, BOB, "BYE")), (1, 0));
    assert_eq!(world.sent(DIALLER, BOB, "INVITE"), 1);
    let replaced = world.seen_by(BOB).into_iter().find_map(|seen| match seen {
        Seen::Answerer(AnswererEvent::Ended { why, .. }) => Some(why),
        _ => None,
    });
    assert_eq!(replaced, Some(EndCause::Replaced));
}

#[test]
fn without_a_conference_all_calls_are_as_they_were() {
    for (factory, what) in [(480, "refused"), (200, "no focus")] {
        let mut world = two_calls(Focus::new(FOCUS, factory, 480));
        tell(&mut world, PhoneCommand::Merge);
        run(&mut world, 5_000);
        let last = steps(&world).pop();
        assert!(
            matches!(last, Some(MergeStep::Ended(MergeOutcome::NoConference(_)))),
            "{what}: {last:?}"
        );
        assert_eq!(ended(&world), []);
        // And again, if one wants.
        tell(&mut world, PhoneCommand::Merge);
        run(&mut world, 5_000);
        assert_eq!(world.sent(ALICE, FOCUS, "INVITE sip:conference@"), 2);
    }
    let mut world = two_calls(Focus::new(FOCUS, 302, 200));
    // Somebody answers who is no conference.
    world.at(ALICE, |machine, _| machine.as_phone().factory = Some(bob()));
    tell(&mut world, PhoneCommand::Merge);
    run(&mut world, 5_000);
    let outcome = MergeStep::Ended(MergeOutcome::NotAConference);
    assert_eq!(steps(&world).last(), Some(&outcome));
    assert_eq!(ended(&world), [(LineId(3), EndCause::Local)]);
}

/// A party may hang up once he has taken the REFER: his report still comes.
#[test]
fn a_party_that_hangs_up_first_has_moved_all_the_same() {
    let mut world = world(Focus::new(FOCUS, 302, 200));
    world.add(DIALLER, Ua::new(config("erin", DIALLER), Rng::from_number(3)));
    tell(&mut world, PhoneCommand::Call(uri(&format!("sip:erin@{DIALLER}"))));
    run(&mut world, 1_000);
    let call = incoming(&world, DIALLER);
    world.at(DIALLER, |ua, now| ua.as_ua().accept(now, call, media(20_000))).expect("accepted");
    run(&mut world, 1_000);
    tell(&mut world, PhoneCommand::Merge);
    run(&mut world, 1_000);
    let refer = referral(&world, DIALLER);
    world.at(DIALLER, |ua, now| {
        ua.as_ua().accept_referral(now, refer, media(20_002)).expect("followed");
        ua.as_ua().hangup(now, call);
    });
    run(&mut world, 2_000);
    assert_eq!(ended(&world), [(LineId(1), EndCause::Remote { reason: None })]);
    let last = MergeStep::Ended(MergeOutcome::Done { moved: 1, kept: 0 });
    assert_eq!(steps(&world).last(), Some(&last));
}

#[test]
fn when_the_conference_ends_the_merge_does_and_the_calls_stay() {
    let mut world = world(Focus::new(FOCUS, 302, 200));
    world.add(DIALLER, Ua::new(config("erin", DIALLER), Rng::from_number(3)));
    tell(&mut world, PhoneCommand::Call(uri(&format!("sip:erin@{DIALLER}"))));
    run(&mut world, 1_000);
    let call = incoming(&world, DIALLER);
    world.at(DIALLER, |ua, now| ua.as_ua().accept(now, call, media(20_000))).expect("accepted");
    run(&mut world, 1_000);
    tell(&mut world, PhoneCommand::Merge);
    run(&mut world, 1_000);
    world.at(FOCUS, |focus, now| focus.as_focus().end(now));
    run(&mut world, 1_000);
    let outcome =
        MergeStep::Ended(MergeOutcome::ConferenceEnded(EndCause::Remote { reason: None }));
    assert_eq!(steps(&world).last(), Some(&outcome));
    assert_eq!(ended(&world), [(LineId(2), EndCause::Remote { reason: None })]);
    tell(&mut world, PhoneCommand::Merge);
    run(&mut world, 1_000);
    assert!(matches!(steps(&world).last(), Some(MergeStep::Asked { .. })));
}

/// What we say is not for whom we have put on hold; mute is for all.
#[test]
fn hold_and_mute_silence_us() {
    let mut world = two_calls(Focus::new(FOCUS, 302, 200));
    let notices = |world: &World| {
        let seen = world.seen_by(ALICE).into_iter().filter_map(|seen| match seen {
            Seen::Media(MediaNotice::Muted { slot, muted }) => Some((slot.0, muted)),
            _ => None,
        });
        seen.collect::<Vec<_>>()
    };
    let before = notices(&world).len();
    tell(&mut world, PhoneCommand::Hold(Some(LineId(1))));
    assert_eq!(notices(&world)[before..], [(0, true)], "before the peer has agreed");
    run(&mut world, 1_000);
    let hold = PhoneNews::Hold { line: LineId(1), on_hold: true, refused: None };
    assert!(news(&world).contains(&hold));
    let before = notices(&world).len();
    tell(&mut world, PhoneCommand::Mute(true));
    tell(&mut world, PhoneCommand::Resume(None));
    run(&mut world, 1_000);
    tell(&mut world, PhoneCommand::Mute(false));
    let after = [(0, true), (1, true), (0, true), (0, false), (1, false)];
    assert_eq!(notices(&world)[before..], after);
    assert!(news(&world).contains(&PhoneNews::Muted { muted: true }));
}

/// The peer's hold is told.
#[test]
fn who_holds_us_is_told() {
    let mut world = world(Focus::new(FOCUS, 302, 200));
    world.machines.remove(&addr(BOB));
    world.add(BOB, phone("bob", BOB));
    tell(&mut world, PhoneCommand::Call(bob()));
    run(&mut world, 500);
    let answer = |machine: &mut dyn Machine, now| {
        machine.as_phone().command(now, PhoneCommand::Answer(None));
    };
    assert!(news(&world).iter().any(|news| matches!(news, PhoneNews::Ringing { .. })));
    world.at(BOB, answer);
    run(&mut world, 500);
    for hold in [true, false] {
        world.at(BOB, |machine, now| {
            let command = if hold { PhoneCommand::Hold(None) } else { PhoneCommand::Resume(None) };
            machine.as_phone().command(now, command);
        });
        run(&mut world, 500);
        let told = PhoneNews::HeldByPeer { line: LineId(1), held: hold };
        assert_eq!(news(&world).last(), Some(&told));
    }
}

/// Asked to call somebody, a person is gone from us; the merge of nothing and other wishes are denied.
#[test]
fn a_peer_is_sent_on_and_what_cannot_be_done_is_said() {
    let mut world = two_calls(Focus::new(FOCUS, 302, 200));
    tell(&mut world, PhoneCommand::Refer { line: Some(LineId(1)), to: carol() });
    run(&mut world, 2_000);
    assert_eq!(ended(&world), [(LineId(1), EndCause::Local)]);
    assert_eq!(world.sent(BOB, CAROL, "INVITE"), 1);
    let denied = |world: &mut World, command| {
        tell(world, command);
        match news(world).pop() {
            Some(PhoneNews::Denied { why }) => why,
            other => panic!("{other:?}"),
        }
    };
    use PhoneCommand as C;
    let no = PhoneError::NoSuchLine(LineId(1));
    assert_eq!(denied(&mut world, C::Hold(Some(LineId(1)))), no);
    assert_eq!(denied(&mut world, C::Resume(None)), PhoneError::Nothing("taken back"));
    let now = PhoneError::NotNow(LineId(2), "answered");
    assert_eq!(denied(&mut world, C::Answer(Some(LineId(2)))), now);
    let tel = C::Call(uri("tel:+1"));
    let unsupported = PhoneError::Ua(crate::CommandError::UnsupportedUri);
    assert_eq!(denied(&mut world, tel), unsupported);
    world.at(ALICE, |machine, _| machine.as_phone().factory = None);
    assert_eq!(denied(&mut world, C::Merge), PhoneError::NoFactory);
    tell(&mut world, C::HangUp(None));
    run(&mut world, 1_000);
    assert_eq!(denied(&mut world, C::Merge), PhoneError::NothingToMerge);
}

/// More calls than media sockets are refused, both ways.
#[test]
fn lines_are_as_many_as_media_sockets() {
    let mut world = world(Focus::new(FOCUS, 302, 200));
    world.add(DIALLER, Ua::new(config("erin", DIALLER), Rng::from_number(3)));
    for _ in 0..4 {
        let target = uri(&format!("sip:alice@{ALICE}"));
        let options = CallOptions::new(media(20_000));
        world.at(DIALLER, |ua, now| ua.as_ua().call(now, &target, options)).expect("called");
    }
    run(&mut world, 500);
    tell(&mut world, PhoneCommand::Call(bob()));
    assert_eq!(news(&world).last(), Some(&PhoneNews::Denied { why: PhoneError::Busy }));
    let target = uri(&format!("sip:alice@{ALICE}"));
    let options = CallOptions::new(media(20_000));
    let call = world.at(DIALLER, |ua, now| ua.as_ua().call(now, &target, options));
    run(&mut world, 500);
    let refused = world.seen_by(DIALLER).into_iter().any(|seen| match seen {
        Seen::Ua(Event::CallFailed { call: failed, why: CallFailure::Refused(refusal) }) => {
            Ok(failed) == call && refusal.status == StatusCode::BUSY_HERE
        }
        _ => false,
    });
    assert!(refused);
    // Declined calls make room.
    tell(&mut world, PhoneCommand::HangUp(Some(LineId(1))));
    run(&mut world, 500);
    tell(&mut world, PhoneCommand::Call(bob()));
    assert!(matches!(news(&world).last(), Some(PhoneNews::Calling { line: LineId(5), .. })));
    assert_eq!(world.now.since(Instant::ZERO).as_secs(), 1);
}
