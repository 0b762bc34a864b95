//! Conferences that are in a conference.

use super::callee::answer;
use super::rig::{CONFERENCE, Caller, OFFER, Rig};
use crate::{End, FocusSnapshot, LegEnd, ONLY_CONFERENCES_MAX};

fn other_mixer(name: &'static str, last: u8) -> Caller {
    let more = format!("Contact: <sip:conf-{name}@192.0.2.{last}>;isfocus\n");
    Caller { more, ..Caller::new(name, last) }
}

fn longest_ms() -> u64 {
    u64::try_from(ONLY_CONFERENCES_MAX.as_millis()).expect("some minutes")
}

/// T50 · RFC 4579 §4.3: it is a mixer by its Contact. Two that are in each other would go on for ever.
#[test]
fn conference_with_other_conferences_only_ends_when_they_have_been_quiet_for_long() {
    let mut rig = Rig::new();
    let (mut alice, mut other) = (Caller::new("alice", 1), other_mixer("other", 2));
    rig.join(&mut alice);
    let leg = rig.join(&mut other);
    rig.run_to_ms(longest_ms() + 1_000);
    assert_eq!(rig.ended(), [], "alice is there");
    rig.send(&alice.next("BYE", ""));
    rig.run_to_ms(2 * longest_ms());
    assert_eq!(rig.leg_ends(), [(crate::LegId(0), LegEnd::Left)], "but for a second");
    rig.run_to_ms(2 * longest_ms() + 1_000);
    assert!(rig.focus.roster().iter().all(|it| it.leg == leg) && rig.focus.admits().is_err());
    rig.answer(leg, &sip::Method::Bye, 200);
    assert_eq!(rig.ended(), [End::OnlyConferences]);
}

/// Then there are people in it.
#[test]
fn conference_of_conferences_goes_on_while_somebody_talks_or_comes() {
    let mut rig = Rig::new();
    let mut mixers = [other_mixer("one", 1), other_mixer("two", 2)];
    let legs = mixers.each_mut().map(|mixer| rig.join(mixer));
    rig.run_to_ms(longest_ms() - 1);
    rig.focus.talks(rig.now, legs[1], true);
    rig.run_to_ms(3 * longest_ms());
    rig.focus.talks(rig.now, legs[1], false);
    rig.run_to_ms(4 * longest_ms() - 1);
    assert_eq!(rig.ended(), []);
    let mut alice = Caller::new("alice", 3);
    rig.join(&mut alice);
    rig.run_to_ms(6 * longest_ms());
    rig.send(&alice.next("BYE", ""));
    let snapshot: FocusSnapshot = rig.focus.snapshot(rig.now);
    let text = serde_json::to_string(&snapshot).expect("text");
    assert_eq!(text.matches("\"is_focus\":true").count(), 2, "it is known elsewhere as well");
    rig.run_to_ms(7 * longest_ms());
    assert!(rig.focus.admits().is_err(), "over");
}

#[test]
fn conference_that_was_called_is_known_by_its_answer() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let ok = answer(&invite, 200, "b", "Contact: <sip:conf-b@192.0.2.2:5060>;isfocus");
    rig.callee_answers(leg, &ok.with_body("application/sdp", OFFER));
    let mut alice = Caller::new("alice", 1);
    alice.to_tag = rig.focus.legs.values().next().map(|leg| leg.dialog.id.local_tag.clone());
    alice.cseq = 50;
    assert_eq!((rig.status(&alice.next("BYE", "")), alice.uri.as_str()), (200, CONFERENCE));
    rig.run_to_ms(longest_ms() - 1_000);
    assert!(rig.focus.admits().is_ok());
    rig.run_to_ms(longest_ms() + 1_000);
    assert!(rig.focus.admits().is_err());
}
