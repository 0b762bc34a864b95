//! REFERs to the conference.

use sip::{HeaderName, Transport};

use super::callee::{BOB, accepts, answer};
use super::rig::{CONFERENCE, Caller, OFFER, Rig, header};
use crate::{DialRules, Focus, LegEnd, Output, Right};

/// Sends a REFER outside any dialog; gives the status.
fn outside(rig: &mut Rig, who: &mut Caller, refer_to: &str, more: &str) -> u16 {
    let tag = who.to_tag.take();
    let status = rig.refer(who, refer_to, more).status.code();
    who.to_tag = tag;
    status
}

/// C04, C05, C06, C08, T33 · RFC 3515 §2.4.4, §2.4.5, §2.4.7, §3.10
#[test]
fn reports_go_from_100_to_the_result_and_not_faster_than_one_a_second() {
    let (mut rig, mut alice) = Rig::with_creator();
    let ok = rig.refer(&mut alice, BOB, "");
    assert_eq!(ok.status.code(), 200, "never 202: RFC 7647 §5");
    rig.take_seat();
    let (leg, invite) = rig.dialled();
    assert_eq!(rig.reports().len(), 1);
    rig.report_taken(200);
    for step in 0..10 {
        let status = if step % 2 == 0 { 180 } else { 183 };
        rig.callee_answers(leg, &answer(&invite, status, "b", ""));
        rig.later_ms(50);
    }
    rig.later_ms(500);
    rig.report_taken(200);
    rig.callee_answers(leg, &accepts(&invite, "b"));
    rig.later_ms(10_000);
    let reports = rig.reports();
    let lines: Vec<_> = reports.iter().map(|report| report.4.as_str()).collect();
    assert_eq!(lines, ["SIP/2.0 100 Trying", "SIP/2.0 183 Session Progress", "SIP/2.0 200 OK"]);
    assert!(reports.windows(2).all(|pair| pair[1].0 >= pair[0].0 + 1_000), "{reports:?}");
    assert!(reports.iter().all(|report| report.2 == "refer"));
    assert!(reports[0].3.starts_with("active;expires="), "{reports:?}");
    assert_eq!(reports[2].3, "terminated;reason=noresource");
}

/// C07, T33 · RFC 3515 §2.4.6
#[test]
fn the_second_refer_of_a_dialog_has_its_number_in_event() {
    let (mut rig, mut alice) = Rig::with_creator();
    rig.refer(&mut alice, BOB, "");
    rig.refer(&mut alice, "sip:carol@192.0.2.3", "");
    let events: Vec<_> = rig.reports().into_iter().map(|report| report.2).collect();
    assert_eq!(events, ["refer".to_owned(), format!("refer;id={}", alice.cseq)]);
}

/// C09 · RFC 3515 §2.4.4; RFC 6665 §4.2.1.4
#[test]
fn who_wants_no_more_reports_has_called_all_the_same() {
    let (mut rig, mut alice) = Rig::with_creator();
    rig.refer(&mut alice, BOB, "");
    rig.take_seat();
    rig.report_taken(200);
    alice.more = "Event: refer\nExpires: 0\n".to_owned();
    let ok = rig.send(&alice.next("SUBSCRIBE", "")).unwrap();
    assert_eq!((ok.status.code(), header(&ok, &HeaderName::Expires).as_str()), (200, "0"));
    let last = rig.reports().pop().unwrap();
    assert_eq!(
        (last.3.as_str(), last.4.as_str()),
        ("terminated;reason=timeout", "SIP/2.0 100 Trying")
    );
    assert_eq!(rig.cancels(), []);
    let (leg, invite) = rig.dialled();
    rig.callee_answers(leg, &accepts(&invite, "b"));
    assert_eq!((rig.focus.leg_count(), rig.reports().len()), (2, 2));
    // There is nothing left to subscribe to.
    assert_eq!(rig.status(&alice.next("SUBSCRIBE", "")), 481);
}

