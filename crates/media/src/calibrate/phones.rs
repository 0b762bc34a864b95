//! Phones that talk all the time, all of them in one thread.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use units::{Instant, Rng};

use crate::clock::{Timer, now};

/// They take turns, so that packets are spread over a packet time as those of strangers are.
pub(super) struct Phones {
    all: Vec<Phone>,
    ptime: Duration,
    epoll: Epoll,
    timer: Timer,
    began: Instant,
    /// Packets that were due so far, of all phones.
    turns: u64,
}

struct Phone {
    socket: UdpSocket,
    /// Where the mixer takes its packets.
    to: SocketAddr,
    packet: Vec<u8>,
    sequence: u16,
    timestamp: u32,
}

impl Phones {
    pub(super) fn new(ptime_ms: u32) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = Timer::new()?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TOKEN_TIMER))?;
        let ptime = Duration::from_millis(ptime_ms.max(1).into());
        Ok(Self { all: Vec::new(), ptime, epoll, timer, began: Instant::ZERO, turns: 0 })
    }

    /// One more, that talks to the mixer's port; where it takes its packets.
    pub(super) fn add(&mut self, to: SocketAddr) -> io::Result<SocketAddr> {
        let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, number.into()))?;
        self.all.push(Phone::new(socket, to, number, self.ptime));
        Ok(address)
    }

    /// All begin to talk.
    pub(super) fn begin(&mut self, at: Instant) {
        self.began = at;
    }

    /// All talk and listen.
    pub(super) fn talk_until(&mut self, end: Instant) -> io::Result<()> {
        let mut ready = [EpollEvent::empty(); READY_MAX];
        let mut bytes = [0; 2_048];
        while now() < end {
            self.timer.set(Some(now() + SEND_EVERY))?;
            let count = match self.epoll.wait(&mut ready, EpollTimeout::NONE) {
                Err(Errno::EINTR) => 0,
                count => count?,
            };
            for event in &ready[..count] {
                match usize::try_from(event.data()).ok().and_then(|number| self.all.get(number)) {
                    // One packet: whoever has more is told of again.
                    Some(phone) => drop(phone.socket.recv_from(&mut bytes)),
                    None => self.timer.went_off()?,
                }
            }
            self.send()?;
        }
        Ok(())
    }

    /// Sends what is due.
    fn send(&mut self) -> io::Result<()> {
        let phones = u64::try_from(self.all.len()).unwrap_or(u64::MAX).max(1);
        let since = now().since(self.began).as_nanos() * u128::from(phones);
        let due = u64::try_from(since / self.ptime.as_nanos()).unwrap_or(u64::MAX);
        // What a thread that was kept from running has missed is not made up for at once.
        self.turns = self.turns.max(due.saturating_sub(phones));
        for turn in self.turns..due {
            let (packet, number) = (turn / phones, turn % phones);
            let Some(phone) = usize::try_from(number).ok().and_then(|it| self.all.get_mut(it))
            else {
                continue;
            };
            phone.send()?;
            if (packet + number).is_multiple_of(PACKETS_PER_REPORT) {
                phone.socket.send_to(&phone.report(), phone.to)?;
            }
        }
        self.turns = due;
        Ok(())
    }
}

impl Phone {
    fn new(socket: UdpSocket, to: SocketAddr, ssrc: u32, ptime: Duration) -> Self {
        // A voice of noise, never silent: so that all are worth hearing.
        let mut rng = Rng::from_number(u64::from(ssrc));
        let samples = ptime.as_millis() * 8;
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

/// How often what is due is sent.
const SEND_EVERY: Duration = Duration::from_millis(1);

/// A report every five seconds, about (RFC 3550 §6.2).
const PACKETS_PER_REPORT: u64 = 250;

/// Its packet type (RFC 3550 §12.1).
const RECEIVER_REPORT: u8 = 201;

/// A plain RTP header (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;

/// Above every phone's number.
const TOKEN_TIMER: u64 = u64::MAX;

/// Sockets told of at once.
const READY_MAX: usize = 256;
