//! The factory, through the whole node.

use std::time::Duration;

use crate::rig::{Caller, FACTORY, Rig, Setting, contact, header, to_tag};
use focus::factory::AnswerForm;
use node::{Leftovers, Notice};
use sip::HeaderName;

fn holds(rig: &Rig) -> usize {
    rig.notices.iter().filter(|notice| matches!(notice, Notice::Held { .. })).count()
}

/// B03, B08 · RFC 4579 §5.4, RFC 3261 §21.3.3: one 302, a URI made anew, isfocus, no expiry, and
/// nothing kept but the hold.
#[test]
fn the_factory_redirects_to_a_uri_of_its_own() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!(response.status.code(), 302);
    let contact_header = header(&response, &HeaderName::Contact).expect("Contact");
    assert!(contact_header.ends_with(">;isfocus"), "{contact_header}");
    assert!(!contact_header.contains("expires"));
    assert_eq!(header(&response, &HeaderName::Expires), None);
    let uri = contact(&response);
    let user = uri.strip_prefix("sip:").and_then(|rest| rest.strip_suffix("@127.0.0.1:5060"));
    let user = user.expect("our host and port");
    assert!(user.starts_with("conf-") && user.len() == 47, "{user}");
    let leftovers = rig.node.leftovers();
    assert_eq!(leftovers, Leftovers { holds: 1, timers: 1, ..Leftovers::default() });
    assert_eq!(rig.used_and_held(), (0, 4));
}

/// A13, T20 differs here on purpose: an unproved UDP source gets one 302 and no copy (RFC 3261 §8.2.7).
#[test]
fn the_302_is_never_resent_by_itself() {
    let mut rig = Rig::new();
    rig.conference(&Caller::new("alice", 1));
    assert_eq!(rig.pass(Duration::from_secs(59)), []);
}

/// B02 · RFC 4579 §5.4: a retransmission, and the same request after a 401, mean one conference.
#[test]
fn the_same_request_gets_the_same_uri_and_one_hold() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let first = rig.ask(alice.address, &alice.invite(FACTORY));
    let copy = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!((contact(&first), to_tag(&first)), (contact(&copy), to_tag(&copy)));
    alice.cseq += 1;
    alice.rebranch();
    assert_eq!(rig.conference(&alice), contact(&first));
    assert_eq!((holds(&rig), rig.used_and_held()), (1, (0, 4)));
}

/// B01, B02, B11 · RFC 4579 §3.2: every other request makes another conference.
#[test]
fn another_caller_gets_another_conference() {
    let mut rig = Rig::new();
    let mut uris: Vec<String> =
        (0..5).map(|number| rig.conference(&Caller::new("anna", number))).collect();
    uris.dedup();
    assert_eq!((uris.len(), holds(&rig)), (5, 5));
}

/// The generation rises once the conference was joined: pressing the button again makes
/// a second one, while a copy of the first request that was late on its way does not.
#[test]
fn asking_again_after_joining_makes_a_second_conference_but_a_late_copy_does_not() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let first_request = alice.invite(FACTORY);
    let first = contact(&rig.ask(alice.address, &first_request));
    let mut joining = alice.clone();
    rig.join(&mut joining, &first);
    let late = rig.ask(alice.address, &first_request);
    assert_eq!((contact(&late), holds(&rig)), (first.clone(), 1));
    alice.cseq = 7;
    alice.rebranch();
    let second = rig.conference(&alice);
    assert_ne!(second, first);
    assert_eq!(holds(&rig), 2);
}

/// A22 · RFC 3261 §8.2.2.2: the same request over two paths is one conference and one 482.
#[test]
fn a_merged_request_gets_482() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    rig.conference(&alice);
    alice.rebranch();
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!((response.status.code(), holds(&rig)), (482, 1));
}

/// B05 · RFC 4579 §5.4: a recursing proxy keeps Call-ID, From tag and CSeq and must get through.
#[test]
fn a_recursing_proxy_reaches_the_focus_with_the_same_cseq() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    alice.rebranch();
    let response = rig.ask(alice.address, &alice.invite(&uri));
    assert_eq!(response.status.code(), 200);
    assert_eq!(contact(&response), uri);
}

