//! linphone: a phone with a setting for conference factories, steered over a socket in the temporary folder.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::processes::{Alone, GUARD};
use crate::programs::{Program, free_ports, until};

/// Its calls take audio ports one after another, video ports too.
const RTP_PORTS: u16 = 40;

/// Answers have no end of their own: this long after one has begun, nothing more comes.
const ANSWER_ENDS: Duration = Duration::from_millis(300);

/// How it makes a conference of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conferences {
    /// It asks a factory, and refers the others there. Then it does not look who is in.
    ByFactory,
    /// Itself. Then it subscribes to every conference that it calls.
    Local,
}

/// A running linphone.
pub struct Linphone {
    program: Program,
    socket: PathBuf,
    /// The one connection that it serves.
    stream: UnixStream,
    log: PathBuf,
}

impl Linphone {
    /// Starts it. It registers at this proxy as `user`, behind which is its factory, `conference`.
    pub fn register(alone: &Alone, user: &str, proxy: &str, conferences: Conferences) -> Self {
        let (sip, rtp) = (free_ports(2), free_ports(RTP_PORTS));
        let home = alone.path(&format!("linphone-{user}"));
        fs::create_dir_all(home.join(".local/share/linphone")).expect("made");
        let config = include_str!("linphone/linphonerc")
            .replace("@USER@", user)
            .replace("@SIP@", &sip.to_string())
            .replace("@RTP@", &rtp.to_string())
            .replace("@PROXY@", proxy)
            .replace(
                "@CONFERENCES@",
                match conferences {
                    Conferences::ByFactory => "remote",
                    Conferences::Local => "local",
                },
            );
        let (file, log) = (home.join("linphonerc"), home.join("log"));
        fs::write(&file, config).expect("written");
        let pipe = format!("convoke-peers-{}-{sip}", std::process::id());
        let mut command = Command::new("linphone-daemon");
        command.env("HOME", &home).args(["--pipe", &pipe]);
        command.arg("--config").arg(file).arg("--log").arg(&log);
        let mut program = Program::start("linphone-daemon", &mut command);
        let socket = PathBuf::from("/tmp").join(pipe);
        let mut stream = None;
        until("linphone takes commands", || {
            assert!(program.runs(), "linphone has ended");
            stream = UnixStream::connect(&socket).ok();
            stream.is_some()
        });
        let stream = stream.expect("just connected");
        let linphone = Self { program, socket, stream, log };
        for command in [
            "ipv6 disable",
            "firewall-policy nat 127.0.0.1",
            "audio-codec-disable ALL",
            "audio-codec-enable PCMU/8000/1",
        ] {
            linphone.command(command);
        }
        until("linphone is registered", || {
            linphone.command("register-status ALL").contains("LinphoneRegistrationOk")
        });
        linphone
    }

    /// Gives it a command, and what it says.
    pub fn command(&self, command: &str) -> String {
        let mut socket = &self.stream;
        socket.set_read_timeout(Some(GUARD)).expect("a time-out");
        writeln!(socket, "{command}").expect("sent");
        let mut answer = Vec::new();
        loop {
            let mut buffer = [0; 4_096];
            match socket.read(&mut buffer) {
                Ok(length) if length > 0 => answer.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock && !answer.is_empty() => break,
                Ok(_) | Err(_) => panic!("linphone did not answer {command}"),
            }
            socket.set_read_timeout(Some(ANSWER_ENDS)).expect("a time-out");
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Calls somebody, and waits until there is sound; the number of the call.
    pub fn call(&self, uri: &str) -> String {
        let said = self.command(&format!("call {uri}"));
        let call = said.lines().find_map(|line| line.strip_prefix("Id: ")).expect("a number");
        self.until_call(call, "StreamsRunning");
        call.to_owned()
    }

    /// Keys these in the call that it is in, one after another.
    pub fn key(&self, digits: &str) {
        for digit in digits.chars() {
            self.command(&format!("dtmf {digit}"));
        }
    }

    /// Waits until a call is so: `Paused`, `StreamsRunning`.
    pub fn until_call(&self, call: &str, state: &str) {
        until(&format!("call {call} is {state}"), || {
            self.command(&format!("call-status {call}")).contains(state)
        });
    }

    /// Waits until its log, with all messages in it, holds these words.
    pub fn until_logged(&self, words: &str) {
        until(&format!("linphone logs {words:?}"), || self.log().contains(words));
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Ends it; it hangs up and takes its registration back.
    pub fn end(mut self) -> String {
        // It ends without an answer.
        writeln!(&self.stream, "quit").expect("sent");
        self.program.ended();
        let log = self.log();
        let _ = fs::remove_file(&self.socket);
        log
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
    }
}
