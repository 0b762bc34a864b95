//! What a process has used so far, by `/proc`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A process to be watched.
#[derive(Clone, Debug)]
pub struct Process {
    folder: PathBuf,
}

/// What it has used until now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// In the process's own code.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
    /// Its proportional share of memory, bytes.
    pub pss_bytes: u64,
    /// All memory that it has mapped and touched, bytes.
    pub rss_bytes: u64,
    /// Of each thread its number, its name, and user and system together.
    pub threads: Vec<(u32, String, Duration)>,
}

impl Process {
    /// The one with this number; `None`: there is none, or we may not look at it.
    pub fn of(pid: u32) -> Option<Self> {
        let process = Self { folder: PathBuf::from(format!("/proc/{pid}")) };
        process.usage().map(|_| process)
    }

    /// This process.
    pub fn own() -> Self {
        Self { folder: PathBuf::from("/proc/self") }
    }

    /// Reads what it has used; `None`: it has ended.
    pub fn usage(&self) -> Option<Usage> {
        let stat = fs::read_to_string(self.folder.join("stat")).ok()?;
        let Stat { user, system, .. } = Stat::parse(&stat)?;
        // Another user's process has a `stat` and no memory to be looked at.
        let memory = fs::read_to_string(self.folder.join("smaps_rollup")).unwrap_or_default();
        let threads = fs::read_dir(self.folder.join("task")).into_iter().flatten().flatten();
        let threads = threads.filter_map(|thread| {
            let number = thread.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
            let Stat { name, user, system } = Stat::parse(&stat)?;
            Some((number, name, user + system))
        });
        Some(Usage {
            user,
            system,
            pss_bytes: kilobytes(&memory, "Pss:") * 1_024,
            rss_bytes: kilobytes(&memory, "Rss:") * 1_024,
            threads: threads.collect(),
        })
    }
}

/// Datagrams that found a full receive queue on this machine since it started, whoever's queue it was.
pub(crate) fn full_queues() -> u64 {
    fs::read_to_string("/proc/net/snmp").map_or(0, |text| receive_errors(&text))
}

/// What we read of a `stat` file.
#[derive(Debug, PartialEq)]
struct Stat {
    name: String,
    user: Duration,
    system: Duration,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name stands in parentheses and may hold any of both.
        let (before, after) = text.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        let mut fields = after.split_ascii_whitespace().skip(11);
        let user = from_ticks(fields.next()?)?;
        let system = from_ticks(fields.next()?)?;
        Some(Self { name: name.to_owned(), user, system })
    }
}

/// Linux shows a hundredth of a second as one, on every architecture (`USER_HZ`).
fn from_ticks(text: &str) -> Option<Duration> {
    text.parse::<u64>().ok().map(|ticks| Duration::from_millis(ticks * 10))
}

fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn receive_errors(text: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let index = names.split_ascii_whitespace().position(|name| name == "RcvbufErrors");
    let value = index.and_then(|index| values.split_ascii_whitespace().nth(index));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_name() {
        let text = "42 (a) b (c)) S 1 42 42 0 -1 4194304 1 2 3 4 250 17 0 0 20 0 3 0 1 2 3";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.name, "a) b (c)");
        assert_eq!(stat.user, Duration::from_millis(2_500));
        assert_eq!(stat.system, Duration::from_millis(170));
        assert_eq!(Stat::parse("42 (cut) S 1"), None);
    }

    #[test]
    fn our_own_use_can_be_read_and_nobody_s_cannot() {
        let usage = Process::own().usage().unwrap();
        assert!(usage.rss_bytes >= usage.pss_bytes && usage.pss_bytes > 100_000);
        assert!(!usage.threads.is_empty());
        assert!(Process::of(0).is_none());
    }

    #[test]
    fn full_queues_are_found_by_their_name() {
        let text =
            "Ip: Forwarding\nIp: 1\nUdp: InDatagrams RcvbufErrors SndbufErrors\nUdp: 9 17 3\n";
        assert_eq!(receive_errors(text), 17);
        assert_eq!(receive_errors(""), 0);
    }
}
