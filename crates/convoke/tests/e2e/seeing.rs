//! What an operator sees of the messages.

use crate::processes::{Alone, Process, run};

#[test]
fn a_trace_shows_the_ladder_live_and_plain_where_it_is_no_terminal() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let factory = server.greeting("factory");
    let words = ["conference", &factory, "--sip", "127.0.0.1:0", "--for", "100ms", "--trace"];
    let (code, out, complaints) = run(&words);
    assert_eq!(code, Some(0), "{complaints}");
    assert!(!out.contains('\u{1b}'), "no colours in a pipe");
    let rows: Vec<&str> = out.lines().filter(|line| line.contains(['▶', '◀'])).collect();
    let told =
        ["INVITE conference", "302 to conf-…", "ACK", "INVITE conf-…", "200 OK", "ACK", "BYE"];
    let mut rows_left = rows.iter();
    for what in told {
        assert!(rows_left.any(|row| row.contains(what)), "no {what}, in this order: {out}");
    }
    let redirect = rows.iter().find(|row| row.contains("302 to")).expect("a redirection");
    assert!(redirect.contains("◀") && redirect.contains("Contact: <sip:conf-"), "{redirect}");
    let is_head = |line: &&str| line.contains("terminal  ") && !line.contains("sip:");
    let heads = out.lines().filter(is_head).count();
    assert_eq!(heads, 1, "one peer, one head: {out}");
}
