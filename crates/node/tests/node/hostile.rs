//! Who means harm, who is sloppy, and a mixer that says no.

use std::time::Duration;

use focus::factory::AnswerForm;
use mix::message::Action;
use node::{Leftovers, Notice};

use crate::rig::{Caller, FACTORY, Rig, Setting, contact, requests, to_tag};

/// The ACK to a final answer that is no 2xx (RFC 3261 §17.1.1.3): the branch of the INVITE, the tag
/// of the answer.
fn ack_to(rig: &mut Rig, caller: &Caller, uri: &str, response: &sip::Response) {
    let mut acking = caller.clone();
    acking.to_tag = to_tag(response);
    let ack = acking.request("ACK", uri).replace("-ACK-", "-INVITE-");
    assert_eq!(rig.receive(caller.address, &ack), []);
}

/// Every caller acknowledges a refusal; that must not bring him what he was refused.
#[test]
fn the_ack_to_a_refusal_holds_nothing() {
    // More than all unproved callers together may hold.
    let mut rig = Rig::with(Setting { seats: 100, ..Setting::default() });
    let alice = Caller::new("alice", 1);
    let uri = "sip:conference@127.0.0.1:5060;seats=40";
    let response = rig.ask(alice.address, &alice.invite(uri));
    assert_eq!(response.status.code(), 480);
    ack_to(&mut rig, &alice, uri, &response);
    assert_eq!(rig.used_and_held(), (0, 0));

    // More than there was, and a moment later there is.
    let mut rig = Rig::with(Setting { seats: 6, ..Setting::default() });
    let mut bob = Caller::new("bob", 2);
    let other = rig.conference(&bob);
    rig.join(&mut bob, &other);
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!(response.status.code(), 480);
    rig.leave(&mut bob, &other);
    assert_eq!(rig.used_and_held(), (0, 0));
    ack_to(&mut rig, &alice, FACTORY, &response);
    assert_eq!(rig.used_and_held(), (0, 0));
}

/// A request that two proxies bring is one request: one conference, one 482 (RFC 3261 §8.2.2.2). The ACK
/// to the 482 is not the ACK to the 302.
#[test]
fn the_ack_to_a_merged_request_holds_nothing() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    rig.conference(&alice);
    let mut forked = alice.clone();
    forked.address.set_ip([127, 0, 0, 2].into());
    forked.rebranch();
    let response = rig.ask(forked.address, &forked.invite(FACTORY));
    assert_eq!(response.status.code(), 482);
    ack_to(&mut rig, &forked, FACTORY, &response);
    assert_eq!(rig.used_and_held(), (0, 4));
    forked.rebranch();
    let again = rig.ask(forked.address, &forked.invite(FACTORY));
    assert_eq!(again.status.code(), 482, "the first is still going on");
}

/// No refusal leaks a hold, in the form that answers from the focus too.
#[test]
fn a_delivering_factory_holds_nothing_for_whom_it_refuses() {
    let mut setting = Setting::default();
    setting.factory.answer = AnswerForm::Deliver;
    let mut rig = Rig::with(setting);
    let alice = Caller::new("alice", 1);
    let invite = alice.invite(FACTORY);
    for (wrong, status) in [
        (invite.replace("RTP/AVP 0 8", "RTP/AVP 96 9"), 488),
        (invite.replace("m=audio", "m=video"), 488),
        (invite.replace("Contact: <sip:alice@127.0.0.1:6001>\r\n", ""), 400),
        (invite.replace("Max-Forwards: 70", "Require: nothing"), 420),
    ] {
        let response = rig.ask(alice.address, &wrong);
        assert_eq!(response.status.code(), status, "{wrong}");
        ack_to(&mut rig, &alice, FACTORY, &response);
        assert_eq!(rig.used_and_held(), (0, 0), "{status}");
    }
    assert_eq!(rig.node.leftovers(), Leftovers::default());

    // All ports are in use.
    rig.transport = sip::Transport::Tcp;
    for number in 0..200 {
        let mut caller = Caller::new("many", number);
        match rig.join(&mut caller, FACTORY).status.code() {
            200 => {}
            480 => break,
            other => panic!("{other}"),
        }
    }
    let (used, _) = rig.used_and_held();
    let conferences = rig.node.status(rig.now).conferences;
    assert_eq!(used as usize, conferences.len());
    assert!(conferences.iter().all(|conference| !conference.legs.is_empty()), "{conferences:?}");
}

