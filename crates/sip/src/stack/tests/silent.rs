//! Next hops that do not answer (RFC 7339 §5.9, the client's half).

use super::client::our_request;
use super::*;
use crate::HeaderName;

const OTHER: &str = "192.0.2.12:5060";

/// 64·T1, after which a request over UDP has failed.
const GIVEN_UP_MS: u64 = 32_000;

/// A stack that speaks RFC 7339.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.stack.asks_for_control = true;
    bench
}

impl Bench {
    /// Asks for something, outside a dialog or in one; says whether it went out. If not, its owner has heard so at once.
    fn asks_of(&mut self, place: Source, to_tag: &str) -> bool {
        let mut request = our_request(Method::Invite);
        if !to_tag.is_empty() {
            request.headers.set(HeaderName::To, format!("<sip:alice@192.0.2.9>;tag={to_tag}"));
        }
        let (sent, heard) = (self.sent.len(), self.events.len());
        let txn = self.stack.request(self.now, request, place).expect("room");
        self.drain();
        let is_sent = self.sent.len() > sent;
        let at = self.now.as_millis();
        let failed =
            [(at, Event::Failed { txn, why: Failure::Silent }), (at, Event::ClientEnded { txn })];
        assert_eq!(&self.events[heard..], if is_sent { &[][..] } else { &failed });
        is_sent
    }

    fn passes(&mut self, ms: u64) {
        self.run_until(self.now.as_millis() + ms);
    }

    /// So many requests are sent and get no answer, one after the other.
    fn unanswered(&mut self, count: usize) {
        for n in 0..count {
            assert!(self.asks_of(udp_from(PEER), ""), "{n}");
            self.passes(GIVEN_UP_MS);
        }
    }

    /// The last request gets this answer.
    fn is_answered(&mut self, status: StatusCode) {
        let response = Response::answering(&self.last_request(), status).with_to_tag("bob");
        let text = String::from_utf8(response.to_bytes()).expect("text");
        self.receive(self.now.as_millis(), udp_from(PEER), &text);
    }
}

/// A37 · RFC 7339 §5.9: after three requests in a row without an answer nothing new goes there, but one at a time after 4, 8, 16, 32,
/// 64, 64 s, each of which says that nobody is there yet; other places and what is in dialogs are sent as ever.
#[test]
fn whoever_does_not_answer_is_asked_more_and_more_rarely() {
    let mut bench = bench();
    bench.unanswered(3);
    for pause_s in [4, 8, 16, 32, 64, 64, 64] {
        assert!(!bench.asks_of(udp_from(PEER), ""), "at once");
        assert!(bench.asks_of(udp_from(OTHER), ""), "another place");
        bench.is_answered(StatusCode::BUSY_HERE);
        bench.passes(pause_s * 1_000 - 1);
        assert!(!bench.asks_of(udp_from(PEER), ""), "before {pause_s} s");
        bench.passes(1);
        assert!(bench.asks_of(udp_from(PEER), ""), "after {pause_s} s");
        for _ in 0..10 {
            assert!(!bench.asks_of(udp_from(PEER), ""), "one at a time");
        }
        bench.passes(GIVEN_UP_MS);
    }
    assert!(!bench.asks_of(udp_from(PEER), "") && bench.asks_of(udp_from(PEER), "bob"));
    let counters = bench.stack.counters();
    assert_eq!(counters.requests_to_silent, 7 * 12 + 1);
    assert_eq!(counters.requests_kept_back, 0);
    bench.passes(100_000);
    assert_eq!(bench.stack.transaction_count(), 0);
}

/// RFC 7339 §5.9: any answer, and everything goes there again; and it takes three more to stop us.
#[test]
fn any_answer_ends_it() {
    for status in [StatusCode::TRYING, StatusCode::BUSY_HERE, StatusCode::SERVICE_UNAVAILABLE] {
        let mut bench = bench();
        bench.unanswered(3);
        bench.passes(4_000);
        assert!(bench.asks_of(udp_from(PEER), ""));
        assert!(!bench.asks_of(udp_from(PEER), ""), "before the answer");
        bench.is_answered(status);
        assert!((0..5).all(|_| bench.asks_of(udp_from(PEER), "")), "{status}");
        bench.is_answered(status);
        bench.passes(40_000);
        // What was sent together is one failure.
        assert!(bench.asks_of(udp_from(PEER), ""), "{status}");
        bench.is_answered(status);
        bench.unanswered(2);
        assert!(bench.asks_of(udp_from(PEER), ""), "two do not stop us");
    }
}

/// One lost answer, and two, stop nobody; nor do any number with answers between them.
#[test]
fn a_lost_answer_stops_nobody() {
    let mut bench = bench();
    for _ in 0..5 {
        bench.unanswered(2);
        assert!(bench.asks_of(udp_from(PEER), ""));
        bench.is_answered(StatusCode::BUSY_HERE);
    }
    // Whoever rings, and then says nothing more, is there.
    for _ in 0..5 {
        let invite = our_request(Method::Invite);
        let txn = bench.stack.request(bench.now, invite, udp_from(PEER)).expect("room");
        bench.drain();
        bench.is_answered(StatusCode::RINGING);
        bench.stack.cancel(bench.now, txn);
        bench.drain();
        bench.is_answered(StatusCode::OK);
        bench.passes(2 * GIVEN_UP_MS);
    }
    assert_eq!(bench.stack.counters().requests_to_silent, 0);
}

/// What fails together has one cause: ten calls on a connection that breaks, or that were sent in the same moment.
#[test]
fn what_fails_together_counts_once() {
    let mut bench = bench();
    for round in 0..2 {
        assert!((0..10).all(|_| bench.asks_of(udp_from(PEER), "")), "{round}");
        bench.passes(GIVEN_UP_MS);
    }
    let tcp = Source { transport: Transport::Tcp, ..udp_from(OTHER) };
    for round in 0..3 {
        assert!((0..10).all(|_| bench.asks_of(tcp, "")), "{round}");
        bench.stack.handle_transport_error(bench.now, &tcp);
        bench.drain();
        bench.passes(1_000);
    }
    assert!(!bench.asks_of(tcp, ""), "RFC 7339 §5.9: repeated fatal transport errors");
    assert!(bench.asks_of(udp_from(PEER), ""), "that were two");
}

/// RFC 7339 §5.9, RFC 3263 §4.3: where there is another place, a request goes there at once, and not after 32 s.
#[test]
fn a_silent_place_is_passed_over() {
    let mut bench = bench();
    bench.unanswered(3);
    let heard = bench.events.len();
    let places = [PEER, OTHER].map(udp_from);
    bench.stack.request_any(bench.now, our_request(Method::Invite), places).expect("room");
    bench.drain();
    assert_eq!((bench.last_remote().as_str(), bench.events.len()), (OTHER, heard));
}

/// After ten minutes nobody is held to have fallen silent; who has not asked for control keeps nothing of it.
#[test]
fn it_is_forgotten_and_is_for_those_who_speak_of_control() {
    let mut bench = bench();
    bench.unanswered(3);
    bench.passes(599_999);
    assert!(bench.asks_of(udp_from(PEER), ""), "a probe");
    assert!(!bench.asks_of(udp_from(PEER), ""));
    bench.passes(1);
    assert!((0..9).all(|_| bench.asks_of(udp_from(PEER), "")), "as if nothing had been");

    let mut bench = Bench::new();
    bench.unanswered(9);
    assert!((0..9).all(|_| bench.asks_of(udp_from(PEER), "")));
}
