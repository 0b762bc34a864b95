//! The media shards, as the loop sees them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::thread::available_parallelism;

use media::{CommandError, Delivery, Engine, EngineConfig, EngineReport, MediaBind};
use mix::ShardConfig;
use mix::message::{Command, Event};
use tokio::sync::mpsc;

use crate::config::{Config, MediaListen};
use crate::start::StartError;

/// Events from the shards that wait for the loop. When it is full a shard keeps its next event and
/// takes no more commands, so nothing is lost and nothing grows.
const EVENTS_MAX: usize = 1_024;

/// Seats a mixer in a pool whose size nobody named. One mixer is one core; a leg costs it 100 packets and
/// 100 frames a second, and this many leave more than half of it free for bursts. More is refused
/// with 480 before anybody hears a gap.
pub(crate) const SEATS_BY_DEFAULT: u32 = 500;

/// Files that the process has open besides those for media: connections, and what a process has.
const FILES_BESIDE: u64 = sip::CONNECTIONS_MAX as u64 + 64;

/// An event and the shard that it came from.
pub(crate) type FromShard = (u16, Event);

/// The engine, with the commands that it has not taken yet.
pub(crate) struct Mixers {
    engine: Engine,
    /// In order. Bounded by what the node has under way, which the pool's capacity bounds.
    waiting: VecDeque<(u16, Command)>,
}

/// Whether the shards still live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Alive,
    /// A shard's thread has ended: nobody mixes any more.
    Dead,
}

impl Mixers {
    pub(crate) fn start(
        config: &Config,
        seed: [u8; 32],
    ) -> Result<(Self, mpsc::Receiver<FromShard>), media::StartError> {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let config = EngineConfig {
            binds: config.media.iter().map(bind).collect(),
            shards: config.mixers,
            cores: cores(),
            seed,
            dscp: config.media_dscp,
            rest: media::REST,
            shard: ShardConfig {
                heard: config.heard,
                fault_in: config.fault_in_conference,
                ..ShardConfig::default()
            },
        };
        let deliver = move |shard, event| match events.try_send((shard, event)) {
            // With the loop gone nobody waits for events.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Delivery::Taken,
            Err(mpsc::error::TrySendError::Full((_, event))) => Delivery::Full(event),
        };
        let engine = Engine::start(&config, deliver)?;
        Ok((Self { engine, waiting: VecDeque::new() }, receiver))
    }

    /// Hands over a command, or keeps it for [`Mixers::retry`].
    pub(crate) fn command(&mut self, shard: u16, command: Command) -> Health {
        self.waiting.push_back((shard, command));
        self.retry()
    }

    /// Hands over what waits, as far as it is taken.
    pub(crate) fn retry(&mut self) -> Health {
        while let Some((shard, command)) = self.waiting.pop_front() {
            match self.engine.command(shard, command) {
                Ok(()) => {}
                Err(CommandError::Full(command)) => {
                    self.waiting.push_front((shard, *command));
                    return Health::Alive;
                }
                Err(CommandError::NoSuchShard { .. } | CommandError::Stopped) => {
                    return Health::Dead;
                }
            }
        }
        Health::Alive
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.engine.report().shards.len()
    }

    /// Whether commands wait.
    pub(crate) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn report(&self) -> EngineReport {
        self.engine.report()
    }

    pub(crate) fn stop(self) -> EngineReport {
        self.engine.stop()
    }
}

/// The addresses that the node must know the media by: those of each shard.
pub(crate) fn advertised(config: &Config) -> Vec<Vec<IpAddr>> {
    let all = config.media.iter().map(|listen| listen.advertise).collect();
    vec![all; usize::from(config.mixers)]
}

/// Mixers where nobody says how many: each has a core, and one is left for signalling and the system. No more than
/// there are ports for.
pub(crate) fn mixers_by_default(listens: &[MediaListen]) -> u16 {
    let cores = available_parallelism().map_or(1, usize::from);
    let most = u16::try_from(cores.saturating_sub(1)).unwrap_or(media::SHARDS_MAX);
    let ports = u16::try_from(port_legs(listens)).unwrap_or(media::SHARDS_MAX);
    most.min(ports).clamp(1, media::SHARDS_MAX)
}

