//! `convoke` as processes of their own, steered by what they print: no test here knows the time.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// A guard, not a measure: whatever is waited for comes within milliseconds on an idle machine, and
/// only a fault of ours keeps it away for so long on a busy one.
pub const GUARD: Duration = Duration::from_secs(90);

/// Holds other tests with processes back until it is dropped: one after another, across test
/// programs too, since they share this machine's cores.
pub struct Alone {
    lock: File,
    folder: TempDir,
}

impl Alone {
    /// Waits until no other test holds it.
    pub fn wait() -> Self {
        let path = target().join("tmp").join("processes.lock");
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let lock = File::create(path).expect("a lock file");
        lock.lock().expect("the lock");
        Self { lock, folder: tempfile::tempdir().expect("a folder") }
    }

    /// A path in a folder that goes with the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("a plain path").to_owned()
    }

    /// Writes a file there.
    pub fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).expect("written");
        self.text(name)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.lock.unlock().expect("unlocked");
    }
}

/// A running `convoke`, killed with the test if it has not ended before.
pub struct Process {
    name: String,
    child: Child,
    /// What it reads commands from, if it does.
    commands: Option<ChildStdin>,
    events: Receiver<Value>,
    complaints: Receiver<String>,
    /// Every event taken so far.
    pub seen: Vec<Value>,
}

impl Process {
    /// Starts it with `--json --messages` and waits until it is listening.
    pub fn start(words: &[&str]) -> Self {
        let mut process = Self::spawn(words);
        process.until("listening");
        process
    }

    /// Starts a server on free ports.
    pub fn serve(words: &[&str]) -> Self {
        Self::serve_at("127.0.0.1", words)
    }

    /// Starts a server on free ports of this address, as in `[::1]`.
    pub fn serve_at(ip: &str, words: &[&str]) -> Self {
        let sip = format!("{ip}:0");
        Self::start(&[&["serve", "--sip", &sip, "--admin", "127.0.0.1:0"], words].concat())
    }

    /// Starts a terminal that answers, on a free port of this address.
    pub fn answer_at(ip: &str, user: &str, words: &[&str]) -> Self {
        let sip = format!("{ip}:0");
        Self::start(&[&["answer", "--sip", &sip, "--user", user], words].concat())
    }

    /// Starts a terminal that answers.
    pub fn answer(user: &str, words: &[&str]) -> Self {
        Self::answer_at("127.0.0.1", user, words)
    }

    /// Starts a terminal that convenes.
    pub fn conference(factory: &str, words: &[&str]) -> Self {
        let own = ["conference", factory, "--sip", "127.0.0.1:0", "--user", "alice"];
        Self::start(&[&own, words].concat())
    }

    /// Starts a phone that takes commands.
    pub fn call(user: &str, words: &[&str]) -> Self {
        let own = ["call", "--sip", "127.0.0.1:0", "--user", user];
        let mut process = Self::spawn_with(&[&own, words].concat(), Stdio::piped());
        process.until("listening");
        process
    }

    /// Writes it a command.
    pub fn say(&mut self, line: &str) {
        let commands = self.commands.as_mut().expect("it takes commands");
        writeln!(commands, "{line}").and_then(|()| commands.flush()).expect("it reads them");
    }

    /// Closes its standard input.
    pub fn say_no_more(&mut self) {
        self.commands = None;
    }

    fn spawn(words: &[&str]) -> Self {
        Self::spawn_with(words, Stdio::null())
    }

    fn spawn_with(words: &[&str], stdin: Stdio) -> Self {
        let mut child = Command::new(convoke())
            .args(words)
            .args(["--json", "--messages"])
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("convoke starts");
        let commands = child.stdin.take();
        let out = child.stdout.take().expect("piped");
        let complaints = lines(child.stderr.take().expect("piped"), |line| line);
        let object = |line: String| serde_json::from_str(&line).expect("one object a line");
        let events = lines(out, object);
        Self { name: words[0].to_owned(), child, commands, events, complaints, seen: Vec::new() }
    }

    /// Waits for the next event of this name.
    pub fn until(&mut self, event: &str) -> Value {
        self.until_so(event, |object| object["event"] == event)
    }

