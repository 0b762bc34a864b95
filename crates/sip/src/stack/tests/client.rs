//! Requests of ours, and the answers that come in.

use super::*;
use crate::{HeaderName, Uri};

/// A request of ours to `PEER`, all there but Via.
pub(super) fn our_request(method: Method) -> Request {
    let uri: Uri = "sip:alice@192.0.2.9".parse().expect("a URI");
    let cseq = format!("30 {method}");
    Request::new(method, uri)
        .with_header(HeaderName::MaxForwards, MAX_FORWARDS)
        .with_header(HeaderName::From, "<sip:bob@192.0.2.1>;tag=bob1")
        .with_header(HeaderName::To, "<sip:alice@192.0.2.9>")
        .with_header(HeaderName::CallId, "call-2")
        .with_header(HeaderName::CSeq, cseq)
        .with_header(HeaderName::Route, "<sip:p1.example;lr>")
        .with_header(HeaderName::Route, "<sip:p2.example;lr>")
        .with_header(HeaderName::Require, "replaces")
        .with_header(HeaderName::Contact, "<sip:bob@192.0.2.1>")
        .with_body("application/sdp", "v=0\r\n")
}

impl Bench {
    fn send(&mut self, method: Method) -> ClientTxnId {
        let request = our_request(method);
        let txn = self.stack.request(self.now, request, udp_from(PEER)).expect("room");
        self.drain();
        txn
    }

    /// The peer answers the last request of ours that has this method.
    pub(super) fn answer_to(&mut self, ms: u64, method: &Method, status: StatusCode, tag: &str) {
        self.run_until(ms);
        let ours = self.sent.iter().rev().find_map(|(_, _, message)| match message {
            Message::Request(request) if request.method == *method => Some(request.clone()),
            Message::Request(_) | Message::Response(_) => None,
        });
        let mut response = Response::answering(&ours.expect("we asked"), status);
        if !tag.is_empty() {
            response = response.with_to_tag(tag);
        }
        let text = String::from_utf8(response.to_bytes()).expect("text");
        self.receive(ms, udp_from(PEER), &text);
    }
}

/// RFC 3261 §18.4: a request that went by a connection fails with it, and one to the same peer by whatever connection
/// there is; a request elsewhere does not.
#[test]
fn a_lost_connection_fails_what_went_by_it() {
    let mut bench = Bench::new();
    let tcp = |remote: &str, flow| Source {
        transport: Transport::Tcp,
        flow: FlowId(flow),
        ..udp_from(remote)
    };
    for path in [
        tcp("192.0.2.9:5060", 7),
        tcp("192.0.2.9:40001", 0),
        tcp("192.0.2.9:5060", 8),
        udp_from("192.0.2.9:40001"),
    ] {
        bench.stack.request(bench.now, our_request(Method::Bye), path).expect("room");
        bench.drain();
    }
    bench.stack.handle_arrival(bench.now, Arrival::Failed(tcp("192.0.2.9:40001", 7)));
    bench.drain();
    let failed = |event: &Event| matches!(event, Event::Failed { why: Failure::Transport, .. });
    // The one that named no connection. The other is sent by a new one, and fails with that.
    assert_eq!(bench.count(failed), 1);
    assert_eq!(bench.sent.last().expect("sent").1, tcp("192.0.2.9:5060", 0));
    assert_eq!(bench.sent.len(), 5);
    bench.stack.handle_arrival(bench.now, Arrival::Refused(tcp("192.0.2.9:5060", 9)));
    bench.drain();
    // With it one that is going there too, by a connection that may be another.
    assert_eq!((bench.count(failed), bench.sent.len()), (2, 6));
    assert_eq!(bench.stack.transaction_count(), 2);
}

/// RFC 3261 §8.1.1.7, RFC 3581 §3: our Via has a new branch that names node and shard, the address that
/// others reach us by, and an empty rport.
#[test]
fn via_of_ours_shows_the_advertised_address() {
    let advertise = vec![(US.parse().expect("an address"), "conf.example".to_owned(), 5090)];
    let config = StackConfig { advertise, tag_prefix: "n1s0".to_owned(), asks_for_control: false };
    let mut bench = Bench::new();
    bench.stack = Stack::new(config, Rng::from_number(1));
    bench.send(Method::Options);
    let first = bench.last_request().headers.top_via().expect("a Via");
    bench.send(Method::Options);
    let second = bench.last_request().headers.top_via().expect("a Via");
    assert_eq!((first.host.as_str(), first.port), ("conf.example", Some(5090)));
    assert!(first.wants_rport());
    assert!(first.unique_branch().is_some_and(|branch| branch.starts_with("z9hG4bKn1s0")));
    assert_ne!(first.branch(), second.branch());
    assert_eq!(bench.sent[0].1, udp_from(PEER));
}