/// C11, T33 · RFC 4488 §4
#[test]
fn refer_sub_false_is_echoed_and_nothing_is_reported() {
    let (mut rig, mut alice) = Rig::with_creator();
    let ok = rig.refer(&mut alice, BOB, "Refer-Sub: false\nSupported: norefersub\n");
    assert_eq!((ok.status.code(), header(&ok, &HeaderName::ReferSub).as_str()), (200, "false"));
    rig.take_seat();
    let (leg, invite) = rig.dialled();
    assert!(header_of(&invite, &HeaderName::Supported).contains("norefersub"));
    rig.callee_answers(leg, &accepts(&invite, "b"));
    rig.later_ms(10_000);
    assert_eq!((rig.reports().len(), rig.focus.leg_count()), (0, 2));
    assert!(!opened_dialog(&rig));
}

/// C13 · RFC 7614 §5.3, §6
#[test]
fn nosub_is_honoured_in_refer_and_nowhere_else() {
    let (mut rig, mut alice) = Rig::with_creator();
    let more = "Require: nosub\nTarget-Dialog: x\n";
    let ok = rig.refer(&mut alice, BOB, more);
    assert_eq!((ok.status.code(), header(&ok, &HeaderName::Require).as_str()), (200, "nosub"));
    rig.take_seat();
    rig.later_ms(10_000);
    assert_eq!(rig.reports().len(), 0);
    let mut late = Caller::new("late", 9);
    late.more = "Require: nosub\n".to_owned();
    assert_eq!(rig.try_invite(&late.next("INVITE", OFFER)).unwrap_err().status.code(), 420);
}

/// T32, E10 · RFC 5368: a list of targets is not taken.
#[test]
fn lists_and_unknown_extensions_are_refused() {
    let (mut rig, mut alice) = Rig::with_creator();
    for tag in ["multiple-refer", "explicitsub"] {
        let refused = rig.refer(&mut alice, BOB, &format!("Require: {tag}\n"));
        assert_eq!(refused.status.code(), 420);
        assert_eq!(header(&refused, &HeaderName::Unsupported), tag);
    }
    assert_eq!(rig.focus.leg_count(), 1);
}

/// C01, C10, T31 · RFC 3515 §2.4.2
#[test]
fn what_no_conference_does_is_refused_and_nothing_is_kept() {
    let (mut rig, mut alice) = Rig::with_creator();
    let (name, _) = CONFERENCE.split_once('@').unwrap();
    let by_another_host = format!("{name}@192.0.2.2");
    for (refer_to, more, status) in [
        ("tel:+19005551234", "", 403),
        ("http://192.0.2.2/", "", 403),
        ("sip:bob@192.0.2.2;method=FOO", "", 403),
        ("sip:bob@192.0.2.2;method=SUBSCRIBE", "", 403),
        ("sip:bob@203.0.113.2", "", 403),
        ("sip:bob@example.com", "", 403),
        ("sip:bob@192.0.2.2;maddr=203.0.113.2", "", 403),
        ("sip:bob@192.0.2.2?Route=%3Csip:203.0.113.2%3E", "", 403),
        ("sip:bob@192.0.2.2?Replaces=a&Subject=b", "", 403),
        ("sip:bob@192.0.2.2?Replaces=a&Replaces=b", "", 403),
        ("sip:bob@192.0.2.2?Replaces=a%0D%0ARoute:%20x", "", 403),
        ("sip:bob@192.0.2.2?body=x", "", 403),
        ("sip:bob@192.0.2.2;method=BYE?Replaces=a", "", 403),
        (CONFERENCE, "", 403),
        (&by_another_host, "", 403),
        (BOB, "Refer-To: <sip:eve@192.0.2.9>\n", 400),
        (BOB, "Referred-By: <sip:a@x>\nReferred-By: <sip:b@x>\n", 400),
        (BOB, "Contact: <sip:a@192.0.2.1>\nContact: <sip:b@192.0.2.1>\n", 400),
    ] {
        let refused = rig.refer(&mut alice, refer_to, more);
        assert_eq!(refused.status.code(), status, "{refer_to} {more}");
        assert!(header(&refused, &HeaderName::Warning).contains("399"), "{refer_to}");
    }
    assert_eq!((rig.focus.leg_count(), rig.reports().len(), rig.called().len()), (1, 0, 0));
    let no_rule = rig.refer(&mut alice, "sip:bob@203.0.113.2", "");
    assert!(header(&no_rule, &HeaderName::Warning).contains("[dial_out]"), "it says which key");
}

