//! A shard's 20 ms: a packet from each leg, and two ticks.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use audio::g711::ulaw_encode;
use mix::message::{
    Action, Channel, Codec, Command, ConferenceKey, Epoch, Format, LentPort, PortId, StreamSpec,
    TransportSpec,
};
use mix::{Shard, ShardConfig, Sink, TICK};
use rtp::Header;
use units::{Instant, Rng};

const PCMU: Format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: 20 };

/// So many conferences of so many legs, all sending noise: twenty times 20 ms until all are in their stride, then as often
/// as wanted.
pub(crate) fn mix(conferences: u32, legs: u32, times: u32) {
    let mut world = World::new(conferences, legs);
    for _ in 0..20 + times {
        world.round();
    }
}

struct World {
    shard: Shard,
    now: Instant,
    /// A second of it.
    noise: Vec<u8>,
    legs: u32,
    rounds: u32,
}

struct Nobody;

impl Sink for Nobody {
    fn send(&mut self, lent: u32, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        black_box((lent, channel, to, bytes));
    }
}

impl World {
    fn new(conferences: u32, legs: u32) -> Self {
        let mut rng = Rng::from_number(7);
        let noise = (0..8_000)
            .map(|_| ulaw_encode(i16::try_from(rng.below(8_000)).unwrap_or(0) - 4_000))
            .collect();
        let mut shard = Shard::new(ShardConfig::default(), rng);
        let now = Instant::from_millis(1_000);
        for slot in 0..conferences {
            let key = ConferenceKey { slot, generation: 1 };
            command(&mut shard, now, key, Action::OpenConference);
            for leg in slot * legs..(slot + 1) * legs {
                shard.add_lent(LentPort { id: leg + 1, address: address(20_000, leg) });
                let remote = address(40_000, leg);
                let transport = TransportSpec::muxed(leg + 1, remote);
                let stream = StreamSpec { label: "leg".to_owned(), ..StreamSpec::both_ways(PCMU) };
                let port = PortId(leg + 1);
                command(&mut shard, now, key, Action::AddPort { port, transport, stream });
            }
        }
        Self { shard, now, noise, legs: conferences * legs, rounds: 0 }
    }

    /// 20 ms.
    fn round(&mut self) {
        let mut packet = [0; 172];
        for leg in 0..self.legs {
            let header = Header {
                marker: self.rounds == 0,
                payload_type: 0,
                sequence: u16::try_from(self.rounds % 65_536).unwrap_or(0),
                timestamp: self.rounds.wrapping_mul(160),
                ssrc: leg + 1,
            };
            let begin = (leg * 37 + self.rounds * 160) as usize % (self.noise.len() - 160);
            let written = rtp::write(&header, &self.noise[begin..begin + 160], &mut packet);
            written.expect("invariant: it fits");
            let socket = (leg + 1, Channel::Rtp);
            self.shard.handle_packet(self.now, socket, address(40_000, leg), &packet);
        }
        self.rounds += 1;
        for _ in 0..2 {
            self.now += TICK;
            self.shard.tick(self.now, &mut Nobody);
            drain(&mut self.shard);
        }
    }
}

fn address(first_port: u16, leg: u32) -> SocketAddr {
    let port = first_port + u16::try_from(2 * leg).unwrap_or(0);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn command(shard: &mut Shard, now: Instant, conference: ConferenceKey, action: Action) {
    shard.handle_command(now, Command { id: 1, conference, epoch: Epoch(1), action });
    drain(shard);
}

fn drain(shard: &mut Shard) {
    while let Some(event) = shard.poll_event() {
        black_box(event);
    }
}
