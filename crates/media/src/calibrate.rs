//! What legs cost on this machine: the real mixer and real sockets on loopback, for a moment.
//!
//! The shard runs under a clock that jumps from tick to tick, as fast as it can: what is measured is the
//! processor time of taking packets, mixing and sending, as the kernel counts it for this thread. What the peers do
//! is done by the same thread between the ticks, and not counted; but the kernel delivers on loopback in
//! the sender's time, so the measure is rather too high than too low.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use mix::message::{
    Action, Channel, Codec, Command, ConferenceKey, Epoch, Event, Format, LentPort, PortId,
    StreamSpec, TransportSpec,
};
use mix::{Shard, ShardConfig, Sink, TICK};
use nix::time::{ClockId, clock_gettime};
use units::{Instant, Rng};

/// What shall be measured: everybody talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Legs in all, spread evenly over the conferences.
    pub legs: u16,
    /// Conferences.
    pub conferences: u16,
    /// The packet time of all, in ms.
    pub ptime_ms: u32,
    /// How long, in ticks of 10 ms of the shard's clock.
    pub ticks: u32,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Processor time that the shard took.
    pub cpu: Duration,
    /// The time that passed on its clock.
    pub media: Duration,
    /// Packets that it received.
    pub received: u64,
    /// Packets that it sent.
    pub sent: u64,
}

impl Measured {
    /// Microseconds of one core for each second.
    pub fn cpu_us_per_s(&self) -> u64 {
        let media_ms = self.media.as_millis().max(1);
        u64::try_from(self.cpu.as_micros() * 1_000 / media_ms).unwrap_or(u64::MAX)
    }
}

/// Measures.
///
/// # Errors
/// The system gave no socket, for want of files as a rule, or no clock.
pub fn measure(trial: Trial) -> io::Result<Measured> {
    let mut bench = Bench::new(trial)?;
    let mut cpu = Duration::ZERO;
    for tick in 0..trial.ticks {
        bench.peers_send(tick)?;
        let before = thread_cpu()?;
        bench.take_and_tick();
        cpu += thread_cpu()?.saturating_sub(before);
        bench.peers_receive();
    }
    let Bench { received, sent, .. } = bench;
    Ok(Measured { cpu, media: TICK.saturating_mul(trial.ticks), received, sent })
}

struct Bench {
    shard: Shard,
    now: Instant,
    /// The shard's sockets, by their number.
    sockets: Vec<UdpSocket>,
    /// Whom they belong to.
    peers: Vec<Peer>,
    /// Ticks in a packet.
    ptime_ticks: u32,
    received: u64,
    sent: u64,
}

struct Peer {
    socket: UdpSocket,
    /// Where the shard takes its packets.
    to: SocketAddr,
    packet: Vec<u8>,
    sequence: u16,
    timestamp: u32,
}

impl Bench {
    fn new(trial: Trial) -> io::Result<Self> {
        let mut bench = Self {
            shard: Shard::new(ShardConfig::default(), Rng::from_number(1)),
            now: Instant::from_millis(1_000),
            sockets: Vec::new(),
            peers: Vec::new(),
            ptime_ticks: (trial.ptime_ms / 10).max(1),
            received: 0,
            sent: 0,
        };
        let conferences = trial.conferences.max(1);
        for number in 0..conferences {
            bench.command(number, u64::from(number), Action::OpenConference);
        }
        for leg in 0..trial.legs {
            let lent = u32::from(leg);
            let (ours, theirs) = (loopback()?, loopback()?);
            let (address, remote) = (ours.local_addr()?, theirs.local_addr()?);
            bench.shard.add_lent(LentPort { id: lent, address });
            let action = Action::AddPort {
                port: PortId(lent),
                transport: TransportSpec::muxed(lent, remote),
                stream: stream(trial.ptime_ms),
            };
            bench.command(leg % conferences, u64::from(conferences) + u64::from(lent), action);
            bench.sockets.push(ours);
            bench.peers.push(Peer::new(theirs, address, lent, trial.ptime_ms));
        }
        while let Some(event) = bench.shard.poll_event() {
            if let Event::Reply { outcome: Err(refused), .. } = event {
                return Err(io::Error::other(format!("the mixer refused a leg: {refused:?}")));
            }
        }
        Ok(bench)
    }

