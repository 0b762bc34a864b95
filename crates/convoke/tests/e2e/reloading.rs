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

/// A rule that comes by SIGHUP counts for the next caller, and `explain` names it.
#[test]
fn answer_rule_that_is_added_counts_at_once_and_is_explained() {
    let alone = Alone::wait();
    let config = alone.write("c.toml", "[[factory]]\n");
    let mut server = Process::serve(&["--config", &config]);
    let (factory, admin) = (server.greeting("factory"), server.greeting("admin"));
    let mut alice = Process::conference(&factory, &[]);
    alice.until("redirected");
    let rule = "[[factory]]\n[[factory.answer_rule]]\nuser_agent = \"convoke-terminal*\"\nanswer = \"deliver\"\n";
    alone.write("c.toml", rule);
    server.signal(Signal::SIGHUP);
    assert_eq!(server.until("reloaded")["applied"], serde_json::json!(["[[factory]]"]));
    let (code, told, error) = run(&["conference", &factory, "--for", "1s", "--json"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(told.contains("joined") && !told.contains("redirected"), "{told}");
    let (_, shown, _) = run(&["explain", "conf-", "--admin", &admin]);
    let by_rule = "answered by the focus itself: answer_rule 1, user_agent = \"convoke-terminal*\"";
    assert!(shown.contains(by_rule), "{shown}");
    assert!(shown.contains("answered by redirection, as its factory does"), "{shown}");
    alice.signal(Signal::SIGINT);
    assert_eq!(alice.ended().code(), Some(0));
}
