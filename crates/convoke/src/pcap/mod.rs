//! `--pcap`: every SIP message into a capture file, which tshark and Wireshark open as it is.
//!
//! A thread of its own writes: neither a slow disk nor a full one holds a call up. What finds no place, or cannot be
//! written, is counted, told once, and told in number at the end.

mod encode;

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use sip::Packet;

use self::encode::{Encoder, file_header, masked};
use crate::output::{Printer, Tone, complain};

/// Messages that wait for the disk, some 700 bytes each. When full, a message is left out and counted.
const WAITING_MAX: usize = 4_096;

/// A file is at most so large, some 80,000 messages; then it becomes `FILE.1`, in place of an older one, and a new one
/// begins.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How long a written message may wait for others before the file has it: a flush a message would be a
/// system call each.
const FLUSH_AFTER: Duration = Duration::from_millis(200);

/// A message, and when it was sent or received.
struct Taken {
    sent: bool,
    unix_micros: u64,
    packet: Packet,
}

/// Writes messages to a file.
pub(crate) struct Capture {
    path: PathBuf,
    /// `None` only while it ends.
    taken: Option<SyncSender<Taken>>,
    writer: Option<JoinHandle<Written>>,
    left_out: u64,
}

/// What the thread did.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    messages: u64,
    failed: u64,
}

impl Capture {
    /// Makes the file; what was in one of that name is gone.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = Rotating::create(path)
            .with_context(|| format!("cannot write {}, named by --pcap", path.display()))?;
        let (taken, receiver) = sync_channel(WAITING_MAX);
        let writer = thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || write(file, &receiver))
            .context("the system gives no thread")?;
        let path = path.to_owned();
        Ok(Self { path, taken: Some(taken), writer: Some(writer), left_out: 0 })
    }

    /// Takes a message that was sent or received.
    pub(crate) fn message(&mut self, sent: bool, unix_micros: u64, packet: &Packet) {
        let taken = Taken { sent, unix_micros, packet: packet.clone() };
        if self.taken.as_ref().is_none_or(|sender| sender.try_send(taken).is_err()) {
            self.left_out += 1;
            if self.left_out == 1 {
                complain(&format!(
                    "{}: too slow for the messages: some are left out",
                    self.path.display()
                ));
            }
        }
    }

    /// Waits until all is written, and says how much it was.
    pub(crate) fn finish(mut self, printer: &Printer) {
        self.taken = None;
        let written = self.writer.take().and_then(|writer| writer.join().ok()).unwrap_or_default();
        let (path, lost) = (self.path.display(), self.left_out + written.failed);
        let lost_words = if lost > 0 { format!(", {lost} left out") } else { String::new() };
        let about = format!("{} messages in {path}{lost_words}", written.messages);
        let fields = serde_json::json!({
            "file": self.path, "messages": written.messages, "left_out": lost,
        });
        printer.event(Tone::Quiet, "captured", &about, "captured", fields);
    }
}

fn write(mut file: Rotating, taken: &Receiver<Taken>) -> Written {
    let (mut encoder, mut bytes, mut written) =
        (Encoder::default(), Vec::new(), Written::default());
    loop {
        let result = match taken.recv_timeout(FLUSH_AFTER) {
            Ok(Taken { sent, unix_micros, packet }) => {
                let Packet { path, bytes: message } = packet;
                let way = if sent { (path.local, path.remote) } else { (path.remote, path.local) };
                bytes.clear();
                encoder.message(unix_micros, path.transport, way, &masked(&message), &mut bytes);
                let result = file.write(&bytes);
                match result {
                    Ok(()) => written.messages += 1,
                    Err(_) => written.failed += 1,
                }
                result
            }
            Err(RecvTimeoutError::Timeout) => file.flush(),
            Err(RecvTimeoutError::Disconnected) => {
                let _ = file.flush();
                return written;
            }
        };
        if let Err(error) = result {
            file.told(&error);
        }
    }
}

/// A file that begins anew when it is long.
struct Rotating {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    bytes_max: u64,
    is_told: bool,
}

impl Rotating {
    fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&file_header())?;
        file.flush()?;
        let path = path.to_owned();
        Ok(Self { path, file, bytes: 24, bytes_max: FILE_BYTES_MAX, is_told: false })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.bytes + length > self.bytes_max {
            self.file.flush()?;
            std::fs::rename(&self.path, older(&self.path))?;
            let Self { file, bytes, .. } = Self::create(&self.path)?;
            (self.file, self.bytes) = (file, bytes);
        }
        self.bytes += length;
        self.file.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Says once that it does not work.
    fn told(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_told, true) {
            complain(&format!("{}: messages are not captured: {error}", self.path.display()));
        }
    }
}

/// `x.pcap.1`
fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_makes_room_for_a_new_one_and_no_more_than_two_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.pcap");
        let mut file = Rotating::create(&path).expect("a file");
        file.bytes_max = 24 + 250;
        for _ in 0..7 {
            file.write(&[7; 100]).expect("written");
        }
        file.flush().expect("flushed");
        let length = |path: &Path| std::fs::metadata(path).expect("a file").len();
        assert_eq!((length(&path), length(&older(&path))), (24 + 100, 24 + 200));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
    }

    #[test]
    fn what_cannot_be_written_says_so_at_once() {
        let error = Capture::create(Path::new("/nowhere/x.pcap")).err().expect("no such folder");
        assert!(
            format!("{error:#}").starts_with("cannot write /nowhere/x.pcap, named by --pcap: ")
        );
    }
}
