//! `convoke serve` as a process of its own, asked about itself as anybody would ask.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Looks at the status before the test says that it will not come to rest. Transactions run out after 32 s
/// (RFC 3261 §17.1.2.2, 64*T1); the rest is for a machine that does something else at the same time.
const LOOKS_MAX: usize = 480;

/// The time between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// A running server. It ends with the test, however the test ends.
pub(crate) struct Serving {
    child: Child,
    /// What it prints from now on; read to its end, so that a full pipe never stops it.
    lines: Receiver<String>,
    greeting: Value,
    _folder: TempDir,
}

impl Serving {
    /// Starts a server on free ports of loopback with this configuration.
    pub(crate) fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("convoke.toml");
        fs::write(&file, config).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_convoke"))
            .args(["serve", "--json", "--sip", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            // It ends when its standard input does: with us.
            .args(["--with-parent", "--config"])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("convoke starts");
        let lines = lines(child.stdout.take().expect("invariant: piped"));
        let first = lines.recv().expect("a greeting: what went wrong is on standard error");
        let greeting = serde_json::from_str(&first).expect("JSON");
        Self { child, lines, greeting, _folder: folder }
    }

    /// The address that makes conferences.
    pub(crate) fn factory(&self) -> &str {
        self.greeting["factory"].as_str().expect("a factory")
    }

    /// What `convoke status --json` says.
    pub(crate) fn status(&self) -> Value {
        let admin = self.greeting["admin"].as_str().expect("an address");
        let asked = Command::new(env!("CARGO_BIN_EXE_convoke"))
            .args(["status", "--json", "--admin", admin])
            .output()
            .expect("convoke starts");
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        serde_json::from_slice(&asked.stdout).expect("JSON")
    }

    /// Waits until every count of what is kept for anybody is zero, as the server and its mixers count.
    pub(crate) fn wait_until_nothing_is_left(&self) {
        for _ in 0..LOOKS_MAX {
            let status = self.status();
            if kept(&status).is_empty() {
                return;
            }
            match self.lines.recv_timeout(BETWEEN_LOOKS) {
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the server has ended: {status}"),
            }
        }
        panic!("still kept: {:?}", kept(&self.status()));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a pipe to its end.
fn lines(from: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // Nobody may listen any more; the pipe is read all the same.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// The counts that are not zero, with their names. A count that is not there is as bad as one that is not zero.
fn kept(status: &Value) -> Vec<String> {
    const COUNTS: [&str; 11] = [
        "/leftovers/ports",
        "/leftovers/holds",
        "/leftovers/conferences",
        "/leftovers/dialogs",
        "/leftovers/transactions",
        "/leftovers/timers",
        "/leftovers/media_commands",
        "/room/used",
        "/room/held",
        "/mixers/0/conferences",
        "/mixers/0/legs",
    ];
    let not_zero = |name: &&str| status.pointer(name).and_then(Value::as_u64) != Some(0);
    let shown = |name| format!("{name} = {:?}", status.pointer(name));
    COUNTS.into_iter().filter(not_zero).map(shown).collect()
}