    fn command(&mut self, conference: u16, id: u64, action: Action) {
        let conference = ConferenceKey { slot: conference.into(), generation: 1 };
        let command = Command { id, conference, epoch: Epoch(1), action };
        self.shard.handle_command(self.now, command);
    }

    /// Each peer sends when its packet is full; they take turns, as in life.
    fn peers_send(&mut self, tick: u32) -> io::Result<()> {
        let ptime = self.ptime_ticks;
        for (number, peer) in (0_u32..).zip(&mut self.peers) {
            if (tick + number).is_multiple_of(ptime) {
                peer.send()?;
            }
        }
        Ok(())
    }

    /// What the shard's thread does in a tick.
    fn take_and_tick(&mut self) {
        let mut bytes = [0; 2_048];
        for (lent, socket) in (0_u32..).zip(&self.sockets) {
            while let Ok((len, from)) = socket.recv_from(&mut bytes) {
                self.received += 1;
                let socket = (lent, Channel::Rtp);
                self.shard.handle_packet(self.now, socket, from, &bytes[..len]);
            }
        }
        self.now += TICK;
        self.shard.tick(self.now, &mut Outbox { sockets: &self.sockets, sent: &mut self.sent });
    }

    fn peers_receive(&mut self) {
        while self.shard.poll_event().is_some() {}
        let mut bytes = [0; 2_048];
        for peer in &self.peers {
            while peer.socket.recv_from(&mut bytes).is_ok() {}
        }
    }
}

impl Peer {
    fn new(socket: UdpSocket, to: SocketAddr, ssrc: u32, ptime_ms: u32) -> Self {
        // A voice of noise, never silent: so that all are worth hearing.
        let mut rng = Rng::from_number(u64::from(ssrc));
        let samples = usize::try_from(ptime_ms * 8).unwrap_or(160);
        let mut packet = vec![0; HEADER_BYTES];
        packet[0] = 0x80;
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet.extend((0..samples).map(|_| rng.bytes::<1>()[0]));
        Self { socket, to, packet, sequence: 0, timestamp: 0 }
    }

    fn send(&mut self) -> io::Result<()> {
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        let samples = u32::try_from(self.packet.len() - HEADER_BYTES).unwrap_or(0);
        self.timestamp = self.timestamp.wrapping_add(samples);
        self.socket.send_to(&self.packet, self.to).map(|_| ())
    }
}

struct Outbox<'a> {
    sockets: &'a [UdpSocket],
    sent: &'a mut u64,
}

impl Sink for Outbox<'_> {
    fn send(&mut self, lent: u32, _: Channel, to: SocketAddr, bytes: &[u8]) {
        let socket = usize::try_from(lent).ok().and_then(|lent| self.sockets.get(lent));
        if socket.is_some_and(|socket| socket.send_to(bytes, to).is_ok()) {
            *self.sent += 1;
        }
    }
}

fn stream(ptime_ms: u32) -> StreamSpec {
    let format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms };
    StreamSpec::both_ways(format)
}

fn loopback() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Processor time that this thread has taken so far.
fn thread_cpu() -> io::Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.into())
}

/// A plain RTP header (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    /// No figure is asserted but that everybody was heard: how fast this machine is must not make a test fail.
    #[test]
    fn everybody_sends_and_everybody_hears() {
        let trial = Trial { legs: 6, conferences: 2, ptime_ms: 20, ticks: 100 };
        let measured = measure(trial).expect("loopback");
        assert_eq!(measured.media, Duration::from_secs(1));
        assert_eq!(measured.received, 6 * 50);
        assert!(measured.sent > 6 * 40 && measured.sent <= 6 * 50, "{measured:?}");
        assert!(measured.cpu > Duration::ZERO);
    }

    #[test]
    fn longer_packets_are_fewer() {
        let trial = Trial { legs: 4, conferences: 1, ptime_ms: 40, ticks: 100 };
        assert_eq!(measure(trial).expect("loopback").received, 4 * 25);
    }
}
