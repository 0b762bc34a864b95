//! The whole job, over a network: a factory with its focus, a convener, answerers.

use std::time::Duration;

use sip::StatusCode;
use units::{Instant, Rng};

use super::*;
use crate::answerer::{Answerer, AnswererConfig, AnswererEvent};
use crate::event::{CallFailure, EndCause};
use crate::testing::{ALICE, Faults, Focus, Made, Seen, Solo, World, config, slots, uri};
use crate::testing::{Machine, addr};
use crate::trust::{Pattern, TrustPolicy};

const BOB: &str = "192.0.2.20:5060";
const CAROL: &str = "192.0.2.30:5060";
const FOCUS: &str = "192.0.2.90:5060";

fn convener_config(refer: ReferMode, stay_s: u64) -> ConvenerConfig {
    ConvenerConfig {
        ua: config("alice", ALICE),
        factory: uri(&format!("sip:conference@{FOCUS}")),
        invitees: vec![uri(&format!("sip:bob@{BOB}")), uri(&format!("sip:carol@{CAROL}"))],
        refer,
        stay: Some(Duration::from_secs(stay_s)),
        media: slots(ALICE, 2),
    }
}

fn convener(refer: ReferMode, stay_s: u64) -> Convener {
    Convener::new(Instant::ZERO, convener_config(refer, stay_s), Rng::from_number(1))
        .expect("a good configuration")
}

/// A terminal that follows everybody.
fn follower(user: &str, address: &str) -> Answerer {
    answerer(user, address, vec![Pattern::Anyone], 2)
}

fn answerer(user: &str, address: &str, patterns: Vec<Pattern>, media: u16) -> Answerer {
    terminal(user, address, TrustPolicy { loopback: false, callers: true, patterns }, media)
}

fn terminal(user: &str, address: &str, trust: TrustPolicy, media: u16) -> Answerer {
    let config = AnswererConfig {
        ua: config(user, address),
        trust,
        media: slots(address, media),
        once: false,
        watches: false,
    };
    Answerer::new(config, Rng::from_number(user.len() as u64 + 40))
}

fn world(faults: Faults, seed: u64, focus: Focus, convener: Convener) -> World {
    let mut world = World::new(seed, faults);
    world.add(FOCUS, focus);
    world.add(ALICE, convener);
    world
}

fn conference() -> Uri {
    Focus::new(FOCUS, 302, 200).conference()
}

/// RFC 4579 §5.4 (figure 4), §5.6: the flow that everything serves, step by step.
#[test]
fn two_are_referred_to_the_conference_of_the_302() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Auto, 20));
    world.add(BOB, follower("bob", BOB));
    world.add(CAROL, follower("carol", CAROL));
    world.run_until_ms(19_000);
    let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
    assert_eq!(members, ["alice", "bob", "carol"]);
    let expected = [
        Step::Calling { factory: uri(&format!("sip:conference@{FOCUS}")) },
        Step::Redirected { to: conference() },
        Step::Joined { conference: conference() },
        Step::InviteeAsked { invitee: 0, inside: false },
        Step::InviteeAsked { invitee: 1, inside: false },
        Step::InviteeCalling { invitee: 0 },
        Step::InviteeCalling { invitee: 1 },
        Step::InviteeJoined { invitee: 0 },
        Step::InviteeJoined { invitee: 1 },
    ];
    assert_eq!(world.steps(ALICE), expected);
    let by = format!("joined bob by <sip:alice@{ALICE}>");
    assert!(world.seen_by(FOCUS).contains(&Seen::Focus(by)), "RFC 3892 §2.2");
    assert_eq!(world.sent(ALICE, BOB, "INVITE"), 0);

    world.run_until_ms(60_000);
    let steps = world.steps(ALICE);
    assert_eq!(steps[9..], [Step::Ended { outcome: Outcome::Left }, Step::Finished]);
    assert!(world.seen_by(FOCUS).contains(&Seen::Focus("left alice".to_owned())));
    let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
    assert_eq!(members, ["bob", "carol"]);
    let started = MediaNotice::Started {
        slot: SlotId(0),
        media: negotiated(&world),
        signalling: addr(FOCUS),
        purpose: Purpose::Conference,
    };
    let stopped = MediaNotice::Stopped { slot: SlotId(0) };
    assert_eq!(media(&world, ALICE), [started, stopped]);
}