/// The asker's second request (say, after a 401 from his proxy) got the same URI as his first. A copy
/// of it from the network, after he has joined, is still that request and no new conference.
#[test]
fn a_copy_of_any_request_for_a_conference_makes_no_other() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    alice.cseq += 1;
    alice.rebranch();
    let second = alice.invite(FACTORY);
    assert_eq!(contact(&rig.ask(alice.address, &second)), uri);
    rig.join(&mut alice, &uri);
    assert_eq!(contact(&rig.ask(alice.address, &second)), uri, "a copy");
    assert_eq!(rig.node.leftovers().holds, 0);
}

/// Whatever a caller writes into his headers, what is remembered of him when he has gone is short.
#[test]
fn long_identifiers_are_not_remembered() {
    let mut rig = Rig::new();
    let before = format!("{:?}", rig.node).len();
    for number in 0..20 {
        let mut alice = Caller::new("alice", number);
        alice.call_id = format!("{}-{number}", "c".repeat(10_000));
        alice.from_tag = "t".repeat(10_000);
        alice.name = "n".repeat(10_000);
        let uri = rig.conference(&alice);
        rig.join(&mut alice, &uri);
        rig.leave(&mut alice, &uri);
    }
    rig.pass(Duration::from_secs(32));
    let each = (format!("{:?}", rig.node).len() - before) / 20;
    assert!(each < 4_000, "{each} characters for a caller who has gone");
}

/// T20, B18 · Who refuses to be acknowledged gets one packet for one packet: his address may be another's.
#[test]
fn a_refused_joiner_is_told_once() {
    let mut setting = Setting::default();
    (setting.factory.expect, setting.factory.legs_max) = (1, Some(1));
    let mut rig = Rig::with(setting);
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut bob = Caller::new("bob", 2);
    assert_eq!(rig.join(&mut bob, &uri).status.code(), 486);
    assert_eq!(rig.pass(Duration::from_secs(60)), []);
}

