//! Attacks on the node that have no better place: see `docs/ATTACKS.md`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use node::{Leftovers, Limits};
use sip::{HeaderName, Message, Transport};

use crate::rig::{Caller, FACTORY, Rig, Setting, contact, requests, to_tag};

const MALLORY: [u8; 4] = [127, 0, 0, 66];

fn mallory(number: u16) -> Caller {
    let mut mallory = Caller::new("mallory", number);
    mallory.address.set_ip(MALLORY.into());
    mallory
}

/// T07, T36 · an identity that somebody only claims is shown to nobody, however its field is spelled.
#[test]
fn claimed_identities_are_shown_to_nobody() {
    for field in [
        "P-Asserted-Identity: <sip:boss@example.com>",
        "p-asserted-identity : <sip:boss@example.com>",
        "P-ASSERTED-IDENTITY\t:\r\n <sip:boss@example.com>",
        "Remote-Party-ID: \"boss\" <sip:boss@example.com>;party=calling",
        "P-Preferred-Identity: <sip:boss@example.com>",
        "Identity: boss",
        "Privacy: none\r\nHistory-Info: <sip:boss@example.com>;index=1",
        "Diversion: <sip:boss@example.com>",
    ] {
        let mut rig = Rig::new();
        let mut alice = Caller::new("alice", 1);
        alice.extra = format!("{field}\r\n");
        let uri = rig.conference(&alice);
        rig.join(&mut alice, &uri);
        rig.join(&mut Caller::new("bob", 2), &uri);
        let status = format!("{:?}", rig.node.status(rig.now));
        assert!(status.contains("alice") && !status.contains("boss"), "{field}: {status}");
        assert!(!format!("{:?}", rig.notices).contains("boss"), "{field}: {:?}", rig.notices);
        for (_, packet) in &rig.sent {
            let text = String::from_utf8_lossy(&packet.bytes);
            assert!(!text.contains("boss"), "{field}: {text}");
        }
    }
}

/// T08, T17 · a body is taken apart so far and no further: what is nested a hundred deep, or ends nowhere, is refused, as is
/// what is of a type that nobody reads.
#[test]
fn bodies_cannot_be_too_deep() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let mut deep = "v=0\r\n".to_owned();
    for level in 0..100 {
        deep = format!(
            "--b{level}\r\nContent-Type: multipart/mixed;boundary=b{level}\r\n\r\n{deep}\r\n--b{level}--\r\n"
        );
    }
    let nested = "<list>".repeat(5_000);
    for (kind, body, status) in [
        ("multipart/mixed;boundary=b99", deep.as_str(), 400),
        ("multipart/mixed", "--x\r\n\r\nv=0\r\n", 400),
        ("multipart/mixed;boundary=\"\"", "----\r\n", 400),
        ("application/resource-lists+xml", nested.as_str(), 415),
        ("message/sip", "INVITE sip:a@b SIP/2.0\r\n\r\n", 415),
    ] {
        let mut mallory = mallory(1);
        mallory.rebranch();
        mallory.call_id = kind.to_owned();
        for target in [FACTORY, &uri] {
            mallory.cseq += 1;
            let invite = mallory.with_body("INVITE", target, kind, body);
            assert_eq!(rig.ask(mallory.address, &invite).status.code(), status, "{kind}");
        }
    }
    assert_eq!(rig.used_and_held(), (0, 4), "nothing else happened");
}

/// T10 · what a re-INVITE asks for that we do not do is refused, and the leg stays as it was.
#[test]
fn a_leg_survives_offers_of_fax_and_of_fewer_lines() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let head = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    for body in [
        format!("{head}m=image 16001 udptl t38\r\n"),
        format!("{head}m=audio 16001 RTP/SAVP 0\r\n"),
        format!("{head}m=audio 0 RTP/AVP 0\r\n"),
        head.to_owned(),
    ] {
        alice.cseq += 1;
        let invite = alice.with_body("INVITE", &uri, "application/sdp", &body);
        assert_eq!(rig.ask(alice.address, &invite).status.code(), 488, "{body}");
        let ack = alice.request("ACK", &uri).replace("-ACK-", "-INVITE-");
        assert_eq!(rig.receive(alice.address, &ack), []);
    }
    assert_eq!(rig.used_and_held(), (1, 3), "the leg is there");
    rig.leave(&mut alice, &uri);
}