/// B08, T40 · the room is held for `hold`, then the URI is 404 and the room is free.
#[test]
fn a_hold_that_nobody_joins_ends_by_itself() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.pass(Duration::from_millis(59_999));
    assert_eq!(rig.used_and_held(), (0, 4));
    rig.pass(Duration::from_millis(2));
    assert_eq!(rig.used_and_held(), (0, 0));
    assert!(matches!(rig.notices.last(), Some(Notice::HoldExpired { .. })));
    let mut late = alice.clone();
    assert_eq!(rig.join(&mut late, &uri).status.code(), 404);
}

/// The ACK that echoes the To tag makes the hold firm, so that others' soft holds do
/// not push it out; somebody else's ACK does not.
#[test]
fn the_ack_makes_the_hold_firm() {
    for proves in [true, false] {
        // 40 seats: soft holds together get 32 of them, which is eight conferences of four.
        let mut rig = Rig::with(Setting { seats: 40, ..Setting::default() });
        let mut alice = Caller::new("alice", 1);
        let response = rig.ask(alice.address, &alice.invite(FACTORY));
        alice.to_tag = if proves { to_tag(&response) } else { Some("1-0-invented".to_owned()) };
        assert_eq!(rig.receive(alice.address, &alice.request("ACK", FACTORY)), []);
        for number in 0..8 {
            let mut other = Caller::new("flood", 10 + number);
            other.address.set_ip([127, 0, 0, 2].into());
            rig.conference(&other);
        }
        let mut joining = alice.clone();
        joining.to_tag = None;
        let status = rig.join(&mut joining, &contact(&response)).status.code();
        assert_eq!(status, if proves { 200 } else { 404 }, "proves: {proves}");
    }
}

/// Half of what comes to a factory are ACKs to redirections: who they are from is seen without reading them, so that what
/// else one says does not matter. What is no ACK of ours is read, and dropped.
#[test]
fn the_ack_to_a_redirection_is_not_read() {
    for proves in [true, false] {
        let mut rig = Rig::with(Setting { seats: 40, ..Setting::default() });
        let mut alice = Caller::new("alice", 1);
        let response = rig.ask(alice.address, &alice.invite(FACTORY));
        alice.to_tag = if proves { to_tag(&response) } else { Some("1-0-invented".to_owned()) };
        let ack = alice.request("ACK", FACTORY).replace("Max-Forwards: 70", "Max-Forwards: many");
        assert_eq!(rig.receive(alice.address, &ack), []);
        // 40 seats: soft holds together get 32 of them, which is eight conferences of four.
        for number in 0..8 {
            let mut other = Caller::new("flood", 10 + number);
            other.address.set_ip([127, 0, 0, 2].into());
            rig.conference(&other);
        }
        alice.to_tag = None;
        let status = rig.join(&mut alice, &contact(&response)).status.code();
        assert_eq!(status, if proves { 200 } else { 404 }, "proves: {proves}");
    }
}

/// A flood pushes an honest caller's soft hold out before his ACK comes: the ACK brings it back.
#[test]
fn the_ack_brings_back_a_hold_that_a_flood_pushed_out() {
    let mut rig = Rig::with(Setting { seats: 40, ..Setting::default() });
    let mut alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    for number in 0..8 {
        let mut other = Caller::new("flood", 10 + number);
        other.address.set_ip([127, 0, 0, 2].into());
        rig.conference(&other);
    }
    let mut joining = alice.clone();
    alice.to_tag = to_tag(&response);
    // RFC 3261 §17.1.1.3: the branch of the INVITE.
    let ack = alice.request("ACK", FACTORY).replace("-ACK-", "-INVITE-");
    assert_eq!(rig.receive(alice.address, &ack), []);
    assert_eq!(rig.join(&mut joining, &contact(&response)).status.code(), 200);
    rig.leave(&mut joining, &contact(&response));
    rig.pass(Duration::from_secs(120));
    // A copy of the ACK, much later, brings nothing back.
    assert_eq!(rig.receive(alice.address, &ack), []);
    assert_eq!(rig.used_and_held(), (0, 0));
}

/// T20 · An unproved source gets one packet for one packet, and hardly a byte more than it sent.
#[test]
fn before_proof_there_is_no_amplification() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let request = alice.invite(FACTORY);
    rig.ask(alice.address, &request);
    let (_, packet) = rig.sent.last().expect("the 302");
    assert!(packet.bytes.len() <= request.len(), "{} for {}", packet.bytes.len(), request.len());
    // The shortest INVITE that can be answered, without an offer.
    let short = "INVITE sip:conference@127.0.0.1 SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKa\r\n\
                 f:<sip:a@b>;tag=1\r\nt:<sip:c@d>\r\ni:e\r\nCSeq:1 INVITE\r\nm:<sip:a@b>\r\n\r\n";
    rig.ask(alice.address, short);
    let (_, packet) = rig.sent.last().expect("the 302");
    assert!(
        packet.bytes.len() <= 5 * short.len() / 2,
        "{} for {}",
        packet.bytes.len(),
        short.len()
    );
}

