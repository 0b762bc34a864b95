//! SIPp: plays one side of a SIP dialogue to the letter, and says whether the other side kept to it.

mod script;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;

use crate::processes::Alone;
use crate::programs::{Program, free_ports, until, until_bound};
use script::NUDGE;

pub use script::{
    ASKER, Check, PEER, REQUEST, Script, acknowledge, again, answer, answer_late, in_dialog,
    initial, offer, sdp, sdp_playing, tell,
};

/// Ports for SIPp's media, of which it needs two in a row for audio and two for video.
const MEDIA_PORTS: u16 = 4;

/// A running SIPp that plays one script once.
pub struct Sipp {
    program: Program,
    name: String,
    port: u16,
    folder: std::path::PathBuf,
}

impl Sipp {
    /// Starts the side that waits for the first request.
    pub fn wait(alone: &Alone, script: &Script, keys: &[(&str, &str)]) -> Self {
        let mut sipp = Self::start(alone, script, None, keys, &[]);
        until_bound(&mut sipp.program, sipp.port);
        sipp
    }

    /// Starts the side that sends the first request, to `remote`.
    pub fn call(alone: &Alone, script: &Script, remote: &str, keys: &[(&str, &str)]) -> Self {
        Self::start(alone, script, Some(remote), keys, &[])
    }

    /// The same over TCP: one connection for all.
    pub fn call_tcp(alone: &Alone, script: &Script, remote: &str, keys: &[(&str, &str)]) -> Self {
        Self::start(alone, script, Some(remote), keys, &["-t", "t1"])
    }

    /// Starts the user agent that SIPp brings along: one call to this user, without a pause, and no idea of redirections.
    pub fn stock(alone: &Alone, remote: &str, user: &str) -> Self {
        Self::run(alone, "stock", &["-sn", "uac", "-s", user, "-d", "0"], Some(remote), &[], &[])
    }

    fn start(
        alone: &Alone,
        script: &Script,
        remote: Option<&str>,
        keys: &[(&str, &str)],
        more: &[&str],
    ) -> Self {
        let file = alone.write(&format!("{}-{}.xml", script.name(), free_ports(1)), &script.xml());
        Self::run(alone, script.name(), &["-sf", &file], remote, keys, more)
    }

    fn run(
        alone: &Alone,
        name: &str,
        plays: &[&str],
        remote: Option<&str>,
        keys: &[(&str, &str)],
        more: &[&str],
    ) -> Self {
        let (port, media) = (free_ports(1), free_ports(MEDIA_PORTS));
        let name = format!("{name}-{port}");
        let mut command = Command::new("sipp");
        command.args(remote);
        // The family of whom it calls.
        let ip =
            if remote.is_some_and(|remote| remote.starts_with('[')) { "::1" } else { "127.0.0.1" };
        command.args(plays).args(["-i", ip, "-p", &port.to_string()]);
        command.args(["-mi", ip, "-mp", &media.to_string(), "-m", "1", "-nostdin"]);
        // Only a peer that hangs lets it come to this.
        command.args(["-timeout", "80s", "-timeout_error", "-recv_timeout", "75000"]);
        for (option, file) in
            [("err", "-error_file"), ("msg", "-message_file"), ("logs", "-log_file")]
        {
            command.arg(format!("-trace_{option}")).arg(file);
            command.arg(alone.path(&format!("{name}.{option}")));
        }
        for (key, value) in keys {
            command.args(["-key", key, value]);
        }
        command.args(more).current_dir(alone.path(""));
        let program = Program::start("sipp", &mut command);
        Self { program, name, port, folder: alone.path("") }
    }

    /// Where it is reached, as a URI.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@127.0.0.1:{}", self.port)
    }

    /// Waits until the script has been played to its end. Gives all messages as they were on the wire.
    ///
    /// # Panics
    ///
    /// When the other side did something else than the script says.
    pub fn played(mut self) -> String {
        let status = self.program.ended();
        let errors = self.file("err");
        let messages = self.messages();
        assert!(status.success(), "{}: {status}\n{errors}\n{messages}", self.name);
        messages
    }

    /// Waits until these words were on the wire.
    pub fn until(&self, words: &str) {
        until(&format!("{} had {words:?}", self.name), || {
            let (messages, errors) = (self.messages(), self.file("err"));
            assert!(errors.is_empty(), "{}: {errors}\n{messages}", self.name);
            messages.contains(words)
        });
    }

    /// Lets a script go on that is [`Script::until_nudged`]: so that what it does next comes after what others have done. Not
    /// before it has had a message.
    pub fn nudge(&self) {
        let messages = self.messages();
        let call_id = messages.lines().find_map(|line| line.strip_prefix("Call-ID:"));
        let call_id = call_id.expect("a call").trim();
        let request = format!(
            "{NUDGE} sip:sipp@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKnudge\r\n\
             From: <sip:test@127.0.0.1>;tag=1\r\nTo: <sip:sipp@127.0.0.1>\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 {NUDGE}\r\nContent-Length: 0\r\n\r\n"
        );
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.send_to(request.as_bytes(), (Ipv4Addr::LOCALHOST, self.port)).expect("sent");
    }

    /// The messages so far.
    pub fn messages(&self) -> String {
        self.file("msg")
    }

    /// What the script has kept in its log so far.
    pub fn log(&self) -> String {
        self.file("logs")
    }

    fn file(&self, end: &str) -> String {
        let path = self.folder.join(format!("{}.{end}", self.name));
        fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}
