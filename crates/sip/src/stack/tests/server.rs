//! Requests that come in, and our answers.

use super::*;
use crate::HeaderName;

fn tcp(flow: u64, remote: &str) -> Source {
    Source { transport: Transport::Tcp, flow: FlowId(flow), ..udp_from(remote) }
}

/// What the peer said in its top Via.
fn with_via(via: &str) -> Draft<'_> {
    Draft { method: "OPTIONS", via, ..Draft::default() }
}

/// A07 · RFC 3261 §18.2.1
#[test]
fn received_is_added_when_sent_by_is_a_name_or_another_address() {
    let cases = [
        ("SIP/2.0/UDP host.example:5060;branch=z9hG4bK-1", Some("192.0.2.9")),
        ("SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK-2", Some("192.0.2.9")),
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-3", None),
        // What the sender says about itself is not believed.
        ("SIP/2.0/UDP 192.0.2.9:5060;received=203.0.113.5;branch=z9hG4bK-4", None),
        ("SIP/2.0/UDP host.example;received=203.0.113.5;branch=z9hG4bK-5", Some("192.0.2.9")),
    ];
    let mut bench = Bench::new();
    for (via, received) in cases {
        let incoming = bench.ask(0, &with_via(via)).expect("new");
        let top = incoming.request.headers.top_via().expect("a Via");
        assert_eq!(top.params.value("received"), received, "{via}");
        assert_eq!(incoming.essentials.via, top, "{via}");
        bench
            .stack
            .reply_stateless(&incoming, Response::answering(&incoming.request, StatusCode::OK));
        bench.drain();
        assert_eq!(bench.last_response().headers.top_via(), Ok(top), "the answer shows it too");
        assert_eq!(bench.last_remote(), PEER, "{via}");
    }
}

/// A08 · RFC 3581 §4
#[test]
fn rport_is_filled_in_and_the_answer_goes_to_that_port() {
    let mut bench = Bench::new();
    let odd = "192.0.2.9:31234";
    let via = "SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bK-1";
    bench.receive(0, udp_from(odd), &with_via(via).text());
    let Some((_, Event::Request(incoming))) = bench.events.pop() else { panic!("no request") };
    let top = incoming.request.headers.top_via().expect("a Via");
    assert_eq!(top.params.value("rport"), Some("31234"));
    assert_eq!(top.params.value("received"), Some("192.0.2.9"), "even though it is equal");
    let txn = bench.stack.accept(bench.now, &incoming).expect("room");
    bench.answer(0, &(txn, *incoming), StatusCode::OK);
    assert_eq!(bench.last_remote(), odd);
    assert_eq!(bench.sent[0].1.local.to_string(), US, "from the address that was asked");
}

/// A08 · RFC 3261 §18.2.2: without rport, the port of sent-by, or 5060.
#[test]
fn without_rport_the_answer_goes_to_the_port_of_sent_by() {
    let cases = [
        ("SIP/2.0/UDP 192.0.2.9:5080;branch=z9hG4bK-1", "192.0.2.9:5080"),
        ("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-2", "192.0.2.9:5060"),
        ("SIP/2.0/UDP 192.0.2.9:5080;maddr=203.0.113.5;branch=z9hG4bK-3", "192.0.2.9:5080"),
    ];
    for (via, to) in cases {
        let mut bench = Bench::new();
        bench.receive(0, udp_from("192.0.2.9:31234"), &with_via(via).text());
        let Some((_, Event::Request(incoming))) = bench.events.pop() else { panic!("no request") };
        let txn = bench.stack.accept(bench.now, &incoming).expect("room");
        bench.answer(0, &(txn, *incoming), StatusCode::OK);
        assert_eq!(bench.last_remote(), to, "{via}");
    }
}

/// A09 · RFC 3261 §18.2.2: by the same connection; if it is gone, to received and the port of sent-by.
#[test]
fn over_a_stream_the_answer_takes_the_connection_of_the_request() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/TCP client.example:5070;rport;branch=z9hG4bK-1";
    bench.receive(0, tcp(42, "192.0.2.9:49152"), &with_via(via).text());
    let Some((_, Event::Request(incoming))) = bench.events.pop() else { panic!("no request") };
    let txn = bench.stack.accept(bench.now, &incoming).expect("room");
    bench.answer(10, &(txn, *incoming), StatusCode::OK);
    assert_eq!(bench.sent[0].1, tcp(42, "192.0.2.9:5070"));
    // RFC 3261 §17.2.2: timer J is zero, so nothing is left.
    bench.run_until(10);
    assert_eq!(bench.stack.transaction_count(), 0);
}

