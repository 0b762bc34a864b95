//! What legs cost on this machine: the real mixer and real sockets on loopback, for a moment.
//!
//! The shard runs under a clock that jumps from look to look, as fast as it can: what is measured is the
//! processor time of waiting for packets, taking them with the kernel's stamps, mixing, reporting (RTCP) and sending, as the
//! kernel counts it for this thread. A look is what the shard's thread does in a millisecond with many legs: set the timer,
//! wait, ask which sockets have something, read. What the peers do is done by the same thread between the looks, and not
//! counted; but the kernel delivers on loopback in the sender's time, so the measure is rather too high than too low.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use datagram::{Reader, stamp};
use mix::message::{
    Action, Channel, Codec, Command, ConferenceKey, Epoch, Event, Format, LentPort, PortId,
    StreamSpec, TransportSpec,
};
use mix::{Shard, ShardConfig, Sink, TICK};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::time::{ClockId, clock_gettime};
use units::{Instant, Rng};

use crate::clock::{Timer, now};
use crate::thread::WAITED_MAX;

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
    for look in 0..trial.ticks * LOOKS {
        bench.peers_send(look)?;
        let before = thread_cpu()?;
        bench.look()?;
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
    /// What the thread waits with: for its timer, and for the sockets.
    epoll: Epoll,
    media: Epoll,
    timer: Timer,
    reader: Reader,
    /// Looks in a packet.
    ptime_looks: u32,
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
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            media: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            timer: Timer::new()?,
            reader: Reader::new(WAITED_MAX),
            ptime_looks: (trial.ptime_ms / 10).max(1) * LOOKS,
            received: 0,
            sent: 0,
        };
        bench.epoll.add(&bench.timer, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
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
            stamp(&ours);
            bench.media.add(&ours, EpollEvent::new(EpollFlags::EPOLLIN, lent.into()))?;
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

    /// Each peer sends when its packet is full, and a report now and then; they take turns, as in life.
    fn peers_send(&mut self, look: u32) -> io::Result<()> {
        let ptime = self.ptime_looks;
        for (number, peer) in (0_u32..).zip(&mut self.peers) {
            if (look + number).is_multiple_of(ptime) {
                peer.send()?;
            }
            if (look + number).is_multiple_of(REPORT_LOOKS) {
                peer.socket.send_to(&peer.report(), peer.to)?;
            }
        }
        Ok(())
    }

    /// What the shard's thread does in a millisecond; in the tenth of them is a tick.
    fn look(&mut self) -> io::Result<()> {
        let mut woken = [EpollEvent::empty(); 4];
        self.timer.set(Some(now()))?;
        self.epoll.wait(&mut woken, EpollTimeout::NONE)?;
        let _ = self.timer.went_off();
        self.receive();
        self.now += TICK / LOOKS;
        self.shard.tick(self.now, &mut Outbox { sockets: &self.sockets, sent: &mut self.sent });
        Ok(())
    }

    fn receive(&mut self) {
        let (mut bytes, mut ready) = ([0; 2_048], [EpollEvent::empty(); 256]);
        loop {
            let count = self.media.wait(&mut ready, EpollTimeout::ZERO).unwrap_or(0);
            self.reader.look_at_clocks(now());
            for event in &ready[..count] {
                let Ok(lent) = u32::try_from(event.data()) else { continue };
                let Some(socket) = self.sockets.get(lent as usize) else { continue };
                if let Ok((length, from, _)) = self.reader.read(socket, &mut bytes) {
                    // The kernel's stamp is of its own clock, the shard's is another here.
                    let is_report = length > 1 && bytes[1] == RECEIVER_REPORT;
                    self.received += u64::from(!is_report);
                    let socket = (lent, Channel::Rtp);
                    self.shard.handle_packet(self.now, socket, from, &bytes[..length]);
                }
            }
            if count == 0 {
                return;
            }
        }
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

    /// An empty receiver report and a name (RFC 3550 §6.4.2, §6.5), on the media's own port (RFC 5761).
    fn report(&self) -> [u8; 24] {
        let mut report = [0; 24];
        report[..4].copy_from_slice(&[0x80, RECEIVER_REPORT, 0, 1]);
        report[8..12].copy_from_slice(&[0x81, 202, 0, 3]);
        report[16..20].copy_from_slice(&[1, 4, b'p', b'e']);
        report[20..22].copy_from_slice(b"er");
        for at in [4, 12] {
            report[at..at + 4].copy_from_slice(&self.packet[8..12]);
        }
        report
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

/// Looks in a tick: one a millisecond, as the thread of many legs has it.
const LOOKS: u32 = 10;

/// A report every five seconds, about (RFC 3550 §6.2).
const REPORT_LOOKS: u32 = 5_000;

/// Its packet type (RFC 3550 §12.1).
const RECEIVER_REPORT: u8 = 201;

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
