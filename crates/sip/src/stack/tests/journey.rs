//! Which transport a request takes, and where it goes when it does not get through.

use super::client::our_request;
use super::*;
use crate::HeaderName;

/// A request that is so long on the wire.
fn request_of(method: Method, bytes: usize) -> Request {
    let mut bench = Bench::new();
    let mut request = our_request(method);
    request.set_body("application/sdp", "");
    bench.stack.send_once(bench.now, request.clone(), udp_from(PEER));
    bench.drain();
    let (_, _, sent) = bench.sent.last().expect("sent");
    let Message::Request(sent) = sent else { panic!("a request") };
    // "0" gives way to as many digits as the length has.
    let padding = bytes - sent.to_bytes().len() - 2;
    request.set_body("application/sdp", "x".repeat(padding));
    request
}

fn tcp_to(remote: &str) -> Source {
    Source { transport: Transport::Tcp, ..udp_from(remote) }
}

impl Bench {
    fn send_long(&mut self, method: Method) -> ClientTxnId {
        let request = request_of(method, DATAGRAM_REQUEST_BYTES_MAX + 1);
        let txn = self.stack.request(self.now, request, udp_from(PEER)).expect("room");
        self.drain();
        txn
    }

    fn hears(&mut self, ms: u64, arrival: Arrival) {
        self.run_until(ms);
        self.stack.handle_arrival(self.now, arrival);
        self.drain();
    }

    /// Every request that was sent: transport of the path, transport of the Via, method.
    fn ways(&self) -> Vec<(Transport, String, Method)> {
        let way = |(_, path, message): &(u64, Source, Message)| match message {
            Message::Request(request) => {
                let via = request.headers.top_via().expect("a Via");
                Some((path.transport, via.transport.into_owned(), request.method.clone()))
            }
            Message::Response(_) => None,
        };
        self.sent.iter().filter_map(way).collect()
    }

    fn branches(&self) -> Vec<String> {
        let branch = |(_, _, message): &(u64, Source, Message)| match message {
            Message::Request(request) => {
                let via = request.headers.top_via().expect("a Via");
                via.branch().map(str::to_owned)
            }
            Message::Response(_) => None,
        };
        self.sent.iter().filter_map(branch).collect()
    }
}

fn over(transport: Transport, method: Method) -> (Transport, String, Method) {
    (transport, transport.via_token().to_owned(), method)
}

/// A06 · RFC 3261 §18.1.1, T19: 1300 bytes are a datagram, one more is not, and the Via says so.
#[test]
fn a_request_above_1300_bytes_goes_over_tcp_with_the_via_changed() {
    use Transport::{Tcp, Udp};
    let mut bench = Bench::new();
    let short = request_of(Method::Invite, DATAGRAM_REQUEST_BYTES_MAX);
    bench.stack.request(bench.now, short, udp_from(PEER)).expect("room");
    bench.drain();
    bench.send_long(Method::Invite);
    bench.send_long(Method::Notify);
    let ways = [over(Udp, Method::Invite), over(Tcp, Method::Invite), over(Tcp, Method::Notify)];
    assert_eq!(bench.ways(), ways);
    let lengths: Vec<_> = bench.sent.iter().map(|(_, _, it)| it.to_bytes().len()).collect();
    assert_eq!(lengths, [1_300, 1_301, 1_301]);
    assert_eq!(bench.sent[1].1, tcp_to(PEER), "the same place");
    // RFC 3261 §17.1.1.2: nothing is resent over a reliable transport.
    bench.run_until(10_000);
    let tcp = bench.ways().iter().filter(|(transport, ..)| *transport == Tcp).count();
    assert_eq!((tcp, bench.stack.counters().long_requests), (2, 2));
}

/// A06 · RFC 3261 §18.1.1: the same request in the same transaction of the user, with a branch of its own.
#[test]
fn where_no_connection_is_taken_a_long_request_falls_back_to_udp() {
    use Transport::{Tcp, Udp};
    for method in [Method::Invite, Method::Notify] {
        let mut bench = Bench::new();
        let txn = bench.send_long(method.clone());
        bench.hears(3, Arrival::Refused(tcp_to(PEER)));
        assert_eq!(bench.ways(), [over(Tcp, method.clone()), over(Udp, method.clone())]);
        assert_ne!(bench.branches()[0], bench.branches()[1]);
        assert!(bench.events.is_empty(), "the user need not know");
        bench.answer_to(100, &method, StatusCode::OK, "alice7");
        let told = |(_, event): &(u64, Event)| matches!(event, Event::Response { txn: of, .. } if *of == txn);
        assert!(bench.events.iter().any(told));
        assert_eq!(bench.stack.counters().other_targets, 1);
    }
}

