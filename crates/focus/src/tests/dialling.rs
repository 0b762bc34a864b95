//! Legs that the focus calls itself.

use sip::{HeaderName, Method};

use super::callee::{BOB, accepts, answer};
use super::rig::{CONFERENCE, Caller, OFFER, Rig, header};
use crate::{End, LegEnd, LegId, Output, ParticipantState};

/// B14, B16, B20, B21, C14 · RFC 4579 §5.2, §5.5, §5.13; RFC 3892 §2.2
#[test]
fn whom_the_creator_refers_to_is_called_by_the_conference() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let text = |name| invite.headers.get(&name).unwrap().text().into_owned();
    assert_eq!(invite.uri.to_string(), BOB);
    assert_eq!(text(HeaderName::Contact), format!("<{CONFERENCE}>;isfocus"));
    assert!(text(HeaderName::From).starts_with(&format!("<{CONFERENCE}>;tag=")));
    assert_eq!(text(HeaderName::To), format!("<{BOB}>"));
    assert_eq!(text(HeaderName::ReferredBy), "<sip:alice@example.com>");
    assert!(
        text(HeaderName::Allow).contains("REFER") && text(HeaderName::Supported).contains("100rel")
    );
    assert_eq!(text(HeaderName::SessionExpires), "1800;refresher=uac");
    let offer = String::from_utf8(invite.body.clone()).unwrap();
    assert!(offer.contains("m=audio 20004 RTP/AVP 0 8"), "{offer}");
    assert_eq!(rig.focus.roster()[1].state, ParticipantState::Dialling);

    rig.callee_answers(leg, &answer(&invite, 180, "b", ""));
    assert_eq!(rig.focus.roster()[1].state, ParticipantState::Alerting);
    rig.callee_answers(leg, &accepts(&invite, "b"));
    let line = rig.focus.roster()[1].clone();
    assert_eq!(
        (line.state, line.dialled, line.uri.as_str()),
        (ParticipantState::Joined, true, BOB)
    );
    assert_eq!(rig.media(leg).remote, Some("192.0.2.200:4000".parse().unwrap()));
    assert_eq!(rig.acks().len(), 1);
    assert_eq!(rig.acks()[0].uri.to_string(), BOB);
}

/// RFC 3261 §13.2.2.4: a copy of the 2xx means that the ACK was lost.
#[test]
fn every_copy_of_the_2xx_is_acknowledged() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let ok = accepts(&invite, "b");
    for _ in 0..3 {
        rig.callee_answers(leg, &ok);
    }
    assert_eq!(rig.acks().len(), 3);
    assert_eq!((rig.asides(&Method::Bye).len(), rig.focus.leg_count()), (0, 2));
}

/// A16 · RFC 3261 §13.2.2.4; RFC 6026 §8.4
#[test]
fn further_forks_are_acknowledged_and_left() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    rig.callee_answers(leg, &accepts(&invite, "b"));
    let other = accepts(&invite, "other");
    rig.callee_answers(leg, &other);
    rig.callee_answers(leg, &other);
    assert_eq!(rig.acks().len(), 3);
    let byes = rig.asides(&Method::Bye);
    assert_eq!(byes.len(), 1, "one BYE for one fork");
    assert_eq!(byes[0].headers.to().unwrap().tag(), Some("other"));
    assert_eq!((rig.focus.leg_count(), rig.leg_ends()), (2, vec![]));
    // The leg may have left meanwhile: a fork that comes even later is left all the same.
    rig.focus.media_failed(rig.now, leg);
    rig.drain();
    rig.answer(leg, &Method::Bye, 200);
    rig.callee_answers(leg, &accepts(&invite, "third"));
    assert_eq!((rig.acks().len(), rig.asides(&Method::Bye).len()), (4, 2));
}

