//! Who is let in: PINs, the lobby, and what moderators may.

use std::time::Duration;

use sip::{HeaderName, Method};
use units::{Instant, Rng};

use super::rig::{CONFERENCE, Caller, OFFER, Rig};
use crate::{
    Creator, End, EndPolicy, EntryPolicy, EntryRules, Focus, Key, LegEnd, LegId, NOT_IN_MAX,
    NoSuchLeg, Output, ParticipantState, PinSalt, Prompt, Role, Shut,
};

const KEY: [u8; 32] = [7; 32];

fn asked(pin: &str, moderator_pin: &str, lobby: bool) -> EntryRules {
    let read = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    EntryRules { pin: read(pin), moderator_pin: read(moderator_pin), lobby }
}

fn rules(pin: &str, moderator_pin: &str, lobby: bool) -> EntryPolicy {
    asked(pin, moderator_pin, lobby).policy(&KEY, || PinSalt([1; 10]))
}

fn guarded(entry: EntryPolicy) -> Rig {
    let mut rig = Rig::new();
    rig.focus.set_entry(rig.now, entry);
    rig.drain();
    rig
}

impl Rig {
    /// Keys digits; `#` and `*` are what they are.
    fn key(&mut self, leg: LegId, keys: &str) {
        for key in keys.bytes() {
            let key = match key {
                b'#' => Key::Hash,
                b'*' => Key::Star,
                b'0'..=b'9' => Key::Digit(key - b'0'),
                _ => Key::Other,
            };
            self.focus.key(self.now, leg, key, &KEY);
        }
        self.drain();
    }

    fn prompts(&self, leg: LegId) -> Vec<(u64, Prompt)> {
        let prompts = self.log.iter().filter_map(|(ms, output)| match output {
            Output::Prompt { leg: to, prompt } if *to == leg => Some((*ms, *prompt)),
            _ => None,
        });
        prompts.collect()
    }

    fn joined(&self) -> Vec<LegId> {
        let joined = self.log.iter().filter_map(|(_, output)| match output {
            Output::Joined(line) => Some(line.leg),
            _ => None,
        });
        joined.collect()
    }

    fn state(&self, leg: LegId) -> (ParticipantState, Role) {
        let line = self.focus.roster().into_iter().find(|line| line.leg == leg).unwrap();
        (line.state, line.role)
    }

    fn reason(&self) -> String {
        let (bye, _) = self.last_request();
        assert_eq!(bye.method, Method::Bye);
        bye.headers.get(&HeaderName::Reason).unwrap().text().into_owned()
    }
}

#[test]
fn the_right_pin_lets_in_and_before_it_nobody_hears_anybody() {
    for keys in ["4711", "47*4711", "4711#", "9999#4711"] {
        let mut rig = guarded(rules("4711", "", false));
        let mut alice = Caller::new("alice", 1);
        let (leg, _) = rig.invite(&mut alice);
        assert!(rig.media(leg).apart, "from the beginning");
        assert_eq!(rig.prompts(leg), [], "before the ACK he hears nothing");
        rig.key(leg, "4711");
        assert!(rig.media(leg).apart, "and keys nothing");
        rig.send(&alice.ack());
        assert_eq!(rig.prompts(leg), [(0, Prompt::AskPin)]);
        assert_eq!((rig.state(leg).0, rig.joined()), (ParticipantState::AskedForPin, vec![]));
        rig.key(leg, keys);
        assert_eq!(rig.state(leg), (ParticipantState::Joined, Role::Guest), "{keys}");
        assert_eq!((rig.media(leg).apart, rig.joined()), (false, vec![leg]));
        assert_eq!(rig.prompts(leg).last(), Some(&(0, Prompt::Good)));
        // What he keys from now on is his own business.
        rig.key(leg, "1111#2222#3333#");
        rig.run_to_ms(100_000);
        assert_eq!((rig.state(leg).0, rig.ended()), (ParticipantState::Joined, vec![]));
    }
}

