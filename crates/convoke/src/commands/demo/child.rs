//! A process of the demo, which never outlives it.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Who;

/// A line of a child is at most so long; a longer one is cut. A SIP message's line is some 300 bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// How often a process that is about to end is asked whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running `convoke`.
pub(super) struct Child {
    pub(super) who: Who,
    process: std::process::Child,
    /// While this is open it runs: if we die, however, it ends too.
    input: Option<ChildStdin>,
}

/// Something that a child wrote.
pub(super) struct FromChild {
    pub(super) who: Who,
    pub(super) what: What,
}

pub(super) enum What {
    /// A line of JSON on standard output.
    Object(Value),
    /// A line on standard error.
    Complaint(String),
    /// Standard output has come to its end.
    Closed,
}

impl Child {
    /// Starts this very program with other words.
    pub(super) fn start(
        who: Who,
        words: &[&str],
        lines: &mpsc::Sender<FromChild>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where is this program?")?;
        let mut process = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", who.name()))?;
        let input = process.stdin.take();
        let (out, complaints) = (process.stdout.take(), process.stderr.take());
        // From here on the process is ended by `drop`, whatever fails.
        let child = Self { who, process, input };
        let (out, complaints) = out.zip(complaints).context("a process without output")?;
        let sender = lines.clone();
        read(out, move |line| match line {
            Some(line) => match serde_json::from_str(&line) {
                Ok(object) => sender.blocking_send(FromChild { who, what: What::Object(object) }),
                Err(_) => sender.blocking_send(FromChild { who, what: What::Complaint(line) }),
            },
            None => sender.blocking_send(FromChild { who, what: What::Closed }),
        })?;
        let sender = lines.clone();
        read(complaints, move |line| match line {
            Some(line) => sender.blocking_send(FromChild { who, what: What::Complaint(line) }),
            None => Ok(()),
        })?;
        Ok(child)
    }

    /// Asks it to end: its standard input closes.
    pub(super) fn ask_to_end(&mut self) {
        self.input = None;
    }

    /// How it ended; its output has ended already.
    pub(super) fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                anyhow::bail!("{} closed its output and did not end", self.who.name());
            }
            #[expect(clippy::disallowed_methods, reason = "no portable call waits with a limit")]
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Child {
    /// By its process id, which nobody else can have while we have not waited for it.
    fn drop(&mut self) {
        self.input = None;
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Reads lines in a thread until the end, which is `None`, or until nobody takes them.
fn read<R: Read + Send + 'static>(
    source: R,
    take: impl Fn(Option<String>) -> Result<(), mpsc::error::SendError<FromChild>> + Send + 'static,
) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name("child's output".to_owned())
        .spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = source.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
                if !matches!(read, Ok(length) if length > 0) {
                    break;
                }
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if take(Some(text)).is_err() {
                    return;
                }
            }
            // If the demo has ended nobody needs to know.
            let _ = take(None);
        })
        .context("cannot read a process's output")?;
    Ok(())
}
