//! What an operator sees of the messages.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::pcap_reader;
use crate::processes::{Alone, Process, run, speech, text};

#[test]
fn a_trace_shows_the_ladder_live_and_plain_where_it_is_no_terminal() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let factory = server.greeting("factory");
    let words = ["conference", &factory, "--sip", "127.0.0.1:0", "--for", "100ms", "--trace"];
    let (code, out, complaints) = run(&words);
    assert_eq!(code, Some(0), "{complaints}");
    assert!(!out.contains('\u{1b}'), "no colours in a pipe");
    let rows: Vec<&str> = out.lines().filter(|line| line.contains(['▶', '◀'])).collect();
    let told =
        ["INVITE conference", "302 to conf-…", "ACK", "INVITE conf-…", "200 OK", "ACK", "BYE"];
    let mut rows_left = rows.iter();
    for what in told {
        assert!(rows_left.any(|row| row.contains(what)), "no {what}, in this order: {out}");
    }
    let redirect = rows.iter().find(|row| row.contains("302 to")).expect("a redirection");
    assert!(redirect.contains("◀") && redirect.contains("Contact: <sip:conf-"), "{redirect}");
    // Another head where the same peer comes by TCP: what is too long for a datagram (RFC 3261 §18.1.1).
    let is_head = |line: &&str| line.contains("terminal  ") && !line.contains("sip:");
    let heads = out.lines().filter(is_head).count();
    assert!((1..=2).contains(&heads), "{out}");
}

/// Segments put together: one packet for each message.
fn whole(packets: Vec<pcap_reader::Captured>) -> Vec<pcap_reader::Captured> {
    let mut messages: Vec<pcap_reader::Captured> = Vec::new();
    for packet in packets {
        let text = String::from_utf8_lossy(&packet.payload).into_owned();
        let line = text.lines().next().unwrap_or_default();
        match messages.last_mut() {
            Some(last) if !line.starts_with("SIP/2.0 ") && !line.ends_with(" SIP/2.0") => {
                assert!(packet.tcp.is_some() && last.from == packet.from, "goes on: {line}");
                last.payload.extend(packet.payload);
            }
            Some(_) | None => messages.push(packet),
        }
    }
    messages
}

#[test]
fn a_capture_has_every_message_that_was_traced_and_is_read_back() {
    let alone = Alone::wait();
    let (ours, theirs) = (alone.text("serve.pcap"), alone.text("alice.pcap"));
    let mut server = Process::serve(&["--pcap", &ours]);
    let factory = server.greeting("factory");
    let mut alice = Process::conference(&factory, &["--for", "100ms", "--pcap", &theirs]);
    assert!(alice.ended().success());
    server.until("ended");
    server.signal(Signal::SIGTERM);
    assert!(server.ended().success());
    for (process, path) in [(&server, &ours), (&alice, &theirs)] {
        let captured = whole(pcap_reader::read(&std::fs::read(path).expect("a capture")));
        let traced = process.all("message");
        assert_eq!(captured.len(), traced.len());
        for (captured, traced) in captured.iter().zip(&traced) {
            let text = String::from_utf8(captured.payload.clone()).expect("text");
            assert_eq!(text.lines().next(), traced["start_line"].as_str());
            assert_eq!(captured.from.to_string(), traced["from"]);
            assert_eq!(captured.to.to_string(), traced["to"]);
        }
        let told = process.all("captured");
        assert_eq!(told[0]["messages"], traced.len());
        assert_eq!(told[0]["left_out"], 0);
    }
}

#[test]
fn a_leg_and_a_conference_that_are_over_are_a_line_each() {
    let alone = Alone::wait();
    let path = alone.text("calls.jsonl");
    let mut server = Process::serve(&["--records", &path]);
    let bob = Process::answer("bob", &["--once"]);
    let bob_uri = bob.greeting("uri");
    let words = ["--invite", &bob_uri, "--play", &speech("alice")];
    let mut alice = Process::conference(&server.greeting("factory"), &words);
    let conference = text(&alice.until("joined"), "conference");
    alice.until("invitee-joined");
    server.until_status("sound", |status| {
        status["mixers"][0]["received"].as_u64().is_some_and(|packets| packets > 50)
    });
    alice.signal(Signal::SIGINT);
    assert!(alice.ended().success());
    server.signal(Signal::SIGTERM);
    assert!(server.ended().success());
    let lines: Vec<Value> = std::fs::read_to_string(&path)
        .expect("records")
        .lines()
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect();
    let of = |kind: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["record"] == kind).collect()
    };
    let (legs, conferences) = (of("leg"), of("conference"));
    assert_eq!((legs.len(), conferences.len(), lines.len()), (2, 1, 3), "{lines:#?}");
    assert!(lines.iter().all(|line| line["conference"] == conference.as_str()));
    assert_eq!((&conferences[0]["legs"], &conferences[0]["cause"]), (&2.into(), &"ordered".into()));

    let leg = |joined_by: &str| {
        *legs.iter().find(|leg| leg["joined_by"] == joined_by).expect("such a leg")
    };
    let (alice_leg, bob_leg) = (leg("invite"), leg("referred"));
    assert!(text(alice_leg, "participant").starts_with("sip:alice@127.0.0.1"));
    assert_eq!((&alice_leg["cause"], &alice_leg["creator"]), (&"left".into(), &true.into()));
    assert_eq!(bob_leg["cause"], "conference_ended");
    assert!(text(bob_leg, "reason_sent").starts_with("Q.850;cause=16"));
    assert!(alice_leg["media"]["received"].as_u64() > Some(0), "{alice_leg}");
    assert!(bob_leg["media"]["sent"].as_u64() > Some(0), "{bob_leg}");
    let sessions: Vec<&Value> = legs.iter().map(|leg| &leg["session_id"]).collect();
    assert_eq!(sessions[0]["local"], sessions[1]["local"], "RFC 7989 §9: one for the conference");
    assert_ne!(sessions[0]["remote"], sessions[1]["remote"]);
    for line in &lines {
        let (started, ended) = (text(line, "started"), text(line, "ended"));
        assert!(started.ends_with('Z') && started <= ended, "{started} {ended}");
    }
    let call_ids: Vec<Value> = server
        .all("message")
        .iter()
        .filter(|message| {
            message["start_line"].as_str().is_some_and(|line| line.starts_with("BYE"))
        })
        .map(|message| message["call_id"].clone())
        .collect();
    assert!(legs.iter().all(|leg| call_ids.contains(&leg["call_id"])), "found again in the trace");
}