fn media(world: &World, address: &str) -> Vec<MediaNotice> {
    let notices = world.seen_by(address).into_iter().filter_map(|seen| match seen {
        Seen::Media(notice) => Some(notice),
        _ => None,
    });
    notices.collect()
}

fn negotiated(world: &World) -> Negotiated {
    match media(world, ALICE).into_iter().next() {
        Some(MediaNotice::Started { media, .. }) => media,
        other => panic!("{other:?}"),
    }
}

/// RFC 4579 §5.4: a factory that answers 200 itself; the URI is that of the Contact with isfocus.
#[test]
fn a_factory_that_answers_directly_works_the_same() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 200, 200), convener(ReferMode::Outside, 20));
    world.add(BOB, follower("bob", BOB));
    world.add(CAROL, follower("carol", CAROL));
    world.run_until_ms(15_000);
    let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
    assert_eq!(members, ["alice", "bob", "carol"]);
    assert!(world.steps(ALICE).contains(&Step::Joined { conference: conference() }));
}

/// B24 · RFC 4579 §5.6: whoever refuses a REFER outside a dialog is called and referred inside.
#[test]
fn who_refuses_outside_is_called_and_referred_inside() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Auto, 30));
    world.add(BOB, answerer("bob", BOB, Vec::new(), 2));
    world.add(CAROL, follower("carol", CAROL));
    world.run_until_ms(29_000);
    let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
    assert_eq!(members, ["alice", "bob", "carol"]);
    let bobs: Vec<Step> = world
        .steps(ALICE)
        .into_iter()
        .filter(|step| format!("{step:?}").contains("ee: 0"))
        .collect();
    assert_eq!(bobs.len(), 5, "{bobs:?}");
    assert_eq!(bobs[0], Step::InviteeAsked { invitee: 0, inside: false });
    match &bobs[1] {
        Step::InviteeCalled { invitee: 0, after: Some(InviteeFailure::Refused(refusal)) } => {
            assert_eq!(refusal.status, StatusCode::DECLINE);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bobs[2], Step::InviteeAsked { invitee: 0, inside: true });
    assert_eq!(bobs[3], Step::InviteeCalling { invitee: 0 });
    assert_eq!(bobs[4], Step::InviteeJoined { invitee: 0 });
    // The call that served for it was hung up.
    assert_eq!(world.sent(ALICE, BOB, "BYE"), 1);
    let notices = media(&world, ALICE);
    let private = |notice: &&MediaNotice| {
        matches!(notice, MediaNotice::Started { purpose: Purpose::Private, .. })
    };
    assert_eq!(notices.iter().filter(private).count(), 1);
    assert!(notices.contains(&MediaNotice::Stopped { slot: SlotId(1) }));
}

/// With one media socket for them, invitees are called one after the other.
#[test]
fn invitees_wait_for_a_free_media_socket() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Inside, 30));
    world.add(BOB, answerer("bob", BOB, Vec::new(), 2));
    world.add(CAROL, answerer("carol", CAROL, Vec::new(), 2));
    world.run_until_ms(29_000);
    let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
    assert_eq!(members, ["alice", "bob", "carol"]);
    assert_eq!(world.sent(ALICE, BOB, "REFER"), 1);
    let steps = world.steps(ALICE);
    let at = |step: &Step| steps.iter().position(|other| other == step).expect("that step");
    let carol_called = at(&Step::InviteeCalled { invitee: 1, after: None });
    assert!(carol_called > at(&Step::InviteeJoined { invitee: 0 }));
}

/// In `outside` mode nobody is called.
#[test]
fn outside_only_means_outside_only() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Outside, 60));
    world.add(BOB, answerer("bob", BOB, Vec::new(), 2)); // and nobody is at Carol's address
    world.run_until_ms(50_000);
    let steps = world.steps(ALICE);
    let refused = |step: &&Step| match step {
        Step::InviteeRefused { invitee: 0, why: InviteeFailure::Refused(refusal) } => {
            refusal.status == StatusCode::DECLINE
        }
        _ => false,
    };
    assert_eq!(steps.iter().filter(refused).count(), 1);
    let why = InviteeFailure::NoAnswer;
    assert!(steps.contains(&Step::InviteeRefused { invitee: 1, why }));
    assert_eq!(world.sent(ALICE, BOB, "INVITE") + world.sent(ALICE, CAROL, "INVITE"), 0);
}

