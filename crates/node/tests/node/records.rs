//! A line in the books for each leg and each conference that is over.

use std::time::Duration;

use focus::{End, LegEnd};
use node::{ConferenceRecord, JoinedBy, Leftovers, LegRecord, Record};
use sip::{HeaderName, SessionId};

use crate::rig::{Caller, Rig, header};
use crate::taking_over::naming;

fn legs(rig: &Rig) -> Vec<&LegRecord> {
    fn leg(record: &Record) -> Option<&LegRecord> {
        match record {
            Record::Leg(leg) => Some(leg),
            Record::Conference(_) => None,
        }
    }
    rig.records.iter().filter_map(leg).collect()
}

fn conferences(rig: &Rig) -> Vec<&ConferenceRecord> {
    fn conference(record: &Record) -> Option<&ConferenceRecord> {
        match record {
            Record::Conference(conference) => Some(conference),
            Record::Leg(_) => None,
        }
    }
    rig.records.iter().filter_map(conference).collect()
}

#[test]
fn a_leg_that_left_is_recorded_with_who_he_was_how_he_came_and_why_he_went() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.extra = "User-Agent: Phone\u{1b}[2J 1.0\r\n".to_owned();
    let uri = rig.conference(&alice);
    let answer = rig.join(&mut alice, &uri);
    assert!(rig.records.is_empty(), "nothing is over");
    rig.pass(Duration::from_millis(1_500));
    alice.extra = "Reason: Q.850;cause=16;text=\"bye\"\r\n".to_owned();
    rig.leave(&mut alice, &uri);

    let legs = legs(&rig);
    let [leg] = legs[..] else { panic!("one leg: {legs:?}") };
    assert_eq!((leg.conference.as_str(), leg.leg), (uri.as_str(), 0));
    assert_eq!(leg.participant, "sip:alice@example.com");
    assert!(leg.creator && leg.user.is_none());
    assert_eq!(leg.joined_by, JoinedBy::Invite);
    assert_eq!(leg.dialog.call_id, alice.call_id);
    assert_eq!(leg.dialog.remote_tag, alice.from_tag);
    assert_eq!(Some(&leg.dialog.local_tag), alice.to_tag.as_ref());
    assert_eq!(leg.source.map(|source| source.remote), Some(alice.address));
    assert_eq!(leg.user_agent.as_deref(), Some("Phone\u{FFFD}[2J 1.0"), "masked");
    assert_eq!(leg.answered, Some(leg.started));
    assert_eq!(leg.ended.since(leg.started), Duration::from_millis(1_500));
    assert_eq!(leg.cause, Some(LegEnd::Left));
    assert_eq!(leg.reason_received.as_deref(), Some("Q.850;cause=16;text=\"bye\""));
    assert_eq!(leg.reason_sent, None);
    assert!(leg.media.is_some());
    let session = header(&answer, &HeaderName::SessionId).expect("ours at least");
    assert_eq!(leg.session_id, session.parse::<SessionId>().ok());

    let conferences = conferences(&rig);
    let [conference] = conferences[..] else { panic!("one conference") };
    assert_eq!(conference.asker.as_deref(), Some("sip:alice@example.com"));
    assert_eq!((conference.legs, conference.legs_most), (1, 1));
    assert_eq!(conference.cause, Some(End::LastLeft));
}

#[test]
fn whoever_is_let_go_is_told_why_and_so_are_the_books() {
    let mut rig = Rig::new();
    let (mut alice, mut bob) = (Caller::new("alice", 1), Caller::new("bob", 2));
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    bob.extra = "Referred-By: <sip:alice@example.com>\r\n".to_owned();
    rig.join(&mut bob, &uri);
    let (mut dave, mut erin) = (Caller::new("dave", 3), Caller::new("erin", 4));
    dave.extra = naming("Join", &alice);
    rig.join(&mut dave, &uri);
    erin.extra = naming("Replaces", &dave);
    erin.cseq += 1;
    let ok = rig.ask(erin.address, &erin.invite(&uri));
    erin.to_tag = ok.headers.to().expect("To").tag().map(str::to_owned);
    rig.receive(erin.address, &erin.request("ACK", &uri));
    rig.pass(Duration::from_secs(40));
    let byes = crate::rig::requests(rig.shutdown());
    assert_eq!(byes.len(), 3);
    for bye in &byes {
        let reason = bye.headers.get(&HeaderName::Reason).map(|value| value.text().into_owned());
        assert_eq!(reason.as_deref(), Some("Q.850;cause=16;text=\"The conference ended\""));
    }
    // Nobody answers: 64*T1 (RFC 3261 §17.1.2.2).
    rig.pass(Duration::from_secs(40));
    let legs = legs(&rig);
    let [first, others @ ..] = &legs[..] else { panic!("four legs") };
    assert_eq!(first.cause, Some(LegEnd::Replaced));
    assert!(others.iter().all(|leg| leg.cause == Some(LegEnd::ConferenceEnded)));
    assert!(legs.iter().all(|leg| leg.reason_sent.is_some()));
    let joined_by = |name: &str| {
        legs.iter().find(|leg| leg.participant.contains(name)).map(|leg| leg.joined_by)
    };
    assert_eq!(joined_by("alice"), Some(JoinedBy::Invite));
    assert_eq!(joined_by("bob"), Some(JoinedBy::Referred));
    assert_eq!(joined_by("dave"), Some(JoinedBy::Join));
    assert_eq!(joined_by("erin"), Some(JoinedBy::Replaces));
    assert_eq!(conferences(&rig)[0].cause, Some(End::Ordered));
    assert_eq!(rig.node.leftovers().records, Leftovers::default().records);
}

#[test]
fn what_is_not_over_when_the_process_ends_is_recorded_as_that() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    rig.give_up_records();
    let (legs, conferences) = (legs(&rig), conferences(&rig));
    assert_eq!((legs.len(), conferences.len()), (1, 1));
    assert_eq!((legs[0].cause, conferences[0].cause), (None, None));
    assert_eq!(rig.node.leftovers().records, 0);
}

#[test]
fn a_refused_call_has_no_record() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    alice.cseq += 1;
    let refused = rig.ask(alice.address, &alice.with_body("INVITE", &uri, "text/x", "x"));
    assert_eq!(refused.status.code(), 415);
    assert!(rig.records.is_empty() && rig.node.leftovers().records == 0);
}
