//! A fault of ours in one conference.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::processes::{Alone, Process, speech, text};

/// It ends with BYE and Reason and is counted; who is in another conference loses nothing.
#[test]
fn a_fault_in_one_conference_ends_that_one_alone() {
    let alone = Alone::wait();
    let records = alone.text("records");
    let config = "[media]\nmixers = 1\n\n[debug]\nfault_in_conference = 2\n";
    let config = alone.write("convoke.toml", config);
    let mut server = Process::serve(&["--config", &config, "--records", &records]);
    let factory = server.greeting("factory");
    let bob = Process::answer("bob", &["--play", &speech("bob")]);
    let bob_uri = bob.greeting("uri");
    let mut alice =
        Process::conference(&factory, &["--play", &speech("alice"), "--invite", &bob_uri]);
    alice.until("invitee-joined");
    let conference = text(alice.all("joined")[0], "conference");

    let mut carol = Process::conference(&factory, &["--play", &speech("carol")]);
    let other = text(&carol.until("joined"), "conference");
    let ended = carol.until("ended");
    assert_eq!(ended["outcome"], "conference-ended");

    // The other one goes on.
    let received = |status: &Value| status["mixers"][0]["received"].as_u64().unwrap_or(0);
    let before = received(&server.status());
    server.until_status("two more seconds of sound", |status| received(status) > before + 200);
    let status = server.status();
    assert_eq!(status["mixers"][0]["conferences_failed"], 1, "{status}");
    assert_eq!(status["conferences"].as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(status["conferences"][0]["uri"], conference.as_str());
    server.signal(Signal::SIGTERM);
    assert!(server.ended().success());

    let lines = std::fs::read_to_string(&records).expect("records");
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let legs = |of: &str| -> Vec<&Value> {
        let is_one = |line: &&Value| line["record"] == "leg" && line["conference"] == of;
        lines.iter().filter(is_one).collect()
    };
    let [failed] = legs(&other)[..] else { panic!("one leg: {lines:#?}") };
    assert_eq!(failed["cause"], "media_failed", "{failed}");
    assert!(text(failed, "reason_sent").contains("cause="), "{failed}");
    let others = legs(&conference);
    assert_eq!(others.len(), 2, "{lines:#?}");
    for leg in others {
        assert_eq!((&leg["cause"], &leg["media"]["lost"]), (&"conference_ended".into(), &0.into()));
    }
}
