//! `convoke watch` against a real server.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::processes::{Alone, Process, run, text};

/// The names of those who are in, by a roster.
fn names(roster: &Value) -> Vec<String> {
    let users = roster["users"].as_array().expect("users").iter();
    let is_in = |user: &&Value| {
        let endpoints = user["endpoints"].as_array().expect("endpoints");
        endpoints.iter().any(|endpoint| endpoint["status"] == "connected")
    };
    let name = |user: &Value| {
        let entity = text(user, "entity");
        entity.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned()
    };
    let mut names: Vec<String> = users.filter(is_in).map(name).collect();
    names.sort();
    names
}

/// D04, D06, B36 · RFC 4575 §3.6, §3.3; RFC 4579 §3.4: who watches from outside, and the first terminal, see who comes
/// and that it is over.
#[test]
fn who_watches_sees_who_comes_and_goes_and_the_end() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let mut bob = Process::answer("bob", &[]);
    let bob_uri = bob.greeting("uri");
    let invite = ["--invite", &bob_uri, "--who"];
    let mut alice = Process::conference(&server.greeting("factory"), &invite);
    let conference = text(&alice.until("joined"), "conference");
    let mut watcher = Process::start(&["watch", &conference]);
    let both = |event: &Value| event["event"] == "roster" && names(event) == ["alice", "bob"];
    let seen = watcher.until_so("alice and bob", both);
    assert_eq!(text(&seen, "conference"), conference);
    assert_eq!(seen["user_count"], 2);
    alice.until_so("alice and bob", both);

    bob.signal(Signal::SIGINT);
    assert!(bob.ended().success());
    watcher
        .until_so("alice alone", |event| event["event"] == "roster" && names(event) == ["alice"]);
    alice.signal(Signal::SIGINT);
    assert!(alice.ended().success());
    assert_eq!(text(&watcher.until("ended"), "why"), "the conference is over");
    assert!(watcher.ended().success());
    server.until_status("no subscription", |status| status["leftovers"]["subscriptions"] == 0);
}

/// Ctrl-C unsubscribes; the conference goes on.
#[test]
fn ctrl_c_unsubscribes() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let mut alice = Process::conference(&server.greeting("factory"), &[]);
    let conference = text(&alice.until("joined"), "conference");
    let mut watcher = Process::start(&["watch", &conference]);
    watcher.until("roster");
    server.until_status("two subscriptions", |status| status["leftovers"]["subscriptions"] == 2);
    watcher.signal(Signal::SIGINT);
    assert_eq!(text(&watcher.until("ended"), "why"), "unsubscribed");
    assert!(watcher.ended().success());
    let status = server.until_status("hers", |status| status["leftovers"]["subscriptions"] == 1);
    assert_eq!(status["room"]["used"], 1);
}

#[test]
fn what_is_no_conference_is_told() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let factory = server.greeting("factory");
    let (code, out, _) = run(&["watch", &factory]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("489 Bad Event") && out.contains("no conference"), "{out}");
    let nobody = factory.replace("conference@", "conf-nobody@");
    let (code, out, _) = run(&["watch", &nobody]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("404 Not Found") && out.contains("nobody has this address"), "{out}");
}
