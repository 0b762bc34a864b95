//! `convoke load` against a real server: what is measured is so.

use serde_json::Value;

use crate::processes::{Alone, Process, run};

/// Loads the server with six legs and more words; the report.
fn load(server: &Process, words: &[&str]) -> (Option<i32>, Value) {
    let factory = server.greeting("factory");
    let own = ["load", &factory, "--legs", "6", "--for", "3s", "--rate", "100", "--json"];
    let (code, out, error) = run(&[&own, words].concat());
    assert_eq!(error, "");
    (code, serde_json::from_str(&out).expect("one JSON object"))
}

fn number(report: &Value, pointer: &str) -> f64 {
    let value = report.pointer(pointer).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report:#}"))
}

#[test]
fn two_small_conferences_get_every_packet_and_hear_every_click_of_the_others() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let pid = server.greeting_number("pid").to_string();
    let (code, report) = load(&server, &["--conferences", "2", "--pid", &pid]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!((&report["joined"], &report["dropped_out"]), (&6.into(), &0.into()));
    assert!(number(&report, "/setup_ms/p50") > 0.0);

    // All six send and all six are sent as much; each leg may have one more or less at either end.
    let (sent, received) = (number(&report, "/media/sent"), number(&report, "/media/received"));
    assert!((received - sent).abs() <= 0.02 * sent, "{report:#}");
    assert_eq!(number(&report, "/media/loss_percent"), 0.0, "{report:#}");
    assert_eq!(report["media"]["deaf_legs"], 0);

    // Each click is heard by the two others of its conference, by nobody elsewhere and not by its sender.
    let (due, heard) = (number(&report, "/delay/due"), number(&report, "/delay/heard"));
    assert!(due >= 4.0 && heard == due, "{report:#}");
    assert_eq!(report["delay"]["echoes"], 0);
    assert!(number(&report, "/delay/ms/p50") > 0.0);

    assert!(number(&report, "/server/rss_bytes") > 1e6);
    let threads = report["server"]["threads"].as_array().expect("threads");
    assert!(threads.iter().all(|thread| thread["name"].is_string()));
    server.until_all_have_left();
}

/// Listeners that send nothing hear who talks.
#[test]
fn legs_that_send_nothing_are_sent_everything() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let (code, report) = load(&server, &["--talkers", "1", "--rest", "nothing"]);
    assert_eq!(code, Some(0), "{report:#}");
    let (sent, received) = (number(&report, "/media/sent"), number(&report, "/media/received"));
    assert!((received - 6.0 * sent).abs() <= 0.02 * received, "{report:#}");
    assert_eq!(report["delay"]["heard"], report["delay"]["due"]);
}

/// Who is refused is counted under the reason, and the exit status says that not all came in.
#[test]
fn what_finds_no_room_is_told() {
    let alone = Alone::wait();
    let config = alone.write("small.toml", "[pool]\ncapacity = 4\n[[factory]]\nexpect = 4\n");
    let server = Process::serve(&["--config", &config]);
    let (code, report) = load(&server, &[]);
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(report["joined"], 4, "{report:#}");
    let failures = report["failures"].as_object().expect("failures");
    let reasons: Vec<&String> = failures.keys().collect();
    assert!(reasons.iter().all(|why| why.starts_with("refused: 480")), "{reasons:?}");
    assert_eq!(failures.values().filter_map(Value::as_u64).sum::<u64>(), 2);
    server.until_all_have_left();
}

#[test]
fn what_cannot_be_done_is_refused_before_anybody_is_called() {
    for (words, wanted) in [
        (&["sip:conference@192.0.2.1"][..], "192.0.2.1 is another machine"),
        (&["sip:conference@127.0.0.1", "--legs", "0"], "0 legs: write a number from 1 to"),
        (&["sip:conference@127.0.0.1", "--ptime", "25"], "25 ms in a packet"),
        (&["sip:conference@127.0.0.1", "--pid", "0"], "there is no process 0"),
        (&["conference"], "write a SIP URI"),
    ] {
        let (code, out, error) = run(&[&["load"], words].concat());
        assert!(code == Some(1) || code == Some(2), "{words:?}: {code:?}");
        assert_eq!(out, "", "{words:?}");
        assert!(error.contains(wanted) && error.lines().count() == 1, "{words:?}: {error}");
    }
}