/// T31: no rule, nobody is called.
#[test]
fn without_a_rule_even_the_creator_has_nobody_called() {
    let (mut rig, mut alice) = Rig::with_creator();
    rig.focus.config.dial_out = DialRules::default();
    assert_eq!(rig.refer(&mut alice, BOB, "").status.code(), 403);
    assert_eq!(rig.called(), Vec::<String>::new());
}

/// B26, T31, C03 · RFC 4579 §5.11; RFC 4538
#[test]
fn only_the_creator_steers_from_his_dialog_or_with_its_name() {
    let (mut rig, mut alice) = Rig::with_creator();
    let mut bob = Caller::new("bob", 2);
    rig.join(&mut bob);
    // A participant, inside his dialog and outside.
    assert_eq!(rig.refer(&mut bob, "sip:alice@example.com;method=BYE", "").status.code(), 403);
    assert_eq!(outside(&mut rig, &mut bob, "sip:alice@example.com;method=BYE", ""), 403);
    // A stranger, also in the creator's name.
    let mut eve = Caller::new("eve", 9);
    assert_eq!(outside(&mut rig, &mut eve, BOB, ""), 403);
    eve.name = "alice";
    assert_eq!(outside(&mut rig, &mut eve, BOB, ""), 403);
    // One who names a dialog that is not, or that is another's.
    let named = |call: &str, local: &str, remote: &str| {
        format!("Target-Dialog: {call};remote-tag={local};local-tag={remote}\n")
    };
    let tag = alice.to_tag.clone().unwrap();
    let dead = named("call-of-nobody", "tag-of-alice", &tag);
    assert_eq!(outside(&mut rig, &mut eve, BOB, &dead), 403);
    let bobs = named("call-of-bob", "tag-of-bob", bob.to_tag.as_deref().unwrap());
    assert_eq!(outside(&mut rig, &mut eve, BOB, &bobs), 403);
    assert_eq!((rig.called().len(), rig.leg_ends().len()), (0, 0));
    // Who names the creator's has it: nobody else knows its tags.
    let live = named("call-of-alice", "tag-of-alice", &tag);
    eve.call_id = "another".to_owned();
    assert_eq!(outside(&mut rig, &mut eve, BOB, &live), 200);
    // In his name from his socket: a datagram proves nothing.
    alice.call_id = "outside".to_owned();
    assert_eq!(outside(&mut rig, &mut alice, BOB, ""), 403);
}

/// T31: by the connection that his call comes by it can be nobody else.
#[test]
fn the_creators_own_connection_is_proof_and_another_is_not() {
    let (mut rig, mut alice) = Rig::with_creator();
    for leg in rig.focus.legs.values_mut() {
        leg.dialog.path.transport = Transport::Tcp;
    }
    (alice.call_id, alice.to_tag) = ("outside".to_owned(), None);
    alice.more = format!("Refer-To: <{BOB}>\n");
    let mut refer = alice.next("REFER", "");
    assert_eq!(rig.status(&refer), 403, "a datagram");
    refer.source.transport = Transport::Tcp;
    assert_eq!(rig.status(&refer), 200);
    alice.seen_as = Some("192.0.2.1:9".to_owned());
    let mut refer = alice.next("REFER", "");
    refer.source.transport = Transport::Tcp;
    assert_eq!(rig.status(&refer), 403, "another connection");
}

