//! kamailio: a registrar and proxy that stays in the way of every dialog.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::processes::Alone;
use crate::programs::{Program, free_ports, until_bound};

/// What it does with the factory's 302.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirection {
    /// Hands it to the caller.
    Relayed,
    /// Follows it; the caller sees the next answer only.
    Followed,
}

/// A running kamailio.
pub struct Kamailio {
    program: Program,
    port: u16,
}

impl Kamailio {
    /// Starts it in front of the server at this address: users that begin with `conf` are there, others here.
    pub fn start(alone: &Alone, server: &str, redirection: Redirection) -> Self {
        let port = free_ports(1);
        let config = include_str!("kamailio/kamailio.cfg")
            .replace("@PORT@", &port.to_string())
            .replace("@SERVER@", server)
            .replace("@MODULES@", modules().to_str().expect("a plain path"));
        let config = alone.write("kamailio.cfg", &config);
        let mut command = Command::new("kamailio");
        // As on a login shell of root: Debian puts it where only that looks.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        command.args(["-f", &config, "-DD", "-E", "-m", "64", "-M", "8"]);
        command.args(["-Y", &alone.text(""), "-w", &alone.text("")]);
        if redirection == Redirection::Followed {
            command.args(["-A", "RECURSES"]);
        }
        let mut program = Program::start("kamailio", &mut command);
        until_bound(&mut program, port);
        Self { program, port }
    }

    /// Where it is reached.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits for a line of its log: `registered alice`, `routed BYE`, `past the route BYE`, `followed 302`.
    pub fn until(&mut self, words: &str) {
        self.program.until(words);
    }

    /// Ends it; its log.
    pub fn end(self) -> String {
        self.program.end().join("\n")
    }
}

/// Where Debian puts its modules, on any architecture.
fn modules() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a system").flatten();
    let mut folders = folders.map(|entry| entry.path().join("kamailio/modules"));
    folders.find(|folder| folder.is_dir()).expect("kamailio's modules: `cargo xtask setup`")
}