/// A11, T11 · RFC 3261 §17.2.3
#[test]
fn same_branch_from_two_clients_makes_two_transactions() {
    let mut bench = Bench::new();
    bench.accept(0, &Draft::default());
    let other = "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK-a";
    let other_port = Draft { via: other, ..Draft::default() };
    bench.accept(0, &other_port);
    let other = "SIP/2.0/UDP other.example:5060;branch=z9hG4bK-a";
    bench.accept(0, &Draft { via: other, ..Draft::default() });
    bench.accept(0, &Draft { method: "OPTIONS", ..Draft::default() });
    assert_eq!(bench.stack.transaction_count(), 4);
    // Copies of all of them reach nobody. A host name has no case (RFC 3261 §7.3.1).
    assert!(bench.ask(10, &Draft::default()).is_none());
    assert!(bench.ask(10, &other_port).is_none());
    let upper = "SIP/2.0/UDP OTHER.example:5060;branch=z9hG4bK-a";
    assert!(bench.ask(10, &Draft { via: upper, ..Draft::default() }).is_none());
    assert_eq!(bench.stack.counters().request_copies, 3);
}

/// A11 · RFC 3261 §17.2.3: without the cookie, the fields of RFC 2543 are compared; RFC 4475 §3.2.1:
/// the cookie alone is no branch.
#[test]
fn rfc_2543_requests_are_matched_by_their_fields() {
    for via in [
        "SIP/2.0/UDP 192.0.2.9:5060",
        "SIP/2.0/UDP 192.0.2.9:5060;branch=1",
        "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK",
    ] {
        let mut bench = Bench::new();
        let draft = Draft { via, ..Draft::default() };
        let invite = bench.accept(0, &draft);
        assert!(bench.ask(10, &draft).is_none(), "a copy: {via}");
        bench.accept(20, &Draft { cseq: 8, ..draft });
        bench.answer(100, &invite, StatusCode::BUSY_HERE);

        // An ACK with the To tag of our answer is ours, one with another is not.
        let tag = bench.last_response().headers.to().expect("To").tag().map(str::to_owned);
        let tag = tag.expect("a To tag");
        let foreign = Draft { method: "ACK", to_tag: "other", via, ..Draft::default() };
        assert!(bench.ask(200, &foreign).is_some(), "an ACK of somebody's: {via}");
        let ack = Draft { method: "ACK", to_tag: &tag, via, ..Draft::default() };
        assert!(bench.ask(210, &ack).is_none(), "absorbed: {via}");
        bench.run_until(20_000);
        let busy = bench.statuses().iter().filter(|(_, status)| *status == 486).count();
        assert_eq!(busy, 1, "no copy after the ACK: {via}");
    }
}

/// A11 · RFC 3261 §17.2.3: the ACK to a refused RFC 2543 re-INVITE carries the tag that the re-INVITE
/// had too.
#[test]
fn rfc_2543_ack_within_a_dialog_is_matched() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP 192.0.2.9:5060";
    let reinvite = bench.accept(0, &Draft { via, to_tag: "ours", ..Draft::default() });
    bench.answer(10, &reinvite, StatusCode::NOT_ACCEPTABLE_HERE);
    let ack = Draft { method: "ACK", via, to_tag: "ours", ..Draft::default() };
    assert!(bench.ask(100, &ack).is_none());
    bench.run_until(10_000);
    assert_eq!(bench.statuses(), [(10, 488)]);
}

/// A12 · RFC 3261 §17.2.1: the 300 ms and 50 ms.
#[test]
fn a_100_goes_out_unless_the_user_answers_within_200_ms() {
    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft { more: "Timestamp: 54.5\r\n", ..Draft::default() });
    bench.answer(300, &invite, StatusCode::RINGING);
    assert_eq!(bench.statuses(), [(200, 100), (300, 180)]);
    let Message::Response(trying) = &bench.sent[0].2 else { panic!("no response") };
    // RFC 3261 §8.2.6.1, §17.2.1
    let timestamp = trying.headers.get(&HeaderName::Timestamp);
    assert_eq!(timestamp.map(|value| value.text().into_owned()).as_deref(), Some("54.5"));
    assert_eq!(trying.headers.to().expect("To").tag(), None);

    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft::default());
    bench.answer(50, &invite, StatusCode::BUSY_HERE);
    bench.run_until(400);
    assert_eq!(bench.statuses(), [(50, 486)]);
}

