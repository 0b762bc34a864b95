//! The threads, seen from outside.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mix::message::{Command, Event};
use mix::{Shard, ShardConfig};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use units::Rng;

use crate::rest::Rest;
use crate::sockets::{Pool, Sockets};
use crate::thread::{Deliver, LEND_AHEAD, ShardThread, Shared};
use crate::{Delivery, EngineReport};

/// What an [`Engine`] is made of.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// What is bound: one address, or one of each family.
    pub binds: Vec<MediaBind>,
    /// How many shards, 1 to [`SHARDS_MAX`].
    pub shards: u16,
    /// The core of each shard's thread, by index; a shard beyond the list is not pinned. A core that
    /// cannot be had is counted, and the thread runs unpinned.
    pub cores: Vec<usize>,
    /// Decides SSRCs and the like: from the operating system's randomness.
    pub seed: [u8; 32],
    /// DSCP of what is sent, 0-63 (RFC 2474): [`DSCP_EF`] as a rule.
    pub dscp: u8,
    /// How long nothing must have come to a port that a leg has left until another one gets it.
    pub rest: Duration,
    /// How the shards mix.
    pub shard: ShardConfig,
}

/// Expedited forwarding, for voice: RFC 4594 §4.1.
pub const DSCP_EF: u8 = 46;

/// How long a port rests as a rule: whoever ends a call stops sending within a round trip; after 10 s it was the last.
pub const REST: Duration = Duration::from_secs(10);

/// An address with its ports.
#[derive(Clone, Debug)]
pub struct MediaBind {
    /// The address that media sockets are bound to (not what is advertised).
    pub ip: IpAddr,
    /// The ports to bind: each leg has an even one for RTP and the next for RTCP (RFC 3550 §11). Shards share them out.
    pub ports: RangeInclusive<u16>,
}