/// A17 · RFC 3261 §17.1.1.2, §17.1.2.2, §8.1.3.1: a black hole.
#[test]
fn black_hole_ends_in_a_timeout() {
    let cases = [
        (Method::Invite, vec![0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]),
        (
            Method::Bye,
            vec![0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500],
        ),
    ];
    for (method, times) in cases {
        let mut bench = Bench::new();
        let txn = bench.send(method);
        bench.run_until(100_000);
        let sent: Vec<_> = bench.methods().iter().map(|(at, _)| *at).collect();
        assert_eq!(sent, times);
        assert!(bench.sent.iter().all(|(_, _, message)| *message == bench.sent[0].2));
        let failed = Event::Failed { txn, why: Failure::Timeout };
        let end = [(32_000, failed), (32_000, Event::ClientEnded { txn })];
        assert_eq!(bench.events, end);
        assert_eq!((bench.stack.transaction_count(), bench.stack.deadline()), (0, None));
    }
}

/// A17 · RFC 3261 §17.1.4: only what goes by that path.
#[test]
fn transport_error_fails_the_requests_on_that_path() {
    let mut bench = Bench::new();
    let lost = bench.send(Method::Invite);
    let elsewhere = udp_from("192.0.2.77:5060");
    let other = bench.stack.request(bench.now, our_request(Method::Bye), elsewhere).expect("room");
    bench.drain();
    bench.stack.handle_transport_error(bench.now, &udp_from(PEER));
    bench.drain();
    let failed = Event::Failed { txn: lost, why: Failure::Transport };
    assert_eq!(bench.events, [(0, failed), (0, Event::ClientEnded { txn: lost })]);
    bench.run_until(32_000);
    assert_eq!(bench.events.last(), Some(&(32_000, Event::ClientEnded { txn: other })));
}

/// A18 · RFC 3261 §17.1.1.3
#[test]
fn ack_to_a_failure_copies_the_invite() {
    let mut bench = Bench::new();
    let txn = bench.send(Method::Invite);
    let invite = bench.last_request();
    bench.answer_to(100, &Method::Invite, StatusCode::MOVED_TEMPORARILY, "alice7");
    let ack = bench.last_request();
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(ack.uri, invite.uri);
    for name in [HeaderName::Via, HeaderName::Route, HeaderName::From, HeaderName::CallId] {
        let (ours, theirs) = (ack.headers.all(&name), invite.headers.all(&name));
        assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>(), "{name:?}");
    }
    assert_eq!(ack.headers.cseq().expect("CSeq").to_string(), "30 ACK");
    assert_eq!(ack.headers.to().expect("To").to_string(), "<sip:alice@192.0.2.9>;tag=alice7");
    assert_eq!(ack.headers.max_forwards(), Ok(Some(70)));
    assert_eq!(ack.headers.get(&HeaderName::Require), None);
    assert!(ack.body.is_empty());
    assert_eq!(bench.sent.last().expect("sent").1, udp_from(PEER));

    // A copy of the failure: the same ACK again, and nothing for the user.
    bench.answer_to(600, &Method::Invite, StatusCode::MOVED_TEMPORARILY, "alice7");
    assert_eq!(bench.methods()[1..], [(100, Method::Ack), (600, Method::Ack)]);
    assert_eq!(bench.last_request(), ack);
    assert_eq!(bench.responses_heard(), [(100, 302)]);
    bench.run_until(60_000);
    assert_eq!(bench.events.last(), Some(&(32_100, Event::ClientEnded { txn })));
}

/// A18, J07 · RFC 3261 §22.1: the ACK brings the credentials of its INVITE; a CANCEL, which is never
/// challenged, does not.
#[test]
fn ack_to_a_failure_has_the_credentials_of_the_invite() {
    let mut bench = Bench::new();
    let names = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
    let invite = names.iter().fold(our_request(Method::Invite), |invite, name| {
        invite.with_header(name.clone(), "Digest username=\"a\"")
    });
    let txn = bench.stack.request(bench.now, invite, udp_from(PEER)).expect("room");
    bench.drain();
    bench.answer_to(100, &Method::Invite, StatusCode::RINGING, "alice7");
    bench.stack.cancel(bench.now, txn);
    bench.drain();
    assert!(names.iter().all(|name| bench.last_request().headers.count(name) == 0));
    bench.answer_to(200, &Method::Invite, StatusCode::REQUEST_TERMINATED, "alice7");
    let ack = bench.last_request();
    assert_eq!(ack.method, Method::Ack);
    assert!(names.iter().all(|name| ack.headers.count(name) == 1));
}