/// T11
#[test]
fn strays_are_answered_481_or_not_at_all() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let mallory = mallory(1);
    for method in ["CANCEL", "PRACK", "UPDATE", "BYE"] {
        let answer = rig.ask(mallory.address, &mallory.request(method, &uri));
        assert_eq!(answer.status.code(), 481, "{method}");
    }
    assert_eq!(rig.receive(mallory.address, &mallory.request("ACK", &uri)), []);
    // Another caller's branch, from another place, is another transaction.
    let joined = rig.join(&mut alice, &uri);
    let copy = alice.request("CANCEL", &uri).replace("-CANCEL-", "-INVITE-");
    let copy = copy.replace(&format!("UDP {}", alice.address), &format!("UDP {}", mallory.address));
    assert_eq!(rig.ask(mallory.address, &copy).status.code(), 481);
    assert_eq!((joined.status.code(), rig.used_and_held()), (200, (1, 3)));
}

/// T12 · a BYE with a number that has been used ends nothing.
#[test]
fn a_bye_with_an_old_number_ends_nothing() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let before = rig.commands.len();
    for cseq in [0, 1, alice.cseq] {
        let mut forged = alice.clone();
        (forged.cseq, forged.branch) = (cseq, 9);
        assert_eq!(rig.ask(alice.address, &forged.request("BYE", &uri)).status.code(), 500);
    }
    assert_eq!(rig.commands.len(), before, "the media go on");
    assert_eq!(rig.used_and_held(), (1, 3));
    rig.leave(&mut alice, &uri);
}

/// T21 · ninety seconds of everything from everywhere: nothing is kept, and who comes then is answered at once.
#[test]
fn a_flood_of_all_methods_leaves_no_trace() {
    let mut rig = Rig::new();
    let uri = rig.conference(&Caller::new("alice", 1));
    let methods = ["REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE", "OPTIONS", "INFO", "FOO"];
    let mut sizes = Vec::new();
    for second in 0..90 {
        for number in 0..100_u16 {
            let mut caller = mallory(number);
            caller.call_id = format!("flood-{second}-{number}");
            caller.branch = second * 100 + u32::from(number);
            let method = methods[usize::from(number) % methods.len()];
            let target = if number % 2 == 0 { &uri } else { "sip:nobody@127.0.0.1" };
            let answers = rig.receive(caller.address, &caller.request(method, target));
            assert!(answers.len() <= 1);
        }
        rig.sent.clear();
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.node.leftovers().transactions, 0);
        sizes.push(format!("{:?}", rig.node).len());
    }
    let (first, last) = (sizes[1], sizes[89]);
    assert!(last < first + 200, "{first} characters became {last}");
    let bob = Caller::new("bob", 2);
    assert_eq!(rig.ask(bob.address, &bob.request("OPTIONS", FACTORY)).status.code(), 200);
    rig.conference(&bob);
}