/// Why an engine did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum StartError {
    #[error("an engine has 1 to {max} shards, not {got}")]
    ShardCount { got: u16, max: u16 },
    #[error(
        "ports {first}-{last} hold no pair of an even port and the next for each of {shards} shards"
    )]
    NoPorts { first: u16, last: u16, shards: u16 },
    #[error("cannot bind any of the ports {first}-{last} on {ip}: {kind}")]
    Bind { ip: IpAddr, first: u16, last: u16, kind: std::io::ErrorKind },
    #[error("the operating system refuses {what}: {errno}")]
    System { what: &'static str, errno: Errno },
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum CommandError {
    #[error("there is no shard {got}")]
    NoSuchShard { got: u16 },
    #[error("the shard has not yet taken the commands before")]
    Full(Box<Command>),
    #[error("the shard's thread has ended")]
    Stopped,
}

/// The media shards of a node. Dropped, it stops as by [`Engine::stop`].
pub struct Engine {
    shards: Vec<Handle>,
}

impl MediaBind {
    /// A shard's part of the ports.
    fn pool(&self, shard: u16, shards: u16) -> Result<Pool, StartError> {
        let (first, last) = (*self.ports.start(), *self.ports.end());
        let is_its = |port: &u16| {
            port.is_multiple_of(2) && port / 2 % shards == shard && *port != 0 && *port < last
        };
        let free: VecDeque<u16> = self.ports.clone().filter(is_its).collect();
        if free.is_empty() {
            return Err(StartError::NoPorts { first, last, shards });
        }
        Ok(Pool { ip: self.ip, free })
    }
}

/// One thread, seen from outside.
struct Handle {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Binds the first sockets and starts the threads. `deliver` gets every event with the number of
    /// its shard, on that shard's thread: it must not wait.
    ///
    /// # Errors
    /// See [`StartError`]. Then no thread runs and no socket is bound.
    pub fn start(
        config: &EngineConfig,
        deliver: impl Fn(u16, Event) -> Delivery + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        if !(1..=SHARDS_MAX).contains(&config.shards) {
            return Err(StartError::ShardCount { got: config.shards, max: SHARDS_MAX });
        }
        let deliver: Arc<Deliver> = Arc::new(deliver);
        let mut rng = Rng::from_seed(config.seed);
        let mut ready = Vec::new();
        for number in 0..config.shards {
            let shared = Arc::new(Shared::new().map_err(system("an eventfd"))?);
            let (commands, inbox) = sync_channel(COMMANDS_MAX);
            let pools = config.binds.iter().map(|bind| bind.pool(number, config.shards));
            let pools = pools.collect::<Result<_, _>>()?;
            let thread = ShardThread::new(
                number,
                Shard::new(config.shard, rng.fork()),
                Sockets::new(pools, Rest::new(config.rest), config.dscp),
                inbox,
                Arc::clone(&deliver),
                Arc::clone(&shared),
            )
            .map_err(system("an epoll or a timer"))?;
            for bind in &config.binds {
                thread.has_some_of(bind)?;
            }
            ready.push((thread, shared, commands));
        }
        let mut engine = Self { shards: Vec::new() };
        for (number, (thread, shared, commands)) in ready.into_iter().enumerate() {
            let thread = spawn(number, config.cores.get(number).copied(), thread)?;
            engine.shards.push(Handle { shared, commands, thread: Some(thread) });
        }
        Ok(engine)
    }

    /// Hands a command to a shard. Does not wait.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn command(&self, shard: u16, command: Command) -> Result<(), CommandError> {
        let no_such_shard = CommandError::NoSuchShard { got: shard };
        let handle = self.shards.get(usize::from(shard)).ok_or(no_such_shard)?;
        handle.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) => CommandError::Full(Box::new(command)),
            TrySendError::Disconnected(_) => CommandError::Stopped,
        })?;
        handle.shared.wake();
        Ok(())
    }

    /// What the shards have done so far.
    pub fn report(&self) -> EngineReport {
        EngineReport { shards: self.shards.iter().map(|it| it.shared.stats.report()).collect() }
    }

    /// Ends the threads and closes every socket; waits for both. What the report still shows as open
    /// (conferences, legs) was left over by the caller.
    pub fn stop(mut self) -> EngineReport {
        self.end();
        self.report()
    }

    fn end(&mut self) {
        for handle in &self.shards {
            handle.shared.stop.store(true, Ordering::Release);
            handle.shared.wake();
        }
        for handle in &mut self.shards {
            if let Some(thread) = handle.thread.take() {
                // A thread that panicked has closed its sockets on the way.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

fn spawn(
    number: usize,
    core: Option<usize>,
    mut thread: ShardThread,
) -> Result<JoinHandle<()>, StartError> {
    let run = move || {
        if core.is_some_and(|core| pin(core).is_err()) {
            thread.note_pin_failure();
        }
        thread.run();
    };
    std::thread::Builder::new().name(format!("media-{number}")).spawn(run).map_err(|error| {
        let errno = error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw);
        StartError::System { what: "a thread", errno }
    })
}

/// Keeps the calling thread on one core.
pub(crate) fn pin(core: usize) -> Result<(), Errno> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)
}

/// Lets the process open as many files as the operating system allows it, and says how many that are. `None`: it does
/// not say.
pub fn raise_file_limit() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    if soft >= hard {
        return Some(soft);
    }
    Some(setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard))
}

/// Files that shards need for so many legs: two sockets each, and those bound ahead for each of the addresses.
pub fn files_for(legs: u32, shards: u16, binds: usize) -> u64 {
    let binds = u64::try_from(binds).unwrap_or(u64::MAX);
    let ahead = u64::from(shards) * binds.saturating_mul(LEND_AHEAD as u64);
    2 * (u64::from(legs) + ahead) + u64::from(shards) * FILES_PER_SHARD
}

/// An epoll, an eventfd, a timer.
const FILES_PER_SHARD: u64 = 3;

fn system(what: &'static str) -> impl Fn(Errno) -> StartError {
    move |errno| StartError::System { what, errno }
}

/// Most shards: no machine that we know has more cores. More are refused.
pub const SHARDS_MAX: u16 = 256;

/// Commands on their way to one shard: two for each leg that joins or leaves while the thread is
/// busy for a second. When full, [`CommandError::Full`] gives the command back.
const COMMANDS_MAX: usize = 4_096;