/// A06 · RFC 3261 §18.1.1: asked for a connection once in ten minutes, not with every request.
#[test]
fn a_peer_that_takes_no_connection_is_not_asked_again_for_a_while() {
    use Transport::{Tcp, Udp};
    let mut bench = Bench::new();
    bench.send_long(Method::Notify);
    bench.hears(0, Arrival::Refused(tcp_to(PEER)));
    bench.answer_to(10, &Method::Notify, StatusCode::OK, "alice7");
    bench.send_long(Method::Notify);
    bench.answer_to(20, &Method::Notify, StatusCode::OK, "alice7");
    bench.run_until(NO_STREAM_FOR.as_millis().try_into().expect("short"));
    bench.send_long(Method::Notify);
    let transports: Vec<_> = bench.ways().into_iter().map(|(transport, ..)| transport).collect();
    assert_eq!(transports, [Tcp, Udp, Udp, Tcp]);
    // Another peer is asked all the same.
    let long = request_of(Method::Bye, DATAGRAM_REQUEST_BYTES_MAX + 1);
    bench.stack.request(bench.now, long, udp_from("192.0.2.10:5060")).expect("room");
    bench.drain();
    assert_eq!(bench.ways().last(), Some(&over(Tcp, Method::Bye)));
}

/// A06: what was answered, or cancelled, is not sent again by another transport; silence over a connection
/// means no other thing than silence.
#[test]
fn there_is_no_fallback_once_the_peer_has_the_request() {
    let failed = |bench: &Bench, why| {
        bench.count(move |event| matches!(event, Event::Failed { .. })) == 1
            && bench
                .events
                .iter()
                .any(|(_, event)| matches!(event, Event::Failed { why: it, .. } if *it == why))
            && bench.ways().iter().all(|(transport, ..)| *transport == Transport::Tcp)
    };
    let mut bench = Bench::new();
    bench.send_long(Method::Invite);
    bench.answer_to(100, &Method::Invite, StatusCode::RINGING, "alice7");
    bench.hears(200, Arrival::Failed(tcp_to(PEER)));
    assert!(failed(&bench, Failure::Transport), "{:?}", bench.events);

    let mut bench = Bench::new();
    let txn = bench.send_long(Method::Invite);
    bench.stack.cancel(bench.now, txn);
    bench.drain();
    bench.hears(10, Arrival::Refused(tcp_to(PEER)));
    assert!(failed(&bench, Failure::Transport), "{:?}", bench.events);

    let mut bench = Bench::new();
    bench.send_long(Method::Notify);
    bench.run_until(32_000);
    assert!(failed(&bench, Failure::Timeout), "{:?}", bench.events);
    assert_eq!(bench.stack.transaction_count(), 0);
}

/// A06, A18, A26: ACK to a failure and CANCEL go where their INVITE went; so does the ACK to a 2xx by its own length.
#[test]
fn ack_and_cancel_of_a_long_invite_go_by_its_connection() {
    use Transport::{Tcp, Udp};
    let mut bench = Bench::new();
    let txn = bench.send_long(Method::Invite);
    bench.answer_to(10, &Method::Invite, StatusCode::RINGING, "alice7");
    bench.stack.cancel(bench.now, txn);
    bench.drain();
    bench.answer_to(20, &Method::Invite, StatusCode::REQUEST_TERMINATED, "alice7");
    let ways = [over(Tcp, Method::Invite), over(Tcp, Method::Cancel), over(Tcp, Method::Ack)];
    assert_eq!(bench.ways(), ways);
    let branches = bench.branches();
    assert!(branches.iter().all(|branch| *branch == branches[0]));

    let ack = request_of(Method::Ack, DATAGRAM_REQUEST_BYTES_MAX + 1);
    bench.stack.send_once(bench.now, ack.clone(), udp_from(PEER));
    bench.drain();
    // It was lost with the connection; the 2xx comes again, and the ACK finds its way.
    bench.hears(30, Arrival::Refused(tcp_to(PEER)));
    bench.stack.send_once(bench.now, ack, udp_from(PEER));
    bench.drain();
    assert_eq!(bench.ways()[3..], [over(Tcp, Method::Ack), over(Udp, Method::Ack)]);
}

/// RFC 3261 §18.2.2: an answer goes where its request came from, however long it is.
#[test]
fn answers_never_change_their_transport() {
    let mut bench = Bench::new();
    let accepted = bench.accept(0, &Draft { method: "OPTIONS", ..Draft::default() });
    let response = Response::answering(&accepted.1.request, StatusCode::OK)
        .with_header(HeaderName::Server, "x".repeat(2_000));
    bench.stack.respond(bench.now, accepted.0, response);
    bench.drain();
    assert_eq!(bench.sent.last().expect("sent").1, udp_from(PEER));
}

impl Bench {
    fn send_to(&mut self, method: Method, places: &[&str]) -> ClientTxnId {
        let targets = places.iter().map(|place| udp_from(place));
        let txn = self.stack.request_any(self.now, our_request(method), targets).expect("room");
        self.drain();
        txn
    }