/// T22, T39 · a scanner hears 404 a hundred times, all alike, and then nothing; nobody else notices, nor he himself where he
/// has a right to be.
#[test]
fn a_scanner_is_answered_alike_and_then_not_at_all() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut answers = Vec::new();
    for extension in 100..400 {
        let mut scanner = mallory(1);
        scanner.call_id = format!("friendly-{extension}");
        scanner.extra = "User-Agent: friendly-scanner\r\n".to_owned();
        let method = ["OPTIONS", "INVITE", "REGISTER"][extension % 3];
        let target = format!("sip:{extension}@127.0.0.1");
        answers.extend(rig.statuses(scanner.address, scanner.request(method, &target).as_bytes()));
    }
    assert_eq!(answers.len(), 100, "{answers:?}");
    assert!(answers.iter().all(|status| [404, 405].contains(status)), "{answers:?}");
    assert_eq!(rig.node.status(rig.now).held_back, 200);
    // A guess at a conference looks like a wrong extension; his time has not come yet.
    let guess = mallory(2);
    let near = uri.replace("conf-a", "conf-b");
    assert_eq!(rig.receive(guess.address, &guess.invite(&near)), []);
    // With the right URI he is as welcome as anybody, and so is everybody else.
    assert_eq!(rig.join(&mut mallory(3), &uri).status.code(), 200);
    let bob = Caller::new("bob", 2);
    assert_eq!(rig.ask(bob.address, &bob.request("OPTIONS", &uri)).status.code(), 200);
    rig.pass(Duration::from_secs(1));
    let again = mallory(4);
    assert_eq!(rig.ask(again.address, &again.invite(&near)).status.code(), 404);
}

/// T22 · no answer says what program this is, and in which version.
#[test]
fn no_answer_names_the_program() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    for method in ["OPTIONS", "MESSAGE", "FOO"] {
        rig.receive(alice.address, &Caller::new("bob", 2).request(method, FACTORY));
    }
    rig.shutdown();
    for (_, packet) in &rig.sent {
        let message = sip::parse_datagram(&packet.bytes).expect("ours");
        let names = [HeaderName::Server, HeaderName::UserAgent];
        assert!(names.iter().all(|name| message.headers().get(name).is_none()), "{message:?}");
        let text = String::from_utf8_lossy(&packet.bytes).to_lowercase();
        assert!(!text.contains("convoke"), "{text}");
    }
}

/// T24 · whoever is in is heard whatever else comes from where he is.
#[test]
fn in_dialog_requests_are_never_held_back() {
    let mut rig = Rig::new().with_limits(Limits { per_second: 1, burst: 1 });
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    for number in 0..50 {
        let mut noise = Caller::new("noise", number);
        noise.address.set_ip(alice.address.ip());
        rig.receive(noise.address, &noise.request("OPTIONS", "sip:x@127.0.0.1"));
    }
    assert_eq!(rig.node.status(rig.now).held_back, 49);
    alice.cseq += 1;
    assert_eq!(rig.ask(alice.address, &alice.invite(&uri)).status.code(), 200, "re-INVITE");
    rig.receive(alice.address, &alice.request("ACK", &uri));
    alice.cseq += 1;
    assert_eq!(rig.ask(alice.address, &alice.request("OPTIONS", &uri)).status.code(), 200);
    rig.leave(&mut alice, &uri);
}

/// T26 · an INVITE that its sender repeats until he hears something makes one leg and one piece of work.
#[test]
fn seven_copies_of_an_invite_are_one_piece_of_work() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    alice.cseq += 1;
    let invite = alice.invite(&uri);
    let first = rig.ask(alice.address, &invite);
    let work = rig.commands.len();
    for ms in [500, 1_000, 2_000, 4_000, 8_000, 16_000] {
        rig.pass(Duration::from_millis(ms));
        assert_eq!(rig.receive(alice.address, &invite), [], "the 200 goes out by its own timer");
    }
    assert_eq!(rig.commands.len(), work, "no command to the mixer came of it");
    assert_eq!(rig.used_and_held(), (1, 3));
    alice.to_tag = to_tag(&first);
    // RFC 3261 §15: without an ACK in 64*T1 it would end; the ACK comes just in time.
    assert_eq!(rig.receive(alice.address, &alice.request("ACK", &uri)), []);
    rig.leave(&mut alice, &uri);
}

