//! Output that nobody reads (a terminal held by Ctrl-S, a log collector that hangs), and input that
//! nobody writes.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::processes::{Alone, GUARD};

/// Each makes two lines of some 300 bytes: five times what a pipe holds.
const MESSAGES: usize = 500;

#[test]
fn a_server_whose_output_nobody_reads_still_answers_and_ends_when_told() {
    let _alone = Alone::wait();
    let mut server = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["serve", "--sip", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--json", "--messages"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("convoke starts");
    let pid = pid_of(&server);
    let mut output = BufReader::new(server.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("the greeting");
    let greeting: Value = serde_json::from_str(&line).expect("JSON");

    for number in 0..MESSAGES {
        // Who asks too much from one address is held back.
        let host = format!("127.0.0.{}:0", 2 + number / 50);
        let phone = UdpSocket::bind(host).expect("a port");
        phone.connect(greeting["sip"][0].as_str().expect("an address")).expect("connected");
        phone.set_read_timeout(Some(GUARD)).expect("a guard");
        let port = phone.local_addr().expect("an address").port();
        let options = format!(
            "OPTIONS sip:127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\n\
             Call-ID: unread-{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        phone.send(options.as_bytes()).expect("sent");
        let mut answer = [0; 2_048];
        phone.recv(&mut answer).expect("an answer");
    }

    kill(pid, Signal::SIGTERM).expect("it is still there");
    let status = end_of(server);
    assert_eq!(status.code(), Some(0), "it ended by itself, though nobody reads");
    drop(output);
}

/// Nobody has been called yet, so there is nobody to say BYE to.
#[test]
fn a_recording_that_never_comes_can_be_interrupted() {
    let alone = Alone::wait();
    let pipe = alone.text("pipe.wav");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("coreutils");
    assert!(made.success());
    let answer = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["answer", "--sip", "127.0.0.1:0", "--play", &pipe])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("convoke starts");
    // Returns when the other side is open: now it waits for what we never write.
    let _writer = File::create(&pipe).expect("open on both sides");
    kill(pid_of(&answer), Signal::SIGINT).expect("it is still there");
    assert_eq!(end_of(answer).signal(), Some(Signal::SIGINT as i32));
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("a process id"))
}

/// How it ended; after the guard it is killed.
fn end_of(mut child: Child) -> ExitStatus {
    let pid = pid_of(&child);
    let (ended, waiting) = channel::<()>();
    let guard = thread::spawn(move || {
        if waiting.recv_timeout(GUARD).is_err() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
    let status = child.wait().expect("its end");
    let _ = ended.send(());
    guard.join().expect("the guard");
    status
}
