//! The whole flow between real processes on loopback.

use crate::processes::{Alone, Process, run, speech, text};
use nix::sys::signal::Signal;
use serde_json::Value;

/// The `detail` of the first message sent whose start line begins so.
fn detail(process: &Process, start: &str) -> String {
    let message = process.all("message").into_iter().find(|message| {
        message["dir"] == "sent"
            && message["start_line"].as_str().is_some_and(|line| line.starts_with(start))
    });
    text(message.unwrap_or_else(|| panic!("no {start} was sent")), "detail")
}

fn wav(path: &str) -> (u32, f64) {
    let reader = hound::WavReader::open(path).expect("a WAV file");
    let rate = reader.spec().sample_rate;
    (rate, f64::from(reader.duration()) / f64::from(rate))
}

/// What is kept for anybody, but for transactions that linger (RFC 3261 §17: 64*T1) and their timer.
fn kept(status: &Value) -> u64 {
    let left = &status["leftovers"];
    let counts = ["ports", "holds", "conferences", "dialogs", "media_commands"];
    let left: u64 = counts.iter().map(|key| left[key].as_u64().expect("a count")).sum();
    let room = &status["room"];
    left + room["used"].as_u64().expect("seats") + room["held"].as_u64().expect("seats")
}

/// B01, B03, B08 · RFC 4579 §5.4
#[test]
fn the_address_of_the_302_is_what_all_three_call_byte_for_byte() {
    let alone = Alone::wait();
    let mut server = Process::serve(&[]);
    let mut bob = Process::answer("bob", &["--play", &speech("bob")]);
    let record = alone.text("carol.wav");
    let mut carol = Process::answer("carol", &["--record", &record, "--record-rate", "48000"]);
    let (bob_uri, carol_uri) = (bob.greeting("uri"), carol.greeting("uri"));
    let invite = ["--invite", &bob_uri, &carol_uri, "--play", &speech("alice")];
    let mut alice = Process::conference(&server.greeting("factory"), &invite);

    let conference = text(&alice.until("joined"), "conference");
    alice.until("invitee-joined");
    alice.until("invitee-joined");
    assert_eq!(text(&bob.until("joined"), "conference"), conference);
    assert_eq!(text(&carol.until("joined"), "conference"), conference);
    (0..3).for_each(|_| drop(server.until("joined")));
    assert_eq!(detail(&server, "SIP/2.0 302"), conference);
    assert_eq!(detail(&alice, "REFER"), conference);

    let status = server.until_status("three legs", |status| {
        status["conferences"][0]["legs"].as_array().is_some_and(|legs| legs.len() == 3)
    });
    assert_eq!(status["conferences"][0]["uri"], conference.as_str());
    assert_eq!(status["room"]["used"], 3);

    // Everybody's sound has gone through the mixer before the first leaves.
    server.until_status("a second of sound", |status| {
        status["mixers"][0]["received"].as_u64().is_some_and(|packets| packets > 150)
    });
    alice.signal(Signal::SIGINT);
    assert!(alice.ended().success());
    for terminal in [&mut bob, &mut carol] {
        terminal.signal(Signal::SIGINT);
        assert!(terminal.ended().success());
    }
    server.until("ended");
    server.until_status("everything given back", |status| kept(status) == 0);
    let (rate, seconds) = wav(&record);
    assert_eq!(rate, 48_000);
    assert!(seconds > 0.5, "{seconds} s recorded");
}

