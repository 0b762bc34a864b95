//! RFC 3261 §8.2.2.2.

use super::*;
use crate::{Message, parse_datagram};

const FACTORY: &str = "sip:conference@example.com";
const FOCUS: &str = "sip:conf-1@mix3.example.com";

/// The essentials of a request with this top Via and CSeq.
fn request(via: &str, cseq: &str, to_tag: &str) -> Essentials {
    let method = cseq.split_once(' ').expect("number and method").1;
    let text = format!(
        "{method} sip:x@example.com SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@example.com>;tag=a\r\n\
         To: <sip:x@example.com>{to_tag}\r\nCall-ID: c\r\nCSeq: {cseq}\r\n\
         Contact: <sip:a@192.0.2.1>\r\nMax-Forwards: 70\r\n\r\n"
    );
    match parse_datagram(text.as_bytes()) {
        Ok(Message::Request(request)) => Essentials::of(&request.headers).expect("parsed"),
        other => panic!("{other:?}"),
    }
}

const WAY_1: &str = "SIP/2.0/UDP p1.example;branch=z9hG4bK-1";
const WAY_2: &str = "SIP/2.0/UDP p2.example;branch=z9hG4bK-2";

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// A22 · RFC 3261 §8.2.2.2: the same request over two ways.
#[test]
fn same_request_by_another_way_is_merged() {
    let mut guard = MergedGuard::new();
    assert_eq!(guard.check(at(0), FACTORY, &request(WAY_1, "1 INVITE", "")), Merged::Fresh);
    assert_eq!(guard.check(at(1), FACTORY, &request(WAY_2, "1 INVITE", "")), Merged::Merged);
    assert_eq!(
        guard.check(at(2), FACTORY, &request(WAY_1, "1 INVITE", "")),
        Merged::SameTransaction
    );
    // Same branch, other sent-by: another way too (RFC 3261 §17.2.3).
    let same_branch = WAY_1.replace("p1", "p3");
    assert_eq!(guard.check(at(3), FACTORY, &request(&same_branch, "1 INVITE", "")), Merged::Merged);
    assert_eq!(guard.len(), 1);
}

/// A22 · RFC 3261 §8.2.2.2: the next request, another core and a request in a dialog are no merged ones.
#[test]
fn what_differs_in_cseq_core_or_to_tag_is_fresh() {
    let mut guard = MergedGuard::new();
    assert_eq!(guard.check(at(0), FACTORY, &request(WAY_1, "1 INVITE", "")), Merged::Fresh);
    assert_eq!(guard.check(at(0), FACTORY, &request(WAY_2, "2 INVITE", "")), Merged::Fresh);
    // A proxy that recurses on our 302 comes to the focus with all the same.
    assert_eq!(guard.check(at(0), FOCUS, &request(WAY_2, "1 INVITE", "")), Merged::Fresh);
    assert_eq!(guard.check(at(0), FACTORY, &request(WAY_2, "1 INVITE", ";tag=t")), Merged::Fresh);
    assert_eq!(guard.check(at(0), FACTORY, &request(WAY_2, "1 OPTIONS", "")), Merged::Fresh);
}

/// A22 · It is over 64·T1 later, or when the answer is acknowledged.
#[test]
fn a_request_is_forgotten_after_64_t1_or_when_it_is_done() {
    let mut guard = MergedGuard::new();
    guard.check(at(0), FACTORY, &request(WAY_1, "1 INVITE", ""));
    assert_eq!(guard.deadline(), Some(at(32_000)));
    let second = request(WAY_2, "1 INVITE", "");
    assert_eq!(guard.check(at(31_999), FACTORY, &second), Merged::Merged);
    assert_eq!(guard.check(at(32_000), FACTORY, &second), Merged::Fresh);

    assert!(!guard.done(FOCUS, &second), "of another core");
    assert!(!guard.done(FACTORY, &request(WAY_1, "1 ACK", ";tag=t")), "the ACK to the 482");
    assert_eq!(guard.len(), 1);
    assert!(guard.done(FACTORY, &request(WAY_2, "1 ACK", ";tag=t")));
    assert!(guard.is_empty());
    assert_eq!(guard.check(at(40_000), FACTORY, &request(WAY_1, "1 INVITE", "")), Merged::Fresh);

    // The first entry's time passes; the second one, of the same key, stays.
    guard.handle_deadline(at(64_000));
    assert_eq!(guard.len(), 1);
    guard.handle_deadline(at(72_000));
    assert!(guard.is_empty());
    assert_eq!(guard.deadline(), None);
}

/// The memory has an end; the oldest goes first.
#[test]
fn full_guard_forgets_the_oldest() {
    let mut guard = MergedGuard::new();
    for number in 0..=MERGED_MAX {
        let request = request(WAY_1, &format!("{number} INVITE"), "");
        assert_eq!(guard.check(at(0), FACTORY, &request), Merged::Fresh);
    }
    assert_eq!(guard.len(), MERGED_MAX);
    let last = format!("{MERGED_MAX} INVITE");
    assert_eq!(guard.check(at(1), FACTORY, &request(WAY_2, &last, "")), Merged::Merged);
    assert_eq!(guard.check(at(1), FACTORY, &request(WAY_2, "0 INVITE", "")), Merged::Fresh);
}