/// Nobody is there at all: patience, then a call, then the timeout of that.
#[test]
fn who_does_not_answer_is_called_after_a_while() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Auto, 100));
    world.add(BOB, follower("bob", BOB));
    world.run_until_ms(8_000);
    assert_eq!(world.sent(ALICE, CAROL, "INVITE"), 0);
    world.run_until_ms(8_200);
    assert_eq!(world.sent(ALICE, CAROL, "INVITE"), 1);
    let after = Some(InviteeFailure::NoAnswer);
    assert!(world.steps(ALICE).contains(&Step::InviteeCalled { invitee: 1, after }));
    world.run_until_ms(60_000);
    // The REFER's own timers went on: RFC 3261 §17.1.2.2.
    assert_eq!(world.sent(ALICE, CAROL, "REFER"), 11);
    let why = InviteeFailure::CallFailed(CallFailure::NoAnswer);
    assert!(world.steps(ALICE).contains(&Step::InviteeRefused { invitee: 1, why }));
}

/// He was only slow: he wakes up while we call him, answers the call, and then the REFER's next copy.
/// He is brought in once only.
#[test]
fn a_late_answer_to_the_refer_ends_the_call_to_him() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Auto, 100));
    world.add(CAROL, follower("carol", CAROL));
    world.run_until_ms(8_150);
    assert_eq!(world.sent(ALICE, BOB, "INVITE"), 1);
    world.add(BOB, follower("bob", BOB));
    // The INVITE's second copy finds him at 8.5 s, the REFER's sixth at 11.5 s.
    world.run_until_ms(60_000);
    let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
    assert_eq!(members, ["alice", "bob", "carol"]);
    let joined = |step: &&Step| **step == Step::InviteeJoined { invitee: 0 };
    assert_eq!(world.steps(ALICE).iter().filter(joined).count(), 1);
    assert_eq!(world.sent(ALICE, BOB, "BYE"), 1);
    let inside = Step::InviteeAsked { invitee: 0, inside: true };
    assert!(!world.steps(ALICE).contains(&inside));
}

/// As before, but he refuses the late REFER: then he is referred inside the call.
#[test]
fn a_late_refusal_of_the_refer_leads_inside() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Auto, 100));
    world.add(CAROL, follower("carol", CAROL));
    world.run_until_ms(8_150);
    let nobody = TrustPolicy { loopback: false, callers: false, patterns: Vec::new() };
    world.add(BOB, terminal("bob", BOB, nobody, 2));
    world.run_until_ms(60_000);
    let steps = world.steps(ALICE);
    assert!(steps.contains(&Step::InviteeAsked { invitee: 0, inside: true }), "{steps:#?}");
    let refused = |step: &&Step| match step {
        Step::InviteeRefused { invitee: 0, why: InviteeFailure::Refused(refusal) } => {
            refusal.status == StatusCode::DECLINE
        }
        _ => false,
    };
    assert_eq!(steps.iter().filter(refused).count(), 1, "{steps:#?}");
    assert_eq!(world.sent(ALICE, BOB, "BYE"), 1, "he who does not come is not kept on the line");
}

/// RFC 3515 §2.4.5: who is not let in says so, and why.
#[test]
fn who_is_not_admitted_is_shown_with_the_words_of_the_focus() {
    let focus = Focus::new(FOCUS, 302, 200).with_seats(2);
    let mut world = world(Faults::NONE, 1, focus, convener(ReferMode::Auto, 20));
    world.add(BOB, follower("bob", BOB));
    world.add(CAROL, follower("carol", CAROL));
    world.run_until_ms(15_000);
    let refused = world.steps(ALICE).into_iter().find_map(|step| match step {
        Step::InviteeRefused { why: InviteeFailure::NotAdmitted(refusal), .. } => Some(refusal),
        _ => None,
    });
    let refusal = refused.expect("one of them");
    assert_eq!(refusal.status, StatusCode::BUSY_HERE);
    assert_eq!(refusal.warning.as_deref(), Some("no seat is free"));
    assert_eq!(refusal.retry_after_seconds, Some(7));
}