/// T31: who may only watch does not steer from the dialog of his subscription, whether it is one of its own or what is
/// left of his call.
#[test]
fn a_subscription_gives_no_right_to_steer() {
    let (mut rig, _) = Rig::with_creator();
    let mut eve = Caller::new("eve", 9);
    eve.more = "Event: conference\n".to_owned();
    let txn = rig.txn();
    let subscribe = eve.next("SUBSCRIBE", "");
    rig.focus.subscribe(rig.now, txn, &subscribe, crate::Subscriber::default()).unwrap();
    rig.drain();
    eve.heard(&rig.last_response());
    assert_eq!(rig.refer(&mut eve, BOB, "").status.code(), 403);
    let mut bob = Caller::new("bob", 2);
    rig.join(&mut bob);
    bob.more = "Event: conference\n".to_owned();
    assert_eq!(rig.status(&bob.next("SUBSCRIBE", "")), 200);
    bob.more.clear();
    assert_eq!(rig.status(&bob.next("BYE", "")), 200);
    assert_eq!(rig.refer(&mut bob, "sip:alice@example.com;method=BYE", "").status.code(), 403);
    assert_eq!(rig.called(), Vec::<String>::new());
}

/// J: where users are known, a proof is worth more than any dialog.
#[test]
fn who_has_proved_that_he_may_steers_from_anywhere() {
    let (mut rig, _) = Rig::with_creator();
    let mut moderator = Caller::new("moderator", 7);
    moderator.more = format!("Refer-To: <{BOB}>\n");
    let refer = moderator.next("REFER", "");
    assert!(rig.focus.check_refer(rig.now, &refer, Right::ByDialog).is_err());
    assert!(rig.focus.check_refer(rig.now, &refer, Right::Proved).is_ok());
    let txn = rig.txn();
    rig.focus.refer(rig.now, txn, &refer, Right::Proved);
    rig.drain();
    assert!(opened_dialog(&rig));
}

/// B26, C06 · RFC 4579 §5.11
#[test]
fn the_creator_removes_somebody_and_hears_when_he_is_gone() {
    let (mut rig, mut alice) = Rig::with_creator();
    let mut bob = Caller::new("bob", 2);
    let leg = rig.join(&mut bob);
    assert_eq!(rig.refer(&mut alice, "sip:bob@example.com;method=BYE", "").status.code(), 200);
    assert_eq!(rig.sent(&sip::Method::Bye), [(0, leg)]);
    rig.report_taken(200);
    rig.later_ms(3_000);
    assert_eq!(rig.reports().len(), 1, "not before he is gone");
    rig.answer(leg, &sip::Method::Bye, 200);
    assert_eq!(rig.leg_ends(), [(leg, LegEnd::Removed)]);
    let last = rig.reports().pop().unwrap();
    assert_eq!(
        (last.3.as_str(), last.4.as_str()),
        ("terminated;reason=noresource", "SIP/2.0 200 OK")
    );
    assert_eq!(rig.focus.leg_count(), 1);
}

/// B26 · RFC 3515 §2.4.5
#[test]
fn to_remove_who_is_not_there_fails_in_the_report() {
    let (mut rig, mut alice) = Rig::with_creator();
    assert_eq!(rig.refer(&mut alice, "sip:nobody@example.com;method=BYE", "").status.code(), 200);
    rig.report_taken(200);
    rig.later_ms(1_500);
    assert_eq!(rig.reports().pop().unwrap().4, "SIP/2.0 404 Not Found");
    assert_eq!((rig.focus.leg_count(), rig.leg_ends()), (1, vec![]));
}

/// B26: who is only being called is called off.
#[test]
fn to_remove_who_rings_cancels_his_call() {
    let (mut rig, mut alice) = Rig::with_creator();
    rig.refer(&mut alice, BOB, "");
    rig.take_seat();
    let (leg, invite) = rig.dialled();
    rig.refer(&mut alice, "sip:bob@192.0.2.2;method=BYE", "");
    assert_eq!(rig.cancels(), [leg]);
    rig.callee_answers(leg, &answer(&invite, 487, "b", ""));
    assert_eq!(rig.dial_ends(), [(leg, 487, true)]);
    assert_eq!(rig.focus.leg_count(), 1);
}

/// B29 · RFC 4579 §5.10; RFC 3891 §5
#[test]
fn an_escaped_replaces_goes_into_the_invite() {
    let (mut rig, mut alice) = Rig::with_creator();
    let refer_to = "sip:bob@192.0.2.2?Replaces=a-b%40192.0.2.1%3Bto-tag%3D1%3Bfrom-tag%3D2";
    assert_eq!(rig.refer(&mut alice, refer_to, "").status.code(), 200);
    rig.take_seat();
    let (_, invite) = rig.dialled();
    assert_eq!(invite.uri.to_string(), "sip:bob@192.0.2.2");
    assert_eq!(header_of(&invite, &HeaderName::Replaces), "a-b@192.0.2.1;to-tag=1;from-tag=2");
}