#[test]
fn three_wrong_pins_and_he_hears_it_and_goes() {
    let mut rig = guarded(rules("4711", "", false));
    let leg = rig.join(&mut Caller::new("eve", 1));
    rig.key(leg, "1234");
    rig.key(leg, "12#");
    assert_eq!(rig.prompts(leg)[1..], [(0, Prompt::Bad), (0, Prompt::Bad)]);
    rig.key(leg, "0000");
    assert_eq!(rig.state(leg).0, ParticipantState::Leaving);
    rig.key(leg, "4711");
    assert_eq!((rig.prompts(leg).len(), rig.joined()), (4, vec![]), "too late");
    assert_eq!(rig.sent(&Method::Bye), [], "he hears it first");
    rig.run_to_ms(800);
    assert_eq!(rig.reason(), "SIP;cause=403;text=\"Wrong PIN\"");
    rig.answer(leg, &Method::Bye, 200);
    assert_eq!(rig.leg_ends(), [(leg, LegEnd::WrongPin)]);
}

/// Whoever keys `#` after each PIN as he is used to: the last digit has told it to be wrong already.
#[test]
fn the_hash_of_a_wrong_pin_makes_nobody_a_guest() {
    for (keys, wait_ms, then, expected) in [
        ("80048#", 0, "80047", (ParticipantState::Joined, Role::Moderator)),
        ("80048#", 0, "", (ParticipantState::AskedForPin, Role::Guest)),
        ("80048##", 0, "", (ParticipantState::Joined, Role::Guest)),
        ("80048", 3_000, "#", (ParticipantState::Joined, Role::Guest)),
        ("8004#", 0, "#", (ParticipantState::Joined, Role::Guest)),
        ("80048*", 0, "#", (ParticipantState::Joined, Role::Guest)),
    ] {
        let mut rig = guarded(rules("", "80047", false));
        let leg = rig.join(&mut Caller::new("alice", 1));
        rig.key(leg, keys);
        rig.run_to_ms(wait_ms);
        rig.key(leg, then);
        assert_eq!(rig.state(leg), expected, "{keys} {wait_ms} {then}");
    }
}

#[test]
fn who_keys_nothing_for_30_s_goes() {
    let mut rig = guarded(rules("4711", "", false));
    let leg = rig.join(&mut Caller::new("alice", 1));
    rig.key(leg, "#");
    rig.run_to_ms(20_000);
    rig.key(leg, "471");
    rig.run_to_ms(49_999);
    assert_eq!(rig.sent(&Method::Bye), []);
    rig.run_to_ms(50_000);
    assert!(rig.reason().contains("No PIN was keyed"), "{}", rig.reason());
    rig.answer(leg, &Method::Bye, 200);
    assert_eq!(rig.leg_ends(), [(leg, LegEnd::NoPin)]);
}

/// Who holds the URI and not the PIN can try some, and then must wait; others are not kept out, until all together have
/// tried too many.
#[test]
fn pins_cannot_be_tried_without_end() {
    let mut rig = guarded(rules("471147", "", false));
    let door = |rig: &Rig, last: u8| {
        let invite = Caller::new("x", last).next("INVITE", OFFER);
        rig.focus.door(rig.now, &invite, None, Role::Guest)
    };
    let mut legs = Vec::new();
    for n in 0..4 {
        let mut eve = Caller::new("eve", 1);
        eve.call_id = format!("eve{n}");
        legs.push(rig.join(&mut eve));
    }
    for leg in &legs[..3] {
        assert_eq!(door(&rig, 1), Ok(()));
        rig.key(*leg, "000000111111222222");
    }
    let wait = Duration::from_secs(600);
    assert_eq!((door(&rig, 1), door(&rig, 2)), (Err(Shut::TooManyWrong { wait }), Ok(())));
    // A call that was there before learns nothing either, though it is right.
    rig.key(legs[3], "471147");
    rig.run_to_ms(1_000);
    assert!(rig.reason().contains("Too many wrong PINs"), "{}", rig.reason());
    assert_eq!(rig.joined(), []);
    for n in 2..20 {
        let mut eve = Caller::new("mallory", n);
        eve.call_id = format!("mallory{n}");
        let leg = rig.join(&mut eve);
        rig.key(leg, "000000111111222222");
    }
    assert!(matches!(door(&rig, 99), Err(Shut::TooManyWrong { .. })), "all together");
    rig.run_to_ms(700_000);
    assert_eq!(door(&rig, 1), Ok(()));
}