/// RFC 3261 §19.1.1, RFC 8866 §5.7: the whole flow over IPv6, by `--sip` alone.
#[test]
fn a_conference_on_ipv6_is_one_like_any_other() {
    let _alone = Alone::wait();
    let v6 = |words: &[&str]| Process::start(&[words, &["--sip", "[::1]:0"]].concat());
    let mut server = v6(&["serve", "--admin", "127.0.0.1:0"]);
    let mut bob = v6(&["answer", "--user", "bob", "--play", &speech("bob")]);
    let invitee = bob.greeting("uri");
    assert!(invitee.starts_with("sip:bob@[::1]:"), "{invitee}");
    let words = [
        "conference",
        &server.greeting("factory"),
        "--invite",
        &invitee,
        "--play",
        &speech("alice"),
    ];
    let mut alice = v6(&words);
    let conference = text(&alice.until("joined"), "conference");
    alice.until("invitee-joined");
    assert_eq!(text(&bob.until("joined"), "conference"), conference);
    server.until_status("a second of sound", |status| {
        status["mixers"][0]["received"].as_u64().is_some_and(|packets| packets > 100)
    });
    for terminal in [&mut alice, &mut bob] {
        terminal.signal(Signal::SIGINT);
        assert!(terminal.ended().success());
    }
    server.until("ended");
    server.until_status("everything given back", |status| kept(status) == 0);
}

/// B02, B11 · RFC 4579 §3.2: each call to the factory makes one conference with its own address.
/// After the last BYE, and the transactions' 32 s (RFC 3261 §17.1.1.2), nothing at all is left.
#[test]
fn every_call_makes_an_address_of_its_own_and_leaves_nothing_behind() {
    let _alone = Alone::wait();
    let mut server = Process::serve(&[]);
    let factory = server.greeting("factory");
    let mut conferences: Vec<String> = (0..3)
        .map(|_| {
            let mut alice = Process::conference(&factory, &["--for", "100ms"]);
            let conference = text(&alice.until("joined"), "conference");
            assert!(alice.ended().success());
            server.until("ended");
            conference
        })
        .collect();
    conferences.sort();
    conferences.dedup();
    assert_eq!(conferences.len(), 3);
    let status = server.until_status("idle", |status| {
        let left = &status["leftovers"];
        kept(status) == 0 && left["transactions"] == 0 && left["timers"] == 0
    });
    assert_eq!(status["mixers"][0]["legs"], 0);
    assert_eq!(status["mixers"][0]["conferences"], 0);
}

#[test]
fn sigterm_says_bye_to_every_leg_and_ends_in_peace() {
    let _alone = Alone::wait();
    let mut server = Process::serve(&[]);
    let mut bob = Process::answer("bob", &["--once"]);
    let bob_uri = bob.greeting("uri");
    let mut alice = Process::conference(&server.greeting("factory"), &["--invite", &bob_uri]);
    alice.until("invitee-joined");
    server.signal(Signal::SIGTERM);
    assert!(server.ended().success());
    let stopped = server.all("stopped").first().map(|object| object["legs_left"].clone());
    assert_eq!(stopped, Some(0.into()), "every BYE was answered");
    let byes = server.all("message").into_iter().filter(|message| {
        message["dir"] == "sent"
            && message["start_line"].as_str().is_some_and(|line| line.starts_with("BYE "))
    });
    assert_eq!(byes.count(), 2);
    // Both hear of it: nobody had to tell them.
    assert_eq!(text(&alice.until("ended"), "outcome"), "conference-ended");
    assert!(alice.ended().success());
    bob.until("ended");
    assert!(bob.ended().success());
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_anybody() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let mut alice = Process::conference(&server.greeting("factory"), &[]);
    alice.until("joined");
    // The server cannot answer the BYE any more.
    server.freeze();
    alice.signal(Signal::SIGINT);
    while alice.until("message")["start_line"].as_str().is_some_and(|line| !line.starts_with("BYE"))
    {
    }
    alice.signal(Signal::SIGINT);
    assert_eq!(alice.ended().code(), Some(130));
}