/// The refusals of factory and focus, and what a person can do.
#[test]
fn refusals_of_the_factory_are_outcomes_with_advice() {
    let cases = [
        (480, 200, "try again in 7 s"),
        (486, 200, "somebody has to leave"),
        (503, 200, "takes no new conferences now: try again in 7 s"),
        (404, 200, "spelled right"),
        (302, 486, "somebody has to leave"),
    ];
    for (factory, admits, advice) in cases {
        let focus = Focus::new(FOCUS, factory, admits);
        let mut world = world(Faults::NONE, 1, focus, convener(ReferMode::Auto, 20));
        world.run_until_ms(40_000);
        let steps = world.steps(ALICE);
        let [.., Step::Ended { outcome }, Step::Finished] = steps.as_slice() else {
            panic!("{steps:?}")
        };
        let Outcome::NotJoined(CallFailure::Refused(refusal)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(refusal.warning.as_deref(), Some("no seat is free"));
        let line = outcome.advice().expect("advice");
        assert!(line.contains(advice), "{factory}: {line}");
        assert_eq!(media(&world, ALICE), []);
        // Those who were to come are told of in one line each.
        let abandoned = Step::InviteeRefused { invitee: 0, why: InviteeFailure::Abandoned };
        assert_eq!(steps.iter().filter(|step| **step == abandoned).count(), 1);
    }
}

#[test]
fn a_factory_that_is_not_there_is_an_outcome() {
    let mut world = World::new(1, Faults::NONE);
    world.add(ALICE, convener(ReferMode::Auto, 20));
    world.run_until_ms(60_000);
    let outcome = Outcome::NotJoined(CallFailure::NoAnswer);
    assert!(outcome.advice().expect("advice").contains("running"));
    let steps = world.steps(ALICE);
    assert_eq!(steps[steps.len() - 2..], [Step::Ended { outcome }, Step::Finished]);
}

/// The conference ends under us: BYE from the focus.
#[test]
fn a_conference_that_ends_under_us_is_an_outcome() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Auto, 100));
    world.add(BOB, follower("bob", BOB)); // and Carol is not there
    world.run_until_ms(5_000);
    world.at(FOCUS, |machine, now| machine.as_focus().end(now));
    world.run_until_ms(6_000);
    let steps = world.steps(ALICE);
    let outcome = Outcome::ConferenceEnded(EndCause::Remote { reason: None });
    let abandoned = Step::InviteeRefused { invitee: 1, why: InviteeFailure::Abandoned };
    assert_eq!(steps[steps.len() - 3..], [abandoned, Step::Ended { outcome }, Step::Finished]);
    world.run_until_ms(200_000);
    assert_eq!(world.steps(ALICE).len(), steps.len(), "nothing comes after the end");
    assert_eq!(world.sent(ALICE, CAROL, "INVITE"), 0);
}

/// Leaving while invitees are being called ends those calls too.
#[test]
fn leaving_ends_the_calls_to_invitees() {
    let mut config = convener_config(ReferMode::Inside, 100);
    config.invitees.truncate(1);
    let convener = Convener::new(Instant::ZERO, config, Rng::from_number(1)).expect("good");
    let mut world = world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener);
    world.run_until_ms(1_000); // Bob is not there: his INVITE is unanswered
    world.at(ALICE, |machine, now| machine.as_convener().leave(now));
    world.at(ALICE, |machine, now| machine.as_convener().leave(now));
    world.run_until_ms(2_000);
    let steps = world.steps(ALICE);
    assert!(steps.contains(&Step::Ended { outcome: Outcome::Left }));
    assert!(!steps.contains(&Step::Finished), "the INVITE to Bob has no end yet");
    world.run_until_ms(60_000);
    assert_eq!(world.steps(ALICE).last(), Some(&Step::Finished));
}

/// A peer that is no conference: hung up, and said so.
#[test]
fn a_plain_phone_is_no_conference() {
    let mut config = convener_config(ReferMode::Auto, 20);
    config.factory = uri(&format!("sip:bob@{BOB}"));
    let convener = Convener::new(Instant::ZERO, config, Rng::from_number(1)).expect("good");
    let mut world = World::new(1, Faults::NONE);
    world.add(ALICE, convener);
    world.add(BOB, follower("bob", BOB));
    world.run_until_ms(30_000);
    let outcome = Outcome::NotAConference;
    assert!(outcome.advice().is_some());
    let steps = world.steps(ALICE);
    assert_eq!(steps[steps.len() - 2..], [Step::Ended { outcome }, Step::Finished]);
    assert_eq!(world.sent(ALICE, BOB, "BYE"), 1);
}