/// A13 · RFC 3261 §17.2.1: the 302 of the factory, never acknowledged.
#[test]
fn a_302_is_sent_again_until_it_is_given_up() {
    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft::default());
    bench.answer(0, &invite, StatusCode::MOVED_TEMPORARILY);
    bench.run_until(100_000);
    let times: Vec<_> = bench.statuses().into_iter().map(|(at, _)| at).collect();
    assert_eq!(
        times,
        [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    );
    let txn = invite.0;
    let end = [(32_000, Event::AckMissing { txn }), (32_000, Event::ServerEnded { txn })];
    assert_eq!(bench.events[1..], end);
    assert_eq!((bench.stack.transaction_count(), bench.stack.deadline()), (0, None));
}

/// A13 · RFC 3261 §17.2.1: the ACK is absorbed, with all its copies.
#[test]
fn an_ack_ends_the_302_and_goes_no_further() {
    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft::default());
    bench.answer(0, &invite, StatusCode::MOVED_TEMPORARILY);
    let tag = bench.last_response().headers.to().expect("To").tag().expect("a tag").to_owned();
    let ack = Draft { method: "ACK", to_tag: &tag, ..Draft::default() };
    assert!(bench.ask(600, &ack).is_none());
    assert!(bench.ask(700, &ack).is_none());
    bench.run_until(5_599);
    assert_eq!(bench.stack.transaction_count(), 1);
    bench.run_until(5_600);
    assert_eq!(bench.statuses(), [(0, 302), (500, 302)]);
    assert_eq!(bench.events[1..], [(5_600, Event::ServerEnded { txn: invite.0 })]);
}

/// A14, T26 · RFC 6026 §7.1: a copy of the INVITE after the 200 makes no second leg and no second answer.
#[test]
fn accepted_invite_absorbs_copies_and_passes_the_ack_up() {
    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft::default());
    bench.answer(10, &invite, StatusCode::OK);
    for at in [500, 1_500, 20_000] {
        assert!(bench.ask(at, &Draft::default()).is_none());
    }
    // An ACK on the INVITE's own branch, as RFC 2543 clients send it.
    let ack = Draft { method: "ACK", to_tag: "x", ..Draft::default() };
    assert!(bench.ask(20_100, &ack).is_some());
    // And one on a branch of its own, as it ought to be.
    let own = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-own";
    assert!(bench.ask(20_200, &Draft { via: own, ..ack }).is_some());
    bench.run_until(60_000);
    assert_eq!(bench.statuses(), [(10, 200)]);
    assert_eq!(bench.events.last(), Some(&(32_010, Event::ServerEnded { txn: invite.0 })));
}

/// A15 · RFC 3261 §13.3.1.4, RFC 6026 §7.1: the user's copies of the 2xx go where the first one went, and
/// past the transaction even when that is gone.
#[test]
fn the_user_resends_the_success() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP 192.0.2.9:5080;branch=z9hG4bK-a";
    let invite = bench.accept(0, &Draft { via, ..Draft::default() });
    bench.answer(10, &invite, StatusCode::OK);
    let sent = bench.last_response();
    bench.run_until(40_000);
    bench.stack.resend_success(&sent, invite.1.source);
    bench.drain();
    assert_eq!(bench.statuses(), [(10, 200), (40_000, 200)]);
    assert_eq!(bench.sent[0].1, bench.sent[1].1);
    assert_eq!(bench.sent[0].2, bench.sent[1].2);
}

/// A19 · RFC 3261 §8.2.6.1, RFC 4320 §4.1
#[test]
fn no_provisional_answer_but_to_an_invite() {
    let mut bench = Bench::new();
    let subscribe = bench.accept(0, &Draft { method: "SUBSCRIBE", ..Draft::default() });
    bench.run_until(10_000);
    bench.answer(10_000, &subscribe, StatusCode::RINGING);
    assert!(bench.statuses().is_empty());
    assert_eq!(bench.stack.counters().needless_provisionals, 1);
    bench.answer(11_000, &subscribe, StatusCode::OK);
    assert_eq!(bench.statuses(), [(11_000, 200)]);
}