/// H10 · RFC 3262 §4
#[test]
fn reliable_answers_are_acknowledged_in_order_and_gaps_and_copies_dropped() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let reliable = |status, rseq: u32| {
        let more = format!("Require: 100rel\nRSeq: {rseq}\nContact: <sip:bob@192.0.2.2:5060>");
        answer(&invite, status, "b", &more)
    };
    for rseq in [1, 3, 2, 2, 3] {
        rig.callee_answers(leg, &reliable(183, rseq));
    }
    let racks: Vec<_> = rig
        .asides(&Method::Prack)
        .iter()
        .map(|prack| prack.headers.get(&HeaderName::RAck).unwrap().text().into_owned())
        .collect();
    assert_eq!(racks, ["1 1 INVITE", "2 1 INVITE", "3 1 INVITE"]);
    let cseqs: Vec<_> = rig
        .asides(&Method::Prack)
        .iter()
        .map(|prack| prack.headers.cseq().unwrap().number)
        .collect();
    assert_eq!(cseqs, [2, 3, 4]);
    // The dialog of the 2xx goes on counting where the early one was.
    rig.callee_answers(leg, &accepts(&invite, "b"));
    assert_eq!(rig.acks()[0].headers.cseq().unwrap().number, 1);
    rig.focus.media_failed(rig.now, leg);
    rig.drain();
    assert_eq!(rig.last_request().0.headers.cseq().unwrap().number, 5);
}

/// RFC 3261 §13.2.1: the answer came in a reliable 183. Until the 200 nobody hears what is played.
#[test]
fn early_media_stays_out_and_a_promised_answer_counts() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let more = "Require: 100rel\nRSeq: 7\nContact: <sip:bob@192.0.2.2:5060>";
    let early = answer(&invite, 183, "b", more).with_body("application/sdp", OFFER);
    rig.callee_answers(leg, &early);
    let is_open = |rig: &Rig| {
        rig.log.iter().any(
            |(_, output)| matches!(output, Output::OpenMedia { leg: told, .. } if *told == leg),
        )
    };
    assert!(!is_open(&rig), "no media before the 200");
    rig.callee_answers(leg, &answer(&invite, 200, "b", "Contact: <sip:bob@192.0.2.2:5060>"));
    assert!(is_open(&rig));
    assert_eq!(rig.media(leg).remote, Some("192.0.2.200:4000".parse().unwrap()));
}

#[test]
fn an_answer_of_no_use_is_acknowledged_and_hung_up() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let ok = answer(&invite, 200, "b", "Contact: <sip:bob@192.0.2.2:5060>");
    rig.callee_answers(leg, &ok);
    rig.callee_answers(leg, &ok);
    assert_eq!((rig.acks().len(), rig.asides(&Method::Bye).len()), (2, 1));
    assert_eq!(rig.dial_ends(), [(leg, 488, true)]);
    assert_eq!(rig.focus.leg_count(), 1);
}

/// T30 · RFC 3261 §22: we have no credentials, and lend them to nobody.
#[test]
fn challenges_are_refusals() {
    for status in [401, 407, 486, 503, 603] {
        let mut rig = Rig::new();
        let (leg, invite) = rig.call_bob();
        rig.callee_answers(
            leg,
            &answer(&invite, status, "b", "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\""),
        );
        assert_eq!(rig.dial_ends(), [(leg, status, true)]);
        assert_eq!((rig.called().len(), rig.focus.leg_count()), (1, 1));
        rig.later_ms(2_000);
        let (.., state, line) = rig.reports().pop().unwrap();
        assert!(
            line.starts_with(&format!("SIP/2.0 {status} ")) || state.starts_with("active"),
            "{line}"
        );
    }
}

#[test]
fn room_is_asked_for_before_anybody_is_called() {
    let (mut rig, mut alice) = Rig::with_creator();
    rig.refer(&mut alice, BOB, "");
    assert_eq!(rig.called(), Vec::<String>::new());
    let refused = (sip::StatusCode::TEMPORARILY_UNAVAILABLE, "full".to_owned());
    rig.focus.seated(rig.now, LegId(1), Err(refused));
    rig.drain();
    assert_eq!(rig.called(), Vec::<String>::new());
    assert_eq!(rig.dial_ends(), [(LegId(1), 480, false)]);
    rig.report_taken(200);
    rig.later_ms(1_000);
    assert_eq!(rig.reports().pop().unwrap().4, "SIP/2.0 480 Temporarily Unavailable");
}

