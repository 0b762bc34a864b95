//! What happens is posted by https only to whom it is meant for.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::processes::{Alone, Process, run, text};
use crate::receiver::{Listening, SECRET, make, written_secret};

const AUTHORITY: &str = include_str!("../https/authority.pem");
const GOOD: &[u8] = include_bytes!("../https/good.pem");

fn configured(alone: &Alone, to: SocketAddr, more: &str) -> String {
    alone.write("hook.secret", &written_secret());
    let (state, port) = (alone.text("state"), to.port());
    alone.write(
        "c.toml",
        &format!(
            "[state]\ndir = {state:?}\n[admin]\nopen = true\nbind = \"127.0.0.1:0\"\n[[webhook]]\n\
             url = \"https://localhost:{port}/hook\"\nsecret_file = \"hook.secret\"\n\
             events = [\"held\"]\n{more}"
        ),
    )
}

/// Attempts that failed because the receiver did not prove who it is.
fn counted(server: &Process) -> u64 {
    let page = ureq::get(format!("http://{}/metrics", server.greeting("admin"))).call();
    let page = page.expect("asked").body_mut().read_to_string().expect("a page");
    let name = "convoke_webhook_attempts_failed_total{webhook=\"1\",cause=\"tls\"} ";
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.expect("such a line").parse().expect("a number")
}

/// Nothing is posted to who has another authority's certificate, one for another name, or one that is over; it waits, is
/// counted, and is posted when he proves who he is, signed, under one id, what happened meanwhile too.
#[test]
fn a_receiver_by_https_is_posted_to_once_it_proves_who_it_is() {
    let alone = Alone::wait();
    let receiver = Listening::start();
    alone.write("ca.pem", AUTHORITY);
    let config = configured(&alone, receiver.address, "ca_file = \"ca.pem\"\n");
    let mut server = Process::serve(&["--config", &config]);
    let mut conferences = Vec::new();
    for (pem, words) in [
        (&include_bytes!("../https/unknown.pem")[..], "UnknownIssuer"),
        (&include_bytes!("../https/elsewhere.pem")[..], "not valid for name"),
        (&include_bytes!("../https/over.pem")[..], "expired"),
    ] {
        receiver.prove_with(pem);
        let before = counted(&server);
        conferences.push(make(&server));
        // Whoever rests is asked again at once when the configuration is read.
        server.signal(Signal::SIGHUP);
        server.until("reloaded");
        let is_refused = |it: &Value| text(&it["webhooks"][0], "why").contains(words);
        let told =
            server.until_status(words, |it| it["webhooks"][0]["why"].is_string() && is_refused(it));
        assert_eq!(told["webhooks"][0]["waiting"], conferences.len(), "{told}");
        assert!(counted(&server) > before, "{words}");
        assert!(receiver.posts.try_recv().is_err(), "{words}: nothing is posted to a stranger");
    }
    receiver.prove_with(GOOD);
    server.signal(Signal::SIGHUP);
    let posts = [receiver.next(), receiver.next(), receiver.next()];
    for (post, conference) in posts.iter().zip(&conferences) {
        assert!(post.is_signed_with(&SECRET) && !post.is_signed_with(&[8; 32]), "{post:?}");
        assert_eq!(text(&post.event(), "conference"), *conference);
    }
    let told = server.until_status("all are there", |it| it["webhooks"][0]["waiting"] == 0);
    assert_eq!(
        (&told["webhooks"][0]["delivered"], &told["webhooks"][0]["lost"]),
        (&3.into(), &0.into())
    );
}

/// Without a file of its own the system's authorities count, and nobody else's: not even a good one that is only ours.
#[test]
fn without_a_ca_file_only_whom_the_system_trusts_is_posted_to() {
    let alone = Alone::wait();
    let receiver = Listening::start();
    receiver.prove_with(GOOD);
    let config = configured(&alone, receiver.address, "");
    let server = Process::serve(&["--config", &config]);
    make(&server);
    let told = server.until_status("refused", |it| it["webhooks"][0]["why"].is_string());
    assert!(text(&told["webhooks"][0], "why").contains("UnknownIssuer"), "{told}");
    assert!(counted(&server) > 0 && receiver.posts.try_recv().is_err());
}

/// `convoke check` reads whom to trust.
#[test]
fn a_ca_file_is_checked() {
    let alone = Alone::wait();
    let to = ([127, 0, 0, 1], 9).into();
    let config = configured(&alone, to, "ca_file = \"ca.pem\"\n");
    let check = || {
        let (_, out, _) = run(&["check", &config, "--json", "--sip", "127.0.0.1:0", "--running"]);
        let told: Value = serde_json::from_str(&out).expect("JSON");
        let findings = told["findings"].as_array().cloned().unwrap_or_default();
        findings.into_iter().find(|it| it["key"] == "webhook[0].ca_file")
    };
    for (content, words) in [(None, "not found"), (Some("none"), "there is no certificate in it")] {
        if let Some(content) = content {
            alone.write("ca.pem", content);
        }
        let found = check().expect("a finding");
        assert!(found["weight"] == "wrong" && text(&found, "what").contains(words), "{found}");
        assert!(text(&found, "file").ends_with("c.toml") && found["line"] == 10, "{found}");
    }
    alone.write("ca.pem", AUTHORITY);
    assert_eq!(check(), None);
}
