//! What legs cost on this machine: a real mixer's thread, and phones that talk to it over loopback, for a moment.
//!
//! The [`Engine`] is the one that serves calls, on a core of its own and by the real clock; the phones are another thread on another
//! core, if there is one. So packets go from one core's caches to the other's, sending wakes who waits for it, and the thread sleeps
//! between its looks, as in life: in one thread and as fast as it can go the same work takes little more than half as long. What is
//! counted is the processor time of the mixer's thread by the kernel's account. What others do on the machine is not in it, though
//! it makes everything a little dearer.

mod phones;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use mix::ShardConfig;
use mix::message::{
    Action, Codec, Command, ConferenceKey, Epoch, Event, Format, LentPort, PortId, StreamSpec,
    TransportSpec,
};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use units::Instant;

use self::phones::Phones;
use crate::clock::now;
use crate::engine::pin;
use crate::{DSCP_EF, Delivery, Engine, EngineConfig, MediaBind};

/// What shall be measured: everybody talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Legs in all, spread evenly over the conferences.
    pub legs: u16,
    /// Conferences.
    pub conferences: u16,
    /// The packet time of all, in ms.
    pub ptime_ms: u32,
    /// How long everybody talks before anything is counted: jitter buffers find their depth.
    pub settle: Duration,
    /// How long is counted.
    pub length: Duration,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Processor time that the mixer's thread took.
    pub cpu: Duration,
    /// The time that passed.
    pub media: Duration,
    /// Packets that were due meanwhile, from all phones.
    pub due: u64,
    /// Datagrams that the mixer received.
    pub received: u64,
    /// Datagrams that it sent.
    pub sent: u64,
}

impl Measured {
    /// Whether both threads could run when they had to, near enough; if not, packets are missing and what was measured is too little.
    pub const fn is_whole(&self) -> bool {
        let least = self.due / 100 * WHOLE_PERCENT;
        self.received >= least && self.sent >= least
    }

    /// Microseconds of one core for each second.
    pub fn cpu_us_per_s(&self) -> u64 {
        let media_us = self.media.as_micros().max(1);
        u64::try_from(self.cpu.as_micros() * 1_000_000 / media_us).unwrap_or(u64::MAX)
    }
}

/// The cores that this process may use, by number. Without the system's word: none.
pub fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).ok();
    let is_allowed = |core: &usize| allowed.is_some_and(|set| set.is_set(*core) == Ok(true));
    (0..CpuSet::count()).filter(is_allowed).collect()
}

/// Measures, for as long as the trial takes.
///
/// # Errors
/// The system gave no socket, for want of files as a rule, or no clock.
pub fn measure(trial: Trial) -> io::Result<Measured> {
    let (mixer_core, phones_core) = match cores()[..] {
        [first, second, ..] => (Some(first), Some(second)),
        _ => (None, None),
    };
    // A thread of its own, because it is kept on one core and the caller is not.
    std::thread::scope(|scope| {
        let phones = scope.spawn(|| {
            // Where it cannot be kept it runs where it may: dearer, if both share a core by turns.
            let _ = phones_core.map(pin);
            Bench::new(trial, mixer_core)?.run(trial)
        });
        phones.join().unwrap_or_else(|_| Err(io::Error::other("the phones have failed")))
    })
}

/// A mixer with phones.
struct Bench {
    engine: Engine,
    replies: Receiver<Told>,
    lent: Vec<LentPort>,
    last_command: u64,
    phones: Phones,
}

/// What the mixer's thread tells.
#[derive(Debug)]
enum Told {
    Lent(Vec<LentPort>),
    /// A command is done, at this moment; so much processor time has the thread taken.
    Done {
        is_refused: bool,
        at: Instant,
        cpu: Duration,
    },
}

/// How far the mixer's thread was at a moment.
struct Mark {
    at: Instant,
    cpu: Duration,
    received: u64,
    sent: u64,
}