/// B25 · RFC 4579 §5.7
#[test]
fn the_focus_refers_on_to_itself_and_reports_the_answer() {
    let (mut rig, mut alice) = Rig::with_creator();
    let to_itself = CONFERENCE.replace('@', "%40");
    let refer_to = format!("sip:bob@192.0.2.2;method=REFER?Refer-To={to_itself}");
    let ok = rig.refer(&mut alice, &refer_to, "Referred-By: <sip:alice@example.com>\n");
    assert_eq!(ok.status.code(), 200);
    let sent = rig.log.iter().find_map(|(_, output)| match output {
        Output::Refer { referral, request, .. } => Some((*referral, request.clone())),
        _ => None,
    });
    let (referral, request) = sent.unwrap();
    assert_eq!(
        (request.method.as_str(), request.uri.to_string().as_str()),
        ("REFER", "sip:bob@192.0.2.2")
    );
    assert_eq!(header_of(&request, &HeaderName::ReferTo), format!("<{CONFERENCE}>"));
    assert_eq!(header_of(&request, &HeaderName::Contact), format!("<{CONFERENCE}>;isfocus"));
    assert_eq!(header_of(&request, &HeaderName::ReferredBy), "<sip:alice@example.com>");
    assert_eq!(header_of(&request, &HeaderName::ReferSub), "false");
    rig.report_taken(200);
    rig.focus.referred_on(rig.now, referral, Ok(sip::StatusCode::ACCEPTED));
    rig.drain();
    rig.later_ms(1_500);
    let last = rig.reports().pop().unwrap();
    assert_eq!(
        (last.3.as_str(), last.4.as_str()),
        ("terminated;reason=noresource", "SIP/2.0 202 Accepted")
    );
    assert_eq!((rig.called().len(), rig.focus.leg_count()), (0, 1));
    // To anywhere else, to nowhere, or to whom no rule allows, it refers nobody.
    for refer_to in [
        "sip:bob@192.0.2.2;method=REFER?Refer-To=sip:eve%40192.0.2.9".to_owned(),
        "sip:bob@192.0.2.2;method=REFER".to_owned(),
        format!("sip:bob@203.0.113.2;method=REFER?Refer-To={to_itself}"),
        format!("sip:bob@192.0.2.2?Refer-To={to_itself}"),
    ] {
        assert_eq!(rig.refer(&mut alice, &refer_to, "").status.code(), 403, "{refer_to}");
    }
}

/// T31, T32: how often a conference is told what to do within a minute.
#[test]
fn refers_are_taken_at_a_pace() {
    let (mut rig, mut alice) = Rig::with_creator();
    rig.focus.config.dial_out.refers_per_minute = 3;
    let statuses: Vec<_> =
        (0..4).map(|_| rig.refer(&mut alice, BOB, "Refer-Sub: false\n").status.code()).collect();
    assert_eq!(statuses, [200, 200, 200, 480]);
    rig.run_to_ms(60_000);
    assert_eq!(rig.refer(&mut alice, BOB, "Refer-Sub: false\n").status.code(), 200);
}

/// T33: a REFER before the ACK, and one whose sender leaves.
#[test]
fn reports_outlive_the_leg_whose_dialog_they_go_through() {
    let mut alice = Caller::new("alice", 1);
    let creator = crate::Creator::of(&alice.clone().next("INVITE", ""));
    let mut rig = Rig::with(crate::EndPolicy::LastLeaves, Some(creator));
    rig.invite(&mut alice);
    rig.join(&mut Caller::new("dave", 4));
    assert_eq!(rig.refer(&mut alice, BOB, "").status.code(), 200);
    rig.take_seat();
    rig.report_taken(200);
    assert_eq!(rig.status(&alice.next("BYE", "")), 200);
    assert!(opened_dialog(&rig));
    let (leg, invite) = rig.dialled();
    rig.later_ms(1_000);
    rig.callee_answers(leg, &accepts(&invite, "b"));
    assert_eq!(rig.reports().pop().unwrap().4, "SIP/2.0 200 OK");
    let closed = rig.log.iter().any(|(_, output)| matches!(output, Output::DialogClosed { .. }));
    assert!(closed);
    // A REFER in a dialog that is over.
    assert_eq!(rig.refer(&mut alice, BOB, "").status.code(), 481);
}

