//! A datagram, and when it came: to the socket, by the kernel's stamp, and not when somebody found the time to read it.
//!
//! - [`stamp`] has the kernel stamp what comes to a socket, [`count_overflows`] has it count what finds no place there.
//! - [`Reader`] reads it, and turns the stamp into a moment of its user's clock.
//!
//! **Invariant:** a datagram never came after it was read, whatever becomes of the wall clock.

use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use units::Instant;

/// Has the kernel stamp what comes to a socket. A wish: without it a datagram came when it was read.
pub fn stamp(socket: &impl AsFd) {
    let _ = setsockopt(socket, sockopt::ReceiveTimestampns, &true);
}

/// Has the kernel tell with each datagram how many before it found the socket's queue full.
///
/// # Errors
/// What the system says.
pub fn count_overflows(socket: &impl AsFd) -> Result<(), Errno> {
    setsockopt(socket, sockopt::RxqOvfl, &1)
}

/// A datagram that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// How long it is, in bytes.
    pub length: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// When it came, by the clock of the reader's user.
    pub at: Instant,
    /// How many had found the queue full by then, since the socket was made, modulo 2^32; 0 without [`count_overflows`].
    pub overflows: u32,
}

/// Reads datagrams.
#[derive(Debug)]
pub struct Reader {
    control: Vec<u8>,
    /// No datagram waits in a socket for longer than this.
    waited_max: Duration,
    /// Both clocks at one moment: the kernel stamps by the wall clock, which may be set.
    now: Instant,
    wall: Duration,
}

impl Reader {
    /// Makes one that holds a longer wait than `waited_max` for the work of whoever has set the wall clock.
    pub fn new(waited_max: Duration) -> Self {
        let control = nix::cmsg_space!(TimeSpec, u32);
        Self { control, waited_max, now: Instant::ZERO, wall: Duration::ZERO }
    }

    /// Looks at the wall clock, while the user's own shows `now`, before a few datagrams are read.
    pub fn look_at_clocks(&mut self, now: Instant) {
        (self.now, self.wall) = (now, wall());
    }

    /// Takes the next datagram of a socket, without waiting for one.
    ///
    /// # Errors
    /// What the system says; [`Errno::EAGAIN`]: there is none.
    pub fn read(&mut self, socket: &impl AsFd, bytes: &mut [u8]) -> Result<Datagram, Errno> {
        let Received { length, from, stamp, overflows } = self.receive(socket, bytes)?;
        Ok(Datagram { length, from, at: self.arrival(stamp), overflows })
    }

    fn receive(&mut self, socket: &impl AsFd, bytes: &mut [u8]) -> Result<Received, Errno> {
        let mut parts = [IoSliceMut::new(bytes)];
        let control = Some(&mut self.control[..]);
        let (fd, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let got = recvmsg::<SockaddrStorage>(fd, &mut parts, control, flags)?;
        let (mut stamp, mut overflows) = (None, 0);
        for message in got.cmsgs().into_iter().flatten() {
            match message {
                ControlMessageOwned::ScmTimestampns(time) => stamp = Some(Duration::from(time)),
                ControlMessageOwned::RxqOvfl(count) => overflows = count,
                _ => {} // nothing else was asked for
            }
        }
        let from = got.address.and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
            v4.or_else(|| {
                address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into()))
            })
        });
        let from = from.ok_or(Errno::EAFNOSUPPORT)?;
        Ok(Received { length: got.bytes, from, stamp, overflows })
    }

    /// When a datagram came that the kernel has stamped so.
    fn arrival(&self, stamp: Option<Duration>) -> Instant {
        let waited = stamp.and_then(|stamp| self.wall.checked_sub(stamp));
        match waited {
            Some(waited) if waited <= self.waited_max => self.now - waited,
            // After the look at the clocks, or before the wall clock was set.
            Some(_) | None => self.now,
        }
    }
}

/// A datagram as the kernel gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Received {
    length: usize,
    from: SocketAddr,
    /// When it came, by the wall clock.
    stamp: Option<Duration>,
    overflows: u32,
}

/// Reads the clock that the kernel stamps datagrams by: time since 1970. It may be set at any moment.
fn wall() -> Duration {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const MAX: Duration = Duration::from_millis(200);

    #[test]
    fn a_datagram_came_when_it_was_stamped_whatever_the_wall_clock_does() {
        let mut reader = Reader::new(MAX);
        let (now, wall) = (Instant::from_millis(90_000), Duration::from_secs(1_800_000_000));
        (reader.now, reader.wall) = (now, wall);
        let came = |stamp| reader.arrival(stamp);
        assert_eq!(came(Some(wall - Duration::from_millis(7))), Instant::from_millis(89_993));
        assert_eq!(came(Some(wall - MAX)), Instant::from_millis(89_800));
        assert_eq!(came(Some(wall + Duration::from_millis(7))), now, "stamped since");
        assert_eq!(came(Some(wall - Duration::from_secs(3_600))), now, "the clock was set");
        assert_eq!(came(None), now);
    }

    #[test]
    fn who_sent_what_and_when_is_read_over_both_families() {
        for ip in ["127.0.0.1:0", "[::1]:0"] {
            let [us, peer] = [ip, ip].map(|ip| UdpSocket::bind(ip).expect("bound"));
            stamp(&us);
            let mut reader = Reader::new(MAX);
            let mut bytes = [0; 64];
            assert_eq!(reader.receive(&us, &mut bytes), Err(Errno::EAGAIN), "it does not wait");
            let before = wall();
            peer.send_to(b"sound", us.local_addr().expect("told")).expect("sent");
            let got = reader.receive(&us, &mut bytes).expect("there");
            let expected = (&b"sound"[..], peer.local_addr().expect("told"), 0);
            assert_eq!((&bytes[..got.length], got.from, got.overflows), expected);
            assert!(got.stamp.is_some_and(|stamp| before <= stamp && stamp <= wall()));
        }
    }

    #[test]
    fn what_finds_no_place_is_counted_with_the_next_that_does() {
        let [us, peer] = ["127.0.0.1:0"; 2].map(|ip| UdpSocket::bind(ip).expect("bound"));
        count_overflows(&us).expect("counted");
        let to = us.local_addr().expect("told");
        let mut reader = Reader::new(MAX);
        let mut bytes = [0; 64];
        // More than any queue holds.
        for _ in 0..10_000 {
            peer.send_to(&[0; 1_000], to).expect("sent");
        }
        let mut came = 0;
        while let Ok(got) = reader.read(&us, &mut bytes) {
            assert_eq!(got.overflows, 0, "those in front came before the queue was full");
            came += 1;
        }
        assert!(came < 10_000, "the queue was never full");
        peer.send_to(b"last", to).expect("sent");
        assert_eq!(came + reader.read(&us, &mut bytes).expect("there").overflows, 10_000);
    }
}