#[test]
fn who_does_not_answer_is_cancelled_after_two_minutes() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    rig.callee_answers(leg, &answer(&invite, 180, "b", ""));
    rig.run_to_ms(119_999);
    assert_eq!(rig.cancels(), []);
    rig.run_to_ms(120_000);
    assert_eq!((rig.cancels(), rig.dial_ends()), (vec![leg], vec![]));
    rig.callee_answers(leg, &answer(&invite, 487, "b", ""));
    assert_eq!(rig.dial_ends(), [(leg, 408, true)]);
}

/// RFC 3261 §9.1: a 2xx may cross the CANCEL.
#[test]
fn a_2xx_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    rig.run_to_ms(120_000);
    assert_eq!(rig.cancels(), [leg]);
    rig.callee_answers(leg, &accepts(&invite, "b"));
    assert_eq!((rig.acks().len(), rig.asides(&Method::Bye).len()), (1, 1));
    assert_eq!((rig.dial_ends().len(), rig.focus.leg_count()), (1, 1));
}

/// RFC 3261 §13.2.2.4, §15: nor does the end of the conference free us from the 2xx that still come: copies want their ACK,
/// other places their BYE too. For as long as they may come.
#[test]
fn a_2xx_that_comes_after_the_end_is_acknowledged_and_hung_up() {
    for is_up in [true, false] {
        let mut rig = Rig::new();
        let (leg, invite) = rig.call_bob();
        if is_up {
            rig.callee_answers(leg, &accepts(&invite, "b"));
        }
        rig.focus.end(rig.now, End::Ordered);
        rig.drain();
        if !is_up {
            rig.callee_answers(leg, &accepts(&invite, "b"));
        }
        rig.answer(LegId(0), &Method::Bye, 200);
        if is_up {
            rig.answer(leg, &Method::Bye, 200);
        }
        assert_eq!((rig.ended(), rig.acks().len()), (vec![End::Ordered], 1));
        let byes = rig.asides(&Method::Bye).len();
        assert!(rig.focus.awaits_late_answers());
        rig.callee_answers(leg, &accepts(&invite, "b"));
        assert_eq!((rig.acks().len(), rig.asides(&Method::Bye).len()), (2, byes));
        rig.callee_answers(leg, &accepts(&invite, "fork"));
        rig.callee_answers(leg, &accepts(&invite, "fork"));
        assert_eq!((rig.acks().len(), rig.asides(&Method::Bye).len()), (4, byes + 1));
        rig.run_to_ms(40_000);
        assert!(!rig.focus.awaits_late_answers());
        assert_eq!(rig.focus.deadline(), None);
        rig.callee_answers(leg, &accepts(&invite, "late"));
        assert_eq!(rig.acks().len(), 4);
    }
}

/// A22 · RFC 3311 §5.2: an UPDATE of a callee who rings: 200 without an offer, 491 while ours has no answer, 504 after;
/// 481 to what there is no dialog for. Its numbers count on in the call.
#[test]
fn a_callee_who_rings_may_send_update() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let mut bob = Caller::new("bob", 2);
    bob.call_id = invite.headers.call_id().unwrap().to_owned();
    bob.to_tag = invite.headers.from_().unwrap().tag().map(str::to_owned);
    bob.tag = "b".to_owned();
    assert_eq!(rig.status(&bob.next("UPDATE", "")), 481);
    rig.callee_answers(leg, &answer(&invite, 180, "b", "Contact: <sip:bob@192.0.2.2>"));
    bob.cseq = 0;
    let ok = rig.send(&bob.next("UPDATE", "")).unwrap();
    assert_eq!(ok.status.code(), 200);
    assert!(header(&ok, &HeaderName::Contact).contains("isfocus"));
    assert_eq!(rig.status(&bob.next("UPDATE", OFFER)), 491);
    assert_eq!(rig.status(&bob.next("OPTIONS", "")), 200);
    assert_eq!(rig.status(&bob.next("BYE", "")), 481);
    assert_eq!(rig.status(&bob.request("UPDATE", 1, "")), 500);
    let mut other = bob.clone();
    other.tag = "c".to_owned();
    assert_eq!(rig.status(&other.next("UPDATE", "")), 481);
    let reliable = "Contact: <sip:bob@192.0.2.2>\nRequire: 100rel\nRSeq: 1";
    let progress = answer(&invite, 183, "b", reliable).with_body("application/sdp", OFFER);
    rig.callee_answers(leg, &progress);
    assert_eq!(rig.status(&bob.next("UPDATE", OFFER)), 504);
    rig.callee_answers(leg, &accepts(&invite, "b"));
    assert_eq!(rig.status(&bob.request("UPDATE", 1, "")), 500, "older than those that rang");
    assert_eq!(rig.status(&bob.next("UPDATE", OFFER)), 200);
    let count = |is_it: fn(&Output) -> bool| rig.log.iter().filter(|(_, one)| is_it(one)).count();
    assert_eq!(count(|one| matches!(one, Output::DialogOpened { .. })), 1);
    assert_eq!(count(|one| matches!(one, Output::DialogClosed { .. })), 0, "it is the leg's");
}