    /// When each request with this method was first sent to each place.
    fn places(&self, method: &Method) -> Vec<(u64, String)> {
        let mut places: Vec<(u64, String)> = vec![];
        for (at, path, message) in &self.sent {
            let place = path.remote.to_string();
            if matches!(message, Message::Request(it) if it.method == *method)
                && !places.iter().any(|(_, known)| *known == place)
            {
                places.push((*at, place));
            }
        }
        places
    }
}

const ONE: &str = "192.0.2.11:5060";
const TWO: &str = "192.0.2.12:5060";

/// A35 · RFC 3263 §4.3: the first is dead, the second answers: one transaction for the user, two branches.
#[test]
fn where_nobody_answers_the_next_place_gets_the_request() {
    for method in [Method::Invite, Method::Bye] {
        let mut bench = Bench::new();
        let txn = bench.send_to(method.clone(), &[ONE, TWO]);
        bench.run_until(32_000);
        let places = [(0, ONE.to_owned()), (32_000, TWO.to_owned())];
        assert_eq!(bench.places(&method), places);
        assert!(bench.events.is_empty());
        let branches = bench.branches();
        assert_ne!(branches.first(), branches.last());
        bench.answer_to(32_100, &method, StatusCode::OK, "x");
        let told = |event: &Event| matches!(event, Event::Response { .. });
        assert_eq!(bench.count(told), 1);
        bench.run_until(100_000);
        assert_eq!(bench.events.last().expect("an end").1, Event::ClientEnded { txn });
        assert_eq!(bench.stack.transaction_count(), 0);
    }
}

/// A35 · RFC 3263 §4.3: as soon as the network says that there is nobody; and the last one's end is told.
#[test]
fn what_cannot_be_reached_is_passed_over_and_the_last_failure_is_told() {
    let mut bench = Bench::new();
    let txn = bench.send_to(Method::Invite, &[ONE, TWO]);
    bench.hears(10, Arrival::Failed(udp_from(ONE)));
    assert_eq!(bench.places(&Method::Invite), [(0, ONE.to_owned()), (10, TWO.to_owned())]);
    bench.hears(20, Arrival::Failed(udp_from(TWO)));
    let failed = Event::Failed { txn, why: Failure::Transport };
    assert_eq!(bench.events, [(20, failed), (20, Event::ClientEnded { txn })]);
}

/// A35, A37 · RFC 3263 §4.3, RFC 3261 §21.5.4: a 503 is one place's; its copies are acknowledged where it came from.
#[test]
fn a_503_sends_the_request_on_and_is_acknowledged_where_it_came_from() {
    let mut bench = Bench::new();
    let txn = bench.send_to(Method::Invite, &[ONE, TWO]);
    let first = bench.last_request();
    let busy = Response::answering(&first, StatusCode::SERVICE_UNAVAILABLE).with_to_tag("one");
    let busy = String::from_utf8(busy.to_bytes()).expect("text");
    bench.receive(100, udp_from(ONE), &busy);
    assert_eq!(bench.places(&Method::Ack), [(100, ONE.to_owned())]);
    assert_eq!(bench.places(&Method::Invite), [(0, ONE.to_owned()), (100, TWO.to_owned())]);
    assert!(bench.events.is_empty(), "{:?}", bench.events);
    bench.receive(600, udp_from(ONE), &busy);
    let acks = bench.methods().iter().filter(|(_, method)| *method == Method::Ack).count();
    assert_eq!(acks, 2);
    // RFC 3263 §4.3: ACK and CANCEL go where the INVITE went.
    bench.answer_to(700, &Method::Invite, StatusCode::RINGING, "two");
    bench.stack.cancel(bench.now, txn);
    bench.drain();
    assert_eq!(bench.places(&Method::Cancel), [(700, TWO.to_owned())]);
    // The last place's 503 is the user's, and nothing is left of any.
    bench.answer_to(800, &Method::Invite, StatusCode::SERVICE_UNAVAILABLE, "two");
    assert_eq!(bench.responses_heard(), [(700, 180), (800, 503)]);
    bench.run_until(100_000);
    assert_eq!(bench.events.last().expect("an end").1, Event::ClientEnded { txn });
    assert_eq!((bench.stack.transaction_count(), bench.stack.deadline()), (0, None));
}

/// A35: other answers are the callee's own, and what is cancelled goes nowhere else.
#[test]
fn a_refusal_or_a_cancel_ends_the_journey() {
    let mut bench = Bench::new();
    bench.send_to(Method::Invite, &[ONE, TWO]);
    bench.answer_to(100, &Method::Invite, StatusCode::BUSY_HERE, "one");
    assert_eq!(bench.responses_heard(), [(100, 486)]);
    let mut bench = Bench::new();
    let txn = bench.send_to(Method::Invite, &[ONE, TWO]);
    bench.stack.cancel(bench.now, txn);
    bench.run_until(40_000);
    assert_eq!(bench.places(&Method::Invite), [(0, ONE.to_owned())]);
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 1);
}