#[test]
fn only_so_many_wait_at_a_time() {
    let mut rig = guarded(rules("", "", true));
    for n in 0..NOT_IN_MAX {
        let mut caller = Caller::new("guest", 7);
        caller.call_id = format!("call{n}");
        rig.join(&mut caller);
    }
    let invite = Caller::new("x", 9).next("INVITE", OFFER);
    let door = |rig: &Rig, role| rig.focus.door(rig.now, &invite, None, role);
    assert_eq!(door(&rig, Role::Guest), Err(Shut::Full));
    assert_eq!(door(&rig, Role::Moderator), Ok(()));
    assert_eq!(rig.focus.admit_leg(rig.now, LegId(0)), Ok(true));
    assert_eq!(door(&rig, Role::Guest), Ok(()));
}

/// B18 · RFC 4353 §4.1
#[test]
fn who_waits_in_the_lobby_is_let_in_or_turned_away_or_goes_at_last() {
    let mut rig = guarded(rules("", "", true));
    let [first, second, third] = [1, 2, 3]
        .map(|last| rig.join(&mut Caller::new(["a", "b", "c"][usize::from(last) - 1], last)));
    assert_eq!(rig.state(first), (ParticipantState::Waiting, Role::Guest));
    assert!(rig.media(first).apart);
    rig.run_to_ms(25_000);
    let tones = [0, 10_000, 20_000].map(|ms| (ms, Prompt::Waiting));
    assert_eq!(rig.prompts(first), tones);
    assert_eq!(rig.focus.admit_leg(rig.now, first), Ok(true));
    assert_eq!(rig.focus.admit_leg(rig.now, first), Ok(false), "he is in");
    assert_eq!(rig.focus.admit_leg(rig.now, LegId(77)), Err(NoSuchLeg));
    rig.drain();
    assert_eq!((rig.joined(), rig.media(first).apart), (vec![first], false));
    rig.focus.remove_leg(rig.now, second).unwrap();
    rig.drain();
    assert_eq!(rig.reason(), "SIP;cause=403;text=\"Not let into the conference\"");
    assert_eq!(rig.focus.admit_leg(rig.now, second), Err(NoSuchLeg));
    rig.answer(second, &Method::Bye, 200);
    rig.run_to_ms(1_799_999);
    assert_eq!(rig.sent(&Method::Bye).len(), 1);
    rig.run_to_ms(1_800_000);
    rig.answer(third, &Method::Bye, 200);
    assert_eq!(rig.leg_ends(), [second, third].map(|leg| (leg, LegEnd::NotLetIn)));
}

/// Who waits keeps nothing alive that all have left; and the last moderator's leaving lets nobody in.
#[test]
fn when_the_last_one_leaves_who_waits_goes_too() {
    let mut rig = guarded(rules("", "8888", true));
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let (leg, guest) = (rig.join(&mut alice), rig.join(&mut bob));
    rig.key(leg, "8888");
    rig.key(guest, "#");
    assert_eq!(rig.state(leg), (ParticipantState::Joined, Role::Moderator));
    assert_eq!(rig.state(guest), (ParticipantState::Waiting, Role::Guest));
    let carol = rig.join(&mut Caller::new("carol", 3));
    rig.focus.admit_leg(rig.now, carol).unwrap();
    rig.send(&alice.next("BYE", ""));
    assert_eq!(rig.state(guest).0, ParticipantState::Waiting, "nobody is there who lets him in");
    assert_eq!(rig.ended(), [], "carol is in");
    rig.focus.remove_leg(rig.now, carol).unwrap();
    rig.drain();
    let bye = rig.sent(&Method::Bye);
    assert!(bye.iter().any(|(_, to)| *to == guest), "{bye:?}");
    [carol, guest].into_iter().for_each(|leg| rig.answer(leg, &Method::Bye, 200));
    assert_eq!(rig.ended(), [End::LastLeft]);
}