/// A18 · RFC 3261 §13.2.2.4, §17.1.1.3: the ACK to a 2xx is the user's, on a branch of its own.
#[test]
fn ack_to_a_success_goes_past_the_transaction() {
    let mut bench = Bench::new();
    bench.send(Method::Invite);
    let invite = bench.last_request();
    bench.answer_to(100, &Method::Invite, StatusCode::OK, "alice7");
    assert_eq!(bench.methods(), [(0, Method::Invite)], "the stack makes no ACK");
    let ack = our_request(Method::Ack);
    bench.stack.send_once(bench.now, ack, udp_from(PEER));
    bench.drain();
    let ack = bench.last_request();
    let branch = |request: &Request| request.headers.top_via().map(|via| via.params);
    assert_ne!(branch(&ack), branch(&invite));
    bench.run_until(20_000);
    assert_eq!(bench.methods().len(), 2, "it is not sent again");
    assert_eq!(bench.stack.transaction_count(), 1, "the INVITE's, in Accepted");
}

/// A16 · RFC 6026 §7.2: two 200s with different To tags, and a copy of the first.
#[test]
fn every_fork_and_copy_of_a_success_reaches_the_user() {
    let mut bench = Bench::new();
    let txn = bench.send(Method::Invite);
    bench.answer_to(100, &Method::Invite, StatusCode::RINGING, "fork-a");
    bench.answer_to(200, &Method::Invite, StatusCode::OK, "fork-a");
    bench.answer_to(300, &Method::Invite, StatusCode::OK, "fork-b");
    bench.answer_to(700, &Method::Invite, StatusCode::OK, "fork-a");
    let tag = |(_, event): &(u64, Event)| match event {
        Event::Response { essentials, .. } => essentials.to.tag().map(str::to_owned),
        _ => None,
    };
    let tags: Vec<_> = bench.events.iter().filter_map(tag).collect();
    assert_eq!(tags, ["fork-a", "fork-a", "fork-b", "fork-a"]);
    bench.run_until(32_199);
    assert_eq!(bench.stack.transaction_count(), 1);
    bench.run_until(32_200);
    assert_eq!(bench.events.last(), Some(&(32_200, Event::ClientEnded { txn })));
    // After that it is a stray one.
    bench.answer_to(33_000, &Method::Invite, StatusCode::OK, "fork-a");
    assert_eq!(bench.stack.counters().stray_responses, 1);
    assert_eq!(bench.responses_heard().len(), 4);
}

/// A17 · RFC 3261 §17.1.2.2
#[test]
fn final_answer_to_a_bye_is_told_once() {
    let mut bench = Bench::new();
    let txn = bench.send(Method::Bye);
    bench.answer_to(10, &Method::Bye, StatusCode::TRYING, "");
    bench.answer_to(20, &Method::Bye, StatusCode::OK, "alice7");
    bench.answer_to(30, &Method::Bye, StatusCode::OK, "alice7");
    bench.run_until(5_020);
    assert_eq!(bench.responses_heard(), [(10, 100), (20, 200)]);
    assert_eq!(bench.events.last(), Some(&(5_020, Event::ClientEnded { txn })));
    assert_eq!(bench.stack.transaction_count(), 0);
}