/// C18 · RFC 6665 §4.2.2
#[test]
fn who_knows_nothing_of_the_reports_gets_no_more() {
    let (mut rig, mut alice) = Rig::with_creator();
    rig.refer(&mut alice, BOB, "");
    rig.take_seat();
    rig.report_taken(481);
    let (leg, invite) = rig.dialled();
    rig.callee_answers(leg, &accepts(&invite, "b"));
    rig.later_ms(10_000);
    assert_eq!((rig.reports().len(), rig.focus.leg_count()), (1, 2));
}

/// T33: the same REFER asked of a conference that is ending.
#[test]
fn a_conference_that_is_ending_calls_nobody() {
    let (mut rig, mut alice) = Rig::with_creator();
    rig.join(&mut Caller::new("bob", 2));
    rig.focus.end(rig.now, crate::End::Ordered);
    rig.drain();
    assert_eq!(rig.refer(&mut alice, BOB, "").status.code(), 481);
    assert_eq!(rig.called(), Vec::<String>::new());
}

/// C15 · RFC 6665 §4.2.1: a refresh is granted no longer than there will be reports.
#[test]
fn reports_are_refreshed_in_their_own_dialog() {
    let (mut rig, mut alice) = Rig::with_creator();
    let target = format!(
        "Target-Dialog: {};remote-tag={};local-tag={}\n",
        alice.call_id,
        alice.tag,
        alice.to_tag.clone().unwrap()
    );
    let mut desk = Caller::new("desk", 8);
    let ok = rig.refer(&mut desk, BOB, &target);
    assert_eq!(ok.status.code(), 200);
    assert!(header(&ok, &HeaderName::Contact).contains("isfocus"));
    desk.heard(&ok);
    rig.take_seat();
    rig.report_taken(200);
    desk.more = "Event: refer\nExpires: 9999\n".to_owned();
    let ok = rig.send(&desk.next("SUBSCRIBE", "")).unwrap();
    assert_eq!((ok.status.code(), header(&ok, &HeaderName::Expires).as_str()), (200, "300"));
    assert_eq!(rig.reports().len(), 2, "a NOTIFY follows at once");
    desk.more = "Event: refer;id=7\n".to_owned();
    assert_eq!(rig.status(&desk.next("SUBSCRIBE", "")), 481);
    // A second REFER in that dialog is the same person's.
    desk.more.clear();
    assert_eq!(rig.refer(&mut desk, "sip:carol@192.0.2.3", "").status.code(), 200);
    assert_eq!(rig.reports().pop().unwrap().2, format!("refer;id={}", desk.cseq));
    alice.next("OPTIONS", "");
}

fn header_of(request: &sip::Request, name: &HeaderName) -> String {
    request.headers.get(name).map(|value| value.text().into_owned()).unwrap_or_default()
}

fn opened_dialog(rig: &Rig) -> bool {
    rig.log.iter().any(|(_, output)| matches!(output, Output::DialogOpened { .. }))
}

/// What the focus would refuse it says beforehand, and says the same.
#[test]
fn what_check_lets_pass_is_taken() {
    let (mut rig, mut alice) = Rig::with_creator();
    for refer_to in [BOB, "sip:x@203.0.113.1", "tel:1", "sip:bob@example.com;method=BYE"] {
        alice.more = format!("Refer-To: <{refer_to}>\n");
        let refer = alice.next("REFER", "");
        let checked = Focus::check_refer(&rig.focus, rig.now, &refer, Right::ByDialog);
        let status = rig.status(&refer);
        assert_eq!(checked.map_or_else(|no| no.status.code(), |()| 200), status, "{refer_to}");
    }
}