/// The dialogs of those who rang are closed when nobody does any more.
#[test]
fn who_rang_elsewhere_has_no_dialog_any_more() {
    for status in [200, 486, 302] {
        let mut rig = Rig::new();
        let (leg, invite) = rig.call_bob();
        for tag in ["b", "c"] {
            rig.callee_answers(leg, &answer(&invite, 180, tag, "Contact: <sip:bob@192.0.2.2>"));
        }
        rig.callee_says(status, "b");
        let closed = rig.log.iter().filter_map(|(_, output)| match output {
            Output::DialogClosed { dialog } => Some(dialog.remote_tag.clone()),
            _ => None,
        });
        let closed: Vec<_> = closed.collect();
        match status {
            200 => assert_eq!(closed, ["c"]),
            _ => assert_eq!(closed, ["b", "c"]),
        }
    }
}

#[test]
fn a_conference_that_ends_cancels_and_waits_for_the_answer() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    rig.focus.end(rig.now, End::Ordered);
    rig.drain();
    assert_eq!(rig.cancels(), [leg]);
    rig.answer(LegId(0), &Method::Bye, 200);
    assert_eq!(rig.ended(), []);
    rig.callee_answers(leg, &answer(&invite, 487, "b", ""));
    assert_eq!((rig.dial_ends(), rig.ended()), (vec![(leg, 487, true)], vec![End::Ordered]));
    let last = rig.reports().pop().unwrap();
    assert_eq!(
        (last.3.as_str(), last.4.as_str()),
        ("terminated;reason=noresource", "SIP/2.0 487 Request Terminated")
    );
    assert_eq!(rig.focus.deadline(), None);
}

#[test]
fn a_ringing_callee_keeps_no_conference_alive() {
    let mut rig = Rig::new();
    let (leg, _) = rig.call_bob();
    rig.focus.media_failed(rig.now, LegId(0));
    rig.drain();
    assert_eq!(rig.cancels(), [leg]);
    rig.run_to_ms(200_000);
    assert_eq!(rig.ended(), [End::LastLeft]);
}

/// T34 and RFC 3261 §8.1.3.4: where no rule lets us call, no redirection leads.
#[test]
fn redirections_are_followed_within_the_rules_and_never_twice() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let moved = "Contact: <sip:bob@203.0.113.9>;q=1.0\nContact: <sip:bob@192.0.2.3>;q=0.2\n\
                 Contact: <sip:bob@192.0.2.4>;q=0.7\nContact: <tel:+19005551234>";
    rig.callee_answers(leg, &answer(&invite, 302, "r", moved));
    let (_, second) = rig.dialled();
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    assert_eq!(second.headers.call_id(), invite.headers.call_id());
    assert_eq!(second.headers.to(), invite.headers.to());
    let back = format!("Contact: <{BOB}>\nContact: <sip:bob@192.0.2.4>");
    rig.callee_answers(leg, &answer(&second, 302, "r", &back));
    let (_, third) = rig.dialled();
    rig.callee_answers(leg, &answer(&third, 486, "r", ""));
    assert_eq!(rig.called(), [BOB, "sip:bob@192.0.2.4", "sip:bob@192.0.2.3"]);
    assert_eq!(rig.dial_ends(), [(leg, 486, true)]);
}

