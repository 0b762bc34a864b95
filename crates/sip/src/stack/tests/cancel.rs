//! CANCELs that come in (RFC 3261 §9.2).

use super::*;

const CANCEL: Draft<'_> = Draft {
    method: "CANCEL",
    via: VIA,
    to_tag: "",
    cseq: 7,
    more: "Require: something-nobody-has\r\n",
};

/// A26, A23 · RFC 3261 §9.2, §8.2.2.3: 200 to the CANCEL, whatever it requires; the user is told, and
/// answers 487 with the same To tag.
#[test]
fn cancel_of_a_pending_invite_is_answered_and_told() {
    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft::default());
    assert!(bench.ask(300, &CANCEL).is_none(), "the user never sees the CANCEL itself");
    assert_eq!(bench.statuses(), [(200, 100), (300, 200)]);
    let ok = bench.last_response();
    assert_eq!(ok.headers.cseq().expect("CSeq").to_string(), "7 CANCEL");
    assert_eq!(bench.events.last(), Some(&(300, Event::Cancelled { invite: invite.0 })));

    // A copy of the CANCEL is absorbed by its own transaction.
    bench.ask(400, &CANCEL);
    assert_eq!(bench.last_response(), ok);
    assert_eq!(bench.count(|event| matches!(event, Event::Cancelled { .. })), 1);

    bench.answer(410, &invite, StatusCode::REQUEST_TERMINATED);
    let terminated = bench.last_response();
    assert_eq!(terminated.headers.cseq().expect("CSeq").to_string(), "7 INVITE");
    let tag = |response: &Response| response.headers.to().map(|to| to.tag().map(str::to_owned));
    assert_eq!(tag(&terminated), tag(&ok));
    assert!(matches!(tag(&ok), Ok(Some(_))));
    bench.run_until(100_000);
    assert_eq!((bench.stack.transaction_count(), bench.stack.deadline()), (0, None));
    assert_eq!(bench.count(|event| matches!(event, Event::ServerEnded { .. })), 1);
}

/// A26 · RFC 3261 §9.2: a tag that the user has used before is that of the 200, too.
#[test]
fn answer_to_the_cancel_has_the_tag_of_the_ringing() {
    let mut bench = Bench::new();
    let invite = bench.accept(0, &Draft::default());
    let ringing = Response::answering(&invite.1.request, StatusCode::RINGING).with_to_tag("mine");
    bench.stack.respond(bench.now, invite.0, ringing);
    bench.drain();
    bench.ask(300, &CANCEL);
    assert_eq!(bench.last_response().headers.to().expect("To").tag(), Some("mine"));
}

/// A26 · RFC 3261 §9.2: after a final answer the CANCEL gets its 200 and nothing else happens.
#[test]
fn cancel_after_the_final_answer_has_no_effect() {
    for status in [StatusCode::OK, StatusCode::BUSY_HERE] {
        let mut bench = Bench::new();
        let invite = bench.accept(0, &Draft::default());
        bench.answer(10, &invite, status);
        assert!(bench.ask(20, &CANCEL).is_none());
        assert_eq!(bench.statuses(), [(10, status.code()), (20, 200)]);
        assert_eq!(bench.count(|event| matches!(event, Event::Cancelled { .. })), 0);
    }
}

/// A26, T11 · RFC 3261 §9.2: 481 without a match: another branch, another sent-by, nothing at all.
#[test]
fn cancel_of_nothing_is_answered_481() {
    let mut bench = Bench::new();
    bench.accept(0, &Draft::default());
    let others = [
        "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-other",
        "SIP/2.0/UDP 192.0.2.9:5061;branch=z9hG4bK-a",
        "SIP/2.0/UDP other.example;branch=z9hG4bK-a",
    ];
    for via in others {
        assert!(bench.ask(10, &Draft { via, ..CANCEL }).is_none());
        assert_eq!(bench.last_response().status.code(), 481, "{via}");
    }
    assert_eq!(bench.stack.counters().stray_cancels, 3);
    assert_eq!(bench.count(|event| matches!(event, Event::Cancelled { .. })), 0);
    assert_eq!(bench.stack.transaction_count(), 1, "nothing is kept for them");
}

/// A26 · RFC 3261 §9.2: another method than INVITE cannot be cancelled, but the CANCEL has a match.
#[test]
fn cancel_of_another_method_is_answered_and_has_no_effect() {
    let mut bench = Bench::new();
    bench.accept(0, &Draft { method: "REGISTER", ..Draft::default() });
    bench.ask(10, &CANCEL);
    bench.run_until(10_000);
    assert_eq!(bench.statuses(), [(10, 200)]);
    assert_eq!(bench.count(|event| matches!(event, Event::Cancelled { .. })), 0);
}

/// A26, A11 · RFC 3261 §9.2, §17.2.3: also by the rules of RFC 2543.
#[test]
fn rfc_2543_cancel_is_matched() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP 192.0.2.9:5060";
    let invite = bench.accept(0, &Draft { via, ..Draft::default() });
    bench.ask(10, &Draft { via, cseq: 8, ..CANCEL });
    assert_eq!(bench.last_response().status.code(), 481);
    bench.ask(10, &Draft { via, ..CANCEL });
    assert_eq!(bench.last_response().status.code(), 200);
    assert_eq!(bench.events.last(), Some(&(10, Event::Cancelled { invite: invite.0 })));
}