/// RFC 4579 §5.6 first, then what phones take that want to be asked inside a call.
#[test]
fn an_invitee_who_refuses_strangers_is_called_and_asked_inside_the_call() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let mut bob = Process::answer("bob", &["--trust", "nobody@example.com"]);
    let bob_uri = bob.greeting("uri");
    let invite = ["--invite", &bob_uri, "--for", "1s"];
    let mut alice = Process::conference(&server.greeting("factory"), &invite);
    let conference = text(&alice.until("joined"), "conference");
    let asked = alice.until("invitee-asked");
    assert_eq!(asked["inside"], false);
    alice.until("invitee-called");
    let asked = alice.until("invitee-asked");
    assert_eq!(asked["inside"], true);
    alice.until("invitee-joined");
    bob.until("referral-refused");
    bob.until("answered");
    while bob.until("joined")["conference"] != conference.as_str() {}
    assert!(alice.ended().success());
}

#[test]
fn outside_only_fails_where_strangers_are_refused_and_says_why() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let bob = Process::answer("bob", &["--trust", "nobody@example.com"]);
    let bob_uri = bob.greeting("uri");
    let invite = ["--invite", &bob_uri, "--refer", "outside", "--for", "1s"];
    let mut alice = Process::conference(&server.greeting("factory"), &invite);
    let refused = alice.until("invitee-refused");
    assert!(text(&refused, "why").contains("603"), "{refused}");
    assert_eq!(alice.ended().code(), Some(1), "not everybody came");
}

#[test]
fn inside_calls_first_and_never_asks_outside() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let bob = Process::answer("bob", &[]);
    let bob_uri = bob.greeting("uri");
    let invite = ["--invite", &bob_uri, "--refer", "inside", "--for", "1s"];
    let mut alice = Process::conference(&server.greeting("factory"), &invite);
    alice.until("invitee-joined");
    assert!(alice.ended().success());
    assert!(alice.all("invitee-asked").iter().all(|asked| asked["inside"] == true));
}

/// B20, B21 · RFC 4579 §5.5: the conference itself calls the others, and all are heard.
#[test]
fn the_conference_calls_whom_its_creator_names_and_all_are_heard() {
    let alone = Alone::wait();
    let config = alone.write("dials.toml", "[dial_out]\nallow = [\"127.0.0.0/8\"]\n");
    let mut server = Process::serve(&["--config", &config]);
    let record = alone.text("carol.wav");
    let mut bob = Process::answer("bob", &["--play", &speech("bob")]);
    let mut carol = Process::answer("carol", &["--record", &record]);
    let (bob_uri, carol_uri) = (bob.greeting("uri"), carol.greeting("uri"));
    let invite = ["--invite", &bob_uri, &carol_uri, "--refer", "focus", "--play", &speech("alice")];
    let mut alice = Process::conference(&server.greeting("factory"), &invite);
    let conference = text(&alice.until("joined"), "conference");
    alice.until("invitee-joined");
    alice.until("invitee-joined");
    for terminal in [&mut bob, &mut carol] {
        assert_eq!(text(&terminal.until("joined"), "conference"), conference);
    }
    server.until("calling");
    server.until_status("three legs that are heard", |status| {
        let mixer = &status["mixers"][0];
        let legs = status["conferences"][0]["legs"].as_array().map(Vec::len);
        legs == Some(3) && mixer["received"].as_u64().is_some_and(|packets| packets > 150)
    });
    alice.signal(Signal::SIGINT);
    assert!(alice.ended().success(), "everybody invited came");
    for terminal in [&mut bob, &mut carol] {
        terminal.signal(Signal::SIGINT);
        assert!(terminal.ended().success());
    }
    server.until_status("everything given back", |status| kept(status) == 0);
    let samples = hound::WavReader::open(&record).expect("a WAV file").into_samples::<i16>();
    let loudest = samples.map(|sample| sample.expect("a sample").unsigned_abs()).max();
    assert!(loudest > Some(1_000), "carol hears the others: {loudest:?}");
}