#[test]
fn the_moderators_pin_makes_a_moderator_and_without_a_guests_pin_nothing_need_be_keyed() {
    let mut rig = guarded(rules("1234", "567890", true));
    let [moderator, guest] =
        [("alice", 1), ("bob", 2)].map(|(name, last)| rig.join(&mut Caller::new(name, last)));
    rig.key(moderator, "567890");
    rig.key(guest, "1234");
    assert_eq!(rig.state(moderator), (ParticipantState::Joined, Role::Moderator));
    assert_eq!(rig.state(guest), (ParticipantState::Waiting, Role::Guest));

    let mut rig = guarded(rules("", "567890", false));
    let [hash, silent, wrong] =
        [("a", 1), ("b", 2), ("c", 3)].map(|(name, last)| rig.join(&mut Caller::new(name, last)));
    rig.key(hash, "#");
    rig.key(wrong, "5678#");
    rig.run_to_ms(30_000);
    assert_eq!(
        [hash, silent].map(|leg| rig.state(leg)),
        [(ParticipantState::Joined, Role::Guest); 2]
    );
    assert_eq!(rig.prompts(wrong)[1], (0, Prompt::Bad));
}

#[test]
fn pins_that_cannot_be_told_apart_are_none() {
    for (pin, other, is_good) in [
        ("1234", "1234", false),
        ("1234", "123456", false),
        ("123456", "1234", false),
        ("1234", "1235", true),
        ("1234", "", true),
        ("", "1234", true),
    ] {
        assert_eq!(asked(pin, other, false).check().is_ok(), is_good, "{pin} {other}");
    }
}

/// Who asked for it is known by his call, whom it calls was wanted, and whose place is taken was let in.
#[test]
fn the_creator_who_is_called_and_who_replaces_somebody_come_in_at_once() {
    let mut alice = Caller::new("alice", 1);
    let creator = Creator::of(&alice.request("INVITE", 1, OFFER));
    let mut rig = Rig::with(EndPolicy::LastLeaves, Some(creator));
    rig.focus.set_entry(rig.now, rules("1234", "", true));
    let leg = rig.join(&mut alice);
    assert_eq!(rig.state(leg), (ParticipantState::Joined, Role::Creator));
    assert!(!rig.media(leg).apart);

    let (mut tablet, mut eve) = (Caller::new("tablet", 1), Caller::new("eve", 66));
    tablet.call_id = "tablet".to_owned();
    let (new, _) = rig.invite(&mut tablet);
    assert!(rig.media(new).apart);
    rig.focus.replace(rig.now, new, leg);
    rig.drain();
    assert!(!rig.media(new).apart);
    rig.send(&tablet.ack());
    assert_eq!(rig.state(new), (ParticipantState::Joined, Role::Creator));

    // Of whom is not in nobody can take over more than his waiting.
    let outside = rig.join(&mut eve);
    eve.call_id = "eve2".to_owned();
    eve.to_tag = None;
    let (other, _) = rig.invite(&mut eve);
    rig.focus.replace(rig.now, other, outside);
    rig.send(&eve.ack());
    assert_eq!(rig.state(other).0, ParticipantState::AskedForPin);
}

/// Who has proved to be the creator after all comes in, before and after the ACK.
#[test]
fn who_proves_to_be_the_creator_is_let_in() {
    let mut alice = Caller::new("alice", 1);
    let creator = Creator::of(&Caller::new("phone", 9).next("INVITE", OFFER));
    let mut rig = Rig::with(EndPolicy::LastLeaves, Some(creator.with_user(Some("alice"))));
    rig.focus.set_entry(rig.now, rules("1234", "", false));
    let (leg, _) = rig.invite(&mut alice);
    rig.focus.identify(rig.now, leg, "alice");
    rig.send(&alice.ack());
    assert_eq!((rig.state(leg).1, rig.joined()), (Role::Creator, vec![leg]));
    let mut bob = Caller::new("bob", 2);
    let guest = rig.join(&mut bob);
    rig.focus.identify(rig.now, guest, "bob");
    rig.drain();
    assert_eq!(rig.state(guest).0, ParticipantState::AskedForPin);
}

