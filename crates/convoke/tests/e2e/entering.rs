//! PIN, lobby and the end of the time, with terminals that key and listen.

use std::path::PathBuf;

use peers::programs::until;
use peers::tones;
use serde_json::Value;

use crate::processes::{Alone, Process, run, text};

const TALKS_HZ: u16 = 500;

/// The tone that asks for a PIN.
const ASKS_HZ: u16 = 880;

fn ctl(admin: &str, words: &[&str]) -> String {
    let (code, out, error) = run(&[&["ctl", "--admin", admin], words].concat());
    assert_eq!(code, Some(0), "{words:?}: {error}");
    out
}

fn is_leg(event: &Value, name: &str, leg: u32) -> bool {
    event["event"] == name && event["leg"] == leg
}

/// Who keys the moderators' PIN talks, who keys the guests' waits and hears her only when he is let in, who keys nothing
/// hears nobody; and when the time is up all are told why.
#[test]
fn who_keys_a_pin_waits_and_is_let_in_and_then_the_time_is_up() {
    let alone = Alone::wait();
    let records = alone.text("records");
    let mut server = Process::serve(&["--admin-open", "--records", &records]);
    let admin = server.greeting("admin");
    let rules = ["--pin", "471147", "--moderator-pin", "80047", "--lobby"];
    let made = ctl(&admin, &[&["create", "--json"], &rules[..]].concat());
    assert!(!made.contains("471147") && !made.contains("80047"), "{made}");
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let (id, uri) = (text(&made, "id"), text(&made, "uri"));

    let tone = tones::write(&alone, TALKS_HZ, 1);
    let mut alice = Process::conference(&uri, &["--keys", "80047", "--play", &tone]);
    server.until_so("alice is in", |event| is_leg(event, "joined", 0));
    let [bobs, eves] = ["bob.wav", "eve.wav"].map(|name| alone.path(name));
    let path = |file: &PathBuf| file.to_string_lossy().into_owned();
    // A mistake, begun anew.
    let keys = ["--keys", "4711*471147", "--record", &path(&bobs)];
    let mut bob = Process::conference(&uri, &keys);
    let waits = |event: &Value| is_leg(event, "waits", 1) && event["state"] == "waiting";
    server.until_so("bob waits", waits);
    let bytes = || std::fs::metadata(&bobs).map_or(0, |file| file.len());
    until("two seconds of sound", || bytes() > 32_000);
    tones::assert_unheard(&bobs, TALKS_HZ);
    assert!(ctl(&admin, &["admit", &id, "1"]).contains("is in as guest"));
    server.until_so("bob is in", |event| is_leg(event, "joined", 1));
    tones::until_heard(&bobs, TALKS_HZ);

    let mut eve = Process::conference(&uri, &["--record", &path(&eves)]);
    let asked = server.until_so("eve is asked", |event| is_leg(event, "waits", 2));
    assert_eq!(asked["state"], "asked-for-pin");
    let shown = ctl(&admin, &["show", &id[..6]]);
    assert!(shown.contains("asked-for-pin") && shown.contains("moderates"), "{shown}");
    tones::until_heard(&eves, ASKS_HZ);
    tones::assert_unheard(&eves, TALKS_HZ);

    // It has lasted longer than that.
    ctl(&admin, &["set", &id, "--max-time", "1s"]);
    let ended = server.until("ended");
    assert_eq!(text(&ended, "cause"), "its time is up");
    for phone in [&mut alice, &mut bob, &mut eve] {
        let why = text(&phone.until("ended"), "why");
        assert!(why.contains("hung up: The time of the conference is up"), "{why}");
        phone.ended();
    }
    let books = || std::fs::read_to_string(&records).unwrap_or_default();
    until("all is in the books", || books().lines().count() == 4);
    let books = books();
    assert_eq!(books.matches("\"cause\":\"time_up\"").count(), 4, "{books}");
    assert_eq!(books.matches("The time of the conference is up").count(), 3, "{books}");
    assert!(!books.contains("471147") && !books.contains("80047"), "{books}");
}
