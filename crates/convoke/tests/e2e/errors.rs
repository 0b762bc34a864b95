//! Bad input: one line that says what to do, and an exit status that is not 0.

use std::net::{TcpListener, UdpSocket};

use crate::processes::{Alone, Process, run, speech};

/// The one line on standard error; nothing is on standard output.
fn complaint(words: &[&str], code: i32) -> String {
    let (got, out, error) = run(words);
    assert_eq!((got, out.as_str()), (Some(code), ""), "{words:?}: {error}");
    let line = error.trim_end().to_owned();
    assert!(!line.contains('\n'), "more than one line: {line}");
    line
}

const FACTORY: &str = "sip:conference@127.0.0.1:9";

#[test]
fn a_missing_or_wrong_wav_is_told_before_anybody_is_called() {
    let line = complaint(&["conference", FACTORY, "--play", "nobody.wav"], 1);
    assert_eq!(line, "convoke: nobody.wav: there is no such file: give the path of a WAV file");
    let alone = Alone::wait();
    let text = alone.write("text.wav", "this is no sound");
    let line = complaint(&["answer", "--play", &text], 1);
    assert!(line.contains("is no WAV file: convert it with"), "{line}");
    let same = alone.write("same.wav", "precious");
    let line = complaint(&["answer", "--play", &same, "--record", &same], 1);
    assert!(line.contains("--record would write over what --play says"), "{line}");
    assert_eq!(std::fs::read_to_string(&same).expect("still there"), "precious");
    let line = complaint(&["answer", "--record", &alone.text("no/folder.wav")], 1);
    assert!(line.ends_with("there is no such folder: make it first, or name another"), "{line}");
}

#[test]
fn a_taken_port_is_told_with_the_flag_that_chooses_another() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for command in [&["serve", "--admin", "127.0.0.1:0"][..], &["answer"], &["conference", FACTORY]]
    {
        let line = complaint(&[command, &["--sip", &address]].concat(), 1);
        let told = format!(
            "convoke: {address} is taken by another program: choose another port with --sip, or \
             port 0 for a free one"
        );
        assert_eq!(line, told, "{command:?}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let line = complaint(&["serve", "--sip", "127.0.0.1:0", "--admin", &address], 1);
    assert!(line.contains("choose another port with --admin"), "{line}");
}

#[test]
fn a_bad_uri_says_how_one_is_written() {
    let how = "write a SIP URI, as in sip:name@host or sip:name@192.0.2.7:5060";
    for words in [&["conference", "bob"][..], &["conference", FACTORY, "--invite", "tel:911"]] {
        let line = complaint(words, 2);
        assert!(line.ends_with(how), "{line}");
    }
}

/// Architecture §9.9.
#[test]
fn an_address_that_others_can_reach_needs_an_allow_list_or_open() {
    let line = complaint(&["serve", "--sip", "192.0.2.1:5060"], 2);
    assert!(line.contains("others can reach 192.0.2.1:5060"), "{line}");
    assert!(line.contains("--open"), "{line}");
    // With --open it goes on, to where the address is not this machine's.
    let line = complaint(&["serve", "--sip", "192.0.2.1:5060", "--open"], 1);
    assert!(line.contains("192.0.2.1 is no address of this machine"), "{line}");
}

#[test]
fn a_bad_configuration_is_told_with_file_and_line() {
    let alone = Alone::wait();
    let path = alone.write("bad.toml", "[pool]\ncapacity = 9\n\n[[factory]]\nuser = \"x\"\n");
    let line = complaint(&["serve", "--config", &path], 2);
    assert!(line.starts_with(&format!("convoke: {path}:5: unknown key `user`")), "{line}");
    let line = complaint(&["serve", "--config", &alone.text("none.toml")], 1);
    assert!(line.contains("cannot read") && line.contains("none.toml"), "{line}");
}

#[test]
fn a_status_without_a_server_says_how_to_get_one() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let line = complaint(&["status", "--admin", &address], 1);
    assert!(line.contains("start one with `convoke serve`"), "{line}");
}

#[test]
fn a_factory_that_is_none_is_told_with_advice() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let wrong = server.greeting("factory").replace("conference@", "nobody@");
    let mut alice = Process::conference(&wrong, &["--play", &speech("alice")]);
    let ended = alice.until("ended");
    assert_eq!(ended["outcome"], "not-joined");
    assert!(ended["why"].as_str().is_some_and(|why| why.contains("404")), "{ended}");
    assert!(ended["advice"].is_string(), "{ended}");
    assert_eq!(alice.ended().code(), Some(1));
}
