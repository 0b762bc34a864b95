//! A datagram, and when it came: to the socket, by the kernel's stamp, and not when somebody found the time to read it.
//!
//! - [`stamp`] has the kernel stamp what comes to a socket.
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

/// Reads datagrams: how many bytes, from where, and when each came.
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
        let control = nix::cmsg_space!(TimeSpec);
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
    pub fn read(
        &mut self,
        socket: &impl AsFd,
        bytes: &mut [u8],
    ) -> Result<(usize, SocketAddr, Instant), Errno> {
        let (length, from, stamp) = self.receive(socket, bytes)?;
        Ok((length, from, self.arrival(stamp)))
    }

    fn receive(
        &mut self,
        socket: &impl AsFd,
        bytes: &mut [u8],
    ) -> Result<(usize, SocketAddr, Option<Duration>), Errno> {
        let mut parts = [IoSliceMut::new(bytes)];
        let control = Some(&mut self.control[..]);
        let (fd, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let got = recvmsg::<SockaddrStorage>(fd, &mut parts, control, flags)?;
        let stamp = got.cmsgs().into_iter().flatten().find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None, // nothing else was asked for
        });
        let from = got.address.and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
            v4.or_else(|| {
                address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into()))
            })
        });
        let from = from.ok_or(Errno::EAFNOSUPPORT)?;
        Ok((got.bytes, from, stamp))
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
            let (length, from, stamp) = reader.receive(&us, &mut bytes).expect("there");
            assert_eq!((&bytes[..length], from), (&b"sound"[..], peer.local_addr().expect("told")));
            assert!(stamp.is_some_and(|stamp| before <= stamp && stamp <= wall()));
        }
    }
}