/// RFC 4579 §5.5, §5.11: moderators steer as the creator does; guests, and those who are not in, do not.
#[test]
fn moderators_may_refer_and_guests_may_not() {
    let mut rig = guarded(rules("1234", "567890", false));
    let (mut alice, mut bob, mut carol) =
        (Caller::new("alice", 1), Caller::new("bob", 2), Caller::new("carol", 3));
    let legs = [rig.join(&mut alice), rig.join(&mut bob), rig.join(&mut carol)];
    let refer = |rig: &mut Rig, caller: &mut Caller, target: &str| {
        caller.more = format!("Refer-To: <{target}>\n");
        let status = rig.status(&caller.next("REFER", ""));
        caller.more.clear();
        status
    };
    let (call, remove) = ("sip:dan@192.0.2.44", "sip:bob@example.com;method=BYE");
    assert_eq!(refer(&mut rig, &mut alice, call), 403, "she is not in");
    rig.key(legs[0], "567890");
    rig.key(legs[1], "1234");
    assert_eq!(refer(&mut rig, &mut bob, call), 403);
    assert_eq!(refer(&mut rig, &mut bob, remove), 403);
    assert_eq!(refer(&mut rig, &mut alice, call), 200);
    assert_eq!(refer(&mut rig, &mut alice, remove), 200);
    assert!(rig.sent(&Method::Bye).iter().any(|(_, leg)| *leg == legs[1]));
    // By an administrator too, and he takes it away again.
    assert_eq!(rig.focus.appoint(rig.now, legs[2], true), Ok(true));
    assert_eq!(rig.focus.appoint(rig.now, legs[2], true), Ok(false));
    rig.drain();
    assert_eq!(rig.state(legs[2]), (ParticipantState::Joined, Role::Moderator));
    assert_eq!(refer(&mut rig, &mut carol, call), 200);
    rig.focus.appoint(rig.now, legs[2], false).unwrap();
    assert_eq!(rig.state(legs[2]).1, Role::Guest);
    rig.focus.remove_leg(rig.now, legs[1]).unwrap_err();
    assert_eq!(rig.focus.appoint(rig.now, legs[1], true), Err(NoSuchLeg), "he goes");
}

#[test]
fn other_rules_let_on_who_need_not_key_or_wait_any_more() {
    let mut rig = guarded(rules("1234", "", true));
    let [asked, waits] =
        [("a", 1), ("b", 2)].map(|(name, last)| rig.join(&mut Caller::new(name, last)));
    rig.key(waits, "1234");
    rig.focus.set_entry(rig.now, rules("", "", true));
    rig.drain();
    assert_eq!([asked, waits].map(|leg| rig.state(leg).0), [ParticipantState::Waiting; 2]);
    rig.focus.set_entry(rig.now, EntryPolicy::default());
    rig.drain();
    assert_eq!([asked, waits].map(|leg| rig.state(leg).0), [ParticipantState::Joined; 2]);
    rig.focus.set_entry(rig.now, rules("9999", "", true));
    rig.drain();
    assert_eq!([asked, waits].map(|leg| rig.state(leg).0), [ParticipantState::Joined; 2]);
}

/// Somebody who has the URI and not the PIN must not be able to end what others were invited to.
#[test]
fn who_tries_and_fails_before_anybody_is_in_does_not_end_it() {
    for (until, ends) in [(60_000, 60_000), (0, 30_000)] {
        let mut rig = guarded(rules("1234", "", false));
        rig.focus = rig.focus.kept_empty_until(Instant::from_millis(until));
        let leg = rig.join(&mut Caller::new("eve", 1));
        rig.run_to_ms(30_000);
        rig.answer(leg, &Method::Bye, 200);
        rig.run_to_ms(ends - 1);
        assert_eq!(rig.ended().len(), usize::from(until == 0));
        rig.run_to_ms(ends);
        assert_eq!((rig.ended(), rig.focus.deadline()), (vec![End::NobodyGotIn], None));
    }
    let mut rig = guarded(rules("1234", "", false));
    rig.focus = rig.focus.kept_empty_until(Instant::from_millis(60_000));
    rig.join(&mut Caller::new("eve", 1));
    rig.run_to_ms(31_000);
    rig.answer(LegId(0), &Method::Bye, 200);
    let mut alice = Caller::new("alice", 2);
    let leg = rig.join(&mut alice);
    rig.key(leg, "1234");
    rig.run_to_ms(100_000);
    assert_eq!(rig.ended(), [], "she is in");
    rig.send(&alice.next("BYE", ""));
    assert_eq!(rig.ended(), [End::LastLeft]);
}

