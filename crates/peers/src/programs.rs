//! Other people's programs: started, read line by line, ended by their process id.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::processes::GUARD;

/// Between two looks at something that tells nobody when it changes.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// So often is looked whether a program has ended that was asked to, before it is killed: 5 s.
const LOOKS_AT_END: usize = 100;

/// A running program, ended with the test if it has not ended before.
pub struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    /// Every line taken so far, of its standard output and its standard error.
    pub seen: Vec<String>,
}

impl Program {
    /// Starts it without standard input.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("{name} does not start ({error}): `cargo xtask setup` installs it")
        });
        let (sender, lines) = channel();
        forward(child.stdout.take().expect("piped"), sender.clone());
        forward(child.stderr.take().expect("piped"), sender);
        Self { name: name.to_owned(), child, lines, seen: Vec::new() }
    }

    /// Waits for a line that holds `words`, which must not have been taken before.
    pub fn until(&mut self, words: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(GUARD) else {
                panic!("{} never said {words:?}: {:#?}", self.name, self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Waits for its end by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until(&format!("{} has ended", self.name), || {
            self.seen.extend(self.lines.try_iter());
            status = self.child.try_wait().expect("its state");
            status.is_some()
        });
        self.seen.extend(self.lines.try_iter());
        status.expect("just seen")
    }

    /// Whether it runs still.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Asks it to end, and waits until it has.
    pub fn end(mut self) -> Vec<String> {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        if self.runs() {
            kill(pid, Signal::SIGTERM).expect("it is still there");
        }
        self.ended();
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Asked first: kamailio has children, which it ends, and which nobody would if it were killed.
        if let (true, Ok(pid)) = (self.runs(), self.child.id().try_into()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        for _ in 0..LOOKS_AT_END {
            if !self.runs() {
                return;
            }
            look_again();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(source: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        // What phones print is not always UTF-8.
        for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
}

/// Looks until it is so.
///
/// # Panics
///
/// When it was not so for as long as [`GUARD`].
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let looks = GUARD.as_millis() / LOOK_AGAIN.as_millis();
    for _ in 0..looks {
        if is_so() {
            return;
        }
        look_again();
    }
    panic!("never: {what}");
}

/// Leaves the processor to others for a moment.
fn look_again() {
    let (_sender, receiver) = channel::<()>();
    let _ = receiver.recv_timeout(LOOK_AGAIN);
}

/// Ports for programs that cannot take port 0, below those that Linux lends by itself (from 32,768 on): there a busy machine
/// has hardly two free in a row.
const PORTS: std::ops::Range<u16> = 22_000..32_000;

/// The first of `count` ports in a row that nobody on loopback has, over UDP and TCP. The first is even, as RTP wants it.
pub fn free_ports(count: u16) -> u16 {
    static NEXT: Mutex<u16> = Mutex::new(PORTS.start);
    // Programs of one test run in one process and get different ports; those of other tests wait for the lock. What earlier
    // tests of this process had comes round again.
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..PORTS.len() {
        let first = if *next + count > PORTS.end { PORTS.start } else { *next };
        *next = first + count.next_multiple_of(2);
        if (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("no free ports");
}

/// Waits until a program has bound this UDP port.
pub fn until_bound(program: &mut Program, port: u16) {
    let name = program.name.clone();
    until(&format!("{name} listens on {port}"), || {
        assert!(
            program.runs(),
            "{name} has ended: {:#?}",
            program.lines.iter().collect::<Vec<_>>()
        );
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err()
    });
}

fn is_free(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
}