/// Joins while the mixer refuses these commands.
fn join_refused(rig: &mut Rig, caller: &mut Caller, which: fn(&Action) -> bool) {
    let uri = rig.conference(caller);
    rig.refuse = Some(which);
    caller.cseq += 1;
    let response = rig.ask(caller.address, &caller.invite(&uri));
    assert_eq!(response.status.code(), 200, "the 200 does not wait for the mixer");
    rig.refuse = None;
    caller.to_tag = to_tag(&response);
    // RFC 3261 §15: the BYE waited for the ACK.
    let ack = caller.request("ACK", &uri);
    let bye = requests(rig.receive(caller.address, &ack));
    assert_eq!(bye.len(), 1);
    let ok = sip::Response::answering(&bye[0], sip::StatusCode::OK);
    assert_eq!(rig.receive_bytes(caller.address, &ok.to_bytes()), []);
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// A port that the mixer refused to use is still lent, and must not be lost: there are 200.
#[test]
fn a_refused_port_can_be_used_again() {
    let mut rig = Rig::new();
    for number in 0..250 {
        let mut caller = Caller::new("anna", number);
        join_refused(&mut rig, &mut caller, |action| matches!(action, Action::AddPort { .. }));
    }
}

/// A mixer that cannot open the conference: the leg is let go, the port comes back.
#[test]
fn a_conference_that_cannot_be_opened_ends_and_loses_no_port() {
    let mut rig = Rig::new();
    for number in 0..250 {
        join_refused(&mut rig, &mut Caller::new("anna", number), |_| true);
    }
}

/// A conference that fails on its shard while a leg is on its way in.
#[test]
fn a_failed_conference_loses_no_port() {
    let mut rig = Rig::new();
    for number in 0..250 {
        let mut caller = Caller::new("anna", number);
        let uri = rig.conference(&caller);
        assert_eq!(rig.join(&mut caller, &uri).status.code(), 200, "{number}");
        let last = rig.commands.last().expect("AddPort").clone();
        rig.fail(last.conference);
        rig.pass(Duration::from_secs(80));
    }
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// T20 · Somebody sends INVITEs in another one's name: the victim gets a bounded number of answers.
#[test]
fn answers_to_one_address_that_acknowledges_none_are_bounded() {
    let mut rig = Rig::with(Setting { seats: 1_000, ..Setting::default() });
    let uri = rig.conference(&Caller::new("alice", 1));
    let statuses: Vec<u16> = (0..100)
        .map(|number| {
            let mut mallory = Caller::new("mallory", number);
            mallory.cseq += 1;
            rig.ask(mallory.address, &mallory.invite(&uri)).status.code()
        })
        .collect();
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 64);
    assert!(statuses[64..].iter().all(|&status| status == 480), "{statuses:?}");
    let packets = rig.pass(Duration::from_secs(300)).len();
    assert!(packets <= 64 * 21, "{packets}");
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    let mut bob = Caller::new("bob", 200);
    let uri = rig.conference(&bob);
    assert_eq!(rig.join(&mut bob, &uri).status.code(), 200, "it counts no more");
}

/// Whoever acknowledges has shown that he is there, however many he is.
#[test]
fn many_callers_behind_one_address_that_acknowledge_get_in() {
    let mut rig = Rig::with(Setting { seats: 1_000, ..Setting::default() });
    let uri = rig.conference(&Caller::new("alice", 1));
    for number in 0..150 {
        let mut caller = Caller::new("anna", number);
        assert_eq!(rig.join(&mut caller, &uri).status.code(), 200, "{number}");
    }
}

/// T20 · A flood of forged requests to a factory that delivers fills the unproved share and no more.
#[test]
fn forged_requests_to_a_delivering_factory_leave_room_for_others() {
    let mut setting = Setting { seats: 200, ..Setting::default() };
    setting.factory.answer = AnswerForm::Deliver;
    let mut rig = Rig::with(setting);
    for number in 0..100 {
        let mut mallory = Caller::new("mallory", number);
        mallory.address.set_ip([127, 0, 1, u8::try_from(number).expect("small")].into());
        rig.receive(mallory.address, &mallory.invite(FACTORY));
    }
    // A fifth of 200.
    assert_eq!(rig.used_and_held(), (10, 30));
    rig.transport = sip::Transport::Tcp;
    let mut alice = Caller::new("alice", 1);
    assert_eq!(rig.join(&mut alice, FACTORY).status.code(), 200);
    rig.transport = sip::Transport::Udp;
    rig.pass(Duration::from_secs(80));
    let mut bob = Caller::new("bob", 2);
    assert_eq!(rig.join(&mut bob, FACTORY).status.code(), 200, "they count no more");
    // Proved askers are not counted.
    for number in 0..12 {
        let mut caller = Caller::new("anna", number);
        assert_eq!(rig.join(&mut caller, FACTORY).status.code(), 200, "{number}");
    }
}

/// T36 · What a stranger writes into his headers ends up in logs: nothing that moves the cursor or turns the
/// text around.
#[test]
fn notices_show_no_hidden_characters() {
    let mut rig = Rig::with(Setting { seats: 4, ..Setting::default() });
    rig.transport = sip::Transport::Tcp;
    for number in 1..=2 {
        let alice = Caller::new("alice", number);
        let invite = alice.invite(FACTORY).replace("<sip:alice@", "<sip:al\u{202e}ice@");
        rig.receive(alice.address, &invite);
    }
    assert_eq!(rig.notices.len(), 2, "held, and refused: {:?}", rig.notices);
    for notice in &rig.notices {
        let (Notice::Held { asker, .. } | Notice::Refused { asker, .. }) = notice else {
            panic!("{notice:?}");
        };
        assert!(!asker.contains('\u{202e}') && asker.contains('\u{fffd}'), "{asker}");
    }
}

/// One caller who never takes a new Call-ID: refused in the end, and no other is.
#[test]
fn conferences_of_one_dialog_identifier_are_bounded() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    for _ in 0..64 {
        alice.to_tag = None;
        alice.cseq += 1;
        let uri = rig.conference(&alice);
        rig.join(&mut alice, &uri);
        rig.leave(&mut alice, &uri);
    }
    alice.to_tag = None;
    alice.cseq += 1;
    assert_eq!(rig.ask(alice.address, &alice.invite(FACTORY)).status.code(), 480);
    rig.conference(&Caller::new("bob", 2));
}
