//! Lines into a file, by a thread of their own.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use units::{Tally, causes};

/// Lines that wait for the disk, some 800 bytes each: more legs than end in a minute, as a rule. When full, a
/// line is lost and counted.
const WAITING_MAX: usize = 16_384;

/// How long the last lines have to get out when the server ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordsTo {
    /// To the end of this file, which is opened for each write: whoever moves it away gets a new one.
    File(PathBuf),
    /// To standard output.
    Stdout,
}

causes! {
    /// Why a record is lost.
    pub enum RecordLost {
        /// Too many waited for the disk.
        QueueFull => "queue_full",
        /// It could not be written.
        WriteError => "write_error",
    }
}

/// What the thread counts.
#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    failed: AtomicU64,
}

/// Writes lines, in order, without making anybody wait.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: SyncSender<String>,
    /// Ends when the thread has.
    done: Receiver<()>,
    counts: Arc<Counts>,
    queue_full: u64,
}

impl Writer {
    /// # Errors
    /// The file cannot be written, or the system gives no thread.
    pub(crate) fn start(to: &RecordsTo) -> io::Result<Self> {
        if let RecordsTo::File(path) = to {
            open(path)?;
        }
        let (lines, waiting) = sync_channel(WAITING_MAX);
        let (ended, done) = sync_channel::<()>(0);
        let counts = Arc::new(Counts::default());
        let (to, counting) = (to.clone(), Arc::clone(&counts));
        thread::Builder::new().name("records".to_owned()).spawn(move || {
            run(&to, &waiting, &counting);
            drop(ended);
        })?;
        Ok(Self { lines, done, counts, queue_full: 0 })
    }

    pub(crate) fn line(&mut self, line: String) {
        if self.lines.try_send(line).is_err() {
            self.queue_full += 1;
            if self.queue_full == 1 {
                tracing::error!(
                    "records are lost: the disk is too slow; see the metrics for how many"
                );
            }
        }
    }

    /// Records written, and those lost, by cause.
    pub(crate) fn counts(&self) -> (u64, Tally<RecordLost>) {
        let lost = Tally::default()
            .with(RecordLost::QueueFull, self.queue_full)
            .with(RecordLost::WriteError, self.counts.failed.load(Ordering::Relaxed));
        (self.counts.written.load(Ordering::Relaxed), lost)
    }

    /// Waits until all is written, or for as long as that may take.
    pub(crate) fn finish(self) {
        drop(self.lines);
        // Nothing is ever sent: it waits for the end of the thread, or no longer.
        let _ = self.done.recv_timeout(FAREWELL);
    }
}

fn run(to: &RecordsTo, waiting: &Receiver<String>, counts: &Counts) {
    let mut is_broken = false;
    while let Ok(first) = waiting.recv() {
        // What has come meanwhile goes along: one opening for all of it.
        let mut lines = first + "\n";
        let mut count = 1;
        while let Ok(next) = waiting.try_recv() {
            lines = lines + &next + "\n";
            count += 1;
        }
        match put(to, &lines) {
            Ok(()) => {
                counts.written.fetch_add(count, Ordering::Relaxed);
                is_broken = false;
            }
            Err(error) => {
                counts.failed.fetch_add(count, Ordering::Relaxed);
                // Once, not for every line: the metrics have the number.
                if !std::mem::replace(&mut is_broken, true) {
                    tracing::error!(%error, to = %to.name(), "records cannot be written and are lost");
                }
            }
        }
    }
}

fn put(to: &RecordsTo, lines: &str) -> io::Result<()> {
    match to {
        RecordsTo::File(path) => open(path)?.write_all(lines.as_bytes()),
        RecordsTo::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(lines.as_bytes()).and_then(|()| out.flush())
        }
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl RecordsTo {
    /// How a person calls it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdout => "standard output".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_a_file_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, old) = (folder.path().join("calls.jsonl"), folder.path().join("calls.1"));
        std::fs::write(&path, "before\n").expect("written");
        for (line, moves) in [("one", true), ("two", false)] {
            let mut writer = Writer::start(&RecordsTo::File(path.clone())).expect("a writer");
            writer.line(line.to_owned());
            writer.finish();
            if moves {
                std::fs::rename(&path, &old).expect("moved");
            }
        }
        assert_eq!(std::fs::read_to_string(&old).expect("a file"), "before\none\n");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "two\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).expect("made");
        let mut writer = Writer::start(&RecordsTo::File(inner.join("calls"))).expect("a writer");
        std::fs::remove_dir_all(&inner).expect("gone");
        writer.line("lost".to_owned());
        let counts = Arc::clone(&writer.counts);
        writer.finish();
        assert_eq!(counts.failed.load(Ordering::Relaxed), 1);
        assert_eq!(counts.written.load(Ordering::Relaxed), 0);
        assert!(Writer::start(&RecordsTo::File(inner.join("calls"))).is_err(), "at once");
    }
}