/// A10 · RFC 6026 §8.9, RFC 3261 §8.1.3.3, §18.1.2
#[test]
fn responses_that_are_not_for_us_are_dropped_and_counted() {
    let mut bench = Bench::new();
    bench.send(Method::Options);
    let options = bench.last_request();
    let via = options.headers.top_via().expect("a Via").to_string();
    let ok = |vias: &str, cseq: &str| {
        format!(
            "SIP/2.0 200 OK\r\nVia: {vias}\r\nFrom: <sip:bob@192.0.2.1>;tag=bob1\r\n\
             To: <sip:alice@192.0.2.9>;tag=x\r\nCall-ID: call-2\r\nCSeq: {cseq}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    let stray = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-never";
    bench.receive(10, udp_from(PEER), &ok(stray, "30 OPTIONS"));
    assert_eq!(bench.stack.counters().stray_responses, 1);
    // RFC 3261 §17.1.3: the branch is not enough, the method counts too.
    bench.receive(10, udp_from(PEER), &ok(&via, "30 INVITE"));
    assert_eq!(bench.stack.counters().stray_responses, 2);
    let two = format!("{via}, SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK-x");
    bench.receive(10, udp_from(PEER), &ok(&two, "30 OPTIONS"));
    let two = format!("{via}\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-x");
    bench.receive(10, udp_from(PEER), &ok(&two, "30 OPTIONS"));
    assert_eq!(bench.stack.counters().responses_with_vias, 2);
    let other = via.replace("192.0.2.1:5060", "192.0.2.1:5070");
    bench.receive(10, udp_from(PEER), &ok(&other, "30 OPTIONS"));
    let other = via.replace("192.0.2.1:5060", "192.0.2.2:5060");
    bench.receive(10, udp_from(PEER), &ok(&other, "30 OPTIONS"));
    assert_eq!(bench.stack.counters().foreign_responses, 2);
    assert!(bench.events.is_empty());
    assert_eq!(bench.methods(), [(0, Method::Options)], "no ACK to any of them");
    bench.receive(20, udp_from(PEER), &ok(&via, "30 OPTIONS"));
    assert_eq!(bench.responses_heard(), [(20, 200)]);
}

/// A26 · RFC 3261 §9.1: the CANCEL waits for a 1xx, and goes to the same place on the same branch.
#[test]
fn cancel_is_made_from_the_invite_and_waits_for_a_1xx() {
    let mut bench = Bench::new();
    let txn = bench.send(Method::Invite);
    let invite = bench.last_request();
    bench.stack.cancel(bench.now, txn);
    bench.run_until(400);
    assert_eq!(bench.methods(), [(0, Method::Invite)]);
    bench.answer_to(450, &Method::Invite, StatusCode::TRYING, "");
    assert_eq!(bench.methods(), [(0, Method::Invite), (450, Method::Cancel)]);
    let cancel = bench.last_request();
    assert_eq!(cancel.uri, invite.uri);
    let copied =
        [HeaderName::Via, HeaderName::Route, HeaderName::From, HeaderName::To, HeaderName::CallId];
    for name in copied {
        let (ours, theirs) = (cancel.headers.all(&name), invite.headers.all(&name));
        assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>(), "{name:?}");
    }
    assert_eq!(cancel.headers.cseq().expect("CSeq").to_string(), "30 CANCEL");
    assert_eq!(cancel.headers.get(&HeaderName::Require), None);
    assert!(cancel.body.is_empty());
    assert_eq!(bench.sent.last().expect("sent").1, udp_from(PEER));

    // The CANCEL is a transaction of its own, resent and answered, of which the user hears nothing.
    bench.run_until(1_000);
    assert_eq!(bench.methods().last(), Some(&(950, Method::Cancel)));
    bench.answer_to(1_000, &Method::Cancel, StatusCode::OK, "alice7");
    bench.answer_to(1_100, &Method::Invite, StatusCode::REQUEST_TERMINATED, "alice7");
    assert_eq!(bench.responses_heard(), [(450, 100), (1_100, 487)]);
    bench.run_until(100_000);
    assert_eq!(bench.events.last(), Some(&(33_100, Event::ClientEnded { txn })));
    assert_eq!((bench.stack.transaction_count(), bench.stack.deadline()), (0, None));
}

/// A26 · RFC 3261 §9.1: whoever does not answer the INVITE after a CANCEL is given up after 64·T1; a
/// request other than INVITE is not cancelled.
#[test]
fn cancelled_invite_without_an_answer_times_out() {
    let mut bench = Bench::new();
    let bye = bench.send(Method::Bye);
    bench.stack.cancel(bench.now, bye);
    bench.answer_to(10, &Method::Bye, StatusCode::OK, "x");
    let txn = bench.send(Method::Invite);
    bench.answer_to(100, &Method::Invite, StatusCode::RINGING, "alice7");
    bench.run_until(50_000);
    assert_eq!(bench.stack.transaction_count(), 1, "a ringing INVITE has no limit");
    bench.stack.cancel(bench.now, txn);
    bench.drain();
    bench.run_until(200_000);
    let failed = Event::Failed { txn, why: Failure::Timeout };
    let end = [(82_000, failed), (82_000, Event::ClientEnded { txn })];
    assert_eq!(bench.events[bench.events.len() - 2..], end);
    assert_eq!(bench.stack.transaction_count(), 0);
}
