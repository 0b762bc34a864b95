//! The media shards, as the loop sees them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::thread::available_parallelism;

use media::{CommandError, Delivery, Engine, EngineConfig, EngineReport, MediaBind};
use mix::message::{Command, Event};
use tokio::sync::mpsc;

use crate::config::MediaListen;

/// Events from the shards that wait for the loop. When it is full a shard keeps its next event and
/// takes no more commands, so nothing is lost and nothing grows.
const EVENTS_MAX: usize = 1_024;

/// Media shards of this server. One mixes some hundred legs.
pub(crate) const SHARDS: u16 = 1;

/// Seats of a pool whose size nobody named. One shard is one core; a leg costs it 100 packets and
/// 100 frames a second, and this many leave more than half of it free for bursts. More is refused
/// with 480 before anybody hears a gap.
const SEATS_BY_DEFAULT: u32 = 500;

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
        listens: &[MediaListen],
        heard: u32,
        seed: [u8; 32],
    ) -> Result<(Self, mpsc::Receiver<FromShard>), media::StartError> {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let config = EngineConfig {
            binds: listens.iter().map(bind).collect(),
            shards: SHARDS,
            cores: cores(),
            heard,
            seed,
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
pub(crate) fn advertised(listens: &[MediaListen]) -> Vec<Vec<IpAddr>> {
    let all = listens.iter().map(|listen| listen.advertise).collect();
    vec![all; usize::from(SHARDS)]
}

/// Seats of a pool whose size nobody named or measured: what a shard can mix, and no more than there are ports for.
pub(crate) fn seats(listens: &[MediaListen]) -> u32 {
    port_legs(listens).min(SEATS_BY_DEFAULT)
}

/// Legs that there are ports for, though all be of one family.
pub(crate) fn port_legs(listens: &[MediaListen]) -> u32 {
    listens.iter().map(|listen| listen.ports.legs()).min().unwrap_or(0)
}

fn bind(listen: &MediaListen) -> MediaBind {
    MediaBind { ip: listen.bind, ports: listen.ports.first..=listen.ports.last }
}

/// The last core for the first shard: the system tends to use the first ones for itself. Alone on a
/// single core a shard is not pinned.
fn cores() -> Vec<usize> {
    match available_parallelism().map_or(1, usize::from) {
        1 => Vec::new(),
        cores => vec![cores - 1],
    }
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
    fn no_more_seats_than_even_ports_or_than_a_shard_can_mix() {
        assert_eq!(seats(&[listen(20_000, 20_009)]), 5);
        assert_eq!(seats(&[listen(20_001, 20_009)]), 4);
        assert_eq!(seats(&[listen(20_000, 29_999)]), SEATS_BY_DEFAULT);
        assert_eq!(seats(&[listen(20_000, 20_009), listen(20_000, 20_003)]), 2);
    }
}
