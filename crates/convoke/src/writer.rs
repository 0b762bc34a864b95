//! Standard output for commands that must not wait for whoever reads it.
//!
//! A terminal held by Ctrl-S, a pager that nobody scrolls, a log collector that hangs: each stops
//! who writes to it. A command that only sits there writing hears no Ctrl-C and no SIGTERM, and says
//! no BYE. So a thread of its own does the waiting.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written, some 300 bytes each; a conference of three makes ten. When full,
/// a line is not taken.
const LINES_MAX: usize = 4_096;

/// How long the last lines have to get out when the command ends; it promises to be gone within 5 s,
/// and a server may have spent 4 of them waiting for answers to its BYEs.
const FAREWELL: Duration = Duration::from_millis(500);

/// Writes lines, in order, without making anybody wait. Dropped, it gives the last ones a moment.
pub(crate) struct Writer {
    /// `None` only while it is dropped.
    lines: Option<SyncSender<String>>,
    /// Ends when the thread has.
    written: Receiver<()>,
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

    fn over(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, taken) = sync_channel::<String>(LINES_MAX);
        let (done, written) = sync_channel(0);
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            // Where nobody reads it any more there is nobody to tell.
            taken.iter().for_each(|line| drop(writeln!(out, "{line}").and_then(|()| out.flush())));
            drop(done);
        })?;
        Ok(Self { lines: Some(lines), written })
    }

    /// Takes a line, or not.
    pub(crate) fn line(&self, line: String) -> Result<(), Full> {
        let lines = self.lines.as_ref().ok_or(Full)?;
        lines.try_send(line).map_err(|_| Full)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines = None;
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
        let taken = (0..=LINES_MAX + 1).filter(|_| writer.line("x".to_owned()).is_ok()).count();
        // The thread may have taken the first one out before it got stuck.
        assert!((LINES_MAX..=LINES_MAX + 1).contains(&taken), "{taken}");
        drop(writer);
        assert_eq!(read.try_iter().count(), 0, "it was stuck indeed, and the end did not wait");
        drop(let_go);
    }
}
