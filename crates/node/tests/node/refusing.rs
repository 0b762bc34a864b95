//! Bad input at the node: every refusal the issue names, and nothing kept for any.

use crate::rig::{Caller, FACTORY, NODE, Rig, header};
use node::Leftovers;
use sip::HeaderName;

fn status_of(rig: &mut Rig, text: &str) -> u16 {
    rig.ask(Caller::new("alice", 1).address, text).status.code()
}

/// A20 · RFC 3261 §8.2.1: unknown 501, known but not allowed 405 with Allow.
#[test]
fn methods() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    assert_eq!(status_of(&mut rig, &alice.request("NEWMETHOD", FACTORY)), 501);
    let response = rig.ask(alice.address, &alice.request("REGISTER", FACTORY));
    assert_eq!(response.status.code(), 405);
    let allow = header(&response, &HeaderName::Allow).expect("Allow");
    assert!(allow.contains("INVITE") && !allow.contains("REGISTER"), "{allow}");
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// A21 · RFC 3261 §8.2.2.1
#[test]
fn schemes_and_addresses() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    assert_eq!(status_of(&mut rig, &alice.request("OPTIONS", "http://127.0.0.1/")), 416);
    assert_eq!(status_of(&mut rig, &alice.request("OPTIONS", "sip:nobody@127.0.0.1")), 404);
    assert_eq!(status_of(&mut rig, &alice.request("OPTIONS", "sip:elsewhere.example")), 404);
    let mut stranger = alice.clone();
    stranger.cseq = 9;
    let text =
        stranger.invite(FACTORY).replace(&format!("To: <{FACTORY}>"), "To: <sip:x@y.example>");
    assert_eq!(status_of(&mut rig, &text), 302, "an unknown To is no reason");
}

/// A23 · RFC 3261 §8.2.2.3: 420 at the focus; the factory in its redirect form leaves Require to it
/// (§8.3).
#[test]
fn require() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.extra = "Require: nothingSupportsThis\r\n".to_owned();
    let uri = rig.conference(&alice);
    alice.cseq += 1;
    let response = rig.ask(alice.address, &alice.invite(&uri));
    assert_eq!(response.status.code(), 420);
    assert_eq!(header(&response, &HeaderName::Unsupported).as_deref(), Some("nothingSupportsThis"));
    assert_eq!(rig.used_and_held(), (0, 4), "the hold is untouched");
}

/// A24 · RFC 3261 §8.2.3, and F01: no common codec is 488.
#[test]
fn bodies() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    alice.cseq += 1;
    let text = alice.with_body("INVITE", &uri, "application/unknownformat", "x");
    let response = rig.ask(alice.address, &text);
    assert_eq!(response.status.code(), 415);
    assert_eq!(
        header(&response, &HeaderName::Accept).as_deref(),
        Some("application/sdp, multipart/mixed, multipart/alternative")
    );
    alice.cseq += 1;
    let opus = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n";
    let text = alice.with_body("INVITE", &uri, "application/sdp", opus);
    assert_eq!(status_of(&mut rig, &text), 488);
    assert_eq!(rig.used_and_held(), (0, 4), "the hold is untouched");
    assert_eq!(rig.node.leftovers().ports, 0);
    alice.cseq += 1;
    assert_eq!(status_of(&mut rig, &alice.invite(&uri)), 200, "a better offer gets in");
}

/// A29 · RFC 3261 §12.2.2
#[test]
fn no_dialog() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    alice.to_tag = Some("1-0-made-up".to_owned());
    assert_eq!(status_of(&mut rig, &alice.request("BYE", FACTORY)), 481);
    assert_eq!(status_of(&mut rig, &alice.invite(FACTORY)), 481);
    assert_eq!(rig.receive(alice.address, &alice.request("ACK", FACTORY)), []);
    alice.to_tag = None;
    assert_eq!(status_of(&mut rig, &alice.request("BYE", FACTORY)), 481);
    assert_eq!(rig.receive(alice.address, &alice.request("ACK", FACTORY)), []);
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// B16, A34 · RFC 4579 §5.13, RFC 3261 §11.2; and our host without a user.
#[test]
fn options() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let mut asking = Caller::new("bob", 2);
    for target in [FACTORY, &uri, "sip:127.0.0.1:5060", "sip:example.com"] {
        asking.cseq += 1;
        let response = rig.ask(asking.address, &asking.request("OPTIONS", target));
        assert_eq!(response.status.code(), 200, "{target}");
        assert!(header(&response, &HeaderName::Allow).is_some());
        assert!(header(&response, &HeaderName::Accept).is_some());
        let focus = header(&response, &HeaderName::Contact)
            .is_some_and(|contact| contact.contains("isfocus"));
        assert_eq!(focus, target == uri, "{target}");
    }
}

#[test]
fn malformed_requests_get_400_and_are_counted() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let text = alice.request("OPTIONS", FACTORY).replace("CSeq: 1 OPTIONS", "CSeq: x OPTIONS");
    assert_eq!(rig.statuses(alice.address, text.as_bytes()), [400]);
    assert_eq!(rig.statuses(NODE, b"\x00\x01garbage"), []);
    let counters = rig.node.status(rig.now).counters;
    assert_eq!((counters.malformed_answered, counters.malformed_dropped), (1, 1));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}