/// Convened terminals are not to be had for anything else meanwhile.
#[test]
fn a_convener_is_busy_and_follows_nobody() {
    let mut world =
        world(Faults::NONE, 1, Focus::new(FOCUS, 302, 200), convener(ReferMode::Auto, 20));
    let mut other = Ua::new(config("bob", BOB), Rng::from_number(5));
    let (alice, focus) = (uri(&format!("sip:alice@{ALICE}")), conference());
    let options = CallOptions::new(crate::testing::media(1));
    other.call(Instant::ZERO, &alice, options).expect("called");
    other.refer(Instant::ZERO, &alice, &focus, crate::How::Outside).expect("referred");
    world.add(BOB, other);
    world.run_until_ms(100);
    assert_eq!(world.sent(ALICE, BOB, "SIP/2.0 486"), 1);
    assert_eq!(world.sent(ALICE, BOB, "SIP/2.0 603"), 1);
}

#[test]
fn bad_configurations_are_refused() {
    let refused = |change: fn(&mut ConvenerConfig)| {
        let mut config = convener_config(ReferMode::Auto, 1);
        change(&mut config);
        Convener::new(Instant::ZERO, config, Rng::from_number(1)).map(|_| ()).unwrap_err()
    };
    let error = refused(|config| config.factory = uri("tel:+4930123"));
    assert_eq!(error, ConvenerError::FactoryUri);
    let error = refused(|config| config.invitees.push(uri("sips:dave@example.com")));
    assert_eq!(error, ConvenerError::InviteeUri(2));
    let error = refused(|config| config.media.truncate(1));
    assert_eq!(error, ConvenerError::MediaSlots { got: 1, needed: 2 });
    let error = refused(|config| {
        config.invitees = vec![config.factory.clone(); INVITEES_MAX + 1];
    });
    assert_eq!(error, ConvenerError::TooManyInvitees(INVITEES_MAX + 1));
}

/// Which URI is passed on: the 302's, byte for byte, if it says isfocus; else the focus' own.
#[test]
fn the_uri_that_is_passed_on() {
    let (moved, focus) = (uri("sip:a@h"), uri("sip:b@h"));
    let cases = [
        (Some((moved.clone(), true)), Some(focus.clone()), Some(moved.clone())),
        (Some((moved.clone(), false)), Some(focus.clone()), Some(focus.clone())),
        (Some((moved.clone(), false)), None, Some(moved)),
        (None, Some(focus.clone()), Some(focus)),
        (None, None, None),
    ];
    for (sent_to, contact, expected) in cases {
        assert_eq!(conference_uri(sent_to, contact), expected);
    }
}

/// 30 seeds of loss, doubling and reordering: everybody gets in, once, and everything ends.
#[test]
fn the_job_gets_done_over_a_bad_network() {
    let faults = Faults { loss_percent: 15.0, double_percent: 10.0, jitter_ms: 60 };
    for seed in 0..30 {
        let refuses_outside = seed % 2 == 1;
        let mut world =
            world(faults, seed, Focus::new(FOCUS, 302, 200), convener(ReferMode::Auto, 60));
        let patterns = if refuses_outside { Vec::new() } else { vec![Pattern::Anyone] };
        world.add(BOB, answerer("bob", BOB, patterns, 2));
        world.add(CAROL, follower("carol", CAROL));
        world.run_until_ms(55_000);
        let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
        assert_eq!(members, ["alice", "bob", "carol"], "seed {seed}: {:#?}", world.seen);
        let steps = world.steps(ALICE);
        for invitee in 0..2 {
            let joined = |step: &&Step| **step == Step::InviteeJoined { invitee };
            assert_eq!(steps.iter().filter(joined).count(), 1, "seed {seed}: {steps:#?}");
        }
        world.run_until_ms(100_000);
        world.at(BOB, |machine, now| machine.as_answerer().hang_up_all(now));
        world.at(CAROL, |machine, now| machine.as_answerer().hang_up_all(now));
        world.run_until_ms(300_000);
        assert_eq!(world.steps(ALICE).last(), Some(&Step::Finished), "seed {seed}");
        for address in [BOB, CAROL] {
            let finished = Seen::Answerer(AnswererEvent::Finished);
            assert_eq!(world.seen_by(address).last(), Some(&finished), "seed {seed}");
        }
        let members = world.at(FOCUS, |machine, _| machine.as_focus().members());
        assert!(members.is_empty(), "seed {seed}: {members:?}");
        for address in [ALICE, BOB, CAROL] {
            let left = world.at(address, |machine, _| machine.deadline());
            assert_eq!(left, None, "seed {seed}: a timer is left at {address}");
        }
    }
}

