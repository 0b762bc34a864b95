//! Anything in any order: a peer that sends what it likes, and a user that does what it may.

use super::*;

/// One step, drawn by lot.
fn step(bench: &mut Bench, rng: &mut Rng, txns: &mut Vec<(ServerTxnId, Incoming)>) {
    let branch = rng.below(6);
    // A few clients, with and without the cookie.
    let via = match rng.below(4) {
        0 => format!("SIP/2.0/UDP 192.0.2.9:5060;branch={branch}"),
        1 => format!("SIP/2.0/UDP pc.example;rport;branch=z9hG4bK-{branch}"),
        _ => format!("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{branch}"),
    };
    let now = bench.now.as_millis();
    match rng.below(10) {
        0..=4 => {
            let methods = ["INVITE", "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"];
            let index = usize::try_from(rng.below(6)).expect("small");
            let to_tag = ["", "", "x"][usize::try_from(rng.below(3)).expect("small")];
            let cseq = u32::try_from(rng.below(3)).expect("small");
            let draft = Draft { method: methods[index], via: &via, to_tag, cseq, more: "" };
            if rng.percent(10.0) {
                // Damaged on the way.
                let mut bytes = draft.text().into_bytes();
                let at = usize::try_from(rng.below(bytes.len() as u64)).expect("small");
                bytes[at] = rng.bytes::<1>()[0];
                let path = udp_from(PEER);
                bench.stack.handle_packet(bench.now, Packet { path, bytes });
                bench.drain();
            } else if let Some(incoming) = bench.ask(now, &draft)
                && incoming.request.method != Method::Ack
                && let Ok(txn) = bench.stack.accept(bench.now, &incoming)
            {
                txns.push((txn, incoming));
            }
        }
        5 | 6 => {
            let statuses = [StatusCode::RINGING, StatusCode::OK, StatusCode::BUSY_HERE];
            let status = statuses[usize::try_from(rng.below(3)).expect("small")];
            let index = usize::try_from(rng.below(txns.len().max(1) as u64)).expect("small");
            if let Some(txn) = txns.get(index).cloned() {
                bench.answer(now, &txn, status);
            }
        }
        7 => {
            let draft = Draft { method: "INVITE", via: &via, ..Draft::default() };
            let Ok(Message::Request(mut request)) = parse_datagram(draft.text().as_bytes()) else {
                panic!("a good request");
            };
            request.headers.remove(&crate::HeaderName::Via);
            let txn = bench.stack.request(bench.now, request, udp_from(PEER)).expect("room");
            if rng.percent(50.0) {
                bench.stack.cancel(bench.now, txn);
            }
            bench.drain();
        }
        8 => {
            let ours = bench.sent.iter().filter_map(|(_, _, message)| match message {
                Message::Request(request) => Some(request.clone()),
                Message::Response(_) => None,
            });
            let ours: Vec<_> = ours.collect();
            let index = usize::try_from(rng.below(ours.len().max(1) as u64)).expect("small");
            if let Some(request) = ours.get(index) {
                let statuses = [100, 180, 200, 302, 487].map(StatusCode::new);
                let status = statuses[usize::try_from(rng.below(5)).expect("small")];
                let response = Response::answering(request, status.expect("a status"));
                let bytes = response.with_to_tag("peer").to_bytes();
                bench.stack.handle_packet(bench.now, Packet { path: udp_from(PEER), bytes });
                bench.drain();
            }
        }
        _ => bench.run_until(now + rng.below(3_000)),
    }
}

/// Architecture: no order of messages, answers and times breaks the tables, and when every INVITE has had its
/// answer, nothing is left.
#[test]
fn any_order_leaves_the_tables_whole_and_then_empty() {
    for seed in 0..60 {
        let mut rng = Rng::from_number(seed);
        let mut bench = Bench { damaged: true, ..Bench::new() };
        let mut txns = vec![];
        for _ in 0..300 {
            step(&mut bench, &mut rng, &mut txns);
        }
        for txn in &txns {
            let now = bench.now.as_millis();
            bench.answer(now, txn, StatusCode::BUSY_HERE);
        }
        for id in bench.stack.clients.keys().copied().collect::<Vec<_>>() {
            bench.stack.cancel(bench.now, id);
            bench.drain();
        }
        let end = bench.now.as_millis() + 100_000;
        bench.run_until(end);
        assert_eq!(
            (bench.stack.transaction_count(), bench.stack.deadline()),
            (0, None),
            "seed {seed}"
        );
        let ended = bench.count(|event| matches!(event, Event::ServerEnded { .. }));
        let made: BTreeSet<_> = txns.iter().map(|(txn, _)| *txn).collect();
        assert_eq!(ended, made.len(), "seed {seed}: each server transaction ends once");
    }
}