/// T13 · ten calls over connections that break before the answers: they end, and nothing is left.
#[test]
fn calls_whose_connection_broke_end_by_themselves() {
    let mut rig = Rig::with(Setting::default());
    rig.transport = Transport::Tcp;
    let uri = rig.conference(&Caller::new("alice", 1));
    for number in 2..12 {
        let mut caller = Caller::new("anna", number);
        caller.cseq += 1;
        assert_eq!(rig.ask(caller.address, &caller.invite(&uri)).status.code(), 200);
        rig.arrive(sip::Arrival::Failed(rig.path(caller.address)));
    }
    let byes = requests(rig.pass(Duration::from_secs(40)));
    assert_eq!(byes.len(), 10, "each is told once that it is over");
    rig.pass(Duration::from_secs(120));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    let is_answer = |message: &Message| matches!(message, Message::Response(_));
    assert!(!rig.sent_since(rig.sent.len()).iter().any(is_answer));
}

/// T56 · whatever becomes of an INVITE to the factory on its way, it means one conference.
#[test]
fn an_invite_that_comes_again_means_the_same_conference() {
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    assert_eq!(rig.conference(&alice), uri, "a copy");
    let mut forked = alice.clone();
    forked.rebranch();
    let merged = rig.ask(forked.address, &forked.invite(FACTORY));
    assert_eq!(merged.status.code(), 482, "by another way at the same time");
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.conference(&alice), uri, "a late copy");
    for _ in 0..3 {
        rig = rig.killed(Duration::from_secs(1), Setting::default());
        assert_eq!(rig.conference(&forked), uri, "after a restart, by whatever way");
        assert_eq!(rig.used_and_held(), (0, 4));
    }
    assert_eq!(rig.join(&mut alice.clone(), &uri).status.code(), 200);
    assert_eq!(rig.node.leftovers().conferences, 1);
}

/// T57 · the process is killed after it has held room and before the caller has heard of it, and again before he joins.
#[test]
fn a_kill_between_hold_and_answer_costs_nothing() {
    let mut rig = Rig::new().with_disk(BTreeMap::new());
    let alice = Caller::new("alice", 1);
    let unheard = rig.conference(&alice);
    let mut rig = rig.killed(Duration::from_millis(100), Setting::default());
    assert_eq!(rig.used_and_held(), (0, 0), "what nobody was told of is nowhere");
    rig.pass(Duration::from_millis(400));
    assert_eq!(rig.conference(&alice), unheard, "his copy gets what he did not hear");
    rig.pass(Duration::from_secs(61));
    assert_eq!(rig.node.leftovers(), Leftovers::default(), "no orphan");
    assert!(rig.disk.is_empty());
    // He joins the process after the next.
    let uri = rig.conference(&alice);
    let mut rig = rig.killed(Duration::from_secs(1), Setting::default());
    let mut joining = alice.clone();
    assert_eq!(rig.join(&mut joining, &uri).status.code(), 200);
    assert_eq!(rig.node.leftovers().conferences, 1);
}

/// T58 · a hundred thousand addresses that prove nothing ask, and never join.
#[test]
fn a_hundred_thousand_holds_of_nobody_leave_room_for_an_honest_caller() {
    let mut rig = Rig::with(Setting { seats: 1_000, ..Setting::default() });
    let mut alice = Caller::new("alice", 1);
    let mut uri = String::new();
    for number in 0..100_000_u32 {
        let mut nobody = Caller::new("nobody", 1);
        nobody.address.set_ip(Ipv4Addr::from(0x0a00_0000 + number).into());
        nobody.call_id = format!("nobody-{number}");
        nobody.branch = number;
        assert_eq!(rig.ask(nobody.address, &nobody.invite(FACTORY)).status.code(), 302);
        if number == 50_000 {
            let response = rig.ask(alice.address, &alice.invite(FACTORY));
            uri = contact(&response);
            rig.prove(&mut alice, FACTORY, &response);
        }
        if number % 1_000 == 0 {
            let (_, held) = rig.used_and_held();
            assert!(held <= 804, "four fifths, and alice: {held}");
            rig.pass(Duration::from_millis(100));
        }
        rig.sent.clear();
        rig.notices.clear();
    }
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200, "hers was firm");
    rig.leave(&mut alice, &uri);
    rig.pass(Duration::from_secs(120));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}