/// T31: without a rule a conference calls nobody, and says which key it would take.
#[test]
fn without_a_rule_the_conference_calls_nobody_and_says_so() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let bob = Process::answer("bob", &[]);
    let bob_uri = bob.greeting("uri");
    let invite = ["--invite", &bob_uri, "--refer", "focus", "--for", "1s"];
    let mut alice = Process::conference(&server.greeting("factory"), &invite);
    let refused = alice.until("invitee-refused");
    let why = text(&refused, "why");
    assert!(why.contains("403") && why.contains("[dial_out]"), "{why}");
    assert_eq!(alice.ended().code(), Some(1), "not everybody came");
}

/// The factory refuses what there is no room for, says when to come again, and leaks nothing.
#[test]
fn a_full_pool_refuses_with_480_and_gives_everything_back() {
    let alone = Alone::wait();
    let config = alone.write("full.toml", "[pool]\ncapacity = 3\n");
    let server = Process::serve(&["--config", &config]);
    let factory = format!("{};seats=4", server.greeting("factory"));
    let mut alice = Process::conference(&factory, &["--for", "1s"]);
    let ended = alice.until("ended");
    assert_eq!(text(&ended, "outcome"), "not-joined");
    assert!(text(&ended, "why").contains("480"), "{ended}");
    assert_eq!(alice.ended().code(), Some(1));
    let status = server.status();
    assert_eq!((&status["room"]["held"], &status["room"]["free"]), (&0.into(), &3.into()));
    // People can read it too: the refusals are counted by their code.
    assert_eq!(status["refused"]["480"], 1);
    let (code, _, error) = run(&["status", "--admin", &server.greeting("admin")]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

#[test]
fn who_is_not_on_the_allow_list_is_not_heard() {
    let alone = Alone::wait();
    let config = alone.write("closed.toml", "[access]\nallow = [\"192.0.2.0/24\"]\n");
    let server = Process::serve(&["--config", &config]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let sip = server.seen[0]["sip"][0].as_str().expect("an address").to_owned();
    socket.send_to(b"OPTIONS sip:x@y SIP/2.0\r\n\r\n", sip).expect("sent");
    let status = server.until_status("a denied packet", |status| status["rim"]["denied"] == 1);
    assert_eq!((&status["rim"]["received"], &status["rim"]["sent"]), (&0.into(), &0.into()));
}

#[test]
fn a_recording_is_a_whole_wav_file_after_ctrl_c() {
    let alone = Alone::wait();
    let server = Process::serve(&[]);
    let record = alone.text("alice.wav");
    let words = ["--record", &record, "--record-rate", "16000", "--play", &speech("alice")];
    let mut alice = Process::conference(&server.greeting("factory"), &words);
    alice.until("joined");
    server.until_status("sound", |status| {
        status["mixers"][0]["received"].as_u64().is_some_and(|packets| packets > 25)
    });
    alice.signal(Signal::SIGINT);
    let finished = alice.until("finished");
    assert!(alice.ended().success());
    let (rate, seconds) = wav(&record);
    assert_eq!(rate, 16_000);
    assert!((seconds - finished["recorded_seconds"].as_f64().expect("seconds")).abs() < 0.011);
}

/// A child that is told to end with its parent does.
#[test]
fn with_parent_ends_when_standard_input_does() {
    let _alone = Alone::wait();
    let (code, out, error) = run(&["answer", "--sip", "127.0.0.1:0", "--with-parent", "--json"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.lines().last().is_some_and(|line| line.contains("\"finished\"")), "{out}");
}

/// First the address to call, and a command that calls it.
#[test]
fn serve_says_what_to_call_and_how() {
    let _alone = Alone::wait();
    let words = ["serve", "--sip", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--with-parent"];
    let (code, out, error) = run(&words);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let lines: Vec<&str> = out.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let factory = lines[1];
    assert!(factory.starts_with("sip:conference@127.0.0.1:"), "{out}");
    assert!(lines.iter().any(|line| line.starts_with(&format!("convoke conference {factory} "))));
    assert!(lines.last().is_some_and(|line| line.ends_with("every call has ended")), "{out}");
}
