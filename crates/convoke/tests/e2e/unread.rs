//! Output that nobody reads: a terminal held by Ctrl-S, a log collector that hangs.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
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
    let pid = Pid::from_raw(server.id().try_into().expect("a process id"));
    let mut output = BufReader::new(server.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("the greeting");
    let greeting: Value = serde_json::from_str(&line).expect("JSON");

    let phone = UdpSocket::bind("127.0.0.1:0").expect("a port");
    phone.connect(greeting["sip"][0].as_str().expect("an address")).expect("connected");
    phone.set_read_timeout(Some(GUARD)).expect("a guard");
    let port = phone.local_addr().expect("an address").port();
    for number in 0..MESSAGES {
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
    let (ended, waiting) = channel::<()>();
    let guard = thread::spawn(move || {
        if waiting.recv_timeout(GUARD).is_err() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
    let status = server.wait().expect("its end");
    let _ = ended.send(());
    guard.join().expect("the guard");
    assert_eq!(status.code(), Some(0), "it ended by itself, though nobody reads");
    drop(output);
}
