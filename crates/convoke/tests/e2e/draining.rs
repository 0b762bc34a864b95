//! A server that is to go: no new conference, and those who are in talk on until the deadline.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::processes::{Process, run};

fn drained(status: &Value) -> bool {
    !status["draining"].is_null()
}

/// The whole life: drained by command, taken back, then by SIGTERM until its deadline.
#[test]
fn a_draining_server_refuses_new_conferences_and_ends_at_its_deadline() {
    let mut server = Process::serve(&["--admin-open", "--drain-deadline", "2s"]);
    let (factory, admin) = (server.greeting("factory"), server.greeting("admin"));
    let mut alice = Process::conference(&factory, &[]);
    server.until_status("alice in", |status| {
        status["conferences"][0]["legs"].as_array().is_some_and(|legs| legs.len() == 1)
    });
    let uri = server.status()["conferences"][0]["uri"].as_str().expect("a URI").to_owned();

    let (code, out, error) = run(&["drain", "--deadline", "10m", "--admin", &admin]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.starts_with("Draining: no new conferences; 1 is left, and ends in "), "{out}");
    assert!(drained(&server.status()));
    let (code, out, _) = run(&["conference", &factory, "--for", "1s"]);
    assert_ne!(code, Some(0));
    assert!(out.contains("503"), "{out}");
    // Who has the URI of what runs is let in.
    let (code, _, error) = run(&["conference", &uri, "--for", "1s"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));

    let (code, out, _) = run(&["undrain", "--admin", &admin]);
    assert_eq!((code, out.trim_end()), (Some(0), "New conferences are taken."));
    let (code, _, error) = run(&["conference", &factory, "--for", "1s"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));

    server.signal(Signal::SIGTERM);
    server.until("draining");
    server.until("ended");
    alice.until("finished");
    server.until("stopped");
    assert_eq!(server.ended().code(), Some(0));
}

/// The second signal says BYE; after `undrain` the next one is the first again.
#[test]
fn a_signal_after_undrain_drains_and_ends_no_call() {
    let mut server = Process::serve(&["--admin-open", "--drain-deadline", "1m"]);
    let (factory, admin) = (server.greeting("factory"), server.greeting("admin"));
    let mut alice = Process::conference(&factory, &[]);
    server.until("joined");
    server.signal(Signal::SIGTERM);
    server.until("draining");
    let (code, out, _) = run(&["undrain", "--admin", &admin]);
    assert_eq!((code, out.trim_end()), (Some(0), "New conferences are taken."));
    server.until("undrained");
    server.signal(Signal::SIGTERM);
    server.until("draining");
    assert!(drained(&server.status()));
    server.signal(Signal::SIGTERM);
    server.until("stopping");
    alice.until("finished");
    assert_eq!(server.ended().code(), Some(0));
}
