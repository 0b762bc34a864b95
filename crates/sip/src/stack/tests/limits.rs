//! What is malformed, too much, or nothing at all.

use super::*;
use crate::HeaderName;

/// A03 · RFC 3261 §18.3, §21.4.1: a malformed request gets a 400 that says why, and keeps nothing.
#[test]
fn malformed_request_is_answered_400() {
    let mut bench = Bench::new();
    let text = Draft::default().text().replace("CSeq: 7 INVITE", "CSeq: 7 BYE");
    bench.receive(0, udp_from("192.0.2.9:31234"), &text);
    let response = bench.last_response();
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    assert!(response.reason.contains("CSeq"), "{}", response.reason);
    assert!(response.headers.to().expect("To").tag().is_some());
    assert_eq!(bench.last_remote(), PEER);
    let (events, counters) = (bench.requests_heard(), bench.stack.counters());
    assert_eq!((events, counters.malformed_answered, counters.malformed_dropped), (0, 1, 0));
    assert_eq!(bench.stack.transaction_count(), 0);
}

/// A07, A08 · The answer to a malformed request also goes where it came from.
#[test]
fn answer_to_a_malformed_request_goes_where_it_came_from() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP host.example;rport;received=203.0.113.5;branch=z9hG4bK-1";
    let text = Draft { via, ..Draft::default() }.text().replace("CSeq: 7 INVITE", "CSeq: 7 BYE");
    bench.receive(0, udp_from("192.0.2.9:31234"), &text);
    assert_eq!(bench.last_remote(), "192.0.2.9:31234");
    let top = bench.last_response().headers.top_via().expect("a Via");
    assert_eq!((top.params.value("received"), top.rport()), (Some("192.0.2.9"), Some(31234)));
}