/// B04 · RFC 4579 §5.4: the direct form answers 200 with the conference URI and isfocus.
#[test]
fn the_deliver_form_answers_from_the_focus() {
    let mut setting = Setting::default();
    setting.factory.answer = AnswerForm::Deliver;
    let mut rig = Rig::with(setting);
    let alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!(response.status.code(), 200);
    assert!(contact(&response).starts_with("sip:conf-"));
    assert!(header(&response, &HeaderName::Contact).expect("Contact").ends_with(";isfocus"));
    assert_eq!(rig.used_and_held(), (1, 3));
}

/// The relay form belongs to a later issue: said so, and nothing is held.
#[test]
fn the_relay_form_is_refused_and_holds_nothing() {
    let mut setting = Setting::default();
    setting.factory.answer = AnswerForm::Relay;
    let mut rig = Rig::with(setting);
    let alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!((response.status.code(), rig.used_and_held()), (501, (0, 0)));
}

/// Factory addresses: aliases, digits, `;user=phone`, each host of ours.
#[test]
fn every_alias_is_the_factory() {
    for uri in [
        "sip:9000@127.0.0.1:5060",
        "sip:9000@127.0.0.1;user=phone",
        "sip:conference@example.com",
        "sip:conference@EXAMPLE.com:5060;transport=udp",
    ] {
        let mut rig = Rig::new();
        let alice = Caller::new("alice", 1);
        assert_eq!(rig.ask(alice.address, &alice.invite(uri)).status.code(), 302, "{uri}");
    }
}

/// `;seats=` on the factory URI is the expected size.
#[test]
fn the_caller_says_how_big() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    rig.ask(alice.address, &alice.invite("sip:conference@127.0.0.1:5060;seats=9"));
    assert_eq!(rig.used_and_held(), (0, 9));
}

/// T23 · A request for more than there is (9 free, 10 asked) is refused, says so, and leaks nothing.
#[test]
fn more_than_there_is_is_refused_and_leaks_nothing() {
    let mut rig = Rig::with(Setting { seats: 9, ..Setting::default() });
    let alice = Caller::new("alice", 1);
    let uri = "sip:conference@127.0.0.1:5060;seats=10";
    let response = rig.ask(alice.address, &alice.invite(uri));
    assert_eq!(response.status.code(), 480);
    let seconds = response.headers.retry_after().expect("well formed").expect("Retry-After");
    assert!((2..=10).contains(&seconds.seconds), "{seconds:?}");
    let warning = header(&response, &HeaderName::Warning).expect("Warning");
    assert!(warning.starts_with("399 ") && warning.contains("10"), "{warning}");
    assert_eq!(rig.used_and_held(), (0, 0));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    let nine = "sip:conference@127.0.0.1:5060;seats=9";
    let bob = Caller::new("bob", 2);
    assert_eq!(rig.ask(bob.address, &bob.invite(nine)).status.code(), 302);
}

/// Whoever is unproved is capped, per source and in all; and he whose address was used by others for a
/// flood gets his conference all the same.
#[test]
fn one_source_cannot_hold_the_pool_with_soft_holds() {
    let mut rig = Rig::with(Setting { seats: 1_000, ..Setting::default() });
    for number in 0..40 {
        rig.conference(&Caller::new("flood", number));
        assert!(rig.used_and_held().1 <= 16 * 4, "{number}");
    }
    let mut alice = Caller::new("alice", 50);
    let uri = rig.conference(&alice);
    assert_eq!(rig.used_and_held(), (0, 64));
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);
}

/// A request over a connection is firm at once.
#[test]
fn a_connection_proves_the_source() {
    let mut rig = Rig::with(Setting { seats: 1_000, ..Setting::default() });
    rig.transport = sip::Transport::Tcp;
    for number in 0..40 {
        let caller = Caller::new("tcp", number);
        assert_eq!(rig.ask(caller.address, &caller.invite(FACTORY)).status.code(), 302);
    }
    assert_eq!(rig.used_and_held(), (0, 160));
}
