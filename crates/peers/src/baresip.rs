//! baresip: a phone without a screen, steered over a socket. It plays a tone and keeps what it hears.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::processes::{Alone, GUARD};
use crate::programs::{Program, free_ports, until};
use crate::tones;

/// It wants a wide range for RTP, of which it picks by chance.
const RTP_PORTS: u16 = 400;

/// Longer than any test: at the end of what it plays, baresip ends the call.
const TONE_SECONDS: usize = 300;

/// A running baresip.
pub struct Baresip {
    program: Program,
    uri: String,
    control: u16,
    heard: PathBuf,
}

impl Baresip {
    /// Starts it on this address, as in `127.0.0.1` or `::1`; it is called there.
    pub fn start(alone: &Alone, user: &str, hz: u16, ip: &str) -> Self {
        Self::start_with(alone, user, hz, ip, |own| (own.to_owned(), "regint=0".to_owned()))
    }

    /// Starts it with a password for whoever asks for it.
    pub fn with_password(alone: &Alone, user: &str, hz: u16, password: &str) -> Self {
        let account = |own: &str| (own.to_owned(), format!("regint=0;auth_pass={password}"));
        Self::start_with(alone, user, hz, "127.0.0.1", account)
    }

    /// Starts it; it registers at this proxy, and calls through it.
    pub fn register(alone: &Alone, user: &str, hz: u16, proxy: &str) -> Self {
        let account = |_: &str| (proxy.to_owned(), format!("regint=60;outbound=\"sip:{proxy}\""));
        Self::start_with(alone, user, hz, "127.0.0.1", account)
    }

    /// Starts it with the domain and the parameters of an account, made from its own address.
    fn start_with(
        alone: &Alone,
        user: &str,
        hz: u16,
        ip: &str,
        account: impl FnOnce(&str) -> (String, String),
    ) -> Self {
        // SIP, TLS right above it, and one more.
        let (sip, control, rtp) = (free_ports(3), free_ports(1), free_ports(RTP_PORTS));
        let own = if ip.contains(':') { format!("[{ip}]:{sip}") } else { format!("{ip}:{sip}") };
        let folder = alone.path(&format!("baresip-{user}"));
        let heard = folder.join("heard");
        fs::create_dir_all(&heard).expect("made");
        let sound = tones::write(alone, hz, TONE_SECONDS);
        let config = include_str!("baresip/config")
            .replace("@SIP@", &own)
            .replace("@IP@", ip)
            .replace("@CONTROL@", &format!("127.0.0.1:{control}"))
            .replace("@RTP@", &format!("{rtp}-{}", rtp + RTP_PORTS - 1))
            .replace("@PLAYS@", &sound)
            .replace("@HEARD@", heard.to_str().expect("a plain path"));
        let write = |name, text: &str| fs::write(folder.join(name), text).expect("written");
        write("config", &config);
        write("contacts", "");
        let (domain, account) = account(&own);
        let always = "audio_codecs=pcmu;answermode=auto";
        write("accounts", &format!("<sip:{user}@{domain}>;{always};{account}\n"));
        // No line end: it would stand in a header.
        write("uuid", &format!("00000000-0000-0000-0000-0000000{sip}"));
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&folder).arg("-s");
        if ip.contains(':') {
            command.arg("-6");
        }
        let mut program = Program::start("baresip", &mut command);
        program.until("baresip is ready");
        Self { program, uri: format!("sip:{user}@{own}"), control, heard }
    }

    /// Where it is reached.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Gives it a command, and what it says.
    pub fn command(&self, command: &str, params: &str) -> String {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.control)).expect("baresip");
        socket.set_read_timeout(Some(GUARD)).expect("a time-out");
        let text = json!({ "command": command, "params": params, "token": "x" }).to_string();
        write!(socket, "{}:{text},", text.len()).expect("sent");
        let mut received = Vec::new();
        loop {
            let mut buffer = [0; 4_096];
            let length = socket.read(&mut buffer).expect("an answer");
            assert_ne!(length, 0, "baresip ended");
            received.extend_from_slice(&buffer[..length]);
            // Events come on the same socket.
            let answers = netstrings(&received);
            if let Some(answer) = answers.iter().find(|answer| answer["response"] == true) {
                assert_eq!(answer["ok"], true, "{command} {params}: {answer}");
                return answer["data"].as_str().unwrap_or_default().to_owned();
            }
        }
    }

    /// Waits for a line of its log.
    pub fn until(&mut self, words: &str) -> String {
        self.program.until(words)
    }

    /// What it has heard: a file for each call, in their order.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.heard).expect("its folder").flatten();
        let files = files.map(|entry| entry.path());
        let mut files: Vec<PathBuf> =
            files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect();
        files.sort();
        files
    }

    /// Waits until the recording of its last call is old enough for the next one to have a name of its own: they are named by the second
    /// that they begin in.
    pub fn until_next_name(&self) {
        let bytes = |path: &PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        until("a second of sound", || {
            self.recordings().last().is_some_and(|path| bytes(path) > 20_000)
        });
    }

    /// Hangs up and ends; its log, with the messages sent and received.
    pub fn end(self) -> String {
        self.program.end().join("\n")
    }
}

/// The whole objects in `5:{...},`, one after another.
fn netstrings(mut bytes: &[u8]) -> Vec<Value> {
    let mut objects = Vec::new();
    while let Some(colon) = bytes.iter().position(|byte| *byte == b':') {
        let length = std::str::from_utf8(&bytes[..colon]).ok().and_then(|text| text.parse().ok());
        let length: usize = length.expect("a length");
        let Some(object) = bytes.get(colon + 1..colon + 1 + length) else { break };
        objects.push(serde_json::from_slice(object).expect("an object"));
        bytes = bytes.get(colon + length + 2..).unwrap_or_default();
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_are_taken_whole_or_not_at_all() {
        let read = |text: &str| netstrings(text.as_bytes()).len();
        assert_eq!(read("2:{},9:{\"a\":\"b\"},"), 2);
        assert_eq!(read("2:{},9:{\"a\":"), 1);
    }
}