/// A phone that takes the REFER inside the call with 202, after its NOTIFY, names it, and hangs up
/// by itself (as seen from baresip).
#[test]
fn a_phone_of_the_old_kind_is_brought_in() {
    let mut config = convener_config(ReferMode::Inside, 60);
    config.factory = uri("sip:conference@192.0.2.2");
    config.invitees = vec![uri("sip:bob@192.0.2.2")];
    let mut phone = Phone::new(config);
    // The factory, at the same address, answers directly.
    let invite = phone.next("INVITE");
    let mut ok = crate::testing::accepted(&invite, "focus");
    ok.headers.set(sip::HeaderName::Contact, "<sip:conf-1@192.0.2.2>;isfocus");
    phone.receive(ok.to_bytes());
    phone.next("ACK");
    let invite = phone.next("INVITE");
    assert_eq!(invite.uri.to_string(), "sip:bob@192.0.2.2");
    phone.receive(crate::testing::accepted(&invite, "bob").to_bytes());
    phone.next("ACK");
    let refer = phone.next("REFER");
    let refer_to = refer.headers.get(&sip::HeaderName::ReferTo).expect("Refer-To");
    assert_eq!(refer_to.text(), "<sip:conf-1@192.0.2.2>");
    let sipfrag = "Event: refer;id=2\nSubscription-State: active;expires=60\n\
                   Content-Type: message/sipfrag\n\nSIP/2.0 100 Trying\n";
    phone.receive_text(&Solo::in_dialog(&invite, "NOTIFY", 1, sipfrag));
    phone.receive(crate::testing::reply(&refer, 202, "bob").to_bytes());
    phone.receive_text(&Solo::in_dialog(&invite, "BYE", 2, "\n"));
    let sipfrag = "Event: refer;id=2\nSubscription-State: terminated;reason=reason=noresource\n\
                   Content-Type: message/sipfrag\n\nSIP/2.0 200 OK\n";
    phone.receive_text(&Solo::in_dialog(&invite, "NOTIFY", 3, sipfrag));
    let expected = [
        Step::InviteeCalled { invitee: 0, after: None },
        Step::InviteeAsked { invitee: 0, inside: true },
        Step::InviteeCalling { invitee: 0 },
        Step::InviteeJoined { invitee: 0 },
    ];
    assert_eq!(phone.steps[phone.steps.len() - 4..], expected);
}

/// A convener whose every peer is written by hand.
struct Phone {
    convener: Convener,
    sent: Vec<sip::Request>,
    steps: Vec<Step>,
}

impl Phone {
    fn new(config: ConvenerConfig) -> Self {
        let convener = Convener::new(Instant::ZERO, config, Rng::from_number(1)).expect("good");
        let mut phone = Self { convener, sent: Vec::new(), steps: Vec::new() };
        phone.drain();
        phone
    }

    fn drain(&mut self) {
        while let Some(made) = self.convener.poll() {
            match made {
                Made::Packet(packet) => {
                    let message = sip::parse_datagram(&packet.bytes).expect("we can be read");
                    if let sip::Message::Request(request) = message {
                        self.sent.push(request);
                    }
                }
                Made::Seen(Seen::Step(step)) => self.steps.push(step),
                Made::Seen(_) => {}
            }
        }
    }

    fn next(&mut self, method: &str) -> sip::Request {
        assert!(!self.sent.is_empty(), "{method} expected; {:?}", self.steps);
        let request = self.sent.remove(0);
        assert_eq!(request.method.as_str(), method);
        request
    }

    fn receive(&mut self, bytes: Vec<u8>) {
        let path = crate::testing::path(ALICE, crate::testing::BOB);
        self.convener.handle_packet(Instant::ZERO, Packet { path, bytes });
        self.drain();
    }

    fn receive_text(&mut self, text: &str) {
        self.receive(text.replace('\n', "\r\n").into_bytes());
    }
}
