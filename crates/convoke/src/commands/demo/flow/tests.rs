//! Rows as they are seen.

use serde_json::json;

use super::*;

fn flow() -> Flow {
    let mut flow = Flow::of_width(96, Paint::plain());
    flow.place(Who::Alice, "a");
    flow.place(Who::Server, "s");
    flow.place(Who::Bob, "b");
    flow.place(Who::Carol, "c");
    flow
}

fn message(
    at: f64,
    from: &str,
    to: &str,
    start_line: &str,
    cseq: &str,
    detail: Option<&str>,
) -> Message {
    let object = json!({
        "at": at, "from": from, "to": to, "start_line": start_line, "cseq": cseq, "detail": detail,
    });
    Message::read(&object).expect("a message's line")
}

const TOKEN: &str = "sip:conf-aeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax7qz@127.0.0.1:5060";

#[test]
fn arrows_run_from_who_sends_to_who_receives() {
    let mut flow = flow();
    let rows = [
        message(10.0, "a", "s", "INVITE sip:conference@127.0.0.1 SIP/2.0", "1 INVITE", None),
        message(10.0125, "s", "a", "SIP/2.0 302 Moved Temporarily", "1 INVITE", Some(TOKEN)),
        message(10.5, "a", "c", "REFER sip:carol@127.0.0.1 SIP/2.0", "1 REFER", Some(TOKEN)),
        message(11.0, "c", "a", "SIP/2.0 200 OK", "1 REFER", None),
    ];
    let drawn: Vec<String> =
        rows.into_iter().filter_map(|row| flow.draw(&Row::Message(row))).collect();
    let expected = [
        "  0.0000        │── INVITE conference ─▶│                        │                        │",
        "  0.0125        │◀─ 302 to conf-…x7qz ──│                        │                        │",
        "  0.5000        │─ REFER to conf-…x7qz ─┼────────────────────────┼───────────────────────▶│",
        "  1.0000        │◀──────────────────────┼────────────────────────┼──── 200 OK (REFER) ────│",
    ];
    assert_eq!(drawn, expected);
}

#[test]
fn a_wide_terminal_has_longer_labels_and_a_narrow_one_is_not_overrun() {
    let invite = || message(0.0, "b", "s", "INVITE sip:conference@h SIP/2.0", "1 INVITE", None);
    for (width, shown) in [(40, WIDTH.0), (100, 100), (300, WIDTH.1)] {
        let mut flow = Flow::of_width(width, Paint::plain());
        flow.place(Who::Server, "s");
        flow.place(Who::Bob, "b");
        let row = flow.draw(&Row::Message(invite())).expect("a row");
        assert!(row.chars().count() <= shown, "{row}");
        assert_eq!(row.contains("INVITE conference"), width >= 100, "{row}");
        assert!(flow.head().chars().count() <= shown);
    }
}

#[test]
fn rows_come_in_the_order_of_their_times_whoever_told_them_first() {
    let mut flow = flow();
    flow.push(message(2.0, "s", "a", "SIP/2.0 200 OK", "1 BYE", None));
    flow.note("ended", &json!({ "at": 3.0 }));
    flow.push(message(1.0, "a", "s", "BYE sip:h SIP/2.0", "1 BYE", None));
    let times: Vec<u64> = flow.waiting.iter().map(Row::unix_micros).collect();
    assert_eq!(times, [1_000_000, 2_000_000, 3_000_000]);
    assert_eq!(flow.take(2_000_000).len(), 2);
    assert_eq!(flow.waiting.len(), 1, "what is younger waits");
}

#[test]
fn strangers_and_unreadable_lines_have_no_row() {
    let mut flow = flow();
    let stranger = message(1.0, "x", "s", "BYE sip:h SIP/2.0", "1 BYE", None);
    assert_eq!(flow.draw(&Row::Message(stranger)), None);
    assert_eq!(Message::read(&json!({ "at": 1.0, "start_line": "garbage" })), None);
}