/// RFC 3261 §21.5.6
#[test]
fn other_version_is_answered_505() {
    let mut bench = Bench::new();
    let text = Draft::default().text().replacen("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 1);
    bench.receive(0, udp_from(PEER), &text);
    assert_eq!(bench.statuses(), [(0, 505)]);
}

/// A03 · RFC 3261 §17, §18.3: an ACK, a response and noise are never answered.
#[test]
fn what_cannot_be_answered_is_dropped_in_silence() {
    let mut bench = Bench::new();
    let ack = Draft { method: "ACK", ..Draft::default() };
    let invite = Draft::default().text();
    let texts = [
        ack.text().replace("CSeq: 7 ACK", "CSeq: x ACK"),
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1\r\n\r\n".to_owned(),
        invite.replace(&format!("Via: {VIA}\r\n"), ""),
        "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".to_owned(),
        "\u{0}\u{1}\u{2}".to_owned(),
    ];
    for text in &texts {
        bench.receive(0, udp_from(PEER), text);
    }
    assert_eq!((bench.sent.len(), bench.events.len()), (0, 0));
    assert_eq!(bench.stack.counters().malformed_dropped, 5);
}

/// RFC 5626 §3.5.1: what only keeps a NAT open.
#[test]
fn keep_alives_are_counted_and_have_no_effect() {
    let mut bench = Bench::new();
    for text in ["\r\n\r\n", "\r\n", "", "\0\0\0\0"] {
        bench.receive(0, udp_from(PEER), text);
    }
    assert_eq!((bench.sent.len(), bench.events.len()), (0, 0));
    let counters = bench.stack.counters();
    assert_eq!((counters.keep_alives, counters.packets, counters.malformed_dropped), (4, 4, 0));
}

/// A37 · RFC 3261 §21.5.4: a full table refuses new requests without keeping anything of them; what is
/// going on is not disturbed.
#[test]
fn full_table_refuses_with_503_and_retry_after() {
    let mut bench = Bench::new();
    bench.stack.txn_max = 2;
    let first = bench.accept(0, &Draft::default());
    let via = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-b";
    let second = Draft { method: "OPTIONS", via, ..Draft::default() };
    bench.accept(0, &second);
    let via = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-c";
    let third = Draft { via, ..Draft::default() };
    for _ in 0..100 {
        assert!(bench.ask(10, &third).is_none());
        let refusal = bench.last_response();
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
        let seconds = refusal.headers.retry_after().expect("readable").expect("there").seconds;
        assert!((2..=10).contains(&seconds), "{seconds}");
    }
    assert_eq!(bench.stack.counters().refused_full, 100);
    assert_eq!(bench.stack.transaction_count(), 2);

    // Copies, ACKs and CANCELs still work; the CANCEL's answer just has no state.
    assert!(bench.ask(20, &Draft::default()).is_none());
    bench.ask(30, &Draft { method: "CANCEL", ..Draft::default() });
    assert_eq!(bench.last_response().status, StatusCode::OK);
    assert_eq!(bench.events.last(), Some(&(30, Event::Cancelled { invite: first.0 })));
    assert!(bench.ask(40, &Draft { method: "ACK", via, ..Draft::default() }).is_some());

    // And when one ends, there is room again.
    bench.answer(50, &first, StatusCode::REQUEST_TERMINATED);
    bench.run_until(40_000);
    bench.accept(40_000, &third);
}

/// A37 · Nor may few but huge requests fill the memory.
#[test]
fn huge_requests_fill_the_table_sooner() {
    let mut bench = Bench::new();
    bench.stack.txn_bytes_max = 1_000_000;
    let mut taken = 0;
    for number in 0..100 {
        let padding = "x".repeat(60_000);
        let via = format!("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{number}-{padding}");
        let Some(incoming) = bench.ask(0, &Draft { via: &via, ..Draft::default() }) else { break };
        assert!(bench.stack.accept(bench.now, &incoming).is_ok());
        taken += 1;
    }
    // Each holds its branch in the 100 and twice in the keys.
    assert_eq!(taken, 6);
    assert_eq!(bench.last_response().status, StatusCode::SERVICE_UNAVAILABLE);
    let pending: Vec<_> = bench.stack.servers.keys().copied().collect();
    for txn in pending {
        bench.stack.respond(bench.now, txn, Response::new(StatusCode::BUSY_HERE));
    }
    bench.damaged = true; // answers without Via and the rest
    bench.drain();
    bench.run_until(100_000);
    assert_eq!(bench.stack.server_bytes, 0);
}

/// A33, A37, T24 · A part of the table is kept for what belongs to a dialog: a BYE frees a seat.
#[test]
fn nearly_full_table_still_takes_a_bye() {
    let mut bench = Bench::new();
    bench.stack.txn_max = 2 * IN_DIALOG_SHARE;
    let room = bench.stack.txn_max - 2;
    for number in 0..room {
        let via = format!("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{number}");
        bench.accept(0, &Draft { via: &via, ..Draft::default() });
    }
    let via = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-new";
    assert!(bench.ask(1, &Draft { via, ..Draft::default() }).is_none());
    assert_eq!(bench.last_response().status, StatusCode::SERVICE_UNAVAILABLE);
    for branch in ["x", "y"] {
        let via = format!("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{branch}");
        let bye = Draft { method: "BYE", to_tag: "ours", via: &via, ..Draft::default() };
        bench.accept(2, &bye);
    }
    let bye = Draft { method: "BYE", to_tag: "ours", via, ..Draft::default() };
    assert!(bench.ask(3, &bye).is_none());
    assert_eq!(bench.stack.transaction_count(), room + 2);
}

/// A37 · The user that accepts is told as well.
#[test]
fn full_table_is_told_to_the_user() {
    let mut bench = Bench::new();
    let incoming = bench.ask(0, &Draft::default()).expect("new");
    bench.stack.txn_max = 0;
    assert_eq!(bench.stack.accept(bench.now, &incoming), Err(Full));
    assert_eq!(bench.stack.request(bench.now, incoming.request, udp_from(PEER)), Err(Full));
    bench.drain();
    assert_eq!((bench.sent.len(), bench.stack.deadline()), (0, None));
    let incoming = bench.ask(0, &Draft { method: "ACK", ..Draft::default() }).expect("it comes up");
    bench.stack.refuse_full(&incoming);
    bench.drain();
    assert_eq!(bench.sent.len(), 0, "an ACK is never answered");
}

/// A37 · Whoever finds no room hears in words what to do, and when to come again; a proxy and who asks for overload control do not hear
/// when (RFC 7339 §5.10.2, RFC 3261 §21.5.4). Nobody who has not proved his address gets more than he has sent.
#[test]
fn who_finds_no_room_is_told_what_to_do() {
    let long = format!("Subject: {}\r\n", "x".repeat(200));
    let oc = format!("{VIA};oc;oc-algo=\"loss\"");
    let forwarded = format!("{VIA}, SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-phone");
    for (transport, via, more, is_retried, is_warned) in [
        (Transport::Udp, VIA, long.as_str(), true, true),
        (Transport::Udp, VIA, "", true, false),
        (Transport::Tcp, VIA, "", true, true),
        (Transport::Udp, &oc, &long, false, true),
        (Transport::Udp, &forwarded, &long, false, true),
    ] {
        let mut bench = Bench::new();
        bench.stack.txn_max = 0;
        let text = Draft { via, more, ..Draft::default() }.text();
        bench.receive(0, Source { transport, ..udp_from(PEER) }, &text);
        let response = bench.last_response();
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        let has = |name| response.headers.count(&name) == 1;
        let told = (has(HeaderName::RetryAfter), has(HeaderName::Warning));
        assert_eq!(told, (is_retried, is_warned), "{transport:?} {via} {more}");
        let warning = response.to_bytes();
        assert_eq!(String::from_utf8_lossy(&warning).contains("call again in"), is_warned);
        assert!(transport.is_reliable() || response.to_bytes().len() <= text.len());
    }
}

/// One call of `handle_deadline` does a bounded amount; the rest stays due.
#[test]
fn many_deadlines_are_done_in_batches() {
    let mut bench = Bench::new();
    let invites = DUE_BATCH_MAX + 10;
    for number in 0..invites {
        let via = format!("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{number}");
        bench.accept(0, &Draft { via: &via, ..Draft::default() });
    }
    bench.now = Instant::from_millis(200);
    bench.stack.handle_deadline(bench.now);
    bench.drain();
    assert_eq!(bench.statuses().len(), DUE_BATCH_MAX);
    assert_eq!(bench.stack.deadline(), Some(bench.now));
    bench.run_until(200);
    assert_eq!(bench.statuses().len(), invites);
}

/// RFC 3261 §8.1.1.4, §19.3: what we make begins with node and shard, and never comes twice.
#[test]
fn tags_and_call_ids_begin_with_the_prefix_and_differ() {
    let mut stack = Bench::new().stack;
    let made = [stack.new_tag(), stack.new_tag(), stack.new_call_id(), stack.new_call_id()];
    assert!(made.iter().all(|text| text.starts_with("n1s0") && text.len() >= 20));
    assert!(made.iter().collect::<BTreeSet<_>>().len() == 4);
}

/// RFC 3261 §18.2.1: lower Vias are opaque, and stay as they are.
#[test]
fn stamping_touches_the_top_via_only() {
    let mut bench = Bench::new();
    let via =
        "SIP/2.0/UDP host.example;branch=z9hG4bK-1, SIP/2.0/FOO p1.example;x=y;received=1.2.3.4";
    let incoming = bench.ask(0, &Draft { via, ..Draft::default() }).expect("new");
    let vias: Vec<_> = incoming.request.headers.all(&HeaderName::Via).collect();
    assert_eq!(vias.len(), 2);
    assert_eq!(vias[0].text(), "SIP/2.0/UDP host.example;branch=z9hG4bK-1;received=192.0.2.9");
    assert_eq!(vias[1].text(), "SIP/2.0/FOO p1.example;x=y;received=1.2.3.4");
}
