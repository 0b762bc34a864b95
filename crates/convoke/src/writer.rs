//! Standard output for commands that must not wait for whoever reads it.
//!
//! A terminal held by Ctrl-S, a pager that nobody scrolls, a log collector that hangs: each stops
//! who writes to it. A command that only sits there writing hears no Ctrl-C and no SIGTERM, and says
//! no BYE. So a thread of its own does the waiting.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written, some 300 bytes each; a conference of three makes ten. When full,
/// a line is not taken.
const LINES_MAX: usize = 4_096;

/// Lines written at once.
const LINES_AT_ONCE_MAX: usize = 256;

/// How long the last lines have to get out when the command ends; it promises to be gone within 5 s,
/// and a server may have spent 4 of them waiting for answers to its BYEs.
const FAREWELL: Duration = Duration::from_millis(500);

/// Writes lines, in order, without making anybody wait. Dropped, it gives the last ones a moment.
///
/// Its thread is woken by [`Self::wake`], once for all lines that a moment brought.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// Ends when the thread has.
    written: Receiver<()>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    is_woken: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    /// No more come.
    is_over: bool,
}

/// A line found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Writer {
    /// Writes to standard output.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn to_stdout() -> io::Result<Self> {
        Self::over(io::stdout())
    }

    fn over(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (done, written) = sync_channel(0);
        let taken = Arc::clone(&shared);
        thread::Builder::new().name("output".to_owned()).spawn(move || taken.write(out, done))?;
        Ok(Self { shared, written })
    }

    /// Takes a line, or not. It is written after [`Self::wake`], or before.
    pub(crate) fn line(&self, line: String) -> Result<(), Full> {
        let mut waiting = self.shared.waiting();
        if waiting.lines.len() >= LINES_MAX {
            return Err(Full);
        }
        waiting.lines.push_back(line);
        Ok(())
    }

    /// Has what was taken written.
    pub(crate) fn wake(&self) {
        self.shared.is_woken.notify_one();
    }
}

impl Shared {
    fn write(&self, mut out: impl Write, done: SyncSender<()>) {
        let mut text = String::new();
        while self.take(&mut text) {
            // Where nobody reads it any more there is nobody to tell.
            drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        }
        drop(done);
    }

    /// Waits for lines; whether there are more to come.
    fn take(&self, text: &mut String) -> bool {
        text.clear();
        let is_idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_over;
        let waiting = self.is_woken.wait_while(self.waiting(), is_idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let count = waiting.lines.len().min(LINES_AT_ONCE_MAX);
        for line in waiting.lines.drain(..count) {
            text.push_str(&line);
            text.push('\n');
        }
        count > 0
    }

    /// A panic of the other side leaves the queue whole: each access is one operation.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.waiting().is_over = true;
        self.wake();
        // Nothing is ever sent: it waits for the end of the thread, or no longer.
        let _ = self.written.recv_timeout(FAREWELL);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Gives on what is written, or waits for ever at the first byte.
    struct Reader {
        stuck: Option<Receiver<()>>,
        seen: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(stuck) = &self.stuck {
                let _ = stuck.recv();
            }
            self.seen.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_out_in_order_and_the_last_before_the_end() {
        let (seen, read) = channel();
        let writer = Writer::over(Reader { stuck: None, seen }).expect("a thread");
        let lines: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
        for line in &lines {
            assert_eq!(writer.line(line.clone()), Ok(()));
            writer.wake();
        }
        drop(writer);
        let text: Vec<u8> = read.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(text).expect("text"), lines.join("\n") + "\n");
    }

    #[test]
    fn a_reader_who_does_not_read_holds_nobody_up() {
        let (let_go, stuck) = channel();
        let (seen, read) = channel();
        let writer = Writer::over(Reader { stuck: Some(stuck), seen }).expect("a thread");
        let put = |_: &usize| {
            let taken = writer.line("x".to_owned()).is_ok();
            writer.wake();
            taken
        };
        let taken = (0..2 * LINES_MAX).filter(put).count();
        // The thread may have taken the first ones out before it got stuck.
        assert!((LINES_MAX..=LINES_MAX + LINES_AT_ONCE_MAX).contains(&taken), "{taken}");
        drop(writer);
        assert_eq!(read.try_iter().count(), 0, "it was stuck indeed, and the end did not wait");
        drop(let_go);
    }
}