/// A25 · RFC 3261 §8.2.6.2
#[test]
fn answers_copy_the_request_and_share_one_to_tag() {
    let mut bench = Bench::new();
    let vias = format!("{VIA}\r\nVia: SIP/2.0/TCP p1.example;branch=z9hG4bK-p1, SIP/2.0/XYZ p2");
    let invite = bench.accept(0, &Draft { via: &vias, ..Draft::default() });
    for (at, status) in [(100, StatusCode::RINGING), (150, StatusCode::SESSION_PROGRESS)] {
        bench.answer(at, &invite, status);
    }
    bench.answer(180, &invite, StatusCode::OK);
    let mut tags = vec![];
    for (_, _, message) in &bench.sent {
        let Message::Response(response) = message else { panic!("no response") };
        let request = &invite.1.request.headers;
        for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
            let theirs: Vec<_> = request.all(&name).collect();
            assert_eq!(response.headers.all(&name).collect::<Vec<_>>(), theirs);
        }
        let to = response.headers.to().expect("To");
        assert_eq!(to.uri.to_string(), "sip:bob@192.0.2.1");
        tags.push(to.tag().expect("a To tag").to_owned());
    }
    assert_eq!(bench.statuses(), [(100, 180), (150, 183), (180, 200)]);
    assert!(tags[0].starts_with("n1s0"), "it names node and shard");
    assert!(tags.iter().all(|tag| *tag == tags[0]));
}

/// A25 · RFC 3261 §8.2.6.2: a tag that the user gives, or that the request had, stays.
#[test]
fn a_to_tag_that_is_there_stays() {
    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft::default());
    let ringing = Response::answering(&invite.1.request, StatusCode::RINGING).with_to_tag("mine");
    bench.stack.respond(bench.now, invite.0, ringing);
    bench.answer(10, &invite, StatusCode::OK);
    assert_eq!(bench.last_response().headers.to().expect("To").tag(), Some("mine"));

    let bye = Draft { method: "BYE", to_tag: "theirs", ..Draft::default() };
    let bye = bench.accept(20, &bye);
    bench.answer(20, &bye, StatusCode::OK);
    assert_eq!(bench.last_response().headers.to().expect("To").tag(), Some("theirs"));
}

/// A25 · RFC 3261 §8.2.7: a stateless answer keeps nothing, has the same tag for each copy, and is
/// never sent to an ACK.
#[test]
fn stateless_answers_are_the_same_for_each_copy() {
    let mut bench = Bench::new();
    let mut tags = vec![];
    let other = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-b";
    for via in [VIA, VIA, other] {
        let incoming = bench.ask(0, &Draft { via, ..Draft::default() }).expect("no state, so new");
        let response = Response::answering(&incoming.request, StatusCode::NOT_FOUND);
        bench.stack.reply_stateless(&incoming, response);
        bench.drain();
        tags.push(bench.last_response().headers.to().expect("To").tag().map(str::to_owned));
    }
    assert!(tags[0].is_some());
    assert_eq!(tags[0], tags[1]);
    assert_ne!(tags[0], tags[2]);
    let ack = bench.ask(0, &Draft { method: "ACK", ..Draft::default() }).expect("it comes up");
    bench.stack.reply_stateless(&ack, Response::answering(&ack.request, StatusCode::OK));
    bench.drain();
    assert_eq!(bench.statuses().len(), 3);
    assert_eq!((bench.stack.transaction_count(), bench.stack.deadline()), (0, None));
}

/// A14 · Asking twice for the transaction of one request gives one transaction.
#[test]
fn accepting_twice_is_accepting_once() {
    let mut bench = Bench::new();
    let (txn, incoming) = bench.accept(0, &Draft::default());
    assert_eq!(bench.stack.accept(bench.now, &incoming), Ok(txn));
    assert_eq!(bench.stack.transaction_count(), 1);
}

/// A26 · Answers after the final one, and after the end, are dropped and counted.
#[test]
fn late_answers_are_dropped() {
    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft::default());
    bench.answer(10, &invite, StatusCode::BUSY_HERE);
    bench.answer(20, &invite, StatusCode::OK);
    bench.run_until(60_000);
    bench.answer(60_000, &invite, StatusCode::OK);
    assert!(bench.statuses().iter().all(|(_, status)| *status == 486));
    assert_eq!(bench.stack.counters().late_answers, 2);
}