/// Seats of a pool whose size nobody named: what the mixers can mix, and no more than there are ports for, though
/// all legs be of one family.
pub(crate) fn seats(listens: &[MediaListen], mixers: u16) -> u32 {
    port_legs(listens).min(SEATS_BY_DEFAULT * u32::from(mixers))
}

/// Legs that there are ports for, though all be of one family.
pub(crate) fn port_legs(listens: &[MediaListen]) -> u32 {
    listens.iter().map(|listen| listen.ports.legs()).min().unwrap_or(0)
}

/// Legs that there are files for: two each. `allowed` is what the system allows, if it says.
pub(crate) fn file_legs(config: &Config, allowed: Option<u64>) -> u32 {
    let left = |allowed: u64| allowed.saturating_sub(files(config, 0)) / FILES_PER_LEG;
    allowed.map_or(u32::MAX, |allowed| u32::try_from(left(allowed)).unwrap_or(u32::MAX))
}

/// Whether the system allows as many files as a pool of so many seats needs.
///
/// # Errors
/// It does not, and somebody wants that many; or it allows none.
pub(crate) fn check_files(
    config: &Config,
    capacity: u32,
    allowed: Option<u64>,
) -> Result<(), StartError> {
    let is_named = config.capacity.is_some();
    let legs = file_legs(config, allowed);
    if legs == 0 || (is_named && legs < capacity) {
        let (needed, allowed) = (files(config, capacity.max(1)), allowed.unwrap_or(0));
        return Err(StartError::Files { capacity, needed, allowed });
    }
    Ok(())
}

fn files(config: &Config, legs: u32) -> u64 {
    FILES_BESIDE + media::files_for(legs, config.mixers, config.media.len())
}

/// One for RTP and one for RTCP.
const FILES_PER_LEG: u64 = 2;

fn bind(listen: &MediaListen) -> MediaBind {
    MediaBind { ip: listen.bind, ports: listen.ports.first..=listen.ports.last }
}

/// The last core for the first shard, and so on: the system tends to use the first ones for itself, and the very first
/// is nobody's. Shards beyond are not pinned.
fn cores() -> Vec<usize> {
    (1..available_parallelism().map_or(1, usize::from)).rev().collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::PortRange;

    fn listen(first: u16, last: u16) -> MediaListen {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        MediaListen { bind: ip, advertise: ip, ports: PortRange { first, last } }
    }

    #[test]
    fn no_more_seats_than_pairs_of_ports_or_than_the_mixers_can_mix() {
        assert_eq!(seats(&[listen(20_000, 20_009)], 1), 5);
        assert_eq!(seats(&[listen(20_001, 20_009)], 1), 4);
        assert_eq!(seats(&[listen(20_000, 29_999)], 1), SEATS_BY_DEFAULT);
        assert_eq!(seats(&[listen(20_000, 29_999)], 3), 3 * SEATS_BY_DEFAULT);
        assert_eq!(seats(&[listen(20_000, 20_009), listen(20_000, 20_003)], 1), 2);
        assert_eq!(mixers_by_default(&[listen(20_000, 20_001)]), 1);
    }

    #[test]
    fn a_capacity_that_the_limit_of_files_cannot_hold_is_refused_with_what_to_do() {
        let flags = crate::config::Flags::default();
        let read = |text: &str| Config::from_toml("", text, &flags).expect("good");
        let named = read("[media]\nmixers = 1\n[pool]\ncapacity = 500");
        // 512 connections and 64 others, 500 and 128 pairs, 3 of the thread.
        let needed = 576 + 2 * (500 + 128) + 3;
        assert_eq!(check_files(&named, 500, Some(needed)), Ok(()));
        assert_eq!(check_files(&named, 500, None), Ok(()));
        let refused = check_files(&named, 500, Some(needed - 1)).expect_err("too few");
        assert_eq!(
            refused.to_string(),
            format!(
                "capacity = 500 needs {needed} open files, and the system allows {}: raise the limit \
                 (ulimit -n {needed}, LimitNOFILE={needed} in a systemd unit), or lower [pool] capacity",
                needed - 1
            )
        );
        let unnamed = read("[media]\nmixers = 1");
        assert_eq!(file_legs(&unnamed, Some(1_024)), (1_024 - 576 - 256 - 3) / 2);
        assert_eq!(check_files(&unnamed, 94, Some(1_024)), Ok(()));
        assert!(check_files(&unnamed, 1, Some(256)).is_err(), "not even one");
    }
}
