use super::*;
use crate::{Method, Request};

fn invite() -> Request {
    let uri: crate::Uri = "sip:bob@192.0.2.2".parse().unwrap();
    Request::new(Method::Invite, uri).with_header(HeaderName::CSeq, "7 INVITE")
}

fn provisional(rseq: &str) -> Response {
    Response::answering(&invite(), StatusCode::RINGING)
        .with_header(HeaderName::Require, RELIABLE)
        .with_header(HeaderName::RSeq, rseq)
}

fn rack_of(rseq: u32) -> RAck {
    RAck { rseq, cseq: CSeq::new(7, Method::Invite) }
}

/// H10 · RFC 3262 §4: 1, 3, 2, 2.
#[test]
fn reliable_responses_are_taken_in_order_and_gaps_and_copies_dropped() {
    let mut receiver = ReliableReceiver::default();
    let mut receive = |rseq| receiver.receive(&provisional(rseq));
    assert_eq!(receive("1"), Received::InOrder(rack_of(1)));
    assert_eq!(receive("3"), Received::Dropped);
    assert_eq!(receive("2"), Received::InOrder(rack_of(2)));
    assert_eq!(receive("2"), Received::Dropped);
    assert_eq!(receive("3"), Received::InOrder(rack_of(3)));
}

/// H10 · RFC 3262 §4, §7.1
#[test]
fn what_is_not_reliable_is_no_matter_of_prack() {
    let mut receiver = ReliableReceiver::default();
    let plain = Response::answering(&invite(), StatusCode::RINGING);
    assert_eq!(receiver.receive(&plain), Received::Unreliable);
    let mut trying = provisional("1");
    trying.status = StatusCode::TRYING;
    assert_eq!(receiver.receive(&trying), Received::Unreliable, "100 is never reliable");
    for unreadable in ["", "0", "x", "4294967296"] {
        assert_eq!(receiver.receive(&provisional(unreadable)), Received::Dropped, "{unreadable}");
    }
    assert_eq!(receiver.receive(&provisional("4294967295")), Received::InOrder(rack_of(u32::MAX)));
    assert_eq!(receiver.receive(&provisional("0")), Received::Dropped, "numbers never wrap");
}

/// H08 · RFC 3262 §7.2
#[test]
fn rack_is_read_as_it_is_written() {
    assert_eq!(rack_of(776_656).to_string(), "776656 7 INVITE");
    for text in ["776656 7 INVITE", " 776656  7\tINVITE "] {
        let mut headers = Headers::new();
        headers.push(HeaderName::RAck, text);
        assert_eq!(rack(&headers), Ok(rack_of(776_656)), "{text}");
    }
    for text in ["", "1 INVITE", "1 2", "4294967296 1 INVITE", "x 1 INVITE"] {
        let mut headers = Headers::new();
        headers.push(HeaderName::RAck, text);
        assert!(rack(&headers).is_err(), "{text}");
    }
    assert!(rack(&Headers::new()).is_err());
}

/// H08 · RFC 3262 §3
#[test]
fn reliable_response_is_numbered_and_sent_again_until_its_prack() {
    let mut sender = ReliableSender::new(&mut Rng::from_number(1));
    let mut response = Response::answering(&invite(), StatusCode::RINGING);
    sender.send(Instant::ZERO, &mut response).unwrap();
    assert_eq!(wish(&response.headers), Wish::Required);
    let first = rseq(&response.headers).unwrap();
    assert!((1..1 << 31).contains(&first));
    let mut copies = vec![];
    for _ in 0..3 {
        let at = sender.deadline().unwrap();
        assert_eq!(sender.handle_deadline(at), ReliableAction::Again);
        copies.push(at.as_millis());
    }
    assert_eq!(copies, [500, 1_500, 3_500]);
    let mut second = Response::answering(&invite(), StatusCode::SESSION_PROGRESS);
    assert_eq!(sender.send(Instant::ZERO, &mut second), Err(Waiting), "one at a time");
    assert!(second.headers.get(&HeaderName::RSeq).is_none());
    for wrong in [
        RAck { rseq: first + 1, ..rack_of(0) },
        RAck { rseq: first, cseq: CSeq::new(8, Method::Invite) },
        RAck { rseq: first, cseq: CSeq::new(7, Method::Update) },
    ] {
        assert!(!sender.acknowledge(&wrong), "{wrong}");
    }
    assert!(sender.acknowledge(&rack_of(first)));
    assert!(!sender.acknowledge(&rack_of(first)), "a second PRACK matches nothing");
    assert_eq!(sender.deadline(), None);
    sender.send(Instant::ZERO, &mut second).unwrap();
    assert_eq!(rseq(&second.headers), Ok(first + 1));
}

/// H08 · RFC 3262 §3: doubling without an end, and 5xx after 64·T1.
#[test]
fn without_prack_it_is_given_up_after_64_t1() {
    let mut sender = ReliableSender::new(&mut Rng::from_number(2));
    let mut response = Response::answering(&invite(), StatusCode::RINGING);
    sender.send(Instant::ZERO, &mut response).unwrap();
    let mut at = vec![];
    while let Some(due) = sender.deadline() {
        at.push((due.as_millis(), sender.handle_deadline(due)));
    }
    let again = |ms| (ms, ReliableAction::Again);
    let copies = [500, 1_500, 3_500, 7_500, 15_500, 31_500].map(again);
    assert_eq!(at[..6], copies);
    assert_eq!(at[6..], [(32_000, ReliableAction::GiveUp)]);
}

/// H09 · RFC 3262 §3
#[test]
fn success_waits_only_for_a_response_with_a_description() {
    let mut sender = ReliableSender::new(&mut Rng::from_number(3));
    let mut ringing = Response::answering(&invite(), StatusCode::RINGING);
    sender.send(Instant::ZERO, &mut ringing).unwrap();
    assert!(sender.is_waiting() && !sender.holds_success());
    let rseq_of = |response: &Response| rack_of(rseq(&response.headers).unwrap());
    assert!(sender.acknowledge(&rseq_of(&ringing)));
    let mut early = Response::answering(&invite(), StatusCode::SESSION_PROGRESS);
    early.set_body("application/sdp", "v=0\r\n");
    sender.send(Instant::ZERO, &mut early).unwrap();
    assert!(sender.holds_success());
    let mut sender = sender.finished();
    assert_eq!(sender.deadline(), None, "nothing is sent again after the final answer");
    assert!(sender.acknowledge(&rseq_of(&early)), "its PRACK is still answered 2xx");
    assert!(!sender.holds_success());
}

/// H07 · RFC 3262 §3: all four combinations, and Require counts more.
#[test]
fn wish_of_an_invite() {
    let with = |require: &str, supported: &str| {
        let mut headers = Headers::new();
        for (name, value) in [(HeaderName::Require, require), (HeaderName::Supported, supported)] {
            if !value.is_empty() {
                headers.push(name, value);
            }
        }
        wish(&headers)
    };
    assert_eq!(with("100rel", ""), Wish::Required);
    assert_eq!(with("timer, 100REL", "100rel"), Wish::Required);
    assert_eq!(with("", "timer, 100rel"), Wish::Supported);
    assert_eq!(with("timer", "timer"), Wish::Unknown);
}