impl Bench {
    fn new(trial: Trial, core: Option<usize>) -> io::Result<Self> {
        let config = EngineConfig {
            binds: vec![MediaBind { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), ports: 10_000..=32_767 }],
            shards: 1,
            cores: core.into_iter().collect(),
            seed: [1; 32],
            dscp: DSCP_EF,
            rest: Duration::ZERO,
            shard: ShardConfig::default(),
        };
        // Room for the reply to the one command that is under way and for what is lent beside it.
        let (tell, replies) = sync_channel(TOLD_MAX);
        let engine = Engine::start(&config, move |_, event| deliver(event, &tell));
        let phones = Phones::new(trial.ptime_ms)?;
        let engine = engine.map_err(io::Error::other)?;
        let mut bench = Self { engine, replies, lent: Vec::new(), last_command: 0, phones };
        let conferences = trial.conferences.max(1);
        for number in 0..conferences {
            bench.command(number, Action::OpenConference)?;
        }
        let format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: trial.ptime_ms };
        for leg in 0..trial.legs {
            let lent = bench.take_lent()?;
            let remote = bench.phones.add(lent.address)?;
            let action = Action::AddPort {
                port: PortId(leg.into()),
                transport: TransportSpec::muxed(lent.id, remote),
                stream: StreamSpec::both_ways(format),
            };
            bench.command(leg % conferences, action)?;
        }
        Ok(bench)
    }

    fn run(mut self, trial: Trial) -> io::Result<Measured> {
        let begin = now();
        self.phones.begin(begin);
        self.phones.talk_until(begin + trial.settle)?;
        let from = self.mark()?;
        self.phones.talk_until(from.at + trial.length)?;
        let to = self.mark()?;
        let media = to.at.since(from.at);
        let media_ms = u64::try_from(media.as_millis()).unwrap_or(u64::MAX);
        Ok(Measured {
            cpu: to.cpu.saturating_sub(from.cpu),
            media,
            due: u64::from(trial.legs) * media_ms / u64::from(trial.ptime_ms.max(1)),
            received: to.received - from.received,
            sent: to.sent - from.sent,
        })
    }

    /// Asks the thread how far it is: a command that changes nothing is answered there.
    fn mark(&mut self) -> io::Result<Mark> {
        let (at, cpu) = self.command(0, Action::OpenConference)?;
        // Published at the end of the round before, a millisecond ago.
        let report = self.engine.report().shards.first().copied().unwrap_or_default();
        Ok(Mark { at, cpu, received: report.received, sent: report.sent })
    }

    fn command(&mut self, conference: u16, action: Action) -> io::Result<(Instant, Duration)> {
        self.last_command += 1;
        let conference = ConferenceKey { slot: conference.into(), generation: 1 };
        let command = Command { id: self.last_command, conference, epoch: Epoch(1), action };
        self.engine.command(0, command).map_err(io::Error::other)?;
        loop {
            match self.told()? {
                Told::Lent(ports) => self.lent.extend(ports),
                Told::Done { is_refused: true, .. } => {
                    return Err(io::Error::other("the mixer has refused a leg"));
                }
                Told::Done { is_refused: false, at, cpu } => return Ok((at, cpu)),
            }
        }
    }

    fn take_lent(&mut self) -> io::Result<LentPort> {
        loop {
            if let Some(port) = self.lent.pop() {
                return Ok(port);
            }
            if let Told::Lent(ports) = self.told()? {
                self.lent.extend(ports);
            }
        }
    }

    fn told(&self) -> io::Result<Told> {
        self.replies.recv_timeout(PATIENCE).map_err(io::Error::other)
    }
}

/// Runs on the mixer's thread: so it can tell what that has taken.
fn deliver(event: Event, tell: &SyncSender<Told>) -> Delivery {
    let told = match event {
        Event::Lent { ports } => Told::Lent(ports),
        Event::Reply { outcome, .. } => {
            let cpu = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
            Told::Done {
                is_refused: outcome.is_err() || cpu.is_err(),
                at: now(),
                cpu: cpu.unwrap_or_default(),
            }
        }
        Event::Failed { .. }
        | Event::KeyPressed { .. }
        | Event::Latched { .. }
        | Event::Measured { .. }
        | Event::Paced { .. }
        | Event::Silent { .. }
        | Event::Talking { .. } => return Delivery::Taken,
    };
    // Nobody waits any more when the measure has failed.
    let _ = tell.try_send(told);
    Delivery::Taken
}

/// Less of the packets, and others kept a thread from running.
const WHOLE_PERCENT: u64 = 97;

/// More than is ever told between two commands.
const TOLD_MAX: usize = 1_024;

/// A mixer that has not answered by then never will: for want of ports, as a rule.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// No figure is asserted but that everybody was heard: how fast this machine is must not make a test fail.
    #[test]
    fn everybody_sends_and_everybody_hears() {
        let [settle, length] = [50, 200].map(Duration::from_millis);
        let trial = Trial { legs: 6, conferences: 2, ptime_ms: 20, settle, length };
        let measured = measure(trial).expect("loopback");
        assert!(measured.media >= length, "{measured:?}");
        assert!(measured.received > 0 && measured.sent > 0, "{measured:?}");
        assert!(measured.cpu > Duration::ZERO && measured.cpu < measured.media, "{measured:?}");
    }

    #[test]
    fn a_second_of_a_core_is_a_million_microseconds() {
        let [cpu, media] = [30, 120].map(Duration::from_millis);
        let measured = Measured { cpu, media, due: 1_000, received: 970, sent: 970 };
        assert_eq!(measured.cpu_us_per_s(), 250_000);
        assert!(measured.is_whole());
        assert!(!Measured { received: 969, ..measured }.is_whole());
        assert!(!Measured { sent: 969, ..measured }.is_whole());
    }
}
