//! `convoke call`: a phone by lines, between real processes.

use audio::correlate::correlate;
use serde_json::Value;

use crate::processes::{Alone, Process, speech, text};

fn samples(path: &str) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    reader.samples::<i16>().collect::<Result<_, _>>().expect("samples")
}

/// Whose voices a recording holds: alice, bob, carol.
fn voices(recording: &str) -> Vec<bool> {
    let speeches = ["alice", "bob", "carol"].map(|who| samples(&speech(who)));
    let references: Vec<&[i16]> = speeches.iter().map(Vec::as_slice).collect();
    correlate(&samples(recording), &references).iter().map(|found| found.is_heard()).collect()
}

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("no {field} in {event}"))
}

/// B23 · RFC 4579 §5.6: "I talk to bob and to carol: make us one conference."
#[test]
fn two_calls_merge_and_all_three_hear_each_other() {
    let alone = Alone::wait();
    let server = Process::serve(&[]);
    let recordings = ["alice", "bob", "carol"].map(|who| alone.text(&format!("{who}.wav")));
    let other = |who: &str, recording: &str| {
        Process::answer(who, &["--play", &speech(who), "--record", recording])
    };
    let mut bob = other("bob", &recordings[1]);
    let mut carol = other("carol", &recordings[2]);
    let factory = server.greeting("factory");
    let words = ["--factory", &factory, "--play", &speech("alice"), "--record", &recordings[0]];
    let mut alice = Process::call("alice", &words);
    for (line, peer) in [(1, &bob), (2, &carol)] {
        alice.say(&format!("call {}", peer.greeting("uri")));
        assert_eq!(number(&alice.until("up"), "line"), line);
    }
    alice.say("merge");
    let conference = text(&alice.until("merge-joined"), "conference");
    let ended = alice.until("merge-ended");
    assert_eq!((number(&ended, "moved"), number(&ended, "kept")), (2, 0), "{ended}");
    assert_eq!(alice.all("merge-refused"), [] as [&Value; 0]);
    // The calls that there were are gone, at both ends.
    for peer in [&mut bob, &mut carol] {
        while peer.until("joined")["conference"] != conference.as_str() {}
        peer.until("ended");
    }
    let status = server.until_status("three legs", |status| {
        status["conferences"][0]["legs"].as_array().is_some_and(|legs| legs.len() == 3)
    });
    assert_eq!(status["conferences"][0]["uri"], conference.as_str());
    // RFC 4575: the conference says who is in it.
    let in_it = ["alice", "bob", "carol"];
    let is_complete = |roster: &Value| {
        let users = roster["users"].to_string();
        in_it.iter().all(|who| users.contains(&format!("sip:{who}@")))
    };
    if !alice.all("roster").into_iter().any(is_complete) {
        while !is_complete(&alice.until("roster")) {}
    }
    // As long as each of the three has to say what he has to say: 5 s of 50 packets.
    server.until_status("their sound", |status| {
        status["mixers"][0]["received"].as_u64().is_some_and(|packets| packets > 3 * 250)
    });
    alice.say("quit");
    assert!(alice.ended().success());
    let ended = alice.all("ended");
    assert_eq!(ended.len(), 3, "two calls that moved, and that to the conference: {ended:?}");
    for peer in [&mut bob, &mut carol] {
        peer.signal(nix::sys::signal::Signal::SIGINT);
        assert!(peer.ended().success());
    }
    assert_eq!(voices(&recordings[0]), [false, true, true], "alice");
    assert_eq!(voices(&recordings[1]), [true, false, true], "bob");
    assert_eq!(voices(&recordings[2]), [true, true, false], "carol");
    server.until_nothing_is_left();
}

/// F04 · RFC 3264 §8.4, and what a person does all day.
#[test]
fn a_call_is_answered_held_resumed_and_ended_by_lines() {
    let _alone = Alone::wait();
    let mut bob = Process::call("bob", &[]);
    let mut alice = Process::call("alice", &[]);
    alice.say(&format!("call {}", bob.greeting("uri")));
    assert!(text(&bob.until("incoming"), "from").starts_with("sip:alice@"));
    assert_eq!(number(&alice.until("ringing"), "status"), 180);
    bob.say("answer");
    alice.until("up");
    bob.until("up");
    for (command, held) in [("hold 1", true), ("resume", false)] {
        alice.say(command);
        let hold = alice.until("hold");
        assert_eq!((&hold["on_hold"], &hold["why"]), (&held.into(), &Value::Null));
        assert_eq!(bob.until("held-by-peer")["held"], held);
    }
    alice.say("mute");
    assert_eq!(alice.until("muted")["muted"], true);
    for (line, says) in [("dial bob", "`help`"), ("hold 7", "no call 7"), ("merge", "--factory")] {
        alice.say(line);
        let said = alice.until(if line.starts_with("dial") { "not-understood" } else { "denied" });
        assert!(text(&said, "why").contains(says), "{said}");
    }
    alice.say("hangup");
    alice.until("ended");
    assert!(text(&bob.until("ended"), "why").contains("hung up"));
    // The end of its input leaves a phone as it is; quit ends it.
    alice.say_no_more();
    bob.say(&format!("call {}", alice.greeting("uri")));
    alice.until("incoming");
    bob.say("quit");
    assert!(bob.ended().success());
    assert!(text(&alice.until("failed"), "why").contains("cancelled"));
    alice.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(alice.ended().success());
}

/// Asked to call somebody, a person goes there and is gone from us.
#[test]
fn a_peer_is_sent_on_to_another() {
    let _alone = Alone::wait();
    let mut bob = Process::answer("bob", &[]);
    let mut carol = Process::answer("carol", &[]);
    let mut alice = Process::call("alice", &[&bob.greeting("uri")]);
    alice.until("up");
    alice.say(&format!("refer {}", carol.greeting("uri")));
    while alice.until("refer")["step"] != "succeeded" {}
    assert!(text(&alice.until("ended"), "why").contains("we hung up"));
    carol.until("joined");
    bob.until("ended");
    alice.say("quit");
    assert!(alice.ended().success());
}