/// RFC 4028 §7.3
#[test]
fn a_longer_session_interval_is_offered_when_asked_for() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    rig.callee_answers(leg, &answer(&invite, 422, "b", "Min-SE: 1200"));
    let (_, again) = rig.dialled();
    assert_eq!(again.headers.get(&HeaderName::MinSe).unwrap().text(), "1200");
    rig.callee_answers(leg, &answer(&again, 422, "b", "Min-SE: 1200"));
    assert_eq!((rig.called().len(), rig.dial_ends()), (2, vec![(leg, 422, true)]));
}

#[test]
fn a_called_leg_leaves_like_any_other() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    rig.callee_answers(leg, &accepts(&invite, "b"));
    let mut bob = Caller::new("bob", 2);
    bob.call_id = invite.headers.call_id().unwrap().to_owned();
    bob.to_tag = invite.headers.from_().unwrap().tag().map(str::to_owned);
    bob.tag = "b".to_owned();
    assert_eq!(rig.status(&bob.next("BYE", "")), 200);
    assert_eq!(rig.leg_ends(), [(leg, LegEnd::Left)]);
    rig.run_to_ms(40_000);
    assert_eq!(rig.focus.leg_count(), 1);
}

#[test]
fn what_cannot_be_sent_is_reported() {
    let mut rig = Rig::new();
    let (leg, _) = rig.call_bob();
    rig.unreachable(leg);
    assert_eq!(rig.dial_ends(), [(leg, 503, true)]);
    rig.report_taken(200);
    rig.later_ms(1_000);
    assert_eq!(rig.reports().pop().unwrap().4, "SIP/2.0 503 Service Unavailable");
}

/// RFC 5621 §4.2: answers have parts too, and nobody can refuse those that he does not understand.
#[test]
fn an_answer_may_come_among_other_parts() {
    let mut rig = Rig::new();
    let (leg, invite) = rig.call_bob();
    let ok = accepts(&invite, "b");
    let body = format!(
        "--b\r\nContent-Type: application/isup\r\n\r\n\u{1}\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b--",
        String::from_utf8_lossy(&ok.body)
    );
    rig.callee_answers(leg, &ok.with_body("multipart/mixed;boundary=b", body));
    assert_eq!(rig.media(leg).remote, Some("192.0.2.200:4000".parse().unwrap()));
    assert_eq!(rig.dial_ends(), []);
}

/// RFC 3261 §8.1.3.1: silence is a 408, a connection that is refused a 503.
#[test]
fn silence_and_a_refused_connection_are_told_apart() {
    for (why, status) in [(sip::Failure::Timeout, 408), (sip::Failure::Transport, 503)] {
        let mut rig = Rig::new();
        let (leg, _) = rig.call_bob();
        rig.focus.request_failed(rig.now, leg, &Method::Invite, why);
        rig.drain();
        assert_eq!(rig.dial_ends(), [(leg, status, true)]);
    }
}

/// The INVITE is lost with the node that sent it: nobody is rung twice, and who asked hears of it.
#[test]
fn a_call_that_a_snapshot_interrupts_is_over_and_reported() {
    let mut rig = Rig::new();
    let (leg, _) = rig.call_bob();
    let text = serde_json::to_string(&rig.focus.snapshot(rig.now)).unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    let focus = crate::Focus::restore(rig.now, snapshot, units::Rng::from_number(3)).unwrap();
    let copy = Rig::around(focus);
    assert_eq!((copy.called().len(), copy.dial_ends()), (0, vec![(leg, 500, true)]));
    let last = copy.reports().pop().unwrap();
    assert_eq!(
        (last.3.as_str(), last.4.as_str()),
        ("terminated;reason=noresource", "SIP/2.0 500 Server Internal Error")
    );
    assert_eq!(copy.focus.leg_count(), 1);
}