    /// Waits for the next event that is so.
    pub fn until_so(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let next = self.events.recv_timeout(GUARD);
            let Ok(object) = next else {
                let complaints: Vec<String> = self.complaints.try_iter().collect();
                panic!("{} was not {what}: {complaints:?}, {:#?}", self.name, self.seen);
            };
            self.seen.push(object.clone());
            if is_so(&object) {
                return object;
            }
        }
    }

    /// The field of the greeting.
    pub fn greeting(&self, field: &str) -> String {
        let greeting = self.seen.iter().find(|object| object["event"] == "listening");
        text(greeting.expect("listening"), field)
    }

    /// The same where it is a number.
    pub fn greeting_number(&self, field: &str) -> u64 {
        let greeting = self.seen.iter().find(|object| object["event"] == "listening");
        greeting.and_then(|greeting| greeting[field].as_u64()).expect("a number")
    }

    /// How a person would end it: SIGINT for Ctrl-C, or SIGTERM.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, signal).expect("it is still there");
    }

    /// Freezes it: once this returns none of its threads runs any more. The signal alone would not
    /// do: `kill` returns before threads on the other core have stopped, and they still answer.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        let state = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("its state");
        assert_eq!(state, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    }

    /// Takes every event until the end; how it ended.
    pub fn ended(&mut self) -> ExitStatus {
        while let Ok(object) = self.events.recv_timeout(GUARD) {
            self.seen.push(object);
        }
        // The end of its output came, or the guard: then the kill is what fails the test.
        let done = self.child.try_wait().expect("its state").is_some();
        if !done {
            let (sender, receiver) = channel();
            let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
            thread::spawn(move || {
                if receiver.recv_timeout(GUARD).is_err() {
                    let _ = kill(pid, Signal::SIGKILL);
                }
            });
            let status = self.child.wait().expect("its end");
            let _ = sender.send(());
            return status;
        }
        self.child.wait().expect("its end")
    }

    /// All events of this name that were taken.
    pub fn all(&self, event: &str) -> Vec<&Value> {
        self.seen.iter().filter(|object| object["event"] == event).collect()
    }

    /// The server's status.
    pub fn status(&self) -> Value {
        let admin = self.greeting("admin");
        let output = Command::new(convoke())
            .args(["status", "--json", "--admin", &admin])
            .output()
            .expect("convoke starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Asks for the status until `right` finds it right.
    pub fn until_status(&self, what: &str, right: impl Fn(&Value) -> bool) -> Value {
        // Each question takes a process and its exchange of packets: no need to wait in between.
        const QUESTIONS_MAX: usize = 2_000;
        for _ in 0..QUESTIONS_MAX {
            let status = self.status();
            if right(&status) {
                return status;
            }
            let (_sender, receiver) = channel::<()>();
            // Leaves the processor to those who are asked.
            let _ = receiver.recv_timeout(Duration::from_millis(100));
        }
        panic!("never {what}: {:#}", self.status());
    }

    /// Asks until nobody has room, a port or a dialog any more. Transactions may linger.
    pub fn until_all_have_left(&self) {
        self.until_status("all left", |status| {
            const LINGER: [&str; 2] = ["/leftovers/transactions", "/leftovers/timers"];
            kept(status).iter().all(|name| LINGER.contains(name))
        });
    }

    /// Asks until the server and its mixer keep nothing for anybody, transactions included: they run
    /// out after 32 s (RFC 3261 §17.1.2.2, 64*T1).
    pub fn until_nothing_is_left(&self) {
        self.until_status("nothing left", |status| kept(status).is_empty());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What the server and its mixer still keep for anybody, by name. A count that is not there is as
/// bad as one that is not zero.
fn kept(status: &Value) -> Vec<&'static str> {
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
    let is_zero = |name| status.pointer(name).and_then(Value::as_u64) == Some(0);
    COUNTS.into_iter().filter(|name| !is_zero(name)).collect()
}

/// Runs `convoke` to its end: exit code, standard output, standard error.
pub fn run(words: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(convoke()).args(words).stdin(Stdio::null()).output().expect("convoke starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Adds a user with a password from standard input to a file of users; what was said.
pub fn add_user(file: &str, name: &str, password: &str, words: &[&str]) -> String {
    let own = ["user", "add", name, "--users", file, "--password-stdin"];
    let mut child = Command::new(convoke())
        .args([&own, words].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("convoke starts");
    let mut input = child.stdin.take().expect("piped");
    writeln!(input, "{password}").expect("written");
    drop(input);
    let output = child.wait_with_output().expect("its end");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A field that must be a text.
pub fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("no {field} in {object}")).to_owned()
}

/// A recorded voice of the demo.
pub fn speech(who: &str) -> String {
    format!("{}/../convoke/speech/{who}.wav", env!("CARGO_MANIFEST_DIR"))
}

/// The folder that cargo builds into for this profile, as in `target/debug`: tests run from its `deps`.
fn profile() -> PathBuf {
    let own = std::env::current_exe().expect("our own path");
    own.ancestors().nth(2).expect("target/debug/deps").to_owned()
}

/// The folder that all profiles build into.
fn target() -> PathBuf {
    profile().parent().expect("target").to_owned()
}

/// The program under test, as cargo last built it. Cargo builds it for `convoke`'s own tests before they run; others ask for that
/// themselves, once, since a stale program would prove nothing.
pub fn convoke() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let given = ["CARGO_BIN_EXE_convoke", "NEXTEST_BIN_EXE_convoke"].map(std::env::var_os);
        if let Some(given) = given.into_iter().flatten().next() {
            return given.into();
        }
        let profile = profile();
        let name = match profile.file_name().and_then(|name| name.to_str()).expect("a name") {
            "debug" => "dev",
            other => other,
        };
        // Named by the program and not by the package, it has the features of the whole workspace, as in all of `cargo xtask test`.
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--locked", "--quiet", "--profile", name, "--bin", "convoke"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .stdin(Stdio::null())
            .status();
        assert!(built.expect("cargo starts").success(), "convoke cannot be built");
        profile.join("convoke")
    })
}

fn lines<T: Send + 'static>(
    source: impl Read + Send + 'static,
    read: impl Fn(String) -> T + Send + 'static,
) -> Receiver<T> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(read(line)).is_err() {
                break;
            }
        }
    });
    receiver
}
