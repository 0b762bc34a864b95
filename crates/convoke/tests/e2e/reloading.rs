//! Another configuration for a server that runs.

use nix::sys::signal::Signal;

use crate::processes::{Alone, Process, run};

/// SIGHUP takes over what can be, says what needs a restart, and keeps the old configuration on an error.
#[test]
fn sighup_reads_the_configuration_again_and_keeps_the_old_one_on_error() {
    let alone = Alone::wait();
    let config = alone.write("c.toml", "[[factory]]\nexpect = 3\n");
    let mut server = Process::serve(&["--config", &config]);
    let factory = server.greeting("factory");
    let mut alice = Process::conference(&factory, &[]);
    server.until_so("room for 3", |event| event["event"] == "held" && event["seats"] == 3);

    alone.write("c.toml", "[[factory]]\nexpect = 5\n[pool]\ncapacity = 7\n");
    server.signal(Signal::SIGHUP);
    let told = server.until("reloaded");
    assert_eq!(told["applied"], serde_json::json!(["[[factory]]"]));
    assert_eq!(told["needs_restart"], serde_json::json!(["[pool]"]));

    alone.write("c.toml", "[[factory]]\nexpcet = 5\n");
    server.signal(Signal::SIGHUP);
    let told = server.until("reload-refused");
    let why = told["why"].as_str().expect("words");
    assert!(why.contains("c.toml:2: unknown key `expcet`"), "{why}");
    let (code, _, error) = run(&["conference", &factory, "--for", "1s"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    server.until_so("room for 5", |event| event["event"] == "held" && event["seats"] == 5);
    assert_eq!(server.status()["conferences"].as_array().map(Vec::len), Some(1), "alice is in");
    alice.signal(Signal::SIGINT);
    assert_eq!(alice.ended().code(), Some(0));
    server.signal(Signal::SIGTERM);
    server.until("stopped");
    assert_eq!(server.ended().code(), Some(0));
}