#[test]
fn who_is_not_in_yet_waits_on_where_the_conference_goes() {
    let mut rig = guarded(rules("1234", "5678", true));
    let legs = [("a", 1), ("b", 2), ("c", 3)].map(|(name, n)| rig.join(&mut Caller::new(name, n)));
    rig.key(legs[0], "5678");
    rig.key(legs[1], "1234");
    rig.key(legs[2], "000012");
    let snapshot = rig.focus.snapshot(rig.now);
    let there = Instant::from_millis(5_000);
    let focus = Focus::restore(there, snapshot.clone(), Rng::from_number(2)).unwrap();
    assert_eq!(focus.snapshot(there), snapshot);
    let mut copy = Rig::around(focus);
    copy.now = there;
    let states = legs.map(|leg| copy.state(leg).0);
    use ParticipantState as P;
    assert_eq!(states, [P::Joined, P::Waiting, P::AskedForPin]);
    assert_eq!(legs.map(|leg| copy.media(leg).apart), [false, true, true]);
    copy.key(legs[2], "12340000");
    assert_eq!(copy.state(legs[2]).0, P::Waiting, "what was keyed before is keyed anew");
    assert!(!format!("{snapshot:?}").contains("1234"), "no PIN in what is shown");
}

/// D17 · RFC 4575 §5.7.3, §8.2: who is not in is shown to those who may let him in, and is shown nothing.
#[test]
fn who_waits_is_seen_by_moderators_only_and_sees_nobody() {
    let mut rig = guarded(rules("", "5678", true));
    let (mut alice, mut bob, mut carol) =
        (Caller::new("alice", 1), Caller::new("bob", 2), Caller::new("carol", 3));
    let legs = [rig.join(&mut alice), rig.join(&mut bob), rig.join(&mut carol)];
    rig.key(legs[0], "5678");
    rig.key(legs[1], "#");
    let subscribe = |rig: &mut Rig, caller: &mut Caller| {
        caller.more = "Event: conference\nExpires: 600\n".to_owned();
        let status = rig.status(&caller.next("SUBSCRIBE", ""));
        caller.more.clear();
        status
    };
    assert_eq!(subscribe(&mut rig, &mut bob), 403);
    assert_eq!(subscribe(&mut rig, &mut alice), 200);
    let told = |rig: &Rig| {
        let mut bodies = rig.log.iter().filter_map(|(_, output)| match output {
            Output::Inform { request, .. } => {
                Some(String::from_utf8_lossy(&request.body).into_owned())
            }
            _ => None,
        });
        bodies.next_back().unwrap()
    };
    let text = told(&rig);
    assert!(text.contains("<user-count>1</user-count>"), "{text}");
    assert!(text.contains("<status>pending</status>"), "{text}");
    assert!(text.contains("<status>dialing-in</status>"), "{text}");
    // A guest who is in sees neither.
    rig.focus.admit_leg(rig.now, legs[1]).unwrap();
    rig.drain();
    assert_eq!(subscribe(&mut rig, &mut bob), 200);
    let text = told(&rig);
    assert!(text.contains("bob@") && !text.contains("carol@"), "{text}");
    // Whoever only has the URI is not told either.
    let mut mallory = Caller::new("mallory", 66);
    mallory.more = "Event: conference\nExpires: 600\n".to_owned();
    let txn = rig.txn();
    let incoming = mallory.next("SUBSCRIBE", "");
    let who = crate::Subscriber { is_owner: false, is_proved: true };
    let refusal = rig.focus.subscribe(rig.now, txn, &incoming, who).unwrap_err();
    assert_eq!((refusal.status.code(), CONFERENCE), (403, mallory.uri.as_str()));
}
