//! kill -9 of the server, and what there is when it runs again.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::processes::{Alone, Process, run, text};

fn json(words: &[&str]) -> Value {
    let (code, out, error) = run(words);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{words:?}: {out}");
    serde_json::from_str(&out).expect("JSON")
}

/// T26: reservations are back, and who was in calls the same URI.
#[test]
fn after_kill_9_reservations_are_back_and_the_conference_is_called_again() {
    let alone = Alone::wait();
    let state = alone.text("state");
    let mut server = Process::serve(&["--admin-open", "--state-dir", &state]);
    let (sip, admin) = (server.seen[0]["sip"][0].clone(), server.greeting("admin"));
    let sip = sip.as_str().expect("an address").to_owned();
    let reserve = ["reserve", "--legs", "50", "--from", "+2h", "--for", "1h", "--json", "--admin"];
    let reserved = json(&[&reserve[..], &[&admin]].concat());
    let mut alice = Process::conference(&server.greeting("factory"), &[]);
    let conference = text(&alice.until("joined"), "conference");
    server.until("joined");
    server.signal(Signal::SIGKILL);
    assert!(!server.ended().success());
    drop(alice);

    let words = ["serve", "--sip", &sip, "--admin", "127.0.0.1:0", "--state-dir", &state];
    let server = Process::start(&words);
    let holds = json(&["holds", "--json", "--admin", &server.greeting("admin")]);
    assert_eq!(holds["reservations"][0]["conference"], reserved["conference"]);
    assert_eq!(holds["reservations"][0]["legs"], 50);
    assert_eq!(holds["holds"][0]["conference"], conference.as_str());
    let _bob = Process::call("bob", &[&conference]);
    // The reserved one is listed as well, before or after: they are in no order that means anything.
    server.until_status("a leg in it", |status| {
        let mut conferences = status["conferences"].as_array().into_iter().flatten();
        conferences.any(|one| {
            let legs = one["legs"].as_array().map_or(0, Vec::len);
            one["uri"] == conference.as_str() && legs == 1
        })
    });
}

/// Without anything measured it says so, and what fits is shown all the same.
#[test]
fn what_fits_is_shown_and_explained() {
    let _alone = Alone::wait();
    let server = Process::serve(&["--admin-open"]);
    assert_eq!(server.greeting("measured"), "assumed");
    let admin = server.greeting("admin");
    let (code, shown, _) = run(&["capacity", "--admin", &admin]);
    assert_eq!(code, Some(0));
    assert!(
        shown.starts_with("Room for 500 plain legs (G.711, 20 ms), or 325 with packets of 10 ms"),
        "{shown}"
    );
    let many = ["capacity", "--legs", "50", "--conferences", "11", "--admin", &admin];
    let (code, shown, _) = run(&many);
    assert_eq!(code, Some(1));
    assert!(shown.starts_with("11 conferences of 50 legs (pcmu, 20 ms) do not fit now: 10 would."));
    let (code, shown, _) = run(&["explain", "--legs", "501", "--admin", &admin]);
    assert_eq!(code, Some(1));
    assert!(shown.contains("no mixer has room for 501 seats, the most is 500"), "{shown}");
    let (code, shown, _) = run(&["holds", "--admin", &admin]);
    assert_eq!((code, shown.as_str()), (Some(0), "Nobody holds any room.\n"));
    let (code, _, error) = run(&["reserve", "--legs", "5", "--from", "+2h", "--admin", &admin]);
    assert_eq!(code, Some(1));
    assert!(error.contains("--state-dir"), "{error}");
}

/// Makes a conference with a PIN under a key; gives the answer as soon as it is there.
fn made_under(key: &str, server: &Process) -> Value {
    let url = format!("http://{}/v1/conferences", server.greeting("admin"));
    let request = ureq::post(url).header("Idempotency-Key", format!("\"{key}\""));
    let answer = request.content_type("application/json").send(r#"{"pin":"471147"}"#);
    let text = answer.expect("made").body_mut().read_to_string().expect("a body");
    serde_json::from_str(&text).expect("JSON")
}

/// draft-ietf-httpapi-idempotency-key-header-07 §2.6: whoever was answered when the server was killed asks again and gets the same
/// conference, which still asks for the PIN.
#[test]
fn what_was_answered_under_a_key_is_the_same_after_kill_9() {
    let alone = Alone::wait();
    let state = alone.text("state");
    let serve = || Process::serve(&["--admin-open", "--state-dir", &state]);
    let mut server = serve();
    let mut before: Vec<(String, Value)> = Vec::new();
    for life in 0..6 {
        let key = format!("life-{life}");
        before.push((key.clone(), made_under(&key, &server)));
        server.signal(Signal::SIGKILL);
        assert!(!server.ended().success());
        server = serve();
        for (key, made) in &before {
            assert_eq!(made_under(key, &server)["uri"], made["uri"], "{key} in life {life}");
        }
        let (_, last) = before.last().expect("one");
        let id = text(last, "id");
        let shown = json(&["ctl", "show", &id, "--json", "--admin", &server.greeting("admin")]);
        assert_eq!(shown["pin"], true, "{shown}");
    }
}
